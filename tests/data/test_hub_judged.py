"""Public sets judged as streams: the scores of pytrec_eval and of the task in memory, whatever the layout."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from fake_hub import FakeHub, card, jsonl, packed, parquet, tsv
from test_audits import save_encoder  # tests/run
from test_hub_layouts import listed, made, miracl, mteb, put_neuclir
from test_shards import Model  # tests/evaluate

from kit.core.paths import root
from kit.data.hub import shards
from kit.data.judged import corpora, stream
from kit.data.judged.collection import JudgedCollection
from kit.data.judged.corpora import load_passages
from kit.data.judged.qrels import write_qrels
from kit.data.registry import load_judged, load_task
from kit.evaluate import metrics
from kit.evaluate.encoding import encode_task
from kit.evaluate.ranks import score_lists
from kit.evaluate.search import search
from kit.evaluate.shards.judging import JudgedRun, judge_collection
from kit.evaluate.shards.trec import MEASURES, write_run
from kit.run import pipeline
from kit.run.cli import commands

N_DOCUMENTS, N_QUERIES = 140, 9


def documents(code: str) -> list[tuple[str, str, str]]:
    """Id, title and text of each; one in three has a title."""
    return [(str(n), f"T{n}" if n % 3 else "", f"{code} text {n}") for n in range(N_DOCUMENTS)]


def queries(code: str) -> list[tuple[str, str]]:
    return [(f"{900 + n}", f"{code} ask {n}?") for n in range(N_QUERIES)]


def judgements(highest: int = 1) -> Iterator[tuple[str, str, int]]:
    """Query, document and grade, 0 among them: more documents than a list of ten holds for some queries, one for others."""
    random = np.random.default_rng(7)
    for number, (query, _) in enumerate(queries("")):
        for place, document in enumerate(random.permutation(N_DOCUMENTS)[: 2 + 2 * number].tolist()):
            yield query, str(document), 1 + place % highest if place else 0


def put_mteb(hub: FakeHub) -> None:
    files, configs = {}, {}
    for code in ("deu", "swa"):
        parts = {
            "corpus": [{"_id": key, "title": title, "text": text} for key, title, text in documents(code)],
            "queries": [{"_id": key, "text": text} for key, text in queries(code)],
            "qrels": [{"query-id": q, "corpus-id": d, "score": grade} for q, d, grade in judgements()],
        }
        for part, table in parts.items():
            files[f"{code}-{part}/dev-0.parquet"] = parquet(table)
            configs[f"{code}-{part}"] = {"dev": f"{code}-{part}/dev-*"}
    files["README.md"] = card(configs)
    made(hub, files, layout="mteb", languages={"de": "deu", "sw": "swa"}, splits=["dev"])


def put_beir(hub: FakeHub) -> None:
    qrels = [{"query-id": q, "corpus-id": d, "score": float(grade)} for q, d, grade in judgements(highest=2)]
    files = {
        "corpus.jsonl": jsonl([{"_id": key, "title": title, "text": text} for key, title, text in documents("en")]),
        "queries.jsonl": jsonl([{"_id": key, "text": text} for key, text in queries("en")]),
        "test.jsonl": jsonl(qrels),
    }
    configs = {"default": {"test": "test.jsonl"}, "corpus": {"corpus": "corpus.jsonl"}, "queries": {"q": "queries.jsonl"}}
    made(hub, files | {"README.md": card(configs)}, layout="beir")


def put_mmarco(hub: FakeHub) -> None:
    files = {"qrels.dev.tsv": tsv(*((q, 0, d, grade) for q, d, grade in judgements()))}
    for code in ("german", "hindi"):
        files[f"data/google/collections/{code}_collection.tsv"] = tsv(*((key, text) for key, _, text in documents(code)))
        files[f"data/google/queries/dev/{code}_queries.dev.tsv"] = tsv(*queries(code))
    qrels = {"path": "qrels.{split}.tsv", "head": ["qid", "q0", "docid", "rel"]}
    languages = {"de": "german", "hi": "hindi"}
    made(hub, files, layout="mmarco", languages=languages, splits=["dev"], parallel=True, files={"qrels": qrels})


def put_miracl(hub: FakeHub) -> None:
    files = miracl("sw", "dev", queries("sw"), list(judgements()))
    rows = [{"docid": key, "title": title, "text": text} for key, title, text in documents("sw")]
    files |= {f"docs-{n}.jsonl.gz": packed(jsonl(rows[70 * n : 70 * (n + 1)])) for n in range(2)}
    made(hub, files, layout="miracl", languages=["sw"], splits=["dev"], files={"corpus": {"path": "docs-*.jsonl.gz"}})


def put_pool(hub: FakeHub) -> None:
    """Each document in one of three languages; grades up to 3."""
    parted = {code: documents(code)[number::3] for number, code in enumerate(("fas", "rus", "zho"))}
    put_neuclir(hub, [(*query, "Where?") for query in queries("en")], list(judgements(highest=3)), parted)


PUT: dict[str, Callable[[FakeHub], None]] = {
    "mteb": put_mteb,
    "beir": put_beir,
    "mmarco": put_mmarco,
    "miracl": put_miracl,
    "neuclir": put_pool,
}
NAMES = {
    "mteb": ["it-de-dev", "it-sw-dev"],
    "beir": ["it-en-test"],
    "mmarco": ["it-de-dev", "it-hi-dev"],
    "miracl": ["it-sw-dev"],
    "neuclir": ["it-fa-ru-zh-test"],
}


def of_pytrec_eval(found: JudgedRun) -> dict[str, list[float]]:
    """Its scores of the files that are written, by our names of the measures, in the order of the collection."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="comes with mteb: pip install -e '.[dev]'")
    write_run(root() / "made.trec", found.run)
    write_qrels(root() / "made.qrels", found.collection.grades)
    with open(root() / "made.trec") as run, open(root() / "made.qrels") as qrels:
        parsed = pytrec_eval.parse_qrel(qrels), pytrec_eval.parse_run(run)
    theirs = pytrec_eval.RelevanceEvaluator(parsed[0], {"ndcg_cut.10", "recall.100"}).evaluate(parsed[1])
    names = zip(MEASURES, ("ndcg_cut_10", "recall_100"))
    return {ours: [theirs[query][name] for query in found.collection.queries] for ours, name in names}


