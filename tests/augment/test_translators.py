"""Translation models of transformers, of each family with its own tokenizer class, and the small translator."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from kit.augment.huggingface import HuggingFaceTranslator
from kit.augment.quality import quality
from kit.augment.small import SmallTranslator, small_translator
from kit.augment.small_training import SmallModel, encode, encode_for, train_model, train_tokenizer
from kit.augment.translator import CachedTranslator, Translator
from kit.core.files import quiet
from kit.data.parallel import pairs

LINES = [
    "Hello world, this is a small text.",
    "Guten Tag Welt, das ist ein kleiner Text.",
    "One two three four five six.",
] * 4
SHAPE = {
    "d_model": 16,
    **{
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))
    },
    "max_position_embeddings": 64,
}
ENDLESS = "ignore:.*without an end.*:UserWarning"  # random weights find no end
OPUS_EXTRA = "ignore:Recommended. pip install sacremoses:UserWarning"  # normalises punctuation; the kit does without

pytestmark = [pytest.mark.filterwarnings(ENDLESS), pytest.mark.filterwarnings(OPUS_EXTRA)]


def _sentencepiece(path: Path) -> list[str]:
    """Train a sentencepiece model on a few lines; its pieces without the special ones."""
    import sentencepiece

    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES), model_writer=file, vocab_size=60, hard_vocab_limit=False, minloglevel=2
        )
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(number) for number in range(3, model.get_piece_size())]


def _save(model, tokenizer, folder: Path) -> Path:
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _nllb(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=120, special_tokens=special, show_progress=False))
    parts = json.loads(trained.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=parts["vocab"], merges=[tuple(merge) for merge in parts["merges"]])
    torch.manual_seed(0)
    config = M2M100Config(vocab_size=len(tokenizer), decoder_start_token_id=2, **SHAPE)
    return _save(M2M100ForConditionalGeneration(config), tokenizer, folder / "nllb")


def _m2m100(folder: Path) -> Path:
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    pieces = ["<s>", "<pad>", "</s>", "<unk>", *_sentencepiece(folder / "spm.model")]
    (folder / "pieces.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    tokenizer = M2M100Tokenizer(str(folder / "pieces.json"), str(folder / "spm.model"))
    torch.manual_seed(0)
    config = M2M100Config(vocab_size=len(pieces) + 108, decoder_start_token_id=2, **SHAPE)
    return _save(M2M100ForConditionalGeneration(config), tokenizer, folder / "m2m100")


def _opus(folder: Path, name: str, tokens: tuple[str, ...] = (), **languages) -> Path:
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    vocabulary = ["</s>", "<unk>", *_sentencepiece(folder / f"{name}.model"), *tokens, "<pad>"]
    (folder / f"{name}.json").write_text(json.dumps({piece: number for number, piece in enumerate(vocabulary)}))
    spm = str(folder / f"{name}.model")
    tokenizer = MarianTokenizer(spm, spm, str(folder / f"{name}.json"), **languages)
    pad = len(vocabulary) - 1
    torch.manual_seed(0)
    special = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0, "forced_eos_token_id": 0}
    return _save(MarianMTModel(MarianConfig(vocab_size=len(vocabulary), **special, **SHAPE)), tokenizer, folder / name)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Tiny models of all families with random weights."""
    folder = tmp_path_factory.mktemp("models")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        return {
            "nllb": _nllb(folder),
            "m2m100": _m2m100(folder),
            "multi": _opus(folder, "opus-mt-en-gmw", (">>deu<<", ">>nld<<")),
            "pair": _opus(folder, "opus-mt-tc-big-en-de"),
            "family": _opus(folder, "opus-mt-ROMANCE-en"),
            "stored": _opus(folder, "a-model", source_lang="en", target_lang="de"),
            "unnamed": _opus(folder, "another"),
        }


def _asked(translator: HuggingFaceTranslator, texts: list[str], source: str, target: str) -> tuple[list[str], dict]:
    """Translations, and the arguments of the first call of ``generate``; sees what really reaches the model."""
    model = translator._model
    calls, generate = [], model.generate
    model.generate = lambda **arguments: calls.append(arguments) or generate(**arguments)
    try:
        return translator.translate(texts, source, target), calls[0]
    finally:
        del model.generate


