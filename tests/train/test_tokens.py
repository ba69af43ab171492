"""Remembered tokens: nothing changes but the time."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from test_encoders import TEXTS, make, weights

from kit.data.corpus import ParallelCorpus
from kit.train import trainer
from kit.train.config import TrainingConfig
from kit.train.samplers import Sampling
from kit.train.tokens import remembered as tokens
from kit.train.tokens.remembered import remembered_tokens

ROWS = [{"group_id": str(n), "language": "en", "query": text, "passage": text[::-1]} for n, text in enumerate(TEXTS)]
CONFIG = TrainingConfig(updates=6, batch_size=4, learning_rate=0.1, evaluations=2)


class Counting:
    """A tokenizer that keeps which texts it was asked for."""

    def __init__(self, tokenizer):
        self.tokenizer, self.asked = tokenizer, []

    def encode_batch(self, texts, add_special_tokens):
        self.asked += texts
        return self.tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


@pytest.fixture(autouse=True)
def nothing_known():
    tokens._memory.cache_clear()


@pytest.fixture
def counted():
    """A static encoder, and the texts that its tokenizer has cut."""
    model = make("static")
    model[0].tokenizer = Counting(model[0].tokenizer)
    return model, model[0].tokenizer.asked


def train(folder, model=None):
    model = model or make("static")
    trainer.fine_tune(model, [ParallelCorpus.from_rows(ROWS, "made")], Sampling.parse("En-En"), CONFIG, folder, log=str)
    return weights(model)


def test_embeddings_are_the_same_to_the_last_bit():
    model, texts = make("static"), [*TEXTS, "", TEXTS[0], "\u200b", "never seen 漢字 " * 50]
    alone = [encode(texts) for encode in (model.encode, model.encode_query, model.encode_document)]
    with remembered_tokens(model):
        for _ in range(2):  # the second time out of memory
            again = [encode(texts) for encode in (model.encode, model.encode_query, model.encode_document)]
            np.testing.assert_array_equal(again, alone)


@pytest.mark.parametrize("room", [tokens.ROOM, 700, 0])
def test_weights_are_the_same_to_the_last_bit(tmp_path, monkeypatch, room):
    with monkeypatch.context() as without:
        without.setattr(trainer, "remembered_tokens", lambda model: nullcontext())
        alone = train(tmp_path / "alone")
    monkeypatch.setattr(tokens, "ROOM", room)
    trained = train(tmp_path / "remembered")
    assert alone.keys() == trained.keys()
    assert all(torch.equal(alone[name], trained[name]) for name in alone)


def test_no_text_is_cut_twice(counted):
    model, asked = counted
    with remembered_tokens(model):
        for texts in (TEXTS[:2] + TEXTS[:1], TEXTS[:3], TEXTS[:3]):
            model.encode(texts)
    assert sorted(asked) == sorted(TEXTS[:3])


def test_a_training_cuts_no_text_twice(counted, tmp_path):
    model, asked = counted
    train(tmp_path, model)
    assert len(asked) == len(set(asked)) > 2 * len(ROWS)  # with the prompts, and without for the model card


def test_the_next_model_with_an_equal_tokenizer_knows_the_texts(counted):
    first = make("static", seed=1)
    with remembered_tokens(first):
        first.encode(TEXTS)
    model, asked = counted
    with remembered_tokens(model):
        model.encode(TEXTS)
    assert asked == []


def test_a_model_with_another_tokenizer_knows_nothing_of_them():
    first, other = make("static"), make("static", vocabulary_size=60)
    with remembered_tokens(first), remembered_tokens(other):
        first.encode(TEXTS)
        with_memory = other.encode(TEXTS)
    np.testing.assert_array_equal(with_memory, other.encode(TEXTS))


def test_texts_are_remembered_while_there_is_room(counted, monkeypatch):
    model, asked = counted
    texts = ["a" * 10, "b" * 1000, "c" * 20]  # with the prompt of ``encode``, which is none
    monkeypatch.setattr(tokens, "ROOM", 2 * tokens._OF_A_TEXT + 30)
    with remembered_tokens(model):
        for _ in range(2):
            model.encode(texts)
    assert sorted(asked) == sorted([*texts, texts[1]])  # the long one found no room, the two short ones just did


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
def test_a_copy_made_meanwhile_has_the_plain_tokenizer(copied):
    model = make("static")
    with remembered_tokens(model):
        other = copied(model)
    assert type(other[0].tokenizer) is type(model[0].tokenizer)
    np.testing.assert_array_equal(other.encode(TEXTS), model.encode(TEXTS))


def test_a_model_can_be_saved_meanwhile(tmp_path):
    model = make("static")
    with remembered_tokens(model):
        model.save_pretrained(str(tmp_path))
    loaded = SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_array_equal(loaded.encode(TEXTS), model.encode(TEXTS))


def test_afterwards_the_model_has_its_own_tokenizer_whatever_happened():
    model = make("static")
    own = model[0].tokenizer
    with pytest.raises(KeyboardInterrupt), remembered_tokens(model):
        assert model[0].tokenizer is not own
        raise KeyboardInterrupt
    assert model[0].tokenizer is own


def test_other_encoders_are_left_alone():
    model = make("tiny")
    own = model[0].tokenizer
    with remembered_tokens(model):
        assert model[0].tokenizer is own


def test_special_tokens_are_refused():
    model = make("static")
    with remembered_tokens(model), pytest.raises(ValueError, match="special tokens"):
        model[0].tokenizer.encode_batch(TEXTS, add_special_tokens=True)
