"""Read a set that is here as a corpus, a task or bitext; nothing is asked of the network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core.files import alone
from kit.core.fingerprints import code_fingerprint, fingerprint
from kit.core.languages import language_tag
from kit.core.printing import say
from kit.core.tables import schema
from kit.data.bitext import BitextTask
from kit.data.clusters import passage_clusters
from kit.data.corpus import CORPUS_COLUMNS, ParallelCorpus, RetrievalTask
from kit.data.hub import converting, shards
from kit.data.hub.getting import chosen_languages, raw_of
from kit.data.hub.layouts import BITEXT, COLUMNS, layouts
from kit.data.hub.manifest import MANIFEST, Entry, entry
from kit.data.hub.record import Record
from kit.data.pools import pooled

LARGEST_POOLED = 5_000_000
"""Candidates up to which equal texts are made one: a look-up of all texts is held in memory for it."""

_LOOKED_AT = 1000
"""Documents whose ids are compared between languages."""

_AT_ONCE = 8192
"""Rows whose texts are brought together in one array of Arrow."""


def read_task(set_id: str, languages: Sequence[str] | None = None, split: str | None = None) -> RetrievalTask:
    """A set's task: its queries against the documents of all languages that are asked for.

    Where a set is parallel, a query's relevant documents are those of its id in every language. Judgements of documents that
    are not there, and queries that lose all of theirs by it, are left out and counted in ``notes``, each with a warning.

    Raises:
        ValueError: no such set, form, language or split; it is not here (names the command that gets it).
    """
    one, languages, split = chosen(set_id, "task", languages, split)
    parts = {name: table_of(one, languages, split, name) for name in ("queries", "candidates", "relevance")}
    queries, candidates = _distinct(parts["queries"], ["query_id"]), parts["candidates"]
    relevance = parts["relevance"]
    if one.parallel and len(languages) > 1:
        _refuse_no_parallel(one, candidates, languages)
        relevance = _across(relevance, languages)
    relevance, queries, notes = _answerable(_best(relevance), queries, candidates)
    spoken = [*languages, *(tag for tag in pc.unique(queries.column("language")).to_pylist() if tag not in languages)]
    task = RetrievalTask(_named(one, split), tuple(spoken), queries, candidates, relevance)
    if len(candidates) <= LARGEST_POOLED:
        return pooled(task, set_id, notes)
    for note in (notes := (*notes, f"{len(candidates):,} candidates are too many to find those of equal text: all stay")):
        warnings.warn(f"{set_id}: {note}", stacklevel=2)
    return replace(task, notes=notes)


def read_corpus(set_id: str, languages: Sequence[str] | None = None, split: str | None = None) -> ParallelCorpus:
    """A set's pairs to train on; of a task, one group for each query and relevant document.

    Errors as in ``read_task``.
    """
    one, languages, split = chosen(set_id, "corpus", languages, split)
    if "corpus" in layouts()[one.layout].tables:
        return ParallelCorpus(table_of(one, languages, split, "corpus"), _named(one, split))
    tables = [table_of(one, languages, split, name) for name in ("queries", "candidates", "relevance")]
    return ParallelCorpus(_judged_pairs(one, *tables), _named(one, split))


def read_bitext(set_id: str, pair: str | None = None, split: str | None = None) -> BitextTask:
    """A set's sentences of two languages; the pair may be left out where the set has one. Errors as in ``read_task``."""
    one, pairs, split = chosen(set_id, "bitext", None if pair is None else [pair], split)
    if len(pairs) != 1:
        raise ValueError(f"set {set_id!r} has {len(pairs)} pairs: say which: ?pair={pairs[0]}")
    source, target = (language_tag(code) for code in pairs[0].split("-"))
    parts = {name: table_of(one, pairs, split, name) for name in BITEXT}
    return BitextTask(f"{set_id} {pairs[0]}", source, target, **parts)


