"""Figures over language pairs: query language by candidate language, a heatmap a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from kit.plots.style import SCORES, WIDTH, check_models, check_shape, finish, panel_grid, place
from kit.plots.text import labels, plain, spoken, title_of

MOST_PRINTED = 15
"""Languages up to which a cell has room for its number."""

DIVERGING = ("#0072B2", "#8FC1DE", "#F7F7F7", "#F0B48A", "#D55E00")
"""From low over nothing to high: blue and vermilion of Okabe and Ito, which colour-blind readers can tell apart."""

_LEAST_CELL = 14  # pixels of a cell that has a label of its own


def pair_heatmap(matrices: Mapping[str, np.ndarray], languages: Sequence[str], measure: str = "mAP") -> go.Figure:
    """Score of each cell (query language by candidate language), one heatmap a model, all on one scale.

    A single model's scores are printed in the cells where there is room.

    Args:
        matrices: (n_languages, n_languages) by model; NaN where the task has no such cell.
        languages: of rows and columns.
        measure: what the scores are called.

    Raises:
        ValueError: no model, or a matrix of another shape.
    """
    title = f"{plain(measure)} by query language (row) and candidate language (column)"
    alt = f"{spoken(measure)} by query language and candidate language{_among(matrices, languages)}."
    return heatmaps(matrices, languages, title, alt, "%{z:.3f}", ".2f", "candidate")


def agreement_heatmap(matrices: Mapping[str, np.ndarray], languages: Sequence[str]) -> go.Figure:
    """Agreement of the lists that one question gets in two languages, one heatmap a model, all on one scale.

    The scale goes from 0 to 1, or, where a correlation is below 0, from -1 to 1 with its neutral colour at 0.

    Args:
        matrices: (n_languages, n_languages) by model, mean Spearman correlation; NaN where two languages share no question.
        languages: of rows and columns.

    Raises:
        ValueError: no model, or a matrix of another shape.
    """
    title = title_of("Do two languages get the same list?", "Spearman correlation (1: same order, 0: unrelated)")
    others = {name: np.where(np.eye(len(matrix)) == 1, np.nan, matrix) for name, matrix in matrices.items()}
    among = _among(others, languages, "other language")
    alt = f"Spearman correlation between the lists of one question in two languages{among}."
    negative = any((np.nan_to_num(matrix) < 0).any() for matrix in matrices.values())
    scale, limits = (even(DIVERGING), (-1, 1)) if negative else (SCORES, (0, 1))
    return heatmaps(matrices, languages, title, alt, "%{z:.3f}", ".2f", "other", scale=scale, limits=limits)


def heatmaps(
    matrices: Mapping[str, np.ndarray],
    languages: Sequence[str],
    title: str,
    alt: str,
    hover: str,
    digits: str,
    columns: str,
    scale: object = SCORES,
    limits: tuple[float, float] | None = None,
) -> go.Figure:
    """A heatmap a model; ``limits`` of the scale are 0 and the largest value where none are given.

    Args:
        title, alt, columns: of the figure, and what the languages of the columns are; markup, plain text, plain text.
        hover, digits: plotly's formats of a value in the hover text and in a cell.
    """
    check_models("matrices", matrices)
    for name, matrix in matrices.items():
        check_shape(f"matrices[{name!r}]", matrix, (len(languages), len(languages)))
    largest = max(float(matrix[~np.isnan(matrix)].max(initial=0)) for matrix in matrices.values()) or 1.0
    low, high = limits or (0, largest)
    n_columns = grid_columns(len(matrices), len(languages))
    size = panel_size(n_columns, len(languages))
    figure, height = panel_grid(list(matrices), n_columns, size, gap=60, horizontal_spacing=_between(languages))
    for number, (name, matrix) in enumerate(matrices.items()):
        figure.add_heatmap(
            z=matrix,
            x=[plain(language) for language in languages],
            y=[plain(language) for language in languages],
            zmin=low,
            zmax=high,
            colorscale=scale,
            xgap=1,
            ygap=1,
            texttemplate=f"%{{z:{digits}}}" if len(matrices) == 1 and len(languages) <= MOST_PRINTED else None,
            textfont_size=12,
            showscale=number == 0,
            colorbar={"thickness": 12},
            hovertemplate=f"query %{{y}}, {columns} %{{x}}<br>{hover}<extra>{labels(list(matrices), 40)[name]}</extra>",
            **place(number, n_columns),
        )
    language_axes(figure, languages, size, f"{columns} language", len(matrices), n_columns)
    return finish(figure, title, height, alt)


def language_axes(
    figure: go.Figure, languages: Sequence[str], size: int, columns: str, n_panels: int, n_columns: int
) -> None:
    """Axes of panels whose rows and columns are languages; each language has its label where a cell has room."""
    cell = size / len(languages)
    ticks = {"type": "category", "showgrid": False, "zeroline": False}
    ticks |= {"tickfont_size": 11} if len(languages) > 8 else {}
    ticks |= {"dtick": 1} if cell >= _LEAST_CELL - 1 else {}
    upright = cell < 8 * max(map(len, languages))
    figure.update_xaxes(tickangle=-90 if upright else 0, **ticks)
    figure.update_yaxes(autorange="reversed", ticklabelstandoff=4, **ticks)
    figure.update_yaxes(title="query language", col=1)
    for number in range(max(0, n_panels - n_columns), n_panels):  # the lowest panel of each column
        figure.update_xaxes(title={"text": columns, "standoff": 6}, **place(number, n_columns))


def _between(languages: Sequence[str]) -> float:
    """Space between panels side by side, as a share of the width, in which the longest label has room."""
    return max(0.04, (20 + 7 * max(map(len, languages), default=0)) / (WIDTH - 130))


def grid_columns(n_panels: int, n_languages: int) -> int:
    """Panels side by side: 3, or 2 where that leaves no gap in the last row or a language would have no label."""
    return min(n_panels, 2 if n_panels == 4 or n_languages > MOST_PRINTED else 3)


def panel_size(n_columns: int, n_languages: int) -> int:
    """Height in pixels of a panel of languages by languages; close to its width."""
    widest = {1: 470, 2: 350}.get(n_columns, 235)
    return max(min(widest, 60 * n_languages), 180, _LEAST_CELL * n_languages)


def even(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Colour scale that blends from colour to colour in equal steps."""
    return [(number / (len(colours) - 1), colour) for number, colour in enumerate(colours)]


