"""Cached steps: trained once, made again when anything they depend on changes, and never stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kit.core.engines.engine import Engine, choose
from kit.core.engines.store import Store
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.embeddings import stored
from kit.data.embeddings.encoding import encoded_by_and_by
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate
from kit.run import pipeline, training
from kit.run.engines import dealing
from kit.run.evaluating import EvaluateJob, evaluate_job, load_trained, told_of
from kit.run.settings import Settings
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.loading import load_encoder
from kit.train.encoders.making import make_encoder
from kit.train.history import ANSWER, MEDIAN, headline

SETTINGS = Settings().changed(
    run="tiny",
    train=("jsonl:data/train.jsonl",),
    test="jsonl:data/test",
    dimension=16,
    vocabulary_size=300,
    samplings=("X-Y", "Hybrid"),
    updates=20,
    batch_size=8,
    evaluations=2,
)
TRANSFORMER = SETTINGS.changed(encoder="tiny", samplings=("X-Y",), updates=2, evaluations=1)
JOBS = [(sampling, 0) for sampling in SETTINGS.samplings]
WORDS = {
    "de": ("Hauptstadt von Land", "Die Hauptstadt ist"),
    "en": ("Capital of country", "The capital is"),
    "es": ("Capital del país", "La capital es"),
}


def _corpus(groups: range, name: str) -> ParallelCorpus:
    return ParallelCorpus.from_rows(
        [
            {"group_id": f"g{group}", "language": tag, "query": f"{question} {group}?", "passage": f"{answer} {group}."}
            for group in groups
            for tag, (question, answer) in WORDS.items()
        ],
        name,
    )


def _write_data(home: Path) -> None:
    (home / "notebooks").mkdir(parents=True, exist_ok=True)
    _corpus(range(60), "train").write(home / "data" / "train.jsonl")
    # Ten questions of the training set, ten others.
    RetrievalTask.from_corpus(_corpus(range(50, 70), "test"), "test").write(home / "data" / "test")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What the first run logged."""
    return []


