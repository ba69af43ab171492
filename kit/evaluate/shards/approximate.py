"""Approximate search beyond what an exact one can read: faiss' IVF-PQ on a memory-mapped file, and what it costs in truth.

Passages lie in lists around centroids, as codes of a few bytes; a query is held against the codes of the lists that are
nearest to it. The first ``DEPTH`` by their codes are scored exactly and ordered by the one rule for ties: what is wrong is
what was not found. A relevant passage that was not found is taken to stand right behind those that were, so its rank is too
good, and by the more the deeper it stands: that is why recall never comes without the error in rank distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kit.core import paths
from kit.core.configs import whole_number
from kit.core.files import kept_folder
from kit.core.fingerprints import fingerprint
from kit.core.printing import say
from kit.core.seeding import stable_fraction
from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluation import POOL
from kit.evaluate.search import Ranks
from kit.evaluate.shards.panel import Asked, Searched, evaluate_pool
from kit.evaluate.shards.pool import Pool
from kit.evaluate.shards.scoring import Log, exact_scores

DEPTH = 1000
"""Passages of a list."""

LEAST = 10_000
"""Passages from which on an index can be learned: k-means wants 39 a code, of which there are 256."""

_MOST_LISTS = 4096
_POINTS = 48  # a list, to learn it from
_ROUNDS = 10  # of k-means
_A_FILE = 2**20  # passages, which are held until they are written
_N_PROBES = 64


@dataclass(frozen=True)
class Cost:
    """What an approximate search loses, on some questions that were searched exactly as well.

    n_queries: how many.  recall: share of the first passages (``TOP``) of the exact lists that lead the approximate ones.
    rank_distance: mean of the exact ones.  approximate: mean of the approximate ones.  error: mean absolute difference.
    """

    n_queries: int
    recall: float
    rank_distance: float
    approximate: float
    error: float

    def __str__(self) -> str:
        return (
            f"approximate: recall {self.recall:.3f}; rank distance {self.approximate:,.0f}, exact "
            f"{self.rank_distance:,.0f}, mean error {self.error:,.0f} (on {self.n_queries:,} questions searched exactly)"
        )


def evaluate_approximately(
    query_embeddings: np.ndarray,
    pool: Pool,
    task: RetrievalTask,
    name: str = "model",
    n_exact: int = 100,
    device: str | None = None,
    log: Log = say,
) -> tuple[Searched, Cost]:
    """Evaluate a model by approximate lists, and measure on a sample of questions what they cost.

    The index is made once for a pool and kept under ``data/cache/approximate``. List agreement, which needs whole lists, is
    not measured.

    Args:
        query_embeddings, pool, task, name, device, log: as of ``kit.evaluate.shards.panel.evaluate_pool``.
        n_exact: questions that are searched exactly as well, chosen by a hash, at least 1.

    Raises:
        ValueError: fewer than ``LEAST`` passages; as ``evaluate_pool``.
    """
    whole_number("n_exact", n_exact, 1)
    asked = Asked.of(query_embeddings, pool, task)
    if pool.n_passages < LEAST:
        raise ValueError(f"{pool.n_passages:,} passages: an exact search is quicker below {LEAST:,}: search exactly")
    row, score = _lists(asked, _kept_index(pool, log), min(DEPTH, int(asked.counts.sum(axis=1).min())))
    searched = asked.searched(name, _ranks(asked, row, score), row[:, : asked.depth])
    ids = task.queries.column("query_id").to_pylist()
    sample = np.sort(np.argsort([stable_fraction(one) for one in ids])[:n_exact])
    part = replace(
        task,
        queries=task.queries.take(pa.array(sample)),
        relevance=task.relevance.filter(
            pa.array(np.isin(task.relevance.column("query_id").to_pylist(), np.array(ids)[sample]))
        ),
        places=None,
    )
    exact = evaluate_pool(asked.queries[sample], pool, part, name, n_agreement_groups=0, device=device, log=log)
    return searched, _cost(searched, exact, sample)


def _cost(searched: Searched, exact: Searched, sample: np.ndarray) -> Cost:
    depth = exact.top.shape[1]
    recall = np.mean([np.isin(true, found).mean() for true, found in zip(exact.top, searched.top[sample, :depth])])
    distance, approximate = _distances(exact), _distances(searched)[sample]
    there = ~np.isnan(distance)
    means = (
        values[there].mean() if there.any() else math.nan for values in (distance, approximate, abs(approximate - distance))
    )
    return Cost(len(sample), float(recall), *map(float, means))


def _distances(searched: Searched) -> np.ndarray:
    """Rank distance of each query, (n_queries,), float64."""
    table = searched.evaluation.per_query
    in_pool = np.array(table.column("candidate_language").to_pylist()) == POOL
    return table.column("rank_distance").to_numpy()[in_pool]


def _ranks(asked: Asked, row: np.ndarray, score: np.ndarray) -> Ranks:
    """Ranks of the relevant passages in the lists; those that are in none stand behind, in the order of their numbers."""
    part_language = np.array([asked.languages.index(part.language) for part in asked.pool.parts])
    language = np.where(row >= 0, part_language[asked.pool.part_of(row)], -1)  # (n_queries, depth)
    own_language = part_language[asked.pool.part_of(asked.row)]
    n_found = (score > -np.inf).sum(axis=1)
    ranks, n_lost = np.empty((2, len(asked.row)), np.int64), dict[tuple[int, int], int]()
    for pair, (query, passage, tag) in enumerate(zip(asked.query.tolist(), asked.row.tolist(), own_language.tolist())):
        place = np.flatnonzero(row[query] == passage)
        end = int(place[0]) if len(place) else int(n_found[query])
        same = int(np.count_nonzero(language[query, :end] == tag))
        behind = [0, 0]
        if not len(place):
            for which, key in enumerate(((query, tag), (query, -1))):
                behind[which] = n_lost.get(key, 0)
                n_lost[key] = behind[which] + 1
        ranks[:, pair] = same + behind[0] + 1, end + behind[1] + 1
    return Ranks(*ranks, seed=0)


def _lists(asked: Asked, folder: Path, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k that are found of each query, ordered by their exact scores; -1 and -inf where there are fewer."""
    row = _nearest(asked.queries, folder, k + 1)  # one of them may be the query itself
    row[row == asked.own[:, None]] = -1
    score, tie = np.full(row.shape, -np.inf, np.float32), np.zeros(row.shape, np.uint64)
    query, place = (row >= 0).nonzero()
    order = np.argsort(row[query, place], kind="stable")
    query, place = query[order], place[order]
    passage = row[query, place]
    for shard in asked.pool:
        low, high = np.searchsorted(passage, [shard.first, shard.first + len(shard)])
        rows, of = np.unique(passage[low:high] - shard.first, return_inverse=True)
        at = query[low:high], place[low:high]
        score[at] = exact_scores(asked.queries, shard.embeddings[rows].astype(np.float32), at[0], of)
        tie[at] = shard.tie[rows][of]
    best = np.lexsort((row, tie, -score), axis=1)[:, :k]
    return np.take_along_axis(row, best, axis=1), np.take_along_axis(score, best, axis=1)


