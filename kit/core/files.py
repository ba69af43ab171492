"""Folders of models: made whole, by one process at a time, and known by their content."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from kit.core.printing import say

PATIENCE_S = 1.0
"""Seconds after which a process that waits for another one says so."""


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Context that yields a folder to fill and renames it at the end, so that nobody sees half a model."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed, whose number came to this one
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rmdir()  # an empty one; a full one was refused before
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def alone(folder: Path, log: Callable[[str], None] = say) -> Iterator[None]:
    """Wait until no other process makes a folder: two may want the same model at the same time.

    The lock is a file beside the folder. It is held by being open, so it is given back however a process ends; what stands
    in it is for those who wait.

    Args:
        log: takes the line that says who is waited for, after a second.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.lock")
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            _wait(lock, folder, log)
            if not _is_at(path, lock):
                continue  # who held it has taken it away: others wait for the next one
            lock.truncate(0)
            print(f"process {os.getpid()} works on it since {time.strftime('%Y-%m-%d %H:%M:%S')}", file=lock, flush=True)
            try:
                yield
            finally:
                if _is_at(path, lock):
                    path.unlink()  # only who holds it does so
            return


def _wait(lock: TextIO, folder: Path, log: Callable[[str], None]) -> None:
    import fcntl

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.02)
    lock.seek(0)
    log(f"waiting for {folder}: {lock.read().strip() or 'another process works on it'}")
    fcntl.flock(lock, fcntl.LOCK_EX)


def _is_at(path: Path, lock: TextIO) -> bool:
    """Whether an open file is the one that a path leads to."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(lock.fileno()))
    return False


def folder_version(folder: Path) -> str:
    """Twelve hexadecimal digits over the names and bytes of a folder's files; the same wherever the folder is."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        with file.open("rb") as stream:  # files of the hub's cache are links
            digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


@contextmanager
def quiet() -> Iterator[None]:
    """No bars of transformers: writing and reading a small model would show one each."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
