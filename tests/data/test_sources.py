"""Loaders: the counts on the real sets, and every rule and fault on small files in the true layout."""

from __future__ import annotations

import copy
import gzip
import importlib
import inspect
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.registry import checksums, kinds, load_corpus, load_task, load_training
from kit.data.sources import beir, lareqa, squad
from kit.evaluate.evaluator import evaluate_embeddings

XQUAD_CANDIDATES = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}  # arXiv 2408.10536, sizes of the test sets
MLQA_SIZES = {"de": (512, 2362), "es": (500, 1787), "zh": (504, 2322)}


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def squad_json(*paragraphs):
    return {"version": "1.1", "data": [{"title": "T", "paragraphs": list(paragraphs)}]}


def paragraph(context, *questions, **fields):
    """Questions are (id, text, offset of the answer), the offset ``None`` for one without an answer."""
    return {
        "context": context,
        **fields,
        "qas": [
            {"id": key, "question": text, "answers": [] if start is None else [{"text": "x", "answer_start": start}]}
            for key, text, start in questions
        ],
    }


def n_by_language(table):
    counts = table.group_by("language").aggregate([("language", "count")])
    return dict(zip(counts["language"].to_pylist(), counts["language_count"].to_pylist()))


class TestRealData:
    def test_xquad_r_task(self, shared_data):
        made = load_task(f"lareqa:{shared_data / 'xquad-r'}")
        assert n_by_language(made.candidates) == XQUAD_CANDIDATES
        assert n_by_language(made.queries) == dict.fromkeys(XQUAD_CANDIDATES, 1190)
        assert len(made.relevance) == 1190 * 11 * 11

    def test_xquad_r_corpus(self, shared_data):
        made = load_corpus(f"lareqa:{shared_data / 'xquad-r'}")
        assert len(made) == 11 * 1190
        assert len(np.unique(made.cluster_of)) == 489
        alone = {tag: lareqa.corpus(shared_data / "xquad-r", [tag]) for tag in ("en", "th")}
        assert {tag: len(np.unique(one.cluster_of)) for tag, one in alone.items()} == {"en": 787, "th": 603}

    def test_mlqa_r(self, shared_data):
        made = load_task(f"lareqa:{shared_data / 'mlqa-r'}")
        queries, candidates = n_by_language(made.queries), n_by_language(made.candidates)
        assert {tag: (queries[tag], candidates[tag]) for tag in made.languages} == MLQA_SIZES
        n_languages = (lareqa.corpus(shared_data / "mlqa-r").row_of >= 0).sum(axis=1)
        assert np.bincount(n_languages).tolist() == [0, 548, 421, 42]

    @pytest.mark.parametrize(
        ("file", "n_questions", "n_paragraphs"),
        [
            ("squadshifts/new_wiki_v1.0.json", 7938, 1581),
            ("policyqa/dev.json", 3809, 574),
            ("policyqa/test.json", 4152, 497),
        ],
    )
    def test_squad(self, shared_data, file, n_questions, n_paragraphs):
        made = squad.corpus(shared_data / file, "en")
        asked = squad.task(shared_data / file, "en")
        assert (len(made), len(np.unique(made.cluster_of))) == (n_questions, n_paragraphs)
        assert (len(asked.queries), len(asked.candidates), len(asked.relevance)) == (n_questions, n_paragraphs, n_questions)

    def test_scifact(self, shared_data):
        asked = load_task(f"beir:{shared_data / 'scifact'}")
        assert (len(asked.queries), len(asked.candidates), len(asked.relevance)) == (300, 5183, 339)
        made = load_corpus(f"beir:{shared_data / 'scifact'}")
        assert (len(made), len(np.unique(made.cluster_of))) == (919, 490)


# English paragraph 0 has two sentences, with one blank between them (offset 5); paragraph 1 has one sentence.
ENGLISH = squad_json(
    paragraph(
        "One. Two.", ("q1", "First?", 0), ("q2", "Second?", 5), sentences=["One.", "Two."], sentence_breaks=[[0, 4], [5, 9]]
    ),
    paragraph("One.", ("q3", "Third?", 2), sentences=["One."], sentence_breaks=[[0, 4]]),
)
# In the German paragraph q1 and q2 are answered by the same sentence; q3 does not exist.
GERMAN = squad_json(
    paragraph(
        "Eins und zwei. Drei.",
        ("q1", "Erstens?", 0),
        ("q2", "Zweitens?", 9),
        sentences=["Eins und zwei.", "Drei."],
        sentence_breaks=[[0, 14], [15, 20]],
    )
)


