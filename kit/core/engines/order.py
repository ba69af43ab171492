"""A job on its way to a machine of a cluster, and what is done with it there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.core.engines.engine import VARIABLE
from kit.core.processes import DiedError, JobError, run_all

Outcome = tuple[str, str]
"""How a job ended: "done", "failed" or "lost" (its process died: it may be started again), and why."""

BEGUN = "begun on "
"""Starts the first line that a machine writes into a job's log."""


@dataclass(frozen=True)
class Order:
    """A job that some machine of a cluster carries out; called there.

    function, job: ``function(job, log)`` is what is done.
    path: of the job's log, in a folder that all machines share.
    n_processors: that it may use.
    """

    function: Callable[[Any, Callable[[str], None]], object]
    job: Any
    path: Path
    n_processors: int

    def __call__(self) -> Outcome:
        """Carry out the job in a process of its own, as this machine would; what it logs goes into the file."""
        host = socket.gethostname()
        if not self.path.parent.is_dir():
            return "failed", f"{host} does not see {self.path.parent}: give all machines the project's folder at one path"
        os.environ.pop(VARIABLE, None)  # what a job starts is carried out where the job is
        os.environ["LOKY_MAX_CPU_COUNT"] = str(self.n_processors)
        with self.path.open("a", encoding="utf-8") as file:

            def log(line: str) -> None:
                print(line, file=file, flush=True)

            log(f"{BEGUN}{host}, process {os.getpid()}")
            try:
                run_all(self.function, [self.job], log, n_processes=1)
            except (ValueError, JobError) as error:
                log(str(error))
                return "lost" if isinstance(error, DiedError) else "failed", str(error)
        return "done", ""
