"""Texts of a task into embeddings, with any model that has the two methods of a ``SentenceTransformer``."""

from __future__ import annotations

from typing import Any

import numpy as np

from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import Log, TextEncoder, encode_texts, plain


def encode_task(model: TextEncoder, task: RetrievalTask, log: Log | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Encode the queries and candidates of a task, each distinct text once, so that equal texts have equal embeddings.

    A text that the model maps to the zero vector keeps it: its score is 0 for every partner.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode_query`` and ``encode_document``; prompts are the
            model's own, whatever it calls them (``kit.data.inputs.prompts_of``).
        log: takes lines of progress.

    Returns:
        Embeddings of queries (n_queries, dim) and candidates (n_candidates, dim), float32, rows of length 1.
    """
    queries, candidates = task.queries.column("text").to_pylist(), task.candidates.column("text").to_pylist()
    return unit_rows(model, queries, "query", log), unit_rows(model, candidates, "passage", log)


def unit_rows(model: Any, texts: list[str], side: str, log: Log | None = None) -> np.ndarray:
    """Embeddings of length 1 (but for zeros), shape (n_texts, dim), float32; each distinct text is encoded once."""
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    embeddings = encode_texts(model, list(row_of), side, log)  # (n_distinct, dim)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings = embeddings / np.where(length > 0, length, 1)
    return embeddings[[row_of[text] for text in texts]]  # (n_texts, dim)


def float_rows(name: str, embeddings: Any, n_rows: int, task: str) -> np.ndarray:
    """Embeddings that were given for the texts of a task, shape (n_rows, dim), float32; a tensor as an array.

    Raises:
        ValueError: another shape or dtype.
    """
    embeddings = plain(embeddings)
    if not isinstance(embeddings, np.ndarray) or embeddings.dtype != np.float32:
        kind = getattr(embeddings, "dtype", type(embeddings).__name__)
        raise ValueError(f"{name} is {kind}: give a NumPy array of float32")
    if embeddings.ndim != 2 or len(embeddings) != n_rows or not embeddings.shape[1]:
        raise ValueError(f"{name} has shape {embeddings.shape}: {task} needs ({n_rows}, dim), one row a text")
    return embeddings