def in_memory(one: JudgedCollection) -> dict[str, list[float]]:
    """Scores of the task, in one pool of the languages of a collection, in the order of the collection."""
    tags = one.language.removeprefix("en-").split("+")
    task = load_task("hub:it", languages=tags)
    found = search(*encode_task(Model(4), task), task, k=1, device="cpu")
    _, pool = score_lists(task, found.ranks)
    keys = [key.removeprefix(f"{tags[0]}:") for key in task.queries.column("query_id").to_pylist()]
    place = {keys[query]: row for row, query in enumerate(pool.list_id.tolist())}
    scores = {"nDCG@10": metrics.ndcg(pool, 10), "R@100": metrics.recall(pool, 100)}
    return {name: [values[place[query]] for query in one.queries] for name, values in scores.items()}


@pytest.mark.parametrize("layout", PUT)
def test_scores_are_those_of_pytrec_eval_and_of_the_task_in_memory(hub, layout):
    PUT[layout](hub)
    collections = load_judged("hub:it")
    assert [one.name for one in collections] == NAMES[layout]
    for one in collections:
        found = judge_collection(Model(4), one, "w", n_rows=64, device="cpu", log=lambda line: None)
        assert len(one.queries) == N_QUERIES and found.counts == type(found.counts)(N_DOCUMENTS, 0, 3)
        for theirs in (of_pytrec_eval(found), in_memory(one)):
            for name, values in found.scores.items():
                np.testing.assert_allclose(values, theirs[name], rtol=0, atol=1e-12)
                assert 0 < np.mean(values) < 1


