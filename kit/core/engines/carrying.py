"""The one call that carries out jobs, whatever the engine: what fails does not stop the others, and is told at the end."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loky import cpu_count

from kit.core import paths
from kit.core.engines.engine import Engine
from kit.core.engines.order import BEGUN, SHOWN_S, Order, Outcome
from kit.core.engines.store import Store
from kit.core.processes import FAILURES, JobError, Log, run_each

Job = TypeVar("Job")

Tell = Callable[[int, str, str], None]
"""Is told of a job: its number, a word, and a text.

The words: "runs" (where), "line" (what it logged), "waits" (why it is started again), "done", "failed" (why).
"""

TRIES = 6
"""How often a job is started whose process or machine is lost each time; then it has failed."""

LOOK_S = 0.25
"""Seconds between two looks at what the jobs on a cluster have written."""


def carry_out(
    function: Callable[[Job, Log], object],
    jobs: Sequence[Job],
    names: Sequence[str],
    tell: Tell,
    engine: Engine,
    devices: Sequence[str] = (),
) -> None:
    """Call ``function(job, log)`` for each job on an engine, and wait for them.

    On a cluster all machines share the project's folder, at one path, or have one each and a store
    (``kit.core.engines.store``), and have the kit installed. A job is started again there when its process or its machine is
    lost, so functions go on where they were, or do nothing when all is done. A job that has ``n_threads`` needs so many
    processors, any other one, unless the engine says how many.

    Args:
        function: of a module, so that a process can import it.
        jobs: what can be pickled.
        names: one a job, for what is told of it.
        tell: see ``Tell``.
        devices: ids of this machine's GPUs; see ``kit.core.processes.run_all``.

    Raises:
        JobError: jobs failed; the message names each with its error and its log. The others are done.
        ValueError: there is no such cluster, none of its machines has what a job needs, or a package is missing.
    """
    failed: dict[int, str] = {}

    def told(number: int, word: str, text: str) -> None:
        if word in FAILURES:
            word, failed[number] = "failed", text
        tell(number, word, text)

    needs = [engine.processors or getattr(job, "n_threads", 1) for job in jobs]
    folder = _log_folder() if engine.name != "here" else None
    if folder is None:
        run_each(function, jobs, told, max(1, cpu_count() // max(needs, default=1)), devices)
    else:
        folder.mkdir(parents=True)
        logs = [folder / f"{number}.log" for number in range(len(jobs))]
        orders = [Order(function, job, log, n, engine.store) for job, log, n in zip(jobs, logs, needs)]
        _engine(engine)(orders, told, engine)
        _tidy(folder, failed)
        if engine.store:
            Store(engine.store).forget(folder)
    if failed:
        raise JobError(_failure(failed, names, folder))


def _engine(engine: Engine) -> Callable[[Sequence[Order], Tell, Engine], None]:
    """What carries out orders on a cluster; the packages of the others are not needed."""
    if engine.name == "ray":
        from kit.core.engines.ray import run_orders
    else:
        from kit.core.engines.slurm import run_orders
    return run_orders


class Cluster(Protocol):
    """What takes orders: a handle each, by which it tells how they ended."""

    def submit(self, order: Order) -> Any:
        """Have an order carried out some time."""
        ...

    def ended(self, handles: Mapping[int, Any], wait_s: float) -> dict[int, Outcome]:
        """Those that have ended, after so many seconds at most."""
        ...

    def cancel(self, handles: Sequence[Any]) -> None:
        """Stop those that wait or run."""
        ...


def follow(cluster: Cluster, orders: Mapping[int, Order], tell: Tell) -> None:
    """Submit orders, by their number, and tell of them until all have ended; those that are lost are submitted again."""
    logs = {number: _Tail(order.path, order.store) for number, order in orders.items()}
    tries, handles = Counter(orders.keys()), {number: cluster.submit(order) for number, order in orders.items()}
    try:
        while handles:
            ended = cluster.ended(handles, LOOK_S)
            for number in list(handles):
                for line in logs[number].lines(number in ended):
                    begun = line.startswith(BEGUN)
                    tell(number, *(("runs", line.removeprefix(BEGUN)) if begun else ("line", line)))
            for number, (word, why) in ended.items():
                del handles[number]
                if word == "lost" and tries[number] < TRIES:
                    tries[number] += 1
                    tell(number, "waits", why)
                    handles[number] = cluster.submit(orders[number])
                else:
                    tell(number, "failed" if word == "lost" else word, why)
    finally:
        cluster.cancel(list(handles.values()))


class _Tail:
    """The lines that another process writes into a file, whole ones, each once.

    Args:
        store: address of the place that has it where the machine of the process shares no folder; or empty.
    """

    def __init__(self, path: Path, store: str = "") -> None:
        self._path, self._store, self._at, self._asked = path, Store(store) if store else None, 0, time.monotonic()

    def lines(self, at_once: bool = False) -> list[str]:
        if self._store and (at_once or time.monotonic() - self._asked > SHOWN_S):
            self._asked = time.monotonic()
            if sent := self._store.sent(self._path):
                self._path.write_text("".join(f"{line}\n" for line in sent), encoding="utf-8")
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._at += len(whole + end)
        return whole.decode(errors="replace").splitlines() if end else []


def _log_folder() -> Path:
    """A new folder for the logs of some jobs, where all machines see it."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    return paths.cache() / "jobs" / name


def _tidy(folder: Path, failed: Mapping[int, str]) -> None:
    """Keep the logs of what failed."""
    for path in folder.glob("*.log"):
        if int(path.stem) not in failed:
            path.unlink()
    if not failed:
        shutil.rmtree(folder)


def _failure(failed: Mapping[int, str], names: Sequence[str], folder: Path | None) -> str:
    head = f"{len(failed)} of {len(names)} jobs failed; the others are done, and are not done again:"
    parts = [head]
    for number, why in sorted(failed.items()):
        lines = why.splitlines() or ["it ended without a word"]
        told = f"{lines[-1]}\n  log: {folder / f'{number}.log'}" if folder else why
        parts.append(f"- {names[number]}: {told}")
    return "\n".join(parts)
