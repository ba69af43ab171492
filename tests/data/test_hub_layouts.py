"""Every layout once, in miniature and with the columns of the real sets: what comes out as corpus, task or bitext."""

from __future__ import annotations

import json
import warnings
from typing import ClassVar

import pyarrow as pa
import pytest
import yaml
from fake_hub import FakeHub, card, jsonl, packed, parquet, tarred, tsv, zipped
from layouts import put_ntrex

from kit.core.paths import root
from kit.data.homes import catalogue
from kit.data.hub import getting, remote, shards
from kit.data.hub.getting import get
from kit.data.hub.record import Record
from kit.data.registry import checksums, kinds, load_bitext, load_corpus, load_judged, load_task

KNOWN = {"what": "a set", "licence": "mit", "citation": "somebody"}


def made(hub: FakeHub, files: dict[str, bytes], /, **entry: object) -> None:
    """The set ``it``, of one repository, is got."""
    listed({"home": hub.add("me/it", files)} | entry)
    get("it", log=lambda line: None)


def listed(entry: dict) -> None:
    (root() / "data" / "hub.yaml").write_text(yaml.safe_dump({"it": KNOWN | entry}))


def rows(table: pa.Table, *columns: str) -> list[tuple]:
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


def mteb(languages: tuple[str, ...], key: str = "id") -> dict[str, bytes]:
    """Two documents and two questions in each language; the qrels of the second question are in another split."""
    files, configs = {}, {}
    for code in languages:
        documents = [{key: str(n), "text": f"{code} text {n}", "title": f"T{n}" if n else ""} for n in range(2)]
        queries = [{key: f"q{n}", "text": f"{code} ask {n}?"} for n in range(2)]
        qrels = [{"query-id": "q0", "corpus-id": "0", "score": 1}, {"query-id": "q0", "corpus-id": "1", "score": 0}]
        for part, table in (("corpus", documents), ("queries", queries), ("qrels", qrels)):
            files[f"{code}-{part}/dev-0.parquet"] = parquet(table)
            configs[f"{code}-{part}"] = {"dev": f"{code}-{part}/dev-*"}
    return files | {"README.md": card(configs)}


