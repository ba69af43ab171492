"""Mined hard negatives: like the query, and no answer to it, however it is written."""

from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from test_trainer import encoder

from kit.data.corpus import ParallelCorpus
from kit.run.cli.commands import main
from kit.train.negatives.mining import mine_negatives

# Passages of three clusters; the first question has two answers in German, the second's is equal to it in the loss.
ROWS = [
    ("1", "de", "Q1", "a", "A"),
    ("2", "de", "Q1", "b", "B"),
    ("3", "de", "Q3", "c", "C"),
    ("4", "de", "Q4", "d", "D"),
    ("1", "en", "Q1 en", "a en", "A"),
    ("3", "en", "Q3 en", "c en", "C"),
]
SIMILAR = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.5, "a en": 0.6, "c en": 0.5}
"""Of each passage to every query."""


@pytest.fixture
def corpus():
    keys = ("group_id", "language", "query", "passage", "cluster_id")
    return ParallelCorpus.from_rows([dict(zip(keys, row)) for row in ROWS], "made")


@pytest.fixture
def model(monkeypatch):
    """Queries are (1, 0); a passage lies at the angle that its similarity says."""
    made = encoder()
    of = lambda texts, sides: np.array([sides(text) for text in texts], np.float32)
    monkeypatch.setattr(SentenceTransformer, "encode_query", lambda self, texts, **kept: of(texts, lambda text: (1, 0)))
    angle = lambda text: (SIMILAR[text], (1 - SIMILAR[text] ** 2) ** 0.5)
    monkeypatch.setattr(SentenceTransformer, "encode_document", lambda self, texts, **kept: of(texts, angle))
    return made


def negatives(corpus):
    return [row["negatives"] for row in corpus.table.to_pylist()]


def test_the_most_similar_that_answer_nothing_are_taken_in_the_language_of_the_row(model, corpus):
    lines = []
    found = mine_negatives(model, corpus, 2, margin=0, log=lines.append)
    # "a" and "b" both answer Q1, in two groups; Q3 and Q4 may be told from them.
    assert negatives(found) == [["c", "d"], ["c", "d"], ["a", "b"], ["a", "b"], ["c en"], ["a en"]]
    assert lines == ["2 of 6 rows have fewer than 2 negatives: a smaller margin finds more"]
    assert found.table.drop_columns("negatives").equals(corpus.table.drop_columns("negatives"))


def test_what_is_nearly_as_similar_as_the_answer_may_be_one(model, corpus):
    found = mine_negatives(model, corpus, 1, margin=0.2, log=lambda line: None)
    # At most 0.8 of the similarity of the least similar answer: 0.64 for Q1, 0.56 for Q3, 0.4 for Q4.
    assert negatives(found)[:4] == [["d"], ["d"], ["d"], []]


@pytest.mark.parametrize(
    ("changes", "refused"), [({"n_negatives": 0}, "n_negatives is 0"), ({"margin": 2}, "margin 2 is not")]
)
def test_refusals(model, corpus, changes, refused):
    with pytest.raises(ValueError, match=refused):
        mine_negatives(model, corpus, **{"n_negatives": 1} | changes)


def test_the_command_writes_a_corpus_to_train_on(model, corpus, tmp_path, monkeypatch, capsys):
    corpus.write(tmp_path / "mine.jsonl")
    monkeypatch.setattr("kit.train.encoders.loading.load_encoder", lambda name: model)
    target = tmp_path / "hard.jsonl"
    typed = ["negatives", f"jsonl:{tmp_path / 'mine.jsonl'}", "some/model", str(target), "-n", "1", "--margin", "0"]
    assert main(typed) == 0
    assert [len(one) for one in negatives(ParallelCorpus.read(target))] == [1] * 6
    assert main(typed) == 1 and "is there already" in capsys.readouterr().err
