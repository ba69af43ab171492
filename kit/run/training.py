"""One training run of an experiment, as a process of its own does it: what a model's key covers begins here."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core.files import alone, refuse_damaged, whole_file
from kit.core.fingerprints import data_checksum
from kit.core.paths import root
from kit.core.seeding import stable_hash
from kit.core.tables import values
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.inputs import cut_of_corpora, limit_of, reader
from kit.data.registry import checksums, load_task, load_training
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.evaluate.bias.rank_distance import rank_distance
from kit.evaluate.encoding import encode_task
from kit.evaluate.metrics import average_precision
from kit.evaluate.ranks import best_by_language, cell_means, score_lists, setting_mean
from kit.evaluate.search import search
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.finding import MADE, kind_of
from kit.train.history import ANSWER, MEDIAN, History
from kit.train.samplers import Sampling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

VALIDATION_SHARE = 0.1
"""Share of the passage clusters of a training corpus without a validation split of its own that is held out."""

VALIDATION_SIZE = {"n_groups": 100, "n_candidates": 5000}
"""Questions and candidates of the validation task: enough for a curve, cheap enough to be asked often."""

_NAMED_QUERIES = 1000
"""Questions, in all languages together, of a validation task that is named: one in English alone has as many as others."""


@dataclass(frozen=True)
class TrainJob:
    """A training run.

    train: sources of the corpora; validation: source of the validation task, or empty (``training_data``).
    encoder, training: the recipe.
    sampling: name of it.
    seed: of the batches, and of an encoder made from scratch.
    folder: for the model, its history and its checkpoints.
    n_threads: of torch.
    """

    train: tuple[str, ...]
    validation: str
    encoder: EncoderConfig
    training: TrainingConfig
    sampling: str
    seed: int
    folder: Path
    n_threads: int

    @property
    def name(self) -> str:
        """What it is called where several are told of."""
        return f"{self.sampling}, seed {self.seed}"

    def facts(self) -> dict[str, Any]:
        """What is told of the run in a file beside the model."""
        named = {"validation": self.validation} if self.validation else {}
        settings = {"train": list(self.train), **named, "encoder": dict(self.encoder), "training": dict(self.training)}
        return {"sampling": self.sampling, "seed": self.seed, **settings}


def training_data(train: tuple[str, ...], validation: str = "") -> tuple[list[TrainingCorpus], RetrievalTask]:
    """Training corpora, and the task that is scored meanwhile: the one that is named, else of the first corpus.

    Atlas brings its own, others hold clusters out; with a task that is named nothing is held out. The task is a sample of at
    most ``VALIDATION_SIZE``, a named one of up to ``_NAMED_QUERIES``. The last ones are kept in memory as long as their
    files stay: models of one experiment learn from the same data.
    """
    return _training_data(train, validation, tuple(checksums([*train, *filter(None, [validation])]).values()))


@lru_cache(maxsize=2)
def _training_data(
    train: tuple[str, ...], validation: str, sums: tuple[str, ...]
) -> tuple[list[TrainingCorpus], RetrievalTask]:
    """``sums`` of the data are not read: with them, files that have changed are another choice of data."""
    corpora = [load_training(spec) for spec in train]
    if validation:
        task = load_task(validation)
        n_groups = max(VALIDATION_SIZE["n_groups"], _NAMED_QUERIES // len(task.languages))
        return corpora, task.sample(n_groups, VALIDATION_SIZE["n_candidates"])
    if train[0].partition("?")[0] == "atlas":
        return corpora, load_task(train[0], split="validation").sample(**VALIDATION_SIZE)
    first = corpora[0]
    try:
        rest, held_out = first.split(VALIDATION_SHARE)
    except ValueError as error:  # nothing fell on one of the sides
        n_clusters = len(set(first.cluster_of.tolist()))
        raise ValueError(
            f"{first.name} has {n_clusters} passage cluster(s), too few to hold {VALIDATION_SHARE:.0%} of them out for "
            f"validation: give about {round(3 / VALIDATION_SHARE)} or more, or name a larger source first in train ({error})"
        ) from None
    held_out_task = RetrievalTask.from_corpus(held_out, f"{first.name}, held out")
    return [rest, *corpora[1:]], held_out_task.sample(**VALIDATION_SIZE)


def as_table(corpus: TrainingCorpus) -> ParallelCorpus:
    """A corpus for who reads all its texts: tokenizers, tables; of triples a sample."""
    return corpus.sample() if isinstance(corpus, TripleCorpus) else corpus


def train_job(job: TrainJob, log: Log) -> None:
    """What a training process does: one training run."""
    with threads(job.n_threads), alone(job.folder, log):
        if not is_trained(job.folder):  # another run may have done it in the meantime
            _train(job, log)


def train_part(job: TrainJob, log: Log) -> None:
    """What each of several processes does that share a training; who starts them holds its folder."""
    with threads(job.n_threads):
        _train(job, log)


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Compute with so many threads, and give a GPU's memory back: the process may rest for a while."""
    import torch

    torch.set_num_threads(n_threads)
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_trained(folder: Path, log: Log = lambda line: None) -> bool:
    """Whether a training run's folder holds a model and its history, both as they were written.

    Args:
        log: takes a line that names what is damaged, if something is.
    """
    if not (folder / "model").is_dir():
        return False
    try:
        History.read(folder / "history.json")
        refuse_damaged(folder / "model")
    except ValueError as error:
        log(f"trained again: {error}")
        return False
    return True