class TestMteb:
    def test_languages_are_one_pool(self, hub):
        made(hub, mteb(("de", "sw")), layout="mteb", languages=["de", "sw"], splits=["dev"])
        task = load_task("hub:it")
        assert rows(task.queries, "query_id", "group_id", "language", "text") == [
            ("de:q0", "de:q0", "de", "de ask 0?"),
            ("sw:q0", "sw:q0", "sw", "sw ask 0?"),
        ]
        assert rows(task.candidates, "candidate_id", "text")[:2] == [("de:0", "de text 0"), ("de:1", "T1 de text 1")]
        assert rows(task.relevance, "query_id", "candidate_id", "grade") == [("de:q0", "de:0", 1), ("sw:q0", "sw:0", 1)]

    def test_one_language_alone_needs_no_other(self, hub):
        listed(
            {
                "home": hub.add("me/it", mteb(("sw",))),
                "layout": "mteb",
                "languages": {"de": "x", "sw": "sw"},
                "splits": ["dev"],
            }
        )
        get("it", ["Swahili"], log=lambda line: None)
        assert load_task("hub:it?language=swh").languages == ("sw",)
        with pytest.raises(ValueError, match="set 'it', de, dev: not here: python -m kit data get it --languages de"):
            load_task("hub:it?languages=de,sw")

    def test_parallel_ids_answer_across_languages(self, hub):
        made(hub, mteb(("ar", "de", "fr")), layout="mteb", languages=["ar", "de", "fr"], splits=["dev"], parallel=True)
        task = load_task("hub:it?languages=de,fr")
        assert {*rows(task.relevance, "query_id", "candidate_id")} == {
            (f"{asked}:q0", f"{told}:0") for asked in ("de", "fr") for told in ("de", "fr")
        }
        assert rows(task.queries, "group_id") == [("q0",), ("q0",)]
        corpus = load_corpus("hub:it")
        assert corpus.languages == ("ar", "de", "fr") and corpus.group_ids == ("q0/0",)

    def test_ids_that_are_not_parallel_are_refused(self, hub):
        files = mteb(("de", "fr"))
        files["fr-corpus/dev-0.parquet"] = parquet([{"id": f"f{n}", "text": f"fr {n}", "title": ""} for n in range(2)])
        made(hub, files, layout="mteb", languages=["de", "fr"], splits=["dev"], parallel=True)
        with pytest.raises(
            ValueError, match=r"expected the same ids of documents in all languages, got 0 of 2 that de and fr"
        ):
            load_task("hub:it")

    def test_a_text_that_is_empty_and_a_document_that_is_absent(self, hub):
        files = mteb(("sw",))
        documents = [{"id": "0", "text": "full", "title": ""}, {"id": "1", "text": " ", "title": ""}]
        qrels = [{"query-id": f"q{n}", "corpus-id": document, "score": 1} for n, document in ((0, "0"), (0, "9"), (1, "1"))]
        files |= {"sw-corpus/dev-0.parquet": parquet(documents), "sw-qrels/dev-0.parquet": parquet(qrels)}
        made(hub, files, layout="mteb", languages=["sw"], splits=["dev"], rows={"candidates": 2})
        with pytest.warns(UserWarning, match="left out"):
            task = load_task("hub:it")
        assert len(task.queries) == len(task.candidates) == len(task.relevance) == 1
        assert [note.partition(" ")[0] for note in task.notes] == ["2", "1"]

    def test_the_key_changes_with_the_content_and_only_of_what_is_asked_for(self, hub):
        made(hub, mteb(("de", "sw")), layout="mteb", languages=["de", "sw"], splits=["dev"])
        german, both = "hub:it?language=de", "hub:it"
        first = checksums([german, both])
        files = mteb(("de", "sw")) | {"sw-qrels/dev-0.parquet": parquet([{"query-id": "q1", "corpus-id": "1", "score": 1}])}
        listed({"home": hub.add("me/it", files, "b" * 40), "layout": "mteb", "languages": ["de", "sw"], "splits": ["dev"]})
        remote._repository.cache_clear()
        get("it", log=lambda line: None)
        second = checksums([german, both])
        assert first[german] == second[german] and first[both] != second[both]

    def test_a_title_is_no_must(self, hub):
        files = mteb(("sw",))
        files["sw-corpus/dev-0.parquet"] = parquet([{"id": "0", "text": "plain"}])
        made(hub, files, layout="mteb", languages=["sw"], splits=["dev"])
        assert rows(load_task("hub:it").candidates, "text") == [("plain",)]


class TestBeir:
    FILES: ClassVar = {
        "corpus.jsonl": jsonl([{"_id": f"d{n}", "title": f"T{n}", "text": f"text {n}"} for n in range(3)]),
        "queries.jsonl": jsonl([{"_id": f"q{n}", "text": f"ask {n}?"} for n in range(3)]),
        "qrels/test.jsonl": jsonl([{"query-id": "q0", "corpus-id": "d0", "score": 1.0}]),
        "qrels/train.jsonl": jsonl([{"query-id": f"q{n}", "corpus-id": "d2", "score": 1.0} for n in (1, 2)]),
        "README.md": card(
            {
                "default": {"test": "qrels/test.jsonl", "train": "qrels/train.jsonl"},
                "corpus": {"corpus": "corpus.jsonl"},
                "queries": {"queries": "queries.jsonl"},
            }
        ),
    }

    def test_task_and_corpus_of_two_splits(self, hub):
        made(hub, self.FILES, layout="beir", splits=["test", "train"], rows={"queries": 1, "candidates": 3})
        task, corpus = load_task("hub:it"), load_corpus("hub:it?split=train")
        assert task.name == "it-test" and rows(task.queries, "query_id") == [("en:q0",)] and len(task.candidates) == 3
        assert rows(corpus.table, "group_id", "query", "passage", "cluster_id") == [
            ("en:q1/en:d2", "ask 1?", "T2 text 2", "en:q1"),
            ("en:q2/en:d2", "ask 2?", "T2 text 2", "en:q1"),
        ]

    def test_documents_are_converted_once_for_both_splits(self, hub):
        made(hub, self.FILES, layout="beir", splits=["test", "train"])
        assert sorted(Record.read("it").tables) == [
            "en/candidates/all",
            "en/queries/test",
            "en/queries/train",
            "en/relevance/test",
            "en/relevance/train",
        ]

    def test_another_split(self, hub):
        made(hub, self.FILES, layout="beir", splits=["test", "train"])
        with pytest.raises(ValueError, match="no split 'dev': choose from test, train"):
            load_task("hub:it?split=dev")


