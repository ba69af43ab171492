"""Encoders made from scratch, and what any other name does."""

from __future__ import annotations

import json
import time

import huggingface_hub
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router

from kit.data.inputs import limit_of
from kit.train.config import EncoderConfig
from kit.train.encoders.loading import load_encoder, quiet
from kit.train.encoders.making import PROMPTS, make_encoder, train_tokenizer

TEXTS = [
    "เมืองหลวงของไทยคือกรุงเทพ",
    "泰国的首都是曼谷。",
    "عاصمة تايلاند هي بانكوك",
    "थाईलैंड की राजधानी बैंकॉक है।",
    "Столица Таиланда — Бангкок",
    "The capital of Thailand is Bangkok.",
    "Die Hauptstadt von Thailand ist Bangkok",
    "12 % of 1,234 are 148.",
]
OPTIONS = {"dimension": 32, "vocabulary_size": 400, "max_tokens": 16}
MADE = ("static", "tiny")


def make(name, seed=0, **options):
    return make_encoder(EncoderConfig(name=name, **{**OPTIONS, **options}), TEXTS, seed)


def bring_code(folder):
    """A folder with a small transformer whose code lies in it."""
    make("tiny").save_pretrained(str(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "own-encoder"
    config["auto_map"] = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "configuration_own.py").write_text(
        "from transformers import XLMRobertaConfig\n\n\nclass OwnConfig(XLMRobertaConfig):\n    model_type = 'own-encoder'\n"
    )
    (folder / "modeling_own.py").write_text(
        "from transformers import XLMRobertaModel\n\nfrom .configuration_own import OwnConfig\n\n\n"
        "class OwnModel(XLMRobertaModel):\n    config_class = OwnConfig\n"
    )
    return folder


def weights(model):
    return {name: value.detach().cpu() for name, value in model.state_dict().items()}


class TestTokenizer:
    def test_the_same_texts_give_the_same_tokenizer(self):
        one, other = (train_tokenizer(iter(TEXTS * 3), 300) for _ in range(2))
        assert one.backend_tokenizer.to_str() == other.backend_tokenizer.to_str()

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_it_was_trained_on_have_no_unknown_tokens(self, text):
        tokenizer = train_tokenizer(TEXTS, 20)  # fewer than there are letters: letters are all kept
        tokens = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in tokens
        assert tokens[0] == tokenizer.bos_token_id and tokens[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(tokens, skip_special_tokens=True).replace(" ", "") == text.lower().replace(" ", "")

    def test_repeated_texts_become_long_tokens_without_spaces_between_words(self):
        tokenizer = train_tokenizer(["กรุงเทพ", "曼谷"] * 5, 400)
        assert tokenizer.tokenize("กรุงเทพ") == ["▁กรุงเทพ"]
        assert tokenizer.tokenize("曼谷") == ["▁曼谷"]

    def test_letters_it_has_not_seen_are_unknown(self):
        tokenizer = train_tokenizer(["abc"], 50)
        assert tokenizer.unk_token_id in tokenizer("x")["input_ids"]

    def test_case_width_and_digits(self):
        tokenizer = train_tokenizer(TEXTS, 400)
        assert tokenizer.tokenize("ＢＡＮＧＫＯＫ") == tokenizer.tokenize("bangkok")
        assert [token for token in tokenizer.tokenize("1,234") if "," in token] == [","]

    def test_special_tokens_stand_where_xlmr_has_them(self):
        assert train_tokenizer(TEXTS, 50).convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", MADE)
class TestMade:
    def test_embeddings_are_normalised_and_of_the_dimension(self, name):
        embeddings = make(name).encode(TEXTS)
        assert embeddings.shape == (len(TEXTS), 32)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
        assert len(np.unique(embeddings.round(5), axis=0)) == len(TEXTS)

    def test_the_seed_decides_the_weights(self, name):
        one, same, other = weights(make(name, 0)), weights(make(name, 0)), weights(make(name, 1))
        assert all(torch.equal(one[key], same[key]) for key in one)
        assert any(not torch.equal(one[key], other[key]) for key in one)

    def test_the_seed_is_all_that_decides(self, name):
        torch.manual_seed(99)
        one = weights(make(name, 3))
        torch.rand(7)
        assert all(torch.equal(value, one[key]) for key, value in weights(make(name, 3)).items())

    def test_prompts_are_used(self, name):
        model = make(name)
        assert model.prompts == PROMPTS
        query, passage = model.encode_query("Bangkok"), model.encode_document("Bangkok")
        assert not np.allclose(query, passage)
        np.testing.assert_array_equal(query, model.encode("Query: Bangkok"))
        np.testing.assert_array_equal(passage, model.encode("Passage: Bangkok"))

    def test_prompts_are_known_to_a_tokenizer_of_another_script(self, name):
        model = make_encoder(EncoderConfig(name=name, **OPTIONS), TEXTS[:2], seed=0)
        unknown = train_tokenizer(TEXTS[:2], 400).unk_token_id
        assert all(unknown not in model.preprocess([prompt])["input_ids"].flatten() for prompt in PROMPTS.values())

    def test_saved_and_loaded_without_the_kit(self, name, tmp_path):
        model = make(name)
        model.save_pretrained(str(tmp_path / "model"))
        with quiet():
            loaded = SentenceTransformer(str(tmp_path / "model"), device="cpu")
        assert loaded.prompts == PROMPTS
        np.testing.assert_allclose(loaded.encode_query(TEXTS), model.encode_query(TEXTS), atol=1e-6)
        np.testing.assert_allclose(loaded.encode_document(TEXTS), model.encode_document(TEXTS), atol=1e-6)

    def test_nothing_is_printed(self, name, capfd):
        make(name)
        assert capfd.readouterr() == ("", "")


class TestShapes:
    def test_tiny_has_the_shape_of_xlmr(self):
        config = make("tiny")[0].auto_model.config
        assert config.model_type == "xlm-roberta"
        assert (config.pad_token_id, config.max_position_embeddings, config.type_vocab_size) == (1, 16 + 2, 1)
        assert config.hidden_dropout_prob > 0

    def test_positions_are_offset_by_the_padding(self):
        model = make("tiny").eval()
        position = model[0].auto_model.embeddings.position_embeddings
        seen = []
        hook = position.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].tolist()))
        model.encode(["ab"])
        hook.remove()
        n_tokens = len(model.tokenizer("ab")["input_ids"])
        assert seen == [[list(range(2, n_tokens + 2))]]

    def test_tiny_cuts_long_texts_at_max_tokens(self):
        model, long = make("tiny"), "Bangkok is the capital of Thailand. " * 50
        features = model.preprocess([long])
        assert features["input_ids"].shape == (1, 16)
        assert np.isfinite(model.encode(long)).all()
        np.testing.assert_array_equal(model.encode(long), model.encode(long + long))

    def test_static_reads_all_of_a_long_text(self):
        model, long = make("static"), "Bangkok is the capital of Thailand. " * 50
        assert not np.allclose(model.encode(long), model.encode(long + "曼谷" * 50))


