"""Exact search over the shards of a corpus: the k best passages of each query, the same for any shards, cores and devices.

Scores, and the rule for ties, are those of ``kit.evaluate.shards.scoring``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.core.configs import whole_number
from kit.core.printing import say
from kit.evaluate.shards.scoring import Block, Log, Margins, Passages, below, checked_queries, scan


@dataclass(frozen=True, eq=False)
class Top:
    """The best passages of each query, best first.

    row: number of each in the corpus, -1 where the corpus has no more, shape (n_queries, k), int64.
    score: of each, -inf where there is none, shape (n_queries, k), float32.
    """

    row: np.ndarray
    score: np.ndarray


def top_passages(
    query_embeddings: np.ndarray,
    shards: Passages,
    k: int,
    left_out: np.ndarray | None = None,
    device: str | None = None,
    log: Log = say,
) -> Top:
    """The k best passages of each query among all shards.

    Memory is that of the queries, k places for each, one shard, and up to 128 MB of scores.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite.
        shards: of the corpus, all there.
        k: at least 1.
        left_out: a passage that is not ranked for each query, by its number in the corpus, -1 for none, (n_queries,), int64.
        device: ``"cpu"`` (NumPy, all cores), or a torch device such as ``"cuda"``; ``None``: ``"cuda"`` where there is one.
            The result is the same.
        log: takes a line of progress every ten seconds.

    Raises:
        ValueError: embeddings of another shape, width or dtype, or not finite; ``k`` below 1.
    """
    whole_number("k", k, 1)
    queries = checked_queries(query_embeddings)
    best = Best(queries, k)
    scan(queries, shards, np.full(len(queries), -1) if left_out is None else left_out, device, log, best.read)
    return best.found()


class Best:
    """The first k of each query among what was looked at; disjoint slices of queries may be filled in threads."""

    def __init__(self, queries: np.ndarray, k: int) -> None:
        self.queries, self.k = queries, k
        self.row = np.full((len(queries), k), -1)
        self.score = np.full((len(queries), k), -np.inf, np.float32)
        self.tie = np.full((len(queries), k), np.iinfo(np.uint64).max)
        self._margin = Margins(queries)

    def found(self) -> Top:
        """What was found."""
        return Top(self.row, self.score)

    def read(self, some: slice, block: Block, scores: Any) -> None:
        """Look at the scores of some queries with a block; a reader of ``scan``."""
        near = _near if isinstance(scores, np.ndarray) else _near_on_device
        query, row = near(scores, self.score[some, -1], self._margin(some, block), self.k)
        self._take(query + some.start, row, block)

    def _take(self, query: np.ndarray, row: np.ndarray, block: Block) -> None:
        """Put those in that belong there, of the queries and rows that may."""
        score = block.exact(self.queries, query, row)
        last = self.score[query, -1]
        enter = (score > last) | ((score == last) & (block.tie[row] < self.tie[query, -1]))
        query, row, score = query[enter], row[enter], score[enter]
        asked, place = np.unique(query, return_inverse=True)
        of = np.concatenate([np.repeat(np.arange(len(asked)), self.k), place])
        scores, ties, rows = (
            np.concatenate([kept[asked].reshape(-1), new])
            for kept, new in ((self.score, score), (self.tie, block.tie[row]), (self.row, row + block.first))
        )
        order = np.lexsort((rows, ties, -scores, of))
        first = np.searchsorted(of[order], np.arange(len(asked)))  # of each query
        chosen = order[first[:, None] + np.arange(self.k)]  # (n_asked, k)
        self.score[asked], self.tie[asked], self.row[asked] = scores[chosen], ties[chosen], rows[chosen]


def _near(scores: np.ndarray, last: np.ndarray, margin: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and rows that may belong to the first k, by their scores in float32.

    Args:
        scores: shape (n_queries, n_rows).
        last: score of the k-th of each query so far, (n_queries,), float32.
        margin: largest error of the scores of each query, (n_queries,), float64.
    """
    kept = scores >= below(last - margin)[:, None]
    crowded = np.flatnonzero(np.count_nonzero(kept, axis=1) > _many(k))
    if len(crowded):
        kth = np.partition(scores[crowded], scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]  # (n_crowded,)
        kept[crowded] &= scores[crowded] >= below(kth - 2 * margin[crowded])[:, None]
    query, row = kept.nonzero()
    there = scores[query, row] > -np.inf
    return query[there], row[there]


def _near_on_device(scores: Any, last: np.ndarray, margin: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for a torch tensor of scores; the results are on the CPU."""
    import torch

    kept = scores >= _column(last - margin, scores.device)
    crowded = (kept.sum(dim=1) > _many(k)).nonzero()[:, 0]
    if len(crowded):
        kth = scores[crowded].topk(k, dim=1).values[:, -1].cpu().numpy()
        kept[crowded] &= scores[crowded] >= _column(kth - 2 * margin[crowded.cpu().numpy()], scores.device)
    query, row = (kept & (scores > -torch.inf)).nonzero().cpu().numpy().T
    return query, row


def _column(floor: np.ndarray, device: Any) -> Any:
    import torch

    return torch.from_numpy(below(floor)).to(device)[:, None]


def _many(k: int) -> int:
    """So many of a block are worth a second look before they are scored in float64."""
    return max(4 * k, 64)
