"""The kit's own tables: a corpus as one ``.jsonl`` or ``.parquet`` file, a task as a folder of them."""

from __future__ import annotations

from pathlib import Path

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.pools import pooled


def corpus(path: str | Path) -> ParallelCorpus:
    """Read what ``ParallelCorpus.write`` wrote, or a file of that form; errors as there."""
    return ParallelCorpus.read(path)


def task(folder: str | Path) -> RetrievalTask:
    """Read what ``RetrievalTask.write`` wrote, or a folder of that form; errors as there.

    Candidates of one language and text are one, and a query is not ranked against itself (``kit.data.pools``).
    """
    return pooled(RetrievalTask.read(folder), str(folder))
