"""Ranked lists side by side, as HTML with the direction of each text, or as plain text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from kit.evaluate.index import Hit
from kit.show.plots.style import language_colour
from kit.show.plots.text import clean

_MARK = "✓"
_LANGUAGE, _TEXT = "language", "text"
_DOT = (
    '<span style="display: inline-block; width: .7em; height: .7em; border-radius: 50%; border: 1px solid #888; '
    'background: {}"></span>'
)


class ResultLists:
    """The lists that several models give for one question; versions of the answer are marked.

    Args:
        question: what was asked.
        lists: by model.
        note: a line on the question, above the lists.
        places: by model, the same candidates in the same order, wherever in the list they stand; below the lists.
        title: of the places: what these candidates are.

    >>> ResultLists("Who?", {"mine": [Hit(1, "de", 0.5, "Er.", True)]})
    Who?
    mine
      1 ✓ de  0.500  Er.
    """

    def __init__(
        self,
        question: str,
        lists: Mapping[str, Sequence[Hit]],
        note: str = "",
        places: Mapping[str, Sequence[Hit]] | None = None,
        title: str = "",
    ) -> None:
        self.question, self.lists, self.note = question, dict(lists), note
        self.places, self.title = dict(places or {}), title

    def _repr_html_(self) -> str:
        width = 100 // max(1, len(self.lists))
        parts = "".join(
            f'<td style="vertical-align: top; text-align: start; width: {width}%">{_list_html(name, hits)}</td>'
            for name, hits in self.lists.items()
        )
        question = html.escape(clean(self.question))
        note = f"<p>{html.escape(clean(self.note))}</p>" if self.note else ""
        lists = f'<table style="width: 100%; table-layout: fixed"><tr>{parts}</tr></table>'
        return f'<p dir="auto"><b>{question}</b></p>{note}{lists}{self._places_html()}'

    def __repr__(self) -> str:
        lines = [clean(self.question), *([clean(self.note)] if self.note else [])]
        for name, hits in self.lists.items():
            lines.append(clean(name))
            lines += [f"{hit.rank:>3} {_mark(hit)} {hit.language}  {hit.score:.3f}  {clean(hit.text)}" for hit in hits]
        if self._rows():
            lines.append(f"{clean(self.title)}: rank in {', '.join(map(clean, self.places))}")
            lines += [
                f"{' '.join(f'{hit.rank:>6,}' for hit in row)} {_mark(row[0])} {row[0].language}  {clean(row[0].text)}"
                for row in self._rows()
            ]
        return "\n".join(lines)

    def _rows(self) -> list[tuple[Hit, ...]]:
        """The hits of each candidate, one a model."""
        return list(zip(*self.places.values()))

    def _places_html(self) -> str:
        if not self._rows():
            return ""
        heads = _heads([*(f"rank in {clean(name)}" for name in self.places), _LANGUAGE, _TEXT])
        rows = "".join(
            "<tr>"
            + "".join(f'<td style="text-align: right">{hit.rank:,}</td>' for hit in row)
            + f"{_language_html(row[0])}{_text_html(row[0])}</tr>"
            for row in self._rows()
        )
        caption = f'<caption style="text-align: start"><b>{html.escape(clean(self.title))}</b></caption>'
        return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _heads(names: Sequence[str]) -> str:
    """Names of columns, each over what it names: texts begin where they are read, numbers end at the right."""
    side = {name: "start" if name in (_LANGUAGE, _TEXT) else "right" for name in names}
    return "".join(f'<th style="text-align: {side[name]}">{html.escape(name)}</th>' for name in names)


def _mark(hit: Hit) -> str:
    return _MARK if hit.is_answer else " "


def _list_html(name: str, hits: Sequence[Hit]) -> str:
    n_answers = sum(hit.is_answer for hit in hits)
    found = f"; versions of the answer: {n_answers} of the first {len(hits)}" if n_answers else ""
    rows = "".join(_row(hit) for hit in hits)
    return (
        '<table style="width: 100%; table-layout: auto">'
        f'<caption style="text-align: start"><b>{html.escape(clean(name))}</b>{found}</caption>'
        f"<thead><tr>{_heads(['rank', _LANGUAGE, 'score', _TEXT])}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(hit: Hit) -> str:
    mark = f' title="a version of the answer">{_MARK} ' if hit.is_answer else ">"
    return (
        f'<tr><td style="text-align: right; white-space: nowrap"{mark}{hit.rank}</td>'
        f'{_language_html(hit)}<td style="text-align: right">{hit.score:.3f}</td>{_text_html(hit)}</tr>'
    )


def _language_html(hit: Hit) -> str:
    return (
        f'<td style="text-align: start; white-space: nowrap">{_DOT.format(language_colour(hit.language))} '
        f"{html.escape(clean(hit.language))}</td>"
    )


def _text_html(hit: Hit) -> str:
    weight = "font-weight: bold; " if hit.is_answer else ""
    return f'<td dir="auto" style="{weight}text-align: start; overflow-wrap: anywhere">{html.escape(clean(hit.text))}</td>'