def miracl(code: str, split: str, topics: list[tuple] | None = None, qrels: list[tuple] | None = None) -> dict[str, bytes]:
    """Topics (id, text) and judgements (topic, document, grade); without any: two topics, of which one is judged."""
    place = f"miracl-v1.0-{code}/{{0}}/{{0}}.miracl-v1.0-{code}-{split}.tsv"
    return {
        place.format("topics"): tsv(*(topics or [("7", f'{split} "ask"?'), ("8", "never judged")])),
        place.format("qrels"): tsv(*((topic, "Q0", *rest) for topic, *rest in qrels or [("7", "1#0", 1), ("7", "1#1", 0)])),
    }


def test_miracl(hub):
    corpus = [packed(jsonl([{"docid": f"{n}#{m}", "title": "T", "text": f"{n}{m}"} for m in range(2)])) for n in range(2)]
    shards_ = {f"miracl-corpus-v1.0-sw/docs-{n}.jsonl.gz": content for n, content in enumerate(corpus)}
    corpus_home = hub.add("me/corpus", shards_ | {"miracl-corpus-v1.0-de/docs-0.jsonl.gz": corpus[1]})
    home = hub.add("me/topics", miracl("sw", "dev") | miracl("sw", "train") | miracl("de", "dev"))
    files = {"corpus": {"home": corpus_home, "path": "miracl-corpus-v1.0-{code}/docs-*.jsonl.gz"}}
    listed(
        {"home": home, "layout": "miracl", "files": files, "languages": ["sw", "de"], "splits": ["dev", "train"]}
        | {"lacking": {"train": ["de"]}}
    )
    get("it", log=lambda line: None)
    task = load_task("hub:it?language=sw")
    assert rows(task.queries, "query_id", "text") == [("sw:7", 'dev "ask"?')]
    assert rows(task.candidates, "candidate_id", "text")[2:] == [("sw:1#0", "T 10"), ("sw:1#1", "T 11")]
    assert rows(task.relevance, "query_id", "candidate_id") == [("sw:7", "sw:1#0")]
    assert rows(load_corpus("hub:it?language=sw&split=train").table, "query", "passage") == [('train "ask"?', "T 10")]
    with pytest.raises(ValueError, match="set 'it' has no split 'train' in de"):
        load_task("hub:it?language=de&split=train")
    (judged,) = load_judged("hub:it?languages=Swahili")
    assert (judged.name, judged.queries, judged.grades) == ("it-sw-dev", {"7": 'dev "ask"?'}, {"7": {"1#0": 1}})
    assert [passage.text for passage in judged.passages()] == ["T 00", "T 01", "T 10", "T 11"]


def test_mmarco_with_english_out_of_an_archive(hub):
    collection = [(n, f'passage "{n}"\twith a tab') for n in range(3)]
    files = {
        "data/google/collections/german_collection.tsv": tsv(*collection),
        "data/google/queries/dev/german_queries.dev.tsv": tsv((5, "Frage?"), (6, "not in the small part")),
        "data/qrels.dev.small.tsv": tsv((5, 0, 1, 1)),
        "data/triples.train.ids.small.tsv": tsv((5, 1, 2)),
    }
    hub.plain["marco.org/all/collectionandqueries.tar.gz"] = tarred(
        {"collection.tsv": tsv((0, "zero"), (1, "one"), (2, "two")), "queries.dev.tsv": tsv((5, "Question?"))}
    )
    archive = {"home": "https://marco.org/all", "path": "collectionandqueries.tar.gz"}
    made(
        hub,
        files,
        layout="mmarco",
        languages={"de": "german", "en": "english"},
        splits=["dev"],
        parallel=True,
        files={
            "qrels": {"path": "data/qrels.{split}.small.tsv", "head": ["qid", "q0", "docid", "rel"]},
            "triples": {"path": "data/triples.train.ids.small.tsv", "head": ["qid", "positive", "negative"]},
            "corpus@en": archive
            | {"member": "collection.tsv", "put": "data/google/collections/english_collection.tsv", "head": ["id", "text"]},
            "topics@en": archive | {"member": "queries.{split}.tsv", "head": ["qid", "query"]},
        },
    )
    task = load_task("hub:it")
    assert rows(task.queries, "query_id", "group_id", "text") == [("de:5", "5", "Frage?"), ("en:5", "5", "Question?")]
    assert rows(task.candidates, "text")[1] == ('passage "1"\twith a tab',)
    assert len(task.relevance) == 4
    there = Record.read("it")
    assert there.has("data/triples.train.ids.small.tsv")
    assert there.path("data/google/collections/english_collection.tsv").read_bytes().startswith(b"0\tzero\n")


