"""The whole evaluation: an example worked by hand, chance level, macro means, and what is written and read."""

from __future__ import annotations

from math import comb, erfc, log2, sqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from test_search import random_task, tied_embeddings

from kit.compare import stats
from kit.core.files import seal
from kit.data.corpus import RetrievalTask
from kit.evaluate.bias.rank_distance import expected_rank_distance
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import BIAS_MEASURES, MEASURES, POOL, SCHEMA, SETTINGS, Evaluation, mean_values
from kit.evaluate.evaluator import evaluate, evaluate_embeddings

# Candidates are one-hot vectors, so a query vector holds the score of each candidate. Questions a and b exist in both
# languages, and so do their answers; x is an answer to nothing.
CANDIDATES = ["a-de", "b-de", "a-en", "b-en", "x-en"]
SCORES = {  # order in the pool                       within de     within en
    "qa-de": [0.9, 0.3, 0.8, 0.2, 0.1],  # A-DE  A-EN  b-de  b-en  x-en            A b           A b x
    "qb-de": [0.9, 0.8, 0.6, 0.5, 0.7],  # a-de  B-DE  x-en  a-en  B-EN            a B           x a B
    "qa-en": [0.1, 0.2, 0.9, 0.3, 0.8],  # A-EN  x-en  b-en  b-de  A-DE            b A           A x b
    "qb-en": [0.3, 0.8, 0.2, 0.9, 0.1],  # B-EN  B-DE  a-de  a-en  x-en            B a           B a x
}


def _hand_task() -> RetrievalTask:
    return RetrievalTask.from_rows(
        "hand",
        [{"query_id": query, "group_id": query[1], "language": query[-2:], "text": "question"} for query in SCORES],
        [{"candidate_id": candidate, "language": candidate[-2:], "text": "passage"} for candidate in CANDIDATES],
        [{"query_id": query, "candidate_id": f"{query[1]}-{tag}"} for query in SCORES for tag in ("de", "en")],
    )


@pytest.fixture(scope="module")
def hand() -> Evaluation:
    queries = np.array(list(SCORES.values()), np.float32)
    return evaluate_embeddings(queries, np.eye(5, dtype=np.float32), _hand_task(), name="mock")


def _row(evaluation: Evaluation, query: str, language: str) -> dict:
    return next(
        row for row in evaluation.per_query.to_pylist() if (row["query_id"], row["candidate_language"]) == (query, language)
    )


def test_a_row_of_the_pool_by_hand(hand):
    row = _row(hand, "qb-de", POOL)
    # The five places go to de, de, en, en, en; the pool has two and three.
    weight = [1 / log2(rank + 1) for rank in range(1, 6)]
    attention, target = (sum(weight[:2]) / sum(weight), sum(weight[2:]) / sum(weight)), (2 / 5, 3 / 5)
    divergence = sum(
        part * log2(part / ((attention[code] + target[code]) / 2)) / 2
        for shares in (attention, target)
        for code, part in enumerate(shares)
    )
    # Wrong answers at 1 (de) and 3, 4 (en), mean 8/3: H = 2 ((1 - 8/3)^2 + 2 (7/2 - 8/3)^2) / (25/9 + 1/9 + 16/9) = 25/14.
    # The other list has the candidates at 3, 2, 4, 1, 5, this one at 1, 2, 4, 5, 3: Spearman 1 - 6 (4 + 16 + 4) / (5 * 24).
    assert [row.pop(name) for name in ("top_languages", "version_ranks")] == [[2, 3], [2, 5]]
    assert row.pop("top_candidates") == ["a-de", "b-de", "x-en", "a-en", "b-en"]
    assert row.pop("agreement_with") == pytest.approx([np.nan, -0.2], nan_ok=True)
    # Relevant at ranks 2 and 5: precision 1/2 and 2/5; the best list has them at ranks 1 and 2.
    assert row == pytest.approx(
        {
            "query_id": "qb-de",
            "group_id": "b",
            "query_language": "de",
            "candidate_language": POOL,
            "n_relevant": 2,
            "average_precision": (1 / 2 + 2 / 5) / 2,
            "recall_at_1": 0,
            "recall_at_10": 1,
            "ndcg_at_10": (1 / log2(3) + 1 / log2(6)) / (1 / log2(2) + 1 / log2(3)),
            "reciprocal_rank": 1 / 2,
            "best_rank": 2,
            "worst_rank": 5,
            "rank_distance": 3,
            "cover_rank": 5,
            "complete_at_20": 1,
            "own_language_first": 1,
            "awrf_at_20": 1 - divergence,
            "peer_at_20": erfc(sqrt(25 / 14 / 2)),  # of one degree of freedom
            "list_agreement": -0.2,
        }
    )