@pytest.fixture(scope="module")
def home(tmp_path_factory, lines):
    """A project in which everything was trained and evaluated once."""
    home = tmp_path_factory.mktemp("home")
    _write_data(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_HOME", str(home))
        pipeline.evaluate_all(SETTINGS, lines.append)
        yield home


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    """A project with data and without a cache."""
    _write_data(tmp_path)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def _summaries(results) -> dict:
    return {sampling: [run.summary() for run in runs] for sampling, runs in results.evaluations.items()}


class TestOnce:
    def test_the_first_call_trains_and_evaluates_every_model(self, home, lines):
        assert lines[0] == "2 models: 0 trained before, 2 to train"
        assert sorted(line for line in lines if line.startswith("evaluated")) == [
            "evaluated Hybrid, seed 0, on test",
            "evaluated X-Y, seed 0, on test",
        ]
        assert all((pipeline.model_folder(SETTINGS, *job) / "model" / "modules.json").is_file() for job in JOBS)

    def test_a_second_call_trains_nothing(self, home, monkeypatch):
        monkeypatch.setattr(dealing.processes, "run_all", None)
        said = []
        histories = pipeline.train_all(SETTINGS, said.append)
        assert said == ["2 models: 2 trained before, 0 to train"] and list(histories) == JOBS
        assert [update for update, _ in histories["X-Y", 0].scores] == [10, 20]

    def test_a_second_call_evaluates_nothing(self, home, monkeypatch):
        monkeypatch.setattr(dealing.processes, "run_all", None)
        said = []
        results = pipeline.evaluate_all(SETTINGS, said.append)
        assert said == [] and results.models == SETTINGS.samplings
        assert {run.task_name for runs in results.evaluations.values() for run in runs} == {"test"}

    def test_other_settings_use_what_they_share(self, home, monkeypatch):
        monkeypatch.setattr(dealing.processes, "run_all", None)
        assert list(pipeline.train_all(SETTINGS.changed(run="other", samplings=("Hybrid",)), lambda line: None)) == [
            ("Hybrid", 0)
        ]

    def test_the_histories_come_in_the_order_of_the_settings(self, home):
        turned = SETTINGS.changed(samplings=SETTINGS.samplings[::-1])
        assert list(pipeline.train_all(turned, lambda line: None)) == JOBS[::-1]

    def test_validation_scores(self, home):
        scores = pipeline.train_all(SETTINGS, lambda line: None)["X-Y", 0].scores[-1][1]
        assert scores["score"] == pytest.approx((scores["mono"] + scores["cross"] + scores["multi"]) / 3)
        assert set(headline(scores)) == {"score", "mono", "cross", "multi", "distance"}
        assert {name.split()[-1] for name in set(scores) - set(headline(scores))} == set(WORDS)

    def test_recipe_score_is_the_mean_of_the_last_scores(self, home):
        last = [history.scores[-1][1]["score"] for history in pipeline.train_all(SETTINGS, lambda line: None).values()]
        assert pipeline.recipe_score(SETTINGS) == pytest.approx(np.mean(last))

    def test_how_long_the_trainings_took(self, home):
        costs = [json.loads((pipeline.model_folder(SETTINGS, *job) / "cost.json").read_text()) for job in JOBS]
        took = pipeline.training_seconds(SETTINGS)
        assert took == sum(cost["updates"] * cost["update_s"] for cost in costs) > 0 and costs[0]["updates"] == 20
        assert pipeline.training_seconds(SETTINGS.changed(samplings=("X-Y", "En-En"))) is None  # one is not there

    def test_what_was_trained_stands_beside_the_model(self, home):
        told = json.loads((pipeline.model_folder(SETTINGS, "Hybrid", 0) / "settings.json").read_text(encoding="utf-8"))
        assert (told["sampling"], told["seed"]) == ("Hybrid", 0)
        assert (
            EncoderConfig(**told["encoder"]) == SETTINGS.encoder and TrainingConfig(**told["training"]) == SETTINGS.training
        )


def test_what_a_store_has_is_neither_trained_nor_evaluated_on_another_machine(home, tmp_path, monkeypatch):
    monkeypatch.setattr(dealing.processes, "run_all", None)
    engine, said = Engine(store=f"file://{tmp_path}/store"), []
    pipeline.train_all(SETTINGS, said.append, engine=engine)  # what was made before there was a store is put there
    there = _summaries(pipeline.evaluate_all(SETTINGS, said.append, engine))
    assert said == ["2 models: 2 trained before, 0 to train"]
    _write_data(tmp_path / "other")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "other"))
    here = _summaries(pipeline.evaluate_all(SETTINGS, said.append, engine))
    assert here == there and len(said) == 5 and all("came from" in line for line in said[1:])
    pipeline.train_all(SETTINGS, said.append, engine=engine)
    assert said[-1] == "2 models: 2 trained before, 0 to train"
    assert load_encoder(str(pipeline.model_folder(SETTINGS, "Hybrid", 0) / "model"))


def test_a_job_finds_what_it_needs_in_a_store_and_puts_what_it_makes_there(home, tmp_path, monkeypatch):
    store, (job,) = Store(f"file://{tmp_path}/store"), JOBS[:1]
    folder, path = pipeline.model_folder(SETTINGS, *job), pipeline._evaluation_path(SETTINGS, *job)
    store.put(folder)
    _write_data(tmp_path / "other")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "other"))
    folder, path = (tmp_path / "other" / one.relative_to(home) for one in (folder, path))
    with choose(Engine(store=store.address)):
        monkeypatch.setattr(dealing.processes, "run_all", lambda work, jobs, log, **_: [work(one, log) for one in jobs])
        evaluate = EvaluateJob(folder, "X-Y, seed 0", SETTINGS.data.test, path, 1)
        pipeline.in_processes(evaluate_job, [evaluate], lambda line: None, pipeline._kept_of_evaluation)
    assert Evaluation.read(path).model_name == "X-Y, seed 0"
    shutil.rmtree(path.parent)
    assert all(store.fetch(one, print) for one in (path, told_of(path))) and Evaluation.read(path)


