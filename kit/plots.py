"""Figures: pure functions from result tables to plotly figures; the same input gives the same figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.languages import language_name
from kit.seeding import stable_hash

if TYPE_CHECKING:
    from kit.results import Results
    from kit.samplers import PairBatch
    from kit.trainer import History

WIDTH = 900
"""Pixels; every figure is readable at this width."""

_OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")

SAMPLING_COLOURS = {"X-X-mono": "#D55E00", "X-Y": "#0072B2", "Hybrid": "#009E73", "X-X": "#CC79A7", "En-En": "#8C8C8C"}
"""One colour a sampling in every figure, from the palette of Okabe and Ito, which colour-blind readers can tell apart."""

LANGUAGE_COLOURS = {
    "ar": "#009E73",
    "de": "#4D4D4D",
    "el": "#56B4E9",
    "en": "#D55E00",
    "es": "#E69F00",
    "hi": "#CC79A7",
    "ru": "#0072B2",
    "th": "#7B4FA3",
    "tr": "#8B5A2B",
    "vi": "#A6D854",
    "zh": "#F0E442",
}
"""One colour a language in every figure; other languages take one of these by a hash of their tag."""

_SCORES = "Viridis"  # ordered in lightness, so it also reads in grey


def language_colour(language: str) -> str:
    """The fixed colour of a language."""
    palette = tuple(LANGUAGE_COLOURS.values())
    return LANGUAGE_COLOURS.get(language) or palette[stable_hash(language) % len(palette)]


def sampling_colour(sampling: str) -> str:
    """The fixed colour of a sampling; ``Hybrid(0.3)`` has that of ``Hybrid``."""
    return SAMPLING_COLOURS.get(sampling.partition("(")[0], _OKABE_ITO[-1])


def batch_picture(batches: Mapping[str, Sequence[PairBatch]], languages: Sequence[str], n_rows: int = 24) -> go.Figure:
    """Language by row: a column is a batch, a cell one of its rows, its colour the language of the query or the passage.

    Args:
        batches: by sampling, the first batches of an epoch.
        languages: of the sampler that drew them.
        n_rows: rows of each batch to show, from its first.
    """
    figure = make_subplots(
        rows=2,
        cols=len(batches),
        shared_yaxes=True,
        vertical_spacing=0.1,
        horizontal_spacing=0.03,
        subplot_titles=list(batches),
        row_titles=["query", "passage"],
    )
    scale = _steps([language_colour(language) for language in languages])
    for column, drawn in enumerate(batches.values(), start=1):
        for row, side in ((1, "query_languages"), (2, "passage_languages")):
            codes = np.stack([getattr(batch, side)[:n_rows] for batch in drawn], axis=1)  # (n_rows, n_batches)
            names = np.array([language_name(language) for language in languages])[codes]
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
                customdata=names,
                hovertemplate="batch %{x}, row %{y}<br>%{customdata}<extra></extra>",
                row=row,
                col=column,
            )
    for language in languages:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=language_name(language),
            marker={"symbol": "square", "size": 10, "color": language_colour(language)},
        )
    figure.update_xaxes(title="batch", row=2, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_yaxes(title="row of the batch", col=1)
    return _finish(figure, "Which languages meet in a batch", height=620)


def pair_counts(batches: Mapping[str, Sequence[PairBatch]], languages: Sequence[str]) -> go.Figure:
    """How often each query language meets each passage language, as a share of all rows, by sampling."""
    shares = {}
    for sampling, drawn in batches.items():
        counts = np.zeros((len(languages), len(languages)))
        for batch in drawn:
            np.add.at(counts, (batch.query_languages, batch.passage_languages), 1)
        shares[sampling] = np.where(counts > 0, 100 * counts / counts.sum(), np.nan)  # white: never
    return _heatmaps(shares, languages, "Language pairs, % of all rows (white: never)", "%{z:.2f} %", ".1f", "passage")


def pair_heatmap(matrices: Mapping[str, np.ndarray], languages: Sequence[str], measure: str = "mAP") -> go.Figure:
    """Score of each cell (query language by candidate language), one heatmap a model, all on one scale.

    Args:
        matrices: (n_languages, n_languages) by model; NaN where the task has no such cell.
        languages: of rows and columns.
        measure: what the scores are called.
    """
    return _heatmaps(
        matrices,
        languages,
        f"{measure} by query language (row) and candidate language (column)",
        "%{z:.3f}",
        ".2f",
        "candidate",
    )


def _heatmaps(
    matrices: Mapping[str, np.ndarray], languages: Sequence[str], title: str, hover: str, digits: str, columns: str
) -> go.Figure:
    largest = max(float(np.nanmax(matrix)) for matrix in matrices.values())
    figure = make_subplots(
        rows=1, cols=len(matrices), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=list(matrices)
    )
    for column, matrix in enumerate(matrices.values(), start=1):
        figure.add_heatmap(
            z=matrix,
            x=list(languages),
            y=list(languages),
            zmin=0,
            zmax=largest,
            colorscale=_SCORES,
            xgap=1,
            ygap=1,
            texttemplate=f"%{{z:{digits}}}" if len(matrices) == 1 else None,
            showscale=column == len(matrices),
            colorbar={"thickness": 12},
            hovertemplate=f"query %{{y}}, {columns} %{{x}}<br>{hover}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_xaxes(title=f"{columns} language", showgrid=False, tickangle=0, type="category")
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figure.update_yaxes(title="query language", col=1)
    return _finish(figure, title, height=170 + 790 // max(2, len(matrices)))


def training_curves(histories: Mapping[tuple[str, int], History]) -> go.Figure:
    """Validation scores against updates: the mean over seeds as a line, the seeds' range as a band, a colour a sampling."""
    panels = {
        "mono": "monolingual mAP",
        "cross": "cross-lingual mAP",
        "multi": "multilingual mAP",
        "distance": "rank distance (log scale)",
    }
    titles = list(panels.values())
    figure = make_subplots(rows=2, cols=2, subplot_titles=titles, vertical_spacing=0.14, horizontal_spacing=0.09)
    for sampling in dict.fromkeys(sampling for sampling, _ in histories):
        runs = [history.scores for (name, _), history in histories.items() if name == sampling]
        updates = sorted(set.intersection(*({update for update, _ in run} for run in runs)))  # some stop early
        for number, score in enumerate(panels):
            values = np.array([[dict(run)[update][score] for update in updates] for run in runs])  # (n_seeds, n_evaluations)
            _add_band(figure, sampling, updates, values, 1 + number // 2, 1 + number % 2, legend=number == 0)
    figure.update_xaxes(title="updates", row=2)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(type="log", dtick=1, row=2, col=2)  # a fair model's distance is a thousandth of a biased one's
    return _finish(figure, "Validation during training (band: range over seeds)", height=600)


def _add_band(
    figure: go.Figure, sampling: str, updates: list[int], values: np.ndarray, row: int, column: int, legend: bool
) -> None:
    colour = sampling_colour(sampling)
    figure.add_scatter(
        x=[*updates, *updates[::-1]],
        y=[*values.max(axis=0), *values.min(axis=0)[::-1]],
        fill="toself",
        fillcolor=_faint(colour),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=sampling,
        row=row,
        col=column,
    )
    figure.add_scatter(
        x=updates,
        y=values.mean(axis=0),
        mode="lines+markers",
        name=sampling,
        legendgroup=sampling,
        showlegend=legend,
        line={"color": colour, "width": 2.5},
        row=row,
        col=column,
        hovertemplate=f"{sampling}<br>update %{{x}}: %{{y:.3f}}<extra></extra>",
    )


def settings_chart(results: Results, chance_distance: float | None = None) -> go.Figure:
    """The three settings and the bias of every sampling: mean over seeds, 95 % interval over questions, each seed a ring.

    ``chance_distance``, where given, is drawn as the rank distance of a random ranking.
    """
    panels = {
        "monolingual mAP": ("monolingual", "average_precision"),
        "cross-lingual mAP": ("cross-lingual", "average_precision"),
        "multilingual mAP": ("multilingual", "average_precision"),
        "rank distance (lower is fairer; log)": ("multilingual", "rank_distance"),
    }
    figure = make_subplots(rows=1, cols=4, subplot_titles=list(panels), shared_yaxes=True, horizontal_spacing=0.04)
    for column, place in enumerate(panels.values(), start=1):
        shown = [chance_distance] if chance_distance and column == 4 else []
        for sampling in results.samplings:
            interval, seeds = results.interval(sampling, *place), results.by_seed(sampling, *place)
            shown += [interval.low, interval.high, *seeds]
            above, below = interval.high - interval.estimate, interval.estimate - interval.low
            figure.add_scatter(
                x=seeds,
                y=[sampling] * len(seeds),
                mode="markers",
                hoverinfo="skip",
                showlegend=False,
                marker={"symbol": "circle-open", "size": 11, "color": sampling_colour(sampling)},
                row=1,
                col=column,
            )
            figure.add_scatter(
                x=[interval.estimate],
                y=[sampling],
                mode="markers+text",
                textposition="top center",
                showlegend=False,
                text=[f"{interval.estimate:.3f}" if column < 4 else f"{interval.estimate:,.0f}"],
                marker={"size": 8, "color": sampling_colour(sampling)},
                row=1,
                col=column,
                error_x={"array": [above], "arrayminus": [below], "thickness": 2.5, "width": 6},
                hovertemplate=f"{sampling}: %{{x:.3f}}<extra></extra>",
            )
        room = np.array([-0.18, 1.22]) * np.nanmax([*shown, 1e-9])  # for the numbers
        if column == 4 and np.nanmin([*shown, 1.0]) > 0:
            room = np.log10([np.nanmin(shown) / 3, 4 * np.nanmax(shown)])  # plotly takes the ends of a log axis as exponents
            figure.update_xaxes(type="log", dtick=1, row=1, col=4)
        figure.update_xaxes(range=room.tolist(), nticks=4, row=1, col=column)
    if chance_distance is not None:
        ends = [results.samplings[0], results.samplings[-1]]
        line = {"dash": "dot", "color": "#555555"}
        text = {"text": ["", "chance"], "textposition": "bottom center", "mode": "lines+text", "showlegend": False}
        figure.add_scatter(x=[chance_distance] * 2, y=ends, line=line, hoverinfo="x", row=1, col=4, **text)
    figure.update_yaxes(range=[len(results.samplings) - 0.5, -0.75])
    figure.update_annotations(font_size=12)
    height = 150 + 50 * len(results.samplings)
    return _finish(figure, "Settings by sampling (bar: 95 % interval over questions; rings: seeds)", height)


def answer_ladder(ranks: Mapping[str, Mapping[str, int]], n_candidates: int, question: str = "") -> go.Figure:
    """Where each language's version of one answer stands in the multilingual list: one rung a model, top ranks left.

    Args:
        ranks: by model, the rank of each language's version.
        n_candidates: size of the pool.
        question: shown in the title.
    """
    figure = go.Figure()
    for model, places in ranks.items():
        ends = [min(places.values()), max(places.values())]
        figure.add_scatter(
            x=ends, y=[model, model], mode="lines", line={"color": "#B0B0B0", "width": 3}, hoverinfo="skip", showlegend=False
        )
        for number, (language, rank) in enumerate(sorted(places.items(), key=lambda place: place[1])):
            figure.add_scatter(
                x=[rank],
                y=[model],
                mode="markers+text",
                text=[language],
                showlegend=False,
                textposition=("top center", "bottom center")[number % 2],  # neighbours do not cover each other
                marker={"size": 13, "color": language_colour(language), "line": {"color": "white", "width": 1}},
                hovertemplate=f"{language_name(language)}: rank %{{x}}<extra>{model}</extra>",
            )
    figure.update_xaxes(
        type="log",
        title="rank in the pool of all languages (1 = top; logarithmic)",
        range=[-0.1, np.log10(n_candidates) + 0.1],
    )
    figure.update_yaxes(autorange="reversed", type="category")
    return _finish(
        figure,
        f"Where the versions of one answer land: {question}" if question else "Where the versions of one answer land",
        height=150 + 85 * len(ranks),
    )


def count_bars(counts: Mapping[str, Mapping[str, int]], title: str, axis: str) -> go.Figure:
    """Stacked bars: ``counts[part][bar]``, one colour a part."""
    figure = go.Figure(
        [
            go.Bar(name=part, x=list(bars), y=list(bars.values()), marker_color=_OKABE_ITO[number % len(_OKABE_ITO)])
            for number, (part, bars) in enumerate(counts.items())
        ]
    )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title=axis)
    return _finish(figure, title, height=380)


def _finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    """The look that all figures share."""
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=height,
        title={"text": title, "font": {"size": 16}, "x": 0.01},
        font={"family": "Noto Sans, Helvetica, Arial, sans-serif", "size": 13, "color": "#222222"},
        margin={"l": 80, "r": 30, "t": 75, "b": 60},
        hoverlabel={"font_size": 13},
    )
    return figure


def _steps(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Colour scale of as many equal steps as there are colours."""
    n = len(colours)
    return [(edge / n, colour) for step, colour in enumerate(colours) for edge in (step, step + 1)]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.15)"
