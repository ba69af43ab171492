"""What is printed: numbers, and small tables as plain text, as Markdown and, in a notebook, as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import TypeGuard

MISSING = "–"
"""Stands where there is no number."""


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


def estimate(mean: float | None, deviation: float | None, digits: int, plain: bool = False) -> str:
    """``mean ± deviation``, the mean alone where there is no deviation.

    >>> estimate(0.75, 0.0312, 3), estimate(0.75, None, 3)
    ('0.750 ± 0.031', '0.750')
    """
    text, spread = (number(value, digits, plain=plain) for value in (mean, deviation))
    return text if MISSING in (text, spread) else f"{text} ± {spread}"


def span(low: float | None, high: float | None, digits: int, sign: str = "") -> str:
    """Both ends of an interval.

    >>> span(0.5, 0.75, 2)
    '0.50 to 0.75'
    """
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"


class Table:
    """A small table: HTML in a notebook, aligned text elsewhere. Texts are escaped and find their own direction.

    Whole numbers get commas between thousands, other numbers three digits after the point below 10 and none above.

    Args:
        rows: cells by the name of their column, the same columns in every row.
        numeric: columns that stand right; default: those that hold a number.

    >>> print(Table([{"language": "de", "facts": 3}]))
    language  facts
    de            3
    """

    def __init__(self, rows: Sequence[Mapping[str, object]], numeric: Collection[str] | None = None) -> None:
        self.rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
        self.names = list(self.rows[0]) if self.rows else []
        found = {name for row in rows for name, value in row.items() if _is_number(value)}
        self.numeric = found if numeric is None else set(numeric)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        body = "".join(f"<tr>{''.join(self._html_cell(name, row[name]) for name in self.names)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_cell(self, name: str, text: str) -> str:
        align = "right" if name in self.numeric else "start"
        return f'<td dir="auto" style="text-align: {align}">{html.escape(text)}</td>'

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
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.3f}" if abs(float(value)) < 10 else f"{value:,.0f}"


def _is_number(value: object) -> TypeGuard[Real]:
    """Whether a value is a number of Python or NumPy; ``True`` is a word."""
    return isinstance(value, Real) and not isinstance(value, bool)