def _train(job: TrainJob, log: Log) -> None:
    from kit.train.encoders.making import make_encoder
    from kit.train.trainer import fine_tune

    if not gc.get_freeze_count():  # a trainer that ends looks for garbage among all that the libraries have imported
        gc.freeze()
    corpora, validation = training_data(job.train, job.validation)
    read = [as_table(corpus) for corpus in corpora]
    watched = watched_query(validation)
    texts = (text for corpus in read for column in ("query", "passage") for text in values(corpus.table.column(column)))
    judged = (text for table in (validation.queries, validation.candidates) for text in table.column("text").to_pylist())
    model = make_encoder(located(job.encoder), texts, job.seed, judged)
    facts, limit = job.facts(), limit_of(model, "passage")
    facts["encoder"] |= {"max_tokens": limit} if limit else {}  # it may have been chosen by the texts
    with whole_file(job.folder / "settings.json") as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if job.encoder.trim_vocabulary:
        log(f"seed {job.seed} {job.sampling:>14}  {len(reader(model, 'query').tokenizer.get_vocab()):,} tokens are kept")
    for told in cut_of_corpora(model, read):
        log(f"seed {job.seed} {job.sampling:>14}  training: {told} (-p max_tokens=… sets the limit)")
    fine_tune(
        model,
        corpora,
        Sampling.parse(job.sampling),
        job.training,
        job.folder,
        job.seed,
        validation=lambda model: validation_scores(model, validation, watched),
        log=lambda line: log(f"seed {job.seed} {line}"),
    )


def located(encoder: EncoderConfig) -> EncoderConfig:
    """The encoder with the path of the folder that it is, or is made of, whole: a relative one starts at the project."""
    kind, name = ("", encoder.name) if _folder(encoder.name) else kind_of(encoder.name)
    found = str(_folder(name) or name)
    return encoder.model_copy(update={"name": f"{kind}:{found}" if kind else found})


def encoder_checksum(encoder: EncoderConfig) -> str:
    """Changes with the content of the folder that an encoder is, or is made of; empty where it is none."""
    folder = _folder(kind_of(located(encoder).name)[1])
    return data_checksum(folder) if folder else ""


def _folder(name: str) -> Path | None:
    folder = root() / Path(name).expanduser()
    return folder if name not in ("", *MADE) and folder.is_dir() else None


def tokens_text(limit: int | None) -> str:
    """A limit as reports name it; 0 or None for a model that reads texts of any length."""
    return f"{limit} tokens" if limit else "no limit"


def validation_scores(model: SentenceTransformer, task: RetrievalTask, watched: str) -> dict[str, float]:
    """What is watched during training: mAP of the three settings, rank distance, and ``score``, the mean of the mAPs.

    They are those of ``kit.evaluate.evaluation.Evaluation.summary``, without what a curve does not need: the bias panel.
    Also where the versions of the answers stand (``kit.train.history.MEDIAN``), and those of one answer
    (``kit.train.history.ANSWER``).

    Args:
        watched: id of the query that has this answer.
    """
    ranks = search(*encode_task(model, task), task).ranks
    lists = score_lists(task, ranks)
    means = cell_means(task, lists, average_precision)  # (n_languages, n_languages + 1)
    distances = cell_means(task, lists, rank_distance)
    named = {name: setting_mean(means, setting) for name, setting in _SETTINGS.items()}
    there = [value for value in named.values() if value == value]  # a task in one language has no cross-lingual score
    scores = {"score": sum(there) / len(there), **named, "distance": setting_mean(distances, "multilingual")}
    versions = best_by_language(task, ranks)  # (n_queries, n_languages), NaN for none
    own = versions[task.queries.column("query_id").to_pylist().index(watched)]
    for code, language in enumerate(task.languages):
        present = versions[~np.isnan(versions[:, code]), code]
        scores |= {MEDIAN + language: float(np.median(present))} if len(present) else {}
        scores |= {ANSWER + language: float(own[code])} if own[code] == own[code] else {}
    return scores


_SETTINGS = {"mono": "monolingual", "cross": "cross-lingual", "multi": "multilingual"}


def watched_query(task: RetrievalTask) -> str:
    """Id of the query whose answer is watched, chosen by a rule and by nobody's eye.

    Of the queries with most relevant candidates (of those in English, if there are some) the one with the lowest hash.
    """
    n_relevant = np.bincount(task.relevant_pairs[:, 0], minlength=len(task.queries))
    languages = np.array(task.languages)[task.query_language]
    ids = task.queries.column("query_id").to_pylist()
    most = np.flatnonzero(n_relevant == n_relevant.max())
    return ids[min(most, key=lambda query: (languages[query] != "en", stable_hash(ids[query])))]
