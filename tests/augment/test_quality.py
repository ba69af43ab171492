"""Word for word, the choice of a translator, parallel text from several sources, tests with translated questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_groups import Fixed, Marking

from kit.augment import quality, small
from kit.augment.groups import keep_task, translated_task
from kit.augment.lexicon import Lexicon, induce_lexicon
from kit.augment.quality import Quality
from kit.augment.small_training import SmallModel
from kit.augment.translator import Translator
from kit.augment.wordwise import WordTranslator, word_translator
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.parallel import load_parallel, sentence_pairs
from kit.data.registry import load_task
from kit.evaluate.evaluator import evaluate_embeddings

TINY = SmallModel(vocabulary_size=120, dimension=32, n_layers=1, batch_size=4)
WORDS = {"red": "rot", "blue": "blau", "house": "Haus".lower(), "tree": "baum"}
ROWS = [
    {"id": f"{adjective} {noun}", "texts": {"en": f"{adjective} {noun}", "de": f"{WORDS[adjective]} {WORDS[noun]}"}}
    for adjective in ("red", "blue")
    for noun in ("house", "tree")
] * 3


def _lexicon(source: str, target: str, **words: str) -> Lexicon:
    return Lexicon(source, target, {word: (translation, 1.0) for word, translation in words.items()})


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project of its own, whose cache is empty."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


class TestLexiconOneWay:
    def test_a_word_need_not_be_preferred_in_return(self):
        """Two German words stand for one English word: mutually only one of them has a translation."""
        rows = [{"texts": {"de": "groß", "en": "big"}}] * 3 + [{"texts": {"de": "riesig", "en": "big"}}] * 2
        mutual = induce_lexicon(rows, "de", "en", 1, 0.01).words
        one_way = induce_lexicon(rows, "de", "en", 1, 0.01, mutual=False).words
        assert "riesig" not in mutual or "groß" not in mutual
        assert one_way["riesig"][0] == one_way["groß"][0] == "big"

    def test_its_probability_is_that_of_the_translation(self):
        found = induce_lexicon(ROWS, "en", "de", mutual=False)
        assert {word: translation for word, (translation, _) in found.words.items()} == WORDS
        assert all(0 < probability <= 1 for _, probability in found.words.values())


class TestWordTranslator:
    def test_replaces_what_it_knows_and_keeps_the_rest(self):
        translator = WordTranslator([_lexicon("en", "de", the="das", house="haus")])
        assert isinstance(translator, Translator)
        assert translator.translate(["The house, Anna's (12)!", ""], "en", "de") == ["das haus, Anna's (12)!", ""]

    def test_into_a_language_without_spaces(self):
        translator = WordTranslator([_lexicon("en", "zh", capital="首都", of="的", dna="dna")])
        texts = ["capital of Peru", "the DNA code", "of, capital"]
        assert translator.translate(texts, "en", "zh") == ["首都的Peru", "the dna code", "的, 首都"]

    def test_from_a_language_without_spaces(self):
        translator = WordTranslator([_lexicon("zh", "en", 首都="capital", 的="of", 首="head")])
        assert translator.translate(["秘鲁的首都？"], "zh", "en") == ["秘鲁 of capital？"]

    def test_the_name_is_that_of_the_lexicons(self):
        one, same, other = (WordTranslator([_lexicon("en", "de", a=word)]).name for word in ("b", "b", "c"))
        assert one == same != other

    def test_a_very_long_text(self):
        (found,) = WordTranslator([_lexicon("en", "de", house="haus")]).translate(["house " * 50_000], "en", "de")
        assert found == " ".join(["haus"] * 50_000)

    def test_refuses(self):
        with pytest.raises(ValueError, match="give at least one, and one for each pair"):
            WordTranslator([])
        with pytest.raises(ValueError, match="one for each pair"):
            WordTranslator([_lexicon("en", "de", a="b")] * 2)
        with pytest.raises(ValueError, match="does not know 'de' to 'en': it has lexicons from en to de"):
            WordTranslator([_lexicon("en", "de", a="b")]).translate(["a"], "de", "en")

    def test_is_induced_once_and_kept(self, tmp_path, monkeypatch):
        first = word_translator(ROWS, ["de", "en"], "en", tmp_path)
        monkeypatch.setattr("kit.augment.lexicon.induce_lexicon", lambda *args, **options: pytest.fail("again"))
        again = word_translator([row | {"id": "another"} for row in ROWS], ["de"], "en", tmp_path)
        assert first.name == again.name and again.translate(["red tree"], "en", "de") == ["rot baum"]
        assert again.translate(["rot baum"], "de", "en") == ["red tree"]

    def test_other_texts_are_other_lexicons(self, tmp_path):
        word_translator(ROWS, ["de"], "en", tmp_path)
        word_translator(ROWS[:6], ["de"], "en", tmp_path)
        assert len(list(tmp_path.glob("words-*.json"))) == 2

    @pytest.mark.parametrize("content", ["", "[1]", '[["en", "de", ["a"]]]'])
    def test_a_damaged_file_is_named(self, tmp_path, content):
        word_translator(ROWS, ["de"], "en", tmp_path)
        (path,) = tmp_path.glob("words-*.json")
        path.write_text(content)
        with pytest.raises(ValueError, match=r"words-\w+\.json is damaged .*: delete it"):
            word_translator(ROWS, ["de"], "en", tmp_path)

    def test_refuses_a_language_without_text(self, tmp_path):
        with pytest.raises(ValueError, match="none has texts in both 'en' and 'fr'"):
            word_translator(ROWS, ["fr"], "en", tmp_path)
        assert list(tmp_path.glob("words-*.json")) == []


class TestChoice:
    def test_what_is_named_is_made(self, home, monkeypatch):
        monkeypatch.setattr(quality, "load_parallel", lambda specs: ROWS if specs == ("mine",) else pytest.fail(specs))
        monkeypatch.setattr(small, "SmallModel", lambda: TINY)
        monkeypatch.setattr("kit.augment.huggingface.HuggingFaceTranslator", Marking)
        lines = []
        found = quality.load_translators(["mine", "small:2", "huggingface:org/model"], ["de", "en"], "en", lines.append)
        assert list(found) == ["word for word", "small, 2 updates", "org/model"] and len(lines) == 2
        assert found["word for word"].translate(["red"], "en", "de") == ["rot"]
        assert found["org/model"].translate(["red"], "en", "de") == ["en>de:red"]
        quality.load_translators(["mine", "small:2"], ["de", "en"], "en", lines.append)
        assert len(lines) == 2, "trained again"

    @pytest.mark.parametrize("entry", ["small:", "small:many", "small:-1"])
    def test_refuses_steps(self, home, monkeypatch, entry):
        monkeypatch.setattr(quality, "load_parallel", lambda specs: ROWS)
        with pytest.raises(ValueError, match=f"parallel: '{entry}' has no number of steps: write small:400"):
            quality.load_translators(["mine", entry], ["de", "en"], "en")

    def test_the_best_has_the_highest_chrf(self):
        good = Fixed({row["texts"]["en"]: row["texts"]["de"] for row in ROWS})
        scores = quality.compare({"copies": Fixed({}), "knows": good}, ROWS, "en", ["de"])
        assert scores["knows"]["de"].chrf == pytest.approx(100) and scores["copies"]["de"].chrf < 30
        assert quality.ranked(scores) == ["knows", "copies"]

    def test_of_equals_the_first_leads(self):
        same = {"de": Quality("en", "de", 50.0, 10.0, 3, "")}
        assert quality.ranked({"b": same, "a": same}) == ["b", "a"]

    def test_what_is_written_down(self):
        scores = {
            "poor": {"de": Quality("en", "de", 5.04, 0.0, 3, "")},
            "good": {"de": Quality("en", "de", 50.06, 10.0, 3, "")},
        }
        lines = quality.markdown(scores, {"length": 1200, "language": 0}).splitlines()
        assert lines[2:6] == [
            "| translator | into | chrF | BLEU | texts |",
            "|---|---|---|---|---|",
            "| good | de | 50.1 | 10.0 | 3 |",
            "| poor | de | 5.0 | 0.0 | 3 |",
        ]
        assert lines[-1] == "Rows dropped: length 1,200, language 0."


class TestParallelText:
    def test_several_sources(self, tmp_path):
        for name, text in (("a", "one"), ("b", "two")):
            row = {"id": "1", "texts": {"en": text, "de": text.upper()}}
            (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
        specs = [f"sentences:{tmp_path}/{name}.jsonl" for name in "ab"]
        rows = load_parallel(specs)
        assert [row["id"] for row in rows] == [f"{spec}:1" for spec in specs]
        assert [row["texts"]["en"] for row in rows] == ["one", "two"]
        assert load_parallel(specs[:1])[0]["id"] == "1"

    def test_refuses_none(self):
        with pytest.raises(ValueError, match="specs is empty"):
            load_parallel([])

    def test_sentences_as_pairs(self):
        rows = [
            {"id": "1", "texts": {"en": "one two three", "de": "eins zwei drei", "fr": "un"}},
            {"id": "2", "texts": {"en": "alone", "de": " "}},
        ]
        corpus = sentence_pairs(rows, ["de", "en"], 9, "mine")
        assert [(row["language"], row["query"], row["passage"]) for row in corpus.table.to_pylist()] == [
            ("de", "eins zwei", "eins zwei drei"),
            ("en", "one two", "one two three"),
        ]

    def test_so_many_rows_and_more_hold_fewer(self):
        rows = [{"id": str(number), "texts": {"en": f"a {number}", "de": f"b {number}"}} for number in range(20)]
        few, many = (set(sentence_pairs(rows, ["de", "en"], n, "mine").group_ids) for n in (5, 12))
        assert len(few) == 5 and len(many) == 12 and few < many

    def test_refuses_languages_that_do_not_meet(self):
        with pytest.raises(ValueError, match=r"none has two of the languages \['en', 'fr'\]"):
            sentence_pairs(ROWS, ["en", "fr"], 9, "mine")


def _task() -> RetrievalTask:
    rows = [
        {"group_id": str(group), "language": tag, "query": f"{tag} question {group}", "passage": f"{tag} passage {group}"}
        for group in range(3)
        for tag in ("de", "en")
    ]
    return RetrievalTask.from_corpus(ParallelCorpus.from_rows(rows, "mine"), "mine")


class TestTranslatedTask:
    def test_translated_questions_stand_against_original_passages(self):
        task = translated_task(_task(), Marking(), ["fr", "de"], source="en")
        assert task.name == "mine, translated questions (synthetic)" and task.languages == ("de", "en", "fr")
        assert set(task.candidates.column("language").to_pylist()) == {"en"} and len(task.candidates) == 3
        first = task.queries.to_pylist()[0]
        assert first == {"query_id": "0@en (fr)", "group_id": "0", "language": "fr", "text": "en>fr:en question 0"}
        assert len(task.queries) == len(task.relevance) == 6
        answers = {row["query_id"]: row["candidate_id"] for row in task.relevance.to_pylist()}
        assert answers["2@en (de)"] == "2@en"

    def test_no_question_is_translated_into_its_own_language(self):
        task = translated_task(_task(), Marking(), ["de", "en"])
        assert sorted(task.queries.column("query_id").to_pylist())[:2] == ["0@de (en)", "0@en (de)"]
        assert len(task.queries) == 6 and len(task.candidates) == 6
        assert len(task.relevance) == 12  # each question has its passage in both languages

    def test_grades_are_kept(self):
        task = _task()
        graded = RetrievalTask.from_rows(
            "graded",
            task.queries.to_pylist(),
            task.candidates.to_pylist(),
            (row | {"grade": 2} for row in task.relevance.to_pylist()),
        )
        found = translated_task(graded, Marking(), ["fr"], "en")
        assert set(found.relevance.column("grade").to_pylist()) == {2}

    def test_a_blank_translation_is_left_out_and_warned_of(self):
        with pytest.warns(UserWarning, match="1 translated questions are blank and left out"):
            task = translated_task(_task(), Fixed({"en question 1": " "}), ["fr"], "en")
        assert task.queries.column("group_id").to_pylist() == ["0", "2"] and len(task.candidates) == 3

    @pytest.mark.parametrize(
        ("targets", "source", "complaint"),
        [
            ([], None, "give a list of at least one language"),
            ("fr", None, "targets is 'fr'"),
            (["fr", "fr"], None, "each once"),
            (["en"], "en", "mine: no question is left in en"),
            (["fr"], "hi", "no question is left in fr"),
            (["xx"], None, "marking does not know 'xx'"),
        ],
    )
    def test_refuses(self, targets, source, complaint):
        with pytest.raises(ValueError, match=complaint):
            translated_task(_task(), Marking(), targets, source)

    def test_a_perfect_ranker_scores_1(self):
        """Evaluation itself accepts such a task: cells of a translated question and an original passage."""
        import numpy as np

        task = translated_task(_task(), Marking(), ["fr", "de"], "en")
        eye = np.eye(3, dtype=np.float32)
        candidates = eye[[int(name[0]) for name in task.candidates.column("candidate_id").to_pylist()]]
        queries = eye[[int(group) for group in task.queries.column("group_id").to_pylist()]]
        found = evaluate_embeddings(queries, candidates, task, "perfect", 0, 0)
        assert found.summary()["cross-lingual"]["average_precision"] == 1
        assert found.values("cross-lingual", "average_precision").cells == (("de", "en"), ("fr", "en"))


class TestKeptTask:
    def test_is_a_source_and_kept_once(self, home):
        spec = keep_task(_task())
        assert spec.startswith("jsonl:data/cache/tasks/") and keep_task(_task()) == spec
        assert load_task(spec).queries.equals(_task().queries)

    def test_another_task_has_another_name(self, home):
        other = translated_task(_task(), Marking(), ["fr"], "en")
        assert keep_task(other) != keep_task(_task())

    def test_half_a_folder_is_made_again(self, home):
        spec = keep_task(_task())
        (home / spec.removeprefix("jsonl:") / "task.json").unlink()
        assert load_task(keep_task(_task())).name == "mine"
