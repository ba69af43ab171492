"""The passages of a source into shards, by as many processes as there are GPUs, commands and machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.engines.actors import map_on_actors
from kit.core.engines.engine import chosen
from kit.core.files import alone
from kit.core.printing import say
from kit.data.embeddings.given import GivenEmbeddings
from kit.data.embeddings.stored import known_by
from kit.data.judged.collection import Corpus
from kit.data.judged.corpora import load_passages
from kit.evaluate.shards.encoding import SHARD_ROWS, ShardEncoder, begin_shards, count_texts, encode_corpus
from kit.evaluate.shards.manifest import refuse_other_source, write_manifest
from kit.evaluate.shards.store import Counts, Shards
from kit.run import pipeline
from kit.run.audits import AuditedModel, audited_models, facts_of, load_audited
from kit.train.encoders.finding import find_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]


@dataclass(frozen=True)
class EncodeJob:
    """What a process has to know to take its share of a corpus.

    source: of the passages (``kit.data.judged.corpora.load_passages``).
    model: name on the hub, folder, or ``embeddings:<folder>``; LABEL=MODEL names it.
    folder: to fill.
    n_rows: passages of a shard, by language.
    precision: of the numbers on disk.
    prompts: of queries and passages, for a model that brings none; trust_remote_code: whether its code may run.
    """

    source: str
    model: str
    folder: Path
    n_rows: Mapping[str, int]
    precision: str = "float32"
    prompts: tuple[str, str] = ("", "")
    trust_remote_code: bool = False


def encode_source(
    source: str,
    model: str,
    folder: Path,
    n_shards: int = 0,
    precision: str = "float32",
    prompts: tuple[str, str] = ("", ""),
    trust_remote_code: bool = False,
    log: Log = say,
    n_jobs: int = 0,
) -> dict[str, Counts]:
    """Encode the passages of a source into a folder of shards, language by language, or find them encoded.

    The work is shared by jobs of the chosen engine (``kit.core.engines.engine``), on Ray by actors, each of which loads the
    model once and takes one shard after another; on a cluster they share the folder.

    The same call in other processes, and on other machines that share the folder, takes part: each takes the next shard that
    nobody holds. Killed at any time, the same call goes on.

    Args:
        source, model, precision, prompts, trust_remote_code: as in ``EncodeJob``.
        folder: to fill.
        n_shards: of each language, at most; 0: of ``SHARD_ROWS`` passages each.
        log: takes lines of progress.
        n_jobs: that share the work; 0: one for each GPU of this machine, or one (on Ray one).

    Returns:
        What there is of each language.

    Raises:
        ValueError: a source or model that cannot be loaded; a folder of something else; as ``encode_corpus``.
        kit.core.processes.JobError: a process failed or was killed.
    """
    import torch

    (one,) = audited_models([model])
    find_model(one.name)  # a wrong name is an error before anything is read
    refuse_other_source(folder, source)
    corpora = load_passages(source)
    n_rows = {corpus.language: _rows_of(corpus, n_shards) for corpus in corpora}
    job = EncodeJob(source, model, folder, n_rows, precision, prompts, trust_remote_code)
    if chosen().name == "ray":
        _encode_by_actors(job, corpora, n_jobs or 1, log)
    else:
        pipeline.in_processes(encode_shards, [job] * (n_jobs or max(1, torch.cuda.device_count())), log)
    counts = {}
    for corpus in corpora:
        found = Shards(folder / corpus.language, log).open()
        assert found is not None  # the jobs end when all shards are there
        counts[corpus.language] = found
    write_manifest(folder, source, counts)
    return counts


def _encode_by_actors(job: EncodeJob, corpora: Sequence[Corpus], n_actors: int, log: Log) -> None:
    """Have the shards that are not there encoded by actors of a Ray cluster, each of which keeps the model."""
    n_empty, missing = {}, []
    for corpus in corpora:
        n_texts, n_empty[corpus.language] = count_texts(corpus.passages())
        n_shards = -(-n_texts // job.n_rows[corpus.language])
        there = Shards(job.folder / corpus.language, log)
        there.open()
        missing += [(corpus.language, number) for number in range(n_shards) if number not in there]
    map_on_actors(EncodingActor, job, missing, n_actors, chosen(), log)
    for language, n in n_empty.items():
        with alone(job.folder / language, log):
            shards = Shards(job.folder / language, log)
            if shards.open() is None:
                shards.finish(n)


class EncodingActor:
    """What an actor keeps of an encoding: the model, and of each language a stream of passages."""

    def __init__(self, job: EncodeJob) -> None:
        (one,) = audited_models([job.model])
        self._job, self._model = job, load_audited(one, job.prompts, job.trust_remote_code, say)
        self._known = known_passages(one, self._model)
        self._corpora = {corpus.language: corpus for corpus in load_passages(job.source)}
        self._encoders: dict[str, ShardEncoder] = {}

    def __call__(self, shard: tuple[str, int], log: Log) -> None:
        """Encode a shard: its language and number."""
        language, number = shard
        if language not in self._encoders:
            corpus, job, n_rows = self._corpora[language], self._job, self._job.n_rows[language]
            about = {**self._known, "corpus": corpus.version}
            shards = begin_shards(job.folder / language, about, n_rows, job.precision, log)
            self._encoders[language] = ShardEncoder(self._model, corpus.passages, shards, n_rows, job.precision)
        self._encoders[language].encode(number, log)


def encode_shards(job: EncodeJob, log: Log) -> None:
    """Encode those shards of a corpus that are not there and that nobody holds, until all are there."""
    (one,) = audited_models([job.model])
    model = load_audited(one, job.prompts, job.trust_remote_code, log)
    known = known_passages(one, model)
    for corpus in load_passages(job.source):
        log(f"{corpus.language}:")
        folder, about = job.folder / corpus.language, {**known, "corpus": corpus.version}
        encode_corpus(model, corpus.passages, folder, about, job.n_rows[corpus.language], job.precision, log)


def known_passages(one: AuditedModel, model: SentenceTransformer | GivenEmbeddings) -> dict[str, object]:
    """What embeddings of passages depend on by a model (``known_by``)."""
    return known_by(model, facts_of(one, model)["weights"], one.name, "passage")


def _rows_of(corpus: Corpus, n_shards: int) -> int:
    """Passages of a shard, so that there are so many shards."""
    if not n_shards:
        return SHARD_ROWS
    return max(1, -(-count_texts(corpus.passages())[0] // n_shards))
