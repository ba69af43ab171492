"""List agreement: how alike the lists are that one question gets in different languages (NumPy only)."""

from __future__ import annotations

import numpy as np

from kit.evaluate.bias.top_lists import check_array, mean_of_present
from kit.evaluate.metrics import BiasMeasure


def spearman(scores: np.ndarray) -> np.ndarray:
    """Spearman correlation of several full rankings of the same candidates, (n_lists, n_lists), float64, in [-1, 1].

    Ties have mid-ranks, which is not the kit's rule: a tie order that all lists share would look like agreement. A list of
    equal scores has no order and agrees with nothing: 0 with every other list, 1 with itself; to leave it out would reward
    models that give up on a language. Memory is O(n_lists n_candidates). Mean rank correlation (MRC), arXiv 2509.06195.

    Args:
        scores: higher is better, shape (n_lists, n_candidates), float32, at least one and fewer than 2**32 candidates.

    Raises:
        ValueError: another shape or dtype, or a NaN.
    """
    check_array("scores", scores, "f", [np.shape(scores)])
    if scores.ndim != 2 or scores.shape[1] < 1 or scores.dtype != np.float32:
        raise ValueError(
            f"scores has shape {scores.shape} and dtype {scores.dtype}: give (n_lists, n_candidates) of float32 with a "
            "candidate or more"
        )
    has_nan = np.isnan(scores).any(axis=1)  # (n_lists,)
    if has_nan.any():
        raise ValueError(f"scores[{int(np.argmax(has_nan))}] has a NaN: look at the model")
    ranks = _centred_ranks(scores)
    product = ranks @ ranks.T  # (n_lists, n_lists)
    length = np.sqrt(product.diagonal())
    length[length == 0] = 1
    correlation = np.clip(product / np.outer(length, length), -1, 1)
    np.fill_diagonal(correlation, 1)
    return correlation


def _centred_ranks(scores: np.ndarray) -> np.ndarray:
    """Ascending mid-ranks of each row, less their mean: multiples of 1/2, exact in float64; shape of the scores.

    A score, as a whole number of the same order, and its column make one key: keys are sorted faster than their places.
    """
    n = scores.shape[1]
    ranks = np.empty(scores.shape)
    columns, places = np.arange(n), np.arange((1 - n) / 2, n / 2)
    bits, flip = np.empty(n, np.float32), np.empty(n, np.int32)  # for all rows: fresh memory for each would cost more
    key, order = np.empty((2, n), np.int64)
    for row, out in zip(scores, ranks):
        number = np.add(row, np.float32(0), out=bits).view(np.int32)  # -0.0 + 0.0 is 0.0, so that the two are equal
        np.right_shift(number, 31, out=flip)
        flip &= np.int32(2**31 - 1)
        number ^= flip  # of negative numbers the larger bits are the smaller number
        key[:] = number
        key <<= 32
        key |= columns
        key.sort()
        np.bitwise_and(key, 2**32 - 1, out=order)  # (n_candidates,) columns by ascending score
        key >>= 32
        out[order] = _with_mid_ranks(places, np.flatnonzero(key[1:] == key[:-1]))
    return ranks


def _with_mid_ranks(places: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Places of sorted scores, where runs of equal scores share their mean; ``ties``: who equals the next, ascending."""
    if not len(ties):
        return places
    first = ties[np.diff(ties, prepend=-2) > 1]  # (n_runs,)
    last = ties[np.diff(ties, append=len(places)) > 1] + 1
    size = last - first + 1
    tied = np.arange(size.sum()) + np.repeat(first - np.cumsum(size) + size, size)
    shared = places.copy()
    shared[tied] = np.repeat((places[first] + places[last]) / 2, size)
    return shared


def by_language(correlation: np.ndarray, language: np.ndarray, n_languages: int) -> np.ndarray:
    """Correlations of a group's queries (n, n) averaged over the partners in each language, (n, n_languages)."""
    member = language[:, None] == np.arange(n_languages)  # (n, n_languages)
    means = correlation @ member / np.where(member.any(axis=0), member.sum(axis=0), np.nan)
    return np.where(member, np.nan, means)


MEASURE = BiasMeasure(
    column="list_agreement",
    label="list agreement",
    order=7,
    fair="high",
    low=-1,
    formula="mean Spearman(list, list of the other language)",
    meaning="How alike the lists are that one question gets when it is asked in different languages.",
    source="arXiv 2509.06195 (MRC)",
    compute=lambda pool: mean_of_present(pool.agreement),
    chance=lambda pool: np.where(pool.has_partner, 0.0, np.nan),
)
