"""One pool of the passages of several languages, each of which stands in shards of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.evaluate.shards.store import Shard, Shards


@dataclass(frozen=True, eq=False)
class Part:
    """Passages of one language. language: their tag.  shards: all there.  n_passages: how many they hold."""

    language: str
    shards: Shards
    n_passages: int


class Pool:
    """The passages of all parts, numbered through in the order of the parts; several may be of one language.

    Args:
        parts: at least one.

    Raises:
        ValueError: no part.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        if not parts:
            raise ValueError("a pool has no passages: give the shards of at least one language")
        self.parts = tuple(parts)
        self._ends = np.cumsum([part.n_passages for part in parts])

    def __len__(self) -> int:
        return sum(len(part.shards) for part in self.parts)

    def __iter__(self) -> Iterator[Shard]:
        """The shards in order, one in memory at a time if no other is kept."""
        for part, end in zip(self.parts, self._ends.tolist()):
            for shard in part.shards:
                yield replace(shard, first=shard.first + end - part.n_passages)

    @property
    def n_passages(self) -> int:
        """How many passages there are."""
        return int(self._ends[-1])

    @property
    def languages(self) -> tuple[str, ...]:
        """Tags of the parts, each once, in their order."""
        return tuple(dict.fromkeys(part.language for part in self.parts))

    def part_of(self, rows: np.ndarray) -> np.ndarray:
        """The part of passages by their number, as an index; shape of the rows, int64."""
        return np.searchsorted(self._ends, rows, side="right")

    def ids(self, rows: np.ndarray) -> list[str]:
        """Ids of passages by their number, (n,), int64, any order."""
        found, part_of = np.empty(len(rows), object), self.part_of(rows)
        for number in np.unique(part_of).tolist():
            part, here = self.parts[number], np.flatnonzero(part_of == number)
            found[here] = part.shards.ids(rows[here] - (self._ends[number] - part.n_passages))
        return found.tolist()

    def find(self, passage_ids: Sequence[str], languages: Sequence[str]) -> np.ndarray:
        """Numbers of passages, by id and language, shape (n,), int64.

        Args:
            passage_ids: each once within its language.
            languages: tag of each.

        Raises:
            ValueError: a passage is not there, or twice.
        """
        rows, tags = np.full(len(passage_ids), -1), np.array(languages)
        ids = pa.array(passage_ids, pa.string())
        wanted = {tag: np.flatnonzero(tags == tag) for tag in self.languages}
        sought = {tag: ids.take(pa.array(places)) for tag, places in wanted.items()}
        for shard in self:
            tag = self.parts[int(self.part_of(np.array(shard.first)))].language
            found = pc.fill_null(pc.index_in(shard.passage_ids, value_set=sought[tag]), -1).to_numpy()
            row = np.flatnonzero(found >= 0)
            place = wanted[tag][found[row]]
            twice = place[rows[place] >= 0]
            if len(twice):
                raise ValueError(f"passage {passage_ids[twice[0]]!r} ({tag}) is in {self._where(tag)} twice: keep one")
            rows[place] = shard.first + row
        if (rows < 0).any():
            lost = int(np.argmin(rows))
            tag = languages[lost]
            raise ValueError(
                f"{int((rows < 0).sum()):,} of {len(rows):,} passages of the task are not in {self._where(tag)}, such as "
                f"{passage_ids[lost]!r} ({tag}): encode the task's own passages, too"
            )
        return rows

    def counts(self, languages: Sequence[str], own: np.ndarray) -> np.ndarray:
        """Passages of each language that are ranked for each query, shape (n_queries, n_languages), int64.

        Args:
            languages: tags of the pool and perhaps others.
            own: the passage that is left out of each query, -1 for none, (n_queries,), int64.
        """
        code = np.array([languages.index(part.language) for part in self.parts])
        n_passages = np.bincount(code, [part.n_passages for part in self.parts], len(languages)).astype(np.int64)
        counts = np.tile(n_passages, (len(own), 1))
        query = np.flatnonzero(own >= 0)
        np.subtract.at(counts, (query, code[self.part_of(own[query])]), 1)
        return counts

    def _where(self, language: str) -> str:
        return ", ".join(str(part.shards.folder) for part in self.parts if part.language == language) or "any folder"
