"""Intervals that cover, p-values that are uniform under the null, and agreement with scipy."""

from __future__ import annotations

from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.optimize import brentq

from kit.compare import stats
from kit.compare.stats import (
    cell_comparisons,
    confidence_interval,
    holm,
    macro_mean,
    mark,
    paired_randomisation_test,
)


def _simulated(random: np.random.Generator, n_groups: int, n_cells: int, missing: float = 0.2) -> np.ndarray:
    """Scores with mean 0: cells of one group rise and fall together, as parallel questions do; some are missing."""
    values = random.normal(size=(n_groups, 1)) + 0.5 * random.normal(size=(n_groups, n_cells))
    values[random.random(values.shape) < missing] = np.nan
    values[:2] = np.nan_to_num(values[:2])  # no cell is empty
    return values


def test_macro_mean_counts_cells_alike():
    # Cell 0: mean of 1 and 0; cell 1: mean of 1 alone; the queries' mean would be 2/3.
    assert macro_mean(np.array([[1.0, 1.0], [0.0, np.nan]])) == 0.75


def test_short_floats_are_summed_as_long_ones():
    values = np.full((1000, 1), 0.1, np.float32)
    assert macro_mean(values) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_groups_without_values_change_nothing():
    values = _simulated(np.random.default_rng(0), 20, 3)
    with_empty = np.vstack([values, np.full((5, 3), np.nan)])
    assert confidence_interval(with_empty) == confidence_interval(values)


SKEWED = {
    "near the top": (lambda random, size: 1 - random.beta(0.15, 4, size), 1 - 0.15 / 4.15),
    "a long tail": (lambda random, size: random.lognormal(0, 1, size), np.exp(0.5)),
    "even": (lambda random, size: random.normal(size=size), 0.0),
    "yes or no": (lambda random, size: (random.random(size) < 0.9).astype(float), 0.9),
}


@pytest.mark.parametrize("n_groups", [50, 200])
@pytest.mark.parametrize("kind", SKEWED)
def test_the_interval_covers_the_truth_as_often_as_it_says(kind, n_groups):
    """2,000 samples; at 50 groups the percentile bootstrap holds .84 near the top."""
    draw, truth = SKEWED[kind]
    samples = draw(np.random.default_rng(0), (2000, n_groups, 1))
    intervals = [confidence_interval(sample) for sample in samples]
    assert 0.915 < np.mean([interval.low <= truth <= interval.high for interval in intervals]) < 0.975


def test_the_interval_covers_where_values_are_missing_and_cells_say_the_same():
    random = np.random.default_rng(0)
    intervals = [confidence_interval(_simulated(random, 40, 4), confidence=0.9) for _ in range(1500)]
    assert 0.87 < np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < 0.93


@pytest.mark.parametrize("seed", range(4))
def test_the_ends_solve_halls_equation(seed):
    """The transformed statistic, written out as in the article and solved by bisection, has the quantile of t there."""
    sample = np.random.default_rng(seed).lognormal(size=30)
    n, error = len(sample), sample.std(ddof=1) / np.sqrt(len(sample))
    skewness = scipy_stats.skew(sample)

    def transformed(truth):
        t = (sample.mean() - truth) / error
        return t + skewness * t**2 / (3 * n**0.5) + skewness**2 * t**3 / (27 * n) + skewness / (6 * n**0.5)

    interval, wide = confidence_interval(sample[:, None]), 50 * error
    for end, quantile in ((interval.low, 0.975), (interval.high, 0.025)):
        target = scipy_stats.t.ppf(quantile, n - 1)
        solved = brentq(lambda truth: transformed(truth) - target, sample.mean() - wide, sample.mean() + wide)  # noqa: B023
        assert end == pytest.approx(solved, rel=1e-9)


def test_without_skewness_it_is_students_interval():
    values = np.concatenate([np.arange(1.0, 9.0), -np.arange(1.0, 9.0)])
    interval = confidence_interval(values[:, None])
    student = scipy_stats.t.interval(0.95, 15, 0, values.std(ddof=1) / 4)
    assert (interval.low, interval.high) == pytest.approx(student, rel=1e-4)


