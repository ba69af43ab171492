"""What stands in the pool of a query: all candidates but the query itself, and every text once."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core.seeding import stable_hash
from kit.core.tables import cells

if TYPE_CHECKING:
    from kit.data.corpus import RetrievalTask


def own_candidates(task: RetrievalTask) -> np.ndarray:
    """The candidate that is the query itself: of its id, language and text, -1 for none, shape (n_queries,), int64.

    In ArguAna and in Quora the queries are documents of the corpus, so that the best answer to a query would be itself. It
    is never ranked for its own query, unless the task says that it is relevant. Equal ids alone mean nothing (MIRACL).
    Texts are equal but for white space and Unicode composition (NFC); a title may stand before that of the candidate.
    Queries of one language and text share the candidate, since equal texts may have become one candidate (``pooled``).
    """
    own = _by_id(task)
    found = own >= 0
    if found.any():
        keys = [*_keys(task.queries)]
        candidate_of = {keys[query]: own[query] for query in np.flatnonzero(found)[::-1]}
        own = np.array([one if one >= 0 else candidate_of.get(key, -1) for one, key in zip(own.tolist(), keys)], np.int64)
        query, candidate, _ = task.relevant_pairs.T
        n = len(task.candidates)
        own[np.isin(np.arange(len(own)) * n + own, query * n + candidate)] = -1
    return own


def pool_counts(task: RetrievalTask) -> np.ndarray:
    """Candidates of each language that are ranked for each query, shape (n_queries, n_languages), int64."""
    counts = np.bincount(task.candidate_language, minlength=len(task.languages))
    counts = np.tile(counts, (len(task.queries), 1))
    query = np.flatnonzero(task.own_candidate >= 0)
    counts[query, task.candidate_language[task.own_candidate[query]]] -= 1
    return counts


def pooled(task: RetrievalTask, place: str, notes: tuple[str, ...] = ()) -> RetrievalTask:
    """A task as it was read, where candidates of one language and text (but for white space and NFC) are one.

    Nothing tells such candidates apart, so that the order of ties would decide whether the right one leads. The one that
    stays is relevant where one of them is, with the best grade. It is the first, or the first that is a query itself.

    Args:
        place: of the file or folder, for the ``UserWarning`` that says each note.
        notes: what is to be told of the task already; it is kept with what is found here as ``notes`` of the task.
    """
    ids = task.candidates.column("candidate_id").combine_chunks()
    is_query, first = np.isin(np.arange(len(ids)), _by_id(task)), {}
    keys = [*_keys(task.candidates)]
    for index in np.lexsort((np.arange(len(ids)), ~is_query)).tolist():
        first.setdefault(keys[index], index)
    stays = np.fromiter((first[key] for key in keys), np.int64, len(ids))  # (n_candidates,)
    n_gone = len(ids) - len(first)
    if n_gone:
        notes += (f"{n_gone} of {len(ids)} candidates repeat the text of another one: one candidate for each text",)
        index = pc.index_in(task.relevance.column("candidate_id"), value_set=ids)
        relevance = task.relevance.set_column(1, "candidate_id", ids.take(pa.array(stays).take(index)))
        best = relevance.group_by(["query_id", "candidate_id"], use_threads=False).aggregate([("grade", "max")])
        best = best.select(["query_id", "candidate_id", "grade_max"]).rename_columns(["query_id", "candidate_id", "grade"])
        candidates = task.candidates.filter(pa.array(stays == np.arange(len(ids))))
        task = replace(task, candidates=candidates, relevance=best, places=None)
    if n_own := int((task.own_candidate >= 0).sum()):
        notes += (f"{n_own} of {len(task.queries)} queries are candidates themselves: each is ranked without itself",)
    for note in notes:
        warnings.warn(f"{place}: {note}", stacklevel=3)
    return replace(task, notes=notes) if notes else task


def _by_id(task: RetrievalTask) -> np.ndarray:
    """Candidate with the id, the language and the text of each query, relevant or not; -1 for none."""
    own = np.full(len(task.queries), -1)
    query_ids = task.queries.column("query_id").combine_chunks()
    query_of = pc.fill_null(pc.index_in(task.candidates.column("candidate_id"), value_set=query_ids), -1).to_numpy()
    candidate = np.flatnonzero(query_of >= 0)
    candidate = candidate[task.query_language[query_of[candidate]] == task.candidate_language[candidate]]
    query = query_of[candidate]
    sides = ((task.queries, query), (task.candidates, candidate))
    texts = [map(plain, cells(table.column("text"), rows)) for table, rows in sides]
    same = np.array([asked == text or text.endswith(f" {asked}") for asked, text in zip(*texts)], bool)
    own[query[same]] = candidate[same]
    return own


def _keys(table: pa.Table) -> Iterator[int]:
    """One number for each language and text, by row; a batch at a time, so that no copy of all texts is held."""
    for batch in table.select(["language", "text"]).to_batches(max_chunksize=4096):
        for language, text in zip(*(values.to_pylist() for values in batch.columns)):
            yield stable_hash(f"{language} {plain(text)}")


def plain(text: str) -> str:
    """A text in Unicode's composed form, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())
