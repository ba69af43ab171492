"""Uncertainty of setting scores and tests between models, with the question group as the unit (NumPy and SciPy only).

A setting score is a macro mean: the mean over cells (language pairs) of the mean over the groups in the cell. The versions
of one question in several languages rise and fall together, so it is groups that are drawn or flipped, never single queries:
an interval that treats 110 language pairs as independent is far too narrow.

``values`` has shape (n_groups, n_cells), float64, NaN where a group has no query in a cell. A group without any value
carries no information and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kit.core.seeding import generator

FEW_GROUPS = 5
"""An interval whose spread fewer groups carry is marked: it may not hold what it promises (docs/measures.md)."""

MARKED = "† fewer than five questions carry the spread of this number, so that its interval may be too narrow"
"""What the mark after an interval says."""

_SHORT = (
    "intervals of rank distance and cover rank hold 91 to 92 times in 100 where 95 are promised, those of PEER@20 86 to 89 "
    "times (simulated: docs/measures.md)"
)


def legend(shown: object) -> str:
    """What stands by a table of intervals: the mark's meaning if it stands in what is shown, and what intervals keep.

    >>> legend("0.5 [0.4 to 0.6]") == _SHORT.replace("i", "I", 1), legend("0.5 [0.4 to 0.6 †]") == f"{MARKED}; {_SHORT}"
    (True, True)
    """
    return f"{MARKED}; {_SHORT}" if "†" in str(shown) else _SHORT[0].upper() + _SHORT[1:]


_MAX_ELEMENTS = 2**22  # of a (resamples, groups) block: 32 MB of float64


@dataclass(frozen=True)
class Interval:
    """A score, the ends of its confidence interval, and how many groups carry its spread.

    n_effective: ``(sum d^2)^2 / sum d^4`` of the deviations d of the groups: the number of groups where all deviate alike,
        1 where a single one does, 0 where none does. Below ``FEW_GROUPS`` the ends are a guess.
    """

    estimate: float
    low: float
    high: float
    n_effective: float


@dataclass(frozen=True)
class Comparison:
    """Score of a minus score of b, its interval as of ``Interval``, and the two-sided p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p_value: float
    n_effective: float


def mark(n_effective: float | None) -> str:
    """What stands after an interval: a dagger where few groups carry it (``MARKED``), else nothing.

    >>> mark(3.2), mark(80.0), mark(None)
    (' †', '', '')
    """
    return " †" if n_effective is not None and n_effective < FEW_GROUPS else ""


def macro_mean(values: np.ndarray) -> float:
    """Mean over cells of the mean over the groups in the cell.

    Raises:
        ValueError: ``values`` is not a matrix, holds an infinity, or has a cell without any value.

    >>> macro_mean(np.array([[1.0, 0.0], [0.0, np.nan]]))
    0.25
    """
    values = _with_any_value(values, "values")
    return float(np.mean(np.nansum(values, axis=0) / (~np.isnan(values)).sum(axis=0)))