def test_two_groups_have_one_degree_of_freedom():
    # Mean 1, standard deviation sqrt(2), standard error 1; two values have no skewness.
    interval = confidence_interval(np.array([[0.0], [2.0]]), confidence=0.8)
    assert (interval.low, interval.high) == pytest.approx(scipy_stats.t.interval(0.8, 1, 1, 1), rel=1e-4)


def test_no_end_lies_beyond_the_bounds():
    values = np.array([[1.0]] * 20 + [[0.9]])
    assert confidence_interval(values).high > 1
    interval = confidence_interval(values, bounds=(0.0, 1.0))
    assert interval.low < interval.estimate < interval.high == 1


def test_a_difference_stays_within_the_width_of_the_bounds():
    better, worse = np.array([[1.0], [0.9], [1.0]]), np.array([[1.0], [0.2], [1.0]])
    free, held = (paired_randomisation_test(worse, better, **more) for more in ({}, {"bounds": (0.0, 1.0)}))
    assert free.low < -1 == held.low and held.high == min(free.high, 1.0)
    assert (free.difference, free.p_value) == (held.difference, held.p_value)


def test_how_many_groups_carry_an_interval():
    values = np.array([[1.0], [-1.0]] * 8)
    assert confidence_interval(values).n_effective == pytest.approx(16)  # all deviate alike
    values = np.array([[0.0]] * 999 + [[1.0]])
    assert confidence_interval(values).n_effective == pytest.approx(1, rel=0.01)  # one against all others
    values = np.array([[4.0], [0.0], [0.0], [0.0]])  # deviations 3, -1, -1, -1: 12 ** 2 / (81 + 3)
    assert confidence_interval(values).n_effective == pytest.approx(12 / 7)
    assert (mark(4.9), mark(5.0), mark(None)) == (" †", "", "")


def test_equal_values_give_a_point_that_nothing_carries():
    interval = confidence_interval(np.full((50, 3), 0.1))  # their mean is 0.1 but for rounding
    assert (interval.low, interval.high, interval.n_effective) == (interval.estimate, interval.estimate, 0)
    assert interval.estimate == pytest.approx(0.1)


def test_one_group_gives_a_point():
    interval = confidence_interval(np.array([[0.25, 0.75]]))
    assert (interval.low, interval.estimate, interval.high) == (0.5, 0.5, 0.5)


def test_the_size_of_a_block_changes_nothing(monkeypatch):
    values = _simulated(np.random.default_rng(3), 50, 3)
    whole = paired_randomisation_test(values, values * 0.9, n_resamples=1000)
    monkeypatch.setattr(stats, "_MAX_ELEMENTS", 200)
    parts = paired_randomisation_test(values, values * 0.9, n_resamples=1000)
    assert astuple(parts) == pytest.approx(astuple(whole))  # sums differ in their last bits


@pytest.mark.parametrize("test", [paired_randomisation_test, cell_comparisons])
def test_the_last_block_holds_what_is_left(monkeypatch, test):
    # Every flip of no difference is as extreme: one more than was asked for gives a p-value above 1.
    monkeypatch.setattr(stats, "_MAX_ELEMENTS", 40)
    values = np.ones((10, 1))
    assert test(values, values, n_resamples=1001).p_value == 1


def test_the_interval_of_a_comparison_is_that_of_the_differences():
    values = _simulated(np.random.default_rng(9), 12, 2)
    comparison, interval = (
        paired_randomisation_test(3 * values, values, confidence=0.5),
        confidence_interval(2 * values, 0.5),
    )
    ends = (interval.low, interval.high, interval.n_effective)
    assert (comparison.low, comparison.high, comparison.n_effective) == pytest.approx(ends)


def test_ten_thousand_flips_unless_others_are_asked_for():
    # Of thirty equal differences two flips in 2^30 are as extreme.
    assert paired_randomisation_test(np.ones((30, 1)), np.zeros((30, 1))).p_value == 1 / 10_001


