"""Rank distance: how far apart the versions of one answer stand (NumPy only).

A training watches it, too: this file imports nothing of the other measures, so that a change there retrains nothing.
"""

from __future__ import annotations

import numpy as np

from kit.evaluate.metrics import BiasMeasure, RankedLists, best_rank, worst_rank


def rank_distance(lists: RankedLists) -> np.ndarray:
    """Worst rank minus best rank among the relevant candidates of each query in the pool; lower is fairer.

    From m - 1 (the m parallel answers stand together) to n - 1, in a pool of n. NaN with fewer than two relevant candidates,
    which have no distance. Complete ranking, no cut-off. arXiv 2408.10536, section on language bias.

    >>> from kit.evaluate.metrics import ranked_lists
    >>> rank_distance(ranked_lists(np.array([0, 0, 1]), np.array([2, 9, 5])))
    array([ 7., nan])
    """
    return np.where(lists.n_relevant < 2, np.nan, worst_rank(lists) - best_rank(lists))


def expected_rank_distance(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> np.ndarray:
    """Rank distance that a random order gives in expectation: ``(n + 1) (m - 1) / (m + 1)``.

    The m relevant ranks are a random subset of 1 … n; they cut the n - m other candidates into m + 1 gaps of equal
    expectation, so the i-th of them stands at ``i (n + 1) / (m + 1)`` in expectation.

    Args:
        n_candidates, n_relevant: n, size of the pool, and m, from 1 to n; integers or arrays that broadcast.

    Returns:
        float64, of the shape that both broadcast to; NaN where m < 2.

    Raises:
        ValueError: an m below 1 or above n.

    >>> float(expected_rank_distance(13014, 11))
    10845.833333333334
    """
    n, m = checked_sizes(n_candidates, n_relevant)
    return np.where(m < 2, np.nan, (n + 1) * (m - 1) / (m + 1))


def checked_sizes(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of pools and numbers of relevant candidates as float64 of one shape.

    Raises:
        ValueError: a pool without a relevant candidate, or with more than it has candidates.
    """
    n, m = np.broadcast_arrays(np.asarray(n_candidates, np.float64), np.asarray(n_relevant, np.float64))
    wrong = (m < 1) | (m > n)
    if wrong.any():
        raise ValueError(f"n_relevant {m[wrong][0]:.0f} of n_candidates {n[wrong][0]:.0f}: choose 1 to all of them")
    return n, m


MEASURE = BiasMeasure(
    column="rank_distance",
    label="rank distance",
    order=1,
    fair="low",
    low=1,
    high=np.inf,
    digits=0,
    formula="max rank - min rank of the relevant candidates",
    meaning="How far apart the versions of one answer stand in the list.",
    source="arXiv 2408.10536",
    compute=lambda pool: rank_distance(pool.lists),
    chance=lambda pool: expected_rank_distance(pool.n_candidates, pool.lists.n_relevant),
)
