"""Exact search over the shards of a corpus: the k best passages of each query, the same for any shards, cores and devices.

A score is the inner product of two rows, computed in float64, whose sum runs in one order for a pair wherever it stands, and
rounded to float32. Scores in float32 only choose whom to compute so: all whose error could put them among the first k, by
the bound ``|error| <= dim * 2**-24 * |query| * |passage|`` that holds for every order of summation (Higham 2002, 3.1).

Equal scores are ordered by the seeded hash of the passage's id, as everywhere in the kit (``kit.evaluate.scores``, seed 0);
two ids of one hash by their place in the corpus.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kit.core.configs import whole_number
from kit.core.printing import say
from kit.evaluate.encoding import float_rows
from kit.evaluate.scores import default_device, distinct, full_float32
from kit.evaluate.shards.store import Shard, Shards

Log = Callable[[str], None]

_QUERIES_AT_ONCE = 512
_SCORES_AT_ONCE = 2**25  # of all threads: 128 MB
_ROWS_AT_ONCE = 2**14  # of a shard
_PAIR_NUMBERS = 2**21  # of the rows of the pairs that are scored in float64 at a time: 16 MB a side
_CROWD = 2**17  # pairs that are near
_TOLD_EVERY_S = 10.0


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
    shards: Shards,
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
    queries = float_rows("query_embeddings", query_embeddings, len(query_embeddings), "the search")
    if not np.isfinite(queries).all():
        row = int(np.argmin(np.isfinite(queries).all(axis=1)))
        raise ValueError(f"query_embeddings, row {row}: not finite: look at the model or the text of this row")
    left_out = np.full(len(queries), -1) if left_out is None else left_out
    device = device or default_device()
    best = _Best(queries, k, left_out)
    score, n_threads = (_on_cpu(), os.cpu_count() or 1) if device == "cpu" else (_on_device(queries, device), 1)
    chunk = min(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // (n_threads * _ROWS_AT_ONCE), -(-len(queries) // n_threads))
    chunk = max(1, chunk)
    chunks = [slice(low, min(low + chunk, len(queries))) for low in range(0, len(queries), chunk)]
    told = time.monotonic()
    quiet = threadpool_limits(1, user_api="blas") if device == "cpu" else full_float32()
    with quiet, ThreadPoolExecutor(n_threads) as threads:
        for number, shard in enumerate(shards, start=1):
            _refuse_other_width(queries, shard)
            for low in range(0, len(shard), _ROWS_AT_ONCE):
                block = _Block(shard, slice(low, low + _ROWS_AT_ONCE))
                near = score(block, best)
                list(threads.map(lambda some, block=block, near=near: best.take(some, block, near(some)), chunks))
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                log(f"  {number:,} of {len(shards):,} shards searched")
    return Top(best.row, best.score)


class _Block:
    """Some rows of a shard, shape (n, dim), float32, and what orders them."""

    def __init__(self, shard: Shard, rows: slice) -> None:
        self.first, self.tie = shard.first + rows.start, shard.tie[rows]
        self.rows = shard.embeddings[rows].astype(np.float32)  # a copy: torch takes no memory that is mapped to be read
        self.length = float(np.sqrt(np.einsum("ij,ij->i", self.rows, self.rows, dtype=np.float64).max()))


class _Best:
    """The first k of each query among what was looked at; disjoint slices of queries may be filled in threads."""

    def __init__(self, queries: np.ndarray, k: int, left_out: np.ndarray) -> None:
        self.queries, self.k, self.left_out = queries, k, left_out
        self.row = np.full((len(queries), k), -1)
        self.score = np.full((len(queries), k), -np.inf, np.float32)
        self.tie = np.full((len(queries), k), np.iinfo(np.uint64).max)
        # More than the error of a product in float32, in any order, and of rounding the exact one: see the module.
        unit = (queries.shape[1] + 4) * 2.0**-24 * 1.01
        self._unit = unit * np.linalg.norm(queries.astype(np.float64), axis=1) + np.finfo(np.float32).tiny

    def margin(self, some: slice, block: _Block) -> np.ndarray:
        """What a score in float32 may differ by from the exact one, shape (n,), float64."""
        return self._unit[some] * max(block.length, 1e-30)

    def own(self, some: slice, block: _Block) -> tuple[np.ndarray, np.ndarray]:
        """Query (within the slice) and row (within the block) of what is left out."""
        row = self.left_out[some] - block.first
        query = np.flatnonzero((row >= 0) & (row < len(block.rows)))
        return query, row[query]

    def take(self, some: slice, block: _Block, near: tuple[np.ndarray, np.ndarray]) -> None:
        """Put those in that belong there, of the queries and rows that may."""
        query, row = near
        query = query + some.start
        score = (_exact if len(row) < _CROWD else _exact_of_crowd)(self.queries, block.rows, query, row)
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


def _exact(queries: np.ndarray, rows: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Scores of pairs, shape (n_pairs,), float32: each a function of its two rows alone."""
    found = np.empty(len(query), np.float32)
    step = max(1, _PAIR_NUMBERS // queries.shape[1])
    for low in range(0, len(query), step):
        pairs = slice(low, low + step)
        # Products of two float32 are exact in float64; NumPy sums each row of the same length in the same order.
        found[pairs] = (queries[query[pairs]].astype(np.float64) * rows[row[pairs]]).sum(axis=1)
    return found


def _exact_of_crowd(queries: np.ndarray, rows: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The same where very many are near, as they are where a model maps all texts to few points: each point once."""
    rows, row_of = distinct(rows)
    if row_of is None:
        return _exact(queries, rows, query, row)
    pairs, place = np.unique(query * len(rows) + row_of[row], return_inverse=True)
    return _exact(queries, rows, *np.divmod(pairs, len(rows)))[place]


_Near = Callable[[slice], tuple[np.ndarray, np.ndarray]]
_Score = Callable[[_Block, _Best], _Near]


def _on_cpu() -> _Score:
    """Gives the queries and rows that may belong to the first k, by NumPy."""
    own = threading.local()

    def score(block: _Block, best: _Best) -> _Near:
        def near(some: slice) -> tuple[np.ndarray, np.ndarray]:
            if not hasattr(own, "product"):  # fresh memory for each product would cost more time than filling it
                own.product = np.empty(_QUERIES_AT_ONCE * _ROWS_AT_ONCE, np.float32)
            n_queries, n_rows = some.stop - some.start, len(block.rows)
            product = own.product[: n_queries * n_rows].reshape(n_queries, n_rows)
            scores = np.matmul(best.queries[some], block.rows.T, out=product)
            scores[best.own(some, block)] = -np.inf
            floor, margin = best.score[some, -1] - best.margin(some, block), best.margin(some, block)
            kept = scores >= _below(floor)[:, None]
            crowded = np.flatnonzero(np.count_nonzero(kept, axis=1) > _many(best.k))
            if len(crowded) and n_rows > best.k:
                kth = np.partition(scores[crowded], n_rows - best.k, axis=1)[:, n_rows - best.k]  # (n_crowded,)
                kept[crowded] &= scores[crowded] >= _below(kth - 2 * margin[crowded])[:, None]
            query, row = kept.nonzero()
            there = scores[query, row] > -np.inf
            return query[there], row[there]

        return near

    return score


def _on_device(queries: np.ndarray, device: str) -> _Score:
    """The same by torch."""
    import torch

    asked = torch.from_numpy(queries).to(device)

    def score(block: _Block, best: _Best) -> _Near:
        rows = torch.from_numpy(block.rows).to(device).T  # (dim, n_rows)

        def near(some: slice) -> tuple[np.ndarray, np.ndarray]:
            scores = asked[some] @ rows
            query, row = (torch.from_numpy(one).to(device) for one in best.own(some, block))
            scores[query, row] = -torch.inf
            margin = best.margin(some, block)
            kept = scores >= _column(best.score[some, -1] - margin, device)
            crowded = (kept.sum(dim=1) > _many(best.k)).nonzero()[:, 0]
            if len(crowded) and scores.shape[1] > best.k:
                kth = scores[crowded].topk(best.k, dim=1).values[:, -1].cpu().numpy()
                kept[crowded] &= scores[crowded] >= _column(kth - 2 * margin[crowded.cpu().numpy()], device)
            query, row = (kept & (scores > -torch.inf)).nonzero().cpu().numpy().T
            return query, row

        return near

    return score


def _column(floor: np.ndarray, device: str) -> Any:
    import torch

    return torch.from_numpy(_below(floor)).to(device)[:, None]


def _below(floor: np.ndarray) -> np.ndarray:
    """The next float32 below each number of float64, so that rounding leaves nobody out."""
    return np.nextafter(floor.astype(np.float32), np.float32(-np.inf))


def _many(k: int) -> int:
    """So many of a block are worth a second look before they are scored in float64."""
    return max(4 * k, 64)


def _refuse_other_width(queries: np.ndarray, shard: Shard) -> None:
    if queries.shape[1] != shard.embeddings.shape[1]:
        raise ValueError(
            f"query_embeddings have {queries.shape[1]} dimensions and the shards {shard.embeddings.shape[1]}: encode both "
            "with one model"
        )