def test_p_values_are_uniform_where_nothing_differs():
    random = np.random.default_rng(1)
    p_values = []
    for seed in range(300):
        values = _simulated(random, 25, 3)
        p_values.append(paired_randomisation_test(values, 0 * values, n_resamples=199, seed=seed).p_value)
    assert scipy_stats.kstest(p_values, "uniform").pvalue > 0.01


def test_p_value_and_difference_agree_with_scipy_on_one_cell():
    random = np.random.default_rng(2)
    a, b = random.random(10), random.random(10) - 0.15
    exact = scipy_stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    ours = paired_randomisation_test(a[:, None], b[:, None], n_resamples=20_000)
    assert ours.difference == pytest.approx(exact.statistic)
    assert ours.p_value == pytest.approx(exact.pvalue, abs=4 * np.sqrt(0.25 / 20_000))


def test_p_value_agrees_with_all_flips_where_values_are_missing():
    values = _simulated(np.random.default_rng(6), 8, 3, missing=0.5) + 0.4
    flipped = [macro_mean(np.array(signs)[:, None] * values) for signs in product([1, -1], repeat=8)]
    exact = np.mean(np.abs(flipped) >= abs(macro_mean(values)) - 1e-12)
    ours = paired_randomisation_test(values, 0 * values, n_resamples=20_000)
    assert ours.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_models_that_are_equal_differ_with_p_one():
    values = _simulated(np.random.default_rng(0), 12, 2)
    comparison = paired_randomisation_test(values, values)
    assert (comparison.difference, comparison.low, comparison.high, comparison.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("differences", [[0.1, 0.2, -0.3], [0.7, -0.1, -0.6], [0.1, 0.1, 0.1, -0.3]])
def test_flips_that_tie_count_as_extreme(differences):
    # The sum is 0, so every flip is as extreme; in floating point it is some 1e-17, and some flips give exactly 0.
    values = np.array(differences)[:, None]
    assert paired_randomisation_test(values, 0 * values, n_resamples=1000).p_value == 1


def test_swapping_the_models_turns_the_sign():
    random = np.random.default_rng(4)
    a, b = random.random((15, 3)), random.random((15, 3))
    one, other = paired_randomisation_test(a, b), paired_randomisation_test(b, a)
    assert (one.difference, one.low, one.high, one.p_value) == pytest.approx(
        (-other.difference, -other.high, -other.low, other.p_value)
    )


def test_holm_by_hand():
    # Ascending: 0.01 * 4, 0.02 * 3 = 0.06, 0.03 * 2 = 0.06, 0.60 * 1; none falls below the one before it.
    assert holm(np.array([0.03, 0.01, 0.60, 0.02])) == pytest.approx([0.06, 0.04, 0.60, 0.06])


def test_holm_stays_ascending_and_below_one():
    # 0.3 * 3 = 0.9; 0.4 * 2 = 0.8 is raised to 0.9; 0.95 * 1 = 0.95.  Two of 0.7: 1.4 is cut to 1.
    assert holm(np.array([0.4, 0.3, 0.95])) == pytest.approx([0.9, 0.9, 0.95])
    assert holm(np.array([0.7, 0.7])).tolist() == [1.0, 1.0]


def test_holm_takes_the_ends_of_the_range_as_whole_numbers():
    adjusted = holm(np.array([1, 0]))
    assert adjusted.tolist() == [1, 0] and adjusted.dtype == np.float64


def test_holm_of_nothing_is_nothing():
    assert holm(np.array([])).shape == (0,)


@pytest.mark.parametrize("p_values", [[0.5, np.nan], [1.5], [-0.1], [[0.5]]])
def test_bad_p_values_are_refused(p_values):
    with pytest.raises(ValueError, match="p_values"):
        holm(np.array(p_values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3), r"^values has shape \(3,\)"),
        (np.zeros((0, 2)), r"^values has shape \(0, 2\): give at least one"),
        (np.zeros((2, 0)), r"^values has shape \(2, 0\): give at least one"),
        (np.array([[1.0, np.nan], [0.0, np.nan]]), "^values: cell 1 has no value"),
        (np.array([[np.inf]]), "1 infinities"),
    ],
)
@pytest.mark.parametrize("function", [macro_mean, confidence_interval])
def test_bad_values_are_refused(function, values, message):
    with pytest.raises(ValueError, match=message):
        function(values)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones(3), np.ones((3, 1)), "^values_a has shape"),
        (np.ones((3, 1)), np.ones(3), "^values_b has shape"),
        (np.full((2, 1), np.nan), np.full((2, 1), np.nan), "^values_a - values_b: cell 0 has no value"),
    ],
)
def test_bad_values_of_a_pair_are_refused_by_name(a, b, message):
    with pytest.raises(ValueError, match=message):
        paired_randomisation_test(a, b)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_resamples": 0}, "n_resamples is 0"),
        ({"confidence": 95}, "confidence is 95"),
        ({"confidence": 0}, "confidence is 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        paired_randomisation_test(np.ones((2, 1)), np.zeros((2, 1)), **settings)


def test_values_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="values_a has shape"):
        paired_randomisation_test(np.ones((2, 1)), np.ones((3, 1)))


