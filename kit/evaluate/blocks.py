"""What some rows of scores tell: where the relevant candidates stand, the top of each list, how alike whole lists are.

Columns, and the rule for ties, are those of ``kit.evaluate.scores``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from kit.evaluate.scores import Columns

_DEVICE_ELEMENTS = 2**26  # of a (pairs, candidates) block of comparisons on an accelerator: 256 MB of scores
_FEW = 16  # relevant candidates of a list up to which comparing each of them with all scores costs less than a sort
_N_MAXIMA = 1024  # of a list: so many are halved once more


def read_block(scores: np.ndarray, pairs: np.ndarray, columns: Columns, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Read all that is needed of each list from its scores.

    Args:
        scores: shape (n_rows, n_candidates), float32.
        pairs: row and column of each relevant candidate, ascending by row, shape (n_pairs, 2), int64.
        k: length of the top lists, from 0 to n_candidates.

    Returns:
        Number of candidates before each relevant one, of its language and of all, shape (n_pairs, 2), int64; columns of the
        k best of each row, best first, shape (n_rows, k), int64.

    Raises:
        ValueError: a score is no number.
    """
    top = _first(scores, columns, k)  # refuses NaN, of which nothing is above or below
    row, column = pairs.T
    own = scores[row, column]  # (n_pairs,)
    n_above, n_same = _above(scores, row, own)
    n_before = np.stack([_above_in_language(scores, row, column, own, columns), n_above], axis=1)  # (n_pairs, 2)
    for pair in np.flatnonzero(n_same > 1).tolist():
        same = np.flatnonzero(scores[row[pair]] == own[pair])
        same = same[columns.tie_position[same] < columns.tie_position[column[pair]]]
        n_before[pair] += np.count_nonzero(columns.language[same] == columns.language[column[pair]]), len(same)
    return n_before, top