@pytest.fixture
def lareqa_folder(tmp_path):
    folder = tmp_path / "made-r"
    folder.mkdir()
    write_json(folder / "en.json", ENGLISH)
    write_json(folder / "de.json", GERMAN)
    return folder


def spoilt(value, path, new):
    """A deep copy of a JSON value with the entry at a path replaced, or taken out where ``new`` is ``None``."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    if new is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


class TestLareqa:
    def test_task(self, lareqa_folder):
        made = lareqa.task(lareqa_folder)
        assert (made.name, made.languages) == ("made-r", ("de", "en"))
        # "One." stands in two paragraphs and is two candidates.
        assert list(zip(made.candidates["candidate_id"].to_pylist(), made.candidates["text"].to_pylist())) == [
            ("de:0:0", "Eins und zwei."),
            ("de:0:1", "Drei."),
            ("en:0:0", "One."),
            ("en:0:1", "Two."),
            ("en:1:0", "One."),
        ]
        assert made.queries["query_id"].to_pylist() == ["de:q1", "de:q2", "en:q1", "en:q2", "en:q3"]
        assert made.queries["group_id"].to_pylist() == ["q1", "q2", "q1", "q2", "q3"]
        assert [(row["query_id"], row["candidate_id"]) for row in made.relevance.to_pylist()] == [
            ("de:q1", "de:0:0"),
            ("de:q1", "en:0:0"),
            ("de:q2", "de:0:0"),
            ("de:q2", "en:0:1"),
            ("en:q1", "de:0:0"),
            ("en:q1", "en:0:0"),
            ("en:q2", "de:0:0"),
            ("en:q2", "en:0:1"),
            ("en:q3", "en:1:0"),
        ]

    def test_corpus_joins_what_one_language_shares(self, lareqa_folder):
        made = lareqa.corpus(lareqa_folder)
        assert dict(zip(made.group_ids, made.cluster_of.tolist())) == {"q1": 0, "q2": 0, "q3": 1}
        # In English alone the three answers are three sentences, two of equal text.
        assert lareqa.corpus(lareqa_folder, ["en"]).cluster_of.tolist() == [0, 1, 2]

    def test_languages_in_the_wanted_order(self, lareqa_folder):
        assert lareqa.task(lareqa_folder, ["en", "German"], name="mine").languages == ("en", "de")
        assert len(lareqa.task(lareqa_folder, ["en"]).candidates) == 3

    @pytest.mark.parametrize(("start", "sentence"), [(3, 0), (4, 1), (5, 1), (8, 1)])
    def test_the_start_of_the_answer_decides(self, tmp_path, start, sentence):
        # Offset 4 is the blank between the sentences: it belongs to the one that follows.
        path = ["data", 0, "paragraphs", 0, "qas", 0, "answers", 0, "answer_start"]
        write_json(tmp_path / "en.json", spoilt(ENGLISH, path, start))
        relevance = lareqa.task(tmp_path).relevance.to_pylist()
        assert relevance[0] == {"query_id": "en:q1", "candidate_id": f"en:0:{sentence}", "grade": 1}

    @pytest.mark.parametrize(
        ("path", "new", "words"),
        [
            (["qas", 0, "answers", 0, "answer_start"], 9, "answer_start 9 lies in no sentence .the last one ends at 9"),
            (["qas", 0, "answers", 0, "answer_start"], -1, "question 1: answer_start -1 lies in no sentence"),
            (["sentences"], None, ": field 'sentences' is missing: add it as a list"),
            (["sentence_breaks"], [[0, 9]], "2 sentences, 1 sentence_breaks"),
            (["sentence_breaks", 1], [5], r"sentence 1: break \[5\] is not \[start, end\]"),
            (["sentence_breaks"], [[5, 9], [0, 4]], r"sentence_breaks \[9, 4\] do not ascend"),
            (["sentences", 1], " ", "sentence 1: ' ' is not a text"),
            (["qas", 1, "id"], "q1", "question 2: id 'q1' stands already at .*en.json, article 1, paragraph 1, question 1"),
        ],
    )
    def test_refuses(self, tmp_path, path, new, words):
        write_json(tmp_path / "en.json", spoilt(ENGLISH, ["data", 0, "paragraphs", 0, *path], new))
        with pytest.raises(ValueError, match="en.json, article 1, paragraph 1.*" + words):
            lareqa.task(tmp_path)

    @pytest.mark.parametrize(
        ("files", "languages", "words"),
        [
            ([], None, "no <language>.json file"),
            (["en", "readme!"], None, "names of the .json files: language 'readme!' is not a language tag"),
            (["de", "deu"], None, "names of the .json files: 'de' and 'deu' are both language 'de': keep one"),
            (["de", "en"], ["fr"], "no language 'fr': choose from de, en"),
            (["de", "en"], [], "no language is wanted: choose from de, en"),
        ],
    )
    def test_refuses_files_and_languages(self, tmp_path, files, languages, words):
        for stem in files:
            write_json(tmp_path / f"{stem}.json", ENGLISH)
        with pytest.raises(ValueError, match=words):
            lareqa.task(tmp_path, languages)

    def test_refuses_an_absent_folder(self, tmp_path):
        with pytest.raises(ValueError, match="no such folder"):
            lareqa.corpus(tmp_path / "absent")


N_ARTICLES = 60


def articles(language):
    """Articles of two paragraphs with a question each, q<article>a and q<article>b; articles 0 to 9 lack the second in
    German, where, in return, article 10 asks the second of article 11 (the data sets have such strays)."""
    found = []
    for number in range(N_ARTICLES):
        names = [f"q{number}{letter}" for letter in ("a" if language == "de" and number < 10 else "ab")]
        if language == "de" and number in (10, 11):
            names = ["q10a", "q10b", "q11b"] if number == 10 else ["q11a"]
        sentence = {"sentences": ["One."], "sentence_breaks": [[0, 4]]}
        found.append({"title": "T", "paragraphs": [paragraph("One.", (name, f"{name}?", 0), **sentence) for name in names]})
    return {"version": "1.1", "data": found}


@pytest.fixture
def split_folder(tmp_path):
    folder = tmp_path / "made-r"
    folder.mkdir()
    for language in ("de", "en"):
        write_json(folder / f"{language}.json", articles(language))
    return folder


def questions_of(task, language):
    rows = task.queries.to_pylist()
    return {row["group_id"] for row in rows if row["language"] == language}


class TestLareqaParts:
    def test_train_and_test_are_apart_and_together_everything(self, split_folder):
        whole, train, test = (lareqa.task(split_folder, part=part) for part in ("all", "train", "test"))
        for language in ("de", "en"):
            trained, tested = questions_of(train, language), questions_of(test, language)
            assert trained and tested and not trained & tested
            assert trained | tested == questions_of(whole, language)

    def test_a_question_is_on_one_side_in_all_languages(self, split_folder):
        train, test = (lareqa.task(split_folder, part=part) for part in ("train", "test"))
        assert not set(train.queries["group_id"].to_pylist()) & set(test.queries["group_id"].to_pylist())

    def test_an_article_is_on_one_side(self, split_folder):
        test = questions_of(lareqa.task(split_folder, part="test"), "en")
        assert all((f"q{number}a" in test) == (f"q{number}b" in test) for number in range(N_ARTICLES))

    def test_articles_that_share_a_question_in_some_language_are_one(self, tmp_path):
        # Whichever article a stray leads to: in German every article also asks the second question of the one after it.
        folder = tmp_path / "chain-r"
        folder.mkdir()
        write_json(folder / "en.json", articles("en"))
        german = articles("en")
        for number, article in enumerate(german["data"]):
            stray = f"q{(number + 1) % N_ARTICLES}b"
            article["paragraphs"][1]["qas"][0]["id"] = stray
        write_json(folder / "de.json", german)
        parts = [set(lareqa.corpus(folder, ["en"], part).group_ids) for part in ("train", "test") if _has(folder, part)]
        assert [len(part) for part in parts] == [2 * N_ARTICLES]

    @pytest.mark.parametrize("part", ["train", "test"])
    @pytest.mark.parametrize("languages", [["en"], ["de"], ["en", "de"]])
    def test_the_split_is_that_of_all_languages(self, split_folder, part, languages):
        whole, some = lareqa.task(split_folder, part=part), lareqa.task(split_folder, languages, part=part)
        assert all(questions_of(some, language) == questions_of(whole, language) for language in languages)

    def test_the_order_in_the_files_does_not_matter(self, split_folder):
        before = questions_of(lareqa.task(split_folder, part="test"), "en")
        for language in ("de", "en"):
            turned = articles(language)
            turned["data"].reverse()
            for article in turned["data"]:
                article["paragraphs"].reverse()
            write_json(split_folder / f"{language}.json", turned)
        assert questions_of(lareqa.task(split_folder, part="test"), "en") == before

    def test_about_a_fifth_is_to_test_on(self, split_folder):
        n_test = len(questions_of(lareqa.task(split_folder, part="test"), "en"))
        # 59 clusters: 0.2 within three standard errors (0.16), times 120 questions.
        assert 120 * 0.04 < n_test < 120 * 0.36

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_all_candidates_are_there_and_relevance_is_that_of_the_whole(self, split_folder, part):
        whole, some = lareqa.task(split_folder), lareqa.task(split_folder, part=part)
        assert some.candidates.equals(whole.candidates)
        kept = set(some.queries["query_id"].to_pylist())
        expected = [row for row in whole.relevance.to_pylist() if row["query_id"] in kept]
        assert some.relevance.to_pylist() == expected

    @pytest.mark.parametrize("part", ["all", "train", "test"])
    def test_the_corpus_has_the_same_questions(self, split_folder, part):
        made, asked = lareqa.corpus(split_folder, part=part), lareqa.task(split_folder, part=part)
        rows = made.table.to_pylist()
        assert {f"{row['language']}:{row['group_id']}" for row in rows} == set(asked.queries["query_id"].to_pylist())
        assert {row["source"] for row in rows} == {"made-r"}

    def test_names_tell_the_part(self, split_folder):
        assert lareqa.task(split_folder, part="test").name == "made-r, part test"
        assert lareqa.corpus(split_folder, part="train").name == "made-r, part train"
        assert lareqa.task(split_folder, name="mine", part="test").name == "mine"

    def test_in_the_name_of_a_source(self, split_folder):
        made = load_task(f"lareqa:{split_folder}?part=test&languages=en")
        assert (made.name, made.languages) == ("made-r, part test", ("en",))

    @pytest.mark.parametrize("function", [lareqa.task, lareqa.corpus])
    def test_another_part_is_refused(self, split_folder, function):
        with pytest.raises(ValueError, match="part is 'dev': choose all, train or test"):
            function(split_folder, part="dev")

    @pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
    def test_real_data(self, shared_data, name):
        train, test = (lareqa.corpus(shared_data / name, part=part) for part in ("train", "test"))
        assert not set(train.group_ids) & set(test.group_ids)
        assert len(train) + len(test) == len(lareqa.corpus(shared_data / name))
        assert 0.1 < len(test) / len(train) < 0.5


def _has(folder, part):
    """Whether a part has any question: a corpus without rows is refused."""
    try:
        lareqa.corpus(folder, ["en"], part)
    except ValueError as error:
        assert "no rows" in str(error)
        return False
    return True


PARAGRAPHS = squad_json(
    paragraph("Ann.", ("korean-1", "Who?", 0)),
    paragraph("Here.", ("korean-2", "Where?", 0)),
    paragraph("Ann.", ("korean-3", "Which?", 0), ("korean-4", "Who else?", 0)),
)


class TestSquad:
    def test_corpus(self, tmp_path):
        made = squad.corpus(write_json(tmp_path / "dev.json", PARAGRAPHS), "eng", domain="law")
        assert (made.name, made.languages) == ("dev", ("en",))
        assert made.group_ids == ("korean-1", "korean-2", "korean-3", "korean-4")
        assert made.cluster_of.tolist() == [0, 1, 0, 0]  # the paragraph "Ann." stands twice
        assert made.table.to_pylist()[1] == {
            "group_id": "korean-2",
            "language": "en",
            "query": "Where?",
            "passage": "Here.",
            "cluster_id": "korean-2",
            "domain": "law",
            "source": "dev",
            "negatives": [],
        }

    def test_task(self, tmp_path):
        path = write_json(tmp_path / "dev.json", squad_json(*PARAGRAPHS["data"][0]["paragraphs"], paragraph("Alone.")))
        made = squad.task(path, "en")
        assert made.candidates["candidate_id"].to_pylist() == ["en:0", "en:1", "en:3"]
        assert made.relevance["candidate_id"].to_pylist() == ["en:0", "en:1", "en:0", "en:0"]
        assert made.queries["query_id"].to_pylist()[0] == "en:korean-1"

    def test_a_folder_is_one(self, tmp_path):
        write_json(tmp_path / "b.json", PARAGRAPHS)
        write_json(
            tmp_path / "a.json", squad_json(paragraph("Ann.", ("x", "Whose?", 0)), paragraph("Never.", ("y", "When?", 0)))
        )
        (tmp_path / "LICENCE.txt").touch()
        made = squad.task(tmp_path, "en", name="both")
        assert made.candidates["text"].to_pylist() == ["Ann.", "Never.", "Here."]
        assert made.queries["query_id"].to_pylist()[:3] == ["en:x", "en:y", "en:korean-1"]
        assert made.relevance["candidate_id"].to_pylist() == ["en:0", "en:1", "en:0", "en:3", "en:0", "en:0"]
        assert squad.corpus(tmp_path, "en").cluster_of.tolist() == [0, 1, 0, 2, 0, 0]

    def test_a_folder_without_one(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"no .json file in it: give the path of a SQuAD-style .json file, or of a folder"
        ):
            squad.task(tmp_path, "en")

    def test_questions_in_another_language_are_in_a_cell_of_their_own(self, tmp_path):
        """The form of MLQA's test-context-de-question-es.json."""
        path = write_json(
            tmp_path / "mlqa.json",
            squad_json(paragraph("Die Fähre.", ("f", "¿A qué hora?", 0)), paragraph("Der Honig.", ("h", "¿Cuándo?", 0))),
        )
        made = load_task(f"squad:{path}?language=de&question_language=spa")
        assert made.languages == ("de", "es")
        assert made.queries["query_id"].to_pylist() == ["es:f", "es:h"]
        assert made.candidates["candidate_id"].to_pylist() == ["de:0", "de:1"]
        found = evaluate_embeddings(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), made, "mine")
        languages, matrix = found.matrix("reciprocal_rank")
        assert languages == ("de", "es")
        np.testing.assert_array_equal(matrix, [[np.nan, np.nan], [1.0, np.nan]])  # rows are languages of questions

    @pytest.mark.parametrize(
        ("answers", "answerable"),
        [
            ([], False),
            ([{"text": "", "answer_start": 0}], False),
            ([{"text": " ", "answer_start": -1}], False),
            ([{"answer_start": -1}], False),
            ([{}], False),
            ([{"text": "Ann", "answer_start": -1}], True),  # CMRC does not always know the place
            ([{"text": "Ann"}], True),
            ([{"answer_start": 0}], True),
            ([{"text": "", "answer_start": -1}, {"text": "Ann", "answer_start": 0}], True),
            ([{"text": "Ann", "answer_start": "0"}], True),
            ([{"text": "Ann", "answer_start": " -1"}], True),
        ],
    )
    def test_unanswerable_questions_are_left_out_and_counted(self, tmp_path, answers, answerable):
        context = paragraph("Ann.", ("1", "Who?", 0), ("2", "Why?", None))
        context["qas"][1]["answers"] = answers
        path = write_json(tmp_path / "dev.json", squad_json(context))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert squad.corpus(path, "en").group_ids == (("1", "2") if answerable else ("1",))
        expected = [] if answerable else [f"{path}: 1 of 2 questions have no answer: left out"]
        assert [str(warning.message) for warning in seen] == expected

    def test_numbers_as_ids(self, tmp_path):
        path = write_json(tmp_path / "de.json", squad_json(paragraph("Ann.", (5001, "Who?", 0), (5002, "Why?", 0))))
        assert squad.task(path, "de").queries["query_id"].to_pylist() == ["de:5001", "de:5002"]

    def test_a_number_and_its_text_are_one_id(self, tmp_path):
        path = write_json(tmp_path / "de.json", squad_json(paragraph("Ann.", (7, "Who?", 0), ("7", "Why?", 0))))
        with pytest.raises(ValueError, match=r"question 2: id '7' stands already at .*question 1"):
            squad.corpus(path, "de")

    @pytest.mark.parametrize(
        ("path", "new", "words"),
        [
            (["data"], None, "dev.json: field 'data' is missing: add it as a list"),
            (["data", 0], "x", "dev.json, article 1: not a JSON object but 'x'"),
            (["data", 0, "paragraphs"], {}, "article 1: field 'paragraphs' is {}: write it as a list"),
            (["data", 0, "paragraphs", 1, "context"], " ", "article 1, paragraph 2: field 'context' is empty"),
            (["data", 0, "paragraphs", 2, "qas", 1, "question"], "", "paragraph 3, question 2: field 'question' is empty"),
            (
                ["data", 0, "paragraphs", 2, "qas", 1, "id"],
                4.5,
                "paragraph 3, question 2: field 'id' is 4.5: write it as a text",
            ),
            (["data", 0, "paragraphs", 2, "qas", 1, "answers"], None, "question 2: field 'answers' is missing"),
            (
                ["data", 0, "paragraphs", 2, "qas", 1, "answers", 0, "answer_start"],
                "first",
                "answer 1: field 'answer_start' is 'first': write it as a whole number",
            ),
            (["data", 0, "paragraphs", 2, "qas", 1, "id"], "korean-1", "id 'korean-1' stands already at .*paragraph 1"),
        ],
    )
    def test_refuses(self, tmp_path, path, new, words):
        with pytest.raises(ValueError, match=words):
            squad.corpus(write_json(tmp_path / "dev.json", spoilt(PARAGRAPHS, path, new)), "en")

    @pytest.mark.parametrize("content", [b"{", b'{"data": "\xe9"}'])
    def test_not_json(self, tmp_path, content):
        (tmp_path / "dev.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"dev.json: not a JSON file in UTF-8"):
            squad.corpus(tmp_path / "dev.json", "en")

    def test_absent(self, tmp_path):
        with pytest.raises(ValueError, match=r"dev.json: no such file"):
            squad.task(tmp_path / "dev.json", "en")


BEIR = {
    "corpus.jsonl": '{"_id": "d1", "title": "T", "text": "One."}\n{"_id": "d2", "text": "Two."}\n'
    '{"_id": "d3", "title": "", "text": "Three.", "metadata": {}}\n'
    '{"_id": 4, "text": "Four.", "title": "T"}\n',
    "queries.jsonl": '{"_id": "a", "text": "A?"}\n{"_id": "b", "text": "B?"}\n{"_id": "c", "text": "C?"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nb\td2\t2\na\td1\t1\na\td2\t0\nc\td1\t0\n",
    # a: d1 and d3; b: d2; c: 4.
    "qrels/train.tsv": "query-id\tcorpus-id\tscore\na\td1\t1\na\td3\t1\nb\td2\t1\nc\t4\t1\n",
}


@pytest.fixture
def beir_folder(tmp_path):
    def write(**changes):
        folder = tmp_path / "made"
        (folder / "qrels").mkdir(parents=True)
        for name, text in {**BEIR, **changes}.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    return write


class TestBeir:
    def test_task(self, beir_folder):
        made = beir.task(beir_folder(), language="fin")
        assert (made.name, made.languages, made.notes) == ("made-test", ("fi",), ())
        assert made.candidates["candidate_id"].to_pylist() == ["d1", "d2", "d3", "4"]
        assert made.candidates["text"].to_pylist() == ["T One.", "Two.", "Three.", "T Four."]
        assert made.queries["query_id"].to_pylist() == ["a", "b"]  # c has no relevant document
        assert [tuple(row.values()) for row in made.relevance.to_pylist()] == [("b", "d2", 2), ("a", "d1", 1)]

    def test_corpus(self, beir_folder):
        equal = BEIR["corpus.jsonl"].replace("Four.", "One.")  # so that a and c are one cluster
        made = beir.corpus(beir_folder(**{"corpus.jsonl": equal}), domain="law")
        assert made.group_ids == ("a/d1", "a/d3", "b/d2", "c/4")
        assert made.cluster_of.tolist() == [0, 0, 1, 0]
        row = made.table.to_pylist()[0]
        assert (made.name, row["source"], row["domain"], row["passage"]) == ("made-train", "made-train", "law", "T One.")

    def test_gzip(self, beir_folder):
        folder = beir_folder()
        (folder / "corpus.jsonl.gz").write_bytes(gzip.compress((folder / "corpus.jsonl").read_bytes()))
        with pytest.raises(ValueError, match=r"2 files for 'corpus': keep one of corpus.jsonl, corpus.jsonl.gz"):
            beir.task(folder)
        (folder / "corpus.jsonl").unlink()
        assert len(beir.task(folder).candidates) == 4

    def test_documents_without_text_are_left_out_and_counted(self, beir_folder):
        folder = beir_folder(**{"corpus.jsonl": BEIR["corpus.jsonl"] + '{"_id": "d5", "title": " ", "text": ""}\n'})
        with pytest.warns(UserWarning, match="1 of 5 documents have no text: left out"):
            assert len(beir.task(folder).candidates) == 4

    @pytest.mark.parametrize(
        "judgements",
        [
            "query-id\tcorpus-id\tscore\r\nb\td2\t2\r\na\td1\t1\r\n",
            "\ufeffquery-id\tcorpus-id\tscore\nb\td2\t2\na\td1\t1",
            "b\td2\t2\na\td1\t1\n",  # no header
            "qid\tdocid\tRelevance\n\nb\td2\t2\n\n \na\td1\t1\n\n",
            "b 0 d2 2\na  0  d1 1 \n",  # TREC
            "b\tQ0\td2\t2\na\tQ0\td1\t1\n",
            "query-id\tcorpus-id\tscore\nb\td2\t2.0\na\td1\t1e0\na\td2\t0.0\nc\td1\t-1\n",
            "b\td2\t2\na\td1\t1\nb\td2\t2.0\na\td3\t0\na\td3\t0\n",  # the same again
        ],
    )
    def test_forms_of_judgements(self, beir_folder, judgements):
        folder = beir_folder()
        (folder / "qrels" / "test.tsv").write_bytes(judgements.encode())
        made = beir.task(folder)
        assert [tuple(row.values()) for row in made.relevance.to_pylist()] == [("b", "d2", 2), ("a", "d1", 1)]

    def test_only_a_line_feed_ends_a_line(self, beir_folder):
        names = ["a\u2028b", "c\x85d", "e f\x0b"]  # what str.splitlines takes for ends
        made = beir.task(
            beir_folder(
                **{
                    "queries.jsonl": "".join(f'{{"_id": {json.dumps(name)}, "text": "x\u2028y"}}\n' for name in names),
                    "corpus.jsonl": "".join(f'{{"_id": {json.dumps(name)}, "text": "{name[0]}\x85z"}}\n' for name in names),
                    "qrels/test.tsv": "".join(f"{name}\t{name}\t1\n" for name in names),
                }
            )
        )
        assert made.relevance["query_id"].to_pylist() == made.relevance["candidate_id"].to_pylist() == names
        assert made.candidates["text"].to_pylist() == ["a\x85z", "c\x85z", "e\x85z"]

    def test_judgements_of_absent_documents_are_left_out_and_counted(self, beir_folder):
        head = "query-id\tcorpus-id\tscore\n"
        folder = beir_folder(
            **{
                "corpus.jsonl": BEIR["corpus.jsonl"] + '{"_id": "d5", "text": ""}\n',
                "qrels/test.tsv": head + "a\td1\t1\na\td9\t1\nb\td9\t0\nb\td5\t1\nc\td2\t1\n",
                "qrels/train.tsv": head + "a\td9\t1\na\td3\t1\n",
            }
        )
        note = (
            "2 of 4 judgements are of documents that are not in the corpus or have no text (the first: 'd9', line 3): "
            "left out, with 1 of 3 queries"
        )
        with pytest.warns(UserWarning) as told:
            made = beir.task(folder)
        notes = ("1 of 5 documents have no text: left out", note)
        assert made.notes == notes and [str(one.message) for one in told] == [f"{folder}: {one}" for one in notes]
        assert [tuple(row.values()) for row in made.relevance.to_pylist()] == [("a", "d1", 1), ("c", "d2", 1)]
        assert made.queries["query_id"].to_pylist() == ["a", "c"]
        with pytest.warns(UserWarning, match=r"1 of 2 judgements are of documents .*: left out$"):
            assert beir.corpus(folder).group_ids == ("a/d3",)

    def test_the_queries_may_have_a_language_of_their_own(self, beir_folder):
        made = load_task(f"beir:{beir_folder()}?language=deu&question_language=Spanish")
        assert made.languages == ("de", "es")
        assert set(made.queries["language"].to_pylist()) == {"es"}
        assert set(made.candidates["language"].to_pylist()) == {"de"}

    @pytest.mark.parametrize(
        ("file", "text", "words"),
        [
            ("qrels/test.tsv", "", "test.tsv: no line: the file is empty"),
            ("qrels/test.tsv", "{head}", "test.tsv: no row with a score of 1 or more"),
            ("qrels/test.tsv", "a\td1\thigh\n", "test.tsv, line 1: score 'high' is not a whole number"),
            ("qrels/test.tsv", "{head}a\td1\t0.5\n", "test.tsv, line 2: score '0.5' is not a whole number"),
            ("qrels/test.tsv", "{head}a\td1\tnan\n", "test.tsv, line 2: score 'nan' is not a whole number"),
            ("qrels/test.tsv", "{head}\td1\t1\n", "test.tsv, line 2: ' d1 1' is not query-id, corpus-id, score"),
            ("qrels/test.tsv", "{head}a 0 d1 1 1 run\n", "line 2: 'a 0 d1 1 1 run' is not .* or the four of TREC"),
            ("corpus.jsonl", "", "corpus.jsonl: no line with an object: the file is empty"),
            ("queries.jsonl", '{{"_id": "a", "text": "\\ud800"}}\n', "queries.jsonl, line 1: .*field 'text' is '.ud800'"),
            ("qrels/test.tsv", "{head}a d1 1\n", "test.tsv, line 2: 'a d1 1' is not query-id, corpus-id, score"),
            ("qrels/test.tsv", "{head}a\td1\thigh\n", "test.tsv, line 2: score 'high' is not a whole number"),
            ("qrels/test.tsv", "{head}a\td1\t0\n", "test.tsv: no row with a score of 1 or more"),
            (
                "qrels/test.tsv",
                "{head}a\td1\t1\na\td1\t0\n",
                "line 3: query 'a' and document 'd1' stand already at .*test.tsv, line 2, with score 1 and not 0",
            ),
            ("qrels/test.tsv", "{head}z\td1\t1\n", "test.tsv, line 2: query 'z' does not stand in queries.jsonl"),
            ("qrels/test.tsv", "{head}a\td9\t1\n", "test.tsv, line 2: document 'd9' does not stand in corpus.jsonl"),
            (
                "corpus.jsonl",
                '{{"_id": "d2", "text": " "}}\n',
                "line 2: document 'd2' does not stand in .* with a text, and no",
            ),
            ("corpus.jsonl", '{{"_id": "d2"}}\n', "corpus.jsonl, line 1: field 'text' is None: write it as a text"),
            (
                "corpus.jsonl",
                '{{"_id": " ", "text": "x"}}\n',
                "corpus.jsonl, line 1: field '_id' is ' ': write it as a text",
            ),
            ("corpus.jsonl", '{{"text": "x"}}\n', "corpus.jsonl, line 1: field '_id' is None"),
            ("corpus.jsonl", '{{"_id": "d", "text": "x"}}\n' * 2, "corpus.jsonl, line 2: _id 'd' stands already at line 1"),
            ("corpus.jsonl", "x\n", "corpus.jsonl, line 1: not a JSON object"),
            ("queries.jsonl", '{{"_id": "a", "text": ""}}\n', "queries.jsonl, line 1: field 'text' of query 'a' is empty"),
        ],
    )
    def test_refuses(self, beir_folder, file, text, words):
        folder = beir_folder(**{file: text.format(head="query-id\tcorpus-id\tscore\n")})
        with pytest.raises(ValueError, match=words):
            beir.task(folder)

    def test_refuses_an_absent_split(self, beir_folder):
        with pytest.raises(ValueError, match=r"dev.tsv: no such file: choose the split from .* \(test, train\)"):
            beir.task(beir_folder(), split="dev")


class TestOneCallForAll:
    def test_options_reach_the_source(self, lareqa_folder, beir_folder):
        assert load_task(f"lareqa:{lareqa_folder}", languages=["en"], name="mine").name == "mine"
        assert len(load_corpus(f"beir:{beir_folder()}", split="test")) == 2

    def test_own_tables(self, tmp_path, lareqa_folder):
        made = lareqa.corpus(lareqa_folder)
        made.write(tmp_path / "made.jsonl")
        RetrievalTask.from_corpus(made, "made").write(tmp_path / "task")
        assert isinstance(load_corpus(f"jsonl:{tmp_path / 'made.jsonl'}"), ParallelCorpus)
        assert isinstance(load_task(f"jsonl:{tmp_path / 'task'}"), RetrievalTask)

    @pytest.mark.parametrize(
        ("spec", "options", "words"),
        [
            ("xquad", {}, "source 'xquad': unknown kind 'xquad': choose from atlas, beir, bucc,"),
            ("", {}, "source '': unknown kind ''"),
            ("lareqa", {}, "source 'lareqa': the path is missing: write 'lareqa:<path>'"),
            ("squad:", {}, "source 'squad:': the path is missing: write 'squad:<path>'"),
            ("beir:/no/such", {}, "source 'beir:/no/such': /no/such does not exist: give the folder"),
            ("lareqa:.", {"split": "x"}, "source 'lareqa:.': unknown option 'split': choose from languages"),
            ("jsonl:.", {"split": "x"}, "source 'jsonl:.': unknown option 'split': this kind takes none"),
            ("squad:.", {}, "source 'squad:.': option 'language' is missing: give it; choose from language, domain"),
            ("lareqa:.", {"folder": "x"}, "unknown option 'folder'"),
        ],
    )
    def test_refuses(self, spec, options, words):
        with pytest.raises(ValueError, match=words):
            load_corpus(spec, **options)

    @pytest.mark.parametrize("kind", kinds())
    def test_every_kind_says_what_it_takes(self, kind):
        source = importlib.import_module(f"kit.data.sources.{kind}")
        functions = [getattr(source, form) for form in ("corpus", "task", "bitext") if hasattr(source, form)]
        assert functions
        for function in functions:
            first = next(iter(inspect.signature(function).parameters), "")
            assert (first in ("path", "folder", "set_id")) is (kind != "atlas")

    def test_a_new_file_is_a_new_kind(self, monkeypatch, tmp_path):
        code = "def corpus(size=1):\n    return size\n\n\ndef checksum():\n    return 'one'\n"
        (tmp_path / "made.py").write_text(code)
        package = importlib.import_module("kit.data.sources")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        assert "made" in kinds("corpus") and "made" not in kinds("task")
        assert load_training("made?size=3") == load_training("made", size=3) == 3
        assert checksums(["made"]) == {"made": "one"}
        for spec, words in (
            ("made:x", "source 'made:x': this kind takes no path: write 'made'"),
            ("made?size=x", "option 'size' is 'x': write a whole number"),
            ("made?colour=x", "unknown option 'colour': choose from size"),
        ):
            with pytest.raises(ValueError, match=words):
                load_training(spec)

    def test_importing_it_imports_nothing_heavy(self):
        code = "import sys, kit.data.registry; print(sorted({'numpy', 'pyarrow', 'babel', 'scipy'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
