"""Exact search: one pass over the scores of a task's queries with all its candidates gives whatever is asked of the lists.

Scores and the rule for ties are those of ``kit.evaluate.scores``: every score is computed once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kit.core.configs import whole_number
from kit.data.corpus import RetrievalTask
from kit.data.pools import pool_counts
from kit.evaluate.blocks import read_block, read_block_on_device
from kit.evaluate.scores import Columns, Rescore, checked_embeddings, default_device, full_float32, lay_out, make_scorer

CHUNK_SIZE = 1024
"""Most queries that a thread scores at a time: BLAS lays out all candidates anew for each chunk, so that few cost time."""

_FEWEST = 512  # queries that all threads together score at a time
_CHUNK_ELEMENTS = 2**25  # scores in memory at a time, of all threads: 128 MB; a chunk is smaller where there are more
_BLOCK_ELEMENTS = 2**20  # of the scores that are read at a time: enough for calls to cost little


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the relevant candidates, aligned to ``task.relevant_pairs``; 1 = top.

    cell_rank: rank among the candidates of the relevant candidate's own language, shape (n_relevant,), int64.
    pool_rank: rank among the candidates of all languages, shape (n_relevant,), int64; never below the cell rank.
    seed: seed of the tie rule.
    """

    cell_rank: np.ndarray
    pool_rank: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class Found:
    """What one pass over the scores found.

    ranks: of the relevant candidates.
    top: candidate indices of the k best of the pool of each query, best first, shape (n_queries, k), int64.
    of_groups: what was asked of the scores of each group of queries, in the order of the groups.
    """

    ranks: Ranks
    top: np.ndarray
    of_groups: list[np.ndarray]


