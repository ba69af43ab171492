"""TyDi QA GoldP (Clark et al. 2020) as files by language: questions asked in nine languages, never translated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.core.languages import language_tag
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.sources import squad


def corpus(folder: str | Path, part: str = "train", languages: Sequence[str] | None = None) -> ParallelCorpus:
    """Read one part as training data: one group a question, its passage the paragraph. No question is parallel to another.

    Args:
        folder: holds ``<language>_tydiqa_<part>.json``, SQuAD-style, the language by its English name.
        part: ``train`` or ``dev``.
        languages: tags; ``None``: all that the folder has.

    Raises:
        ValueError: no such folder, part or language, or what ``kit.data.sources.squad`` refuses.

    >>> corpus("tydiqa", languages=["en", "sw"]).languages  # doctest: +SKIP
    ('en', 'sw')
    """
    tables = [squad.corpus(path, tag).table.to_pylist() for tag, path in _files(folder, part, languages)]
    return ParallelCorpus.from_rows(
        (row | {"cluster_id": "", "source": "tydiqa"} for table in tables for row in table), f"tydiqa-{part}"
    )


def task(folder: str | Path, part: str = "dev", languages: Sequence[str] | None = None) -> RetrievalTask:
    """Read one part as a task: each question against the paragraphs of the part; relevant is its own paragraph.

    There are cells within a language only, since no question has an answer in another one. Arguments and errors as in
    ``corpus``.
    """
    parts = [squad.task(path, tag) for tag, path in _files(folder, part, languages)]
    rows = {name: [row for part in parts for row in getattr(part, name).to_pylist()] for name in _TABLES}
    return RetrievalTask.from_rows(f"tydiqa-{part}", **rows)


_TABLES = ("queries", "candidates", "relevance")


def _files(folder: str | Path, part: str, languages: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Tag and file of each language of a part, by tag."""
    ending = f"_tydiqa_{part}.json"
    found = sorted((language_tag(path.name.removesuffix(ending)), path) for path in Path(folder).glob(f"*{ending}"))
    if not found:
        raise ValueError(f"{folder}: no file <language>{ending}: give the folder of TyDi QA GoldP, and part train or dev")
    known = [tag for tag, _ in found]
    if strange := [tag for tag in languages or () if tag not in known]:
        raise ValueError(f"{folder}: no language {strange[0]!r} in part {part}: choose from {', '.join(known)}")
    return [(tag, path) for tag, path in found if languages is None or tag in languages]
