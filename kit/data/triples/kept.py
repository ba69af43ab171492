"""What raw files are converted to, once: a folder of memory-mapped files for each, under the cache."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kit.core import paths
from kit.core.files import alone, whole_file, whole_folder
from kit.core.fingerprints import fingerprint
from kit.core.printing import say

_META = "meta.json"
_SAY_EVERY_S = 20.0


def kept(raw: Path, what: str, make: Callable[[Path], dict[str, Any]], depends_on: str = "") -> tuple[Path, dict[str, Any]]:
    """The folder that a raw file was converted to, and what was written down of it; converted first where there is none.

    A raw file is known by its path, size and time, so that no start reads it again; a folder is whole when its files have
    the sizes that were written down, and is made again where they have not. One process converts while others wait.

    Args:
        raw: the file.
        what: begins the name of the folder.
        make: fills an empty folder and returns the facts to write down.
        depends_on: whatever else the content depends on.

    Raises:
        ValueError: there is no such file.
    """
    if not raw.is_file():
        raise ValueError(f"{raw}: no such file: download the data set again")
    state = raw.stat()
    key = fingerprint([str(raw.resolve()), state.st_size, state.st_mtime_ns, depends_on])
    folder = paths.cache() / "triples" / f"{what}-{key}"
    with alone(folder):
        if (facts := _facts(folder)) is None:
            for file in folder.glob("*"):
                file.unlink()
            with whole_folder(folder) as partial:
                facts = make(partial)
                facts["sizes"] = {file.name: file.stat().st_size for file in partial.iterdir()}
                with whole_file(partial / _META) as meta:
                    meta.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return folder, facts


def _facts(folder: Path) -> dict[str, Any] | None:
    """What was written down of a whole folder; None for one that is missing, damaged or not whole."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((folder / _META).read_text(encoding="utf-8"))
        if all((folder / name).stat().st_size == size for name, size in facts["sizes"].items()):
            return facts
    return None


def mapped(path: Path) -> np.ndarray:
    """An array of a ``.npy`` file, memory-mapped: its pages belong to the file and leave memory when others need it."""
    return np.asarray(np.load(path, mmap_mode="r"))


class Reader:
    """Lines of a file in blocks, with their SHA-256 and a line of progress now and then.

    Args:
        path: the file.
        n_lines: of a block.
    """

    def __init__(self, path: Path, n_lines: int) -> None:
        self.path, self.n_lines, self.n_read = path, n_lines, 0
        self._digest, self._said = hashlib.sha256(), time.monotonic()

    def blocks(self) -> Iterator[list[bytes]]:
        """The lines with their ends; ``n_read`` counts those of earlier blocks."""
        size, done = self.path.stat().st_size, 0
        with self.path.open("rb") as file:
            while lines := list(islice(file, self.n_lines)):
                whole = b"".join(lines)
                self._digest.update(whole)
                yield lines
                self.n_read, done = self.n_read + len(lines), done + len(whole)
                self.tell(done / size)

    def tell(self, share: float) -> None:
        """Say how much is read, if nothing was said for a while."""
        if time.monotonic() - self._said > _SAY_EVERY_S:
            say(f"{self.path.name}: {share:.0%} read")
            self._said = time.monotonic()

    def place(self, index: int) -> str:
        """Names a line of the block."""
        return f"{self.path}, line {self.n_read + index + 1}"

    @property
    def digest(self) -> str:
        """SHA-256 of what was read."""
        return self._digest.hexdigest()
