"""Triples by id: a file of ``query<TAB>positive<TAB>negative`` lines, converted once to places in collections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from kit.core.printing import say
from kit.core.seeding import mixed
from kit.data.triples.collection import Collection
from kit.data.triples.kept import kept, mapped

_COLUMNS = ("question", "positive", "negative")
_BLOCK = 1 << 24
"""Bytes of the file that are parsed at a time."""
_CHUNK = 1 << 22
"""Triples that are put in order at a time."""
_SAY_EVERY_S = 20.0


@dataclass(frozen=True, eq=False)
class Triples:
    """Lines of a triples file, those of one positive passage together, the passages in the order of a hash of their ids.

    So those of the first passages are a random sample of the passages with all their lines.

    folder: what the file was converted to.
    digest: of the lines.
    n_positives: of how many passages there are lines here; ``None``: all.

    All arrays are memory-mapped: ``question_of``, ``positive_of``, ``negative_of``, of each line the places of its query and
    passages, (n_triples,), int32; ``first_of``, number of the first line of each positive passage, and of all lines,
    (n_positives + 1,), int64; ``answers``, all pairs (query, positive passage) of the file, each once, sorted,
    (n_answers, 2), int32.
    """

    folder: Path
    digest: str
    n_positives: int | None = None

    def __len__(self) -> int:
        return int(self.first_of[-1])

    def __reduce__(self) -> tuple:
        """Another process maps the same files."""
        return Triples, (self.folder, self.digest, self.n_positives)

    @cached_property
    def first_of(self) -> np.ndarray:
        """Number of the first line of each positive passage, and of all lines."""
        found = mapped(self.folder / "first.npy")
        return found if self.n_positives is None else found[: self.n_positives + 1]

    @cached_property
    def question_of(self) -> np.ndarray:
        """Place of each line's query."""
        return mapped(self.folder / "question.npy")[: len(self)]

    @cached_property
    def positive_of(self) -> np.ndarray:
        """Place of each line's positive passage."""
        return mapped(self.folder / "positive.npy")[: len(self)]

    @cached_property
    def negative_of(self) -> np.ndarray:
        """Place of each line's negative passage."""
        return mapped(self.folder / "negative.npy")[: len(self)]

    @cached_property
    def answers(self) -> np.ndarray:
        """Pairs of places of queries and passages that answer them."""
        return mapped(self.folder / "answers.npy")


def answers_of(answers: np.ndarray, questions: np.ndarray) -> list[set[int]]:
    """The clusters that answer each of some questions.

    Args:
        answers: all pairs (question, cluster), each once, sorted, (n_answers, 2).
        questions: (n,).
    """
    first, last = (np.searchsorted(answers[:, 0], questions, side) for side in ("left", "right"))
    return [set(answers[low:high, 1].tolist()) for low, high in zip(first, last)]


def open_triples(path: Path, queries: Collection, passages: Collection) -> Triples:
    """The triples of a file with ``query<TAB>positive<TAB>negative`` ids a line; converted first where they never were.

    A conversion of 4e7 lines holds less than a gigabyte in memory.

    Raises:
        ValueError: no such file, an empty one, a line that is not three whole numbers, an id that is in no collection.
    """
    depends_on = queries.ids_digest + passages.ids_digest
    folder, facts = kept(path, path.stem, lambda folder: _convert(path, queries, passages, folder), depends_on)
    return Triples(folder, facts["digest"])


