"""Runs on file in TREC's form, ``query Q0 passage rank score tag``, and their scores, which are those of trec_eval.

trec_eval, and pytrec_eval on it, does not look at ranks: it sorts by the score in float32, and equal scores by the id of the
passage, from z to a. A run is written so that it finds the order that was meant: each score is below the one before, by the
next float32 where two are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit.core.files import whole_file
from kit.data.judged.qrels import word
from kit.data.lines import text_lines
from kit.evaluate import metrics

DEPTH = 100
"""Passages of a list: as deep as its measures look."""

MEASURES = {
    "nDCG@10": lambda lists: metrics.ndcg(lists, 10),
    f"R@{DEPTH}": lambda lists: metrics.recall(lists, DEPTH),
}
"""What is published on MIRACL: trec_eval calls them ``ndcg_cut_10`` and ``recall_100``."""


@dataclass(frozen=True, eq=False)
class Run:
    """Ranked lists. passage_ids: of each query, best first. scores: of these, descending, float32."""

    passage_ids: Mapping[str, Sequence[str]]
    scores: Mapping[str, np.ndarray]


def write_run(path: str | Path, run: Run, tag: str = "kit") -> None:
    """Write a run; the file appears whole or not at all.

    Args:
        tag: names the run in its last column.

    Raises:
        ValueError: an id or the tag is empty or holds white space.
    """
    word(tag, "tag")
    lines = []
    for query_id, passage_ids in run.passage_ids.items():
        word(query_id, "query")
        scores = strictly_descending(run.scores[query_id]).tolist()
        for rank, (passage_id, score) in enumerate(zip(passage_ids, scores), start=1):
            lines.append(f"{query_id} Q0 {word(passage_id, 'passage')} {rank} {score:.9g} {tag}\n")
    with whole_file(Path(path)) as partial:
        partial.write_text("".join(lines), encoding="utf-8")


def read_run(path: str | Path) -> Run:
    """Read a run, whoever wrote it, in the order in which trec_eval sees it.

    Raises:
        ValueError: no such file, or an empty one; a line without the six values; a score that is no finite number; a passage
            twice for a query.
    """
    path, found = Path(path), dict[str, dict[str, float]]()
    for number, line in enumerate(text_lines(path), start=1):
        values = line.split()
        try:
            query_id, _, passage_id, _, score, _ = values
            score = float(np.float32(score))
        except ValueError:
            score, query_id, passage_id = np.nan, "", ""
        if not np.isfinite(score):
            raise ValueError(
                f"{path}, line {number}: {line!r:.80} is not query, Q0, passage, rank, score, tag: write the six"
            )
        listed = found.setdefault(query_id, {})
        if passage_id in listed:
            raise ValueError(f"{path}, line {number}: passage {passage_id!r} is in the list of {query_id!r} twice: keep one")
        listed[passage_id] = score
    ids, scores = {}, {}
    for query_id, listed in found.items():
        ids[query_id] = sorted(sorted(listed, reverse=True), key=lambda one, listed=listed: -listed[one])
        scores[query_id] = np.array([listed[one] for one in ids[query_id]], np.float32)
    return Run(ids, scores)


def run_scores(run: Run, grades: Mapping[str, Mapping[str, int]]) -> dict[str, np.ndarray]:
    """``MEASURES`` of each query that has a relevant passage, in the order of ``grades``, (n_queries,), float64.

    Gains are the grades themselves. The best possible list, and the number of relevant passages, are those of the
    judgements, whether the corpus holds them or not. A query without a list scores 0 (pytrec_eval leaves it out).

    Raises:
        ValueError: no query has a relevant passage.
    """
    list_id, rank, grade = [], [], []
    answered = [query_id for query_id, judged in grades.items() if max(judged.values(), default=0) >= 1]
    if not answered:
        raise ValueError("no query has a relevant passage: give the judgements of these questions")
    for number, query_id in enumerate(answered):
        relevant = {passage_id: one for passage_id, one in grades[query_id].items() if one >= 1}
        place = {passage_id: at for at, passage_id in enumerate(run.passage_ids.get(query_id, ()), start=1)}
        beyond = len(place) + DEPTH  # where what was not found stands, as far as these measures see
        for at, (passage_id, one) in enumerate(relevant.items(), start=1):
            list_id.append(number)
            rank.append(place.get(passage_id, beyond + at))
            grade.append(one)
    lists = metrics.ranked_lists(np.array(list_id), np.array(rank), np.array(grade))
    return {name: measure(lists) for name, measure in MEASURES.items()}


def strictly_descending(scores: np.ndarray) -> np.ndarray:
    """Scores of a list, each below the one before, by as little as float32 can tell; shape (n,), float32.

    >>> strictly_descending(np.array([0.5, 0.25, 0.25], np.float32)).tolist()[1:]
    [0.25, 0.2499999850988388]
    """
    found = np.array(scores, np.float32)
    for at in range(1, len(found)):
        if found[at] >= found[at - 1]:
            found[at] = np.nextafter(found[at - 1], np.float32(-np.inf))
    return found
