"""The layout of BEIR (arXiv 2104.08663): ``corpus.jsonl``, ``queries.jsonl`` (plain or .gz) and ``qrels/<split>.tsv``.

A line of ``qrels`` holds query, document and score, split by tabs, below a header or without one, or the four columns of
TREC (query, 0, document, score). Only a line feed ends a line. Blank lines count for nothing, nor does a judgement that is
there already.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kit.core import tables
from kit.core.languages import language_tag, question_and_passage_tags
from kit.data.clusters import passage_clusters
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.lines import text_lines
from kit.data.pools import pooled

_SCORE_COLUMNS = ("score", "grade", "relevance")
"""Last column of a header; that of a judgement is a number."""


@dataclass(frozen=True)
class _Judgement:
    """One relevant document of a query (grade >= 1), and the place of its line."""

    query_id: str
    document_id: str
    grade: int
    place: str


def task(
    folder: str | Path,
    split: str = "test",
    language: str = "en",
    name: str | None = None,
    question_language: str | None = None,
) -> RetrievalTask:
    """Read one split as a task: its queries against all documents of the corpus.

    The text of a document is its title and its text, joined by a space. Rows of grade 0 or below are not relevant, and
    queries without a relevant document are left out. Ids stay those of the files. Published sets hold documents with no
    text at all, judgements of documents that are not there, documents of equal text, and queries that are documents
    (``kit.data.pools``): each of these is counted in a ``UserWarning``.

    Args:
        folder: holds the three files.
        split: which of ``qrels/*.tsv``.
        language: of the documents, as a tag, an ISO 639-3 code or an English name.
        name: of the task; default: ``<folder>-<split>``.
        question_language: of the queries; ``None``: that of the documents.

    Raises:
        ValueError: a file is absent or not in the layout of BEIR; an id twice; two scores of one query and document; a
            judgement of an unknown query; no judgement of a document that is there.

    >>> task("scifact", split="test").relevance.num_rows  # doctest: +SKIP
    339
    """
    folder, (asked_in, tag) = Path(folder), question_and_passage_tags(language, question_language)
    documents = _documents(folder)
    judgements, notes = _of_known_documents(_judgements(folder, split), documents)
    queries = _texts_of_queries(folder, judgements)
    if n_empty := sum(not text for text in documents.values()):
        notes = (f"{n_empty} of {len(documents)} documents have no text: left out", *notes)
    made = RetrievalTask.from_rows(
        name or f"{folder.resolve().name}-{split}",
        ({"query_id": key, "language": asked_in, "text": text} for key, text in queries.items()),
        ({"candidate_id": key, "language": tag, "text": text} for key, text in documents.items() if text),
        (
            {"query_id": judgement.query_id, "candidate_id": judgement.document_id, "grade": judgement.grade}
            for judgement in judgements
        ),
        languages=list(dict.fromkeys([tag, asked_in])),
    )
    return pooled(made, str(folder), notes)


def corpus(folder: str | Path, split: str = "train", language: str = "en", domain: str = "") -> ParallelCorpus:
    """Read one split as training data: one group (``<query id>/<document id>``) for each relevant document of a query.

    Two documents of one query, and two queries of one document, would be false negatives of each other: a cluster is a
    connected component of queries and documents (documents of equal text are one). Where queries have many relevant
    documents, as in NFCorpus, one cluster may hold most of the set. Only the documents that are needed are kept in
    memory. Arguments and errors as in ``task``; ``domain`` is written into every row.

    >>> len(corpus("scifact", split="train"))  # doctest: +SKIP
    919
    """
    folder, tag = Path(folder), language_tag(language)
    judgements = _judgements(folder, split)
    documents = _documents(folder, wanted={judgement.document_id for judgement in judgements})
    judgements, notes = _of_known_documents(judgements, documents)
    for note in notes:
        warnings.warn(f"{folder}: {note}", stacklevel=2)
    queries = _texts_of_queries(folder, judgements)
    clusters = passage_clusters(
        [judgement.query_id for judgement in judgements], [documents[judgement.document_id] for judgement in judgements]
    )
    name = f"{folder.resolve().name}-{split}"
    return ParallelCorpus.from_rows(
        (
            {
                "group_id": f"{judgement.query_id}/{judgement.document_id}",
                "language": tag,
                "cluster_id": cluster,
                "query": queries[judgement.query_id],
                "passage": documents[judgement.document_id],
                "domain": domain,
                "source": name,
            }
            for judgement, cluster in zip(judgements, clusters)
        ),
        name,
    )


def _judgements(folder: Path, split: str) -> list[_Judgement]:
    """Relevant rows of a split, in the order of the file."""
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        splits = ", ".join(sorted(file.stem for file in path.parent.glob("*.tsv"))) or f"none: {path.parent} holds no .tsv"
        raise ValueError(f"{path}: no such file: choose the split from those that exist ({splits})")
    lines = [(number, _fields(line)) for number, line in enumerate(text_lines(path), start=1) if line.strip()]
    if lines and lines[0][1][-1].lower() in _SCORE_COLUMNS:
        del lines[0]
    found: dict[tuple[str, str], _Judgement] = {}
    for number, fields in lines:
        judgement = _judgement(fields, f"{path}, line {number}")
        key = (judgement.query_id, judgement.document_id)
        first = found.setdefault(key, judgement)
        if judgement.grade != first.grade:
            raise ValueError(
                f"{judgement.place}: query {key[0]!r} and document {key[1]!r} stand already at {first.place}, with score "
                f"{first.grade} and not {judgement.grade}: drop one of the two"
            )
    judgements = [judgement for judgement in found.values() if judgement.grade >= 1]
    if not judgements:
        raise ValueError(f"{path}: no row with a score of 1 or more: give a split that holds relevant documents")
    return judgements


def _fields(line: str) -> list[str]:
    """Values of a line: split by tabs, or by spaces into the four that TREC has."""
    by_spaces = re.split(" +", line.strip(" "))
    return by_spaces if "\t" not in line and len(by_spaces) == 4 else line.split("\t")


def _judgement(fields: list[str], place: str) -> _Judgement:
    is_trec = len(fields) == 4
    query_id, document_id, score = (fields[0], *fields[2:]) if is_trec else fields if len(fields) == 3 else ("", "", "")
    if not (query_id and document_id):
        raise ValueError(
            f"{place}: {' '.join(fields)[:60]!r} is not query-id, corpus-id, score: write three values split by tabs, or "
            "the four of TREC (query, 0, document, score)"
        )
    with suppress(ValueError):
        if (number := float(score)).is_integer():
            return _Judgement(query_id, document_id, int(number), place)
    raise ValueError(f"{place}: score {score!r:.60} is not a whole number: write one (0: not relevant)")


def _documents(folder: Path, wanted: set[str] | None = None) -> dict[str, str]:
    """Title and text of each document (those of ``wanted``) by id; empty where a document has neither."""
    documents = {}
    for key, row, place in _rows(folder, "corpus"):
        if wanted is None or key in wanted:
            documents[key] = " ".join(part for field in ("title", "text") if (part := _text(row, field, place)))
    return documents


def _texts_of_queries(folder: Path, judgements: list[_Judgement]) -> dict[str, str]:
    """Text of each query that has a relevant document, in the order of the file."""
    place_of = {judgement.query_id: judgement.place for judgement in reversed(judgements)}
    texts = {}
    for key, row, place in _rows(folder, "queries"):
        if key in place_of:
            texts[key] = _text(row, "text", place)
            if not texts[key]:
                raise ValueError(f"{place}: field 'text' of query {key!r} is empty: write a text, or drop its judgements")
    for key, place in place_of.items():
        if key not in texts:
            raise ValueError(f"{place}: query {key!r} does not stand in queries.jsonl: add it there or drop the line")
    return texts


def _of_known_documents(judgements: list[_Judgement], documents: dict[str, str]) -> tuple[list[_Judgement], tuple[str, ...]]:
    """Judgements of documents that are there and have a text; the note on the others, and on queries that have no more."""
    known = [judgement for judgement in judgements if documents.get(judgement.document_id)]
    if len(known) == len(judgements):
        return judgements, ()
    absent = next(judgement for judgement in judgements if not documents.get(judgement.document_id))
    if not known:
        raise ValueError(
            f"{absent.place}: document {absent.document_id!r} does not stand in corpus.jsonl with a text, and no other that "
            "is judged does: give the corpus that the judgements are of"
        )
    n_asked, n_left = (len({judgement.query_id for judgement in some}) for some in (judgements, known))
    note = (
        f"{len(judgements) - len(known)} of {len(judgements)} judgements are of documents that are not in the corpus or "
        f"have no text (the first: {absent.document_id!r}, {absent.place.rpartition(', ')[2]}): left out"
    )
    return known, (note + (f", with {n_asked - n_left} of {n_asked} queries" if n_left < n_asked else ""),)


def _rows(folder: Path, part: str) -> Iterator[tuple[str, dict, str]]:
    """Id, object and place of each line of ``corpus`` or ``queries``."""
    found = [path for ending in (".jsonl", ".jsonl.gz") if (path := folder / f"{part}{ending}").is_file()]
    if len(found) != 1:
        raise ValueError(f"{folder}: {len(found)} files for {part!r}: keep one of {part}.jsonl, {part}.jsonl.gz")
    seen: dict[str, int] = {}
    for number, row in enumerate(tables.json_lines(found[0]), start=1):
        place = f"{found[0]}, line {number}"
        key = row.get("_id")
        if isinstance(key, bool) or not isinstance(key, (str, int)) or not str(key).strip():
            raise ValueError(f"{place}: field '_id' is {key!r:.60}: write it as a text")
        key = str(key)  # some sets write the ids as numbers; qrels know only their texts
        if key in seen:
            raise ValueError(f"{place}: _id {key!r} stands already at line {seen[key]}: give every row its own")
        seen[key] = number
        yield key, row, place


def _text(row: dict, field: str, place: str) -> str:
    value = row.get(field)
    if value is None and field == "title":
        return ""  # some of BEIR's sets have no titles
    if not isinstance(value, str):
        raise ValueError(f"{place}: field {field!r} is {value!r:.60}: write it as a text")
    return value.strip()
