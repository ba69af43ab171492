"""Complete@20: whether the first 20 places hold every version of the answer (NumPy only)."""

from __future__ import annotations

import numpy as np

from kit.core.configs import whole_number
from kit.evaluate.bias.rank_distance import checked_sizes
from kit.evaluate.bias.top_lists import TOP
from kit.evaluate.metrics import BiasMeasure, RankedLists, recall


def complete_at(lists: RankedLists, k: int) -> np.ndarray:
    """1 where all relevant candidates of a query are in the top k, else 0; higher is better.

    With more than k of them it is 0, however good the order; NaN with fewer than two. Complete@k of arXiv 2604.05684.

    Raises:
        ValueError: ``k`` below 1.
    """
    return np.where(lists.n_relevant < 2, np.nan, recall(lists, k) == 1)


def expected_complete(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int, k: int) -> np.ndarray:
    """Probability that a random order is complete at k: ``C(n - m, k - m) / C(n, k)``.

    Computed as the product of ``(k - i) / (n - i)`` over i < m, without a large number.

    Args:
        n_candidates, n_relevant: as in ``rank_distance.expected_rank_distance``.
        k: depth of the cut, at least 1; it may be above n.

    Returns:
        float64, of the shape that n and m broadcast to, in [0, 1]; NaN for m < 2, 0 for m > k, 1 for k >= n.

    Raises:
        ValueError: an m below 1 or above n, or ``k`` below 1.
    """
    n, m = checked_sizes(n_candidates, n_relevant)
    whole_number("k", k, 1)
    probability = np.where(m < 2, np.nan, 1.0)
    for i in range(min(int(m.max(initial=0)), k + 1)):  # from i = k on the product is 0
        probability = probability * np.where(i < m, np.maximum(np.minimum(k, n) - i, 0) / np.maximum(n - i, 1), 1.0)
    return probability


MEASURE = BiasMeasure(
    column=f"complete_at_{TOP}",
    label=f"complete@{TOP}",
    order=3,
    fair="high",
    formula=f"1 if max rank of the relevant candidates <= {TOP}, else 0",
    meaning=f"How often the first {TOP} places hold every version of the answer.",
    source="arXiv 2604.05684 (Complete@k)",
    compute=lambda pool: complete_at(pool.lists, TOP),
    chance=lambda pool: expected_complete(pool.n_candidates, pool.lists.n_relevant, TOP),
)
