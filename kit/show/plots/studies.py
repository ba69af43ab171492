"""Figures of a study of one quantity: scores against it, and what one score costs in another.

The figure of a study of bitext mining: a score of each method in groups of language pairs. Figures of studies of domains:
scores step by step, and what leaving a domain out costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.compare.stats import Interval
from kit.show.plots.scores import add_estimate, settings_and_bias
from kit.show.plots.style import (
    HALO,
    OKABE_ITO,
    QUIET,
    Spot,
    add_rings,
    ends_of,
    faint,
    finish,
    legend_below,
    model_colours,
    panel_at,
    panel_grid,
)
from kit.show.plots.text import labels, plain, spoken

if TYPE_CHECKING:
    from kit.compare.gaps import Drop
    from kit.compare.results import Results

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
    panels = settings_and_bias("rank distance (log; lower is fairer)")
    figure = make_subplots(rows=2, cols=2, subplot_titles=list(panels), vertical_spacing=0.14, horizontal_spacing=0.09)
    said = []
    for number, (title, where) in enumerate(panels.items()):
        spot = panel_at(number, 2)
        intervals = [results.interval(model, *where) for model in results.models]
        ends = [interval.high for interval in intervals] + [interval.low for interval in intervals[::-1]]
        band = {"fill": "toself", "fillcolor": faint(_COLOUR), "line": {"width": 0}, "hoverinfo": "skip", "mode": "lines"}
        figure.add_scatter(x=[*values, *values[::-1]], y=ends, showlegend=False, **band, **spot)
        for value, model in zip(values, results.models):
            seeds = results.by_seed(model, *where)
            add_rings(figure, [value] * len(seeds), seeds, _COLOUR, spot, size=9, showlegend=False)
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
    sides = _free_sides(points)
    for name, (x, y) in points.items():
        colour = _FRONT if name in front else _COLOUR
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            text=[plain(name)],
            textposition=sides[name],
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


_SIDES = {  # of a point, the first ones first: which way its label lies, across and up
    "top right": (1, 1),
    "bottom center": (0, -1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top center": (0, 1),
    "bottom right": (1, -1),
    "top left": (-1, 1),
    "bottom left": (-1, -1),
}
_ACROSS, _UP, _LETTER, _LINE = 780, 440, 7, 17  # pixels of the panel, of a letter, of a line


def _free_sides(points: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """The side of each point on which its label covers least of the other points and of the labels placed before."""
    spans = [max(values) - min(values) or 1.0 for values in zip(*points.values())]
    spots = {name: (x / spans[0] * _ACROSS, y / spans[1] * _UP) for name, (x, y) in points.items()}
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots.values()]
    sides = {}
    for name, (x, y) in sorted(spots.items(), key=lambda one: -one[1][1]):
        wide = _LETTER * len(name)
        boxes = {}
        for side, (across, up) in _SIDES.items():
            left, low = x + across * (8 + wide / 2) - wide / 2, y + up * 15 - _LINE / 2
            boxes[side] = (left, low, left + wide, low + _LINE)
        sides[name] = min(boxes, key=lambda side: sum(_shared(boxes[side], other) for other in taken))
        taken.append(boxes[sides[name]])
    return sides


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The area that two boxes (left, low, right, high) share."""
    wide, tall = (max(min(one[end + 2], other[end + 2]) - max(one[end], other[end]), 0) for end in (0, 1))
    return wide * tall


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
    return finish(figure, plain(title, 95), max(120, 36 * len(methods)), _mining_alt(scores), bottom=bottom)


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
    figure.add_scatter(
        x=[interval.estimate],
        y=[row],
        mode="markers+text",
        text=[f"{interval.estimate:.2f}"],
        textposition="top center",
        textfont={"size": 11} | HALO,
        marker={"symbol": symbol, "size": 8, "color": colour},
        error_x=ends_of([interval]) | {"thickness": 2, "width": 5, "color": colour},
        showlegend=False,
        cliponaxis=False,
        hovertemplate=f"{row}: %{{x:.3f}}<extra></extra>",
        **spot,
    )


def _mining_alt(scores: Mapping[str, Mapping[str, tuple[Interval, Sequence[float]]]]) -> str:
    parts = []
    for group, of_method in scores.items():
        ordered = sorted(of_method, key=lambda method: -of_method[method][0].estimate)
        best, worst = (f"{spoken(ordered[end])} {of_method[ordered[end]][0].estimate:.2f}" for end in (0, -1))
        parts.append(f"{spoken(group)}: {best} is highest, {worst} lowest")
    return f"Scores of {len(_methods(scores))} methods in {len(scores)} groups of language pairs. {'; '.join(parts)}."


_STEP, _CONTROL = "#0072B2", "#D55E00"


