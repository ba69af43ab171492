"""Figures over language pairs: query language by candidate language, a heatmap a model.

The difference of two models in every language pair, with its test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.core.printing import number as _number
from kit.show.plots.style import (
    OUTLINE,
    SCORES,
    WIDTH,
    add_numbers,
    check_models,
    check_shape,
    ends_by_value,
    finish,
    panel_at,
    panel_grid,
    readable_on,
)
from kit.show.plots.text import labels, plain, spoken, title_of

if TYPE_CHECKING:
    from kit.compare.results import CellTests


MOST_PRINTED = 15
"""Languages up to which a cell has room for its number."""

DIVERGING = ("#1F88CC", "#8FC1DE", "#F7F7F7", "#F0B48A", "#D55E00")
"""From low over nothing to high: blue and vermilion of Okabe and Ito, which colour-blind readers can tell apart.

The blue is lighter than theirs: black numbers have a contrast of 5 : 1 or more on every colour of the scale.
"""

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


def agreement_heatmap(
    matrices: Mapping[str, np.ndarray], languages: Sequence[str], panel: Mapping[str, float] | None = None
) -> go.Figure:
    """Agreement of the lists that one question gets in two languages, one heatmap a model, all on one scale.

    The scale goes from 0 to 1, or, where a correlation is below 0, from -1 to 1 with its neutral colour at 0.

    Args:
        matrices: (n_languages, n_languages) by model, mean Spearman correlation; NaN where two languages share no question.
        languages: of rows and columns.
        panel: list agreement by model as the bias panel has it, for the text alternative, which tells the two means apart.

    Raises:
        ValueError: no model, or a matrix of another shape.
    """
    title = title_of("Do two languages get the same list?", "Spearman correlation (1: same order, 0: unrelated)")
    others = {name: np.where(np.eye(len(matrix)) == 1, np.nan, matrix) for name, matrix in matrices.items()}
    among = _among(others, languages, "other language")
    alt = f"Spearman correlation between the lists of one question in two languages{among}.{_beside_panel(others, panel)}"
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
    scale: str | Sequence[tuple[float, str]] = SCORES,
    limits: tuple[float, float] | None = None,
) -> go.Figure:
    """A heatmap a model; ``limits`` of the scale are 0 and the largest value where none are given.

    Args:
        title, alt, columns: of the figure, and what the languages of the columns are; markup, plain text, plain text.
        hover, digits: formats of a value, plotly's in the hover text, Python's in a cell.
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
            showscale=number == 0,
            colorbar={"thickness": 12},
            hovertemplate=f"query %{{y}}, {columns} %{{x}}<br>{hover}<extra>{labels(list(matrices), 40)[name]}</extra>",
            **panel_at(number, n_columns),
        )
    if len(matrices) == 1 and len(languages) <= MOST_PRINTED:
        (matrix,) = matrices.values()
        texts = np.array([["" if np.isnan(one) else format(one, digits) for one in row] for row in matrix], object)
        colours = readable_on((matrix - low) / (high - low), scale)
        add_numbers(figure, texts, colours, [plain(language) for language in languages], **panel_at(0, n_columns))
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
        figure.update_xaxes(title={"text": columns, "standoff": 6}, **panel_at(number, n_columns))


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


def _beside_panel(others: Mapping[str, np.ndarray], panel: Mapping[str, float] | None) -> str:
    """A sentence that tells the means of cells from the list agreement of the panel, where the two differ."""
    means = {name: _number(mean, 3) for name, mean in (panel or {}).items() if not np.isnan(others[name]).all()}
    if all(mean == _number(float(np.nanmean(others[name])), 3) for name, mean in means.items()):
        return ""
    told = ", ".join(f"{mean} ({spoken(name)})" if len(means) > 1 else mean for name, mean in means.items())
    return (
        " A mean over cells counts each pair of languages alike; list agreement in the bias panel counts each question of a "
        f"language alike, with the languages that it has, and is {told}."
    )


def _among(matrices: Mapping[str, np.ndarray], languages: Sequence[str], columns: str = "candidate") -> str:
    """What stands out among the cells of all models, as the rest of a sentence and a second one.

    Args:
        columns: what the languages of the columns are; plain text.
    """
    present = {name: matrix for name, matrix in matrices.items() if not np.isnan(matrix).all()}
    if not present:
        return " has no value in any cell"
    means = {name: float(np.nanmean(matrix)) for name, matrix in present.items()}
    worst, best = ends_by_value(means)
    mean = f"the mean over cells is {_number(means[best], 3)}"
    if len(means) > 1:
        ends = [f"{_number(means[name], 3)} ({spoken(name)})" for name in (worst, best)]
        mean = f"mean over cells from {' to '.join(ends)}"
    ends = []
    for word, find, ends_of in (("lowest", np.nanargmin, np.nanmin), ("highest", np.nanargmax, np.nanmax)):
        pick = min if word == "lowest" else max
        name = pick(present, key=lambda model: float(ends_of(present[model])))
        row, column = map(int, np.unravel_index(find(present[name]), present[name].shape))
        model = f" ({spoken(name)})" if len(means) > 1 else ""
        ends.append(
            f"{word} cell is {_number(present[name][row, column], 3)}, query {spoken(languages[row])}, "
            f"{columns} {spoken(languages[column])}{model}"
        )
    return f": {mean}. The {ends[0]}; the {ends[1]}"


_signed = partial(_number, sign="+")
_MARK = "•"
_MISSING = "#DADADA"
_PALER = 0.7  # of the way to white, for cells without a mark


