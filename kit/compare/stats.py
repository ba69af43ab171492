"""Uncertainty of setting scores and tests between models, with the question group as the unit (NumPy only).

A setting score is a macro mean: the mean over cells (language pairs) of the mean over the groups in the cell. The versions
of one question in several languages rise and fall together, so it is groups that are drawn or flipped, never single queries:
an interval that treats 110 language pairs as independent is far too narrow.

``values`` has shape (n_groups, n_cells), float64, NaN where a group has no query in a cell. A group without any value
carries no information and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kit.core.seeding import generator

_MAX_ELEMENTS = 2**22  # of a (resamples, groups) block: 32 MB of float64
_MAX_KEPT = 2**23  # of all draws of a bootstrap that are kept: 32 MB of uint32


@dataclass(frozen=True)
class Interval:
    """A score and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Score of a minus score of b, the ends of its confidence interval, and the two-sided p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p_value: float


def macro_mean(values: np.ndarray) -> float:
    """Mean over cells of the mean over the groups in the cell.

    Raises:
        ValueError: ``values`` is not a matrix, holds an infinity, or has a cell without any value.

    >>> macro_mean(np.array([[1.0, 0.0], [0.0, np.nan]]))
    0.25
    """
    values = _with_any_value(values, "values")
    return float(np.mean(np.nansum(values, axis=0) / (~np.isnan(values)).sum(axis=0)))


