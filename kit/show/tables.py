"""Tables and figures: shown in a notebook, written as data, drawn as pictures."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from kit.core.files import whole_file
from kit.core.printing import Table, estimate, visible
from kit.core.records import without_nan

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Folded", "Table", "best_table", "mime_bundle", "picture", "score_table", "show", "write_figures"]


def show(figure: go.Figure) -> None:
    """Display a figure in a notebook as plotly data alone, so that what is stored stays small; its title is the fallback."""
    from IPython.display import display

    display(mime_bundle(figure), raw=True)


def score_table(table: Mapping[str, Mapping[str, tuple[float, float]]], head: str = "model") -> Table:
    """Scores as ``Results.headline``, ``table`` and ``bias_table`` give them: a row a model, the best of a column in bold.

    An arrow behind the name of a column says which direction is better; a column whose fair value is chance has none, and no
    best either, as one where several lead or no score is defined. The row of a random ranking takes no part.

    Args:
        table: mean and standard deviation over seeds (NaN for one seed) by model and column.
        head: what the models are called.
    """
    from kit.compare.columns import DIGITS
    from kit.show.report.grids import FAIR, best_model

    scored = {model: without_nan(row) for model, row in table.items() if model != "random ranking"}
    rows: list[dict[str, object]] = [{head: model} for model in table]
    bold = []
    for column in next(iter(table.values()), {}):
        arrow = {"high": " ↑", "low": " ↓", "chance": ""}[FAIR.get(column, "high")]
        for row, scores in zip(rows, table.values()):
            row[column + arrow] = estimate(*scores[column], DIGITS[column])
        if best := best_model(scored, column):
            bold.append((list(table).index(best), column + arrow))
    return Table(rows, numeric=list(rows[0])[1:] if rows else (), bold=bold)


def best_table(
    rows: Sequence[Mapping[str, object]], high: Collection[str] = (), low: Collection[str] = (), within: str | None = None
) -> Table:
    """Rows as they are, the best of a column in bold, and an arrow behind its name that says which direction is better.

    Numbers are compared as they are printed, so that two which look alike leave no best, as one number alone does. A cell
    with an interval counts as the number that it begins with; one that begins with none takes no part.

    Args:
        high: columns of which the highest number is best.
        low: columns of which the lowest is.
        within: a column: rows that are equal in it are compared with each other only; ``None``: all rows are.

    >>> best_table([{"arm": "a", "drop": "0.2 [0.1 to 0.3]"}, {"arm": "b", "drop": 0.1}], low=["drop"]).bold
    {(1, 'drop ↓')}
    """
    arrows = {name: f"{name} ↑" for name in high} | {name: f"{name} ↓" for name in low}
    table = Table([{arrows.get(name, name): value for name, value in row.items()} for row in rows])
    table.numeric |= {arrow for arrow in arrows.values() if arrow in table.names}
    alike: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault(row[within] if within else None, []).append(place)
    for name, arrow in arrows.items():
        for places in alike.values() if arrow in table.names else ():
            found = {place: _leading_number(table.rows[place][arrow]) for place in places}
            numbers = sorted(one for one in found.values() if one is not None)
            if len(numbers) > 1 and numbers[0] != numbers[-1]:
                best = numbers[-1] if name in high else numbers[0]
                leaders = [place for place, one in found.items() if one == best]
                table.bold |= {(place, arrow) for place in leaders if len(leaders) == 1}
    return table


def _leading_number(text: str) -> float | None:
    """The number that a cell begins with, as ``Table`` prints it."""
    found = re.match(r"[+−-]?[\d,]*\.?\d+", text)
    return float(found[0].replace(",", "").replace("−", "-")) if found else None


class Html(Protocol):
    """Anything that a notebook shows as HTML."""

    def _repr_html_(self) -> str: ...


@runtime_checkable
class Plotly(Protocol):
    """A figure, known without an import of plotly."""

    layout: Any

    def to_plotly_json(self) -> dict: ...


class Folded:
    """Tables under lines that open them, so that many stand in little room; as text they are whole.

    Args:
        tables: by the line above each.
        opened: whether they are open at first.
    """

    def __init__(self, tables: Mapping[str, Table], opened: bool = False) -> None:
        self.tables, self.opened = dict(tables), opened

    def _repr_html_(self) -> str:
        start = "<details open>" if self.opened else "<details>"
        return "".join(
            f"{start}<summary>{html.escape(visible(line))}</summary>{table._repr_html_()}</details>"
            for line, table in self.tables.items()
        )

    def __repr__(self) -> str:
        return "\n\n".join(f"{visible(line)}\n{table!r}" for line, table in self.tables.items())


def mime_bundle(content: Plotly | Html) -> dict[str, object]:
    """What a front end needs to show a figure, or anything with ``_repr_html_``: data by MIME type."""
    if isinstance(content, Plotly):
        title = content.layout.title.text or "figure"
        from kit.show.plots.style import CONFIG

        data = content.to_plotly_json() | {"config": CONFIG}
        return {"application/vnd.plotly.v1+json": data, "text/plain": f"[figure: {title}]"}
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
            partial.write_text(f"{figure.to_json()}\n", encoding="utf-8")
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
