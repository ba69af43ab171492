"""Jobs in processes of their own on one machine; with their progress, line by line, from scripts and notebooks alike.

A process is one of loky's, which does what ``kit.core.worker`` says: a fresh interpreter, which runs no ``__main__`` again,
with its environment set before anything is imported. One socket leads to it, for jobs one way and lines the other, and tells
of its end, too: nothing else is shared, no thread waits for it and no lock can be left behind.

Importing what trains a model takes longer than training a small one, so a process that has finished waits a minute for the
next call. A process whose parent has died ends within a second, by itself.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TypeVar, cast

from loky.backend.context import LokyContext
from loky.backend.reduction import dumps
from loky.backend.utils import kill_process_tree

from kit.core.worker import SHOWN_LINES, serve

Log = Callable[[str], None]
Job = TypeVar("Job")

REST_S = 60.0
"""Seconds that a process without a job lives on."""

_SHOWN_BYTES = 20_000  # at the end of what a failed process wrote


class JobError(RuntimeError):
    """A job failed; the message holds the end of what its process wrote, and its traceback."""


class DiedError(JobError):
    """The process of a job ended before the job did: it was killed, or it crashed."""


def run_all(
    function: Callable[[Job, Log], object],
    jobs: Sequence[Job],
    log: Log,
    n_processes: int | None = None,
    devices: Sequence[str] = (),
) -> None:
    """Call ``function(job, log)`` for each job in processes of their own, and wait for them.

    Args:
        function: of a module, so that a process can import it.
        jobs: what can be pickled; a process that is free takes the next one.
        log: takes the lines that the functions log, each process's in their order.
        n_processes: how many jobs are carried out at a time; ``None``: all. Not read where there are devices.
        devices: ids of GPUs as ``CUDA_VISIBLE_DEVICES`` takes them. Each gets a process of its own that sees no other, so
            that as many jobs run at a time as there are GPUs.

    Raises:
        ValueError: the function raised one, of which the message is kept; the others are stopped.
        JobError: the function raised something else, its process died, or a job cannot be pickled; the others are stopped.
    """

    def tell(number: int, word: str, text: str) -> None:
        if word == "line":
            log(text)
        elif word in FAILURES:
            raise FAILURES[word](text)

    run_each(function, jobs, tell, n_processes, devices)


FAILURES: dict[str, type[Exception]] = {"refused": ValueError, "failed": JobError, "died": DiedError}
"""Words for a job that was not done, and the error that each is."""


def run_each(
    function: Callable[[Job, Log], object],
    jobs: Sequence[Job],
    tell: Callable[[int, str, str], None],
    n_processes: int | None = None,
    devices: Sequence[str] = (),
) -> None:
    """The same, for who wants to know of each job: one that fails stops the others only if ``tell`` raises.

    Args:
        tell: is told a job's number, a word and a text: "runs", "line" (what it logged), "done", or one of ``FAILURES``
            (why).

    Raises:
        JobError: a job cannot be pickled; the others are stopped.
    """
    waiting, busy = deque(enumerate(jobs)), dict[Connection, _Process]()

    def begin(process: _Process) -> None:
        busy[process.connection] = process
        process.number, job = waiting.popleft()
        process.begin(function, job)
        tell(process.number, "runs", "")

    environments = [{"CUDA_VISIBLE_DEVICES": one} for one in devices] or [{}] * min(len(jobs), n_processes or len(jobs))
    try:
        for environment in environments[: len(jobs)]:
            begin(_rested(environment) or _Process(environment))
        while busy:
            for connection in wait(list(busy)):
                process = busy[cast(Connection, connection)]
                word, text = process.hear()
                tell(process.number, word, _complaint(word, text, process))
                if word == "line":
                    continue
                del busy[process.connection]
                if word == "died":
                    process.end()
                if waiting:
                    begin(_Process(process.environment) if word == "died" else process)
                elif word != "died":
                    _rest(process)
    finally:
        with contextlib.ExitStack() as ends:  # of all of them, though one is interrupted
            for process in busy.values():
                ends.callback(process.end)


class _Process:
    """A process and the socket that leads to it. It has the caller's folder and environment, as they are at its start."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment, self.place, self.number = environment, _place(environment), -1
        self.connection, theirs = Pipe()
        output, path = tempfile.mkstemp(prefix="kit-", suffix=".log")
        self._output, self._path = os.fdopen(output, "r+b"), Path(path)
        self._process = LokyContext().Process(  # not get_context("loky"), which joblib may have made its own
            target=serve,
            args=(theirs, path, os.getpid()),
            env={**environment, "TOKENIZERS_PARALLELISM": "false", "PYTHONIOENCODING": "utf-8"},
        )
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the connection

    def begin(self, function: Callable[[Job, Log], object], job: Job) -> None:
        """Hand over a job; the process tells by ``hear`` how it goes."""
        self._output.truncate(0)  # the next complaint is about this job
        try:
            order = dumps((function, job))
        except Exception as error:
            raise JobError(f"a job could not be handed over, since it cannot be pickled: {error!r}") from error
        with contextlib.suppress(OSError):  # the process has died: hear() will tell
            self.connection.send_bytes(order)

    def hear(self) -> tuple[str, str]:
        """What comes next: a "line", or that the job is "done", "refused" or "failed", or that the process "died"."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return "died", ""

    def lives(self) -> bool:
        return self._process.is_alive()

    def output(self) -> str:
        """The end of what the process wrote."""
        self._output.seek(max(0, os.fstat(self._output.fileno()).st_size - _SHOWN_BYTES))
        return "\n".join(self._output.read().decode(errors="replace").strip().splitlines()[-SHOWN_LINES:])

    def end(self) -> None:
        """Leave nothing of the process. One that does not end by itself is killed, with all that it has started."""
        if self.connection.closed:
            self._process.join(timeout=5)
        if self.lives():
            kill_process_tree(self._process)
        self.connection.close()
        self._output.close()
        self._path.unlink(missing_ok=True)  # it died before it could do so


_resting: dict[_Process, threading.Timer] = {}
_lock = threading.Lock()
os.register_at_fork(after_in_child=_resting.clear)  # they are the parent's


def _place(environment: dict[str, str]) -> tuple[str, dict[str, str]]:
    """A process that was started in another folder or environment is not used again."""
    return os.getcwd(), {**os.environ, **environment}


def _rested(environment: dict[str, str]) -> _Process | None:
    """A process that waits for a job, if there is one."""
    place = _place(environment)
    with _lock:
        for process in [one for one in _resting if one.place == place]:
            _resting.pop(process).cancel()
            if process.lives():
                return process
            process.end()
    return None


def _rest(process: _Process) -> None:
    timer = threading.Timer(REST_S, _dismiss, [[process]])
    timer.daemon = True
    with _lock:
        _resting[process] = timer
    timer.start()


def _dismiss(processes: Sequence[_Process]) -> None:
    with _lock:  # nobody may take one in the meantime
        ended = {process: _resting.pop(process) for process in processes if process in _resting}
    for process, timer in ended.items():
        timer.cancel()
        process.connection.close()  # one without a job ends by that
    for process in ended:
        process.end()


@atexit.register
def dismiss_all() -> None:
    """End the processes that wait."""
    _dismiss(list(_resting))


def _complaint(word: str, text: str, process: _Process) -> str:
    """What is told of a job: what it says itself, and of one that failed what its process wrote."""
    if word == "failed":
        return "\n".join(filter(None, ["a process failed:", process.output(), text]))
    if word == "died":
        return f"a process ended before its job was done:\n{process.output() or 'it wrote nothing'}"
    return text