def _above(scores: np.ndarray, row: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of candidates with a higher score than each relevant one, and with the same, itself too; both (n_pairs,)."""
    n_rows, n = scores.shape
    n_above, n_same = np.zeros((2, len(own)), np.int64)
    (above, words), (same, words_of_same), ascending = _room(_FEW, n), _room(_FEW, n), np.empty(n, np.float32)
    sums = np.zeros((2, len(own), words.shape[1]), np.uint64)
    for index, (low, high) in enumerate(pairwise(np.searchsorted(row, np.arange(n_rows + 1)).tolist())):
        m, some = high - low, own[low:high]
        if m > _FEW:
            ascending[:] = scores[index]
            ascending.sort()
            n_not_above = ascending.searchsorted(some, "right")
            n_above[low:high], n_same[low:high] = n - n_not_above, n_not_above - ascending.searchsorted(some)
        elif m:
            np.greater(scores[index], some[:, None], out=above[:m])
            np.equal(scores[index], some[:, None], out=same[:m])
            np.add.reduce(words[:m], axis=2, out=sums[0, low:high])
            np.add.reduce(words_of_same[:m], axis=2, out=sums[1, low:high])
    return n_above + _totals(sums[0]), n_same + _totals(sums[1])


def _room(n_rows: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for the results of n comparisons a row, and the same as words, which add up eight results at a time.

    Returns:
        Shape (n_rows, n), bool; and (n_rows, n_parts, n_words), uint64: no byte of the sum of a part's words overflows.
    """
    n_parts = -(-n // (8 * 255))
    room = np.zeros((n_rows, n_parts, -(-n // (8 * n_parts)) * 8), bool)
    return room.reshape(n_rows, -1)[:, :n], room.view(np.uint64)


def _totals(sums: np.ndarray) -> np.ndarray:
    """Number of comparisons that hold in each row, (n_rows,), of the sums of its parts, (n_rows, n_parts), uint64."""
    return sums.view(np.uint8).sum(axis=1, dtype=np.int64)


def _above_in_language(
    scores: np.ndarray, row: np.ndarray, column: np.ndarray, own: np.ndarray, columns: Columns
) -> np.ndarray:
    """Number of candidates of the language of each relevant one with a higher score than its own, shape (n_pairs,)."""
    n_above, language = np.empty(len(row), np.int64), columns.language[column]
    by_language = np.argsort(language, kind="stable")
    ends = np.searchsorted(language[by_language], np.arange(len(columns.slices) + 1)).tolist()
    for of_it, (low, high) in zip(columns.slices, pairwise(ends)):
        if low < high:
            some = by_language[low:high]  # (n_some,)
            above, words = _room(high - low, of_it.stop - of_it.start)
            np.greater(scores[row[some], of_it], own[some, None], out=above)
            n_above[some] = _totals(np.add.reduce(words, axis=2))
    return n_above


def _first(scores: np.ndarray, columns: Columns, k: int) -> np.ndarray:
    """Columns of the k best of each row, best first, shape (n_rows, k).

    A row has k scores, or more, that are as high as the k-th of the maxima of parts of it: these few are sorted.
    """
    maxima = _maxima(scores, k)  # (n_rows, n_maxima)
    if np.isnan(maxima).any():
        raise ValueError("a score is NaN: look at what changes the scores (rescore)")
    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    floor = np.partition(maxima, maxima.shape[1] - k, axis=1)[:, -k, None]  # (n_rows, 1)
    reached = np.flatnonzero(scores >= floor)
    row, column = np.divmod(reached, scores.shape[1])
    order = np.lexsort((columns.tie_position[column], -scores[row, column], row))
    first = np.searchsorted(row, np.arange(len(scores)))
    return column[order[first[:, None] + np.arange(k)]]


def _maxima(scores: np.ndarray, k: int) -> np.ndarray:
    """Maxima of parts of each row, at least k of them, NaN for a part with a NaN, shape (n_rows, n_maxima).

    Halves are laid upon each other until few numbers are left: parts that are far apart in memory, read in its order.
    """
    maxima = scores
    while maxima.shape[1] >= max(_N_MAXIMA, 8 * k):  # fewer maxima than that, and more scores would reach the k-th
        half = maxima.shape[1] // 2
        halved = np.maximum(maxima[:, :half], maxima[:, half : 2 * half])
        if maxima.shape[1] % 2:
            np.maximum(halved[:, 0], maxima[:, -1], out=halved[:, 0])
        maxima = halved
    return maxima


def read_block_on_device(scores: Any, pairs: np.ndarray, columns: Columns, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same as ``read_block`` for a torch tensor of scores; the results are on the CPU."""
    return _count_before_on_device(scores, pairs, columns), _top_columns_on_device(scores, k, columns)


def _count_before_on_device(scores: Any, pairs: np.ndarray, columns: Columns) -> np.ndarray:
    import torch

    language, tie_position, places = (
        torch.from_numpy(array).to(scores.device) for array in (columns.language, columns.tie_position, pairs)
    )
    n_before = torch.empty(len(pairs), 2, dtype=torch.int64, device=scores.device)
    block = max(1, _DEVICE_ELEMENTS // scores.shape[1])
    for start in range(0, len(pairs), block):
        row, column = places[start : start + block].T  # (block,)
        others, own = scores[row], scores[row, column][:, None]  # (block, n_candidates), (block, 1)
        before = (others > own) | ((others == own) & (tie_position < tie_position[column, None]))
        n_before[start : start + block, 0] = (before & (language == language[column, None])).sum(dim=1)
        n_before[start : start + block, 1] = before.sum(dim=1)
    return n_before.cpu().numpy()


def _top_columns_on_device(scores: Any, k: int, columns: Columns) -> np.ndarray:
    import torch

    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    in_tie_order = torch.from_numpy(np.argsort(columns.tie_position)).to(scores.device)  # (n_candidates,)
    place = torch.argsort(scores[:, in_tie_order], dim=1, descending=True, stable=True)  # (n_rows, n_candidates)
    return in_tie_order[place[:, :k]].cpu().numpy()
