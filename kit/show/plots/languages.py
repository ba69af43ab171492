"""From which language a question comes, and to which languages the top of its list goes.

Who asks, and who is answered: a measure by the language of the question, and the languages of the first k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go

from kit.show.plots.answers import rung
from kit.show.plots.style import (
    OUTLINE,
    QUIET,
    Spot,
    check_models,
    check_shape,
    faint,
    finish,
    language_colour,
    language_label,
    legend_below,
    model_colours,
    model_symbols,
    panel_at,
    panel_grid,
    row_axis,
)
from kit.show.plots.text import labels, plain, spoken

_GAP = 12  # pixels between the languages of a side, so that the labels of small ones do not touch
_PITCH = 30  # pixels of a query language with its gap
_OWN, _OTHER = 0.85, 0.22  # opacity of a link within a language and between two
_LONGEST_NAME = 12  # letters; longer names would run into the labels of the diagram beside
_BETWEEN = 0.32  # space between diagrams side by side, as a share of the width, for the labels of both
_SIDE = 105  # pixels beside the diagrams, for labels


def language_flow(
    shares: Mapping[str, np.ndarray], pool_share: Sequence[float] | np.ndarray, languages: Sequence[str], k: int
) -> go.Figure:
    """Sankey diagram a model: from the language of the query (left) to the languages of the top k (right).

    Every query language is as high as any other; a link is as wide as the share of the top k that it has. Links from a
    language to itself are opaque, others faint; all have the colour of the candidate language. In a fair list the right
    side is divided as the pool is.

    Args:
        shares: by model, mean share of each candidate language (column) in the top k for each query language (row), shape
            (n_languages, n_languages); rows sum to 1, or are NaN where no query is in that language.
        pool_share: share of each language in the pool, shape (n_languages,).
        languages: of rows and columns.
        k: depth of the lists.

    Raises:
        ValueError: no model, an array of another shape, or a negative share.
    """
    check_models("shares", shares)
    n = len(languages)
    check_shape("pool_share", np.asarray(pool_share), (n,))
    for name, matrix in shares.items():
        check_shape(f"shares[{name!r}]", matrix, (n, n))
        if (np.nan_to_num(matrix) < 0).any():
            raise ValueError(f"shares[{name!r}] has {np.nanmin(matrix):g}: give shares of 0 or more")
    pool = np.asarray(pool_share, np.float64)
    n_columns, panel = min(2, len(shares)), max(150, _PITCH * n)
    specs = [[{"type": "domain"}] * n_columns for _ in range(-(-len(shares) // n_columns))]
    figure, height = panel_grid(list(shares), n_columns, panel, gap=25, specs=specs, horizontal_spacing=_BETWEEN)
    for number, matrix in enumerate(shares.values()):
        sides = _sides(np.nan_to_num(matrix), panel)
        _add_flow(figure, np.nan_to_num(matrix), pool, languages, k, sides, panel_at(number, n_columns))
        _add_labels(figure, sides, languages, panel)
    title = f"From the language of the query (left) to the languages of the top {k} (right)"
    finish(figure, title, height, _flow_alt(shares, pool, languages, k), bottom=25)
    return figure.update_layout(margin={"l": _SIDE - 15, "r": _SIDE})


@dataclass(frozen=True)
class _Side:
    """The languages that stand on one side of a diagram: index, size and centre in pixels from the top of each."""

    language: np.ndarray
    size: np.ndarray
    centre: np.ndarray


def _sides(matrix: np.ndarray, panel: int) -> tuple[_Side, _Side]:
    """Left and right side of a diagram; a language without a link is left out, because plotly would drop it."""
    totals = matrix.sum(axis=1), matrix.sum(axis=0)
    shown = [np.flatnonzero(total > 0) for total in totals]
    room = panel - _GAP * (max(map(len, shown)) - 1)
    sides = []
    for total, language in zip(totals, shown):
        size = total[language] * room / max(total.sum(), 1e-9)
        gap = (panel - size.sum()) / max(len(language) - 1, 1)
        sides.append(_Side(language, size, np.cumsum(size + gap) - gap - size / 2))
    return sides[0], sides[1]


def _add_flow(
    figure: go.Figure,
    matrix: np.ndarray,
    pool_share: np.ndarray,
    languages: Sequence[str],
    k: int,
    sides: tuple[_Side, _Side],
    where: Spot,
) -> None:
    left, right = sides
    links = np.argwhere(matrix > 0)  # (n_links, 2)
    names = [language_label(language) for language in languages]
    panel = float(max((side.centre + side.size / 2).max(initial=1) for side in sides))
    figure.add_sankey(
        arrangement="fixed",
        node={
            "color": [language_colour(languages[index]) for side in sides for index in map(int, side.language)],
            "customdata": [f"{names[index]} questions" for index in left.language]
            + [f"{names[index]} in the lists" for index in right.language],
            "hovertemplate": "%{customdata}<extra></extra>",
            "line": {"width": 0.5, "color": OUTLINE},
            "pad": _GAP,
            "thickness": 12,
            "x": [0.001] * len(left.language) + [0.999] * len(right.language),
            "y": np.concatenate([side.centre for side in sides]) / panel,
        },
        link={
            "source": np.searchsorted(left.language, links[:, 0]),
            "target": np.searchsorted(right.language, links[:, 1]) + len(left.language),
            "value": matrix[matrix > 0],
            "color": [
                faint(language_colour(languages[to]), _OWN if query == to else _OTHER) for query, to in links.tolist()
            ],
            "customdata": [
                f"{names[query]} questions: {matrix[query, to]:.1%} of the top {k} is {names[to]}<br>"
                f"(of the pool: {pool_share[to]:.1%})"
                for query, to in links
            ],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        **where,
    )


def _add_labels(figure: go.Figure, sides: tuple[_Side, _Side], languages: Sequence[str], panel: int) -> None:
    """Names beside the last diagram, outside of it, where no link runs under them; on the right with the mean share."""
    domain = cast("Any", figure.data[-1]).domain
    for side, x, anchor, shift in zip(sides, domain.x, ("right", "left"), (-10, 10)):
        share = side.size / max(side.size.sum(), 1e-9)
        for index, size, centre in zip(map(int, side.language), share, side.centre):
            name = _short_label(languages[index])
            figure.add_annotation(
                text=name if anchor == "right" else f"{name} {size:.0%}",
                x=x,
                y=domain.y[1] - (domain.y[1] - domain.y[0]) * float(centre) / panel,
                xref="paper",
                yref="paper",
                xanchor=anchor,
                yanchor="middle",
                xshift=shift,
                showarrow=False,
                font_size=11,
            )


def _short_label(language: str) -> str:
    """Name of a language where it fits beside a diagram, else its tag."""
    name = language_label(language)
    return name if len(name) <= _LONGEST_NAME else plain(language)


def _flow_alt(shares: Mapping[str, np.ndarray], pool_share: np.ndarray, languages: Sequence[str], k: int) -> str:
    parts = []
    for model, matrix in shares.items():
        asked = ~np.isnan(matrix).any(axis=1)
        if not asked.any():
            parts.append(f"{spoken(model)} has no list")
            continue
        own = float(np.diag(matrix)[asked].mean())
        ratio = np.divide(matrix[asked].mean(axis=0), pool_share, out=np.ones(len(languages)), where=pool_share > 0)
        most = int(np.argmax(np.abs(np.log(np.maximum(ratio, 1e-9)))))
        parts.append(
            f"{spoken(model)}: {own:.0%} in the language of the query, and furthest from its share of the pool is "
            f"{spoken(languages[most])} with {matrix[asked].mean(axis=0)[most]:.1%} instead of {pool_share[most]:.1%}"
        )
    return f"Languages of the top {k} for each query language. {'; '.join(parts)}."


def askers_chart(
    values: Mapping[str, np.ndarray],
    shares: Mapping[str, np.ndarray],
    pool_share: Sequence[float] | np.ndarray,
    languages: Sequence[str],
    asked: str,
    measure: str,
    k: int,
) -> go.Figure:
    """Left: a measure by query language, a point a model. Right: languages of the first k for questions in one language.

    The vertical stroke of a language on the right is its share of the pool, which a fair list would have.

    Args:
        values: by model, mean of the measure over the queries of each language, shape (n_languages,), NaN for none.
        shares: by the same models, mean share of each language in the first k, for queries in ``asked``, (n_languages,).
        pool_share: share of each language in the pool, (n_languages,).
        languages: of the entries.
        asked: the query language of the right panel; its row is in bold type.
        measure: what the measure is called.
        k: length of the lists.

    Raises:
        ValueError: no model, arrays of another shape, or a language that is not there.
    """
    check_models("values", values)
    for name, arrays in (("values", values), ("shares", shares)):
        for model in values:
            check_shape(f"{name}[{model!r}]", arrays[model], (len(languages),))
    check_shape("pool_share", np.asarray(pool_share), (len(languages),))
    if asked not in languages:
        raise ValueError(f"asked is {asked!r}: choose from {', '.join(languages)}")
    titles = [f"{measure}, by language of the question", f"languages of the first {k} for {language_label(asked)} questions"]
    figure, height = panel_grid(titles, 2, 26 * len(languages) + 14, horizontal_spacing=0.16)
    rungs = [rung(language) for language in languages]
    strokes = {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": QUIET}}
    _add_points(figure, 100 * np.asarray(pool_share), rungs, "share of the pool", strokes, 2, "%{y}: %{x:.1f} %")
    colours, symbols, names = model_colours(list(values)), model_symbols(list(values)), labels(list(values), 60)
    for model in values:
        look = {"symbol": symbols[model], "size": 11, "color": colours[model], "line": {"color": OUTLINE, "width": 1}}
        _add_points(figure, values[model], rungs, names[model], look, 1, "%{y}: %{x:.3~r}")
        _add_points(figure, 100 * shares[model], rungs, names[model], look, 2, "%{y}: %{x:.1f} %", in_legend=False)
    figure.update_xaxes(title=plain(measure, 40), rangemode="tozero", col=1)
    figure.update_xaxes(title="share, %", range=[-4, 104], zeroline=False, col=2)
    row_axis(figure, rungs, tickvals=rungs)
    figure.update_yaxes(ticktext=[f"<b>{one}</b>" if tag == asked else one for one, tag in zip(rungs, languages)])
    bottom = legend_below(figure, ["share of the pool", *names.values()])
    title = f"{language_label(asked)} asks: {plain(measure, 50)}, and where the answers come from"
    return finish(figure, title, height, _askers_alt(values, shares, languages, asked, measure, k), bottom)


def _add_points(
    figure: go.Figure,
    values: np.ndarray,
    rungs: Sequence[str],
    name: str,
    marker: Mapping[str, object],
    column: int,
    hover: str,
    in_legend: bool = True,
) -> None:
    """Points in the panel of a column."""
    figure.add_scatter(
        x=[None if value != value else float(value) for value in values],
        y=list(rungs),
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=in_legend,
        marker=dict(marker),
        cliponaxis=False,
        hovertemplate=f"{hover}<extra>{name}</extra>",
        row=1,
        col=column,
    )


def _askers_alt(
    values: Mapping[str, np.ndarray],
    shares: Mapping[str, np.ndarray],
    languages: Sequence[str],
    asked: str,
    measure: str,
    k: int,
) -> str:
    own = languages.index(asked)
    parts = [
        f"{spoken(model)} has {values[model][own]:.3g}, and {shares[model][own]:.0%} of its first {k} are in that language"
        for model in values
    ]
    return f"{spoken(measure)} for questions in {spoken(language_label(asked))}: {'; '.join(parts)}."
