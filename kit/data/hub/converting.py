"""What the files of a set become: the kit's tables in Arrow shards, or the files that a source of the kit reads."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kit.core.files import whole_file, whole_folder
from kit.core.fingerprints import code_fingerprint, fingerprint
from kit.core.paths import root
from kit.data.hub import shards
from kit.data.hub.fetching import counted
from kit.data.hub.layouts import COLUMNS, layouts
from kit.data.hub.manifest import MANIFEST, Entry
from kit.data.hub.raw import Raw
from kit.data.hub.record import Record


def tables_of(one: Entry, raw: Raw, record: Record) -> Iterator[tuple[str, str, str]]:
    """Each table of a language and split: its name, its key in the record, and a fingerprint of what it is made from.

    That is the files, what the manifest says of them, and the code that reads them.
    """
    layout = layouts()[one.layout]
    code = code_fingerprint(*{function.__module__ for function in layout.tables.values()})
    for table in layout.tables:
        role = layout.shared.get(table)
        files = {name: pair for name, pair in raw.files.items() if role in (None, name)}
        sums = [record.files[record.name(path)]["sha256"] for _, paths in files.values() for path in paths]
        heads = [(file.head, file.member) for file, _ in files.values()]
        made_from = fingerprint([sums, heads, one.columns, one.only, one.parallel, one.languages, code])
        yield table, f"{raw.language}/{table}/{raw.split if role is None else 'all'}", made_from


def convert(one: Entry, record: Record, raw: Raw, log: Callable[[str], None]) -> None:
    """Make the tables of a language and split that are not there, or were made from something else.

    Raises:
        ValueError: the files have another form, or a table other rows, than the manifest says; nothing is kept of the table.
    """
    made = layouts()[one.layout].tables
    for table, key, made_from in tables_of(one, raw, record):
        known = record.tables.get(key)
        if known is not None and known["from"] == made_from and record.table(key).is_dir():
            continue
        shutil.rmtree(record.table(key), ignore_errors=True)
        rows = _Rows(made[table](raw))
        with whole_folder(record.table(key)) as partial:
            n_kept = shards.write(counted(iter(rows), f"{one.id} {key}"), COLUMNS[table], partial)
            _refuse_other_rows(one, raw, one.rows, {table: rows.n_rows})
            _refuse_other_rows(one, raw, one.file_rows, raw.n_rows)
            if not n_kept:
                raise ValueError(f"set {one.id!r}, {raw.language}, {raw.split}: expected rows of {table}, got none")
            sums = {path.name: shards.digest(path) for path in sorted(partial.glob("*.arrow"))}
        record.tables[key] = {"from": made_from, "rows": n_kept, "shards": sums}
        record.write()
        gone = f", {rows.n_rows - n_kept:,} without a text left out" if n_kept < rows.n_rows else ""
        log(f"{one.id}: {key}, {n_kept:,} rows{gone}")


class _Rows:
    """The rows that have a text, of which published sets have not all, and how many there were with the others."""

    def __init__(self, rows: Iterator[dict]) -> None:
        self._rows, self.n_rows = rows, 0

    def __iter__(self) -> Iterator[dict]:
        for row in self._rows:
            self.n_rows += 1
            if row.get("text", "-"):
                yield row


def _refuse_other_rows(one: Entry, raw: Raw, expected: dict[str, int | dict[str, int]], came: Mapping[str, int]) -> None:
    for what, n_rows in came.items():
        told = expected.get(what)
        n_told = told.get(raw.language) if isinstance(told, dict) else told
        if n_told not in (None, n_rows) and raw.split == one.splits[0]:
            raise ValueError(
                f"set {one.id!r}, {raw.language}, {raw.split}: expected {n_told:,} rows of {what}, got {n_rows:,}: its "
                f"files are not what {MANIFEST} says; if they are right, mend its rows there"
            )


def put_in_place(one: Entry, record: Record, log: Callable[[str], None]) -> None:
    """Put the files where the source of the kit reads them, as they are or converted; what somebody else put there stays.

    Raises:
        ValueError: what the converter refuses.
    """
    place = root() / one.place
    names = list(dict.fromkeys(name for part in record.parts.values() for name in part["paths"]))
    made_from = fingerprint([record.files[name]["sha256"] for name in names])
    if place.exists() and record.tables.get("place", {}).get("from") == made_from:
        return
    if place.exists() and "place" not in record.tables:
        log(f"{one.id}: {one.place} is there already and stays; move it away to have it made anew")
        return
    if one.converter:
        shutil.rmtree(place, ignore_errors=True)  # made by this, of other files
        source = record.path(names[0]) if names[0].endswith(".zip") else record.folder / "files"
        importlib.import_module("kit.data.homes.catalogue").write(one.converter, source, place)
    else:
        for name in names:
            _linked(record.path(name), place / Path(name).name)
    record.tables["place"] = {"from": made_from, "rows": 0}
    record.write()
    log(f"{one.id}: {one.place} is ready")


def _linked(file: Path, place: Path) -> None:
    """The same file under another name, or a copy where the disk has no second names."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(place) as partial:
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)
