"""Get a set: its files from their homes, its tables from its files, its place where a source of the kit looks for it."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kit.core.files import alone
from kit.core.fingerprints import fingerprint
from kit.core.languages import language_tag
from kit.core.printing import near, say
from kit.data.hub import converting
from kit.data.hub.fetching import fetch
from kit.data.hub.layouts import layouts
from kit.data.hub.manifest import Entry, File, entry, filled, sets
from kit.data.hub.raw import Raw, extract
from kit.data.hub.record import Record
from kit.data.hub.remote import files_of
from kit.data.hub.shards import digest


def get(set_id: str, languages: Sequence[str] | None = None, log: Callable[[str], None] = say) -> None:
    """Download what is not here of a set, and convert what is not converted; one process at a time.

    What is here stays, so that the same call goes on after any interruption. Nothing is asked of the network where all is
    here.

    Args:
        languages: of the set, or pairs such as ``de-en`` for bitext; ``None``: all.
        log: takes a line for each file.

    Raises:
        ValueError: no such set or language; what ``fetch`` and ``files_of`` say; files of another form, or another number of
            rows, than the manifest says.
    """
    one = entry(set_id)
    chosen = chosen_languages(one, languages)
    record = Record.read(set_id)
    with alone(record.folder, log), _full_disk_told(record.folder):
        record = Record.read(set_id)  # who held the lock may have got it
        for language, split, role, file in _wanted(one, chosen):
            _get_part(one, record, language, split, role, file, log)
        if one.read_as:
            converting.put_in_place(one, record, log)
        else:
            for language, split in _parts(one, chosen):
                converting.convert(one, record, raw_of(one, record, language, split), log)


@contextmanager
def _full_disk_told(folder: Path) -> Iterator[None]:
    """An error of the disk that is full as one sentence; what was half written is gone."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ValueError(f"{folder}: the disk is full: make room, and the same command goes on") from None


def chosen_languages(one: Entry, languages: Sequence[str] | None) -> list[str]:
    """Languages or pairs of a set that are asked for, by any of their codes; all where none are.

    Raises:
        ValueError: the set has not one of them.
    """
    if languages is None:
        return list(one.languages)
    found = {}
    for name in languages:
        fits = [tag for tag, code in one.languages.items() if name in (tag, code)]
        fits = fits or [tag for tag in one.languages if _tags(tag) == _tags(name)]
        if len(fits) != 1:
            shown = ", ".join(sorted(one.languages)[:60])
            raise ValueError(f"set {one.id!r} has no {name!r}{near(name, one.languages)}: choose from {shown}")
        found[fits[0]] = None
    return list(found)


def _tags(name: str) -> tuple[str, ...] | str:
    """A language, or the two of a pair, in the kit's tags; the name itself where it is none."""
    try:
        parts = name.split("-")
        return tuple(language_tag(part) for part in parts) if len(parts) == 2 and len(parts[1]) < 4 else language_tag(name)
    except ValueError:
        return name


def files_for(one: Entry, language: str, split: str) -> dict[str, File]:
    """The files by role: those of the layout, changed by the manifest, and by what it says of this language and split."""
    found = dict(layouts()[one.layout].files) if one.layout else {}
    for role, file in one.files.items():
        name, _, special = role.partition("@")
        if special in ("", language, split):
            found[name] = file
    return found


def raw_of(one: Entry, record: Record, language: str, split: str) -> Raw:
    """The files of a language and split, for a layout.

    Raises:
        ValueError: they are not all here; names the command that gets them.
    """
    if language in one.lacking.get(split, ()):
        raise ValueError(f"set {one.id!r} has no split {split!r} in {language}: choose another of {', '.join(one.splits)}")
    files = {}
    for role, file in files_for(one, language, split).items():
        part = record.parts.get(f"{role}/{language}/{split}")
        if part is None or part["said"] != _said(one, file, language) or not all(map(record.has, part["paths"])):
            raise ValueError(f"set {one.id!r}, {language}, {split}: not here: {command(one, [language])}")
        files[role] = (file, [record.path(name) for name in part["paths"]])
    return Raw(one, language, one.languages[language], split, files)