class TestOnePool:
    def test_by_hand(self, hub):
        """Grades 3 and 1 in two languages, and 2 of a document that is not there: gains at the ranks 2 and 4 of 3, 2, 1."""
        parted = {code: [(f"{code}-{n}", "", f"{code} {n}") for n in "ab"] for code in ("fas", "rus", "zho")}
        qrels = [("1", "fas-a", 1), ("1", "zho-a", 3), ("1", "rus-a", 0), ("1", "gone", 2), ("2", "rus-b", 0)]
        put_neuclir(hub, [("1", "Floods", "Where?"), ("2", "Fires", "Who?")], qrels, parted)
        (one,) = load_judged("hub:it")
        assert (one.language, one.queries) == ("en-fa+ru+zh", {"1": "Floods Where?"})
        assert one.grades == {"1": {"fas-a": 1, "zho-a": 3, "gone": 2}}
        assert one.notes == ("1 of 2 judged questions have no relevant passage: left out",)
        assert [passage.passage_id for passage in one.passages()][1:4] == ["fas-b", "rus-a", "rus-b"]
        found = judge_collection(Ordered(["rus-a", "zho-a", "rus-b", "fas-a", "zho-b", "fas-b"]), one, "w", device="cpu")
        assert found.run.passage_ids["1"][:4] == ["rus-a", "zho-a", "rus-b", "fas-a"]
        gain = (3 / np.log2(3) + 1 / np.log2(5)) / (3 + 2 / np.log2(3) + 1 / np.log2(4))
        assert found.scores == {"nDCG@10": pytest.approx([gain]), "R@100": pytest.approx([2 / 3])}

    def test_some_languages_are_judged_by_their_own_documents(self, hub):
        put_pool(hub)
        (pool,), (part,) = load_judged("hub:it"), load_judged("hub:it?languages=ru,fas")
        own = {one.passage_id for one in part.passages()}
        assert (part.name, part.language, len(own)) == ("it-ru-fa-test", "en-ru+fa", 94)
        of_them = {q: {d: grade for d, grade in judged.items() if d in own} for q, judged in pool.grades.items()}
        assert part.grades == {query: judged for query, judged in of_them.items() if judged} != pool.grades


