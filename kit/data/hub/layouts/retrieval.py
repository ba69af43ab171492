"""Queries, documents and judgements in three places: MTEB's and BEIR's tables, and the text files of TREC's kind.

Ids become ``<language>:<id>``, since those of two languages may be equal; where a set is parallel they are, and the group of
a query is its id alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from kit.data.hub.layouts import Layout
from kit.data.hub.manifest import File
from kit.data.hub.raw import Raw

_ID = ("_id", "id")
_QREL = ("query-id", "corpus-id", "score")
_TREC = ("qid", "q0", "docid", "rel")
_TOPIC = ("qid", "query")


def _queries_of_tables(raw: Raw) -> Iterator[dict]:
    """Queries with a judgement, as mteb loads them: ports of BEIR have the queries of all splits in one table."""
    judged = {str(row["query-id"]) for row in raw.rows("qrels", *_QREL)}
    return (_query(raw, row["_id"], row["text"]) for row in raw.rows("queries", _ID, "text") if str(row["_id"]) in judged)


def _candidates_of_tables(raw: Raw) -> Iterator[dict]:
    rows = raw.rows("corpus", _ID, "text", optional=["title"])
    return (_candidate(raw, row["_id"], row.get("title"), row["text"]) for row in rows)


def _relevance_of_tables(raw: Raw) -> Iterator[dict]:
    return _relevant(raw, ((row["query-id"], row["corpus-id"], row["score"]) for row in raw.rows("qrels", *_QREL)))


def _queries_of_topics(raw: Raw) -> Iterator[dict]:
    """Queries with a judgement: mMARCO's file of development queries holds more than the small part that is judged."""
    judged = {row["qid"] for row in raw.rows("qrels", "qid")}
    return (_query(raw, row["qid"], row["query"]) for row in raw.rows("topics", *_TOPIC) if row["qid"] in judged)


def _relevance_of_trec(raw: Raw) -> Iterator[dict]:
    return _relevant(raw, ((row["qid"], row["docid"], row["rel"]) for row in raw.rows("qrels", "qid", "docid", "rel")))


def _candidates_of_miracl(raw: Raw) -> Iterator[dict]:
    rows = raw.rows("corpus", "docid", "text", optional=["title"])
    return (_candidate(raw, row["docid"], row.get("title"), row["text"]) for row in rows)


def _candidates_of_mmarco(raw: Raw) -> Iterator[dict]:
    return (_candidate(raw, row["id"], None, row["text"]) for row in raw.rows("corpus", "id", "text"))


def _neuclir_queries(raw: Raw) -> Iterator[dict]:
    """English titles with their descriptions: the topics of the multilingual task, the same ones for every language."""
    judged = {row["qid"] for row in raw.rows("qrels", "qid")}
    for row in raw.rows("topics", "topic_id", "topics"):
        if str(row["topic_id"]) in judged:
            asked = [one for one in row["topics"] if one.get("lang") == "eng"]
            if len(asked) != 1:
                raise ValueError(f"NeuCLIR topic {row['topic_id']}: expected one topic in eng, got {len(asked)}")
            text = f"{asked[0]['topic_title'].strip()} {asked[0]['topic_description'].strip()}"
            yield {"query_id": str(row["topic_id"]), "language": "en", "text": text}


def _neuclir_candidates(raw: Raw) -> Iterator[dict]:
    for row in raw.rows("corpus", "id", "title", "text"):
        yield {"candidate_id": row["id"], "language": raw.language, "text": _joined(row["title"], row["text"])}


def _neuclir_relevance(raw: Raw) -> Iterator[dict]:
    """Judgements of all languages: the pool that is loaded keeps those of its documents."""
    for row in raw.rows("qrels", "qid", "docid", "rel"):
        if (grade := _grade(row["rel"])) >= 1:
            yield {"query_id": row["qid"], "candidate_id": row["docid"], "grade": grade}


def _query(raw: Raw, key: object, text: str) -> dict:
    group = str(key) if raw.entry.parallel else f"{raw.language}:{key}"
    return {"query_id": f"{raw.language}:{key}", "group_id": group, "language": raw.language, "text": text.strip()}


def _candidate(raw: Raw, key: object, title: str | None, text: str) -> dict:
    return {"candidate_id": f"{raw.language}:{key}", "language": raw.language, "text": _joined(title, text)}


def _joined(title: str | None, text: str | None) -> str:
    """Title and text with a space between, as ``kit.data.sources.beir`` reads a document."""
    return " ".join(part.strip() for part in (title, text) if part and part.strip())


def _relevant(raw: Raw, judgements: Iterator[tuple[object, object, object]]) -> Iterator[dict]:
    for query, document, score in judgements:
        if (grade := _grade(score)) >= 1:
            yield {"query_id": f"{raw.language}:{query}", "candidate_id": f"{raw.language}:{document}", "grade": grade}


def _grade(score: object) -> int:
    number = float(str(score))
    if not number.is_integer():
        raise ValueError(f"score {score!r} of a judgement: expected a whole number")
    return int(number)


_TABLES = {"queries": _queries_of_tables, "candidates": _candidates_of_tables, "relevance": _relevance_of_tables}
_TOPICS = {"queries": _queries_of_topics, "relevance": _relevance_of_trec}

LAYOUTS = {
    "mteb": Layout(
        _TABLES,
        {
            "corpus": File(config="{code}-corpus"),
            "queries": File(config="{code}-queries|{code}-query"),
            "qrels": File(config="{code}-qrels"),
        },
    ),
    "beir": Layout(
        _TABLES,
        {
            "corpus": File(config="corpus"),
            "queries": File(config="queries|query"),
            "qrels": File(config="default|qrels"),
        },
    ),
    "miracl": Layout(
        {**_TOPICS, "candidates": _candidates_of_miracl},
        {
            "topics": File(path="miracl-v1.0-{code}/topics/topics.miracl-v1.0-{code}-{split}.tsv", head=_TOPIC),
            "qrels": File(path="miracl-v1.0-{code}/qrels/qrels.miracl-v1.0-{code}-{split}.tsv", head=_TREC),
        },
    ),
    "mmarco": Layout(
        {**_TOPICS, "candidates": _candidates_of_mmarco},
        {
            "corpus": File(path="data/google/collections/{code}_collection.tsv", head=("id", "text")),
            "topics": File(path="data/google/queries/{split}/{code}_queries.{split}.tsv", head=_TOPIC),
        },
    ),
    "neuclir": Layout({"queries": _neuclir_queries, "candidates": _neuclir_candidates, "relevance": _neuclir_relevance}),
}
