"""A whole corpus in other languages, written as it is made; an interrupted run goes on where it stopped."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kit.augment.groups import FIELDS, source_language, translated_rows
from kit.augment.translator import Translator
from kit.core.printing import say
from kit.core.tables import write_rows
from kit.data.corpus import ParallelCorpus

ROWS = 1_000
"""Rows that are translated at a time and held in memory in all languages."""

EVERY_S = 30.0
"""Seconds between two lines of progress."""


def translate_corpus(
    corpus: ParallelCorpus,
    translator: Translator,
    targets: Sequence[str],
    out: str | Path,
    log: Callable[[str], None] = say,
) -> int:
    """Write what ``synthetic_groups`` makes of a corpus, queries, passages and negatives translated, into one file.

    A ``CachedTranslator`` keeps the translations: each text is translated once for a model and a pair of languages. After an
    interruption, which loses no more than the texts of one batch, the same call goes on there; the file appears when it is
    whole.

    Args:
        corpus: rows in one language.
        targets: tags of other languages, each once; at least one.
        out: ``.jsonl`` or ``.jsonl.gz``, of the form that ``jsonl:`` reads.
        log: takes a line of progress about every half minute, and one at the end; the translator's warnings are counted in
            them.

    Returns:
        The number of rows written. A row with a blank translation is left out and warned of.

    Raises:
        ValueError: several languages in the corpus, no target, a target that is the corpus's language or stands twice, a
            pair that the translator does not know, another ending of ``out``.
    """
    source = source_language(corpus, targets)
    n_written = write_rows(_rows(corpus, translator, source, targets, log), out)
    n_lost = len(corpus) * (1 + len(targets)) - n_written
    if n_lost:
        warnings.warn(f"{n_lost} of {n_written + n_lost} rows have a blank translation and are left out", stacklevel=2)
    return n_written


def _rows(
    corpus: ParallelCorpus, translator: Translator, source: str, targets: Sequence[str], log: Callable[[str], None]
) -> Iterator[dict]:
    n_rows, n_said, said, complaints = len(corpus), 0, time.monotonic(), []
    for start in range(0, n_rows, ROWS):
        rows = corpus.table.slice(start, ROWS).to_pylist()
        with warnings.catch_warnings(record=True) as caught:  # one a batch would hide the progress
            made = translated_rows(rows, translator, source, targets, FIELDS)
        yield from made
        complaints += caught
        n_done, now = start + len(rows), time.monotonic()
        if now - said > EVERY_S or n_done == n_rows:
            left_s = (n_rows - n_done) * (now - said) / (n_done - n_said)  # at the pace of late: what was kept goes quickly
            log(f"{n_done:,} of {n_rows:,} rows translated into {', '.join(targets)}{_left(left_s)}")
            if complaints:
                log(f"warnings of the translator: {len(complaints):,}, the last: {complaints[-1].message}")
            n_said, said, complaints = n_done, now, []


def _left(left_s: float) -> str:
    if not left_s:
        return ""
    return f", about {left_s / 3600:.1f} h left" if left_s > 3600 else f", about {left_s / 60:.0f} min left"
