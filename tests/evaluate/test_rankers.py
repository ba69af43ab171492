"""Rankers with a known fault do what their descriptions say, and each measure of bias sees of it what it should."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from test_search import random_task

from kit.core.seeding import stable_hash
from kit.evaluate.bias.panel import chance
from kit.evaluate.evaluation import BIAS_MEASURES, POOL, Evaluation
from kit.evaluate.rankers import RANKERS, LettersInCommon, made_evaluation

N, N_LANGUAGES = 200, 4  # candidates, a quarter of them in each language; 12 questions in all four, one answer in each
TASK = random_task(np.random.default_rng(0), n_groups=12, languages="de en es th", share=1.0, n_others=N - 12 * N_LANGUAGES)
OWN = TASK.query_language[:, None] == np.arange(N_LANGUAGES)  # (n_queries, n_languages)
FIRST = np.broadcast_to(np.arange(N_LANGUAGES) == 0, OWN.shape)


@pytest.fixture(scope="module")
def made() -> dict[str, Evaluation]:
    return {name: made_evaluation(name, TASK) for name in RANKERS}


def test_the_task_is_what_the_numbers_below_take_it_for():
    assert np.bincount(TASK.candidate_language).tolist() == [N // N_LANGUAGES] * N_LANGUAGES
    assert len(TASK.relevant_pairs) == 12 * N_LANGUAGES**2


class TestDescriptions:
    """Ranks of the versions of the answer, by query and language."""

    def test_ideal(self, made):
        ranks = made["ideal"].version_ranks()
        assert (np.sort(ranks, axis=1) == [1, 2, 3, 4]).all()

    def test_own_version_first(self, made):
        ranks = made["own version first"].version_ranks()
        assert (ranks[OWN] == 1).all()
        assert (np.sort(ranks, axis=1) == [1, 2, 3, 4]).all()

    @pytest.mark.parametrize(("name", "leads"), [("own language first", OWN), ("one language first", FIRST)])
    def test_a_language_first(self, made, name, leads):
        # Fifty candidates of the language, its answer at the top; then the others, the three answers at their top.
        ranks = made[name].version_ranks()
        assert (ranks[leads] == 1).all()
        assert (np.sort(ranks[~leads].reshape(-1, 3), axis=1) == [51, 52, 53]).all()

    @pytest.mark.parametrize(("name", "leads"), [("own language first", OWN), ("one language first", FIRST)])
    def test_a_language_first_with_all_its_candidates(self, made, name, leads):
        rows = [row for row in made[name].per_query.to_pylist() if row["candidate_language"] == POOL]
        assert [row["top_languages"] for row in rows] == (20 * leads).tolist()

    def test_one_language_buried(self, made):
        # The answers in the other languages, their 147 other candidates, and then the fifty of the first language.
        ranks = made["one language buried"].version_ranks()
        assert (ranks[:, 0] == 151).all()
        assert (np.sort(ranks[:, 1:], axis=1) == [1, 2, 3]).all()

    def test_together_far_down(self, made):
        ranks = made["together, far down"].version_ranks()
        assert (np.ptp(ranks, axis=1) == 3).all()
        assert (abs(ranks - N / 2) < 0.05 * N).all()

    def test_together_far_down_starts_where_half_of_the_others_end(self):
        # Of 125 candidates 62 are a random half. Before the two versions stand those of it that are not versions themselves:
        # 62, 61 or 60, each of which some of 40 questions have.
        task = random_task(np.random.default_rng(3), n_groups=40, languages="de en", share=1.0, n_others=45)
        ranks = made_evaluation("together, far down", task, n_agreement_groups=0).version_ranks()
        assert set(ranks.min(axis=1)) == {61, 62, 63}

    def test_chance_puts_the_versions_anywhere(self, made):
        ranks = made["chance"].version_ranks()
        # Uniform on 1 … 200: mean 100.5, deviation 200 / sqrt(12); 192 of them, within four standard errors.
        assert abs(ranks.mean() - 100.5) < 4 * N / np.sqrt(12 * ranks.size)
        assert ranks.min() < 20 and ranks.max() > 180

    @pytest.mark.parametrize("name", ["own language first", "one language first", "one language buried", "ideal"])
    def test_the_answer_leads_in_each_language(self, made, name):
        summary = made[name].summary()
        assert (summary["monolingual"]["average_precision"], summary["cross-lingual"]["average_precision"]) == (1, 1)

    @pytest.mark.parametrize("name", ["ideal", "one language first", "one language buried", "together, far down"])
    def test_a_question_gets_one_list_in_all_languages(self, made, name):
        assert made[name].agreement_matrix() == pytest.approx(np.ones((N_LANGUAGES, N_LANGUAGES)))

    def test_every_ranker_has_a_description(self):
        assert all(meaning.strip() and name == name.strip() for name, (meaning, _) in RANKERS.items())


def _attention_of_one_language() -> float:
    """AWRF where all attention goes to one of four languages of equal share: 1 - JSD((1, 0, 0, 0) || (1, 1, 1, 1) / 4)."""
    middle = (1 + 1 / 4) / 2
    return 1 - (log2(1 / middle) + 1 / 4 * log2((1 / 4) / middle) + 3 / 4 * log2(2)) / 2


# What each measure says of each ranker. Of the four queries of a question one asks in the language of the version that leads
# it, where that does not go by the query: own language first is 1/4, which is also chance.
EXPECTED = {
    "ideal": {"rank_distance": 3, "cover_rank": 4, "complete_at_20": 1, "own_language_first": 1 / 4, "list_agreement": 1},
    "own version first": {"rank_distance": 3, "cover_rank": 4, "complete_at_20": 1, "own_language_first": 1},
    "own language first": {
        "rank_distance": 52,
        "cover_rank": 53,
        "complete_at_20": 0,
        "own_language_first": 1,
        "awrf_at_20": _attention_of_one_language(),
    },
    "one language first": {
        "rank_distance": 52,
        "cover_rank": 53,
        "complete_at_20": 0,
        "own_language_first": 1 / 4,
        "awrf_at_20": _attention_of_one_language(),
        "list_agreement": 1,
    },
    "one language buried": {
        "rank_distance": 150,
        "cover_rank": 151,
        "complete_at_20": 0,
        "own_language_first": 1 / 4,  # never for the buried language, a third of the times for the others
        "list_agreement": 1,
    },
    "together, far down": {"rank_distance": 3, "complete_at_20": 0, "own_language_first": 1 / 4, "list_agreement": 1},
}
# The rest is a matter of the random order: between these bounds.
BETWEEN = {
    "ideal": {"awrf_at_20": (0.85, 1), "peer_at_20": (0.3, 0.7)},
    "own version first": {"awrf_at_20": (0.85, 1), "peer_at_20": (0.3, 0.7), "list_agreement": (0.999, 1)},
    "own language first": {"peer_at_20": (0, 1e-9), "list_agreement": (-0.5, 0.5)},
    "one language first": {"peer_at_20": (0, 1e-9)},
    "one language buried": {"awrf_at_20": (0.6, 0.9), "peer_at_20": (0, 0.3)},
    "together, far down": {"cover_rank": (90, 110), "awrf_at_20": (0.85, 1), "peer_at_20": (0.3, 0.7)},
    "chance": {"awrf_at_20": (0.85, 1), "peer_at_20": (0.3, 0.7), "list_agreement": (-0.05, 0.05)},
}


class TestMeasures:
    @pytest.mark.parametrize("name", EXPECTED)
    def test_say_what_follows_from_the_description(self, made, name):
        found = made[name].summary()["multilingual"]
        assert {measure: found[measure] for measure in EXPECTED[name]} == pytest.approx(EXPECTED[name])

    @pytest.mark.parametrize(("name", "measure"), [(name, measure) for name in BETWEEN for measure in BETWEEN[name]])
    def test_lie_between_bounds(self, made, name, measure):
        low, high = BETWEEN[name][measure]
        assert low - 1e-9 <= made[name].summary()["multilingual"][measure] <= high + 1e-9

    @pytest.mark.parametrize("name", EXPECTED)
    def test_all_are_expected(self, name):
        assert set(EXPECTED[name]) | set(BETWEEN[name]) == set(BIAS_MEASURES)

    @pytest.mark.parametrize("measure", ["rank_distance", "cover_rank", "own_language_first"])
    def test_chance_has_chance(self, measure):
        task = random_task(np.random.default_rng(1), n_groups=60, languages="de en es", n_others=60)
        evaluation = made_evaluation("chance", task, n_agreement_groups=0)
        values = evaluation.values("multilingual", measure).values
        deviation = np.nanstd(values) / np.sqrt((~np.isnan(values)).sum())
        assert abs(evaluation.summary()["multilingual"][measure] - chance(task)[measure]) < 4 * deviation

    def test_rank_distance_does_not_see_quality(self, made):
        ideal, down = (made[name].summary()["multilingual"] for name in ("ideal", "together, far down"))
        assert (
            ideal["rank_distance"]
            == down["rank_distance"]
            == min(evaluation.summary()["multilingual"]["rank_distance"] for evaluation in made.values())
        )
        assert ideal["average_precision"] == 1 and down["average_precision"] < 0.05


class TestMaking:
    def test_the_same_seed_the_same_ranks(self):
        one, two = (made_evaluation("chance", TASK, seed=3, n_agreement_groups=0) for _ in range(2))
        np.testing.assert_equal(one.per_query.to_pydict(), two.per_query.to_pydict())

    def test_the_seed_is_0_if_none_is_named(self, made):
        named = made_evaluation("own version first", TASK, seed=0)
        np.testing.assert_equal(named.version_ranks(), made["own version first"].version_ranks())

    def test_another_seed_another_order(self):
        one, two = (made_evaluation("ideal", TASK, seed=seed, n_agreement_groups=0) for seed in (0, 1))
        assert (one.version_ranks() != two.version_ranks()).any()

    def test_it_is_called_by_its_name(self, made):
        assert [evaluation.model_name for evaluation in made.values()] == list(RANKERS)

    def test_where_questions_lack_languages_the_versions_that_there_are_lead(self):
        task = random_task(np.random.default_rng(2), n_groups=10, languages="de en es th", share=0.5)
        ranks = made_evaluation("ideal", task).version_ranks()
        assert np.isnan(ranks).any()
        for row in ranks:
            assert sorted(row[~np.isnan(row)]) == list(range(1, (~np.isnan(row)).sum() + 1))

    def test_agreement_of_some_questions_only(self):
        evaluation = made_evaluation("ideal", TASK, n_agreement_groups=5)
        assert evaluation.left_out()["list_agreement"] == (12 - 5) * N_LANGUAGES

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(ValueError, match="ranker 'worst' is not known: choose from ideal, own version first"):
            made_evaluation("worst", TASK)


class TestLettersInCommon:
    def test_the_score_is_the_share_of_the_runs_that_both_have(self):
        """Of ab, with 2 runs, and abc, with 3, it is ab after a blank: 1 / sqrt(2 · 3), where no two runs share a column."""
        letters = LettersInCommon(2**14)
        asked, told = letters.encode_query(["ab", "AB", "xyz"]), letters.encode_document(["abc"])
        assert asked.dtype == np.float32 and asked.shape == (3, 2**14)
        assert (asked @ told.T).ravel().tolist() == pytest.approx([6**-0.5, 6**-0.5, 0])

    def test_a_run_counts_as_often_as_it_stands_there(self):
        """Of aaaa the runs are _aa, aaa twice, and aa_: (1, 2, 1) and, of aaa, (1, 1, 1) have the cosine 4 / sqrt(6 · 3)."""
        four, three = LettersInCommon(2**14).encode_query(["aaaa", "aaa"])
        assert four @ three == pytest.approx(4 / 18**0.5)

    def test_the_hash_of_a_run_tells_its_column_and_its_sign(self):
        (row,) = LettersInCommon(64).encode_query(["Maß"])
        counted = np.zeros(64)
        for run in (" ma", "maß", "aß "):  # in small letters; the hash of the second is odd
            rest, is_odd = divmod(stable_hash(run), 2)
            counted[rest % 64] += -1 if is_odd else 1
        assert row == pytest.approx(counted / np.linalg.norm(counted))

    def test_a_text_has_1024_columns_if_no_other_number_is_named(self):
        assert LettersInCommon().encode_document(["Ulm"]).shape == (1, 1024)

    def test_no_letter_has_no_direction(self):
        rows = LettersInCommon(64).encode_query(["", "a"])
        assert not rows[0].any() and np.linalg.norm(rows[1]) == pytest.approx(1)
        assert LettersInCommon(64).encode_query([]).shape == (0, 64)

    def test_every_process_makes_the_same(self):
        assert np.array_equal(*(LettersInCommon(256).encode_query(["Wo liegt Ulm?", "乌尔姆"]) for _ in range(2)))
