"""What is known of the public sets: ``data/hub.yaml``, and the checksums that others publish of their files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, model_validator

from kit.core.configs import Config
from kit.core.paths import root
from kit.core.printing import near

MANIFEST, SUMS = "data/hub.yaml", "data/hub_sums.yaml"

PINNED = re.compile(r"[0-9a-f]{40}")
ABBREVIATED = re.compile(r"[0-9a-f]{7,39}")

_HOME = re.compile(r"(hf|github):([\w.-]+/[\w.-]+)@([\w./-]+)|https://\S+")


@dataclass(frozen=True)
class Home:
    """Where files come from.

    kind: ``hf`` (a data set's repository on the hub), ``github``, or ``https`` (a folder of plain files).
    name: owner and repository, or the address of the folder.
    revision: of a repository: 40 hexadecimal digits (pinned), 7 to 39 (pinned, abbreviated: the hub resolves it), or the
        name of a branch (not pinned: the commit that it had is recorded).
    """

    kind: str
    name: str
    revision: str = ""

    @classmethod
    def parsed(cls, text: str) -> Home:
        """The home that a text of the manifest names.

        >>> Home.parsed("hf:mteb/nq@b774495ed302d8c44a3a7ea25c90dbce03968f31").name
        'mteb/nq'
        """
        found = _HOME.fullmatch(text)
        if not found:
            raise ValueError(
                f"home is {text!r}: write hf:owner/name@revision, github:owner/name@revision or https://<folder>"
            )
        return cls(*found.groups()) if found[1] else cls("https", text.rstrip("/"))

    @property
    def is_pinned(self) -> bool:
        """Whether the files stay the same for ever: a commit. An address of plain files is none."""
        return bool(PINNED.fullmatch(self.revision) or ABBREVIATED.fullmatch(self.revision))


class File(Config):
    """Files of one role in a set, such as the documents of a language.

    ``{code}`` and ``{split}`` in them stand for those asked for, ``{source}`` and ``{target}`` for the two codes of a pair.

    home: where they are, if not in the home of the set.
    path: in the home; on the hub ``*`` stands for any letters, and alone, on GitHub, for an archive of all files.
    config, split: instead of a path, on the hub: a configuration and a split of it, whose files the repository's card names.
        Of several names (``default|qrels``) it is the first that there is; of one split only, it is that (ports of BEIR call
        it ``corpus``).
    member: the file in an archive (.tar.gz, .zip); ``*`` stands for any letters.
    put: where one member is put beside the other files, for who reads them by their paths; else it is read in the archive.
    head: columns of a text table that has no line with their names.
    """

    home: str = ""
    path: str = ""
    config: str = ""
    split: str = "{split}"
    member: str = ""
    put: str = ""
    head: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> File:
        if bool(self.path) == bool(self.config):
            raise ValueError("a file has a path or a config, one of the two")
        if self.home:
            Home.parsed(self.home)
        return self


def _files(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("write the files by their roles, such as {corpus: {path: corpus.jsonl}}")
    return {role: one if isinstance(one, File) else File(**(_tuples(one))) for role, one in value.items()}


def _tuples(value: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, one level deep and, in a table, two."""
    return {name: _tuples(one) if name == "lacking" else _tuple(one) for name, one in value.items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _by_name(value: object) -> object:
    """Languages or pairs, by the tag that asks for them, with the code that the files have."""
    listed = {name: name for name in value} if isinstance(value, list) else value
    if not isinstance(listed, dict) or not listed:
        raise ValueError("list the languages (or pairs, for bitext), or write each with the code of its files: {de: deu}")
    return {str(name): str(code) for name, code in listed.items()}


class Entry(Config):
    """One set of the manifest.

    id: its name.
    what: it is, in a line.
    licence: as its home or its authors say; ``not specified`` where nobody says.
    citation: who made it.
    home: of its files (``Home``).
    layout: of its files (``kit.data.hub.layouts``); empty for a set whose files a source of the kit reads (``read_as``).
    files: by role; what the layout says holds where nothing is said. A role that is written ``corpus@en`` or ``qrels@train``
        holds for that language or split.
    languages: tags by the code that the files have; pairs, such as ``de-en``, for bitext.
    splits: that it has; the first one is meant where none is said.
    lacking: languages that a split does not have.
    parallel: ids of questions and documents are the same in all languages, so that a question has an answer in each.
    columns: what the files call a field of the layout, where that is not the layout's name.
    only: rows that count: a column and the value it has to have.
    rows: expected of each table, in every language or by language; of the first split.
    file_rows: expected of the files of a role, likewise.
    unchecked: what nobody has seen and is inferred; the first load tells.
    read_as: the source that reads the files (``lareqa:data/xquad-r``).
    place: the folder in the project where that source finds them.
    converter: of ``kit.data.homes``, that makes what ``place`` holds out of the files; without one they are put there as
        they came.
    """

    id: str = ""
    what: str = ""
    licence: str = ""
    citation: str = ""
    home: str = ""
    layout: str = ""
    files: Annotated[dict[str, File], BeforeValidator(_files)] = Field(default_factory=dict)
    languages: Annotated[dict[str, str], BeforeValidator(_by_name)] = Field(default_factory=lambda: {"en": "en"})
    splits: tuple[str, ...] = ("test",)
    lacking: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    parallel: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    only: dict[str, str | int | bool] = Field(default_factory=dict)
    rows: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    file_rows: dict[str, int | dict[str, int]] = Field(default_factory=dict)
    unchecked: str = ""
    read_as: str = ""
    place: str = ""
    converter: str = ""
    sums: dict[str, dict[str, str | int]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Entry:
        for name in ("what", "licence", "citation", "home"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing: say it")
        Home.parsed(self.home)
        if bool(self.layout) == bool(self.read_as):
            raise ValueError("a set has a layout or a source that reads it (read_as), one of the two")
        if bool(self.place) != bool(self.read_as):
            raise ValueError("read_as and place go together: where the source finds what it reads")
        return self

    @property
    def is_noncommercial(self) -> bool:
        """Whether the licence allows no commercial use."""
        return re.search(r"\bnc\b|non-?commercial", self.licence.lower()) is not None

    @property
    def homes(self) -> list[Home]:
        """All homes of the set, its own first."""
        named = [self.home, *(file.home for file in self.files.values() if file.home)]
        return [Home.parsed(text) for text in dict.fromkeys(named)]

    @property
    def not_pinned(self) -> list[Home]:
        """Homes whose files may change unnoticed: neither at a commit nor all of known checksums."""
        return [home for home in self.homes if not (home.is_pinned or self._has_sums_of(home))]

    def _has_sums_of(self, home: Home) -> bool:
        there = [one for one in self.files.values() if Home.parsed(one.home or self.home) == home]
        asked = [(code, split) for split in self.splits for tag, code in self.languages.items() if self._has(tag, split)]
        paths = {filled(one.path, code, split) for one in there for code, split in asked}
        names = {path.rpartition("/")[2] if home.kind == "https" else path for path in paths}  # as ``Remote.path`` is
        return bool(names) and names <= set(self.sums)

    def _has(self, tag: str, split: str) -> bool:
        return tag not in self.lacking.get(split, ())


def filled(text: str, code: str, split: str) -> str:
    """A text of the manifest for a language (or pair) and split.

    >>> filled("{split}/{code}.{target}", "deu-eng", "test")
    'test/deu-eng.eng'
    """
    source, _, target = code.partition("-")
    for name, value in (("code", code), ("split", split), ("source", source), ("target", target)):
        text = text.replace(f"{{{name}}}", value)
    return text


def sets() -> dict[str, Entry]:
    """All sets of the manifest, by id.

    Raises:
        ValueError: there is none, or it is not of the form that ``Entry`` says; names the set.
    """
    path = root() / MANIFEST
    if not path.is_file():
        raise ValueError(f"{path}: no such file: the manifest of public sets belongs there")
    sums = root() / SUMS
    return dict(_read(path, path.stat().st_mtime_ns, sums if sums.is_file() else None))


def entry(set_id: str) -> Entry:
    """One set.

    Raises:
        ValueError: the manifest has none of that name.
    """
    known = sets()
    if set_id not in known:
        told = f"choose from {', '.join(sorted(known))}" if len(known) < 20 else "python -m kit data list shows them"
        raise ValueError(f"no set {set_id!r} in {MANIFEST}{near(set_id, known)}: {told}")
    return known[set_id]


def at_place(path: Path) -> Entry | None:
    """The set whose files belong to a path, or above or below it; for who misses them."""
    home = root()
    if not (home / MANIFEST).is_file() or not path.is_relative_to(home):
        return None
    wanted = path.relative_to(home)
    if wanted.parts[:2] == ("data", "hub"):
        return sets().get(wanted.parts[2]) if len(wanted.parts) > 2 else None
    for one in sets().values():
        place = Path(one.place)
        if one.place and (
            wanted == place or place in wanted.parents or (wanted in place.parents and wanted != Path("data"))
        ):
            return one
    return None


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, sums: Path | None) -> dict[str, Entry]:
    listed, known = _yaml(path), _yaml(sums) if sums else {}
    found = {}
    for set_id, values in listed.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", str(set_id)) or not isinstance(values, dict):
            raise ValueError(f"{path}: {set_id!r}: a set has a name in small letters, digits, '-' and '.', and fields")
        try:
            found[set_id] = Entry(
                id=set_id, sums=known.get(set_id, {}), **_tuples(values | {"languages": _languages(values)})
            )
        except ValueError as error:
            raise ValueError(f"{path}: set {set_id!r}: {error}") from None
    return found


def _languages(values: dict[str, Any]) -> dict[str, str]:
    """The languages as a table, before lists become tuples."""
    given = values.get("languages", ["en"])
    return {str(name): str(name) for name in given} if isinstance(given, list) else given


def _yaml(path: Path) -> dict[str, Any]:
    """A table of YAML; a name that stands twice is refused, which YAML itself does not do."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Once)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())[:200]}): mend it") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a table of sets by id: mend it")
    return {name: one for name, one in value.items() if not str(name).startswith("_")}


class _Once(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)
