"""Tokens kept on disk: a transformer reads the same to the last bit, and cuts a text once."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from test_encoders import TEXTS, make, weights
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

from kit.data.corpus import ParallelCorpus
from kit.train import trainer
from kit.train.config import TrainingConfig
from kit.train.samplers import Sampling
from kit.train.tokens import kept
from kit.train.tokens.kept import kept_tokens

LONG = "a text that is longer than the sixteen tokens which the encoder reads, and so is cut short, whatever it says"
ROWS = [
    {"group_id": str(n), "language": "en", "query": text, "passage": text[::-1], "negatives": [LONG[n:], text * 2]}
    for n, text in enumerate([*TEXTS, "", LONG])
]
CORPUS = ParallelCorpus.from_rows([row for row in ROWS if row["query"]], "made")
CONFIG = TrainingConfig(updates=6, batch_size=4, learning_rate=0.001, evaluations=2, hard_negatives=1)
ASKED = ["Query: " + row["query"] for row in ROWS if row["query"]]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "_AT_ONCE", 4)  # several batches
    return tmp_path / "data" / "cache" / "tokens"


def of_bert(folder):
    """A transformer whose tokenizer tells types of tokens, as LaBSE's does."""
    wordpiece = BertWordPieceTokenizer()
    wordpiece.train_from_iterator([*TEXTS, LONG], vocab_size=300, show_progress=False)
    wordpiece.save_model(str(folder))
    config = BertConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=16)
    return SentenceTransformer(modules=[transformer, Pooling(32)], prompts={"query": "Query: "}, device="cpu")


def two_towers(folder):
    return SentenceTransformer(
        modules=[Router.for_query_document([*make("tiny")], [*make("tiny", seed=1, max_tokens=12)])], device="cpu"
    )


def left(folder):
    model = make("tiny")
    model.tokenizer.padding_side = "left"
    return model


MODELS = {"tiny": lambda folder: make("tiny"), "left": left, "types of tokens": of_bert, "two towers": two_towers}


@pytest.fixture(params=MODELS)
def model(request, tmp_path):
    (tmp_path / "model").mkdir()
    return MODELS[request.param](tmp_path / "model")


def read(model):
    """What a model gets of the training's texts, and of others."""
    prompts = {"query": "Query: ", "document": "Passage: "} if "document" in model.prompts else {}
    ours = [row["query"] for row in ROWS if row["query"]]
    features = [model.preprocess(ours, prompt=prompts.get("query") or model.prompts.get("query"), task="query")]
    features.append(model.preprocess(["never seen 漢字", *ours], prompt=None, task="query"))
    features.append(model.preprocess([text[::-1] for text in ours], prompt=prompts.get("document"), task="document"))
    return features


def refuse(*args, **options):
    raise AssertionError("a text is cut")


def same(one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]


def test_a_model_reads_the_same_to_the_last_bit(model, cache):
    alone = read(model)
    with kept_tokens(model, [CORPUS], CONFIG):
        for one, other in zip(read(model), alone, strict=True):
            same(one, other)
    assert len(list(cache.iterdir())) == (2 if isinstance(model[0], Router) else 1)


def test_texts_of_the_training_are_not_cut_again():
    model = make("tiny")
    with kept_tokens(model, [CORPUS], CONFIG):
        model[0].processor._encode_plus = refuse
        model.preprocess(ASKED)
        with pytest.raises(AssertionError, match="a text is cut"):
            model.preprocess([*ASKED, "another"])


def test_texts_one_after_the_other_as_flash_attention_reads_them():
    model = make("tiny")
    of_texts = {"truncation": "longest_first", "return_attention_mask": False}
    of_modality = {"text": of_texts, "audio": {}, "image": {}, "video": {}}
    alone = model[0]._call_processor("text", {"text": ASKED}, of_modality, {})
    with kept_tokens(model, [CORPUS], CONFIG):
        model[0].processor._encode_plus = refuse
        assert model[0]._call_processor("text", {"text": ASKED}, of_modality, {}) == dict(alone)


def test_a_call_that_asks_for_something_else_is_the_tokenizers():
    model = make("tiny")
    alone = model.preprocess(ASKED, processing_kwargs={"text": {"max_length": 5}})
    with kept_tokens(model, [CORPUS], CONFIG):
        same(model.preprocess(ASKED, processing_kwargs={"text": {"max_length": 5}}), alone)


@pytest.mark.parametrize("name", ["tiny", "two towers"])
def test_weights_are_the_same_to_the_last_bit(tmp_path, monkeypatch, name):
    def train(folder):
        model = MODELS[name](tmp_path)
        trainer.fine_tune(model, [CORPUS], Sampling.parse("En-En"), CONFIG, tmp_path / folder, log=str)
        return weights(model)

    with monkeypatch.context() as without:
        without.setattr(trainer, "kept_tokens", lambda *args: nullcontext())
        alone = train("alone")
    kept_ones = train("kept")
    assert alone.keys() == kept_ones.keys()
    assert all(torch.equal(alone[name], kept_ones[name]) for name in alone)


def test_the_next_training_finds_them(monkeypatch):
    with kept_tokens(make("tiny"), [CORPUS], CONFIG):
        pass
    monkeypatch.setattr(kept, "_write", refuse)
    with kept_tokens(make("tiny", seed=1), [CORPUS], CONFIG):
        pass


@pytest.mark.parametrize("other", [{"max_tokens": 12}, {"vocabulary_size": 60}], ids=["limit", "tokenizer"])
def test_another_tokenizer_or_limit_has_its_own(cache, other):
    for options in ({}, other):
        with kept_tokens(make("tiny", **options), [CORPUS], CONFIG):
            pass
    assert len([folder for folder in cache.iterdir() if folder.is_dir()]) == 2


def test_a_damaged_file_is_made_again_and_said(cache):
    alone = read(make("tiny"))
    with kept_tokens(make("tiny"), [CORPUS], CONFIG):
        pass
    [file] = cache.glob("*/tokens.arrow")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    lines = []
    model = make("tiny")
    with kept_tokens(model, [CORPUS], CONFIG, lines.append):
        same(read(model)[0], alone[0])
    [line] = lines
    assert "made again" in line and "damaged" in line


@pytest.mark.parametrize(
    ("name", "config"),
    [("static", CONFIG), ("tiny", CONFIG.model_copy(update={"updates": 1}))],
    ids=["static", "few updates"],
)
def test_nothing_is_kept_where_it_does_not_pay(cache, name, config):
    with kept_tokens(make(name), [CORPUS], config):
        pass
    assert not cache.exists()


def test_outside_a_checkout_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "nowhere"))
    model = make("tiny")
    with kept_tokens(model, [CORPUS], CONFIG):
        assert "_call_processor" not in vars(model[0])


def test_afterwards_the_model_cuts_texts_itself_whatever_happened():
    model = make("tiny")
    with pytest.raises(KeyboardInterrupt), kept_tokens(model, [CORPUS], CONFIG):
        raise KeyboardInterrupt
    assert "_call_processor" not in vars(model[0])


def test_texts_whose_digests_share_their_first_half_are_told_apart(monkeypatch):
    """Of two such texts one is kept, and the other is cut."""
    digests = kept._digests

    def alike(prompt, texts):
        made = digests(prompt, texts).copy()
        made[:, 0] = 7
        return made

    monkeypatch.setattr(kept, "_digests", alike)
    model = make("tiny")
    alone = model.preprocess(ASKED)
    with kept_tokens(model, [CORPUS], CONFIG):
        same(model.preprocess(ASKED), alone)
        assert len(np.unique(alone["input_ids"].numpy(), axis=0)) == len(ASKED)