def put_neuclir(
    hub: FakeHub, topics: list[tuple[str, str, str]], qrels: list[tuple], documents: dict[str, list[tuple[str, str, str]]]
) -> None:
    """Topics (id, title, description), judgements (topic, document, grade), and documents (id, title, text) by code."""
    told = [
        {
            "topic_id": key,
            "topics": [{"lang": "eng", "topic_title": title, "topic_description": text}, {"lang": "zho"}],
        }
        for key, title, text in topics
    ]
    hub.plain["trec.nist.gov/2023/topics.jsonl"] = jsonl(told)
    lines = "".join(f"{topic} 0 {document} {grade}\n" for topic, document, grade in qrels)
    hub.plain["trec.nist.gov/2023/qrels.tar.gz"] = tarred({"qrels.final.gains": lines.encode()})
    trec = {"home": "https://trec.nist.gov/2023"}
    made(
        hub,
        {
            f"data/{code}-00000-of-00001.jsonl.gz": packed(
                jsonl([{"id": key, "title": title, "text": text, "url": ""} for key, title, text in listed_])
            )
            for code, listed_ in documents.items()
        },
        layout="neuclir",
        languages={"fa": "fas", "ru": "rus", "zh": "zho"},
        files={
            "corpus": {"path": "data/{code}-00000-of-00001.jsonl.gz"},
            "topics": trec | {"path": "topics.jsonl"},
            "qrels": trec | {"path": "qrels.tar.gz", "member": "qrels.final.gains", "head": ["qid", "q0", "docid", "rel"]},
        },
    )


def test_neuclir_is_one_pool(hub):
    topics = [("1", "Floods", "Where?"), ("2", "never", "judged")]
    documents = {code: [(f"{code}-{n}", "T", f"{code} {n}") for n in "ab"] for code in ("fas", "rus", "zho")}
    put_neuclir(hub, topics, [("1", "fas-a", 3), ("1", "zho-a", 1), ("1", "rus-a", 0)], documents)
    task = load_task("hub:it")
    assert task.languages == ("fa", "ru", "zh", "en") and len(task.candidates) == 6
    assert rows(task.queries, "query_id", "language", "text") == [("1", "en", "Floods Where?")]
    assert rows(task.relevance, "candidate_id", "grade") == [("fas-a", 3), ("zho-a", 1)]


def test_squad_in_parquet_by_language(hub):
    answers = {"text": ["x"], "answer_start": [0]}
    table = [
        {"id": f"{name}-{n}", "title": "t", "context": f"{name} context", "question": f"{name} {n}?", "answers": answers}
        for name in ("swahili", "korean")
        for n in range(2)
    ]
    made(
        hub,
        {"secondary_task/validation-0.parquet": parquet(table)},
        layout="squad",
        languages=["ko", "sw"],
        splits=["validation"],
        files={"rows": {"config": "secondary_task"}},
        file_rows={"rows": 4},
    )
    task = load_task("hub:it")
    assert rows(task.candidates, "candidate_id", "text") == [("ko:0", "korean context"), ("sw:0", "swahili context")]
    assert rows(task.relevance, "query_id", "candidate_id")[:2] == [("ko:korean-0", "ko:0"), ("ko:korean-1", "ko:0")]
    assert load_corpus("hub:it?language=sw").languages == ("sw",)