def digest(set_id: str, languages: Sequence[str] | None = None, split: str | None = None) -> str:
    """What the texts of a set depend on: its files, what the manifest says of them, and the code that reads them."""
    one = entry(set_id)
    record = Record.read(set_id)
    made_from = []
    for language in chosen_languages(one, languages):
        raw = raw_of(one, record, language, split_of(one, split))
        made_from += [made for _, _, made in converting.tables_of(one, raw, record)]
    return f"{fingerprint(made_from)} {code_fingerprint('kit.data.hub.reading')}"


def chosen(set_id: str, form: str, languages: Sequence[str] | None, split: str | None) -> tuple[Entry, list[str], str]:
    """A set, and the languages and the split of it that are meant.

    Args:
        form: ``corpus``, ``task`` or ``bitext``.

    Raises:
        ValueError: no such set, form, language or split.
    """
    one = entry(set_id)
    forms = layouts()[one.layout].forms
    if form not in forms:
        known = [name for name in ("corpus", "task", "bitext") if name in forms]
        raise ValueError(f"set {set_id!r} is no {form}: it is {' and '.join(known)}; python -m kit data list shows the sets")
    return one, chosen_languages(one, languages), split_of(one, split)


def split_of(one: Entry, split: str | None) -> str:
    """The split that is meant: the set's first one where none is said.

    Raises:
        ValueError: the set has none of that name.
    """
    if split is not None and split not in one.splits:
        raise ValueError(f"set {one.id!r} has no split {split!r}: choose from {', '.join(one.splits)}")
    return split or one.splits[0]


def _named(one: Entry, split: str) -> str:
    return one.id if len(one.splits) == 1 else f"{one.id}-{split}"


def table_of(one: Entry, languages: Sequence[str], split: str, wanted: str) -> pa.Table:
    """A table of all languages, mapped."""
    return shards.read(folders_of(one, languages, split, wanted), COLUMNS[wanted])


def folders_of(one: Entry, languages: Sequence[str], split: str, wanted: str) -> list[Path]:
    """Where the shards of a table are, a folder a language; made anew where the code or the manifest changed.

    Raises:
        ValueError: the files that it is made from are not here; names the command that gets them.
    """
    record, folders = Record.read(one.id), []
    for language in languages:
        raw = raw_of(one, record, language, split)
        for table, key, made_from in converting.tables_of(one, raw, record):
            if table != wanted:
                continue
            if record.tables.get(key, {}).get("from") != made_from or not record.table(key).is_dir():
                with alone(record.folder):
                    converting.convert(one, record := Record.read(one.id), raw, say)
            folders.append(record.table(key))
    return folders


def _distinct(table: pa.Table, key: list[str]) -> pa.Table:
    """The first row of each key: NeuCLIR's English topics come with each of its languages."""
    if len(pc.unique(table.column(key[0]))) == len(table):
        return table
    numbered = table.append_column("_row", pa.array(range(len(table)), pa.int64()))
    firsts = numbered.group_by(key, use_threads=False).aggregate([("_row", "min")]).column("_row_min")
    return _taken(table, firsts.to_numpy())


def _best(relevance: pa.Table) -> pa.Table:
    """One row a query and candidate, with the best grade, in the order of their first rows."""
    best = relevance.group_by(["query_id", "candidate_id"], use_threads=False).aggregate([("grade", "max")])
    return best.select(["query_id", "candidate_id", "grade_max"]).rename_columns(["query_id", "candidate_id", "grade"])