def test_without_its_cache_a_run_gives_the_same_scores(home):
    before = _summaries(pipeline.evaluate_all(SETTINGS, lambda line: None))
    shutil.rmtree(home / "data" / "cache")
    assert _summaries(pipeline.evaluate_all(SETTINGS, lambda line: None)) == before


def test_what_is_damaged_is_named_and_made_again(home):
    """One flipped bit of a model and of an evaluation; a model that is asked for by name is an error while it is damaged."""
    before, lines = _summaries(pipeline.evaluate_all(SETTINGS, lambda line: None)), []
    folder = pipeline.model_folder(SETTINGS, *JOBS[0])
    (weights,) = folder.rglob("*.safetensors")
    evaluations = sorted((home / "data" / "cache" / "evaluation").glob("*.parquet"))
    for file in (weights, *evaluations):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"safetensors: damaged, .*: make model again"):
        load_encoder(str(folder / "model"))
    with pytest.raises(ValueError, match=rf"{folder.name} is damaged: delete it and type the same command again"):
        load_trained(folder)
    assert _summaries(pipeline.evaluate_all(SETTINGS, lines.append)) == before
    assert sum(line.startswith("evaluated again: ") for line in lines) == len(evaluations) >= 2
    (line,) = [line for line in lines if line.startswith("trained again: ")]
    assert str(weights) in line and "2 models: 1 trained before, 1 to train" in lines


class TestNothingStale:
    def test_new_test_data_is_read_in_the_same_process(self, home):
        before = pipeline.evaluate_all(SETTINGS, lambda line: None).evaluations["X-Y"][0]
        kept = home / "data" / "kept"
        shutil.copytree(home / "data" / "test", kept)
        RetrievalTask.from_corpus(_corpus(range(80, 85), "new"), "new").write(home / "data" / "test")
        said = []
        after = pipeline.evaluate_all(SETTINGS, said.append).evaluations["X-Y"][0]
        shutil.rmtree(home / "data" / "test")
        kept.rename(home / "data" / "test")
        assert (before.task_name, after.task_name) == ("test", "new")
        assert set(after.per_query.column("group_id").to_pylist()) == {f"g{group}" for group in range(80, 85)}
        assert not any("to train" in line and not line.endswith(" 0 to train") for line in said)

    def test_data_of_another_home(self, home, fresh):
        RetrievalTask.from_corpus(_corpus(range(5), "other"), "other").write(fresh / "data" / "test")
        assert pipeline.load_data(SETTINGS).test.name == "other"


