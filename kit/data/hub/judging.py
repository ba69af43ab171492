"""A set that is here as judged collections, and its documents as streams: their texts stay on the disk, in mapped files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from kit.core.fingerprints import data_checksum, fingerprint
from kit.data.hub import reading, shards
from kit.data.hub.layouts import COLUMNS
from kit.data.hub.manifest import Entry
from kit.data.judged.collection import Corpus, JudgedCollection
from kit.data.judged.stream import table_stream
from kit.data.pools import plain

_ONE_POOL = ("neuclir",)
"""Layouts whose questions are asked of all languages at once. Their ids are those of the files, without a language."""


def read_passages(set_id: str, languages: Sequence[str] | None = None, split: str | None = None) -> list[Corpus]:
    """The documents of a set, a corpus a language, by the ids of its task; errors as in ``reading.read_task``."""
    one, languages, split = reading.chosen(set_id, "task", languages, split)
    found = []
    for tag in languages:
        candidates, version = _candidates(one, [tag], split)
        found.append(Corpus(tag, table_stream(candidates), version))
    return found


def read_judged(set_id: str, languages: Sequence[str] | None = None, split: str | None = None) -> list[JudgedCollection]:
    """A set's queries against its documents: a collection a language, or one of all languages where they are one pool.

    Ids are those of the set's own files. Documents that are judged and not there count as not found; of some languages of a
    pool only their own documents are judged. Queries that are judged and not there are left out and counted in a note.

    Raises:
        ValueError: as ``reading.read_task``; no query has a relevant document.
    """
    one, languages, split = reading.chosen(set_id, "task", languages, split)
    pools = [languages] if one.layout in _ONE_POOL else [[tag] for tag in languages]
    return [_collection(one, pool, split) for pool in pools]


def _collection(one: Entry, languages: list[str], split: str) -> JudgedCollection:
    prefix = "" if one.layout in _ONE_POOL else f"{languages[0]}:"
    queries, relevance = (reading.table_of(one, languages, split, name) for name in ("queries", "relevance"))
    candidates, version = _candidates(one, languages, split)
    if prefix == "" and len(languages) < len(one.languages):
        there = reading.those_of(candidates, "candidate_id", relevance.column("candidate_id"))
        relevance = reading.those_of(relevance, "candidate_id", there.column("candidate_id"))
    texts = dict(zip(_bare(queries, "query_id", prefix), queries.column("text").to_pylist()))
    grades, n_unknown = _grades(relevance, texts, prefix)
    asked_in, told_in = queries.column("language")[0].as_py(), "+".join(languages)
    found = JudgedCollection.of(
        f"{one.id}-{'-'.join(languages)}-{split}",
        told_in if asked_in in languages else f"{asked_in}-{told_in}",
        texts,
        grades,
        table_stream(candidates, prefix),
        fingerprint([version, prefix]),
    )
    notes = (f"{n_unknown:,} judgements are of queries that are not there: left out",) if n_unknown else ()
    own = _as_passages(candidates, found.queries, prefix)
    return replace(found, notes=(*found.notes, *notes), as_passages=own)


def _candidates(one: Entry, languages: Sequence[str], split: str) -> tuple[pa.Table, str]:
    """The documents of some languages, mapped, and what their content depends on: itself, whatever code has made it."""
    folders = reading.folders_of(one, languages, split, "candidates")
    return shards.read(folders, COLUMNS["candidates"]), fingerprint([*map(data_checksum, shards.files(folders))])


def _bare(table: pa.Table, column: str, prefix: str) -> list[str]:
    return [one.removeprefix(prefix) for one in table.column(column).to_pylist()]


def _grades(relevance: pa.Table, texts: Mapping[str, str], prefix: str) -> tuple[dict[str, dict[str, int]], int]:
    """Best grade of each relevant document, by query (a table keeps no other judgements), and how many are of no query."""
    grades: dict[str, dict[str, int]] = {query_id: {} for query_id in texts}
    ids, n_unknown = (_bare(relevance, name, prefix) for name in ("query_id", "candidate_id")), 0
    for query_id, document_id, grade in zip(*ids, relevance.column("grade").to_pylist()):
        if query_id in grades:
            grades[query_id][document_id] = max(grade, grades[query_id].get(document_id, 0))
        else:
            n_unknown += 1
    return grades, n_unknown


def _as_passages(candidates: pa.Table, queries: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Texts of the documents that are queries, of their id, and have a title before the text."""
    own = reading.those_of(candidates, "candidate_id", pa.array([prefix + key for key in queries], pa.string()))
    told = zip(_bare(own, "candidate_id", prefix), own.column("text").to_pylist())
    return {key: text for key, text in told if plain(text).endswith(f" {plain(queries[key])}")}
