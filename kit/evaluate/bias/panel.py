"""The bias panel of a task: looks up what its measures need, and gives one value of each a query."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from kit.core.seeding import stable_fraction
from kit.data.corpus import RetrievalTask
from kit.evaluate import metrics
from kit.evaluate.bias import measures, peer
from kit.evaluate.bias.top_lists import sum_by_language
from kit.evaluate.ranks import best_by_language
from kit.evaluate.search import Ranks, Rescore, score_batches, top_k

_BATCH = 512  # queries whose scores are in memory at a time


def panel_columns(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    ranks: Ranks,
    n_agreement_groups: int | None = None,
    rescore: Rescore | None = None,
) -> dict[str, np.ndarray | pa.Array]:
    """The columns of ``Evaluation.per_query`` that measure bias, one row a query, in the order of ``task.queries``.

    Args:
        ranks: of the relevant candidates; the other arguments are those of ``kit.evaluate.evaluator.evaluate_embeddings``.
    """
    query, candidate, _ = task.relevant_pairs.T
    language = task.candidate_language[candidate]
    lists = metrics.ranked_lists(query, ranks.pool_rank, language=language)
    n_relevant = np.zeros((len(task.queries), len(task.languages)), np.int64)
    np.add.at(n_relevant, (query, language), 1)
    pool_counts = np.bincount(task.candidate_language, minlength=len(task.languages))
    depth = min(measures.TOP, len(task.candidates))
    top, _ = top_k(query_embeddings, candidate_embeddings, task, depth, ranks.seed, rescore=rescore)  # (n_queries, depth)
    top_languages = task.candidate_language[top]
    versions = best_by_language(task, ranks)
    agreement = list_agreement(query_embeddings, candidate_embeddings, task, n_agreement_groups, ranks.seed, rescore)
    return {
        "rank_distance": metrics.rank_distance(lists),
        "cover_rank": measures.cover_rank(lists),
        "complete_at_20": measures.complete_at(lists, measures.TOP),
        "own_language_first": measures.own_language_first(lists, task.query_language),
        "awrf_at_20": measures.attention_weighted_rank_fairness(top_languages, pool_counts / pool_counts.sum()),
        "peer_at_20": peer.peer_top(top_languages, _is_relevant(task, top), pool_counts, n_relevant),
        "list_agreement": _mean_of_present(agreement),
        "top_languages": _lists(sum_by_language(top_languages, np.ones(1), len(task.languages)).astype(np.int64)),
        "version_ranks": _lists(np.nan_to_num(versions).astype(np.int64), np.isnan(versions)),
        "agreement_with": _lists(agreement),
    }


def chance(task: RetrievalTask) -> dict[str, float]:
    """What a random ranking of a task's pool would score in each measure of the panel, averaged as the measured ones are.

    Exact expectations, but for AWRF@20, which is averaged over random lists, and PEER@20, whose p-value is uniform.
    """
    query, candidate, _ = task.relevant_pairs.T
    lists = metrics.ranked_lists(query, np.arange(1, len(query) + 1), language=task.candidate_language[candidate])
    n, m = len(task.candidates), lists.n_relevant
    pool_counts = np.bincount(task.candidate_language, minlength=len(task.languages))
    there = np.ones(len(m))
    several = np.where(m >= 2, 1.0, np.nan)
    expected = {
        "rank_distance": measures.expected_rank_distance(n, m),
        "cover_rank": measures.expected_cover_rank(n, m) * several,
        "complete_at_20": measures.expected_complete(n, m, measures.TOP) * several,
        "own_language_first": measures.expected_own_language_first(lists, task.query_language),
        "awrf_at_20": there * measures.expected_awrf(pool_counts, min(measures.TOP, n)),
        "peer_at_20": there * (0.5 if (pool_counts > 0).sum() > 1 else np.nan),
        "list_agreement": np.full(len(m), np.nan),
    }
    for rows in _parallel_groups(task, None, seed=0):  # a question in one language has no list to agree with
        expected["list_agreement"][rows] = 0.0
    languages = [task.query_language == language for language in np.unique(task.query_language)]
    return {
        name: float(_mean_of_present(np.array([[_mean_of_present(values[one][None])[0] for one in languages]]))[0])
        for name, values in expected.items()
    }


def list_agreement(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    n_groups: int | None = None,
    seed: int = 0,
    rescore: Rescore | None = None,
) -> np.ndarray:
    """Spearman correlation between the list of each query and the lists of the same question in the other languages.

    The full rankings of the pool are compared, a question group at a time; see ``kit.evaluate.bias.measures.spearman`` for
    ties. Where a group has several queries in a language, their correlations are averaged.

    Args:
        n_groups: question groups to measure, chosen by a seeded hash of their ids; ``None``: all; the other arguments are
            those of ``kit.evaluate.search.relevant_ranks``.

    Returns:
        Shape (n_queries, n_languages), float64, in [-1, 1]; NaN for the query's own language, for languages in which the
        group has no query, and for groups that were not chosen.
    """
    agreement = np.full((len(task.queries), len(task.languages)), np.nan)
    batches = list(_batches_of_groups(_parallel_groups(task, n_groups, seed)))
    scored = score_batches(
        query_embeddings, candidate_embeddings, task, [np.concatenate(batch) for batch in batches], seed, rescore=rescore
    )
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # sorting, which costs most, leaves the interpreter free
        for batch, scores in zip(batches, scored):
            parts = np.split(scores, np.cumsum([len(rows) for rows in batch])[:-1])
            for rows, correlation in zip(batch, threads.map(measures.spearman, parts)):
                agreement[rows] = _by_language(correlation, task.query_language[rows], len(task.languages))
    return agreement


def _parallel_groups(task: RetrievalTask, n_groups: int | None, seed: int) -> list[np.ndarray]:
    """Query indices of each chosen group that asks in two languages or more."""
    if n_groups is not None and n_groups < 0:
        raise ValueError(f"n_agreement_groups is {n_groups}: choose 0 or more, or None for all")
    names, group = np.unique(task.queries.column("group_id").to_pylist(), return_inverse=True)
    order = np.argsort(group, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    rows = [members for members in rows if len(np.unique(task.query_language[members])) > 1]
    if n_groups is not None and n_groups < len(rows):
        rows = sorted(rows, key=lambda members: stable_fraction(str(names[group[members[0]]]), seed))[:n_groups]
    return rows


def _batches_of_groups(groups: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Whole groups together up to so many queries (a group that is larger by itself)."""
    batch: list[np.ndarray] = []
    for rows in groups:
        if batch and sum(map(len, batch)) + len(rows) > _BATCH:
            yield batch
            batch = []
        batch.append(rows)
    if batch:
        yield batch