class TestData:
    def test_validation_comes_from_clusters_that_are_not_trained_on(self, fresh):
        data = pipeline.load_data(SETTINGS)
        held_out = set(data.validation.queries.column("group_id").to_pylist())
        trained = {group for corpus in data.corpora for group in corpus.group_ids}
        assert held_out and held_out.isdisjoint(trained) and len(held_out | trained) == 60
        texts = set(data.corpora[0].table.column("passage").to_pylist())
        assert texts.isdisjoint(data.validation.candidates.column("text").to_pylist())

    def test_a_shared_passage_keeps_groups_on_one_side(self, fresh):
        rows = _corpus(range(60), "train").table.select(["group_id", "language", "query", "passage"]).to_pylist()
        for row in rows:  # groups of three share their German answer
            if row["language"] == "de":
                row["passage"] = f"Antwort {int(row['group_id'][1:]) // 3}"
        ParallelCorpus.from_rows(rows, "train").write(fresh / "data" / "train.jsonl")
        data = pipeline.load_data(SETTINGS)
        trained = {int(group[1:]) // 3 for group in data.corpora[0].group_ids}
        held_out = {int(group[1:]) // 3 for group in data.validation.queries.column("group_id").to_pylist()}
        assert held_out and trained.isdisjoint(held_out)

    def test_the_validation_task_is_of_bounded_size(self, fresh, monkeypatch):
        monkeypatch.setitem(training.VALIDATION_SIZE, "n_groups", 2)
        _corpus(range(61), "train").write(fresh / "data" / "train.jsonl")  # not what another test has loaded
        validation = pipeline.load_data(
            SETTINGS.changed(train=("jsonl:data/train.jsonl",), test="jsonl:data/test")
        ).validation
        assert len(set(validation.queries.column("group_id").to_pylist())) == 2

    def test_overlaps_of_each_corpus_with_the_test(self, fresh):
        _corpus(range(100, 130), "apart").write(fresh / "data" / "apart.jsonl")
        data = pipeline.load_data(SETTINGS.changed(train=("jsonl:data/train.jsonl", "jsonl:data/apart.jsonl")))
        assert [(found.corpus, found.task) for found in data.overlaps] == [("train", "test"), ("apart", "test")]
        shared = set(data.corpora[0].group_ids) & {f"g{group}" for group in range(50, 60)}
        assert data.overlaps[0].questions.n_exact == 3 * len(shared) > 0
        assert data.overlaps[1].questions.n_normalised == 0

    def test_atlas_brings_its_own_validation_task(self):
        corpora, validation = training.training_data(("atlas?languages=de,en",))
        trained = set(corpora[0].group_ids)
        assert trained.isdisjoint(validation.queries.column("group_id").to_pylist())


class TestRefuses:
    def test_a_wrong_sampling_before_anything_is_trained(self, fresh, monkeypatch):
        monkeypatch.setattr(dealing.processes, "run_all", None)
        with pytest.raises(ValueError, match="sampling 'X-Z' is not known"):
            pipeline.train_all(SETTINGS.changed(samplings=("X-Y", "X-Z")))
        assert not (fresh / "data" / "cache").exists()

    @pytest.mark.parametrize("changes", [{"train": ("jsonl:data/absent.jsonl",)}, {"test": "jsonl:data/absent"}])
    def test_data_that_is_not_there(self, fresh, changes):
        with pytest.raises(ValueError, match=r"absent.* does not exist"):
            pipeline.load_data(SETTINGS.changed(**changes))


def test_what_several_heads_need_is_encoded_before_they_are_trained_and_judged_side_by_side(fresh, tmp_path, monkeypatch):
    words = [text for pair in WORDS.values() for text in pair]
    config = EncoderConfig(name="tiny", dimension=16, vocabulary_size=300, max_tokens=32)
    make_encoder(config, words * 9, 0).save_pretrained(str(tmp_path / "base"))
    computed, dealt = [], []

    def counted(model, texts, side, log):
        computed.append(len(texts))
        return encoded_by_and_by(model, texts, side, log)

    def in_processes(function, jobs, log, kept):
        before = len(computed)
        for job in jobs:
            function(job, log)
        dealt.append((len(jobs), len(computed) - before))

    monkeypatch.setattr(stored, "encoded_by_and_by", counted)
    monkeypatch.setattr(pipeline, "in_processes", in_processes)
    settings = TRANSFORMER.changed(encoder=f"head:{tmp_path / 'base'}", seeds=(0, 1), updates=4)
    pipeline.evaluate_all(settings, lambda line: None)
    assert computed and dealt == [(2, 0), (2, 0)]


class TestLimits:
    @pytest.fixture(autouse=True)
    def in_this_process(self, fresh, monkeypatch):
        monkeypatch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])

    def test_texts_that_are_cut_are_told_before_a_training_and_an_evaluation_and_reported(self):
        lines, settings = [], TRANSFORMER.changed(max_tokens=7)
        pipeline.evaluate_all(settings, lines.append)
        told = [line for line in lines if "longer than 7 tokens and cut" in line]
        assert [line.partition(":")[0].split()[-1] for line in told] == ["training", "training", "test", "test"]
        assert max(lines.index(line) for line in told[:2]) < min(n for n, line in enumerate(lines) if "update" in line)
        facts = pipeline.model_folders(settings)["X-Y"]
        names = "parameters size prompts speed".split()
        assert facts["longest input"] == "7 tokens" and all(facts[name] for name in names)
        assert all(part in line for part, line in zip(facts["not read"].split("; "), told[2:]))
        assert "of 60 passages" in facts["not read"]  # 20 answers in 3 languages

    def test_a_limit_that_the_texts_chose_is_kept_beside_the_model_and_reported(self):
        pipeline.train_all(TRANSFORMER, lambda line: None)
        kept = json.loads((pipeline.model_folder(TRANSFORMER, "X-Y", 0) / "settings.json").read_text(encoding="utf-8"))
        assert kept["encoder"]["max_tokens"] == 128

    def test_a_recipe_trains_a_part_of_a_model_on_the_tokens_at_hand(self, tmp_path):
        texts = [
            *(text for pair in WORDS.values() for text in pair),
            "Bangkok in Thailand",
            "0123456789?.",
            "Query: Passage: ",
        ]
        start = make_encoder(EncoderConfig(name="tiny", dimension=16, vocabulary_size=600, max_tokens=32), texts * 3, 0)
        start.save_pretrained(str(tmp_path / "start"))
        lines, parts = [], {"trim_vocabulary": True, "trainable": "last:1", "mini_batch": 3}
        settings = TRANSFORMER.changed(encoder=str(tmp_path / "start"), **parts)
        pipeline.train_all(settings, lines.append)
        trained = load_trained(pipeline.model_folder(settings, "X-Y", 0)).model
        assert [line.split("  ")[-1] for line in lines if "kept" in line] == [f"{len(trained.tokenizer)} tokens are kept"]
        assert "▁bangkok" in {*start.tokenizer.get_vocab()} - {*trained.tokenizer.get_vocab()}
        words, first = (
            f"0.model.{name}" for name in ("embeddings.position_embeddings.weight", "encoder.layer.0.output.dense.bias")
        )
        for name in (words, first):
            assert trained.state_dict()[name].equal(start.state_dict()[name])

    def test_an_encoder_without_a_limit_has_no_more_than_its_folders(self):
        assert [list(facts) for facts in pipeline.model_folders(SETTINGS).values()] == [["seed 0"], ["seed 0"]]