def test_belebele_is_parallel(hub):
    def table(code: str) -> bytes:
        return parquet(
            [
                {
                    "link": f"l{n // 2}",
                    "question_number": n % 2 + 1,
                    "flores_passage": f"{code} {n // 2}",
                    "question": f"{code} {n}?",
                }
                for n in range(4)
            ]
        )

    made(
        hub,
        {f"{code}/test-0.parquet": table(code) for code in ("eng_Latn", "zho_Hans")},
        layout="belebele",
        languages={"en-Latn": "eng_Latn", "zh-Hans": "zho_Hans"},
        parallel=True,
        rows={"queries": 4, "candidates": 2},
    )
    task = load_task("hub:it")
    assert len(task.relevance) == 16 and len(task.candidates) == 4 and len({*rows(task.queries, "group_id")}) == 4


class TestPairs:
    def test_rows_that_do_not_count_and_holes(self, hub):
        table = [
            {"question_id": "Q1", "question": "who?", "document_title": "t", "answer": text, "label": label}
            for text, label in (("him", 1), ("wrong", 0), (None, 1), ("her", 1))
        ]
        made(
            hub,
            {"data/train-0.parquet": parquet(table)},
            layout="pairs",
            splits=["train"],
            files={"rows": {"config": "default"}},
            columns={"query": "question", "passage": "answer"},
            only={"label": 1},
            file_rows={"rows": 4},
        )
        assert rows(load_corpus("hub:it").table, "group_id", "query", "passage") == [
            ("en:0", "who?", "him"),
            ("en:2", "who?", "her"),
        ]

    def test_names_out_of_an_archive_of_lists(self, hub):
        relations = {
            "P17": [{"question": "Where?", "answers": ["Oslo", "Christiania"]}],
            "P19": [{"question": "When?", "answers": ["May"]}],
        }
        others = {"LICENSE": b"MIT", "dataset/dev/P17.dev.json": b"[]", "dataset/one-off/P17/P17.train.json": b"[]"}
        members = {f"dataset/train/{name}.train.json": json.dumps(one).encode() for name, one in relations.items()} | others
        archive = zipped({f"EntityQuestions-{'e' * 40}/{name}": content for name, content in members.items()})
        hub.plain[f"codeload.github.com/me/EntityQuestions/zip/{'e' * 40}"] = archive
        listed(
            {
                "home": f"github:me/EntityQuestions@{'e' * 40}",
                "layout": "pairs",
                "splits": ["train"],
                "columns": {"query": "question", "passage": "answers"},
            }
            | {"files": {"rows": {"path": "*", "member": "*/dataset/{split}/P*.{split}.json"}}}
        )
        get("it", log=lambda line: None)
        assert rows(load_corpus("hub:it").table, "query", "passage") == [("Where?", "Oslo"), ("When?", "May")]

    def test_negatives(self, hub):
        row = {"query_id": "1", "query": "who?", "positive_passages": [{"docid": "a", "title": "T", "text": "him"}]}
        row |= {"negative_passages": [{"docid": str(n), "title": "", "text": f"not {n}"} for n in range(2)]}
        none = row | {"query_id": "2", "negative_passages": None}
        made(
            hub,
            {"mrtydi-v1.1-swahili/train.jsonl.gz": packed(jsonl([row, none]))},
            layout="positives",
            languages={"sw": "swahili"},
            splits=["train"],
            files={"rows": {"path": "mrtydi-v1.1-{code}/{split}.jsonl.gz"}},
        )
        found, other = load_corpus("hub:it").table.to_pylist()
        assert (found["passage"], found["negatives"]) == ("T him", ["not 0", "not 1"]) and other["negatives"] == []

    def test_without_negatives(self, hub):
        row = {"query_id": "1", "query": "who?", "positive_passages": [{"docid": "a", "title": "", "text": "him"}]}
        files = {
            "train.jsonl.gz": packed(
                jsonl([row, row | {"query_id": "2", "positive_passages": [{"docid": "b", "text": ""}]}])
            )
        }
        made(hub, files, layout="positives", splits=["train"], files={"rows": {"path": "train.jsonl.gz"}})
        assert rows(load_corpus("hub:it").table, "query", "passage", "negatives") == [("who?", "him", [])]

    def test_pages(self, hub):
        page = {
            "id": "9",
            "language": "de",
            "domain": "a.de",
            "qa_pairs": [{"question": "Was?", "answer": "Das.", "language": "de"}],
        }
        made(hub, {"data/de/train.jsonl": jsonl([page])}, layout="pages", languages=["de"], splits=["train"])
        assert rows(load_corpus("hub:it").table, "group_id", "query", "passage") == [("de:9-0", "Was?", "Das.")]

    def test_two_languages(self, hub):
        table = [{"question1": "Was?", "answer1": "Das.", "question2": "What?", "answer2": "That."}]
        table += [{"question1": "Wer?", "answer1": "", "question2": "Who?", "answer2": "They."}]
        made(
            hub,
            {"deu-eng/default-0.parquet": parquet(table)},
            layout="bilingual",
            languages=["deu-eng"],
            splits=["default"],
            file_rows={"rows": {"deu-eng": 2}},
        )
        corpus, bitext = load_corpus("hub:it?languages=de-en"), load_bitext("hub:it?pair=de-en")
        assert rows(corpus.table, "group_id", "language", "query") == [
            ("deu-eng:0", "de", "Was?"),
            ("deu-eng:0", "en", "What?"),
        ]
        assert (bitext.source_language, bitext.target_language) == ("de", "en")
        assert bitext.texts("target")[0] == "What?" and bitext.n_gold == len(bitext.source)


