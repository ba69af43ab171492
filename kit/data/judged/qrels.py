"""Judgements on file: the four columns of TREC (query, 0, passage, grade), or BEIR's three with or without a header.

Values are split by tabs, or four of them by spaces. Only a line feed ends a line. Blank lines count for nothing, nor does a
judgement that is there already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kit.core.files import whole_file
from kit.data.lines import text_lines

_SCORE_COLUMNS = ("score", "grade", "relevance")
"""Last column of a header; that of a judgement is a number."""


@dataclass(frozen=True)
class Judgement:
    """What was said of a passage for a query, and the place of its line; a grade of 1 or more is relevant."""

    query_id: str
    document_id: str
    grade: int
    place: str


def read_qrels(path: Path) -> list[Judgement]:
    """All judgements of a file, each once, in its order.

    Raises:
        ValueError: no such file, or an empty one; a line of another form; two grades of one query and passage.
    """
    lines = [(number, _fields(line)) for number, line in enumerate(text_lines(path), start=1) if line.strip()]
    if lines and lines[0][1][-1].lower() in _SCORE_COLUMNS:
        del lines[0]
    found: dict[tuple[str, str], Judgement] = {}
    for number, fields in lines:
        judgement = _judgement(fields, f"{path}, line {number}")
        key = (judgement.query_id, judgement.document_id)
        first = found.setdefault(key, judgement)
        if judgement.grade != first.grade:
            raise ValueError(
                f"{judgement.place}: query {key[0]!r} and document {key[1]!r} stand already at {first.place}, with score "
                f"{first.grade} and not {judgement.grade}: drop one of the two"
            )
    return list(found.values())


def by_query(found: Iterable[Judgement]) -> dict[str, dict[str, int]]:
    """Grade of each judged passage of each query, in the order of the judgements."""
    grades: dict[str, dict[str, int]] = {}
    for one in found:
        grades.setdefault(one.query_id, {})[one.document_id] = one.grade
    return grades


def write_qrels(path: str | Path, grades: Mapping[str, Mapping[str, int]]) -> None:
    """Write grades by query and passage in TREC's form, ``query 0 passage grade``; the file appears whole or not at all.

    Raises:
        ValueError: an id is empty or holds white space, which would make another line of it.
    """
    lines = [
        f"{word(query_id, 'query')} 0 {word(document_id, 'passage')} {grade}\n"
        for query_id, judged in grades.items()
        for document_id, grade in judged.items()
    ]
    with whole_file(Path(path)) as partial:
        partial.write_text("".join(lines), encoding="utf-8")


def word(text: str, what: str) -> str:
    """A text that can stand in a line of TREC, whose values are split by white space.

    Raises:
        ValueError: it is empty or holds white space.
    """
    if len(text.split()) != 1 or text.strip() != text:
        raise ValueError(f"{what} {text!r:.80} is no id in a file of TREC: it has to be one word, without white space")
    return text


def _fields(line: str) -> list[str]:
    """Values of a line: split by tabs, or by spaces into the four that TREC has."""
    by_spaces = re.split(" +", line.strip(" "))
    return by_spaces if "\t" not in line and len(by_spaces) == 4 else line.split("\t")


def _judgement(fields: list[str], place: str) -> Judgement:
    is_trec = len(fields) == 4
    query_id, document_id, score = (fields[0], *fields[2:]) if is_trec else fields if len(fields) == 3 else ("", "", "")
    if not (query_id and document_id):
        raise ValueError(
            f"{place}: {' '.join(fields)[:60]!r} is not query-id, corpus-id, score: write three values split by tabs, or "
            "the four of TREC (query, 0, document, score)"
        )
    with suppress(ValueError):
        if (number := float(score)).is_integer():
            return Judgement(query_id, document_id, int(number), place)
    raise ValueError(f"{place}: score {score!r:.60} is not a whole number: write one (0: not relevant)")
