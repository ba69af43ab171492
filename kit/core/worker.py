"""What a process of ``kit.core.processes`` does: one job after the other, and its own end when its parent has died."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import current_process
from multiprocessing.connection import Connection
from pickle import loads

from loky.backend.utils import kill_process_tree

WATCH_S = 0.5
"""Seconds between two looks at whether the parent lives."""

SHOWN_LINES = 12
"""Lines at the end of a traceback, or of what a process wrote, that tell of a failure."""


def serve(connection: Connection, output: str, parent: int) -> None:
    """Carry out what comes through a connection, as long as there is somebody at its other end.

    An order is a function and its job, pickled. What goes back is a word and a text: ("line", what the function logged), and
    at the end ("done", ""), ("refused", message of a ``ValueError``) or ("failed", traceback).

    Args:
        output: file for what is printed; it loses its name at once, so that nothing is left, whoever dies.
        parent: number of the process that has started this one.
    """
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    atexit.register(os._exit, 0)  # the last thing at the end: to clear away what was imported would take seconds
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; the parent says what ends
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.unlink(output)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    faulthandler.enable()
    lock = threading.Lock()

    def tell(kind: str, text: str) -> None:
        with lock:  # a job may log from several threads
            connection.send((kind, text))

    with contextlib.suppress(EOFError):
        while True:
            tell(*_carried_out(connection.recv_bytes(), lambda text: tell("line", str(text))))


def _carried_out(order: bytes, log: Callable[[str], None]) -> tuple[str, str]:
    """How a job ended, in words: not every error can be pickled."""
    try:
        function, job = loads(order)
        function(job, log)
        return "done", ""
    except ValueError as error:
        return "refused", str(error)
    except BaseException:  # sys.exit() in a job, too
        return "failed", "\n".join(traceback.format_exc().strip().splitlines()[-SHOWN_LINES:])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:  # an orphan has another one at once, and no new process can take its number before
        time.sleep(WATCH_S)
    kill_process_tree(current_process())
