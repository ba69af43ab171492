"""The progress of one notebook: a line that is updated in place on a terminal, a plain one every ten seconds elsewhere."""

from __future__ import annotations

import re
import shutil
import threading
import time
from typing import TextIO

import wcwidth

from kit.core.printing import visible

EVERY_S = {True: 1.0, False: 10.0}
"""Seconds from one line of progress to the next: on a terminal, where each takes the place of the one before; elsewhere."""


class Progress:
    """What a notebook is at while it runs; a context, and what papermill takes for the file of a notebook's output.

    On a terminal, ``[2/5] 03_fine_tune.ipynb  cell 4/9  12 s, about 3 min left  <the last line that this cell printed>``; at
    the end ``…: 13 s``, or ``…: stopped after 13 s`` where an exception ends the context. What is left is that of the
    trainings of which the cell tells.

    Args:
        head: begins the line.
        n_cells: code cells that are to run.
        stream: where the line is shown.
        in_place: whether to update it; without, a line says that the notebook runs, and one every ten seconds how far it is.
    """

    def __init__(self, head: str, n_cells: int, stream: TextIO, in_place: bool) -> None:
        self._head, self._n_cells, self._stream, self._in_place = head, n_cells, stream, in_place
        self.cell = 0
        self._printed, self._trainings = "", _Trainings()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if self._in_place:
            self._draw()
        else:
            print(f"{self._head}: running", file=self._stream, flush=True)
        self._clock.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._ended.set()
        self._clock.join()
        if self._in_place:
            self._stream.write("\r\x1b[K")
        words = "stopped after " if kind else ""
        print(f"{self._head}: {words}{time.monotonic() - self._started:.0f} s", file=self._stream, flush=True)

    def next_cell(self, **_: object) -> None:
        """A code cell begins; what the one before printed, such as the end of a table, says nothing of it."""
        self.cell += 1
        self._printed, self._trainings = "", _Trainings()
        self._draw()

    def write(self, text: str) -> None:
        """The notebook printed something: a line, a part of one, or several."""
        self._printed = (self._printed + text)[-2000:]
        self._trainings.hear(text)
        self._draw()

    def flush(self) -> None:
        """Nothing waits: what is written is shown at once."""

    def _tick(self) -> None:
        while not self._ended.wait(EVERY_S[self._in_place]):
            if self._in_place:
                self._draw()
            else:
                print(visible(self._line()), file=self._stream, flush=True)

    def _draw(self) -> None:
        if not self._in_place:
            return
        # A line as wide as the terminal would go on in the next row, where "\r" does not lead back to its start.
        self._stream.write(f"\r{cut(self._line(), shutil.get_terminal_size().columns - 1)}\x1b[K")
        self._stream.flush()

    def _line(self) -> str:
        lines = [line for line in re.split(r"[\r\n]", uncoloured(self._printed)) if line.strip()]
        elapsed_s = time.monotonic() - self._started
        last = lines[-1].strip() if lines else ""
        return f"{self._head}  cell {self.cell}/{self._n_cells}  {elapsed_s:.0f} s{self._trainings.left()}  {last}".rstrip()


class _Trainings:
    """How much is left of the trainings of a cell, by the lines in which they tell of themselves (``kit.train.trainer``)."""

    _BEGIN = re.compile(r"(\d+) to train$")
    _UPDATE = re.compile(r"  update +(\d+)/(\d+)  loss ")

    def __init__(self) -> None:
        self._rest, self._n_lines, self._n_expected = "", 0, 0.0
        self._n_models, self._started = 0, 0.0

    def hear(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if begin := self._BEGIN.search(line):
                self._n_models, self._started = int(begin[1]), time.monotonic()
                self._n_lines, self._n_expected = 0, 0.0
            elif update := self._UPDATE.search(line):
                self._n_lines += 1
                if not self._n_expected:  # a line comes after every so many updates of each model
                    self._n_expected = self._n_models * int(update[2]) / int(update[1])

    def left(self) -> str:
        """Such as ", about 3 min left"; empty while nothing is known."""
        share = self._n_lines / self._n_expected if self._n_expected else 0.0
        if not 0 < share < 1:
            return ""
        left_s = (time.monotonic() - self._started) * (1 - share) / share
        return f", about {left_s:.0f} s left" if left_s < 90 else f", about {left_s / 60:.0f} min left"


class Whole:
    """What papermill takes for the file of a notebook's output where all of it is shown: bars end up in lines.

    Args:
        stream: where it is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """The notebook printed something."""
        self._stream.write(visible(re.sub(r"\r\n?", "\n", uncoloured(text))))

    def flush(self) -> None:
        """Show it at once."""
        self._stream.flush()


def uncoloured(text: str) -> str:
    """A text without what colours it or moves a terminal's cursor."""
    return wcwidth.strip_sequences(text)


def cut(text: str, columns: int) -> str:
    """As much of the beginning as fits into the columns of a terminal."""
    return wcwidth.clip(visible(text.replace("\t", " ")), 0, columns).rstrip()
