"""Several models side by side: made models whose scores follow from their descriptions, and what is printed and written."""

from __future__ import annotations

import json
import re
from math import log2, sqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_search import random_task, tied_embeddings

from kit.compare.results import BIAS_COLUMNS, DIGITS, HEADLINE, CellTests, Results, table_text
from kit.compare.stats import holm, macro_mean, paired_randomisation_test
from kit.data.corpus import RetrievalTask
from kit.evaluate.bias.panel import chance
from kit.evaluate.evaluation import BIAS_MEASURES, POOL, Evaluation
from kit.evaluate.evaluator import evaluate_embeddings

# Two questions and their answers in each language; candidates are one-hot vectors, a query holds a score for each.
# Scores of (own answer in own language, other answer in own language, own answer elsewhere, other answer elsewhere):
MODELS = {
    "right": (0.9, 0.2, 0.8, 0.1),  # both versions of the answer, then the rest: ranks 1, 2
    "own first": (0.9, 0.8, 0.2, 0.1),  # the query's language first: ranks 1, 3
    "swapped": (0.2, 0.9, 0.1, 0.8),  # the wrong answer first: ranks 3, 4
}
# In German and English: mono and cross R@1 and AP of each model, AP and distance in the pool.
SCORES = {
    "right": {"mono": 1, "cross": 1, "multi": 1, "R@1": 1, "distance": 1},
    "own first": {"mono": 1, "cross": 1, "multi": (1 + 2 / 3) / 2, "R@1": 1, "distance": 2},
    "swapped": {"mono": 1 / 2, "cross": 1 / 2, "multi": (1 / 3 + 2 / 4) / 2, "R@1": 0, "distance": 1},
}


def made_task(languages: str = "de en", name: str = "made", n_groups: int = 2) -> RetrievalTask:
    tags, groups = languages.split(), range(n_groups)
    texts = [(f"{group}-{tag}", tag) for tag in tags for group in groups]
    return RetrievalTask.from_rows(
        name,
        [{"query_id": f"q{key}", "group_id": key[0], "language": tag, "text": "question"} for key, tag in texts],
        [{"candidate_id": f"c{key}", "language": tag, "text": "passage"} for key, tag in texts],
        [{"query_id": f"q{key}", "candidate_id": f"c{key[0]}-{tag}"} for key, _ in texts for tag in tags],
    )


def made_scores(model: str, task: RetrievalTask) -> np.ndarray:
    own, other, own_elsewhere, other_elsewhere = MODELS[model]
    return np.array(
        [
            [
                (own if query[1:] == candidate[1:] else own_elsewhere)
                if query[1] == candidate[1]
                else (other if query[-2:] == candidate[-2:] else other_elsewhere)
                for candidate in task.candidates.column("candidate_id").to_pylist()
            ]
            for query in task.queries.column("query_id").to_pylist()
        ],
        np.float32,
    )


def made_evaluation(model: str, languages: str = "de en", name: str = "made", seed: int = 0) -> Evaluation:
    task = made_task(languages, name)
    vectors = np.eye(len(task.candidates), dtype=np.float32)
    return evaluate_embeddings(made_scores(model, task), vectors, task, model, seed)


@pytest.fixture(scope="module")
def results() -> Results:
    """Two samplings, two seeds."""
    return Results(
        {
            "X-Y": [made_evaluation("right"), made_evaluation("swapped")],
            "Hybrid(0.3)": [made_evaluation("own first"), made_evaluation("right")],
        }
    )


@pytest.fixture(scope="module")
def uneven() -> Results:
    """Random models on a task in which questions lack languages: three seeds, many ties, missing cells."""
    random = np.random.default_rng(0)
    task = random_task(random, n_groups=20)
    runs = [evaluate_embeddings(*tied_embeddings(random, task), task, f"model {number}") for number in range(6)]
    return Results({"A": runs[:3], "B": runs[3:]})


ONE_LANGUAGE = Results(
    {
        "X-Y": [made_evaluation("right", "de"), made_evaluation("swapped", "de")],
        "Hybrid": [made_evaluation("right", "de"), made_evaluation("right", "de")],
    }
)


