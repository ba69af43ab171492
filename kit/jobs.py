"""One training run or evaluation of an experiment, as a process of its own does it."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from kit.config import Settings
from kit.corpus import ParallelCorpus, RetrievalTask
from kit.encoders import MADE
from kit.evaluate import evaluate
from kit.evaluation import POOL, Evaluation
from kit.history import ANSWER, MEDIAN, History
from kit.paths import root
from kit.samplers import Sampling
from kit.seeding import stable_hash
from kit.sources import checksums, load_corpus, load_task
from kit.tables import whole_file
from kit.tokens import remembered_tokens

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

AGREEMENT_GROUPS = 200
"""Questions on which the agreement of whole lists is measured: it costs more than all other measures together."""

VALIDATION_SHARE = 0.1
"""Share of the passage clusters of a training corpus without a validation split of its own that is held out."""

VALIDATION_SIZE = {"n_groups": 100, "n_candidates": 5000}
"""Questions and candidates of the validation task: enough for a curve, cheap enough to be asked often."""


def training_data(train: tuple[str, ...]) -> tuple[list[ParallelCorpus], RetrievalTask]:
    """Training corpora, and the validation task of the first: Atlas brings its own, others hold clusters out.

    The last ones are kept in memory as long as their files stay: models of one experiment learn from the same data.
    """
    return _training_data(train, tuple(checksums(train).values()))


@lru_cache(maxsize=2)
def _training_data(train: tuple[str, ...], sums: tuple[str, ...]) -> tuple[list[ParallelCorpus], RetrievalTask]:
    """``sums`` of the data are not read: with them, files that have changed are another choice of data."""
    corpora = [load_corpus(spec) for spec in train]
    if train[0].partition("?")[0] == "atlas":
        return corpora, load_task(train[0], split="validation")
    rest, held_out = corpora[0].split(VALIDATION_SHARE)
    return [rest, *corpora[1:]], RetrievalTask.from_corpus(held_out, f"{corpora[0].name}, held out")


def load_test(spec: str) -> RetrievalTask:
    """The task of a source; the last few are kept in memory as long as their files stay."""
    return _load_test(spec, tuple(checksums([spec]).values()))


@lru_cache(maxsize=4)
def _load_test(spec: str, sums: tuple[str, ...]) -> RetrievalTask:
    return load_task(spec)


def train_job(order: dict, log: Log) -> None:
    """What a training process does: one training run.

    ``order`` holds ``settings`` as a dictionary, ``sampling``, ``seed``, the run's ``folder``, and ``n_threads``.
    """
    with threads(order["n_threads"]), _alone(Path(order["folder"])):
        if not is_trained(Path(order["folder"])):  # another run may have done it in the meantime
            _train(Settings(**order["settings"]), order["sampling"], order["seed"], Path(order["folder"]), log)


def evaluate_job(order: dict, log: Log) -> None:
    """What an evaluating process does: one model on one task.

    ``order`` is that of ``train_job``, with the ``path`` that the evaluation is written to.
    """
    settings, name = Settings(**order["settings"]), f"{order['sampling']}, seed {order['seed']}"
    with threads(order["n_threads"]):
        task = load_test(settings.test)
        model = load_trained(Path(order["folder"]))
        with remembered_tokens(model):
            evaluation = evaluate(model, task, name, batch_size=encode_batch(settings), n_agreement_groups=AGREEMENT_GROUPS)
        evaluation.write(Path(order["path"]))
    log(f"evaluated {name}, on {task.name}")


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Compute with so many threads, and give a GPU's memory back: the process may rest for a while."""
    import torch

    torch.set_num_threads(n_threads)
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_trained(folder: Path) -> SentenceTransformer:
    """The model of a training run's folder.

    Raises:
        ValueError: it is damaged.
    """
    from kit.encoders import load_encoder

    try:
        return load_encoder(str(folder / "model"))
    except ValueError as error:
        raise ValueError(f"{folder} is damaged: delete it and type the same command again ({error})") from error


