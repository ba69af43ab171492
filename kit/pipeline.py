"""The steps of an experiment. Each result that takes time is kept in a cache, keyed by everything that it depends on:
settings, data, code and library versions. A step that was interrupted goes on; nothing stale is ever loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kit import config, paths, workers
from kit.config import Settings
from kit.corpus import ParallelCorpus, RetrievalTask
from kit.evaluate import Evaluation, evaluate
from kit.overlap import Overlap, overlap
from kit.results import Results
from kit.samplers import Sampling
from kit.sources import checksums, load_corpus, load_task
from kit.tables import whole_file

if TYPE_CHECKING:
    from kit.trainer import History

Log = Callable[[str], None]

VALIDATION_SHARE = 0.1
"""Share of the passage clusters of a training corpus without a validation split of its own that is held out."""

VALIDATION_SIZE = {"n_groups": 100, "n_candidates": 5000}
"""Questions and candidates of the validation task: enough for a curve, cheap enough to be asked often."""

_DATA_FIELDS = ("train",)
_TRAINING_FIELDS = (*_DATA_FIELDS, "encoder", "dimension", "vocabulary_size", "max_tokens", "updates", "batch_size",
                    "learning_rate", "temperature", "evaluations", "patience")
_TRAINING_CODE = ("sources", "corpus", "tables", "languages", "seeding", "samplers", "losses", "encoders", "trainer", "pipeline")
_JUDGING_CODE = ("search", "metrics", "bias", "evaluate")


@dataclass(frozen=True, eq=False)
class Data:
    """What an experiment works on.

    corpora: training data.  validation: questions held out of it.  test: the evaluation task.
    overlaps: of each training corpus with the test.
    """

    corpora: list[ParallelCorpus]
    validation: RetrievalTask
    test: RetrievalTask
    overlaps: list[Overlap]


def load_data(settings: Settings) -> Data:
    """Load what the settings name; one copy is kept in memory for each choice of data."""
    return _load_data(settings.train, settings.test)


@lru_cache(maxsize=2)
def _load_data(train: tuple[str, ...], test: str) -> Data:
    corpora, held_out = _training_data(train)
    task = load_task(test)
    return Data(corpora, held_out.sample(**VALIDATION_SIZE), task, [overlap(corpus, task) for corpus in corpora])


def _training_data(train: tuple[str, ...]) -> tuple[list[ParallelCorpus], RetrievalTask]:
    """Training corpora, and the validation task of the first: Atlas brings its own, others hold clusters out."""
    corpora = [load_corpus(spec) for spec in train]
    if train[0].partition("?")[0] == "atlas":
        return corpora, load_task(train[0], split="validation")
    rest, held_out = corpora[0].split(VALIDATION_SHARE)
    return [rest, *corpora[1:]], RetrievalTask.from_corpus(held_out, f"{corpora[0].name}, held out")


def training_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of a trained model: settings, data, code, library versions."""
    return settings.fingerprint(_TRAINING_FIELDS, sampling, seed, checksums(settings.train),
                                config.code_fingerprint(_TRAINING_CODE), config.versions())


