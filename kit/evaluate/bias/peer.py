"""Probability of equal expected rank (PEER): could chance alone have ranked the languages like this? (NumPy only)

``PEER = Pr[chi2_(G-1) > H]`` with ``H = (N - 1) sum_g n_g (rbar_g - rbar)^2 / sum_gi (r_gi - rbar)^2`` over the N candidates
of one relevance level in G languages. r_gi is the position in the list (1 = top) of the i-th of the n_g candidates in
language g, rbar_g is the mean over these, rbar that over all N. Yang, Jänich, Mayfield and Lawrie (2024), arXiv 2405.00978.

Both measures return one p-value a list, higher is fairer: shape (n_lists,), float64, NaN where it is not defined. The
ranking is complete and without ties (``kit.evaluate.search`` breaks them). A random order gives H = G - 1 in expectation;
then p is nearly uniform, so about 0.5 in the mean. The chi-square distribution is an approximation, rough for a few
candidates.
"""

from __future__ import annotations

from math import erfc, pi

import numpy as np

from kit.evaluate.bias.top_lists import check_array, check_top, sum_by_language
from kit.evaluate.metrics import RankedLists, best_rank

_MAX_DOF = 1000  # above, exp(-x / 2) can be 0 where the probability is not


def peer_relevant(lists: RankedLists) -> np.ndarray:
    """PEER of the relevant candidates of each list: p-value of equal expected positions of all languages; 1 is fair.

    r_gi are the positions in the complete list, as in the paper and its reference implementation, not the ranks of the
    relevant candidates among themselves: a straggler far down weighs more than the order of the others. H is the
    Kruskal-Wallis statistic proper where the positions are adjacent, or evenly spaced, and another number elsewhere.

    With one relevant candidate a language H is G - 1 whatever the order, and p a constant: 0.4405 at 11 languages.

    Args:
        lists: the relevant candidates of each query with their languages, ranked in the pool of all languages.

    Returns:
        p-values in [0, 1]; NaN for a list with fewer than two languages (the reference implementation says 1.0), and for
        one with one relevant candidate a language. No list gives an empty array.

    Raises:
        ValueError: every list has one relevant candidate a language; use ``peer_top``.

    >>> from kit.evaluate.metrics import ranked_lists
    >>> peer_relevant(ranked_lists(np.zeros(4, int), np.array([1, 2, 3, 10]), language=np.array([0, 0, 1, 1]))).round(5)
    array([0.22067])
    """
    m = lists.n_relevant
    list_of = np.repeat(np.arange(len(m)), m)  # (n_relevant,)
    n_codes = int(lists.language.max(initial=0)) + 1
    group, group_of, size = np.unique(list_of * n_codes + lists.language, return_inverse=True, return_counts=True)
    n_groups = np.bincount(group // n_codes)  # (n_lists,), as no list is without relevant candidates
    is_defined = (n_groups > 1) & (n_groups < m)
    if (n_groups == m).all() and (n_groups > 1).any():
        n = int(n_groups.max())
        constant = chi_square_survival(np.array([n - 1]), np.array([n - 1])).item()
        raise ValueError(
            f"lists have one relevant candidate a language each, where p is a constant ({constant:.4f} at {n} languages) "
            "whatever the order: use peer_top"
        )
    position = lists.rank - best_rank(lists)[list_of]  # from that of the first, so that large ranks cost no digits
    deviation = position - (lists.total(position) / m)[list_of]  # (n_relevant,)
    between = np.bincount(group // n_codes, np.bincount(group_of, deviation) ** 2 / size)
    return _peer(m, between, lists.total(deviation**2), n_groups, is_defined)


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
    in_top, size, n = _other_counts(top_languages, is_relevant, pool_counts, n_relevant)
    is_other, k = ~is_relevant, top_languages.shape[1]
    position = np.arange(1, k + 1) - (k + 1 + n) / 2  # (n_lists, k), from that of the tail, which is 0 in this way
    total = sum_by_language(top_languages, position * is_other, size.shape[1])  # (n_lists, n_languages)
    n_other, n_groups = size.sum(axis=1), (size > 0).sum(axis=1)
    mean = total.sum(axis=1, keepdims=True) / np.maximum(n_other, 1)[:, None]
    between = (size * (total / np.maximum(size, 1) - mean) ** 2).sum(axis=1)
    spread = (is_other * (position - mean) ** 2).sum(axis=1) + (size - in_top).sum(axis=1) * mean[:, 0] ** 2
    return _peer(n_other, between, spread, n_groups, n_groups > 1)


def chi_square_survival(x: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """Probability that a chi-square variable is above x, ``Pr[chi2_dof > x]``, for whole degrees of freedom.

    With h = x / 2: ``exp(-h) sum_j h^j / j!`` over j < dof / 2 for even dof, and for odd ``erfc(sqrt(h)) + exp(-h) sum_j
    h^(j - 1/2) / Gamma(j + 1/2)`` over j from 1 to (dof - 1) / 2. Abramowitz and Stegun (1964), 26.4.4 and 26.4.5. Each term
    is made from the one before it; with the factor exp(-h) none is above 1, so that nothing overflows. Error below 1e-12.

    Args:
        x: at least 0 and finite, shape (n,).
        dof: degrees of freedom, 1 to 1000, shape (n,), integer.

    Returns:
        Shape (n,), float64, in [0, 1].

    Raises:
        ValueError: a number out of range, or shapes or a dtype that differ from these.

    >>> chi_square_survival(np.array([10.0]), np.array([10])).round(4)
    array([0.4405])
    """
    half = np.asarray(x, np.float64) / 2
    check_array("dof", dof, "iu", [(half.size,)])
    if half.ndim != 1 or not ((half >= 0) & (half < np.inf)).all():
        raise ValueError(f"x is {np.asarray(x).tolist()!s:.60}: give finite numbers of at least 0, one for each dof")
    if ((dof < 1) | (dof > _MAX_DOF)).any():
        raise ValueError(f"dof is from {dof.min()} to {dof.max()}: choose 1 to {_MAX_DOF}")
    is_odd, root = dof % 2 == 1, np.sqrt(half)
    survival = np.where(is_odd, [erfc(value) for value in root.tolist()], 0.0)
    term = np.exp(-half) * np.where(is_odd, 2 * root / np.sqrt(pi), 1.0)
    for step in range(int(dof.max(initial=0)) // 2):
        survival += np.where(step < dof // 2, term, 0.0)
        term = term * half / (step + np.where(is_odd, 1.5, 1.0))
    return np.minimum(survival, 1)


def _peer(
    n: np.ndarray, between: np.ndarray, spread: np.ndarray, n_groups: np.ndarray, is_defined: np.ndarray
) -> np.ndarray:
    """p-value of ``H = (n - 1) between / spread`` in n_groups languages, all of shape (n_lists,); NaN where not defined."""
    statistic = np.where(spread > 0, (n - 1) * between / np.where(spread > 0, spread, 1), 0)  # no spread, no difference
    return np.where(is_defined, chi_square_survival(statistic, np.maximum(n_groups - 1, 1)), np.nan)


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
