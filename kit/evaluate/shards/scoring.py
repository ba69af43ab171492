"""Scores of queries with the passages of a corpus in shards: quick ones to choose by, exact ones to rank by.

A score is the inner product of two rows, computed in float64, whose sum runs in one order for a pair wherever it stands, and
rounded to float32: it is the same for any shards, cores and devices. Scores in float32 only choose whom to compute so: all
whose error could change the outcome, by the bound ``|error| <= dim * 2**-24 * |query| * |passage|`` that holds for every
order of summation (Higham 2002, 3.1).

Equal scores are ordered by the seeded hash of the passage's id, as everywhere in the kit (``kit.evaluate.scores``, seed 0);
two ids of one hash by their place in the corpus.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from kit.evaluate.encoding import float_rows
from kit.evaluate.scores import default_device, distinct, full_float32
from kit.evaluate.shards.store import Shard

Log = Callable[[str], None]

_QUERIES_AT_ONCE = 512
_SCORES_AT_ONCE = 2**25  # of all threads: 128 MB
_ROWS_AT_ONCE = 2**14  # of a shard
_PAIR_NUMBERS = 2**21  # of the rows of the pairs that are scored in float64 at a time: 16 MB a side
CROWD = 2**17
"""Pairs to score in float64, from which on equal rows are looked for, as where a model maps all texts to few points."""
_TOLD_EVERY_S = 10.0


class Passages(Protocol):
    """Shards one after the other, numbered through: a corpus (``Shards``) or several (``Pool``)."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Shard]: ...


class Block:
    """Some rows of a shard, shape (n, dim), float32, and what orders them.

    first: number of the first one in the corpus.  tie: hash of each id, (n,), uint64.  length: of the longest row.
    """

    def __init__(self, shard: Shard, rows: slice) -> None:
        self.first, self.tie = shard.first + rows.start, shard.tie[rows]
        self.rows = shard.embeddings[rows].astype(np.float32)  # a copy: torch takes no memory that is mapped to be read
        self.length = float(np.sqrt(np.einsum("ij,ij->i", self.rows, self.rows, dtype=np.float64).max()))

    def exact(self, queries: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
        """``exact_scores`` of pairs; where very many are asked for, equal rows are scored once."""
        few, row_of = self._distinct if len(row) >= CROWD else (self.rows, None)
        if row_of is None:
            return exact_scores(queries, self.rows, query, row)
        pairs, place = np.unique(query * len(few) + row_of[row], return_inverse=True)
        return exact_scores(queries, few, *np.divmod(pairs, len(few)))[place]

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, np.ndarray | None]:
        return distinct(self.rows)


class Margins:
    """What a score in float32 may differ by from the exact one, by query and block."""

    def __init__(self, queries: np.ndarray) -> None:
        # More than the error of a product in float32, in any order, and of rounding the exact one: see the module.
        unit = (queries.shape[1] + 4) * 2.0**-24 * 1.01
        self._unit = unit * np.linalg.norm(queries.astype(np.float64), axis=1) + np.finfo(np.float32).tiny

    def __call__(self, some: slice | np.ndarray, block: Block) -> np.ndarray:
        """Of some queries, shape (n,), float64."""
        return self._unit[some] * max(block.length, 1e-30)


def checked_queries(query_embeddings: np.ndarray) -> np.ndarray:
    """Embeddings of queries as NumPy's, shape (n_queries, dim), float32.

    Raises:
        ValueError: another shape or dtype, or not finite.
    """
    queries = float_rows("query_embeddings", query_embeddings, len(query_embeddings), "the search")
    if not np.isfinite(queries).all():
        row = int(np.argmin(np.isfinite(queries).all(axis=1)))
        raise ValueError(f"query_embeddings, row {row}: not finite: look at the model or the text of this row")
    return queries


def refuse_other_width(queries: np.ndarray, shard: Shard) -> None:
    """Raise unless queries and passages are of one width.

    Raises:
        ValueError: they are of two.
    """
    if queries.shape[1] != shard.embeddings.shape[1]:
        raise ValueError(
            f"query_embeddings have {queries.shape[1]} dimensions and the shards {shard.embeddings.shape[1]}: encode both "
            "with one model"
        )


