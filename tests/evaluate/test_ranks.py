"""From ranks to lists, and from values of lists to the means of cells and settings: one task by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kit.data.corpus import RetrievalTask
from kit.evaluate.metrics import RankedLists
from kit.evaluate.ranks import best_by_language, cell_means, mean_by_cell, score_lists, setting_mean
from kit.evaluate.search import Ranks

# Question 1 is asked in both languages, question 2 in German only.
TASK = RetrievalTask.from_rows(
    "hand",
    [{"query_id": key, "language": key[-2:], "text": "question"} for key in ("1-de", "2-de", "1-en")],
    [{"candidate_id": key, "language": key[-2:], "text": "passage"} for key in ("a-de", "b-en", "c-en", "d-de")],
    [
        {"query_id": query, "candidate_id": candidate, "grade": grade}
        for query, candidate, grade in (
            ("1-de", "a-de", 2),
            ("1-de", "b-en", 1),
            ("1-de", "c-en", 3),
            ("2-de", "a-de", 4),
            ("1-en", "b-en", 1),
        )
    ],
)
RANKS = Ranks(cell_rank=np.array([1, 2, 1, 2, 2]), pool_rank=np.array([2, 3, 1, 3, 4]), seed=0)  # of the pairs above
DE, EN = 0, 1


def of_list(lists: RankedLists) -> dict[int, list[tuple[int, int, int]]]:
    """Rank, grade and language of each relevant candidate, by list."""
    parts = np.split(np.stack([lists.rank, lists.grade, lists.language], axis=1), lists.start[1:])
    return {key: list(map(tuple, part.tolist())) for key, part in zip(lists.list_id.tolist(), parts, strict=True)}


def best(lists: RankedLists) -> np.ndarray:
    return lists.rank[lists.start].astype(np.float64)


def test_pairs_are_those_that_the_ranks_are_of():
    assert TASK.relevant_pairs.tolist() == [[0, 0, 2], [0, 1, 1], [0, 2, 3], [1, 0, 4], [2, 1, 1]]


def test_lists_of_cells_and_of_the_pool():
    cells, pool = score_lists(TASK, RANKS)
    assert of_list(cells) == {
        0 * 2 + DE: [(1, 2, DE)],
        0 * 2 + EN: [(1, 3, EN), (2, 1, EN)],
        1 * 2 + DE: [(2, 4, DE)],
        2 * 2 + EN: [(2, 1, EN)],
    }
    assert of_list(pool) == {0: [(1, 3, EN), (2, 2, DE), (3, 1, EN)], 1: [(3, 4, DE)], 2: [(4, 1, EN)]}


def test_means_of_cells_and_of_the_pool():
    means = cell_means(TASK, score_lists(TASK, RANKS), best)
    # German with German: ranks 1 and 2. English with German: no list. The pool: ranks 1 and 3, and 4.
    assert means == pytest.approx(np.array([[1.5, 1, 2], [np.nan, 2, 4]]), nan_ok=True)


def test_lists_without_a_value_are_left_out_of_the_mean_of_their_cell():
    values, query_language, candidate_language = (
        np.array([3, np.nan, 5, np.nan]),
        np.array([0, 0, 0, 1]),
        np.array([2, 2, 2, 1]),
    )
    means = mean_by_cell(values, query_language, candidate_language, 2)
    assert means == pytest.approx(np.array([[np.nan, np.nan, 4], [np.nan] * 3]), nan_ok=True)


@pytest.mark.parametrize(
    ("setting", "mean"), [("monolingual", (1 + 5) / 2), ("cross-lingual", 2), ("multilingual", (3 + 6) / 2)]
)
def test_means_of_settings(setting, mean):
    assert setting_mean(np.array([[1, 2, 3], [np.nan, 5, 6]]), setting) == mean


def test_a_setting_of_no_cell_has_no_mean():
    assert np.isnan(setting_mean(np.array([[1, 2.0]]), "cross-lingual"))


def test_best_rank_in_each_language():
    expected = np.array([[2, 1], [3, np.nan], [np.nan, 4]])
    assert best_by_language(TASK, RANKS) == pytest.approx(expected, nan_ok=True)
