"""One file from its home to this disk: streamed through its checksums, continued where it stopped, whole or not at all.

``huggingface_hub.hf_hub_download`` is not used for it: since 2.4 it throws an interrupted download away (each process has a
temporary file of its own), and it knows neither GitHub nor plain addresses. It names, lists and authorises (``remote``).
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kit.core.fingerprints import fingerprint
from kit.core.printing import say
from kit.data.hub.remote import PATIENCE_S, Remote, headers_of, is_offline

if TYPE_CHECKING:
    import requests

ATTEMPTS = 6
"""Times in a row that a connection may fail without a byte."""

PAUSE_S = 1.0
"""Seconds before the second attempt; each further one waits twice as long."""

_CHUNK = 1 << 16
"""Bytes that are taken at a time; what a lost connection has brought of one is lost."""

_LOST = (408, 429, 500, 502, 503, 504)
"""Answers that another attempt may change."""


def fetch(remote: Remote, path: Path, log: Callable[[str], None] = say) -> dict[str, str | int]:
    """Download a file that is not there yet.

    What has come stays in ``.<name>.<address>.part`` beside it, and the next attempt, or the next process, goes on from
    there if the server still has the same content (its ETag) and sends parts. The caller holds a lock.

    Args:
        log: takes a line where a connection is lost.

    Returns:
        ``sha256`` and ``bytes`` of the file.

    Raises:
        ValueError: the server refuses, the connection is lost ``ATTEMPTS`` times in a row, the disk is full (what has come
            stays), or the content has another size or checksum than its home says (what has come is thrown away).
    """
    if is_offline():
        raise ValueError(f"{remote.url}: HF_HUB_OFFLINE is set, and this file is not here: unset it to download it")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{fingerprint(remote.url)[:8]}.part")
    download = _Download(remote, part)
    with _bar(path.name, remote.n_bytes, download.n_bytes) as bar:
        failures = 0
        while not download.is_whole:
            before = download.n_bytes
            problem = download.go_on(bar)
            if problem:
                failures = 1 if download.n_bytes > before else failures + 1
                if failures >= ATTEMPTS:
                    raise ValueError(
                        f"{remote.url}: connection lost {failures} times in a row ({problem}): {download.n_bytes:,} bytes "
                        "are kept; the same command goes on from there"
                    )
                log(f"{path.name}: {problem}; going on at {download.n_bytes:,} bytes")
                time.sleep(PAUSE_S * 2 ** (failures - 1))
    digest = download.checked()
    part.replace(path)
    download.forget()
    return {"sha256": digest, "bytes": path.stat().st_size}


class _Download:
    """What has come of a file, and how it goes on."""

    def __init__(self, remote: Remote, part: Path) -> None:
        self.remote, self.part = remote, part
        self._tag = part.with_name(f"{part.name}.etag")
        self.is_whole = False
        self._hashes = self._fresh()
        self.n_bytes = 0
        with suppress(FileNotFoundError), part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self._take(chunk)
        self.is_whole = self.n_bytes > 0 and self.n_bytes == remote.n_bytes  # killed between its last byte and its name

    def _fresh(self) -> dict[str, Any]:
        kinds = {"sha256", *(kind for kind, _ in self.remote.checks)}
        made = {kind: hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False) for kind in kinds}
        if "git" in made:  # what git calls a file: SHA-1 of a line with its size, and its bytes
            made["git"].update(f"blob {self.remote.n_bytes}\0".encode())
        return made

    def _take(self, chunk: bytes) -> None:
        self.n_bytes += len(chunk)
        for one in self._hashes.values():
            one.update(chunk)

    def forget(self) -> None:
        """Throw away what has come."""
        for path in (self.part, self._tag):
            path.unlink(missing_ok=True)
        self._hashes, self.n_bytes = self._fresh(), 0

    def go_on(self, bar: Any) -> str:
        """Ask for what is missing and keep it; the empty text where all has come, else what happened."""
        import requests

        headers = headers_of(self.remote.url) | ({"Range": f"bytes={self.n_bytes}-"} if self.n_bytes else {})
        try:
            with requests.get(self.remote.url, headers=headers, stream=True, timeout=PATIENCE_S) as answer:
                if answer.status_code in _LOST:
                    return f"the server says {answer.status_code}"
                if answer.status_code == 416 and self._continues(answer, f"*/{self.n_bytes}"):
                    self.is_whole = True
                    return ""
                if answer.status_code in (206, 416) and not self._continues(answer, f"{self.n_bytes}-"):
                    self.forget()  # another content than what has come, or more has come than there is
                    bar.reset()
                    return "the server has another content now: begun again"
                self._refuse(answer)
                if answer.status_code == 200 and self.n_bytes:  # it sends no parts
                    self.forget()
                    bar.reset()
                return self._keep(answer, bar)
        except requests.RequestException as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"

    def _continues(self, answer: requests.Response, place: str) -> bool:
        """Whether an answer is of what has come, and of this place in it."""
        told = self._tag.read_text(encoding="utf-8") if self._tag.is_file() else ""
        there = answer.headers.get("Content-Range", "").startswith(f"bytes {place}")
        unnamed = told if answer.status_code == 416 else ""  # a refusal need not name the content
        return there and told in ("", answer.headers.get("ETag", unnamed))

    def _refuse(self, answer: requests.Response) -> None:
        if answer.status_code in (200, 206):
            return
        remedy = {
            401: "it wants a token: huggingface-cli login, and agree to the set's terms on its page",
            403: "it wants a token: huggingface-cli login, and agree to the set's terms on its page",
            404: "the file is not there any more: mend its path in data/hub.yaml",
        }.get(answer.status_code, "try again later")
        raise ValueError(f"{self.remote.url}: the server says {answer.status_code} {answer.reason}: {remedy}")

    def _keep(self, answer: requests.Response, bar: Any) -> str:
        length = answer.headers.get("Content-Length")
        total = self.n_bytes + int(length) if length else self.remote.n_bytes
        self._refuse_full(total)
        if tag := answer.headers.get("ETag"):
            self._tag.write_text(tag, encoding="utf-8")
        with self.part.open("ab") as file:
            for chunk in answer.iter_content(_CHUNK):
                try:
                    _append(file, chunk)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT):
                        raise self._full(total) from None
                    raise
                self._take(chunk)
                bar.update(len(chunk))
        if total is not None and self.n_bytes < total:
            return f"{self.n_bytes:,} of {total:,} bytes came"
        self.is_whole = True
        return ""

    def _refuse_full(self, total: int | None) -> None:
        if total is not None and shutil.disk_usage(self.part.parent).free < total - self.n_bytes:
            raise self._full(total)

    def _full(self, total: int | None) -> ValueError:
        missing = f"{total - self.n_bytes:,} more bytes are" if total is not None else "more is"
        return ValueError(
            f"{self.part.parent}: the disk is full: {missing} to come of {self.remote.path}; make room, and the same "
            "command goes on from there"
        )

    def checked(self) -> str:
        """The SHA-256, where size and checksums are those that were told."""
        came = {kind: one.hexdigest() for kind, one in self._hashes.items()}
        told = [("bytes", str(self.remote.n_bytes), str(self.n_bytes))] if self.remote.n_bytes is not None else []
        told += [(kind, expected, came[kind]) for kind, expected in self.remote.checks]
        for kind, expected, found in told:
            if expected != found:
                self.forget()
                raise ValueError(
                    f"{self.remote.url}: expected {kind} {expected}, got {found}: what came is thrown away; try again, and "
                    "if it stays so, the file is not the one that data/hub.yaml means"
                )
        return came["sha256"]


def _append(file: BinaryIO, chunk: bytes) -> None:
    """Write a part through to the disk's driver, so that a full disk is noticed here."""
    file.write(chunk)
    file.flush()


def _bar(name: str, total: int | None, done: int) -> Any:
    return progress(name, total, done, unit="B", unit_scale=True, unit_divisor=1024)


def progress(name: str, total: int | None = None, done: int = 0, **named: Any) -> Any:
    """A bar on a terminal, nothing elsewhere."""
    from tqdm import tqdm

    return tqdm(desc=name, total=total, initial=done, disable=not sys.stderr.isatty(), leave=False, **named)


def counted(rows: Iterator[dict], name: str) -> Iterator[dict]:
    """The rows, with a bar that counts them."""
    with progress(name, unit=" rows", mininterval=1) as bar:
        for row in rows:
            bar.update()
            yield row
