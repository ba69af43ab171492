"""Pairs for any ``SentenceTransformerTrainer``: a data set of the rows of some corpora, and the batches drawn from it.

train_dataset=pair_dataset(corpora)
args=SentenceTransformerTrainingArguments(..., batch_sampler=pair_batches("Hybrid"))

Such a trainer takes the weights as they are: call ``model.float()`` before, since many checkpoints are loaded in bfloat16 or
float16, where most updates are too small to change a weight. ``fine_tune`` does it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets.fingerprint import generate_random_fingerprint
from datasets.table import InMemoryTable

from kit.core import tables
from kit.data.clusters import hashes
from kit.data.corpus import ParallelCorpus
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.data.triples.lines import answers_of
from kit.train.samplers import PairBatchSampler, Sampling

if TYPE_CHECKING:
    from sentence_transformers.base.sampler import DefaultBatchSampler


class PairDataset(datasets.Dataset):
    """A ``datasets.Dataset`` whose items are asked for as (query row, passage row): the pair is made when it is read.

    The label holds the cluster of the passage and of each hard negative, because every other column would be tokenised; then
    those clusters of the batch that answer the same question elsewhere, -1 where there are fewer than in another row. A
    hard negative that does so has the cluster of the passage. So the loss leaves all of them out. A loss that reads no
    labels, such as ``MultipleNegativesRankingLoss``, takes the data set as it is.

    Of a ``TripleCorpus`` its table holds a sample, which is what a model card shows; ``len`` and items are of all rows.

    corpora: what the rows are of; copies, and what worker processes get, have none: they read rows and draw no batches.
    epoch: the pass over the data that its batches are drawn for.
    parts: how the rows of each corpus are read.
    firsts: number of the first row of each corpus, and of all rows, (n_corpora + 1,).
    """

    corpora: tuple[TrainingCorpus, ...] = ()
    epoch = 0
    parts: tuple[_TableRows | _TripleRows, ...] = ()
    firsts: np.ndarray | None = None

    @property
    def num_rows(self) -> int:
        """Rows of all corpora."""
        return super().num_rows if self.firsts is None else int(self.firsts[-1])

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass.

        Accelerate tells a data set in the one case in which it does not reach the batch sampler: a run of several processes
        that is resumed.
        """
        self.epoch = epoch

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "corpora"}

    def __getitems__(self, pairs: list[tuple[int, int]]) -> list[dict]:
        if not isinstance(pairs, _Pairs):
            return self._read(pairs)
        whole = self._read(pairs.whole)  # what answers a question may stand in the part of another process
        return [whole[place] for place in pairs.places]

    def _read(self, pairs: Sequence[tuple[int, int]]) -> list[dict]:
        assert self.firsts is not None
        rows = np.array(pairs, np.int64)  # (batch, 2)
        part_of = np.searchsorted(self.firsts, rows[:, 0], side="right") - 1
        items: list[dict] = [{}] * len(pairs)
        answers: list[set[int]] = [set()] * len(pairs)
        for number in np.unique(part_of):
            here = np.flatnonzero(part_of == number)
            columns, known = self.parts[number].read(self.data.table, *(rows[here] - self.firsts[number]).T)
            for place, clusters, *values in zip(here.tolist(), known, *columns.values()):
                items[place], answers[place] = dict(zip(columns, values)), clusters
        _add_other_answers(items, answers)
        return items


def _add_other_answers(items: list[dict], answers: list[set[int]]) -> None:
    """Add to the labels what else in the batch answers a row's question, equally many clusters to all rows."""
    present = {cluster for item in items for cluster in item["label"]}
    others = [sorted(known & present - {item["label"][0]}) for known, item in zip(answers, items)]
    most = max(map(len, others))
    for item, known in zip(items, others):
        item["label"] = item["label"] + known + [-1] * (most - len(known))


@dataclass(frozen=True, eq=False)
class _TableRows:
    """Rows of a ``ParallelCorpus``, which stand in the data set's table.

    start: of its rows in the table.
    question_of: number of each row's question, (n_rows,).
    answers: all pairs (question, cluster), each once, sorted, (n_answers, 2); clusters as in the labels.
    """

    start: int
    question_of: np.ndarray
    answers: np.ndarray

    def read(
        self, table: pa.Table, query_rows: np.ndarray, passage_rows: np.ndarray
    ) -> tuple[dict[str, list], list[set[int]]]:
        """Values of each column, and the clusters that answer each query."""
        columns = {"query": tables.cells(table.column("query"), query_rows + self.start)}
        for name in table.column_names[1:]:
            columns[name] = tables.cells(table.column(name), passage_rows + self.start)
        return columns, answers_of(self.answers, self.question_of[query_rows])


