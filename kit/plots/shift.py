"""Figures of studies of domains: scores step by step, and what leaving a domain out costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from kit.plots.settings import add_estimate
from kit.plots.style import QUIET, finish, model_colours, panel_grid, place
from kit.plots.text import labels, plain, spoken
from kit.stats import Interval

if TYPE_CHECKING:
    from kit.gaps import Drop
    from kit.results import Results

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
        spot = place(number, n_columns)
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
    spot: Mapping[str, int],
) -> None:
    """Points with intervals, and the rings of the seeds, of some arms in one panel."""
    intervals = [results.interval(arm, *where) for arm in names]
    middle = [interval.estimate for interval in intervals]
    ends = {
        "array": [interval.high - interval.estimate for interval in intervals],
        "arrayminus": [interval.estimate - interval.low for interval in intervals],
    }
    look = {"mode": mode, "marker": {"size": 8, "color": colour}, "line": {"width": 2, "color": colour}}
    hover = "%{x}: %{y:.3f}<extra></extra>"
    figure.add_scatter(x=list(names.values()), y=middle, error_y=ends, hovertemplate=hover, **look, **spot)
    rings = [(label, score) for arm, label in names.items() for score in results.by_seed(arm, *where)]
    ring = {"symbol": "circle-open", "size": 10, "color": colour}
    x, y = [label for label, _ in rings], [score for _, score in rings]
    figure.add_scatter(x=x, y=y, mode="markers", marker=ring, hoverinfo="skip", **spot)


def shift_chart(found: Sequence[Drop], column: str = "mono mAP") -> go.Figure:
    """What leaving a domain out costs on its own test: a panel a domain, a row a sampling, bar the 95 % interval over
    questions, rings the seeds; beside the number the share of the score that is lost.

    Args:
        found: of ``kit.domains.drops``.
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
        spot, row = place(names.index(drop.domain), len(names)), rows[drop.sampling]
        if drop.by_construction:
            nothing = {"symbol": "x-thin-open", "size": 9, "color": QUIET}
            text = {"text": ["0 by construction"], "textposition": "top right", "textfont": {"size": 11, "color": QUIET}}
            figure.add_scatter(x=[0], y=[row], mode="markers+text", marker=nothing, hoverinfo="skip", **text, **spot)
            continue
        ring = {"symbol": "circle-open", "size": 11, "color": colours[drop.sampling]}
        seeds = {"x": drop.by_seed, "y": [row] * len(drop.by_seed)}
        figure.add_scatter(**seeds, mode="markers", marker=ring, hoverinfo="skip", **spot)
        text = f"{drop.difference:.3f} = {drop.relative:.0%}"
        add_estimate(figure, row, Interval(drop.difference, drop.low, drop.high), colours[drop.sampling], text, **spot)
    ends = [0.0, *(end for drop in found for end in (drop.low, drop.high, *drop.by_seed))]
    room = 0.3 * (max(ends) - min(ends) or 1.0)
    figure.update_xaxes(range=[min(ends) - room, max(ends) + room], nticks=4, tickfont_size=11)
    figure.add_vline(x=0, line={"color": QUIET, "width": 1.5}, layer="below")
    figure.update_yaxes(type="category", range=[len(samplings) - 0.4, -0.75], tickfont_size=12)
    figure.update_layout(showlegend=False)
    title = f"Drop of {plain(column)} on a domain that was left out (bar: 95 % interval; rings: seeds)"
    return finish(figure, title, height, _alt(found, names, column), bottom=45)


def _alt(found: Sequence[Drop], names: Sequence[str], column: str) -> str:
    parts = []
    for name in names:
        own = [
            f"{drop.sampling} {drop.difference:.3f}" for drop in found if drop.domain == name and not drop.by_construction
        ]
        parts.append(f"{spoken(name)}: {', '.join(own)}")
    return f"{column} lost on the domain that was left out. {'; '.join(parts)}."