def _by_language(correlation: np.ndarray, language: np.ndarray, n_languages: int) -> np.ndarray:
    """Correlations of a group's queries (n, n) averaged over the partners in each language, (n, n_languages)."""
    member = language[:, None] == np.arange(n_languages)  # (n, n_languages)
    means = correlation @ member / np.where(member.any(axis=0), member.sum(axis=0), np.nan)
    return np.where(member, np.nan, means)


def _is_relevant(task: RetrievalTask, top: np.ndarray) -> np.ndarray:
    """Whether each candidate of the top lists (n_queries, depth) is relevant to its query."""
    n = len(task.candidates)
    relevant = task.relevant_pairs[:, 0] * n + task.relevant_pairs[:, 1]
    return np.isin(np.arange(len(top))[:, None] * n + top, relevant)


def _lists(values: np.ndarray, is_null: np.ndarray | None = None) -> pa.Array:
    """Rows of a matrix as an Arrow list column, with null where ``is_null``."""
    ends = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, pa.array(values.ravel(), mask=None if is_null is None else is_null.ravel()))


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the entries of each row that are not NaN; NaN for a row of NaN only."""
    present = ~np.isnan(values)
    n = present.sum(axis=1)
    return np.where(present, values, 0.0).sum(axis=1) / np.where(n > 0, n, np.nan)
