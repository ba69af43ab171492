"""Figures of the data and of the batches that a sampling draws from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.show.plots.pairs import heatmaps
from kit.show.plots.style import (
    OKABE_ITO,
    OUTLINE,
    check_models,
    ends_by_value,
    finish,
    language_colour,
    language_label,
    steps,
)
from kit.show.plots.text import labels, plain, spoken

if TYPE_CHECKING:
    from kit.train.samplers import PairBatch

_PATTERNS = ("", "/", "x", ".")  # of the parts of a bar, where the colours repeat


def batch_picture(batches: Mapping[str, Sequence[PairBatch]], languages: Sequence[str], n_rows: int = 24) -> go.Figure:
    """Language by row: a column is a batch, a cell one of its rows, its colour the language of the query or the passage.

    Args:
        batches: by sampling, the first batches of an epoch.
        languages: of the sampler that drew them.
        n_rows: rows of each batch to show, from its first.

    Raises:
        ValueError: no sampling.
    """
    check_models("batches", batches)
    figure = make_subplots(
        rows=2,
        cols=len(batches),
        shared_yaxes=True,
        vertical_spacing=0.1,
        horizontal_spacing=0.03,
        subplot_titles=list(labels(list(batches), 100 // len(batches)).values()),
        row_titles=["query", "passage"],
    )
    figure.update_annotations(font_size=12)
    scale = steps([language_colour(language) for language in languages])
    names = np.array([language_label(language) for language in languages])
    for column, drawn in enumerate(batches.values(), start=1):
        for row, side in ((1, "query_languages"), (2, "passage_languages")):
            codes = np.stack([getattr(batch, side)[:n_rows] for batch in drawn], axis=1)  # (n_rows, n_batches)
            figure.add_heatmap(
                z=codes,
                zmin=-0.5,
                zmax=len(languages) - 0.5,
                colorscale=scale,
                showscale=False,
                xgap=2,
                ygap=1,
                x=list(range(1, len(drawn) + 1)),
                y=list(range(1, len(codes) + 1)),
                customdata=names[codes],
                hovertemplate="batch %{x}, row %{y}<br>%{customdata}<extra></extra>",
                row=row,
                col=column,
            )
    _add_language_legend(figure, languages)
    figure.update_xaxes(title="batch", row=2, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_yaxes(title="row of the batch", col=1)
    return finish(figure, "Which languages meet in a batch", height=max(485, 22 * len(languages)), alt=_batch_alt(batches))


def _add_language_legend(figure: go.Figure, languages: Sequence[str]) -> None:
    for language in languages:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=language_label(language),
            marker={
                "symbol": "square",
                "size": 10,
                "color": language_colour(language),
                "line": {"color": OUTLINE, "width": 0.5},
            },
        )


def _batch_alt(batches: Mapping[str, Sequence[PairBatch]]) -> str:
    parts = []
    for sampling, drawn in batches.items():
        same = np.mean([np.mean(batch.query_languages == batch.passage_languages) for batch in drawn])
        single = sum(len(np.unique(batch.query_languages)) == 1 for batch in drawn)
        parts.append(
            f"{spoken(sampling)}: query and passage share their language in {same:.0%} of the rows, and {single} of "
            f"{len(drawn)} batches have queries in a single language"
        )
    return "Languages of the queries and passages of the first batches. " + "; ".join(parts) + "."


def pair_counts(batches: Mapping[str, Sequence[PairBatch]], languages: Sequence[str]) -> go.Figure:
    """How often each query language meets each passage language, as a share of all rows, by sampling.

    Raises:
        ValueError: no sampling.
    """
    shares, parts = {}, []
    for sampling, drawn in batches.items():
        counts = np.zeros((len(languages), len(languages)))
        for batch in drawn:
            np.add.at(counts, (batch.query_languages, batch.passage_languages), 1)
        shares[sampling] = np.where(counts > 0, 100 * counts / counts.sum(), np.nan)  # white: never
        same = np.trace(counts) / counts.sum()
        parts.append(
            f"{spoken(sampling)} draws {(counts > 0).sum()} of {counts.size} pairs, {same:.0%} of its rows in one language"
        )
    title = "Language pairs, % of all rows (white: never)"
    alt = f"Share of each pair of query language and passage language in the rows drawn. {'; '.join(parts)}."
    return heatmaps(shares, languages, title, alt, "%{z:.2f} %", ".1f", "passage")


def count_bars(counts: Mapping[str, Mapping[str, int]], title: str, axis: str) -> go.Figure:
    """Stacked bars: ``counts[part][bar]``, one colour a part.

    Raises:
        ValueError: no part.
    """
    if not counts:
        raise ValueError("counts is empty: give at least one part")
    names = labels(list(counts), 28)
    figure = go.Figure(
        [
            go.Bar(
                name=names[part],
                x=[plain(bar, 16) for bar in bars],
                y=list(bars.values()),
                marker={"color": OKABE_ITO[number % len(OKABE_ITO)], "line": {"color": OUTLINE, "width": 0.5}},
                marker_pattern_shape=_PATTERNS[number // len(OKABE_ITO) % len(_PATTERNS)],
            )
            for number, (part, bars) in enumerate(counts.items())
        ]
    )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(type="category")
    figure.update_yaxes(title=plain(axis, 40))
    return finish(figure, plain(title, 95), height=250, alt=_bars_alt(counts, title, axis))


def _bars_alt(counts: Mapping[str, Mapping[str, int]], title: str, axis: str) -> str:
    totals: dict[str, int] = {}
    for bars in counts.values():
        for bar, count in bars.items():
            totals[bar] = totals.get(bar, 0) + count
    what = (
        f"Stacked bars: {spoken(title)} ({spoken(axis)}), {len(counts)} part{'s' * (len(counts) > 1)} in {len(totals)} bars."
    )
    if not totals:
        return what
    least, most = ends_by_value(totals)
    return (
        f"{what} The highest bar is {spoken(most)} with {totals[most]:,}, the lowest {spoken(least)} with {totals[least]:,}."
    )
