"""Which passages are one passage, and which questions one question: the keys that batches and the loss mask use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core.tables import Where, numbers, values
from kit.data.texts import Normaliser


def passage_clusters(group_ids: Sequence[str], passage_keys: Sequence[object]) -> list[str]:
    """Cluster of each row: connected components of groups that share a passage (union-find over all languages).

    Args:
        group_ids: group of each row.
        passage_keys: identity of each row's passage within its language, hashable, such as (language, paragraph,
            sentence); equal keys are one passage.

    Returns:
        One cluster id a row: the first group of its component.

    >>> passage_clusters(["a", "a", "b", "c"], ["en:1", "de:1", "de:1", "en:9"])
    ['a', 'a', 'a', 'c']
    """
    group_number = {group: number for number, group in enumerate(dict.fromkeys(group_ids))}
    key_number = {key: number for number, key in enumerate(dict.fromkeys(passage_keys))}
    groups = np.array([group_number[group] for group in group_ids])
    component = _components(groups, np.array([key_number[key] for key in passage_keys])).tolist()
    first: dict[int, str] = {}
    return [first.setdefault(component[number], group) for number, group in zip(groups, group_ids)]


def question_numbers(table: pa.Table) -> np.ndarray:
    """Question of each group of a corpus (in the order of their first rows) as a number from 0, shape (n_groups,), int32.

    Groups ask one question if they do so in any language: the same text after ``kit.data.texts.normalised``. Such groups
    may have different passages, as in PolicyQA, which asks each question of many policies; each of these passages answers
    it, so none may be a wrong answer to it. The passages stay distinct clusters: joined by their questions as well, nearly
    all of PolicyQA would be one, and no batch could hold two of it. A query that begins its own passage is a crop of it and
    no question: it is known by the passage.
    """
    normalise = Normaliser()
    rows = zip(*(values(table.column(name)) for name in ("query", "passage")))
    texts = (passage if passage.startswith(query) else normalise(query) for query, passage in rows)
    keys = np.unique(hashes(values(table.column("language")), texts), return_inverse=True)[1]
    component = _components(numbers(table.column("group_id")), keys)
    return np.unique(component, return_inverse=True)[1].astype(np.int32)


def hashes(*columns: Iterable) -> np.ndarray:
    """A hash of each row of some columns, shape (n_rows,), int64: equal for equal rows, in one process.

    It stands for the row, so that no table of texts is held: of ten million rows, two that differ share one with a
    probability of 3 in a million.
    """
    return np.fromiter(map(hash, zip(*columns)), np.int64)


def _components(groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Connected component of each group, shape (n_groups,): row by row a group (from 0) has a key (from 0)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_groups = int(groups.max(initial=-1)) + 1
    n_nodes = n_groups + int(keys.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(groups), bool), (groups, keys + n_groups)), shape=(n_nodes, n_nodes))
    return connected_components(graph, directed=False)[1][:n_groups]


def with_clusters(table: pa.Table, where: Where) -> pa.Table:
    """Fill an empty cluster column from the texts, or check a given one: one cluster a group."""
    given = np.array([cluster != "" for cluster in table.column("cluster_id").to_pylist()])
    if not given.any():
        groups, names = numbers(table.column("group_id")), pc.unique(table.column("group_id"))
        keys = np.unique(hashes(values(table.column("language")), values(table.column("passage"))), return_inverse=True)[1]
        component = _components(groups, keys)
        first = np.unique(component, return_index=True)[1]  # the first group of each component names it
        clusters = names.take(pa.array(first[component[groups]]))
        return table.set_column(table.column_names.index("cluster_id"), "cluster_id", clusters)
    if not given.all():
        raise ValueError(
            f"{where(int(np.argmin(given)))}: field 'cluster_id' is empty, but other rows have one: "
            "give it to all rows or to none"
        )
    cluster_of: dict[str, str] = {}
    groups, clusters = (table.column(column).to_pylist() for column in ("group_id", "cluster_id"))
    for index, (group, cluster) in enumerate(zip(groups, clusters)):
        if cluster_of.setdefault(group, cluster) != cluster:
            raise ValueError(
                f"{where(index)}: cluster_id {cluster!r} differs from {cluster_of[group]!r} of the same group "
                f"{group!r}: the answers to one question are one passage in several languages"
            )
    return table
