"""A job on several devices of this machine: torchrun starts a process for each, as a child of this one; from notebooks, too.

torchrun and its processes share the pipes to this one. What the first process logs comes back line by line. Each process
ends when nobody holds the other end of its standard input any more, or torchrun has died (``kit.train.devices.process``);
when one dies, torchrun ends the others. So whatever is killed, nothing goes on by itself.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from kit.core.processes import JobError
from kit.core.worker import SHOWN_LINES

Log = Callable[[str], None]
Job = TypeVar("Job")

MARK = "\x1e"
"""Begins a line that a process tells this one: JSON of a kind ("line", "refused" or "failed") and a text."""


def on_devices(function: Callable[[Job, Log], object], job: Job, n_devices: int, log: Log) -> None:
    """Call ``function(job, log)`` in ``n_devices`` processes that torchrun starts, and wait for them.

    Each has the caller's folder, environment and import path. Where there are GPUs process r has the r-th. A trainer joins
    them, by NCCL on GPUs, otherwise by gloo.

    Args:
        function: of a module, so that a process can import it.
        job: what can be pickled.
        log: takes the lines that the function logs in the first process.

    Raises:
        ValueError: the function raised one, of which the message is kept.
        JobError: the function raised something else, or a process was killed; none is left.
    """
    with tempfile.TemporaryDirectory(prefix="kit-") as folder:
        order = Path(folder) / "order.pickle"
        order.write_bytes(pickle.dumps((function, job)))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_devices}"]
        with subprocess.Popen(
            [*command, "-m", "kit.train.devices.process", str(order)],
            stdin=subprocess.PIPE,  # nothing is written: its end is the end of this process
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(n_devices),
            start_new_session=True,  # Ctrl-C reaches all of a terminal; this process says what ends
        ) as torchrun:
            assert torchrun.stdout is not None
            told, output = _hear(torchrun.stdout, log)
    if torchrun.returncode < 0:
        raise JobError(f"torchrun was killed by signal {-torchrun.returncode}, which ended its {n_devices} processes")
    if torchrun.returncode:
        raise _failure(told, output, n_devices)


def _environment(n_devices: int) -> dict[str, str]:
    threads = str(max(1, (os.cpu_count() or 1) // n_devices))
    return {
        "OMP_NUM_THREADS": threads,  # without, torchrun says one, and says so
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "PYTHONIOENCODING": "utf-8",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _hear(lines: Iterable[str], log: Log) -> tuple[dict[str, str], str]:
    """What processes told of their end, the first of each kind, and what was printed besides; logged lines go on."""
    told, printed = dict[str, str](), deque[str](maxlen=200)
    for line in lines:
        if not line.startswith(MARK):
            printed.append(line.rstrip())
            continue
        kind, text = json.loads(line.removeprefix(MARK))
        if kind == "line":
            log(text)
        else:
            told.setdefault(kind, text)
    return told, "\n".join(printed)


def _failure(told: dict[str, str], output: str, n_devices: int) -> Exception:
    """Why it ended. A process that was killed makes others fail, which lose their connection to it."""
    if "refused" in told:
        return ValueError(told["refused"])
    killed = re.findall(r"rank\s*: (\d+) .*\n\s*exitcode\s*: -(\d+) ", output)  # in torchrun's report
    if killed:
        rank, number = min(killed, key=lambda one: int(one[1]) == signal.SIGTERM)  # by which torchrun ends the others
        return JobError(f"process {rank} of {n_devices} (counted from 0) was killed by signal {number}, which ended all")
    last = "\n".join(output.strip().splitlines()[-SHOWN_LINES:])
    return JobError(f"a process of {n_devices} failed:\n{told.get('failed') or last or 'it wrote nothing'}")
