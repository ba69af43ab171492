"""The layout of BEIR (arXiv 2104.08663): ``corpus.jsonl``, ``queries.jsonl`` (plain or .gz) and ``qrels/<split>.tsv``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit.core import tables
from kit.core.languages import language_tag
from kit.data.clusters import passage_clusters
from kit.data.corpus import ParallelCorpus, RetrievalTask


@dataclass(frozen=True)
class _Judgement:
    """One relevant document of a query (grade >= 1), and the place of its line."""

    query_id: str
    document_id: str
    grade: int
    place: str


def task(folder: str | Path, split: str = "test", language: str = "en", name: str | None = None) -> RetrievalTask:
    """Read one split as a task: its queries against all documents of the corpus.

    The text of a document is its title and its text, joined by a space. Rows of grade 0 or below are not relevant, and
    queries without a relevant document are left out. Ids stay those of the files. Documents with no text at all, which
    some of BEIR's sets hold, cannot be found by anything: they are left out and counted in a ``UserWarning``.

    Args:
        folder: holds the three files.
        split: which of ``qrels/*.tsv``.
        language: of queries and documents, as a tag, an ISO 639-3 code or an English name.
        name: of the task; default: ``<folder>-<split>``.

    Raises:
        ValueError: a file is absent or not in the layout of BEIR; an id twice; a judgement of an unknown query or
            document, or of one without a text.

    >>> task("scifact", split="test").relevance.num_rows  # doctest: +SKIP
    339
    """
    folder, tag = Path(folder), language_tag(language)
    judgements = _judgements(folder, split)
    documents = _documents(folder)
    n_empty = sum(not text for text in documents.values())
    queries = _texts_of_queries(folder, judgements)
    _refuse_unknown_documents(judgements, documents)
    if n_empty:
        warnings.warn(f"{folder}: {n_empty} of {len(documents)} documents have no text: left out", stacklevel=2)
    return RetrievalTask.from_rows(
        name or f"{folder.resolve().name}-{split}",
        ({"query_id": key, "language": tag, "text": text} for key, text in queries.items()),
        ({"candidate_id": key, "language": tag, "text": text} for key, text in documents.items() if text),
        (
            {"query_id": judgement.query_id, "candidate_id": judgement.document_id, "grade": judgement.grade}
            for judgement in judgements
        ),
        languages=[tag],
    )


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
    queries = _texts_of_queries(folder, judgements)
    _refuse_unknown_documents(judgements, documents)
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
    judgements, seen = [], {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}): write it again") from None
    if not lines or lines[0].split("\t") != ["query-id", "corpus-id", "score"]:
        raise ValueError(f"{path}, line 1: {lines[:1]} is not the header: write query-id, corpus-id, score, split by tabs")
    for number, line in enumerate(lines[1:], start=2):
        judgement = _judgement(line, f"{path}, line {number}")
        key = (judgement.query_id, judgement.document_id)
        if key in seen:
            raise ValueError(
                f"{judgement.place}: query {key[0]!r} and document {key[1]!r} stand already "
                f"at line {seen[key]}: drop one of the two"
            )
        seen[key] = number
        if judgement.grade >= 1:
            judgements.append(judgement)
    if not judgements:
        raise ValueError(f"{path}: no row with a score of 1 or more: give a split that holds relevant documents")
    return judgements


def _judgement(line: str, place: str) -> _Judgement:
    parts = line.split("\t")
    if len(parts) != 3 or not all(parts[:2]):
        raise ValueError(f"{place}: {line[:60]!r} is not query-id, corpus-id, score: write three values split by tabs")
    try:
        return _Judgement(parts[0], parts[1], int(parts[2]), place)
    except ValueError:
        raise ValueError(f"{place}: score {parts[2]!r} is not a whole number: write one (0: not relevant)") from None


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


def _refuse_unknown_documents(judgements: list[_Judgement], documents: dict[str, str]) -> None:
    for judgement in judgements:
        if not documents.get(judgement.document_id):
            fault = "has no text" if judgement.document_id in documents else "does not stand in corpus.jsonl"
            raise ValueError(f"{judgement.place}: document {judgement.document_id!r} {fault}: add it there or drop the line")


def _rows(folder: Path, part: str) -> Iterator[tuple[str, dict, str]]:
    """Id, object and place of each line of ``corpus`` or ``queries``."""
    found = [path for ending in (".jsonl", ".jsonl.gz") if (path := folder / f"{part}{ending}").is_file()]
    if len(found) != 1:
        raise ValueError(f"{folder}: {len(found)} files for {part!r}: keep one of {part}.jsonl, {part}.jsonl.gz")
    seen: dict[str, int] = {}
    for number, row in enumerate(tables.json_lines(found[0]), start=1):
        place = f"{found[0]}, line {number}"
        key = row.get("_id")
        if isinstance(key, bool) or not isinstance(key, (str, int)) or key == "":
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