def _among(matrices: Mapping[str, np.ndarray], languages: Sequence[str], columns: str = "candidate") -> str:
    """What stands out among the cells of all models, as the rest of a sentence and a second one.

    Args:
        columns: what the languages of the columns are; plain text.
    """
    present = {name: matrix for name, matrix in matrices.items() if not np.isnan(matrix).all()}
    if not present:
        return " has no value in any cell"
    means = {name: float(np.nanmean(matrix)) for name, matrix in present.items()}
    best, worst = max(means, key=means.get), min(means, key=means.get)
    mean = f"the mean over cells is {_number(means[best])}"
    if len(means) > 1:
        mean = f"mean over cells from {_number(means[worst])} ({spoken(worst)}) to {_number(means[best])} ({spoken(best)})"
    ends = []
    for word, find, ends_of in (("lowest", np.nanargmin, np.nanmin), ("highest", np.nanargmax, np.nanmax)):
        pick = min if word == "lowest" else max
        name = pick(present, key=lambda model: float(ends_of(present[model])))
        row, column = np.unravel_index(find(present[name]), present[name].shape)
        model = f" ({spoken(name)})" if len(means) > 1 else ""
        ends.append(
            f"{word} cell is {_number(present[name][row, column])}, query {spoken(languages[row])}, "
            f"{columns} {spoken(languages[column])}{model}"
        )
    return f": {mean}. The {ends[0]}; the {ends[1]}"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
