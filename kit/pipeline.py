"""The steps of an experiment. Each result that takes time is kept in a cache, keyed by everything that it depends on:
settings, data, code and library versions. A step that was interrupted goes on; nothing stale is ever loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import config, paths, workers
from kit.config import Settings
from kit.corpus import ParallelCorpus, RetrievalTask
from kit.debias import REMEDIES
from kit.evaluate import encode_task, evaluate_embeddings
from kit.evaluation import Evaluation
from kit.history import History
from kit.jobs import (
    AGREEMENT_GROUPS,
    VALIDATION_SIZE,
    encode_batch,
    encoder_folder,
    is_trained,
    load_test,
    load_trained,
    training_data,
)
from kit.overlap import Overlap, overlap
from kit.remedy import RescoreByLanguage
from kit.results import Results
from kit.samplers import Sampling
from kit.search import Rescore
from kit.sources import checksums

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]
Job = tuple[Settings, str, int]
"""Settings, a sampling and a seed."""

_STUDIED = ("alphas", "batch_sizes", "temperatures", "domains", "shares", "parallel", "tests", "bitexts")
_NOT_TRAINING = ("run", "test", "samplings", "seeds", *_STUDIED)
"""Settings that a training run does not depend on; its own sampling and seed are added to its key."""


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
    return _load_data(settings.train, settings.test, tuple(checksums((*settings.train, settings.test)).values()))


@lru_cache(maxsize=2)
def _load_data(train: tuple[str, ...], test: str, sums: tuple[str, ...]) -> Data:
    """``sums`` of the data are not read: with them, files that have changed are another choice of data."""
    corpora, held_out = training_data(train)
    task = load_test(test)
    return Data(corpora, held_out.sample(**VALIDATION_SIZE), task, [overlap(corpus, task) for corpus in corpora])


def keep_corpus(corpus: ParallelCorpus) -> str:
    """Keep a corpus that was made here, such as a translated one, and name it as a source, so that training can read it.

    The file is called by its content: the same corpus is kept once, and another one never takes its place.
    """
    content = [corpus.name, corpus.table.to_pylist()]
    path = paths.cache() / "corpora" / f"{config.fingerprint(content)}.parquet"
    if not path.is_file():
        corpus.write(path)
    return f"jsonl:{path.relative_to(paths.root()).as_posix()}"


def training_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of a trained model: settings, data, code, library versions."""
    names = [field.name for field in fields(settings) if field.name not in _NOT_TRAINING]
    data, code, start = checksums(settings.train), config.code_fingerprint("jobs"), encoder_folder(settings)
    weights = config.data_checksum(start) if start else ""
    return settings.fingerprint(names, sampling, seed, data, code, config.versions(), weights)