class TestByName:
    @pytest.fixture
    def offline(self, monkeypatch):
        """What HF_HUB_OFFLINE=1 does, which is read when the hub's client is imported."""
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def test_an_unknown_name_is_one_clear_error_at_once(self, offline):
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"^encoder 'nobody/no-such-model' cannot be loaded .*: give the folder of"):
            make_encoder(EncoderConfig(name="nobody/no-such-model"), [], seed=0)
        assert time.perf_counter() - start < 5

    def test_a_folder_without_a_model_is_refused(self, offline, tmp_path):
        with pytest.raises(ValueError, match="holds no model"):
            load_encoder(str(tmp_path))

    def test_a_tokenizer_without_files_is_refused(self, tmp_path):
        make("tiny").save_pretrained(str(tmp_path / "model"))
        for file in (tmp_path / "model").glob("tokenizer*"):
            file.unlink()
        with pytest.raises(ValueError, match="the files of its tokenizer are missing"):
            load_encoder(str(tmp_path / "model"))

    def test_weights_that_would_be_random_are_refused_but_for_a_pooler(self, tmp_path):
        make("tiny").save_pretrained(str(tmp_path / "model"))
        path = tmp_path / "model" / "model.safetensors"
        path.write_bytes(path.read_bytes().replace(b"pooler.dense", b"looper.dense"))
        load_encoder(str(tmp_path / "model"))
        path.write_bytes(path.read_bytes().replace(b"embeddings.word_embeddings", b"embeddings.lost_embeddings"))
        with pytest.raises(
            ValueError, match=r"1 of its weights are missing and would be random, such as embeddings\.word_emb"
        ):
            load_encoder(str(tmp_path / "model"))

    def test_code_that_a_model_brings_runs_only_where_it_is_trusted(self, tmp_path, monkeypatch):
        monkeypatch.setattr("builtins.input", None)  # nobody is asked
        folder = bring_code(tmp_path / "bringing")
        with pytest.raises(
            ValueError, match=r"brings code of its own.*--trust-remote-code .*-p trust_remote_code=true .*allow "
        ):
            load_encoder(str(folder))
        trusted = EncoderConfig(name=str(folder), trust_remote_code=True)
        model = make_encoder(trusted, [], seed=0)
        assert type(model[0].auto_model).__name__ == "OwnModel"
        model.save_pretrained(str(tmp_path / "again"))
        np.testing.assert_array_equal(load_encoder(str(tmp_path / "again"), True).encode(TEXTS), model.encode(TEXTS))

    def test_a_folder_is_loaded_and_its_length_limited(self, tmp_path):
        make("tiny").save_pretrained(str(tmp_path / "model"))
        model = make_encoder(EncoderConfig(name=str(tmp_path / "model"), max_tokens=9), iter(()), seed=0)
        assert model.max_seq_length == 9
        assert (
            make_encoder(EncoderConfig(name=str(tmp_path / "model"), max_tokens=512), iter(()), seed=0).max_seq_length == 16
        )

    @pytest.mark.parametrize(
        ("n_long", "limit"), [(0, 128), (1, 128), (20, 144)], ids=["short texts", "one in 200", "one in ten"]
    )
    def test_the_texts_choose_a_limit(self, tmp_path, n_long, limit):
        # A letter is a token; "Passage: " and special tokens are part of the 137 to 144.
        texts = ["曼"] * (200 - n_long) + ["曼" * 130] * n_long
        tiny = make_encoder(EncoderConfig(name="tiny", dimension=32, vocabulary_size=12), texts, seed=0)
        assert tiny.max_seq_length == limit
        make("tiny", max_tokens=256).save_pretrained(str(tmp_path / "model"))
        ours = EncoderConfig(name=str(tmp_path / "model"))
        assert make_encoder(ours, ["Bangkok " * 300] * 3, seed=0).max_seq_length == 256  # all that it can read
        assert make_encoder(ours, TEXTS, seed=0).max_seq_length == 128

    def test_a_limit_that_cuts_nothing_changes_nothing(self):
        short, longer = (make_encoder(EncoderConfig(name="tiny", dimension=32), TEXTS, seed=0) for _ in range(2))
        short.max_seq_length = 64
        np.testing.assert_array_equal(short.encode(TEXTS), longer.encode(TEXTS))

    @pytest.mark.parametrize("prompts", [{"query": "Q ", "document": "D "}, {"query": "ask: ", "document": ""}])
    def test_a_loaded_model_keeps_its_own_prompts(self, tmp_path, prompts):
        model = make("static")
        model.prompts = prompts
        model.save_pretrained(str(tmp_path / "model"))
        assert make_encoder(EncoderConfig(name=str(tmp_path / "model")), [], seed=0).prompts == prompts

    def test_a_loaded_model_without_prompts_gets_those_of_the_paper(self, tmp_path):
        model = make("static")
        model.prompts = {}
        model.save_pretrained(str(tmp_path / "model"))
        assert make_encoder(EncoderConfig(name=str(tmp_path / "model")), [], seed=0).prompts == PROMPTS


