"""Figures of where the versions of an answer stand in the list of all languages.

Where texts lie: embeddings in two dimensions, the versions of a text joined by a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from kit.show.plots.scores import NAME_COLUMNS, row_height
from kit.show.plots.style import (
    OUTLINE,
    QUIET,
    check_models,
    check_shape,
    ends_by_value,
    finish,
    language_colour,
    language_label,
    legend_below,
    panel_grid,
    row_axis,
)
from kit.show.plots.text import clean, labels, plain, spoken

_RANK_AXIS = "rank in the pool of all languages (1 = top; logarithmic)"


def answer_ladder(ranks: Mapping[str, Mapping[str, int]], n_candidates: int, question: str = "") -> go.Figure:
    """Where each language's version of one answer stands in the multilingual list: one rung a model, top ranks left.

    Args:
        ranks: by model, the rank of each language's version.
        n_candidates: size of the pool.
        question: shown in the title, on lines of its own.

    Raises:
        ValueError: no model, or a model without a version.
    """
    check_models("ranks", ranks)
    figure = go.Figure()
    names = labels(list(ranks), NAME_COLUMNS)
    for model, places in ranks.items():
        check_models(f"ranks[{model!r}]", places)
        ends = [min(places.values()), max(places.values())]
        figure.add_scatter(
            x=ends,
            y=[names[model]] * 2,
            mode="lines",
            line={"color": "#B0B0B0", "width": 3},
            hoverinfo="skip",
            showlegend=False,
        )
        ordered = sorted(places.items(), key=lambda ranked: ranked[1])
        for (language, rank), (above, text) in zip(ordered, _without_collision(ordered, n_candidates)):
            figure.add_scatter(
                x=[rank],
                y=[names[model]],
                mode="markers+text",
                text=[text],
                showlegend=False,
                textposition="top center" if above else "bottom center",
                textfont_size=12,
                cliponaxis=False,
                marker={"size": 12, "color": language_colour(language), "line": {"color": OUTLINE, "width": 1}},
                hovertemplate=f"{language_label(language)}: rank %{{x}}<extra>{names[model]}</extra>",
            )
    rank_axis(figure, n_candidates)
    figure.update_xaxes(title=_RANK_AXIS)
    figure.update_yaxes(type="category", range=[len(ranks) - 0.4, -0.6])
    title = "Where the versions of one answer land"
    title += f":<br>{plain(question, 90)}" if clean(question) else ""
    return finish(figure, title, max(row_height(names), 85) * len(ranks), _ladder_alt(ranks, n_candidates, question))


_LETTER, _GAP, _TIERS = 0.009, 0.003, 2
"""Width of a letter and of the gap between two labels, as shares of the axis; how many labels may stand above a marker."""


def _without_collision(ordered: Sequence[tuple[str, int]], n_candidates: int) -> list[tuple[bool, str]]:
    """For each language, best rank first: whether its label stands above the marker, and the label.

    Empty lines move a label away from the marker where it would cover its neighbour's.
    """
    ends = dict.fromkeys([(above, tier) for tier in range(_TIERS) for above in (True, False)], -1.0)  # right end of the last
    found = []
    for number, (language, rank) in enumerate(ordered):
        name = plain(language)
        half, middle = len(name) * _LETTER / 2, np.log10(rank) / max(np.log10(n_candidates), 1.0)
        sides = sorted(ends, key=lambda side: (side[1], side[0] == (number % 2 == 1)))  # near ones first, above in turn
        above, tier = side = next((one for one in sides if ends[one] + _GAP < middle - half), ends_by_value(ends)[0])
        ends[side] = max(ends[side], middle - half) + 2 * half  # without room, they share evenly
        away = ["\u00a0"] * tier
        found.append((above, "<br>".join([name, *away] if above else [*away, name])))
    return found


def _ladder_alt(ranks: Mapping[str, Mapping[str, int]], n_candidates: int, question: str) -> str:
    asked = f' to "{spoken(question)}"' if clean(question) else ""
    parts = []
    for model, places in ranks.items():
        first, last = ends_by_value(places)
        parts.append(f"{spoken(model)} from {places[first]:,} ({spoken(first)}) to {places[last]:,} ({spoken(last)})")
    return f"Ranks of the versions of one answer{asked} among {n_candidates:,} candidates: {'; '.join(parts)}."


def version_ladder(ranks: Mapping[str, np.ndarray], languages: Sequence[str], n_candidates: int) -> go.Figure:
    """Where each language's versions of the answers stand, over all queries: one panel a model, one rung a language.

    The marker is the median, the bar goes from the first to the third quartile. The rungs of all panels are sorted by the
    first model's medians, best at the top, so that buried languages stand at the bottom; ties keep the order given, and
    a language without any version comes last.

    Args:
        ranks: by model, rank of each language's version for each query, (n_queries, n_languages), NaN where there is none.
        languages: of the columns.
        n_candidates: size of the pool.

    Raises:
        ValueError: no model, or ranks of another shape.
    """
    check_models("ranks", ranks)
    for name, values in ranks.items():
        check_shape(f"ranks[{name!r}]", values, (None, len(languages)))
    quartiles = {name: _quartiles(values) for name, values in ranks.items()}
    medians = next(iter(quartiles.values()))[:, 1]
    order = np.argsort(np.where(np.isnan(medians), np.inf, medians), kind="stable")
    figure, height = panel_grid(list(ranks), 1, 19 * len(languages) + 14, gap=22, shared_xaxes=True)
    tags = {languages[index]: rung(languages[index]) for index in map(int, order)}
    names = labels(list(ranks), 40)
    for row, (model, values) in enumerate(quartiles.items(), start=1):
        _add_rungs(figure, tags, values[order], names[model], row)
    rank_axis(figure, n_candidates)
    figure.update_xaxes(title=_RANK_AXIS, row=len(ranks))
    row_axis(figure, list(tags.values()), dtick=1)
    title = "Where each language's versions of the answers stand (point: median; bar: middle half)"
    return finish(figure, title, height, _versions_alt(quartiles, languages))


def rung(language: str) -> str:
    """Name and tag of a language, or the tag alone where it has no name."""
    name, tag = language_label(language), plain(language)
    return tag if name == tag else f"{name} ({tag})"


def _quartiles(values: np.ndarray) -> np.ndarray:
    """First quartile, median and third quartile of each column, (n_columns, 3), NaN for a column without a number."""
    found = np.full((values.shape[1], 3), np.nan)
    for number, column in enumerate(np.asarray(values, np.float64).T):
        present = column[~np.isnan(column)]
        if present.size:
            found[number] = np.quantile(present, [0.25, 0.5, 0.75])
    return found


def _add_rungs(figure: go.Figure, tags: Mapping[str, str], quartiles: np.ndarray, model: str, row: int) -> None:
    low, median, high = quartiles.T
    for number, language in enumerate(tags):
        if np.isnan(median[number]):
            continue
        figure.add_scatter(
            x=[low[number], high[number]],
            y=[tags[language]] * 2,
            mode="lines",
            line={"color": QUIET, "width": 3},
            hoverinfo="skip",
            showlegend=False,
            row=row,
            col=1,
        )
        figure.add_scatter(
            x=[median[number]],
            y=[tags[language]],
            mode="markers",
            marker={"size": 11, "color": language_colour(language), "line": {"color": OUTLINE, "width": 1}},
            showlegend=False,
            cliponaxis=False,
            hovertemplate=(
                f"{tags[language]}: median rank {median[number]:,.0f}, "
                f"middle half {low[number]:,.0f} to {high[number]:,.0f}<extra>{model}</extra>"
            ),
            row=row,
            col=1,
        )


def _versions_alt(quartiles: Mapping[str, np.ndarray], languages: Sequence[str]) -> str:
    parts = []
    for model, values in quartiles.items():
        medians = {tag: median for tag, median in zip(languages, values[:, 1]) if not np.isnan(median)}
        if not medians:
            parts.append(f"{spoken(model)} has none")
            continue
        best, worst = ends_by_value(medians)
        parts.append(
            f"{spoken(model)} from {medians[best]:,.0f} ({spoken(best)}) to {medians[worst]:,.0f} ({spoken(worst)})"
        )
    return f"Median rank of each language's version of the answer, over all queries: {'; '.join(parts)}."


def rank_axis(figure: go.Figure, n_candidates: float) -> None:
    """Ranks on a logarithmic axis, from 1 to the size of the pool."""
    figure.update_xaxes(type="log", dtick=1, tickformat=",", range=[-0.1, float(np.log10(n_candidates)) + 0.1])


def embedding_map(
    plane: np.ndarray, languages: Sequence[str], answers: Sequence[int], texts: Sequence[str], title: str = "Embeddings"
) -> go.Figure:
    """A point a text, its colour the language; the versions of an answer are joined to their centre by lines.

    Short lines: versions lie together. Colours that stand in heaps of their own: the language decides where a text lies.

    Args:
        plane: from ``kit.show.projection.project``, shape (n, 2).
        languages, answers, texts: of each point its language, the number of its answer, and what hovering shows.

    Raises:
        ValueError: lengths that differ, or no point.
    """
    n = len(languages)
    check_shape("plane", plane, (n, 2))
    if not n or len(answers) != n or len(texts) != n:
        raise ValueError(
            f"{n} languages, {len(answers)} answers and {len(texts)} texts: give one of each a point, at least one"
        )
    figure = go.Figure(_links(plane, np.asarray(answers)))
    codes = np.array(languages)
    for language in sorted(set(languages)):
        own = np.flatnonzero(codes == language)
        figure.add_scatter(
            x=plane[own, 0],
            y=plane[own, 1],
            mode="markers",
            name=language_label(language),
            marker={"size": 10, "color": language_colour(language), "line": {"color": OUTLINE, "width": 1}},
            text=[plain(texts[one], 90) for one in own.tolist()],
            hovertemplate=f"%{{text}}<extra>{language_label(language)}</extra>",
        )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(showticklabels=False, zeroline=False)
    figure.update_yaxes(scaleanchor="x", scaleratio=1)
    bottom = legend_below(figure, [language_label(language) for language in sorted(set(languages))]) - 30
    return finish(figure, plain(title, 95), 480, _alt(plane, codes, np.asarray(answers), title), bottom)


def _links(plane: np.ndarray, answers: np.ndarray) -> go.Scatter:
    """Lines from each version of an answer to the middle of all of them."""
    xs, ys = [], []
    for answer in np.unique(answers):
        own = plane[answers == answer]
        middle = own.mean(axis=0)
        for point in own if len(own) > 1 else ():
            xs += [float(middle[0]), float(point[0]), None]
            ys += [float(middle[1]), float(point[1]), None]
    line = {"color": "rgba(120, 120, 120, 0.45)", "width": 1}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _alt(plane: np.ndarray, languages: np.ndarray, answers: np.ndarray, title: str) -> str:
    """How far versions lie from each other, and texts of one language, in units of what any two texts do."""
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    other = ~np.eye(len(plane), dtype=bool)
    typical = distance[other].mean() if other.any() else 0.0
    parts = []
    for name, codes in (("versions of an answer", answers), ("texts in one language", languages)):
        same = (codes[:, None] == codes[None]) & other
        if typical and same.any():
            parts.append(f"{name} lie {distance[same].mean() / typical:.2f} times as far apart as any two texts")
    return f"{spoken(title)}: {len(plane)} texts in {len(set(languages))} languages. {'; '.join(parts)}."
