"""What some rows of scores tell: where the relevant candidates stand, the top of each list, how alike whole lists are.

Columns, and the rule for ties, are those of ``kit.evaluate.scores``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from kit.evaluate.scores import Columns

_DEVICE_ELEMENTS = 2**26  # of a (pairs, candidates) block of comparisons on an accelerator: 256 MB of scores


def read_block(scores: np.ndarray, pairs: np.ndarray, columns: Columns, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Read all that is needed of each list from its scores.

    One sort of the scores of a list tells how many are above each of them, and which one the top k reach; sorting numbers
    alone costs less than comparing ten of them with all.

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
    (n_rows, n), (row, column) = scores.shape, pairs.T
    own = scores[row, column]  # (n_pairs,)
    n_not_above, n_below = np.empty((2, len(pairs)), np.int64)
    ascending, reached, best = np.empty(n, np.float32), np.empty(n, bool), []  # fresh memory a row would cost as much
    for index, (low, high) in enumerate(pairwise(np.searchsorted(row, np.arange(n_rows + 1)).tolist())):
        ascending[:] = scores[index]
        ascending.sort()
        if np.isnan(ascending[-1]):  # NaN is sorted last
            raise ValueError("a score is NaN: look at what changes the scores (rescore)")
        n_not_above[low:high] = ascending.searchsorted(own[low:high], "right")
        n_below[low:high] = ascending.searchsorted(own[low:high])
        if k:
            best.append(np.greater_equal(scores[index], ascending[n - k], out=reached).nonzero()[0])
    n_before = np.stack([_above_in_language(scores, row, column, own, columns), n - n_not_above], axis=1)  # (n_pairs, 2)
    for pair in np.flatnonzero(n_not_above - n_below > 1).tolist():  # others have the same score
        before = columns.tie_position < columns.tie_position[column[pair]]
        before &= scores[row[pair]] == own[pair]
        in_language = before[columns.slices[columns.language[column[pair]]]]
        n_before[pair] += np.count_nonzero(in_language), np.count_nonzero(before)
    return n_before, _first(scores, best, columns, k)


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
            others = scores[row[some], of_it]  # (n_some, n_candidates of the language)
            n_above[some] = (others > own[some, None]).view(np.uint8).sum(axis=1, dtype=np.int32)
    return n_above


def _first(scores: np.ndarray, best: list[np.ndarray], columns: Columns, k: int) -> np.ndarray:
    """The first k of the columns that each row has in ``best``, in order, shape (n_rows, k); there may be more that tie."""
    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    sizes = [len(one) for one in best]
    row, column = np.repeat(np.arange(len(scores)), sizes), np.concatenate(best)
    order = np.lexsort((columns.tie_position[column], -scores[row, column], row))
    first = np.cumsum(sizes) - np.array(sizes)
    return column[order[first[:, None] + np.arange(k)]]


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