class Ordered(Model):
    """Finds passages in a given order of their ids, which are the text with a hyphen."""

    def __init__(self, ids: list[str]):
        super().__init__()
        self.place = {one.replace("-", " "): place for place, one in enumerate(ids)}

    def encode_query(self, texts, **options):
        return np.array([[1.0, 0.0] for _ in texts])

    def encode_document(self, texts, **options):
        angles = np.array([0.1 * (1 + self.place[text]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def put_holes(hub: FakeHub, qrels: list[tuple[str, str, int]]) -> None:
    """Two documents of equal text, one without any, and a question that is nowhere but judged."""
    files = mteb(("sw",))
    told = [{"id": str(n), "text": text, "title": ""} for n, text in enumerate(["same", "same", " ", "other"])]
    table = [{"query-id": query, "corpus-id": document, "score": grade} for query, document, grade in qrels]
    files |= {"sw-corpus/dev-0.parquet": parquet(told), "sw-qrels/dev-0.parquet": parquet(table)}
    made(hub, files, layout="mteb", languages=["sw"], splits=["dev"])


def test_what_is_absent_counts_as_not_found_and_equal_texts_stay_apart(hub):
    put_holes(hub, [("q0", "0", 1), ("q0", "9", 1), ("q0", "2", 1), ("q1", "3", 0), ("q7", "3", 1)])
    (one,) = load_judged("hub:it")
    assert one.queries == {"q0": "sw ask 0?"} and one.grades == {"q0": {"0": 1, "9": 1, "2": 1}}
    assert one.notes == (
        "1 of 2 judged questions have no relevant passage: left out",
        "1 judgements are of queries that are not there: left out",
    )
    assert [(passage.passage_id, passage.text) for passage in one.passages()] == [
        ("0", "same"),
        ("1", "same"),
        ("3", "other"),
    ]
    assert judge_collection(Model(), one, "w", device="cpu").scores["R@100"].tolist() == [1 / 3]


def test_a_question_that_is_a_document_below_a_title_is_not_ranked_for_itself(hub):
    """As in ArguAna; q1 has only the id of a document, q2 is judged to be an answer to itself."""
    told = [{"_id": f"q{n}", "title": "Animals" if n else "", "text": f"claim {n}"} for n in range(4)]
    asked = [{"_id": f"q{n}", "text": "other" if n == 1 else f"claim\u00a0{n}"} for n in range(4)]
    pairs = ((0, 1), (1, 0), (2, 2), (3, 1))
    files = {
        "corpus.jsonl": jsonl(told),
        "queries.jsonl": jsonl(asked),
        "test.jsonl": jsonl([{"query-id": f"q{q}", "corpus-id": f"q{d}", "score": 1} for q, d in pairs]),
    }
    configs = {"default": {"test": "test.jsonl"}, "corpus": {"corpus": "corpus.jsonl"}, "queries": {"q": "queries.jsonl"}}
    made(hub, files | {"README.md": card(configs)}, layout="beir")
    (one,) = load_judged("hub:it")
    assert one.as_passages == {"q2": "Animals claim 2", "q3": "Animals claim 3"}
    found = judge_collection(Model(4), one, "w", device="cpu")
    assert [len(listed) for listed in found.run.passage_ids.values()] == [3, 4, 4, 3]
    assert "q0" not in found.run.passage_ids["q0"] and "q3" not in found.run.passage_ids["q3"]
    with pytest.warns(UserWarning, match="2 of 4 queries are candidates themselves"):
        assert in_memory(one)["nDCG@10"] == pytest.approx(found.scores["nDCG@10"].tolist())


class TestStream:
    def test_a_corpus_is_never_in_memory_whole(self, hub, monkeypatch):
        """12 MB in several files: never more than some batches, and two pieces of 1 MiB for the checksum, are in memory."""
        monkeypatch.setattr(shards, "SHARD_ROWS", 5000)
        monkeypatch.setattr(stream, "_ROWS_AT_ONCE", 100)
        files = mteb(("sw",))
        table = [{"id": str(n), "title": "", "text": f"{n} " + "ab" * 500} for n in range(12_000)]
        files["sw-corpus/dev-0.parquet"] = parquet(table)
        made(hub, files, layout="mteb", languages=["sw"], splits=["dev"])
        del table, files
        n_before, held = pa.total_allocated_bytes(), []
        tracemalloc.start()
        (one,), (corpus,) = load_judged("hub:it"), load_passages("hub:it")
        for number, _ in enumerate(zip(one.passages(), corpus.passages()), start=1):
            if number % 1000 == 0:
                held.append(pa.total_allocated_bytes() - n_before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert number == 12_000 and peak < 3_000_000 and max(held) < 500_000

    def test_the_version_is_that_of_the_texts(self, hub, monkeypatch):
        made(hub, mteb(("de", "sw")), layout="mteb", languages=["de", "sw"], splits=["dev"])
        first = [one.corpus_version for one in load_judged("hub:it")]
        monkeypatch.setattr("kit.data.hub.converting.code_fingerprint", lambda *modules: "other")
        assert [one.corpus_version for one in load_judged("hub:it")] == first and len({*first}) == 2
        (german,) = [one for one in load_passages("hub:it") if one.language == "de"]
        assert german.version != first[0]  # of other ids

    @pytest.mark.parametrize("layout", PUT)
    def test_passages_are_the_candidates_of_the_task_by_language(self, hub, layout, monkeypatch):
        PUT[layout](hub)
        told = load_task("hub:it").candidates.select(["candidate_id", "language", "text"]).to_pylist()
        monkeypatch.setattr(corpora, "load_task", None)
        found = load_passages("hub:it")
        assert [one.language for one in found] == list(dict.fromkeys(row["language"] for row in told))
        streamed = [(one.passage_id, corpus.language, one.text) for corpus in found for one in corpus.passages()]
        assert streamed == [tuple(row.values()) for row in told]

    def test_what_it_is_not(self, hub):
        made(
            hub,
            {"data.jsonl": jsonl([{"query": "a", "passage": "b"}])},
            layout="pairs",
            files={"rows": {"path": "data.jsonl"}},
        )
        for load in (load_judged, load_passages):
            with pytest.raises(ValueError, match="set 'it' is no task: it is corpus"):
                load("hub:it")
        listed({"home": "hf:me/it@main", "layout": "mteb", "languages": ["sw"], "splits": ["dev"]})
        for load in (load_judged, load_passages):
            with pytest.raises(ValueError, match="set 'it', sw, dev: not here: python -m kit data get it"):
                load("hub:it")


def test_the_commands(hub, capsys, monkeypatch, tmp_path):
    """A pool is encoded by language and searched by the ids of its task; the same set is judged as one."""
    put_pool(hub)
    save_encoder(tmp_path / "model", 1)
    monkeypatch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
    monkeypatch.chdir(tmp_path)
    assert not commands.main(["encode", "hub:it", "model", "shards", "--shards", "2"])
    assert "ru: 47 passages in 2 shards" in capsys.readouterr().out
    assert not commands.main(["search", "hub:it", "model", "shards", "--agreement", "0"])
    assert "it: 9 queries, 140 passages in 6 shards" in capsys.readouterr().out
    assert not commands.main(["judge", "model", "--task", "hub:it"])
    shown = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["en-fa+ru+zh", "9", "140"] in shown
