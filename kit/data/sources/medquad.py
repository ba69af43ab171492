"""MedQuAD (Ben Abacha and Demner-Fushman 2019): medical questions and answers, English, split by what they are about."""

from __future__ import annotations

from pathlib import Path

from kit.core.seeding import stable_fraction
from kit.core.tables import json_lines
from kit.data.corpus import ParallelCorpus, RetrievalTask

TEST_SHARE = 0.1
"""Share of the topics that are the test."""

_FIELDS = ("group_id", "query", "passage", "language", "domain", "topic")


def corpus(path: str | Path, part: str = "train") -> ParallelCorpus:
    """Read one part as training data.

    Questions follow templates ("What are the symptoms of X?"), so that a split by question would ask in the test what the
    training answers: a topic X is on one side, by a hash of its name.

    Args:
        path: a ``.jsonl`` or ``.jsonl.gz`` file with ``group_id``, ``query``, ``passage``, ``language``, ``domain``,
            ``topic``.
        part: ``train``, ``test`` (a tenth of the topics), or ``all``.

    Raises:
        ValueError: no such file or part, a line without one of the fields, whatever ``ParallelCorpus`` refuses (an empty
            text, what is no language).

    >>> corpus("medquad.jsonl.gz").languages  # doctest: +SKIP
    ('en',)
    """
    if part not in ("train", "test", "all"):
        raise ValueError(f"part is {part!r}: choose train, test or all")
    rows, places = [], []
    for line, row in enumerate(json_lines(path), start=1):
        place = f"{path}, line {line}"
        if missing := [field for field in _FIELDS if not isinstance(row.get(field), str)]:
            raise ValueError(f"{place}: field {missing[0]!r} is {row.get(missing[0])!r:.60}: write a text")
        tested = stable_fraction(row["topic"]) < TEST_SHARE
        if part == "all" or tested == (part == "test"):
            kept = {field: row[field] for field in _FIELDS if field != "topic"}
            # An id names a question of a page, and a page may ask it about several diseases.
            rows.append(kept | {"group_id": f"{row['group_id']}:{line}", "source": "medquad"})
            places.append(place)
    return ParallelCorpus.from_rows(rows, f"medquad-{part}", places.__getitem__)


def task(path: str | Path, part: str = "test") -> RetrievalTask:
    """Read one part as a task: its questions against its answers; arguments and errors as in ``corpus``."""
    chosen = corpus(path, part)
    return RetrievalTask.from_corpus(chosen, name=chosen.name)