def test_a_row_of_a_cell_by_hand(hand):
    row = _row(hand, "qb-de", "en")
    assert [row.pop(name) for name in ("top_languages", "version_ranks", "agreement_with", "top_candidates")] == [None] * 4
    # The one English answer is third of three; the bias panel belongs to the pool.
    assert row == pytest.approx(
        {
            "query_id": "qb-de",
            "group_id": "b",
            "query_language": "de",
            "candidate_language": "en",
            "n_relevant": 1,
            "average_precision": 1 / 3,
            "recall_at_1": 0,
            "recall_at_10": 1,
            "ndcg_at_10": 1 / log2(4),
            "reciprocal_rank": 1 / 3,
            "best_rank": 3,
            "worst_rank": 3,
        }
        | dict.fromkeys(BIAS_MEASURES, np.nan),
        nan_ok=True,
    )


def test_there_is_a_row_for_each_cell_and_each_pool(hand):
    assert len(hand.per_query) == 4 * 2 + 4


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        # de-de: ranks 1, 2; en-en: ranks 1, 1.
        ("monolingual", ((1 + 1 / 2) / 2 + 1) / 2),
        # de-en: ranks 1, 3; en-de: ranks 2, 1.
        ("cross-lingual", ((1 + 1 / 3) / 2 + (1 / 2 + 1) / 2) / 2),
        # de: ranks (1, 2), (2, 5); en: ranks (1, 5), (1, 2).
        ("multilingual", ((1 + 0.45) / 2 + ((1 + 2 / 5) / 2 + 1) / 2) / 2),
    ],
)
def test_map_by_hand(hand, setting, expected):
    assert hand.summary()[setting]["average_precision"] == pytest.approx(expected)


def test_rank_distance_by_hand(hand):
    # de: 2 - 1 and 5 - 2; en: 5 - 1 and 2 - 1.
    multilingual = hand.summary()["multilingual"]
    assert multilingual["rank_distance"] == pytest.approx(((1 + 3) / 2 + (4 + 1) / 2) / 2)
    assert hand.left_out() == dict.fromkeys(BIAS_MEASURES, 0)


def test_matrix_by_hand(hand):
    languages, matrix = hand.matrix("average_precision")
    assert languages == ("de", "en")
    assert matrix == pytest.approx(np.array([[3 / 4, 2 / 3], [3 / 4, 1]]))


def test_language_flow_by_hand(hand):
    # All five candidates are in the top of every list, two German and three English.
    assert hand.language_flow() == pytest.approx(np.array([[2 / 5, 3 / 5], [2 / 5, 3 / 5]]))


def test_agreement_matrix_by_hand(hand):
    # Question b: -0.2, as above. Question a: places 1, 3, 2, 4, 5 and 5, 4, 1, 3, 2: 1 - 6 (16 + 1 + 1 + 1 + 9) / (5 * 24).
    assert hand.agreement_matrix() == pytest.approx(np.array([[1, -0.3], [-0.3, 1]]))


def test_version_ranks_by_hand(hand):
    assert hand.version_ranks().tolist() == [[1, 2], [2, 5], [5, 1], [2, 1]]


