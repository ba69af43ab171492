"""The figure of a study of bitext mining: a score of each method in groups of language pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.plots.style import HALO, OKABE_ITO, finish, legend_below
from kit.plots.text import labels, plain, spoken

if TYPE_CHECKING:
    from kit.stats import Interval

_COLOURS = tuple(OKABE_ITO[place] for place in (4, 0, 3, 2, 5, 6))  # the colours of X-X-mono, X-Y and Hybrid among them
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
_NAME_COLUMNS = 26


def mining_chart(
    scores: Mapping[str, Mapping[str, tuple[Interval, Sequence[float]]]], families: Mapping[str, str], title: str
) -> go.Figure:
    """A panel for each group of tasks, a row for each method: mean over seeds, 95 % interval, each seed a ring.

    Args:
        scores: group -> method -> (interval, score of each seed), higher is better; the same methods in each group.
        families: what each method has in common with others: one colour and one symbol a family, at most six.
        title: of the figure, plain text.

    Raises:
        ValueError: no group, no method, or methods that differ between groups; a method without a family; too many families.
    """
    methods = _methods(scores)
    if missing := [method for method in methods if method not in families]:
        raise ValueError(f"families lack {missing[0]!r}: give each method one")
    kinds = list(dict.fromkeys(families[method] for method in methods))
    if len(kinds) > len(_COLOURS):
        raise ValueError(f"families are {len(kinds)}: give at most {len(_COLOURS)}, what colours can tell apart")
    look = {kind: (_COLOURS[number], _SYMBOLS[number]) for number, kind in enumerate(kinds)}
    rows = labels(methods, _NAME_COLUMNS)
    headers = [plain(group, 24) for group in scores]
    figure = make_subplots(rows=1, cols=len(scores), subplot_titles=headers, shared_yaxes=True, horizontal_spacing=0.03)
    for column, of_method in enumerate(scores.values(), 1):
        for method in methods:
            _add(figure, rows[method], *of_method[method], *look[families[method]], column)
        ends = [value for interval, seeds in of_method.values() for value in (interval.low, interval.high, *seeds)]
        room = max(*ends, 1e-6) - min(0.0, *ends)
        figure.update_xaxes(range=[min(0.0, *ends) - 0.06 * room, max(ends) + 0.14 * room], nticks=5, row=1, col=column)
    for kind, (colour, symbol) in look.items():
        marker = {"color": colour, "symbol": symbol, "size": 10}
        figure.add_scatter(x=[None], y=[rows[methods[0]]], mode="markers", marker=marker, name=plain(kind))
    figure.update_yaxes(type="category", range=[len(methods) - 0.4, -0.7], tickfont_size=12)
    figure.update_xaxes(tickfont_size=12, zeroline=False)
    figure.update_annotations(font_size=12)
    bottom = legend_below(figure, kinds)
    return finish(figure, plain(title, 95), max(120, 36 * len(methods)), _alt(scores), bottom=bottom)


def _methods(scores: Mapping[str, Mapping[str, tuple[Interval, Sequence[float]]]]) -> list[str]:
    """The methods of every group, in the order of the first."""
    groups = list(scores.values())
    if not groups or not groups[0] or any(set(group) != set(groups[0]) for group in groups):
        raise ValueError(f"scores has methods {[list(group) for group in groups]}: give every group the same, at least one")
    return list(groups[0])


def _add(
    figure: go.Figure, row: str, interval: Interval, seeds: Sequence[float], colour: str, symbol: str, column: int
) -> None:
    """The rings of the seeds, and the mean with its interval and number."""
    spot = {"row": 1, "col": column}
    ring = {"symbol": f"{symbol}-open", "size": 11, "color": colour}
    figure.add_scatter(
        x=list(seeds), y=[row] * len(seeds), mode="markers", marker=ring, showlegend=False, hoverinfo="skip", **spot
    )
    ends = {"array": [interval.high - interval.estimate], "arrayminus": [interval.estimate - interval.low]}
    figure.add_scatter(
        x=[interval.estimate],
        y=[row],
        mode="markers+text",
        text=[f"{interval.estimate:.2f}"],
        textposition="top center",
        textfont={"size": 11} | HALO,
        marker={"symbol": symbol, "size": 8, "color": colour},
        error_x=ends | {"thickness": 2, "width": 5, "color": colour},
        showlegend=False,
        cliponaxis=False,
        hovertemplate=f"{row}: %{{x:.3f}}<extra></extra>",
        **spot,
    )


def _alt(scores: Mapping[str, Mapping[str, tuple[Interval, Sequence[float]]]]) -> str:
    parts = []
    for group, of_method in scores.items():
        ordered = sorted(of_method, key=lambda method: -of_method[method][0].estimate)
        best, worst = (f"{spoken(ordered[end])} {of_method[ordered[end]][0].estimate:.2f}" for end in (0, -1))
        parts.append(f"{spoken(group)}: {best} is highest, {worst} lowest")
    return f"Scores of {len(ordered)} methods in {len(scores)} groups of language pairs. {'; '.join(parts)}."
