"""Tables on disk as Arrow files: written row by row, read through memory maps, so that a set may exceed the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from kit.core.tables import Column, from_rows, schema

SHARD_ROWS = 1_000_000
"""Rows of a file; the next one begins after it."""

_BATCH = 8192


def write(rows: Iterable[dict], columns: list[Column], folder: Path) -> int:
    """Write rows into ``00000.arrow``, ``00001.arrow``, … of an empty folder; returns how many there were.

    A batch is in memory at a time.

    Raises:
        ValueError: a row without a field, or with one of another type; names the folder and the row.
    """
    waiting, n_rows, shard = iter(rows), 0, 0
    while True:
        n_in_shard = _write_shard(waiting, columns, folder / f"{shard:05}.arrow", n_rows)
        n_rows, shard = n_rows + n_in_shard, shard + 1
        if n_in_shard < SHARD_ROWS:
            return n_rows


def _write_shard(rows: Iterable[dict], columns: list[Column], path: Path, n_before: int) -> int:
    n_rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema(columns)) as writer:
        while n_rows < SHARD_ROWS and (batch := list(islice(rows, min(_BATCH, SHARD_ROWS - n_rows)))):
            first = n_before + n_rows
            table = from_rows(batch, columns, lambda index, first=first: f"{path.parent.name}, row {first + index + 1}")
            writer.write_table(table)
            n_rows += len(batch)
    return n_rows


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folders: Sequence[Path]) -> list[Path]:
    """The shards of some folders, in order."""
    return [path for folder in folders for path in sorted(folder.glob("*.arrow"))]


def read(folders: Sequence[Path], columns: list[Column]) -> pa.Table:
    """All shards of some folders as one table, whose texts stay on the disk until they are looked at."""
    tables = []
    for path in files(folders):
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            tables.append(reader.read_all())
    return pa.concat_tables(tables) if tables else pa.table({one.name: [] for one in columns}, schema=schema(columns))
