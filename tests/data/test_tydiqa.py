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
        ({"part": "test"}, r"no file <language>_tydiqa_test\.json: give the folder"),
        ({"part": "dev", "languages": ["fr"]}, "no language 'fr' in part dev: choose from en, sw"),
        ({"part": "train", "languages": ["en"]}, "no language 'en' in part train: choose from sw"),
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
