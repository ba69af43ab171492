"""Heads on frozen encoders: what they compute, what they learn, that they are saved as what any library loads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from test_encoders import TEXTS

from kit.core import paths
from kit.data.corpus import ParallelCorpus
from kit.data.embeddings.store import EmbeddingStore
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.heads import FrozenEncoder, Head
from kit.train.encoders.making import make_encoder
from kit.train.encoders.saving import HEAD, MATRIX, load_headed
from kit.train.samplers import Sampling
from kit.train.trainer import fine_tune

DIM = 64
CONFIG = TrainingConfig(updates=12, batch_size=4, learning_rate=1e-2, evaluations=3)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project of its own, so that store and bases are empty."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("KIT_PRECISION", "float32")
    return tmp_path


@pytest.fixture
def base(home) -> Path:
    """A small transformer, saved."""
    model = make_encoder(EncoderConfig(name="tiny", dimension=DIM, vocabulary_size=300, max_tokens=16), TEXTS, seed=0)
    model.save_pretrained(str(home / "base"))
    return home / "base"


def corpus(n_groups=12) -> ParallelCorpus:
    rows = [
        {"group_id": f"g{n}", "language": tag, "query": f"{tag} {word} {n}?", "passage": f"{word} {n} {tag}."}
        for n, word in enumerate(["river", "house", "tree"] * (n_groups // 3))
        for tag in ("de", "en")
    ]
    return ParallelCorpus.from_rows(rows, "made")


def headed(base: Path, **more) -> SentenceTransformer:
    return make_encoder(EncoderConfig(name=f"head:{base}", **more), TEXTS, seed=0)


def trained(base: Path, folder: Path, **more) -> SentenceTransformer:
    model = headed(base, **more)
    fine_tune(model, [corpus()], Sampling.parse("Hybrid"), CONFIG, folder, log=lambda line: None)
    return model


class TestHead:
    @pytest.mark.parametrize("kind", ["linear", "low-rank", "residual"])
    def test_changes_nothing_before_it_has_learned(self, kind):
        x = torch.randn(5, 8)
        assert torch.equal(Head(kind, 8, 3)({"sentence_embedding": x})["sentence_embedding"], x)

    @pytest.mark.parametrize("kind", ["linear", "low-rank", "residual"])
    def test_as_dense_layers_it_is_the_same_function(self, kind):
        head = Head(kind, 8, 3)
        torch.nn.init.normal_(head.out)
        x = torch.randn(5, 8)
        features = {"sentence_embedding": x}
        for layer in head.dense():
            features = layer(features)
        expected = head({"sentence_embedding": x})["sentence_embedding"]
        torch.testing.assert_close(features["sentence_embedding"], expected, rtol=1e-5, atol=1e-5)

    def test_by_hand(self):
        head = Head("residual", 2, 1)
        head.inner.data, head.out.data = torch.tensor([[1.0, -1.0]]), torch.tensor([[10.0], [0.0]])
        found = head({"sentence_embedding": torch.tensor([[3.0, 1.0], [1.0, 3.0]])})["sentence_embedding"]
        assert found.tolist() == [[23.0, 1.0], [1.0, 3.0]]  # relu(3 - 1) = 2, relu(1 - 3) = 0

    def test_a_rank_above_the_dimension_is_refused(self, base):
        with pytest.raises(ValueError, match="rank is 65: the embeddings have 64 dimensions: choose at most 64"):
            headed(base, head="low-rank", rank=65)

    def test_an_unknown_kind_is_refused(self):
        with pytest.raises(ValueError, match="head is 'deep': choose from linear, low-rank, residual"):
            EncoderConfig(head="deep")


class TestTraining:
    def test_before_it_a_head_is_its_encoder(self, base):
        plain, ours = SentenceTransformer(str(base)), headed(base)
        for texts, method in ((["river?"], "encode_query"), (["a house.", "river?"], "encode_document")):
            np.testing.assert_allclose(getattr(ours, method)(texts), getattr(plain, method)(texts), atol=1e-6)

    @pytest.mark.parametrize("kind", ["linear", "low-rank", "residual"])
    def test_what_is_saved_is_plain_and_computes_the_same(self, base, home, kind):
        model = trained(base, home / "run", head=kind, rank=4)
        plain = SentenceTransformer(str(home / "run" / "model"))
        kinds = [type(module).__name__ for module in plain]
        assert kinds == ["Transformer", "Pooling", "Normalize", *["Dense"] * (1 + (kind == "residual")), "Normalize"]
        before = SentenceTransformer(str(base)).encode_query(["river 3?"])
        after = plain.encode_query(["river 3?"])
        assert np.abs(after - before).max() > 1e-3  # it has learned something
        np.testing.assert_allclose(model.encode_query(["river 3?"]), after, atol=1e-6)
        read = load_headed(home / "run" / "model")
        assert isinstance(read[0], FrozenEncoder)
        np.testing.assert_allclose(read.encode_document(["a new text"]), plain.encode_document(["a new text"]), atol=1e-6)

    def test_the_encoder_stays_as_it_is_and_its_files_are_shared(self, base, home):
        for name in ("one", "two"):
            trained(base, home / name)
        files = [home / name / "model" / "model.safetensors" for name in ("one", "two")]
        assert os.path.samefile(*files)
        plain = SentenceTransformer(str(home / "one" / "model"))
        for mine, its in zip(plain[0].parameters(), SentenceTransformer(str(base))[0].parameters()):
            assert torch.equal(mine, its)

    def test_each_text_is_encoded_once(self, base, home, monkeypatch):
        seen: list[str] = []
        encode = SentenceTransformer.encode_document

        def watched(self, texts, **options):
            if not isinstance(self[0], FrozenEncoder):
                seen.extend(texts)
            return encode(self, texts, **options)

        monkeypatch.setattr(SentenceTransformer, "encode_document", watched)
        for name in ("one", "two"):
            trained(base, home / name)
        assert sorted(seen) == sorted(corpus().table.column("passage").to_pylist())

    def test_a_training_looks_at_the_store_once_for_each_side(self, base, home, monkeypatch):
        looks: list[int] = []
        find = EmbeddingStore.find
        monkeypatch.setattr(EmbeddingStore, "find", lambda self, texts: looks.append(len(texts)) or find(self, texts))
        trained(base, home / "one")
        assert looks == [24, 24]  # twelve groups in two languages, and no look for each of twelve updates

    def test_a_resumed_run_ends_with_the_same_weights(self, base, home):
        class StoppedError(Exception):
            pass

        def stop(line: str) -> None:
            if "update     8" in line:
                raise StoppedError

        whole = trained(base, home / "whole")
        with pytest.raises(StoppedError):
            fine_tune(headed(base), [corpus()], Sampling.parse("Hybrid"), CONFIG, home / "part", log=stop)
        again = headed(base)
        fine_tune(again, [corpus()], Sampling.parse("Hybrid"), CONFIG, home / "part", log=lambda line: None)
        assert torch.equal(again[1].out, whole[1].out)

    def test_a_checkpoint_on_another_encoder_is_refused(self, base, home):
        class StoppedError(Exception):
            pass

        def stop(line: str) -> None:
            if "update     8" in line:
                raise StoppedError

        with pytest.raises(StoppedError):
            fine_tune(headed(base), [corpus()], Sampling.parse("Hybrid"), CONFIG, home / "run", log=stop)
        other = make_encoder(EncoderConfig(name="tiny", dimension=DIM, vocabulary_size=300, max_tokens=16), TEXTS, seed=1)
        other.save_pretrained(str(home / "other"))
        with pytest.raises(ValueError, match=r"is of a training that differs in start model"):
            trained(home / "other", home / "run")


def given(folder: Path, **change) -> Path:
    """Embeddings of the corpus by a service: random, the same for equal texts."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for stem, column in (("queries", "query"), ("passages", "passage")):
        texts = corpus().table.column(column).to_pylist()
        np.save(folder / f"{stem}.npy", draw.normal(size=(len(texts), 6)).astype(np.float32))
        lines = [json.dumps({"id": f"{stem}{n}", "text": text}) for n, text in enumerate(texts)]
        (folder / f"{stem}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


class TestGiven:
    def test_a_head_on_them_is_one_matrix(self, home):
        folder = given(home / "given")
        model = make_encoder(EncoderConfig(name=f"embeddings:{folder}"), [], seed=0)
        fine_tune(model, [corpus()], Sampling.parse("Hybrid"), CONFIG, home / "run", log=lambda line: None)
        matrix = np.load(home / "run" / "model" / MATRIX)
        assert matrix.shape == (6, 6) and np.abs(matrix - np.eye(6)).max() > 1e-3
        texts = corpus().table.column("query").to_pylist()
        expected = np.load(folder / "queries.npy") @ matrix.T
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(model.encode_query(texts), expected, atol=1e-6)
        np.testing.assert_allclose(load_headed(home / "run" / "model").encode_query(texts), expected, atol=1e-6)

    def test_a_residual_head_is_no_matrix(self, home):
        with pytest.raises(ValueError, match="head is 'residual', which is no matrix: choose linear or low-rank"):
            make_encoder(EncoderConfig(name=f"embeddings:{given(home / 'given')}", head="residual"), [], seed=0)

    def test_a_head_whose_embeddings_have_changed_is_refused(self, home):
        folder = given(home / "given")
        model = make_encoder(EncoderConfig(name=f"embeddings:{folder}"), [], seed=0)
        fine_tune(model, [corpus()], Sampling.parse("Hybrid"), CONFIG, home / "run", log=lambda line: None)
        np.save(folder / "queries.npy", np.load(folder / "queries.npy") * 2)
        with pytest.raises(ValueError, match=r"has changed since the head in .* was trained on it"):
            load_headed(home / "run" / "model")


class TestSaved:
    def test_a_damaged_base_is_written_again(self, base, home, capsys):
        trained(base, home / "one")
        (kept,) = (paths.cache() / "bases").iterdir()
        weights = kept / "model.safetensors"
        content = bytearray(weights.read_bytes())
        weights.unlink()  # a link of the first model keeps the whole file
        content[-1] ^= 1
        weights.write_bytes(content)
        trained(base, home / "two")
        assert "made again: " in capsys.readouterr().out
        assert (home / "two" / "model" / "model.safetensors").read_bytes() == (
            home / "one" / "model" / "model.safetensors"
        ).read_bytes()

    def test_what_a_head_is_on_is_said_in_its_folder(self, base, home):
        trained(base, home / "run")
        facts = json.loads((home / "run" / "model" / HEAD).read_text())
        assert facts["base"] == str(base) and facts["n_modules"] == 3 and facts["weights"].startswith("sha256 ")
