"""SciFact in BEIR's form on the hub: its judgements are JSONL there, and BEIR's own reader takes tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kit.core.tables import json_lines


def judgements(folder: Path, split: str) -> Iterator[dict]:
    """Rows of ``qrels/<split>.tsv``.

    Args:
        folder: holds ``qrels/<split>.jsonl``.
        split: ``train`` or ``test``.

    Raises:
        ValueError: a line that is no judgement.
    """
    path = folder / "qrels" / f"{split}.jsonl"
    for line, row in enumerate(json_lines(path), start=1):
        if missing := [name for name in ("query-id", "corpus-id", "score") if name not in row]:
            raise ValueError(f"{path}, line {line}: field {missing[0]!r} is missing: download it again")
        yield {"query-id": row["query-id"], "corpus-id": row["corpus-id"], "score": int(row["score"])}


train, test = (partial(judgements, split=split) for split in ("train", "test"))