def test_values_by_hand(hand):
    values = hand.values("cross-lingual", "reciprocal_rank")
    assert values.group_ids == ("a", "b")
    assert values.cells == (("de", "en"), ("en", "de"))
    assert values.values == pytest.approx(np.array([[1, 1 / 2], [1 / 3, 1]]))


def _random_evaluation(seed: int, share: float = 0.6) -> tuple[RetrievalTask, Evaluation]:
    random = np.random.default_rng(seed)
    task = random_task(random, n_groups=15, languages="de en es th", share=share)
    return task, evaluate_embeddings(*tied_embeddings(random, task), task, name="random")


def _summary_by_loops(evaluation: Evaluation, measure: str) -> dict[str, float]:
    cells: dict[tuple[str, str], list[float]] = {}
    for row in evaluation.per_query.to_pylist():
        cells.setdefault((row["query_language"], row["candidate_language"]), []).append(row[measure])
    by_setting: dict[str, list[float]] = {}
    for (query_language, candidate_language), values in cells.items():
        setting = (
            "multilingual"
            if candidate_language == POOL
            else "monolingual"
            if candidate_language == query_language
            else "cross-lingual"
        )
        by_setting.setdefault(setting, []).append(sum(values) / len(values))
    return {setting: sum(means) / len(means) for setting, means in by_setting.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_the_summary_is_that_of_plain_loops_where_questions_lack_languages(measure):
    _, evaluation = _random_evaluation(0)
    summary = evaluation.summary()
    found = {setting: summary[setting][measure] for setting in SETTINGS}
    assert found == pytest.approx(_summary_by_loops(evaluation, measure))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("measure", MEASURES)
def test_the_macro_mean_of_values_is_the_summary(setting, measure):
    _, evaluation = _random_evaluation(1)
    values = evaluation.values(setting, measure).values
    assert stats.macro_mean(values) == pytest.approx(evaluation.summary()[setting][measure])


def test_the_macro_mean_of_rank_distances_is_the_summary():
    _, evaluation = _random_evaluation(2)
    multilingual = evaluation.summary()["multilingual"]
    values = evaluation.values("multilingual", "rank_distance").values
    n_queries = len(evaluation.version_ranks())
    assert 0 < evaluation.left_out()["rank_distance"] == n_queries - (~np.isnan(values)).sum()
    assert stats.macro_mean(values) == pytest.approx(multilingual["rank_distance"])


@pytest.mark.parametrize("measure", BIAS_MEASURES)
def test_the_panel_is_the_mean_of_plain_loops_and_counts_whom_it_leaves_out(measure):
    _, evaluation = _random_evaluation(4)
    by_language: dict[str, list[float]] = {}
    rows = [row for row in evaluation.per_query.to_pylist() if row["candidate_language"] == POOL]
    for row in rows:
        if row[measure] == row[measure]:
            by_language.setdefault(row["query_language"], []).append(row[measure])
    expected = np.mean([np.mean(values) for values in by_language.values()])
    assert evaluation.summary()["multilingual"][measure] == pytest.approx(expected)
    assert stats.macro_mean(evaluation.values("multilingual", measure).values) == pytest.approx(expected)
    assert evaluation.left_out()[measure] == len(rows) - sum(map(len, by_language.values()))


class TestPictures:
    """What the figures of bias are made of, on questions that lack languages."""

    def test_rows_of_the_language_flow_sum_to_one(self):
        _, evaluation = _random_evaluation(5)
        flow = evaluation.language_flow()
        assert flow.shape == (4, 4) and (flow >= 0).all()
        assert flow.sum(axis=1) == pytest.approx(np.ones(4))

    def test_the_language_flow_is_the_mean_of_the_shares(self):
        task, evaluation = _random_evaluation(5)
        rows = [row for row in evaluation.per_query.to_pylist() if row["candidate_language"] == POOL]
        for code, language in enumerate(task.languages):
            shares = [np.array(row["top_languages"]) / 20 for row in rows if row["query_language"] == language]
            assert evaluation.language_flow()[code] == pytest.approx(np.mean(shares, axis=0))

    def test_a_language_without_queries_has_no_flow(self):
        task, embeddings = _without_queries()
        flow = evaluate_embeddings(*embeddings, task, name="one").language_flow()
        np.testing.assert_array_equal(flow, [[np.nan, np.nan], [1 / 3, 2 / 3]])

    def test_agreement_matrix_is_the_mean_over_the_questions_of_both_languages(self):
        task, evaluation = _random_evaluation(6)
        rows = [row for row in evaluation.per_query.to_pylist() if row["candidate_language"] == POOL]
        matrix = evaluation.agreement_matrix()
        assert matrix == pytest.approx(matrix.T)  # each question has one query a language
        for one, language in enumerate(task.languages):
            for two in range(len(task.languages)):
                pairs = [row["agreement_with"][two] for row in rows if row["query_language"] == language]
                expected = 1 if one == two else np.nanmean(pairs)
                assert matrix[one, two] == pytest.approx(expected)

    def test_languages_without_a_common_question_do_not_agree_or_disagree(self):
        task, embeddings = _without_queries()
        matrix = evaluate_embeddings(*embeddings, task, name="one").agreement_matrix()
        np.testing.assert_array_equal(matrix, [[1, np.nan], [np.nan, 1]])

    def test_agreement_of_no_sampled_question(self):
        random = np.random.default_rng(0)
        task = random_task(random, n_groups=5, languages="de en")
        evaluation = evaluate_embeddings(*tied_embeddings(random, task), task, name="one", n_agreement_groups=0)
        np.testing.assert_array_equal(evaluation.agreement_matrix(), [[1, np.nan], [np.nan, 1]])
        assert np.isnan(evaluation.summary()["multilingual"]["list_agreement"])
        assert evaluation.left_out()["list_agreement"] == len(task.queries)

    def test_version_ranks_hold_the_best_and_the_worst_rank(self):
        task, evaluation = _random_evaluation(7)
        rows = [row for row in evaluation.per_query.to_pylist() if row["candidate_language"] == POOL]
        ranks = evaluation.version_ranks()
        assert ranks.shape == (len(task.queries), 4) and np.isnan(ranks).any()
        assert np.nanmin(ranks, axis=1).tolist() == [row["best_rank"] for row in rows]
        assert np.nanmax(ranks, axis=1).tolist() == [row["worst_rank"] for row in rows]  # one version a language
        assert (~np.isnan(ranks)).sum(axis=1).tolist() == [row["n_relevant"] for row in rows]


def _without_queries() -> tuple[RetrievalTask, tuple[np.ndarray, np.ndarray]]:
    """Candidates in two languages, all questions in English."""
    task = RetrievalTask.from_rows(
        "half",
        [{"query_id": f"q{number}", "language": "en", "text": "question"} for number in range(2)],
        [{"candidate_id": f"c{number}", "language": tag, "text": "text"} for number, tag in enumerate(("de", "en", "en"))],
        [{"query_id": f"q{number}", "candidate_id": "c1"} for number in range(2)],
    )
    return task, (np.ones((2, 1), np.float32), np.ones((3, 1), np.float32))


def test_a_cell_holds_the_questions_that_have_an_answer_in_its_language():
    task, evaluation = _random_evaluation(3)
    language_of = {row["candidate_id"]: row["language"] for row in task.candidates.to_pylist()}
    expected = {(row["query_id"], language_of[row["candidate_id"]]) for row in task.relevance.to_pylist()}
    found = [
        (row["query_id"], row["candidate_language"])
        for row in evaluation.per_query.to_pylist()
        if row["candidate_language"] != POOL
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 2**32 - 1), st.permutations(["de", "en", "es", "th"]))
def test_renaming_languages_permutes_the_matrix(seed, new_names):
    random = np.random.default_rng(seed)
    task = random_task(random, n_groups=8, languages="de en es th")
    embeddings = tied_embeddings(random, task)
    rename = dict(zip(["de", "en", "es", "th"], new_names))

    def renamed(table: pa.Table) -> pa.Table:
        tags = [rename[tag] for tag in table.column("language").to_pylist()]
        return table.set_column(table.column_names.index("language"), "language", pa.array(tags))

    other = RetrievalTask("renamed", task.languages, renamed(task.queries), renamed(task.candidates), task.relevance)
    languages, before = evaluate_embeddings(*embeddings, task, name="one").matrix("average_precision")
    _, after = evaluate_embeddings(*embeddings, other, name="one").matrix("average_precision")
    place = [languages.index(rename[tag]) for tag in languages]
    assert after[np.ix_(place, place)] == pytest.approx(before, nan_ok=True)


