"""One model on one judged collection: its corpus encoded into shards, searched, and scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.core import paths
from kit.core.fingerprints import fingerprint
from kit.core.printing import say
from kit.data.embeddings.encoding import Log, TextEncoder
from kit.data.embeddings.stored import known_by
from kit.data.judged.collection import JudgedCollection
from kit.evaluate.encoding import unit_rows
from kit.evaluate.shards.encoding import SHARD_ROWS, encode_corpus
from kit.evaluate.shards.search import top_passages
from kit.evaluate.shards.store import Counts, decisive
from kit.evaluate.shards.trec import DEPTH, Run, run_scores


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """What a model found in a collection. scores: of each query (``trec.MEASURES``), in the order of the collection."""

    collection: JudgedCollection
    counts: Counts
    run: Run
    scores: dict[str, np.ndarray]


def judge_collection(
    model: TextEncoder,
    collection: JudgedCollection,
    weights: str,
    name: str = "model",
    k: int = DEPTH,
    precision: str = "float32",
    n_rows: int = SHARD_ROWS,
    device: str | None = None,
    log: Log = say,
) -> JudgedRun:
    """Judge a model on a collection of any size, in bounded memory, by the cosine.

    Embeddings of the corpus are kept under ``data/cache/passages``; what was encoded there before, by a process that was
    killed, too, is not encoded again. A passage that is the query itself (of its id and text) and is not judged relevant is
    not ranked for it, as in ArguAna and Quora.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode_query`` and ``encode_document``.
        weights: what tells its content from that of every other model, such as a checksum or a revision.
        name: what lists call the model.
        k: passages of each list, at least ``DEPTH``.
        precision, n_rows: of the shards (``kit.evaluate.shards.encoding.encode_corpus``).
        device: of the search (``kit.evaluate.shards.search.top_passages``).
        log: takes lines of progress.

    Raises:
        ValueError: ``k`` below ``DEPTH``; as ``encode_corpus``.
    """
    if k < DEPTH:
        raise ValueError(f"k is {k}: the measures look at {DEPTH} places: choose at least so many")
    about = {**known_by(model, weights, name, "passage"), "corpus": collection.corpus_version}
    folder = paths.cache() / "passages" / fingerprint([decisive(about), n_rows, precision])
    shards, counts = encode_corpus(model, collection.passages, folder, about, n_rows, precision, log)
    log(f"  {collection.name}: {len(collection.queries):,} questions, {counts.n_passages:,} passages")
    queries = unit_rows(model, list(collection.queries.values()), "query", log)  # (n_queries, dim)
    own = shards.themselves({key: collection.as_passages.get(key, text) for key, text in collection.queries.items()})
    judged_relevant = [grades.get(query_id, 0) >= 1 for query_id, grades in collection.grades.items()]
    found = top_passages(queries, shards, k, np.where(judged_relevant, -1, own), device, log)
    there = found.row >= 0
    ids = np.empty(found.row.shape, object)
    ids[there] = shards.ids(found.row[there])
    run = Run(
        {query_id: row[here].tolist() for query_id, row, here in zip(collection.queries, ids, there)},
        {query_id: row[here] for query_id, row, here in zip(collection.queries, found.score, there)},
    )
    return JudgedRun(collection, counts, run, run_scores(run, collection.grades))
