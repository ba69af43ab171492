"""A job on its way to a machine of a cluster, and what is done with it there."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.core.engines.engine import VARIABLE, Engine
from kit.core.engines.store import Store
from kit.core.processes import DiedError, JobError, Log, run_all

Outcome = tuple[str, str]
"""How a job ended: "done", "failed" or "lost" (its process died: it may be started again), and why."""

BEGUN = "begun on "
"""Starts the first line that a machine writes into a job's log."""

SHOWN_S = 2.0
"""Seconds after which a machine that shares no folder shows what its jobs have logged, and is asked for it."""


@dataclass(frozen=True)
class Order:
    """A job that some machine of a cluster carries out; called there.

    function, job: ``function(job, log)`` is what is done.
    path: of the job's log, in a folder that all machines share, or that a store stands in for.
    n_processors: that it may use.
    store: address of a place for results, which has the log, too, where a machine does not see its folder; or empty.
    """

    function: Callable[[Any, Callable[[str], None]], object]
    job: Any
    path: Path
    n_processors: int
    store: str = ""

    def __call__(self) -> Outcome:
        """Carry out the job in a process of its own, as this machine would; what it logs goes into the file."""
        sees, host = self.path.parent.is_dir(), socket.gethostname()
        if not sees and not self.store:
            return "failed", (
                f"{host} does not see {self.path.parent}: give all machines the project's folder at one path, or a --store"
            )
        os.environ.pop(VARIABLE, None)  # what a job starts is carried out where the job is
        if self.store:
            os.environ[VARIABLE] = Engine(store=self.store).model_dump_json()
        os.environ["LOKY_MAX_CPU_COUNT"] = str(self.n_processors)
        try:
            store = None if sees else Store(self.store)
        except (ValueError, OSError) as error:
            return "failed", f"{host}: {error}"
        with _logged(self.path, store) as log:
            log(f"{BEGUN}{host}, process {os.getpid()}")
            try:
                run_all(self.function, [self.job], log, n_processes=1)
            except (ValueError, JobError) as error:
                log(str(error))
                return "lost" if isinstance(error, DiedError) else "failed", str(error)
        return "done", ""


@contextmanager
def _logged(path: Path, store: Store | None) -> Iterator[Log]:
    """What takes the lines of a log that others read as it grows: in a shared folder or, every few seconds, in a store."""
    if store is None:
        with path.open("a", encoding="utf-8") as file:
            yield lambda line: print(line, file=file, flush=True)
        return
    lines, shown = store.sent(path), 0.0  # of a try that was lost

    def log(line: str) -> None:
        nonlocal shown
        lines.append(line)
        if time.monotonic() - shown > SHOWN_S:
            store.send(lines, path)
            shown = time.monotonic()

    try:
        yield log
    finally:
        store.send(lines, path)
