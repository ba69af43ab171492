"""The progress of one notebook: a line that is updated in place on a terminal, two plain lines elsewhere."""

from __future__ import annotations

import re
import shutil
import threading
import time
from typing import TextIO

import wcwidth

from kit.core.printing import visible


class Progress:
    """What a notebook is at while it runs; a context, and what papermill takes for the file of a notebook's output.

    On a terminal, ``[2/5] 03_fine_tune.ipynb  cell 4/9  12 s  <the last line that was printed>``, every second anew; at the
    end ``…: 13 s``, or ``…: stopped after 13 s`` where an exception ends the context.

    Args:
        head: begins the line.
        n_cells: code cells that are to run.
        stream: where the line is shown.
        in_place: whether to update it; without, a line says that the notebook runs.
    """

    def __init__(self, head: str, n_cells: int, stream: TextIO, in_place: bool) -> None:
        self._head, self._n_cells, self._stream, self._in_place = head, n_cells, stream, in_place
        self.cell = 0
        self._printed = ""
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if self._in_place:
            self._draw()
            self._clock.start()
        else:
            print(f"{self._head}: running", file=self._stream, flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._in_place:
            self._ended.set()
            self._clock.join()
            self._stream.write("\r\x1b[K")
        words = "stopped after " if kind else ""
        print(f"{self._head}: {words}{time.monotonic() - self._started:.0f} s", file=self._stream, flush=True)

    def next_cell(self, **_: object) -> None:
        """A code cell begins."""
        self.cell += 1
        self._draw()

    def write(self, text: str) -> None:
        """The notebook printed something: a line, a part of one, or several."""
        self._printed = (self._printed + text)[-2000:]
        self._draw()

    def flush(self) -> None:
        """Nothing waits: what is written is shown at once."""

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self._draw()

    def _draw(self) -> None:
        if not self._in_place:
            return
        lines = [line for line in re.split(r"[\r\n]", uncoloured(self._printed)) if line.strip()]
        elapsed_s = time.monotonic() - self._started
        line = f"{self._head}  cell {self.cell}/{self._n_cells}  {elapsed_s:.0f} s  {lines[-1] if lines else ''}"
        # A line as wide as the terminal would go on in the next row, where "\r" does not lead back to its start.
        self._stream.write(f"\r{cut(line, shutil.get_terminal_size().columns - 1)}\x1b[K")
        self._stream.flush()


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