def test_values_with_other_gaps_are_refused():
    with pytest.raises(ValueError, match="group 1, cell 0: only one"):
        paired_randomisation_test(np.ones((2, 1)), np.array([[1.0], [np.nan]]))


class TestCellComparisons:
    """Each cell by itself: as the test of one cell, and as the independent library on many."""

    @pytest.mark.parametrize("missing", [0.0, 0.3])
    def test_one_cell_is_the_paired_test(self, missing):
        values = _simulated(np.random.default_rng(5), 30, 1, missing)
        cells = cell_comparisons(values, 0.8 * values, n_resamples=2000, seed=3)
        whole = paired_randomisation_test(values, 0.8 * values, n_resamples=2000, seed=3)
        assert [column.tolist() for column in vars(cells).values()] == [[pytest.approx(part)] for part in astuple(whole)[:4]]

    def test_every_cell_without_gaps_is_the_paired_test_of_that_cell(self):
        random = np.random.default_rng(6)
        a, b = random.random((25, 4)), random.random((25, 4))
        cells = cell_comparisons(a, b, n_resamples=1000)
        for cell in range(4):
            alone = paired_randomisation_test(a[:, [cell]], b[:, [cell]], n_resamples=1000)
            found = [column[cell] for column in vars(cells).values()]
            assert found == pytest.approx(astuple(alone)[:4])

    def test_agrees_with_scipy_on_many_cells(self):
        random = np.random.default_rng(7)
        a, b = random.random((9, 12)), random.random((9, 12)) - np.linspace(0, 0.5, 12)
        exact = scipy_stats.permutation_test(
            (a, b),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
            axis=0,
        )
        ours = cell_comparisons(a, b, n_resamples=20_000)
        assert ours.difference == pytest.approx(exact.statistic)
        assert ours.p_value == pytest.approx(exact.pvalue, abs=4 * np.sqrt(0.25 / 20_000))
        assert ours.p_value.min() < 0.05 < ours.p_value.max()

    def test_gaps_are_left_out_of_their_cell_only(self):
        # Cell 0: 1 and 3 of two groups; cell 1: 2, 4 and 6 of three; a group without any value is no group.
        values = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, 4.0], [np.nan, 6.0], [np.nan, np.nan]])
        ours = cell_comparisons(values, 0 * values, n_resamples=20_000)
        assert ours.difference == pytest.approx([2, 4])
        # Flips of 1 and 3 that give 4 or more: both signs equal, 2 of 4. Of 2, 4 and 6: 12 or more, 2 of 8.
        assert ours.p_value == pytest.approx([1 / 2, 1 / 4], abs=4 * np.sqrt(0.25 / 20_000))
        alone = [confidence_interval(values[:n, [cell]]) for n, cell in ((2, 0), (4, 1))]
        assert ours.low == pytest.approx([interval.low for interval in alone])

    def test_the_intervals_with_gaps_have_the_width_of_the_standard_error(self):
        values = np.random.default_rng(8).normal(size=(900, 2))
        values[::2, 1] = np.nan
        ours = cell_comparisons(values, 0 * values, n_resamples=2000)
        standard_error = [np.nanstd(values[:, cell]) / np.sqrt(n) for cell, n in ((0, 900), (1, 450))]
        assert ours.high - ours.low == pytest.approx(2 * 1.96 * np.array(standard_error), rel=0.01)

    @pytest.mark.parametrize(("n_cells", "n_resamples"), [(2, 10_000), (250, 10_000), (251, 251 * 40)])
    def test_resamples_grow_with_the_cells(self, n_cells, n_resamples):
        # Twenty equal differences: of 2^20 flips two are as extreme, so the p-value is the smallest that there is.
        a = np.ones((20, n_cells))
        p_value = cell_comparisons(a, 0 * a).p_value
        assert p_value == pytest.approx(np.full(n_cells, 1 / (1 + n_resamples)))
        assert holm(p_value).max() < 0.05

    def test_what_other_cells_hold_changes_nothing(self):
        a = np.column_stack([np.full(20, 1e-12), np.ones(20)])
        assert cell_comparisons(a, 0 * a, n_resamples=300).p_value == pytest.approx(1 / 301)

    def test_asked_for_more_it_does_more(self):
        a = np.ones((20, 2))
        assert cell_comparisons(a, 0 * a, n_resamples=30).p_value == pytest.approx(1 / 81)  # 40 for each of two cells
        assert cell_comparisons(a, 0 * a, n_resamples=200).p_value == pytest.approx(1 / 201)

    def test_equal_models_differ_nowhere(self):
        values = _simulated(np.random.default_rng(0), 12, 3)
        ours = cell_comparisons(values, values)
        assert [column.tolist() for column in vars(ours).values()] == [[0.0] * 3] * 3 + [[1.0] * 3]

    @pytest.mark.parametrize("tenths", [[9, 7, -9, -7, 7, 0], [6, -6, -8, -8, 2, 6], [0, 7, 0, 7, -2, -7]])
    def test_flips_that_tie_count_as_extreme(self, tenths):
        # In whole numbers the sums are exact; of tenths, many that should be equal differ in their last bits.
        exact = np.mean([abs(np.dot(signs, tenths)) >= abs(sum(tenths)) for signs in product([1, -1], repeat=6)])
        values = np.column_stack([np.array(tenths) / 10, np.ones(6)])
        p_value = cell_comparisons(values, 0 * values, n_resamples=20_000).p_value[0]
        assert p_value == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 20_000))

    def test_the_size_of_a_block_changes_nothing(self, monkeypatch):
        values = _simulated(np.random.default_rng(3), 50, 3)
        whole = cell_comparisons(values, values * 0.9, n_resamples=1000)
        monkeypatch.setattr(stats, "_MAX_ELEMENTS", 200)
        parts = cell_comparisons(values, values * 0.9, n_resamples=1000)
        for column, again in zip(vars(whole).values(), vars(parts).values()):
            assert again == pytest.approx(column)

    def test_the_seed_changes_the_draws(self):
        values = _simulated(np.random.default_rng(3), 30, 2) + 0.3
        one, two = (cell_comparisons(values, 0 * values, n_resamples=300, seed=seed) for seed in (0, 1))
        assert (one.p_value != two.p_value).all() and (one.low == two.low).all()

    @pytest.mark.parametrize(
        ("a", "b", "settings", "message"),
        [
            (np.ones((2, 1)), np.ones((3, 1)), {}, "values_a has shape"),
            (np.ones((2, 1)), np.array([[1.0], [np.nan]]), {}, "group 1, cell 0: only one"),
            (np.full((2, 1), np.nan), np.full((2, 1), np.nan), {}, "cell 0 has no value"),
            (np.ones((2, 0)), np.ones((2, 0)), {}, "give at least one group and one cell"),
            (np.ones((2, 1)), np.ones((2, 1)), {"n_resamples": 0}, "n_resamples is 0"),
            (np.ones((2, 1)), np.ones((2, 1)), {"confidence": 1.0}, "confidence is 1.0"),
        ],
    )
    def test_refuses(self, a, b, settings, message):
        with pytest.raises(ValueError, match=message):
            cell_comparisons(a, b, **settings)
