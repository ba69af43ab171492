"""Trainings that each take several devices of this machine, one training after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from kit.core.files import alone
from kit.run.training import TrainJob, is_trained, train_part
from kit.train.devices.launching import on_devices
from kit.train.encoders.finding import has_head

Log = Callable[[str], None]


def train_on_devices(jobs: Sequence[TrainJob], n_devices: int, log: Log) -> None:
    """Do some trainings, each in a process a device (``kit.train.devices``); batches and losses are those of one process.

    Args:
        n_devices: GPUs or, where there are none, processes that share the cores.
        log: takes the lines of the first process.

    Raises:
        ValueError: devices that cannot share a batch evenly, or are not there; a head; whatever a training refuses.
        kit.core.processes.JobError: a training failed, or one of its processes was killed; the same call goes on from its
            last whole checkpoint.
    """
    for job in jobs:
        _refuse(job, n_devices)
    for job in jobs:
        with alone(job.folder, log):
            if not is_trained(job.folder):  # another run may have done it in the meantime
                on_devices(train_part, replace(job, n_threads=max(1, (os.cpu_count() or 1) // n_devices)), n_devices, log)


def _refuse(job: TrainJob, n_devices: int) -> None:
    import torch

    batch_size, n_gpus = job.training.batch_size, torch.cuda.device_count()
    if n_gpus and n_devices > n_gpus:
        raise ValueError(f"devices is {n_devices}, and there are GPUs: {n_gpus}: choose at most as many")
    if has_head(job.encoder.name):
        raise ValueError(f"encoder is {job.encoder.name!r}, and a head is trained in seconds: choose one device")
    if batch_size % n_devices:
        fewer = batch_size - batch_size % n_devices
        fitting = " or ".join(f"{size}" for size in (fewer, fewer + n_devices) if size)
        raise ValueError(
            f"batch_size is {batch_size}, which {n_devices} devices cannot share evenly: choose {fitting}, or another "
            "number of devices"
        )