@pytest.mark.parametrize("model", MODELS)
def test_made_models_score_as_described(model):
    scores = SCORES[model]
    found = {column: mean for column, (mean, _) in Results({"S": [made_evaluation(model)]}).headline()["S"].items()}
    assert found == pytest.approx(
        {
            "mono mAP": scores["mono"],
            "cross mAP": scores["cross"],
            "multi mAP": scores["multi"],
            "mono R@1": scores["R@1"],
            "cross R@1": scores["R@1"],
            "multi R@10": 1,
            "rank distance": scores["distance"],
        }
    )


class TestHeadline:
    def test_mean_over_seeds(self, results):
        means = {column: mean for column, (mean, _) in results.headline()["X-Y"].items()}
        assert means == pytest.approx(
            {
                "mono mAP": 0.75,
                "cross mAP": 0.75,
                "multi mAP": (1 + 5 / 12) / 2,
                "mono R@1": 0.5,
                "cross R@1": 0.5,
                "multi R@10": 1,
                "rank distance": 1,
            }
        )

    def test_deviation_has_one_less_than_the_seeds_in_the_denominator(self, results):
        # 1 and 1/2 stand 1/4 from their mean: sqrt(2 (1/4)^2 / 1).
        assert results.headline()["X-Y"]["mono mAP"][1] == pytest.approx(sqrt(2) / 4)
        assert results.headline()["Hybrid(0.3)"]["rank distance"] == pytest.approx((1.5, sqrt(1 / 2)))

    def test_one_seed_has_no_deviation(self):
        ((mean, deviation),) = {
            columns["mono mAP"] for columns in Results({"S": [made_evaluation("right")]}).headline().values()
        }
        assert (mean, np.isnan(deviation)) == (1, True)

    def test_is_that_of_the_summaries(self, uneven):
        for model, runs in uneven.evaluations.items():
            for column, (setting, measure) in HEADLINE.items():
                seeds = [run.summary()[setting][measure] for run in runs]
                assert uneven.by_seed(model, setting, measure) == seeds
                assert uneven.headline()[model][column] == pytest.approx((np.mean(seeds), np.std(seeds, ddof=1)))

    def test_one_language_has_no_cross_lingual_columns(self):
        empty = {column for column, (mean, _) in ONE_LANGUAGE.headline()["X-Y"].items() if np.isnan(mean)}
        assert empty == {"cross mAP", "cross R@1", "rank distance"}  # one answer has no distance


class TestValues:
    def test_are_averaged_over_seeds(self, results):
        values = results.values("X-Y", "monolingual", "average_precision")
        assert values.values == pytest.approx(np.full((2, 2), 0.75))

    @pytest.mark.parametrize(("setting", "measure"), HEADLINE.values())
    def test_their_macro_mean_is_the_headline(self, uneven, setting, measure):
        column = next(name for name, place in HEADLINE.items() if place == (setting, measure))
        for model in uneven.models:
            values = uneven.values(model, setting, measure).values
            assert macro_mean(values) == pytest.approx(uneven.headline()[model][column][0])

    def test_the_interval_stands_around_the_headline(self, uneven):
        interval = uneven.interval("A", "multilingual", "rank_distance")
        assert interval.estimate == pytest.approx(uneven.headline()["A"]["rank distance"][0])
        assert interval.low < interval.estimate < interval.high

    def test_no_cell_no_interval(self):
        interval = ONE_LANGUAGE.interval("X-Y", "cross-lingual", "average_precision")
        assert np.isnan([interval.estimate, interval.low, interval.high]).all()

    def test_matrix_is_averaged_over_seeds(self, results):
        languages, matrix = results.matrix("X-Y")
        assert languages == ("de", "en") and matrix == pytest.approx(np.full((2, 2), 0.75))

    def test_order_and_number(self, results):
        assert (results.models, results.n_seeds) == (("X-Y", "Hybrid(0.3)"), {"X-Y": 2, "Hybrid(0.3)": 2})


