"""Heads: a small module that learns on top of an encoder that does not, from embeddings that are computed once.

``head:<model>`` is a model with a head, ``embeddings:<folder>`` a head on the embeddings of somebody else's service. While
it learns, and when it is judged, the first module is a ``FrozenEncoder``, which looks texts up; saved, it is the model
itself with one or two dense layers after it, a plain sentence-transformers folder that loads anywhere (or, on given
embeddings, one matrix).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Module
from sentence_transformers.base.modules.input_module import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import Tensor, nn
from torch.nn import functional

from kit.data.embeddings.encoding import TextEncoder
from kit.train.config import EncoderConfig
from kit.train.encoders.loading import device

_TASKS = {"query": "encode_query", "document": "encode_document"}


class FrozenEncoder(InputModule):
    """The embeddings of an encoder that does not learn, as the first module of one that does; each text is encoded once.

    Args:
        base: the encoder; ``None`` for a module that is only read for the weights of those after it.
        weights: what tells the encoder from others; kept among the weights, so that a checkpoint knows its base.
    """

    save_in_root = False
    digest: Tensor

    def __init__(self, base: TextEncoder | None, weights: str) -> None:
        super().__init__()
        self.base, self.tokenizer = base, None  # pyright: ignore[reportAttributeAccessIssue]  # it has no words
        self.register_buffer("digest", torch.tensor(list(weights.encode()), dtype=torch.uint8))
        self._row_of: dict[tuple[str, str], int] = {}
        self._embeddings = torch.zeros(0, 0)  # (n_texts, dim)

    def preprocess(  # pyright: ignore[reportIncompatibleMethodOverride]  # of texts only
        self, inputs: Sequence[str], prompt: str | None = None, task: str | None = None, **unused: Any
    ) -> dict[str, Tensor]:
        """Embeddings of texts, (batch, dim); the prompt is the encoder's own."""
        side = task or ""
        new = list(dict.fromkeys(text for text in inputs if (side, text) not in self._row_of))
        if new:
            self._add(new, side)
        rows = torch.tensor([self._row_of[side, text] for text in inputs])
        return {"sentence_embedding": self._embeddings[rows]}

    def look_up(self, queries: Sequence[str], passages: Sequence[str]) -> None:
        """Embed all that will be asked for, at once: a look at the store costs more than an update."""
        self.preprocess(queries, task="query")
        self.preprocess(passages, task="document")

    def _add(self, texts: list[str], side: str) -> None:
        made = np.asarray(getattr(self.base, _TASKS.get(side, "encode"))(texts), np.float32)
        self._row_of |= {(side, text): len(self._embeddings) + row for row, text in enumerate(texts)}
        new = torch.from_numpy(made)
        self._embeddings = torch.cat([self._embeddings, new]) if len(self._embeddings) else new

    def forward(self, features: dict[str, Tensor], **unused: Any) -> dict[str, Tensor]:
        """Nothing is left to do."""
        return features

    def get_config_dict(self) -> dict[str, Any]:
        """What a checkpoint needs to be read."""
        return {"weights": bytes(self.digest.tolist()).decode()}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Write no embeddings."""
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> FrozenEncoder:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A module of a checkpoint: it knows its base's name and no texts."""
        return cls(None, cls.load_config(model_name_or_path, subfolder=subfolder)["weights"])


class Head(Module):
    """``x + f(x)``, where f is zero before anything is learned, so that weight decay pulls towards the encoder as it is.

    - ``linear``: f(x) = D x, a matrix (dim, dim);
    - ``low-rank``: f(x) = B A x, A (rank, dim), B (dim, rank), after Hu et al. (2021), arXiv 2106.09685;
    - ``residual``: f(x) = B relu(A x), of the same shapes.

    Args:
        kind: which. dim: of the embeddings. rank: inner width of the last two.
        seed: of A; what follows it, and D, start at zero.
    """

    config_keys = ["kind", "dim", "rank"]  # noqa: RUF012  # as the library's modules have it

    def __init__(self, kind: str, dim: int, rank: int, seed: int = 0) -> None:
        super().__init__()
        self.kind, self.dim, self.rank = kind, dim, rank
        if kind == "linear":
            self.out = nn.Parameter(torch.zeros(dim, dim))
            return
        inner = torch.randn(rank, dim, generator=torch.Generator().manual_seed(seed)) / dim**0.5
        self.inner, self.out = nn.Parameter(inner), nn.Parameter(torch.zeros(dim, rank))

    def forward(self, features: dict[str, Tensor], **unused: Any) -> dict[str, Tensor]:
        """Change the embeddings (batch, dim)."""
        x = features["sentence_embedding"]
        hidden = x if self.kind == "linear" else functional.linear(x, self.inner)
        hidden = torch.relu(hidden) if self.kind == "residual" else hidden
        return features | {"sentence_embedding": x + functional.linear(hidden, self.out)}

    def dense(self) -> list[Dense]:
        """The same function as dense layers of sentence-transformers: one, or of ``residual`` two.

        The identity passes a layer with a ReLU as relu(x) - relu(-x).
        """
        one = torch.eye(self.dim)
        with torch.no_grad():
            if self.kind != "residual":
                change = self.out if self.kind == "linear" else self.out @ self.inner
                return [_dense(one + change.cpu(), nn.Identity())]
            first, second = torch.cat([one, -one, self.inner.cpu()]), torch.cat([one, -one, self.out.cpu()], dim=1)
        return [_dense(first, nn.ReLU()), _dense(second, nn.Identity())]

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write the weights."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Head:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A module of a checkpoint."""
        head = cls(**cls.load_config(model_name_or_path, subfolder=subfolder))
        cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=head)
        return head


def with_head(base: TextEncoder, weights: str, dim: int, encoder: EncoderConfig, seed: int) -> SentenceTransformer:
    """A model whose head can be trained.

    Args:
        base: the encoder. weights: what tells it from others. dim: of its embeddings.
        encoder: kind and rank of the head.
        seed: of the head.

    Raises:
        ValueError: a rank above ``dim``.
    """
    if encoder.head != "linear" and encoder.rank > dim:
        raise ValueError(f"rank is {encoder.rank}: the embeddings have {dim} dimensions: choose at most {dim}")
    head = Head(encoder.head, dim, encoder.rank, seed)
    return on_frozen(base, weights, [head])


def on_frozen(base: TextEncoder, weights: str, head: Sequence[nn.Module]) -> SentenceTransformer:
    """A model of an encoder that does not learn, modules on top of it, and lengths of 1."""
    return _OnFrozen(modules=[FrozenEncoder(base, weights), *head, Normalize()], device=device())


class _OnFrozen(SentenceTransformer):
    """A model whose checkpoints have no card, which would ask the encoder for texts that nobody has."""

    def save_pretrained(
        self,
        path: str,
        model_name: str | None = None,
        create_model_card: bool = False,
        train_datasets: list[str] | None = None,
        safe_serialization: bool = True,
    ) -> None:
        """As ``SentenceTransformer.save_pretrained``."""
        super().save_pretrained(path, model_name, create_model_card, train_datasets, safe_serialization)


def _dense(weight: Tensor, activation: nn.Module) -> Dense:
    return Dense(weight.shape[1], weight.shape[0], False, activation, weight.contiguous())
