"""Run a function in several processes at once, with their progress line by line; works from scripts and notebooks alike.

``multiprocessing`` would not do: its ``spawn`` imports the caller's script again, and its ``fork`` breaks CUDA and threads.
Importing what trains a model takes longer than training a small one, so a process that has finished waits a minute for the
next call.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pkgutil
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence

_MARK = "kit> "
"""Begins the lines of progress, so that whatever else a library prints is not taken for one."""

_DONE = "kit. done"
"""The line after the last one of an order."""

_REFUSED = "kit! "
"""Begins the line of an order that was refused (``ValueError``), with the reason as JSON."""

REST = 60.0
"""Seconds that a process without an order lives on."""


def run_all(function: str, orders: Sequence[dict], log: Callable[[str], None], n_processes: int | None = None) -> None:
    """Call ``function(order, log)`` for each order in processes of their own, and wait for them.

    Args:
        function: as ``package.module:name``.
        orders: one JSON-able dictionary a call; a process that is free takes the next one.
        log: takes the lines that the functions log, in the order of their arrival.
        n_processes: how many orders are carried out at a time; ``None``: all.

    Raises:
        ValueError: the function raised one, of which the message is kept; the others are stopped.
        RuntimeError: a process failed; the others are stopped, and the message holds the end of its error output.
    """
    waiting = deque(json.dumps({"function": function, "order": order}) for order in orders)
    events: queue.Queue[tuple[_Worker, str | None]] = queue.Queue()
    busy: set[_Worker] = set()
    try:
        for _ in range(min(len(waiting), n_processes or len(waiting))):
            worker = _take(events)
            busy.add(worker)
            worker.send(waiting.popleft())
        while busy:
            worker, line = events.get()
            if line is None:
                raise RuntimeError(worker.complaint())
            if line.startswith(_REFUSED):
                raise ValueError(json.loads(line.removeprefix(_REFUSED)))
            if line.startswith(_MARK):
                log(line.removeprefix(_MARK))
            elif line == _DONE and waiting:
                worker.send(waiting.popleft())
            elif line == _DONE:
                busy.remove(worker)
                _rest(worker)
    finally:
        for worker in busy:
            worker.stop()


class _Worker:
    """A process that carries out one order after the other, and a thread that reads what it prints."""

    def __init__(self) -> None:
        self.place = _place()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (stop closes it)
        self.events: queue.Queue | None = None
        self.timer: threading.Timer | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kit.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONIOENCODING": "utf-8"},
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with self.process.stdout:
            for line in self.process.stdout:
                if self.events is not None:
                    self.events.put((self, line.rstrip("\n")))
        self.process.wait()
        if self.events is not None:
            self.events.put((self, None))

    def send(self, order: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the reader tells that the process has ended
            self.process.stdin.write(f"{order}\n")
            self.process.stdin.flush()

    def stop(self) -> None:
        """End the process, at once if it is busy."""
        if self.events is not None:
            self.process.terminate()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it does not listen
            self.process.kill()
        self.reader.join(timeout=10)
        self.errors.close()

    def complaint(self) -> str:
        self.errors.seek(0)
        last = self.errors.read().decode(errors="replace").strip().splitlines()[-12:]
        return "\n".join([f"a process ended with status {self.process.returncode}:", *last])


_resting: list[_Worker] = []
_lock = threading.Lock()


def _place() -> tuple[str, dict[str, str]]:
    """What a process inherits: one that was started elsewhere is not used again."""
    return os.getcwd(), dict(os.environ)


def _take(events: queue.Queue) -> _Worker:
    """A process that rests, or a new one; what it prints goes to ``events``."""
    with _lock:
        fit = [worker for worker in _resting if worker.process.poll() is None and worker.place == _place()]
        worker = fit[0] if fit else None
        if worker:
            _resting.remove(worker)
            worker.timer.cancel()
    worker = worker or _Worker()
    worker.events = events
    return worker


def _rest(worker: _Worker) -> None:
    worker.events = None
    worker.errors.seek(0)  # the process writes on from here: the next complaint is about the next order
    worker.errors.truncate()
    worker.timer = threading.Timer(REST, _dismiss, [worker])
    worker.timer.daemon = True
    with _lock:
        _resting.append(worker)
    worker.timer.start()


def _dismiss(worker: _Worker) -> None:
    with _lock:
        if worker not in _resting:  # it was taken in the meantime
            return
        _resting.remove(worker)
    worker.stop()


@atexit.register
def dismiss_all() -> None:
    """End the processes that rest; Python does it by itself when it ends."""
    for worker in list(_resting):
        worker.timer.cancel()
        _dismiss(worker)


def _main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        function = pkgutil.resolve_name(message["function"])
        try:
            function(message["order"], lambda text: _tell(f"{_MARK}{text}"))
        except ValueError as error:
            _tell(f"{_REFUSED}{json.dumps(str(error))}")
            raise
        _tell(_DONE)


def _tell(line: str) -> None:
    """Print a line of its own, whatever other output was left without an end."""
    print(f"\n{line}", flush=True)


if __name__ == "__main__":
    _main()