class TestCompare:
    def test_by_hand(self, results):
        compared = results.compare("X-Y", "Hybrid(0.3)", "multilingual", "average_precision")
        assert compared.by_seed == pytest.approx((1 - 5 / 6, 5 / 12 - 1))
        assert compared.overall.difference == pytest.approx((1 - 5 / 6 + 5 / 12 - 1) / 2)

    @pytest.mark.parametrize(("setting", "measure"), HEADLINE.values())
    def test_the_seeds_and_the_whole_agree(self, uneven, setting, measure):
        compared = uneven.compare("A", "B", setting, measure)
        assert np.mean(compared.by_seed) == pytest.approx(compared.overall.difference)
        assert compared.overall.low <= compared.overall.difference <= compared.overall.high

    def test_the_other_way_round(self, uneven):
        one, two = (uneven.compare(*names, "monolingual", "average_precision") for names in (("A", "B"), ("B", "A")))
        assert one.overall.difference == pytest.approx(-two.overall.difference)
        assert one.overall.p_value == two.overall.p_value

    def test_with_itself(self, uneven):
        compared = uneven.compare("A", "A", "monolingual", "average_precision")
        assert (compared.overall.difference, compared.overall.p_value, compared.by_seed) == (0, 1, (0, 0, 0))


class TestRefuses:
    @pytest.mark.parametrize("counts", [{}, {"A": 0}, {"A": 1, "B": 0}])
    def test_nothing(self, counts):
        with pytest.raises(ValueError, match="give at least one model, and one evaluation of each"):
            Results({name: [made_evaluation("right")] * count for name, count in counts.items()})

    @pytest.mark.parametrize(("setting", "measure"), [("monolingual", "rank_distance"), ("multilingual", "recall_at_2")])
    def test_a_measure_that_the_setting_lacks(self, results, setting, measure):
        with pytest.raises(ValueError, match=f"'{measure}' is not one of the {setting} setting"):
            results.by_seed("X-Y", setting, measure)

    def test_several_tasks(self):
        with pytest.raises(ValueError, match="several tasks: made, other"):
            Results({"A": [made_evaluation("right")], "B": [made_evaluation("right", name="other")]})


def _strict(text: str) -> dict:
    def refuse(constant: str):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def mixed_evaluation(de: str, en: str, n_groups: int) -> Evaluation:
    """A model that answers German questions as one made model and English ones as another."""
    task = made_task(n_groups=n_groups)
    is_german = (task.query_language == task.languages.index("de"))[:, None]
    scores = np.where(is_german, made_scores(de, task), made_scores(en, task))
    return evaluate_embeddings(scores, np.eye(len(task.candidates), dtype=np.float32), task, f"{de}, {en}")


@pytest.fixture(scope="module")
def unequal() -> Results:
    """One seed of the first, two of the second, with tie seeds of their own."""
    return Results(
        {
            "A": [made_evaluation("right", seed=3)],
            "b, c=d": [made_evaluation("right", seed=4), made_evaluation("swapped", seed=5)],
        }
    )


class TestUnequalSeeds:
    def test_number_of_each(self, unequal):
        assert unequal.n_seeds == {"A": 1, "b, c=d": 2}

    def test_the_means_are_compared_and_no_seeds(self, unequal):
        compared = unequal.compare("A", "b, c=d", "monolingual", "average_precision")
        assert compared.overall.difference == pytest.approx(1 - (1 + 1 / 2) / 2)
        assert compared.by_seed == ()

    def test_only_the_model_with_several_has_a_deviation(self, unequal):
        deviations = {model: columns["mono mAP"][1] for model, columns in unequal.headline().items()}
        assert np.isnan(deviations["A"]) and deviations["b, c=d"] == pytest.approx(sqrt(2) / 4)


# Four places in the list. PEER of the two wrong answers, one a language: N = 2, so H = G - 1 = 1, and
# Pr[chi2_1 > 1] = 0.3173. Attention of the places 1, 1 / log2(3), 1 / 2, 1 / log2(5) goes to the two languages in turn
# (or, "own first", the first two to one). Spearman of the lists: 1 - 6 * 4 / (4 * 15), and 1 - 6 * 16 / (4 * 15).
PANEL_OF = {
    "right": {"rank distance": 1, "cover rank": 2, "list agreement": 0.6},
    "own first": {"rank distance": 2, "cover rank": 3, "list agreement": -0.6},
    "swapped": {"rank distance": 1, "cover rank": 4, "list agreement": 0.6},
}
PANEL_OF_ALL = {"complete@20": 1, "own language first": 1, "PEER@20": 0.31731}