@dataclass(frozen=True, eq=False)
class _TripleRows:
    """Rows of a ``TripleCorpus``, whose texts are looked up.

    first_cluster: what its numbers of clusters begin at in the labels.
    """

    corpus: TripleCorpus
    n_negatives: int
    first_cluster: int

    def read(
        self, table: pa.Table, query_rows: np.ndarray, passage_rows: np.ndarray
    ) -> tuple[dict[str, list], list[set[int]]]:
        """Values of each column, and the clusters that answer each query."""
        corpus = self.corpus
        columns: dict[str, list] = {
            "query": corpus.texts("query", query_rows),
            "passage": corpus.texts("passage", passage_rows),
        }
        groups = passage_rows // len(corpus.languages)
        known = answers_of(corpus.triples.answers, corpus.question_of[groups])
        labels = [corpus.cluster_of[groups].tolist()]
        if self.n_negatives:
            columns["negative_1"] = corpus.texts("negative", passage_rows)
            negatives = corpus.triples.negative_of[groups].tolist()
            labels.append([own if other in right else other for own, other, right in zip(labels[0], negatives, known)])
        columns["label"] = [[label + self.first_cluster for label in row] for row in zip(*labels)]
        return columns, [{cluster + self.first_cluster for cluster in clusters} for clusters in known]


def pair_dataset(corpora: Sequence[TrainingCorpus], n_negatives: int = 0) -> PairDataset:
    """All rows of some corpora as columns ``query, passage[, negative_1 …], label``, in the numbering of the sampler.

    Corpora that are to be mixed are given together: a ``DatasetDict`` of several such data sets cannot be drawn from. No
    text is copied but hard negatives, and columns may be larger than 2 GiB.

    Args:
        corpora: one or more.
        n_negatives: how many of a row's ``negatives`` become columns; a ``TripleCorpus`` has one.

    Raises:
        ValueError: a row has fewer than ``n_negatives`` negatives.
    """
    made, parts, start, first_cluster = [], [], 0, 0
    for corpus in corpora:
        if isinstance(corpus, TripleCorpus):
            if n_negatives > 1:
                raise ValueError(f"{corpus.name}: a triple has one negative: lower hard_negatives from {n_negatives} to 1")
            parts.append(_TripleRows(corpus, n_negatives, first_cluster))
            shown, n_clusters = _columns(corpus.sample(_SHOWN), n_negatives, first_cluster), corpus.n_clusters
        else:
            shown = _columns(corpus, n_negatives, first_cluster)
            clusters = tables.numbers(corpus.table.column("cluster_id"))
            question_of = corpus.question_of[tables.numbers(corpus.table.column("group_id"))]
            answers = np.unique(np.stack([question_of, clusters + first_cluster], axis=1).astype(np.int64), axis=0)
            parts.append(_TableRows(start, question_of, answers))
            n_clusters = int(clusters.max()) + 1
        made.append(shown)
        start, first_cluster = start + len(shown), first_cluster + n_clusters
    dataset = PairDataset(InMemoryTable(pa.concat_tables(made)), fingerprint=generate_random_fingerprint())
    dataset.corpora, dataset.parts = tuple(corpora), tuple(parts)
    dataset.firsts = np.cumsum([0, *map(len, corpora)])
    return dataset


_SHOWN = 100
"""Triples of which a data set's table holds the rows."""


def _columns(corpus: ParallelCorpus, n_negatives: int, first_cluster: int) -> pa.Table:
    """The columns of one corpus; numbers of its clusters begin at ``first_cluster``."""
    table = corpus.table
    columns, labels = {"query": table.column("query"), "passage": table.column("passage")}, _labels(corpus, n_negatives)
    for nth in range(n_negatives):
        columns[f"negative_{nth + 1}"] = pc.list_element(table.column("negatives"), nth)
    labels = np.where(labels < 0, -1, labels + first_cluster)
    ends = pa.array(np.arange(0, labels.size + 1, labels.shape[1], dtype=np.int32))
    columns["label"] = pa.chunked_array([pa.ListArray.from_arrays(ends, pa.array(labels.reshape(-1)))])
    return pa.table(columns)


