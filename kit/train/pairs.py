"""Pairs for any ``SentenceTransformerTrainer``: a data set of the rows of some corpora, and the batches drawn from it.

train_dataset=pair_dataset(corpora)
args=SentenceTransformerTrainingArguments(..., batch_sampler=pair_batches("Hybrid"))

Such a trainer takes the weights as they are: call ``model.float()`` before, since many checkpoints are loaded in bfloat16 or
float16, where most updates are too small to change a weight. ``fine_tune`` does it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets.table import InMemoryTable

from kit.data.clusters import question_numbers
from kit.data.corpus import ParallelCorpus
from kit.train.samplers import PairBatchSampler, Sampling

if TYPE_CHECKING:
    from sentence_transformers.base.sampler import DefaultBatchSampler


class PairDataset(datasets.Dataset):
    """A ``datasets.Dataset`` whose items are asked for as (query row, passage row): the pair is made when it is read.

    The label holds the cluster of the passage and of each hard negative, because every other column would be tokenised; then
    those clusters of the batch that answer the same question elsewhere, -1 where there are fewer than in another row. A
    hard negative that does so has the cluster of the passage. So the loss leaves all of them out. A loss that reads no
    labels, such as ``MultipleNegativesRankingLoss``, takes the data set as it is.

    corpora: what the rows are of; copies, and what worker processes get, have none: they read rows and draw no batches.
    epoch: the pass over the data that its batches are drawn for.
    answers: of each row of the corpora (n_rows,) the number of its question, and by that number all clusters that answer it.
    """

    corpora: tuple[ParallelCorpus, ...] = ()
    epoch = 0
    answers: tuple[np.ndarray, list[frozenset[int]]] = (np.zeros(0, np.int64), [])

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass.

        Accelerate tells a data set in the one case in which it does not reach the batch sampler: a run of several processes
        that is resumed.
        """
        self.epoch = epoch

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "corpora"}

    def __getitems__(self, pairs: list[tuple[int, int]]) -> list[dict]:
        query_rows, passage_rows = (pa.array(rows) for rows in zip(*pairs))
        table = self.data.table
        columns = {"query": table.column("query").take(query_rows).to_pylist()}
        for name in table.column_names[1:]:
            columns[name] = table.column(name).take(passage_rows).to_pylist()
        whole = pairs.whole if isinstance(pairs, _Pairs) else pairs
        labels = table.column("label").take(pa.array([passage for _, passage in whole])).to_pylist()
        labels = self._with_other_answers(labels, [query for query, _ in whole])
        columns["label"] = [labels[place] for place in pairs.places] if isinstance(pairs, _Pairs) else labels
        return [dict(zip(columns, values)) for values in zip(*columns.values())]

    def _with_other_answers(self, labels: list[list[int]], query_rows: list[int]) -> list[list[int]]:
        """Labels with the clusters of the batch that answer a row's question, besides its own, equally many in all rows."""
        question_of, clusters_of = self.answers
        present = {cluster for label in labels for cluster in label}
        asked = (clusters_of[question] for question in question_of[query_rows].tolist())
        others = [sorted(known & present - {label[0]}) for known, label in zip(asked, labels)]
        most = max(map(len, others))
        return [label + known + [-1] * (most - len(known)) for label, known in zip(labels, others)]


def pair_dataset(corpora: Sequence[ParallelCorpus], n_negatives: int = 0) -> PairDataset:
    """All rows of some corpora as columns ``query, passage[, negative_1 …], label``, in the numbering of the sampler.

    Corpora that are to be mixed are given together: a ``DatasetDict`` of several such data sets cannot be drawn from.

    Args:
        corpora: one or more.
        n_negatives: how many of a row's ``negatives`` become columns.

    Raises:
        ValueError: a row has fewer than ``n_negatives`` negatives.
    """
    table = pa.concat_tables([corpus.table for corpus in corpora]).combine_chunks()
    cluster = _numbered(corpora, "cluster_id").dictionary_encode().indices.cast(pa.int64())
    columns, labels = {"query": table.column("query"), "passage": table.column("passage")}, [cluster]
    if n_negatives:
        short = pc.index(pc.less(pc.list_value_length(table.column("negatives")), n_negatives), True).as_py()
        if short >= 0:
            row = table.slice(short, 1).to_pylist()[0]
            raise ValueError(
                f"group {row['group_id']!r} in {row['language']!r} has {len(row['negatives'])} negatives, fewer "
                f"than hard_negatives {n_negatives}: mine more, or lower hard_negatives"
            )
    place = _numbered(corpora, "language") if n_negatives else None  # a text may be another passage in another language
    question_of = _questions(corpora)
    question = pc.cast(pa.array(question_of), pa.string())
    for nth in range(n_negatives):
        texts = pc.list_element(table.column("negatives"), nth)
        columns[f"negative_{nth + 1}"] = texts
        passages, negatives = (
            pc.binary_join_element_wise(place, part.combine_chunks(), ":") for part in (table.column("passage"), texts)
        )
        known = pc.index_in(negatives, value_set=passages)  # a negative may be another's passage
        found, answers = (pc.binary_join_element_wise(question, part, ":") for part in (negatives, passages))
        own = pc.is_in(found, value_set=answers)  # it answers this question elsewhere, though it is of another cluster
        labels.append(pc.if_else(own, cluster, pc.fill_null(cluster.take(known), -1)))
    columns["label"] = pa.array(list(zip(*(label.to_pylist() for label in labels))), pa.list_(pa.int64()))
    dataset = PairDataset(InMemoryTable(pa.table(columns)))
    dataset.corpora = tuple(corpora)
    answers: list[set[int]] = [set() for _ in range(int(question_of.max(initial=-1)) + 1)]
    for number, own in zip(question_of.tolist(), cluster.to_pylist()):
        answers[number].add(own)
    dataset.answers = question_of, [frozenset(clusters) for clusters in answers]
    return dataset


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
        corpora: Sequence[ParallelCorpus],
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


def _numbered(corpora: Sequence[ParallelCorpus], column: str) -> pa.Array:
    """A column of all rows whose values cannot be taken for those of another corpus."""
    values = [
        pc.binary_join_element_wise(str(number), corpus.table.column(column), ":") for number, corpus in enumerate(corpora)
    ]
    return pa.chunked_array([chunk for part in values for chunk in part.chunks]).combine_chunks()


def _questions(corpora: Sequence[ParallelCorpus]) -> np.ndarray:
    """Number of each row's question, shape (n_rows,); no two corpora share one."""
    numbers, first = [], 0
    for corpus in corpora:
        groups = corpus.table.column("group_id").combine_chunks().dictionary_encode().indices
        of_group = question_numbers(corpus.table)
        numbers.append(of_group[groups.to_numpy()].astype(np.int64) + first)
        first += int(of_group.max(initial=-1)) + 1
    return np.concatenate(numbers)
