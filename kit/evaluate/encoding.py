"""Texts of a task into embeddings, with any model that has the two methods of a ``SentenceTransformer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from kit.data.corpus import RetrievalTask
from kit.data.inputs import prompts_of


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


def encode_task(
    model: TextEncoder, task: RetrievalTask, batch_size: int = 32, show_progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Encode the queries and candidates of a task, each distinct text once, so that equal texts have equal embeddings.

    A text that the model maps to the zero vector keeps it: its score is 0 for every partner.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode_query`` and ``encode_document``; prompts are the
            model's own, whatever it calls them (``kit.data.inputs.prompts_of``).
        batch_size: texts a forward pass.
        show_progress: whether the model shows its bar.

    Returns:
        Embeddings of queries (n_queries, dim) and candidates (n_candidates, dim), float32, rows of length 1.
    """
    options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": show_progress, "convert_to_numpy": True}
    query, passage = prompt_options(model)
    queries = _encode(model.encode_query, task.queries.column("text").to_pylist(), options | query)
    return queries, _encode(model.encode_document, task.candidates.column("text").to_pylist(), options | passage)


def prompt_options(model: TextEncoder) -> tuple[dict[str, str], dict[str, str]]:
    """What ``encode_query`` and ``encode_document`` are to be called with; nothing for a model that knows no prompts."""
    if not hasattr(model, "prompts"):
        return {}, {}
    prompts = prompts_of(model)
    return {"prompt": prompts.query}, {"prompt": prompts.passage}


def _encode(encode: Callable[..., Any], texts: list[str], options: dict[str, Any]) -> np.ndarray:
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    embeddings = encode(list(row_of), **options)
    embeddings = np.asarray(embeddings, np.float32)  # (n_distinct, dim)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings = embeddings / np.where(length > 0, length, 1)
    return embeddings[[row_of[text] for text in texts]]  # (n_texts, dim)