def scan(
    queries: np.ndarray,
    passages: Passages,
    left_out: np.ndarray,
    device: str | None,
    log: Log,
    *readers: Callable[[slice, Block, Any], None],
) -> None:
    """Score all queries with all passages in float32, once, and hand the scores over, block by block.

    Memory is that of one shard, and up to 128 MB of scores.

    Args:
        queries: shape (n_queries, dim), float32, finite.
        left_out: a passage that is not ranked for each query, by its number, -1 for none, (n_queries,), int64; its score
            is -inf.
        device: as in ``kit.evaluate.shards.search.top_passages``.
        log: takes a line of progress every ten seconds.
        readers: each takes some of the queries, a block, and their scores, (n, n_rows), float32: NumPy's on the CPU, else
            torch's. They must not keep or change them; they are called in threads, never two for one query.

    Raises:
        ValueError: queries and passages of several widths.
    """
    device = device or default_device()
    score, n_threads = (_on_cpu(queries), os.cpu_count() or 1) if device == "cpu" else (_on_device(queries, device), 1)
    chunk = min(_QUERIES_AT_ONCE, _SCORES_AT_ONCE // (n_threads * _ROWS_AT_ONCE), -(-len(queries) // n_threads))
    chunk = max(1, chunk)
    chunks = [slice(low, min(low + chunk, len(queries))) for low in range(0, len(queries), chunk)]
    told = time.monotonic()

    def read(some: slice, block: Block, scores: Any) -> None:
        row = left_out[some] - block.first
        own = np.flatnonzero((row >= 0) & (row < len(block.rows)))
        if len(own):
            scores[own, row[own]] = -np.inf
        for reader in readers:
            reader(some, block, scores)

    with _undisturbed(device), ThreadPoolExecutor(n_threads) as threads:
        for number, shard in enumerate(passages, start=1):
            refuse_other_width(queries, shard)
            for low in range(0, len(shard), _ROWS_AT_ONCE):
                block = Block(shard, slice(low, low + _ROWS_AT_ONCE))
                of = score(block)
                list(threads.map(lambda some, block=block, of=of: read(some, block, of(some)), chunks))
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                log(f"  {number:,} of {len(passages):,} shards searched")


def exact_scores(queries: np.ndarray, rows: np.ndarray, query: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Scores of pairs, shape (n_pairs,), float32: each a function of its two rows alone.

    Args:
        queries, rows: shape (n, dim), float32.
        query, row: of each pair, shape (n_pairs,), int64.
    """
    found = np.empty(len(query), np.float32)
    step = max(1, _PAIR_NUMBERS // queries.shape[1])
    for low in range(0, len(query), step):
        pairs = slice(low, low + step)
        # Products of two float32 are exact in float64; NumPy sums each row of the same length in the same order.
        found[pairs] = (queries[query[pairs]].astype(np.float64) * rows[row[pairs]]).sum(axis=1)
    return found


def below(number: np.ndarray) -> np.ndarray:
    """The next float32 below each number of float64, so that rounding leaves nobody out."""
    return np.nextafter(number.astype(np.float32), np.float32(-np.inf))


def above(number: np.ndarray) -> np.ndarray:
    """The next float32 above each number of float64."""
    return np.nextafter(number.astype(np.float32), np.float32(np.inf))


_Score = Callable[[Block], Callable[[slice], Any]]


def _on_cpu(queries: np.ndarray) -> _Score:
    own = threading.local()

    def score(block: Block) -> Callable[[slice], np.ndarray]:
        def of(some: slice) -> np.ndarray:
            if not hasattr(own, "product"):  # fresh memory for each product would cost more time than filling it
                own.product = np.empty(_QUERIES_AT_ONCE * _ROWS_AT_ONCE, np.float32)
            n_queries, n_rows = some.stop - some.start, len(block.rows)
            product = own.product[: n_queries * n_rows].reshape(n_queries, n_rows)
            return np.matmul(queries[some], block.rows.T, out=product)

        return of

    return score


def _on_device(queries: np.ndarray, device: str) -> _Score:
    import torch

    asked = torch.from_numpy(queries).to(device)

    def score(block: Block) -> Callable[[slice], Any]:
        rows = torch.from_numpy(block.rows).to(device).T  # (dim, n_rows)
        return lambda some: asked[some] @ rows

    return score


def _undisturbed(device: str) -> Any:
    """On the CPU each thread multiplies by itself: threads of BLAS would spin while the products are read."""
    return threadpool_limits(1, user_api="blas") if device == "cpu" else full_float32()
