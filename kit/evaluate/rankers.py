"""Rankers with a known fault, made by hand: what does each measure of bias see of it, and what does it miss?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kit.core.seeding import generator
from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings


@dataclass(frozen=True, eq=False)
class _List:
    """One query's candidates: which are relevant, in its language, in the task's first language, in a random half; (n,)."""

    relevant: np.ndarray
    own: np.ndarray
    first: np.ndarray
    half: np.ndarray


RANKERS: dict[str, tuple[str, Callable[[_List], np.ndarray]]] = {
    "ideal": ("all versions of the answer lead, then the rest", lambda row: row.relevant * 1.0),
    "own version first": (
        "the version in the language of the query leads, then the others",
        lambda row: row.relevant * (1.0 + row.own),
    ),
    "own language first": (
        "all candidates in the language of the query, then the others; the answer leads in each",
        lambda row: 2.0 * row.own + row.relevant,
    ),
    "one language first": (
        "all candidates in the first language of the task, then the others; the answer leads in each",
        lambda row: 2.0 * row.first + row.relevant,
    ),
    "one language buried": (
        "all versions lead, but for that in the first language of the task, whose candidates come last; it leads those",
        lambda row: row.relevant * 1.0 - 2.0 * row.first,
    ),
    "together, far down": (
        "all versions stand together, in the middle of the list",
        lambda row: np.where(row.relevant, 0.5, row.half),
    ),
    "chance": ("a random order", lambda row: np.zeros(len(row.relevant))),
}
"""Name -> what it does, and the tier of each candidate of a query, (n,), higher first; within a tier the order is random,
and the same for the same question in every language."""


def made_evaluation(name: str, task: RetrievalTask, seed: int = 0, n_agreement_groups: int | None = None) -> Evaluation:
    """Evaluate one of ``RANKERS`` on a task.

    ``chance`` orders every query by itself; the others give the same question the same order in all languages, as far as
    their tiers let them.

    Raises:
        ValueError: no ranker of that name.
    """
    if name not in RANKERS:
        raise ValueError(f"ranker {name!r} is not known: choose from {', '.join(RANKERS)}")
    tier_of = RANKERS[name][1]
    n = len(task.candidates)
    groups, ids = (task.queries.column(column).to_pylist() for column in ("group_id", "query_id"))
    relevant = {}
    for query, candidate, _ in task.relevant_pairs:
        relevant.setdefault(int(query), []).append(int(candidate))

    def rescore(scores: np.ndarray, query: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """Scores that put each candidate in its tier, whatever they were (``kit.evaluate.scores.Rescore``)."""
        made = np.empty_like(scores)
        for row, index in enumerate(query.tolist()):
            order = generator(seed, "ranker", ids[index] if name == "chance" else groups[index]).permutation(n)  # (n,)
            languages = task.candidate_language
            is_relevant = np.isin(np.arange(n), relevant[index])
            row_of = _List(is_relevant, languages == task.query_language[index], languages == 0, order < n // 2)
            place = np.empty(n)
            place[np.lexsort((order, tier_of(row_of)))] = np.arange(n)  # whole numbers, exact in float32 below 2 ** 24
            made[row] = place[candidate]
        return made

    nothing = np.zeros((len(task.queries), 1), np.float32), np.zeros((n, 1), np.float32)
    return evaluate_embeddings(*nothing, task, name, seed, n_agreement_groups, rescore)
