"""A stream of passages into shards on disk, one shard in memory at a time; what is there already is not encoded again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from kit.core.configs import whole_number
from kit.core.files import alone
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

    Memory is that of one shard, its texts and embeddings, however many passages there are, and 8 bytes a passage at the end,
    when ids are held against each other. A process that was killed is taken up after the last whole shard; a second process
    waits for the first. Passages without any text are left out.

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
    whole_number("n_rows", n_rows, 1)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: choose from {', '.join(PRECISIONS)}")
    with alone(folder, log):
        shards = Shards(folder, log)
        shards.begin({**about, "n_rows": n_rows, "number": precision})
        counts = shards.open()
        if counts is None:
            stream = _WithText(passages())
            _fill(model, stream, shards, n_rows, precision, log)
            counts = shards.finish(stream.n_empty)
    return shards, counts


def _fill(model: TextEncoder, stream: _WithText, shards: Shards, n_rows: int, precision: str, log: Log) -> None:
    """Encode the shards that are not there."""
    started = told = time.monotonic()
    n_encoded, number = 0, 0
    while some := list(islice(stream, n_rows)):
        if number not in shards:
            if n_encoded == 0 and number:
                log(f"  {number * n_rows:,} passages are encoded already")
            embeddings = unit_rows(model, [passage.text for passage in some], "passage", log)  # (n, dim)
            shards.add(number, some, embeddings.astype(precision))
            n_encoded += len(some)
            now = time.monotonic()
            if now - told > _TOLD_EVERY_S:
                told = now
                log(f"  {number * n_rows + len(some):,} passages encoded, {n_encoded / (now - started):,.0f} a second")
        number += 1


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
