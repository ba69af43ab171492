"""Judged collections: the layouts of MIRACL and BEIR as streams, and what is refused."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kit.data.corpus import RetrievalTask
from kit.data.judged import corpora
from kit.data.judged.collection import JudgedCollection, Passage, text_digest
from kit.data.judged.corpora import load_passages
from kit.data.judged.stream import corpus_files, passage_stream
from kit.data.registry import load_judged, load_task

DOCS = [
    {"docid": "1#0", "title": "Nairobi", "text": "Nairobi ni mji mkuu wa Kenya."},
    {"docid": "1#1", "title": "Nairobi", "text": "Una watu milioni nne."},
    {"docid": "10#0", "title": "", "text": "Dodoma ni mji mkuu."},
]

TOPICS, QRELS = (f"miracl-v1.0-sw/{part}/{part}.miracl-v1.0-sw-dev.tsv" for part in ("topics", "qrels"))


def miracl_folder(folder: Path, code: str = "sw", below: str = "") -> Path:
    """Three passages in two files, two questions, one judged without anything relevant."""
    topics, corpus = folder / below / f"miracl-v1.0-{code}", folder / f"miracl-corpus-v1.0-{code}"
    for path in (topics / "topics", topics / "qrels", corpus):
        path.mkdir(parents=True)
    texts = "10#0\tMji mkuu wa Kenya?\n3\tNani?\n9\tHaijaamuliwa\n"
    (topics / "topics" / f"topics.miracl-v1.0-{code}-dev.tsv").write_text(texts, encoding="utf-8")
    judged = "10#0\tQ0\t1#0\t1\n10#0\tQ0\t1#1\t0\n3\tQ0\t1#1\t0\n"
    (topics / "qrels" / f"qrels.miracl-v1.0-{code}-dev.tsv").write_text(judged, encoding="utf-8")
    for number, docs in ((10, DOCS[2:]), (2, DOCS[:2])):
        lines = "".join(json.dumps(doc) + "\n" for doc in docs)
        (corpus / f"docs-{number}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


class TestMiracl:
    @pytest.mark.parametrize("below", ["", "miracl"])
    def test_a_collection(self, tmp_path, below):
        (one,) = load_judged(f"miracl:{miracl_folder(tmp_path, below=below)}")
        assert (one.name, one.language, dict(one.queries)) == ("miracl-sw-dev", "sw", {"10#0": "Mji mkuu wa Kenya?"})
        assert one.grades == {"10#0": {"1#0": 1, "1#1": 0}}
        assert one.notes == ("1 of 2 judged questions have no relevant passage: left out",)
        texts = ["Nairobi Nairobi ni mji mkuu wa Kenya.", "Nairobi Una watu milioni nne.", "Dodoma ni mji mkuu."]
        for _ in range(2):  # the stream begins anew, docs-2 before docs-10
            assert [(passage.passage_id, passage.text) for passage in one.passages()] == list(
                zip(["1#0", "1#1", "10#0"], texts)
            )

    def test_languages(self, tmp_path):
        for code in ("yo", "sw", "te"):
            miracl_folder(tmp_path, code)
        asked = load_judged(f"miracl:{tmp_path}?languages=Swahili,yor")
        assert [one.language for one in asked] == ["sw", "yo"]
        assert [one.language for one in load_judged(f"miracl:{tmp_path}")] == ["sw", "te", "yo"]

    def test_the_corpus_decides_the_version_and_the_questions_do_not(self, tmp_path):
        folder = miracl_folder(tmp_path)
        (before,) = load_judged(f"miracl:{folder}")
        path = folder / TOPICS
        path.write_text(path.read_text().replace("Kenya", "Uganda"))
        (after,) = load_judged(f"miracl:{folder}")
        assert before.corpus_version == after.corpus_version and before.queries != after.queries
        (folder / "miracl-corpus-v1.0-sw" / "docs-10.jsonl.gz").write_bytes(gzip.compress(b'{"docid": "x", "text": "y"}'))
        assert load_judged(f"miracl:{folder}")[0].corpus_version != before.corpus_version

    def test_a_small_one_is_a_task(self, tmp_path):
        for code in ("yo", "sw"):
            miracl_folder(tmp_path, code)
        with pytest.warns(UserWarning) as told:
            task = load_task(f"miracl:{tmp_path}")
        assert [str(one.message).partition(": ")[2] for one in told] == [
            f"{tag}: 1 of 2 judged questions have no relevant passage: left out" for tag in ("sw", "yo")
        ]
        assert (task.name, task.languages) == ("miracl-dev", ("sw", "yo"))
        assert task.relevance.to_pylist() == [
            {"query_id": f"{tag}:10#0", "candidate_id": f"{tag}:1#0", "grade": 1} for tag in ("sw", "yo")
        ]
        assert len(task.candidates) == 6 and (task.own_candidate == -1).all()  # of one id, not of one text

    @pytest.mark.parametrize(
        ("path", "content", "words"),
        [
            (
                "miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-dev.tsv",
                "3 Nani?\n",
                "line 1: '3 Nani.' is not question id, tab",
            ),
            (TOPICS, "3\tx\n3\ty\n", "line 2: question '3' stands there alr"),
            (TOPICS, "3\tx\n", "question '10#0' is judged but not there"),
            (QRELS, "3\tQ0\t1#0\t0\n", "miracl-sw-dev: no question"),
            (QRELS, "3\t1#0\n", "line 1: '3 1#0' is not query-id"),
        ],
    )
    def test_refuses(self, tmp_path, path, content, words):
        (miracl_folder(tmp_path) / path).write_text(content)
        with pytest.raises(ValueError, match=words):
            load_judged(f"miracl:{tmp_path}")

    def test_refuses_what_is_not_there(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"no language with both miracl-v1.0-… \(none\) and miracl-corpus-v1.0-… \(none\)"
        ):
            load_judged(f"miracl:{tmp_path}")
        miracl_folder(tmp_path)
        with pytest.raises(ValueError, match=r"train.tsv: no such file: choose the split from those that exist \(dev\)"):
            load_judged(f"miracl:{tmp_path}?split=train")
        with pytest.raises(ValueError, match="no language 'yo': choose from sw"):
            load_judged(f"miracl:{tmp_path}?languages=yo")
        for path in (tmp_path / "miracl-corpus-v1.0-sw").iterdir():
            path.unlink()
        with pytest.raises(ValueError, match=r"no file docs-\* that ends in .jsonl, .jsonl.gz, .parquet"):
            load_judged(f"miracl:{tmp_path}")


class TestBeir:
    def test_a_collection(self, tmp_path):
        (tmp_path / "qrels").mkdir()
        (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "Who?"}\n{"_id": 2, "text": "What?"}\n')
        (tmp_path / "corpus.jsonl").write_text('{"_id": 7, "title": " T ", "text": "Ann. "}\n{"_id": "e", "text": ""}\n')
        (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t7\t2\nq\tx\t1\nq\te\t0\n2\t7\t0\n")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (one,) = load_judged(f"beir:{tmp_path}?language=deu")
        assert (one.name, one.language, one.grades) == (f"{tmp_path.name}-test", "de", {"q": {"7": 2, "x": 1, "e": 0}})
        assert list(one.passages()) == [Passage("7", "T", "Ann."), Passage("e", "", "")]
        assert [passage.text for passage in one.passages()] == ["T Ann.", ""]
        assert load_judged(f"beir:{tmp_path}?question_language=es")[0].language == "es-en"

    def test_a_source_without_collections_names_those_that_have_some(self, tmp_path):
        with pytest.raises(ValueError, match="squad is no judged collection: choose from beir, hub, miracl"):
            load_judged(f"squad:{tmp_path}")


class TestStream:
    def test_parquet_is_read_a_few_rows_at_a_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr("kit.data.judged.stream._ROWS_AT_ONCE", 2)
        rows = [{"_id": str(number), "title": None, "text": f"t{number}", "url": "x"} for number in range(5)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "corpus-0.parquet")
        stream, _ = passage_stream(corpus_files(tmp_path), "_id")
        assert [passage.text for passage in stream()] == ["t0", "t1", "t2", "t3", "t4"]

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("docs-0.jsonl", b'{"docid": "a", "text": "x"}\n{"docid": " ", "text": "x"}', "row 2: field 'docid' is ' '"),
            ("docs-0.jsonl", b'{"docid": "a", "text": null}', "row 1: field 'text' is None: write it as a text"),
            ("docs-0.jsonl", b'{"docid": "a", "title": 3, "text": "x"}', "row 1: field 'title' is 3: write it as a text"),
            ("docs-0.jsonl", b'{"docid": "a"', "docs-0.jsonl, line 1: not a JSON object"),
            (
                "docs-0.jsonl.gz",
                gzip.compress(b'{"docid": "a", "text": "x"}', mtime=0)[:-9],
                "docs-0.jsonl.gz: not a whole gzip",
            ),
            ("docs-0.parquet", b"PAR1", "docs-0.parquet: not a readable Parquet file"),
        ],
    )
    def test_refuses(self, tmp_path, name, content, words):
        (tmp_path / name).write_bytes(content)
        stream, _ = passage_stream(corpus_files(tmp_path, "docs-*"), "docid")
        with pytest.raises(ValueError, match=words):
            list(stream())


class TestCollection:
    @pytest.mark.parametrize(
        ("queries", "grades", "words"),
        [
            ({}, {}, "c: no question"),
            ({"q": " "}, {"q": {"d": 1}}, "c: question 'q' has no text"),
            ({"q": "x"}, {"q": {"d": 0}}, "c: question 'q' has no relevant passage"),
            ({"q": "x"}, {}, "c: question 'q' has no relevant passage"),
        ],
    )
    def test_refuses(self, queries, grades, words):
        with pytest.raises(ValueError, match=words):
            JudgedCollection("c", "en", queries, grades, lambda: iter(()), "v")

    def test_texts_that_differ_in_white_space_and_composition_only(self):
        assert text_digest("caf\u00e9  au\nlait ") == text_digest("cafe\u0301 au lait") != text_digest("cafe au lait")


class TestPassages:
    def test_a_collection_is_a_stream_and_a_task_gives_its_candidates(self, tmp_path):
        for code in ("sw", "yo"):
            miracl_folder(tmp_path / "miracl", code)
        found = load_passages(f"miracl:{tmp_path / 'miracl'}")
        expected = load_judged(f"miracl:{tmp_path / 'miracl'}")
        assert [(one.language, one.version) for one in found] == [
            ("sw", expected[0].corpus_version),
            ("yo", found[1].version),
        ]
        assert list(found[0].passages()) == list(found[0].passages()) == list(expected[0].passages())
        candidates = [
            {"candidate_id": f"{number}", "language": tag, "text": f"text {number}"}
            for number, tag in enumerate(["th", "de", "th"])
        ]
        query = {"query_id": "q", "language": "de", "text": "q"}
        answer = {"query_id": "q", "candidate_id": "1"}
        RetrievalTask.from_rows("mine", [query], candidates, [answer]).write(tmp_path / "mine")
        thai, german = load_passages(f"jsonl:{tmp_path / 'mine'}")
        assert (thai.language, german.language, thai.version) == ("th", "de", german.version)
        assert [list(one.passages()) for one in (thai, german)] == [
            [Passage("0", "", "text 0"), Passage("2", "", "text 2")],
            [Passage("1", "", "text 1")],
        ]

    def test_a_set_of_the_hub_is_what_its_home_made_of_it(self, monkeypatch):
        asked = []
        monkeypatch.setattr(corpora, "load_judged", lambda spec, **options: asked.append((spec, options)) or [])
        assert load_passages("hub:scifact") == [] and asked == [("beir:data/scifact", {})]
        for name in ("belebele", "miracl"):
            with pytest.raises(ValueError, match=f"data get {name}"):  # it is not here
                load_passages(f"hub:{name}")
