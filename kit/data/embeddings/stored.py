"""A model whose embeddings are looked up on disk, and computed and kept where they are not there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kit.core.fingerprints import COMPUTING, versions
from kit.core.printing import say
from kit.data.embeddings.encoding import Log, TextEncoder, encoded_by_and_by, is_transformer, precision, prompt_of
from kit.data.embeddings.store import EmbeddingStore
from kit.data.inputs import limit_of

SIDES = ("query", "passage", "sentence")

_KEEP_EVERY_S = 30.0
"""Seconds of encoding that an interruption may cost."""


class StoredEncoder:
    """What a model makes of texts, each encoded once, ever.

    Args:
        model: the model.
        weights: what tells its content apart from that of every other model, such as a checksum or a revision.
        name: what lists of the store call it.
        log: takes lines of progress.
    """

    def __init__(self, model: Any, weights: str, name: str, log: Log = say) -> None:
        self.model, self.name, self.log = model, name, log
        self.prompts = getattr(model, "prompts", None)
        self._stores = {side: EmbeddingStore(known_by(model, weights, name, side), log) for side in SIDES}
        self.n_encoded, self.elapsed_s = 0, 0.0

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Embeddings (n_texts, dim), float32, with the model's own prompt, whatever the options say."""
        return self._encode(texts, "query")

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """The same of candidates."""
        return self._encode(texts, "passage")

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """The same of sentences of which none is the query."""
        return self._encode(texts, "sentence")

    def _encode(self, texts: Sequence[str], side: str) -> np.ndarray:
        store = self._stores[side]
        distinct = list(dict.fromkeys(texts))
        there, known = store.find(distinct)
        missing = [text for text, found in zip(distinct, there) if not found]
        made = self._computed(store, missing, side) if missing else known[:0]
        embeddings = np.empty((len(distinct), (made if missing else known).shape[1]), np.float32)
        embeddings[there] = known if there.any() else 0
        embeddings[~there] = made
        row_of = {text: row for row, text in enumerate(distinct)}
        return embeddings[[row_of[text] for text in texts]]

    def _computed(self, store: EmbeddingStore, texts: list[str], side: str) -> np.ndarray:
        started = kept = time.monotonic()
        made: np.ndarray | None = None
        waiting: list[np.ndarray] = []
        for rows, embeddings in encoded_by_and_by(self.model, texts, side, self.log):
            made = np.empty((len(texts), embeddings.shape[1]), np.float32) if made is None else made
            made[rows] = embeddings
            waiting.append(rows)
            if time.monotonic() - kept > _KEEP_EVERY_S:
                kept = _keep(store, texts, made, waiting)
        assert made is not None
        _keep(store, texts, made, waiting)
        self.n_encoded += len(texts)
        self.elapsed_s += time.monotonic() - started
        return made


def stored(model: Any, weights: Callable[[], str], name: str, log: Log = say) -> TextEncoder:
    """A model with its store; itself where a text costs less than to look it up: no transformer.

    Args:
        weights: what ``StoredEncoder`` wants, asked for where it is needed.
    """
    return StoredEncoder(model, weights(), name, log) if is_transformer(model) else model


def _keep(store: EmbeddingStore, texts: list[str], made: np.ndarray, waiting: list[np.ndarray]) -> float:
    """Write what waits; returns the time."""
    if waiting:
        rows = np.concatenate(waiting)
        store.add([texts[row] for row in rows.tolist()], made[rows])
        waiting.clear()
    return time.monotonic()


def known_by(model: Any, weights: str, name: str, side: str) -> dict[str, object]:
    """What the embedding of a text of a side depends on besides the text; arguments as of ``StoredEncoder``."""
    return {
        "model": name,
        "weights": weights,
        "side": side,
        "prompt": prompt_of(model, side),
        "limit": limit_of(model, side),
        "precision": precision(model),
        "versions": versions(COMPUTING),
    }
