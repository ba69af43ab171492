"""Jobs dealt out to the engine that was chosen: by default processes of this machine, one a core or one a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from loky import cpu_count

from kit.core import processes
from kit.core.engines.carrying import carry_out
from kit.core.engines.engine import chosen
from kit.core.engines.store import SharedJob, Store, do_shared
from kit.run.engines.board import Board

Log = Callable[[str], None]

_CALLER, _JOB = int(0.8 * 2**30), int(1.1 * 2**30)
"""Bytes that a kernel takes which starts jobs, and each of them, with a small model; most of it are libraries."""


def nothing_kept(job: object) -> tuple[Path, ...]:
    """Of a job whose results a store does not take."""
    return ()


def in_processes(
    function: Callable[[processes.Job, Log], object],
    jobs: Sequence[processes.Job],
    log: Log,
    kept: Callable[[processes.Job], tuple[Path, ...]] = nothing_kept,
) -> None:
    """Deal jobs out to processes of their own, of this machine or a cluster; a small model leaves most of a machine idle.

    Here the first failure stops the others; on a cluster they go on, and the failures are told at the end.

    Args:
        kept: files and folders that a job reads or makes; where a store was chosen, they come from there and go there.

    Raises:
        ValueError, kit.core.processes.JobError: see ``kit.core.processes.run_all``; on a cluster
            ``kit.core.engines.carrying.carry_out``.
    """
    engine = chosen()
    if not jobs:
        return
    names = [getattr(job, "name", f"job {number}") for number, job in enumerate(jobs, start=1)]
    work, dealt = shared(function, jobs, kept)
    if engine.name == "here":
        processes.run_all(work, dealt, log, n_processes=at_a_time(), devices=gpus())
    else:
        with Board(names, log) as board:
            carry_out(work, dealt, names, board.tell, engine)
        bring([path for job in jobs for path in kept(job)], log)


def shared(
    function: Callable[[processes.Job, Log], object],
    jobs: Sequence[processes.Job],
    kept: Callable[[processes.Job], tuple[Path, ...]],
) -> tuple[Callable[[Any, Log], object], Sequence[Any]]:
    """What is to be done, and the jobs, so that results go through the store that was chosen; as they are without one."""
    address = chosen().store
    if not address:
        return function, jobs
    return do_shared, [SharedJob(function, job, kept(job), address) for job in jobs]


def bring(kept: Iterable[Path], log: Log, anew: bool = False) -> None:
    """Fetch what others have made from the store that was chosen, if one was.

    Args:
        anew: what is here gives way where it differs.
    """
    if address := chosen().store:
        store = Store(address)
        for path in kept:
            store.fetch(path, log, anew)


def give(kept: Iterable[Path]) -> None:
    """Put what is here, and whole, into the store that was chosen, if one was."""
    if address := chosen().store:
        store = Store(address)
        for path in kept:
            store.put(path)


def at_a_time() -> int:
    """Jobs that this machine carries out at a time, where it has no GPU: one a core, as far as memory has room for them."""
    return max(1, min(cpu_count(), int((_memory() - _CALLER) // _JOB)))


def _memory() -> int:
    """Bytes that this process and those it starts may take: what the machine has, or its container or JupyterHub allows."""
    told = [os.environ.get("MEM_LIMIT", "")]
    files = [Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    told += [file.read_text(encoding="utf-8").strip() for file in files if file.is_file()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *(int(text) for text in told if text.isdigit())])


def threads_of(n_jobs: int) -> int:
    """Threads of each of several jobs that run side by side; on a cluster as many as here, unless the engine says how many.

    Args:
        n_jobs: all of them, with those that need not be done: sums differ in the last bits with the number of threads, which
            therefore does not go by those that are missing.
    """
    n_cores, engine = cpu_count(), chosen()
    if engine.name != "here":
        return engine.processors or max(1, n_cores // n_jobs)
    return max(1, n_cores // min(n_jobs, len(gpus()))) if gpus() else max(1, n_cores // n_jobs)


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Ids of the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` takes them.

    Numbers, or names of whole ones or of parts (``GPU-…``, ``MIG-…``), of which a process counts only the first.
    """
    import torch

    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return tuple(named or map(str, range(torch.cuda.device_count()))) if torch.cuda.is_available() else ()
