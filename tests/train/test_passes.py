"""How a batch goes through a transformer: in passes, with another attention, compiled, it learns the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling
from test_trainer import CONFIG, CORPUS, HYBRID, assert_same_weights, encoder, one_thread as one_thread, weights

from kit.train.config import TrainingConfig
from kit.train.cost import Meter
from kit.train.encoders.passes import passing
from kit.train.losses import InfoNCE
from kit.train.trainer import fine_tune

TEXTS = ["一" * 9, "一", "一 丁 七 万", "丁", "七 万", "一 丁" * 3]
CLUSTERS = torch.arange(len(TEXTS))


@pytest.fixture
def tiny():
    """A transformer without dropout, whose numbers would go by the shapes of passes."""
    model = encoder("tiny")
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    for layer in model[0].auto_model.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    return model.train()


def gradients(model, **changes):
    """Loss, gradients, and share of padding of one batch."""
    meter = Meter(model, len(TEXTS))
    model.zero_grad()
    with passing(model, CONFIG.changed(**changes)), meter.watching():
        columns = [model.preprocess(texts) for texts in (TEXTS, TEXTS[::-1])]
        loss = InfoNCE(model)(columns, CLUSTERS)
        loss.backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    return loss.item(), found, 1 - sum(int(read[1]) for read in meter.read.values()) / meter.n_computed


class TestPasses:
    @pytest.mark.parametrize("pass_tokens", [1, 8, 30])
    def test_loss_and_gradients_are_those_of_the_whole_batch(self, tiny, pass_tokens):
        loss, whole, padding = gradients(tiny)
        cut_loss, cut, cut_padding = gradients(tiny, pass_tokens=pass_tokens)
        assert cut_loss == pytest.approx(loss, abs=1e-6) and cut.keys() == whole.keys()
        for name in whole:
            torch.testing.assert_close(cut[name], whole[name], rtol=1e-4, atol=1e-6, msg=name)
        assert cut_padding < 0.6 * padding

    def test_padding_on_the_left_is_left_out_too(self, tiny):
        tiny.tokenizer.padding_side = "left"
        assert gradients(tiny, pass_tokens=8)[2] < gradients(tiny)[2] / 2

    def test_what_fits_goes_in_one_pass(self, tiny):
        assert gradients(tiny, pass_tokens=10_000)[2] == gradients(tiny)[2]


class TestAttention:
    def test_eager_attention_gives_the_same(self, tiny):
        loss, whole, _ = gradients(tiny)
        other_loss, other, _ = gradients(tiny, attention="eager")
        assert other_loss == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(
            other["0.model.embeddings.word_embeddings.weight"],
            whole["0.model.embeddings.word_embeddings.weight"],
            rtol=1e-3,
            atol=1e-6,
        )

    @pytest.mark.skipif(torch.cuda.is_available(), reason="expects a machine without a GPU")
    def test_flash_attention_needs_a_gpu(self, tiny):
        refused = "attention is 'flash_attention_2', which needs a GPU, and this device is a cpu: choose sdpa"
        with pytest.raises(ValueError, match=refused), passing(tiny, CONFIG.changed(attention="flash_attention_2")):
            pass


def test_a_transformer_is_compiled_while_it_learns(tiny, monkeypatch):
    """What is compiled is what a training calls; the compiler itself, which takes half a minute, is stood in for."""
    asked, called = [], []

    def compiled(function, **options):
        asked.append((function, options))
        return lambda *given, **named: called.append(1) or function(*given, **named)

    monkeypatch.setattr(torch, "compile", compiled)
    transformer, before = tiny[0].auto_model, tiny.encode_query(["a query"])
    plain = transformer.forward
    with passing(tiny, CONFIG.changed(compile=True)):
        assert asked == [(plain, {"dynamic": True})] and not called
        assert np.array_equal(tiny.encode_query(["a query"]), before) and called
    n_calls = len(called)
    assert transformer.forward == plain and np.array_equal(tiny.encode_query(["a query"]), before) and len(called) == n_calls


@pytest.mark.parametrize("changes", [{"attention": "eager"}, {"compile": True}, {"pass_tokens": 8}], ids=str)
def test_other_encoders_have_no_choice(changes):
    ((name, value),) = changes.items()
    refused = f"{name} is {value!r}, which is for transformers, and this encoder is a StaticEmbedding: leave it out"
    with pytest.raises(ValueError, match=refused), passing(encoder(), CONFIG.changed(**changes)):
        pass


def test_two_ways_to_cut_a_batch_are_one_too_many():
    with pytest.raises(ValueError, match="pass_tokens is 8 and mini_batch 4: both cut a batch: choose one"):
        TrainingConfig(pass_tokens=8, mini_batch=4)


def test_pooling_and_dense_layer_of_labse_are_kept_and_trained(tmp_path):
    """LaBSE reads its first token and has a dense layer with tanh after it."""
    start = encoder("tiny")
    dense = Dense(32, 32, activation_function=torch.nn.Tanh())
    model = SentenceTransformer(modules=[start[0], Pooling(32, pooling_mode="cls"), dense, Normalize()], device="cpu")
    model.prompts, attention = dict(start.prompts), start[0].config._attn_implementation
    before = dense.linear.weight.detach().clone()
    recipe = CONFIG.changed(pass_tokens=16, attention="eager")
    fine_tune(model, [CORPUS], HYBRID, recipe, tmp_path, log=lambda line: None)
    assert model.forward.__func__ is SentenceTransformer.forward and model[0].config._attn_implementation == attention
    loaded = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert [type(part).__name__ for part in loaded] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert loaded[1].pooling_mode == "cls" and isinstance(loaded[2].activation_function, torch.nn.Tanh)
    assert not torch.equal(loaded[2].linear.weight, before)
    assert_same_weights(weights(loaded), weights(model))
