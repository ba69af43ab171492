"""SQuAD-style JSON (SQuADShifts, TyDi QA GoldP, PolicyQA and many others): a question's passage is its paragraph."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kit.core.languages import language_tag
from kit.data.corpus import ParallelCorpus, RetrievalTask

_WORDS = {str: "a text", list: "a list", int: "a whole number"}


@dataclass(frozen=True)
class Question:
    """One answerable question of a paragraph; ``answer_start`` is the character offset of its first answer."""

    question_id: str
    text: str
    answer_start: int
    place: str


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of a SQuAD-style file: the number of its article, from 1, its JSON object, and its name in an error."""

    article: int
    context: str
    questions: tuple[Question, ...]
    fields: dict
    place: str


def corpus(path: str | Path, language: str | None, domain: str = "") -> ParallelCorpus:
    """Read a SQuAD-style file as training data: one group a question, its passage the whole paragraph.

    Questions without an answer (SQuAD 2.0) have no passage: they are left out and counted in a ``UserWarning``. Paragraphs
    are one passage where their texts are equal, because TyDi QA repeats a paragraph for each of its questions.

    Args:
        path: a ``.json`` file.
        language: language of the whole file, as a tag, an ISO 639-3 code or an English name; ``None``: the question ids
            begin with it, as in TyDi QA (``korean-123-0``).
        domain: written into every row.

    Raises:
        ValueError: no such file, not SQuAD-style JSON, a question id twice, an empty text, a language that is not one.

    >>> corpus("dev.json", language="en", domain="legal").languages  # doctest: +SKIP
    ('en',)
    """
    rows = [
        {
            "group_id": question.question_id,
            "language": _language(question, language),
            "query": question.text,
            "passage": paragraph.context,
            "domain": domain,
            "source": Path(path).stem,
        }
        for paragraph in read_paragraphs(path)
        for question in paragraph.questions
    ]
    return ParallelCorpus.from_rows(rows, name=Path(path).stem)


def task(path: str | Path, language: str | None, name: str | None = None) -> RetrievalTask:
    """Read a SQuAD-style file as a task: every question against all paragraphs of its file.

    A candidate is a distinct paragraph, with the id ``<language>:<index of its first place in the file>``; a query id is
    ``<language>:<question id>``. In PolicyQA a question is asked of many policies, so paragraphs that count as wrong here
    may well answer it. Arguments, unanswerable questions and errors as in ``corpus``; with ``language=None`` a paragraph
    without a question has no language and is refused.

    >>> len(task("dev.json", language="en").queries)  # doctest: +SKIP
    3809
    """
    candidates: dict[tuple[str, str], dict] = {}
    queries, relevance = [], []
    for index, paragraph in enumerate(read_paragraphs(path)):
        for tag in _paragraph_languages(paragraph, language):
            candidates.setdefault(
                (tag, paragraph.context), {"candidate_id": f"{tag}:{index}", "language": tag, "text": paragraph.context}
            )
        for question in paragraph.questions:
            tag = _language(question, language)
            query_id = f"{tag}:{question.question_id}"
            queries.append({"query_id": query_id, "group_id": question.question_id, "language": tag, "text": question.text})
            relevance.append({"query_id": query_id, "candidate_id": candidates[tag, paragraph.context]["candidate_id"]})
    return RetrievalTask.from_rows(name or Path(path).stem, queries, candidates.values(), relevance)


def read_paragraphs(path: str | Path) -> list[Paragraph]:
    """All paragraphs of a SQuAD-style file in its order, with their answerable questions; errors as in ``corpus``."""
    path = Path(path)
    paragraphs, seen, n_unanswerable = [], {}, 0
    for number, article in enumerate(_field(_json(path), "data", list, str(path)), start=1):
        place = f"{path}, article {number}"
        for position, fields in enumerate(_field(article, "paragraphs", list, place), start=1):
            paragraph, n_dropped = _paragraph(number, fields, f"{place}, paragraph {position}")
            for question in paragraph.questions:
                if question.question_id in seen:
                    raise ValueError(
                        f"{question.place}: id {question.question_id!r} stands already at "
                        f"{seen[question.question_id]}: give every question its own"
                    )
                seen[question.question_id] = question.place
            paragraphs.append(paragraph)
            n_unanswerable += n_dropped
    if n_unanswerable:
        warnings.warn(
            f"{path}: {n_unanswerable} of {n_unanswerable + len(seen)} questions have no answer: left out", stacklevel=3
        )
    return paragraphs


def _paragraph(article: int, fields: dict, place: str) -> tuple[Paragraph, int]:
    """A paragraph and the number of its questions that have no answer."""
    context, questions, n_unanswerable = text_field(fields, "context", place), [], 0
    for number, row in enumerate(_field(fields, "qas", list, place), start=1):
        here = f"{place}, question {number}"
        answers = _field(row, "answers", list, here)
        if not answers or row.get("is_impossible") is True:
            n_unanswerable += 1
            continue
        start = _field(answers[0], "answer_start", int, f"{here}, answer 1")
        questions.append(Question(text_field(row, "id", here), text_field(row, "question", here), start, here))
    return Paragraph(article, context, tuple(questions), fields, place), n_unanswerable


def _json(path: Path) -> dict:
    if not path.is_file():
        raise ValueError(f"{path}: no such file: give the path of a SQuAD-style .json file")
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:  # covers malformed JSON and bytes that are not UTF-8
        raise ValueError(f"{path}: not a JSON file in UTF-8 ({error}): download or write it again") from None


_Value = TypeVar("_Value")


def _field(record: object, name: str, kind: type[_Value], place: str) -> _Value:
    if not isinstance(record, dict):
        raise ValueError(f"{place}: not a JSON object but {record!r:.60}: write one with a field {name!r}")
    if name not in record:
        raise ValueError(f"{place}: field {name!r} is missing: add it as {_WORDS[kind]}")
    if not isinstance(record[name], kind) or isinstance(record[name], bool):
        raise ValueError(f"{place}: field {name!r} is {record[name]!r:.60}: write it as {_WORDS[kind]}")
    return record[name]


def text_field(record: object, name: str, place: str) -> str:
    """Text of a field of a JSON object; ``ValueError`` where it is missing, blank or not a text."""
    value = _field(record, name, str, place)
    if not value.strip():
        raise ValueError(f"{place}: field {name!r} is empty: write a text or drop the entry")
    return value


def list_field(record: object, name: str, place: str) -> list:
    """List of a field of a JSON object; ``ValueError`` where it is missing or not a list."""
    return _field(record, name, list, place)


def _language(question: Question, language: str | None) -> str:
    if language is not None:
        return language_tag(language)
    try:
        return language_tag(question.question_id.split("-")[0])
    except ValueError:
        raise ValueError(
            f"{question.place}: id {question.question_id!r} does not begin with a language "
            "(as 'korean-1-0' does): give the language of the file"
        ) from None


def _paragraph_languages(paragraph: Paragraph, language: str | None) -> list[str]:
    """Languages in which a paragraph is a candidate: the file's, or those of its questions."""
    if language is not None:
        return [language_tag(language)]
    if not paragraph.questions:
        raise ValueError(f"{paragraph.place}: no answerable question, so no language: give the language of the file")
    return sorted({_language(question, None) for question in paragraph.questions})
