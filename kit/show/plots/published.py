"""The figure of a reproduction: what a paper printed and what a run measured, language by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from kit.show.plots.style import (
    QUIET,
    finish,
    legend_below,
    model_colours,
    panel_at,
    panel_grid,
)
from kit.show.plots.text import labels, plain, spoken

if TYPE_CHECKING:
    from kit.compare.published.beside import Mark
    from kit.show.plots.style import Spot

_ROW, _APART = 34, 0.56  # pixels of a row; the share of it over which its series are spread
_PAPER, _OWN = "diamond-open", "circle"


def beside_chart(panels: Mapping[str, Sequence[Mark]], title: str) -> go.Figure:
    """A panel a score, a row a language: the paper's number (open diamond) joined with the run's (dot, 95 % interval).

    Rows stand in the order of the first panel.

    Args:
        panels: by title; the same rows and series in all.
        title: of the figure, plain text.

    Raises:
        ValueError: no panel, or one without a mark.
    """
    if not panels or not all(panels.values()):
        raise ValueError(f"panels hold {[len(marks) for marks in panels.values()]} marks: give at least one in each")
    first = next(iter(panels.values()))
    rows, series = list(dict.fromkeys(mark.row for mark in first)), list(dict.fromkeys(mark.series for mark in first))
    titles, height = list(panels), max(150, _ROW * len(rows))
    figure, height = panel_grid(titles, len(titles), height, shared_yaxes=True, horizontal_spacing=0.025)
    colours, names = model_colours(series), labels(series, 40)
    for number, marks in enumerate(panels.values()):
        for place, one in enumerate(series):
            offset = _APART * (0.5 - (place + 0.5) / len(series))
            mine = [mark for mark in marks if mark.series == one]
            heights = [len(rows) - 1 - rows.index(mark.row) + offset for mark in mine]
            _add(figure, mine, heights, names[one], colours[one], panel_at(number, len(titles)))
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [plain(row) for row in rows[::-1]], "tickfont_size": 12}
    figure.update_yaxes(**ticks, range=[-0.6, len(rows) - 0.4], showgrid=False, zeroline=False)
    figure.update_xaxes(nticks=5, tickfont_size=11, zerolinecolor=QUIET, zerolinewidth=1.5)
    legend = {f"{names[one]}, here": (colours[one], _OWN) for one in series} | {"the paper": (QUIET, _PAPER)}
    for label, (colour, symbol) in legend.items():
        marker = {"color": colour, "symbol": symbol, "size": 9}
        figure.add_scatter(x=[None], y=[0], mode="markers", marker=marker, name=label, **panel_at(0, len(titles)))
    return finish(figure, plain(title, 95), height, _alt(panels), bottom=legend_below(figure, list(legend)))


def _add(figure: go.Figure, marks: Sequence[Mark], heights: Sequence[float], name: str, colour: str, spot: Spot) -> None:
    """The marks of one series in one panel, each pair joined by a line."""
    joined = [value for mark in marks for value in (mark.paper, mark.value, None)]
    at = [value for height in heights for value in (height, height, None)]
    line = {"color": colour, "width": 1.2}
    figure.add_scatter(x=joined, y=at, mode="lines", line=line, opacity=0.5, hoverinfo="skip", showlegend=False, **spot)
    ends = {"array": [mark.high - mark.value for mark in marks], "arrayminus": [mark.value - mark.low for mark in marks]}
    for kind, values, symbol, bars in (
        ("the paper", [mark.paper for mark in marks], _PAPER, None),
        ("here", [mark.value for mark in marks], _OWN, ends | {"thickness": 2, "width": 3}),
    ):
        figure.add_scatter(
            x=values,
            y=heights,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
            error_x=bars,
            showlegend=False,
            customdata=[plain(mark.row) for mark in marks],
            hovertemplate=f"%{{customdata}}, {name}, {kind}: %{{x:.4g}}<extra></extra>",
            **spot,
        )


def _alt(panels: Mapping[str, Sequence[Mark]]) -> str:
    parts = []
    for title, marks in panels.items():
        both = [mark for mark in marks if not isnan(mark.value)]
        apart = np.abs([mark.value - mark.paper for mark in both])
        if both:
            far = both[int(apart.argmax())]
            parts.append(
                f"{spoken(title)}: {apart.mean():.3g} apart on average, most for {spoken(far.series)} in {spoken(far.row)}"
                f" ({far.paper:.3g} printed, {far.value:.3g} here)"
            )
    return f"What was printed and what a run has: {'; '.join(parts) or 'the run has nothing'}."
