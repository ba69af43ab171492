"""Tests whose questions are translated by a machine. They are noisy: a wrong translation counts against the retriever."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence

from kit.augment.folders import alone, whole_folder
from kit.augment.translator import Translator
from kit.config import fingerprint
from kit.corpus import RetrievalTask
from kit.paths import cache, root


def translated_task(
    task: RetrievalTask, translator: Translator, targets: Sequence[str], source: str | None = None
) -> RetrievalTask:
    """Ask the questions of a task in other languages, of the same passages: a synthetic test across languages.

    The original questions are not in it, nor are candidates that are not in a language of a question. A translated question
    keeps its group, so that it is known to be the same question; its id is ``<id> (<target>)``. A blank translation leaves
    the question out, with a warning: it is as hard as no question.

    Args:
        task: whose questions are translated; each into every target but its own language.
        targets: tags, each once; at least one.
        source: only questions in this language; ``None``: in any.

    Raises:
        ValueError: no target, one twice, or no question left; a pair that the translator does not know.
    """
    if isinstance(targets, str) or not targets or len(set(targets)) < len(targets):
        raise ValueError(f"targets is {targets!r}: give a list of at least one language, each once")
    asked = [row for row in task.queries.to_pylist() if source in (None, row["language"])]
    queries, n_blank, origin = [], 0, {}
    for language in sorted({row["language"] for row in asked}):
        own = [row for row in asked if row["language"] == language]
        for target in targets:
            if target == language:
                continue
            made = translator.translate([row["text"] for row in own], language, target)
            for row, text in zip(own, made):
                n_blank += not text.strip()
                if text.strip():
                    query_id = f"{row['query_id']} ({target})"
                    origin.setdefault(row["query_id"], []).append(query_id)
                    queries.append(row | {"query_id": query_id, "language": target, "text": text})
    if not queries:
        raise ValueError(f"{task.name}: no question is left in {', '.join(targets)}: choose other targets or another source")
    if n_blank:
        warnings.warn(f"{n_blank} translated questions are blank and left out", stacklevel=2)
    languages = {row["language"] for row in asked}
    candidates = [row for row in task.candidates.to_pylist() if row["language"] in languages]
    known = {row["candidate_id"] for row in candidates}
    relevance = [
        row | {"query_id": query_id}
        for row in task.relevance.to_pylist()
        if row["candidate_id"] in known
        for query_id in origin.get(row["query_id"], ())
    ]
    return RetrievalTask.from_rows(f"{task.name}, translated questions (synthetic)", queries, candidates, relevance)


def keep_task(task: RetrievalTask) -> str:
    """Keep a task that was made here, such as a translated one, and name it as a source, so that every arm is judged on it.

    The folder is called by its content: the same task is kept once, and another one never takes its place.
    """
    parts = (task.queries, task.candidates, task.relevance)
    content = [task.name, list(task.languages), *(part.to_pylist() for part in parts)]
    folder = cache() / "tasks" / fingerprint(content)
    with alone(folder):
        if not (folder / "task.json").is_file():
            shutil.rmtree(folder, ignore_errors=True)  # half a folder of an earlier version of this function
            with whole_folder(folder) as partial:
                task.write(partial)
    return f"jsonl:{folder.relative_to(root()).as_posix()}"
