"""Which passages are one passage: the key that batches and the loss mask use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kit.core.tables import Where


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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group_number = {group: number for number, group in enumerate(dict.fromkeys(group_ids))}
    key_number = {key: number for number, key in enumerate(dict.fromkeys(passage_keys))}
    groups = np.array([group_number[group] for group in group_ids])
    keys = np.array([key_number[key] for key in passage_keys]) + len(group_number)
    n_nodes = len(group_number) + len(key_number)
    graph = coo_array((np.ones(len(groups), bool), (groups, keys)), shape=(n_nodes, n_nodes))
    _, component = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    return [first.setdefault(component[number], group) for number, group in zip(groups, group_ids)]


def with_clusters(table: pa.Table, where: Where) -> pa.Table:
    """Fill an empty cluster column from the texts, or check a given one: one cluster a group."""
    given = np.array([cluster != "" for cluster in table.column("cluster_id").to_pylist()])
    if not given.any():
        keys = list(zip(table.column("language").to_pylist(), table.column("passage").to_pylist()))
        clusters = pa.array(passage_clusters(table.column("group_id").to_pylist(), keys), pa.string())
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
