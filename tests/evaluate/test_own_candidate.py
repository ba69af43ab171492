"""A query that is a candidate itself: every number is that of the same query against the candidates without it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from test_search import CPU_AND_TORCH, random_task, tied_embeddings

from kit.data.corpus import RetrievalTask
from kit.data.pools import pooled
from kit.evaluate.bias.list_agreement import spearman
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.bias.panel import chance, parallel_groups
from kit.evaluate.bias.top_lists import mean_of_present
from kit.evaluate.debias.remedies import balanced
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.scores import lay_out
from kit.evaluate.search import search


def own_task(random: np.random.Generator, n_groups: int = 8) -> RetrievalTask:
    """A task of three languages where some queries are candidates, and some candidates have the id of a query only."""
    base = random_task(random, n_groups)
    queries = base.queries.set_column(3, "text", base.queries["query_id"])
    alike = queries.filter(pa.array(random.random(len(queries)) < 0.5)).select(["query_id", "language", "text"])
    added = alike.set_column(2, "text", pc.if_else(pa.array(random.random(len(alike)) < 0.8), alike["text"], "another"))
    candidates = pa.concat_tables([base.candidates, added.rename_columns(base.candidates.column_names)])
    made = RetrievalTask("made", base.languages, queries, candidates, base.relevance)
    assert 0 < (made.own_candidate >= 0).sum() < len(queries)
    return made


def without(task: RetrievalTask, rows: np.ndarray) -> tuple[RetrievalTask, np.ndarray]:
    """A task of some queries, without the candidates that are one of them; and the indices of the candidates that stay."""
    left_out = task.own_candidate[rows]
    stays = np.setdiff1d(np.arange(len(task.candidates)), left_out)
    queries = task.queries.take(pa.array(rows))
    relevance = task.relevance.filter(pc.is_in(task.relevance["query_id"], value_set=queries["query_id"].combine_chunks()))
    return RetrievalTask("made", task.languages, queries, task.candidates.take(pa.array(stays)), relevance), stays


def rows_of(evaluation: Evaluation) -> dict[tuple[str, str], dict]:
    return {(row["query_id"], row["candidate_language"]): row for row in evaluation.per_query.to_pylist()}


@pytest.mark.parametrize("seed", range(4))
def test_every_number_of_a_query_is_that_of_a_task_without_its_own_candidate(seed):
    random = np.random.default_rng(seed)
    task = own_task(random)
    queries, candidates = tied_embeddings(random, task)
    found = rows_of(evaluate_embeddings(queries, candidates, task, "made", seed))
    n_rows = 0
    for query in range(len(task.queries)):
        alone, stays = without(task, np.array([query]))
        for key, expected in rows_of(evaluate_embeddings(queries[[query]], candidates[stays], alone, "made", seed)).items():
            row = dict(found[key])
            for name in ("list_agreement", "agreement_with"):  # of several queries
                row.pop(name), expected.pop(name)
            lists = ("top_languages", "top_candidates", "version_ranks")
            assert [row.pop(name) for name in lists] == [expected.pop(name) for name in lists]
            assert row == pytest.approx(expected, nan_ok=True, abs=0), key
            n_rows += 1
    assert n_rows == len(found)


@CPU_AND_TORCH
@pytest.mark.parametrize("chunk_size", [3, 100])
def test_lists_agree_on_the_candidates_that_all_of_them_hold(device, chunk_size):
    random = np.random.default_rng(7)
    task = own_task(random)
    queries, candidates = tied_embeddings(random, task)
    groups = parallel_groups(task)
    found = search(
        *(queries, candidates, task), groups=groups, of_group=spearman, chunk_size=chunk_size, device=device
    ).of_groups
    assert any((task.own_candidate[rows] >= 0).sum() > 1 for rows in groups)
    for rows, correlation in zip(groups, found, strict=True):
        _, stays = without(task, rows)
        assert correlation == pytest.approx(spearman(queries[rows] @ candidates[stays].T), abs=1e-12)


def test_the_first_column_is_left_out_as_the_others_are():
    random = np.random.default_rng(7)
    task = own_task(random)
    queries, candidates = tied_embeddings(random, task)
    seed = next(seed for seed in range(99) if lay_out(candidates, task, seed).candidate[0] in task.own_candidate)
    query = np.flatnonzero(task.own_candidate == lay_out(candidates, task, seed).candidate[0])
    (scores,) = search(queries, candidates, task, groups=[query], of_group=np.copy, seed=seed, device="cpu").of_groups
    assert scores.shape == (1, len(task.candidates) - 1) and np.isfinite(scores).all()


@CPU_AND_TORCH
def test_the_top_holds_all_but_the_query(device):
    random = np.random.default_rng(3)
    task = own_task(random)
    n = len(task.candidates) - 1
    embeddings = tied_embeddings(random, task)
    top = search(*embeddings, task, k=n, device=device).top
    assert not (top == task.own_candidate[:, None]).any()
    assert all(len(set(row)) == n for row in top.tolist())
    with pytest.raises(ValueError, match=f"k is {n + 1}: choose 0 to {n}, the number of candidates of made"):
        search(*embeddings, task, k=n + 1, device=device)


def test_no_change_of_scores_brings_it_back():
    random = np.random.default_rng(4)
    task = own_task(random)
    embeddings = tied_embeddings(random, task)
    on_top = lambda scores, query, candidate: np.where(candidate == task.own_candidate[query][:, None], 9.0, scores).astype(
        "f"
    )
    for before, after in zip(*(vars(search(*embeddings, task, rescore=one).ranks).values() for one in (None, on_top))):
        np.testing.assert_array_equal(before, after)


def test_a_remedy_that_counts_places_does_not_count_it():
    random = np.random.default_rng(5)
    task = own_task(random)
    queries, candidates = tied_embeddings(random, task)
    ranks = _balanced_ranks(task, queries, candidates)
    for query in np.flatnonzero(task.own_candidate >= 0):
        alone, stays = without(task, np.array([query]))
        assert _balanced_ranks(alone, queries[[query]], candidates[stays]) == {
            key: rank for key, rank in ranks.items() if key[0] == task.queries["query_id"][query].as_py()
        }


def _balanced_ranks(task: RetrievalTask, queries: np.ndarray, candidates: np.ndarray) -> dict[tuple[str, str], int]:
    tags = np.array(task.languages)
    asked, held = tags[task.query_language], tags[task.candidate_language]
    rescore = lambda scores, query, candidate: balanced(scores, asked[query], held[candidate])
    ranks = search(queries, candidates, task, rescore=rescore).ranks.pool_rank.tolist()
    ids = task.queries["query_id"].to_pylist(), task.candidates["candidate_id"].to_pylist()
    return {(ids[0][query], ids[1][found]): rank for (query, found, _), rank in zip(task.relevant_pairs, ranks)}


@pytest.mark.parametrize("seed", range(2))
def test_chance_is_the_mean_over_tasks_without_it(seed):
    task = own_task(np.random.default_rng(seed), n_groups=14)
    alone = [chance(without(task, np.array([query]))[0]) for query in range(len(task.queries))]
    expected = chance(task)
    for measure in PANEL:
        if measure.column == "list_agreement":  # of several queries
            continue
        values = np.array([one[measure.column] for one in alone])
        by_language = [mean_of_present(values[task.query_language == code][None])[0] for code in range(len(task.languages))]
        assert expected[measure.column] == pytest.approx(np.nanmean(by_language), nan_ok=True), measure.column


@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_encoder_is_perfect_whatever_the_seed_of_the_ties(seed):
    """Queries are candidates, and texts stand twice: an encoder that embeds equal texts alike has no other error to make."""
    pairs = {"a": "Yes.", "b": "No.", "c": "Maybe.", "d": "Never."}
    rows = [*pairs.items(), ("b2", "No."), ("d2", "Never."), ("d3", "Never.")]
    answer_to = {"a": "b", "b": "d2", "c": "a"}
    made = RetrievalTask.from_rows(
        "made",
        [{"query_id": key, "language": "en", "text": pairs[key]} for key in answer_to],
        [{"candidate_id": key, "language": "en", "text": text} for key, text in rows],
        [{"query_id": query, "candidate_id": answer} for query, answer in answer_to.items()],
    )
    with pytest.warns(UserWarning):
        task = pooled(made, "here")
    place = {text: number for number, text in enumerate(pairs.values())}
    candidates = np.eye(4, dtype=np.float32)[[place[text] for text in task.candidates["text"].to_pylist()]]
    answers = np.eye(4, dtype=np.float32)[[place[dict(rows)[answer]] for answer in answer_to.values()]]
    itself = np.eye(4, dtype=np.float32)[[place[text] for text in task.queries["text"].to_pylist()]]
    summary = evaluate_embeddings(answers + 2 * itself, candidates, task, "perfect", seed).summary()
    assert {summary[setting]["ndcg_at_10"] for setting in ("monolingual", "multilingual")} == {1.0}
