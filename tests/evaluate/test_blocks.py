"""What is read from a block of scores: against plain counting, for few and many relevant candidates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kit.evaluate.blocks import read_block, read_block_on_device
from kit.evaluate.scores import Columns
from kit.evaluate.search import _chunk_size

N_LANGUAGES = 3


def columns_of(random: np.random.Generator, n: int) -> Columns:
    """Languages side by side, of which one may be empty, and any order of ties."""
    language = np.sort(random.integers(N_LANGUAGES, size=n)).astype(np.int32)
    ends = np.searchsorted(language, np.arange(N_LANGUAGES + 1)).tolist()
    slices = tuple(slice(low, high) for low, high in pairwise(ends))
    return Columns(np.arange(n), random.permutation(n), language, slices, np.empty((0, 1), np.float32), None)


def counted(scores: np.ndarray, pairs: np.ndarray, columns: Columns, k: int) -> tuple[list, list]:
    """The same by sorting each list as a list of Python."""
    lists = [sorted(range(scores.shape[1]), key=lambda c: (-row[c], columns.tie_position[c])) for row in scores]
    before = []
    for row, column in pairs.tolist():
        above = lists[row][: lists[row].index(column)]
        before.append([sum(columns.language[other] == columns.language[column] for other in above), len(above)])
    return before, [ranked[:k] for ranked in lists]


@pytest.mark.parametrize("n", [1, 7, 30, 1023, 1024, 1025, 2047, 4100])
@pytest.mark.parametrize("levels", [3, 2**22], ids=["many ties", "hardly any"])
def test_blocks_are_read_as_plain_lists_are(n, levels):
    random = np.random.default_rng(n)
    scores = random.integers(-levels, levels, size=(6, n)).astype(np.float32)
    scores[scores == 0] *= random.choice([1, -1], size=(scores == 0).sum())  # 0.0 and -0.0 are equal
    sizes = [min(n, size) for size in (0, 1, 16, 17, 40, 11)]  # up to 16 are compared with all, more are looked up
    pairs = [[row, column] for row, size in enumerate(sizes) for column in random.permutation(n)[:size].tolist()]
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    columns = columns_of(random, n)
    for k in {0, 1, min(n, 20), n}:
        n_before, top = read_block(scores, pairs, columns, k)
        assert (n_before.tolist(), top.tolist()) == counted(scores, pairs, columns, k)
        assert (n_before.dtype, top.dtype) == (np.int64, np.int64)


@pytest.mark.parametrize("n_elements", [2**26, 40], ids=["one block", "a block a pair"])
def test_an_accelerator_reads_the_same(n_elements, monkeypatch):
    import torch

    monkeypatch.setattr("kit.evaluate.blocks._DEVICE_ELEMENTS", n_elements)
    random = np.random.default_rng(0)
    scores = random.integers(-3, 3, size=(4, 30)).astype(np.float32)
    pairs, columns = np.array([[0, 3], [0, 29], [2, 0], [2, 7], [3, 3]]), columns_of(random, 30)
    for k in (0, 1, 30):
        n_before, top = read_block_on_device(torch.from_numpy(scores), pairs, columns, k)
        assert (n_before.tolist(), top.tolist()) == counted(scores, pairs, columns, k)
        assert (n_before.dtype, top.dtype, top.shape) == (np.int64, np.int64, (4, k))


@pytest.mark.parametrize("n", [1024, 1025, 1026, 2050])
def test_the_best_may_stand_anywhere(n):
    """Halves are laid upon each other, and of an odd number the last one beside them: no score may count in two parts."""
    places = [0, 1, n // 2 - 1, n // 2, n // 2 + 1, n - 2, n - 1]
    scores = np.random.default_rng(0).random((len(places), n), np.float32)
    scores[np.arange(len(places)), places] = 2
    _, top = read_block(scores, np.empty((0, 2), np.int64), columns_of(np.random.default_rng(0), n), 2)
    assert top.tolist() == np.argsort(-scores, axis=1)[:, :2].tolist()


def test_no_count_overflows():
    """Comparisons are added up eight at a time in the bytes of words: 20,000 of them hold."""
    n = 20_000
    scores = np.arange(n, dtype=np.float32)[None]
    columns = columns_of(np.random.default_rng(0), n)
    (before, last), _ = read_block(scores, np.array([[0, 0], [0, n - 1]]), columns, 1)
    assert (before.tolist(), last.tolist()) == ([columns.slices[0].stop - 1, n - 1], [0, 0])


@pytest.mark.parametrize(("n", "column"), [(3000, 0), (3000, 700), (3000, 2999), (3001, 3000)])
@pytest.mark.parametrize("k", [0, 20])
def test_a_score_that_is_no_number_is_refused(n, column, k):
    scores = np.zeros((2, n), np.float32)
    scores[1, column] = np.nan
    with pytest.raises(ValueError, match="a score is NaN"):
        read_block(scores, np.array([[0, 5]]), columns_of(np.random.default_rng(0), n), k)


@pytest.mark.parametrize(
    ("n_threads", "n_queries", "n_candidates", "chunk"),
    [
        (2, 13_090, 13_014, 935),  # 14 chunks for two threads
        (1, 13_090, 13_014, 1007),  # 13 for one
        (2, 100, 13_014, 256),  # one chunk: to lay out the candidates twice would cost more
        (64, 13_090, 1_000_000, 8),  # memory is the limit
        (1, 671_001, 50_000, 671),  # of whole queries, 671 fit: one more would be above it
    ],
)
def test_threads_have_as_many_chunks(n_threads, n_queries, n_candidates, chunk):
    assert _chunk_size(n_threads, n_queries, n_candidates) == chunk
