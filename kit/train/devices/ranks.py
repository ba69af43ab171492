"""What the processes of one training have of each other: the rows of all, what the first one found, and when all are there.

Process r of n, its *rank*, has rows ``r * b`` to ``(r + 1) * b`` of each batch of ``n * b``. All of them compute the loss of
the whole batch from the rows of all, so that batches, losses and updates are those of one process. The first one validates,
logs and writes. For a process that is alone nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from kit.core.seeding import generator

Found = TypeVar("Found")


def n_ranks() -> int:
    """Processes that train together; 1 for one that is alone."""
    return distributed.get_world_size() if _are_many() else 1


def is_first() -> bool:
    """Whether this is the process that logs and writes."""
    return not _are_many() or distributed.get_rank() == 0


def _are_many() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def wait_for_all() -> None:
    """Go on when all processes are here."""
    if n_ranks() > 1:
        distributed.barrier()


def from_first(find: Callable[[], Found]) -> Found:
    """What the first process finds, in all of them; the others wait until it has.

    Args:
        find: called in the first process only; what it returns can be pickled.
    """
    if n_ranks() == 1:
        return find()
    found: list[Any] = [find() if is_first() else None]
    distributed.broadcast_object_list(found)
    return found[0]


def seed_rank(seed: int) -> None:
    """Give each of several processes dropout of its own, by its rank; with one seed, rows of all would lose the same."""
    if n_ranks() > 1:
        torch.manual_seed(int(generator(seed, "rank", distributed.get_rank()).integers(2**62)))


def rows_of_all(rows: Tensor) -> Tensor:
    """The rows of all processes, in the order of their ranks, with gradients.

    Args:
        rows: (b, …), of the same shape in every process; integers have no gradients.

    Returns:
        (n_ranks * b, …). The gradient that comes back to a process's own rows is the sum of what the losses of all processes
        have of them. Where each process computes the same loss, that is n_ranks times the loss's; averaged over the
        processes, as ``DistributedDataParallel`` does, the gradients of the weights are those of one process.
    """
    return _RowsOfAll.apply(rows) if n_ranks() > 1 else rows  # pyright: ignore[reportReturnType]  # autograd is untyped


class _RowsOfAll(torch.autograd.Function):
    """``torch.distributed.nn`` has the same, and is deprecated."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(n_ranks())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed.chunk(n_ranks())[distributed.get_rank()]
