"""The rows of some corpora as a data set whose items are pairs, made at the moment they are read."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from kit.data.corpus import ParallelCorpus


class PairDataset(datasets.Dataset):
    """A ``datasets.Dataset`` whose items are asked for as (query row, passage row): the pair is made when it is read.

    The label holds the cluster of the passage and of each hard negative, because every other column would be tokenised.
    """

    def __getitems__(self, pairs: list[tuple[int, int]]) -> list[dict]:
        query_rows, passage_rows = (pa.array(rows) for rows in zip(*pairs))
        table = self.data.table
        columns = {"query": table.column("query").take(query_rows).to_pylist()}
        for name in table.column_names[1:]:
            columns[name] = table.column(name).take(passage_rows).to_pylist()
        return [dict(zip(columns, values)) for values in zip(*columns.values())]


def pair_dataset(corpora: Sequence[ParallelCorpus], n_negatives: int) -> PairDataset:
    """All rows of some corpora as columns ``query, passage[, negative_1 …], label``, in the numbering of the sampler.

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
    for nth in range(n_negatives):
        texts = pc.list_element(table.column("negatives"), nth)
        columns[f"negative_{nth + 1}"] = texts
        passages, negatives = (
            pc.binary_join_element_wise(place, part.combine_chunks(), ":") for part in (table.column("passage"), texts)
        )
        known = pc.index_in(negatives, value_set=passages)  # a negative may be another's passage
        labels.append(pc.fill_null(cluster.take(known), -1))
    columns["label"] = pa.array(list(zip(*(label.to_pylist() for label in labels))), pa.list_(pa.int64()))
    return PairDataset(datasets.table.InMemoryTable(pa.table(columns)))


def _numbered(corpora: Sequence[ParallelCorpus], column: str) -> pa.Array:
    """A column of all rows whose values cannot be taken for those of another corpus."""
    values = [
        pc.binary_join_element_wise(str(number), corpus.table.column(column), ":") for number, corpus in enumerate(corpora)
    ]
    return pa.chunked_array([chunk for part in values for chunk in part.chunks]).combine_chunks()
