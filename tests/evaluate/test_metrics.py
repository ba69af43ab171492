"""Measures: worked by hand, against scikit-learn and ranx, and their edges."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from test_search import random_task, tied_embeddings

from kit.evaluate import metrics
from kit.evaluate.metrics import ranked_lists
from kit.evaluate.search import search

RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
qrels, run, names = json.load(sys.stdin)
scores = evaluate(Qrels(qrels), Run(run), names, return_mean=False)
print(json.dumps({name: values.tolist() for name, values in scores.items()}))
"""


@pytest.fixture
def two_lists():
    """List 3 has relevant candidates at ranks 1, 4 and 12 with grades 1, 3 and 2; list 8 has one, at rank 20."""
    return ranked_lists(np.array([8, 3, 3, 3]), np.array([20, 12, 1, 4]), np.array([1, 2, 1, 3]))


def test_lists_are_sorted(two_lists):
    assert two_lists.list_id.tolist() == [3, 8]
    assert two_lists.n_relevant.tolist() == [3, 1]
    assert two_lists.rank.tolist() == [1, 4, 12, 20]
    assert two_lists.position.tolist() == [1, 2, 3, 1]


def test_a_list_comes_before_the_next_whatever_its_ranks():
    lists = ranked_lists(np.array([1, 0]), np.array([1, 5]))
    assert (lists.list_id.tolist(), lists.rank.tolist(), lists.start.tolist()) == ([0, 1], [5, 1], [0, 1])


def test_languages_are_sorted_with_their_candidates():
    # List 3 in order of rank: 1 (language 2), 4 (language 0), 12 (language 1); list 8 has one, of language 5.
    lists = ranked_lists(np.array([8, 3, 3, 3]), np.array([20, 12, 1, 4]), language=np.array([5, 1, 2, 0], np.int32))
    assert lists.language.tolist() == [2, 0, 1, 5]
    assert lists.language.dtype == np.int64


def test_without_languages_all_are_the_first(two_lists):
    assert two_lists.language.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ([0, -1], r"language\[1\] is -1: indices of languages start at 0"),
        ([0], r"language has shape \(1,\)"),
        ([0.0, 1.0], "language has shape .* float64"),
    ],
)
def test_bad_languages_are_refused(language, message):
    with pytest.raises(ValueError, match=message):
        ranked_lists(np.array([1, 1]), np.array([1, 2]), language=np.array(language))


def test_average_precision(two_lists):
    # Precision at the ranks of the three: 1/1, 2/4, 3/12.
    assert metrics.average_precision(two_lists) == pytest.approx([(1 + 1 / 2 + 1 / 4) / 3, 1 / 20])


def test_reciprocal_rank(two_lists):
    assert metrics.reciprocal_rank(two_lists) == pytest.approx([1, 1 / 20])


@pytest.mark.parametrize(("k", "expected"), [(1, [1 / 3, 0]), (10, [2 / 3, 0]), (20, [1, 1])])
def test_recall(two_lists, k, expected):
    assert metrics.recall(two_lists, k) == pytest.approx(expected)


def test_ndcg(two_lists):
    # Top 10 of list 3: grade 1 at rank 1 and grade 3 at rank 4; the best list has grades 3, 2, 1 at ranks 1, 2, 3.
    gain = 1 / np.log2(2) + 3 / np.log2(5)
    best = 3 / np.log2(2) + 2 / np.log2(3) + 1 / np.log2(4)
    assert metrics.ndcg(two_lists, 10) == pytest.approx([gain / best, 0])


def test_ndcg_cuts_the_best_list_too(two_lists):
    # At k = 1 the best list has one candidate, of grade 3.
    assert metrics.ndcg(two_lists, 1) == pytest.approx([1 / 3, 0])


def test_best_and_worst_rank(two_lists):
    assert metrics.best_rank(two_lists).tolist() == [1, 20]
    assert metrics.worst_rank(two_lists).tolist() == [12, 20]


def test_no_list_gives_no_score():
    empty = ranked_lists(np.zeros(0, np.int64), np.zeros(0, np.int64))
    for measure in (metrics.average_precision, metrics.reciprocal_rank, lambda lists: metrics.ndcg(lists, 10)):
        assert measure(empty).shape == (0,)


