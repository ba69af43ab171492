"""A part of a task, for a first look: some languages, some questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from kit.core.languages import language_tag
from kit.data.corpus import RetrievalTask


def part_of(task: RetrievalTask, languages: Sequence[str] = (), n_groups: int = 0) -> RetrievalTask:
    """A part of a task for a first look; its name says which. Scores rise as the pool of candidates shrinks.

    Args:
        languages: queries and candidates in these only; none: all. Whatever ``kit.core.languages.language_tag`` knows.
        n_groups: queries of so many groups, their relevant candidates and, if there are, twice as many others, chosen by
            hashes; 0, or more than there are: all.

    Raises:
        ValueError: a language that the task lacks; nothing is left.
    """
    if languages:
        task = _in_languages(task, sorted({language_tag(one) for one in languages}))
    n_all = len(pc.unique(task.queries.column("group_id")))
    if not 0 < n_groups < n_all:
        return task
    n_relevant = len(task.sample(n_groups, 0).candidates)
    part = task.sample(n_groups, 3 * n_relevant)
    return replace(part, notes=task.notes, name=f"{task.name}, {n_groups:,} of {n_all:,} questions")


def _in_languages(task: RetrievalTask, languages: list[str]) -> RetrievalTask:
    absent = sorted(set(languages) - set(task.languages))
    if absent:
        raise ValueError(f"{task.name} has no {', '.join(absent)}: choose among {', '.join(task.languages)}")
    wanted = pa.array(languages, pa.string())
    queries, candidates = (
        table.filter(pc.is_in(table.column("language"), value_set=wanted)) for table in (task.queries, task.candidates)
    )
    relevance = task.relevance
    for name, table in (("query_id", queries), ("candidate_id", candidates)):
        relevance = relevance.filter(pc.is_in(relevance.column(name), value_set=table.column(name).combine_chunks()))
    answered = pc.is_in(queries.column("query_id"), value_set=pc.unique(relevance.column("query_id")))
    queries = queries.filter(answered)
    if not len(queries):
        raise ValueError(f"{task.name} has no question with an answer in {', '.join(languages)}: choose other languages")
    name = f"{task.name}, {' '.join(languages)} of {len(task.languages)} languages"
    return replace(
        task, name=name, languages=tuple(languages), queries=queries, candidates=candidates, relevance=relevance, places=None
    )
