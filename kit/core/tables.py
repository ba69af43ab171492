"""Reading and writing the kit's tables (JSONL and Parquet), with errors that name file, line, field and remedy."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kit.core.files import whole_file

Where = Callable[[int], str]
"""Maps the index of a row (from 0) to words that tell a reader where it stands, such as ``train.jsonl, line 12``."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_ARROW = {"text": pa.string(), "texts": pa.list_(pa.string()), "integer": pa.int64()}

_CHUNK = 1 << 13
"""Rows that are read, written or made objects of Python at a time. A chunk of texts holds at most 2 GiB."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    name: as it stands in the file.
    kind: ``text``, ``texts`` (a list of texts) or ``integer``.
    default: value of an absent field; ``None`` means that the field is required.
    """

    name: str
    kind: str = "text"
    default: object = None


def schema(columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of a list of columns."""
    return pa.schema([(column.name, _ARROW[column.kind]) for column in columns])


def from_rows(rows: Iterable[dict], columns: list[Column], where: Where) -> pa.Table:
    """Turn dictionaries into a table.

    Raises:
        ValueError: a required field is missing, a field is unknown or of the wrong type.
    """
    values: dict[str, list] = {column.name: [] for column in columns}
    for index, row in enumerate(rows):
        unknown = sorted(set(row) - set(values))
        if unknown:
            known = ", ".join(values)
            raise ValueError(f"{where(index)}: unknown field {unknown[0]!r}: rename or remove it; known: {known}")
        for column in columns:
            values[column.name].append(_value(row, column, index, where))
    return pa.table(values, schema=schema(columns))


def _value(row: dict, column: Column, index: int, where: Where) -> object:
    value = row.get(column.name, column.default)
    if value is None:
        raise ValueError(f"{where(index)}: field {column.name!r} is missing: add it as {_words(column.kind)}")
    right = {
        "text": _is_text(value),
        "texts": isinstance(value, (list, tuple)) and all(map(_is_text, value)),
        "integer": isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63,
    }[column.kind]
    if not right:
        raise ValueError(f"{where(index)}: field {column.name!r} is {value!r:.80}: write it as {_words(column.kind)}")
    return value


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can spell it, no Unicode text holds it
        return False
    return True


def _words(kind: str) -> str:
    return {"text": "a text", "texts": "a list of texts", "integer": "a whole number"}[kind]


def read(path: str | Path, columns: list[Column]) -> tuple[pa.Table, Where]:
    """Read ``.jsonl``, ``.jsonl.gz`` or ``.parquet``; also return how to name a row of it in an error.

    Raises:
        ValueError: the file does not exist, has another ending, or does not hold these columns.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file: give the path of a .jsonl, .jsonl.gz or .parquet file")
    if path.suffix == ".parquet":
        return _read_parquet(path, columns), lambda index: f"{path}, row {index + 1}"
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        where = lambda index: f"{path}, line {index + 1}"
        return from_rows(json_lines(path), columns, where), where
    raise ValueError(f"{path}: unknown ending: use .jsonl, .jsonl.gz or .parquet")


def json_lines(path: str | Path) -> Iterable[dict]:
    """The objects of a JSONL file (plain or gzip), one a line: object i stands at line i + 1.

    Only a line feed ends a line, since a text may hold other separators of Unicode. Blank lines may stand at the end only.

    Raises:
        ValueError: no such file, or an empty one; a line is not a JSON object (see ``parsed_json``), or the file is not
            whole gzip.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file: give the path of a .jsonl or .jsonl.gz file")
    n_rows = 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {n_rows + 1}"
        try:
            row = parsed_json(line if number == n_rows + 1 else b"")  # else a line before this one was blank
        except ValueError as error:
            raise ValueError(f"{place}: not a JSON object ({error}): write one object a line, in UTF-8") from None
        if not isinstance(row, dict):
            raise ValueError(f"{place}: not a JSON object but {line[:40]!r}: write one object a line")
        n_rows += 1
        yield row
    if not n_rows:
        raise ValueError(f"{path}: no line with an object: the file is empty: download or write it again")


def parsed_json(content: bytes) -> object:
    """The value of a JSON text, for readers of all formats; who calls names the file and the line in the error.

    Raises:
        ValueError: not UTF-8, not JSON (NaN and Infinity are not), nested too deeply to be read, or half of a surrogate
            pair, which JSON can spell and no text holds; the message names the field.
    """
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if _SURROGATE.search(text):
        _refuse_half_pairs(value)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_half_pairs(value: object) -> None:
    waiting: list[tuple[object, str]] = [(value, "")]
    while waiting:
        part, field = waiting.pop()
        if isinstance(part, str) and not _is_text(part):
            raise ValueError(f"field {field!a} is {part!a:.60}, which holds half of a surrogate pair")
        if isinstance(part, dict):
            waiting += [pair for name, inner in part.items() for pair in ((name, name), (inner, name))]
        elif isinstance(part, list):
            waiting += [(inner, field) for inner in part]


def _lines(path: Path) -> Iterable[bytes]:
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield from file
        return
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error}): download or write it again") from None


def _read_parquet(path: Path, columns: list[Column]) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
        table = pa.Table.from_batches(file.iter_batches(_CHUNK), file.schema_arrow)  # read whole, a chunk may pass 2 GiB
        names = set(table.column_names)
    except (OSError, ValueError, pa.ArrowException) as error:  # what Arrow says of a broken page, name or end
        raise ValueError(f"{path}: not a readable Parquet file ({_in_short(error)}): write it again") from None
    unknown = sorted(names - {column.name for column in columns})
    if unknown:
        raise ValueError(
            f"{path}: unknown column {unknown[0]!r}: rename or remove it; known: "
            f"{', '.join(column.name for column in columns)}"
        )
    if not len(table):
        raise ValueError(f"{path}: no row: the file is empty: download or write it again")
    filled = [_parquet_column(table, column, path) for column in columns]
    return pa.table(filled, schema=schema(columns))


def _parquet_column(table: pa.Table, column: Column, path: Path) -> pa.ChunkedArray | pa.Array:
    if column.name not in table.column_names:
        if column.default is None:
            raise ValueError(f"{path}: column {column.name!r} is missing: add it as {_words(column.kind)}")
        return pa.array([column.default] * len(table), type=_ARROW[column.kind])
    values = table.column(column.name)
    try:
        values = values.cast(_ARROW[column.kind])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(f"{path}: column {column.name!r} is {values.type}: write it as {_words(column.kind)}") from None
    try:
        values.validate(full=True)  # a file says of its bytes that they are UTF-8, and nobody has looked
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: column {column.name!r} is broken ({_in_short(error)}): write it again") from None
    holes = pc.is_null(values)
    if column.kind == "texts":  # a list may stand there and yet hold a missing text
        holes = pa.chunked_array([[row is None or None in row for row in values.to_pylist()]], pa.bool_())
    if pc.any(holes).as_py():
        row = pc.index(holes, True).as_py() + 1
        raise ValueError(f"{path}, row {row}: column {column.name!r} has no value: fill it or drop the row")
    return values


def _in_short(error: Exception) -> str:
    """What Arrow says, on one line that can be printed: it quotes the bytes that it did not understand."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return " ".join(words.split())[:200]


def write(table: pa.Table, path: str | Path) -> None:
    """Write a table as ``.jsonl`` or ``.parquet``; the file appears whole or not at all."""
    path = Path(path)
    if path.suffix not in (".jsonl", ".parquet"):
        raise ValueError(f"{path}: unknown ending: use .jsonl or .parquet")
    with whole_file(path) as partial:
        if path.suffix == ".parquet":
            pq.write_table(table, partial)
            return
        _write_lines((row for batch in table.to_batches(_CHUNK) for row in batch.to_pylist()), partial, packed=False)


def write_rows(rows: Iterable[dict], path: str | Path) -> int:
    """Write rows one by one, as they come, as ``.jsonl`` or ``.jsonl.gz``; whole or not at all. Returns their number.

    The same rows give the same bytes, packed or not.

    Raises:
        ValueError: another ending, or no row.
    """
    path = Path(path)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ValueError(f"{path}: unknown ending: use .jsonl or .jsonl.gz")
    with whole_file(path) as partial:
        n_rows = _write_lines(rows, partial, packed=path.suffix == ".gz")
        if not n_rows:
            raise ValueError(f"{path}: no row to write: give at least one")
    return n_rows


def _write_lines(rows: Iterable[dict], path: Path, packed: bool) -> int:
    n_rows = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if packed else nullcontext(raw) as file:
        for row in rows:
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            n_rows += 1
    return n_rows


def refuse_empty(table: pa.Table, column: str, where: Where) -> None:
    """Raise ``ValueError`` for the first empty or blank text of a column."""
    blank = pc.or_(pc.utf8_is_space(table.column(column)), pc.equal(table.column(column), ""))
    index = pc.index(blank, True).as_py()
    if index >= 0:
        raise ValueError(f"{where(index)}: field {column!r} is empty: write a text or drop the row")


def refuse_duplicates(table: pa.Table, key: list[str], where: Where) -> None:
    """Raise ``ValueError`` for the first row whose key stands in an earlier row."""
    numbered = table.select(key).append_column("_row", pa.array(range(len(table)), pa.int64()))
    grouped = numbered.group_by(key, use_threads=False).aggregate([("_row", "count"), ("_row", "min"), ("_row", "max")])
    doubled = grouped.filter(pc.greater(grouped.column("_row_count"), 1))
    if len(doubled):
        row = doubled.slice(0, 1).to_pylist()[0]
        named = ", ".join(f"{name} {row[name]!r:.80}" for name in key)
        raise ValueError(
            f"{where(row['_row_max'])}: {named} stands already at {where(row['_row_min'])}: "
            "give every row its own, or drop one of them"
        )


def refuse_unknown(table: pa.Table, column: str, known: Iterable[str], where: Where, remedy: str) -> None:
    """Raise ``ValueError`` for the first value of a column that is not among the known ones."""
    strange = pc.invert(pc.is_in(table.column(column), value_set=pa.array(known, pa.string())))
    index = pc.index(strange, True).as_py()
    if index >= 0:
        raise ValueError(f"{where(index)}: {column} {table.column(column)[index].as_py()!r:.80} is not known: {remedy}")


def with_default(table: pa.Table, column: str, default: pa.ChunkedArray) -> pa.Table:
    """The table with the default where a text column is empty."""
    filled = pc.if_else(pc.equal(table.column(column), ""), default, table.column(column))
    return table.set_column(table.column_names.index(column), column, filled)


def codes(values: pa.ChunkedArray, known: Sequence[str]) -> np.ndarray:
    """Position of each value in ``known``, int32."""
    return pc.index_in(values, value_set=pa.array(known, pa.string())).to_numpy().astype(np.int32)


def numbers(values: pa.ChunkedArray) -> np.ndarray:
    """Number of each value, from 0 in the order of their first rows, int32."""
    return pc.index_in(values, value_set=pc.unique(values)).to_numpy().astype(np.int32)


def values(column: pa.ChunkedArray) -> Iterator:
    """The values one after the other, of which few are in memory as objects of Python."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), _CHUNK):
            yield from chunk.slice(start, _CHUNK).to_pylist()


def cells(column: pa.ChunkedArray, rows: np.ndarray) -> list:
    """The values at some rows; ``take`` would copy all chunks of the column into one, which holds no more than 2 GiB."""
    chunks = column.chunks
    starts = np.cumsum([0, *map(len, chunks)])
    places = np.searchsorted(starts, rows, side="right") - 1
    return [chunks[place][row].as_py() for place, row in zip(places.tolist(), (rows - starts[places]).tolist())]


def some(values: set[str]) -> str:
    """At most a dozen of the values, for an error message."""
    listed = sorted(values)
    return ", ".join(map(repr, listed[:12])) + (f" … ({len(listed)} in all)" if len(listed) > 12 else "")
