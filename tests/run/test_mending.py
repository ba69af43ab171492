"""Mending: each remedy is recommended where it is the simplest that helps, and none where none does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from kit.compare.results import Results
from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluator import evaluate
from kit.run import mending
from kit.run.cli.commands import main
from kit.run.mending import NONE, mend, recommend, source_of
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder

N = 240
LANGUAGES = ("de", "en", "th")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, bias: str) -> tuple[str, str]:
    """Questions in three languages; their embeddings, six numbers of a topic, have an offset of each language, or
    numbers that say nothing, or neither."""
    draw, rows = np.random.default_rng(0), []
    vectors: dict[str, list[np.ndarray]] = {"queries": [], "passages": []}
    lines: dict[str, list[str]] = {"queries": [], "passages": []}
    for group in range(N):
        topic = draw.normal(size=6)
        for code, tag in enumerate(LANGUAGES):
            row = {"group_id": f"g{group}", "language": tag, "query": f"{tag} {group}?", "passage": f"{tag} {group}."}
            rows.append(json.dumps(row))
            for stem, column in (("queries", "query"), ("passages", "passage")):
                offset, noise = np.zeros(3), 3 * draw.normal(size=3) * (bias == "noise")
                offset[code] = 4 * (bias == "offset")
                vectors[stem].append(np.concatenate([topic + 0.6 * draw.normal(size=6), offset, noise]))
                lines[stem].append(json.dumps({"id": f"{stem} {group} {tag}", "text": row[column]}))
    folder = home / "vectors"
    folder.mkdir()
    for stem, array in vectors.items():
        np.save(folder / f"{stem}.npy", np.array(array, np.float32))
        (folder / f"{stem}.jsonl").write_text("\n".join(lines[stem]) + "\n", encoding="utf-8")
    (home / "parallel.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return f"embeddings:{folder}", str(home / "parallel.jsonl")


class TestMend:
    def test_an_offset_of_each_language_is_mended_by_its_mean(self, home):
        name, parallel = write(home, "offset")
        mended = mend(name, parallel, methods=("centring", "removal"), log=lambda line: None)
        assert mended.recommended == "centring" and mended.reason.startswith("the simplest of those that gain")
        arrays = np.load(mended.model / "languages.npz")
        assert sorted(arrays) == sorted(f"{side} {tag}" for side in ("query", "passage") for tag in LANGUAGES)
        queries = np.load(home / "vectors" / "queries.npy")
        rows = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        learned, _ = mending._parts(mending.load_corpus(source_of(parallel)), "made")
        texts = [f"{tag} {group}?" for group in range(N) for tag in LANGUAGES]
        asked = [text in set(learned.table.column("query").to_pylist()) and text.startswith("de") for text in texts]
        np.testing.assert_allclose(arrays["query de"], rows[asked].mean(axis=0), atol=1e-6)

    def test_numbers_that_say_nothing_are_mended_by_a_head(self, home, monkeypatch):
        monkeypatch.setattr(mending, "HEAD", mending.HEAD.changed(updates=200, learning_rate=1e-2))
        name, parallel = write(home, "noise")
        mended = mend(name, parallel, log=lambda line: None)
        assert mended.recommended == "head"
        before, after = (mended.results.by_seed(one, "multilingual", "average_precision")[0] for one in (NONE, "head"))
        assert after > before + 0.1
        matrix = np.load(mended.model / "matrix.npy")
        assert np.linalg.norm(matrix[:, 9:]) < np.linalg.norm(matrix[:, :6])  # less of what says nothing

    def test_a_model_without_bias_needs_no_mending(self, home, capsys):
        name, parallel = write(home, "")
        assert main(["mend", name, "--parallel", parallel, "--method", "centring"]) == 0
        said = capsys.readouterr().out
        assert f"{name}: needs no mending: no remedy raises the multilingual mAP for certain" in said
        assert not (home / "reports" / "mend" / "model").exists()
        assert (home / "reports" / "mend" / "index.html").is_file()

    def test_a_model_without_prompts_is_judged_and_mended_with_those_given(self, home, monkeypatch):
        _, parallel = write(home, "")
        model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=300), [f"{tag} ask tell" for tag in LANGUAGES], 0)
        model.prompts = {}
        model.save_pretrained(str(home / "model"), create_model_card=False)
        monkeypatch.setattr(mending, "recommend", lambda results: ("head", "it is asked for"))
        monkeypatch.setattr(mending, "HEAD", mending.HEAD.changed(updates=1))
        mended = mend(
            *(str(home / "model"), parallel, ("head",), "mend"),
            query_prompt="ask: ",
            passage_prompt="tell: ",
            log=lambda line: None,
        )
        assert SentenceTransformer(str(mended.model), device="cpu").prompts == {"query": "ask: ", "document": "tell: "}
        model.prompts = {"query": "ask: ", "document": "tell: "}
        _, judged = mending._parts(mending.load_corpus(source_of(parallel)), "made")
        expected = evaluate(model, RetrievalTask.from_corpus(judged, "task")).summary()
        found = mended.results.evaluations[NONE][0].summary()
        assert found["multilingual"] == pytest.approx(expected["multilingual"], nan_ok=True)

    def test_what_was_judged_was_not_learned_from(self, home):
        _, parallel = write(home, "")
        learned, judged = mending._parts(mending.load_corpus(source_of(parallel)), "made")
        assert not set(learned.group_ids) & set(judged.group_ids)
        assert len(learned.group_ids) + len(judged.group_ids) == N

    def test_a_file_of_sentences_asks_with_their_halves(self, tmp_path):
        path = tmp_path / "sentences.jsonl"
        path.write_text('{"id": "1", "texts": {"de": "Guten Tag", "en": "Good day"}}\n', encoding="utf-8")
        assert source_of(str(path)) == f"sentences:{path}?query=half"


class TestRefused:
    def test_an_unknown_method(self, home):
        with pytest.raises(ValueError, match=r"method 'centering' \(did you mean 'centring'\?\): choose among centring"):
            mend("model", "data", methods=("centering",))

    def test_a_name_that_leads_elsewhere(self, home):
        with pytest.raises(ValueError, match=r"run is '\.\./x'"):
            mend("model", "data", run="../x")

    @pytest.mark.parametrize(
        ("keep", "message"),
        [
            (lambda row: row["language"] == "en", "is in en only: give questions in two languages or more"),
            (lambda row: int(row["group_id"][1:]) < 19, "has 19 passages: give at least 20"),
        ],
    )
    def test_data_that_cannot_do(self, home, keep, message):
        name, parallel = write(home, "")
        rows = [line for line in Path(parallel).read_text().splitlines() if keep(json.loads(line))]
        Path(parallel).write_text("\n".join(rows) + "\n")
        with pytest.raises(ValueError, match=message):
            mend(name, parallel, log=lambda line: None)


class TestRecommend:
    """By differences (multilingual, monolingual) of each remedy from the model as it is, and their p-values."""

    @staticmethod
    def _results(monkeypatch, gains: dict[str, float], costs: dict[str, float], certain: bool = True) -> Results:
        value = {NONE: {"multilingual": 0.0, "monolingual": 0.0}}
        value |= {name: {"multilingual": gains[name], "monolingual": costs[name]} for name in gains}
        p = 0.001 if certain else 0.5
        monkeypatch.setattr(
            mending,
            "_difference",
            lambda results, first, second, setting: (value[first][setting] - value[second][setting], p),
        )

        class Named:
            models = tuple(value)

        return Named()  # type: ignore[return-value]

    @pytest.mark.parametrize(
        ("gains", "costs", "expected"),
        [
            ({"centring": 0.1, "head": 0.1}, {"centring": 0, "head": 0}, "centring"),
            ({"centring": 0.1, "head": 0.2}, {"centring": 0, "head": 0}, "head"),
            ({"centring": 0.1, "head": 0.2}, {"centring": 0, "head": -0.1}, "centring"),
            ({"centring": 0.1, "head": -0.2}, {"centring": -0.1, "head": 0}, NONE),
        ],
    )
    def test_gain_cost_and_the_better_one(self, monkeypatch, gains, costs, expected):
        assert recommend(self._results(monkeypatch, gains, costs))[0] == expected

    def test_what_is_not_certain_does_not_count(self, monkeypatch):
        name, reason = recommend(self._results(monkeypatch, {"head": 0.2}, {"head": 0.0}, certain=False))
        assert name == NONE and "best: head, +0.200, p 0.500" in reason
