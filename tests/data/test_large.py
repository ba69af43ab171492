"""Texts of more than 2 GiB in one column, which one array of Arrow with short offsets cannot hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.hub import reading
from kit.data.hub.manifest import Entry
from kit.data.inputs import cut_of_corpora, cut_of_task
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder

IN_CHUNK, N_CHUNKS = 1 << 13, 34
LETTERS = [f"{number} {'word ' * 1640}" for number in range(IN_CHUNK)]
N = IN_CHUNK * N_CHUNKS


@pytest.fixture(scope="module")
def passages() -> pa.ChunkedArray:
    """34 chunks that share one buffer of 64 MiB, so that the texts have 2.1 GiB and do not take them."""
    chunked = pa.chunked_array([pa.array(LETTERS)] * N_CHUNKS)
    assert chunked.nbytes > 2**31
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        chunked.take(pa.array([0]))
    return chunked


def columns(name: str) -> dict[str, list[str]]:
    return {f"{name}_id": [str(row) for row in range(N)], "language": ["de", "en"] * (N // 2)}


@pytest.fixture(scope="module")
def candidates(passages) -> pa.Table:
    return pa.table(columns("candidate") | {"text": passages})


@pytest.fixture(scope="module")
def queries() -> pa.Table:
    """Two: the last candidate itself, and one that is none."""
    texts = {"text": [LETTERS[-1].strip(), "who?"]}
    return pa.table({"query_id": [str(N - 1), "q"], "group_id": ["a", "b"], "language": ["en", "en"], **texts})


RELEVANCE = pa.table({"query_id": [str(N - 1), "q", "q"], "candidate_id": ["3", "9000", str(N - 1)], "grade": [1, 1, 2]})


@pytest.fixture(scope="module")
def encoder():
    return make_encoder(
        EncoderConfig(name="tiny", dimension=16, vocabulary_size=300, max_tokens=16), ["word 0123456789 who?"], seed=0
    )


def test_a_query_that_is_a_candidate_is_found(candidates, queries):
    task = RetrievalTask("large", ("de", "en"), queries, candidates, RELEVANCE)
    assert task.own_candidate.tolist() == [N - 1, -1]


def test_what_a_model_cannot_read_is_counted(candidates, queries, passages, encoder):
    task = RetrievalTask("large", ("de", "en"), queries, candidates, RELEVANCE)
    told = cut_of_task(encoder, task)
    assert "50 % of 2 queries are longer" in told[0] and f"100 % of {N:,} passages are longer" in told[1]
    more = {"query": ["?"] * N, "cluster_id": columns("")["_id"], "domain": [""] * N, "source": [""] * N}
    rows = {"group_id": columns("")["_id"], "language": columns("")["language"], "passage": passages, **more}
    corpus = ParallelCorpus(pa.table(rows | {"negatives": pa.array([[]] * N, pa.list_(pa.string()))}), "large")
    (told_of_passages,) = cut_of_corpora(encoder, [corpus, corpus])
    assert f"100 % of {2 * N:,} passages are longer" in told_of_passages


def test_judged_pairs_are_made_of_them(candidates, queries):
    entry = Entry(id="x", what="w", licence="l", citation="c", home="hf:me/x@main", layout="beir")
    made = reading._judged_pairs(entry, queries, candidates, RELEVANCE)
    pairs = zip(made.column("query").to_pylist(), made.column("passage").to_pylist())
    assert [*pairs] == [(LETTERS[-1].strip(), LETTERS[3]), ("who?", LETTERS[9000 - IN_CHUNK]), ("who?", LETTERS[-1])]


@pytest.mark.parametrize("rows", [[], [0], [N - 1, 0, IN_CHUNK, IN_CHUNK - 1, N - 1], [*range(9000, 0, -1)]])
def test_rows_come_in_the_order_that_was_asked_for(candidates, rows):
    found = reading._taken(candidates, np.array(rows, np.int64))
    assert found.column("candidate_id").to_pylist() == [str(row) for row in rows]
    assert found.column("text").to_pylist() == [LETTERS[row % IN_CHUNK] for row in rows]
    assert found.schema == candidates.schema
