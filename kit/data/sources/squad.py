"""SQuAD-style JSON (SQuADShifts, MLQA, PolicyQA and many others): a question's passage is its paragraph."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kit.core.languages import language_tag, question_and_passage_tags
from kit.core.tables import parsed_json
from kit.data.corpus import ParallelCorpus, RetrievalTask

_WORDS = {str: "a text", list: "a list"}


@dataclass(frozen=True)
class Question:
    """One answerable question of a paragraph.

    ``answer_start`` is the character offset of its first answer, below 0 or ``None`` where the file does not say it.
    """

    question_id: str
    text: str
    answer_start: int | None
    place: str


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of a SQuAD-style file: the number of its article, from 1, its JSON object, and its name in an error."""

    article: int
    context: str
    questions: tuple[Question, ...]
    fields: dict
    place: str


def corpus(path: str | Path, language: str, domain: str = "") -> ParallelCorpus:
    """Read a SQuAD-style file as training data: one group a question, its passage the whole paragraph.

    Questions without an answer have no passage: they are left out and counted in a ``UserWarning``. None is a question
    without answers, one that ``is_impossible`` (SQuAD 2.0), or one whose answers are empty texts. Paragraphs are one passage
    where their texts are equal, because TyDi QA repeats a paragraph for each of its questions.

    Args:
        path: a ``.json`` file, or a folder of them, which are read as one, in the order of their names.
        language: language of all texts, as a tag, an ISO 639-3 code or an English name.
        domain: written into every row.

    Raises:
        ValueError: no such file, not SQuAD-style JSON, a question id twice, an empty text, a language that is not one.

    >>> corpus("dev.json", language="en", domain="legal").languages  # doctest: +SKIP
    ('en',)
    """
    rows = [row | {"domain": domain} for row in corpus_rows(_paragraphs(path), language_tag(language), Path(path).stem)]
    return ParallelCorpus.from_rows(rows, name=Path(path).stem)


def task(path: str | Path, language: str, name: str | None = None, question_language: str | None = None) -> RetrievalTask:
    """Read a SQuAD-style file as a task: every question against all paragraphs of its file, or of all files of a folder.

    A candidate is a distinct paragraph, with the id ``<language>:<index of its first place in the file>``; a query id is
    ``<language>:<question id>``. In PolicyQA a question is asked of many policies, so paragraphs that count as wrong here
    may well answer it. Other arguments, unanswerable questions and errors as in ``corpus``.

    Args:
        path: as in ``corpus``.
        language: of the paragraphs.
        name: of the task; default: that of the file, or of the folder.
        question_language: of the questions, where it is another one (MLQA's ``test-context-de-question-es.json``).

    >>> len(task("dev.json", language="en").queries)  # doctest: +SKIP
    3809
    """
    tags = question_and_passage_tags(language, question_language)
    return RetrievalTask.from_rows(name or Path(path).stem, *task_rows(_paragraphs(path), *tags))


def corpus_rows(paragraphs: Iterable[Paragraph], tag: str, source: str) -> list[dict]:
    """Rows of a corpus from paragraphs whose texts are all in one language."""
    return [
        {
            "group_id": question.question_id,
            "language": tag,
            "query": question.text,
            "passage": paragraph.context,
            "source": source,
        }
        for paragraph in paragraphs
        for question in paragraph.questions
    ]


def task_rows(paragraphs: Iterable[Paragraph], question_tag: str, tag: str) -> tuple[list[dict], list[dict], list[dict]]:
    """Queries, candidates and relevance of a task from paragraphs in one language and questions in one."""
    candidates: dict[str, dict] = {}
    queries, relevance = [], []
    for index, paragraph in enumerate(paragraphs):
        text = paragraph.context
        candidate = candidates.setdefault(text, {"candidate_id": f"{tag}:{index}", "language": tag, "text": text})
        for question in paragraph.questions:
            query_id = f"{question_tag}:{question.question_id}"
            row = {"query_id": query_id, "group_id": question.question_id, "language": question_tag, "text": question.text}
            queries.append(row)
            relevance.append({"query_id": query_id, "candidate_id": candidate["candidate_id"]})
    return queries, list(candidates.values()), relevance


def _paragraphs(path: str | Path) -> list[Paragraph]:
    if not Path(path).is_dir():
        return read_paragraphs(path)
    files = sorted(Path(path).glob("*.json"))
    if not files:
        raise ValueError(f"{path}: no .json file in it: give the path of a SQuAD-style .json file, or of a folder of them")
    return [paragraph for file in files for paragraph in read_paragraphs(file)]


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
        starts = [
            start
            for position, answer in enumerate(_field(row, "answers", list, here), start=1)
            for start in _start(answer, f"{here}, answer {position}")
        ]
        if not starts or row.get("is_impossible") is True:
            n_unanswerable += 1
            continue
        questions.append(Question(_id(row, here), text_field(row, "question", here), starts[0], here))
    return Paragraph(article, context, tuple(questions), fields, place), n_unanswerable


def _start(answer: object, place: str) -> list[int | None]:
    """Offset of an answer, ``None`` where there is none; the list is empty for an answer that says nothing.

    Files write an absent answer as one with an empty text, at 0 or -1; CMRC writes -1 for a text whose place is not known.
    """
    if not isinstance(answer, dict):
        raise ValueError(f"{place}: not a JSON object but {answer!r:.60}: write one with a field 'text'")
    text, start = answer.get("text"), answer.get("answer_start")
    if isinstance(start, str) and re.fullmatch(r"\s*-?\d+\s*", start):
        start = int(start)
    if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
        raise ValueError(f"{place}: field 'answer_start' is {start!r:.60}: write it as a whole number")
    says_nothing = not text.strip() if isinstance(text, str) else start is None or start < 0
    return [] if says_nothing else [start]


def _id(row: dict, place: str) -> str:
    """Id of a question; some files number their questions."""
    value = row.get("id")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_field(row, "id", place)


def _json(path: Path) -> object:
    if not path.is_file():
        raise ValueError(f"{path}: no such file: give the path of a SQuAD-style .json file")
    try:
        return parsed_json(path.read_bytes())
    except ValueError as error:
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
