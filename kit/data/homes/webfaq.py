"""WebFAQ bitexts (Dinzinger et al. 2025): questions and answers of web pages in two languages, one folder a pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kit.core.languages import language_tag

COLUMNS = ("question1", "answer1", "question2", "answer2")


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``webfaq.jsonl.gz``, a corpus to train on: two rows a pair of the home, one in each language.

    A page that stands in several pairs of languages gives a group in each: as their passages are equal, they are one
    cluster. What lacks a question or an answer is left out.

    Args:
        folder: holds ``deu-eng/default-00000-of-00001.parquet`` and so on; the first language is that of ``question1``.

    Raises:
        ValueError: a folder that names no pair of languages, a file that is not Parquet or lacks one of ``COLUMNS``.
    """
    for pair in sorted({file.parent for file in folder.glob("*-*/*.parquet")}):
        first, _, second = pair.name.partition("-")
        number = 0
        for file in sorted(pair.glob("*.parquet")):
            for row in _rows(file):
                number += 1
                if all(isinstance(text, str) and text.strip() for text in row):
                    for language, query, passage in ((first, *row[:2]), (second, *row[2:])):
                        yield {
                            "group_id": f"webfaq-{pair.name}-{number}",
                            "language": language_tag(language),
                            "query": query.strip(),
                            "passage": passage.strip(),
                            "source": "webfaq",
                        }


def _rows(file: Path) -> Iterator[tuple]:
    """Values of ``COLUMNS``, a batch in memory at a time."""
    try:
        table = pq.ParquetFile(file)
        if missing := sorted(set(COLUMNS) - set(table.schema_arrow.names)):
            raise ValueError(f"column {missing[0]!r} is missing")
        for batch in table.iter_batches(columns=list(COLUMNS)):
            yield from zip(*(batch.column(name).to_pylist() for name in COLUMNS))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{file}: not Parquet with {', '.join(COLUMNS)} ({error!s:.200}): download it again") from None
