"""Results in a place that machines share which share no folder: whatever fsspec reaches by an address (``s3://bucket/kit``).

blobs/3f/3fa9…                        the content of a file, under its SHA-256
data/cache/training/<key>.json        which files a result has: the names and SHA-256; written last

A result is there whole or not at all, and files of the same content are kept once. What is fetched is held against its
checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.core import paths
from kit.core.files import alone, whole_file
from kit.core.processes import Log

KINDS = "such as s3://bucket/kit, gs://bucket/kit or file:///shared/kit"
"""Of addresses, for those who typed another one."""


class Store:
    """A place for results.

    Args:
        address: as fsspec takes it. Keys and options of a kind are where its own package looks for them: in its variables of
            the environment, or in fsspec's files (``~/.config/fsspec``).

    Raises:
        ValueError: no address of a known kind, a package that its kind needs is missing, or nobody may write there.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.address = address
        try:
            if "://" not in address:
                raise ValueError("it names no kind of place")
            self._files, self._root = fsspec.url_to_fs(address)
        except (ValueError, ImportError) as error:
            raise ValueError(f"store is {address!r}: {error}: give an address {KINDS}") from None
        with self._reaching("nobody can write there"):
            self._files.makedirs(self._root, exist_ok=True)

    def put(self, path: Path) -> None:
        """Keep a file, with the checksum beside it, or a folder, without what is still being made (checkpoints, locks).

        What is there already is not sent again.

        Raises:
            OSError: the store refuses; what was to be kept is still here.
        """
        files = {file.relative_to(path.parent).as_posix(): file for file in _files_of(path)}
        sums = {name: _sha256(file) for name, file in files.items()}
        if not files or self._manifest(path) == sums:
            return
        with self._reaching(f"{path} is here, but could not be put there"):
            for name, file in files.items():
                if not self._files.exists(self._blob(sums[name])):
                    self._write(self._blob(sums[name]), lambda partial, file=file: self._files.put_file(str(file), partial))
            content = json.dumps(sums, indent=1).encode()
            self._write(self._place(path), lambda partial: self._files.pipe_file(partial, content))

    def fetch(self, path: Path, log: Log, anew: bool = False) -> bool:
        """Bring a file or folder here, if the store has it; returns whether it has.

        Args:
            log: takes a line when something came, or came damaged: then it counts as not there.
            anew: what is here gives way where it differs; else all that is here stays, if it has the files.

        Raises:
            OSError: the store cannot be read.
            ValueError: the store names a file of another place than ``path``: others write there, too.
        """
        sums = self._manifest(path)
        if sums is None:
            return False
        for name in sums:
            is_part = name == f"{path.name}.checksum" or (path.parent / name).is_relative_to(path)
            if ".." in Path(name).parts or not is_part:
                raise ValueError(f"{self._place(path)} in {self.address} names {name!r}, which is no part of {path.name}")
        with alone(path, log), self._reaching(f"{path} could not be fetched"):
            here = {name: path.parent / name for name in sums}
            if not anew and all(file.is_file() for file in here.values()):
                return True
            missing = [name for name, file in here.items() if not (file.is_file() and _sha256(file) == sums[name])]
            for name in missing:
                if not self._fetch_blob(sums[name], here[name]):
                    log(f"{path.name} is damaged in {self.address} ({name}): it is made anew")
                    self._files.rm_file(self._place(path))
                    return False
            if missing:
                log(f"{path.name}: {len(missing)} file(s) came from {self.address}")
        return True

    def _fetch_blob(self, digest: str, file: Path) -> bool:
        """Whether it is there and has its checksum; one that has not is taken away, so that it is sent again."""
        blob = self._blob(digest)
        try:
            with whole_file(file) as partial:
                self._files.get_file(blob, str(partial))
                if _sha256(partial) != digest:
                    self._files.rm_file(blob)
                    raise FileNotFoundError(blob)
        except FileNotFoundError:
            return False
        return True

    def send(self, lines: Sequence[str], log: Path) -> None:
        """Show others the lines that a log of this name holds up to now."""
        content = "".join(f"{line}\n" for line in lines).encode()
        with self._reaching(f"{log} could not be shown"):
            self._write(self._place(log, ""), lambda partial: self._files.pipe_file(partial, content))

    def sent(self, log: Path) -> list[str]:
        """The lines that were shown of a log."""
        with self._reaching(f"{log} could not be read"):
            try:
                return self._files.cat_file(self._place(log, "")).decode().splitlines()
            except FileNotFoundError:
                return []

    def forget(self, folder: Path) -> None:
        """Take the logs of a folder away."""
        with self._reaching(f"{folder} could not be taken away"):
            if self._files.exists(self._place(folder, "")):
                self._files.rm(self._place(folder, ""), recursive=True)

    def _manifest(self, path: Path) -> dict[str, str] | None:
        with self._reaching(f"{path} could not be looked for"):
            try:
                return dict(json.loads(self._files.cat_file(self._place(path))))
            except FileNotFoundError:
                return None

    def _place(self, path: Path, ending: str = ".json") -> str:
        return f"{self._root}/{path.relative_to(paths.root()).as_posix()}{ending}"

    def _blob(self, digest: str) -> str:
        return f"{self._root}/blobs/{digest[:2]}/{digest}"

    def _write(self, place: str, write: Callable[[str], Any]) -> None:
        """Write a file under another name, then rename it: on a disk, unlike in a bucket, half a file has its name, too."""
        partial = f"{place}.{os.getpid()}-{secrets.token_hex(4)}.partial"
        self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
        try:
            write(partial)
            self._files.mv(partial, place)
        except BaseException:
            if self._files.exists(partial):
                self._files.rm_file(partial)
            raise

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """Each kind of store has errors of its own, of no common class: tell them as one."""
        try:
            yield
        except Exception as error:
            told = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
            raise OSError(f"store {self.address}: {what} ({told}): see whether it is reached, and go on") from error


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [one for one in (path, path.with_name(f"{path.name}.checksum")) if one.is_file()]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and not _in_the_making(file.relative_to(path))]


def _in_the_making(file: Path) -> bool:
    return any(part.startswith((".", "checkpoint-")) for part in file.parts)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class SharedJob:
    """A job whose results go through a store, as ``do_shared`` carries it out.

    function, job: ``function(job, log)`` is what is done.
    kept: files and folders that the job reads or makes.
    address: of the store.
    """

    function: Callable[[Any, Log], object]
    job: Any
    kept: tuple[Path, ...]
    address: str

    @property
    def n_threads(self) -> int:
        """Processors that the job computes with."""
        return getattr(self.job, "n_threads", 1)


def do_shared(shared: SharedJob, log: Log) -> None:
    """Bring what others have made of a job's results, do the job, which makes the others, and put them there."""
    store = Store(shared.address)
    for path in shared.kept:
        store.fetch(path, log)
    shared.function(shared.job, log)
    for path in shared.kept:
        store.put(path)
