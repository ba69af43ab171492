"""Scores of queries with all candidates, some queries at a time: the whole score matrix never exists.

The score is the inner product of two rows (the cosine, for rows of length 1), computed in float32.

Tie rule, one for the whole kit: candidates with equal scores are ordered by a seeded hash of their ids
(``kit.core.seeding.stable_hash(candidate_id, seed)``), the same order for every query. So a constant scorer scores like
chance in every measure, no language is preferred, and the order of the candidates in a file changes nothing. Equal rows are
scored once and so have bit-equal scores, whichever kernel the matrix product takes for a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core.seeding import stable_hash
from kit.data.corpus import RetrievalTask
from kit.evaluate.encoding import float_rows

if TYPE_CHECKING:
    import torch

Rescore = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Changes scores before they are ranked: takes scores (chunk, n_candidates), float32, the index of the query of each row and
of the candidate of each column, and returns other scores of that shape. Columns of one language come in tie order. It is
called in threads."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Candidates in the order in which they are scored: by language, and within a language in tie order.

    candidate: candidate index of each column, shape (n_candidates,), int64.
    tie_position: place of each column in the tie order, shape (n_candidates,), int64; of equal scores the lowest is first.
    language: language of each column, shape (n_candidates,), int32, ascending.
    slices: the columns of each language.
    rows: distinct embeddings, shape (n_distinct, dim), float32.
    row_of: row of each column, shape (n_candidates,), int64; ``None`` where all embeddings are distinct.
    """

    candidate: np.ndarray
    tie_position: np.ndarray
    language: np.ndarray
    slices: tuple[slice, ...]
    rows: np.ndarray
    row_of: np.ndarray | None


def checked_embeddings(
    query_embeddings: np.ndarray, candidate_embeddings: np.ndarray, task: RetrievalTask
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the queries and candidates of a task as NumPy's.

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite.
    """
    query_embeddings = float_rows("query_embeddings", query_embeddings, len(task.queries), task.name)
    candidate_embeddings = float_rows("candidate_embeddings", candidate_embeddings, len(task.candidates), task.name)
    for name, embeddings in (("query_embeddings", query_embeddings), ("candidate_embeddings", candidate_embeddings)):
        finite = np.isfinite(embeddings)  # (n_rows, dim)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=1)))
            raise ValueError(f"{name}, row {row}: not finite: look at the model or the text of this row")
    if query_embeddings.shape[1] != candidate_embeddings.shape[1]:
        raise ValueError(
            f"query_embeddings have {query_embeddings.shape[1]} dimensions and candidate_embeddings "
            f"{candidate_embeddings.shape[1]}: encode both with one model"
        )
    return query_embeddings, candidate_embeddings


def tie_order(task: RetrievalTask, seed: int) -> np.ndarray:
    """Candidate indices in the order that breaks ties: by a seeded hash of the id, shape (n_candidates,), int64."""
    ids = task.candidates.column("candidate_id").to_pylist()
    hashes = np.array([stable_hash(candidate_id, seed) for candidate_id in ids], np.uint64)
    order = np.argsort(hashes)
    if (np.diff(hashes[order]) == 0).any():  # two ids with one hash: the ids decide
        order = np.lexsort((np.array(ids), hashes))
    return order


def lay_out(candidate_embeddings: np.ndarray, task: RetrievalTask, seed: int) -> Columns:
    """Lay the candidates out by language, so that a language is a slice, and within it in tie order."""
    position_of = np.empty(len(task.candidates), np.int64)
    position_of[tie_order(task, seed)] = np.arange(len(position_of))
    candidate = np.lexsort((position_of, task.candidate_language))
    language = task.candidate_language[candidate]
    ends = np.searchsorted(language, np.arange(len(task.languages) + 1)).tolist()
    slices = tuple(slice(*both) for both in pairwise(ends))
    rows, row_of = distinct(candidate_embeddings[candidate])
    return Columns(candidate, position_of[candidate], language, slices, rows, row_of)


def distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows without repetition, and which of them each row is; ``None`` where none repeats."""
    if rows.shape[1] > 1 and len(np.unique(rows[:, :2].copy().view(np.int64))) == len(rows):
        return rows, None  # told apart by their first two numbers: whole rows cost far more to sort
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
    return (rows, None) if len(first) == len(rows) else (rows[first], inverse)


def make_scorer(columns: Columns, n_rows: int, device: str) -> Callable[[np.ndarray], Any]:
    """A function that scores up to ``n_rows`` queries, (n, dim), with all candidates: (n, n_candidates), float32.

    Its result is a NumPy array on the CPU, else a torch tensor on the device; the next call overwrites it.
    """
    return _scorer_on_cpu(columns, n_rows) if device == "cpu" else _scorer_on_device(columns, device)


def _scorer_on_cpu(columns: Columns, n_rows: int) -> Callable[[np.ndarray], np.ndarray]:
    # Buffers for all calls: fresh memory for each would cost more time than filling it.
    product = np.empty((n_rows, len(columns.rows)), np.float32)
    expanded = None if columns.row_of is None else np.empty((n_rows, len(columns.row_of)), np.float32)

    def score(queries: np.ndarray) -> np.ndarray:
        scores = np.matmul(queries, columns.rows.T, out=product[: len(queries)])  # (n, n_distinct)
        if expanded is None or columns.row_of is None:
            return scores
        # "clip" only because NumPy would buffer the whole output for "raise"; no index is out of range.
        return np.take(scores, columns.row_of, axis=1, out=expanded[: len(queries)], mode="clip")

    return score


def _scorer_on_device(columns: Columns, device: str) -> Callable[[np.ndarray], torch.Tensor]:
    import torch

    rows = torch.from_numpy(columns.rows).to(device)
    row_of = None if columns.row_of is None else torch.from_numpy(columns.row_of).to(device)

    def score(queries: np.ndarray) -> torch.Tensor:
        scores = torch.from_numpy(queries).to(device) @ rows.T  # (n, n_distinct)
        return scores if row_of is None else scores[:, row_of]

    return score


def default_device() -> str:
    """``"cuda"`` where there is one, else ``"cpu"``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def full_float32() -> Iterator[None]:
    """Switch TF32 off, which a trainer may have switched on: it keeps 10 bits of each factor and so makes ties."""
    import torch

    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
