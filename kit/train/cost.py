"""What a training costs on the machine that does it: time, padding, memory, and how well the machine is used."""

from __future__ import annotations

import json
import re
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
from kit.train.encoders.trainable import layers_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import TrainerControl, TrainerState, TrainingArguments


@dataclass(frozen=True)
class Cost:
    """What the updates of a training cost that one process made; one that was resumed has no more of the earlier ones.

    updates: how many these are.
    update_s: median of the seconds from one update to the next, without evaluations and checkpoints.
    pairs_per_s: rows of a batch, each a query and a passage, by ``update_s``; of several processes together.
    padding: share of the tokens computed that are padding, in [0, 1]; None for an encoder without padding.
    memory_gib: most that the process has held so far; on a GPU, most that its tensors took there during the training.
    utilisation: floating-point operations that the updates need (``Work``), a second, in shares of ``peak_gflops``; passes
        that are made twice to save memory count once. None for an encoder without linear maps.
    peak_gflops: of a product of large matrices on this device, in the training's precision, as measured.
    mfu: the same in shares of what the GPU's maker states for bf16 (``STATED_TFLOPS``), as "model FLOP utilisation" usually
         is (Chowdhery et al. 2022, arXiv 2204.02311); None on other devices and in other precisions.
    n_devices: how many processes trained together; padding, memory and utilisation are those of the first.
    """

    updates: int
    update_s: float
    pairs_per_s: float
    padding: float | None
    memory_gib: float
    utilisation: float | None
    peak_gflops: float | None
    mfu: float | None
    n_devices: int = 1

    def __str__(self) -> str:
        """One line."""
        padding = "" if self.padding is None else f"  padding {self.padding:.0%}"
        used = "" if self.utilisation is None else f"  utilisation {self.utilisation:.0%} of {self.peak_gflops:,.0f} GFLOP/s"
        mfu = "" if self.mfu is None else f"  MFU {self.mfu:.0%}"
        speed = f"{self.update_s:.3g} s an update  {self.pairs_per_s:,.0f} pairs/s"
        return f"{speed}{padding}  memory {self.memory_gib:.2f} GiB{used}{mfu}"

    def write(self, path: Path) -> None:
        """Write as JSON."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a transformer, forward, and backward as far as something is trained there.

    of_token: of its linear maps, for each token: 2 for each of their weights, forward, and as many each for the gradients
        of the weights and of their input; 6 a weight where all are trained.
    of_square: of the products of attention, for each text the square of its tokens: 4 for each dimension and layer,
        forward, and 8 backward.
    of_text: of maps of what is pooled, for each text.
    """

    of_token: int = 0
    of_square: int = 0
    of_text: int = 0


