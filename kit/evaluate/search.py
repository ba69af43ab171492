"""Exact search: one pass over the scores of a task's queries with all its candidates gives whatever is asked of the lists.

Scores and the rule for ties are those of ``kit.evaluate.scores``: every score is computed once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from kit.data.corpus import RetrievalTask
from kit.evaluate.blocks import read_block, read_block_on_device
from kit.evaluate.scores import Columns, Rescore, check_embeddings, lay_out, score_batches

CHUNK_SIZE = 512
"""Queries whose scores are in memory at a time."""

_BLOCK_ELEMENTS = 2**20  # of the scores that a thread reads at a time: enough for calls to cost little


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
    chunk_size: int = CHUNK_SIZE,
    device: str | None = None,
    rescore: Rescore | None = None,
) -> Found:
    """Score every query with every candidate, once, and read from the scores what is asked for.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``.
        candidate_embeddings: shape (n_candidates, dim), float32, finite; rows as in ``task.candidates``.
        task: names the relevant pairs and the language of each candidate.
        k: length of the top lists, from 0 to n_candidates.
        groups: query indices of each group whose scores are looked at together; no query is in two.
        of_group: what is asked of them: takes scores (n_members, n_candidates), float32, in an order of the candidates that
            is the same for all groups but not the task's; called in threads. It must not keep them: they are overwritten.
        seed: seed of the tie rule (see ``kit.evaluate.scores``).
        chunk_size: queries scored at a time (more where a group is larger); memory is about 4 * chunk_size * n_candidates
            bytes (twice that where embeddings repeat). It changes no rank but that of scores which differ by float32
            rounding only; so do ``groups``, whose members are scored before the other queries.
        device: ``"cpu"`` (NumPy), or a torch device such as ``"cuda"`` (full float32, TF32 is switched off meanwhile);
            ``None``: ``"cuda"`` where there is one, else ``"cpu"``.
        rescore: changes the scores before they are ranked; ``None``: they stay. On the CPU, whatever the device.

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite; ``chunk_size`` below 1; ``k`` out of range.
    """
    check_embeddings(query_embeddings, candidate_embeddings, task)
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}: choose at least 1")
    if not 0 <= k <= len(candidate_embeddings):
        raise ValueError(f"k is {k}: choose up to {len(candidate_embeddings)}, the number of candidates of {task.name}")
    columns = lay_out(candidate_embeddings, task, seed)
    batches = list(_batches(len(query_embeddings), groups, chunk_size))
    lists = _Lists(task, columns, np.concatenate([rows for rows, _ in batches]), k)
    of_groups: list[np.ndarray] = []
    start = 0
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # sorting, which costs most, leaves the interpreter free
        chunks = score_batches(query_embeddings, columns, [rows for rows, _ in batches], device, rescore)
        for (rows, members), scores in zip(batches, chunks):
            read = threads.map(partial(lists.read, scores, start), _blocks(scores))
            of_groups += threads.map(lambda place, scores=scores: of_group(_on_cpu(scores[place])), members)
            list(read)  # waits, and raises what a thread raised
            start += len(rows)
    ranks = Ranks(lists.n_before[:, 0] + 1, lists.n_before[:, 1] + 1, seed)
    return Found(ranks, lists.top, of_groups)


class _Lists:
    """What is known of the ranked lists, filled in block by block.

    Args:
        order: query indices in the order in which they are scored, shape (n_queries,).
    """

    def __init__(self, task: RetrievalTask, columns: Columns, order: np.ndarray, k: int):
        column_of, place_of = np.empty_like(columns.candidate), np.empty_like(order)
        column_of[columns.candidate] = np.arange(len(column_of))
        place_of[order] = np.arange(len(order))
        place = place_of[task.relevant_pairs[:, 0]]
        self._pair = np.argsort(place, kind="stable")  # (n_relevant,) indices of pairs in the order of scoring
        self._pairs = np.stack([place, column_of[task.relevant_pairs[:, 1]]], axis=1)[self._pair]  # (n_relevant, 2)
        self._columns, self._order, self._k = columns, order, k
        self.n_before = np.empty((len(self._pairs), 2), np.int64)  # within the language, within the pool
        self.top = np.empty((len(order), k), np.int64)

    def read(self, scores, start: int, block: slice) -> None:
        """Read the lists of some rows of the scores, of which the first is the ``start``-th query that is scored."""
        low, high = np.searchsorted(self._pairs[:, 0], [start + block.start, start + block.stop])
        read = read_block if isinstance(scores, np.ndarray) else read_block_on_device
        pairs = self._pairs[low:high] - [start + block.start, 0]
        self.n_before[self._pair[low:high]], top = read(scores[block], pairs, self._columns, self._k)
        self.top[self._order[start + block.start : start + block.stop]] = self._columns.candidate[top]


def _batches(n_queries: int, groups: Sequence[np.ndarray], chunk_size: int) -> Iterator[tuple[np.ndarray, list[slice]]]:
    """Query indices of each batch, and the rows therein of each group: whole groups, filled up with the other queries."""
    others = np.setdiff1d(np.arange(n_queries), np.concatenate([np.zeros(0, np.int64), *groups]))
    for batch in _whole_groups(groups, chunk_size):
        ends = np.cumsum([0, *map(len, batch)]).tolist()
        n_more = max(0, chunk_size - ends[-1])
        yield np.concatenate([*batch, others[:n_more]]), [slice(*both) for both in pairwise(ends)]
        others = others[n_more:]
    for start in range(0, len(others), chunk_size):
        yield others[start : start + chunk_size], []


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


def _blocks(scores) -> list[slice]:
    """Rows of the scores that are read at a time."""
    if not isinstance(scores, np.ndarray):
        return [slice(0, len(scores))]
    n_blocks = -(-scores.size // _BLOCK_ELEMENTS)
    ends = np.linspace(0, len(scores), min(len(scores), n_blocks + n_blocks % 2) + 1).astype(int).tolist()
    return [slice(*both) for both in pairwise(ends)]


def _on_cpu(scores) -> np.ndarray:
    return scores if isinstance(scores, np.ndarray) else scores.cpu().numpy()