def evaluation_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of an evaluation: that of its model, the task, the code that judges."""
    model, code = training_fingerprint(settings, sampling, seed), config.code_fingerprint("evaluate")
    return settings.fingerprint(["test"], model, checksums([settings.test]), code)


def model_folder(settings: Settings, sampling: str, seed: int) -> Path:
    """Where the training run of a sampling and seed is kept; the model itself is in its subfolder ``model``."""
    return paths.cache() / "training" / training_fingerprint(settings, sampling, seed)


def model_folders(settings: Settings) -> dict[str, dict[str, str]]:
    """Where the trained models lie, relative to the project: by sampling, then ``seed N``."""
    return {
        sampling: {
            f"seed {seed}": (model_folder(settings, sampling, seed) / "model").relative_to(paths.root()).as_posix()
            for seed in settings.seeds
        }
        for sampling in settings.samplings
    }


def train_all(settings: Settings, log: Log = print) -> dict[tuple[str, int], History]:
    """Train a model for each sampling and seed that is not in the cache yet, as many at a time as there are cores.

    On a GPU one at a time. The histories come in the order of the settings, whatever finished first.
    """
    train_missing([settings], log)
    return {
        (sampling, seed): History.read(model_folder(settings, sampling, seed) / "history.json")
        for seed in settings.seeds
        for sampling in settings.samplings
    }


def train_missing(recipes: Sequence[Settings], log: Log = print) -> None:
    """Train what is not in the cache of several recipes, each with its samplings and seeds, all of them together."""
    jobs = [(recipe, sampling, seed) for recipe in recipes for seed in recipe.seeds for sampling in recipe.samplings]
    for _, sampling, _ in jobs:
        Sampling.parse(sampling)  # a wrong name is an error before anything is trained
    folders = {model_folder(*job): job for job in jobs}  # recipes may share a model
    missing = {folder: job for folder, job in folders.items() if not is_trained(folder)}
    log(f"{len(folders)} models: {len(folders) - len(missing)} trained before, {len(missing)} to train")
    if missing:
        in_processes("kit.jobs:train_job", [(job, {}) for job in missing.values()], len(folders), log)


def in_processes(function: str, jobs: Sequence[tuple[Job, dict]], n_all: int, log: Log) -> None:
    """Deal jobs out to processes of their own; a small model leaves most of a machine idle when it works alone.

    Args:
        function: as ``package.module:name``; it takes an order (``kit.jobs.train_job`` says what it holds) and ``log``.
        jobs: settings, sampling and seed, and what the order holds beside them.
        n_all: number of jobs with those that need not be done. Sums differ in the last bits with the number of threads,
            which therefore goes by all of them and not by those that are missing.
    """
    n_cores = os.cpu_count() or 1
    n_threads = n_cores if _has_gpu() else max(1, n_cores // n_all)
    orders = [
        {
            "settings": asdict(settings),
            "sampling": sampling,
            "seed": seed,
            "folder": str(model_folder(settings, sampling, seed)),
            "n_threads": n_threads,
            **more,
        }
        for (settings, sampling, seed), more in jobs
    ]
    workers.run_all(function, orders, log, n_processes=1 if _has_gpu() else n_cores)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def recipe_score(settings: Settings) -> float:
    """Last validation score, averaged over samplings and seeds: chooses a recipe without showing who wins."""
    histories = train_all(settings, log=lambda line: None)
    return sum(history.scores[-1][1]["score"] for history in histories.values()) / len(histories)


def load_model(settings: Settings, sampling: str, seed: int) -> SentenceTransformer:
    """A trained model; trained first if it is not in the cache.

    Raises:
        ValueError: it is damaged.
    """
    folder = model_folder(settings, sampling, seed)
    if not is_trained(folder):
        train_all(replace(settings, samplings=(sampling,), seeds=(seed,)))
    return load_trained(folder)


def evaluate_all(settings: Settings, log: Log = print) -> Results:
    """Evaluate a model for each sampling and seed on the test task; what is missing is trained and evaluated first."""
    evaluate_missing([settings], log)
    return Results({one: evaluate_runs(replace(settings, samplings=(one,)), log) for one in settings.samplings})


def evaluate_runs(settings: Settings, log: Log = print) -> list[Evaluation]:
    """Evaluations on the test task of the models of the first sampling, one a seed, from the cache where they are there."""
    evaluate_missing([replace(settings, samplings=settings.samplings[:1])], log)
    return [Evaluation.read(_evaluation_path(settings, settings.samplings[0], seed)) for seed in settings.seeds]


def evaluate_missing(recipes: Sequence[Settings], log: Log = print) -> None:
    """Evaluate what is not in the cache of several recipes, each with its samplings, seeds and test, all of them together.

    Models that this needs are trained first.
    """
    jobs = [(recipe, sampling, seed) for recipe in recipes for sampling in recipe.samplings for seed in recipe.seeds]
    wanted = {_evaluation_path(*job): job for job in jobs}
    missing = {path: job for path, job in wanted.items() if not is_kept(path, Evaluation.read, "evaluated", log)}
    if missing:
        train_missing([recipe for recipe in recipes if any(recipe is lacking for lacking, _, _ in missing.values())], log)
        orders = [(job, {"path": str(path)}) for path, job in missing.items()]
        in_processes("kit.jobs:evaluate_job", orders, len(wanted), log)


def _evaluation_path(settings: Settings, sampling: str, seed: int) -> Path:
    return paths.cache() / "evaluation" / f"{evaluation_fingerprint(settings, sampling, seed)}.parquet"


def is_kept(path: Path, read: Callable[[Path], object], done: str, log: Log) -> bool:
    """Whether a result is in the cache and can be read; one that cannot is made again.

    Args:
        read: refuses a damaged file with a ``ValueError``.
        done: what was done to make it, such as "evaluated"; begins the line that says that it is done again.
    """
    if not path.is_file():
        return False
    try:
        read(path)
    except ValueError as error:
        log(f"{done} again: {error}")
        return False
    return True


def with_remedies(settings: Settings, sampling: str, seed: int, n_groups: int, n_candidates: int) -> Results:
    """A trained model with each training-free remedy (``kit.debias.REMEDIES``), side by side.

    The remedies are fitted on the texts of the validation task and judged on a part of the test task: ``n_groups``
    questions against ``n_candidates`` candidates. ``none`` is the model as it is, on the same part.
    """
    data, model = load_data(settings), load_model(settings, sampling, seed)
    test = data.test.sample(n_groups, n_candidates)
    fit_on, judged_on = (encode_task(model, task, encode_batch(settings)) for task in (data.validation, test))
    queries, candidates = _tags(test)
    evaluations = {}
    for name, fit in REMEDIES.items():
        remedy = fit(*fit_on, *_tags(data.validation))
        rescore = remedy.rescore and _on_indices(remedy.rescore, queries, candidates)
        embeddings = remedy.apply(*judged_on, queries, candidates)
        evaluations[name] = [evaluate_embeddings(*embeddings, test, name, 0, AGREEMENT_GROUPS, rescore)]
    return Results(evaluations)


def _tags(task: RetrievalTask) -> tuple[np.ndarray, np.ndarray]:
    """Language tags of the queries and of the candidates."""
    tags = np.array(task.languages)
    return tags[task.query_language], tags[task.candidate_language]


def _on_indices(rescore: RescoreByLanguage, queries: np.ndarray, candidates: np.ndarray) -> Rescore:
    return lambda scores, query, candidate: rescore(scores, queries[query], candidates[candidate])
