"""Language bias of a ranking: what happens to parallel answers, one a language, in one pool (NumPy only).

Every measure takes ``kit.metrics.RankedLists`` of the pool of all languages, one list a query, and returns one number a
query, NaN where it is not defined for the query; who averages leaves those out and says how many there were.
"""

from __future__ import annotations

import numpy as np

from kit.metrics import RankedLists, best_rank, worst_rank


def rank_distance(lists: RankedLists) -> np.ndarray:
    """Worst rank minus best rank among the relevant candidates of each query in the pool; lower is fairer.

    From R - 1 (the R parallel answers stand together) to n_candidates - 1. NaN for a query with fewer than two relevant
    candidates, which has no distance. Complete ranking, no cut-off. arXiv 2408.10536, section on language bias.

    Returns:
        Shape (n_lists,), float64.

    >>> from kit.metrics import ranked_lists
    >>> rank_distance(ranked_lists(np.array([0, 0, 1]), np.array([2, 9, 5])))
    array([ 7., nan])
    """
    distance = (worst_rank(lists) - best_rank(lists)).astype(np.float64)
    distance[lists.n_relevant < 2] = np.nan
    return distance


def expected_rank_distance(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> np.ndarray:
    """Rank distance that a random order gives in expectation: ``(n + 1) (m - 1) / (m + 1)``; NaN where m < 2.

    The m relevant ranks are a random subset of 1 … n; they cut the n - m other candidates into m + 1 gaps of equal
    expectation, so the i-th of them stands at ``i (n + 1) / (m + 1)`` in expectation.

    Args:
        n_candidates: n, size of the pool; n_relevant: m, at most n; integers, or arrays that broadcast.

    Returns:
        float64, of the broadcast shape.

    Raises:
        ValueError: ``n_relevant`` below 1 or above ``n_candidates``.

    >>> float(expected_rank_distance(13014, 11))
    10845.833333333334
    """
    n, m = np.broadcast_arrays(np.asarray(n_candidates, np.float64), np.asarray(n_relevant, np.float64))
    wrong = (m < 1) | (m > n)
    if wrong.any():
        raise ValueError(
            f"n_relevant {m[wrong].flat[0]:.0f} of n_candidates {n[wrong].flat[0]:.0f}: choose 1 to the number of candidates"
        )
    return np.where(m < 2, np.nan, (n + 1) * (m - 1) / (m + 1))
