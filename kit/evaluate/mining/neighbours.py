"""The nearest sentences of the other language: embeddings of both sides, exact search in chunks, approximate search.

Tie rule: sentences with equal cosines are ordered by a seeded hash of their side and id, the same order whichever side asks,
so constant embeddings score like chance. The side is part of it, since translations may share an id: with one order for both
sides, ties would be broken in favour of the gold.

The search is exact beyond the rounding of float32: the matrix product finds all that its error could hide, and these are
compared by cosines in float64, each summed for itself. Neither the size of a chunk nor the order of the sentences in a file
changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kit.core.configs import whole_number
from kit.core.seeding import stable_hash
from kit.data.bitext import SIDES, BitextTask
from kit.evaluate.encoding import float_rows, unit_rows

PROMPT = "BitextMining"
"""Name of the prompt that mteb looks for in a model for these tasks."""

_LENGTH_TOLERANCE = 1e-3
_N_PILES = 256  # piles of scores in which the best k are bounded
_RECALL_SAMPLE = 1000  # sentences of each side on which an approximate search is compared with the exact one
_Search = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The k nearest sentences of the other side for each sentence, best first.

    target_of: targets of each source, shape (n_source, k), int64; target_cosine: their cosines, float64.
    source_of: sources of each target, shape (n_target, k), int64; source_cosine: their cosines, float64.
    source_position, target_position: place of each sentence in the order that breaks ties, int64.
    recall: share of the true neighbours that were found; 1 for an exact search, else measured on a sample.
    """

    target_of: np.ndarray
    target_cosine: np.ndarray
    source_of: np.ndarray
    source_cosine: np.ndarray
    source_position: np.ndarray
    target_position: np.ndarray
    recall: float = 1.0


class BitextEncoder(Protocol):
    """What is asked of a model, in the form that ``SentenceTransformer`` gives it."""

    prompts: Any

    def encode(self, texts: list[str], /, **options: Any) -> Any:
        """Embeddings of texts, one a row."""
        ...


def encode_bitext(model: BitextEncoder, task: BitextTask) -> tuple[np.ndarray, np.ndarray]:
    """Encode both sides of a task in one way, each distinct text once, so that equal texts have equal embeddings.

    Translation is symmetric, so no side is the query. As in mteb, both get the model's prompt of the name ``BitextMining``
    if it has one, else ``encode`` without a prompt (which falls back on the model's own default prompt, rarely set); the
    prompts ``query`` and ``document`` are not used. A text that the model maps to the zero vector keeps it.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode`` and ``prompts``.

    Returns:
        Embeddings (n_source, dim) and (n_target, dim), float32, rows of length 1.
    """
    texts = [task.texts(side) for side in SIDES]
    embeddings = unit_rows(model, texts[0] + texts[1], "sentence")
    return embeddings[: len(texts[0])], embeddings[len(texts[0]) :]


