"""The steps of an experiment. Each result that takes time is kept in a cache, keyed by everything that it depends on:
settings, data, code and library versions. A step that was interrupted goes on; nothing stale is ever loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import config, paths, workers
from kit.config import Settings
from kit.corpus import ParallelCorpus, RetrievalTask
from kit.debias import REMEDIES
from kit.evaluate import encode_task, evaluate, evaluate_embeddings
from kit.evaluation import Evaluation
from kit.jobs import VALIDATION_SIZE, encode_batch, encoder_folder, is_trained, training_data
from kit.overlap import Overlap, overlap
from kit.remedy import RescoreByLanguage
from kit.results import Results
from kit.samplers import Sampling
from kit.search import Rescore
from kit.sources import checksums, load_task

if TYPE_CHECKING:
    from kit.trainer import History

Log = Callable[[str], None]

_STUDIED = ("alphas", "batch_sizes", "temperatures", "domains", "shares", "parallel", "tests", "bitexts")
_NOT_TRAINING = ("run", "test", "samplings", "seeds", *_STUDIED)
"""Settings that a training run does not depend on; its own sampling and seed are added to its key."""


AGREEMENT_GROUPS = 200
"""Questions on which the agreement of whole lists is measured: it costs more than all other measures together."""


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
    from kit.trainer import History

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
        _train_in_processes(missing, len(folders), log)


def _train_in_processes(jobs: Mapping[Path, tuple[Settings, str, int]], n_models: int, log: Log) -> None:
    """Deal training jobs out to processes of their own; a small model leaves most of a machine idle when trained alone."""
    n_cores = os.cpu_count() or 1
    n_processes = min(len(jobs), 1 if _has_gpu() else n_cores)
    # Sums differ in the last bits with the number of threads: it goes by all models, not by those that are still missing.
    n_threads = n_cores if _has_gpu() else max(1, n_cores // n_models)
    named = [(asdict(settings), sampling, seed, str(folder)) for folder, (settings, sampling, seed) in jobs.items()]
    orders = [{"jobs": named[number::n_processes], "n_threads": n_threads} for number in range(n_processes)]
    workers.run_all("kit.jobs:train_jobs", orders, log)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def recipe_score(settings: Settings) -> float:
    """Last validation score, averaged over samplings and seeds: chooses a recipe without showing who wins."""
    histories = train_all(settings, log=lambda line: None)
    return sum(history.scores[-1][1]["score"] for history in histories.values()) / len(histories)


def load_model(settings: Settings, sampling: str, seed: int):
    """A trained model as a ``SentenceTransformer``; trained first if it is not in the cache."""
    from kit.encoders import load_encoder

    folder = model_folder(settings, sampling, seed) / "model"
    if not is_trained(folder.parent):
        train_all(replace(settings, samplings=(sampling,), seeds=(seed,)))
    try:
        return load_encoder(str(folder))
    except ValueError as error:
        raise ValueError(f"{folder.parent} is damaged: delete it and type the same command again ({error})") from error


def evaluate_all(settings: Settings, log: Log = print) -> Results:
    """Evaluate a model for each sampling and seed on the test task; what is missing is trained and evaluated first."""
    evaluations: dict[str, list[Evaluation]] = {}
    missing = [
        job
        for job in ((sampling, seed) for sampling in settings.samplings for seed in settings.seeds)
        if not _evaluation_path(settings, *job).is_file()
    ]
    if missing:
        train_all(settings, log)
    for sampling in settings.samplings:
        evaluations[sampling] = evaluate_runs(replace(settings, samplings=(sampling,)), log)
    return Results(evaluations)


def evaluate_runs(settings: Settings, log: Log = print) -> list[Evaluation]:
    """Evaluations on the test task of the models of the first sampling, one a seed, from the cache where they are there."""
    return [_evaluated(settings, settings.samplings[0], seed, log) for seed in settings.seeds]


def load_test(spec: str) -> RetrievalTask:
    """The task of a source; the last few are kept in memory as long as their data stay."""
    return _load_test(spec, tuple(checksums([spec]).values()))


@lru_cache(maxsize=4)
def _load_test(spec: str, sums: tuple[str, ...]) -> RetrievalTask:
    return load_task(spec)


def _evaluation_path(settings: Settings, sampling: str, seed: int) -> Path:
    return paths.cache() / "evaluation" / f"{evaluation_fingerprint(settings, sampling, seed)}.parquet"


def _evaluated(settings: Settings, sampling: str, seed: int, log: Log) -> Evaluation:
    path = _evaluation_path(settings, sampling, seed)
    if path.is_file():
        try:
            return Evaluation.read(path)
        except ValueError as error:
            log(f"evaluated again: {error}")
    task, model = load_test(settings.test), load_model(settings, sampling, seed)
    evaluation = evaluate(
        model,
        task,
        f"{sampling}, seed {seed}",
        batch_size=encode_batch(settings),
        n_agreement_groups=AGREEMENT_GROUPS,
    )
    evaluation.write(path)
    log(f"evaluated {sampling}, seed {seed}, on {task.name}")
    return evaluation


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