class TestPanel:
    @pytest.mark.parametrize("model", MODELS)
    def test_by_hand(self, model):
        table = Results({"S": [made_evaluation(model)]}).table(BIAS_COLUMNS)["S"]
        means = {column: mean for column, (mean, _) in table.items()}
        first = 1 + 1 / log2(3) if model == "own first" else 1 + 1 / 2
        share = np.array([first, 0]) / (1 + 1 / log2(3) + 1 / 2 + 1 / log2(5))
        share[1] = 1 - share[0]
        divergence = sum(part * log2(part / ((part + 1 / 2) / 2)) for part in share) / 2
        divergence += sum(1 / 2 * log2((1 / 2) / ((part + 1 / 2) / 2)) for part in share) / 2
        assert means == pytest.approx(PANEL_OF[model] | PANEL_OF_ALL | {"AWRF@20": 1 - divergence}, abs=1e-5)

    def test_chance_is_the_last_row(self, results):
        expected = chance(made_task())
        table = results.bias_table(expected)
        assert list(table) == ["X-Y", "Hybrid(0.3)", "random ranking"]
        assert {column: mean for column, (mean, _) in table["random ranking"].items()} == pytest.approx(
            {column: expected[measure] for column, (_, measure) in BIAS_COLUMNS.items()}
        )
        assert table["X-Y"] == results.table(BIAS_COLUMNS)["X-Y"]

    def test_left_out(self, results):
        assert results.left_out() == dict.fromkeys(BIAS_MEASURES, 0)

    def test_left_out_of_one_language(self):
        # Two questions with one answer each: nothing stands apart, no language comes first, no other language to agree with.
        assert ONE_LANGUAGE.left_out() == dict.fromkeys(BIAS_MEASURES, 2) | {"awrf_at_20": 0}

    def test_the_mean_over_seeds(self, results):
        mean, deviation = results.table(BIAS_COLUMNS)["Hybrid(0.3)"]["list agreement"]
        assert (mean, deviation) == pytest.approx((0.0, 0.6 * sqrt(2)))


class TestPictures:
    """What figures are made of: averaged over seeds, or all seeds one after the other."""

    @pytest.mark.parametrize("read", ["language_flow", "agreement_matrix"])
    def test_matrices_are_averaged(self, uneven, read):
        each = [getattr(run, read)() for run in uneven.evaluations["B"]]
        assert getattr(uneven, read)("B") == pytest.approx(sum(each) / 3, nan_ok=True)

    def test_version_ranks_follow_each_other(self, uneven):
        ranks = uneven.version_ranks("A")
        n_queries = len(ranks) // 3
        for number, run in enumerate(uneven.evaluations["A"]):
            np.testing.assert_array_equal(ranks[number * n_queries : (number + 1) * n_queries], run.version_ranks())

    def test_distances_are_those_of_the_queries_that_have_one(self, uneven):
        expected = [
            row["rank_distance"]
            for run in uneven.evaluations["B"]
            for row in run.per_query.to_pylist()
            if row["candidate_language"] == POOL and row["n_relevant"] > 1
        ]
        assert uneven.distances("B").tolist() == expected
        assert uneven.left_out()["rank_distance"] * 3 + len(expected) == len(uneven.version_ranks("B"))

    def test_languages(self, uneven):
        assert uneven.languages == ("de", "en", "th")


class TestDifferences:
    def test_every_other_model_in_every_column(self, uneven):
        found = Results(uneven.evaluations | {"C": uneven.evaluations["A"]}).differences("B")
        columns = list(HEADLINE | BIAS_COLUMNS)
        assert [(one.first, one.second, one.column) for one in found] == [
            (model, "B", column) for model in ("A", "C") for column in columns
        ]

    def test_the_reference_is_the_first_unless_told(self, uneven):
        assert {(one.first, one.second) for one in uneven.differences()} == {("B", "A")}

    def test_each_is_a_comparison(self, uneven):
        for one in uneven.differences():
            assert one.compared == uneven.compare("B", "A", *(HEADLINE | BIAS_COLUMNS)[one.column])

    def test_p_values_are_adjusted_over_all(self, uneven):
        found = Results(uneven.evaluations | {"C": uneven.evaluations["A"][:1]}).differences("B")
        assert len(found) == 2 * len(HEADLINE | BIAS_COLUMNS)
        p_values = np.array([one.compared.overall.p_value for one in found])
        assert [one.adjusted_p for one in found] == holm(p_values).tolist()
        assert any(one.adjusted_p > one.compared.overall.p_value for one in found)

    def test_columns_that_the_task_lacks_are_left_out(self):
        columns = [one.column for one in ONE_LANGUAGE.differences()]
        assert columns == ["mono mAP", "multi mAP", "mono R@1", "multi R@10", "AWRF@20"]

    def test_one_model_differs_from_none(self):
        assert Results({"S": [made_evaluation("right")]}).differences() == []