def bootstrap_interval(values: np.ndarray, n_resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of the macro mean, resampling groups (Efron and Tibshirani 1993, chapter 13).

    A resample in which a cell has no group is scored on its other cells. With one group the interval is a point.

    Args:
        values: shape (n_groups, n_cells), float64, NaN where there is no value.
        n_resamples: at least 1; confidence: between 0 and 1, both excluded; seed: of the draws.

    Raises:
        ValueError: an argument is out of range; ``values`` as in ``macro_mean``.
    """
    values = _with_any_value(values, "values")
    _check_settings(n_resamples, confidence)
    scores = _resampled_scores(values, n_resamples, seed)
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(macro_mean(values), float(low), float(high))


def paired_randomisation_test(
    values_a: np.ndarray, values_b: np.ndarray, n_resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Test whether two models differ on the same queries: the sign of each group's difference is flipped at random.

    ``p = (1 + #{|T| >= |t|}) / (1 + n_resamples)``, two-sided, never 0; ``t`` is the difference of the macro means and ``T``
    the same after flipping (Smucker, Allan and Carterette 2007; the +1 by Phipson and Smyth 2010). No difference anywhere
    gives 1. The interval is the paired bootstrap interval of the difference.

    Args:
        values_a, values_b: shape (n_groups, n_cells), float64, NaN in the same places; rows and columns agree.
        n_resamples: of the test and of the interval, at least 1; confidence, seed: as in ``bootstrap_interval``.

    Raises:
        ValueError: shapes or places of NaN differ; as ``bootstrap_interval``.
    """
    difference = _paired_difference(values_a, values_b)
    interval = bootstrap_interval(difference, n_resamples, confidence, seed)
    n_cells = difference.shape[1]
    share = np.nansum(difference / (~np.isnan(difference)).sum(axis=0), axis=1) / n_cells  # (n_groups,), sums to t
    observed = abs(share.sum())
    # Flips that give the same |T| in exact arithmetic differ in the last bits: without the margin some would not count.
    threshold = observed - 1e-9 * np.abs(share).sum()
    n_extreme = 0
    for block, random in _blocks(n_resamples, len(share), seed, "flips"):
        signs = 1.0 - 2.0 * random.integers(0, 2, size=(block, len(share)), dtype=np.int8)  # (block, n_groups)
        n_extreme += int((np.abs(signs @ share) >= threshold).sum())
    return Comparison(interval.estimate, interval.low, interval.high, (1 + n_extreme) / (1 + n_resamples))


@dataclass(frozen=True, eq=False)
class CellComparisons:
    """``Comparison`` of every cell by itself, each of shape (n_cells,), float64; the p-values are not adjusted."""

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray


def cell_comparisons(
    values_a: np.ndarray, values_b: np.ndarray, n_resamples: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> CellComparisons:
    """``paired_randomisation_test`` of each cell by itself, all cells with the same flips and the same resamples.

    A p-value is at least ``1 / (1 + n_resamples)``, and ``holm`` multiplies the smallest by the number of cells: with more
    than 250 cells the number of resamples grows to 40 a cell, so that a difference can still be marked.

    Args and raises: as ``paired_randomisation_test``. A resample in which a cell has no group does not count for it.
    """
    difference = _paired_difference(values_a, values_b)
    _check_settings(n_resamples, confidence)
    n_resamples = max(n_resamples, 40 * difference.shape[1])
    means = np.concatenate(list(_resampled_means(difference, n_resamples, seed)))  # (n_resamples, n_cells)
    low, high = np.nanquantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    share = np.nan_to_num(difference / (~np.isnan(difference)).sum(axis=0))  # (n_groups, n_cells), columns sum to the means
    threshold = np.abs(share.sum(axis=0)) - 1e-9 * np.abs(share).sum(axis=0)  # as in paired_randomisation_test
    n_extreme = np.zeros(difference.shape[1])
    for block, random in _blocks(n_resamples, len(share), seed, "flips"):
        signs = 1.0 - 2.0 * random.integers(0, 2, size=(block, len(share)), dtype=np.int8)  # (block, n_groups)
        n_extreme += (np.abs(signs @ share) >= threshold).sum(axis=0)
    return CellComparisons(share.sum(axis=0), low, high, (1 + n_extreme) / (1 + n_resamples))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for testing many cells at once: reject where the result is below the level (Holm 1979).

    ``adjusted_(i) = max over j <= i of (m - j + 1) p_(j)``, at most 1, p-values in ascending order. Valid whatever the
    dependence between the tests, which parallel questions make strong.

    Args:
        p_values: shape (m,), in [0, 1]; may be empty.

    Raises:
        ValueError: not a vector, or a value outside of [0, 1].

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2)
    array([0.03, 0.06, 0.06])
    """
    p_values = np.asarray(p_values, np.float64)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p_values are {p_values!r:.80}: give a vector of numbers in [0, 1]")
    order = np.argsort(p_values, kind="stable")
    n_at_least = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(n_at_least * p_values[order]), 1.0)
    return adjusted


def _resampled_scores(values: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Macro mean of each resample, shape (n_resamples,)."""
    return np.concatenate([np.nanmean(means, axis=1) for means in _resampled_means(values, n_resamples, seed)])


def _resampled_means(values: np.ndarray, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Mean of each cell in each resample of the groups, in blocks (block, n_cells); NaN where a cell is empty in it."""
    n_groups = len(values)
    present = ~np.isnan(values)  # (n_groups, n_cells)
    filled = np.where(present, values, 0.0)
    keep = n_resamples * n_groups <= _MAX_KEPT
    for drawn in (_kept_draws if keep else _draws)(n_resamples, n_groups, seed):
        weights = drawn.astype(np.float64)
        n_drawn = weights @ present  # (block, n_cells)
        yield (weights @ filled) / np.where(n_drawn > 0, n_drawn, np.nan)


def _draws(n_resamples: int, n_groups: int, seed: int) -> Iterator[np.ndarray]:
    """How often each group is drawn in each resample, in blocks (block, n_groups), uint32."""
    for block, random in _blocks(n_resamples, n_groups, seed, "bootstrap"):
        yield random.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=block).astype(np.uint32)


@lru_cache(maxsize=4)
def _kept_draws(n_resamples: int, n_groups: int, seed: int) -> list[np.ndarray]:
    """The draws depend on no score, and cost most of an interval: dozens of intervals on one task share them."""
    return list(_draws(n_resamples, n_groups, seed))


def _blocks(n_resamples: int, n_groups: int, seed: int, place: str) -> Iterator[tuple[int, np.random.Generator]]:
    """Sizes of blocks of resamples that bound the memory, with the generator to draw them from."""
    random = generator(seed, "stats", place)
    size = max(1, _MAX_ELEMENTS // n_groups)
    for start in range(0, n_resamples, size):
        yield min(size, n_resamples - start), random


def _paired_difference(values_a: np.ndarray, values_b: np.ndarray) -> np.ndarray:
    """The first minus the second, without groups that have no value, once both are known to match."""
    values_a, values_b = _matrix(values_a, "values_a"), _matrix(values_b, "values_b")
    if values_a.shape != values_b.shape:
        raise ValueError(f"values_a has shape {values_a.shape} and values_b {values_b.shape}: evaluate both on one task")
    if (np.isnan(values_a) != np.isnan(values_b)).any():
        group, cell = np.argwhere(np.isnan(values_a) != np.isnan(values_b))[0]
        raise ValueError(f"group {group}, cell {cell}: only one of values_a and values_b is NaN: evaluate both on one task")
    return _with_any_value(values_a - values_b, "values_a - values_b")


def _matrix(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or np.isinf(values).any():
        raise ValueError(
            f"{name} has shape {values.shape} and {int(np.isinf(values).sum())} infinities: give finite "
            "numbers or NaN of shape (n_groups, n_cells)"
        )
    return values


def _with_any_value(values: np.ndarray, name: str) -> np.ndarray:
    values = _matrix(values, name)
    present = ~np.isnan(values)
    if not values.size:
        raise ValueError(f"{name} has shape {values.shape}: give at least one group and one cell")
    if not present.any(axis=0).all():
        empty = int(np.argmin(present.any(axis=0)))
        raise ValueError(f"{name}: cell {empty} has no value in any of {len(values)} groups: leave the cell out")
    return values[present.any(axis=1)]


def _check_settings(n_resamples: int, confidence: float) -> None:
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}: choose at least 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: choose a number between 0 and 1")
