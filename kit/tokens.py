"""What a static encoder's tokenizer has made of a text, remembered: cutting texts into tokens takes most of its training.

A batch asks for texts that earlier batches had, and models of one experiment have the same tokenizer, so that a process
which trains several of them cuts each text once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

N_TEXTS = 100_000
"""Texts that are remembered of a tokenizer, the first ones; others are cut each time. About 50 MB where they are short."""


@contextmanager
def remembered_tokens(model: SentenceTransformer) -> Iterator[None]:
    """While it lasts, a static encoder cuts no text into tokens twice; to other encoders it does nothing.

    Embeddings stay the same to the last bit. What was remembered is kept for the next model with an equal tokenizer (the
    last two are). Afterwards the model has its own tokenizer again.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    if not isinstance(model[0], StaticEmbedding):
        yield
        return
    own = model[0].tokenizer
    model[0].tokenizer = _Remembering(own)
    try:
        yield
    finally:
        model[0].tokenizer = own


class _Tokens(NamedTuple):
    """As much of an ``Encoding`` as is read."""

    ids: array


class _Remembering:
    """A tokenizer of which ``encode_batch``, the one call of ``StaticEmbedding``, remembers; all else is the tokenizer's."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer, self._known = tokenizer, _memory(tokenizer.to_str())

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[_Tokens]:
        if add_special_tokens:
            raise ValueError("a static encoder asks for no special tokens, and none are remembered")
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        encodings = self._tokenizer.encode_batch(new, add_special_tokens=False) if new else []
        made = {text: _Tokens(array("i", encoding.ids)) for text, encoding in zip(new, encodings)}
        found = [made[text] if text in made else self._known[text] for text in texts]
        self._known.update(islice(made.items(), max(0, N_TEXTS - len(self._known))))
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._tokenizer, name)


@lru_cache(maxsize=2)
def _memory(tokenizer: str) -> dict[str, _Tokens]:
    """By text, what an equal tokenizer has made of it."""
    return {}