@pytest.fixture(scope="module")
def by_hand() -> CellTests:
    """Right in both languages against wrong for the English questions: six groups, all alike."""
    runs = {"right": mixed_evaluation("right", "right", 6), "half": mixed_evaluation("right", "swapped", 6)}
    return Results({name: [run] for name, run in runs.items()}).cell_tests("right", "half")


class TestCellTests:
    def test_differences_by_hand(self, by_hand):
        # Wrong: the right answer comes after the five others, AP 1/6. Queries are rows.
        assert by_hand.languages == ("de", "en")
        assert by_hand.difference == pytest.approx(np.array([[0, 0], [5 / 6, 5 / 6]]))
        assert by_hand.low == pytest.approx(by_hand.difference)  # every group says the same
        assert by_hand.high == pytest.approx(by_hand.difference)

    def test_p_values_by_hand(self, by_hand):
        # Of the 2^6 flips two are as extreme: p = 1/32, and twice 1. Holm: 4 * 1/32, max(that, 3 * 1/32), 1, 1.
        p = 4 / 32
        error = 4 * 4 * sqrt(1 / 32 * 31 / 32 / 10_000)
        assert by_hand.p_value == pytest.approx(np.array([[1, 1], [p, p]]), abs=error)

    def test_agree_with_the_test_of_each_cell_adjusted_over_all(self, uneven):
        tests = uneven.cell_tests("A", "B")
        p_values, place = [], []
        for setting in ("monolingual", "cross-lingual"):
            one, two = (uneven.values(model, setting, "average_precision") for model in ("A", "B"))
            for number, (query, candidate) in enumerate(one.cells):
                place.append((tests.languages.index(query), tests.languages.index(candidate)))
                cell = paired_randomisation_test(one.values[:, [number]], two.values[:, [number]])
                assert tests.difference[place[-1]] == pytest.approx(cell.difference)
                assert tests.low[place[-1]] == pytest.approx(cell.low, abs=0.03)  # other resamples
                assert tests.high[place[-1]] == pytest.approx(cell.high, abs=0.03)
                p_values.append(cell.p_value)
        found = [tests.p_value[one] for one in place]
        assert len(place) == 9 and found == pytest.approx(holm(np.array(p_values)), abs=9 * 4 * 0.005)

    def test_another_measure(self, uneven):
        tests = uneven.cell_tests("A", "B", "recall_at_1")
        assert tests.difference == pytest.approx(uneven.matrix("A", "recall_at_1")[1] - uneven.matrix("B", "recall_at_1")[1])

    def test_a_pair_that_the_task_lacks_is_nan(self):
        task = RetrievalTask.from_rows(
            "half",
            [{"query_id": f"q{number}", "language": "de", "text": "question"} for number in range(3)],
            [{"candidate_id": tag, "language": tag, "text": "passage"} for tag in ("de", "en")],
            [{"query_id": f"q{number}", "candidate_id": tag} for number in range(3) for tag in ("de", "en")],
        )
        run = evaluate_embeddings(np.ones((3, 1), np.float32), np.ones((2, 1), np.float32), task, "one")
        tests = Results({"A": [run], "B": [run]}).cell_tests("A", "B")
        for matrix, value in ((tests.difference, 0), (tests.low, 0), (tests.high, 0), (tests.p_value, 1)):
            np.testing.assert_array_equal(matrix, [[value, value], [np.nan, np.nan]])

    def test_a_model_against_itself(self, uneven):
        tests = uneven.cell_tests("A", "A")
        assert (tests.difference == 0).all() and (tests.p_value == 1).all()

    def test_one_language(self):
        tests = ONE_LANGUAGE.cell_tests("Hybrid", "X-Y")
        assert tests.difference == pytest.approx(np.array([[1 - 3 / 4]]))


def _strict(text: str) -> dict:
    def refuse(constant: str):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


ABOUT = {"chance": chance(made_task())}
ABOUT_ONE = {"chance": chance(made_task("de"))}


