"""A corpus translated whole: what is written, and what an interruption costs."""

from __future__ import annotations

import json
import warnings

import pytest
from test_groups import Fixed, Marking, _corpus

from kit.augment import translating, translator
from kit.augment.groups import FIELDS, synthetic_groups
from kit.augment.translating import translate_corpus
from kit.augment.translator import CachedTranslator
from kit.core import tables
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.run.cli import commands

TARGETS = ["de", "fr"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two rows at a time, and two texts between two writings."""
    monkeypatch.setattr(translating, "ROWS", 2)
    monkeypatch.setattr(translator, "BATCH", 2)


def silent(line):
    """A log that nobody reads."""


class TestTranslateCorpus:
    @pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
    def test_writes_the_synthetic_groups(self, tmp_path, name):
        corpus = _corpus(5)
        assert translate_corpus(corpus, Marking(), TARGETS, tmp_path / name, silent) == 15
        made = ParallelCorpus.read(tmp_path / name)
        assert made.table.equals(synthetic_groups(corpus, Marking(), TARGETS, FIELDS).table)
        assert made.table.to_pylist()[2] == {
            "group_id": "0",
            "language": "fr",
            "query": "en>fr:en question 0",
            "passage": "en>fr:en passage 0",
            "cluster_id": "0",
            "domain": "test",
            "source": "synthetic",
            "negatives": ["en>fr:en negative 0"],
        }

    def test_goes_on_where_it_was_interrupted(self, tmp_path):
        corpus, out = _corpus(5), tmp_path / "out.jsonl"
        stopped = Marking(calls=7)
        with pytest.raises(KeyboardInterrupt):
            translate_corpus(corpus, CachedTranslator(stopped, tmp_path), TARGETS, out, silent)
        assert {path.name for path in tmp_path.iterdir()} == {"translations.sqlite"}
        resumed = Marking()
        translate_corpus(corpus, CachedTranslator(resumed, tmp_path), TARGETS, out, silent)
        assert len(stopped.asked) == 14 and len(resumed.asked) == 30 - 14  # three texts a row, into two languages
        translate_corpus(corpus, Marking(), TARGETS, tmp_path / "at-once.jsonl", silent)
        assert out.read_bytes() == (tmp_path / "at-once.jsonl").read_bytes()

    def test_a_text_is_translated_once_whatever_corpus_it_stands_in(self, tmp_path):
        translate_corpus(_corpus(5), CachedTranslator(Marking(), tmp_path), TARGETS, tmp_path / "a.jsonl", silent)
        again = Marking()
        translate_corpus(_corpus(6), CachedTranslator(again, tmp_path), ["fr"], tmp_path / "b.jsonl", silent)
        assert again.asked == ["en question 5", "en passage 5", "en negative 5"]

    def test_a_blank_translation_is_left_out_and_warned_of(self, tmp_path):
        blank = Fixed({"en passage 1": " "})
        with pytest.warns(UserWarning, match="2 of 9 rows have a blank translation and are left out"):
            assert translate_corpus(_corpus(3), blank, TARGETS, tmp_path / "out.jsonl", silent) == 7

    @pytest.mark.filterwarnings("default:no end:UserWarning")
    def test_says_how_far_it_is_and_what_the_translator_warned_of(self, tmp_path, monkeypatch):
        class Endless(Marking):
            def _translate(self, texts, source, target):
                warnings.warn(f"no end into {target}", stacklevel=2)
                return super()._translate(texts, source, target)

        monkeypatch.setattr(translating, "EVERY_S", -1.0)
        said = []
        translate_corpus(_corpus(3), Endless(), TARGETS, tmp_path / "out.jsonl", said.append)
        assert said[0] == "2 of 3 rows translated into de, fr, about 0 min left"
        assert said[1] == "warnings of the translator: 2, the last: no end into fr"
        assert said[2] == "3 of 3 rows translated into de, fr"

    @pytest.mark.parametrize(
        ("languages", "targets", "name", "complaint"),
        [
            ("en de", ["fr"], "out.jsonl", r"corpus mine is in de, en: select one"),
            ("en", ["de", "en"], "out.jsonl", r"hold 'en', the language of the corpus: leave it out"),
            ("en", [], "out.jsonl", r"give a list of at least one language"),
            ("en", ["de"], "out.csv", r"out\.csv: unknown ending: use \.jsonl or \.jsonl\.gz"),
        ],
    )
    def test_refuses_before_it_asks(self, tmp_path, languages, targets, name, complaint):
        asked = Marking()
        with pytest.raises(ValueError, match=complaint):
            translate_corpus(_corpus(2, languages), asked, targets, tmp_path / name, silent)
        assert asked.asked == [] and list(tmp_path.iterdir()) == []


class TestCommand:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        """A project with a corpus, and a hub on which every model is a ``Marking``; the models that were asked."""
        (tmp_path / "notebooks").mkdir()
        _corpus(3).write(tmp_path / "data" / "mine.jsonl")
        made = []

        def model(name, batch_size, max_tokens):
            made.append(Marking(f"{name}, {batch_size}, {max_tokens}", known="ar zh"))
            return made[-1]

        monkeypatch.setattr("kit.augment.huggingface.HuggingFaceTranslator", model)
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        return made

    def typed(self, *more):
        return commands.main(["translate", "jsonl:data/mine.jsonl", "--out", "data/made.jsonl.gz", *more])

    def test_translates_with_nllb_and_keeps_it(self, home, capsys):
        assert self.typed("--to", "arabic,zho", "--batch-size", "2") == 0
        assert "9 rows; train on it: -p train=jsonl:data/made.jsonl.gz" in capsys.readouterr().out
        assert load_corpus("jsonl:data/made.jsonl.gz").languages == ("ar", "en", "zh")
        assert self.typed("--to", "ar,zh", "--batch-size", "2") == 0
        assert [len(one.asked) for one in home] == [18, 0]
        assert home[0].name == "facebook/nllb-200-distilled-600M, 2, 256"

    @pytest.mark.parametrize("option", ["--translator", "--max-tokens"])
    def test_another_translator_translates_again(self, home, option):
        for value in ("40", "50"):
            assert self.typed("--to", "ar", option, value) == 0
        assert [len(one.asked) for one in home] == [9, 9]

    def test_what_is_asked_wrongly_does_not_wait_for_a_model(self, home, capsys):
        assert self.typed("--to", "ar,en") == 1
        assert "hold 'en', the language of the corpus" in capsys.readouterr().err and home == []

    def test_a_language_that_the_model_lacks(self, home, capsys):
        assert self.typed("--to", "ar,de") == 1
        assert "does not know 'de'" in capsys.readouterr().err


def test_rows_are_json_as_all_tables_are(tmp_path):
    translate_corpus(_corpus(1), Marking(), ["de"], tmp_path / "out.jsonl", silent)
    first = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0]
    ParallelCorpus.read(tmp_path / "out.jsonl").write(tmp_path / "again.jsonl")
    assert json.loads(first) == next(iter(tables.json_lines(tmp_path / "again.jsonl")))
