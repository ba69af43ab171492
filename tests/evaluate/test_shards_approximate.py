"""Approximate search: what it finds is ranked exactly, and what it loses is measured in recall and in rank distance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from test_shards_panel import made_task, pool_of, written

from kit.evaluate.shards import approximate
from kit.evaluate.shards.approximate import evaluate_approximately
from kit.evaluate.shards.panel import evaluate_pool


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A task over 10,025 passages in shards, and random rows of length 1; a query is a candidate itself."""
    random = np.random.default_rng(0)
    task = made_task(random, 5, 10_010)
    queries, rows = (random.standard_normal((n, 4), np.float32) for n in (len(task.queries), len(task.candidates)))
    queries, rows = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, rows))
    pool = pool_of(tmp_path_factory.mktemp("shards"), task, rows, 2000)
    return task, queries, pool, evaluate_pool(queries, pool, task, n_agreement_groups=0, device="cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "notebooks").mkdir()
    return folder


@pytest.fixture(autouse=True)
def few_in_a_file(home, monkeypatch):
    monkeypatch.setattr(approximate, "_A_FILE", 4000)
    monkeypatch.setenv("KIT_HOME", str(home))


def test_who_looks_at_all_lists_finds_what_an_exact_search_finds(made, monkeypatch):
    task, queries, pool, exact = made
    monkeypatch.setattr(approximate, "_N_PROBES", 10**6)
    monkeypatch.setattr(approximate, "DEPTH", 10**6)
    lines = []
    found, cost = evaluate_approximately(queries, pool, task, device="cpu", log=lines.append)
    assert written(found.evaluation.per_query) == written(exact.evaluation.per_query)
    distance = exact.evaluation.per_query.to_pandas().rank_distance.mean()
    assert (cost.n_queries, cost.recall, cost.error, cost.rank_distance) == (14, 1, 0, pytest.approx(distance))
    assert lines[0].startswith("  learning 208 lists and codes of 1 bytes") and lines[-1] == "  10,025 passages indexed"


def test_what_is_not_found_stands_behind_what_is(made, home, monkeypatch):
    task, queries, pool, _ = made
    monkeypatch.setattr(approximate, "_N_PROBES", 8)
    monkeypatch.setattr(approximate, "DEPTH", 50)
    lines = []
    found, cost = evaluate_approximately(queries, pool, task, n_exact=6, device="cpu", log=lines.append)
    assert not lines and len(list((home / "data" / "cache" / "approximate").iterdir())) == 1  # the index of the first test
    there = found.evaluation.per_query.to_pandas()
    assert (there.worst_rank <= 50 + there.n_relevant).all() and (there.worst_rank > 50).any()
    assert (cost.n_queries, cost.approximate < cost.rank_distance, cost.error > 1000) == (6, True, True)
    assert 0.1 < cost.recall < 1
    assert str(cost).startswith(f"approximate: recall {cost.recall:.3f}; rank distance")
    assert f"exact {cost.rank_distance:,.0f}, mean error {cost.error:,.0f} (on 6 questions" in str(cost)


def test_ranks_by_hand():
    """Passages 0 to 3 are German, 4 and 5 English; of the list 4, 0, 2 the relevant 1, 3 and 5 are not found."""

    class Asked:
        languages = ("de", "en")
        query, row = np.zeros(4, np.int64), np.array([1, 2, 3, 5])

        class pool:
            parts = (SimpleNamespace(language="de"), SimpleNamespace(language="en"))
            part_of = staticmethod(lambda rows: np.searchsorted([4, 6], rows, side="right"))

    ranks = approximate._ranks(Asked, np.array([[4, 0, 2, -1]]), np.array([[3, 2, 1, -np.inf]]))
    assert ranks.pool_rank.tolist() == [4, 3, 5, 6] and ranks.cell_rank.tolist() == [3, 2, 4, 2]


def test_refuses(made, monkeypatch):
    task, queries, pool, _ = made
    with pytest.raises(ValueError, match="n_exact is 0: choose at least 1"):
        evaluate_approximately(queries, pool, task, n_exact=0)
    monkeypatch.setattr(approximate, "LEAST", 10_026)
    with pytest.raises(ValueError, match="10,025 passages: an exact search is quicker below 10,026: search exactly"):
        evaluate_approximately(queries, pool, task)
