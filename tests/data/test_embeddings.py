"""Embeddings: computed in any order, kept on disk, given by a service; never an old or a wrong number."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kit.core import paths
from kit.core.fingerprints import code_files
from kit.data.embeddings import encoding, store
from kit.data.embeddings.encoding import encode_texts, encoded_by_and_by, precision
from kit.data.embeddings.given import GivenEmbeddings
from kit.data.embeddings.store import EmbeddingStore, collections
from kit.data.embeddings.stored import StoredEncoder, stored

TEXTS = [f"{'long ' * (n % 7)}text {n}" for n in range(40)]


class Words:
    """A tokenizer of words."""

    def __call__(self, texts, **options):
        return {"input_ids": [text.split() for text in texts]}


class Model:
    """Embeds a text as its length and its number of blanks, and notes what it was asked; a transformer to who asks."""

    def __init__(self, limit=None, prompts=None, fault=None):
        self.prompts, self.calls, self.fault = prompts or {}, [], fault
        self.first = SimpleNamespace(tokenizer=Words(), max_seq_length=limit)

    def __getitem__(self, index):
        return self.first

    def encode_query(self, texts, batch_size, prompt, show_progress_bar, convert_to_numpy):
        self.calls.append(list(texts))
        if self.fault and self.fault(texts):
            raise self.fault(texts)
        return np.array([[len(prompt + text), (prompt + text).count(" ")] for text in texts], np.float32)

    encode_document = encode_query

    @property
    def seen(self):
        return [text for call in self.calls for text in call]


def expected(texts, prompt=""):
    return np.array([[len(prompt + text), (prompt + text).count(" ")] for text in texts], np.float32)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("KIT_PRECISION", "float32")
    return tmp_path


class TestEncoding:
    @pytest.mark.parametrize("limit", [None, 512])
    def test_embeddings_come_in_the_order_of_the_texts(self, limit, home):
        np.testing.assert_array_equal(encode_texts(Model(limit), TEXTS, "query"), expected(TEXTS))

    def test_batches_of_a_transformer_have_so_many_tokens_the_longest_first(self, home, monkeypatch):
        monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", 16)
        model = Model(512)
        encode_texts(model, TEXTS, "query")
        lengths = [[len(text.split()) for text in call] for call in model.calls]
        assert all(max(call) * len(call) <= 16 for call in lengths)
        assert [length for call in lengths for length in call] == sorted((len(t.split()) for t in TEXTS), reverse=True)
        assert len(lengths) < len(TEXTS) / 2

    def test_a_text_longer_than_a_batch_goes_alone(self, home, monkeypatch):
        monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", 1)
        assert encode_texts(Model(512), TEXTS[:3], "query").shape == (3, 2)

    def test_no_texts(self, home):
        assert len(encode_texts(Model(512), [], "query")) == 0

    @pytest.mark.parametrize(("side", "prompt"), [("query", "Q: "), ("passage", "P: ")])
    def test_the_prompt_is_that_of_the_side(self, side, prompt, home):
        model = Model(512, {"query": "Q: ", "passage": "P: "})
        np.testing.assert_array_equal(encode_texts(model, TEXTS, side), expected(TEXTS, prompt))

    def test_where_a_gpu_has_no_room_halves_are_tried(self, home):
        model = Model(512, fault=lambda texts: torch.OutOfMemoryError() if len(texts) > 3 else None)
        np.testing.assert_array_equal(encode_texts(model, TEXTS, "query"), expected(TEXTS))

    def test_any_other_error_goes_through(self, home):
        with pytest.raises(RuntimeError, match="broken"):
            encode_texts(Model(512, fault=lambda texts: RuntimeError("broken")), TEXTS, "query")

    def test_progress_in_a_pipe_is_a_line_every_ten_seconds(self, home, monkeypatch):
        clock = iter(range(0, 1000, 4))
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", 16)
        lines: list[str] = []
        encode_texts(Model(512), TEXTS, "query", lines.append)
        assert lines[0] == "  6 of 40 texts encoded, 0 a second, about 38 s left"
        assert 1 < len(lines) < 10 and all("40 of 40" not in line for line in lines)

    def test_half_precision_can_be_forbidden(self, monkeypatch):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True})
        monkeypatch.delenv("KIT_PRECISION", raising=False)
        assert (precision(Model(512)), precision(Model())) == ("bfloat16", "float32")  # the second is no transformer
        monkeypatch.setenv("KIT_PRECISION", "float32")
        assert precision(Model(512)) == "float32"
        monkeypatch.setenv("KIT_PRECISION", "half")
        with pytest.raises(ValueError, match="KIT_PRECISION is 'half': set it to float32, or leave it out"):
            precision(Model(512))


class TestStore:
    def test_what_was_added_is_found_in_any_order(self, home):
        first = EmbeddingStore({"weights": "a"})
        first.add(TEXTS[:10], expected(TEXTS[:10]))
        first.add(TEXTS[10:20], expected(TEXTS[10:20]))
        for one in (first, EmbeddingStore({"weights": "a"})):
            there, found = one.find(TEXTS[25:5:-1])
            assert there.tolist() == [n < 20 for n in range(25, 5, -1)]
            np.testing.assert_array_equal(found, expected(TEXTS[19:5:-1]))

    @pytest.mark.parametrize("key", ["weights", "prompt", "limit", "precision", "versions"])
    def test_another_model_prompt_limit_or_precision_is_another_collection(self, home, key):
        about = dict.fromkeys(("weights", "prompt", "limit", "precision", "versions"), "a")
        EmbeddingStore(about).add(TEXTS, expected(TEXTS))
        assert not EmbeddingStore(about | {key: "b"}).find(TEXTS)[0].any()

    def test_the_name_of_a_model_decides_nothing(self, home):
        EmbeddingStore({"weights": "a", "model": "one"}).add(TEXTS, expected(TEXTS))
        assert EmbeddingStore({"weights": "a", "model": "two"}).find(TEXTS)[0].all()

    @pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
    def test_a_damaged_file_is_taken_away_and_said(self, home, damage):
        EmbeddingStore({"weights": "a"}).add(TEXTS, expected(TEXTS))
        (file,) = home.rglob("*.arrow")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= damage == "bit"
        file.write_bytes(content[: {"cut": len(content) // 2, "bit": None, "empty": 0}[damage]])
        lines: list[str] = []
        there, _ = EmbeddingStore({"weights": "a"}, lines.append).find(TEXTS)
        assert not there.any() and not file.exists()
        assert "damaged, its checksum is not its name: taken away, its texts are encoded again" in lines[0]

    def test_rows_that_are_not_finite_are_not_kept(self, home):
        embeddings = expected(TEXTS[:3])
        embeddings[1, 0] = np.nan
        one = EmbeddingStore({"weights": "a"})
        one.add(TEXTS[:3], embeddings)
        assert one.find(TEXTS[:3])[0].tolist() == [True, False, True]

    def test_what_was_not_used_for_longest_makes_room(self, home, monkeypatch):
        for number, name in enumerate(("old", "new")):
            one = EmbeddingStore({"weights": name, "model": name})
            one.add(TEXTS, np.ones((len(TEXTS), 256), np.float32))
            os.utime(one.folder / store.ABOUT, (number, number))
        n_bytes = sum(one.n_bytes for one in collections())
        monkeypatch.setenv("KIT_EMBEDDINGS_GIB", str(1.2 * n_bytes / 2**30))
        lines: list[str] = []
        EmbeddingStore({"weights": "next", "model": "next"}, lines.append).add(TEXTS, np.ones((40, 256), np.float32))
        assert sorted(one.model for one in collections()) == ["new", "next"]
        assert "embeddings of old taken away" in lines[0]

    def test_without_room_nothing_is_kept(self, home, monkeypatch):
        monkeypatch.setenv("KIT_EMBEDDINGS_GIB", "0")
        lines: list[str] = []
        one = EmbeddingStore({"weights": "a"}, lines.append)
        for _ in range(2):
            one.add(TEXTS, expected(TEXTS))
        assert not collections() and len(lines) == 1 and "no more embeddings are kept" in lines[0]

    @pytest.mark.parametrize("room", ["-1", "much", "nan"])
    def test_a_size_that_is_none_is_refused(self, room, monkeypatch):
        monkeypatch.setenv("KIT_EMBEDDINGS_GIB", room)
        with pytest.raises(ValueError, match=f"KIT_EMBEDDINGS_GIB is '{room}': set it to a number of GiB"):
            store.room()

    def test_two_processes_may_add_at_the_same_time(self, home):
        context = multiprocessing.get_context("fork")
        parts = [TEXTS[:30], TEXTS[10:]]
        processes = [context.Process(target=_add, args=(part,)) for part in parts]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        there, found = EmbeddingStore({"weights": "a"}).find(TEXTS)
        assert there.all()
        np.testing.assert_array_equal(found, expected(TEXTS))


def _add(texts: list[str]) -> None:
    for text in texts:
        EmbeddingStore({"weights": "a"}).add([text], expected([text]))


class TestStored:
    def test_each_text_is_encoded_once_ever(self, home):
        model = Model(512)
        for _ in range(2):
            one = StoredEncoder(model, "a", "mine")
            np.testing.assert_array_equal(one.encode_query([*TEXTS, *TEXTS[::-1]]), expected([*TEXTS, *TEXTS[::-1]]))
        assert sorted(model.seen) == sorted(TEXTS)

    def test_sides_are_apart(self, home):
        model = Model(512, {"query": "Q: ", "document": ""})
        one = StoredEncoder(model, "a", "mine")
        assert one.encode_query(["x"])[0, 0] == 4 and one.encode_document(["x"])[0, 0] == 1

    def test_an_interrupted_encoding_goes_on(self, home, monkeypatch):
        monkeypatch.setattr("kit.data.embeddings.stored._KEEP_EVERY_S", -1)
        monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", 16)
        model = Model(512)
        model.fault = lambda texts: KeyboardInterrupt() if len(model.calls) > 4 else None
        with pytest.raises(KeyboardInterrupt):
            StoredEncoder(model, "a", "mine").encode_query(TEXTS)
        n_before = len([text for call in model.calls[:4] for text in call])
        model.calls, model.fault = [], None
        np.testing.assert_array_equal(StoredEncoder(model, "a", "mine").encode_query(TEXTS), expected(TEXTS))
        assert len(model.seen) == len(TEXTS) - n_before

    def test_other_weights_are_encoded_again(self, home):
        model = Model(512)
        for weights in "ab":
            StoredEncoder(model, weights, "mine").encode_query(TEXTS)
        assert len(model.seen) == 2 * len(TEXTS)

    def test_a_model_that_is_no_transformer_has_no_store(self):
        model = Model()
        assert stored(model, lambda: "never asked", "mine") is model

    def test_the_code_of_the_kit_decides_nothing(self):
        """Embeddings are the model's: a change in a source of data encodes nothing again."""
        assert "store.py" in {file.name for file in code_files("kit.data.embeddings.stored")}
        assert "code" not in StoredEncoder(Model(512), "a", "mine")._stores["query"].about


