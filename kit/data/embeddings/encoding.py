"""Texts into embeddings, as fast as the machine allows: alike in length, hardly padded, bfloat16 where it is quick."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from kit.data.inputs import first_module, limit_of, n_tokens, prompts_of, reader

Log = Callable[[str], None]

TOKENS_AT_ONCE = {"cpu": 1024, "cuda": 65_536}
"""Tokens of a forward pass of a transformer, padding included: what is quickest on two cores (measured), and fills a GPU."""

_TEXTS_AT_ONCE = 1024
"""Texts of a forward pass of any other model: what a pass costs outweighs what a text costs in a mean of embeddings."""

_EVERY_S = {True: 0.5, False: 10.0}
"""Seconds between two lines of progress: on a terminal, where each takes the place of the one before, and elsewhere."""


BITEXT_PROMPT = "BitextMining"
"""Name of the prompt of sentences of which none is the query, as in mteb."""


class TextEncoder(Protocol):
    """What an evaluation needs of a model; a ``SentenceTransformer`` has it."""

    @property
    def encode_query(self) -> Callable[..., Any]:
        """Embeds questions, with the prompt of questions."""
        ...

    @property
    def encode_document(self) -> Callable[..., Any]:
        """Embeds candidates, with the prompt of documents."""
        ...


def encode_texts(model: TextEncoder, texts: Sequence[str], side: str, log: Log | None = None) -> np.ndarray:
    """Embeddings of texts as the model returns them, shape (n_texts, dim), float32.

    Of a transformer that is not shared among processes the longest texts go first, so many at a time that their tokens,
    padding included, are ``TOKENS_AT_ONCE``; if a GPU has no room for them, half as many.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode_query`` and ``encode_document``; the prompt is its
            own (``kit.data.inputs.prompts_of``).
        side: "query", "passage", or "sentence": what is neither, as in bitext; it gets the prompt ``BITEXT_PROMPT`` if the
            model has one, else that which its ``encode`` falls back on, rarely set.
        log: takes a line of progress every ten seconds; on a terminal the line is updated in place.

    Raises:
        ValueError: the model returns something else.
    """
    found: np.ndarray | None = None
    for rows, embeddings in encoded_by_and_by(model, texts, side, log):
        found = np.empty((len(texts), embeddings.shape[1]), np.float32) if found is None else found
        found[rows] = embeddings
    return np.zeros((0, 1), np.float32) if found is None else found


def encoded_by_and_by(
    model: TextEncoder, texts: Sequence[str], side: str, log: Log | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same in parts: numbers of some texts (n,), and their embeddings (n, dim)."""
    if not len(texts):
        return
    encode, options = _call(model, side)
    lengths = _lengths(model, texts, side)
    pace = _Pace(lengths, log)
    with computing(model):
        for rows in _batches(model, lengths):
            some = [str(texts[row]) for row in rows.tolist()]
            embeddings = encoded(_with_room(encode, some, options), len(some))
            pace.step(rows)
            yield rows, embeddings
    pace.end()


