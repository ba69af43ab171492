"""The bias panel: worked by hand, its extremes, what a random and a constant scorer give, and agreement with scipy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations
from math import comb, log2

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon
from test_search import random_task

from kit.evaluate.bias.awrf_at_20 import attention_weighted_rank_fairness, expected_awrf
from kit.evaluate.bias.complete_at_20 import complete_at, expected_complete
from kit.evaluate.bias.cover_rank import cover_rank, expected_cover_rank
from kit.evaluate.bias.list_agreement import by_language, spearman
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.bias.own_language_first import expected_own_language_first, own_language_first
from kit.evaluate.bias.rank_distance import expected_rank_distance, rank_distance
from kit.evaluate.bias.top_lists import TOP
from kit.evaluate.metrics import RankedLists, ranked_lists
from kit.evaluate.search import search

FEW = settings(max_examples=25, deadline=None, database=None)


def one_list(ranks: list[int], languages: list[int] | None = None) -> RankedLists:
    language = None if languages is None else np.array(languages)
    return ranked_lists(np.zeros(len(ranks), np.int64), np.array(ranks), language=language)


def close_to_expectation(values: np.ndarray, expected: float) -> bool:
    """Whether the mean is within four standard errors."""
    return abs(values.mean() - expected) <= 4 * values.std(ddof=1) / np.sqrt(len(values))


class TestRankDistance:
    def test_by_hand(self):
        # Query 0: ranks 2, 9 and 5, so 9 - 2; query 1 has one answer, so no distance.
        distance = rank_distance(ranked_lists(np.array([0, 0, 1, 0]), np.array([2, 9, 4, 5])))
        assert distance[0] == 7
        assert np.isnan(distance[1])

    @FEW
    @given(st.integers(2, 30), st.integers(0, 1000))
    def test_the_fairest_order_has_distance_answers_minus_one(self, n_answers, n_before):
        ranks = n_before + 1 + np.arange(n_answers)
        assert rank_distance(ranked_lists(np.zeros(n_answers, np.int64), ranks)).tolist() == [n_answers - 1]

    @FEW
    @given(st.integers(2, 30), st.integers(0, 1000))
    def test_the_least_fair_order_has_distance_candidates_minus_one(self, n_answers, n_others):
        n_candidates = n_answers + n_others
        ranks = np.append(np.arange(1, n_answers), n_candidates)
        assert rank_distance(ranked_lists(np.zeros(n_answers, np.int64), ranks)).tolist() == [n_candidates - 1]


SIZES = pytest.mark.parametrize(("n_candidates", "n_relevant"), [(2, 2), (5, 2), (7, 3), (8, 8), (9, 4)])


@SIZES
class TestExpectationsAreMeansOverAllOrders:
    def test_rank_distance(self, n_candidates, n_relevant):
        distances = [max(ranks) - min(ranks) for ranks in combinations(range(n_candidates), n_relevant)]
        assert expected_rank_distance(n_candidates, n_relevant) == pytest.approx(np.mean(distances))

    def test_cover_rank(self, n_candidates, n_relevant):
        worst = [max(ranks) for ranks in combinations(range(1, n_candidates + 1), n_relevant)]
        assert expected_cover_rank(n_candidates, n_relevant) == pytest.approx(np.mean(worst))

    @pytest.mark.parametrize("k", [1, 2, 4, 5, 20])
    def test_complete(self, n_candidates, n_relevant, k):
        found = [max(ranks) <= k for ranks in combinations(range(1, n_candidates + 1), n_relevant)]
        assert expected_complete(n_candidates, n_relevant, k) == pytest.approx(np.mean(found))


class TestExpectationsOfSizes:
    def test_arrays_broadcast_and_one_relevant_candidate_is_not_defined(self):
        # n = 9; m = 2 and 4: distance 10 * 1 / 3 and 10 * 3 / 5, cover rank 2 * 10 / 3 and 4 * 10 / 5, complete at 5:
        # C(7, 3) / C(9, 5) = 35 / 126 and C(5, 1) / C(9, 5) = 5 / 126.
        m = np.array([1, 2, 4])
        assert expected_rank_distance(9, m) == pytest.approx([np.nan, 10 / 3, 6.0], nan_ok=True)
        assert expected_cover_rank(9, m) == pytest.approx([np.nan, 20 / 3, 8.0], nan_ok=True)
        assert expected_complete(9, m, 5) == pytest.approx([np.nan, 35 / 126, 5 / 126], nan_ok=True)

    def test_no_sizes_give_no_expectations(self):
        assert expected_complete(9, np.zeros(0, np.int64), 5).shape == (0,)

    @pytest.mark.parametrize(("m", "k"), [(2, 20), (11, 20), (11, 999_990), (21, 20), (3, 2_000_000)])
    def test_complete_is_exact_for_a_million_candidates(self, m, k):
        n = 10**6
        exact = comb(min(k, n), m) / comb(n, m)  # the same number, in whole numbers of Python: C(k, m) / C(n, m)
        assert expected_complete(n, m, k) == pytest.approx(exact, rel=1e-12)

    def test_short_whole_numbers_do_not_overflow(self):
        """With 255 of 255 relevant: 256 * 254 / 256, of numbers that end at 255 themselves."""
        assert expected_rank_distance(np.uint8([255]), np.uint8([255])) == pytest.approx([254])

    @pytest.mark.parametrize("expected", [expected_rank_distance, expected_cover_rank])
    @pytest.mark.parametrize(("n_candidates", "n_relevant"), [(5, 6), (5, 0)])
    def test_impossible_counts_are_refused(self, expected, n_candidates, n_relevant):
        with pytest.raises(ValueError, match=f"n_relevant {n_relevant} of n_candidates 5"):
            expected(n_candidates, n_relevant)

    def test_complete_refuses_the_same_and_a_cut_of_nothing(self):
        with pytest.raises(ValueError, match="n_relevant 6 of n_candidates 5"):
            expected_complete(5, np.array([2, 6]), 3)
        with pytest.raises(ValueError, match="k is 0"):
            expected_complete(5, 2, 0)


class TestCoverRankAndComplete:
    LISTS = ranked_lists(np.array([0, 0, 1, 0, 2, 2]), np.array([2, 9, 4, 5, 1, 2]))

    def test_cover_rank_by_hand(self):
        # Query 0: the worst of 2, 9 and 5; query 1 has one answer; query 2: the worst of 1 and 2, the best there can be.
        assert cover_rank(self.LISTS) == pytest.approx([9, np.nan, 2], nan_ok=True)

    @pytest.mark.parametrize(("k", "expected"), [(8, [0, np.nan, 1]), (9, [1, np.nan, 1]), (1, [0, np.nan, 0])])
    def test_complete_by_hand(self, k, expected):
        assert complete_at(self.LISTS, k) == pytest.approx(expected, nan_ok=True)

    def test_more_relevant_candidates_than_places_are_never_complete(self):
        assert complete_at(one_list([1, 2, 3]), 2).tolist() == [0]

    def test_a_cut_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="k is 0"):
            complete_at(self.LISTS, 0)


class TestOwnLanguageFirst:
    # Lists: 0 language 2 first; 1 the same, asked in 0; 2 one language only; 3 none in the query's language; 4 two in it.
    LISTS = ranked_lists(
        np.repeat(np.arange(5), [3, 3, 2, 2, 4]),
        np.array([5, 2, 9, 5, 2, 9, 1, 2, 1, 2, 4, 3, 8, 7]),
        language=np.array([0, 2, 1, 0, 2, 1, 1, 1, 0, 2, 1, 0, 1, 2]),
    )
    ASKED = np.array([2, 0, 1, 1, 1])

    def test_by_hand(self):
        assert own_language_first(self.LISTS, self.ASKED) == pytest.approx([1, 0, np.nan, np.nan, 0], nan_ok=True)

    def test_expectation_by_hand(self):
        # One of three is in the query's language, in list 4 two of four.
        expected = [1 / 3, 1 / 3, np.nan, np.nan, 1 / 2]
        assert expected_own_language_first(self.LISTS, self.ASKED) == pytest.approx(expected, nan_ok=True)

    def test_expectation_is_the_mean_over_all_orders(self):
        languages, asked = [0, 0, 1, 2, 2], np.array([2])
        firsts = [own_language_first(one_list(ranks, languages), asked)[0] for ranks in permutations(range(1, 6))]
        expected = expected_own_language_first(one_list([1, 2, 3, 4, 5], languages), asked)
        assert expected == pytest.approx([np.mean(firsts)])

    @pytest.mark.parametrize(
        ("asked", "message"),
        [([1], r"query_language is int64 \(1,\)"), ([1.0] * 5, "float64"), ([0, 0, 0, 0, -1], "query_language has -1")],
    )
    @pytest.mark.parametrize("measure", [own_language_first, expected_own_language_first])
    def test_bad_languages_are_refused(self, measure, asked, message):
        with pytest.raises(ValueError, match=message):
            measure(self.LISTS, np.array(asked))


class TestTopOfTheList:
    def test_awrf_by_hand(self):
        # Ranks 1 and 3 weigh 1 and 1/2, rank 2 weighs 1 / log2(3).  d = (1.5, w) / (1.5 + w), target (1/2, 1/2).
        first = 1.5 / (1.5 + 1 / log2(3))
        d, middle = (first, 1 - first), (first / 2 + 0.25, 0.75 - first / 2)
        divergence = sum(a * log2(a / m) + 0.5 * log2(0.5 / m) for a, m in zip(d, middle)) / 2
        assert attention_weighted_rank_fairness(np.array([[0, 1, 0]]), np.array([0.5, 0.5])) == pytest.approx(
            [1 - divergence]
        )

    @pytest.mark.parametrize("n_targets", [None, 50])
    def test_awrf_is_that_of_scipy(self, n_targets):
        random = np.random.default_rng(0)
        top = random.integers(0, 5, size=(50, 20))
        target = random.dirichlet([0.5] * 6, size=n_targets)
        attention = np.array([[sum(1 / np.log2(np.flatnonzero(row == g) + 2)) for g in range(6)] for row in top])
        expected = [1 - jensenshannon(*pair, base=2) ** 2 for pair in zip(attention, np.broadcast_to(target, (50, 6)))]
        assert attention_weighted_rank_fairness(top, target) == pytest.approx(expected)

    def test_awrf_is_one_where_attention_is_split_like_the_target(self):
        target = np.array([1, 1 / log2(3), 1 / 2]) / (1.5 + 1 / log2(3))
        assert attention_weighted_rank_fairness(np.array([[0, 1, 2]]), target) == pytest.approx([1])

    def test_awrf_takes_shares_of_short_floats(self):
        # Three times 1/3 in float32 are 1 + 3e-8.
        top, shares = np.array([[0, 1, 2]]), np.full(3, 1 / 3, np.float32)
        assert attention_weighted_rank_fairness(top, shares) == pytest.approx(
            attention_weighted_rank_fairness(top, np.full(3, 1 / 3)), abs=1e-6
        )

    def test_awrf_takes_shares_of_whole_numbers(self):
        assert attention_weighted_rank_fairness(np.array([[0, 0], [1, 1]]), np.array([0, 1])).tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("top", "target", "end"),
        [
            ([1, 0, 1, 0, 0, 1], [0.4383072253022592, 0.5616927746977408], 1),  # attention, but for rounding
            (
                [1, 1, 0, 1, 2],
                [0, 0, 0, 0.3794448088836256, 0.21535768151769552, 0.3703455710267149, 0.034851938571964225],
                0,
            ),
        ],
    )
    def test_awrf_is_no_less_than_0_and_no_more_than_1_for_rounding(self, top, target, end):
        assert attention_weighted_rank_fairness(np.array([top]), np.array(target)).tolist() == [end]

    def test_awrf_is_zero_where_the_target_is_elsewhere(self):
        assert attention_weighted_rank_fairness(np.array([[0, 0]]), np.array([0.0, 1.0])).tolist() == [0]

    def test_a_short_list_cannot_serve_many_languages(self):
        # Two places, eleven languages: d = (0.61, 0.39, 0, …), far from the target.
        orders = [[a, b] for a in range(11) for b in range(11)]
        assert attention_weighted_rank_fairness(np.array(orders), np.full(11, 1 / 11)).max() < 0.5

    @pytest.mark.parametrize("k", [1, 3, 5])
    def test_expected_awrf_is_the_mean_over_all_orders(self, k):
        counts = np.array([2, 0, 3, 1])
        orders = np.array(list(permutations(np.repeat(np.arange(4), counts))))
        exact = attention_weighted_rank_fairness(orders[:, :k], counts / 6)
        error = exact.std() / np.sqrt(4000)
        assert expected_awrf(counts, k, n_draws=4000) == pytest.approx(exact.mean(), abs=4 * error + 1e-12)

    def test_expected_awrf_draws_without_replacement(self):
        # All six candidates are drawn, in the same numbers whatever the order; of one language each, so d differs little.
        exact = [attention_weighted_rank_fairness(np.array([order]), np.array([0.5, 0.5]))[0] for order in ([0, 1], [1, 0])]
        assert expected_awrf(np.array([1, 1]), 2, n_draws=5) == pytest.approx(exact[0])
        assert exact[0] == pytest.approx(exact[1])

    def test_expected_awrf_is_the_same_for_the_same_seed_only(self):
        counts = np.full(4, 50)
        one, same, other = (expected_awrf(counts, 7, 100, seed) for seed in (0, 0, 1))
        assert one == same != other

    def test_expected_awrf_draws_two_thousand_lists_unless_told_otherwise(self):
        counts = np.full(4, 50)
        assert expected_awrf(counts, 7) == expected_awrf(counts, 7, 2000, 0)
        assert 0 < expected_awrf(counts, 7, n_draws=1) < 1


TOP_MEASURES = {
    "awrf": lambda top: attention_weighted_rank_fairness(top, np.full(3, 1 / 3)),
}


@pytest.mark.parametrize("name", TOP_MEASURES)
@pytest.mark.parametrize(
    ("top", "message"),
    [
        (np.array([0, 1]), r"top_languages has shape \(2,\)"),
        (np.zeros((2, 0), np.int64), r"top_languages has shape \(2, 0\)"),
        (np.zeros((2, 2)), "top_languages is float64"),
        ([[0, 1]], r"top_languages is a list: give an array of integers of shape \(1, 2\)"),
        (np.array([[0, 3]]), "top_languages has 3: give indices below 3"),
        (np.array([[0, -1]]), "top_languages has -1"),
    ],
)
def test_bad_tops_are_refused(name, top, message):
    with pytest.raises(ValueError, match=message):
        TOP_MEASURES[name](top)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.full((3, 2), 0.5), r"target is float64 \(3, 2\): give an array of floats of shape \(2,\) or \(1, 2\)"),
        (np.array(1.0), r"target is float64 \(\)"),
        (np.full((1, 1, 2), 0.5), r"target is float64 \(1, 1, 2\)"),
        (np.array([1.5, -0.5]), r"target is no distribution, \[1.5, -0.5\]"),
        (np.array([0.5, 0.4]), "target is no distribution"),
        (np.array([0.5, 0.500005]), "target is no distribution"),
        (np.array([0.5, np.nan]), "target is no distribution"),
    ],
)
def test_bad_targets_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        attention_weighted_rank_fairness(np.array([[0, 1]]), target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([2.0, 3.0], 2), "pool_counts is float64"),
        (([[2, 3]], 2), r"pool_counts is int64 \(1, 2\)"),
        (([2, -1], 1), "pool_counts has -1"),
        (([2, 3], 6), "k is 6: choose 1 to 5, the size of the pool"),
        (([2, 3], 0), "k is 0"),
        (([2, 3], 2, 0), "n_draws is 0"),
    ],
)
def test_bad_draws_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        expected_awrf(np.array(arguments[0]), *arguments[1:])


class TestSpearman:
    def test_by_hand(self):
        # Ranks 1 2 3 4, 2 1 4 3 and 4 3 2 1: 1 - 6 sum d^2 / (n (n^2 - 1)) with sums 4 and 20 and, of the last two, 16 (each
        # d is 2).  So 1 - 24 / 60 = 0.6, 1 - 120 / 60 = -1, 1 - 96 / 60 = -0.6.
        scores = np.array([[1, 2, 3, 4], [2, 1, 4, 3], [4, 3, 2, 1]], np.float32)
        assert spearman(scores) == pytest.approx(np.array([[1, 0.6, -1], [0.6, 1, -0.6], [-1, -0.6, 1]]))

    def test_ties_share_their_mean_rank(self):
        # Ranks 1.5 1.5 3 and 1 2 3: deviations (-.5, -.5, 1) and (-1, 0, 1): 1.5 / sqrt(1.5 * 2) = 0.8660.
        scores = np.array([[0, 0, 1], [1, 2, 3]], np.float32)
        assert spearman(scores)[0, 1] == pytest.approx(np.sqrt(0.75))

    @pytest.mark.parametrize("n_values", [3, 40, 10**6])
    def test_agrees_with_scipy(self, n_values):
        scores = np.random.default_rng(n_values).integers(-n_values // 2, n_values, size=(7, 300)).astype(np.float32)
        assert spearman(scores) == pytest.approx(scipy_stats.spearmanr(scores, axis=1).statistic, abs=1e-12)

    def test_a_list_of_equal_scores_agrees_with_nothing_but_itself(self):
        scores = np.array([[5, 5, 5], [1, 2, 3], [7, 7, 7]], np.float32)
        assert spearman(scores).tolist() == np.eye(3).tolist()

    def test_only_the_order_counts(self):
        scores = np.random.default_rng(0).normal(size=(4, 50)).astype(np.float32)
        assert (spearman(np.exp(scores)) == spearman(scores)).all()

    def test_both_zeros_are_equal(self):
        scores = np.array([[-0.0, 0.0, -1, 1], [1, 1, 0, 2]], np.float32)
        assert spearman(scores)[0, 1] == pytest.approx(1)

    def test_random_lists_do_not_agree(self):
        scores = np.random.default_rng(0).normal(size=(60, 400)).astype(np.float32)
        correlations = spearman(scores)[np.triu_indices(60, 1)]
        assert close_to_expectation(correlations, 0)
        assert correlations.std() == pytest.approx(1 / np.sqrt(399), rel=0.1)

    def test_infinite_scores_have_an_order(self):
        # Ranks 1.5 1.5 3 and 1 2 3, as above.
        scores = np.array([[-np.inf, -np.inf, np.inf], [1, 2, 3]], np.float32)
        assert spearman(scores)[0, 1] == pytest.approx(np.sqrt(0.75))

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_neighbouring_floats_have_an_order(self, sign):
        one = np.float32(sign)
        neighbours = [np.nextafter(one, np.float32(-9)), one, np.nextafter(one, np.float32(9))]
        assert spearman(np.array([neighbours, [1, 2, 3]], np.float32))[0, 1] == pytest.approx(1)

    @pytest.mark.parametrize("n", [17, 27, 28, 30, 37])  # (n^3 - n) / 12 is more than the square of its root in float64
    def test_rounding_makes_no_list_more_than_the_same(self, n):
        up = np.arange(n, dtype=np.float32)
        assert spearman(np.stack([up, up + 1, -up]))[0].tolist() == [1, 1, -1]

    def test_means_over_partners_are_numbers(self):
        means = by_language(np.array([[1, 0.5], [0.5, 1]]), np.array([0, 2]), 3)
        assert means.dtype == np.float64
        assert means == pytest.approx(np.array([[np.nan, np.nan, 0.5], [0.5, np.nan, np.nan]]), nan_ok=True)

    def test_one_candidate_has_no_order(self):
        assert spearman(np.ones((2, 1), np.float32)).tolist() == [[1, 0], [0, 1]]

    def test_its_argument_stays_as_it_is(self):
        scores = np.array([[2, 1, 1], [1, 2, 3]], np.float32)
        before = scores.copy()
        spearman(scores)
        assert (scores == before).all()

    @pytest.mark.parametrize(
        ("scores", "message"),
        [
            (np.zeros(3, np.float32), r"scores has shape \(3,\)"),
            (np.zeros((2, 0), np.float32), r"scores has shape \(2, 0\)"),
            (np.zeros((2, 3), np.int64), r"scores is int64 \(2, 3\): give an array of floats of shape \(2, 3\)"),
            (np.zeros((2, 3)), r"scores has shape \(2, 3\) and dtype float64"),
            ([[0.1, 0.2]], "scores is a list"),
            (np.array([[0, 1], [np.nan, 1]], np.float32), r"scores\[1\] has a NaN"),
        ],
    )
    def test_bad_scores_are_refused(self, scores, message):
        with pytest.raises(ValueError, match=message):
            spearman(scores)


@dataclass(frozen=True, eq=False)
class Pool:
    """Six made lists of a pool: the language of each candidate, and for each list its scores and what is relevant."""

    language: np.ndarray  # (n_candidates,)
    scores: np.ndarray  # (n_lists, n_candidates)
    is_relevant: np.ndarray  # (n_lists, n_candidates)
    query_language: np.ndarray  # (n_lists,)

    def measures(self, k: int = 8) -> dict[str, np.ndarray]:
        order = np.argsort(-self.scores, axis=1)
        rank = np.argsort(order, axis=1) + 1
        list_id, candidate = np.nonzero(self.is_relevant)
        lists = ranked_lists(list_id, rank[list_id, candidate], language=self.language[candidate])
        counts = np.bincount(self.language)
        top = self.language[order[:, :k]]
        return {
            "rank_distance": rank_distance(lists),
            "cover_rank": cover_rank(lists),
            "complete_at": complete_at(lists, 38),
            "own_language_first": own_language_first(lists, self.query_language),
            "expected_own_language_first": expected_own_language_first(lists, self.query_language),
            "awrf": attention_weighted_rank_fairness(top, counts / counts.sum()),
            "spearman": spearman(self.scores),
        }


@pytest.fixture(scope="module")
def pool():
    random = np.random.default_rng(5)
    language = np.append(np.arange(4), random.integers(0, 4, size=36))
    is_relevant = random.random((6, 40)) < 0.25
    return Pool(language, random.normal(size=(6, 40)).astype(np.float32), is_relevant, random.integers(0, 4, size=6))


EVERY = pytest.mark.parametrize(
    "measure",
    "rank_distance cover_rank complete_at own_language_first expected_own_language_first awrf spearman".split(),
)


class TestWhatMustNotMatter:
    @EVERY
    def test_the_made_pool_tells_lists_apart(self, pool, measure):
        values = pool.measures()[measure]
        assert len(np.unique(values[np.isfinite(values)])) > 1

    @EVERY
    def test_permuting_the_candidates_with_their_labels(self, pool, measure):
        order = np.random.default_rng(0).permutation(40)
        permuted = Pool(pool.language[order], pool.scores[:, order], pool.is_relevant[:, order], pool.query_language)
        assert permuted.measures()[measure] == pytest.approx(pool.measures()[measure], nan_ok=True)

    @EVERY
    def test_renaming_the_languages(self, pool, measure):
        name_of = np.array([2, 0, 3, 1])
        renamed = replace(pool, language=name_of[pool.language], query_language=name_of[pool.query_language])
        assert renamed.measures()[measure] == pytest.approx(pool.measures()[measure], nan_ok=True)

    def test_no_list_gives_no_value(self):
        empty = ranked_lists(np.zeros(0, np.int64), np.zeros(0, np.int64))
        none, top = np.zeros(0, np.int64), np.zeros((0, 20), np.int64)
        for values in (
            rank_distance(empty),
            cover_rank(empty),
            complete_at(empty, 20),
            own_language_first(empty, none),
            expected_own_language_first(empty, none),
            attention_weighted_rank_fairness(top, np.full(3, 1 / 3)),
        ):
            assert values.shape == (0,)
        assert spearman(np.zeros((0, 5), np.float32)).shape == (0, 0)


@pytest.fixture(scope="module")
def random_lists():
    """3000 random orders of a pool of 40 with four relevant candidates, one of each of four languages."""
    random = np.random.default_rng(3)
    rank = np.array([random.permutation(40)[:4] + 1 for _ in range(3000)])
    return ranked_lists(np.repeat(np.arange(3000), 4), rank.ravel(), language=np.tile(np.arange(4), 3000))


@pytest.fixture(scope="module")
def constant():
    """The first query of a parallel task under equal embeddings, in the tie order of each of 400 seeds."""
    task = random_task(np.random.default_rng(0), n_groups=7, share=1.0, n_others=0)
    embeddings = np.ones((len(task.queries), 2), np.float32), np.ones((len(task.candidates), 2), np.float32)
    mine = task.relevant_pairs[:, 0] == 0
    candidate = task.relevant_pairs[mine, 1]
    ranks, tops = [], []
    for seed in range(400):
        found = search(*embeddings, task, k=9, seed=seed, device="cpu")
        ranks.append(found.ranks.pool_rank[mine])
        tops.append(task.candidate_language[found.top[0]])
    language = np.tile(task.candidate_language[candidate], 400)
    lists = ranked_lists(np.repeat(np.arange(400), len(candidate)), np.concatenate(ranks), language=language)
    return task, lists, np.array(tops)


class TestChance:
    def test_a_random_scorer_gives_the_expected_values(self, random_lists):
        asked = np.zeros(3000, np.int64)
        n, m, k = 40, 4, 25
        expected_first = expected_own_language_first(random_lists, asked)
        assert (expected_first == 1 / 4).all()
        for values, expected in (
            (rank_distance(random_lists), expected_rank_distance(n, m)),
            (cover_rank(random_lists), expected_cover_rank(n, m)),
            (complete_at(random_lists, k), expected_complete(n, m, k)),
            (own_language_first(random_lists, asked), 1 / 4),
        ):
            assert close_to_expectation(values, float(expected))

    def test_a_constant_scorer_gives_chance_in_the_ranks_of_the_relevant(self, constant):
        task, lists, _ = constant
        n, m = len(task.candidates), 3
        asked = np.full(400, task.query_language[0])
        for values, expected in (
            (rank_distance(lists), expected_rank_distance(n, m)),
            (cover_rank(lists), expected_cover_rank(n, m)),
            (complete_at(lists, 12), expected_complete(n, m, 12)),
            (own_language_first(lists, asked), 1 / 3),
        ):
            assert close_to_expectation(values, float(expected))

    def test_a_constant_scorer_gives_chance_in_the_top(self, constant):
        task, _, tops = constant
        counts = np.bincount(task.candidate_language)
        awrf = attention_weighted_rank_fairness(tops, counts / counts.sum())
        assert close_to_expectation(awrf, expected_awrf(counts, 9, n_draws=20_000))

    def test_a_constant_scorer_agrees_with_itself_no_more_than_chance(self):
        assert spearman(np.ones((5, 30), np.float32)).tolist() == np.eye(5).tolist()


class TestPanel:
    def test_its_columns_are_in_order(self):
        assert [measure.column for measure in PANEL] == [
            "rank_distance",
            "cover_rank",
            "complete_at_20",
            "own_language_first",
            "awrf_at_20",
            "peer_at_20",
            "list_agreement",
        ]

    def test_which_values_are_fair(self):
        assert [measure.fair for measure in PANEL] == ["low", "low", "high", "chance", "high", "high", "high"]

    def test_the_depth_is_that_of_the_columns(self):
        cut = [measure for measure in PANEL if "_at_" in measure.column]
        assert len(cut) == 3
        assert all(measure.column.endswith(f"_at_{TOP}") and str(TOP) in measure.label for measure in cut)

    @pytest.mark.parametrize("measure", PANEL, ids=lambda measure: measure.column)
    def test_every_measure_is_explained(self, measure):
        assert measure.low < measure.high
        assert measure.formula and "\n" not in measure.formula
        assert measure.meaning[0].isupper() and measure.meaning.count(".") == 1 and measure.meaning.endswith(".")
        assert measure.source

    def test_labels_are_distinct(self):
        assert len({measure.label for measure in PANEL}) == len(PANEL)
