"""Texts by id, more than fit into memory: a file of ``id<TAB>text`` lines, converted once to Arrow and memory-mapped."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kit.core.printing import say
from kit.data.triples.kept import Reader, kept, mapped

_ROWS = 1 << 14
"""Texts of a record batch: at most so many are in memory while a file is converted."""

_SCHEMA = pa.schema([("text", pa.large_string())])


@dataclass(frozen=True, eq=False)
class Collection:
    """Texts in one language. A text is known by its *place*, that of its id among all ids in order.

    name: of the raw file.
    folder: holds ``texts.arrow`` (in the order of the raw file), ``ids.npy`` and ``rows.npy``.
    ids: all ids in order, shape (n_texts,), int64, memory-mapped.
    digest, ids_digest: SHA-256 of the raw file, and of the ids alone, which are those of its translations.
    """

    name: str
    folder: Path
    ids: np.ndarray
    digest: str
    ids_digest: str

    def __post_init__(self) -> None:
        with pa.memory_map(str(self.folder / "texts.arrow")) as file:
            reader = pa.ipc.open_file(file)
            batches = [reader.get_batch(number).column(0) for number in range(reader.num_record_batches)]
        object.__setattr__(self, "_batches", batches)  # each of _ROWS texts, but for the last one
        object.__setattr__(self, "_row_of", mapped(self.folder / "rows.npy"))  # (n_texts,), int32

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple:
        """Another process maps the same files."""
        return Collection, (self.name, self.folder, mapped(self.folder / "ids.npy"), self.digest, self.ids_digest)

    def texts(self, places: np.ndarray) -> list[str]:
        """The texts at some places."""
        batches: list[pa.LargeStringArray] = self._batches  # type: ignore[attr-defined]
        rows = self._row_of[places].tolist()  # type: ignore[attr-defined]
        return [batches[row // _ROWS][row % _ROWS].as_py() for row in rows]


def open_collection(path: Path) -> Collection:
    """The texts of a file with ``id<TAB>text`` a line, UTF-8, in any order of ids; converted first where it never was.

    A conversion holds some ten thousand texts and the ids in memory, and says how far it is.

    Raises:
        ValueError: no such file, an empty one, a line without a tab, an id that is no whole number from 0, two lines of one
            id, what is no UTF-8.

    Warns:
        UserWarning: texts that are empty, with their number: they are kept, since other languages have them.
    """
    folder, facts = kept(path, path.stem, lambda folder: _convert(path, folder))
    return Collection(path.name, folder, mapped(folder / "ids.npy"), facts["digest"], facts["ids_digest"])


def refuse_other_ids(translations: Sequence[Collection]) -> None:
    """Raise ``ValueError`` for the first collection that has not the ids of the first one, and name an id."""
    first = translations[0]
    for other in translations[1:]:
        if other.ids_digest != first.ids_digest:
            lacking, strange = (np.setdiff1d(*pair) for pair in ((first.ids, other.ids), (other.ids, first.ids)))
            which = (
                f"no id {lacking[0]}, which {first.name} has"
                if len(lacking)
                else f"an id {strange[0]}, which {first.name} has not"
            )
            raise ValueError(
                f"{other.name} has {which}, and a text has one id in all languages: download both again, of one version, "
                "or leave the language out"
            )


def _convert(path: Path, folder: Path) -> dict[str, Any]:
    say(f"{path.name}: converted once, to {folder.parent.name}/{path.stem} in the cache")
    reader, ids, n_empty, first_empty = Reader(path, _ROWS), [], 0, ""
    with pa.OSFile(str(folder / "texts.arrow"), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        for lines in reader.blocks():
            cells = [line.rstrip(b"\r\n").partition(b"\t") for line in lines]
            ids.append(_ids(cells, reader))
            texts = [text for _, _, text in cells]
            writer.write_batch(pa.record_batch([_decoded(texts, reader)], schema=_SCHEMA))
            if empty := [index for index, text in enumerate(texts) if not text.strip()]:
                first_empty, n_empty = first_empty or reader.place(empty[0]), n_empty + len(empty)
    if not ids:
        raise ValueError(f"{path}: no line: the file is empty: download it again")
    if n_empty:
        warnings.warn(f"{n_empty} of {reader.n_read} texts are empty, the first at {first_empty}", stacklevel=2)
    in_file = np.concatenate(ids)
    rows = np.argsort(in_file, kind="stable")
    in_order = in_file[rows]
    if (twice := np.flatnonzero(in_order[1:] == in_order[:-1])).size:
        first, second = rows[twice[0] : twice[0] + 2] + 1
        raise ValueError(
            f"{path}, line {second}: id {in_order[twice[0]]} stands already at line {first}: download the file again"
        )
    np.save(folder / "rows.npy", rows.astype(np.int32))
    np.save(folder / "ids.npy", in_order)
    return {"digest": reader.digest, "ids_digest": sha256(in_order.data).hexdigest()}


def _ids(cells: Sequence[tuple[bytes, bytes, bytes]], reader: Reader) -> np.ndarray:
    for index, (name, tab, _) in enumerate(cells):
        if not (tab and name.isdigit() and len(name) < 19):
            line = b"".join(cells[index])[:40]
            raise ValueError(f"{reader.place(index)}: {line!r} is not of the form id<TAB>text: download the file again")
    return np.array([int(name) for name, _, _ in cells], np.int64)


def _decoded(texts: list[bytes], reader: Reader) -> pa.Array:
    try:
        return pa.array(texts, pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        for index, text in enumerate(texts):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{reader.place(index)}: not UTF-8 ({error}): download the file again") from None
        raise
