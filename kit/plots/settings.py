"""The overview of all models: the three settings and the bias side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.plots.style import HALO, chance_line, finish, model_colours
from kit.plots.text import labels, n_lines, spoken

if TYPE_CHECKING:
    from kit.results import Results
    from kit.stats import Interval

NAME_COLUMNS = 24
"""Columns of a line in the name of a model beside its row."""

_PANELS = {
    "monolingual mAP": ("monolingual", "average_precision"),
    "cross-lingual mAP": ("cross-lingual", "average_precision"),
    "multilingual mAP": ("multilingual", "average_precision"),
    "rank distance (log;<br>lower is fairer)": ("multilingual", "rank_distance"),
}


def settings_chart(results: Results, chance_distance: float | None = None) -> go.Figure:
    """The three settings and the bias of every model: mean over seeds, 95 % interval over questions, each seed a ring.

    ``chance_distance``, where given, is the rank distance of a random ranking, drawn as a dotted line.
    """
    figure = make_subplots(rows=1, cols=4, subplot_titles=list(_PANELS), shared_yaxes=True, horizontal_spacing=0.04)
    names = labels(results.models, NAME_COLUMNS)
    colours = model_colours(results.models)
    for column, where in enumerate(_PANELS.values(), start=1):
        shown = [chance_distance] if chance_distance and column == 4 else []
        for model in results.models:
            interval, seeds = results.interval(model, *where), results.by_seed(model, *where)
            shown += [interval.low, interval.high, *seeds]
            _add_seeds(figure, names[model], seeds, colours[model], column)
            text = f"{interval.estimate:.3f}" if column < 4 else f"{interval.estimate:,.0f}"
            add_estimate(figure, names[model], interval, colours[model], text, row=1, col=column)
        _set_range(figure, shown, column)
    dotted = ""
    if chance_distance is not None:
        chance_line(figure, chance_distance, row=1, col=4)
        dotted = "; dotted: a random ranking"
    figure.update_yaxes(type="category", range=[len(results.models) - 0.4, -0.75], tickfont_size=12)
    figure.update_annotations(font_size=12)
    height = row_height(names) * len(results.models)
    title = f"Settings by model (bar: 95 % interval over questions; rings: seeds{dotted})"
    return finish(figure, title, max(height, 90), _alt(results, chance_distance), bottom=45)


def row_height(names: Mapping[str, str]) -> int:
    """Pixels of a row beside which the longest of these labels stands."""
    return max(50, 18 + 16 * max(map(n_lines, names.values())))


def add_estimate(
    figure: go.Figure, label: str, interval: Interval, colour: str, text: str, row: int, col: int, hover: str = "%{x:.3f}"
) -> None:
    """A point with its interval and its number above it, in the row of a model; nothing where it is not defined."""
    above, below = interval.high - interval.estimate, interval.estimate - interval.low
    figure.add_scatter(
        x=[interval.estimate],
        y=[label],
        mode="markers+text",
        textposition="top center",
        textfont={"size": 12} | HALO,
        showlegend=False,
        text=[text],
        marker={"size": 8, "color": colour},
        row=row,
        col=col,
        cliponaxis=False,
        error_x={"array": [above], "arrayminus": [below], "thickness": 2.5, "width": 6},
        hovertemplate=f"{label}: {hover}<extra></extra>",
    )


def _add_seeds(figure: go.Figure, label: str, seeds: Sequence[float], colour: str, column: int) -> None:
    figure.add_scatter(
        x=seeds,
        y=[label] * len(seeds),
        mode="markers",
        hoverinfo="skip",
        showlegend=False,
        marker={"symbol": "circle-open", "size": 11, "color": colour},
        row=1,
        col=column,
    )


def _set_range(figure: go.Figure, shown: Sequence[float], column: int) -> None:
    """Ends of an axis with room for the numbers; the last is logarithmic where all values are above 0."""
    present = [value for value in shown if not np.isnan(value)]
    room = np.array([-0.18, 1.22]) * max([*present, 1e-9])
    if column == 4 and present and min(present) > 0:
        room = np.log10([min(present) / 3, 4 * max(present)])  # plotly takes the ends of a log axis as exponents
        figure.update_xaxes(type="log", dtick=1, tickformat=",", row=1, col=4)
    figure.update_xaxes(range=room.tolist(), nticks=4, row=1, col=column, tickfont_size=12)


def _alt(results: Results, chance_distance: float | None) -> str:
    parts = []
    for title, where in _PANELS.items():
        scores = {model: results.interval(model, *where).estimate for model in results.models}
        scores = {model: score for model, score in scores.items() if not np.isnan(score)}
        if not scores:
            continue
        is_bias = where[1] == "rank_distance"
        name, digits = ("rank distance", ",.0f") if is_bias else (title, ".3f")
        best, worst = (pick(scores, key=scores.get) for pick in ((min, max) if is_bias else (max, min)))
        to = f" to {scores[worst]:{digits}} ({spoken(worst)})" if len(scores) > 1 else ""
        parts.append(f"{name} {scores[best]:{digits}} ({spoken(best)}){to}")
    chance = "" if chance_distance is None else f" A random ranking has a rank distance of {chance_distance:,.0f}."
    n = len(results.models)
    what = "The three settings and the rank distance of " + ("1 model" if n == 1 else f"{n} models, best to worst")
    return f"{what}: {'; '.join(parts) or 'no value'}.{chance}"