class TestBitext:
    def test_aligned(self, hub):
        table = [{"sentence1": f"satz {n}", "sentence2": f"sentence {n}", "lang": "deu-eng"} for n in range(3)]
        made(hub, {"test/deu-eng.jsonl.gz": packed(jsonl(table))}, layout="aligned", languages=["deu-eng"],
             files={"rows": {"path": "test/{code}.jsonl.gz"}}, rows={"gold": {"deu-eng": 3}})  # fmt: skip
        bitext = load_bitext("hub:it")
        assert bitext.source_language == "de" and bitext.texts("source")[2] == "satz 2" and bitext.n_gold == 3

    def test_lists_with_distractors(self, hub):
        schema = pa.schema(
            {"sentence1": pa.list_(pa.string()), "sentence2": pa.list_(pa.string()), "gold": pa.list_(pa.list_(pa.int32()))}
        )
        table = [{"sentence1": ["a", "b"], "sentence2": ["x", "y", "z"], "gold": [[1, 3]]}]
        made(hub, {"de-en/test-0.parquet": parquet(table, schema)}, layout="listed", languages=["de-en"],
             files={"rows": {"config": "{code}"}})  # fmt: skip
        bitext = load_bitext("hub:it?pair=deu-eng")
        assert bitext.n_distractors == (1, 2)
        assert rows(bitext.gold, "source_id", "target_id") == [("source-1", "target-3")]

    def test_places_that_count_from_zero_are_refused(self, hub):
        table = [{"sentence1": ["a"], "sentence2": ["x"], "gold": [[0, 1]]}]
        with pytest.raises(ValueError, match=r"gold \[0, 1\]: expected places from 1 to 1 and 1"):
            made(hub, {"de-en/test-0.parquet": parquet(table)}, layout="listed", languages=["de-en"],
                 files={"rows": {"config": "{code}"}})  # fmt: skip

    def test_is_no_task(self, hub):
        table = [{"sentence1": "a", "sentence2": "b"}]
        made(hub, {"x.jsonl": jsonl(table)}, layout="aligned", languages=["de-en"], files={"rows": {"path": "x.jsonl"}})
        with pytest.raises(ValueError, match="set 'it' is no task: it is bitext"):
            load_task("hub:it")


