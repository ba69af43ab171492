"""What a training costs on the machine that does it: time, padding, memory, and how well the machine is used."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from kit.core.files import whole_file
from kit.data.inputs import reader
from kit.train.devices.ranks import from_first, n_ranks

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import TrainerControl, TrainerState, TrainingArguments


@dataclass(frozen=True)
class Cost:
    """What the updates of a training cost that one process made; one that was resumed has no more of the earlier ones.

    updates: how many these are.
    update_s: median of the seconds from one update to the next, without evaluations and checkpoints.
    padding: share of the tokens computed that are padding, in [0, 1]; None for an encoder without padding.
    memory_gib: most that the process has held so far; on a GPU, most that its tensors took there during the training.
    utilisation: floating-point operations that the updates need, a second, in shares of ``peak_gflops``: those of linear
        maps on tokens that are no padding, forward, and backward as far as something is trained there; passes that are made
        twice to save memory count once, products of attention scores do not count. None for an encoder without such maps.
    peak_gflops: of a product of large matrices on this device, in the training's precision, as measured.
    n_devices: how many processes trained together; padding, memory and utilisation are those of the first.
    """

    updates: int
    update_s: float
    padding: float | None
    memory_gib: float
    utilisation: float | None
    peak_gflops: float | None
    n_devices: int = 1

    def __str__(self) -> str:
        """One line."""
        padding = "" if self.padding is None else f"  padding {self.padding:.0%}"
        used = "" if self.utilisation is None else f"  utilisation {self.utilisation:.0%} of {self.peak_gflops:,.0f} GFLOP/s"
        return f"{self.update_s:.3g} s an update{padding}  memory {self.memory_gib:.2f} GiB{used}"

    def write(self, path: Path) -> None:
        """Write as JSON."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


class Meter(TrainerCallback):
    """Looks on while a model is trained; a callback of its trainer, and ``watching`` it counts what the model computes.

    Args:
        model: the encoder that is trained.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model
        self.update_s: list[float] = []
        self.since = time.perf_counter()
        self.n_read, self.n_computed, self.operations = torch.zeros((), dtype=torch.long, device=model.device), 0, 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While it lasts, count tokens and operations of passes that have gradients."""
        readers = {id(part): part for part in (reader(self.model, side) for side in ("query", "passage"))}
        linear = [part for part in self.model.modules() if isinstance(part, nn.Linear)]
        hooks = [part.register_forward_pre_hook(self._read) for part in readers.values() if part is not None]
        hooks += [part.register_forward_hook(self._multiplied) for part in linear]
        if self.model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.model.device)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def cost(self, precision: torch.dtype) -> Cost | None:
        """What it has come to; None where no update was made.

        Args:
            precision: in which the device multiplied.
        """
        if not self.update_s:
            return None
        update_s = statistics.median(self.update_s)
        padding = 1 - int(self.n_read) / self.n_computed if self.n_computed else None
        measured = self.model.device.type, precision, torch.get_num_threads()
        peak = from_first(lambda: peak_flops(*measured)) if self.operations else None  # several would disturb each other
        needed = self.operations * (1 - (padding or 0.0)) / len(self.update_s)
        used = needed / update_s / peak if peak else None
        memory, peak_gflops = _memory_gib(self.model.device), peak and peak / 1e9
        return Cost(len(self.update_s), update_s, padding, memory, used, peak_gflops, n_ranks())

    def _read(self, part: nn.Module, inputs: tuple[dict[str, Any]]) -> None:
        mask = inputs[0].get("attention_mask")
        if mask is not None and torch.is_grad_enabled():
            self.n_read += mask.sum()  # a GPU goes on meanwhile
            self.n_computed += mask.numel()

    def _multiplied(self, part: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
        if torch.is_grad_enabled():
            products = 1 + inputs[0].requires_grad + part.weight.requires_grad
            self.operations += 2 * products * part.in_features * output.numel()

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Begin to count: the first batch is not made yet."""
        self.since = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """An update is done."""
        self.update_s.append(time.perf_counter() - self.since)
        self.since = time.perf_counter()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """An evaluation is no part of an update."""
        self.since = time.perf_counter()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Neither is a checkpoint."""
        self.since = time.perf_counter()


def _memory_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 2**30  # bytes there, KiB elsewhere


@lru_cache
def peak_flops(device: str, precision: torch.dtype, n_threads: int) -> float:
    """Floating-point operations a second of the product of two large matrices: the best of five, 0.1 to 0.5 s.

    ``n_threads`` is not read: with it, another number of them is another device.
    """
    size = 8192 if device == "cuda" else 1024
    matrix, best = torch.ones(size, size, dtype=precision, device=device), float("inf")
    for _ in range(6):  # the first one warms up
        started = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best
