"""The bias panel of a task: gathers what its measures need, and gives one value of each a query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kit.core.seeding import stable_fraction
from kit.data.corpus import RetrievalTask
from kit.data.pools import pool_counts
from kit.evaluate.bias.list_agreement import by_language
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.bias.top_lists import mean_of_present, sum_by_language
from kit.evaluate.metrics import Pool, RankedLists, RankedPool, ranked_lists
from kit.evaluate.ranks import best_by_language
from kit.evaluate.search import Found


def panel_columns(
    task: RetrievalTask, found: Found, lists: RankedLists, groups: Sequence[np.ndarray], counts: np.ndarray
) -> dict[str, np.ndarray | pa.Array]:
    """The columns of ``Evaluation.per_query`` that measure bias, one row a query, in the order of ``task.queries``.

    Args:
        found: ranks of the relevant candidates, the top of each list, and ``spearman`` of each of the groups.
        lists: the relevant candidates of each query, ranked in the pool.
        groups: query indices of each question group whose lists were compared (``parallel_groups``).
        counts: candidates of each language that are ranked for each query, (n_queries, n_languages), int64; those of the
            task (``pool_counts``), or more, of which it holds those that are relevant or at the top of a list.
    """
    agreement = np.full((len(task.queries), len(task.languages)), np.nan)
    for rows, correlation in zip(groups, found.of_groups):
        agreement[rows] = by_language(correlation, task.query_language[rows], len(task.languages))
    top_languages = task.candidate_language[found.top]  # (n_queries, depth)
    in_top = found.ranks.pool_rank <= top_languages.shape[1]
    is_relevant = np.zeros(top_languages.shape, bool)
    is_relevant[task.relevant_pairs[in_top, 0], found.ranks.pool_rank[in_top] - 1] = True
    versions = best_by_language(task, found.ranks)
    facts = vars(_pool(task, lists, counts))
    pool = RankedPool(**facts, top_languages=top_languages, is_relevant=is_relevant, agreement=agreement)
    return {measure.column: measure.compute(pool) for measure in PANEL} | {
        "top_languages": _lists(sum_by_language(top_languages, np.ones(1), len(task.languages)).astype(np.int64)),
        "version_ranks": _lists(np.nan_to_num(versions).astype(np.int64), np.isnan(versions)),
        "agreement_with": _lists(agreement),
    }


def chance(task: RetrievalTask, counts: np.ndarray | None = None) -> dict[str, float]:
    """What a random ranking of a task's pool would score in each measure of the panel, averaged as the measured ones are.

    Exact expectations, but for AWRF@20, which is averaged over random lists, and PEER@20, whose p-value is uniform.

    Args:
        counts: as in ``panel_columns``; ``None``: those of the task.
    """
    query, candidate, _ = task.relevant_pairs.T
    pool = _pool(
        task, ranked_lists(query, np.arange(1, len(query) + 1), language=task.candidate_language[candidate]), counts
    )
    languages = [task.query_language == language for language in np.unique(task.query_language)]
    expected = {measure.column: measure.chance(pool) for measure in PANEL}
    return {
        name: float(mean_of_present(np.array([[mean_of_present(values[one][None])[0] for one in languages]]))[0])
        for name, values in expected.items()
    }


def parallel_groups(task: RetrievalTask, n_groups: int | None = None, seed: int = 0) -> list[np.ndarray]:
    """Query indices of each question group that asks in two languages or more.

    Args:
        n_groups: how many, chosen by a seeded hash of their ids; ``None``: all.

    Raises:
        ValueError: ``n_groups`` below 0.
    """
    if n_groups is not None and n_groups < 0:
        raise ValueError(f"n_agreement_groups is {n_groups}: choose 0 or more, or None for all")
    names, group, is_parallel = _question_groups(task)
    chosen = np.flatnonzero(is_parallel)
    if n_groups is not None and n_groups < len(chosen):
        chosen = sorted(chosen, key=lambda one: stable_fraction(names[one].as_py(), seed))[:n_groups]
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(len(names) + 1))
    return [order[ends[one] : ends[one + 1]] for one in chosen]


def _question_groups(task: RetrievalTask) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Ids of the groups, the group of each query as an index, and whether each group asks in several languages."""
    encoded = task.queries.column("group_id").combine_chunks().dictionary_encode()
    group, n = encoded.indices.to_numpy(), len(encoded.dictionary)
    lowest, highest = np.full(n, len(task.languages)), np.full(n, -1)
    np.minimum.at(lowest, group, task.query_language)
    np.maximum.at(highest, group, task.query_language)
    return encoded.dictionary, group, lowest < highest


def _pool(task: RetrievalTask, lists: RankedLists, counts: np.ndarray | None) -> Pool:
    query, candidate, _ = task.relevant_pairs.T
    n_relevant = np.zeros((len(task.queries), len(task.languages)), np.int64)
    np.add.at(n_relevant, (query, task.candidate_language[candidate]), 1)
    _, group, is_parallel = _question_groups(task)
    return Pool(lists, task.query_language, pool_counts(task) if counts is None else counts, n_relevant, is_parallel[group])


def _lists(values: np.ndarray, is_null: np.ndarray | None = None) -> pa.Array:
    """Rows of a matrix as an Arrow list column, with null where ``is_null``."""
    ends = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, pa.array(values.ravel(), mask=None if is_null is None else is_null.ravel()))
