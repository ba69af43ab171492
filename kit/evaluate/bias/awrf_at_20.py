"""AWRF@20: how closely the attention that each language gets follows its share of the pool (NumPy only)."""

from __future__ import annotations

import numpy as np

from kit.core.configs import whole_number
from kit.core.seeding import generator
from kit.evaluate.bias.top_lists import TOP, check_array, check_top, sum_by_language
from kit.evaluate.metrics import BiasMeasure, Pool


def attention_weighted_rank_fairness(top_languages: np.ndarray, target: np.ndarray) -> np.ndarray:
    """AWRF of the top k: 1 minus the Jensen-Shannon divergence between attention and target; higher is fairer.

    ``AWRF = 1 - JSD(d || target)`` with logarithms to base 2; ``d(g)`` is proportional to the sum of ``1 / log2(rank + 1)``
    over the ranks up to k that language g holds. In [0, 1]; 1 is reached only where the attention can be split like the
    target: a short list over many languages cannot, so compare with ``expected_awrf``. Sapiezynski et al. (2019); TREC Fair.

    Args:
        top_languages: language of each of the top k candidates, best first, shape (n_lists, k), k >= 1, integer.
        target: fair share of each language, such as that of the pool, shape (n_languages,) or (n_lists, n_languages), at
            least 0, sum 1.

    Raises:
        ValueError: ``target`` or ``top_languages`` has another shape or dtype; ``target`` is no distribution; an index
            is out of range.
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
    whole_number("k", k, 1, n, "the size of the pool")
    whole_number("n_draws", n_draws, 1)
    random = generator(seed, "expected_awrf")
    left = np.tile(pool_counts.astype(np.int64), (n_draws, 1))  # (n_draws, n_languages)
    drawn = np.empty((n_draws, k), np.int64)
    for rank in range(k):
        candidate = random.integers(n - rank, size=(n_draws, 1))  # one of those left, which are counted language by language
        drawn[:, rank] = (candidate >= left.cumsum(axis=1)).sum(axis=1)
        left[np.arange(n_draws), drawn[:, rank]] -= 1
    return float(attention_weighted_rank_fairness(drawn, pool_counts / n).mean())


def _relative_entropy(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of the rows in bits; a share of 0 adds nothing. Shape (n_lists,)."""
    ratio = np.divide(shares, reference, out=np.ones(reference.shape), where=shares > 0)
    return (shares * np.log2(ratio)).sum(axis=-1)


def _chance(pool: Pool) -> np.ndarray:
    counts, place = np.unique(pool.counts, axis=0, return_inverse=True)
    k = min(TOP, int(pool.n_candidates.min()))
    return np.array([expected_awrf(one, k) for one in counts])[place.ravel()]


MEASURE = BiasMeasure(
    column=f"awrf_at_{TOP}",
    label=f"AWRF@{TOP}",
    order=5,
    fair="high",
    formula=f"1 - JSD(attention by language in the top {TOP} || pool shares)",
    meaning=f"How closely the attention that each language gets in the first {TOP} places follows its share of the pool.",
    source="Sapiezynski et al. 2019; TREC Fair",
    compute=lambda pool: attention_weighted_rank_fairness(pool.top_languages, pool.counts / pool.n_candidates[:, None]),
    chance=_chance,
)
