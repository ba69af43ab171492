"""Cover rank: how far down a list one has to read to see every version of the answer (NumPy only)."""

from __future__ import annotations

import numpy as np

from kit.evaluate.bias.rank_distance import checked_sizes
from kit.evaluate.metrics import BiasMeasure, RankedLists, worst_rank


def cover_rank(lists: RankedLists) -> np.ndarray:
    """Worst rank among the relevant candidates of each query in the pool; lower is better.

    From m (the m parallel answers lead the list) to n, in a pool of n. NaN with fewer than two relevant candidates, as the
    other measures of parallel answers. Max@R of arXiv 2604.05684.
    """
    return np.where(lists.n_relevant < 2, np.nan, worst_rank(lists))


def expected_cover_rank(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> np.ndarray:
    """Cover rank that a random order gives in expectation: ``m (n + 1) / (m + 1)``.

    Reason, arguments, shape and errors are those of ``rank_distance.expected_rank_distance``, with i = m.
    """
    n, m = checked_sizes(n_candidates, n_relevant)
    return np.where(m < 2, np.nan, m * (n + 1) / (m + 1))


MEASURE = BiasMeasure(
    column="cover_rank",
    label="cover rank",
    order=2,
    fair="low",
    low=2,
    high=np.inf,
    digits=0,
    formula="max rank of the relevant candidates",
    meaning="How far down the list one has to read to see every version of the answer.",
    source="arXiv 2604.05684 (Max@R)",
    compute=lambda pool: cover_rank(pool.lists),
    chance=lambda pool: expected_cover_rank(pool.n_candidates, pool.lists.n_relevant),
)
