"""The language bias of all models: one small panel a measure.

How the rank distance is spread over queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from kit.evaluate.bias.measures import PANEL
from kit.evaluate.metrics import BiasMeasure
from kit.show.plots.scores import NAME_COLUMNS, add_estimate, row_height
from kit.show.plots.style import (
    QUIET,
    Spot,
    chance_line,
    check_models,
    check_shape,
    ends_by_value,
    finish,
    legend_below,
    model_colours,
    model_symbols,
    panel_at,
    panel_grid,
    row_axis,
)
from kit.show.plots.text import labels, spoken

if TYPE_CHECKING:
    from kit.compare.results import Results

_N_COLUMNS = 4
_LOGARITHMIC = ("rank_distance", "cover_rank")
_FAIR = {"low": "← low is fair", "high": "high is fair →", "chance": "near chance is fair"}


def panel_chart(results: Results, chance: Mapping[str, float]) -> go.Figure:
    """The bias panel of every model: estimate and 95 % interval over questions, one small panel a measure.

    Arrow or words under the name of a measure say which direction is fair. The axes of rank distance and cover rank are
    logarithmic. A measure that is not defined for a model says so in its row.

    Args:
        chance: what a random ranking would score, by column of ``kit.evaluate.bias.measures.PANEL``, drawn as a dotted line;
            a measure that is absent or NaN has none.
    """
    names, colours = labels(results.models, NAME_COLUMNS), model_colours(results.models)
    rows = max(row_height(names) * len(names), 80)
    titles = [f"{measure.label}<br><i>{_FAIR[measure.fair]}</i>" for measure in PANEL]
    figure, height = panel_grid(
        [measure.label for measure in PANEL],
        _N_COLUMNS,
        rows,
        gap=60,
        subplot_titles=titles,
        shared_yaxes=True,
        horizontal_spacing=0.035,
    )
    estimates = {}
    for number, measure in enumerate(PANEL):
        intervals = {model: results.interval(model, "multilingual", measure.column) for model in results.models}
        estimates[measure.column] = {model: interval.estimate for model, interval in intervals.items()}
        where, random = panel_at(number, _N_COLUMNS), chance.get(measure.column, float("nan"))
        for model, interval in intervals.items():
            if np.isnan(interval.estimate):
                _add_undefined(figure, names[model], where)
                continue
            text, hover = f"{interval.estimate:,.{measure.digits}f}", f"%{{x:,.{measure.digits}f}}"
            add_estimate(figure, names[model], interval, colours[model], text, **where, hover=hover)
        shown = [random, *(end for interval in intervals.values() for end in (interval.low, interval.high))]
        _set_axis(figure, [value for value in shown if not np.isnan(value)], measure, where)
        if not np.isnan(random):
            chance_line(figure, random, **where)
    row_axis(figure, list(names.values()), range=[len(names) - 0.4, -0.75], tickfont_size=12)
    _add_key(figure, len(PANEL))
    title = "Language bias by model, in the pool of all languages"
    return finish(figure, title, height, _panel_alt(estimates, chance), bottom=45)


def _set_axis(figure: go.Figure, shown: Sequence[float], measure: BiasMeasure, where: Spot) -> None:
    """Ends of an axis with room for the numbers."""
    if measure.column in _LOGARITHMIC and shown and min(shown) > 0:
        ends = np.log10([min(shown) / 3, 4 * max(shown)])
        figure.update_xaxes(type="log", dtick=1, tickformat=",", **where)
    else:
        low, high = min([*shown, 0.0]), max([*shown, 0.05])  # a panel of zeros has a scale, too
        ends = np.array([low, high]) + np.array([-0.22, 0.25]) * (high - low)
    figure.update_xaxes(range=ends.tolist(), nticks=4, tickfont_size=11, **where)


def _add_undefined(figure: go.Figure, label: str, where: Spot) -> None:
    figure.add_scatter(
        x=[None], y=[label], showlegend=False, hoverinfo="skip", **where
    )  # keeps the row where no model has a value
    axes = next(figure.select_xaxes(**where)), next(figure.select_yaxes(**where))
    x, y = (axis.plotly_name.replace("axis", "") for axis in axes)
    note = {"text": "not defined", "font": {"size": 11, "color": QUIET}, "showarrow": False}
    figure.add_annotation(x=0.5, xref=f"{x} domain", y=label, yref=y, **note)


def _add_key(figure: go.Figure, n_panels: int) -> None:
    """How to read the panels, in the place that the last row leaves."""
    if n_panels % _N_COLUMNS == 0:
        return
    where = panel_at(n_panels, _N_COLUMNS)
    x, y = next(figure.select_xaxes(**where)), next(figure.select_yaxes(**where))
    x.update(visible=False)
    y.update(visible=False)
    figure.add_annotation(
        text="stroke: mean<br>bar: 95 % interval<br>over questions<br>dotted: a random<br>ranking",
        x=x.domain[0] + 0.02,
        y=y.domain[1],
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="top",
        align="left",
        showarrow=False,
        font={"size": 12, "color": QUIET},
    )


def _panel_alt(estimates: Mapping[str, Mapping[str, float]], chance: Mapping[str, float]) -> str:
    parts = []
    for measure in PANEL:
        present = {model: value for model, value in estimates[measure.column].items() if not np.isnan(value)}
        random = chance.get(measure.column, float("nan"))
        if not present or (measure.fair == "chance" and np.isnan(random)):
            continue
        unfair = {model: _unfairness(value, measure.fair, random) for model, value in present.items()}
        best, worst = ends_by_value(unfair)
        to = f" to {present[worst]:,.{measure.digits}f} ({spoken(worst)})" if len(present) > 1 else ""
        parts.append(f"{measure.label} {present[best]:,.{measure.digits}f} ({spoken(best)}){to}")
    n = len(next(iter(estimates.values())))
    what = "Language bias of " + ("1 model" if n == 1 else f"{n} models, fairest to least fair")
    return f"{what}: {'; '.join(parts) or 'no value'}."


def _unfairness(value: float, fair: str, chance: float) -> float:
    return {"low": value, "high": -value, "chance": abs(value - chance)}[fair]


_BINS_A_DECADE = 6
_POINTS = 240  # of a cumulative curve


def distance_distribution(distances: Mapping[str, np.ndarray], chance: float | None = None) -> go.Figure:
    """Rank distances of the queries of each model: how they are spread (left), and how many are at most so far (right).

    Both axes are logarithmic. The steps on the left share bins, six a decade, so that heights compare. The point on a
    cumulative curve is its median.

    Args:
        distances: by model, rank distance of each query, shape (n_queries,), at least 1; NaN is left out.
        chance: rank distance of a random ranking in expectation, drawn as a dotted line.

    Raises:
        ValueError: no model, a model without a distance, a distance below 1, or an array that is no vector.
    """
    present = _present(distances)
    colours, symbols, names = model_colours(list(present)), model_symbols(list(present)), labels(list(present), 60)
    figure, height = panel_grid(["share of queries, by distance", "share of queries with at most that distance"], 2, 300)
    highest = max([float(values.max()) for values in present.values()] + ([chance] if chance else []))
    edges = 10 ** (np.arange(np.ceil(np.log10(highest) * _BINS_A_DECADE + 1e-9) + 1) / _BINS_A_DECADE)
    at = np.unique(np.round(np.geomspace(1, np.ceil(highest), _POINTS)))
    for name, values in present.items():
        look = {"name": names[name], "legendgroup": names[name], "line": {"color": colours[name], "width": 2.5}}
        median = float(np.median(values))
        shares = np.histogram(values, edges)[0] / len(values)
        figure.add_scatter(
            x=edges,
            y=[*shares, shares[-1]],  # the last step needs its end
            mode="lines",
            line_shape="hv",
            showlegend=False,
            hovertemplate=f"from %{{x:,.0f}}: %{{y:.1%}}<br>median {median:,.0f}",
            row=1,
            col=1,
            **look,
        )
        figure.add_scatter(
            x=at,
            y=np.searchsorted(np.sort(values), at, side="right") / len(values),
            mode="lines",
            line_shape="hv",
            hovertemplate=f"at most %{{x:,.0f}}: %{{y:.1%}}<br>median {median:,.0f}",
            row=1,
            col=2,
            **look,
        )
        _add_median(figure, look, median, symbols[name])
    if chance is not None:
        chance_line(figure, chance, row="all", col="all")
    figure.update_xaxes(
        type="log", dtick=1, tickformat=",", title="rank distance (logarithmic)", range=[0, float(np.log10(highest)) + 0.1]
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    title = "How far apart the versions of an answer stand" + (" (dotted: a random ranking)" if chance is not None else "")
    bottom = legend_below(figure, list(names.values()))
    return finish(figure, title, height, _distances_alt(present, chance), bottom)


def _present(distances: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    check_models("distances", distances)
    present = {}
    for name, values in distances.items():
        check_shape(f"distances[{name!r}]", values, (None,))
        kept = np.asarray(values, np.float64)
        present[name] = kept[~np.isnan(kept)]
        if not present[name].size or present[name].min() < 1:
            found = f"{present[name].min():g} at least" if present[name].size else "nothing but NaN"
            raise ValueError(f"distances[{name!r}] holds {found}: give rank distances of 1 or more")
    return present


def _add_median(figure: go.Figure, look: dict, median: float, symbol: str) -> None:
    figure.add_scatter(
        x=[median],
        y=[0.5],
        mode="markers",
        marker={"size": 9, "color": look["line"]["color"], "symbol": symbol},
        name=look["name"],
        legendgroup=look["legendgroup"],
        showlegend=False,
        hovertemplate="median %{x:,.0f}",
        row=1,
        col=2,
    )


def _distances_alt(present: Mapping[str, np.ndarray], chance: float | None) -> str:
    medians = {name: float(np.median(values)) for name, values in present.items()}
    best, worst = ends_by_value(medians)
    to = f", {spoken(worst)} the highest, {medians[worst]:,.0f}" if len(medians) > 1 else ""
    verb = "has the lowest median" if len(medians) > 1 else "has a median of"
    random = "" if chance is None else f" A random ranking has {chance:,.0f} in expectation."
    comma = ", " if len(medians) > 1 else " "
    return (
        "Distribution of the rank distance over queries, as shares by distance and as cumulative curves. "
        f"{spoken(best)} {verb}{comma}{medians[best]:,.0f}{to}.{random}"
    )
