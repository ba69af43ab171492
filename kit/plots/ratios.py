"""Figures of a study of one quantity: scores against it, and what one score costs in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.plots.style import faint, finish, place
from kit.plots.text import plain

if TYPE_CHECKING:
    from kit.results import Results

_PANELS = {
    "monolingual mAP": ("monolingual", "average_precision"),
    "cross-lingual mAP": ("cross-lingual", "average_precision"),
    "multilingual mAP": ("multilingual", "average_precision"),
    "rank distance (log; lower is fairer)": ("multilingual", "rank_distance"),
}
_COLOUR, _FRONT = "#0072B2", "#D55E00"


def ratio_chart(results: Results, values: Sequence[float], quantity: str = "alpha") -> go.Figure:
    """The three settings and the bias against a quantity: line and band are the mean and its 95 % interval, rings the seeds.

    Args:
        results: one model for each of ``values``, in their order.
        values: of the quantity, ascending.
        quantity: its name.

    Raises:
        ValueError: other numbers of models and values.
    """
    if len(values) != len(results.models):
        raise ValueError(f"{len(values)} values of {quantity} for {len(results.models)} models: give one for each")
    figure = make_subplots(rows=2, cols=2, subplot_titles=list(_PANELS), vertical_spacing=0.14, horizontal_spacing=0.09)
    said = []
    for number, (title, where) in enumerate(_PANELS.items()):
        spot = place(number, 2)
        intervals = [results.interval(model, *where) for model in results.models]
        ends = [interval.high for interval in intervals] + [interval.low for interval in intervals[::-1]]
        band = {"fill": "toself", "fillcolor": faint(_COLOUR), "line": {"width": 0}, "hoverinfo": "skip", "mode": "lines"}
        figure.add_scatter(x=[*values, *values[::-1]], y=ends, showlegend=False, **band, **spot)
        for value, model in zip(values, results.models):
            seeds = results.by_seed(model, *where)
            ring = {"symbol": "circle-open", "size": 9, "color": _COLOUR}
            figure.add_scatter(
                x=[value] * len(seeds), y=seeds, mode="markers", marker=ring, showlegend=False, hoverinfo="skip", **spot
            )
        means = [interval.estimate for interval in intervals]
        hover = f"{quantity} %{{x}}: %{{y:.3f}}<extra></extra>"
        line = {"color": _COLOUR, "width": 2.5}
        figure.add_scatter(x=list(values), y=means, line=line, showlegend=False, hovertemplate=hover, **spot)
        best = min(means) if number == 3 else max(means)
        said.append(f"{title.partition(' (')[0]} is best, {best:.3g}, at {values[means.index(best)]:g}")
    figure.update_xaxes(title=quantity, row=2)
    ticks = [digit * 10**power for power in range(6) for digit in (1, 1.5, 2, 3, 5, 7)]
    figure.update_yaxes(type="log", tickvals=ticks, tickformat=",", row=2, col=2)
    alt = f"Scores of {len(values)} values of {quantity} from {values[0]:g} to {values[-1]:g}: {'; '.join(said)}."
    title = f"Settings and bias by {quantity} (band: 95 % interval over questions; rings: seeds)"
    return finish(figure, title, 600, alt)


def trade_off(
    points: Mapping[str, tuple[float, float]], front: Sequence[str], first: str, second: str, title: str
) -> go.Figure:
    """One score against another, a point an arm; those on the Pareto front are joined.

    Args:
        points: (first score, second score) by arm, higher is better in both.
        front: names of the arms that no other beats.
        first, second: what the scores are called.
        title: of the figure.
    """
    figure = go.Figure()
    line = sorted(points[name] for name in front)
    figure.add_scatter(
        x=[x for x, _ in line], y=[y for _, y in line], mode="lines", line={"color": _FRONT, "dash": "dot"}, name="front"
    )
    for name, (x, y) in points.items():
        colour = _FRONT if name in front else _COLOUR
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[plain(name)],
            textposition="top right" if name in front else "bottom center",  # a front falls to the right
            marker={"size": 12, "color": colour, "symbol": "circle" if name in front else "circle-open"},
            showlegend=False,
            hovertemplate=f"{plain(name)}: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
        )
    across = [x for x, _ in points.values()]
    room = 0.15 * (max(across) - min(across) or 1.0)  # for the labels at the right
    figure.update_xaxes(title=first, range=[min(across) - room / 2, max(across) + room])
    figure.update_yaxes(title=second)
    figure.update_layout(showlegend=False)
    alt = f"{second} against {first} of {len(points)} arms; not beaten in both by any other: {', '.join(front)}."
    return finish(figure, title, 480, alt)
