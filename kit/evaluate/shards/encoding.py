"""A stream of passages into shards on disk, one shard in memory at a time; what is there already is not encoded again.

Any number of processes may encode one corpus, on one machine or on several that share the disk: each reads the stream and
takes the shards that are not there and that nobody holds. A process that dies holds nothing any more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

from kit.core.configs import whole_number
from kit.core.files import alone, unless_taken
from kit.core.printing import say
from kit.data.embeddings.encoding import Log, TextEncoder
from kit.data.judged.collection import Passage
from kit.evaluate.encoding import unit_rows
from kit.evaluate.shards.store import Counts, Shards

SHARD_ROWS = 2**14
"""Passages of a shard: what a kill may cost, and what is scored at a time."""

PRECISIONS = ("float32", "float16")

_TOLD_EVERY_S = 10.0


def encode_corpus(
    model: TextEncoder,
    passages: Callable[[], Iterator[Passage]],
    folder: Path,
    about: Mapping[str, object],
    n_rows: int = SHARD_ROWS,
    precision: str = "float32",
    log: Log = say,
) -> tuple[Shards, Counts]:
    """Encode a corpus into shards, or find it encoded.

    Memory is that of one shard, its texts and embeddings, however many passages there are. What a process that was killed
    had written stays; several processes share the work, a shard each, and end together. Passages without any text are left
    out.

    Args:
        model: embeds passages with its own prompt.
        passages: begins the stream anew, in the same order.
        folder: of the shards.
        about: what the embeddings depend on, as can be written as JSON; a folder that holds others is refused. Its ``model``
            is what lists call it and decides nothing.
        n_rows: passages of a shard. No ranking depends on it, except by what a model makes of a text in another batch.
        precision: "float32", or "float16", which takes half the room: each number then keeps 11 of its 24 bits.
        log: takes lines of progress.

    Raises:
        ValueError: a folder of something else; ``precision`` another word; no passage, or an id twice; an embedding that is
            not finite.
    """
    shards, stream = begin_shards(folder, about, n_rows, precision, log), _WithText(passages())
    counts = shards.open()
    while counts is None:
        taken = _fill(model, stream, shards, n_rows, precision, log)
        if taken is not None:
            with alone(shards.place(taken), log):  # until it is there, or its process has died
                stream = _WithText(passages())
            continue
        with alone(folder, log):
            counts = shards.open() or shards.finish(stream.n_empty)
    return shards, counts


def _fill(model: TextEncoder, stream: _WithText, shards: Shards, n_rows: int, precision: str, log: Log) -> int | None:
    """Encode the shards that are not there; returns the number of one that another process holds, if there is one."""
    started = told = time.monotonic()
    n_encoded, number, taken = 0, 0, None
    while some := list(islice(stream, n_rows)):
        with nullcontext(False) if number in shards else unless_taken(shards.place(number)) as mine:
            if mine and number not in shards:
                if n_encoded == 0 and number:
                    log(f"  {number * n_rows:,} passages are encoded already, or by others")
                _encode(model, some, shards, number, precision, log)
                n_encoded += len(some)
                now = time.monotonic()
                if now - told > _TOLD_EVERY_S:
                    told = now
                    log(f"  {number * n_rows + len(some):,} passages encoded, {n_encoded / (now - started):,.0f} a second")
            elif number not in shards:
                taken = number
        number += 1
    return taken


def begin_shards(folder: Path, about: Mapping[str, object], n_rows: int, precision: str, log: Log = say) -> Shards:
    """The shards of a corpus, there or not; arguments and errors as of ``encode_corpus``."""
    whole_number("n_rows", n_rows, 1)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: choose from {', '.join(PRECISIONS)}")
    shards = Shards(folder, log)
    with alone(folder, log):
        shards.begin({**about, "n_rows": n_rows, "number": precision})
    return shards


class ShardEncoder:
    """Encodes the shards of a corpus that it is asked for: a stream that is read once, if they are asked for in order.

    Args:
        as of ``encode_corpus``.
    """

    def __init__(
        self, model: TextEncoder, passages: Callable[[], Iterator[Passage]], shards: Shards, n_rows: int, precision: str
    ) -> None:
        self._model, self._passages, self._shards, self._n_rows, self._precision = model, passages, shards, n_rows, precision
        self._stream, self._next = _WithText(passages()), 0

    def encode(self, number: int, log: Log = say) -> None:
        """Encode a shard, if it is not there; waits for another process that does."""
        with alone(self._shards.place(number), log):
            if number not in self._shards:
                _encode(self._model, self._read(number), self._shards, number, self._precision, log)

    def _read(self, number: int) -> list[Passage]:
        if number < self._next:
            self._stream, self._next = _WithText(self._passages()), 0
        deque(islice(self._stream, (number - self._next) * self._n_rows), maxlen=0)
        self._next = number + 1
        return list(islice(self._stream, self._n_rows))


def count_texts(passages: Iterator[Passage]) -> tuple[int, int]:
    """How many passages of a stream have a text, and how many have none."""
    stream = _WithText(passages)
    return sum(1 for _ in stream), stream.n_empty


def _encode(model: TextEncoder, some: list[Passage], shards: Shards, number: int, precision: str, log: Log) -> None:
    embeddings = unit_rows(model, [passage.text for passage in some], "passage", log)  # (n, dim)
    shards.add(number, some, embeddings.astype(precision))


class _WithText:
    """The passages of a stream that have a text; counts the others."""

    def __init__(self, passages: Iterator[Passage]) -> None:
        self.passages, self.n_empty = passages, 0

    def __iter__(self) -> Iterator[Passage]:
        return self

    def __next__(self) -> Passage:
        while not (passage := next(self.passages)).text:
            self.n_empty += 1
        return passage
