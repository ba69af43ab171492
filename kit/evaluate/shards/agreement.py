"""List agreement over shards: whole lists compared, which memory does not hold at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import numpy as np

from kit.evaluate.bias.list_agreement import correlation_of
from kit.evaluate.shards.pool import Pool
from kit.evaluate.shards.scoring import exact_scores

_RANKS_AT_ONCE = 2**15  # of each list
_AT_ONCE = 2**18  # scores of a list in memory, about
_BITS = 14  # of a key, the last ones, that do not decide which part of a list a score belongs to
_RECORD = np.dtype([("key", np.uint32), ("place", np.uint32)])


def spearman_over(queries: np.ndarray, pool: Pool, left_out: np.ndarray) -> np.ndarray:
    """Spearman correlation of the whole lists of some queries, (n_lists, n_lists), float64; as ``spearman``.

    Scores are exact, and so are the sums over their ranks, in whole numbers: no order of the passages changes a bit. Lists
    lie in a temporary file of 4 bytes a passage and list, and 16 bytes a passage more while one is ranked. Memory does not
    grow with the passages, but for scores of which hundreds of thousands are equal, or nearly.

    Args:
        queries: shape (n_lists, dim), float32.
        left_out: numbers of passages that stand in none of the lists, any shape, int64; negative ones mean nothing.
    """
    absent = np.unique(left_out[left_out >= 0])
    n = pool.n_passages - len(absent)
    with tempfile.TemporaryFile() as file:
        _write_scores(file, queries, pool, absent, n)
        for place in range(len(queries)):
            _rank(file, place * n, n)
        return correlation_of(_products(file, len(queries), n))


def _write_scores(file: BinaryIO, queries: np.ndarray, pool: Pool, absent: np.ndarray, n: int) -> None:
    written = 0
    for shard in pool:
        gone = absent[slice(*np.searchsorted(absent, [shard.first, shard.first + len(shard)]))] - shard.first
        here = np.delete(np.arange(len(shard)), gone)
        rows = shard.embeddings[here].astype(np.float32)
        query, row = np.divmod(np.arange(len(queries) * len(here)), max(1, len(here)))
        for place, scores in enumerate(exact_scores(queries, rows, query, row).reshape(len(queries), -1)):
            _write(file, place * n + written, scores)
        written += len(here)


def _rank(file: BinaryIO, start: int, n: int) -> None:
    """Put twice their ascending mid-rank, less the mean, in the place of the n scores of a list.

    The list is dealt out into parts that follow each other, by the first bits of the scores, which are counted before; these
    are ranked one by one, and dealt out again, by the places that the scores came from.
    """
    counts = np.zeros(2 ** (32 - _BITS), np.int64)
    for records in _records(file, start, n):
        np.add.at(counts, records["key"] >> _BITS, 1)
    part = (np.cumsum(counts) - counts) // _AT_ONCE  # of each value of the first bits; numbers without scores stay empty
    sizes = np.bincount(part, counts, minlength=1).astype(np.int64)
    before = np.cumsum(sizes) - sizes
    by_score = _dealt(_records(file, start, n), lambda records: part[records["key"] >> _BITS], sizes)
    ranked = (_ranked(records, int(first)) for records, first in zip(by_score, before))
    blocks = np.full(-(-n // _AT_ONCE), _AT_ONCE)
    blocks[-1:] = n - _AT_ONCE * (len(blocks) - 1)
    for number, records in enumerate(_dealt(ranked, lambda records: records["place"] // _AT_ONCE, blocks)):
        twice = np.empty(len(records), np.int64)
        twice[records["place"] % _AT_ONCE] = records["key"]
        _write(file, start + number * _AT_ONCE, (twice - (n - 1)).astype(np.int32))


def _records(file: BinaryIO, start: int, n: int) -> Iterator[np.ndarray]:
    """The scores of a list as whole numbers of the same order, with their places."""
    for low in range(0, n, _AT_ONCE):
        scores = _read(file, start + low, min(_AT_ONCE, n - low), np.float32)
        bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 + 0.0 is 0.0, so that the two are equal
        records = np.empty(len(scores), _RECORD)
        # Of positive numbers the larger bits are the larger number, of negative ones the smaller.
        records["key"] = bits ^ ((bits.view(np.int32) >> 31).view(np.uint32) | np.uint32(2**31))
        records["place"] = np.arange(low, low + len(scores))
        yield records


def _ranked(records: np.ndarray, n_before: int) -> np.ndarray:
    """Records with twice their mid-rank (from 0) as key; ``n_before`` scores are lower than all of them."""
    records = records[np.argsort(records["key"], kind="stable")]
    is_first = np.diff(records["key"].astype(np.int64), prepend=-1) > 0
    run = np.cumsum(is_first) - 1  # (n,) number of the score among those that differ
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(records)) - 1
    records["key"] = (first + last)[run] + 2 * n_before
    return records


def _dealt(
    pieces: Iterable[np.ndarray], part_of: Callable[[np.ndarray], np.ndarray], sizes: np.ndarray
) -> Iterator[np.ndarray]:
    """Deal records out into parts, through a temporary file; one part after the other, whole.

    Args:
        part_of: number of the part of each record.
        sizes: of the parts, in records.
    """
    end = np.cumsum(sizes) - sizes
    with tempfile.TemporaryFile() as file:
        for records in pieces:
            part = part_of(records)
            order = np.argsort(part, kind="stable")
            numbers, first = np.unique(part[order], return_index=True)
            for number, some in zip(numbers.tolist(), np.split(records[order], first[1:])):
                file.seek(_RECORD.itemsize * int(end[number]))
                file.write(some.tobytes())
                end[number] += len(some)
        file.seek(0)
        for size in sizes.tolist():
            yield np.frombuffer(file.read(_RECORD.itemsize * size), _RECORD)


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
