"""What is printed: numbers, and small tables as plain text, as Markdown and, in a notebook, as HTML."""

from __future__ import annotations

import codecs
import html
import io
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TextIO, TypeGuard

MISSING = "–"
"""Stands where there is no number."""


# Controls, and what is invisible or turns the direction of text; joiners (U+200C, U+200D) are part of the spelling of words.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_ASCII = {
    "±": "+-",
    "−": "-",
    "–": "-",
    "…": "...",
    "·": "*",
    "⟨": "<",
    "⟩": ">",
    "↔": "<->",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
}


def visible(text: str) -> str:
    r"""A text of data or of an error whose control characters are written out, so that none acts on who shows it.

    Line ends and tabs stay.

    >>> print(visible("a\x1b[2Jb\u202ec"))
    a⟨U+001B⟩[2Jb⟨U+202E⟩c
    """
    return _CONTROLS.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def say(text: object, file: TextIO | None = None) -> None:
    """Print a line, or lines, at once: what all logs are by default; ``visible`` whatever stands in it."""
    print(visible(str(text)), file=file, flush=True)


def spell_out(stream: TextIO) -> None:
    """Let a stream whose encoding lacks a character print another one: ``+-`` for ``±``, an escape where there is none."""
    codecs.register_error("kit", _spelled)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="kit")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end


def near(name: str, known: Iterable[str]) -> str:
    """What ends a message on a name that is not known: the known one that is most like it, if one is.

    >>> near("hybird", ["X-Y", "hybrid"]), near("q", ["X-Y"])
    (" (did you mean 'hybrid'?)", '')
    """
    import difflib  # only a mistake needs it

    found = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def number(value: float | None, digits: int, sign: str = "", plain: bool = False) -> str:
    """A number with so many digits after the point; zero has no sign, and ``MISSING`` stands for ``None`` and NaN.

    Args:
        sign: ``+`` writes it before positive numbers, too.
        plain: as programs read it, without commas between thousands and with a hyphen for a minus.

    >>> number(-16592.4, 0), number(0.0136, 3, "+"), number(-1234.5, 1, plain=True), number(-0.0001, 3)
    ('−16,592', '+0.014', '-1234.5', '0.000')
    """
    if value is None or math.isnan(value):
        return MISSING
    text = f"{round(value, digits) + 0.0:{sign}{'' if plain else ','}.{digits}f}"  # adding 0 turns -0 into 0
    text = text if text.strip("+0.") else text.removeprefix("+")
    return text if plain else text.replace("-", "−")


def estimate(mean: float | None, deviation: float | None, digits: int) -> str:
    """``mean ± deviation``, the mean alone where there is no deviation.

    >>> estimate(0.75, 0.0312, 3), estimate(0.75, None, 3)
    ('0.750 ± 0.031', '0.750')
    """
    text, spread = (number(value, digits) for value in (mean, deviation))
    return text if MISSING in (text, spread) else f"{text} ± {spread}"


def span(low: float | None, high: float | None, digits: int, sign: str = "") -> str:
    """Both ends of an interval.

    >>> span(0.5, 0.75, 2)
    '0.50 to 0.75'
    """
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"


class Table:
    """A small table: HTML in a notebook, aligned text elsewhere. Texts are escaped and find their own direction.

    Control characters in them are written out (``visible``), and a line end is a blank.

    Whole numbers get commas between thousands, other numbers three digits after the point below 10 and none above.

    Args:
        rows: cells by the name of their column, the same columns in every row.
        numeric: columns that stand right; default: those that hold a number.
        bold: cells that stand out in a notebook, as row (from 0) and column.

    >>> print(Table([{"language": "de", "facts": 3}]))
    language  facts
    de            3
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, object]],
        numeric: Collection[str] | None = None,
        bold: Collection[tuple[int, str]] = (),
    ) -> None:
        self.rows = [{_line(name): _cell(value) for name, value in row.items()} for row in rows]
        self.names = list(self.rows[0]) if self.rows else []
        found = {name for row in rows for name, value in row.items() if _is_number(value)}
        self.numeric = set(map(_line, found if numeric is None else numeric))
        self.bold = {(row, _line(name)) for row, name in bold}

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="{self._align(name)}">{html.escape(name)}</th>' for name in self.names)
        body = "".join(
            f"<tr>{''.join(self._html_cell(place, name) for name in self.names)}</tr>" for place in range(len(self.rows))
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_cell(self, place: int, name: str) -> str:
        text = html.escape(self.rows[place][name])
        shown = f"<b>{text}</b>" if (place, name) in self.bold else text
        return f'<td dir="auto" style="{self._align(name)}">{shown}</td>'

    def _align(self, name: str) -> str:
        """Where a column stands, its head too, which front ends would else put elsewhere."""
        return f"text-align: {'right' if name in self.numeric else 'start'}"

    def __repr__(self) -> str:
        lines = [dict(zip(self.names, self.names)), *self.rows]
        widths = {name: max(len(line[name]) for line in lines) for name in self.names}
        aligned = [
            [row[name].rjust(widths[name]) if name in self.numeric else row[name].ljust(widths[name]) for name in self.names]
            for row in lines
        ]
        return "\n".join("  ".join(cells).rstrip() for cells in aligned)

    def markdown(self, rule: str = "---") -> str:
        r"""The table in Markdown; nothing where there is no row. ``rule`` is what stands under each head.

        >>> print(Table([{"a|b": "", "n": 1234}]).markdown())
        | a\|b | n |
        |---|---|
        | | 1,234 |
        """
        if not self.rows:
            return ""
        head, *rows = ["|" + "".join(map(_markdown_cell, cells)) for cells in (self.names, *map(dict.values, self.rows))]
        return "\n".join([head, f"|{rule}" * len(self.names) + "|", *rows])


def _markdown_cell(text: str) -> str:
    return " {} |".format(text.replace("|", "\\|")) if text else " |"


def _cell(value: object) -> str:
    if not _is_number(value):
        return _line(str(value))
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.3f}" if abs(float(value)) < 10 else f"{value:,.0f}"


def _line(text: str) -> str:
    """A text in one line of a table."""
    return visible(re.sub(r"\s*\n\s*", " ", text))


def _is_number(value: object) -> TypeGuard[Real]:
    """Whether a value is a number of Python or NumPy; ``True`` is a word."""
    return isinstance(value, Real) and not isinstance(value, bool)