def _chance(n_candidates: int, n_relevant: int) -> dict[str, float]:
    """Expectation of each measure under a random order of n candidates, m of them relevant with grade 1."""
    n, m = n_candidates, n_relevant
    first_at = [comb(n - rank, m - 1) / comb(n, m) for rank in range(1, n + 1)]  # probability that the first is there
    gain = sum(1 / log2(rank + 1) for rank in range(1, 11)) * m / n
    return {
        "average_precision": sum((1 + (rank - 1) * (m - 1) / (n - 1)) / rank for rank in range(1, n + 1)) / n,
        "recall_at_1": 1 / n,
        "recall_at_10": 10 / n,
        "ndcg_at_10": gain / sum(1 / log2(rank + 1) for rank in range(1, m + 1)),
        "reciprocal_rank": sum(share / rank for rank, share in enumerate(first_at, start=1)),
        "rank_distance": float(expected_rank_distance(n, m)),
    }


@pytest.fixture(scope="module")
def constant_summaries() -> list[dict]:
    """Summaries of a constant scorer over 300 tie orders: 12 parallel questions in 3 languages, 48 candidates."""
    languages = ["de", "en", "th"]
    candidates = [
        {"candidate_id": f"c{number}{tag}", "language": tag, "text": "passage"} for number in range(16) for tag in languages
    ]
    queries = [
        {"query_id": f"q{number}{tag}", "group_id": str(number), "language": tag, "text": "question"}
        for number in range(12)
        for tag in languages
    ]
    relevance = [
        {"query_id": f"q{number}{tag}", "candidate_id": f"c{number}{other}"}
        for number in range(12)
        for tag in languages
        for other in languages
    ]
    task = RetrievalTask.from_rows("constant", queries, candidates, relevance, languages)
    queries, candidates = np.ones((36, 2), np.float32), np.ones((48, 2), np.float32)
    return [evaluate_embeddings(queries, candidates, task, name="constant", seed=seed).summary() for seed in range(300)]


