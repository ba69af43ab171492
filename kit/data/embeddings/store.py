"""Embeddings on disk: a text is encoded once by a model, whoever asks for it.

What one model makes of texts with one prompt, limit and precision is a collection, a folder under ``data/cache/embeddings``.
A collection is a number of Arrow files, each with the digests of some texts and their embeddings. A file is called by its
checksum: it is written aside and renamed, so two processes may add to a collection at the same time, and one that was cut
short is known by its name. Files are mapped into memory, not read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core import paths
from kit.core.files import whole_file
from kit.core.fingerprints import fingerprint
from kit.core.printing import say

ABOUT = "about.json"
"""File of a collection that says what it holds; its time is that of the last use."""

_DIGEST = pa.binary(16)
_GIB = 2**30


def home() -> Path:
    """The folder of all collections."""
    return paths.cache() / "embeddings"


def room() -> float:
    """Bytes that all collections may take: ``KIT_EMBEDDINGS_GIB`` in the environment, else 20 GiB.

    Raises:
        ValueError: it is no number of at least 0.
    """
    wanted = os.environ.get("KIT_EMBEDDINGS_GIB", "20")
    try:
        n_bytes = float(wanted) * _GIB
    except ValueError:
        n_bytes = -1.0
    if not n_bytes >= 0:
        raise ValueError(f"KIT_EMBEDDINGS_GIB is {wanted!r}: set it to a number of GiB, 0 to keep no embeddings")
    return n_bytes


class EmbeddingStore:
    """The collection of what is known by ``about``: a model's content, its prompt, limit, precision, library versions.

    Args:
        about: what the embeddings depend on besides the texts, as can be written as JSON; its ``model`` is what lists call
            it and decides nothing.
        log: takes a line for what is damaged, or taken away for lack of room.
    """

    def __init__(self, about: Mapping[str, object], log: Callable[[str], None] = say) -> None:
        self.about, self.log = dict(about), log
        self.folder = home() / fingerprint({name: fact for name, fact in self.about.items() if name != "model"})
        self._digests = pa.array([], _DIGEST)
        self._parts: dict[str, np.ndarray] = {}  # by file, its embeddings (n, dim)
        self._is_full = False

    def find(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Which texts are there, shape (n_texts,), and the embeddings of those in their order, (n_found, dim), float32."""
        self._open()
        row = pc.index_in(_digests(texts), value_set=self._digests)
        there = row.is_valid().to_numpy(zero_copy_only=False)
        if not there.any():
            return there, np.zeros((0, 1), np.float32)
        parts = list(self._parts.values())
        first = np.cumsum([0, *map(len, parts)])  # number of the first row of each file
        rows = row.drop_null().to_numpy()
        part = np.searchsorted(first, rows, side="right") - 1
        found = np.empty((len(rows), parts[0].shape[1]), np.float32)
        for number in np.unique(part).tolist():
            here = part == number
            found[here] = parts[number][rows[here] - first[number]]
        return there, found

    def add(self, texts: Sequence[str], embeddings: np.ndarray) -> None:
        """Keep the embeddings of texts (n, dim), float32; rows that are not finite are not kept, nor any without room."""
        good = np.flatnonzero(np.isfinite(embeddings).all(axis=1))
        texts, embeddings = [texts[row] for row in good.tolist()], embeddings[good]
        if not len(embeddings) or self._is_full or not self._make_room(embeddings.nbytes):
            return
        flat = pa.array(np.ascontiguousarray(embeddings).reshape(-1))
        rows = pa.FixedSizeListArray.from_arrays(flat, embeddings.shape[1])
        table = pa.table({"digest": _digests(texts), "embedding": rows})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        if not self.folder.is_dir():
            self._describe()
        path = self.folder / f"{_checksum(content)}.arrow"
        with whole_file(path) as partial:
            partial.write_bytes(content)
        self._take(path)

    def _describe(self) -> None:
        with whole_file(self.folder / ABOUT) as partial:
            partial.write_text(json.dumps(self.about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _open(self) -> None:
        """Look at what is there now: other processes may have added files."""
        if not (self.folder / ABOUT).is_file():
            self._parts, self._digests = {}, pa.array([], _DIGEST)
            return
        os.utime(self.folder / ABOUT)
        for path in sorted(self.folder.glob("*.arrow")):
            if path.name not in self._parts:
                self._take(path)

    def _take(self, path: Path) -> None:
        """Map a file of this collection; a damaged one is taken away, so that its texts are encoded again."""
        with pa.memory_map(str(path)) as file:
            content = file.read_buffer()
        if _checksum(content) != path.stem:
            path.unlink(missing_ok=True)
            self.log(f"{path}: damaged, its checksum is not its name: taken away, its texts are encoded again")
            return
        table = pa.ipc.open_file(content).read_all().combine_chunks()
        rows = table.column("embedding").combine_chunks()
        self._parts[path.name] = rows.flatten().to_numpy().reshape(len(rows), -1)
        self._digests = pa.concat_arrays([self._digests, table.column("digest").combine_chunks()])

    def _make_room(self, n_bytes: int) -> bool:
        """Take away the collections that were not used for longest, until there is room; whether there is."""
        others = sorted((one for one in collections() if one.folder != self.folder), key=lambda one: one.used)
        own = sum(file.stat().st_size for file in self.folder.glob("*.arrow")) if self.folder.is_dir() else 0
        taken = own + n_bytes + sum(one.n_bytes for one in others)
        while taken > room() and others:
            oldest = others.pop(0)
            taken -= oldest.n_bytes
            shutil.rmtree(oldest.folder, ignore_errors=True)
            self.log(f"embeddings of {oldest.model} taken away: they take more than {room() / _GIB:g} GiB in all")
        if taken > room():
            self._is_full = True
            self.log(f"no more embeddings are kept: they would take more than {room() / _GIB:g} GiB (KIT_EMBEDDINGS_GIB)")
        return not self._is_full


@dataclass(frozen=True)
class Collection:
    """A collection as a list of them shows it. used: seconds since the epoch of its last use."""

    folder: Path
    model: str
    side: str
    n_bytes: int
    used: float


def collections() -> list[Collection]:
    """All collections, as far as they say what they hold."""
    found = []
    for file in home().glob(f"*/{ABOUT}"):
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            used, n_bytes = file.stat().st_mtime, sum(part.stat().st_size for part in file.parent.glob("*.arrow"))
        except (OSError, ValueError):  # taken away, or being made
            continue
        found.append(Collection(file.parent, str(about.get("model", "?")), str(about.get("side", "?")), n_bytes, used))
    return found


def _digests(texts: Sequence[str]) -> pa.Array:
    """BLAKE2b of each text, 16 bytes."""
    made = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return pa.array(made, _DIGEST)


def _checksum(content: pa.Buffer) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