def pair_differences(tests: CellTests, first: str, second: str, measure: str = "mAP", level: float = 0.05) -> go.Figure:
    """First model minus second in every language pair; cells whose adjusted p-value is below ``level`` are marked.

    A marked cell has its full colour, a bold number and a dot; any other is pale. Grey: the task has no such cell. Above
    15 languages no numbers are printed. The colour scale is symmetric around 0.

    Args:
        tests: as of ``Results.cell_tests``: difference, its interval and its p-value, adjusted over all cells (Holm); each
            (n_languages, n_languages), NaN where the task has no such cell.
        first, second: names of the models; measure: what the scores are called.
        level: of the marks, between 0 and 1.

    Raises:
        ValueError: ``level`` out of range, or a matrix of another shape.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: choose a number between 0 and 1, such as 0.05")
    n = len(tests.languages)
    for name in ("difference", "low", "high", "p_value"):
        check_shape(f"tests.{name}", getattr(tests, name), (n, n))
    present = ~np.isnan(tests.difference)
    marked = present & (np.nan_to_num(tests.p_value, nan=1.0) < level)
    figure = make_subplots()
    limit = float(np.abs(tests.difference[present]).max(initial=0)) or 1.0
    paler = [_towards_white(colour) for colour in DIVERGING]
    common = {"languages": [plain(language) for language in tests.languages], "limit": limit}
    _add_cells(figure, tests, marked, DIVERGING, {"color": "#000000"}, marked=True, **common)
    _add_cells(figure, tests, present & ~marked, paler, {"color": OUTLINE}, marked=False, **common)
    _add_missing(figure, present, common["languages"])
    size = max(panel_size(1, n), 22 * n)
    language_axes(figure, tests.languages, size, "candidate language", 1, 1)
    title = title_of(f"{plain(measure)}: {plain(first, 90)}", f"minus {plain(second, 85)}")
    title += (
        f"<br>{_MARK} p < {level:g}, adjusted over all pairs (Holm); grey: no such pair"
        if not present.all()
        else (f"<br>{_MARK} p < {level:g}, adjusted over all pairs (Holm)")
    )
    return finish(figure, title, size, _alt(tests, marked, first, second, measure, level))


def _add_cells(
    figure: go.Figure,
    tests: CellTests,
    shown: np.ndarray,
    colours: tuple[str, ...] | list[str],
    font: dict[str, str],
    marked: bool,
    languages: list[str],
    limit: float,
) -> None:
    """The cells of one kind; the others of the trace are empty."""
    printed = len(languages) <= MOST_PRINTED
    texts = np.full(shown.shape, "", dtype=object)
    for row, column in np.argwhere(shown).tolist():
        score = _signed(tests.difference[row, column], 2) if printed else ""
        texts[row, column] = f"<b>{score}</b>{_MARK}" if marked else score
    figure.add_heatmap(
        z=np.where(shown, tests.difference, np.nan),
        x=languages,
        y=languages,
        zmin=-limit,
        zmax=limit,
        colorscale=even(colours),
        showscale=marked,
        colorbar={"thickness": 12, "tickformat": "+.3~f"},
        xgap=1,
        ygap=1,
        text=texts.tolist(),
        texttemplate="%{text}",
        textfont={"size": 12} | font,
        customdata=_hover(tests, shown),
        hovertemplate="query %{y}, candidate %{x}<br>%{customdata}<extra></extra>",
        hoverongaps=False,
    )


def _hover(tests: CellTests, shown: np.ndarray) -> list[list[str]]:
    texts = np.full(shown.shape, "", dtype=object)
    for cell in map(tuple, np.argwhere(shown).tolist()):
        low, high = (_signed(ends[cell], 3) for ends in (tests.low, tests.high))
        texts[cell] = f"{_signed(tests.difference[cell], 3)}, 95 % interval {low} to {high}, p = {tests.p_value[cell]:.4f}"
    return texts.tolist()


def _add_missing(figure: go.Figure, present: np.ndarray, languages: list[str]) -> None:
    """Grey where the task has no such cell, so that it does not pass for a difference of 0."""
    figure.add_heatmap(
        z=np.where(present, np.nan, 0.0),
        x=languages,
        y=languages,
        colorscale=[(0, _MISSING), (1, _MISSING)],
        showscale=False,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="query %{y}, candidate %{x}<br>no such pair<extra></extra>",
    )


def _alt(tests: CellTests, marked: np.ndarray, first: str, second: str, measure: str, level: float) -> str:
    present = ~np.isnan(tests.difference)
    what = f"{spoken(measure)} of {spoken(first)} minus {spoken(second)} by query language and candidate language"
    if not present.any():
        return f"{what}: no pair has a value."
    ends = []
    for word, find in (("lowest", np.nanargmin), ("highest", np.nanargmax)):
        cell = np.unravel_index(find(tests.difference), tests.difference.shape)
        query, candidate = (spoken(tests.languages[index]) for index in cell)
        ends.append(f"the {word} is {_signed(tests.difference[cell], 3)} (query {query}, candidate {candidate})")
    higher, lower = (int((marked & (sign * tests.difference > 0)).sum()) for sign in (1, -1))
    return (
        f"{what}: {_signed(float(np.mean(tests.difference[present])), 3)} on average over {int(present.sum())} pairs; "
        f"{'; '.join(ends)}. With adjusted p below {level:g}, "
        f"the first is higher in {higher} and lower in {lower}."
    )


def _towards_white(colour: str) -> str:
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(channel + _PALER * (255 - channel)):02X}" for channel in channels)