@pytest.mark.parametrize(
    ("setting", "n_candidates", "n_relevant", "measure"),
    [
        *(("multilingual", 48, 3, measure) for measure in (*MEASURES, "rank_distance")),
        *((setting, 16, 1, measure) for setting in ("monolingual", "cross-lingual") for measure in MEASURES),
    ],
)
def test_a_constant_scorer_scores_like_chance(constant_summaries, setting, n_candidates, n_relevant, measure):
    scores = np.array([summary[setting][measure] for summary in constant_summaries])
    standard_error = scores.std() / np.sqrt(len(scores))
    assert abs(scores.mean() - _chance(n_candidates, n_relevant)[measure]) < 4 * standard_error


def test_a_task_in_one_language_has_no_cross_lingual_score():
    random = np.random.default_rng(0)
    task = random_task(random, n_groups=5, languages="en")
    evaluation = evaluate_embeddings(*tied_embeddings(random, task), task, name="one")
    summary = evaluation.summary()
    assert all(np.isnan(value) for value in summary["cross-lingual"].values())
    assert np.isnan(summary["multilingual"]["rank_distance"])
    assert evaluation.left_out()["rank_distance"] == 5
    assert summary["monolingual"]["average_precision"] == summary["multilingual"]["average_precision"]
    assert evaluation.values("cross-lingual", "average_precision").values.shape == (5, 0)