def _call(model: TextEncoder, side: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The method that embeds texts of a side, and what it is called with; no prompt for a model that knows none."""
    batch_size = max(TOKENS_AT_ONCE.values()) if is_transformer(model) else _TEXTS_AT_ONCE
    options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": False, "convert_to_numpy": True}
    if hasattr(model, "prompts"):
        options["prompt"] = prompt_of(model, side)
    methods = {"query": "encode_query", "passage": "encode_document", "sentence": "encode"}
    return getattr(model, methods[side]), options


def prompt_of(model: Any, side: str) -> str | None:
    """What is put before the texts of a side; ``None``: what the model's ``encode`` falls back on."""
    if side == "sentence":
        return (model.prompts or {}).get(BITEXT_PROMPT)
    return getattr(prompts_of(model), side)


def _lengths(model: Any, texts: Sequence[str], side: str) -> np.ndarray:
    """What a text costs, (n_texts,): its tokens, as many as a transformer reads; 1 for any other model."""
    tokenizer = getattr(reader(model, side), "tokenizer", None)
    if not is_transformer(model) or not callable(tokenizer):
        return np.ones(len(texts))
    return np.minimum(n_tokens(tokenizer, texts, prompt_of(model, side) or ""), limit_of(model, side) or math.inf)


def _batches(model: Any, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of the texts of each call."""
    if not is_transformer(model):
        yield np.arange(len(lengths))
        return
    order, at_once = np.argsort(-lengths, kind="stable"), TOKENS_AT_ONCE.get(_device(model), TOKENS_AT_ONCE["cpu"])
    start = 0
    while start < len(order):
        n_texts = max(1, at_once // int(lengths[order[start]]))
        yield order[start : start + n_texts]
        start += n_texts


def is_transformer(model: Any) -> bool:
    """Whether texts cost by their tokens, and many: not of a mean of token embeddings, nor of a model of another kind.

    A model that a trainer of several processes shares among them gets all texts in one call, so it is none either.
    """
    is_shared = getattr(model, "_distributed_inference", None) is not None
    return not is_shared and not _looks_up(model) and any(limit_of(model, side) for side in ("query", "passage"))


def _looks_up(model: Any) -> bool:
    """Whether a model asks another one for the embeddings of its texts."""
    return getattr(first_module(model), "base", None) is not None


def _with_room(encode: Callable[..., Any], texts: list[str], options: dict[str, Any]) -> Any:
    """What ``encode`` returns for the texts, in halves where a GPU has no room for them."""
    try:
        return encode(texts, **options)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError" or len(texts) == 1:
            raise
    half = len(texts) // 2
    return np.concatenate([_with_room(encode, some, options) for some in (texts[:half], texts[half:])])


def precision(model: Any) -> str:
    """How a model computes: "bfloat16" where it is a transformer on a device that is quick in it, else "float32".

    Scores differ by less than .002 (measured with multilingual-e5-small on XQuAD-R: .0019 at most, .0002 on average).
    """
    return "bfloat16" if is_transformer(model) and quick_in_bfloat16(_device(model)) else "float32"


def _device(model: Any) -> str:
    return getattr(getattr(model, "device", None), "type", "cpu")


def quick_in_bfloat16(device: str) -> bool:
    """Whether a device, "cpu" or "cuda", has instructions for it; ``KIT_PRECISION=float32`` in the environment forbids it.

    Raises:
        ValueError: ``KIT_PRECISION`` is another word.
    """
    wanted = os.environ.get("KIT_PRECISION", "auto")
    if wanted not in ("auto", "float32"):
        raise ValueError(f"KIT_PRECISION is {wanted!r}: set it to float32, or leave it out")
    if wanted == "float32":
        return False
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu.get_capabilities()
    return device == "cpu" and bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


def computing(model: Any) -> AbstractContextManager[Any]:
    """Context in which a model computes in its ``precision``; weights and embeddings stay float32."""
    if precision(model) == "float32":
        return nullcontext()
    import torch

    return torch.autocast(_device(model), torch.bfloat16)


def encoded(embeddings: Any, n_texts: int) -> np.ndarray:
    """What a model returned for some texts, shape (n_texts, dim), float32.

    Args:
        embeddings: an array, a tensor, or a list of them, one a text; of any kind of real numbers.

    Raises:
        ValueError: something else.
    """
    rows = [plain(row) for row in embeddings] if isinstance(embeddings, (list, tuple)) else plain(embeddings)
    try:
        found = np.asarray(rows)
    except (ValueError, TypeError, RuntimeError):  # rows of several lengths; tensors that are no arrays
        found = np.asarray(None)
    if found.dtype.kind not in "fiu" or found.ndim != 2 or len(found) != n_texts or not found.shape[1]:
        kind = type(embeddings).__name__ if found.dtype.kind == "O" else f"{found.dtype} of shape {found.shape}"
        raise ValueError(f"the model returned {kind} for {n_texts} texts: it has to return ({n_texts}, dim) real numbers")
    return found.astype(np.float32, copy=False)


def plain(values: Any) -> Any:
    """A dense tensor of torch as NumPy's, without its gradient, half precision as float32; anything else as it is."""
    if not hasattr(values, "detach") or str(values.layout) != "torch.strided":
        return values
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()


class _Pace:
    """How far an encoding is, how fast, and how long it will take."""

    def __init__(self, lengths: np.ndarray, log: Log | None) -> None:
        self.lengths, self.log, self.n_done, self.cost = lengths, log, 0, 0.0
        self.in_place, self.wrote = sys.stderr.isatty(), False
        self.started = self.told = time.monotonic()

    def step(self, rows: np.ndarray) -> None:
        self.n_done += len(rows)
        self.cost += float(self.lengths[rows].sum())
        now, n_texts = time.monotonic(), len(self.lengths)
        if self.log is None or now - self.told < _EVERY_S[self.in_place] or self.n_done == n_texts:
            return
        self.told = now
        per_s = self.n_done / (now - self.started)
        left_s = (now - self.started) * (float(self.lengths.sum()) / self.cost - 1)  # the longest texts go first
        said = f"  {self.n_done:,} of {n_texts:,} texts encoded, {per_s:,.0f} a second, about {left_s:.0f} s left"
        if self.in_place:
            self.wrote = True
            print(f"\r{said}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            self.log(said)

    def end(self) -> None:
        if self.wrote:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
