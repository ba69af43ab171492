"""Language bias of a ranking: what happens to parallel answers, and to languages, in one pool (NumPy only).

Measures return one number a list, shape (n_lists,), float64, NaN where it is not defined; who averages leaves those out and
says how many there were. No list gives an empty array. ``expected_…`` is what a random order of the pool gives. The ranking
is complete and without ties (``kit.evaluate.search`` breaks them). Languages are indices from 0. ``lists`` are the relevant
candidates of each query, ranked in the pool of all languages. PEER, the measure that is a test, is in
``kit.evaluate.bias.peer``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.core.seeding import generator
from kit.evaluate.bias.top_lists import check_array, check_top, sum_by_language
from kit.evaluate.metrics import RankedLists, recall, worst_rank

TOP = 20
"""Depth of the measures of ``PANEL`` that have a cut, a first page or two of results; their columns and labels name it."""


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
    n, m = _sizes(n_candidates, n_relevant)
    return np.where(m < 2, np.nan, (n + 1) * (m - 1) / (m + 1))


def cover_rank(lists: RankedLists) -> np.ndarray:
    """Worst rank among the relevant candidates of each query in the pool; lower is better.

    From m (the m parallel answers lead the list) to n, in a pool of n. NaN with fewer than two relevant candidates, as the
    other measures of parallel answers. Max@R of arXiv 2604.05684.
    """
    return np.where(lists.n_relevant < 2, np.nan, worst_rank(lists))


def expected_cover_rank(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> np.ndarray:
    """Cover rank that a random order gives in expectation: ``m (n + 1) / (m + 1)``.

    Reason, arguments, shape and errors are those of ``expected_rank_distance``, with i = m.
    """
    n, m = _sizes(n_candidates, n_relevant)
    return np.where(m < 2, np.nan, m * (n + 1) / (m + 1))


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
        n_candidates, n_relevant: as in ``expected_rank_distance``.
        k: depth of the cut, at least 1; it may be above n.

    Returns:
        float64, of the shape that n and m broadcast to, in [0, 1]; NaN for m < 2, 0 for m > k, 1 for k >= n.

    Raises:
        ValueError: an m below 1 or above n, or ``k`` below 1.
    """
    n, m = _sizes(n_candidates, n_relevant)
    if k < 1:
        raise ValueError(f"k is {k}: choose at least 1")
    probability = np.where(m < 2, np.nan, 1.0)
    for i in range(min(int(m.max(initial=0)), k + 1)):  # from i = k on the product is 0
        probability = probability * np.where(i < m, np.maximum(np.minimum(k, n) - i, 0) / np.maximum(n - i, 1), 1.0)
    return probability


def own_language_first(lists: RankedLists, query_language: np.ndarray) -> np.ndarray:
    """1 where the relevant candidate that ranks first is in the query's language, else 0; the mean is a preference.

    Neither high nor low is right. As utility high is good: who asks in a language reads it. As bias the value of a random
    order is neutral, which is 1 / m where the m relevant candidates have one language each. NaN where they are in fewer
    than two languages or none is in the query's. As LPR of arXiv 2605.07249, whose exact formula is not published.

    Args:
        query_language: language of the query of each list, in the order of ``lists.list_id``, shape (n_lists,), integer.

    Raises:
        ValueError: ``query_language`` has another shape or dtype, or a negative index.
    """
    own, is_defined = _own_language(lists, query_language)
    return np.where(is_defined, own[lists.start], np.nan)


def expected_own_language_first(lists: RankedLists, query_language: np.ndarray) -> np.ndarray:
    """The same under a random order: relevant candidates in the query's language over relevant candidates.

    Arguments, NaN and errors are those of ``own_language_first``.
    """
    own, is_defined = _own_language(lists, query_language)
    return np.where(is_defined, lists.total(own.astype(np.int64)) / lists.n_relevant, np.nan)


def language_shares(top_languages: np.ndarray, n_languages: int) -> np.ndarray:
    """Share of each language among the top k of each list (arXiv 2604.20199), shape (n_lists, n_languages), rows sum to 1.
    Where a list is fair, the share of a language is that of the pool.

    Args:
        top_languages: language of each of the top k candidates, best first, shape (n_lists, k), k >= 1, integer.
        n_languages: number of languages of the pool.

    Raises:
        ValueError: ``top_languages`` has another shape or dtype, or an index out of range.

    >>> language_shares(np.array([[0, 2, 0, 0]]), 3)
    array([[0.75, 0.  , 0.25]])
    """
    _, k = check_top(top_languages, n_languages)
    return sum_by_language(top_languages, np.ones(k), n_languages) / k


