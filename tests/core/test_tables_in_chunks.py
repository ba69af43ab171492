"""Columns in chunks: what is read, written and looked up a chunk at a time is what stands in the whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kit.core import tables

COLUMNS = [tables.Column("name"), tables.Column("texts", "texts", default=())]
CHUNKED = pa.chunked_array([["a", "b"], [], ["c", "a", "d"], ["b"]])


def test_cells_are_found_in_their_chunks():
    rows = np.array([5, 0, 4, 2, 2])
    assert tables.cells(CHUNKED, rows) == ["b", "a", "d", "c", "c"]
    assert tables.cells(CHUNKED, rows[:0]) == []


def test_numbers_count_first_rows_and_values_come_in_order():
    assert tables.numbers(CHUNKED).tolist() == [0, 1, 2, 0, 3, 1]
    assert list(tables.values(CHUNKED)) == ["a", "b", "c", "a", "d", "b"]


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_more_rows_than_a_chunk(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(tables, "_CHUNK", 4)
    rows = [{"name": f"n{number}", "texts": [f"t{number}"] * (number % 3)} for number in range(11)]
    written = tables.from_rows(rows, COLUMNS, str)
    tables.write(written, tmp_path / f"table{ending}")
    table, where = tables.read(tmp_path / f"table{ending}", COLUMNS)
    assert table.to_pylist() == rows and table.schema == written.schema
    assert where(10).endswith(("line 11", "row 11"))


def test_large_texts_of_other_writers_are_read_in_chunks(tmp_path, monkeypatch):
    """Polars and pandas write large_string, of which one chunk may hold more than 2 GiB."""
    monkeypatch.setattr(tables, "_CHUNK", 4)
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"name": pa.array([f"n{number}" for number in range(11)], pa.large_string())}), path)
    column = tables.read(path, COLUMNS)[0].column("name")
    assert column.type == pa.string() and max(map(len, column.chunks)) == 4 and column.to_pylist()[10] == "n10"


@pytest.mark.parametrize("blank", ["", " ", "\u3000\n"])
def test_blank_texts_are_refused(blank):
    with pytest.raises(ValueError, match="row 3: field 'name' is empty"):
        tables.refuse_empty(pa.table({"name": ["a", " b ", blank, "\u200b"]}), "name", lambda index: f"row {index + 1}")
