"""Several models side by side: made models whose scores follow from their descriptions, and what is printed and written."""

from __future__ import annotations

import json
from math import sqrt

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_search import random_task, tied_embeddings

from kit.bias import expected_rank_distance
from kit.corpus import RetrievalTask
from kit.evaluate import Evaluation, evaluate_embeddings
from kit.results import HEADLINE, Results, headline_cells, headline_text
from kit.stats import macro_mean

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


def made_evaluation(model: str, languages: str = "de en", name: str = "made") -> Evaluation:
    task = made_task(languages, name)
    own, other, own_elsewhere, other_elsewhere = MODELS[model]
    scores = np.array(
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
    return evaluate_embeddings(scores, np.eye(len(task.candidates), dtype=np.float32), task, model)


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
        for sampling, runs in uneven.evaluations.items():
            for column, (setting, measure) in HEADLINE.items():
                seeds = [run.summary()[setting][measure] for run in runs]
                assert uneven.by_seed(sampling, setting, measure) == seeds
                assert uneven.headline()[sampling][column] == pytest.approx((np.mean(seeds), np.std(seeds, ddof=1)))

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
        for sampling in uneven.samplings:
            values = uneven.values(sampling, setting, measure).values
            assert macro_mean(values) == pytest.approx(uneven.headline()[sampling][column][0])

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
        assert (results.samplings, results.n_seeds) == (("X-Y", "Hybrid(0.3)"), 2)


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


class TestChanceDistance:
    def test_closed_form_where_all_questions_have_all_languages(self, results):
        assert results.chance_distance(4) == pytest.approx(float(expected_rank_distance(4, 2)))  # 5 * 1 / 3

    def test_is_what_random_rankings_have(self):
        random = np.random.default_rng(1)
        task = random_task(random, n_groups=8, languages="de en es th")
        n, distances = len(task.candidates), []
        for _ in range(400):  # random scores: every order of the candidates is equally likely for every query
            scores = random.random((len(task.queries), n)).astype(np.float32)
            evaluation = evaluate_embeddings(scores, np.eye(n, dtype=np.float32), task, "random")
            distances.append(evaluation.summary()["multilingual"]["rank_distance"])
        expected = Results({"S": [evaluation]}).chance_distance(n)
        assert abs(np.mean(distances) - expected) < 4 * np.std(distances) / sqrt(len(distances))

    def test_no_parallel_answers_no_distance(self):
        assert np.isnan(ONE_LANGUAGE.chance_distance(2))

    def test_left_out(self, results):
        assert (results.n_left_out(), ONE_LANGUAGE.n_left_out()) == (0, 2)


class TestRefuses:
    @pytest.mark.parametrize("counts", [{}, {"A": 0}, {"A": 1, "B": 2}, {"A": 1, "B": 0}])
    def test_nothing_or_other_numbers_of_seeds(self, counts):
        with pytest.raises(ValueError, match="same seeds, at least one"):
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


class TestWrite:
    def test_metrics(self, results, tmp_path):
        results.write(tmp_path / "run", {"note": "Grüße", "nothing": float("nan"), "list": [1, float("nan")]})
        metrics = _strict((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["about"] == {"note": "Grüße", "nothing": None, "list": [1, None]}
        assert metrics["headline"]["X-Y"]["mono mAP"] == pytest.approx([0.75, sqrt(2) / 4])
        assert [run["monolingual"]["average_precision"] for run in metrics["samplings"]["X-Y"]["by_seed"]] == [1, 0.5]
        assert list(metrics["samplings"]["X-Y"]["intervals"]) == list(HEADLINE)

    def test_no_cross_lingual_column_is_null(self, tmp_path):
        ONE_LANGUAGE.write(tmp_path, {})
        metrics = _strict((tmp_path / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["headline"]["X-Y"]["cross mAP"] == [None, None]
        assert metrics["samplings"]["X-Y"]["by_seed"][0]["cross-lingual"]["average_precision"] is None
        assert metrics["samplings"]["X-Y"]["intervals"]["cross mAP"] == {"estimate": None, "low": None, "high": None}

    def test_all_rows_of_all_seeds(self, uneven, tmp_path):
        uneven.write(tmp_path, {})
        table = pq.read_table(tmp_path / "per_query.parquet")
        assert table.column_names[:2] == ["sampling", "seed_number"]
        for sampling, runs in uneven.evaluations.items():
            for number, run in enumerate(runs):
                mine = [row["sampling"] == sampling and row["seed_number"] == number for row in table.to_pylist()]
                assert (
                    table.filter(mine)
                    .drop_columns(["sampling", "seed_number"])
                    .to_pandas()
                    .equals(run.per_query.to_pandas())
                )
        assert len(table) == 6 * len(uneven.evaluations["A"][0].per_query)


class TestText:
    def test_cells(self, results):
        assert headline_cells(results.headline())[0] == [
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
        assert headline_cells(Results({"S": [made_evaluation("own first")]}).headline()) == [
            ["S", "1.000", "1.000", "0.833", "1.000", "1.000", "1.000", "2"]
        ]

    def test_one_language_has_dashes(self):
        assert headline_cells(ONE_LANGUAGE.headline())[0] == [
            "X-Y",
            "0.750 ± 0.354",
            "–",
            "0.750 ± 0.354",
            "0.500 ± 0.707",
            "–",
            "1.000 ± 0.000",
            "–",
        ]

    @pytest.mark.parametrize("which", [ONE_LANGUAGE, Results({"a long name of a sampling": [made_evaluation("right")]})])
    def test_columns_are_aligned(self, which):
        head, rule, *rows = headline_text(which.headline()).splitlines()
        assert {len(line) for line in (head, rule, *rows)} == {len(head)} and set(rule) == {"-"}
        ends = [head.index(column) + len(column) for column in HEADLINE]  # columns are flush right
        assert all(row[end - 1] != " " and row[end : end + 2] in ("  ", "") for row in rows for end in ends)

    @pytest.mark.parametrize("name", ["uneven", "results"])
    def test_is_the_same_from_the_file(self, name, request, tmp_path):
        which = request.getfixturevalue(name)
        which.write(tmp_path, {})
        metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
        assert headline_text(metrics["headline"]) == headline_text(which.headline())