def attention_weighted_rank_fairness(top_languages: np.ndarray, target: np.ndarray) -> np.ndarray:
    """AWRF of the top k: 1 minus the Jensen-Shannon divergence between attention and target; higher is fairer.

    ``AWRF = 1 - JSD(d || target)`` with logarithms to base 2; ``d(g)`` is proportional to the sum of ``1 / log2(rank + 1)``
    over the ranks up to k that language g holds. In [0, 1]; 1 is reached only where the attention can be split like the
    target: a short list over many languages cannot, so compare with ``expected_awrf``. Sapiezynski et al. (2019); TREC Fair.

    Args:
        top_languages: as in ``language_shares``.
        target: fair share of each language, such as that of the pool, shape (n_languages,) or (n_lists, n_languages), at
            least 0, sum 1.

    Raises:
        ValueError: ``target`` has another shape or is no distribution; ``top_languages`` as in ``language_shares``.
    """
    target = np.asarray(target, np.float64)
    n_languages = np.atleast_1d(target).shape[-1]
    check_array("target", target, "f", [(n_languages,), (*np.shape(top_languages)[:1], n_languages)])
    if not ((target >= 0).all() and np.allclose(target.sum(axis=-1), 1, rtol=0, atol=1e-6)):
        raise ValueError(f"target is no distribution, {target.tolist()!s:.60}: give shares of at least 0 that sum to 1")
    _, k = check_top(top_languages, n_languages)
    weight = 1 / np.log2(np.arange(k) + 2)  # (k,)
    attention = sum_by_language(top_languages, weight / weight.sum(), n_languages)  # (n_lists, n_languages)
    middle = (attention + target) / 2
    return np.clip(1 - (_relative_entropy(attention, middle) + _relative_entropy(target, middle)) / 2, 0, 1)


def expected_awrf(pool_counts: np.ndarray, k: int, n_draws: int = 2000, seed: int = 0) -> float:
    """AWRF@k of a random order with the shares of the pool as target: mean over lists drawn without replacement.

    Args:
        pool_counts: number of candidates of each language in the pool, shape (n_languages,), integer.
        k: depth, from 1 to the size of the pool.
        n_draws: lists to draw, at least 1; seed: of the draws.

    Raises:
        ValueError: an argument is out of range, or ``pool_counts`` has another shape or dtype.
    """
    check_array("pool_counts", pool_counts, "iu", [(np.size(pool_counts),)])
    n = int(pool_counts.sum())
    if not (1 <= k <= n and n_draws >= 1):
        raise ValueError(f"k is {k} and n_draws is {n_draws}: choose k from 1 to {n}, the pool, and a draw or more")
    random = generator(seed, "expected_awrf")
    left = np.tile(pool_counts.astype(np.int64), (n_draws, 1))  # (n_draws, n_languages)
    drawn = np.empty((n_draws, k), np.int64)
    for rank in range(k):
        candidate = random.integers(n - rank, size=(n_draws, 1))  # one of those left, which are counted language by language
        drawn[:, rank] = (candidate >= left.cumsum(axis=1)).sum(axis=1)
        left[np.arange(n_draws), drawn[:, rank]] -= 1
    return float(attention_weighted_rank_fairness(drawn, pool_counts / n).mean())


def spearman(scores: np.ndarray) -> np.ndarray:
    """Spearman correlation of several full rankings of the same candidates, (n_lists, n_lists), float64, in [-1, 1].

    Ties have mid-ranks, which is not the kit's rule: a tie order that all lists share would look like agreement. A list of
    equal scores has no order and agrees with nothing: 0 with every other list, 1 with itself; to leave it out would reward
    models that give up on a language. Memory is O(n_lists n_candidates). Mean rank correlation (MRC), arXiv 2509.06195.

    Args:
        scores: higher is better, shape (n_lists, n_candidates), float32 (or float64), at least one candidate.

    Raises:
        ValueError: another shape or dtype, or a NaN.
    """
    check_array("scores", scores, "f", [np.shape(scores)])
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise ValueError(f"scores has shape {scores.shape}: give (n_lists, n_candidates) with a candidate or more")
    order = np.argsort(scores, axis=1)
    ascending = np.take_along_axis(scores, order, axis=1)
    if np.isnan(ascending[:, -1]).any():  # NaN is sorted last
        raise ValueError(f"scores[{int(np.argmax(np.isnan(ascending[:, -1])))}] has a NaN: look at the model")
    n = scores.shape[1]
    ranks = np.empty(scores.shape)
    np.put_along_axis(ranks, order, np.arange(n, dtype=np.float64)[None], axis=1)
    is_new = ascending[:, 1:] != ascending[:, :-1]  # (n_lists, n_candidates - 1)
    for row in np.flatnonzero(~is_new.all(axis=1)):
        start = np.flatnonzero(np.append(True, is_new[row]))  # of each run of equal scores
        end = np.append(start[1:], n)
        ranks[row, order[row]] = np.repeat((start + end - 1) / 2, end - start)
    ranks -= (n - 1) / 2
    length = np.sqrt(np.einsum("ln,ln->l", ranks, ranks))
    length[length == 0] = 1
    correlation = np.clip(ranks @ ranks.T / np.outer(length, length), -1, 1)
    np.fill_diagonal(correlation, 1)
    return correlation


