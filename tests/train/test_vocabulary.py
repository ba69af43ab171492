"""A vocabulary without the tokens that some texts do not need."""

from __future__ import annotations

import json
import tempfile

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from test_encoders import TEXTS, make
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from kit.train.config import EncoderConfig
from kit.train.encoders.loading import quiet
from kit.train.encoders.making import PROMPTS, make_encoder, train_tokenizer, xlmr_shaped
from kit.train.encoders.vocabulary import trim_vocabulary

READ = [*TEXTS[:3], TEXTS[5], "", "Bangkok Bangkok"]
OTHER = "Die Hauptstadt, 148 % von Thailand."
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def unigram():
    """As that of XLM-R: pieces with scores, the rarest last, the mask behind all."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    known = [*TEXTS, *PROMPTS.values()] * 3
    tokenizer.train_from_iterator(
        known, trainers.UnigramTrainer(vocab_size=300, special_tokens=SPECIAL[:4], unk_token="<unk>", show_progress=False)
    )
    return wrapped(tokenizer, processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]))


def wordpiece():
    """As that of BERT, where special tokens stand behind others."""
    pieces = sorted({*"".join([*TEXTS, *PROMPTS.values()]).replace(" ", "")})
    pieces += [f"##{piece}" for piece in pieces] + ["Thai", "##land", "Bang", "##kok", "capital", "Haupt", "##stadt"]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate([*pieces, *SPECIAL])}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")]
    return wrapped(tokenizer, processors.BertProcessing(*ends))


def wrapped(tokenizer, post_processor):
    tokenizer.post_processor = post_processor
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict(zip(names, SPECIAL)))


def bytes_bpe():
    """As those of GPT and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 500, "initial_alphabet": alphabet, "special_tokens": SPECIAL, "show_progress": False}
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(**options))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    return wrapped(tokenizer, processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends))


KINDS = {
    "Unigram": unigram,
    "BPE": lambda: train_tokenizer([*TEXTS * 3, *PROMPTS.values()], 500),
    "BPE of bytes": bytes_bpe,
    "WordPiece": wordpiece,
}


