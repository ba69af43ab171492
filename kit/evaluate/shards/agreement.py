"""List agreement over shards: whole lists compared, which memory does not hold at once."""

from __future__ import annotations

import tempfile
from typing import BinaryIO

import numpy as np

from kit.evaluate.bias.list_agreement import centred_ranks, correlation_of
from kit.evaluate.shards.pool import Pool
from kit.evaluate.shards.scoring import exact_scores

_RANKS_AT_ONCE = 2**15  # of each list


def spearman_over(queries: np.ndarray, pool: Pool, left_out: np.ndarray) -> np.ndarray:
    """Spearman correlation of the whole lists of some queries, (n_lists, n_lists), float64; as ``spearman``.

    Scores are exact, and so are the sums over their ranks, in whole numbers: no order of the passages changes a bit. Lists
    lie in a temporary file of 4 bytes a passage and list; while one is sorted, memory takes 90 bytes a passage.

    Args:
        queries: shape (n_lists, dim), float32.
        left_out: numbers of passages that stand in none of the lists, any shape, int64; negative ones mean nothing.
    """
    kept = np.ones(pool.n_passages, bool)
    kept[left_out[left_out >= 0]] = False
    n = int(np.count_nonzero(kept))
    with tempfile.TemporaryFile() as file:
        _write_scores(file, queries, pool, kept, n)
        for place in range(len(queries)):
            ranks = centred_ranks(_read(file, place * n, n, np.float32)[None])[0]
            _write(file, place * n, (2 * ranks).astype(np.int32))  # twice a rank is whole
        return correlation_of(_products(file, len(queries), n))


def _write_scores(file: BinaryIO, queries: np.ndarray, pool: Pool, kept: np.ndarray, n: int) -> None:
    written = 0
    for shard in pool:
        here = np.flatnonzero(kept[shard.first : shard.first + len(shard)])
        rows = shard.embeddings[here].astype(np.float32)
        query, row = np.divmod(np.arange(len(queries) * len(here)), max(1, len(here)))
        for place, scores in enumerate(exact_scores(queries, rows, query, row).reshape(len(queries), -1)):
            _write(file, place * n + written, scores)
        written += len(here)


def _products(file: BinaryIO, n_lists: int, n: int) -> np.ndarray:
    """Inner products of the centred ranks of all lists, each the float64 that is nearest to the exact sum."""
    total = np.zeros((n_lists, n_lists), object)
    step = int(min(_RANKS_AT_ONCE, max(1, 2**62 // max(1, n) ** 2)))  # so many products fit 64 bits
    for low in range(0, n, step):
        part = np.stack([_read(file, place * n + low, min(step, n - low), np.int32) for place in range(n_lists)])
        part = part.astype(np.int64)  # (n_lists, n_part) twice the ranks
        total += (part @ part.T).astype(object)
    return np.array([[one / 4 for one in row] for row in total.tolist()])


def _read(file: BinaryIO, place: int, n: int, dtype: type) -> np.ndarray:
    file.seek(4 * place)
    return np.frombuffer(file.read(4 * n), dtype)


def _write(file: BinaryIO, place: int, numbers: np.ndarray) -> None:
    file.seek(4 * place)
    file.write(numbers.tobytes())
