"""What becomes of jobs while they are carried out: a table that is updated in place on a terminal, lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kit.core.printing import say
from kit.run.progress import cut

EVERY_S = 10.0
"""Seconds between two lines that say how far the jobs are, where there is no terminal."""

_WORDS = ("done", "runs", "waits", "failed")


@dataclass
class _Row:
    """A job: its name, how it is, since when, where, and the last line that it logged."""

    name: str
    word: str = "waits"
    since: float = 0.0
    where: str = ""
    line: str = ""


class Board:
    """Jobs as they wait, run, are done and fail; a context. ``tell`` is what ``kit.core.engines`` tells of them.

    On a terminal a line counts them, and one is for each that runs or has failed, as many as there is room for. Elsewhere
    ``log`` takes what the jobs log, and every ten seconds the line that counts them.

    Args:
        names: of the jobs.
        log: takes lines.
    """

    def __init__(self, names: Sequence[str], log: Callable[[str], None] = say) -> None:
        self._rows, self._log = [_Row(name) for name in names], log
        self._in_place = log is say and sys.stdout.isatty()
        self._n_drawn = 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Board:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._clock.join()
        self._wipe()
        self._log(self.counts())

    def tell(self, number: int, word: str, text: str) -> None:
        """Something became of a job (``kit.core.engines.carrying.Tell``)."""
        row = self._rows[number]
        if word == "line":
            row.line = text
        else:
            row.word, row.since, row.line = word, time.monotonic(), text if word in ("waits", "failed") else ""
            row.where = text if word == "runs" else row.where
        if not self._in_place and (word == "line" or row.line):
            self._log(text if word == "line" else f"{row.name}: {word}: {_last(text)}")

    def counts(self) -> str:
        """How many jobs are done, run, wait and have failed.

        >>> Board(["a", "b"]).counts()
        '2 jobs: 2 wait'
        """
        found = {word: sum(row.word == word for row in self._rows) for word in _WORDS}
        plural = {"runs": "run", "waits": "wait"}
        parts = [f"{n} {word if n == 1 else plural.get(word, word)}" for word, n in found.items() if n]
        return f"{len(self._rows)} jobs: {', '.join(parts)}"

    def _tick(self) -> None:
        while not self._ended.wait(1.0 if self._in_place else EVERY_S):
            if self._in_place:
                self._draw()
            else:
                self._log(self.counts())

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        shown = [row for word in ("failed", "runs") for row in self._rows if row.word == word][: max(1, size.lines - 2)]
        lines = [self.counts(), *(self._line(row) for row in shown)]
        self._wipe()
        sys.stdout.write("".join(f"{cut(line, size.columns - 1)}\n" for line in lines))
        sys.stdout.flush()
        self._n_drawn = len(lines)

    @staticmethod
    def _line(row: _Row) -> str:
        return f"  {row.name}  {row.word}  {row.where}  {time.monotonic() - row.since:.0f} s  {_last(row.line)}"

    def _wipe(self) -> None:
        """Take away what is drawn: up by its lines, and clear to the end of the screen."""
        if self._n_drawn:
            sys.stdout.write(f"\x1b[{self._n_drawn}A\x1b[J")
            self._n_drawn = 0


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