@dataclass(frozen=True, kw_only=True)
class BiasMeasure:
    """A number of the bias panel: its column in tables, its label, how to print it, and what it means.

    fair: "low", "high" or "chance", the values that are fair.
    low, high: ends of its range, where infinity stands for the size of the pool; digits: decimals to print.
    formula: one line of plain text; meaning: one plain sentence for who has never seen it; source: arXiv id or citation.
    """

    column: str
    label: str
    fair: str
    low: float = 0
    high: float = 1
    digits: int = 3
    formula: str
    meaning: str
    source: str


PANEL = (
    BiasMeasure(
        column="rank_distance",
        label="rank distance",
        fair="low",
        low=1,
        high=np.inf,
        digits=0,
        formula="max rank - min rank of the relevant candidates",
        meaning="How far apart the versions of one answer stand in the list.",
        source="arXiv 2408.10536",
    ),
    BiasMeasure(
        column="cover_rank",
        label="cover rank",
        fair="low",
        low=2,
        high=np.inf,
        digits=0,
        formula="max rank of the relevant candidates",
        meaning="How far down the list one has to read to see every version of the answer.",
        source="arXiv 2604.05684 (Max@R)",
    ),
    BiasMeasure(
        column="complete_at_20",
        label="complete@20",
        fair="high",
        formula="1 if max rank of the relevant candidates <= 20, else 0",
        meaning="How often the first 20 places hold every version of the answer.",
        source="arXiv 2604.05684 (Complete@k)",
    ),
    BiasMeasure(
        column="own_language_first",
        label="own language first",
        fair="chance",
        formula="1 if the best ranked relevant candidate is in the query's language, else 0",
        meaning="How often the version in the language of the question comes before the others.",
        source="as LPR of arXiv 2605.07249",
    ),
    BiasMeasure(
        column="awrf_at_20",
        label="AWRF@20",
        fair="high",
        formula="1 - JSD(attention by language in the top 20 || pool shares)",
        meaning="How closely the attention that each language gets in the first 20 places follows its share of the pool.",
        source="Sapiezynski et al. 2019; TREC Fair",
    ),
    BiasMeasure(
        column="peer_at_20",
        label="PEER@20",
        fair="high",
        formula="Pr[chi2_(G-1) > H], H of Kruskal-Wallis, not relevant candidates",
        meaning="How well chance alone could explain which languages the wrong answers in the first 20 places are in.",
        source="arXiv 2405.00978",
    ),
    BiasMeasure(
        column="list_agreement",
        label="list agreement",
        fair="high",
        low=-1,
        formula="mean Spearman(list, list of the other language)",
        meaning="How alike the lists are that one question gets when it is asked in different languages.",
        source="arXiv 2509.06195 (MRC)",
    ),
)
"""The measures of the panel, in the order in which tables and pages show them."""


def _sizes(n_candidates: np.ndarray | int, n_relevant: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    n, m = np.broadcast_arrays(np.asarray(n_candidates, np.float64), np.asarray(n_relevant, np.float64))
    wrong = (m < 1) | (m > n)
    if wrong.any():
        raise ValueError(f"n_relevant {m[wrong][0]:.0f} of n_candidates {n[wrong][0]:.0f}: choose 1 to all of them")
    return n, m


def _own_language(lists: RankedLists, query_language: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each relevant candidate is in the query's language; whether a list has that language and another."""
    check_array("query_language", query_language, "iu", [lists.start.shape])
    own = lists.language == np.repeat(query_language, lists.n_relevant)
    n_own = lists.total(own.astype(np.int64))
    return own, (n_own > 0) & (n_own < lists.n_relevant)


def _relative_entropy(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of the rows in bits; a share of 0 adds nothing. Shape (n_lists,)."""
    ratio = np.divide(shares, reference, out=np.ones(reference.shape), where=shares > 0)
    return (shares * np.log2(ratio)).sum(axis=-1)
