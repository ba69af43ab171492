"""How the rank distance is spread over queries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from kit.plots.style import (
    chance_line,
    check_models,
    check_shape,
    finish,
    legend_below,
    model_colours,
    model_symbols,
    panel_grid,
)
from kit.plots.text import labels, spoken

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
    return finish(figure, title, height, _alt(present, chance), bottom)


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


def _alt(present: Mapping[str, np.ndarray], chance: float | None) -> str:
    medians = {name: float(np.median(values)) for name, values in present.items()}
    best, worst = (pick(medians, key=medians.get) for pick in (min, max))
    to = f", {spoken(worst)} the highest, {medians[worst]:,.0f}" if len(medians) > 1 else ""
    verb = "has the lowest median" if len(medians) > 1 else "has a median of"
    random = "" if chance is None else f" A random ranking has {chance:,.0f} in expectation."
    comma = ", " if len(medians) > 1 else " "
    return (
        "Distribution of the rank distance over queries, as shares by distance and as cumulative curves. "
        f"{spoken(best)} {verb}{comma}{medians[best]:,.0f}{to}.{random}"
    )
