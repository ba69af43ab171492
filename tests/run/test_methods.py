"""Contrastive methods side by side: their training text, groups of pairs, what is mined once and kept."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from test_mining import made_task

from kit.data.bitext import BitextTask
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.evaluate.mining.mined import ACCURACY
from kit.run import mining, pipeline
from kit.run.settings import Settings
from kit.run.studies import methods
from kit.run.studies.methods import keep_switched, mine_arms, resource_groups, shared_side, whole_texts

ARM = Settings().changed(samplings=("X-Y",), updates=20, evaluations=2, seeds=(0, 1))
WORDS = {"red": "rot", "big": "groß", "house": "haus", "dog": "hund", "tree": "baum", "old": "alt"}


def corpus() -> ParallelCorpus:
    """Passages of two words in two languages, word by word; the queries are no translations of each other."""
    rows = []
    for number, (first, second) in enumerate((a, b) for a in WORDS for b in WORDS if a != b):
        texts = {"en": f"{first} {second}", "de": f"{WORDS[first]} {WORDS[second]}"}
        rows += [
            {"group_id": str(number), "language": tag, "query": f"{tag} {number}", "passage": text}
            for tag, text in texts.items()
        ]
    return ParallelCorpus.from_rows(rows, "words")


def task(name: str, source: str, target: str) -> BitextTask:
    made = made_task(6, 6)
    return BitextTask(name, source, target, made.source, made.target, made.gold)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project with an empty cache."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


class TestTexts:
    def test_whole_texts_ask_for_themselves(self):
        original = corpus()
        made = whole_texts(original)
        assert made.table.column("query") == made.table.column("passage") == original.table.column("passage")
        assert made.table.column("cluster_id") == original.table.column("cluster_id")
        assert original.table.column("query").to_pylist()[0] == "en 0"

    def test_words_are_switched_in_both_directions_beside_the_real_rows(self, home):
        spec, lines = pipeline.keep_corpus(corpus()), []
        kept = load_corpus(keep_switched(spec, ["de", "fr"], rate=1.0, log=lines.append))
        rows = kept.table.to_pylist()
        real = [row for row in rows if row["source"] != "code-switched"]
        new = {(row["group_id"], row["language"]): row for row in rows if row["source"] == "code-switched"}
        assert len(real) == len(new) == 60 and lines == ["lexicon en-de: 6 words"]
        assert (
            new["0 (code-switched)", "en"]["passage"] == "rot groß"
            and new["0 (code-switched)", "de"]["passage"] == "red big"
        )
        clusters = {row["group_id"].partition(" ")[0]: set() for row in rows}
        for row in rows:
            clusters[row["group_id"].partition(" ")[0]].add(row["cluster_id"])
        assert all(len(found) == 1 for found in clusters.values())  # never each other's negatives

    def test_the_lexicons_are_made_once(self, home, monkeypatch):
        spec = pipeline.keep_corpus(corpus())
        first = keep_switched(spec, ["de"], log=lambda line: None)
        monkeypatch.setattr(methods, "induce_lexicon", lambda *arguments: pytest.fail("made again"))
        assert keep_switched(spec, ["de"]) == first
        with pytest.raises(pytest.fail.Exception):
            keep_switched(spec, ["de"], rate=0.9)

    def test_a_kept_corpus_that_is_gone_is_made_again(self, home):
        spec = pipeline.keep_corpus(corpus())
        first = keep_switched(spec, ["de"], log=lambda line: None)
        (home / first.partition(":")[2]).unlink()
        assert keep_switched(spec, ["de"], log=lambda line: None) == first and (home / first.partition(":")[2]).is_file()

    @pytest.mark.parametrize(("languages", "pivot"), [(["fr"], "en"), (["en"], "en"), (["de"], "fr")])
    def test_languages_that_the_corpus_lacks(self, home, languages, pivot):
        with pytest.raises(ValueError, match="it has de, en"):
            keep_switched(pipeline.keep_corpus(corpus()), languages, pivot=pivot)


class TestPairs:
    def test_the_side_that_all_tasks_share(self):
        tasks = [task("a", "en", "de"), task("b", "sw", "en")]
        assert [shared_side(one, tasks) for one in tasks] == ["source", "target"]
        alike = [task("a", "en", "de"), task("b", "de", "en")]  # both would do
        assert [shared_side(one, alike) for one in alike] == ["source", "target"]
        assert shared_side(task("a", "sw", "de"), [task("a", "sw", "de"), task("b", "de", "ru")]) == "target"

    def test_tasks_without_a_common_language(self):
        with pytest.raises(ValueError, match="no language stands in all of a, b"):
            shared_side(task("a", "en", "de"), [task("a", "en", "de"), task("b", "sw", "ru")])

    def test_groups_by_what_is_known_of_the_languages(self):
        tasks = {pair: task(pair, *pair.split("-")) for pair in ("ha-en", "en-de", "sw-en", "en-tr", "en-pt", "en-zh")}
        assert resource_groups(tasks, ["en", "de", "sw", "pt", "zh"]) == {
            "high-resource": ["en-de", "en-pt", "en-zh"],
            "low-resource": ["sw-en"],
            "unseen in training": ["ha-en", "en-tr"],
        }
        assert list(resource_groups({"en-de": tasks["en-de"]}, ["de", "en"])) == ["high-resource"]


class _Model:
    """Knows the number in a text, as well as its ``noise`` lets it."""

    prompts: dict = {}  # noqa: RUF012 (as the library has it)

    def __init__(self, noise: float):
        self.noise, self.asked = noise, []

    def encode(self, texts, **options):
        self.asked.append(list(texts))
        random = np.random.default_rng(0)
        return np.array([np.eye(8)[int(text.split()[1])] for text in texts]) + self.noise * random.normal(
            size=(len(texts), 8)
        )


class TestArms:
    @pytest.fixture
    def loaded(self, home, monkeypatch):
        """The models that were loaded, instead of trained ones, in this process instead of others."""
        loaded = []

        def in_processes(function, jobs, log, kept):
            for job in jobs:
                sampling, _, seed = job.name.partition(", seed ")
                loaded.append((sampling, int(seed)))
                function(job, log)

        monkeypatch.setattr(pipeline, "train_missing", lambda recipes, log: None)
        monkeypatch.setattr(pipeline, "model_folder", lambda settings, sampling, seed: Path(f"{sampling}-{seed}"))
        monkeypatch.setattr(pipeline, "in_processes", in_processes)
        monkeypatch.setattr(
            mining, "load_trained", lambda folder, log: _Model(0.01 if folder.name.startswith("X-Y") else 3.0)
        )
        monkeypatch.setattr(mining, "remembered_tokens", lambda model: nullcontext())
        monkeypatch.setattr(mining, "_load", lambda spec, sums: self.TASKS[spec])
        monkeypatch.setattr(mining, "checksums", lambda specs: dict.fromkeys(specs, "sum"))
        monkeypatch.setattr(methods, "source_fingerprints", lambda specs: dict.fromkeys(specs, ""))
        monkeypatch.setattr(pipeline, "source_fingerprints", lambda specs: dict.fromkeys(specs, ""))
        return loaded

    ARMS = {"across": ARM, "within": ARM.changed(samplings=("X-X-mono",))}  # noqa: RUF012
    TASKS = {"one": task("a", "en", "de"), "two": task("b", "sw", "en")}  # noqa: RUF012

    def test_every_arm_and_seed_mines_every_task_once(self, loaded):
        results = mine_arms(self.ARMS, self.TASKS)
        assert loaded == [("X-Y", 0), ("X-Y", 1), ("X-X-mono", 0), ("X-X-mono", 1)]
        assert results.by_seed("across", ACCURACY, ["one", "two"]) == [1.0, 1.0]
        assert results.interval("within", ACCURACY, ["one"]).estimate < 1
        mine_arms(self.ARMS, self.TASKS)
        assert len(loaded) == 4  # all of it was kept

    def test_only_what_is_missing_is_mined(self, loaded):
        mine_arms(self.ARMS, {"one": self.TASKS["one"]})
        lines = []
        mine_arms(self.ARMS | {"English": ARM.changed(samplings=("En-En",))}, self.TASKS, lines.append)
        assert [line.rpartition(": ")[2] for line in lines] == ["1 task(s)"] * 4 + ["2 task(s)"] * 2

    def test_arms_that_share_a_model_mine_once(self, loaded):
        results = mine_arms({"across": ARM, "the same": ARM.changed(run="other")}, self.TASKS)
        assert loaded == [("X-Y", 0), ("X-Y", 1)]
        assert results.by_seed("the same", ACCURACY, ["one", "two"]) == [1.0, 1.0]

    def test_a_side_that_tasks_have_in_common_is_encoded_once(self, loaded, monkeypatch):
        model = _Model(0.01)
        other = task("c", "en", "de")
        rows = [row | {"text": f"fr {n}"} for n, row in enumerate(other.target.to_pylist())]
        other = BitextTask.from_rows("c", "en", "fr", other.source.to_pylist(), rows, other.gold.to_pylist())
        tasks = {"one": self.TASKS["one"], "three": other}
        monkeypatch.setattr(mining, "load_trained", lambda folder, log: model)
        monkeypatch.setattr(mining, "_load", lambda spec, sums: tasks[spec])
        results = mine_arms({"across": ARM.changed(seeds=(0,))}, tasks)
        english = self.TASKS["one"].texts("source")
        assert model.asked == [english + self.TASKS["one"].texts("target"), other.texts("target")]
        assert results.by_seed("across", ACCURACY, ["one", "three"]) == [1.0]

    def test_a_damaged_file_is_made_again(self, loaded, home):
        first = mine_arms(self.ARMS, self.TASKS)
        for path in (home / "data" / "cache" / "mining").glob("*.npz"):
            path.write_bytes(b"")
        lines = []
        again = mine_arms(self.ARMS, self.TASKS, lines.append)
        assert [line.partition(": ")[0] for line in lines[:8]] == ["mined again"] * 8
        assert first.by_seed("within", ACCURACY, ["one"]) == again.by_seed("within", ACCURACY, ["one"])

    def test_what_cannot_be_compared_is_refused(self, loaded):
        with pytest.raises(ValueError, match="arms differ in updates"):
            mine_arms(self.ARMS | {"longer": ARM.changed(updates=40)}, self.TASKS)
        with pytest.raises(ValueError, match="0 arms and 2 tasks"):
            mine_arms({}, self.TASKS)
        assert loaded == []