class Meter(TrainerCallback):
    """Looks on while a model is trained; a callback of its trainer, and ``watching`` it counts what the model reads.

    Args:
        model: the encoder that is trained.
        batch_size: rows of a batch, in all processes together.
    """

    def __init__(self, model: SentenceTransformer, batch_size: int) -> None:
        self.model, self.batch_size = model, batch_size
        self.update_s: list[float] = []
        self.since = time.perf_counter()
        self.n_computed = 0
        self.read: dict[int, Tensor] = {}  # by module: texts, tokens, and squares of the tokens of a text, as sums
        self.work: dict[int, Work] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While it lasts, count what goes through the model with gradients."""
        readers = {id(part): part for part in (reader(self.model, side) for side in ("query", "passage"))}
        parts = [part for part in readers.values() if hasattr(part, "auto_model") and part in list(self.model.modules())]
        self.work = {id(part): work_of(self.model, part) for part in parts}
        self.read = {name: torch.zeros(3, dtype=torch.long, device=self.model.device) for name in self.work}
        hooks = [part.register_forward_pre_hook(self._read) for part in parts]
        if self.model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.model.device)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def operations(self) -> int:
        """Floating-point operations so far, of tokens that are no padding."""
        total = 0
        for name, work in self.work.items():
            n_texts, n_tokens, n_squares = self.read[name].tolist()
            total += work.of_text * n_texts + work.of_token * n_tokens + work.of_square * n_squares
        return total

    def cost(self, precision: torch.dtype) -> Cost | None:
        """What it has come to; None where no update was made.

        Args:
            precision: in which the device multiplied.
        """
        if not self.update_s:
            return None
        update_s, operations = statistics.median(self.update_s), self.operations
        n_read = sum(int(read[1]) for read in self.read.values())
        padding = 1 - n_read / self.n_computed if self.n_computed else None
        measured = self.model.device.type, precision, torch.get_num_threads()
        peak = from_first(lambda: peak_flops(*measured)) if operations else None  # several would disturb each other
        a_second = operations / len(self.update_s) / update_s
        used, stated = a_second / peak if peak else None, stated_flops(self.model.device.type, precision)
        return Cost(
            updates=len(self.update_s),
            update_s=update_s,
            pairs_per_s=self.batch_size / update_s,
            padding=padding,
            memory_gib=_memory_gib(self.model.device),
            utilisation=used,
            peak_gflops=peak and peak / 1e9,
            mfu=a_second / stated if stated and operations else None,
            n_devices=n_ranks(),
        )

    def _read(self, part: nn.Module, inputs: tuple[dict[str, Any]]) -> None:
        features = inputs[0]
        if not torch.is_grad_enabled():
            return
        if "cu_seq_lens_q" in features:  # texts stand one after the other, without padding
            lengths, n_computed = features["cu_seq_lens_q"].diff().long(), features["input_ids"].numel()
        else:
            lengths, n_computed = features["attention_mask"].sum(dim=1), features["attention_mask"].numel()
        self.n_computed += n_computed
        self.read[id(part)] += torch.stack([torch.full_like(lengths.sum(), len(lengths)), lengths.sum(), (lengths**2).sum()])

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


STATED_TFLOPS = {
    "B200": 2250,
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
}
"""What NVIDIA's data sheets state for products of dense bf16 matrices, by a part of a GPU's name; the first counts."""


def stated_flops(device: str, precision: torch.dtype) -> float | None:
    """Floating-point operations a second that the maker of a GPU states; None where that is not known here."""
    if device != "cuda" or precision != torch.bfloat16:
        return None
    name = torch.cuda.get_device_name()
    return next((teras * 1e12 for part, teras in STATED_TFLOPS.items() if re.search(rf"\b{part}\b", name)), None)


def work_of(model: SentenceTransformer, part: Any) -> Work:
    """The work of a transformer in a model, found by one small pass through it.

    Args:
        model: the model, with the weights that are to be trained chosen.
        part: its module that reads the texts.
    """
    counted = {"token": 0, "text": 0}
    n_texts, n_tokens = 2, 4

    def count(linear: nn.Linear, inputs: tuple[Tensor], output: Tensor) -> None:
        products = 1 + inputs[0].requires_grad + linear.weight.requires_grad
        per = "token" if output.numel() == n_texts * n_tokens * linear.out_features else "text"
        counted[per] += 2 * products * linear.in_features * linear.out_features

    hooks = [one.register_forward_hook(count) for one in part.modules() if isinstance(one, nn.Linear)]
    ids = torch.zeros(n_texts, n_tokens, dtype=torch.long, device=model.device)
    try:
        with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []), torch.enable_grad():
            part({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    finally:
        for hook in hooks:
            hook.remove()
    learns = any(weight.requires_grad for weight in part.parameters())
    for one in () if model[0] is not part else (inner for later in list(model)[1:] for inner in later.modules()):
        if isinstance(one, nn.Linear):  # what is pooled goes through it
            counted["text"] += 2 * (1 + learns + one.weight.requires_grad) * one.in_features * one.out_features
            learns = learns or one.weight.requires_grad
    return Work(counted["token"], _work_of_attention(part.auto_model), counted["text"])


def _work_of_attention(transformer: Any) -> int:
    """Scores and their sums of values: two products of (tokens, dim) a layer, and twice as many for their gradients."""
    learns, passes = any(weight.requires_grad for weight in _before(transformer)), 0
    for layer in layers_of(transformer):
        learns = learns or any(weight.requires_grad for weight in layer.parameters())
        passes += 3 if learns else 1
    return 4 * passes * transformer.config.hidden_size


def _before(transformer: Any) -> Iterator[nn.Parameter]:
    """Weights of the embeddings, before the layers."""
    inside = {weight for layer in layers_of(transformer) for weight in layer.parameters()}
    first = next((place for place, weight in enumerate(transformer.parameters()) if weight in inside), 0)
    yield from list(transformer.parameters())[:first]
