"""The steps of an experiment.

Each result that takes time is kept in a cache, keyed by everything that it depends on: settings, data, code and library
versions. A step that was interrupted goes on; nothing stale is ever loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kit.compare.results import Results
from kit.core import paths
from kit.core.engines.engine import Engine, choose
from kit.core.files import is_kept
from kit.core.fingerprints import code_fingerprint, fingerprint, versions
from kit.core.printing import say
from kit.data.bitext import SIDES
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.embeddings.encoding import TextEncoder
from kit.data.embeddings.stored import StoredEncoder
from kit.data.overlaps import Overlap, overlap
from kit.data.registry import checksums, load_bitext, source_fingerprints
from kit.evaluate.debias.remedies import REMEDIES
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import Evaluation
from kit.run.devices import train_on_devices
from kit.run.engines.dealing import bring, give, in_processes, threads_of
from kit.run.evaluating import (
    EvaluateJob,
    evaluate_job,
    evaluate_remedied,
    language_tags,
    load_test,
    load_trained,
    told_of,
)
from kit.run.settings import Settings
from kit.run.training import (
    VALIDATION_SIZE,
    TrainJob,
    as_table,
    encoder_checksum,
    is_trained,
    located,
    train_job,
    training_data,
)
from kit.train.encoders.finding import has_head
from kit.train.history import History
from kit.train.samplers import Sampling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from kit.train.encoders.heads import FrozenEncoder

Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Data:
    """What an experiment works on.

    corpora: training data, of triples a sample.  validation: what is scored in training.  test: the evaluation task.
    overlaps: of each training corpus with the test.
    """

    corpora: list[ParallelCorpus]
    validation: RetrievalTask
    test: RetrievalTask
    overlaps: list[Overlap]


def load_data(settings: Settings) -> Data:
    """Load what the settings name; one copy is kept in memory for each choice of data."""
    data = settings.data
    return _load_data(data.train, data.validation, data.test, tuple(checksums(data.sources()).values()))


@lru_cache(maxsize=2)
def _load_data(train: tuple[str, ...], validation: str, test: str, sums: tuple[str, ...]) -> Data:
    """``sums`` of the data are not read: with them, files that have changed are another choice of data."""
    whole, watched = training_data(train, validation)
    corpora, task = [as_table(corpus) for corpus in whole], load_test(test)
    return Data(corpora, watched, task, [overlap(corpus, task) for corpus in corpora])


def keep_corpus(corpus: ParallelCorpus) -> str:
    """Keep a corpus that was made here, such as a translated one, and name it as a source, so that training can read it.

    The file is called by its content: the same corpus is kept once, and another one never takes its place.
    """
    content = [corpus.name, corpus.table.to_pylist()]
    path = paths.cache() / "corpora" / f"{fingerprint(content)}.parquet"
    if not path.is_file():
        corpus.write(path)
    return f"jsonl:{path.relative_to(paths.root()).as_posix()}"


def training_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of a trained model: its recipe, the content of its data, the code that it executes, library versions."""
    content = {
        "recipe": [dict(settings.encoder), settings.training.decisive(), sampling, seed],
        "data": list(source_fingerprints(settings.data.train).items()),  # batches depend on the order of the sources
        "validation": source_fingerprints(filter(None, [settings.data.validation])),
        "code": code_fingerprint("kit.run.training"),
        "versions": versions(),
        "weights": encoder_checksum(settings.encoder),
    }
    return fingerprint(content)


def evaluation_fingerprint(settings: Settings, sampling: str, seed: int) -> str:
    """Key of an evaluation: that of its model, the task, the code that judges."""
    model, task = training_fingerprint(settings, sampling, seed), source_fingerprints([settings.data.test])
    return fingerprint([model, task, code_fingerprint("kit.run.evaluating", "kit.evaluate.bias")])


def model_folder(settings: Settings, sampling: str, seed: int) -> Path:
    """Where the training run of a sampling and seed is kept; the model itself is in its subfolder ``model``."""
    return paths.cache() / "training" / training_fingerprint(settings, sampling, seed)


def model_folders(settings: Settings) -> dict[str, dict[str, str]]:
    """Where the trained models lie, relative to the project: by sampling, then ``seed N``.

    Also what the evaluation of the first seed told of it: its size, what it reads, its prompts, what it cut of the test.
    """
    found: dict[str, dict[str, str]] = {}
    for sampling in settings.samplings:
        folders = {seed: model_folder(settings, sampling, seed) for seed in settings.seeds}
        found[sampling] = {
            f"seed {seed}": (folder / "model").relative_to(paths.root()).as_posix() for seed, folder in folders.items()
        }
        told = told_of(_evaluation_path(settings, sampling, settings.seeds[0]))
        found[sampling] |= json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return found


