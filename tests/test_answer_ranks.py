"""Where the versions of one answer land: by hand, and as the whole evaluation has it."""

from __future__ import annotations

import numpy as np
import pytest
from test_search import random_task

from kit.corpus import RetrievalTask
from kit.evaluate import answer_ranks, evaluate
from kit.evaluation import POOL


class _Model:
    """Maps texts to given vectors and counts what it is asked."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors, self.asked = vectors, []

    def _encode(self, texts: list[str], **options) -> np.ndarray:
        self.asked.append(texts)
        return np.array([self.vectors[text] for text in texts], np.float32)

    encode_query = encode_document = _encode


# Candidates are one-hot, so the query holds the score of each; one has two answers in German, none in Spanish.
SCORES = {"a-de": 0.5, "a2-de": 0.9, "a-en": 0.1, "x-en": 0.8, "x-es": 0.7, "x-de": 0.2}
TASK = RetrievalTask.from_rows(
    "hand",
    [{"query_id": "q1", "language": "de", "text": "eins"}, {"query_id": "q2", "language": "en", "text": "two"}],
    [{"candidate_id": key, "language": key[-2:], "text": key} for key in SCORES],
    [{"query_id": "q1", "candidate_id": key} for key in ("a-de", "a2-de", "a-en")]
    + [{"query_id": "q2", "candidate_id": "x-es"}],
)


@pytest.fixture
def model() -> _Model:
    vectors = dict(zip(SCORES, np.eye(len(SCORES)).tolist()))
    return _Model(vectors | {"eins": list(SCORES.values()), "two": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]})


def test_the_best_answer_of_each_language_in_the_pool(model):
    # a2-de 1, x-en 2, x-es 3, a-de 4, x-de 5, a-en 6: the pool counts all languages, German its better answer.
    assert answer_ranks(model, TASK, "q1") == {"de": 1, "en": 6}


def test_one_answer(model):
    assert answer_ranks(model, TASK, "q2") == {"es": 5}


def test_only_the_one_question_is_encoded(model):
    answer_ranks(model, TASK, "q2")
    assert model.asked[0] == ["two"]


def test_ranks_are_plain_numbers(model):
    assert {type(rank) for rank in answer_ranks(model, TASK, "q1").values()} == {int}


def test_an_unknown_question_is_refused(model):
    with pytest.raises(ValueError, match="hand: no query 'q3'"):
        answer_ranks(model, TASK, "q3")


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_whole_evaluation_ties_and_all(seed):
    random = np.random.default_rng(seed)
    made = random_task(random, n_groups=8, languages="de en th")
    columns = [
        table.column(name).to_pylist() for table, name in ((made.queries, "query_id"), (made.candidates, "candidate_id"))
    ]
    # The same task, with texts that a model can tell apart.
    task = RetrievalTask(
        made.name,
        made.languages,
        *(
            table.set_column(table.column_names.index("text"), "text", [names])
            for table, names in zip((made.queries, made.candidates), columns)
        ),
        made.relevance,
    )
    # Unit vectors of four directions and their opposites: exact scores, most of them equal.
    signed = np.concatenate([np.eye(4), -np.eye(4)])
    vectors = [{name: signed[random.integers(8)].tolist() for name in names} for names in columns]
    model = _Model(vectors[0] | vectors[1])
    for row in evaluate(model, task).per_query.to_pylist():
        if row["candidate_language"] == POOL:
            ranks = answer_ranks(model, task, row["query_id"])
            assert (min(ranks.values()), max(ranks.values())) == (row["best_rank"], row["worst_rank"])