def write_given(folder: Path, **change) -> str:
    """A folder of three queries and two passages; ``change`` takes the place of a file's content."""
    folder.mkdir()
    files = {"queries": [("q1", "who"), ("q2", "where"), ("q3", "who")], "passages": [("p1", "me"), ("p2", "here")]}
    for stem, lines in files.items():
        array = np.array([[len(text), 1.0] for _, text in lines], np.float32)
        np.save(folder / f"{stem}.npy", change.get(f"{stem}_npy", array))
        content = [json.dumps({"id": name, "text": text}) for name, text in change.get(stem, lines)]
        (folder / f"{stem}.jsonl").write_text("\n".join(content) + "\n", encoding="utf-8")
    return f"embeddings:{folder}"


class TestGiven:
    def test_a_text_has_the_row_of_its_line(self, tmp_path):
        given = GivenEmbeddings(write_given(tmp_path / "given"))
        assert given.encode_query(["where", "who"]).tolist() == [[5, 1], [3, 1]]
        assert given.encode_document(["here"]).tolist() == [[4, 1]]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"passages_npy": np.ones((2, 3))},
                r"queries.npy is 2 wide, passages.npy 3: both sides have to be of one model",
            ),
            ({"queries_npy": np.ones((2, 2))}, r"queries.jsonl has 3 lines, queries.npy 2 rows"),
            ({"queries_npy": np.full((3, 2), np.nan)}, r"queries.npy, row 0 \(id 'q1'\): not finite"),
            ({"queries_npy": np.array([[1, 2], [3, 4], [5, 6.0]])}, "text of 'q3' is that of 'q1', but its embedding is an"),
            ({"queries_npy": np.ones(3)}, r"queries.npy holds float64 of shape \(3,\): give \(n, dim\) real numbers"),
            ({"queries_npy": np.array([["a"]])}, r"queries.npy holds <U1 of shape"),
            ({"queries": [("q1", "who"), ("q1", "where"), ("q3", "who")]}, "queries.jsonl, line 2: .*'q1'"),
            ({"queries": [("", "who"), ("q2", "where"), ("q3", "who")]}, "queries.jsonl, line 1"),
        ],
    )
    def test_a_folder_that_does_not_fit_is_refused(self, tmp_path, change, message):
        with pytest.raises(ValueError, match=message):
            GivenEmbeddings(write_given(tmp_path / "given", **change))

    def test_a_file_that_is_no_array_is_refused(self, tmp_path):
        name = write_given(tmp_path / "given")
        (tmp_path / "given" / "queries.npy").write_bytes(b"no array")
        with pytest.raises(ValueError, match=r"queries.npy is broken or no array .*: write it with numpy.save"):
            GivenEmbeddings(name)

    def test_a_missing_file_is_named(self, tmp_path):
        name = write_given(tmp_path / "given")
        (tmp_path / "given" / "passages.jsonl").unlink()
        with pytest.raises(ValueError, match=r"passages.jsonl is not there: a folder of embeddings holds"):
            GivenEmbeddings(name)

    def test_texts_that_are_not_there_are_counted(self, tmp_path):
        given = GivenEmbeddings(write_given(tmp_path / "given"))
        with pytest.raises(ValueError, match=r"queries.jsonl: 2 of 3 texts are not there, such as 'why'"):
            given.encode_query(["who", "why", "how"])


def test_parts_of_an_encoding_cover_all_texts(home):
    rows = np.concatenate([rows for rows, _ in encoded_by_and_by(Model(512), TEXTS, "query")])
    assert sorted(rows.tolist()) == list(range(len(TEXTS)))
    assert not (paths.cache() / "embeddings").exists()