def _convert(path: Path, queries: Collection, passages: Collection, folder: Path) -> dict[str, Any]:
    say(f"{path.name}: converted once, to {folder.parent.name}/{path.stem} in the cache")
    digest, n_lines, said = sha256(), 0, time.monotonic()
    raw = [folder / f"{name}.raw" for name in _COLUMNS]
    files = [file.open("wb") for file in raw]
    try:
        for batch in _batches(path):
            for number, (file, collection) in enumerate(zip(files, (queries, passages, passages))):
                places = _places(batch.column(number), collection, path, n_lines)
                places.tofile(file)
                digest.update(places.data)
            n_lines += len(batch)
            if time.monotonic() - said > _SAY_EVERY_S:
                say(f"{path.name}: {n_lines:,} lines read")
                said = time.monotonic()
    finally:
        for file in files:
            file.close()
    columns = [np.asarray(np.memmap(file, np.int32, "r")) for file in raw]
    first_of, order = _order(columns[1], passages)
    np.save(folder / "first.npy", first_of)
    for name, column in zip(_COLUMNS, columns):
        ordered = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.int32, (n_lines,))
        for start in range(0, n_lines, _CHUNK):
            ordered[start : start + _CHUNK] = column[order[start : start + _CHUNK] & _LINE]
        ordered.flush()
    del order, columns
    for file in raw:
        file.unlink()
    np.save(folder / "answers.npy", _answers(folder))
    return {"digest": digest.hexdigest()}


_LINE = 2**32 - 1


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The columns of ids, some hundred thousand lines at a time."""
    if not path.stat().st_size:
        raise ValueError(f"{path}: no line: the file is empty: download it again")
    try:
        yield from pacsv.open_csv(
            path,
            pacsv.ReadOptions(column_names=_COLUMNS, block_size=_BLOCK),
            pacsv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, pa.int64()), null_values=[]),
        )
    except pa.ArrowInvalid as error:  # of blocks that are parsed side by side, it cannot say where
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                cells = line.rstrip(b"\r\n").split(b"\t")
                if len(cells) != 3 or not all(cell.isdigit() and len(cell) < 19 for cell in cells):
                    raise ValueError(
                        f"{path}, line {number}: {line[:60]!r} is not of the form query<TAB>positive<TAB>negative, three "
                        "whole numbers: download the file again"
                    ) from None
        raise ValueError(f"{path}: not a file of triples ({str(error)[:200]}): download it again") from None


def _places(ids: pa.Array, collection: Collection, path: Path, n_before: int) -> np.ndarray:
    """Places of some ids, (n,), int32."""
    wanted = ids.to_numpy()
    places = np.searchsorted(collection.ids, wanted)
    known = collection.ids[np.minimum(places, len(collection) - 1)] == wanted
    if not known.all():
        index = int(np.argmin(known))
        raise ValueError(
            f"{path}, line {n_before + index + 1}: id {wanted[index]} stands in no line of {collection.name}: "
            "download both files again, of one version"
        )
    return places.astype(np.int32)


def _order(positive_of: np.ndarray, passages: Collection) -> tuple[np.ndarray, np.ndarray]:
    """First line of each positive passage (and the number of lines), and for each place in the order its line.

    The second has the rank of the line's passage in its upper 32 bits, for want of a copy without.
    """
    is_positive = np.zeros(len(passages), bool)
    is_positive[positive_of] = True
    positives = np.flatnonzero(is_positive)
    positives = positives[np.argsort(mixed(passages.ids[positives].astype(np.uint64)))]
    rank_of = np.zeros(len(passages), np.int32)
    rank_of[positives] = np.arange(len(positives))
    order = np.empty(len(positive_of), np.int64)
    counts = np.zeros(len(positives), np.int64)
    for start in range(0, len(order), _CHUNK):
        ranks = rank_of[positive_of[start : start + _CHUNK]].astype(np.int64)
        order[start : start + _CHUNK] = (ranks << 32) + np.arange(start, start + len(ranks))
        counts += np.bincount(ranks, minlength=len(counts))
    order.sort()
    return np.concatenate([[0], np.cumsum(counts)]), order


def _answers(folder: Path) -> np.ndarray:
    """The pairs (query, positive passage), sorted."""
    questions, positives = mapped(folder / "question.npy"), mapped(folder / "positive.npy")
    found = [
        np.unique((questions[start : start + _CHUNK].astype(np.int64) << 32) + positives[start : start + _CHUNK])
        for start in range(0, len(questions), _CHUNK)
    ]
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs >> 32, pairs & _LINE], axis=1).astype(np.int32)
