"""What the cache holds, and its removal: models, evaluations, embeddings, all of which can be made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from kit.core import paths
from kit.core.printing import near, say
from kit.data.embeddings.store import collections, home, room

_GIB = 2**30

KINDS = {
    "approximate": "indexes for approximate searches",
    "audit": "scores of models, by content and task",
    "bases": "weights that several trained models share",
    "corpora": "data as training and methods read them",
    "embeddings": "embeddings of texts, by model and text",
    "evaluation": "scores of trained models",
    "jobs": "logs of jobs that failed on a cluster",
    "judged": "lists of models in judged collections",
    "mining": "scores of mined pairs",
    "passages": "embeddings of corpora, in shards",
    "starts": "encoders that trainings start from",
    "tasks": "tasks cut out of parallel data",
    "tokens": "texts of trainings, cut into tokens",
    "training": "trained models",
    "triples": "texts and triples by id, converted to memory-mapped files",
    "translators": "word lists and small translators",
}
"""What is kept, each in a folder of its name."""


def show() -> None:
    """Print what the cache holds, by kind, and the embeddings by model."""
    kinds = _kinds()
    say(f"{paths.cache()}: {_size(sum(kinds.values()))}")
    for kind, n_bytes in sorted(kinds.items()):
        say(f"  {kind:<12} {_size(n_bytes):>9}  {KINDS.get(kind, '')}".rstrip())
    if home().is_dir():
        say(f"embeddings, of at most {room() / _GIB:g} GiB (KIT_EMBEDDINGS_GIB):")
    for one in sorted(collections(), key=lambda one: (one.model, one.side)):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used))
        say(f"  {one.model}, {one.side}: {_size(one.n_bytes)}, used {used}")


def clear(kinds: Sequence[str]) -> None:
    """Take kinds of kept things away, or all.

    Raises:
        ValueError: no kind of kept thing.
    """
    there = _kinds()
    for kind in kinds:
        if kind not in {*KINDS, *there}:
            raise ValueError(f"nothing kept is called {kind!r}{near(kind, KINDS)}: choose among {', '.join(sorted(KINDS))}")
    for kind in kinds or sorted(there):
        if kind in there:
            shutil.rmtree(paths.cache() / kind)
        say(f"{kind}: {_size(there[kind])} taken away" if kind in there else f"{kind}: nothing was kept")


def _kinds() -> dict[str, int]:
    """Bytes of each kind that is there; a file with several names counts once."""
    return {folder.name: _bytes(folder) for folder in paths.cache().glob("*") if folder.is_dir()}


def _bytes(folder: Path) -> int:
    files = {(state.st_dev, state.st_ino): state for file in folder.rglob("*") if file.is_file() for state in [file.stat()]}
    return sum(state.st_size for state in files.values())


def _size(n_bytes: int) -> str:
    return f"{n_bytes / _GIB:,.2f} GiB" if n_bytes >= _GIB / 10 else f"{n_bytes / 2**20:,.1f} MiB"
