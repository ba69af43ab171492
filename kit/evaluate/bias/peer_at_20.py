"""PEER@20: could chance alone have ranked the languages of the wrong answers like this?

Probability of equal expected rank: ``PEER = Pr[chi2_(G-1) > H]`` with ``H = (N - 1) sum_g n_g (rbar_g - rbar)^2 / sum_gi
(r_gi - rbar)^2`` over the N candidates of one relevance level in G languages. r_gi is the position in the list (1 = top) of
the i-th of the n_g candidates in language g, rbar_g is the mean over these, rbar that over all N. Yang, Jänich, Mayfield and
Lawrie (2024), arXiv 2405.00978. A random order gives H = G - 1 in expectation; then p is nearly uniform, so about 0.5 in the
mean. The chi-square distribution is an approximation, rough for a few candidates.

The level is that of the candidates that are not relevant. With one relevant candidate a language, as in parallel data, H
over the relevant ones is G - 1 whatever the order, and tells nothing.
"""

from __future__ import annotations

import numpy as np

from kit.evaluate.bias.top_lists import TOP, check_array, check_top, sum_by_language
from kit.evaluate.metrics import BiasMeasure, Pool


def peer_top(
    top_languages: np.ndarray, is_relevant: np.ndarray, pool_counts: np.ndarray, n_relevant: np.ndarray
) -> np.ndarray:
    """PEER@k of the candidates that are not relevant: p-value of equal expected positions of all languages; 1 is fair.

    Level 0 of the paper, over all N candidates of the pool that are not relevant to the query. Those in the top k have
    their list position 1 … k, those beyond share the mean position of the tail, ``(k + 1 + n) / 2``, where n is the size of
    the pool. Where n is far above k, it is the number of places that counts, hardly their order.

    In the reference implementation candidates beyond the cut that are not relevant do not exist, so that a top k in a single
    language counts as perfectly fair, 1.0; here it is near 0.

    Args:
        top_languages: language of each of the top k candidates as an index, best first, shape (n_lists, k), integer.
        is_relevant: whether each of them is relevant, shape (n_lists, k), bool.
        pool_counts: candidates of each language in the pool, shape (n_languages,) or (n_lists, n_languages), integer.
        n_relevant: how many of these are relevant, shape (n_lists, n_languages), integer.

    Returns:
        p-values in [0, 1]; 1 where the top k holds relevant candidates only, so that all others share one position; NaN
        where fewer than two languages have a candidate that is not relevant. No list gives an empty array.

    Raises:
        ValueError: a wrong shape, dtype or range; more candidates of a language in a top list than there are.
    """
    from scipy.special import chdtrc  # here, so that who reads what the panel is need not wait for scipy

    in_top, size, n = _other_counts(top_languages, is_relevant, pool_counts, n_relevant)
    is_other, k = ~is_relevant, top_languages.shape[1]
    position = np.arange(1, k + 1) - (k + 1 + n) / 2  # (n_lists, k), from that of the tail, which is 0 in this way
    total = sum_by_language(top_languages, position * is_other, size.shape[1])  # (n_lists, n_languages)
    n_other, n_groups = size.sum(axis=1), (size > 0).sum(axis=1)
    mean = total.sum(axis=1, keepdims=True) / np.maximum(n_other, 1)[:, None]
    between = (size * (total / np.maximum(size, 1) - mean) ** 2).sum(axis=1)
    spread = (is_other * (position - mean) ** 2).sum(axis=1) + (size - in_top).sum(axis=1) * mean[:, 0] ** 2
    statistic = np.where(
        spread > 0, (n_other - 1) * between / np.where(spread > 0, spread, 1), 0
    )  # no spread, no difference
    return np.where(n_groups > 1, chdtrc(np.maximum(n_groups - 1, 1), statistic), np.nan)


def _other_counts(
    top_languages: np.ndarray, is_relevant: np.ndarray, pool_counts: np.ndarray, n_relevant: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates that are not relevant: of each language in the top k and in the pool, both (n_lists, n_languages).

    Also the size of each list's pool with the relevant ones, (n_lists, 1). Raises where these do not fit each other.
    """
    n_languages = np.atleast_1d(pool_counts).shape[-1]
    check_array("pool_counts", pool_counts, "iu", [(n_languages,), (*np.shape(top_languages)[:1], n_languages)])
    n_lists, k = check_top(top_languages, n_languages)
    check_array("is_relevant", is_relevant, "b", [(n_lists, k)])
    check_array("n_relevant", n_relevant, "iu", [(n_lists, n_languages)])
    size = pool_counts.astype(np.int64) - n_relevant
    in_top = sum_by_language(top_languages, ~is_relevant, n_languages)
    too_many = (in_top > size) | (sum_by_language(top_languages, is_relevant, n_languages) > n_relevant)
    if too_many.any():
        row, language = np.argwhere(too_many)[0].tolist()
        raise ValueError(f"top_languages[{row}] has more of language {language} than pool_counts and n_relevant allow")
    return in_top, size, (size + n_relevant).sum(axis=1, keepdims=True)


def _chance(pool: Pool) -> np.ndarray:
    """The p-value is uniform; it needs candidates in two languages."""
    return np.where((pool.counts > 0).sum(axis=1) > 1, 0.5, np.nan)


MEASURE = BiasMeasure(
    column=f"peer_at_{TOP}",
    label=f"PEER@{TOP}",
    order=6,
    fair="high",
    formula="Pr[chi2_(G-1) > H], H of Kruskal-Wallis, not relevant candidates",
    meaning=f"How well chance alone could explain which languages the wrong answers in the first {TOP} places are in.",
    source="arXiv 2405.00978",
    compute=lambda pool: peer_top(pool.top_languages, pool.is_relevant, pool.counts, pool.n_relevant),
    chance=_chance,
)
