"""Which weights are trained, and what the others stay."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import Dense
from test_trainer import (
    CONFIG,
    CORPUS,
    HYBRID,
    Interrupted,
    assert_same_weights,
    encoder,
    one_thread as one_thread,
    scripted,
    weights,
)

from kit.train.checkpoints import TRAINED
from kit.train.config import TrainingConfig
from kit.train.encoders.trainable import training_only
from kit.train.trainer import fine_tune

lora = pytest.mark.skipif(not importlib.util.find_spec("peft"), reason="peft is not installed: pip install peft")
PARTS = ["all-but-words", "last:1", "last:2", pytest.param("lora:4", marks=lora)]


def dense():
    """A transformer of two layers with a trained layer behind it."""
    transformer, pooling, normalize = encoder("tiny")
    model = SentenceTransformer(modules=[transformer, pooling, Dense(32, 8), normalize], device="cpu")
    model.prompts = encoder("tiny").prompts
    return model


def train(folder, trainable, model=None, validation=None, log=lambda line: None, **changes):
    model, config = model or dense(), CONFIG.changed(trainable=trainable, **changes)
    fine_tune(model, [CORPUS], HYBRID, config, folder, 3, validation, log)
    return model


def places(model):
    """Weights by where they stand: words, other embeddings, layer 0, layer 1, behind; the pooler is used by nobody."""
    found = {}
    for name, weight in weights(model).items():
        layer = name.split("encoder.layer.")[-1][0] if "encoder.layer." in name else ""
        place = (
            f"layer {layer}"
            if layer
            else "words"
            if "word_embeddings" in name
            else "embeddings"
            if ".embeddings." in name
            else "behind"
            if name.startswith("2.")
            else "pooler"
        )
        found.setdefault(place, {})[name] = weight
    return found


CHANGED = {
    "all": {"words", "embeddings", "layer 0", "layer 1", "behind"},
    "all-but-words": {"embeddings", "layer 0", "layer 1", "behind"},
    "last:2": {"layer 0", "layer 1", "behind"},
    "last:1": {"layer 1", "behind"},
}


@pytest.mark.parametrize("trainable", CHANGED)
def test_what_is_frozen_stays_to_the_bit_and_the_rest_learns(tmp_path, trainable):
    before, after = places(dense()), places(train(tmp_path, trainable))
    assert {
        place
        for place in before
        if any(not torch.equal(weight, after[place][name]) for name, weight in before[place].items())
    } == CHANGED[trainable]


@pytest.mark.parametrize("trainable", PARTS)
def test_the_model_is_a_plain_one_again(tmp_path, trainable):
    model = train(tmp_path, trainable)
    loaded = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert weights(loaded).keys() == weights(dense()).keys()
    assert_same_weights(weights(loaded), weights(model))
    np.testing.assert_array_equal(loaded.encode(["一 가"]), model.encode(["一 가"]))
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("trainable", PARTS)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, trainable):
    whole = train(tmp_path / "whole", trainable, validation=scripted([0.0] * 4))
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", trainable, validation=scripted([0.0] * 4, stop_at=2))
    assert_same_weights(weights(train(tmp_path / "parts", trainable, validation=scripted([0.0] * 2))), weights(whole))


@pytest.mark.parametrize("trainable", PARTS)
def test_the_best_model_comes_back(tmp_path, monkeypatch, trainable):
    monkeypatch.setattr("kit.train.trainer._fast_in_bf16", lambda model: False)  # in which validations are computed, too
    shown, scores = [], iter([0.9, 0.1, 0.1, 0.1])

    def validation(model):
        shown.append(model.encode(["一"]))
        return {"score": next(scores)}

    model = train(tmp_path, trainable, validation=validation, patience=3)
    np.testing.assert_allclose(model.encode(["一"]), shown[0], atol=1e-6)
    assert len(shown) == 4 and not np.allclose(shown[0], shown[3], atol=1e-4)


def test_a_checkpoint_and_the_optimiser_hold_what_is_trained(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, "last:1", validation=scripted([0.0] * 4, stop_at=1))
    names = set(torch.load(tmp_path / "checkpoint-3" / TRAINED, weights_only=True))
    assert {name.split(".")[0] for name in names} == {"0", "2"}
    assert not [name for name in names if "layer.0" in name or "embeddings" in name]
    moved = torch.load(tmp_path / "checkpoint-3" / "optimizer.pt", weights_only=True)["state"]
    assert len(moved) == len([name for name in names if "pooler" not in name])


class TestDropout:
    @pytest.mark.parametrize(
        ("trainable", "at_rest"),
        [("all", set()), ("all-but-words", set()), ("last:1", {"embeddings", "0"}), ("last:2", {"embeddings"})],
    )
    def test_frozen_parts_know_none(self, trainable, at_rest):
        model = dense()
        transformer = model[0].auto_model
        first, second = (layer.output.dropout for layer in transformer.encoder.layer)
        seen = set()
        for name, drop in {"embeddings": transformer.embeddings.dropout, "0": first, "1": second}.items():
            drop.register_forward_pre_hook(lambda one, _, name=name: None if one.training else seen.add(name))
        with training_only(model, trainable):
            model.train()
            model(model.preprocess(["一"]))
        assert seen == at_rest
        seen.clear()
        model.train()
        model(model.preprocess(["一"]))
        assert seen == set()


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "trainable", "words"),
        [
            ("tiny", "last:3", "trainable is 'last:3', and the encoder has 2 layers: choose up to last:2"),
            ("static", "last:1", "'last:1', which is for transformers, and this encoder is a StaticEmbedding: choose 'all'"),
            ("static", "all-but-words", "trainable is 'all-but-words', which is for transformers"),
            ("static", "lora:2", "trainable is 'lora:2', which is for transformers"),
        ],
    )
    def test_weights_that_the_encoder_does_not_have(self, tmp_path, name, trainable, words):
        model = encoder(name)
        with pytest.raises(ValueError, match=words):
            train(tmp_path, trainable, model)
        assert all(weight.requires_grad for weight in model.parameters()) and not list(tmp_path.iterdir())

    def test_adapters_without_peft(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "peft", None)
        with pytest.raises(ValueError, match=r"trainable is 'lora:8': install peft \(pip install peft\)"):
            train(tmp_path, "lora:8")

    @pytest.mark.parametrize("trainable", ["", "last", "last:0", "last:-1", "lora:", "last:1.5", "words", "last:1\n"])
    def test_other_words(self, trainable):
        with pytest.raises(ValueError, match=r"trainable is .*: choose all, all-but-words, last:N"):
            TrainingConfig(trainable=trainable)


@lora
class TestAdapters:
    def test_only_linear_maps_of_the_layers_change(self, tmp_path):
        before, after = weights(dense()), weights(train(tmp_path, "lora:2"))
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert {name for name in changed if not name.startswith("2.")} == {
            name for name in before if "encoder.layer" in name and name.endswith("weight") and "LayerNorm" not in name
        }

    def test_the_rank_is_that_of_the_change(self, tmp_path):
        before, after = weights(dense()), weights(train(tmp_path, "lora:2"))
        name = "0.model.encoder.layer.1.output.dense.weight"
        assert torch.linalg.matrix_rank((after[name] - before[name]).double(), rtol=1e-4) == 2

    def test_the_seed_decides_and_other_streams_stay(self):
        first = []
        for seed in (0, 0, 1):
            model, state = dense(), torch.get_rng_state()
            with training_only(model, "lora:2", seed):
                first.append(next(weight for name, weight in model.named_parameters() if "lora_A" in name).detach().clone())
            assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])


def test_routes_are_treated_alike(tmp_path):
    transformer, pooling, _ = encoder("tiny")
    other, pooling_of_other, _ = encoder("tiny", seed=1)
    router = Router.for_query_document([transformer, pooling], [other, pooling_of_other])
    model = SentenceTransformer(modules=[router], device="cpu")
    before = weights(model)
    train(tmp_path, "last:1", model)
    changed = {name for name, weight in weights(model).items() if not torch.equal(weight, before[name])}
    assert {name.split(".")[2] for name in changed} == {"query", "document"}
    assert all("layer.1" in name for name in changed)
