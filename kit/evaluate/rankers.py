"""Rankers without training: those with a known fault, made by hand, to try measures on, and one that compares letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kit.core.seeding import generator, stable_hash
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


class LettersInCommon:
    """Embeds a text by its runs of three letters: a retriever that knows no language, the least that training has to beat.

    Each run counts 1 or -1 in one of ``dimension`` columns, both by a hash of it, so that the score of two texts is about
    the share of the runs that they have in common, case aside. Feature hashing, Weinberger et al. (2009).
    """

    def __init__(self, dimension: int = 1024) -> None:
        self.dimension = dimension
        self._signed: dict[str, tuple[int, int]] = {}

    def encode_query(self, texts: Sequence[str], **options: object) -> np.ndarray:
        """Shape (n_texts, dimension), float32, rows of length 1, or 0 for a text without a letter."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts):
            padded = f" {text.lower()} "
            places = [self._place(padded[start : start + 3]) for start in range(len(padded) - 2)]
            if places:
                column, sign = np.array(places).T
                row += np.bincount(column, sign, self.dimension)
        for row in rows:  # in their place: a copy of all would double what they take
            row /= max(float(np.linalg.norm(row)), float(np.finfo(np.float32).tiny))
        return rows

    encode_document = encode_query

    def _place(self, run: str) -> tuple[int, int]:
        if run not in self._signed:
            number = stable_hash(run)
            self._signed[run] = number // 2 % self.dimension, 1 - number % 2 * 2
        return self._signed[run]
