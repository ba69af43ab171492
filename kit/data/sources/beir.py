"""The layout of BEIR (arXiv 2104.08663): ``corpus.jsonl``, ``queries.jsonl`` (plain or .gz) and ``qrels/<split>.tsv``.

A line of ``qrels`` is one of ``kit.data.judged.qrels``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from kit.core import tables
from kit.core.languages import language_tag, question_and_passage_tags
from kit.data.clusters import passage_clusters
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.judged.collection import JudgedCollection
from kit.data.judged.qrels import Judgement, by_query, read_qrels
from kit.data.judged.stream import passage_stream
from kit.data.pools import pooled


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


def judged(
    folder: str | Path,
    split: str = "test",
    language: str = "en",
    name: str | None = None,
    question_language: str | None = None,
) -> list[JudgedCollection]:
    """One split as a collection, whose corpus is read as a stream: for corpora of any size, and as BEIR judges.

    Arguments as in ``task``. Unlike there, documents of equal text stay apart, and judgements of documents that are not
    there count as not found.

    Raises:
        ValueError: a file is absent or not in the layout of BEIR; a judgement of an unknown query; none that is relevant.
    """
    folder, (asked_in, tag) = Path(folder), question_and_passage_tags(language, question_language)
    found = read_qrels(_qrels(folder, split))
    texts = _texts_of_queries(folder, found)
    passages, version = passage_stream([_file(folder, "corpus")], "_id")
    name = name or f"{folder.resolve().name}-{split}"
    label = tag if asked_in == tag else f"{asked_in}-{tag}"
    return [JudgedCollection.of(name, label, texts, by_query(found), passages, version)]


def _judgements(folder: Path, split: str) -> list[Judgement]:
    """Relevant rows of a split, in the order of the file."""
    path = _qrels(folder, split)
    found = [judgement for judgement in read_qrels(path) if judgement.grade >= 1]
    if not found:
        raise ValueError(f"{path}: no row with a score of 1 or more: give a split that holds relevant documents")
    return found


def _qrels(folder: Path, split: str) -> Path:
    """The file of a split."""
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        splits = ", ".join(sorted(file.stem for file in path.parent.glob("*.tsv"))) or f"none: {path.parent} holds no .tsv"
        raise ValueError(f"{path}: no such file: choose the split from those that exist ({splits})")
    return path


def _documents(folder: Path, wanted: set[str] | None = None) -> dict[str, str]:
    """Title and text of each document (those of ``wanted``) by id; empty where a document has neither."""
    documents = {}
    for key, row, place in _rows(folder, "corpus"):
        if wanted is None or key in wanted:
            documents[key] = " ".join(part for field in ("title", "text") if (part := _text(row, field, place)))
    return documents


def _texts_of_queries(folder: Path, judgements: list[Judgement]) -> dict[str, str]:
    """Text of each query that is judged, in the order of the file."""
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


def _of_known_documents(judgements: list[Judgement], documents: dict[str, str]) -> tuple[list[Judgement], tuple[str, ...]]:
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
    path, seen = _file(folder, part), dict[str, int]()
    for number, row in enumerate(tables.json_lines(path), start=1):
        place = f"{path}, line {number}"
        key = row.get("_id")
        if isinstance(key, bool) or not isinstance(key, (str, int)) or not str(key).strip():
            raise ValueError(f"{place}: field '_id' is {key!r:.60}: write it as a text")
        key = str(key)  # some sets write the ids as numbers; qrels know only their texts
        if key in seen:
            raise ValueError(f"{place}: _id {key!r} stands already at line {seen[key]}: give every row its own")
        seen[key] = number
        yield key, row, place


def _file(folder: Path, part: str) -> Path:
    """The file of ``corpus`` or ``queries``."""
    found = [path for ending in (".jsonl", ".jsonl.gz") if (path := folder / f"{part}{ending}").is_file()]
    if len(found) != 1:
        raise ValueError(f"{folder}: {len(found)} files for {part!r}: keep one of {part}.jsonl, {part}.jsonl.gz")
    return found[0]


def _text(row: dict, field: str, place: str) -> str:
    value = row.get(field)
    if value is None and field == "title":
        return ""  # some of BEIR's sets have no titles
    if not isinstance(value, str):
        raise ValueError(f"{place}: field {field!r} is {value!r:.60}: write it as a text")
    return value.strip()