def _nearest(queries: np.ndarray, folder: Path, k: int) -> np.ndarray:
    """Numbers of the first k passages by their codes, in no order, (n_queries, k), int64; -1 where there are fewer."""
    import faiss

    row, score = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32)
    for path in sorted(folder.glob("*.index")):
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        index.nprobe = min(_N_PROBES, index.nlist)
        with _one_thread():
            new_score, new_row = index.search(queries, k)
        rows, scores = np.concatenate([row, new_row], axis=1), np.concatenate([score, new_score], axis=1)
        best = np.argpartition(-np.where(rows >= 0, scores, -np.inf), k - 1, axis=1)[:, :k]
        row, score = np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
    return row


def _kept_index(pool: Pool, log: Log) -> Path:
    """The folder of an index, which is made if it is not there."""
    import faiss

    files = [file.name for part in pool.parts for file in part.shards.files]
    folder = paths.cache() / "approximate" / fingerprint([files, faiss.__version__])
    return kept_folder(folder, lambda partial: _make_index(pool, partial, log), log)


def _make_index(pool: Pool, folder: Path, log: Log) -> None:
    """Learn lists and codes from a part of the passages, and write all of them, a million to a file."""
    import faiss

    n, dim = pool.n_passages, next(iter(pool)).embeddings.shape[1]
    n_lists = max(1, min(_MOST_LISTS, int(4 * math.sqrt(n)), n // _POINTS))
    n_codes = max(size for size in range(1, max(1, dim // 4) + 1) if dim % size == 0)
    log(f"  learning {n_lists:,} lists and codes of {n_codes} bytes")
    step = max(1, n // max(LEAST, n_lists * _POINTS))
    with _one_thread():
        index: Any = faiss.index_factory(dim, f"IVF{n_lists},PQ{n_codes}", faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # or it writes a warning for lists that few points are left for
        index.cp.niter = index.pq.cp.niter = _ROUNDS
        index.train(np.concatenate([_rows(shard, np.arange(-shard.first % step, len(shard), step)) for shard in pool]))
        for shard in pool:
            end = shard.first + len(shard)
            index.add_with_ids(_rows(shard, slice(None)), np.arange(shard.first, end))
            if index.ntotal >= _A_FILE or end == n:
                faiss.write_index(index, str(folder / f"{end:012}.index"))
                index.reset()
                log(f"  {end:,} passages indexed")


def _rows(shard: Any, rows: Any) -> np.ndarray:
    return np.ascontiguousarray(shard.embeddings[rows], np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Two OpenMP runtimes with several threads each, faiss's and torch's, can crash a process or make it crawl."""
    import faiss

    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(n_threads)
