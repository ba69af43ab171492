"""What a static encoder's tokenizer has made of a text, remembered: cutting texts into tokens is a third of its training.

A batch asks for texts that earlier batches had, and models of one experiment have the same tokenizer, so that a process
which trains several of them cuts each text once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kit.data.inputs import first_module

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROOM = 40_000_000
"""Characters of the texts that are remembered of a tokenizer, each text counting ``_OF_A_TEXT`` more: the first ones; those
that find no room are cut each time. A full memory takes about 110 MB (measured with texts of 50 and of 660 characters)."""

_OF_A_TEXT = 200
"""What a text costs beside its characters and tokens, in characters."""


@contextmanager
def remembered_tokens(model: Any) -> Iterator[None]:
    """While it lasts, a static encoder cuts no text into tokens twice, as far as ``ROOM`` reaches; others stay as they are.

    Embeddings stay the same to the last bit. What was remembered is kept for the next model with an equal tokenizer (the
    last two are). Afterwards the model has its own tokenizer again.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    first = first_module(model)
    if not isinstance(first, StaticEmbedding):
        yield
        return
    own = first.tokenizer
    first.tokenizer = cast("Tokenizer", _Remembering(own))
    try:
        yield
    finally:
        first.tokenizer = own


class _Tokens(NamedTuple):
    """As much of an ``Encoding`` as is read."""

    ids: array


class _Memory:
    """By text, what a tokenizer has made of it, and the room that is left."""

    def __init__(self) -> None:
        self.known: dict[str, _Tokens] = {}
        self.room = ROOM

    def keep(self, made: dict[str, _Tokens]) -> None:
        for text, tokens in made.items():
            cost = len(text) + _OF_A_TEXT
            if cost <= self.room:
                self.known[text], self.room = tokens, self.room - cost


@lru_cache(maxsize=2)
def _memory(tokenizer: str) -> _Memory:
    """The memory of all tokenizers that are equal to this one, which is given as JSON."""
    return _Memory()


def _itself(tokenizer: Tokenizer) -> Tokenizer:
    return tokenizer


class _Remembering:
    """A tokenizer of which ``encode_batch``, the one call of ``StaticEmbedding``, remembers; all else is the tokenizer's."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._memory = tokenizer, _memory(tokenizer.to_str())

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[_Tokens]:
        """Tokens of each text, out of memory where they are known."""
        if add_special_tokens:
            raise ValueError("a static encoder asks for no special tokens, and none are remembered")
        known = self._memory.known
        new = list(dict.fromkeys(text for text in texts if text not in known))
        encodings = self._tokenizer.encode_batch(new, add_special_tokens=False) if new else []
        made = {text: _Tokens(array("i", encoding.ids)) for text, encoding in zip(new, encodings)}
        found = [made[text] if text in made else known[text] for text in texts]
        self._memory.keep(made)
        return found

    def __reduce__(self) -> tuple:
        """A copy of a model has the plain tokenizer."""
        return _itself, (self._tokenizer,)

    def __getattr__(self, name: str) -> object:
        return getattr(self._tokenizer, name)