def test_validation_scores_are_those_of_an_evaluation():
    task = RetrievalTask.from_corpus(_corpus(range(12), "made"), "made")
    model, watched = _Lettered(), training.watched_query(task)
    found, evaluation = training.validation_scores(model, task, watched), evaluate(model, task)
    summary = evaluation.summary()
    for name, setting in (("mono", "monolingual"), ("cross", "cross-lingual"), ("multi", "multilingual")):
        assert found[name] == summary[setting]["average_precision"]
    assert found["distance"] == summary["multilingual"]["rank_distance"]
    assert found["score"] == pytest.approx(np.mean([found[name] for name in ("mono", "cross", "multi")]))
    ranks = evaluation.version_ranks()
    row = task.queries.column("query_id").to_pylist().index(watched)
    for code, language in enumerate(task.languages):
        assert found[MEDIAN + language] == np.median(ranks[:, code]) and found[ANSWER + language] == ranks[row, code]


def test_scores_of_one_language_leave_the_cross_lingual_out():
    rows = [row for row in _corpus(range(12), "made").table.to_pylist() if row["language"] == "de"]
    task = RetrievalTask.from_corpus(ParallelCorpus.from_rows(rows, "made"), "made")
    scores = training.validation_scores(_Lettered(), task, training.watched_query(task))
    assert scores["score"] == np.mean([scores["mono"], scores["multi"]]) and np.isnan(scores["cross"])


class _Lettered:
    """Embeds a text by how often letters stand in it."""

    def encode_query(self, texts, **options):
        return np.array([[text.count(letter) + 0.1 for letter in "aeinst0123456789"] for text in texts], np.float32)

    encode_document = encode_query
