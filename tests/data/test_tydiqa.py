"""TyDi QA GoldP: files by language, their true layout, what stands in the real ones."""

from __future__ import annotations

import json

import pytest

from kit.data.registry import load_corpus, load_task
from kit.data.sources import tydiqa


def _file(folder, name: str, paragraphs: list[tuple[str, list[tuple[str, str]]]]) -> None:
    """A file as Google publishes it: one paragraph an article, a question's id begins with its language."""
    data = [
        {
            "title": "",
            "paragraphs": [
                {
                    "context": context,
                    "qas": [
                        {"id": key, "question": question, "answers": [{"text": context[:3], "answer_start": 0}]}
                        for key, question in questions
                    ],
                }
            ],
        }
        for context, questions in paragraphs
    ]
    (folder / name).write_text(json.dumps({"version": "TyDiQA-GoldP-1.1", "data": data}), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """Two English paragraphs, one of them for two questions and repeated for the second, as in the real files; Swahili."""
    london = "London is the capital of the United Kingdom."
    _file(
        tmp_path,
        "english_tydiqa_dev.json",
        [
            (london, [("english-1-0", "What is the capital?")]),
            (london, [("english-2-0", "Where is London?")]),
            ("Paris lies on the Seine.", [("english-3-0", "Where is Paris?")]),
        ],
    )
    _file(tmp_path, "swahili_tydiqa_dev.json", [("Nairobi ni mji mkuu.", [("swahili-1-0", "Mji mkuu ni upi?")])])
    _file(tmp_path, "swahili_tydiqa_train.json", [("Dodoma ni mji.", [("swahili-9-0", "Dodoma ni nini?")])])
    return tmp_path


class TestTask:
    def test_each_language_has_its_questions_and_paragraphs(self, folder):
        task = tydiqa.task(folder)
        assert task.name == "tydiqa-dev" and task.languages == ("en", "sw")
        assert (len(task.queries), len(task.candidates), len(task.relevance)) == (4, 3, 4)

    def test_a_repeated_paragraph_is_one_candidate(self, folder):
        task = tydiqa.task(folder, languages=["en"])
        answers = {row["query_id"]: row["candidate_id"] for row in task.relevance.to_pylist()}
        assert answers["en:english-1-0"] == answers["en:english-2-0"] != answers["en:english-3-0"]

    def test_there_is_no_cell_across_languages(self, folder):
        task = tydiqa.task(folder)
        queries, candidates, _ = task.relevant_pairs.T
        assert (task.query_language[queries] == task.candidate_language[candidates]).all()
        assert len(set(task.queries.column("group_id").to_pylist())) == len(task.queries)

    def test_is_a_source(self, folder):
        task = load_task(f"tydiqa:{folder}?languages=sw&part=train")
        assert task.languages == ("sw",) and task.queries.column("text").to_pylist() == ["Dodoma ni nini?"]


SWAHILI = ("Kando ya mto kuna soko.", [("swahili-12-0", "Soko liko wapi?")])
FINNISH = ("Juna lähtee.", [("finnish-11-0", "Milloin?")])
ONE_FILE = "tydiqa-goldp-v1.1-dev.json"


class TestOtherForms:
    """The one file that is published, with the language in the ids, and the files that XTREME's script writes."""

    @pytest.fixture
    def one_file(self, tmp_path):
        _file(tmp_path, ONE_FILE, [("Juma alijenga.", [("swahili-10-0", "Nani?")]), FINNISH, SWAHILI])
        return tmp_path / ONE_FILE

    def test_the_file(self, one_file):
        made = load_task(f"tydiqa:{one_file}")
        assert (made.name, made.languages) == ("tydiqa-goldp-v1.1-dev", ("fi", "sw"))
        assert made.queries["query_id"].to_pylist() == ["fi:finnish-11-0", "sw:swahili-10-0", "sw:swahili-12-0"]
        assert made.relevance["candidate_id"].to_pylist() == ["fi:0", "sw:0", "sw:1"]
        assert load_corpus(f"tydiqa:{one_file}?languages=swahili").group_ids == ("swahili-10-0", "swahili-12-0")

    def test_the_folder_of_the_file(self, one_file):
        made = load_task(f"tydiqa:{one_file.parent}")
        assert (made.name, made.languages, len(made.queries)) == ("tydiqa-dev", ("fi", "sw"), 3)

    def test_a_paragraph_with_questions_in_two_languages(self, tmp_path):
        _file(tmp_path, ONE_FILE, [("Ann.", [("korean-1", "Who?"), ("bengali-2", "Where?")])])
        made = tydiqa.task(tmp_path / ONE_FILE)
        assert made.candidates["candidate_id"].to_pylist() == ["bn:0", "ko:0"]

    def test_the_files_of_xtreme(self, tmp_path):
        _file(tmp_path, "tydiqa.goldp.fi.dev.json", [FINNISH])
        _file(tmp_path, "tydiqa.goldp.sw.dev.json", [SWAHILI])
        made = load_task(f"tydiqa:{tmp_path}")
        assert (made.name, made.languages, len(made.queries)) == ("tydiqa-dev", ("fi", "sw"), 2)

    def test_an_id_without_a_language_is_named(self, tmp_path):
        _file(tmp_path, ONE_FILE, [FINNISH, ("A.", [("x-1", "Who?")])])
        with pytest.raises(ValueError, match="article 2, paragraph 1, question 1: id 'x-1' does not begin with a language"):
            tydiqa.task(tmp_path / ONE_FILE)

    def test_a_file_is_one_part(self, one_file):
        with pytest.raises(ValueError, match="part is 'train', but a file is one part: leave the option out"):
            load_corpus(f"tydiqa:{one_file}?part=train")

    @pytest.mark.parametrize("other", ["finnish_tydiqa_dev.json", "tydiqa-goldp-v1.0-dev.json"])
    def test_a_part_in_two_forms_is_refused(self, one_file, other):
        _file(one_file.parent, other, [FINNISH])
        with pytest.raises(ValueError, match=r"dev\.json and .*dev\.json both hold part dev: keep one of the two"):
            tydiqa.task(one_file.parent)

    def test_two_files_of_one_language_are_refused(self, tmp_path):
        _file(tmp_path, "swahili_tydiqa_dev.json", [SWAHILI])
        _file(tmp_path, "sw_tydiqa_dev.json", [SWAHILI])
        with pytest.raises(ValueError, match="names of files: 'sw' and 'swahili' are both language 'sw': keep one"):
            tydiqa.task(tmp_path)


class TestCorpus:
    def test_a_group_is_a_question(self, folder):
        corpus = tydiqa.corpus(folder, part="dev")
        assert corpus.languages == ("en", "sw") and len(corpus.group_ids) == len(corpus) == 4
        assert set(corpus.table.column("source").to_pylist()) == {"tydiqa"}

    def test_questions_of_one_paragraph_are_one_cluster(self, folder):
        clusters = tydiqa.corpus(folder, part="dev", languages=["en"]).table.column("cluster_id").to_pylist()
        assert clusters[0] == clusters[1] != clusters[2]

    def test_the_part_is_train_if_nothing_is_said(self, folder):
        assert load_corpus(f"tydiqa:{folder}").languages == ("sw",)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"part": "test"},
            r"no file <language>_tydiqa_test\.json, tydiqa\.goldp\.<language>\.test\.json, tydiqa-goldp-\*-test\.json: give",
        ),
        ({"part": "dev", "languages": ["fr"]}, "no language 'fr': choose from en, sw"),
        ({"part": "train", "languages": ["en"]}, "no language 'en': choose from sw"),
    ],
)
@pytest.mark.parametrize("read", [tydiqa.corpus, tydiqa.task])
def test_refuses(folder, read, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(folder, **options)


def test_refuses_a_file_of_no_language(folder):
    _file(folder, "klingonish_tydiqa_dev.json", [("x y", [("a", "b?")])])
    with pytest.raises(ValueError, match="klingonish"):
        tydiqa.task(folder)


def test_the_real_files(shared_data):
    task = tydiqa.task(shared_data / "tydiqa")
    assert len(task.queries) == 5077 and len(task.languages) == 9
    assert tydiqa.corpus(shared_data / "tydiqa").languages == ("en", "ko", "sw")
