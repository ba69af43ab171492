"""Sentences of two languages: aligned rows, and BUCC's one row of two lists with distractors in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kit.data.hub.layouts import Layout
from kit.data.hub.raw import Raw

_FIELDS = {"source": "sentence1", "target": "sentence2"}


def _aligned_side(side: str) -> Callable[[Raw], Iterator[dict]]:
    def rows(raw: Raw) -> Iterator[dict]:
        for number, row in enumerate(raw.rows("rows", *_FIELDS.values()), start=1):
            yield {"sentence_id": f"{side}-{number}", "text": row[_FIELDS[side]]}

    return rows


def _aligned_gold(raw: Raw) -> Iterator[dict]:
    for number, _ in enumerate(raw.rows("rows", *_FIELDS.values()), start=1):
        yield {"source_id": f"source-{number}", "target_id": f"target-{number}"}


def _listed(raw: Raw) -> dict:
    """The one row of BUCC's table."""
    rows = list(raw.rows("rows", *_FIELDS.values(), "gold"))
    if len(rows) != 1:
        raise ValueError(f"set {raw.entry.id!r}, {raw.language}: expected one row of lists, got {len(rows)} rows")
    return rows[0]


def _listed_side(side: str) -> Callable[[Raw], Iterator[dict]]:
    def rows(raw: Raw) -> Iterator[dict]:
        for number, text in enumerate(_listed(raw)[_FIELDS[side]], start=1):
            yield {"sentence_id": f"{side}-{number}", "text": text}

    return rows


def _listed_gold(raw: Raw) -> Iterator[dict]:
    """Pairs of places that count from 1."""
    row = _listed(raw)
    ends = tuple(len(row[field]) for field in _FIELDS.values())
    for source, target in row["gold"]:
        if not (1 <= source <= ends[0] and 1 <= target <= ends[1]):
            raise ValueError(
                f"set {raw.entry.id!r}, {raw.language}: gold {[source, target]}: expected places from 1 to {ends[0]} and "
                f"{ends[1]}"
            )
        yield {"source_id": f"source-{source}", "target_id": f"target-{target}"}


LAYOUTS = {
    "aligned": Layout(
        {"source": _aligned_side("source"), "target": _aligned_side("target"), "gold": _aligned_gold}, shared={}
    ),
    "listed": Layout({"source": _listed_side("source"), "target": _listed_side("target"), "gold": _listed_gold}, shared={}),
}
