"""Questions with a passage each, to train on: tables of pairs, pages of questions and answers, pairs in two languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kit.core.languages import language_tag
from kit.data.hub.layouts import Layout
from kit.data.hub.manifest import File
from kit.data.hub.raw import Raw


def _pairs(raw: Raw) -> Iterator[dict]:
    """Rows with a query and a passage; a list of passages gives its first text. ``negative`` may stand beside them."""
    for number, row in enumerate(raw.rows("rows", "query", "passage", optional=["id", "negative"])):
        passage = row["passage"]
        if isinstance(passage, list):
            passage = next((one for one in passage if one and one.strip()), "")
        negatives = [row["negative"].strip()] if row.get("negative") else []
        yield from _row(raw, row.get("id", number), row["query"], passage, negatives)


def _positives(raw: Raw) -> Iterator[dict]:
    """Mr. TyDi and MLDR: a query with lists of passages; the first relevant one, and all that are not, if there are any."""
    for row in raw.rows("rows", "query_id", "query", "positive_passages", optional=["negative_passages"]):
        texts = {
            kind: [text for one in row.get(f"{kind}_passages") or () if (text := _joined(one.get("title"), one.get("text")))]
            for kind in ("positive", "negative")
        }
        if texts["positive"]:
            yield from _row(raw, row["query_id"], row["query"], texts["positive"][0], texts["negative"])


def _pages(raw: Raw) -> Iterator[dict]:
    """MFAQ: a page with its questions and answers, a row each."""
    for page in raw.rows("rows", "id", "qa_pairs"):
        for number, pair in enumerate(page["qa_pairs"]):
            yield from _row(raw, f"{page['id']}-{number}", pair["question"], pair["answer"])


def _bilingual(raw: Raw) -> Iterator[dict]:
    """WebFAQ: one pair of question and answer in each of two languages, a row a language, both of one group."""
    tags = [language_tag(code) for code in raw.language.split("-")]
    fields = ("question1", "answer1", "question2", "answer2")
    for number, row in enumerate(raw.rows("rows", *fields)):
        texts = [(row["question1"], row["answer1"]), (row["question2"], row["answer2"])]
        if all(text and text.strip() for pair in texts for text in pair):
            for tag, (query, passage) in zip(tags, texts):
                yield _filled(raw, f"{raw.language}:{number}", tag, query, passage)


def _bilingual_side(side: str) -> Callable[[Raw], Iterator[dict]]:
    def rows(raw: Raw) -> Iterator[dict]:
        field = {"source": "question1", "target": "question2"}[side]
        for number, row in enumerate(raw.rows("rows", "question1", "question2")):
            if all(row[one] and row[one].strip() for one in row):
                yield {"sentence_id": f"{side}-{number}", "text": row[field].strip()}

    return rows


def _bilingual_gold(raw: Raw) -> Iterator[dict]:
    for number, row in enumerate(raw.rows("rows", "question1", "question2")):
        if all(row[one] and row[one].strip() for one in row):
            yield {"source_id": f"source-{number}", "target_id": f"target-{number}"}


def _row(
    raw: Raw, key: object, query: str | None, passage: str | None, negatives: list[str] | None = None
) -> Iterator[dict]:
    """The row, where both texts are there: published sets have holes."""
    if query and query.strip() and passage and passage.strip():
        yield _filled(raw, f"{raw.language}:{key}", raw.language, query, passage, negatives)


def _filled(raw: Raw, group: str, tag: str, query: str, passage: str, negatives: list[str] | None = None) -> dict:
    return {
        "group_id": group,
        "language": tag,
        "query": query.strip(),
        "passage": passage.strip(),
        "source": raw.entry.id,
        "negatives": negatives or [],
    }


def _joined(title: str | None, text: str | None) -> str:
    return " ".join(part.strip() for part in (title, text) if part and part.strip())


LAYOUTS = {
    "pairs": Layout({"corpus": _pairs}),
    "positives": Layout({"corpus": _positives}),
    "pages": Layout({"corpus": _pages}, {"rows": File(path="data/{code}/{split}.jsonl")}),
    "bilingual": Layout(
        {
            "corpus": _bilingual,
            "source": _bilingual_side("source"),
            "target": _bilingual_side("target"),
            "gold": _bilingual_gold,
        },
        {"rows": File(config="{code}")},
    ),
}