def training_seconds(settings: Settings) -> float | None:
    """Seconds that the updates of all models took when they were made, as of their medians; None where that is not kept."""
    folders = [model_folder(settings, sampling, seed) for sampling in settings.samplings for seed in settings.seeds]
    kept = [folder / "cost.json" for folder in folders]
    if not all(file.is_file() for file in kept):
        return None
    costs = [json.loads(file.read_text(encoding="utf-8")) for file in kept]
    return sum(cost["updates"] * cost["update_s"] for cost in costs)


def train_all(
    settings: Settings, log: Log = say, devices: int = 1, engine: Engine | None = None
) -> dict[tuple[str, int], History]:
    """Train a model for each sampling and seed that is not in the cache yet, as many at a time as there are cores or GPUs.

    With several ``devices`` one after the other on all of them, of this machine; with an ``engine`` there, else on the one
    that was chosen (``kit.core.engines.engine``). None of it is part of a model's key. The histories come in the order of
    the settings, whatever finished first.
    """
    with choose(engine):
        train_missing([settings], log, devices)
    return {
        (sampling, seed): History.read(model_folder(settings, sampling, seed) / "history.json")
        for seed in settings.seeds
        for sampling in settings.samplings
    }


def train_missing(recipes: Sequence[Settings], log: Log = say, devices: int = 1) -> None:
    """Train what is not in the cache of several recipes, each with its samplings and seeds, all of them together."""
    models = [(recipe, sampling, seed) for recipe in recipes for seed in recipe.seeds for sampling in recipe.samplings]
    for _, sampling, _ in models:
        Sampling.parse(sampling)  # a wrong name is an error before anything is trained
    folders = {model_folder(*model): model for model in models}  # recipes may share a model
    bring(folders, log)
    missing = {folder: model for folder, model in folders.items() if not is_trained(folder, log)}
    log(f"{len(folders)} models: {len(folders) - len(missing)} trained before, {len(missing)} to train")
    give(folders.keys() - missing.keys())
    n_threads = threads_of(len(folders))
    jobs = [
        TrainJob(one.data.train, one.data.validation, one.encoder, one.training, sampling, seed, folder, n_threads)
        for folder, (one, sampling, seed) in missing.items()
    ]
    if devices > 1:
        train_on_devices(jobs, devices, log)
        give(missing)
    else:
        encode_ahead([recipe for recipe, _, _ in missing.values()], "train", log)
        in_processes(train_job, jobs, log, _kept_of_training)


def _kept_of_training(job: TrainJob) -> tuple[Path, ...]:
    return (job.folder,)


def encode_ahead(recipes: Sequence[Settings], of: str, log: Log) -> None:
    """Encode what heads are about to read, once and with all cores, before several processes want it at a time.

    Args:
        of: ``train``, ``test`` or ``bitexts``: the setting that names the sources of the texts.
    """
    wanted = {str((one.encoder, one.flat()[of], one.data.validation)): one for one in recipes if has_head(one.encoder.name)}
    bases = {str(one.encoder): one for one in wanted.values()}
    encoders = {name: below_head(one) for name, one in bases.items()}
    for one in wanted.values():
        base = encoders[str(one.encoder)]
        if isinstance(base, StoredEncoder):
            for side, texts in _texts(one, of):
                {"query": base.encode_query, "passage": base.encode_document, "sentence": base.encode}[side](texts)


def below_head(settings: Settings) -> TextEncoder:
    """The encoder below the head that the settings name, with its prompts, its limit and the store of its embeddings."""
    from kit.train.encoders.making import make_encoder

    base = cast("FrozenEncoder", make_encoder(located(settings.encoder), (), seed=0)[0]).base
    assert base is not None
    return base


def _texts(settings: Settings, of: str) -> Iterator[tuple[str, list[str]]]:
    """Sides and their texts, each once: of training data and what is held out of it, of a task, or of bitexts."""
    if of == "bitexts":
        tasks = map(load_bitext, settings.mining.bitexts)
        yield from (("sentence", list(dict.fromkeys(task.texts(side)))) for task in tasks for side in SIDES)
        return
    if of == "train":
        corpora, watched = training_data(settings.data.train, settings.data.validation)
        tasks = [watched]
    else:
        corpora, tasks = [], [load_test(settings.data.test)]
    for table in (as_table(corpus).table for corpus in corpora):
        yield from ((side, table.column(side).unique().to_pylist()) for side in ("query", "passage"))
    for task in tasks:
        yield "query", task.queries.column("text").unique().to_pylist()
        yield "passage", task.candidates.column("text").unique().to_pylist()