@pytest.mark.parametrize(
    ("ids", "ranks", "grades", "message"),
    [
        ([1, 1], [2, 2], [1, 1], "rank 2 stands twice in list 1"),
        ([0, 1, 1, 1], [5, 7, 3, 7], [1, 1, 1, 1], "rank 7 stands twice in list 1"),
        ([1, 1], [1, 2], [1], r"grade has shape \(1,\)"),
        ([1, 1], [1, 2], [1.0, 1.0], "grade has shape .* float64"),
        ([1, 1], [0, 2], [1, 1], r"rank\[0\] is 0"),
        ([1, 1], [1, 2], [1, 0], r"grade\[1\] is 0"),
        ([1], [1, 2], [1, 1], "list_id has shape"),
        ([1, 1], [1.0, 2.0], [1, 1], "rank has shape .* float64"),
    ],
)
def test_bad_lists_are_refused(ids, ranks, grades, message):
    with pytest.raises(ValueError, match=message):
        ranked_lists(np.array(ids), np.array(ranks), np.array(grades))


@pytest.mark.parametrize("measure", [metrics.recall, metrics.ndcg])
def test_bad_cut_is_refused(two_lists, measure):
    with pytest.raises(ValueError, match="k is 0"):
        measure(two_lists, 0)


def _relevance_matrix(task):
    relevance = np.zeros((len(task.queries), len(task.candidates)), np.int64)
    relevance[task.relevant_pairs[:, 0], task.relevant_pairs[:, 1]] = task.relevant_pairs[:, 2]
    return relevance


def _pool_lists(queries, candidates, task):
    query, _, grade = task.relevant_pairs.T
    return ranked_lists(query, search(queries, candidates, task, device="cpu").ranks.pool_rank, grade)


def test_average_precision_is_that_of_scikit_learn_on_scores_without_ties():
    random = np.random.default_rng(0)
    task = random_task(random, n_groups=40)
    queries = random.normal(size=(len(task.queries), 16)).astype(np.float32)
    candidates = random.normal(size=(len(task.candidates), 16)).astype(np.float32)
    relevance, scores = _relevance_matrix(task) > 0, queries.astype(np.float64) @ candidates.T.astype(np.float64)
    expected = [average_precision_score(*row) for row in zip(relevance, scores)]
    assert metrics.average_precision(_pool_lists(queries, candidates, task)) == pytest.approx(expected)


@pytest.fixture(scope="module")
def tied():
    """A task with many tied scores; its lists; and scores without ties that have the same order."""
    random = np.random.default_rng(1)
    task = random_task(random, n_groups=30)
    embeddings = tied_embeddings(random, task)
    order = search(*embeddings, task, k=len(task.candidates), device="cpu").top
    untied = np.empty(order.shape)
    np.put_along_axis(untied, order, -np.arange(order.shape[1], dtype=float)[None], axis=1)
    return task, _pool_lists(*embeddings, task), untied


def test_average_precision_is_that_of_scikit_learn_on_broken_ties(tied):
    task, lists, untied = tied
    expected = [average_precision_score(*row) for row in zip(_relevance_matrix(task) > 0, untied)]
    assert metrics.average_precision(lists) == pytest.approx(expected)


@pytest.fixture(scope="module")
def ranx_scores(tied):
    """Scores by ranx, in a process of its own without compilation, which would take longer than all tests together."""
    task, _, untied = tied
    names = [f"d{index:04d}" for index in range(untied.shape[1])]
    qrels = {
        f"q{row:04d}": {names[index]: int(grades[index]) for index in np.flatnonzero(grades)}
        for row, grades in enumerate(_relevance_matrix(task))
    }
    run = {f"q{row:04d}": dict(zip(names, scores.tolist())) for row, scores in enumerate(untied)}
    question = json.dumps([qrels, run, ["map", "mrr", "recall@1", "recall@10", "ndcg@10"]])
    answer = subprocess.run(
        [sys.executable, "-c", RANX],
        input=question,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("map", metrics.average_precision),
        ("mrr", metrics.reciprocal_rank),
        ("recall@1", lambda lists: metrics.recall(lists, 1)),
        ("recall@10", lambda lists: metrics.recall(lists, 10)),
        ("ndcg@10", lambda lists: metrics.ndcg(lists, 10)),
    ],
)
def test_measures_are_those_of_ranx(tied, ranx_scores, name, measure):
    assert measure(tied[1]) == pytest.approx(ranx_scores[name])