class TestReadAsAnother:
    def test_files_come_where_a_source_reads_them(self, hub):
        question = {"id": "1", "question": "Who?", "answers": [{"text": "it", "answer_start": 8}]}
        squad = {"data": [{"title": "t", "paragraphs": [{"context": "That is it.", "qas": [question]}]}]}
        commit = "e" * 40
        hub.plain[f"raw.githubusercontent.com/me/shifts/{commit}/datasets/nyt_v1.0.json"] = json.dumps(squad).encode()
        listed(
            {
                "home": f"github:me/shifts@{commit}",
                "splits": ["nyt"],
                "files": {"rows": {"path": "datasets/{split}_v1.0.json"}},
            }
            | {"place": "data/shifts", "read_as": "squad:data/shifts/{split}_v1.0.json?language=en"}
        )
        with pytest.raises(ValueError, match=r"nyt_v1.0.json does not exist: .*, or get it: python -m kit data get it"):
            load_task("squad:data/shifts/nyt_v1.0.json?language=en")
        get("it", log=lambda line: None)
        named = load_task("squad:data/shifts/nyt_v1.0.json?language=en")
        assert load_task("hub:it").queries.equals(named.queries)
        assert checksums(["hub:it"])["hub:it"]

    def test_a_converter_makes_the_folder(self, hub, tmp_path):
        commit = "f" * 40
        put_ntrex(tmp_path / "home")
        files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
        contents = {f"code-main/{path.relative_to(tmp_path / 'home').as_posix()}": path.read_bytes() for path in files}
        hub.plain[f"codeload.github.com/me/code/zip/{commit}"] = zipped(contents)
        listed(
            {"home": f"github:me/code@{commit}", "files": {"rows": {"path": "*"}}, "converter": "ntrex"}
            | {"place": "data/ntrex", "read_as": "sentences:data/ntrex/ntrex.jsonl.gz"}
        )
        get("it", log=lambda line: None)
        expected = catalogue.write("ntrex", tmp_path / "home", tmp_path / "made") / "ntrex.jsonl.gz"
        made = root() / "data" / "ntrex" / "ntrex.jsonl.gz"
        assert made.read_bytes() == expected.read_bytes()
        made.write_bytes(b"still there")
        get("it", log=lambda line: None)
        assert made.read_bytes() == b"still there"

    def test_what_is_there_already_stays(self, hub):
        commit = "e" * 40
        hub.plain[f"raw.githubusercontent.com/me/own/{commit}/mine.json"] = b"{}"
        (root() / "data" / "own").mkdir()
        (root() / "data" / "own" / "mine.json").write_text("my own")
        listed(
            {"home": f"github:me/own@{commit}", "files": {"rows": {"path": "mine.json"}}}
            | {"place": "data/own", "read_as": "squad:data/own/mine.json?language=en"}
        )
        said = []
        get("it", log=said.append)
        assert (root() / "data" / "own" / "mine.json").read_text() == "my own" and "is there already and stays" in said[-1]


class TestShards:
    def test_many_rows_in_several_files_come_back_in_order(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shards, "SHARD_ROWS", 10)
        monkeypatch.setattr(shards, "_BATCH", 3)
        columns = getting.converting.COLUMNS["candidates"]
        made = ({"candidate_id": str(n), "language": "en", "text": "t"} for n in range(20))
        assert shards.write(made, columns, tmp_path) == 20
        assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000.arrow", "00001.arrow", "00002.arrow"]
        assert rows(shards.read([tmp_path], columns), "candidate_id") == [(str(n),) for n in range(20)]

    def test_large_tables_are_not_looked_through_for_equal_texts(self, hub, monkeypatch):
        monkeypatch.setattr("kit.data.hub.reading.LARGEST_POOLED", 1)
        made(hub, mteb(("sw",)), layout="mteb", languages=["sw"], splits=["dev"])
        with pytest.warns(UserWarning, match="2 candidates are too many"):
            assert len(load_task("hub:it").candidates) == 2

    def test_other_code_converts_anew_without_the_network(self, hub, monkeypatch):
        made(hub, mteb(("sw",)), layout="mteb", languages=["sw"], splits=["dev"])
        n_requests = hub.n_requests
        monkeypatch.setattr(getting.converting, "code_fingerprint", lambda *modules: "other")
        with warnings.catch_warnings():
            assert len(load_task("hub:it").queries) == 1
        assert hub.n_requests == n_requests


def test_the_source_is_one_of_all_forms():
    assert {form for form in ("corpus", "task", "bitext") if "hub" in kinds(form)} == {"corpus", "task", "bitext"}


def test_without_a_name(hub):
    with pytest.raises(ValueError, match="the path is missing: write 'hub:<path>'"):
        load_corpus("hub")
    with pytest.raises(ValueError, match="no such file: the manifest of public sets belongs there"):
        load_corpus("hub:it")


def test_language_and_languages_are_one_too_many(hub):
    made(hub, mteb(("sw",)), layout="mteb", languages=["sw"], splits=["dev"])
    with pytest.raises(ValueError, match="are both given: give one of the two"):
        load_task("hub:it?language=sw&languages=sw")