class TestHuggingFaceTranslator:
    @pytest.mark.parametrize(
        ("family", "source", "target", "source_token", "target_token"),
        [
            ("nllb", "en", "de", "eng_Latn", "deu_Latn"),
            ("nllb", "zh-TW", "fa", "zho_Hant", "pes_Arab"),
            ("m2m100", "en", "de", "__en__", "__de__"),
            ("m2m100", "nb", "zh", "__no__", "__zh__"),
        ],
    )
    def test_languages_reach_the_model(self, models, family, source, target, source_token, target_token):
        translator = HuggingFaceTranslator(models[family], max_tokens=16)
        (text,), arguments = _asked(translator, ["Hello world"], source, target)
        tokenizer = translator._tokenizer
        ids = arguments["input_ids"][0].tolist()
        assert (ids[0], ids[-1]) == (tokenizer.convert_tokens_to_ids(source_token), tokenizer.eos_token_id)
        assert arguments["forced_bos_token_id"] == tokenizer.convert_tokens_to_ids(target_token) != tokenizer.unk_token_id
        assert not text.startswith(target_token)

    def test_pairs_one_after_the_other_do_not_mix(self, models):
        translator = HuggingFaceTranslator(models["nllb"], max_tokens=16)
        first = [_asked(translator, ["Hello world"], *pair) for pair in (("en", "de"), ("de", "en"), ("en", "de"))]
        ids = [arguments["input_ids"][0, 0].item() for _, arguments in first]
        assert ids[0] == ids[2] != ids[1] and first[0][0] == first[2][0]

    def test_opus_with_several_targets_is_told_which(self, models):
        translator = HuggingFaceTranslator(models["multi"], max_tokens=16)
        for target, token in (("de", ">>deu<<"), ("nl", ">>nld<<")):
            _, arguments = _asked(translator, ["Hello world"], "en", target)
            ids = arguments["input_ids"][0].tolist()
            assert ids[0] == translator._tokenizer.convert_tokens_to_ids(token) and ids[1] != ids[0]
            assert "forced_bos_token_id" not in arguments

    @pytest.mark.parametrize(
        ("family", "source", "target"), [("pair", "en", "de"), ("stored", "en", "de"), ("family", "fr", "en")]
    )
    def test_opus_with_one_target_is_told_nothing(self, models, family, source, target):
        translator = HuggingFaceTranslator(models[family], max_tokens=16)
        _, arguments = _asked(translator, ["Hello world"], source, target)
        assert arguments["input_ids"][0].tolist() == translator._tokenizer("Hello world")["input_ids"]

    @pytest.mark.parametrize(
        ("family", "source", "target", "complaint"),
        [
            ("nllb", "en", "se", r"nllb does not know 'se' \(Northern Sami\).*near choices of its 202 codes"),
            ("m2m100", "zh-Hant", "en", r"m2m100 does not know 'zh-Hant'.*: zh$"),
            ("multi", "en", "fr", "opus-mt-en-gmw does not know 'fr'"),
            ("multi", "de", "nl", r"opus-mt-en-gmw \(as source\) does not know 'de'"),
            ("pair", "de", "en", r"\(as source\) does not know 'de'"),
            ("pair", "en", "fr", r"\(as target\) does not know 'fr'"),
            ("nllb", "en", "en", "target is 'en', and so is source"),
        ],
    )
    def test_refuses_a_pair(self, models, family, source, target, complaint):
        with pytest.raises(ValueError, match=complaint):
            HuggingFaceTranslator(models[family], max_tokens=16).translate(["Hello"], source, target)

    def test_order_duplicates_and_empty_texts(self, models):
        translator = HuggingFaceTranslator(models["nllb"], max_tokens=24, batch_size=2)
        texts = ["One two three four.", "", "Hello", "One two three four.", "Guten Tag Welt"]
        found, arguments = _asked(translator, texts, "en", "de")
        assert found[1] == "" and found[0] == found[3] and len(arguments["input_ids"]) == 2
        assert found == [translator.translate([text], "en", "de")[0] for text in texts]

    def test_a_long_text_is_cut_and_nothing_is_lost(self, models):
        translator = HuggingFaceTranslator(models["nllb"], max_tokens=8)  # a sentence has 6 tokens, two have 10
        sentences = ["One two three. ", "Hello world, Hello. "] * 20
        (found,), arguments = _asked(translator, ["".join(sentences)], "en", "de")
        assert arguments["input_ids"].shape == (2, 6)  # each sentence once
        # Every sentence is translated as if it stood alone, and the translations stand in their order.
        alone = [translator.translate([sentence.strip()], "en", "de")[0] for sentence in sentences]
        assert found == " ".join(alone)

    @pytest.mark.filterwarnings("default::UserWarning")
    def test_a_translation_without_an_end_is_warned_of(self, models):
        for family in ("nllb", "pair"):  # Opus-MT is made to end at the last token
            translator = HuggingFaceTranslator(models[family], max_tokens=16)
            with pytest.warns(UserWarning, match="2 of 2 translations into 'de' stop at 32 tokens without an end"):
                translator.translate(["Hello", "world"], "en", "de")

    def test_the_name_changes_with_the_weights_and_the_settings(self, models, tmp_path):
        import shutil

        first = HuggingFaceTranslator(models["nllb"], max_tokens=16).name
        assert HuggingFaceTranslator(models["nllb"], max_tokens=16, batch_size=3).name == first
        assert HuggingFaceTranslator(models["nllb"], max_tokens=24).name != first
        assert HuggingFaceTranslator(models["nllb"], max_tokens=16, num_beams=2).name != first
        moved = tmp_path / "nllb"
        shutil.copytree(models["nllb"], moved)
        assert HuggingFaceTranslator(moved, max_tokens=16).name == first
        (moved / "generation_config.json").write_text((moved / "generation_config.json").read_text() + " ")
        assert HuggingFaceTranslator(moved, max_tokens=16).name != first

    def test_with_a_cache(self, models, tmp_path):
        translator = HuggingFaceTranslator(models["m2m100"], max_tokens=16)
        assert isinstance(translator, Translator)
        expected = translator.translate(["Hello world", "One two"], "en", "de")
        assert CachedTranslator(translator, tmp_path).translate(["Hello world", "One two"], "en", "de") == expected

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"batch_size": 0}, "batch_size is 0"),
            ({"max_tokens": 7}, "max_tokens is 7"),
            ({"num_beams": 0}, "num_beams is 0"),
            ({"max_tokens": 65}, "max_tokens is 65: the model has 64 positions"),
        ],
    )
    def test_refuses_numbers_out_of_range(self, models, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            HuggingFaceTranslator(models["nllb"], **{"max_tokens": 16} | options)

    def test_refuses_what_is_no_translator(self, models, tmp_path):
        with pytest.raises(ValueError, match="cannot be loaded"):
            HuggingFaceTranslator(str(tmp_path))
        with pytest.raises(ValueError, match="another: neither its tokenizer nor its name says the languages"):
            HuggingFaceTranslator(models["unnamed"], max_tokens=16)


NUMBERS = {
    "en": "zero one two three four five six seven eight nine".split(),
    "de": "null eins zwei drei vier fünf sechs sieben acht neun".split(),
}
ROWS = [
    {"texts": {language: f"{words[number // 10]} {words[number % 10]}" for language, words in NUMBERS.items()}}
    for number in range(50)
]
TINY = SmallModel(
    vocabulary_size=200, dimension=64, n_layers=1, dropout=0.0, label_smoothing=0.0, batch_size=32, learning_rate=5e-3
)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SmallTranslator:
    """A tiny translator that has seen fifty sentences often enough."""
    folder = tmp_path_factory.mktemp("small") / "translator"
    return SmallTranslator.train(ROWS, ["en", "de"], folder, steps=120, seed=1, log=lambda line: None, shape=TINY)


class TestSmallTranslator:
    def test_learns_fifty_sentences_by_heart_in_both_directions(self, small):
        for source, target in (("en", "de"), ("de", "en")):
            judged = pairs(ROWS, source, target)
            found = small.translate([text for text, _ in judged], source, target)
            assert sum(a == b for a, (_, b) in zip(found, judged)) >= 45
            assert quality(small, ROWS, source, target).chrf > 90

    def test_is_what_was_kept(self, small, tmp_path):
        assert isinstance(small, Translator) and small.languages == ("de", "en") and small.name.startswith("small@")
        assert small.translate(["", "one two", "one two"], "en", "de")[0] == ""

    def test_the_same_seed_gives_the_same_translator(self, tmp_path):
        made = [
            SmallTranslator.train(ROWS, ["de", "en"], tmp_path / name, 3, seed, log=lambda line: None, shape=TINY)
            for name, seed in (("a", 1), ("b", 1), ("c", 2))
        ]
        assert made[0].name == made[1].name != made[2].name
        assert SmallTranslator.load(tmp_path / "a").name == made[0].name

    def test_logs_its_progress(self, tmp_path, capsys):
        lines = []
        SmallTranslator.train(ROWS, ["de", "en"], tmp_path / "a", 4, log=lines.append, shape=TINY)
        assert [line.split(":")[0] for line in lines] == [f"update {number} of 4" for number in (1, 2, 3, 4)]
        assert capsys.readouterr().out == ""

    def test_special_tokens_in_a_text_are_text(self):
        tokenizer = train_tokenizer(["a b </s> <2de>"] * 3, ["de", "en"], 100)
        ids = encode_for(tokenizer, "a </s> <2en>", "de")
        assert ids[0] == tokenizer.convert_tokens_to_ids("<2de>") and ids[-1] == tokenizer.eos_token_id
        assert not {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<2en>")} & set(ids[1:-1])

    @pytest.mark.parametrize("text", ["Land: X", "12,5 % – «Ja»?", "Das Haus (groß).", "ไทย และ हिन्दी", "这是一。"])
    def test_the_tokenizer_gives_a_text_back(self, text):
        tokenizer = train_tokenizer([text] * 3, ["de", "en"], 200)
        assert tokenizer.decode(encode(tokenizer, text), skip_special_tokens=True).strip() == text

    def test_is_trained_once_whatever_the_order_of_languages(self, tmp_path):
        lines = []
        first = small_translator(ROWS, ["en", "de"], 2, log=lines.append, folder=tmp_path, shape=TINY)
        n_lines = len(lines)
        again = small_translator(ROWS, ["de", "en"], 2, log=lines.append, folder=tmp_path, shape=TINY)
        assert first.name == again.name and first.languages == ("de", "en") and len(lines) == n_lines > 0

    def test_an_interrupted_training_leaves_nothing(self, tmp_path):
        def stop(line):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            small_translator(ROWS, ["de", "en"], 4, log=stop, folder=tmp_path, shape=TINY)
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
        lines = []
        for _ in range(2):
            small_translator(ROWS, ["de", "en"], 4, log=lines.append, folder=tmp_path, shape=TINY)
        assert len(lines) == 4  # trained from the start, and once

    def test_other_texts_are_another_translator(self, tmp_path):
        for rows in (ROWS, ROWS[:40]):
            small_translator(rows, ["de", "en"], 1, log=lambda line: None, folder=tmp_path, shape=TINY)
        assert len(list(tmp_path.glob("small-*"))) == 2

    @pytest.mark.parametrize(("name", "content"), [("model.safetensors", b"half"), ("translator.json", b"{")])
    def test_a_damaged_folder_is_named(self, small, tmp_path, name, content):
        SmallTranslator.train(ROWS, ["de", "en"], tmp_path / "a", 1, log=lambda line: None, shape=TINY)
        (tmp_path / "a" / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"/a is damaged .*: delete it; it is trained again"):
            SmallTranslator.load(tmp_path / "a")

    def test_a_very_long_text_is_cut(self, small):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has only learned to end after two words
            (found,) = small.translate(["one two. " * 200], "en", "de")
        assert len(found.split()) > 10

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"languages": ["de"]}, r"languages is \['de'\]: give at least two"),
            ({"languages": "de"}, "languages is 'de'"),
            ({"languages": ["de", "eng"]}, "'eng' is no tag"),
            ({"languages": ["de", "en", "fr"]}, "no row has 'fr' beside another"),
            ({"languages": ["de", "en"], "steps": 0}, "steps is 0"),
        ],
    )
    def test_refuses(self, tmp_path, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            SmallTranslator.train(ROWS, folder=tmp_path / "a", **{"steps": 1, "shape": TINY} | options)
        assert not (tmp_path / "a").exists()

    def test_refuses_folders(self, small, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match="is not empty"):
            SmallTranslator.train(ROWS, ["de", "en"], tmp_path, 1)
        with pytest.raises(ValueError, match="holds no small translator"):
            SmallTranslator.load(tmp_path)

    def test_refuses_a_language_that_it_did_not_learn(self, small):
        for pair in (("en", "fr"), ("fr", "en")):
            with pytest.raises(ValueError, match="does not know 'fr': it was trained on de, en"):
                small.translate(["a"], *pair)

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"dimension": 100}, "multiple of 32"),
            ({"n_layers": 0}, "n_layers is 0"),
            ({"vocabulary_size": 5}, "vocabulary_size is 5"),
        ],
    )
    def test_refuses_shapes(self, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            SmallModel(**options)

    def test_ntrex_is_parallel_text_for_it(self, shared_data):
        from kit.data.parallel import read_parallel

        rows = read_parallel(shared_data / "ntrex" / "ntrex.jsonl.gz")
        assert len(rows) == 1997 and len(pairs(rows, "en", "de")) == 1997


@pytest.mark.parametrize("rows", [[], [{}], [{"en": "alone"}], [{"en": "long " * 50, "de": "lang"}]])
def test_rows_that_teach_no_translation_are_refused(rows):
    tokenizer = train_tokenizer(["long lang alone"], ["de", "en"], 100)
    with pytest.raises(ValueError, match="no row has two texts that short"):
        train_model(rows, tokenizer, steps=1, seed=0, log=print, shape=SmallModel())