def test_a_language_without_queries_has_an_empty_row():
    task = RetrievalTask.from_rows(
        "half",
        [{"query_id": "q", "language": "de", "text": "question"}],
        [{"candidate_id": "c", "language": "en", "text": "passage"}],
        [{"query_id": "q", "candidate_id": "c"}],
    )
    evaluation = evaluate_embeddings(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), task, name="one")
    assert evaluation.matrix("recall_at_1")[1] == pytest.approx(np.array([[np.nan, 1], [np.nan, np.nan]]), nan_ok=True)


def test_an_evaluation_survives_the_disk(hand, tmp_path):
    hand.write(tmp_path / "new" / "evaluation.parquet")
    again = Evaluation.read(tmp_path / "new" / "evaluation.parquet")
    assert (again.task_name, again.model_name, again.languages, again.tie_seed) == ("hand", "mock", ("de", "en"), 0)
    np.testing.assert_equal(again.per_query.to_pydict(), hand.per_query.to_pydict())  # takes NaN as equal to NaN
    assert again.per_query.schema.equals(SCHEMA) and hand.per_query.schema.equals(SCHEMA)
    assert (again.summary(), again.left_out()) == (hand.summary(), hand.left_out())
    for read in ("language_flow", "agreement_matrix", "version_ranks"):
        np.testing.assert_array_equal(getattr(again, read)(), getattr(hand, read)())


def test_an_evaluation_with_gaps_survives_the_disk(tmp_path):
    _, evaluation = _random_evaluation(8)
    evaluation.write(tmp_path / "evaluation.parquet")
    again = Evaluation.read(tmp_path / "evaluation.parquet")
    np.testing.assert_equal(again.per_query.to_pydict(), evaluation.per_query.to_pydict())
    np.testing.assert_equal(again.summary(), evaluation.summary())
    for read in ("language_flow", "agreement_matrix", "version_ranks"):
        np.testing.assert_array_equal(getattr(again, read)(), getattr(evaluation, read)())


def test_an_evaluation_of_another_version_is_refused(hand, tmp_path):
    hand.write(tmp_path / "old.parquet")
    pq.write_table(pq.read_table(tmp_path / "old.parquet").drop_columns(["cover_rank"]), tmp_path / "old.parquet")
    seal(tmp_path / "old.parquet")
    with pytest.raises(ValueError, match="are those of another version: evaluate again"):
        Evaluation.read(tmp_path / "old.parquet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.parquet", "it is not there"),
        ("other.parquet", "it has no other.parquet.checksum"),
        ("sealed.parquet", "not an evaluation"),
    ],
)
def test_a_file_that_is_no_evaluation_is_refused(name, message, tmp_path):
    for other in ("other", "sealed"):
        pq.write_table(pa.table({"a": [1]}), tmp_path / f"{other}.parquet")
    seal(tmp_path / "sealed.parquet")
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        Evaluation.read(tmp_path / name)


def test_no_flipped_bit_of_a_kept_evaluation_is_read(hand, tmp_path):
    path = tmp_path / "hand.parquet"
    hand.write(path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for bit in random.choice(8 * len(whole), 200, replace=False):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"hand\.parquet: damaged"):
            Evaluation.read(path)


def test_several_queries_of_a_group_in_one_language_have_no_one_value():
    task = RetrievalTask.from_rows(
        "twice",
        [{"query_id": query, "group_id": "g", "language": "en", "text": "question"} for query in "ab"],
        [{"candidate_id": "c", "language": "en", "text": "passage"}],
        [{"query_id": query, "candidate_id": "c"} for query in "ab"],
    )
    evaluation = evaluate_embeddings(np.ones((2, 1), np.float32), np.ones((1, 1), np.float32), task, name="one")
    assert evaluation.summary()["monolingual"]["recall_at_1"] == 1
    with pytest.raises(ValueError, match="twice: group 'g' has several queries in one language"):
        evaluation.values("monolingual", "recall_at_1")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda evaluation: evaluation.values("mono", "recall_at_1"), "setting 'mono' is not known"),
        (lambda evaluation: evaluation.values("monolingual", "mAP"), "measure 'mAP' is not known"),
        (lambda evaluation: evaluation.matrix("query_id"), "measure 'query_id' is not known"),
        (lambda evaluation: evaluation.matrix("rank_distance"), "rank_distance is defined in the pool only"),
    ],
)
def test_unknown_names_are_refused(hand, call, message):
    with pytest.raises(ValueError, match=message):
        call(hand)


