"""Embeddings that somebody else's service made: arrays and the texts that they are of, in a folder.

A folder holds, for each side, ``queries`` and ``passages``, two files:

- ``queries.npy``: an array of NumPy (n, dim), of any kind of real numbers;
- ``queries.jsonl``: n lines, the one of row i being ``{"id": "q7", "text": "Where is it?"}``.

A text is found by its text, since the ids of one system are not those of another; ids stand in messages. For a bitext both
sides are looked up among the passages.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit.core import tables
from kit.core.fingerprints import data_checksum
from kit.core.tables import Column

PREFIX = "embeddings:"
"""Begins the name of an encoder that is such a folder."""

_FILES = {"query": "queries", "passage": "passages"}
_COLUMNS = [Column("id"), Column("text")]


def is_given(name: str) -> bool:
    """Whether the name of an encoder is that of a folder of embeddings."""
    return name.startswith(PREFIX)


def given_folder(name: str) -> Path:
    """The folder of such a name.

    Raises:
        ValueError: one of its files is missing.
    """
    folder = Path(name.removeprefix(PREFIX)).expanduser()
    for stem in _FILES.values():
        for ending in ("npy", "jsonl"):
            if not (folder / f"{stem}.{ending}").is_file():
                raise ValueError(
                    f"encoder {name!r}: {folder / f'{stem}.{ending}'} is not there: a folder of embeddings holds "
                    "queries.npy, queries.jsonl, passages.npy and passages.jsonl (docs/own-model.md)"
                )
    return folder


class GivenEmbeddings:
    """What a folder of embeddings says of texts, in the form of a model: it knows the texts that it holds and no others.

    Args:
        name: ``embeddings:<folder>``.

    Raises:
        ValueError: a file is missing or broken; other numbers of rows and of texts; sides of several widths; a row that is
            not finite; an id or a text twice, a text once more with another embedding.
    """

    prompts = None

    def __init__(self, name: str) -> None:
        self.name, folder = name, given_folder(name)
        self._rows: dict[str, dict[str, int]] = {}
        self._arrays: dict[str, np.ndarray] = {}
        for side, stem in _FILES.items():
            self._arrays[side] = _array(folder / f"{stem}.npy")
            self._rows[side] = _rows(folder / f"{stem}.jsonl", self._arrays[side])
        widths = {side: array.shape[1] for side, array in self._arrays.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(
                f"{folder}: queries.npy is {widths['query']} wide, passages.npy {widths['passage']}: both sides have to be "
                "of one model"
            )
        self.dimension = widths["query"]

    @property
    def weights(self) -> str:
        """What tells these embeddings from others."""
        return f"sha256 {data_checksum(given_folder(self.name))}"

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Embeddings of queries (n_texts, dim), float32.

        Raises:
            ValueError: texts that are not there.
        """
        return self._find(texts, "query")

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """The same of passages."""
        return self._find(texts, "passage")

    encode = encode_document

    def _find(self, texts: Sequence[str], side: str) -> np.ndarray:
        known = self._rows[side]
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            place = f"{given_folder(self.name) / _FILES[side]}.jsonl"
            raise ValueError(
                f"{place}: {len(missing):,} of {len(texts):,} texts are not there, such as {missing[0]!r:.80}: embed them "
                "with the same service and add them"
            )
        return self._arrays[side][[known[text] for text in texts]].astype(np.float32)


def _array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is broken or no array ({error}): write it with numpy.save") from None
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise ValueError(f"{path} holds {array.dtype} of shape {array.shape}: give (n, dim) real numbers, one row a text")
    return array


def _rows(path: Path, array: np.ndarray) -> dict[str, int]:
    """Row of each text."""
    table, where = tables.read(path, _COLUMNS)
    tables.refuse_empty(table, "id", where)
    tables.refuse_duplicates(table, ["id"], where)
    ids, texts = (table.column(name).to_pylist() for name in ("id", "text"))
    if len(ids) != len(array):
        raise ValueError(
            f"{path} has {len(ids):,} lines, {path.with_suffix('.npy').name} {len(array):,} rows: one line a row"
        )
    good = np.isfinite(array).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(f"{path.with_suffix('.npy')}, row {row} (id {ids[row]!r}): not finite: embed it again")
    row_of: dict[str, int] = {}
    for row, text in enumerate(texts):
        first = row_of.setdefault(text, row)
        if not np.array_equal(array[first], array[row]):
            raise ValueError(
                f"{where(row)}: the text of {ids[row]!r} is that of {ids[first]!r}, but its embedding is another: keep one"
            )
    return row_of
