"""TyDi QA GoldP (Clark et al. 2020): questions asked in nine languages, never translated, each with its paragraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kit.core.languages import chosen_tags, language_tag, tag_of_each
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.sources.squad import Paragraph, corpus_rows, read_paragraphs, task_rows

_PUBLISHED, _BY_LANGUAGE = "tydiqa-goldp-*-{part}.json", ("*_tydiqa_{part}.json", "tydiqa.goldp.*.{part}.json")
"""Names of the one file that is published, and of a file a language: Google's and those of XTREME's script."""


def corpus(path: str | Path, part: str | None = None, languages: Sequence[str] | None = None) -> ParallelCorpus:
    """Read one part as training data: one group a question, its passage the paragraph. No question is parallel to another.

    Args:
        path: a SQuAD-style file whose question ids begin with their language (``korean-12-0``), as
            ``tydiqa-goldp-v1.1-dev.json``; or a folder that holds such a file, or one file a language:
            ``<language>_tydiqa_<part>.json`` or ``tydiqa.goldp.<language>.<part>.json``.
        part: of a folder, ``train`` or ``dev``; ``None``: ``train``. A file is one part.
        languages: tags, the files' own codes or English names; ``None``: all that there are.

    Raises:
        ValueError: no such file, folder, part or language, files in two of these forms, or what
            ``kit.data.sources.squad`` refuses.

    >>> corpus("tydiqa", languages=["en", "sw"]).languages  # doctest: +SKIP
    ('en', 'sw')
    """
    name, found = _read(Path(path), part, "train", languages)
    return ParallelCorpus.from_rows((row for tag in found for row in corpus_rows(found[tag], tag, "tydiqa")), name)


def task(path: str | Path, part: str | None = None, languages: Sequence[str] | None = None) -> RetrievalTask:
    """Read one part as a task: each question against the paragraphs of the part; relevant is its own paragraph.

    There are cells within a language only, since no question has an answer in another one. The part is ``dev`` if nothing
    is said; other arguments and errors as in ``corpus``.
    """
    name, found = _read(Path(path), part, "dev", languages)
    parts = [task_rows(paragraphs, tag, tag) for tag, paragraphs in found.items()]
    queries, candidates, relevance = ([row for part in parts for row in part[number]] for number in range(3))
    return RetrievalTask.from_rows(name, queries, candidates, relevance)


def _read(
    path: Path, part: str | None, default: str, languages: Sequence[str] | None
) -> tuple[str, dict[str, list[Paragraph]]]:
    """Name of a part, and its paragraphs by tag, in the order of the tags."""
    if path.is_file():
        if part is not None:
            raise ValueError(f"{path}: part is {part!r}, but a file is one part: leave the option out, or give the folder")
        return path.stem, _wanted(_by_language(path), languages, path)
    part = part or default
    forms = [sorted(path.glob(form.format(part=part))) for form in (_PUBLISHED, *_BY_LANGUAGE)]
    found = [files for files in forms if files]
    if not found:
        known = ", ".join(form.format(part=part).replace("*", "<language>") for form in _BY_LANGUAGE)
        raise ValueError(
            f"{path}: no file {known}, {_PUBLISHED.format(part=part)}: give the folder of TyDi QA GoldP, part train or dev"
        )
    if len(found) > 1 or len(forms[0]) > 1:
        raise ValueError(f"{path}: {found[0][0].name} and {found[-1][-1].name} both hold part {part}: keep one of the two")
    if forms[0]:
        return f"tydiqa-{part}", _wanted(_by_language(forms[0][0]), languages, path)
    files = {_code(file): file for file in found[0]}
    tags = {tag: files[code] for code, tag in tag_of_each(files, f"{path}, names of files").items()}
    return f"tydiqa-{part}", {tag: read_paragraphs(tags[tag]) for tag in sorted(chosen_tags(languages, tags, path))}


def _wanted(found: dict[str, list[Paragraph]], languages: Sequence[str] | None, place: Path) -> dict[str, list[Paragraph]]:
    return {tag: found[tag] for tag in sorted(chosen_tags(languages, found, place))}


def _code(file: Path) -> str:
    """The language that a file's name has, in the name's own form."""
    first, second, third, *_ = *file.name.split("."), ""
    return third if (first, second) == ("tydiqa", "goldp") else file.name.partition("_tydiqa_")[0]


def _by_language(path: Path) -> dict[str, list[Paragraph]]:
    """Paragraphs with their questions of one language, by tag; a paragraph without a question has none and is left out."""
    found: dict[str, list[Paragraph]] = {}
    for paragraph in read_paragraphs(path):
        asked: dict[str, list] = {}
        for question in paragraph.questions:
            try:
                tag = language_tag(question.question_id.split("-")[0])
            except ValueError:
                raise ValueError(
                    f"{question.place}: id {question.question_id!r} does not begin with a language (as 'korean-1-0' does): "
                    "write squad:<file>?language=… for a file in one language"
                ) from None
            asked.setdefault(tag, []).append(question)
        for tag, questions in asked.items():
            found.setdefault(tag, []).append(replace(paragraph, questions=tuple(questions)))
    return found