class TestPrompts:
    def saved(self, folder, prompts):
        model = make("static")
        model.prompts = prompts
        model.save_pretrained(str(folder))
        return str(folder)

    def test_a_prompt_for_passages_by_another_name_is_the_one_for_documents(self, tmp_path):
        e5 = load_encoder(self.saved(tmp_path / "e5", {"query": "12 ", "passage": "148 "}))
        usual = load_encoder(self.saved(tmp_path / "usual", {"query": "12 ", "document": "148 "}))
        assert e5.prompts == usual.prompts == {"query": "12 ", "document": "148 "}
        np.testing.assert_array_equal(e5.encode_document(TEXTS), e5.encode([f"148 {text}" for text in TEXTS]))

    def test_what_is_not_used_is_named(self, tmp_path):
        folder = self.saved(tmp_path / "model", {"query": "Q ", "Clustering": "C "})
        with pytest.warns(
            UserWarning, match="prompts that retrieval does not use: Clustering; queries get 'Q ', passages ''"
        ):
            assert load_encoder(folder).prompts["Clustering"] == "C "

    @pytest.mark.parametrize("own", [{}, {"query": "12 ", "passage": "148 "}])
    def test_prompts_that_are_asked_for_are_kept_in_the_model(self, tmp_path, own):
        asked = EncoderConfig(name=self.saved(tmp_path / "model", own), query_prompt="query: ")
        made = make_encoder(asked, [], seed=0)
        made.save_pretrained(str(tmp_path / "again"))
        assert load_encoder(str(tmp_path / "again")).prompts == made.prompts == {"query": "query: ", "document": ""}

    def test_a_made_encoder_knows_the_letters_of_its_prompts(self):
        model = make("static", query_prompt="Ω")
        assert model.prompts == {"query": "Ω", "document": ""}
        assert model.tokenizer.token_to_id("<unk>") not in model.preprocess(["Ω"])["input_ids"]


