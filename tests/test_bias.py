"""Rank distance: its extremes and what a random order gives."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.bias import expected_rank_distance, rank_distance
from kit.metrics import ranked_lists

FEW = settings(max_examples=25, deadline=None, database=None)


def test_rank_distance_by_hand():
    # Query 0: ranks 2, 9 and 5, so 9 - 2; query 1 has one answer, so no distance.
    distance = rank_distance(ranked_lists(np.array([0, 0, 1, 0]), np.array([2, 9, 4, 5])))
    assert distance[0] == 7
    assert np.isnan(distance[1])


@FEW
@given(st.integers(2, 30), st.integers(0, 1000))
def test_the_fairest_order_has_distance_answers_minus_one(n_answers, n_before):
    ranks = n_before + 1 + np.arange(n_answers)
    assert rank_distance(ranked_lists(np.zeros(n_answers, np.int64), ranks)).tolist() == [n_answers - 1]


@FEW
@given(st.integers(2, 30), st.integers(0, 1000))
def test_the_least_fair_order_has_distance_candidates_minus_one(n_answers, n_others):
    n_candidates = n_answers + n_others
    ranks = np.append(np.arange(1, n_answers), n_candidates)
    assert rank_distance(ranked_lists(np.zeros(n_answers, np.int64), ranks)).tolist() == [n_candidates - 1]


@pytest.mark.parametrize(("n_candidates", "n_relevant"), [(2, 2), (5, 2), (7, 3), (8, 8), (9, 4)])
def test_expected_distance_is_the_mean_over_all_orders(n_candidates, n_relevant):
    distances = [max(ranks) - min(ranks) for ranks in combinations(range(n_candidates), n_relevant)]
    assert expected_rank_distance(n_candidates, n_relevant) == pytest.approx(np.mean(distances))


def test_expected_distance_of_arrays():
    assert expected_rank_distance(9, np.array([1, 4])) == pytest.approx([np.nan, 6.0], nan_ok=True)


@pytest.mark.parametrize(("n_candidates", "n_relevant"), [(5, 6), (5, 0)])
def test_impossible_counts_are_refused(n_candidates, n_relevant):
    with pytest.raises(ValueError, match=f"n_relevant {n_relevant} of n_candidates 5"):
        expected_rank_distance(n_candidates, n_relevant)