def neighbourhood(
    task: BitextTask,
    source_embeddings: np.ndarray,
    target_embeddings: np.ndarray,
    k: int = 4,
    seed: int = 0,
    chunk_size: int = 512,
    index: str = "exact",
    n_probes: int = 32,
) -> Neighbourhood:
    """Find the k nearest sentences of the other side for every sentence of both sides.

    Args:
        source_embeddings: shape (n_source, dim), float32, rows of length 1 (or 0); rows as in ``task.source``.
        target_embeddings: shape (n_target, dim), the same; rows as in ``task.target``.
        k: 1 to the number of sentences of the smaller side.
        seed: of the tie rule.
        chunk_size: sentences that are compared with all others at a time; memory is about 5 * chunk_size * n bytes. It
            changes no result.
        index: ``exact``, or ``faiss`` for sets beyond it: inverted lists (IVF) over about 4 * sqrt(n) clusters, of which
            the ``n_probes`` nearest are searched, on one thread; its recall is measured on up to 1,000 sentences of each
            side, and ties at the edge of the k are broken by the index.
        n_probes: read by ``faiss`` only.

    Raises:
        ValueError: embeddings of another shape or dtype, not finite or not of length 1; ``k``, ``chunk_size`` or
            ``n_probes`` out of range; an unknown index.
    """
    source_embeddings, target_embeddings = _checked(task, source_embeddings, target_embeddings)
    _check_settings(task, k, chunk_size, index, n_probes)
    positions = [tie_positions(task, side, seed) for side in SIDES]

    def exact(queries: np.ndarray, candidates: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _exact(queries, candidates, position, k, chunk_size)

    found, recalls = [], []
    sides = (source_embeddings, target_embeddings)
    for asking, asked in ((0, 1), (1, 0)):
        arguments = sides[asking], sides[asked], positions[asked]
        if index == "exact":
            found += exact(*arguments)
        else:
            found += _approximate(*arguments, k, n_probes, exact)
            recalls.append(_recall(found[-1], positions[asking], *arguments, exact))
    return Neighbourhood(*found, *positions, recall=float(np.mean(recalls)) if recalls else 1.0)


def tie_positions(task: BitextTask, side: str, seed: int) -> np.ndarray:
    """Place of each sentence of a side in the order that breaks ties, shape (n_sentences,), int64."""
    ids = task.sentence_ids(side)
    hashes = np.array([stable_hash(f"{side} {sentence_id}", seed) for sentence_id in ids], np.uint64)
    position = np.empty(len(ids), np.int64)
    position[np.lexsort((np.array(ids), hashes))] = np.arange(len(ids))
    return position


def _checked(
    task: BitextTask, source_embeddings: np.ndarray, target_embeddings: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    source_embeddings = float_rows("source_embeddings", source_embeddings, len(task.source), task.name)
    target_embeddings = float_rows("target_embeddings", target_embeddings, len(task.target), task.name)
    for name, embeddings in (("source_embeddings", source_embeddings), ("target_embeddings", target_embeddings)):
        with np.errstate(over="ignore"):
            length = np.linalg.norm(embeddings, axis=1)  # (n_rows,), not finite where a row is not
        right = (np.abs(length - 1) < _LENGTH_TOLERANCE) | (length == 0)
        if not right.all():
            row = int(np.argmin(right))
            raise ValueError(
                f"{name}, row {row}: length {length[row]:.4g}: divide rows by their lengths (encode_bitext does)"
            )
    if source_embeddings.shape[1] != target_embeddings.shape[1]:
        raise ValueError(
            f"source_embeddings have {source_embeddings.shape[1]} dimensions and target_embeddings "
            f"{target_embeddings.shape[1]}: encode both with one model"
        )
    return source_embeddings, target_embeddings


def _check_settings(task: BitextTask, k: int, chunk_size: int, index: str, n_probes: int) -> None:
    n_most = min(len(task.source), len(task.target))
    whole_number("k", k, 1, n_most, f"the number of sentences of the smaller side of {task.name}")
    whole_number("chunk_size", chunk_size, 1)
    if index not in ("exact", "faiss"):
        raise ValueError(f"index is {index!r}: choose exact or faiss")
    whole_number("n_probes", n_probes, 1)


def _exact(
    queries: np.ndarray, candidates: np.ndarray, position: np.ndarray, k: int, chunk_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest candidates of each query and their cosines, each of shape (n_queries, k)."""
    nearest = np.empty((len(queries), k), np.int64)
    cosine = np.empty((len(queries), k), np.float64)
    # An inner product of rows of length 1 in float32 is wrong by at most dim * 2**-24 (Higham 2002, section 3.1). Both the
    # k-th best and a candidate that belongs before it may be; lengths may exceed 1 a little, and the bound is rounded too.
    slack = 2.1 * (queries.shape[1] + 8) * 2.0**-24
    product = np.empty((min(chunk_size, len(queries)), len(candidates)), np.float32)
    for start in range(0, len(queries), chunk_size):
        chunk = queries[start : start + chunk_size]
        scores = np.matmul(chunk, candidates.T, out=product[: len(chunk)])  # (chunk, n_candidates)
        least = _reached_by_k(scores, k) - slack
        for row, query in enumerate(chunk):
            near = np.flatnonzero(scores[row] >= least[row])  # k or more
            nearest[start + row], cosine[start + row] = _best(query, candidates, near, position, k)
    return nearest, cosine


def _reached_by_k(scores: np.ndarray, k: int) -> np.ndarray:
    """A score of each row that at least k of its scores reach, and few more, shape (chunk,).

    That is the k-th best of the best scores of hundreds of piles; to select from all scores takes several times as long.
    """
    n_piles = max(_N_PILES, 8 * k)
    height = scores.shape[1] // n_piles
    if height > 1:
        dealt = scores[:, : height * n_piles].reshape(len(scores), height, n_piles).max(axis=1)
        scores = np.concatenate([dealt, scores[:, height * n_piles :]], axis=1)  # (chunk, n_piles + rest)
    return np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]


def _best(
    query: np.ndarray, candidates: np.ndarray, near: np.ndarray, position: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of some candidates and their cosines, each of shape (k,).

    ``einsum`` sums each row for itself in one order, so a pair has one cosine, bit by bit, whoever asks for it with whom.
    """
    cosine = np.einsum("ij,j->i", candidates[near].astype(np.float64), query.astype(np.float64))  # (n_near,)
    best = np.lexsort((position[near], -cosine))[:k]
    return near[best], cosine[best]


def _approximate(
    queries: np.ndarray, candidates: np.ndarray, position: np.ndarray, k: int, n_probes: int, exact: _Search
) -> tuple[np.ndarray, np.ndarray]:
    """The same as ``_exact``, in the clusters nearest to each query; one that finds fewer than k is searched exactly."""
    found = _search_lists(queries, candidates, k, n_probes)  # (n_queries, k)
    nearest = np.empty_like(found)
    cosine = np.empty(found.shape, np.float64)
    whole = (found >= 0).all(axis=1)
    for row in np.flatnonzero(whole):
        nearest[row], cosine[row] = _best(queries[row], candidates, found[row], position, k)
    if not whole.all():
        nearest[~whole], cosine[~whole] = exact(queries[~whole], candidates, position)
    return nearest, cosine


def _search_lists(queries: np.ndarray, candidates: np.ndarray, k: int, n_probes: int) -> np.ndarray:
    """Candidates in the nearest lists of an inverted file, shape (n_queries, k), int64; -1 where there are fewer than k."""
    import faiss  # here alone: an import that most runs do not need

    n, dimension = candidates.shape
    n_lists = max(1, min(int(4 * math.sqrt(n)), n // 39))  # k-means wants 39 points a cluster
    n_threads = faiss.omp_get_max_threads()
    # Two OpenMP runtimes with several threads each, faiss's and torch's, can crash a process or make it crawl.
    faiss.omp_set_num_threads(1)
    try:
        quantizer = faiss.IndexFlatIP(dimension)
        lists = faiss.IndexIVFFlat(quantizer, dimension, n_lists, faiss.METRIC_INNER_PRODUCT)
        lists.cp.spherical = True
        lists.cp.min_points_per_centroid = 1  # or it writes a warning for a single cluster of few points
        lists.train(np.ascontiguousarray(candidates))
        lists.add(np.ascontiguousarray(candidates))
        lists.nprobe = min(n_probes, n_lists)
        return lists.search(np.ascontiguousarray(queries), k)[1]
    finally:
        faiss.omp_set_num_threads(n_threads)


def _recall(
    cosine: np.ndarray,
    asking_position: np.ndarray,
    queries: np.ndarray,
    candidates: np.ndarray,
    position: np.ndarray,
    exact: _Search,
) -> float:
    """Share of what was found for some queries, chosen by a hash, that is as near as the true k-th neighbour."""
    sample = np.argsort(asking_position)[:_RECALL_SAMPLE]
    _, true = exact(queries[sample], candidates, position)  # (n_sample, k)
    return float(np.mean(cosine[sample] >= true[:, -1:]))
