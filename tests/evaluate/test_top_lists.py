"""What the measures of top lists share; its messages are also in the tests of the measures that use it."""

from __future__ import annotations

import numpy as np
import pytest

from kit.evaluate.bias.top_lists import check_array, check_top, sum_by_language


class TestCheckArray:
    @pytest.mark.parametrize(
        ("array", "kinds", "shapes"),
        [
            (np.zeros((2, 3), np.uint8), "iu", [(3,), (2, 3)]),
            (np.zeros(3, bool), "b", [(3,)]),
            (np.array([-1.0, np.nan], np.float32), "f", [(2,)]),
            (np.zeros(0, np.int64), "iu", [(0,)]),
        ],
    )
    def test_what_will_do_is_let_through(self, array, kinds, shapes):
        check_array("x", array, kinds, shapes)

    @pytest.mark.parametrize(
        ("array", "kinds", "message"),
        [
            (np.zeros(4), "iu", r"^x is float64 \(4,\): give an array of integers of shape \(2,\) or \(2, 3\)$"),
            (np.zeros(2, bool), "iu", r"^x is bool \(2,\): give an array of integers"),
            (np.zeros(2, np.int8), "b", r"^x is int8 \(2,\): give an array of bool"),
            (np.zeros(3, np.int64), "iu", r"^x is int64 \(3,\)"),
            (np.zeros(2, np.int64), "f", "give an array of floats"),
            ((1, 2), "iu", "^x is a tuple: give an array of integers"),
            (np.array([4, -3]), "iu", "^x has -3: give numbers of at least 0$"),
        ],
    )
    def test_what_will_not_do_is_refused(self, array, kinds, message):
        with pytest.raises(ValueError, match=message):
            check_array("x", array, kinds, [(2,), (2, 3)])


class TestCheckTop:
    @pytest.mark.parametrize("n_lists", [0, 2])
    def test_gives_the_shape(self, n_lists):
        assert check_top(np.full((n_lists, 3), 4), 5) == (n_lists, 3)

    def test_an_index_may_not_be_the_number_of_languages(self):
        with pytest.raises(ValueError, match="top_languages has 5: give indices below 5"):
            check_top(np.array([[0, 5]]), 5)


class TestSumByLanguage:
    TOP = np.array([[0, 2, 0], [1, 1, 1]])

    def test_values_of_ranks(self):
        # List 0: language 0 at ranks 1 and 3, language 2 at rank 2; list 1: language 1 everywhere.
        assert sum_by_language(self.TOP, np.array([4.0, 2.0, 1.0]), 4).tolist() == [[5, 0, 2, 0], [0, 7, 0, 0]]

    def test_values_of_lists_and_ranks(self):
        value = np.array([[True, True, False], [False, True, True]])
        assert sum_by_language(self.TOP, value, 3).tolist() == [[1, 0, 1], [0, 2, 0]]

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint64])
    def test_any_integers_will_do(self, dtype):
        many = np.full((200, 1), 2, dtype)  # 200 lists of 3 languages: more than 8 bits can number
        assert (sum_by_language(many, np.ones(1), 3) == [0, 0, 1]).all()

    def test_no_list(self):
        assert sum_by_language(np.zeros((0, 3), np.int64), np.ones(3), 4).shape == (0, 4)