def _labels(corpus: ParallelCorpus, n_negatives: int) -> np.ndarray:
    """Cluster of each row's passage and hard negatives, numbered from 0, -1 for none, (n_rows, 1 + n_negatives), int64."""
    table, clusters = corpus.table, tables.numbers(corpus.table.column("cluster_id"))
    labels = np.repeat(clusters.astype(np.int64)[:, None], 1 + n_negatives, axis=1)
    if not n_negatives:
        return labels
    short = pc.index(pc.less(pc.list_value_length(table.column("negatives")), n_negatives), True).as_py()
    if short >= 0:
        row = table.slice(short, 1).to_pylist()[0]
        raise ValueError(
            f"group {row['group_id']!r} in {row['language']!r} has {len(row['negatives'])} negatives, fewer "
            f"than hard_negatives {n_negatives}: mine more, or lower hard_negatives"
        )
    language, question = table.column("language"), corpus.question_of[tables.numbers(table.column("group_id"))].tolist()
    passages, first = np.unique(hashes(tables.values(language), tables.values(table.column("passage"))), return_index=True)
    answers = hashes(question, tables.values(language), tables.values(table.column("passage")))
    for nth in range(n_negatives):
        texts = pc.list_element(table.column("negatives"), nth)
        found = hashes(tables.values(language), tables.values(texts))  # a text may be another passage in another language
        places = np.minimum(np.searchsorted(passages, found), len(passages) - 1)
        known = np.where(passages[places] == found, clusters[first[places]], -1)  # a negative may be another's passage
        own = np.isin(
            hashes(question, tables.values(language), tables.values(texts)), answers
        )  # it answers this question elsewhere
        labels[:, nth + 1] = np.where(own, clusters, known)
    return labels


def pair_batches(
    sampling: Sampling | str, tau: float = 1.0, n_batches: int | None = None
) -> Callable[..., DefaultBatchSampler]:
    """The ``batch_sampler`` argument of ``SentenceTransformerTrainingArguments`` for a data set of ``pair_dataset``.

    Batch size and seed are the trainer's (``per_device_train_batch_size``, ``seed``). Of several processes each gets whole
    batches in turn, every process equally many; with ``accelerator_config={"split_batches": True}`` process r of n gets the
    r-th n-th of each batch, with labels that name the answers in all of it. A resumed run goes on with the batches that it
    would have had.

    Args:
        sampling: how batches are drawn, or its name (``Sampling.parse``).
        tau: exponent of the corpora's sizes, as in ``PairBatchSampler``.
        n_batches: batches of one pass of the trainer, which it calls an epoch; ``None``: each group once, as in
            ``PairBatchSampler``. The next pass goes on where the last one ended.

    Raises:
        ValueError: an unknown sampling or an ``n_batches`` below 1; when the trainer asks for batches: a data set that
            ``pair_dataset`` did not make, or whatever ``PairBatchSampler`` refuses.
    """
    if n_batches is not None and n_batches < 1:
        raise ValueError(f"n_batches {n_batches} is below 1: leave it out for an epoch")
    sampling = sampling if isinstance(sampling, Sampling) else Sampling.parse(sampling)
    made = partial(_batches, sampling=sampling, tau=tau, n_batches=n_batches)  # checkpoints pickle it: it holds no data
    return cast("Callable[..., DefaultBatchSampler]", made)  # it has what a trainer asks of one


def _batches(
    dataset: datasets.Dataset,
    batch_size: int,
    seed: int,
    sampling: Sampling,
    tau: float,
    n_batches: int | None,
    **unused: object,
) -> PairBatchSampler:
    """What a trainer calls: ``drop_last``, ``generator`` and label columns decide nothing here."""
    if not isinstance(dataset, PairDataset) or not dataset.corpora:
        raise ValueError(
            f"pairs cannot be drawn from this {type(dataset).__name__} of {len(dataset)} rows: give the trainer what "
            "pair_dataset(corpora) returns, as it is (this holds for an eval_dataset, too)"
        )
    return _Passes(dataset, dataset.corpora, sampling, batch_size, seed, tau, n_batches)


class _Passes(PairBatchSampler):
    """The batches of all epochs, one after the other, in passes of ``n_batches``; pass number ``dataset.epoch`` is next."""

    drop_last = True  # for accelerate: no process gets a batch for which another one has no counterpart

    def __init__(
        self,
        dataset: PairDataset,
        corpora: Sequence[TrainingCorpus],
        sampling: Sampling,
        batch_size: int,
        seed: int,
        tau: float,
        n_batches: int | None,
    ) -> None:
        self.dataset = dataset
        super().__init__(corpora, sampling, batch_size, seed, tau)
        self.n_batches = n_batches or super().__len__()

    @property
    def epoch(self) -> int:
        """The pass, which is the data set's."""
        return self.dataset.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        first = self.epoch * self.n_batches
        for place in range(first, first + self.n_batches):
            yield _Pairs(self.batch(*divmod(place, super().__len__())).pairs())


class _Pairs(list[tuple[int, int]]):
    """Pairs of a batch: all, or a slice of them, which is the part of one of several processes.

    whole: all pairs of the batch.  places: where in it these are.
    """

    def __init__(self, whole: Sequence[tuple[int, int]], places: range | None = None) -> None:
        self.whole, self.places = whole, range(len(whole)) if places is None else places
        super().__init__(whole[place] for place in self.places)

    def __getitem__(self, place: Any) -> Any:
        return _Pairs(self.whole, self.places[place]) if isinstance(place, slice) else super().__getitem__(place)
