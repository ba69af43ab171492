"""Embeddings of a corpus on disk, in shards: what a search needs of each passage, without its text.

A corpus is a folder. A shard is one Arrow file of so many passages that follow each other; its name holds its number and its
checksum, and it is written aside and renamed, so that it is whole or not there. The last file to be written says how many
there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core import records
from kit.core.files import whole_file
from kit.core.printing import say
from kit.core.seeding import stable_hash
from kit.data.judged.collection import Passage, text_digest

ABOUT = "about.json"
"""File that says what the embeddings depend on."""

_WHOLE = "whole.json"  # written last
_HASHES = 2**19  # of ids that are held against each other at a time, about: 4 MB, however many passages there are


@dataclass(frozen=True)
class Counts:
    """What a whole corpus holds. n_passages: those with a text; n_empty: those left out, which have none."""

    n_passages: int
    n_empty: int
    n_shards: int


@dataclass(frozen=True, eq=False)
class Shard:
    """Passages that follow each other in a corpus.

    first: number of the first one in the corpus.
    passage_ids: (n,) texts.  tie: seeded hash of each id, (n,), uint64: of equal scores the lowest is first.
    body: ``text_digest`` of each passage without its title, (n,), uint64.
    embeddings: shape (n, dim), float16 or float32.
    """

    first: int
    passage_ids: pa.Array
    tie: np.ndarray
    body: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.tie)


class Shards:
    """The shards of one corpus.

    Args:
        folder: of the corpus, there or not.
        log: takes a line for a shard that is damaged and taken away.
    """

    def __init__(self, folder: Path, log: Callable[[str], None] = say) -> None:
        self.folder, self.log = folder, log
        self._parts: dict[int, Path] = {}

    def begin(self, about: Mapping[str, object]) -> None:
        """Say what the embeddings depend on, if that is not said there; for one process at a time.

        Raises:
            ValueError: the folder holds embeddings that depend on something else.
        """
        place, told = self.folder / ABOUT, dict(about)
        if not place.is_file():
            with whole_file(place) as partial:
                partial.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        elif decisive(json.loads(place.read_bytes())) != decisive(told):
            raise ValueError(f"{self.folder} holds embeddings of another corpus or model ({place}): give another folder")

    def open(self) -> Counts | None:
        """Look at what is there; returns the counts if all shards are, each as it was written, else ``None``."""
        self._parts = {}
        for path in sorted(self.folder.glob("[0-9]*-*.arrow")):
            number, _, checksum = path.stem.partition("-")
            with pa.memory_map(str(path)) as file:
                if _checksum(file.read_buffer()) == checksum:
                    self._parts[int(number)] = path
                    continue
            path.unlink(missing_ok=True)
            self.log(f"{path}: damaged, its checksum is not its name: taken away, its passages are encoded again")
        if not (self.folder / _WHOLE).is_file():
            return None
        counts = records.read(self.folder / _WHOLE, Counts, "delete it and encode again")
        return counts if set(self._parts) == set(range(counts.n_shards)) else None

    def __contains__(self, number: int) -> bool:
        """Whether a shard is there, this process's or that of another, which wrote it since."""
        if number not in self._parts:
            self._parts.update((number, path) for path in self.folder.glob(f"{number:06}-*.arrow"))
        return number in self._parts

    @property
    def files(self) -> list[Path]:
        """The files of the shards, in order."""
        return [self._parts[number] for number in sorted(self._parts)]

    def place(self, number: int) -> Path:
        """What is locked by who encodes a shard."""
        return self.folder / f"{number:06}"

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Shard]:
        """The shards in order, one in memory at a time if no other is kept."""
        first = 0
        for number in sorted(self._parts):
            shard = self._read(number, first)
            first += len(shard)
            yield shard

    def add(self, number: int, passages: Sequence[Passage], embeddings: np.ndarray) -> None:
        """Write a shard; for one process at a time.

        Raises:
            ValueError: an embedding is not finite.
        """
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            passage = passages[int(np.argmin(finite))]
            raise ValueError(f"passage {passage.passage_id!r}: its embedding is not finite: look at the model or its text")
        flat = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
        table = pa.table(
            {
                "passage_id": pa.array([passage.passage_id for passage in passages], pa.string()),
                "tie": np.array([stable_hash(passage.passage_id) for passage in passages], np.uint64),
                "body": np.array([text_digest(passage.body) for passage in passages], np.uint64),
                "embedding": pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1]),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        for left in self.folder.glob(f".{number:06}-*.partial"):  # by a process that was killed while it wrote
            left.unlink()
        path = self.folder / f"{number:06}-{_checksum(content)}.arrow"
        with whole_file(path) as partial, pa.OSFile(str(partial), "wb") as file:
            file.write(content)
        self._parts[number] = path

    def finish(self, n_empty: int) -> Counts:
        """Say that all shards are there; for one process at a time.

        Raises:
            ValueError: there is none; two passages have one id.
        """
        n_passages = sum(map(len, self))
        if not n_passages:
            raise ValueError(f"{self.folder}: the corpus has no passage with a text: give the whole corpus")
        n_parts = -(-n_passages // _HASHES)
        for part in range(n_parts):
            tie = np.sort(np.concatenate([shard.tie[shard.tie % n_parts == part] for shard in self]))
            self._refuse_doubled(np.unique(tie[1:][tie[1:] == tie[:-1]]))
        counts = Counts(n_passages, n_empty, len(self))
        with whole_file(self.folder / _WHOLE) as partial:
            partial.write_text(json.dumps(counts.__dict__) + "\n", encoding="utf-8")
        return counts

    def ids(self, rows: np.ndarray) -> list[str]:
        """Ids of passages by their number in the corpus, (n,), int64, any order."""
        found = np.empty(len(rows), object)
        for shard in self:
            here = np.flatnonzero((rows >= shard.first) & (rows < shard.first + len(shard)))
            if len(here):
                found[here] = shard.passage_ids.take(pa.array(rows[here] - shard.first)).to_pylist()
        return found.tolist()

    def themselves(self, texts: Mapping[str, str]) -> np.ndarray:
        """The passage that is the query itself: of its id and, but for a title, its text; as of ``kit.data.pools``.

        Args:
            texts: of the queries by id.

        Returns:
            Number of the passage in the corpus, -1 for none, shape (n_queries,), int64.
        """
        own, query_ids = np.full(len(texts), -1), pa.array(list(texts), pa.string())
        digests = np.array([text_digest(text) for text in texts.values()], np.uint64)
        for shard in self:
            query = pc.fill_null(pc.index_in(shard.passage_ids, value_set=query_ids), -1).to_numpy()
            row = np.flatnonzero(query >= 0)
            row = row[shard.body[row] == digests[query[row]]]
            own[query[row]] = shard.first + row
        return own

    def _read(self, number: int, first: int) -> Shard:
        with pa.memory_map(str(self._parts[number])) as file:
            table = pa.ipc.open_file(file.read_buffer()).read_all()
        ids, tie, body, rows = (table.column(name).combine_chunks() for name in table.column_names)
        return Shard(first, ids, tie.to_numpy(), body.to_numpy(), rows.flatten().to_numpy().reshape(len(rows), -1))

    def _refuse_doubled(self, ties: np.ndarray) -> None:
        """Raise if two passages with one of these hashes have one id, too."""
        seen: set[str] = set()
        for shard in self if len(ties) else ():
            for passage_id in shard.passage_ids.take(pa.array(np.flatnonzero(np.isin(shard.tie, ties)))).to_pylist():
                if passage_id in seen:
                    raise ValueError(f"{self.folder}: two passages have the id {passage_id!r}: give every passage its own")
                seen.add(passage_id)


def decisive(about: Mapping[str, object]) -> dict[str, object]:
    """What embeddings depend on: all that is said of them but what lists call the model."""
    return {name: fact for name, fact in about.items() if name != "model"}


def _checksum(content: pa.Buffer) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