def is_trained(folder: Path) -> bool:
    """Whether a training run's folder holds a whole model and its history."""
    try:
        History.read(folder / "history.json")
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (folder / "model" / "modules.json").is_file()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process trains in a folder: two runs of the same settings share it."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, however the process ends
        yield


def _train(settings: Settings, sampling: str, seed: int, folder: Path, log: Log) -> None:
    from kit.encoders import make_encoder
    from kit.trainer import TrainingConfig, fine_tune

    if not gc.get_freeze_count():  # a trainer that ends looks for garbage among all that the libraries have imported
        gc.freeze()
    corpora, held_out = training_data(settings.train)
    validation = held_out.sample(**VALIDATION_SIZE)
    texts = (
        text for corpus in corpora for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()
    )
    model = make_encoder(
        str(encoder_folder(settings) or settings.encoder),
        texts,
        seed,
        settings.dimension,
        settings.vocabulary_size,
        settings.max_tokens,
        settings.dropout,
    )
    training = TrainingConfig(
        updates=settings.updates,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        temperature=settings.temperature,
        margin=settings.margin,
        symmetric=settings.symmetric,
        evaluations=settings.evaluations,
        patience=settings.patience,
        seed=seed,
    )
    with whole_file(folder / "settings.json") as partial:
        partial.write_text(json.dumps({"sampling": sampling, "seed": seed, "settings": asdict(settings)}, indent=1) + "\n")
    fine_tune(
        model,
        corpora,
        Sampling.parse(sampling),
        training,
        folder,
        log=lambda line: log(f"seed {seed} {line}"),
        validation=lambda model: validation_scores(
            evaluate(model, validation, batch_size=encode_batch(settings), n_agreement_groups=0), watched_query(validation)
        ),
    )


def encoder_folder(settings: Settings) -> Path | None:
    """Folder of the encoder that is fine-tuned, or None if it is made here or comes by name; relative to the project."""
    folder = root() / Path(settings.encoder).expanduser()
    return folder if settings.encoder not in MADE and folder.is_dir() else None


def encode_batch(settings: Settings) -> int:
    """Texts encoded at a time: what a call costs outweighs what a text costs in a mean of token embeddings."""
    return 1024 if settings.encoder == "static" else 64


def validation_scores(evaluation: Evaluation, watched: str) -> dict[str, float]:
    """What is watched during training: mAP of the three settings, rank distance, and ``score``, the mean of the mAPs.

    Also where the versions of the answers stand (``kit.history.MEDIAN``), and those of one answer (``kit.history.ANSWER``).

    Args:
        watched: id of the query that has this answer.
    """
    summary = evaluation.summary()
    scores = {
        name: summary[setting]["average_precision"]
        for name, setting in (("mono", "monolingual"), ("cross", "cross-lingual"), ("multi", "multilingual"))
    }
    there = [value for value in scores.values() if value == value]  # a task in one language has no cross-lingual score
    scores = {"score": sum(there) / len(there), **scores, "distance": summary["multilingual"]["rank_distance"]}
    ranks = evaluation.version_ranks()  # (n_queries, n_languages)
    in_pool = pc.equal(evaluation.per_query.column("candidate_language"), POOL)
    asked = evaluation.per_query.column("query_id").filter(in_pool).to_pylist()
    for code, language in enumerate(evaluation.languages):
        present = ranks[~np.isnan(ranks[:, code]), code]
        own = ranks[asked.index(watched), code]
        scores |= {MEDIAN + language: float(np.median(present))} if len(present) else {}
        scores |= {ANSWER + language: float(own)} if own == own else {}
    return scores


def watched_query(task: RetrievalTask) -> str:
    """Id of the query whose answer is watched, chosen by a rule and by nobody's eye.

    Of the queries with most relevant candidates (of those in English, if there are some) the one with the lowest hash.
    """
    n_relevant = np.bincount(task.relevant_pairs[:, 0], minlength=len(task.queries))
    languages = np.array(task.languages)[task.query_language]
    ids = task.queries.column("query_id").to_pylist()
    most = np.flatnonzero(n_relevant == n_relevant.max())
    return ids[min(most, key=lambda query: (languages[query] != "en", stable_hash(ids[query])))]
