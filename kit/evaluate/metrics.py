"""Retrieval measures of ranked lists, from the ranks of their relevant candidates alone; what a measure of bias is (NumPy).

The ranking is complete and has no ties (``kit.evaluate.scores`` breaks them), so the ranks of the relevant candidates say
all there is to know about a list. A list without any relevant candidate has no score and is not a list here: a task refuses
a query that has none, and a query that has none in one language is not in that cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kit.core.configs import whole_number


@dataclass(frozen=True, eq=False)
class RankedLists:
    """Many ranked lists, each as the ranks of its relevant candidates; made by ``ranked_lists``.

    list_id: number of each list, ascending, shape (n_lists,), int64.
    start: index of each list's first relevant candidate, shape (n_lists,), int64.
    rank: rank of each relevant candidate, 1 = top, ascending within its list, shape (n_relevant,), int64.
    grade: grade of each relevant candidate, >= 1, shape (n_relevant,), int64; only nDCG reads it.
    language: language of each relevant candidate as an index, >= 0, shape (n_relevant,), int64; read by bias only.
    """

    list_id: np.ndarray
    start: np.ndarray
    rank: np.ndarray
    grade: np.ndarray
    language: np.ndarray

    @property
    def n_relevant(self) -> np.ndarray:
        """Number of relevant candidates of each list, at least 1, shape (n_lists,), int64."""
        return np.diff(self.start, append=len(self.rank))

    @property
    def position(self) -> np.ndarray:
        """Number of relevant candidates of the list down to and with each one (1, 2, …), shape (n_relevant,), int64."""
        return np.arange(len(self.rank)) - np.repeat(self.start, self.n_relevant) + 1

    def total(self, gain: np.ndarray) -> np.ndarray:
        """Sum of a number per relevant candidate over each list, shape (n_lists,)."""
        return np.add.reduceat(gain, self.start)


@dataclass(frozen=True, eq=False)
class Pool:
    """What a task asks of the pool of all its candidates, whatever a model makes of it.

    lists: the relevant candidates of each query, the list of query i at place i; their ranks mean something in a
        ``RankedPool`` only.
    query_language: of each query, as an index, shape (n_queries,), integer.
    counts: candidates of each language in the pool of each query, itself left out, shape (n_queries, n_languages), int64.
    n_relevant: how many of these are relevant to each query, shape (n_queries, n_languages), int64.
    has_partner: whether the same question is asked in another language, shape (n_queries,), bool.
    """

    lists: RankedLists
    query_language: np.ndarray
    counts: np.ndarray
    n_relevant: np.ndarray
    has_partner: np.ndarray

    @property
    def n_candidates(self) -> np.ndarray:
        """Size of the pool of each query, shape (n_queries,), int64."""
        return self.counts.sum(axis=1)


@dataclass(frozen=True, eq=False)
class RankedPool(Pool):
    """And how a model ranks it: all that one pass over the scores gives a measure of bias.

    lists: the relevant candidates of each query, ranked in the pool.
    top_languages: language of each of the first candidates of each list, best first, shape (n_queries, depth), integer.
    is_relevant: whether each of them is relevant, shape (n_queries, depth), bool.
    agreement: Spearman correlation of each query's list with those of the same question in each language, shape
        (n_queries, n_languages), float64, NaN where there is none or none was measured.
    """

    top_languages: np.ndarray
    is_relevant: np.ndarray
    agreement: np.ndarray


@dataclass(frozen=True, kw_only=True)
class BiasMeasure:
    """A number of the bias panel: its column in tables, its label, how to compute and print it, and what it means.

    order: place in the panel; lower is earlier.
    fair: "low", "high" or "chance", the values that are fair.
    low, high: ends of its range, where infinity stands for the size of the pool; digits: decimals to print.
    formula: one line of plain text; meaning: one plain sentence for who has never seen it; source: arXiv id or citation.
    compute: one number a query, shape (n_queries,), float64, NaN where it is not defined.
    chance: what a random order of the pool gives each query in expectation, of the same shape, NaN at the same places.
    """

    column: str
    label: str
    order: int
    fair: str
    low: float = 0
    high: float = 1
    digits: int = 3
    formula: str
    meaning: str
    source: str
    compute: Callable[[RankedPool], np.ndarray] = field(repr=False)
    chance: Callable[[Pool], np.ndarray] = field(repr=False)


def ranked_lists(
    list_id: np.ndarray, rank: np.ndarray, grade: np.ndarray | None = None, language: np.ndarray | None = None
) -> RankedLists:
    """Sort relevant candidates into lists.

    Args:
        list_id: list of each relevant candidate, any order, shape (n_relevant,), integer.
        rank: its rank in that list, 1 = top, distinct within the list, shape (n_relevant,), integer.
        grade: its grade, >= 1, shape (n_relevant,), integer; ``None``: all 1.
        language: its language as an index, >= 0, shape (n_relevant,), integer; ``None``: all 0.

    Raises:
        ValueError: shapes differ; a rank or grade below 1, a language below 0, or one of them not an integer; a rank twice
            in a list.

    >>> average_precision(ranked_lists(np.array([7, 7, 8]), np.array([4, 1, 2])))
    array([0.75, 0.5 ])
    """
    grade = np.ones_like(rank) if grade is None else grade
    language = np.zeros(rank.shape, np.int64) if language is None else language
    for name, array in (("list_id", list_id), ("rank", rank), ("grade", grade), ("language", language)):
        if array.shape != (len(rank),) or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name} has shape {array.shape} and dtype {array.dtype}: give integers of shape ({len(rank)},)"
            )
    for name, array in (("rank", rank), ("grade", grade)):
        if (array < 1).any():
            index = int(np.argmax(array < 1))
            raise ValueError(f"{name}[{index}] is {array[index]}: ranks and grades start at 1")
    if (language < 0).any():
        index = int(np.argmax(language < 0))
        raise ValueError(f"language[{index}] is {language[index]}: indices of languages start at 0")
    ids, place, n_relevant = np.unique(list_id, return_inverse=True, return_counts=True)
    order = np.argsort(place * (rank.max(initial=0).astype(np.int64) + 1) + rank)  # one key sorts faster than two
    list_id, rank, grade, language = list_id[order], rank[order], grade[order], language[order].astype(np.int64)
    doubled = (np.diff(list_id) == 0) & (np.diff(rank) == 0)
    if doubled.any():
        index = int(np.argmax(doubled))
        raise ValueError(
            f"rank {rank[index]} stands twice in list {list_id[index]}: break ties first (kit.evaluate.scores does)"
        )
    start = np.cumsum(n_relevant) - n_relevant
    return RankedLists(ids, start, rank, grade, language)


def average_precision(lists: RankedLists) -> np.ndarray:
    """Mean over the relevant candidates of the precision at their ranks: ``AP = (1 / R) sum_i i / rank_i``.

    ``R`` is the number of relevant candidates and ``rank_i`` the rank of the i-th of them. No cut-off; in (0, 1], 1 where
    the relevant candidates lead the list. Their mean over queries is mAP. Shape (n_lists,), float64.
    """
    return lists.total(lists.position / lists.rank) / lists.n_relevant


def reciprocal_rank(lists: RankedLists) -> np.ndarray:
    """One over the rank of the first relevant candidate; no cut-off; in (0, 1]. Shape (n_lists,), float64."""
    return 1.0 / best_rank(lists)


def recall(lists: RankedLists, k: int) -> np.ndarray:
    """Share of the relevant candidates among the top k: ``#{i: rank_i <= k} / R``; in [0, 1], 0 where none is found.

    With one relevant candidate this is the hit rate. With more than k it stays below 1. Shape (n_lists,), float64.

    Raises:
        ValueError: ``k`` below 1.
    """
    return _found(lists, k) / lists.n_relevant


def ndcg(lists: RankedLists, k: int) -> np.ndarray:
    """Discounted cumulative gain of the top k over that of the best possible list; in [0, 1], 0 where none is found.

    ``DCG = sum of grade_i / log2(rank_i + 1) over rank_i <= k``: the gain is the grade itself (linear), as in trec_eval and
    in ranx by default, not ``2 ** grade - 1``. The best possible list has the relevant candidates in descending order of
    grade at its top. Järvelin and Kekäläinen (2002). Shape (n_lists,), float64.

    Raises:
        ValueError: ``k`` below 1.
    """
    whole_number("k", k, 1)
    list_index = np.repeat(np.arange(len(lists.start)), lists.n_relevant)
    best_grade = lists.grade[np.lexsort((-lists.grade, list_index))]  # (n_relevant,) descending in each list
    return lists.total(_gain(lists.grade, lists.rank, k)) / lists.total(_gain(best_grade, lists.position, k))


def best_rank(lists: RankedLists) -> np.ndarray:
    """Rank of the first relevant candidate, shape (n_lists,), int64."""
    return lists.rank[lists.start]


def worst_rank(lists: RankedLists) -> np.ndarray:
    """Rank of the last relevant candidate, shape (n_lists,), int64."""
    return lists.rank[lists.start + lists.n_relevant - 1]


def _found(lists: RankedLists, k: int) -> np.ndarray:
    whole_number("k", k, 1)
    return lists.total((lists.rank <= k).astype(np.int64))


def _gain(grade: np.ndarray, rank: np.ndarray, k: int) -> np.ndarray:
    return np.where(rank <= k, grade / np.log2(rank + 1), 0.0)