def command(one: Entry, languages: Sequence[str] | None = None) -> str:
    """What to type to get a set, or some languages of it."""
    some = languages is not None and list(languages) != list(one.languages)
    return f"python -m kit data get {one.id}" + (f" --languages {','.join(languages or ())}" if some else "")


def forget(set_id: str, name: str) -> None:
    """Let the next ``get`` download a file again, or make a table again; its name as ``verify`` says it."""
    record = Record.read(set_id)
    kind, _, rest = name.partition("/")
    if kind == "tables":
        key = rest.rpartition("/")[0]
        del record.tables[key]
        shutil.rmtree(record.table(key), ignore_errors=True)
    else:
        del record.files[rest]
        record.path(rest).unlink(missing_ok=True)
    record.write()


def verify(set_id: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Read all files and tables of a set, or of all sets that are here, again.

    Yields:
        Set, name below the set's folder (``files/…``, ``tables/…``), and what is wrong with it (nothing: empty).

    Raises:
        ValueError: nothing of the set is here.
    """
    for one in [entry(set_id)] if set_id else sets().values():
        record = Record.read(one.id)
        if set_id and not record.files:
            raise ValueError(f"set {set_id!r}: nothing of it is here: {command(one)}")
        sums = {f"files/{name}": told["sha256"] for name, told in sorted(record.files.items())}
        for key, told in sorted(record.tables.items()):
            sums |= {f"tables/{key}/{shard}": expected for shard, expected in told.get("shards", {}).items()}
        for name, expected in sums.items():
            yield one.id, name, _damage(record.folder / name, expected)


def _damage(path: Path, expected: str) -> str:
    if not path.is_file():
        return "it is gone"
    found = digest(path)
    return "" if found == expected else f"damaged: expected sha256 {expected}, got {found}"


def _wanted(one: Entry, languages: Sequence[str]) -> Iterator[tuple[str, str, str, File]]:
    for language, split in _parts(one, languages):
        for role, file in files_for(one, language, split).items():
            yield language, split, role, file


def _parts(one: Entry, languages: Sequence[str]) -> list[tuple[str, str]]:
    """Languages and splits that there are."""
    return [(tag, split) for tag in languages for split in one.splits if tag not in one.lacking.get(split, ())]


def _put(one: Entry, record: Record, archive: str, file: File, language: str, split: str) -> str:
    """Put a member of an archive beside the other files; returns where."""
    member, put = (filled(text, one.languages[language], split) for text in (file.member, file.put))
    if not record.has(put):
        told = record.files[archive]
        got = extract(record.path(archive), member, record.path(put))
        record.files[put] = {"url": f"{told['url']}#{member}", "commit": "", "fetched": told["fetched"], **got}
    return put


def _said(one: Entry, file: File, language: str) -> str:
    """What the manifest says of where files are: those of another revision are not here."""
    return fingerprint([file.home or one.home, file.model_dump(exclude={"head", "home"}), one.languages[language]])


def _get_part(
    one: Entry, record: Record, language: str, split: str, role: str, file: File, log: Callable[[str], None]
) -> None:
    """Get the files of one role in a language and split."""
    key = f"{role}/{language}/{split}"
    said = _said(one, file, language)
    part = record.parts.get(key)
    if part is not None and part["said"] == said and all(map(record.has, part["paths"])):
        return
    found = files_of(one, file, one.languages[language], split)
    for remote in found:
        there = record.files.get(remote.path)
        if there is not None and there["url"] == remote.url and record.has(remote.path):
            continue
        record.path(remote.path).unlink(missing_ok=True)
        got = fetch(remote, record.path(remote.path), log)
        record.files[remote.path] = {
            "url": remote.url,
            "commit": remote.commit,
            "fetched": time.strftime("%Y-%m-%d"),
            **got,
        }
        record.write()
        log(f"{one.id}: {remote.path}, {int(got['bytes']):,} bytes, sha256 {str(got['sha256'])[:12]}")
    paths = [_put(one, record, remote.path, file, language, split) if file.put else remote.path for remote in found]
    record.parts[key] = {"said": said, "paths": paths}
    record.write()
