"""Exact ranking in chunks: where the relevant candidates of each query stand, and the top of each ranked list.

The score is the inner product of two rows (the cosine, for rows of length 1), computed in float32. The whole score matrix
never exists: at most ``chunk_size`` rows of it at a time.

Tie rule, one for the whole kit: candidates with equal scores are ordered by a seeded hash of their ids
(``kit.core.seeding.stable_hash(candidate_id, seed)``), the same order for every query. So a constant scorer scores like
chance in every measure, no language is preferred, and the order of the candidates in a file changes nothing. Equal rows are
scored once and so have bit-equal scores, whichever kernel the matrix product takes for a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kit.core.seeding import stable_hash
from kit.data.corpus import RetrievalTask

_CACHE_ELEMENTS = 2**18  # of a (pairs, candidates) block of comparisons on the CPU: 256 KB, which its cache holds
_DEVICE_ELEMENTS = 2**26  # of the same on an accelerator: 256 MB of scores


Rescore = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Changes scores before they are ranked: takes scores (chunk, n_candidates), float32, the index of the query of each row and
of the candidate of each column, and returns other scores of that shape. Columns of one language come in tie order."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the relevant candidates, aligned to ``task.relevant_pairs``; 1 = top.

    cell_rank: rank among the candidates of the relevant candidate's own language, shape (n_relevant,), int64.
    pool_rank: rank among the candidates of all languages, shape (n_relevant,), int64; never below the cell rank.
    seed: seed of the tie rule.
    """

    cell_rank: np.ndarray
    pool_rank: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class _Pool:
    """Candidates in the order in which they are scored ("columns").

    candidate: candidate index of each column, shape (n_candidates,), int64.
    tie_position: place of each column in the tie order, shape (n_candidates,), int64; of equal scores the lowest is first.
    language: language of each column, shape (n_candidates,), int32.
    rows: distinct embeddings, shape (n_distinct, dim), float32.
    row_of: row of each column, shape (n_candidates,), int64; ``None`` where all embeddings are distinct.
    """

    candidate: np.ndarray
    tie_position: np.ndarray
    language: np.ndarray
    rows: np.ndarray
    row_of: np.ndarray | None


def relevant_ranks(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    seed: int = 0,
    chunk_size: int = 512,
    device: str | None = None,
    rescore: Rescore | None = None,
) -> Ranks:
    """Rank every relevant candidate of every query within its language and within the pool of all languages.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``.
        candidate_embeddings: shape (n_candidates, dim), float32, finite; rows as in ``task.candidates``.
        task: names the relevant pairs and the language of each candidate.
        seed: seed of the tie rule (see the module).
        chunk_size: queries scored at a time; memory is about 4 * chunk_size * n_candidates bytes (twice that where
            embeddings repeat). It changes no rank but that of scores which differ by float32 rounding only.
        device: ``"cpu"`` (NumPy), or a torch device such as ``"cuda"`` (full float32, TF32 is switched off meanwhile);
            ``None``: ``"cuda"`` where there is one, else ``"cpu"``.
        rescore: changes the scores before they are ranked; ``None``: they stay. On the CPU, whatever the device.

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite; ``chunk_size`` below 1.
    """
    _check(query_embeddings, candidate_embeddings, task, chunk_size)
    pool = _make_pool(candidate_embeddings, task, seed)
    column_of = np.empty_like(pool.candidate)
    column_of[pool.candidate] = np.arange(len(pool.candidate))
    pairs = np.stack([task.relevant_pairs[:, 0], column_of[task.relevant_pairs[:, 1]]], axis=1)  # (n_relevant, 2)
    n_before = np.empty((len(pairs), 2), np.int64)  # within the language, within the pool
    for start, scores in _score_chunks(query_embeddings, pool, chunk_size, device, rescore):
        low, high = np.searchsorted(pairs[:, 0], [start, start + len(scores)])  # pairs are sorted by query
        count = _count_before if isinstance(scores, np.ndarray) else _count_before_on_device
        n_before[low:high] = count(scores, pairs[low:high] - [start, 0], pool)
    return Ranks(cell_rank=n_before[:, 0] + 1, pool_rank=n_before[:, 1] + 1, seed=seed)


