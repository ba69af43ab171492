"""Corpora as streams: the rows of JSONL and Parquet files, or of a table, a few at a time, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kit.core import tables
from kit.core.fingerprints import data_checksum, fingerprint
from kit.data.judged.collection import Passage

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")

_ROWS_AT_ONCE = 4096  # of a Parquet file or a table

_READ_AS = "passages: title and text, stripped, joined by a space"
"""Part of what a stream depends on, in place of the code that reads it: millions of texts are not encoded again because a
line of it was written differently. Another way of reading needs another sentence here."""


def corpus_files(folder: Path, pattern: str = "*") -> list[Path]:
    """Files of a corpus in a folder, in the order of their numbers (``docs-2`` before ``docs-10``).

    Raises:
        ValueError: there is none.
    """
    found = [path for path in folder.glob(pattern) if path.name.endswith(ENDINGS) and not path.name.startswith(".")]
    if not found:
        raise ValueError(f"{folder}: no file {pattern} that ends in {', '.join(ENDINGS)}: give the folder of the corpus")
    return sorted(found, key=lambda path: (len(path.name), path.name))


def passage_stream(files: Sequence[Path], id_column: str) -> tuple[Callable[[], Iterator[Passage]], str]:
    """The passages of some files, and what they depend on (``JudgedCollection.corpus_version``).

    Args:
        files: ``.jsonl``, ``.jsonl.gz`` or ``.parquet``, with the columns ``text``, ``title`` (may be absent) and the id.
        id_column: ``docid`` in MIRACL's files, ``_id`` in BEIR's.

    Raises:
        ValueError: when the stream is read: a file is missing, broken or empty; an id or a text is missing.
    """
    return lambda: _passages(files, id_column), fingerprint([_READ_AS, *map(data_checksum, files)])


def table_stream(candidates: pa.Table, prefix: str = "") -> Callable[[], Iterator[Passage]]:
    """The rows of a table of candidates, whose texts stay where they are (on the disk, if it is mapped) until their turn.

    Args:
        candidates: of a ``RetrievalTask``.
        prefix: taken away from the ids.
    """
    return lambda: _of_table(candidates.select(["candidate_id", "text"]), prefix)


def _of_table(table: pa.Table, prefix: str) -> Iterator[Passage]:
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for passage_id, text in zip(*(column.to_pylist() for column in batch.columns)):
            yield Passage(passage_id.removeprefix(prefix), "", text)


def _passages(files: Sequence[Path], id_column: str) -> Iterator[Passage]:
    for path in files:
        for number, row in enumerate(_rows(path, id_column), start=1):
            passage_id, title, body = row.get(id_column), row.get("title"), row.get("text")
            if isinstance(passage_id, int) and not isinstance(passage_id, bool):
                passage_id = str(passage_id)  # some sets write them as numbers; judgements know only their texts
            if not isinstance(passage_id, str) or not passage_id.strip():
                raise ValueError(f"{path}, row {number}: field {id_column!r} is {passage_id!r:.60}: write it as a text")
            if not isinstance(body, str) or not isinstance(title, (str, type(None))):
                wrong = "title" if isinstance(body, str) else "text"
                raise ValueError(f"{path}, row {number}: field {wrong!r} is {row.get(wrong)!r:.60}: write it as a text")
            yield Passage(passage_id, (title or "").strip(), body.strip())


def _rows(path: Path, id_column: str) -> Iterator[dict]:
    """Rows of a file; of a Parquet file only the columns that are read."""
    if path.suffix != ".parquet":
        yield from tables.json_lines(path)
        return
    try:
        with pq.ParquetFile(path) as file:
            columns = [name for name in (id_column, "title", "text") if name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error!s:.120}): download or write it again") from None