def confidence_interval(
    values: np.ndarray, confidence: float = 0.95, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Interval:
    """Interval of the macro mean by Hall's transformation, which takes the skewness out of Student's t.

    With the standard error s of the n groups, their skewness k, ``r = sqrt(n)``, and ``t = (mean - truth) / s``,
    ``t + k t^2 / (3 r) + k^2 t^3 / (27 n) + k / (6 r)`` is close to normal and can be solved for the truth (Hall 1992, "On
    the removal of skewness by transformation"); its quantiles are those of Student's t with n - 1 degrees of freedom.
    Scores near the end of their range are skewed; there the percentile bootstrap of the mean, which knows nothing of that,
    holds the truth too rarely. ``benchmarks/intervals.py`` compares five intervals.

    Nothing is drawn. Values that are all equal, and one group, give a point.

    Args:
        values: shape (n_groups, n_cells), float64, NaN where there is no value.
        confidence: between 0 and 1, both excluded; bounds: of the score; no end lies beyond.

    Raises:
        ValueError: confidence out of range; ``values`` as in ``macro_mean``.
    """
    values = _with_any_value(values, "values")
    _check_settings(1, confidence)
    deviations = _deviations(values).mean(axis=1, keepdims=True)  # (n_groups, 1)
    estimate, n_groups = macro_mean(values), np.array([len(values)])
    low, high = (float(np.clip(end[0], *bounds)) for end in _ends(np.array([estimate]), deviations, n_groups, confidence))
    return Interval(estimate, low, high, _n_effective(deviations))


def paired_randomisation_test(
    values_a: np.ndarray,
    values_b: np.ndarray,
    n_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Comparison:
    """Test whether two models differ on the same queries: the sign of each group's difference is flipped at random.

    ``p = (1 + #{|T| >= |t|}) / (1 + n_resamples)``, two-sided, never 0; ``t`` is the difference of the macro means and ``T``
    the same after flipping (Smucker, Allan and Carterette 2007; the +1 by Phipson and Smyth 2010). No difference anywhere
    gives 1. The interval is ``confidence_interval`` of the differences.

    Args:
        values_a, values_b: shape (n_groups, n_cells), float64, NaN in the same places; rows and columns agree.
        n_resamples: flips, at least 1; confidence: of the interval, between 0 and 1; seed: of the flips.
        bounds: of the scores: their difference, and its interval, stay within the width of them.

    Raises:
        ValueError: shapes or places of NaN differ; as ``confidence_interval``.
    """
    difference = _paired_difference(values_a, values_b)
    _check_settings(n_resamples, confidence)
    width = bounds[1] - bounds[0]
    interval = confidence_interval(difference, confidence, (-width, width))
    n_cells = difference.shape[1]
    share = np.nansum(difference / (~np.isnan(difference)).sum(axis=0), axis=1) / n_cells  # (n_groups,), sums to t
    observed = abs(share.sum())
    # Flips that give the same |T| in exact arithmetic differ in the last bits: without the margin some would not count.
    threshold = observed - 1e-9 * np.abs(share).sum()
    n_extreme = 0
    for block, random in _blocks(n_resamples, len(share), seed, "flips"):
        signs = 1.0 - 2.0 * random.integers(0, 2, size=(block, len(share)), dtype=np.int8)  # (block, n_groups)
        n_extreme += int((np.abs(signs @ share) >= threshold).sum())
    p_value = (1 + n_extreme) / (1 + n_resamples)
    return Comparison(interval.estimate, interval.low, interval.high, p_value, interval.n_effective)


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
    """``paired_randomisation_test`` of each cell by itself, all cells with the same flips.

    A p-value is at least ``1 / (1 + n_resamples)``, and ``holm`` multiplies the smallest by the number of cells: with more
    than 250 cells the number of resamples grows to 40 a cell, so that a difference can still be marked.

    Args and raises: as ``paired_randomisation_test``.
    """
    difference = _paired_difference(values_a, values_b)
    _check_settings(n_resamples, confidence)
    n_resamples = max(n_resamples, 40 * difference.shape[1])
    n_groups = (~np.isnan(difference)).sum(axis=0)  # (n_cells,)
    share = np.nan_to_num(difference / n_groups)  # (n_groups, n_cells), columns sum to the means
    low, high = _ends(share.sum(axis=0), _deviations(difference), n_groups, confidence)
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


def _deviations(values: np.ndarray) -> np.ndarray:
    """By how much each group moves the mean of each cell, shape (n_groups, n_cells); a column sums to 0.

    Their mean over the cells is by how much a group moves the macro mean, to first order.
    """
    present = ~np.isnan(values)
    filled, n_groups = np.where(present, values, 0.0), present.sum(axis=0)
    means = filled.sum(axis=0) / n_groups  # (n_cells,)
    deviations = np.where(present, filled - means, 0.0)
    # Equal values deviate from their mean by its rounding only, which is no spread.
    return np.where(np.abs(deviations) > 1e-12 * np.abs(means), deviations, 0.0) / n_groups


def _ends(
    estimate: np.ndarray, deviations: np.ndarray, n_groups: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of Hall's interval (see ``confidence_interval``) of each column, shapes (n_columns,).

    Args:
        estimate: shape (n_columns,); deviations: of the groups, (n_groups, n_columns), 0 where one does not count.
        n_groups: how many count in each column, (n_columns,).
    """
    from scipy.special import stdtrit

    squares = (deviations**2).sum(axis=0)
    root = np.sqrt(n_groups)
    skewness = root * (deviations**3).sum(axis=0) / np.where(squares > 0, squares, 1) ** 1.5
    skewness = np.where(np.abs(skewness) > 1e-6, skewness, 1e-6)  # as good as none, and the formula divides by it
    deviation = n_groups * np.sqrt(squares / np.maximum(n_groups - 1, 1))  # standard error times root
    t = stdtrit(np.maximum(n_groups - 1, 1), (1 + confidence) / 2)
    moved = [3 / skewness * (np.cbrt(1 + skewness * (sign * t / root - skewness / (6 * n_groups))) - 1) for sign in (1, -1)]
    low, high = (estimate - deviation * part for part in moved)
    return low, high


def _n_effective(deviations: np.ndarray) -> float:
    """See ``Interval.n_effective``."""
    squares = (deviations / (np.abs(deviations).max() or 1.0)) ** 2
    return float(squares.sum() ** 2 / np.maximum((squares**2).sum(), 1))


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
