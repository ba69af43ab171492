"""How a batch goes through a transformer while it learns: its attention, compiled or not, in passes of like lengths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any

from kit.data.inputs import reader
from kit.train.config import TrainingConfig
from kit.train.encoders.trainable import transformers_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor


@contextmanager
def passing(model: SentenceTransformer, config: TrainingConfig) -> Iterator[None]:
    """While it lasts, a transformer computes as a recipe says: its ``attention, compile, pass_tokens``. Then as before.

    Args:
        model: the encoder; one that is no transformer computes as it does, and the recipe has to say nothing.
        config: the recipe.

    Raises:
        ValueError: the recipe says something of an encoder that is no transformer; an attention that the model or the
            device does not have, or whose package is not installed.
    """
    asked = [(name, value) for name in ("attention", "compile", "pass_tokens") if (value := getattr(config, name))]
    transformers = transformers_of(model, *asked[0], "leave it out") if asked else []
    usual = [one.config._attn_implementation for one in transformers]
    own, forwards = vars(model).get("forward"), [vars(one).get("forward") for one in transformers]
    try:
        for one in transformers:
            _attend(one, config.attention, model.device.type)
            if config.compile:
                _compile(one)
        _read_anew(model, config.attention)
        if config.pass_tokens:
            model.forward = MethodType(_in_passes(model.forward, config.pass_tokens), model)
        yield
    finally:
        if config.pass_tokens:
            vars(model).pop("forward", None)
            vars(model).update({"forward": own} if own else {})
        for one, attention, forward in zip(transformers, usual, forwards):
            vars(one).pop("forward", None)
            vars(one).update({"forward": forward} if forward else {})
            one.set_attn_implementation(attention)
        _read_anew(model, config.attention)


def _compile(transformer: Any) -> None:
    """Compile what sentence-transformers calls: ``forward`` itself, so that ``Module.compile`` would change nothing."""
    import torch

    transformer.forward = torch.compile(transformer.forward, dynamic=True)  # hardly two batches have one length


def _attend(transformer: Any, attention: str, device: str) -> None:
    if not attention:
        return
    if attention.startswith("flash") and device != "cuda":
        raise ValueError(f"attention is {attention!r}, which needs a GPU, and this device is a {device}: choose sdpa")
    try:
        transformer.set_attn_implementation(attention)
    except (ImportError, ValueError) as error:  # no package, or no such attention in this architecture
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"attention is {attention!r}, which cannot be used here: {reason}: choose sdpa") from None


def _read_anew(model: SentenceTransformer, attention: str) -> None:
    """Let the modules that read texts look whether this attention needs padding."""
    if attention:
        for part in {id(part): part for part in (reader(model, side) for side in ("query", "passage"))}.values():
            part.unpad_inputs = part.unpad_inputs


def _in_passes(forward: Any, pass_tokens: int) -> Any:
    """A model's ``forward`` that embeds a column in passes of texts alike in length, each padded to its own longest one."""
    import torch

    def passes(model: SentenceTransformer, features: dict[str, Any], **options: Any) -> dict[str, Any]:
        mask = features.get("attention_mask")  # (batch, length)
        if not model.training or mask is None or mask.numel() <= pass_tokens:
            return forward(features, **options)
        lengths = mask.sum(dim=1).cpu()
        order = lengths.argsort(descending=True, stable=True)
        embeddings = []
        for rows in _dealt(lengths[order], order, pass_tokens):
            embeddings.append(forward(_part(features, mask, rows.to(mask.device)), **options)["sentence_embedding"])
        place = order.argsort().to(mask.device)
        return features | {"sentence_embedding": torch.cat(embeddings)[place]}

    return passes


def _dealt(lengths: Tensor, order: Tensor, pass_tokens: int) -> Iterator[Tensor]:
    """Rows of each pass: as many of the longest that are left as ``pass_tokens`` has room for, at least one."""
    first = 0
    while first < len(order):
        n_rows = max(1, pass_tokens // max(1, int(lengths[first])))
        yield order[first : first + n_rows]
        first += n_rows


def _part(features: dict[str, Any], mask: Tensor, rows: Tensor) -> dict[str, Any]:
    """What a model reads of some rows, without the columns in which all of them are padded."""
    read = mask[rows].any(dim=0)  # (length,)
    found = dict(features)
    for name, value in features.items():
        shape = tuple(getattr(value, "shape", ()))
        if shape[:2] == tuple(mask.shape):
            found[name] = value[rows][:, read]
        elif shape[:1] == (len(mask),):
            found[name] = value[rows]
    return found