def test_a_router_gets_limits_and_prompts_like_any_other(tmp_path):
    static, tiny = make("static"), make("tiny")
    router = Router.for_query_document([static[0]], [tiny[0], tiny[1]])
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "model"))
    model = make_encoder(EncoderConfig(name=str(tmp_path / "model"), max_tokens=9), [], seed=0)
    assert (limit_of(model, "query"), limit_of(model, "passage"), model.prompts) == (None, 9, PROMPTS)


def test_quiet_gives_back_what_it_found():
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with pytest.raises(RuntimeError), quiet():
        assert logging.get_verbosity() == logging.ERROR and not logging.is_progress_bar_enabled()
        raise RuntimeError
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, bars)


class TestDropout:
    def test_noise_in_training_none_afterwards_and_after_loading(self, tmp_path):
        model = make("static", dropout=0.5)
        features = model.preprocess(TEXTS[:1]) if hasattr(model, "preprocess") else model.tokenize(TEXTS[:1])
        model.train()
        one, other = (model(dict(features))["sentence_embedding"] for _ in range(2))
        assert not torch.equal(one, other) and (one == 0).any()
        model.eval()
        before = model.encode(TEXTS)
        model.save_pretrained(str(tmp_path / "model"))
        np.testing.assert_array_equal(load_encoder(str(tmp_path / "model")).encode(TEXTS), before)
        np.testing.assert_array_equal(make("static").encode(TEXTS), before)  # dropout draws no initial weights

    def test_refused_where_the_encoder_has_its_own(self):
        with pytest.raises(ValueError, match=r"dropout is 0\.1, and encoder 'tiny' has its own"):
            make("tiny", dropout=0.1)
