"""Which weights of an encoder are trained: the others stay as they are, to the bit, and cost an optimiser nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kit.data.inputs import first_module, reader

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn


@contextmanager
def training_only(model: SentenceTransformer, trainable: str, seed: int = 0) -> Iterator[None]:
    """While it lasts, some weights of an encoder can be trained; others are frozen, and what is frozen knows no dropout.

    What stands after the transformer (pooling, dense layers) is always trained. Afterwards adapters are part of the weights
    that they adapt, and the encoder is a plain one again.

    Args:
        model: the encoder; a ``Router`` is treated route by route.
        trainable: as in a recipe (``kit.train.config.TrainingConfig``).
        seed: of the adapters' first weights; the global streams of random numbers stay as they are.

    Raises:
        ValueError: the encoder is no transformer, or has fewer layers; adapters without peft.
    """
    kind, _, number = trainable.partition(":")
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    transformers = [] if kind == "all" else transformers_of(model, "trainable", trainable, "choose 'all'")
    resting = []
    try:
        for one in transformers:
            if kind == "all-but-words":
                one.get_input_embeddings().requires_grad_(False)
            elif kind == "last":
                _freeze_below(one, _layers(one, trainable), int(number))
            else:
                _add_adapters(one, _layers(one, trainable), int(number), seed)
            resting += [part.register_forward_pre_hook(_rest) for part in _frozen(one)]
        yield
    finally:
        for hook in resting:
            hook.remove()
        for one in transformers:
            _merge_adapters(one)
        for weight in trained:
            weight.requires_grad_(True)


def transformers_of(model: SentenceTransformer, setting: str, value: object, remedy: str) -> list[Any]:
    """The transformers that read queries and passages and can be trained; one of both stands once.

    Args:
        setting, value: of a recipe, for which they are needed.
        remedy: what to do where there is none.

    Raises:
        ValueError: the encoder is no transformer, or it stays as it is below a head.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer

    if getattr(first_module(model), "base", None) is not None:
        raise ValueError(f"{setting} is {value!r}, and the encoder below a head stays as it is: {remedy}")
    readers = {id(part): part for part in (reader(model, side) for side in ("query", "passage"))}
    for part in readers.values():
        if not isinstance(part, Transformer):
            raise ValueError(
                f"{setting} is {value!r}, which is for transformers, and this encoder is a {type(part).__name__}: {remedy}"
            )
    return [part.auto_model for part in readers.values()]


def layers_of(transformer: Any) -> list[nn.Module]:
    """The layers of a transformer, in order; none where they cannot be found."""
    from torch import nn

    n_layers = getattr(transformer.config, "num_hidden_layers", 0)
    lists = [part for part in transformer.modules() if isinstance(part, nn.ModuleList) and len(part) == n_layers]
    return list(lists[0]) if lists else []


def _layers(transformer: Any, trainable: str) -> list[nn.Module]:
    layers = layers_of(transformer)
    if not layers:
        raise ValueError(
            f"trainable is {trainable!r}, and the layers of a {type(transformer).__name__} cannot be found: choose 'all' or "
            "'all-but-words'"
        )
    kind, _, number = trainable.partition(":")
    if kind == "last" and int(number) > len(layers):
        n_layers = len(layers)
        raise ValueError(f"trainable is {trainable!r}, and the encoder has {n_layers} layers: choose up to last:{n_layers}")
    return layers


def _freeze_below(transformer: Any, layers: Sequence[nn.Module], n_layers: int) -> None:
    """Freeze what stands before the last layers, and all embeddings: those of distances may stand behind."""
    from torch import nn

    first, reached = next(layers[-n_layers].parameters()), False
    for weight in transformer.parameters():
        reached = reached or weight is first
        weight.requires_grad_(reached)
    for part in transformer.modules():
        if isinstance(part, nn.Embedding):
            part.requires_grad_(False)


def _frozen(part: nn.Module) -> Iterator[nn.Module]:
    """The largest parts with weights none of which is trained."""
    for child in part.children():
        weights = list(child.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            yield child
        else:
            yield from _frozen(child)


def _rest(part: nn.Module, inputs: object) -> None:
    """A trainer puts the whole model into training mode before each update."""
    part.eval()


def _add_adapters(transformer: Any, layers: Sequence[nn.Module], rank: int, seed: int) -> None:
    """Adapters beside all linear maps of the layers, scaled by 2 (alpha is twice the rank); they begin as zero."""
    import torch
    from torch import nn

    try:
        from peft import LoraConfig, inject_adapter_in_model  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError:
        raise ValueError(f"trainable is 'lora:{rank}': install peft (pip install peft), or choose last:N") from None
    transformer.requires_grad_(False)
    inside = {part for layer in layers for part in layer.modules()}
    names = [name for name, part in transformer.named_modules() if isinstance(part, nn.Linear) and part in inside]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), transformer)


def _merge_adapters(transformer: Any) -> None:
    """Make adapters, if there are some, part of the weights beside them."""
    if not hasattr(transformer, "peft_config"):
        return
    from peft.tuners.lora import LoraLayer  # pyright: ignore[reportMissingImports]  # an optional extra

    for name, part in list(transformer.named_modules()):
        if isinstance(part, LoraLayer):
            part.merge()
            transformer.set_submodule(name, part.get_base_layer())
    del transformer.peft_config