def top_k(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    k: int,
    seed: int = 0,
    chunk_size: int = 512,
    device: str | None = None,
    rescore: Rescore | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k best candidates of the pool of all languages for each query, best first.

    Args:
        k: length of the lists, from 1 to n_candidates; the other arguments are those of ``relevant_ranks``.

    Returns:
        Candidate indices, shape (n_queries, k), int64, and their scores, shape (n_queries, k), float32.

    Raises:
        ValueError: as ``relevant_ranks``; ``k`` below 1 or above the number of candidates.
    """
    _check(query_embeddings, candidate_embeddings, task, chunk_size)
    if not 1 <= k <= len(candidate_embeddings):
        raise ValueError(f"k is {k}: choose 1 to {len(candidate_embeddings)}, the number of candidates of {task.name}")
    pool = _make_pool(candidate_embeddings, task, seed)
    indices = np.empty((len(query_embeddings), k), np.int64)
    best = np.empty((len(query_embeddings), k), np.float32)
    for start, scores in _score_chunks(query_embeddings, pool, chunk_size, device, rescore):
        select = _top_columns if isinstance(scores, np.ndarray) else _top_columns_on_device
        columns, best[start : start + len(scores)] = select(scores, k, pool)  # (chunk, k)
        indices[start : start + len(scores)] = pool.candidate[columns]
    return indices, best


def score_batches(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    batches: Iterable[np.ndarray],
    seed: int = 0,
    device: str | None = None,
    rescore: Rescore | None = None,
) -> Iterator[np.ndarray]:
    """Scores of some queries at a time with all candidates, in an order that is the same for all batches but not the task's.

    Yields an array (len(batch), n_candidates), float32, for each batch; the next may overwrite it.

    Args:
        batches: query indices of each batch; the other arguments are those of ``relevant_ranks``.
    """
    _check(query_embeddings, candidate_embeddings, task, chunk_size=1)
    pool = _make_pool(candidate_embeddings, task, seed)
    for rows in batches:
        for _, scores in _score_chunks(query_embeddings[rows], pool, len(rows), device, rescore, rows):
            yield scores if isinstance(scores, np.ndarray) else scores.cpu().numpy()


def tie_order(task: RetrievalTask, seed: int) -> np.ndarray:
    """Candidate indices in the order that breaks ties: by a seeded hash of the id, shape (n_candidates,), int64."""
    ids = task.candidates.column("candidate_id").to_pylist()
    hashes = np.array([stable_hash(candidate_id, seed) for candidate_id in ids], np.uint64)
    return np.lexsort((np.array(ids), hashes))


def _check(query_embeddings: np.ndarray, candidate_embeddings: np.ndarray, task: RetrievalTask, chunk_size: int) -> None:
    for name, embeddings, n_rows in (
        ("query_embeddings", query_embeddings, len(task.queries)),
        ("candidate_embeddings", candidate_embeddings, len(task.candidates)),
    ):
        if not isinstance(embeddings, np.ndarray) or embeddings.dtype != np.float32:
            kind = getattr(embeddings, "dtype", type(embeddings).__name__)
            raise ValueError(f"{name} is {kind}: give a NumPy array of float32")
        if embeddings.ndim != 2 or len(embeddings) != n_rows:
            raise ValueError(f"{name} has shape {embeddings.shape}: {task.name} needs ({n_rows}, dim), one row a text")
        finite = np.isfinite(embeddings).all(axis=1)  # (n_rows,)
        if not finite.all():
            raise ValueError(f"{name}, row {int(np.argmin(finite))}: not finite: look at the model or the text of this row")
    if query_embeddings.shape[1] != candidate_embeddings.shape[1]:
        raise ValueError(
            f"query_embeddings have {query_embeddings.shape[1]} dimensions and candidate_embeddings "
            f"{candidate_embeddings.shape[1]}: encode both with one model"
        )
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}: choose at least 1")


def _make_pool(candidate_embeddings: np.ndarray, task: RetrievalTask, seed: int) -> _Pool:
    """Lay the candidates out by language, so that a language is a slice, and within it in tie order."""
    position_of = np.empty(len(task.candidates), np.int64)
    position_of[tie_order(task, seed)] = np.arange(len(position_of))
    candidate = np.lexsort((position_of, task.candidate_language))
    rows, row_of = candidate_embeddings[candidate], None  # (n_candidates, dim)
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
    if len(first) < len(rows):
        rows, row_of = rows[first], inverse  # (n_distinct, dim)
    return _Pool(candidate, position_of[candidate], task.candidate_language[candidate], rows, row_of)


def _score_chunks(
    query_embeddings: np.ndarray,
    pool: _Pool,
    chunk_size: int,
    device: str | None,
    rescore: Rescore | None = None,
    query: np.ndarray | None = None,
) -> Iterator[tuple]:
    """Yield (index of the first query, scores of shape (chunk, n_candidates) with the columns of the pool).

    The scores are a NumPy array on the CPU, else a torch tensor on the device; the next chunk may overwrite them. ``query``
    is what ``rescore`` is told of each row; by default its index.
    """
    device = "cpu" if rescore else _default_device() if device is None else device
    query = np.arange(len(query_embeddings)) if query is None else query
    if device == "cpu":
        score = _score_chunk_on_cpu(pool, min(chunk_size, len(query_embeddings)))
    else:
        score = _score_chunk_on_device(pool, device)
    with nullcontext() if device == "cpu" else _full_float32():
        for start in range(0, len(query_embeddings), chunk_size):
            scores = score(query_embeddings[start : start + chunk_size])
            yield start, rescore(scores, query[start : start + chunk_size], pool.candidate) if rescore else scores


def _score_chunk_on_cpu(pool: _Pool, chunk_size: int) -> Callable:
    # Buffers for all chunks: fresh memory for each would cost more time than filling it.
    product = np.empty((chunk_size, len(pool.rows)), np.float32)
    expanded = None if pool.row_of is None else np.empty((chunk_size, len(pool.row_of)), np.float32)

    def score(queries: np.ndarray) -> np.ndarray:
        scores = np.matmul(queries, pool.rows.T, out=product[: len(queries)])  # (chunk, n_distinct)
        if expanded is None:
            return scores
        # "clip" only because NumPy would buffer the whole output for "raise"; no index is out of range.
        return np.take(scores, pool.row_of, axis=1, out=expanded[: len(queries)], mode="clip")

    return score


def _score_chunk_on_device(pool: _Pool, device: str) -> Callable:
    import torch

    rows = torch.from_numpy(pool.rows).to(device)
    row_of = None if pool.row_of is None else torch.from_numpy(pool.row_of).to(device)

    def score(queries: np.ndarray) -> torch.Tensor:
        scores = torch.from_numpy(queries).to(device) @ rows.T  # (chunk, n_distinct)
        return scores if row_of is None else scores[:, row_of]

    return score


def _default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _full_float32():
    """Switch TF32 off, which a trainer may have switched on: it keeps 10 bits of each factor and so makes ties."""
    import torch

    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def _count_before(scores: np.ndarray, pairs: np.ndarray, pool: _Pool) -> np.ndarray:
    """Number of candidates before each (row, column) of the scores, shape (n_pairs, 2): of the same language, and of all.

    Comparing one score with all others costs less than sorting them as long as a query has tens of relevant candidates.
    """
    languages = np.arange(pool.language.max() + 2)
    slices = [slice(*ends) for ends in pairwise(np.searchsorted(pool.language, languages).tolist())]
    block = max(1, _CACHE_ELEMENTS // scores.shape[1])
    n_before = []
    for start, end in _blocks_of_one_row(pairs[:, 0], block):
        columns = pairs[start:end, 1]  # (block,)
        others = scores[pairs[start, 0]]  # (n_candidates,)
        own = others[columns, None]  # (block, 1)
        before, equal = others > own, others == own  # (block, n_candidates)
        if np.count_nonzero(equal) > len(columns):  # not every score is equal to itself only
            before |= equal & (pool.tie_position < pool.tie_position[columns, None])
        for before_one, language in zip(before, pool.language[columns].tolist()):
            n_before.append((np.count_nonzero(before_one[slices[language]]), np.count_nonzero(before_one)))
    return np.array(n_before, np.int64).reshape(-1, 2)


def _blocks_of_one_row(rows: np.ndarray, size: int) -> Iterator[tuple[int, int]]:
    """Ends of stretches of at most ``size`` pairs that are all in one row of the scores."""
    changes = np.flatnonzero(np.diff(rows, prepend=-1, append=-1)).tolist()
    for low, high in pairwise(changes):
        for start in range(low, high, size):
            yield start, min(start + size, high)


def _count_before_on_device(scores, pairs: np.ndarray, pool: _Pool) -> np.ndarray:
    """The same as ``_count_before`` for a torch tensor of scores, the pairs of many queries at a time."""
    import torch

    language, tie_position, pairs = (
        torch.from_numpy(array).to(scores.device) for array in (pool.language, pool.tie_position, pairs)
    )
    n_before = torch.empty(len(pairs), 2, dtype=torch.int64, device=scores.device)
    block = max(1, _DEVICE_ELEMENTS // scores.shape[1])
    for start in range(0, len(pairs), block):
        rows, columns = pairs[start : start + block].T  # (block,)
        others, own = scores[rows], scores[rows, columns][:, None]  # (block, n_candidates), (block, 1)
        before = (others > own) | ((others == own) & (tie_position < tie_position[columns, None]))
        n_before[start : start + block, 0] = (before & (language == language[columns, None])).sum(dim=1)
        n_before[start : start + block, 1] = before.sum(dim=1)
    return n_before.cpu().numpy()


def _top_columns(scores: np.ndarray, k: int, pool: _Pool) -> tuple[np.ndarray, np.ndarray]:
    """Columns and scores of the k best of each row, each of shape (chunk, k)."""
    columns = np.empty((len(scores), k), np.int64)
    for row, (row_scores, threshold) in enumerate(zip(scores, _not_above_the_kth(scores, k))):
        at_least = np.flatnonzero(row_scores >= threshold)  # k or more
        columns[row] = at_least[np.lexsort((pool.tie_position[at_least], -row_scores[at_least]))[:k]]
    return columns, np.take_along_axis(scores, columns, axis=1)


def _not_above_the_kth(scores: np.ndarray, k: int) -> np.ndarray:
    """A score of each row that at least k of its scores reach, and few more, shape (chunk,).

    The columns are dealt out to hundreds of piles: the k-th best of the piles' best scores is reached by at least k scores.
    That is one pass over the scores; selecting the k-th best of all of them costs many.
    """
    height = scores.shape[1] // max(8 * k, 256)
    if height > 1:
        dealt = scores.shape[1] // height * height
        best = scores[:, :dealt].reshape(len(scores), height, -1).max(axis=1)  # (chunk, n_piles)
        scores = np.concatenate([best, scores[:, dealt:]], axis=1)
    return np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]


def _top_columns_on_device(scores, k: int, pool: _Pool) -> tuple[np.ndarray, np.ndarray]:
    """The same as ``_top_columns`` for a torch tensor of scores."""
    import torch

    in_tie_order = torch.from_numpy(np.argsort(pool.tie_position)).to(scores.device)  # (n_candidates,)
    best, place = torch.sort(scores[:, in_tie_order], dim=1, descending=True, stable=True)
    return in_tie_order[place[:, :k]].cpu().numpy(), best[:, :k].cpu().numpy()
