"""Ranked lists side by side, as HTML with the direction of each text, or as plain text."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from kit.evaluate.index import Hit
from kit.show.plots.style import language_colour
from kit.show.plots.text import clean

_MARK = "✓"
_DOT = (
    '<span style="display: inline-block; width: .7em; height: .7em; border-radius: 50%; border: 1px solid #888; '
    'background: {}"></span>'
)


class ResultLists:
    """The lists that several models give for one question; versions of the answer are marked.

    >>> ResultLists("Who?", {"mine": [Hit(1, "de", 0.5, "Er.", True)]})
    Who?
    mine
      1 ✓ de  0.500  Er.
    """

    def __init__(self, question: str, lists: Mapping[str, Sequence[Hit]]) -> None:
        self.question, self.lists = question, dict(lists)

    def _repr_html_(self) -> str:
        width = 100 // max(1, len(self.lists))
        parts = "".join(
            f'<td style="vertical-align: top; text-align: start; width: {width}%">{_list_html(name, hits)}</td>'
            for name, hits in self.lists.items()
        )
        question = html.escape(clean(self.question))
        return f'<p dir="auto"><b>{question}</b></p><table style="width: 100%; table-layout: fixed"><tr>{parts}</tr></table>'

    def __repr__(self) -> str:
        lines = [clean(self.question)]
        for name, hits in self.lists.items():
            lines.append(clean(name))
            lines += [
                f"{hit.rank:>3} {_MARK if hit.is_answer else ' '} {hit.language}  {hit.score:.3f}  {clean(hit.text)}"
                for hit in hits
            ]
        return "\n".join(lines)


def _list_html(name: str, hits: Sequence[Hit]) -> str:
    n_answers = sum(hit.is_answer for hit in hits)
    found = f"; versions of the answer: {n_answers} of the first {len(hits)}" if n_answers else ""
    rows = "".join(_row(hit) for hit in hits)
    places = {"rank": "right", "language": "start", "score": "right", "text": "start"}
    heads = "".join(f'<th style="text-align: {place}">{head}</th>' for head, place in places.items())
    return (
        '<table style="width: 100%; table-layout: auto">'
        f'<caption style="text-align: start"><b>{html.escape(clean(name))}</b>{found}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(hit: Hit) -> str:
    mark = f' title="a version of the answer">{_MARK} ' if hit.is_answer else ">"
    weight = "font-weight: bold; " if hit.is_answer else ""
    return (
        f'<tr><td style="text-align: right; white-space: nowrap"{mark}{hit.rank}</td>'
        f'<td style="text-align: start; white-space: nowrap">{_DOT.format(language_colour(hit.language))} '
        f'{html.escape(clean(hit.language))}</td><td style="text-align: right">{hit.score:.3f}</td>'
        f'<td dir="auto" style="{weight}text-align: start; overflow-wrap: anywhere">{html.escape(clean(hit.text))}</td></tr>'
    )
