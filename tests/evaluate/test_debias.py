"""Remedies for language bias: worked by hand, against the definitions, and on a set whose bias is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_search import random_task, tied_embeddings

from kit.evaluate.debias.remedies import (
    REMEDIES,
    Balanced,
    LanguageCentring,
    LanguageRemoval,
    ScoreCalibration,
    balanced,
)
from kit.evaluate.debias.remedy import Remedy
from kit.evaluate.search import search

FEW = settings(max_examples=25, deadline=None, database=None)
FITTED = pytest.mark.parametrize("remedy", [LanguageCentring, LanguageRemoval, ScoreCalibration])
OF_EMBEDDINGS = pytest.mark.parametrize("remedy", [LanguageCentring, LanguageRemoval])
OF_SCORES = pytest.mark.parametrize("remedy", [ScoreCalibration, Balanced])


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _read_only(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Arrays that an in-place change would fail on."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _random_set(seed: int = 0, n_queries: int = 60, n_candidates: int = 80, dim: int = 12) -> tuple[np.ndarray, ...]:
    """Embeddings and tags; languages of unequal size in mixed order, "th" among the candidates only, each with an offset."""
    random = np.random.default_rng(seed)
    offsets = {tag: random.normal(size=dim) for tag in ("de", "en", "pt-BR", "th")}
    sides = []
    for n, tags in ((n_queries, ["de", "en", "pt-BR"]), (n_candidates, ["de", "en", "pt-BR", "th"])):
        languages = np.array([*tags, *tags, *random.choice(tags, n - 2 * len(tags))])
        rows = random.normal(size=(n, dim)) + [offsets[tag] for tag in languages.tolist()]
        sides.append((_unit(rows), languages))
    (queries, query_languages), (candidates, candidate_languages) = sides
    return _read_only(queries, candidates, query_languages, candidate_languages)


def _vectors(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def _almost_equal_rows() -> np.ndarray:
    """Three rows that differ in the last bit of one number."""
    rows = np.repeat(_unit(np.array([[0.1, 0.7, 0.3]])), 3, axis=0)
    rows[1, 0] = np.nextafter(rows[1, 0], np.float32(1))
    return rows


class TestCentring:
    def test_by_hand(self):
        # Queries: the mean of "de" is (0.6, 0) and leaves (0, ±0.8); the mean of "th" is (0, 0.6) and leaves (±0.8, 0).
        queries = _vectors((0.6, 0.8), (0.8, 0.6), (0.6, -0.8), (-0.8, 0.6))
        # Candidates have means of their own: "de" (0.5, 0.5) leaves ±(0.5, -0.5); "th" (0, -0.8) leaves (±0.6, 0).
        candidates = _vectors((0.6, -0.8), (1.0, 0.0), (0.0, 1.0), (-0.6, -0.8))
        tags = np.array(["de", "th", "de", "th"]), np.array(["th", "de", "de", "th"])
        changed = LanguageCentring.fit(queries, candidates, *tags).apply(queries, candidates, *tags)
        assert changed[0] == pytest.approx(_vectors((0, 1), (1, 0), (0, -1), (-1, 0)), abs=1e-6)
        half = np.sqrt(0.5)
        assert changed[1] == pytest.approx(_vectors((1, 0), (half, -half), (-half, half), (-1, 0)), abs=1e-6)

    def test_means_are_zero_on_the_fitting_set(self):
        queries, candidates, *tags = _random_set()
        remedy = LanguageCentring.fit(queries, candidates, *tags)
        changed = remedy.apply(queries, candidates, *tags)
        for rows, new, languages, means in zip(
            (queries, candidates), changed, tags, (remedy.query_means, remedy.candidate_means), strict=True
        ):
            assert list(means) == sorted(set(languages.tolist()))
            for tag, mean in means.items():
                left = rows[languages == tag] - mean
                assert left.mean(axis=0) == pytest.approx(np.zeros(12), abs=1e-12)
                # What apply gives is this, scaled: the mean of its rows times their former lengths is zero too.
                lengths = np.linalg.norm(left, axis=1, keepdims=True)
                assert new[languages == tag] * lengths == pytest.approx(left, abs=1e-6)

    def test_a_centred_set_stays(self):
        # The rows come in pairs x, -x of one language, so that every mean is 0.
        rows = _unit(np.random.default_rng(0).normal(size=(6, 5)))
        rows, tags = np.vstack([rows, -rows]), np.array(["de", "de", "en", "en", "th", "th"] * 2)
        changed, _ = LanguageCentring.fit(rows, rows, tags, tags).apply(rows, rows, tags, tags)
        assert changed == pytest.approx(rows, abs=1e-6)

    def test_zero_rows_count_in_the_mean_and_stay_zero(self):
        # The mean of (1, 0) and (0, 0) is (0.5, 0), which would turn the zero row into (-1, 0).
        rows, tags = _vectors((1, 0), (0, 0)), np.array(["de", "de"])
        remedy = LanguageCentring.fit(rows, rows, tags, tags)
        assert remedy.query_means["de"].tolist() == [0.5, 0]
        assert remedy.apply(rows, rows, tags, tags)[0].tolist() == [[1, 0], [0, 0]]

    def test_the_only_text_of_a_language_becomes_zero(self):
        rows, tags = _unit(np.random.default_rng(0).normal(size=(3, 4))), np.array(["de", "en", "en"])
        changed, _ = LanguageCentring.fit(rows, rows, tags, tags).apply(rows, rows, tags, tags)
        assert changed[0].tolist() == [0, 0, 0, 0]


class TestRemoval:
    def test_by_hand(self):
        # X^T X of "de" is diag(1.28, 0.72), so (1, 0) goes and (0, ±0.6) stays; centring first would take out (0, 1).
        # "th" is the same with the axes swapped; of the candidates "de" points along (0, 1) most.
        queries = _vectors((0.8, 0.6), (0.6, 0.8), (0.8, -0.6), (-0.6, 0.8))
        candidates = _vectors((0.6, 0.8), (-0.6, 0.8))
        tags = np.array(["de", "th", "de", "th"]), np.array(["de", "de"])
        remedy = LanguageRemoval.fit(queries, candidates, *tags)
        changed = remedy.apply(queries, candidates, *tags)
        assert changed[0] == pytest.approx(_vectors((0, 1), (1, 0), (0, -1), (-1, 0)), abs=1e-6)
        assert changed[1] == pytest.approx(_vectors((1, 0), (-1, 0)), abs=1e-6)

    @pytest.mark.parametrize("n_components", [1, 2, 5])
    def test_is_the_published_formula(self, n_components):
        queries, candidates, *tags = _random_set()
        changed = LanguageRemoval.fit(queries, candidates, *tags, n_components).apply(queries, candidates, *tags)
        for rows, new, languages in zip((queries, candidates), changed, tags, strict=True):
            for tag in set(languages.tolist()):
                matrix = rows[languages == tag].astype(np.float64)
                directions = np.linalg.svd(matrix)[2][:n_components]
                expected = matrix - sum(np.outer(matrix @ direction, direction) for direction in directions)
                assert new[languages == tag] == pytest.approx(_unit(expected), abs=1e-6)

    @pytest.mark.parametrize("n_components", [1, 3])
    def test_projections_are_zero_afterwards(self, n_components):
        queries, candidates, *tags = _random_set()
        remedy = LanguageRemoval.fit(queries, candidates, *tags, n_components=n_components)
        changed = remedy.apply(queries, candidates, *tags)
        for new, languages, components in zip(
            changed, tags, (remedy.query_components, remedy.candidate_components), strict=True
        ):
            for tag, directions in components.items():
                assert directions @ directions.T == pytest.approx(np.eye(n_components), abs=1e-12)
                assert np.abs(new[languages == tag] @ directions.T).max() < 1e-6

    def test_is_idempotent(self):
        queries, candidates, *tags = _random_set()
        remedy = LanguageRemoval.fit(queries, candidates, *tags, n_components=2)
        once = remedy.apply(queries, candidates, *tags)
        for first, second in zip(once, remedy.apply(*once, *tags), strict=True):
            assert second == pytest.approx(first, abs=1e-6)

    def test_more_components_take_out_more(self):
        queries, candidates, *tags = _random_set()
        one, two = (LanguageRemoval.fit(queries, candidates, *tags, n_components=n) for n in (1, 2))
        for tag, directions in one.query_components.items():
            assert np.abs(directions @ two.query_components[tag].T).max() == pytest.approx(1)

    @pytest.mark.parametrize("n_components", [-1, 0, 12, 13])
    def test_a_number_of_components_outside_of_the_dimensions_is_refused(self, n_components):
        with pytest.raises(ValueError, match=f"n_components is {n_components}: choose at least 1 and less than 12"):
            LanguageRemoval.fit(*_random_set(), n_components=n_components)

    def test_more_components_than_a_language_spans_are_refused(self):
        rows = _unit(np.random.default_rng(0).normal(size=(5, 4)))
        rows[4] = -rows[3]
        tags = np.array(["de", "de", "de", "th", "th"])
        LanguageRemoval.fit(rows, rows, tags, tags, n_components=1)
        with pytest.raises(ValueError, match="n_components is 2, but the 2 candidate texts in 'th' span 1 dimensions"):
            LanguageRemoval.fit(rows[:3], rows, tags[:3], tags, n_components=2)

    def test_a_language_of_zero_rows_is_refused(self):
        rows, tags = _vectors((1, 0), (0, 0)), np.array(["de", "th"])
        with pytest.raises(ValueError, match="n_components is 1, but the 1 query texts in 'th' span 0 dimensions"):
            LanguageRemoval.fit(rows, rows[:1], tags, tags[:1])


class TestCalibration:
    def test_by_hand(self):
        queries, candidates = _vectors((1, 0), (0, 1)), _vectors((0.6, 0.8), (1, 0))
        query_tags, candidate_tags = np.array(["de", "de"]), np.array(["th", "th"])
        remedy = ScoreCalibration.fit(queries, candidates, query_tags, candidate_tags)
        # Scores 0.6, 1, 0.8, 0: mean 0.6, mean square 2 / 4, variance 0.5 - 0.36 = 0.14.
        assert (remedy.mean.item(), remedy.deviation.item()) == pytest.approx((0.6, np.sqrt(0.14)))
        scores = remedy.rescore(queries @ candidates.T, query_tags, candidate_tags)
        assert scores == pytest.approx(np.array([[0, 0.4], [0.2, -0.6]]) / np.sqrt(0.14), abs=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_moments_are_those_of_all_scores(self, seed):
        queries, candidates, *tags = _random_set(seed)
        remedy = ScoreCalibration.fit(queries, candidates, *tags)
        scores = queries.astype(np.float64) @ candidates.astype(np.float64).T
        assert remedy.mean.shape == remedy.deviation.shape == (3, 4)
        for row, query_language in enumerate(remedy.query_languages):
            for column, candidate_language in enumerate(remedy.candidate_languages):
                cell = scores[tags[0] == query_language][:, tags[1] == candidate_language]
                assert remedy.mean[row, column] == pytest.approx(cell.mean(), rel=1e-9, abs=1e-12)
                assert remedy.deviation[row, column] == pytest.approx(cell.std(), rel=1e-9)

    def test_moments_keep_their_digits_where_scores_are_close_together(self):
        # Scores 1 ± 1e-5: E[s^2] - E[s]^2 would take a variance of 1e-10 from numbers with an error of 1e-16.
        random = np.random.default_rng(0)
        queries, candidates = (_unit([1, 0, 0] + 4e-3 * random.normal(size=(30, 3))) for _ in range(2))
        tags = np.full(30, "de")
        remedy = ScoreCalibration.fit(queries, candidates, tags, tags)
        scores = queries.astype(np.float64) @ candidates.astype(np.float64).T
        assert remedy.deviation.item() == pytest.approx(scores.std(), rel=1e-9)

    def test_every_pair_has_mean_zero_and_deviation_one_on_the_fitting_set(self):
        queries, candidates, *tags = _random_set()
        remedy = ScoreCalibration.fit(queries, candidates, *tags)
        scores = remedy.rescore(queries @ candidates.T, *tags).astype(np.float64)
        for query_language in set(tags[0].tolist()):
            for candidate_language in set(tags[1].tolist()):
                cell = scores[tags[0] == query_language][:, tags[1] == candidate_language]
                assert (cell.mean(), cell.std()) == pytest.approx((0, 1), abs=1e-5)

    def test_is_the_formula_on_another_set(self):
        queries, candidates, *tags = _random_set(0)
        remedy = ScoreCalibration.fit(queries, candidates, *tags)
        scores = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
        calibrated = remedy.rescore(scores, np.array(["pt-BR", "de", "pt-BR"]), np.array(["th", "de", "th", "en"]))
        expected = [
            [(scores[i, j] - remedy.mean[a, b]) / remedy.deviation[a, b] for j, b in enumerate([3, 0, 3, 1])]
            for i, a in enumerate([2, 0, 2])
        ]
        assert calibrated == pytest.approx(np.array(expected), rel=1e-6)

    def test_one_query_is_enough_where_there_are_two_candidates(self):
        rows, tags = _vectors((1, 0), (0, 1)), np.array(["th", "th"])
        remedy = ScoreCalibration.fit(rows[:1], rows, np.array(["de"]), tags)  # scores 1 and 0
        assert (remedy.mean.item(), remedy.deviation.item()) == (0.5, 0.5)

    def test_neighbouring_scores_are_never_swapped(self):
        # 2,000 float32 numbers in a row: finer than the numbers around (0.1 - mean) / deviation, so some become equal.
        scores = np.float32(0.1) + np.arange(2000, dtype=np.float32) * np.spacing(np.float32(0.1))
        one = np.ones((1, 1))
        remedy = ScoreCalibration(np.array(["de"]), np.array(["th"]), 0.7 * one, 0.03 * one)
        calibrated = remedy.rescore(scores[None], np.array(["de"]), np.full(2000, "th"))
        assert (np.diff(scores) > 0).all()
        assert (np.diff(calibrated) >= 0).all() and calibrated[0, 0] < calibrated[0, -1]

    def test_a_single_score_is_refused(self):
        queries, candidates = _vectors((1, 0)), _vectors((1, 0), (0, 1), (1, 0))
        tags = np.array(["de"]), np.array(["en", "en", "th"])
        with pytest.raises(
            ValueError, match=r"queries in 'de' with candidates in 'th' have a single score.*two texts or more"
        ):
            ScoreCalibration.fit(queries, candidates, *tags)

    @pytest.mark.parametrize("rows", [_almost_equal_rows(), _vectors((1, 0), (1, 0), (1, 0)), np.zeros((3, 2), np.float32)])
    def test_equal_scores_are_refused(self, rows):
        tags = np.full(3, "th")
        with pytest.raises(
            ValueError, match="queries in 'th' with candidates in 'th': all 9 scores are equal but for rounding, deviation 0"
        ):
            ScoreCalibration.fit(rows, rows, tags, tags)

    @pytest.mark.parametrize("seed", range(6))
    def test_equal_scores_of_different_texts_are_refused(self, seed):
        # Multiples of two vectors at a right angle: all scores are 0, and the rounding of the variance has either sign.
        random = np.random.default_rng(seed)
        queries, candidates = (
            np.outer(random.integers(-9, 10, size=7), axis).astype(np.float32) for axis in ((3, 1, 2), (1, -1, -1))
        )
        with pytest.raises(ValueError, match="all 49 scores are equal but for rounding, deviation 0"):
            ScoreCalibration.fit(queries, candidates, np.full(7, "de"), np.full(7, "th"))


def _published_fusion(scores: list[float], languages: list[str]) -> list[int]:
    """Columns in the order of reciprocal-rank fusion with k = 60, by a dictionary; ties by score, then by column."""
    fused: dict[int, Fraction] = {}
    for language in set(languages):
        own = [column for column, tag in enumerate(languages) if tag == language]
        for rank, column in enumerate(sorted(own, key=lambda column: -scores[column]), start=1):
            fused[column] = fused.get(column, Fraction(0)) + Fraction(1, 60 + rank)
    return sorted(fused, key=lambda column: (-fused[column], -scores[column], column))


class TestBalanced:
    def test_by_hand(self):
        # de: columns 0, 1, 4 by score; th: 3, 2.  Rank 1: 0 (.9), 3 (.2); rank 2: 1 (.8), 2 (.1); rank 3: 4 (.7).
        scores = _vectors((0.9, 0.8, 0.1, 0.2, 0.7))
        fused = balanced(scores, np.array(["en"]), np.array(["de", "de", "th", "th", "de"]))
        assert fused.tolist() == [[-1, -3, -4, -2, -5]]
        assert fused.dtype == np.float32

    def test_of_equal_ranks_the_higher_score_goes_first(self):
        # Both languages are in reverse order; the first ranks have scores 0.5 (column 2) and 0.3 (column 1).
        fused = balanced(_vectors((0.1, 0.3, 0.5, 0.2)), np.array(["en"]), np.array(["de", "de", "th", "th"]))
        assert fused.tolist() == [[-4, -2, -1, -3]]

    def test_no_language_goes_first_where_ranks_and_scores_are_equal(self):
        # All equal: the first of th (column 0) and of de (column 1) share a place, and so do the second ones.
        fused = balanced(np.zeros((1, 4), np.float32), np.array(["en"]), np.array(["th", "de", "th", "de"]))
        assert fused.tolist() == [[-1, -1, -3, -3]]

    def test_zeros_of_both_signs_tie(self):
        fused = balanced(_vectors((-0.0, 0.0)), np.array(["en"]), np.array(["de", "de"]))
        assert fused.tolist() == [[-1, -2]]

    @pytest.mark.parametrize("n_values", [3, 10_000])  # most scores equal; few equal
    @FEW
    @given(st.integers(0, 2**32 - 1))
    def test_is_the_published_fusion(self, n_values, seed):
        random = np.random.default_rng(seed)
        languages = random.choice(["ar", "de", "zh-Hant"], size=random.integers(1, 40), p=[0.7, 0.2, 0.1])
        scores = (random.integers(-n_values, n_values, size=(4, len(languages))) / n_values).astype(np.float32)
        scores, languages = _read_only(scores, languages)
        fused = balanced(scores, np.full(4, "de"), languages)
        order = np.argsort(-fused, axis=1, kind="stable")
        assert order.tolist() == [_published_fusion(row, languages.tolist()) for row in scores.tolist()]

    def test_large_languages(self):
        # 300 candidates of one language: more than a byte holds.
        scores = np.random.default_rng(0).permutation(301).astype(np.float32)[None]
        languages = np.array(["de"] * 300 + ["th"])
        order = np.argsort(-balanced(scores, np.array(["de"]), languages)[0]).tolist()
        assert order == _published_fusion(scores[0].tolist(), languages.tolist())

    def test_nothing_to_rank(self):
        assert balanced(np.zeros((2, 0), np.float32), np.array(["de", "de"]), np.zeros(0, "U2")).shape == (2, 0)
        assert balanced(np.zeros((0, 2), np.float32), np.zeros(0, "U2"), np.array(["de", "de"])).shape == (0, 2)

    def test_more_candidates_than_float32_can_number_are_refused(self):
        n = 2**24 + 1
        scores, languages = np.broadcast_to(np.float32(0), (1, n)), np.broadcast_to(np.array("de"), n)
        with pytest.raises(ValueError, match="scores have 16777217 columns: rank at most 16777216"):
            balanced(scores, np.array(["de"]), languages)


class TestEmbeddings:
    @OF_EMBEDDINGS
    def test_rows_have_length_one(self, remedy):
        queries, candidates, *tags = _random_set()
        for given_rows, new in zip(
            (queries, candidates), remedy.fit(queries, candidates, *tags).apply(queries, candidates, *tags), strict=True
        ):
            assert (new.shape, new.dtype) == (given_rows.shape, np.float32)
            assert np.linalg.norm(new, axis=1) == pytest.approx(np.ones(len(new)), abs=1e-6)

    @OF_EMBEDDINGS
    def test_zero_rows_stay_zero(self, remedy):
        queries, candidates, *tags = _random_set()
        fitted = remedy.fit(queries, candidates, *tags)
        with_zero = queries.copy()
        with_zero[4] = 0
        changed, _ = fitted.apply(with_zero, candidates, *tags)
        assert (changed[4] == 0).all()
        assert np.delete(changed, 4, 0).any(axis=1).all()

    @OF_EMBEDDINGS
    def test_a_row_of_which_only_rounding_is_left_becomes_zero(self, remedy):
        # What is left of these rows is some 1e-8 long; scaled to length 1 it would be noise.
        rows, tags = _almost_equal_rows(), np.full(3, "de")
        changed, _ = remedy.fit(rows, rows, tags, tags).apply(rows, rows, tags, tags)
        assert changed.tolist() == np.zeros((3, 3)).tolist()

    @OF_EMBEDDINGS
    def test_a_small_rest_is_kept(self, remedy):
        # Rows (1, ±1e-4): what is left of them is 1e-4 long, far above rounding, and gives (0, ±1).
        rows, tags = _vectors((1, 1e-4), (1, -1e-4)), np.full(2, "de")
        changed, _ = remedy.fit(rows, rows, tags, tags).apply(rows, rows, tags, tags)
        assert changed == pytest.approx(_vectors((0, 1), (0, -1)), abs=1e-3)

    @OF_EMBEDDINGS
    def test_a_set_with_fewer_languages_in_another_order(self, remedy):
        queries, candidates, *tags = _random_set()
        fitted = remedy.fit(queries, candidates, *tags)
        whole = fitted.apply(queries, candidates, *tags)
        query_rows, candidate_rows = np.flatnonzero(tags[0] != "de")[::-1], np.flatnonzero(tags[1] == "th")
        part = fitted.apply(queries[query_rows], candidates[candidate_rows], tags[0][query_rows], tags[1][candidate_rows])
        assert part[0] == pytest.approx(whole[0][query_rows], abs=1e-6)
        assert part[1] == pytest.approx(whole[1][candidate_rows], abs=1e-6)

    @OF_EMBEDDINGS
    def test_no_row(self, remedy):
        fitted = remedy.fit(*_random_set())
        empty, tags = np.zeros((0, 12), np.float32), np.zeros(0, "U2")
        assert [part.shape for part in fitted.apply(empty, empty, tags, tags)] == [(0, 12), (0, 12)]

    @OF_EMBEDDINGS
    def test_another_dimension_is_refused(self, remedy):
        queries, candidates, *tags = _random_set()
        with pytest.raises(ValueError, match="candidate_embeddings have 11 dimensions, and 12 at fit"):
            remedy.fit(queries, candidates, *tags).apply(queries, candidates[:, 1:], *tags)

    @OF_EMBEDDINGS
    def test_a_language_that_was_not_there_is_refused(self, remedy):
        queries, candidates, *tags = _random_set()  # no query is in "th"
        fitted = remedy.fit(queries, candidates, *tags)
        message = r"query_languages: 'th', 'vi' not among .* fitted on \(de, en, pt-BR\): fit it on query texts"
        with pytest.raises(ValueError, match=message):
            fitted.apply(queries[:3], candidates, np.array(["vi", "de", "th"]), tags[1])
        with pytest.raises(ValueError, match="candidate_languages: 'vi' not among"):
            fitted.apply(queries, candidates[:1], tags[0], np.array(["vi"]))


class TestScores:
    @OF_SCORES
    @pytest.mark.parametrize("seed", range(4))
    def test_the_order_within_a_language_stays(self, remedy, seed):
        queries, candidates, *tags = _random_set(seed)
        scores = (queries @ candidates.T).round(2)  # many are equal
        changed = remedy.fit(queries, candidates, *tags).rescore(scores, *tags)
        for language in set(tags[1].tolist()):
            own = tags[1] == language
            before, after = (np.argsort(-part[:, own], axis=1, kind="stable") for part in (scores, changed))
            assert before.tolist() == after.tolist()

    @OF_SCORES
    @pytest.mark.parametrize("make", [tied_embeddings, None], ids=["tied", "distinct"])
    def test_monolingual_and_cross_lingual_ranks_stay(self, remedy, make):
        random = np.random.default_rng(0)
        task = random_task(random, n_groups=40)
        n_rows = len(task.queries), len(task.candidates)
        embeddings = make(random, task) if make else [_unit(random.normal(size=(n, 6)) + 1) for n in n_rows]
        names = np.array(task.languages)
        query_tags, candidate_tags = names[task.query_language], names[task.candidate_language]
        fitted = remedy.fit(*embeddings, query_tags, candidate_tags)
        before = search(*embeddings, task, device="cpu").ranks
        after = search(
            *embeddings,
            task,
            chunk_size=7,
            rescore=lambda scores, query, candidate: fitted.rescore(scores, query_tags[query], candidate_tags[candidate]),
        ).ranks
        assert before.cell_rank.tolist() == after.cell_rank.tolist()
        assert before.pool_rank.tolist() != after.pool_rank.tolist()

    @OF_SCORES
    def test_given_scores_are_not_changed(self, remedy):
        queries, candidates, *tags = _random_set()
        (scores,) = _read_only(queries @ candidates.T)
        changed = remedy.fit(queries, candidates, *tags).rescore(scores, *tags)
        assert (changed.shape, changed.dtype) == (scores.shape, np.float32)
        assert not np.shares_memory(changed, scores)

    @OF_SCORES
    def test_rows_by_themselves(self, remedy):
        queries, candidates, *tags = _random_set()
        fitted, scores = remedy.fit(queries, candidates, *tags), queries @ candidates.T
        whole = fitted.rescore(scores, *tags)
        for row in range(0, len(scores), 7):
            assert (fitted.rescore(scores[row : row + 1], tags[0][row : row + 1], tags[1]) == whole[row]).all()
        assert fitted.rescore(scores[:0], tags[0][:0], tags[1]).shape == (0, len(candidates))

    @OF_SCORES
    def test_embeddings_stay(self, remedy):
        queries, candidates, *tags = _random_set()
        changed = remedy.fit(queries, candidates, *tags).apply(queries, candidates, *tags)
        assert changed[0] is queries and changed[1] is candidates

    def test_a_language_that_was_not_there_is_refused(self):
        queries, candidates, *tags = _random_set()  # no query is in "th"
        remedy = ScoreCalibration.fit(queries, candidates, *tags)
        scores = np.zeros((1, 2), np.float32)
        with pytest.raises(ValueError, match=r"query_languages: 'th' not among .*\(de, en, pt-BR\): fit it on query texts"):
            remedy.rescore(scores, np.array(["th"]), np.array(["de", "th"]))
        with pytest.raises(ValueError, match=r"candidate_languages: 'vi' not among .*: fit it on candidate texts"):
            remedy.rescore(scores, np.array(["de"]), np.array(["de", "vi"]))

    @OF_SCORES
    @pytest.mark.parametrize(
        ("scores", "n_rows", "message"),
        [
            (np.zeros((1, 2)), 1, r"scores is float64 of shape \(1, 2\): give .* float32"),
            (np.zeros(2, np.float32), 1, r"scores is float32 of shape \(2,\): give .* two dimensions"),
            ([[0.0, 0.0]], 1, "scores is a list"),
            (np.zeros((1, 3), np.float32), 1, r"candidate_languages is <U2 of shape \(2,\): .* shape \(3,\)"),
            (np.zeros((1, 2), np.float32), 2, r"query_languages is <U2 of shape \(2,\): .* shape \(1,\)"),
            (_vectors((0, np.nan)), 1, "scores, row 0, column 1: NaN"),
        ],
    )
    def test_bad_scores_are_refused(self, remedy, scores, n_rows, message):
        fitted = remedy.fit(*_random_set())
        with pytest.raises(ValueError, match=message):
            fitted.rescore(scores, np.full(n_rows, "de"), np.array(["de", "en"]))


class TestArguments:
    @staticmethod
    def _spoilt(**changes) -> dict[str, np.ndarray]:
        names = ("query_embeddings", "candidate_embeddings", "query_languages", "candidate_languages")
        good = dict(zip(names, _random_set(), strict=True))
        return good | {name: change(good[name]) for name, change in changes.items()}

    SPOILT = pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"query_embeddings": lambda rows: rows.astype(np.float64)}, "query_embeddings is float64 of shape"),
            ({"candidate_embeddings": lambda rows: rows.tolist()}, "candidate_embeddings is a list: give a NumPy array"),
            ({"candidate_embeddings": lambda rows: rows[:, 0]}, r"candidate_embeddings is float32 of shape \(80,\)"),
            ({"query_languages": lambda tags: tags[1:]}, r"query_languages is <U5 of shape \(59,\): .* shape \(60,\)"),
            ({"candidate_languages": lambda tags: tags.tolist()}, "candidate_languages is a list"),
            ({"candidate_languages": lambda tags: np.arange(80)}, "candidate_languages is int64 .* tags"),
            (
                {"candidate_embeddings": lambda rows: np.where(np.arange(80)[:, None] == 2, np.float32(np.inf), rows)},
                "candidate_embeddings, row 2: not finite",
            ),
        ],
    )

    @SPOILT
    @pytest.mark.parametrize("fit", REMEDIES.values(), ids=REMEDIES)
    def test_are_refused_by_fit(self, fit, changes, message):
        with pytest.raises(ValueError, match=message):
            fit(**self._spoilt(**changes))

    @SPOILT
    @OF_EMBEDDINGS
    def test_are_refused_by_apply(self, remedy, changes, message):
        with pytest.raises(ValueError, match=message):
            remedy.fit(*_random_set()).apply(**self._spoilt(**changes))

    @pytest.mark.parametrize("fit", REMEDIES.values(), ids=REMEDIES)
    def test_two_dimensions_are_refused(self, fit):
        with pytest.raises(ValueError, match="query_embeddings have 11 dimensions and candidate_embeddings 12: encode both"):
            fit(**self._spoilt(query_embeddings=lambda rows: rows[:, 1:]))

    @pytest.mark.parametrize("side", ["query", "candidate"])
    @pytest.mark.parametrize("fit", REMEDIES.values(), ids=REMEDIES)
    def test_no_text_is_refused(self, fit, side):
        none_of = {f"{side}_embeddings": lambda rows: rows[:0], f"{side}_languages": lambda tags: tags[:0]}
        with pytest.raises(ValueError, match=rf"{side}_embeddings has shape \(0, 12\): fit on at least one text"):
            fit(**self._spoilt(**none_of))


class TestRemedies:
    def test_names(self):
        assert list(REMEDIES) == ["none", "centring", "removal (LIR)", "calibration", "balanced (RRF)"]
        assert [fit(*_random_set()).name for fit in REMEDIES.values()] == list(REMEDIES)

    def test_which_change_scores(self):
        remedies = [fit(*_random_set()) for fit in REMEDIES.values()]
        assert [remedy.rescore is not None for remedy in remedies] == [False, False, False, True, True]

    def test_none_changes_nothing(self):
        queries, candidates, *tags = _random_set()
        remedy = REMEDIES["none"](queries, candidates, *tags)
        changed = remedy.apply(queries, candidates, *tags)
        assert type(remedy) is Remedy and changed[0] is queries and changed[1] is candidates

    def test_defaults(self):
        removal = REMEDIES["removal (LIR)"](*_random_set())
        assert {part.shape for part in removal.query_components.values()} == {(1, 12)}

    @FITTED
    def test_the_order_of_the_rows_at_fit_changes_nothing(self, remedy):
        queries, candidates, *tags = _random_set()
        order = np.random.default_rng(1).permutation(len(candidates))
        one = remedy.fit(queries, candidates, *tags)
        other = remedy.fit(queries[::-1], candidates[order], tags[0][::-1], tags[1][order])
        for first, second in zip(
            one.apply(queries, candidates, *tags), other.apply(queries, candidates, *tags), strict=True
        ):
            assert first == pytest.approx(second, abs=1e-6)
        if one.rescore:
            scores = queries @ candidates.T
            assert one.rescore(scores, *tags) == pytest.approx(other.rescore(scores, *tags), abs=1e-5)


LANGUAGES = ["de", "en", "th", "zh"]
N_GROUPS = 60


def _biased_set(strength: float) -> tuple[np.ndarray, ...]:
    """Parallel queries and candidates: meaning of the group + offset of the language, longer for later ones + noise."""
    random = np.random.default_rng(0)
    meaning = random.normal(size=(N_GROUPS, 48))
    offset = strength * np.linspace(0.4, 1.6, len(LANGUAGES))[:, None, None] * random.normal(size=(len(LANGUAGES), 1, 48))
    rows = [meaning + offset + 0.25 * random.normal(size=(len(LANGUAGES), N_GROUPS, 48)) for _ in range(2)]
    tags = np.repeat(LANGUAGES, N_GROUPS)
    return _unit(rows[0].reshape(-1, 48)), _unit(rows[1].reshape(-1, 48)), tags, tags


def _parallel_at_the_top(name: str, strength: float) -> tuple[float, float]:
    """Share of the 4 parallel answers among the top 4, and the rank distance, which is 3 at best."""
    queries, candidates, *tags = _biased_set(strength)
    remedy = REMEDIES[name](queries, candidates, *tags)
    new_queries, new_candidates = remedy.apply(queries, candidates, *tags)
    scores = new_queries @ new_candidates.T
    scores = remedy.rescore(scores, *tags) if remedy.rescore else scores
    group = np.tile(np.arange(N_GROUPS), len(LANGUAGES))
    order = np.argsort(-scores, axis=1)
    rank = np.nonzero(group[order] == group[:, None])[1].reshape(len(scores), len(LANGUAGES)) + 1
    return float((rank <= len(LANGUAGES)).mean()), float((rank[:, -1] - rank[:, 0]).mean())


class TestOnABiasedSet:
    def test_the_set_is_biased(self):
        share, distance = _parallel_at_the_top("none", strength=1.0)
        assert share < 0.55 and distance > 35  # 0.48, 43

    @pytest.mark.parametrize("name", ["centring", "removal (LIR)"])
    def test_embeddings_without_the_offset_have_no_bias(self, name):
        assert _parallel_at_the_top(name, strength=1.0) == (1, 3)

    @pytest.mark.parametrize(("name", "least", "most"), [("calibration", 0.89, 7), ("balanced (RRF)", 0.94, 5)])
    def test_scores_are_restored_in_part(self, name, least, most):
        # Calibration 0.92 and 5.4, balancing 0.96 and 3.8: the offset still adds noise to the order within a language.
        share, distance = _parallel_at_the_top(name, strength=1.0)
        assert least < share < 1 and 3 < distance < most

    @pytest.mark.parametrize("name", REMEDIES)
    def test_what_has_no_bias_is_not_harmed(self, name):
        assert _parallel_at_the_top(name, strength=0.0) == (1, 3)
