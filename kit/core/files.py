"""Kept files and folders: made whole, by one process at a time, known by their content, checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from kit.core.printing import say

CHECKSUMS = "checksums.json"
"""File in a folder with the SHA-256 of each of its files; that of a single file stands beside it, in ``<name>.checksum``."""

PATIENCE_S = 1.0
"""Seconds after which a process that waits for another one says so."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Context that yields a path to write to and renames it to ``path`` at the end, so no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{_writer()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Context that yields a folder to fill and renames it at the end, so that nobody sees half a model."""
    partial = folder.with_name(f".{folder.name}.{_writer()}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed, whose number came to this one
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rmdir()  # an empty one; a full one was refused before
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _writer() -> str:
    """Tells this process from all others that may write into a folder, those of other machines, too."""
    return f"{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]}-{os.getpid()}"


@contextmanager
def alone(folder: Path, log: Callable[[str], None] = say) -> Iterator[None]:
    """Wait until no other process makes a folder: two may want the same model at the same time.

    The lock is a file beside the folder. It is held by being open, so it is given back however a process ends; what stands
    in it is for those who wait. It holds between machines where the file system they share has locks: NFS from version 4,
    Lustre that is mounted with ``flock``.

    Args:
        log: takes the line that says who is waited for, after a second.
    """
    path = _lock_of(folder)
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            _wait(lock, folder, log)
            if not _is_at(path, lock):
                continue  # who held it has taken it away: others wait for the next one
            with _held(path, lock):
                yield
            return


@contextmanager
def unless_taken(folder: Path) -> Iterator[bool]:
    """The same without waiting; yields whether nobody else makes the folder, and it is this process's to make."""
    path = _lock_of(folder)
    with path.open("a+", encoding="utf-8") as lock:
        if _take(lock) and _is_at(path, lock):
            with _held(path, lock):
                yield True
        else:
            yield False


def _lock_of(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def _held(path: Path, lock: TextIO) -> Iterator[None]:
    """Say in a lock who holds it, and take it away at the end."""
    lock.truncate(0)
    who, since = f"process {os.getpid()} of {socket.gethostname()}", time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{who} works on it since {since}", file=lock, flush=True)
    try:
        yield
    finally:
        if _is_at(path, lock):
            path.unlink()  # only who holds it does so


def _take(lock: TextIO) -> bool:
    """Take a lock if nobody holds it."""
    import fcntl

    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _wait(lock: TextIO, folder: Path, log: Callable[[str], None]) -> None:
    import fcntl

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if _take(lock):
            return
        time.sleep(0.02)
    lock.seek(0)
    log(f"waiting for {folder}: {lock.read().strip() or 'another process works on it'}")
    fcntl.flock(lock, fcntl.LOCK_EX)


def _is_at(path: Path, lock: TextIO) -> bool:
    """Whether an open file is the one that a path leads to."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(lock.fileno()))
    return False


def kept_folder(folder: Path, make: Callable[[Path], None], log: Callable[[str], None] = say) -> Path:
    """A folder that is made once, by one process while others wait, and again where it is damaged.

    Args:
        make: fills an empty folder.
        log: takes a line where it is made again, or another process is waited for.
    """
    with alone(folder, log):
        if folder.exists():
            try:
                refuse_damaged(folder)
                return folder
            except ValueError as error:
                log(f"made again: {error}")
                shutil.rmtree(folder)
        with whole_folder(folder) as partial:
            make(partial)
            seal(partial)
    return folder


def is_kept(path: Path, read: Callable[[Path], object], done: str, log: Callable[[str], None] = lambda line: None) -> bool:
    """Whether a file or folder is in the cache and can be read; one that cannot is made again.

    Args:
        read: refuses a damaged one with a ``ValueError``.
        done: what was done to make it, such as "evaluated"; begins the line that says that it is done again.
    """
    if not path.exists():
        return False
    try:
        read(path)
    except ValueError as error:
        log(f"{done} again: {error}")
        return False
    return True


def seal(path: Path) -> None:
    """Write the checksums of a file, or of all files in a folder, for ``refuse_damaged``.

    A ``README.md`` is left out: people write in it.
    """
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    names = [file.relative_to(_home(path)).as_posix() for file in files if file.name not in (CHECKSUMS, "README.md")]
    sums = {name: _sha256(_home(path) / name) for name in names}
    with whole_file(_checksums(path)) as partial:
        partial.write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def refuse_damaged(path: Path) -> None:
    """Check that a file or folder is as it was when it was sealed; files that came to a folder later are not looked at.

    It reads every byte: 1.2 s for 1.1 GB, measured.

    Raises:
        ValueError: it is not there; it has no readable checksums; a file is missing or has another checksum.
    """
    if not path.exists():
        raise ValueError(f"{path}: it is not there: name another, or make it again")
    place = _checksums(path)
    try:
        sums = dict(json.loads(place.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ValueError(f"{path}: it has no {place.name}, so nobody can tell if it is whole: make it again") from None
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{place}: damaged ({error!r:.80}): make {path.name} again") from None
    for name, digest in sums.items():
        file = _home(path) / name
        if not file.is_file():
            raise ValueError(f"{file}: it is missing, and {place.name} names it: make {path.name} again")
        if _sha256(file) != digest:
            raise ValueError(
                f"{file}: damaged, its checksum is not that of {place.name}: make {path.name} again "
                "(if you changed it yourself: kit.core.files.seal)"
            )


def _home(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _checksums(path: Path) -> Path:
    return path / CHECKSUMS if path.is_dir() else path.with_name(f"{path.name}.checksum")


class _File:
    """A file under one of its names; equal to itself under another: a hundred heads share the files of one encoder."""

    def __init__(self, path: Path) -> None:
        state = path.stat()  # files of the hub's cache are links
        self.path, self.state = path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File) and self.state == other.state

    def __hash__(self) -> int:
        return hash(self.state)


def _sha256(file: Path) -> str:
    return _sha256_of(_File(file))


@lru_cache(maxsize=256)
def _sha256_of(file: _File) -> str:
    """The checksum; as long as size and time of a file stay, it is read once."""
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_version(folder: Path) -> str:
    """Twelve hexadecimal digits over the names and bytes of a folder's files; the same wherever the folder is."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        digest.update(file.name.encode() + bytes.fromhex(_sha256(file)))
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
