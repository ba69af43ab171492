"""Smaller tasks: what is kept, how much, and that it does not depend on what else is there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings as examples, strategies as st
from test_search import random_task

from kit.data.corpus import RetrievalTask

TASK = random_task(np.random.default_rng(0), n_groups=30, n_others=40)


def _ids(task: RetrievalTask, part: str) -> list[str]:
    return getattr(task, part).column({"queries": "query_id", "candidates": "candidate_id"}[part]).to_pylist()


def _groups(task: RetrievalTask) -> set[str]:
    return set(task.queries.column("group_id").to_pylist())


def _pairs(task: RetrievalTask) -> set[tuple]:
    return {tuple(row.values()) for row in task.relevance.to_pylist()}


@given(st.integers(1, 40), st.integers(0, 200), st.integers(0, 5))
@examples(max_examples=40, deadline=None, database=None)
def test_what_is_kept(n_groups, n_candidates, seed):
    small = TASK.sample(n_groups, n_candidates, seed)
    assert len(_groups(small)) == min(n_groups, 30)
    # Whole groups, with all their answers.
    assert _ids(small, "queries") == [
        row["query_id"] for row in TASK.queries.to_pylist() if row["group_id"] in _groups(small)
    ]
    assert _pairs(small) == {pair for pair in _pairs(TASK) if pair[0] in _ids(small, "queries")}
    # Answers are never dropped; others fill up, as far as there are any.
    n_answers = len({candidate for _, candidate, _ in _pairs(small)})
    assert len(_ids(small, "candidates")) == min(max(n_candidates, n_answers), len(TASK.candidates))
    assert (small.name, small.languages) == (TASK.name, TASK.languages)


def test_all_of_it_is_the_task():
    small = TASK.sample(1000, 1000)
    assert all(
        getattr(small, part).to_pylist() == getattr(TASK, part).to_pylist()
        for part in ("queries", "candidates", "relevance")
    )


def test_rows_keep_their_order():
    small = TASK.sample(7, 50)
    for part in ("queries", "candidates"):
        order = [_ids(TASK, part).index(name) for name in _ids(small, part)]
        assert order == sorted(order)


def test_the_same_seed_gives_the_same_task_and_another_one_another():
    one, same, other = (TASK.sample(7, 50, seed) for seed in (0, 0, 1))
    assert all(_ids(one, part) == _ids(same, part) for part in ("queries", "candidates"))
    assert _groups(one) != _groups(other)


def test_a_larger_sample_holds_the_smaller_one():
    assert _groups(TASK.sample(5, 50)) < _groups(TASK.sample(9, 50))


def test_the_order_of_the_files_plays_no_part():
    turned = RetrievalTask(
        TASK.name,
        TASK.languages,
        *(
            getattr(TASK, part).take(list(range(len(getattr(TASK, part)))[::-1]))
            for part in ("queries", "candidates", "relevance")
        ),
    )
    one, two = TASK.sample(7, 50), turned.sample(7, 50)
    assert all(set(_ids(one, part)) == set(_ids(two, part)) for part in ("queries", "candidates"))


def test_a_group_keeps_its_place_when_others_go():
    chosen = _groups(TASK.sample(7, 50))
    rest = sorted(chosen)[:3] + sorted(_groups(TASK) - chosen)
    queries = TASK.queries.filter([row["group_id"] in rest for row in TASK.queries.to_pylist()])
    names = set(queries.column("query_id").to_pylist())
    smaller = RetrievalTask(
        TASK.name,
        TASK.languages,
        queries,
        TASK.candidates,
        TASK.relevance.filter([row["query_id"] in names for row in TASK.relevance.to_pylist()]),
    )
    assert set(sorted(chosen)[:3]) <= _groups(smaller.sample(7, 50))


def test_the_task_is_not_changed():
    before = TASK.queries.to_pylist(), TASK.candidates.to_pylist(), TASK.relevance.to_pylist()
    TASK.sample(3, 10)
    assert (TASK.queries.to_pylist(), TASK.candidates.to_pylist(), TASK.relevance.to_pylist()) == before


def test_no_group_is_refused():
    with pytest.raises(ValueError, match="no queries"):
        TASK.sample(0, 10)
