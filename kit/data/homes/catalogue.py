"""Which sets have a public home in another form, what is made of it, and the one place that makes it."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from kit.core import paths, tables
from kit.core.files import whole_folder
from kit.core.printing import near
from kit.data.homes import medquad, ntrex, scifact, tico19, tldr


@dataclass(frozen=True)
class Home:
    """Where a set lives, and what is made of it.

    url: of a .zip of the whole home, or, where it ends in ``/``, of the folder below which the files lie.
    licence: of the set.
    files: patterns of the files that are needed, below the home's own folder; each must be there.
    made: file of the set -> the rows of it, from the home's folder. ``.jsonl.gz``, or ``.tsv`` with a header.
    copied: file of the set -> file of the home that it is.
    """

    url: str
    licence: str
    files: tuple[str, ...]
    made: Mapping[str, Callable[[Path], Iterable[dict]]] = field(default_factory=dict)
    copied: Mapping[str, str] = field(default_factory=dict)


def _github(repository: str, commit: str) -> str:
    return f"https://github.com/{repository}/archive/{commit}.zip"


def _hub(dataset: str, revision: str) -> str:
    return f"https://huggingface.co/datasets/{dataset}/resolve/{revision}/"


HOMES = {
    "medquad": Home(
        _github("abachaa/MedQuAD", "577bd37b96c02d1833b2c9eed2de9f96964e96cb"),
        "CC BY 4.0",
        tuple(f"{number}_*_QA/*.xml" for number in range(1, 10)),
        made={"medquad.jsonl.gz": medquad.convert},
    ),
    "ntrex": Home(
        _github("MicrosoftTranslator/NTREX", "8561f6a622db9edad1217683e5c83daefd8bb2bf"),
        "CC BY-SA 4.0",
        ("DOCUMENT_IDS.tsv", *map(ntrex.file_of, ntrex.CODES)),
        made={"ntrex.jsonl.gz": ntrex.convert},
    ),
    "policyqa": Home(
        _github("wasiahmad/PolicyQA", "775538bc6d932e9d0dd16975d4373659cf8964fe"),
        "MIT",
        ("data/dev.json", "data/test.json"),
        copied={"dev.json": "data/dev.json", "test.json": "data/test.json"},
    ),
    "scifact": Home(
        _hub("mteb/scifact", "d56462d0e63a25450459c4f213e49ffdb866f7f9"),
        "claims CC BY 4.0, abstracts ODC-By 1.0",
        ("corpus.jsonl", "queries.jsonl", "qrels/train.jsonl", "qrels/test.jsonl"),
        made={"qrels/train.tsv": scifact.train, "qrels/test.tsv": scifact.test},
        copied={"corpus.jsonl": "corpus.jsonl", "queries.jsonl": "queries.jsonl"},
    ),
    "tico19": Home(
        _github("tico-19/tico-19.github.io", "d97615f9cffa28ec7de571e00fbd513e5a1c7fc7"),
        "CC0 1.0",
        tuple(map(tico19.file_of, tico19.CODES)),
        made={"tico19.jsonl.gz": tico19.convert},
    ),
    "tldr": Home(
        _github("tldr-pages/tldr", "08e345f42639f67d99282813247ac670dc6e87cb"),
        "CC BY 4.0",
        tuple(f"{tldr.folder_of(tag)}/{platform}/*.md" for platform in tldr.PLATFORMS for tag in tldr.LANGUAGES),
        made={"tldr.jsonl.gz": tldr.convert},
    ),
}
"""By the name of the set, which is that of its folder in ``data/``."""


def write(name: str, source: str | Path, out: str | Path | None = None) -> Path:
    """Make a set of the files of its home; whole or not at all.

    Args:
        name: one of ``HOMES``.
        source: the home's .zip, or a folder that holds its files as the home lays them out (the one folder of an unpacked
            archive may stand between).
        out: the set's folder, which is not there or empty; ``None``: that in ``data/``, where the kit's profiles look.

    Returns:
        The set's folder.

    Raises:
        ValueError: no such set; no such file or folder, or one that lacks some of the home's files; a full folder ``out``;
            what the converter refuses.
    """
    if name not in HOMES:
        raise ValueError(f"no set is called {name!r}{near(name, HOMES)}: choose among {', '.join(HOMES)}")
    home, out = HOMES[name], Path(out or paths.root() / "data" / name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: it is there already: use it, or move it away to make it again")
    with _opened(Path(source).expanduser(), name) as folder, whole_folder(out) as partial:
        for file, convert in home.made.items():
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            if file.endswith(".tsv"):
                _write_tsv(convert(folder), partial / file)
            else:
                tables.write_rows(convert(folder), partial / file)
        for file, original in home.copied.items():
            shutil.copyfile(folder / original, partial / file)
        (partial / "LICENCE.txt").write_text(f"Source: {home.url}\nLicence: {home.licence}\n", encoding="utf-8")
    return out


@contextmanager
def _opened(source: Path, name: str) -> Iterator[Path]:
    """The home's folder, with all that is needed in it; that of a .zip is there for as long as the context."""
    if source.is_dir():
        yield _complete(source, source, name)
    elif source.is_file() and zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory() as scratch:
            _unpack(source, Path(scratch), HOMES[name].files)
            yield _complete(Path(scratch), source, name)
    else:
        raise ValueError(f"{source}: no folder and no .zip: {_remedy(name)}")


def _unpack(archive: Path, folder: Path, patterns: Iterable[str]) -> None:
    """Unpack what is needed of a .zip: below ``folder``, whatever the names in it say."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                below = member.filename.partition("/")[2]
                if any(fnmatchcase(path, pattern) for path in (member.filename, below) for pattern in patterns):
                    packed.extract(member, folder)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: not a whole .zip ({error}): download it again") from None


def _complete(folder: Path, source: Path, name: str) -> Path:
    """The folder itself or the one in it, whichever has a file for every pattern."""
    lacking = {}
    for home in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        lacking[home] = [pattern for pattern in HOMES[name].files if next(home.glob(pattern), None) is None]
        if not lacking[home]:
            return home
    nearest = min(lacking, key=lambda home: len(lacking[home]))
    raise ValueError(f"{source}: no file {lacking[nearest][0]} in it: {_remedy(name)}")


def _remedy(name: str) -> str:
    files = HOMES[name].files
    few = ", ".join(files[:3]) + (f" … ({len(files)} patterns)" if len(files) > 3 else "")
    return f"give a folder with the files of {name} as they lie below {HOMES[name].url} ({few}), or its .zip"


def _write_tsv(rows: Iterable[dict], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(rows):
            if not number:
                file.write("\t".join(row) + "\n")
            file.write("\t".join(map(str, row.values())) + "\n")
