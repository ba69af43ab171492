"""Shards on disk and exact search over them: the same lists for any shards and devices, and the scores of pytrec_eval."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from kit.core.seeding import stable_hash
from kit.data.corpus import RetrievalTask
from kit.data.judged.collection import JudgedCollection, Passage
from kit.data.judged.qrels import by_query, read_qrels, write_qrels
from kit.evaluate.search import search
from kit.evaluate.shards import encoding as encoding_of_corpora
from kit.evaluate.shards.encoding import ShardEncoder, count_texts, encode_corpus
from kit.evaluate.shards.judging import judge_collection
from kit.evaluate.shards.search import _near, _near_on_device, top_passages
from kit.evaluate.shards.store import ABOUT, Shards
from kit.evaluate.shards.trec import Run, read_run, run_scores, strictly_descending, write_run

CPU_AND_TORCH = pytest.mark.parametrize("device", ["cpu", "cpu:0"])  # "cpu:0" is a torch device: the code that a GPU runs
FEW = settings(max_examples=25, deadline=None, database=None)
ABOUT_MADE = {"weights": "made", "model": "mine"}


class Model:
    """Embeds a text as random numbers that depend on it alone; dies at the ``fault``-th call."""

    prompts = None

    def __init__(self, dim: int = 24, fault: int | None = None):
        self.dim, self.fault, self.n_calls, self.n_texts = dim, fault, 0, 0

    def encode_query(self, texts, **options):
        self.n_calls, self.n_texts = self.n_calls + 1, self.n_texts + len(texts)
        if self.n_calls == self.fault:
            raise KeyboardInterrupt
        return np.stack([np.random.default_rng(stable_hash(text)).standard_normal(self.dim) for text in texts])

    encode_document = encode_query


class Slow(Model):
    """Says when it has begun, and takes its time."""

    def __init__(self, begun: Path):
        super().__init__()
        self.begun = begun

    def encode_document(self, texts, **options):
        self.begun.touch()
        time.sleep(0.05)
        return self.encode_query(texts)


def made_passages(n: int) -> list[Passage]:
    """One in three has a title, one in ten no text at all, and texts repeat."""
    return [
        Passage(f"d{number}", "Title" if number % 3 == 1 else "", "" if number % 10 == 9 else f"text {number % (n // 2)}")
        for number in range(n)
    ]


def filled(folder: Path, embeddings: np.ndarray, n_rows: int) -> Shards:
    """Shards of given embeddings; passage i is called ``p<i>``."""
    shards = Shards(folder)
    shards.begin(ABOUT_MADE)
    for number, low in enumerate(range(0, len(embeddings), n_rows)):
        part = embeddings[low : low + n_rows]
        shards.add(number, [Passage(f"p{low + row}", "", "") for row in range(len(part))], part)
    shards.finish(0)
    return shards


def in_memory(queries: np.ndarray, passages: np.ndarray, k: int) -> list[list[int]]:
    """What ``search`` finds of the same rows."""
    task = RetrievalTask.from_rows(
        "made",
        [{"query_id": f"q{row}", "language": "en", "text": f"q{row}"} for row in range(len(queries))],
        [{"candidate_id": f"p{row}", "language": "en", "text": f"p{row}"} for row in range(len(passages))],
        [{"query_id": f"q{row}", "candidate_id": "p0"} for row in range(len(queries))],
    )
    return search(queries, passages, task, k=k, device="cpu").top.tolist()


def whole_numbers(random: np.random.Generator, n: int, dim: int = 3) -> np.ndarray:
    """Rows whose products are exact in any order; many are equal."""
    return random.integers(-1, 2, size=(n, dim)).astype(np.float32)


class TestSearch:
    @FEW
    @given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 37))
    def test_ties_are_those_of_the_search_in_memory(self, tmp_path_factory, seed, n_rows, k):
        random = np.random.default_rng(seed)
        queries, passages = whole_numbers(random, 7), whole_numbers(random, 37)
        shards = filled(tmp_path_factory.mktemp("shards"), passages, n_rows)
        expected = in_memory(queries, passages, k)
        for device in ("cpu", "cpu:0"):
            assert top_passages(queries, shards, k, device=device).row.tolist() == expected

    @CPU_AND_TORCH
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_no_shard_size_changes_a_bit(self, tmp_path, device, dtype):
        """Rows that differ in their last bits: a product of matrices would order them by the kernel that a column meets."""
        random = np.random.default_rng(0)
        queries = random.standard_normal((33, 100), np.float32)
        passages = (random.standard_normal(100) + 1e-6 * random.standard_normal((900, 100))).astype(dtype)
        exact = (queries.astype(float) @ passages.astype(float).T).astype(np.float32)
        tie = np.array([stable_hash(f"p{row}") for row in range(900)], np.uint64)
        expected = [np.lexsort((tie, -row))[:50].tolist() for row in exact]
        for n_rows in (1000, 450, 64, 7):
            found = top_passages(queries, filled(tmp_path / str(n_rows), passages, n_rows), 50, device=device)
            assert found.row.tolist() == expected
            assert (found.score == np.take_along_axis(exact, found.row, axis=1)).all()

    def test_many_queries_and_long_lists(self, tmp_path, monkeypatch):
        """Chunks of queries in several threads, blocks smaller than a shard, more than a block that is near."""
        monkeypatch.setattr("kit.evaluate.shards.scoring._ROWS_AT_ONCE", 100)
        monkeypatch.setattr("kit.evaluate.shards.scoring._QUERIES_AT_ONCE", 9)
        monkeypatch.setattr("kit.evaluate.shards.scoring._PAIR_NUMBERS", 200)
        monkeypatch.setattr("kit.evaluate.shards.scoring.CROWD", 100)
        random = np.random.default_rng(1)
        queries, passages = whole_numbers(random, 50, 12), whole_numbers(random, 700, 12)
        assert top_passages(queries, filled(tmp_path, passages, 250), 20, device="cpu").row.tolist() == in_memory(
            queries, passages, 20
        )

    @CPU_AND_TORCH
    def test_what_is_left_out_and_what_is_not_there(self, tmp_path, device):
        queries = np.ones((2, 1), np.float32)
        shards = filled(tmp_path, np.array([[3], [1], [2]], np.float32), 2)
        found = top_passages(queries, shards, 4, left_out=np.array([2, -1]), device=device)
        assert found.row.tolist() == [[0, 1, -1, -1], [0, 2, 1, -1]]
        assert found.score.tolist() == [[3, 1, -np.inf, -np.inf], [3, 2, 1, -np.inf]]

    @CPU_AND_TORCH
    @pytest.mark.parametrize("n_rows", [1, 2, 5])
    def test_hashes_next_to_each_other_and_the_same_by_hand(self, tmp_path, device, n_rows, monkeypatch):
        """p4 is the best; the others have one score, two of them one hash; no float tells hashes of that size apart."""
        hashes = {"p0": 2**63 + 2, "p1": 2**63 + 1, "p2": 2**63 + 2, "p3": 2**63 + 3, "p4": 2**63 + 4}
        monkeypatch.setattr("kit.evaluate.shards.store.stable_hash", hashes.get)
        shards = filled(tmp_path, np.array([[1], [1], [1], [1], [2]], np.float32), n_rows)
        for k in range(1, 7):
            found = top_passages(np.ones((1, 1), np.float32), shards, k, device=device)
            assert found.row.tolist() == [[4, 1, 0, 2, 3, -1][:k]]
            assert found.score.tolist() == [[2, 1, 1, 1, 1, -np.inf][:k]]
            assert (found.row.dtype, found.score.dtype) == (np.int64, np.float32)

    @CPU_AND_TORCH
    def test_who_may_be_among_the_first(self, device):
        """Of 65 that may, which is more than 64, those stay that may be among the best three of the block."""
        import torch

        def near(scores: np.ndarray, last: float, margin: float) -> list[list[int]]:
            arguments = np.array([last] * len(scores), np.float32), np.array([margin] * len(scores)), 3
            if device == "cpu":
                query, row = _near(scores, *arguments)
            else:
                query, row = _near_on_device(torch.from_numpy(scores), *arguments)
            return [row[query == one].tolist() for one in range(len(scores))]

        up = np.arange(66, dtype=np.float32)
        below_2 = np.nextafter(np.float32(2), np.float32(0))
        assert near(np.array([[below_2, np.nextafter(below_2, np.float32(0)), 2, -np.inf]]), 2, 0) == [[0, 2]]
        assert near(np.array([[1, -np.inf, 0]], np.float32), -np.inf, 1) == [[0, 2]]
        assert near(np.stack([up, -up]), 2, 0.5) == [list(range(2, 66)), []]  # 64 of the first row
        assert near(np.stack([up, up[::-1]]), 1, 0.5) == [[62, 63, 64, 65], [0, 1, 2, 3]]  # the third best is 63
        up[60:62] = 61.7, np.nextafter(np.float32(62), np.float32(0))  # above 63 - 3 / 2, and just below 63 - 2 / 2
        assert near(up[None], 1, 0.5) == [[61, 62, 63, 64, 65]]
        assert near(np.array([[10] * 65 + [8.5]], np.float32), 10, 1) == [list(range(65))]

    def test_a_device_that_is_not_there(self, tmp_path):
        with pytest.raises(RuntimeError, match="nowhere"):
            top_passages(np.ones((1, 2), np.float32), filled(tmp_path, np.ones((3, 2), np.float32), 2), 1, device="nowhere")

    def test_progress_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr("kit.evaluate.shards.scoring._TOLD_EVERY_S", -1)
        lines = []
        top_passages(np.ones((1, 2), np.float32), filled(tmp_path, np.ones((3, 2), np.float32), 2), 1, log=lines.append)
        assert lines == ["  1 of 2 shards searched", "  2 of 2 shards searched"]

    @pytest.mark.parametrize(
        ("queries", "k", "words"),
        [
            (np.ones((2, 3), np.float32), 1, "have 3 dimensions and the shards 2: encode both with one model"),
            (np.full((2, 2), np.nan, np.float32), 1, "query_embeddings, row 0: not finite"),
            (np.ones((2, 2)), 1, "query_embeddings is float64"),
            (np.ones((2, 2), np.float32), 0, "k is 0"),
        ],
    )
    def test_refuses(self, tmp_path, queries, k, words):
        with pytest.raises(ValueError, match=words):
            top_passages(queries, filled(tmp_path, np.ones((3, 2), np.float32), 2), k)


class TestCorpus:
    def encode(self, folder, model, n_rows=7, passages=None, precision="float32", about=None, log=None):
        passages = made_passages(50) if passages is None else passages
        lines = [] if log is None else log
        return encode_corpus(model, lambda: iter(passages), folder, about or ABOUT_MADE, n_rows, precision, lines.append)

    def test_passages_in_their_order_without_empty_ones(self, tmp_path):
        shards, counts = self.encode(tmp_path / "c", Model())
        assert (counts.n_passages, counts.n_empty, counts.n_shards) == (47, 3, 7)  # of 9, 19, … two have a title
        assert [len(shard) for shard in shards] == [7] * 6 + [5]
        kept = [passage for passage in made_passages(50) if passage.text]
        assert shards.ids(np.arange(47)) == [passage.passage_id for passage in kept]
        rows = np.concatenate([shard.embeddings for shard in shards])
        expected = Model().encode_query([passage.text for passage in kept])
        np.testing.assert_allclose(rows, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)

    @pytest.mark.parametrize("fault", [1, 4, 7])
    def test_a_corpus_that_was_interrupted_goes_on_after_the_last_whole_shard(self, tmp_path, fault):
        with pytest.raises(KeyboardInterrupt):
            self.encode(tmp_path / "c", Model(fault=fault))
        assert len(list((tmp_path / "c").glob("*.arrow"))) == fault - 1 and not list(tmp_path.rglob("*.partial"))
        model = Model()
        self.encode(tmp_path / "c", model)
        assert model.n_calls == 8 - fault
        self.encode(tmp_path / "whole", Model())
        next((tmp_path / "c").glob("000003-*")).rename(tmp_path / "c" / ".000003-x.arrow.1.partial")  # killed while it wrote
        self.encode(tmp_path / "c", model)
        assert not list(tmp_path.rglob("*.partial")) and model.n_calls == 9 - fault
        first, second = ({path.name for path in (tmp_path / name).glob("*.arrow")} for name in ("c", "whole"))
        assert first == second and len(first) == 7  # names hold the checksums

    def test_shards_that_are_asked_for_in_any_order_are_the_same(self, tmp_path):
        shards, counts = self.encode(tmp_path / "whole", Model())
        asked, n_streams = Shards(tmp_path / "c"), []
        encoder = ShardEncoder(Model(), lambda: n_streams.append(1) or iter(made_passages(50)), asked, 7, "float32")
        for number in (1, 2, 4, 6, 4, 0, 3, 5):
            encoder.encode(number, lambda line: None)
        assert [path.name for path in asked.files] == [path.name for path in shards.files]
        assert len(n_streams) == 2, "the stream begins anew only for a shard that it has passed"
        assert count_texts(iter(made_passages(50))) == (counts.n_passages, counts.n_empty)

    def test_a_process_that_is_killed_leaves_whole_shards(self, tmp_path):
        child = os.fork()
        if not child:
            self.encode(tmp_path / "c", Slow(tmp_path / "begun"))
            os._exit(0)
        while len(there := list((tmp_path / "c").glob("*.arrow"))) < 2:
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        model = Model()
        self.encode(tmp_path / "c", model)
        self.encode(tmp_path / "whole", Model())
        first, second = ({path.name for path in (tmp_path / name).glob("*.arrow")} for name in ("c", "whole"))
        assert first == second >= {path.name for path in there} and 0 < model.n_calls <= 5

    @pytest.mark.parametrize("damage", ["cut", "bit", "gone"])
    def test_a_damaged_shard_is_encoded_again_alone(self, tmp_path, damage):
        self.encode(tmp_path / "c", Model())
        path = sorted((tmp_path / "c").glob("*.arrow"))[3]
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "bit" else content[: len(content) // 2])
        if damage == "gone":
            path.unlink()
        model, lines = Model(), []
        self.encode(tmp_path / "c", model, log=lines)
        assert model.n_calls == 1 and any("damaged" in line for line in lines) == (damage != "gone")
        assert path.is_file()

    def test_several_processes_share_the_shards_whoever_dies(self, tmp_path):
        """Three begin at once, and one is killed in the middle of a shard, which another one takes."""
        children = []
        for number in range(3):
            children.append(os.fork())
            if not children[-1]:
                model = Slow(tmp_path / f"begun{number}")
                try:
                    self.encode(tmp_path / "c", model)
                    (tmp_path / f"calls{number}").write_text(str(model.n_calls))
                finally:
                    os._exit(0)
        while not (tmp_path / "begun1").is_file():
            time.sleep(0.005)
        os.kill(children[1], signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        n_calls = [int((tmp_path / f"calls{number}").read_text()) for number in (0, 2)]
        n_lost = 7 - sum(n_calls)  # the killed one may have written some before, and none or one of its own was lost
        assert min(n_calls) >= 1 and 0 <= n_lost <= 2
        model = Model()
        self.encode(tmp_path / "c", model)
        self.encode(tmp_path / "whole", model)
        first, second = ({path.name for path in (tmp_path / name).glob("*")} for name in ("c", "whole"))
        assert first == second and model.n_calls == 7 and not list(tmp_path.rglob(".*"))

    def test_a_folder_of_something_else_is_refused(self, tmp_path):
        self.encode(tmp_path / "c", Model())
        self.encode(tmp_path / "c", Model(), about=ABOUT_MADE | {"model": "another name"})
        for change in ({"about": {"weights": "other"}}, {"precision": "float16"}, {"n_rows": 8}):
            with pytest.raises(ValueError, match=f"holds embeddings of another corpus or model .*{ABOUT}"):
                self.encode(tmp_path / "c", Model(), **change)

    def test_half_precision_takes_half_the_room(self, tmp_path):
        sizes = {}
        for precision in ("float32", "float16"):
            shards, _ = self.encode(tmp_path / precision, Model(256), precision=precision)
            sizes[precision] = sum(shard.embeddings.nbytes for shard in shards)
        assert sizes["float32"] == 2 * sizes["float16"] == 4 * 256 * 47

    @pytest.mark.parametrize(
        ("passages", "words"),
        [
            ([], "has no passage with a text"),
            ([Passage("a", "", "")], "has no passage with a text"),
            ([Passage("a", "", "x"), Passage("b", "", "y"), Passage("a", "", "z")], "two passages have the id 'a'"),
        ],
    )
    def test_refuses(self, tmp_path, passages, words):
        with pytest.raises(ValueError, match=words):
            self.encode(tmp_path / "c", Model(), n_rows=1, passages=passages)
        with pytest.raises(ValueError, match="precision is 'int8': choose from float32, float16"):
            self.encode(tmp_path / "d", Model(), precision="int8")

    def test_an_embedding_that_is_not_finite_names_its_passage(self, tmp_path):
        class Broken(Model):
            def encode_document(self, texts, **options):
                return np.array([[np.nan if text == "text 3" else 1.0] for text in texts])

        with pytest.raises(ValueError, match="passage 'd3': its embedding is not finite"):
            self.encode(tmp_path / "c", Broken())

    def test_progress(self, tmp_path, monkeypatch):
        monkeypatch.setattr(encoding_of_corpora, "_TOLD_EVERY_S", -1)
        lines: list[str] = []
        self.encode(tmp_path / "c", Model(), n_rows=20, log=lines)
        assert [line.split(",")[0] for line in lines] == [f"  {n} passages encoded" for n in (20, 40, 47)]


def made_collection(**change) -> JudgedCollection:
    """Forty questions, each of which has the text of a passage; q3 is called like its passage and judged, q4 is not."""
    texts = {f"q{number}": f"text {number}" for number in range(38)} | {"d3": "text 3", "d40": "text 40"}
    grades = {query_id: {"d1": 0, f"d{query_id[1:]}": 2, "d77": 1, "nowhere": 1} for query_id in texts}
    grades["d40"] = {"d41": 1}
    passages = made_passages(300)
    parts = {"name": "made", "language": "en", "queries": texts, "grades": grades, "corpus_version": "1"} | change
    return JudgedCollection(passages=lambda: iter(passages), **parts)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


class TestJudging:
    def test_lists_and_scores_are_those_of_pytrec_eval(self, home):
        pytrec_eval = pytest.importorskip("pytrec_eval", reason="comes with mteb: pip install -e '.[dev]'")
        collection = made_collection()
        found = judge_collection(Model(4), collection, "w", n_rows=64)
        write_run(home / "made.trec", found.run)
        write_qrels(home / "made.qrels", collection.grades)
        with open(home / "made.trec") as run, open(home / "made.qrels") as qrels:
            parsed = pytrec_eval.parse_qrel(qrels), pytrec_eval.parse_run(run)
        theirs = pytrec_eval.RelevanceEvaluator(parsed[0], {"ndcg_cut.10", "recall.100"}).evaluate(parsed[1])
        for ours, name in (("nDCG@10", "ndcg_cut_10"), ("R@100", "recall_100")):
            expected = [theirs[query_id][name] for query_id in collection.queries]
            np.testing.assert_allclose(found.scores[ours], expected, rtol=0, atol=1e-12)
            assert 0 < np.mean(expected) < 1

    @pytest.mark.parametrize("n_rows", [13, 1000])
    def test_lists_are_those_of_the_search_in_memory(self, home, n_rows):
        collection = made_collection()
        found = judge_collection(Model(), collection, "w", n_rows=n_rows, device="cpu")
        kept = [passage for passage in collection.passages() if passage.text]
        unit = [Model().encode_query(texts) for texts in (list(collection.queries.values()), [one.text for one in kept])]
        queries, passages = ((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in unit)
        tie = np.array([stable_hash(one.passage_id) for one in kept], np.uint64)
        for query_id, row in zip(collection.queries, (queries.astype(float) @ passages.astype(float).T).astype(np.float32)):
            ranked = [kept[at].passage_id for at in np.lexsort((tie, -row))]
            if query_id == "d40":  # itself, and not judged relevant; d3 is
                ranked.remove("d40")
            assert found.run.passage_ids[query_id] == ranked[:100]

    def test_a_corpus_is_encoded_once_for_all_questions(self, home):
        model = Model()
        judge_collection(model, made_collection(), "w")
        n_texts = model.n_texts
        judge_collection(model, made_collection(queries={"q1": "text 1"}, grades={"q1": {"d1": 1}}), "w")
        assert model.n_texts == n_texts + 1
        judge_collection(model, made_collection(corpus_version="2"), "w")
        assert model.n_texts > 2 * n_texts

    def test_a_list_has_to_be_as_deep_as_its_measures_look(self, home):
        with pytest.raises(ValueError, match="k is 99: the measures look at 100 places"):
            judge_collection(Model(), made_collection(), "w", k=99)


class TestScores:
    GRADES: ClassVar = {"q1": {"a": 3, "b": 1, "c": 0, "e": 2}, "q2": {"a": 1}, "q3": {"a": 0}, "q4": {"x": 1, "y": -1}}
    RUN = Run(
        {"q1": ["c", "b", "d", "a"], "q2": [f"x{number}" for number in range(100)] + ["a"], "q4": ["y", "x"]},
        {"q1": np.arange(4, 0, -1, np.float32), "q2": np.arange(101, 0, -1, np.float32), "q4": np.ones(2, np.float32)},
    )

    def test_by_hand(self):
        """q1: gain 1 at rank 2 and 3 at rank 4, against 3, 2, 1; q2: rank 101; q3: nothing is relevant; q4: rank 2.

        The numbers are those of pytrec_eval-terrier 0.5.11, RelevanceEvaluator(GRADES, {"ndcg_cut.10", "recall.100"}).
        """
        scores = run_scores(self.RUN, self.GRADES)
        gain = (1 / np.log2(3) + 3 / np.log2(5)) / (3 + 2 / np.log2(3) + 1 / np.log2(4))
        np.testing.assert_allclose(scores["nDCG@10"], [gain, 0, 1 / np.log2(3)])
        np.testing.assert_allclose(scores["nDCG@10"], [0.4038253176, 0, 0.6309297536], atol=1e-9)
        np.testing.assert_allclose(scores["R@100"], [2 / 3, 0, 1])

    def test_a_query_without_a_list_scores_nothing(self):
        scores = run_scores(Run({}, {}), {"q": {"a": 1}})
        assert [values.tolist() for values in scores.values()] == [[0], [0]]

    def test_nothing_relevant(self):
        with pytest.raises(ValueError, match="no query has a relevant passage"):
            run_scores(self.RUN, {"q3": {"a": 0}})


class TestRunFiles:
    def test_equal_scores_are_told_apart(self, tmp_path):
        run = Run({"q": ["a", "z", "b"], "r": ["z"]}, {"q": np.full(3, 0.1, np.float32), "r": np.ones(1, np.float32)})
        write_run(tmp_path / "run", run, "mine")
        lines = [line.split(" ") for line in (tmp_path / "run").read_text().splitlines()]
        listed = [("q", "a", "1"), ("q", "z", "2"), ("q", "b", "3"), ("r", "z", "1")]
        assert [line[:4] for line in lines] == [[query, "Q0", passage, rank] for query, passage, rank in listed]
        assert {line[5] for line in lines} == {"mine"} and float(lines[2][4]) == pytest.approx(0.1, abs=3e-8)
        assert read_run(tmp_path / "run").passage_ids == run.passage_ids

    @FEW
    @given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=20))
    def test_scores_descend_and_hardly_change(self, scores):
        before = np.sort(np.array(scores, np.float32))[::-1]
        after = strictly_descending(before)
        assert (np.diff(after) < 0).all() and np.abs(after - before).max() <= 20 * np.spacing(np.float32(2))

    def test_others_are_read_as_trec_eval_reads_them(self, tmp_path):
        """By the score, not by the rank nor the place; equal ones from z to a; in float32."""
        (tmp_path / "run").write_text("q Q0 a 1 0.5 t\nq\tQ0\tb\t9\t7e-1\tt\nq Q0 c 1 0.50000000001 t\nq 0 d 1 -1 t\n")
        assert read_run(tmp_path / "run").passage_ids == {"q": ["b", "c", "a", "d"]}

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("q Q0 a 1 0.5", "line 2: 'q Q0 a 1 0.5' is not query, Q0, passage, rank, score, tag"),
            ("q Q0 a 1 nan t", "line 2: .*write the six"),
            ("q Q0 a b 1 0.5 t", "line 2: .*write the six"),
            ("q Q0 z 1 0.5 t", "line 2: passage 'z' is in the list of 'q' twice"),
        ],
    )
    def test_refuses_lines(self, tmp_path, line, words):
        (tmp_path / "run").write_text(f"q Q0 z 1 0.5 t\n{line}\n")
        with pytest.raises(ValueError, match=words):
            read_run(tmp_path / "run")

    @pytest.mark.parametrize(
        ("query", "passage", "tag"), [("a b", "c", "t"), ("a", "b\tc", "t"), ("a", "b", ""), ("", "b", "t")]
    )
    def test_refuses_ids_that_are_not_one_word(self, tmp_path, query, passage, tag):
        with pytest.raises(ValueError, match="is no id in a file of TREC: it has to be one word"):
            write_run(tmp_path / "run", Run({query: [passage]}, {query: np.ones(1, np.float32)}), tag)
        assert not list(tmp_path.iterdir())

    def test_judgements(self, tmp_path):
        grades = {"q1": {"a": 2, "b": 0}, "q2": {"a": 1}}
        write_qrels(tmp_path / "qrels", grades)
        assert by_query(read_qrels(tmp_path / "qrels")) == grades
        with pytest.raises(ValueError, match="passage 'a b' is no id in a file of TREC"):
            write_qrels(tmp_path / "other", {"q": {"a b": 1}})
