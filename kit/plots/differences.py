"""The difference of two models in every language pair, with its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.plots.pairs import DIVERGING, MOST_PRINTED, even, language_axes, panel_size
from kit.plots.style import OUTLINE, check_shape, finish
from kit.plots.text import plain, spoken, title_of

if TYPE_CHECKING:
    from kit.results import CellTests

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
    for row, column in np.argwhere(shown):
        number = _signed(tests.difference[row, column], 2) if printed else ""
        texts[row, column] = f"<b>{number}</b>{_MARK}" if marked else number
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
    for cell in map(tuple, np.argwhere(shown)):
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


def _signed(value: float, digits: int) -> str:
    """A number with its sign, and none where it rounds to zero."""
    rounded = round(float(value), digits) + 0.0
    return f"{rounded:.{digits}f}" if rounded == 0 else f"{rounded:+.{digits}f}".replace("-", "−")


def _towards_white(colour: str) -> str:
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(channel + _PALER * (255 - channel)):02X}" for channel in channels)
