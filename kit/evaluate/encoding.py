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
    embeddings = encoded(encode(list(row_of), **options), len(row_of))  # (n_distinct, dim)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings = embeddings / np.where(length > 0, length, 1)
    return embeddings[[row_of[text] for text in texts]]  # (n_texts, dim)


def encoded(embeddings: Any, n_texts: int) -> np.ndarray:
    """What a model returned for some texts, shape (n_texts, dim), float32.

    Args:
        embeddings: an array, a tensor, or a list of them, one a text; of any kind of real numbers.

    Raises:
        ValueError: something else.
    """
    rows = [_plain(row) for row in embeddings] if isinstance(embeddings, (list, tuple)) else _plain(embeddings)
    try:
        found = np.asarray(rows)
    except (ValueError, TypeError, RuntimeError):  # rows of several lengths; tensors that are no arrays
        found = np.asarray(None)
    if found.dtype.kind not in "fiu" or found.ndim != 2 or len(found) != n_texts or not found.shape[1]:
        kind = type(embeddings).__name__ if found.dtype.kind == "O" else f"{found.dtype} of shape {found.shape}"
        raise ValueError(f"the model returned {kind} for {n_texts} texts: it has to return ({n_texts}, dim) real numbers")
    return found.astype(np.float32, copy=False)


def float_rows(name: str, embeddings: Any, n_rows: int, task: str) -> np.ndarray:
    """Embeddings that were given for the texts of a task, shape (n_rows, dim), float32; a tensor as an array.

    Raises:
        ValueError: another shape or dtype.
    """
    embeddings = _plain(embeddings)
    if not isinstance(embeddings, np.ndarray) or embeddings.dtype != np.float32:
        kind = getattr(embeddings, "dtype", type(embeddings).__name__)
        raise ValueError(f"{name} is {kind}: give a NumPy array of float32")
    if embeddings.ndim != 2 or len(embeddings) != n_rows or not embeddings.shape[1]:
        raise ValueError(f"{name} has shape {embeddings.shape}: {task} needs ({n_rows}, dim), one row a text")
    return embeddings


def _plain(values: Any) -> Any:
    """A dense tensor of torch as NumPy's, without its gradient, half precision as float32; anything else as it is."""
    if not hasattr(values, "detach") or str(values.layout) != "torch.strided":
        return values
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()