class TestWrite:
    def test_metrics(self, results, tmp_path):
        about = ABOUT | {"note": "Grüße", "nothing": float("nan"), "list": [1, float("nan")]}
        results.write(tmp_path / "run", about)
        metrics = _strict((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["about"] == about | {"nothing": None, "list": [1, None]}
        assert metrics["headline"]["X-Y"]["mono mAP"] == pytest.approx([0.75, sqrt(2) / 4])
        assert metrics["bias"]["X-Y"]["cover rank"] == pytest.approx([3, sqrt(2)])
        assert list(metrics["bias"])[-1] == "random ranking"
        assert metrics["left_out"] == dict.fromkeys(BIAS_MEASURES, 0)
        assert [run["monolingual"]["average_precision"] for run in metrics["models"]["X-Y"]["by_seed"]] == [1, 0.5]
        assert list(metrics["models"]["X-Y"]["intervals"]) == list(HEADLINE | BIAS_COLUMNS)

    def test_differences(self, results, tmp_path):
        results.write(tmp_path, ABOUT)
        stored = _strict((tmp_path / "metrics.json").read_text(encoding="utf-8"))["differences"]
        one = next(row for row in stored if row["column"] == "multi mAP")
        assert (one["first"], one["second"]) == ("Hybrid(0.3)", "X-Y")
        assert one["compared"]["by_seed"] == pytest.approx([5 / 6 - 1, 1 - 5 / 12])
        assert one["compared"]["overall"]["difference"] == pytest.approx((5 / 6 - 5 / 12) / 2)
        assert one["adjusted_p"] >= one["compared"]["overall"]["p_value"]

    def test_no_cross_lingual_column_is_null(self, tmp_path):
        ONE_LANGUAGE.write(tmp_path, ABOUT_ONE)
        metrics = _strict((tmp_path / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["headline"]["X-Y"]["cross mAP"] == [None, None]
        assert metrics["models"]["X-Y"]["by_seed"][0]["cross-lingual"]["average_precision"] is None
        assert metrics["models"]["X-Y"]["intervals"]["cross mAP"] == {
            "estimate": None,
            "low": None,
            "high": None,
            "n_effective": None,
        }

    def test_all_rows_of_all_seeds(self, uneven, tmp_path):
        uneven.write(tmp_path, ABOUT)
        table = pq.read_table(tmp_path / "per_query.parquet")
        assert table.column_names[:2] == ["model", "seed_number"]
        for model, runs in uneven.evaluations.items():
            for number, run in enumerate(runs):
                mine = [row["model"] == model and row["seed_number"] == number for row in table.to_pylist()]
                part = table.filter(mine).drop_columns(["model", "seed_number"])
                np.testing.assert_equal(part.to_pydict(), run.per_query.to_pydict())  # takes NaN as equal to NaN
        assert len(table) == 6 * len(uneven.evaluations["A"][0].per_query)


class TestRead:
    @pytest.mark.parametrize("name", ["results", "uneven", "unequal", "one language"])
    def test_everything_is_as_it_was(self, name, request, tmp_path):
        before = ONE_LANGUAGE if name == "one language" else request.getfixturevalue(name)
        before.write(tmp_path, ABOUT)
        after = Results.read(tmp_path)
        assert (after.models, after.n_seeds, after.languages) == (before.models, before.n_seeds, before.languages)
        for model, runs in before.evaluations.items():
            for run, again in zip(runs, after.evaluations[model]):
                for fact in ("task_name", "model_name", "languages", "tie_seed"):
                    assert getattr(again, fact) == getattr(run, fact)
                assert again.per_query.schema.equals(run.per_query.schema)
                np.testing.assert_equal(again.per_query.to_pydict(), run.per_query.to_pydict())

    @pytest.mark.parametrize("name", ["results", "uneven", "unequal"])
    def test_what_follows_from_it_is_the_same(self, name, request, tmp_path):
        before = request.getfixturevalue(name)
        before.write(tmp_path / "one", ABOUT)
        after = Results.read(tmp_path / "one")
        assert after.differences() == before.differences()
        after.write(tmp_path / "two", ABOUT)
        assert (tmp_path / "one" / "metrics.json").read_bytes() == (tmp_path / "two" / "metrics.json").read_bytes()

    def test_what_was_read_and_what_was_measured_now_are_written_together(self, results, tmp_path):
        results.write(tmp_path / "one", ABOUT)
        before = Results.read(tmp_path / "one").evaluations
        Results(before | {"new": [made_evaluation("own first")]}).write(tmp_path / "two", ABOUT)
        assert Results.read(tmp_path / "two").n_seeds == {"X-Y": 2, "Hybrid(0.3)": 2, "new": 1}

    def test_no_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"absent/per_query.parquet: not the results of a run .* make the run again"):
            Results.read(tmp_path / "absent")

    @pytest.mark.parametrize("content", [b"", b"PAR1 cut off"])
    def test_a_damaged_file(self, content, tmp_path):
        (tmp_path / "per_query.parquet").write_bytes(content)
        with pytest.raises(ValueError, match=r"per_query\.parquet: not the results of a run"):
            Results.read(tmp_path)

    def test_a_table_of_something_else(self, tmp_path):
        pq.write_table(pa.table({"model": ["A"], "seed_number": [0]}), tmp_path / "per_query.parquet")
        with pytest.raises(ValueError, match="not the results of a run"):
            Results.read(tmp_path)

    def test_a_table_of_another_version(self, results, tmp_path):
        results.write(tmp_path, ABOUT)
        table = pq.read_table(tmp_path / "per_query.parquet").drop_columns(["cover_rank"])
        pq.write_table(table, tmp_path / "per_query.parquet")
        with pytest.raises(ValueError, match="are those of another version: make the run again"):
            Results.read(tmp_path)


def cells_in(table) -> list[list[str]]:
    """What stands in the rows of the printed table."""
    return [re.split(" {2,}", line.strip()) for line in table_text(table).splitlines()[2:]]


class TestText:
    def test_a_tiny_negative_number_is_printed_as_zero(self):
        assert cells_in({"one": {"mono mAP": (-0.0001, float("nan"))}}) == [["one", "0.000"]]

    def test_cells(self, results):
        assert cells_in(results.headline())[0] == [
            "X-Y",
            "0.750 ± 0.354",
            "0.750 ± 0.354",
            "0.708 ± 0.412",
            "0.500 ± 0.707",
            "0.500 ± 0.707",
            "1.000 ± 0.000",
            "1 ± 0",
        ]

    def test_one_seed_stands_alone(self):
        assert cells_in(Results({"S": [made_evaluation("own first")]}).headline()) == [
            ["S", "1.000", "1.000", "0.833", "1.000", "1.000", "1.000", "2"]
        ]

    def test_one_language_has_dashes(self):
        assert cells_in(ONE_LANGUAGE.headline())[0] == [
            "X-Y",
            "0.750 ± 0.354",
            "–",
            "0.750 ± 0.354",
            "0.500 ± 0.707",
            "–",
            "1.000 ± 0.000",
            "–",
        ]

    def test_the_panel_with_chance(self):
        # n = 4, m = 2: distance 5 * 1 / 3, cover rank 2 * 5 / 3; one of two versions is in the own language.
        model, chance_row = cells_in(Results({"S": [made_evaluation("right")]}).bias_table(ABOUT["chance"]))
        assert model[:5] == ["S", "1", "2", "1.000", "1.000"] and model[6:] == ["0.317", "0.600"]
        assert chance_row[:5] == ["random ranking", "2", "3", "1.000", "0.500"] and chance_row[6:] == ["0.500", "0.000"]

    def test_every_column_has_its_digits(self):
        assert set(DIGITS) == {*HEADLINE, *BIAS_COLUMNS}

    @pytest.mark.parametrize(
        "table",
        [
            ONE_LANGUAGE.headline(),
            Results({"a long name of a sampling": [made_evaluation("right")]}).headline(),
            Results({"S": [made_evaluation("right")]}).bias_table(ABOUT["chance"]),
        ],
    )
    def test_columns_are_aligned(self, table):
        head, rule, *rows = table_text(table).splitlines()
        columns = list(next(iter(table.values())))
        assert {len(line) for line in (head, rule, *rows)} == {len(head)} and set(rule) == {"-"}
        ends = [head.index(column) + len(column) for column in columns]  # columns are flush right
        assert all(row[end - 1] != " " and row[end : end + 2] in ("  ", "") for row in rows for end in ends)

    @pytest.mark.parametrize("name", ["uneven", "results"])
    def test_is_the_same_from_the_file(self, name, request, tmp_path):
        which = request.getfixturevalue(name)
        which.write(tmp_path, ABOUT)
        metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
        assert table_text(metrics["headline"]) == table_text(which.headline())
        assert table_text(metrics["bias"]) == table_text(which.bias_table(ABOUT["chance"]))
