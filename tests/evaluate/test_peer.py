"""PEER: worked by hand, its extremes, what a random and a constant scorer give, and agreement with scipy."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats as scipy_stats
from test_search import random_task

from kit.evaluate.bias.peer_at_20 import MEASURE, peer_top
from kit.evaluate.search import search


def definition(ranks_of_languages: list[list[float]]) -> float:
    """PEER as the paper defines it, candidate by candidate, from the positions of each language that has any."""
    ranks_of_languages = [own for own in ranks_of_languages if own]
    everything = [rank for own in ranks_of_languages for rank in own]
    mean = sum(everything) / len(everything)
    between = sum(len(own) * (sum(own) / len(own) - mean) ** 2 for own in ranks_of_languages)
    statistic = (len(everything) - 1) * between / sum((rank - mean) ** 2 for rank in everything)
    return scipy_stats.chi2.sf(statistic, len(ranks_of_languages) - 1)


def definition_of_top(top, is_relevant, pool_counts, n_relevant) -> float:
    """PEER@k of one list, with every candidate of the pool written out."""
    k, n = len(top), sum(pool_counts)
    ranks = []  # of each language
    for language, count in enumerate(pool_counts):
        own = [rank + 1 for rank in range(k) if top[rank] == language and not is_relevant[rank]]
        ranks.append(own + [(k + 1 + n) / 2] * (count - n_relevant[language] - len(own)))
    return definition(ranks)


def top_without_relevant(top: np.ndarray, pool_counts: np.ndarray) -> np.ndarray:
    return peer_top(top, np.zeros(top.shape, bool), pool_counts, np.zeros((len(top), len(pool_counts)), np.int64))


class TestTop:
    def test_by_hand(self):
        # Pool of 3 + 3; top 2: the relevant one of language 0, then one of language 0.  Not relevant: language 0 has ranks 2
        # and 4.5 (tail: (2 + 1 + 6) / 2), language 1 has 4.5 three times; N = 5, mean 4.  Between: 2 * 0.75^2 + 3 * 0.5^2,
        # 1.875; within: 2^2 + 4 * 0.5^2 = 5; H = 4 * 1.875 / 5 = 1.5, one degree of freedom: p = 0.22067.
        p_value = peer_top(np.array([[0, 0]]), np.array([[True, False]]), np.array([3, 3]), np.array([[1, 0]]))
        assert p_value == pytest.approx([0.22067], abs=5e-6)

    def test_a_language_may_have_one_candidate(self):
        # Language 0 is at 1, the two of language 1 share (2 + 3) / 2; N = 3, mean 2.  Between: 1 + 2 * 0.5^2 = 1.5, which is
        # all there is; H = 2, one degree of freedom.
        p_value = top_without_relevant(np.array([[0]]), np.array([1, 2]))
        assert p_value == pytest.approx([scipy_stats.chi2.sf(2, 1)])

    def test_two_candidates_are_enough(self):
        # At 1 and 2, mean 1.5: between and all 2 * 0.5^2; H = (2 - 1) * 0.5 / 0.5 = 1, one degree of freedom.
        p_value = top_without_relevant(np.array([[0, 1]]), np.array([1, 1]))
        assert p_value == pytest.approx([scipy_stats.chi2.sf(1, 1)])

    @pytest.mark.parametrize("by_list", [False, True])
    def test_agrees_with_the_definition_written_out(self, by_list):
        random = np.random.default_rng(0)
        counts = np.array([9, 14, 0, 6, 30])
        tops, flags, relevant = [], [], []
        for _ in range(40):
            pool = random.permutation(np.repeat(np.arange(5), counts))
            is_relevant = random.random(len(pool)) < 0.2
            tops.append(pool[:12])
            flags.append(is_relevant[:12])
            relevant.append(np.bincount(pool[is_relevant], minlength=5))
        expected = [definition_of_top(*row, n_relevant) for *row, n_relevant in zip(tops, flags, [counts] * 40, relevant)]
        pools = np.tile(counts, (40, 1)) if by_list else counts
        ours = peer_top(np.array(tops), np.array(flags), pools, np.array(relevant))
        assert ours == pytest.approx(expected, abs=1e-12)

    def test_agrees_with_scipy_where_nothing_is_relevant(self):
        random = np.random.default_rng(1)
        counts = np.array([20, 30, 50])
        pools = np.array([random.permutation(np.repeat(np.arange(3), counts)) for _ in range(20)])
        ranks = np.append(np.arange(1, 16), np.full(85, 58.0))  # the tail shares (15 + 1 + 100) / 2
        expected = [scipy_stats.kruskal(*[ranks[pool == g] for g in range(3)]).pvalue for pool in pools]
        assert top_without_relevant(pools[:, :15], counts) == pytest.approx(expected, abs=1e-12)

    def test_statistic_has_its_expectation_over_all_orders(self):
        # Three languages: two degrees of freedom, so p = exp(-H / 2) gives H back; over all orders its mean is 2.
        counts = np.array([2, 2, 3])
        orders = np.array(list(permutations(np.repeat(np.arange(3), counts))))[:, :3]
        assert np.mean(-2 * np.log(top_without_relevant(orders, counts))) == pytest.approx(2)

    def test_a_random_order_gives_about_a_half(self):
        random = np.random.default_rng(2)
        pool = np.repeat(np.arange(11), 100)
        top = np.array([random.permutation(pool)[:20] for _ in range(2000)])
        p_values = top_without_relevant(top, np.full(11, 100))
        assert 0.45 < p_values.mean() < 0.55
        assert 0.02 < (p_values < 0.05).mean() < 0.08

    def test_an_even_top_is_fair(self):
        # Each of five languages has four of the top 20, and the ranks 1 to 20 are dealt there and back.
        top = np.array([[0, 1, 2, 3, 4, 4, 3, 2, 1, 0] * 2])
        assert top_without_relevant(top, np.full(5, 1000)) == pytest.approx([1], abs=1e-6)

    def test_a_top_in_one_language_is_biased(self):
        assert top_without_relevant(np.zeros((1, 20), np.int64), np.full(11, 1190))[0] < 1e-30

    def test_relevant_candidates_do_not_count(self):
        # The top is in one language, but only its last place is not relevant to the query: little can be told.
        top, is_relevant = np.zeros((1, 20), np.int64), np.arange(20)[None] < 19
        n_relevant = np.array([[19, 0, 0]])
        assert peer_top(top, is_relevant, np.array([119, 100, 100]), n_relevant)[0] > 0.3

    def test_lists_that_tell_nothing(self):
        # List 0: all of the top is relevant; list 1: one language has candidates that are not relevant; list 2: none has.
        top = np.array([[0, 1], [0, 0], [1, 0]])
        is_relevant = np.array([[True, True], [False, False], [True, True]])
        n_relevant = np.array([[1, 1], [0, 3], [3, 3]])
        p_values = peer_top(top, is_relevant, np.array([3, 3]), n_relevant)
        assert p_values.tolist() == pytest.approx([1, np.nan, np.nan], nan_ok=True)

    def test_unsigned_numbers_are_numbers(self):
        top, flags = np.array([[0, 0, 1]], np.uint64), np.array([[True, False, False]])
        small = peer_top(top, flags, np.array([3, 4], np.uint64), np.array([[1, 0]], np.uint64))
        assert small.tolist() == peer_top(top.astype(int), flags, np.array([3, 4]), np.array([[1, 0]])).tolist()
        with pytest.raises(ValueError, match=r"top_languages\[0\] has more of language 0"):  # 3 - 4 must not wrap around
            peer_top(top, flags, np.array([3, 4], np.uint64), np.array([[4, 0]], np.uint64))

    def test_the_whole_pool_may_be_the_top(self):
        # Languages 0 1 1 0: equal mean ranks.  A tail does not exist.
        assert top_without_relevant(np.array([[0, 1, 1, 0]]), np.array([2, 2])).tolist() == [1]

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"top_languages": [[0, 1, 0], [0, 1, 0]]}, "top_languages is a list"),
            ({"top_languages": np.zeros((2, 3))}, "top_languages is float64"),
            ({"top_languages": np.zeros((2, 0), np.int64)}, r"top_languages has shape \(2, 0\)"),
            ({"top_languages": np.array([[0, 1, 0], [0, 2, 0]])}, "top_languages has 2: give indices below 2"),
            ({"is_relevant": None}, r"is_relevant is a NoneType: give an array of bool of shape \(2, 3\)"),
            ({"is_relevant": np.zeros((2, 3))}, r"is_relevant is float64 \(2, 3\): give an array of bool of shape \(2, 3\)"),
            ({"is_relevant": np.zeros((2, 4), bool)}, r"is_relevant is bool \(2, 4\)"),
            (
                {"pool_counts": np.full((3, 2), 5)},
                r"pool_counts is int64 \(3, 2\): give an array of integers of shape \(2,\) or \(2, 2\)",
            ),
            ({"pool_counts": np.array(5)}, r"pool_counts is int64 \(\)"),
            ({"pool_counts": [5, 5]}, "pool_counts is a list"),
            ({"pool_counts": np.array([5, -5])}, "pool_counts has -5"),
            ({"n_relevant": np.zeros(2, np.int64)}, r"n_relevant is int64 \(2,\)"),
            ({"n_relevant": np.array([[0, 0], [-1, 0]])}, "n_relevant has -1"),
            ({"n_relevant": np.array([[0, 0], [4, 0]])}, r"top_languages\[1\] has more of language 0"),
            ({"is_relevant": np.array([[False] * 3, [False, True, False]])}, r"top_languages\[1\] has more of language 1"),
        ],
    )
    def test_bad_input_is_refused(self, changed, message):
        good = {
            "top_languages": np.array([[0, 1, 0], [0, 1, 0]]),
            "is_relevant": np.zeros((2, 3), bool),
            "pool_counts": np.array([5, 5]),
            "n_relevant": np.zeros((2, 2), np.int64),
        }
        with pytest.raises(ValueError, match=message):
            peer_top(**(good | changed))


def test_chance_needs_candidates_in_two_languages():
    counts = np.array([[3, 0, 0], [1, 1, 0], [4, 2, 9], [0, 0, 0]])
    assert MEASURE.chance(SimpleNamespace(counts=counts)) == pytest.approx([np.nan, 0.5, 0.5, np.nan], nan_ok=True)


def of_lists(language: np.ndarray, scores: np.ndarray, is_relevant: np.ndarray) -> np.ndarray:
    """The measure of lists over a pool of four languages, (n_lists,)."""
    order = np.argsort(-scores, axis=1)
    n_relevant = np.array([np.bincount(language[row], minlength=4) for row in is_relevant])
    flags = np.take_along_axis(is_relevant, order[:, :8], 1)
    return peer_top(language[order[:, :8]], flags, np.bincount(language), n_relevant)


@pytest.fixture(scope="module")
def pool():
    random = np.random.default_rng(5)
    language = np.append(np.arange(4), random.integers(0, 4, size=36))
    return language, random.normal(size=(6, 40)), random.random((6, 40)) < 0.25


class TestWhatMustNotMatter:
    def test_the_made_pool_tells_lists_apart(self, pool):
        assert len(np.unique(of_lists(*pool))) == 6

    def test_permuting_the_candidates_with_their_labels(self, pool):
        language, scores, is_relevant = pool
        order = np.random.default_rng(0).permutation(40)
        assert of_lists(language[order], scores[:, order], is_relevant[:, order]) == pytest.approx(of_lists(*pool))

    def test_renaming_the_languages(self, pool):
        language, scores, is_relevant = pool
        assert of_lists(np.array([2, 0, 3, 1])[language], scores, is_relevant) == pytest.approx(of_lists(*pool))

    def test_no_list_gives_no_value(self):
        assert top_without_relevant(np.zeros((0, 20), np.int64), np.full(3, 9)).shape == (0,)


def test_a_constant_scorer_gives_chance():
    """The first query of a parallel task under equal embeddings, in the tie order of each of 400 seeds."""
    task = random_task(np.random.default_rng(0), n_groups=7, share=1.0, n_others=0)
    embeddings = np.ones((len(task.queries), 2), np.float32), np.ones((len(task.candidates), 2), np.float32)
    candidate = task.relevant_pairs[task.relevant_pairs[:, 0] == 0, 1]
    top = np.array([search(*embeddings, task, k=9, seed=seed, device="cpu").top[0] for seed in range(400)])
    counts = np.bincount(task.candidate_language)
    p_values = peer_top(task.candidate_language[top], np.isin(top, candidate), counts, np.ones((400, 3), np.int64))
    # Three languages: H = -2 log p, whose expectation over random orders is 2, the degrees of freedom.
    statistic = -2 * np.log(p_values)
    assert abs(statistic.mean() - 2) <= 4 * statistic.std(ddof=1) / np.sqrt(400)
