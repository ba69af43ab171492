"""The rows of files as their homes have them: Parquet, JSON lines, JSON, text tables; plain, gzip, or in an archive."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field as of_each
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from kit.core.files import whole_file
from kit.core.tables import json_lines, parsed_json
from kit.data.hub.manifest import MANIFEST, Entry, File, filled

BATCH = 4096
"""Rows that are in memory at a time."""

_NOT_WHOLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)


@dataclass(frozen=True)
class Raw:
    """The files of a set in one language and split, for a layout.

    language, code: its tag, or pair, and what the files call it.
    files: what the set says of each role, and where its files lie.
    n_rows: of each role's files, counted as they are read.
    """

    entry: Entry
    language: str
    code: str
    split: str
    files: dict[str, tuple[File, list[Path]]]
    n_rows: dict[str, int] = of_each(default_factory=dict)

    def rows(self, role: str, *fields: str | tuple[str, ...], optional: Sequence[str] = ()) -> Iterator[dict]:
        """Rows of a role with the layout's names of the fields.

        Args:
            fields: that have to be there; one of several names where a tuple stands, of which the first is the layout's.
            optional: fields that may be absent.

        Raises:
            ValueError: a file has not these columns; tells those expected and those that came.
        """
        file, paths = self.files[role]
        self.n_rows[role] = 0
        for path in paths:
            rows = _rows(path, file, "" if file.put else filled(file.member, self.code, self.split))
            first = next(rows, None)
            if first is None:
                raise ValueError(f"{path}: no row: expected {', '.join(map(str, fields))}: download it again")
            names = self._names(path, set(first), fields, optional)
            for number, row in enumerate(chain([first], rows), start=1):
                self.n_rows[role] += 1
                if self._counts(row):
                    try:
                        yield {field: row[name] for field, name in names.items()}
                    except KeyError as error:
                        raise ValueError(f"{path}, row {number}: expected column {error}, got {sorted(row)}") from None

    def _names(
        self, path: Path, came: set[str], fields: Sequence[str | tuple[str, ...]], optional: Sequence[str]
    ) -> dict[str, str]:
        names = {}
        for field in fields:
            choices = (field,) if isinstance(field, str) else field
            wanted = (self.entry.columns.get(choices[0], choices[0]), *choices[1:])
            name = next((one for one in wanted if one in came), None)
            if name is None:
                raise self._strange(path, f"column {' or '.join(map(repr, wanted))}", came)
            names[choices[0]] = name
        for field in optional:
            if (name := self.entry.columns.get(field, field)) in came:
                names[field] = name
        for name in self.entry.only:
            if name not in came:
                raise self._strange(path, f"column {name!r}", came)
        return names

    def _strange(self, path: Path, expected: str, came: set[str]) -> ValueError:
        return ValueError(
            f"{path}: expected {expected}, got {', '.join(sorted(came))}: set {self.entry.id!r} has another form than "
            f"{MANIFEST} says; mend its columns there"
        )

    def _counts(self, row: dict) -> bool:
        wanted = (
            (name, value.replace("{code}", self.code) if isinstance(value, str) else value)
            for name, value in self.entry.only.items()
        )
        return all(row.get(name) == value for name, value in wanted)


def _rows(path: Path, file: File, member: str) -> Iterator[dict]:
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return iter(json_lines(path))
    if not member:
        return _of_stream(path, path.name.removesuffix(".gz"), _opened(path), file.head)
    return _of_archive(path, member, file.head)


def _opened(path: Path) -> BinaryIO:
    """A file to be read, unpacked where it is gzip; who gets it closes it."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path))
    return path.open("rb")


def _parquet(path: Path) -> Iterator[dict]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: not a readable Parquet file ({' '.join(str(error).split())[:120]}): download it again"
        ) from None


def _of_archive(path: Path, member: str, head: tuple[str, ...]) -> Iterator[dict]:
    """Rows of the members that have a name, read as the archive streams by."""
    n_found = 0
    try:
        for name, stream in members(path):
            if fnmatchcase(name, member):
                n_found += 1
                yield from _of_stream(path, name, stream, head)
    except _NOT_WHOLE as error:
        raise ValueError(f"{path}: not a whole archive ({error}): download it again") from None
    if not n_found:
        raise ValueError(f"{path}: expected a member {member!r} in the archive, and there is none: mend {MANIFEST}")


def extract(path: Path, member: str, place: Path) -> dict[str, str | int]:
    """Put one member of an archive into a file; returns its ``sha256`` and ``bytes``.

    Raises:
        ValueError: the archive is not whole, or has not one member of that name.
    """
    digest, n_bytes = sha256(), 0
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        for name, stream in members(path):
            if name == member:
                with whole_file(place) as partial, partial.open("wb") as file:
                    while chunk := stream.read(1 << 20):
                        file.write(chunk)
                        digest.update(chunk)
                        n_bytes += len(chunk)
                return {"sha256": digest.hexdigest(), "bytes": n_bytes}
    except _NOT_WHOLE as error:
        raise ValueError(f"{path}: not a whole archive ({error}): remove it and get the set again") from None
    raise ValueError(f"{path}: expected a member {member!r} in the archive, and there is none: mend {MANIFEST}")


def members(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Names and streams of the files in an archive, each to be read before the next one comes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for one in sorted(archive.namelist()):
                if not one.endswith("/"):
                    with archive.open(one) as stream:
                        yield one, cast("BinaryIO", stream)
        return
    with tarfile.open(path, "r|*") as archive:
        for one in archive:
            stream = archive.extractfile(one) if one.isfile() else None
            if stream is not None:
                yield one.name.removeprefix("./"), cast("BinaryIO", stream)


def _of_stream(path: Path, name: str, stream: BinaryIO, head: tuple[str, ...]) -> Iterator[dict]:
    """Rows of a text: a JSON list, JSON lines, or a text table whose columns have names in ``head`` or its first line."""
    place = f"{path}{'' if name == path.name.removesuffix('.gz') else f', {name}'}"
    try:
        if name.endswith(".json"):
            yield from _listed(stream, place)
        elif name.endswith(".jsonl"):
            yield from (_object(line, f"{place}, line {number}") for number, line in enumerate(stream, start=1))
        else:
            yield from _table(stream, place, head)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error}): download it again") from None
    finally:
        stream.close()


def _listed(stream: BinaryIO, place: str) -> list[dict]:
    try:
        value = parsed_json(stream.read())
    except ValueError as error:
        raise ValueError(f"{place}: not JSON ({error}): download it again") from None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{place}: expected a list of objects, got {type(value).__name__}: mend {MANIFEST}")
    return value


def _table(stream: BinaryIO, place: str, head: tuple[str, ...]) -> Iterator[dict]:
    """Rows of a text table. Values are split by tabs, or by spaces as TREC does; the last one may hold tabs."""
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{place}, line {number}: not a text in UTF-8 ({error}): download it again") from None
        if not head:
            head = tuple(text.split("\t"))
            continue
        values = text.split("\t", len(head) - 1) if "\t" in text else text.split()
        if len(values) != len(head):
            raise ValueError(
                f"{place}, line {number}: expected {len(head)} values ({', '.join(head)}), got {len(values)}: {text[:60]!r}"
            )
        yield dict(zip(head, values))


def _object(line: bytes, place: str) -> dict:
    try:
        value = parsed_json(line)
    except ValueError as error:
        raise ValueError(f"{place}: not a JSON object ({error}): download it again") from None
    if not isinstance(value, dict):
        raise ValueError(f"{place}: not a JSON object: download it again")
    return value