def bert(tokenizer, folder):
    """Of BERT's shape, where the padding may have any number."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes)
    tokenizer.model_max_length = 64
    with quiet():
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return SentenceTransformer(modules=[Transformer(folder), Pooling(32), Normalize()], device="cpu")


def encoder(kind):
    torch.manual_seed(0)
    if kind == "WordPiece":
        with tempfile.TemporaryDirectory() as folder:
            model = bert(wordpiece(), folder)
    else:
        model = xlmr_shaped(KINDS[kind](), 32, n_layers=1, max_tokens=64)
    model.prompts = dict(PROMPTS)
    return model.eval()


def vectors(model, texts=READ):
    return [model.encode(texts), model.encode_query(texts), model.encode_document(texts)]


@pytest.mark.parametrize("kind", KINDS)
class TestKinds:
    def test_the_texts_have_the_same_embeddings_to_the_bit(self, kind):
        model = encoder(kind)
        before, n_before = vectors(model), len(model.tokenizer)
        assert trim_vocabulary(model, iter(READ)) == len(model.tokenizer) < n_before
        for one, other in zip(before, vectors(model)):
            np.testing.assert_array_equal(one, other)

    def test_saved_and_loaded_it_is_the_same(self, kind, tmp_path):
        model = encoder(kind)
        before, specials = vectors(model), model.tokenizer.special_tokens_map
        n_kept = trim_vocabulary(model, READ)
        model.save_pretrained(str(tmp_path / "model"))
        with quiet():
            loaded = SentenceTransformer(str(tmp_path / "model"), device="cpu")
        assert loaded[0].auto_model.config.vocab_size == len(loaded[0].auto_model.get_input_embeddings().weight) == n_kept
        assert loaded.tokenizer.special_tokens_map == specials and loaded.max_seq_length == 64
        assert loaded[0].auto_model.config.pad_token_id == loaded.tokenizer.pad_token_id
        for one, other in zip(before, vectors(loaded)):
            np.testing.assert_array_equal(one, other)

    def test_other_texts_are_read_in_smaller_pieces(self, kind):
        model = encoder(kind)
        whole = model.tokenizer.tokenize(OTHER)
        trim_vocabulary(model, READ[:1])
        pieces = model.tokenizer.tokenize(OTHER)
        assert len(pieces) > len(whole) and model.tokenizer.unk_token not in pieces
        assert np.isfinite(model.encode([OTHER])).all()

    def test_trimmed_again_it_stays(self, kind):
        model = encoder(kind)
        n_kept, tokenizer = trim_vocabulary(model, READ), model.tokenizer.backend_tokenizer.to_str()
        assert trim_vocabulary(model, READ) == n_kept
        assert json.loads(model.tokenizer.backend_tokenizer.to_str()) == json.loads(tokenizer)

    def test_what_is_kept_has_the_weights_that_it_had(self, kind):
        model = encoder(kind)
        words, numbers = model[0].auto_model.get_input_embeddings().weight.detach().clone(), model.tokenizer.get_vocab()
        trim_vocabulary(model, READ)
        kept = model[0].auto_model.get_input_embeddings().weight
        assert all(torch.equal(kept[new], words[numbers[token]]) for token, new in model.tokenizer.get_vocab().items())
        order = sorted(model.tokenizer.get_vocab(), key=model.tokenizer.get_vocab().get)
        assert sorted(order, key=numbers.get) == order


def test_a_static_encoder_too(tmp_path):
    model = make("static")
    before, n_before = vectors(model), model.tokenizer.get_vocab_size()
    assert trim_vocabulary(model, READ) == model.tokenizer.get_vocab_size() < n_before
    model.save_pretrained(str(tmp_path / "model"))
    for one, other in zip(before, vectors(SentenceTransformer(str(tmp_path / "model"), device="cpu"))):
        np.testing.assert_array_equal(one, other)


class TestRefused:
    def test_another_kind_of_tokenizer(self):
        words = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
        model = make("static")
        model[0].tokenizer = words
        with pytest.raises(ValueError, match="a vocabulary of the kind WordLevel cannot be trimmed: only Unigram, BPE and"):
            trim_vocabulary(model, READ)

    def test_a_word_that_would_be_cut_otherwise(self):
        # "abx" is unknown, since "##x" is; without "ab" it would be read as "a" and "##bx".
        pieces = ["a", "b", "ab", "##bx", "##b", "<unk>", "q", "w"]
        model = make("static")
        model.prompts = {}
        model[0].tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="<unk>"))
        assert [model[0].tokenizer.encode(word).tokens for word in ("abx", "bbx")] == [["<unk>"], ["b", "##bx"]]
        with pytest.raises(ValueError, match="cannot be trimmed: 'abx' would get other tokens: leave it whole"):
            trim_vocabulary(model, ["abx", "bbx"])
        assert model[0].tokenizer.get_vocab_size() == len(pieces)

    def test_a_vocabulary_that_is_made_of_the_texts(self):
        with pytest.raises(ValueError, match="trim_vocabulary is true, and encoder 'tiny' gets a vocabulary of these texts"):
            make("tiny", trim_vocabulary=True)


def test_a_recipe_asks_for_it(tmp_path):
    model = encoder("Unigram")
    model.save_pretrained(str(tmp_path / "model"))
    trimmed = make_encoder(
        EncoderConfig(name=str(tmp_path / "model"), trim_vocabulary=True), iter(READ[:2]), 0, iter(READ[2:])
    )
    assert len(trimmed.tokenizer) < len(model.tokenizer)
    for one, other in zip(vectors(model), vectors(trimmed)):
        np.testing.assert_allclose(one, other, atol=1e-6)
