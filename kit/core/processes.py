"""Jobs in processes of their own on one machine, by loky; with their progress, line by line, from scripts and notebooks
alike.

Importing what trains a model takes longer than training a small one, so a process that has finished waits a minute for the
next call. A process whose parent has died ends within seconds, by itself.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from loky import ProcessPoolExecutor
from loky.backend import get_context
from loky.process_executor import BrokenProcessPool, TerminatedWorkerError

Log = Callable[[str], None]
Job = TypeVar("Job")

REST_S = 60.0
"""Seconds that a process without a job lives on."""

WATCH_S = 1.0
"""Seconds between two looks of a process at whether its parent lives."""

_BEGUN, _END = ("begun", ""), ("end", "")
_REMOTE: dict[str, Any] = {}  # of a process: where it tells its lines


class JobError(RuntimeError):
    """A job failed; the message holds the end of what its process wrote, or its traceback."""


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
        JobError: the function raised something else, or its process died; the others are stopped.
    """
    waiting, events = deque(jobs), queue.Queue()
    environments = [{"CUDA_VISIBLE_DEVICES": one} for one in devices] or [{}] * min(len(jobs), n_processes or len(jobs))
    busy: dict[_Process, Future] = {}
    try:
        for number, environment in enumerate(environments[: len(jobs)]):
            process = _process(number, environment)
            busy[process] = process.start(function, waiting.popleft(), events)
        while busy:
            process, (kind, line) = events.get()
            if kind == "line":
                log(line)
            elif process in busy and process.died_before(busy[process]):
                busy[process] = process.again()
            elif process in busy:  # it ended, or died
                _raise_failure(process, busy[process])
                del busy[process]
                if waiting:
                    busy[process] = process.start(function, waiting.popleft(), events)
    finally:
        for process in busy:
            process.kill()


class _Process:
    """An executor of one process, and a thread that reads the lines that it tells."""

    def __init__(self, environment: dict[str, str]):
        self._lines = get_context("loky").SimpleQueue()
        self._output = Path(tempfile.mkstemp(prefix="kit-", suffix=".log")[1])
        self._events: queue.Queue | None = None
        self._environment = {**environment, "TOKENIZERS_PARALLELISM": "false", "PYTHONIOENCODING": "utf-8"}
        self._executor = self._open()
        threading.Thread(target=self._read, daemon=True).start()

    def _open(self) -> ProcessPoolExecutor:
        place = os.getcwd(), {**os.environ, **self._environment}
        start = (self._lines, str(self._output), *place, os.getpid())
        return ProcessPoolExecutor(1, timeout=REST_S, initializer=_begin, initargs=start, env=self._environment)

    def start(self, function: Callable, job: Any, events: queue.Queue) -> Future:
        self._order, self._events, self._n_tries, self._begun = (function, job), events, 0, False
        self._output.write_bytes(b"")  # the next complaint is about this job
        return self._submit()

    def again(self) -> Future:
        """Give the job to a new process."""
        self._n_tries += 1
        self._executor = self._open()
        return self._submit()

    def died_before(self, future: Future) -> bool:
        """Whether the process had died while it waited, so that the job was never begun."""
        return _died(future) and not self._begun and self._n_tries == 0

    def _submit(self) -> Future:
        events = self._events
        assert events is not None
        try:
            future = self._executor.submit(_call, *self._order)
        except BrokenProcessPool:  # it died while it waited
            self._executor = self._open()
            future = self._executor.submit(_call, *self._order)
        future.add_done_callback(lambda done: events.put((self, _END)) if _died(done) else None)
        return future

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while (event := self._lines.get()) is not None:
                if event == _BEGUN:
                    self._begun = True
                elif self._events is not None:
                    self._events.put((self, event))

    def output(self) -> str:
        """The end of what the process wrote."""
        return "\n".join(self._output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:])

    def kill(self) -> None:
        """End the process, at once if it is busy."""
        for name, process in list(_processes.items()):
            if process is self:
                del _processes[name]
        self._events = None
        self._executor.shutdown(wait=True, kill_workers=True)
        self._lines.put(None)
        self._output.unlink(missing_ok=True)


_processes: dict[tuple, _Process] = {}
"""Processes by number, folder and environment: what was started elsewhere is not used again."""


def _process(number: int, environment: dict[str, str]) -> _Process:
    key = (number, os.getcwd(), tuple(sorted((dict(os.environ) | environment).items())), REST_S)
    if key not in _processes:
        _processes[key] = _Process(environment)
    return _processes[key]


def dismiss_all() -> None:
    """End the processes that wait; Python does it by itself when it ends."""
    for process in list(_processes.values()):
        process.kill()


def _died(future: Future) -> bool:
    return not future.cancelled() and isinstance(future.exception(), TerminatedWorkerError)


def _raise_failure(process: _Process, future: Future) -> None:
    error = future.exception()
    if isinstance(error, TerminatedWorkerError):
        raise JobError(f"a process ended before its job was done:\n{process.output() or 'it wrote nothing'}") from None
    if error is not None:  # what a job raises comes back as a result
        raise JobError(f"a job could not be handed over: {error!r}") from error
    kind, message = future.result()
    if kind == "refused":
        raise ValueError(message) from None
    if kind == "failed":
        raise JobError("\n".join(["a process failed:", process.output(), message])) from None


def _call(function: Callable[[Any, Log], object], job: Any) -> tuple[str, str]:
    """What a process does with a job; errors come back as text, since not every exception can be pickled."""
    tell = _REMOTE["lines"]
    tell.put(_BEGUN)
    try:
        function(job, lambda text: tell.put(("line", str(text))))
        return "done", ""
    except ValueError as error:
        return "refused", str(error)
    except Exception:
        return "failed", "".join(traceback.format_exc().splitlines(keepends=True)[-12:]).strip()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        tell.put(_END)


def _begin(lines: Any, output: str, folder: str, environment: dict[str, str], parent: int) -> None:
    """Before the first job: what is printed goes to a file, the folder and the environment are the caller's."""
    os.chdir(folder)
    os.environ.update(environment)
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    _REMOTE["lines"] = lines
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)
