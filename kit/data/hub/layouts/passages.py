"""Questions that stand in one table with their passage: reading comprehension in the form of SQuAD, and Belebele."""

from __future__ import annotations

from collections.abc import Iterator

from kit.core.languages import language_tag
from kit.core.seeding import stable_hash
from kit.data.hub.layouts import Layout
from kit.data.hub.manifest import File
from kit.data.hub.raw import Raw


def _squad(raw: Raw) -> Iterator[tuple[str, str, str, str]]:
    """Id, question, context and the context's number of the questions in a language: TyDi QA's ids begin with theirs."""
    numbers: dict[int, int] = {}
    for row in raw.rows("rows", "id", "question", "context"):
        context = row["context"].strip()
        if len(raw.entry.languages) == 1 or language_tag(str(row["id"]).split("-")[0]) == raw.language:
            number = numbers.setdefault(stable_hash(context), len(numbers))
            yield str(row["id"]), row["question"].strip(), context, f"{raw.language}:{number}"


def _squad_queries(raw: Raw) -> Iterator[dict]:
    for key, question, _, _ in _squad(raw):
        yield {"query_id": f"{raw.language}:{key}", "group_id": key, "language": raw.language, "text": question}


def _squad_candidates(raw: Raw) -> Iterator[dict]:
    seen: set[str] = set()
    for _, _, context, number in _squad(raw):
        if number not in seen:
            seen.add(number)
            yield {"candidate_id": number, "language": raw.language, "text": context}


def _squad_relevance(raw: Raw) -> Iterator[dict]:
    for key, _, _, number in _squad(raw):
        yield {"query_id": f"{raw.language}:{key}", "candidate_id": number}


_BELEBELE = ("link", "question_number", "flores_passage", "question")


def _belebele_queries(raw: Raw) -> Iterator[dict]:
    """A question is known by its passage and its number there, in every language."""
    for row in raw.rows("rows", *_BELEBELE):
        key = f"{row['link']}#{row['question_number']}"
        yield {
            "query_id": f"{raw.language}:{key}",
            "group_id": key,
            "language": raw.language,
            "text": row["question"].strip(),
        }


def _belebele_candidates(raw: Raw) -> Iterator[dict]:
    seen: set[str] = set()
    for row in raw.rows("rows", *_BELEBELE):
        if row["link"] not in seen:
            seen.add(row["link"])
            text = row["flores_passage"].strip()
            yield {"candidate_id": f"{raw.language}:{row['link']}", "language": raw.language, "text": text}


def _belebele_relevance(raw: Raw) -> Iterator[dict]:
    for row in raw.rows("rows", *_BELEBELE):
        query = f"{raw.language}:{row['link']}#{row['question_number']}"
        yield {"query_id": query, "candidate_id": f"{raw.language}:{row['link']}"}


LAYOUTS = {
    "squad": Layout({"queries": _squad_queries, "candidates": _squad_candidates, "relevance": _squad_relevance}, shared={}),
    "belebele": Layout(
        {"queries": _belebele_queries, "candidates": _belebele_candidates, "relevance": _belebele_relevance},
        {"rows": File(config="{code}")},
        {"candidates": "rows"},
    ),
}
