"""Run a function in several processes at once, with their progress line by line; works from scripts and notebooks alike.

``multiprocessing`` would not do: its ``spawn`` imports the caller's script again, and its ``fork`` breaks CUDA and threads.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pkgutil
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence

_MARK = "kit> "
"""Begins the lines of progress, so that whatever else a library prints is not taken for one."""


def run_all(function: str, orders: Sequence[dict], log: Callable[[str], None]) -> None:
    """Call ``function(order, log)`` for each order in a process of its own, all at once, and wait for them.

    Args:
        function: as ``package.module:name``.
        orders: one JSON-able dictionary a process.
        log: takes the lines that the functions log, in the order of their arrival.

    Raises:
        RuntimeError: a process failed; the others are stopped, and the message holds the end of its error output.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    with contextlib.ExitStack() as stack:
        started = [_start(function, order, lines, stack) for order in orders]
        n_running = len(started)
        while n_running:
            line = lines.get()
            if line is not None:
                log(line)
                continue
            n_running -= 1
            for process, errors in started:
                if process.poll():  # ended, and not with 0; leaving the stack stops the others
                    raise RuntimeError(_complaint(process, errors))
        for process, errors in started:
            if process.wait():
                raise RuntimeError(_complaint(process, errors))


def _start(
    function: str, order: dict, lines: queue.Queue, stack: contextlib.ExitStack
) -> tuple[subprocess.Popen, io.BufferedIOBase]:
    errors = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kit.workers", function],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    )
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    stack.callback(_stop, process, reader)
    reader.start()
    with contextlib.suppress(BrokenPipeError), process.stdin:  # a process that has ended already is dealt with by run_all
        process.stdin.write(json.dumps(order))
    return process, errors


def _read(process: subprocess.Popen, lines: queue.Queue) -> None:
    with process.stdout:
        for line in process.stdout:
            if line.startswith(_MARK):
                lines.put(line.removeprefix(_MARK).rstrip("\n"))
    process.wait()
    lines.put(None)


def _stop(process: subprocess.Popen, reader: threading.Thread) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it does not listen
            process.kill()
    reader.join(timeout=10)


def _complaint(process: subprocess.Popen, errors: io.BufferedIOBase) -> str:
    errors.seek(0)
    last = errors.read().decode(errors="replace").strip().splitlines()[-12:]
    return "\n".join([f"a process ended with status {process.returncode}:", *last])


def _main() -> None:
    function = pkgutil.resolve_name(sys.argv[1])
    function(json.load(sys.stdin), lambda line: print(f"{_MARK}{line}", flush=True))


if __name__ == "__main__":
    _main()
