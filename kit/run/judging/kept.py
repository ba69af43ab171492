"""The lists of a model in a collection, kept so that a run that was interrupted searches nothing twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kit.core.files import refuse_damaged, seal, whole_file
from kit.data.judged.collection import JudgedCollection
from kit.evaluate.shards.judging import JudgedRun
from kit.evaluate.shards.store import Counts
from kit.evaluate.shards.trec import Run, run_scores


def write_lists(path: Path, judged: JudgedRun) -> None:
    """Keep the lists of a run, and what its corpus holds, as one ``.parquet`` file with a checksum beside it."""
    ids, scores = judged.run.passage_ids, judged.run.scores
    table = pa.table(
        {
            "query_id": pa.array([query_id for query_id in ids for _ in ids[query_id]], pa.string()),
            "passage_id": pa.array([one for listed in ids.values() for one in listed], pa.string()),
            "score": np.concatenate([scores[query_id] for query_id in ids]),
        }
    )
    with whole_file(path) as partial:
        pq.write_table(table.replace_schema_metadata({"counts": json.dumps(asdict(judged.counts))}), partial)
    seal(path)


def read_lists(path: Path, collection: JudgedCollection) -> JudgedRun:
    """Read what ``write_lists`` wrote of a collection, and score it.

    Raises:
        ValueError: it is damaged.
    """
    refuse_damaged(path)
    table = pq.read_table(path)
    ids, scores = {query_id: [] for query_id in collection.queries}, {query_id: [] for query_id in collection.queries}
    for query_id, passage_id, score in zip(*(column.to_pylist() for column in table.columns)):
        ids[query_id].append(passage_id)
        scores[query_id].append(score)
    run = Run(ids, {query_id: np.array(listed, np.float32) for query_id, listed in scores.items()})
    counts = Counts(**json.loads(table.schema.metadata[b"counts"]))
    return JudgedRun(collection, counts, run, run_scores(run, collection.grades))