def steps_chart(
    panels: Mapping[str, tuple[Results, tuple[str, str]]], controls: Sequence[str] = (), title: str = "Scores step by step"
) -> go.Figure:
    """A panel a score, a point an arm with its 95 % interval over questions, rings the seeds; the steps are joined.

    Args:
        panels: by title, results with the same models in all, in the order of the steps, and the (setting, measure).
        controls: models that are no step: they stand apart, in another colour.
        title: of the figure.

    Raises:
        ValueError: no panel, or panels of different models.
    """
    models = {results.models for results, _ in panels.values()}
    if len(models) != 1:
        raise ValueError(f"panels show {len(models)} different lists of models: give one list, in all of them")
    (arms,) = models
    steps, others = [arm for arm in arms if arm not in controls], [arm for arm in arms if arm in controls]
    names = labels([*steps, *others], 14)
    n_columns = min(3, len(panels))
    figure, height = panel_grid(list(panels), n_columns, 190, gap=75, horizontal_spacing=0.08)
    said = []
    for number, (name, (results, where)) in enumerate(panels.items()):
        spot = panel_at(number, n_columns)
        _add_arms(figure, results, where, {arm: names[arm] for arm in steps}, _STEP, "lines+markers", spot)
        if others:
            _add_arms(figure, results, where, {arm: names[arm] for arm in others}, _CONTROL, "markers", spot)
        first, last = (results.interval(arm, *where).estimate for arm in (steps[0], steps[-1]))
        said.append(f"{spoken(name)} from {first:.3f} to {last:.3f}")
    figure.update_layout(showlegend=False)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(names.values()))
    figure.update_xaxes(tickfont_size=10, tickangle=-35)
    figure.update_yaxes(tickfont_size=11, nticks=5, rangemode="tozero")  # else noise looks like a cliff
    alt = f"Scores from the step {spoken(steps[0])} to the step {spoken(steps[-1])}: {'; '.join(said)}."
    return finish(figure, title, height, alt, bottom=95)


def _add_arms(
    figure: go.Figure,
    results: Results,
    where: tuple[str, str],
    names: Mapping[str, str],
    colour: str,
    mode: str,
    spot: Spot,
) -> None:
    """Points with intervals, and the rings of the seeds, of some arms in one panel."""
    intervals = [results.interval(arm, *where) for arm in names]
    middle = [interval.estimate for interval in intervals]
    look = {"mode": mode, "marker": {"size": 8, "color": colour}, "line": {"width": 2, "color": colour}}
    hover = "%{x}: %{y:.3f}<extra></extra>"
    figure.add_scatter(x=list(names.values()), y=middle, error_y=ends_of(intervals), hovertemplate=hover, **look, **spot)
    rings = [(label, score) for arm, label in names.items() for score in results.by_seed(arm, *where)]
    add_rings(figure, [label for label, _ in rings], [score for _, score in rings], colour, spot, size=10)


def shift_chart(found: Sequence[Drop], column: str = "mono mAP") -> go.Figure:
    """What leaving a domain out costs on its own test: a panel a domain, a row a sampling.

    Bar: the 95 % interval over questions; rings: the seeds. Beside the number: the share of the score that is lost.

    Args:
        found: of ``kit.compare.gaps.drops``.
        column: what the score is called.

    Raises:
        ValueError: no drop.
    """
    if not found:
        raise ValueError("found is empty: give at least one drop")
    names = list(dict.fromkeys(drop.domain for drop in found))
    samplings = list(dict.fromkeys(drop.sampling for drop in found))
    colours, rows = model_colours(samplings), labels(samplings, 16)
    figure, height = panel_grid(
        [f"left out: {name}" for name in names],
        len(names),
        max(110, 55 * len(samplings)),
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    for drop in found:
        spot, row = panel_at(names.index(drop.domain), len(names)), rows[drop.sampling]
        if drop.by_construction:
            nothing = {"symbol": "x-thin-open", "size": 9, "color": QUIET}
            text = {"text": ["0 by construction"], "textposition": "top right", "textfont": {"size": 11, "color": QUIET}}
            figure.add_scatter(x=[0], y=[row], mode="markers+text", marker=nothing, hoverinfo="skip", **text, **spot)
            continue
        add_rings(figure, drop.by_seed, [row] * len(drop.by_seed), colours[drop.sampling], spot)
        text = f"{drop.difference:.3f} = {drop.relative:.0%}"
        interval = Interval(drop.difference, drop.low, drop.high, drop.n_effective)
        add_estimate(figure, row, interval, colours[drop.sampling], text, **spot)
    ends = [0.0, *(end for drop in found for end in (drop.low, drop.high, *drop.by_seed))]
    room = 0.3 * (max(ends) - min(ends) or 1.0)
    figure.update_xaxes(range=[min(ends) - room, max(ends) + room], nticks=4, tickfont_size=11)
    figure.add_vline(x=0, line={"color": QUIET, "width": 1.5}, layer="below")
    figure.update_yaxes(type="category", range=[len(samplings) - 0.4, -0.75], tickfont_size=12)
    figure.update_layout(showlegend=False)
    title = f"Drop of {plain(column)} on a domain that was left out (bar: 95 % interval; rings: seeds)"
    return finish(figure, title, height, _shift_alt(found, names, column), bottom=45)


def _shift_alt(found: Sequence[Drop], names: Sequence[str], column: str) -> str:
    parts = []
    for name in names:
        own = [
            f"{drop.sampling} {drop.difference:.3f}" for drop in found if drop.domain == name and not drop.by_construction
        ]
        parts.append(f"{spoken(name)}: {', '.join(own)}")
    return f"{column} lost on the domain that was left out. {'; '.join(parts)}."