def _without_language(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(ids, "^[^:]*:", "")


def _across(relevance: pa.Table, languages: Sequence[str]) -> pa.Table:
    """Judgements of every query in a language, of the documents of the same ids in all languages."""
    bare = _without_language(relevance.column("candidate_id"))
    return pa.concat_tables(
        relevance.set_column(1, "candidate_id", pc.binary_join_element_wise(pa.scalar(language), bare, ":"))
        for language in languages
    )


def _refuse_no_parallel(one: Entry, candidates: pa.Table, languages: Sequence[str]) -> None:
    """The manifest says that ids are the same in all languages: at least half of a sample are everywhere."""
    first = candidates.filter(pc.equal(candidates.column("language"), languages[0])).column("candidate_id")
    first = _without_language(first.take(pa.array(range(0, len(first), max(1, len(first) // _LOOKED_AT)))))
    for language in languages[1:]:
        wanted = pc.binary_join_element_wise(pa.scalar(language), first, ":")
        n_shared = len(those_of(candidates, "candidate_id", wanted))
        if 2 * n_shared < len(first):
            raise ValueError(
                f"set {one.id!r}: expected the same ids of documents in all languages, got {n_shared:,} of {len(first):,} "
                f"that {languages[0]} and {language} share: say 'parallel: false' in {MANIFEST}"
            )


class _Kept(NamedTuple):
    relevance: pa.Table
    queries: pa.Table
    notes: tuple[str, ...]


def _answerable(relevance: pa.Table, queries: pa.Table, candidates: pa.Table) -> _Kept:
    """Judgements of queries and documents that are there, queries with a judgement, and notes on what is left out."""
    there = those_of(candidates, "candidate_id", relevance.column("candidate_id"))
    kept = those_of(relevance, "candidate_id", there.column("candidate_id"))
    kept = those_of(kept, "query_id", queries.column("query_id"))
    answered = those_of(queries, "query_id", kept.column("query_id"))
    told = ((len(relevance), len(kept), "judgements are of documents that are not there"),)
    told += ((len(queries), len(answered), "queries have no relevant document"),)
    notes = tuple(f"{before - after:,} of {before:,} {what}: left out" for before, after, what in told if after < before)
    return _Kept(kept, answered, notes)


def those_of(table: pa.Table, column: str, wanted: pa.ChunkedArray) -> pa.Table:
    """Rows whose value is wanted. Only what is wanted is looked up in memory, so give the larger side as the table."""
    return table.filter(pc.is_in(table.column(column), value_set=pc.unique(wanted)))


def _taken(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Some rows; ``take`` would copy all chunks of a column into one, which holds no more than 2 GiB of texts."""
    batches = table.to_batches()
    starts = np.cumsum([0, *map(len, batches)])
    found = [table.slice(0, 0)]
    for low in range(0, len(rows), _AT_ONCE):
        some = rows[low : low + _AT_ONCE]
        order = np.argsort(some, kind="stable")
        places = np.searchsorted(starts, some[order], side="right") - 1
        parts = [batches[one].take(pa.array(some[order][places == one] - starts[one])) for one in np.unique(places)]
        found.append(pa.Table.from_batches(parts).combine_chunks().take(pa.array(np.argsort(order))))
    return pa.concat_tables(found)


def _judged_pairs(one: Entry, queries: pa.Table, candidates: pa.Table, relevance: pa.Table) -> pa.Table:
    """Rows of a corpus: each query with each of its relevant documents; what shares a query or a document is one cluster."""
    relevance, queries, _ = _answerable(_best(relevance), queries, candidates)
    told = those_of(candidates, "candidate_id", relevance.column("candidate_id"))
    asked, told = (
        _taken(table, pc.index_in(relevance.column(key), value_set=table.column(key).combine_chunks()).to_numpy())
        for table, key in ((queries, "query_id"), (told, "candidate_id"))
    )
    documents = _without_language(relevance.column("candidate_id")) if one.parallel else relevance.column("candidate_id")
    groups = pc.binary_join_element_wise(asked.column("group_id"), documents, "/")
    clusters = passage_clusters(asked.column("group_id").to_pylist(), documents.to_pylist())
    made = {
        "group_id": groups,
        "language": asked.column("language"),
        "query": asked.column("text"),
        "passage": told.column("text"),
        "cluster_id": clusters,
        "domain": [""] * len(relevance),
        "source": [one.id] * len(relevance),
        "negatives": [[]] * len(relevance),
    }
    return pa.table(made, schema=schema(CORPUS_COLUMNS))
