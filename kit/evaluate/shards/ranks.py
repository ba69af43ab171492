"""Exact ranks of relevant passages among those of any number of shards, in two passes, each a sum over shards.

The first finds the score of each relevant passage, in its shard. The second counts, shard by shard, how many passages stand
above it: a shard holds one language, so that the count of a language is that of its shards, and the count of the pool is the
sum over all. Memory is that of the pairs and one shard; ranks down to the last place are as exact as those at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kit.evaluate.shards.pool import Pool
from kit.evaluate.shards.scoring import CROWD, Block, Margins, above, below, exact_scores, refuse_other_width

_DEVICE_SCORES = 2**25  # of the relevant passages that are compared at a time on an accelerator: 128 MB


class Standing:
    """How many passages stand before each relevant one; disjoint slices of queries may be looked at in threads.

    Args:
        queries: shape (n_queries, dim), float32.
        pool: of the passages.
        query, row: query and number of the passage of each relevant pair, ascending by query, shape (n_pairs,), int64.

    Raises:
        ValueError: queries and passages of several widths.

    Attributes:
        n_before: passages before each, of its language and of all, shape (n_pairs, 2), int64.
    """

    def __init__(self, queries: np.ndarray, pool: Pool, query: np.ndarray, row: np.ndarray) -> None:
        self.queries, self.pool, self.query, self.row = queries, pool, query, row
        self.n_before = np.zeros((len(query), 2), np.int64)
        self._margin = Margins(queries)
        self._language = self._languages(row)
        self._score, self._tie = np.empty(len(row), np.float32), np.empty(len(row), np.uint64)
        order = np.argsort(row, kind="stable")  # first pass: the pairs of each shard
        for shard in pool:
            refuse_other_width(queries, shard)
            low, high = np.searchsorted(row[order], [shard.first, shard.first + len(shard)])
            here = order[low:high]
            if len(here):
                places, of = np.unique(row[here] - shard.first, return_inverse=True)
                rows = shard.embeddings[places].astype(np.float32)
                self._score[here] = exact_scores(queries, rows, query[here], of)
                self._tie[here] = shard.tie[places][of]

    def read(self, some: slice, block: Block, scores: Any) -> None:
        """Count those of a block that stand before what is relevant to some queries; a reader of ``scan``."""
        low, high = np.searchsorted(self.query, [some.start, some.stop]).tolist()
        if low == high:
            return
        query, own = self.query[low:high], self._score[low:high].astype(np.float64)
        margin = self._margin(query, block)
        n_above = np.empty(high - low, np.int64)
        near = _near if isinstance(scores, np.ndarray) else _near_on_device
        n_near = np.zeros(high - low, np.int64)
        for pair, row in near(scores, query - some.start, below(own - margin), above(own + margin), n_above):
            n_near += np.bincount(pair[self._before(pair + low, row, block)], minlength=high - low)
        self.n_before[low:high, 1] += n_above + n_near
        same = self._language[low:high] == self._languages(np.array([block.first]))
        self.n_before[low:high, 0] += np.where(same, n_above + n_near, 0)

    def _before(self, pair: np.ndarray, row: np.ndarray, block: Block) -> np.ndarray:
        """Whether passages of a block stand before what is relevant, by their exact scores and the rule for ties."""
        score, own = block.exact(self.queries, self.query[pair], row), self._score[pair]
        tie, own_tie = block.tie[row], self._tie[pair]
        first = (tie < own_tie) | ((tie == own_tie) & (row + block.first < self.row[pair]))
        return (score > own) | ((score == own) & first)

    def _languages(self, row: np.ndarray) -> np.ndarray:
        tags = [part.language for part in self.pool.parts]
        return np.array([tags.index(tag) for tag in tags])[self.pool.part_of(row)]


def _near(
    scores: np.ndarray, place: np.ndarray, low: np.ndarray, high: np.ndarray, n_above: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs, and rows of a block, whose scores in float32 do not tell which is first.

    Args:
        scores: shape (n_queries, n_rows), float32.
        place: row of the scores of each pair, shape (n_pairs,), int64.
        low, high: of each pair: what is below the one or above the other is told apart, (n_pairs,), float32.
        n_above: takes how many of the scores are above ``high``, shape (n_pairs,).
    """
    reached, is_above = np.empty((2, scores.shape[1]), bool)  # fresh memory for each pair would cost as much
    pairs, rows, n_found = [], [], 0
    for pair, (at, least, most) in enumerate(zip(place.tolist(), low, high)):
        np.greater(scores[at], most, out=is_above)
        np.greater_equal(scores[at], least, out=reached)
        n_above[pair] = np.count_nonzero(is_above)
        n_near = np.count_nonzero(reached) - n_above[pair]
        if n_near:
            rows.append(np.flatnonzero(np.not_equal(reached, is_above, out=reached)))
            pairs.append(np.full(n_near, pair))
            n_found += n_near
        if n_found > CROWD:
            yield np.concatenate(pairs), np.concatenate(rows)
            pairs, rows, n_found = [], [], 0
    if n_found:
        yield np.concatenate(pairs), np.concatenate(rows)


def _near_on_device(
    scores: Any, place: np.ndarray, low: np.ndarray, high: np.ndarray, n_above: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same for a torch tensor of scores; the results are on the CPU."""
    import torch

    at, least, most = (torch.from_numpy(one).to(scores.device) for one in (place, low, high))
    step = max(1, _DEVICE_SCORES // scores.shape[1])
    for first in range(0, len(place), step):
        some = slice(first, first + step)
        others = scores[at[some]]  # (n_some, n_rows)
        is_above = others > most[some, None]
        n_above[some] = is_above.sum(dim=1).cpu().numpy()
        pair, row = ((others >= least[some, None]) & ~is_above).nonzero().cpu().numpy().T
        if len(pair):
            yield pair + first, row