def test_mean_values_is_the_plain_mean(hand):
    values = hand.values("monolingual", "average_precision")
    halved = type(values)(values.group_ids, values.cells, values.values / 2)
    mean = mean_values([values, halved])
    assert mean.values == pytest.approx(values.values * 0.75)
    assert (mean.group_ids, mean.cells) == (values.group_ids, values.cells)


def test_mean_of_values_that_do_not_align_is_refused(hand):
    with pytest.raises(ValueError, match=r"runs\[1\] has other"):
        mean_values([hand.values("monolingual", "recall_at_1"), hand.values("cross-lingual", "recall_at_1")])


def test_mean_of_no_values_is_refused():
    with pytest.raises(ValueError, match="runs is empty"):
        mean_values([])


class CountingModel:
    """Stands for a model: letters counted, twice as many for a query; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def encode_query(self, texts, **arguments):
        return 2 * self.encode_document(texts, **arguments)

    def encode_document(self, texts, batch_size, show_progress_bar, convert_to_numpy):
        self.asked.append(list(texts))
        return np.array([[text.count("a"), text.count("b")] for text in texts], np.float64)


@pytest.fixture
def letters() -> RetrievalTask:
    return RetrievalTask.from_rows(
        "letters",
        [{"query_id": str(number), "language": "en", "text": text} for number, text in enumerate(["aab", "b", "aab"])],
        [{"candidate_id": str(number), "language": "en", "text": text} for number, text in enumerate(["a", "b", "c", "b"])],
        [{"query_id": str(number), "candidate_id": "1"} for number in range(3)],
    )


def test_a_text_is_encoded_once(letters):
    model = CountingModel()
    encode_task(model, letters)
    assert model.asked == [["aab", "b"], ["a", "b", "c"]]


def test_embeddings_have_length_one_or_zero(letters):
    queries, candidates = encode_task(CountingModel(), letters)
    assert (queries.dtype, candidates.dtype) == (np.float32, np.float32)
    assert queries == pytest.approx(np.array([[2, 1], [0, np.sqrt(5)], [2, 1]]) / np.sqrt(5))
    assert candidates.tolist() == [[1, 0], [0, 1], [0, 0], [0, 1]]


def test_evaluate_encodes_and_ranks(letters):
    evaluation = evaluate(CountingModel(), letters, name="counting", seed=5)
    # Query b: candidates 1 and 3 tie at the top. Query aab: candidate 0 is first, then the tie.
    ranks = {row["query_id"]: row["best_rank"] for row in evaluation.per_query.to_pylist()}
    assert ranks["0"] == ranks["2"] == ranks["1"] + 1
    assert (evaluation.model_name, evaluation.tie_seed) == ("counting", 5)


def test_the_prompts_of_a_sentence_transformer_are_used():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "question": 1, "passage": 2, "hello": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=np.eye(4, dtype=np.float32))],
        prompts={"query": "question ", "document": "passage "},
        device="cpu",
    )
    task = RetrievalTask.from_rows(
        "prompts",
        [{"query_id": "q", "language": "en", "text": "hello"}],
        [{"candidate_id": "c", "language": "en", "text": "hello"}],
        [{"query_id": "q", "candidate_id": "c"}],
    )
    queries, candidates = encode_task(model, task)
    assert queries == pytest.approx(np.array([[0, 1, 0, 1]]) / np.sqrt(2))
    assert candidates == pytest.approx(np.array([[0, 0, 1, 1]]) / np.sqrt(2))