def evaluation_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of an evaluation: that of its model, the task, the code that judges."""
    return settings.fingerprint(("test",), training_fingerprint(settings, sampling, seed), checksums((settings.test,)),
                                config.code_fingerprint(_JUDGING_CODE))


def model_folder(settings: Settings, sampling: str, seed: int) -> Path:
    """Where the training run of a sampling and seed is kept; the model itself is in its subfolder ``model``."""
    return paths.cache() / "training" / training_fingerprint(settings, sampling, seed)


def train_all(settings: Settings, log: Log = print) -> dict[tuple[str, int], History]:
    """Train a model for each sampling and seed that is not in the cache yet, as many at a time as there are cores.

    On a GPU one at a time. The histories come in the order of the settings, whatever finished first.
    """
    from kit.trainer import History

    jobs = [(sampling, seed) for seed in settings.seeds for sampling in settings.samplings]
    for sampling, _ in jobs:
        Sampling.parse(sampling)  # a wrong name is an error before anything is trained
    missing = [job for job in jobs if not (model_folder(settings, *job) / "model").is_dir()]
    log(f"{len(jobs)} models: {len(jobs) - len(missing)} trained before, {len(missing)} to train")
    if missing:
        _train_in_processes(settings, missing, log)
    return {(sampling, seed): History.read(model_folder(settings, sampling, seed) / "history.json") for sampling, seed in jobs}


def _train_in_processes(settings: Settings, jobs: list[tuple[str, int]], log: Log) -> None:
    """Deal training jobs out to processes of their own; a small model leaves most of a machine idle when trained alone."""
    n_cores = os.cpu_count() or 1
    n_processes = min(len(jobs), 1 if _has_gpu() else n_cores)
    named = [(sampling, seed, str(model_folder(settings, sampling, seed))) for sampling, seed in jobs]
    orders = [{"settings": asdict(settings), "jobs": named[number::n_processes], "n_threads": max(1, n_cores // n_processes)}
              for number in range(n_processes)]
    workers.run_all("kit.pipeline:train_jobs", orders, log)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def train_jobs(order: dict, log: Log) -> None:
    """What a training process does: the runs of ``order["jobs"]``, one after the other, with so many threads."""
    import torch

    torch.set_num_threads(order["n_threads"])
    settings = Settings(**order["settings"])
    for sampling, seed, folder in order["jobs"]:
        _train(settings, sampling, seed, Path(folder), log)


def _train(settings: Settings, sampling: str, seed: int, folder: Path, log: Log) -> None:
    from kit.encoders import make_encoder
    from kit.trainer import TrainingConfig, fine_tune

    corpora, held_out = _training_data(settings.train)
    validation = held_out.sample(**VALIDATION_SIZE)
    texts = (text for corpus in corpora for column in ("query", "passage") for text in corpus.table.column(column).to_pylist())
    model = make_encoder(settings.encoder, texts, seed, settings.dimension, settings.vocabulary_size, settings.max_tokens)
    training = TrainingConfig(updates=settings.updates, batch_size=settings.batch_size, learning_rate=settings.learning_rate,
                              temperature=settings.temperature, evaluations=settings.evaluations, patience=settings.patience,
                              seed=seed)
    with whole_file(folder / "settings.json") as partial:
        partial.write_text(json.dumps({"sampling": sampling, "seed": seed, "settings": asdict(settings)}, indent=1) + "\n")
    fine_tune(model, corpora, Sampling.parse(sampling), training, folder, log=lambda line: log(f"seed {seed} {line}"),
              validation=lambda model: validation_scores(evaluate(model, validation, batch_size=_encode_batch(settings))))


def _encode_batch(settings: Settings) -> int:
    """Texts encoded at a time: what a call costs outweighs what a text costs in a mean of token embeddings."""
    return 1024 if settings.encoder == "static" else 64


def validation_scores(evaluation: Evaluation) -> dict[str, float]:
    """What is watched during training: mAP of the three settings, rank distance, and ``score``, the mean of the mAPs."""
    summary = evaluation.summary()
    scores = {name: summary[setting]["average_precision"] for name, setting in
              (("mono", "monolingual"), ("cross", "cross-lingual"), ("multi", "multilingual"))}
    there = [value for value in scores.values() if value == value]  # a task in one language has no cross-lingual score
    return {"score": sum(there) / len(there), **scores, "distance": summary["multilingual"]["rank_distance"]}


def recipe_score(settings: Settings) -> float:
    """Last validation score, averaged over samplings and seeds: chooses a recipe without showing who wins."""
    histories = train_all(settings, log=lambda line: None)
    return sum(history.scores[-1][1]["score"] for history in histories.values()) / len(histories)


def load_model(settings: Settings, sampling: str, seed: int):
    """A trained model as a ``SentenceTransformer``; trained first if it is not in the cache."""
    from kit.encoders import load_encoder

    folder = model_folder(settings, sampling, seed) / "model"
    if not folder.is_dir():
        train_all(settings)
    return load_encoder(str(folder))


def evaluate_all(settings: Settings, log: Log = print) -> Results:
    """Evaluate a model for each sampling and seed on the test task; what is missing is trained and evaluated first."""
    evaluations: dict[str, list[Evaluation]] = {}
    missing = [job for job in ((sampling, seed) for sampling in settings.samplings for seed in settings.seeds)
               if not _evaluation_path(settings, *job).is_file()]
    if missing:
        train_all(settings, log)
    for sampling in settings.samplings:
        evaluations[sampling] = [_evaluated(settings, sampling, seed, log) for seed in settings.seeds]
    return Results(evaluations)


def _evaluation_path(settings: Settings, sampling: str, seed: int) -> Path:
    return paths.cache() / "evaluation" / f"{evaluation_fingerprint(settings, sampling, seed)}.parquet"


def _evaluated(settings: Settings, sampling: str, seed: int, log: Log) -> Evaluation:
    path = _evaluation_path(settings, sampling, seed)
    if not path.is_file():
        task = load_data(settings).test
        evaluation = evaluate(load_model(settings, sampling, seed), task, f"{sampling}, seed {seed}",
                              batch_size=_encode_batch(settings))
        evaluation.write(path)
        log(f"evaluated {sampling}, seed {seed}, on {task.name}")
    return Evaluation.read(path)