def search(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    *,
    k: int = 0,
    groups: Sequence[np.ndarray] = (),
    of_group: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
    chunk_size: int | None = None,
    device: str | None = None,
    rescore: Rescore | None = None,
) -> Found:
    """Score every query with every candidate, once, and read from the scores what is asked for.

    A candidate that is the query itself (``task.own_candidate``) is in no list of that query.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``. A tensor of torch of float32
            or shorter is taken, too.
        candidate_embeddings: shape (n_candidates, dim), float32, finite; rows as in ``task.candidates``.
        task: names the relevant pairs and the language of each candidate.
        k: length of the top lists, from 0 to the number of candidates of each query: n_candidates, or one fewer where a
            query is a candidate itself.
        groups: query indices of each group whose scores are looked at together; no query is in two.
        of_group: what is asked of them: takes scores (n_members, n_candidates), float32, in an order of the candidates that
            is the same for all groups but not the task's, without those that are one of the members itself; called in
            threads. It must not keep them: they are overwritten.
        seed: seed of the tie rule (see ``kit.evaluate.scores``).
        chunk_size: queries that a thread scores at a time (more where a group is larger); memory is about 4 * chunk_size *
            n_candidates bytes for each core (twice that where embeddings repeat). ``None``: up to 1024, as many for each
            core, fewer where that were more than 128 MB, but 512 over all cores. It changes no rank but that of scores which
            differ by float32 rounding only; so do ``groups``, whose members are scored before the other queries.
        device: ``"cpu"`` (NumPy), or a torch device such as ``"cuda"`` (full float32, TF32 is switched off meanwhile);
            ``None``: ``"cuda"`` where there is one, else ``"cpu"``.
        rescore: changes the scores before they are ranked; ``None``: they stay. On the CPU, whatever the device.

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite; ``chunk_size`` below 1; ``k`` out of range.
    """
    query_embeddings, candidate_embeddings = checked_embeddings(query_embeddings, candidate_embeddings, task)
    whole_number("chunk_size", 1 if chunk_size is None else chunk_size, 1)
    whole_number("k", k, 0, int(pool_counts(task).sum(axis=1).min()), f"the number of candidates of {task.name}")
    device = "cpu" if rescore else device or default_device()
    n_threads = (os.cpu_count() or 1) if device == "cpu" else 1
    columns = lay_out(candidate_embeddings, task, seed)
    chunk_size = chunk_size or _chunk_size(n_threads, len(query_embeddings), len(candidate_embeddings))
    batches = list(_batches(len(query_embeddings), groups, chunk_size))
    lists = _Lists(task, columns, np.concatenate([batch.query for batch in batches]), k)
    itself = np.append(np.argsort(columns.candidate), -1)[task.own_candidate]  # (n_queries,) a column, -1 for none
    n_rows = max(len(batch.query) for batch in batches)
    reader = _Reader(query_embeddings, columns, itself, lists, of_group, rescore, device, n_rows)
    with _undisturbed(device), ThreadPoolExecutor(n_threads) as threads:
        of_groups = [one for found in threads.map(reader.read, batches) for one in found]
    return Found(Ranks(lists.n_before[:, 0] + 1, lists.n_before[:, 1] + 1, seed), lists.top, of_groups)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Queries that are scored together.

    query: their indices, shape (n,).
    start: place of the first in the order of scoring.
    groups: rows of each group that is whole in here.
    """

    query: np.ndarray
    start: int
    groups: list[slice]


@dataclass(frozen=True, eq=False)
class _Reader:
    """Scores batches of up to ``n_rows`` queries and reads them; each thread has buffers of its own.

    itself: column that is the query itself, -1 for none, shape (n_queries,).
    """

    query_embeddings: np.ndarray
    columns: Columns
    itself: np.ndarray
    lists: _Lists
    of_group: Callable[[np.ndarray], np.ndarray] | None
    rescore: Rescore | None
    device: str
    n_rows: int
    own: threading.local = field(default_factory=threading.local)

    def read(self, batch: _Batch) -> list[np.ndarray]:
        """Read the lists of a batch; what is asked of its groups is returned."""
        if not hasattr(self.own, "score"):
            self.own.score = make_scorer(self.columns, self.n_rows, self.device)
        scores = self.own.score(self.query_embeddings[batch.query])  # (n, n_candidates)
        self._bury(scores, batch.query)
        if self.rescore:
            scores = self.rescore(scores, batch.query, self.columns.candidate)
            self._bury(scores, batch.query)
        self.lists.read(scores, batch.start)
        if self.of_group is None:
            return []
        parts: list[Any] = [scores[rows] for rows in batch.groups]
        if self.device == "cpu":
            return [self.of_group(self._shared(part, batch.query[rows])) for part, rows in zip(parts, batch.groups)]
        parts = [self._shared(part.cpu().numpy(), batch.query[rows]) for part, rows in zip(parts, batch.groups)]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(self.of_group, parts))

    def _bury(self, scores: Any, query: np.ndarray) -> None:
        """Put the candidate that is the query itself at the end of its list, below all that is counted."""
        row = np.flatnonzero(self.itself[query] >= 0)
        if len(row):
            scores[row, self.itself[query[row]]] = -np.inf

    def _shared(self, scores: np.ndarray, query: np.ndarray) -> np.ndarray:
        """Scores of the candidates that stand in the lists of all these queries."""
        left_out = self.itself[query][self.itself[query] >= 0]
        return np.delete(scores, left_out, axis=1) if len(left_out) else scores


class _Lists:
    """What is known of the ranked lists, filled in block by block.

    Args:
        order: query indices in the order in which they are scored, shape (n_queries,).
    """

    def __init__(self, task: RetrievalTask, columns: Columns, order: np.ndarray, k: int) -> None:
        column_of, place_of = np.empty_like(columns.candidate), np.empty_like(order)
        column_of[columns.candidate] = np.arange(len(column_of))
        place_of[order] = np.arange(len(order))
        place = place_of[task.relevant_pairs[:, 0]]
        self._pair = np.argsort(place, kind="stable")  # (n_relevant,) indices of pairs in the order of scoring
        self._pairs = np.stack([place, column_of[task.relevant_pairs[:, 1]]], axis=1)[self._pair]  # (n_relevant, 2)
        self._columns, self._order, self._k = columns, order, k
        self.n_before = np.empty((len(self._pairs), 2), np.int64)  # within the language, within the pool
        self.top = np.empty((len(order), k), np.int64)

    def read(self, scores: Any, start: int) -> None:
        """Read the lists of some scores, of which the first row is that of the ``start``-th query that is scored."""
        read = read_block if isinstance(scores, np.ndarray) else read_block_on_device
        n_rows = max(1, _BLOCK_ELEMENTS // scores.shape[1]) if isinstance(scores, np.ndarray) else len(scores)
        for first in range(0, len(scores), n_rows):
            block = scores[first : first + n_rows]
            low, high = np.searchsorted(self._pairs[:, 0], [start + first, start + first + len(block)])
            pairs = self._pairs[low:high] - [start + first, 0]
            self.n_before[self._pair[low:high]], top = read(block, pairs, self._columns, self._k)
            self.top[self._order[start + first : start + first + len(block)]] = self._columns.candidate[top]


def _batches(n_queries: int, groups: Sequence[np.ndarray], chunk_size: int) -> Iterator[_Batch]:
    """Whole groups, about as many in each batch, filled up to the size of a chunk with the other queries."""
    members = np.concatenate([np.zeros(0, np.int64), *groups])
    others = np.setdiff1d(np.arange(n_queries), members)
    share = -(-len(members) * chunk_size // n_queries) + max(map(len, groups), default=0)  # the last one may not fit
    start = 0
    for batch in _whole_groups(groups, min(chunk_size, share)):
        ends = np.cumsum([0, *map(len, batch)]).tolist()
        query = np.concatenate([*batch, others[: max(0, chunk_size - ends[-1])]])
        yield _Batch(query, start, [slice(*both) for both in pairwise(ends)])
        others, start = others[len(query) - ends[-1] :], start + len(query)
    for low in range(0, len(others), chunk_size):
        yield _Batch(others[low : low + chunk_size], start + low, [])


def _whole_groups(groups: Sequence[np.ndarray], chunk_size: int) -> Iterator[list[np.ndarray]]:
    """Whole groups together up to so many queries (a group that is larger by itself)."""
    batch: list[np.ndarray] = []
    for rows in groups:
        if batch and sum(map(len, batch)) + len(rows) > chunk_size:
            yield batch
            batch = []
        batch.append(rows)
    if batch:
        yield batch


def _chunk_size(n_threads: int, n_queries: int, n_candidates: int) -> int:
    """Queries of a chunk: all threads have as many chunks, if there are enough queries, and end together."""
    most = min(CHUNK_SIZE, _CHUNK_ELEMENTS // (n_threads * n_candidates))
    rounds = -(-n_queries // (n_threads * max(1, most)))
    return max(-(-_FEWEST // n_threads), min(most, -(-n_queries // (n_threads * rounds))))


@contextmanager
def _undisturbed(device: str) -> Iterator[None]:
    """On the CPU each thread multiplies by itself: threads of BLAS would spin while the products are read."""
    with threadpool_limits(1, user_api="blas") if device == "cpu" else full_float32():
        yield