def recipe_score(settings: Settings) -> float:
    """Last validation score, averaged over samplings and seeds: chooses a recipe without showing who wins."""
    histories = train_all(settings, log=lambda line: None)
    return sum(history.scores[-1][1]["score"] for history in histories.values()) / len(histories)


def load_model(settings: Settings, sampling: str, seed: int) -> SentenceTransformer | StoredEncoder:
    """A trained model, a transformer with the store of its embeddings; trained first if it is not in the cache.

    Raises:
        ValueError: it is damaged.
    """
    folder = model_folder(settings, sampling, seed)
    if not is_trained(folder):
        train_all(settings.changed(samplings=(sampling,), seeds=(seed,)))
    return load_trained(folder)


def evaluate_all(settings: Settings, log: Log = say, engine: Engine | None = None) -> Results:
    """Evaluate a model for each sampling and seed on the test task; what is missing is trained and evaluated first.

    Args:
        engine: as in ``train_all``.
    """
    with choose(engine):
        evaluate_missing([settings], log)
    return Results({one: evaluate_runs(settings.changed(samplings=(one,)), log) for one in settings.samplings})


def evaluate_runs(settings: Settings, log: Log = say) -> list[Evaluation]:
    """Evaluations on the test task of the models of the first sampling, one a seed, from the cache where they are there."""
    evaluate_missing([settings.changed(samplings=settings.samplings[:1])], log)
    return [Evaluation.read(_evaluation_path(settings, settings.samplings[0], seed)) for seed in settings.seeds]


def evaluate_missing(recipes: Sequence[Settings], log: Log = say) -> None:
    """Evaluate what is not in the cache of several recipes, each with its samplings, seeds and test, all of them together.

    Models that this needs are trained first.
    """
    models = [(recipe, sampling, seed) for recipe in recipes for sampling in recipe.samplings for seed in recipe.seeds]
    wanted = {_evaluation_path(*model): model for model in models}
    bring([file for path in wanted for file in (path, told_of(path))], log)
    missing = {path: model for path, model in wanted.items() if not is_kept(path, Evaluation.read, "evaluated", log)}
    give([file for path in wanted.keys() - missing.keys() for file in (path, told_of(path))])
    if not missing:
        return
    train_missing([recipe for recipe in recipes if any(recipe is lacking for lacking, _, _ in missing.values())], log)
    encode_ahead([recipe for recipe, _, _ in missing.values()], "test", log)
    n_threads = threads_of(len(wanted))
    jobs = [
        EvaluateJob(model_folder(one, sampling, seed), f"{sampling}, seed {seed}", one.data.test, path, n_threads)
        for path, (one, sampling, seed) in missing.items()
    ]
    in_processes(evaluate_job, jobs, log, _kept_of_evaluation)


def _kept_of_evaluation(job: EvaluateJob) -> tuple[Path, ...]:
    return job.folder, job.path, told_of(job.path)


def _evaluation_path(settings: Settings, sampling: str, seed: int) -> Path:
    return paths.cache() / "evaluation" / f"{evaluation_fingerprint(settings, sampling, seed)}.parquet"


def with_remedies(settings: Settings, sampling: str, seed: int, n_groups: int, n_candidates: int) -> Results:
    """A trained model with each training-free remedy (``kit.evaluate.debias.remedies.REMEDIES``), side by side.

    The remedies are fitted on the texts of the validation task (where that is named, and so may lack languages, on a part of
    the training data) and judged on a part of the test task: ``n_groups`` questions against ``n_candidates`` candidates.
    ``none`` is the model as it is, on the same part.
    """
    data, model = load_data(settings), load_model(settings, sampling, seed)
    test, known = data.test.sample(n_groups, n_candidates), data.validation
    if settings.data.validation:
        first = data.corpora[0]
        known = RetrievalTask.from_corpus(first.select(group_ids=first.group_ids[: VALIDATION_SIZE["n_groups"]]), first.name)
    fit_on, judged_on = (encode_task(model, task) for task in (known, test))
    evaluations = {}
    for name, fit in REMEDIES.items():
        remedy = fit(*fit_on, *language_tags(known))
        evaluations[name] = [evaluate_remedied(remedy, judged_on, test, name)]
    return Results(evaluations)
