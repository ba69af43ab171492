"""Who asks, and who is answered: a measure by the language of the question, and the languages of the first k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from kit.plots.answers import rung
from kit.plots.style import (
    OUTLINE,
    QUIET,
    check_models,
    check_shape,
    finish,
    language_label,
    legend_below,
    model_colours,
    model_symbols,
    panel_grid,
)
from kit.plots.text import labels, plain, spoken


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
    _add_points(figure, 100 * np.asarray(pool_share), rungs, "share of the pool", strokes, (2, True), "%{y}: %{x:.1f} %")
    colours, symbols, names = model_colours(list(values)), model_symbols(list(values)), labels(list(values), 60)
    for model in values:
        look = {"symbol": symbols[model], "size": 11, "color": colours[model], "line": {"color": OUTLINE, "width": 1}}
        _add_points(figure, values[model], rungs, names[model], look, (1, True), "%{y}: %{x:.3~r}")
        _add_points(figure, 100 * shares[model], rungs, names[model], look, (2, False), "%{y}: %{x:.1f} %")
    figure.update_xaxes(title=plain(measure, 40), rangemode="tozero", col=1)
    figure.update_xaxes(title="share, %", range=[-4, 104], zeroline=False, col=2)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=rungs, tickfont_size=11, tickvals=rungs)
    figure.update_yaxes(ticktext=[f"<b>{one}</b>" if tag == asked else one for one, tag in zip(rungs, languages)])
    figure.update_yaxes(range=[len(languages) - 0.4, -0.6])
    bottom = legend_below(figure, ["share of the pool", *names.values()])
    title = f"{language_label(asked)} asks: {plain(measure, 50)}, and where the answers come from"
    return finish(figure, title, height, _alt(values, shares, languages, asked, measure, k), bottom)


def _add_points(
    figure: go.Figure,
    values: np.ndarray,
    rungs: Sequence[str],
    name: str,
    marker: Mapping[str, object],
    place: tuple[int, bool],
    hover: str,
) -> None:
    """Points in the panel of a column, with or without an entry in the legend."""
    column, in_legend = place
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


def _alt(
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
