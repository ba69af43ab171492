"""tldr-pages: what a command does (the query) and examples of its use (the passage), in up to 17 languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.core.languages import chosen_tags, tag_of_each
from kit.core.seeding import stable_fraction
from kit.core.tables import json_lines
from kit.data.corpus import ParallelCorpus, RetrievalTask

TEST_SHARE = 0.3
"""Share of the pages that are the test: there are 801."""


def corpus(path: str | Path, part: str = "train", languages: Sequence[str] | None = None) -> ParallelCorpus:
    """Read one part as training data; a page is on one side in all languages, by a hash of its id.

    Args:
        path: a ``.jsonl`` or ``.jsonl.gz`` file with ``group_id``, ``domain``, and ``queries`` and ``passages`` by language.
        part: ``train``, ``test`` (three tenths of the pages), or ``all``.
        languages: tags, the file's own codes or English names; ``None``: all that occur.

    Raises:
        ValueError: no such file or part, a line that is not of that form or has one language twice, a language that does
            not occur, whatever ``ParallelCorpus`` refuses.

    >>> corpus("tldr.jsonl.gz", languages=["de", "en"]).languages  # doctest: +SKIP
    ('de', 'en')
    """
    if part not in ("train", "test", "all"):
        raise ValueError(f"part is {part!r}: choose train, test or all")
    rows, places = [], []
    for line, page in enumerate(json_lines(path), start=1):
        place = f"{path}, line {line}"
        _check(page, place)
        # The hash is not the one of ParallelCorpus.split, which would find nothing to hold out of what this one left.
        tested = stable_fraction(f"tldr {page['group_id']}") < TEST_SHARE
        if part == "all" or tested == (part == "test"):
            rows += _rows(page, place)
            places += [place] * len(page["queries"])
    found = ParallelCorpus.from_rows(rows, f"tldr-{part}", places.__getitem__)
    return found if languages is None else found.select(languages=chosen_tags(languages, found.languages, path))


def task(path: str | Path, part: str = "test", languages: Sequence[str] | None = None) -> RetrievalTask:
    """Read one part as a task: its descriptions against its examples; arguments and errors as in ``corpus``."""
    chosen = corpus(path, part, languages)
    return RetrievalTask.from_corpus(chosen, name=chosen.name)


def _check(page: dict, place: str) -> None:
    texts = [part for part in (page.get("queries"), page.get("passages")) if isinstance(part, dict) and part]
    if not isinstance(page.get("group_id"), str) or len(texts) < 2 or set(texts[0]) != set(texts[1]):
        raise ValueError(f"{place}: not of the form {{group_id, queries: {{language: text}}, passages: {{language: text}}}}")


def _rows(page: dict, place: str) -> list[dict]:
    return [
        {
            "group_id": page["group_id"],
            "language": tag,
            "query": page["queries"][language],
            "passage": page["passages"][language],
            "domain": page.get("domain", ""),
            "source": "tldr",
        }
        for language, tag in tag_of_each(page["queries"], place).items()
    ]
