"""A static encoder that is taken out of a transformer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from kit.core import paths
from kit.train.config import EncoderConfig
from kit.train.encoders import distilled
from kit.train.encoders.distilled import narrowed, take_out, token_vectors, weighted_components
from kit.train.encoders.loading import load_encoder, quiet
from kit.train.encoders.making import PROMPTS, make_encoder, xlmr_shaped

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
TOKENS = ["a", "b", "c", "d", "e"]


def transformer(seed: int = 0) -> SentenceTransformer:
    """A transformer of 16 dimensions that knows five words."""
    words = {token: number for number, token in enumerate([*SPECIAL, *TOKENS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    torch.manual_seed(seed)
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL))
    return xlmr_shaped(PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names), 16, n_layers=1, max_tokens=16)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    transformer().save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A project with an empty cache."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def taken_out(folder: Path, texts: list[str], dimension: int = 16):
    return take_out(str(folder), load_encoder(str(folder)), dimension, texts)


def rows(static) -> dict[str, np.ndarray]:
    table = static.embedding.weight.detach().numpy()
    return {token: table[number] for token, number in static.tokenizer.get_vocab().items()}


def cosines(vectors: np.ndarray) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


class TestVectors:
    def test_a_token_is_encoded_by_itself(self):
        model = transformer()
        found = token_vectors(model, model.tokenizer.convert_tokens_to_ids(TOKENS))
        np.testing.assert_allclose(found, model.encode(TOKENS), atol=1e-6)

    def test_with_all_components_the_cosines_are_those_of_the_model(self, saved):
        model, static = load_encoder(str(saved)), taken_out(saved, ["a b b c", "d e a"])
        found, own = rows(static), model.encode([*TOKENS, *SPECIAL])
        mean = np.average(own, axis=0, weights=[2, 2, 1, 1, 1, 1, 1, 1, 1])  # a and b stand in the texts twice
        wanted = cosines((own - mean)[:5])
        np.testing.assert_allclose(cosines(np.stack([found[token] for token in TOKENS])), wanted, atol=1e-4)

    def test_weights_by_hand(self):
        # Frequencies 1/4 and 3/4, mean 1: 3 and -1 about it, which weigh 1 / (1 + 1) and 1 / (1 + 3).
        found = weighted_components(np.array([[4.0], [0.0]]), np.array([1, 3]), 1, sif=0.25)
        np.testing.assert_allclose(found[:, 0], np.array([1.5, -0.25]) / np.sqrt((1.5**2 + 0.25**2) / 2), rtol=1e-6)

    def test_what_varies_most_is_kept(self):
        vectors = np.array([[1.0, 5.0, 0.0], [1.0, -5.0, 0.0], [-1.0, 0.0, 0.1], [-1.0, 0.0, -0.1]])
        found = weighted_components(vectors, np.ones(4), 2, sif=np.inf)
        expected = vectors[:, [1, 0]] / np.sqrt(np.square(vectors[:, :2]).mean())
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_a_token_that_is_never_seen_counts_once(self):
        vectors = np.arange(3.0)[:, None]
        np.testing.assert_array_equal(
            weighted_components(vectors, np.array([0, 2, 1]), 1), weighted_components(vectors, np.array([1, 2, 1]), 1)
        )


class TestKept:
    def test_once_and_the_same_in_another_place(self, saved, home, monkeypatch):
        first = rows(taken_out(saved, ["a b", "c"], 3))
        shutil.rmtree(paths.cache())
        again = rows(taken_out(saved, ["a b", "c"], 3))
        monkeypatch.setattr(distilled, "token_vectors", None)  # nobody is asked a second time
        kept = rows(taken_out(saved, ["c", "a b"], 3))
        assert all((first[token] == again[token]).all() and (first[token] == kept[token]).all() for token in first)
        assert len(list((paths.cache() / "starts").iterdir())) == 1

    @pytest.mark.parametrize("what", ["weights", "dimension", "texts", "versions", "code"])
    def test_what_makes_another(self, saved, tmp_path, monkeypatch, what):
        texts = ["a b c"]
        taken_out(saved, texts, 3)
        if what == "weights":
            transformer(seed=1).save_pretrained(str(tmp_path / "other"), create_model_card=False)
            saved = tmp_path / "other"
        elif what in ("versions", "code"):
            name = {"versions": "versions", "code": "code_fingerprint"}[what]
            monkeypatch.setattr(distilled, name, lambda *modules: "other")
        taken_out(saved, [*texts, "a"] if what == "texts" else texts, 4 if what == "dimension" else 3)
        assert len(list((paths.cache() / "starts").iterdir())) == 2

    def test_the_same_model_elsewhere_is_the_same(self, saved, tmp_path):
        shutil.copytree(saved, tmp_path / "copy")
        assert (rows(taken_out(saved, ["a"]))["a"] == rows(taken_out(tmp_path / "copy", ["a"]))["a"]).all()
        assert len(list((paths.cache() / "starts").iterdir())) == 1


class TestEncoder:
    def test_is_static_with_the_words_of_the_texts_and_the_prompts_of_the_model(self, saved, tmp_path):
        model = transformer()
        model.prompts.update({"query": "d ", "passage": ""})
        model.save_pretrained(str(tmp_path / "prompted"), create_model_card=False)
        made = make_encoder(EncoderConfig(name=f"static:{tmp_path / 'prompted'}", dimension=4), iter(["a", "b"]), seed=0)
        assert made.prompts == {"query": "d ", "document": ""}
        assert set(made.tokenizer.get_vocab()) == {*SPECIAL, "a", "b", "d"}
        np.testing.assert_array_equal(made.encode_query("a"), made.encode("d a"))
        made.save_pretrained(str(tmp_path / "static"))
        with quiet():
            loaded = SentenceTransformer(str(tmp_path / "static"), device="cpu")
        np.testing.assert_array_equal(loaded.encode(["a b", "c"]), made.encode(["a b", "c"]))

    def test_without_prompts_and_with_dropout_as_from_scratch(self, saved):
        config = EncoderConfig(name=f"static:{saved}", dimension=4, dropout=0.5)
        made, plain = (make_encoder(one, ["a"], seed=0) for one in (config, config.changed(dropout=0.0)))
        assert made.prompts == PROMPTS
        assert [type(module).__name__ for module in made] == ["StaticEmbedding", "Dropout", "Normalize"]
        np.testing.assert_array_equal(made.encode("a"), plain.encode("a"))

    def test_more_numbers_than_the_model_has(self, saved):
        with pytest.raises(
            ValueError, match=r"^dimension is 17, and vectors of encoder '.*' have 16 numbers: choose at most 16"
        ):
            make_encoder(EncoderConfig(name=f"static:{saved}", dimension=17), ["a"], seed=0)

    def test_no_transformer_to_ask(self, tmp_path):
        static = make_encoder(EncoderConfig(name="static", dimension=4), ["a"], seed=0)
        with pytest.raises(ValueError, match=r"^encoder 'static:org/static': 'org/static' is no transformer"):
            take_out("org/static", static, 4, ["a"])


TEXTS = ["low lower lowest", "new newer newest", "wide wider widest"] * 3


@pytest.mark.parametrize("kind", ["BPE", "Unigram", "WordPiece"])
def test_a_narrowed_tokenizer_cuts_the_texts_as_before(kind):
    trainer_of = {
        "BPE": trainers.BpeTrainer(special_tokens=["<unk>"], vocab_size=60, show_progress=False),
        "Unigram": trainers.UnigramTrainer(special_tokens=["<unk>"], unk_token="<unk>", vocab_size=40, show_progress=False),
        "WordPiece": trainers.WordPieceTrainer(special_tokens=["<unk>"], vocab_size=60, show_progress=False),
    }
    options = {} if kind == "Unigram" else {"unk_token": "<unk>"}
    tokenizer = Tokenizer(getattr(models, kind)(**options))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(TEXTS, trainer_of[kind])
    tokenizer.add_tokens(["<mark>"])
    seen = {token for text in TEXTS[:2] for token in tokenizer.encode(text).tokens}
    part = narrowed(tokenizer, seen)
    assert [part.encode(text).tokens for text in TEXTS[:2]] == [tokenizer.encode(text).tokens for text in TEXTS[:2]]
    assert sorted(part.get_vocab().values()) == list(range(part.get_vocab_size()))
    assert part.get_vocab_size() < tokenizer.get_vocab_size() and seen | {"<unk>", "<mark>"} <= set(part.get_vocab())
    assert part.encode("wz <mark>").ids[-1] == part.token_to_id("<mark>")
    assert part.token_to_id("<unk>") in part.encode("wz").ids


def test_a_narrowed_tokenizer_keeps_bytes_for_what_it_does_not_know():
    vocabulary = [("<unk>", 0.0), ("b", -1.0), ("a", -1.0), ("<0x62>", -5.0)]
    part = narrowed(Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True)), ["a"])
    assert part.encode("ab").tokens == ["a", "<0x62>"]
