"""Tables with texts in any script, and figures: shown in a notebook, written as data, drawn as pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.tables import whole_file

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Table:
    """A small table: HTML in a notebook, aligned text elsewhere. Texts are escaped and find their own direction.

    >>> print(Table([{"language": "de", "facts": 3}]))
    language  facts
    de            3
    """

    def __init__(self, rows: Sequence[dict]):
        self.rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
        self.numeric = {name for row in rows for name, value in row.items() if _is_number(value)}

    def _repr_html_(self) -> str:
        names = list(self.rows[0]) if self.rows else []
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(self._html_cell(name, row[name]) for name in names) + "</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_cell(self, name: str, text: str) -> str:
        align = "right" if name in self.numeric else "start"
        return f'<td dir="auto" style="text-align: {align}">{html.escape(text)}</td>'

    def __repr__(self) -> str:
        names = list(self.rows[0]) if self.rows else []
        widths = {name: max(len(name), *(len(row[name]) for row in self.rows)) for name in names}
        lines = [dict(zip(names, names)), *self.rows]
        return "\n".join(
            "  ".join(
                line[name].rjust(widths[name]) if name in self.numeric else line[name].ljust(widths[name]) for name in names
            ).rstrip()
            for line in lines
        )


def _cell(value: object) -> str:
    if not _is_number(value):
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}"


def _is_number(value: object) -> bool:
    """Whether a value is a number of Python or NumPy; ``True`` is a word."""
    return isinstance(value, Real) and not isinstance(value, bool)


def show(figure: go.Figure) -> None:
    """Display a figure in a notebook as plotly data alone, so that what is stored stays small; its title is the fallback."""
    from IPython.display import display

    display(mime_bundle(figure), raw=True)


def mime_bundle(content: go.Figure | object) -> dict[str, object]:
    """What a front end needs to show a figure, or anything with ``_repr_html_``: data by MIME type."""
    if hasattr(content, "to_plotly_json"):
        title = content.layout.title.text or "figure"
        return {"application/vnd.plotly.v1+json": content.to_plotly_json(), "text/plain": f"[figure: {title}]"}
    return {"text/html": content._repr_html_(), "text/plain": repr(content)}


def write_figures(figures: Mapping[str, go.Figure], folder: str | Path) -> list[Path]:
    """Write each figure as plotly data, ``<name>.json``; figures that stand in the folder already are removed.

    Returns:
        The files, in the order given.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in [path for ending in ("html", "js", "json", "png") for path in folder.glob(f"*.{ending}")]:
        earlier.unlink()  # a figure of an earlier run must not pass for one of this
    written = []
    for name, figure in figures.items():
        written.append(folder / f"{name}.json")
        with whole_file(written[-1]) as partial:
            partial.write_text(figure.to_json() + "\n", encoding="utf-8")
    return written


def picture(figure: go.Figure) -> bytes:
    """A figure as PNG in its own size.

    Raises:
        ValueError: kaleido or a browser is missing.
    """
    try:
        return figure.to_image(format="png", scale=1.5)
    except (RuntimeError, ValueError, ImportError) as error:
        raise ValueError(
            f"a figure cannot be drawn ({str(error)[:200]}): install kaleido (pip install -e '.[dev]') and "
            "Chrome or Chromium"
        ) from error
