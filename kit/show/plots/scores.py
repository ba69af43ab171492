"""The overview of all models: the three settings and the bias side by side; their differences from one of them.

How evenly models serve the language pairs: every pair in a row, every model a point with its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kit.compare.columns import DIGITS
from kit.compare.stats import Interval, confidence_interval
from kit.core.printing import number as number_text, span
from kit.evaluate.evaluation import SETTINGS
from kit.show.plots.style import (
    HALO,
    QUIET,
    Spot,
    add_rings,
    chance_line,
    ends_by_value,
    ends_of,
    faint,
    finish,
    legend_below,
    model_colours,
    panel_at,
    panel_grid,
    row_axis,
)
from kit.show.plots.text import labels, n_lines, plain, spoken, title_of

if TYPE_CHECKING:
    from kit.compare.results import Difference, Results

NAME_COLUMNS = 24
"""Columns of a line in the name of a model beside its row."""

_TWO_LINES = 64  # pixels of a row whose number stands above its interval


def settings_and_bias(distance: str) -> dict[str, tuple[str, str]]:
    """(setting, measure) of the panels of an overview, by title; the last, the rank distance, is called ``distance``."""
    of_setting = {f"{setting} mAP": (setting, "average_precision") for setting in SETTINGS}
    return of_setting | {distance: ("multilingual", "rank_distance")}


_PANELS = settings_and_bias("rank distance (log;<br>lower is fairer)")


def settings_chart(results: Results, chance_distance: float | None = None) -> go.Figure:
    """The three settings and the bias of every model: mean over seeds, 95 % interval over questions, each seed a ring.

    ``chance_distance``, where given, is the rank distance of a random ranking, drawn as a dotted line.
    """
    figure = make_subplots(rows=1, cols=4, subplot_titles=list(_PANELS), shared_yaxes=True, horizontal_spacing=0.04)
    names = labels(results.models, NAME_COLUMNS)
    colours = model_colours(results.models)
    for column, where in enumerate(_PANELS.values(), start=1):
        spot: Spot = {"row": 1, "col": column}
        shown = [chance_distance] if chance_distance and column == 4 else []
        for model in results.models:
            interval, seeds = results.interval(model, *where), results.by_seed(model, *where)
            shown += [interval.low, interval.high, *seeds]
            add_rings(figure, seeds, [names[model]] * len(seeds), colours[model], spot, size=7, showlegend=False)
            add_estimate(
                figure, names[model], interval, colours[model], _with_ends(interval, 3 if column < 4 else 0), **spot
            )
        _set_range(figure, shown, column)
    dotted = ""
    if chance_distance is not None:
        chance_line(figure, chance_distance, row=1, col=4)
        dotted = "; dotted: a random ranking"
    figure.update_yaxes(type="category", range=[len(results.models) - 0.4, -0.75], tickfont_size=12)
    figure.update_annotations(font_size=12)
    height = max(row_height(names), _TWO_LINES) * len(results.models)
    title = f"Settings by model (bar: 95 % interval over questions; rings: seeds{dotted})"
    return finish(figure, title, max(height, 90), _alt(results, chance_distance), bottom=45)


def row_height(names: Mapping[str, str]) -> int:
    """Pixels of a row beside which the longest of these labels stands."""
    return max(50, 18 + 16 * max(map(n_lines, names.values())))


def add_estimate(
    figure: go.Figure,
    label: str,
    interval: Interval,
    colour: str,
    text: str,
    row: int,
    col: int,
    hover: str = "%{x:.3f}",
    symbol: str = "line-ns",
) -> None:
    """An estimate with its interval and its number above it, in the row of a model; nothing where it is not defined.

    The estimate is a thin stroke across a thick bar, so that it hides no interval, however narrow.
    """
    figure.add_scatter(
        x=[interval.estimate],
        y=[label],
        mode="markers+text",
        textposition="top center",
        textfont={"size": 12} | HALO,
        showlegend=False,
        text=[text],
        marker={"symbol": symbol, "size": 8, "color": colour, "line": {"width": 2, "color": colour}},
        row=row,
        col=col,
        cliponaxis=False,
        error_x=ends_of([interval]) | {"thickness": 9, "width": 0, "color": faint(colour, 0.55)},
        hovertemplate=f"{label}: {hover}<extra></extra>",
    )


def _with_ends(interval: Interval, digits: int) -> str:
    """An estimate and, below it, both ends of its interval."""
    ends = span(interval.low, interval.high, digits)
    return f"{number_text(interval.estimate, digits)}<br><span style='font-size: 10px'>{ends}</span>"


def _set_range(figure: go.Figure, shown: Sequence[float], column: int) -> None:
    """Ends of an axis around what is shown, with room for the numbers; not from 0, where no interval could be seen.

    The last axis is logarithmic where all values are above 0.
    """
    present = [value for value in shown if not np.isnan(value)] or [0.0]
    low, high = min(present), max(present)
    room = np.array([low, high]) + np.array([-0.4, 0.4]) * max(high - low, 0.1 * abs(high), 0.01)
    if column == 4 and low > 0:
        room = np.log10([low / 4, 5 * high])  # plotly takes the ends of a log axis as exponents
        figure.update_xaxes(type="log", dtick=1, tickformat=",", row=1, col=4)
    figure.update_xaxes(range=room.tolist(), nticks=4, row=1, col=column, tickfont_size=12)


def _alt(results: Results, chance_distance: float | None) -> str:
    parts = []
    for title, where in _PANELS.items():
        scores = {model: results.interval(model, *where).estimate for model in results.models}
        scores = {model: score for model, score in scores.items() if not np.isnan(score)}
        if not scores:
            continue
        is_bias = where[1] == "rank_distance"
        name, digits = ("rank distance", ",.0f") if is_bias else (title, ".3f")
        best, worst = ends_by_value(scores) if is_bias else ends_by_value(scores)[::-1]
        to = f" to {scores[worst]:{digits}} ({spoken(worst)})" if len(scores) > 1 else ""
        parts.append(f"{name} {scores[best]:{digits}} ({spoken(best)}){to}")
    chance = "" if chance_distance is None else f" A random ranking has a rank distance of {chance_distance:,.0f}."
    n = len(results.models)
    what = "The three settings and the rank distance of " + ("1 model" if n == 1 else f"{n} models, best to worst")
    return f"{what}: {'; '.join(parts) or 'no value'}.{chance}"


_FOREST_COLUMNS = 4


def difference_forest(differences: Sequence[Difference], level: float = 0.05) -> go.Figure:
    """Every model minus the reference: difference and 95 % interval, one small panel a measure.

    Filled: the p-value, adjusted over all that is given (Holm), is below ``level``; open: chance could explain it.

    Args:
        differences: as ``Results.differences`` gives them, of one reference.
        level: of the marks, between 0 and 1.

    Raises:
        ValueError: nothing to draw, or several references.
    """
    references = {one.second for one in differences}
    if len(references) != 1:
        raise ValueError(
            f"differences are from {len(references)} models: give those of two models or more, from one of them"
        )
    (reference,) = references
    models = list(dict.fromkeys(one.first for one in differences))
    measures = list(dict.fromkeys(one.column for one in differences))
    names, colours = labels(models, NAME_COLUMNS), model_colours([reference, *models])
    panel = max(row_height(names) * len(models), 60)
    figure, height = panel_grid(measures, _FOREST_COLUMNS, panel, gap=45, shared_yaxes=True, horizontal_spacing=0.035)
    for number, measure in enumerate(measures):
        spot = panel_at(number, _FOREST_COLUMNS)
        for one in (one for one in differences if one.column == measure):
            overall, colour, digits = one.compared.overall, colours[one.first], DIGITS[measure]
            interval = Interval(overall.difference, overall.low, overall.high, overall.n_effective)
            text = number_text(overall.difference, digits, "+")
            hover = f"{text}, 95 % interval {span(overall.low, overall.high, digits, '+')}, p = {one.adjusted_p:.4f}"
            symbol = "circle" if one.adjusted_p < level else "circle-open"
            add_estimate(figure, names[one.first], interval, colour, text, **spot, hover=hover, symbol=symbol)
        chance_line(figure, 0, **spot)
        figure.update_xaxes(range=_around_zero(differences, measure), nticks=4, tickfont_size=11, **spot)
    row_axis(figure, list(names.values()), range=[len(models) - 0.4, -0.75], tickfont_size=12)
    first = f"Difference from {plain(reference, 60)}"
    title = title_of(first, f"bar: 95 % interval; filled: p < {level:g}, adjusted (Holm); dotted: no difference")
    return finish(figure, title, height, _said_of(differences, reference, level), bottom=45)


def _around_zero(differences: Sequence[Difference], measure: str) -> list[float]:
    """Ends of an axis that holds the intervals, 0 and room for the numbers."""
    shown = [0.0]
    for one in differences:
        if one.column == measure:
            shown += [one.compared.overall.low, one.compared.overall.high, one.compared.overall.difference]
    shown = [value for value in shown if not np.isnan(value)]
    room = 0.3 * max(max(shown) - min(shown), 1e-6)
    return [min(shown) - room, max(shown) + room]


def _said_of(differences: Sequence[Difference], reference: str, level: float) -> str:
    parts = []
    for model in dict.fromkeys(one.first for one in differences):
        of_model = [one for one in differences if one.first == model]
        sure = [one.column for one in of_model if one.adjusted_p < level]
        parts.append(f"{spoken(model)} differs by more than chance in {len(sure)} of {len(of_model)} measures")
    from_reference = f"Differences of {len(parts)} model{'s' * (len(parts) > 1)} from {spoken(reference)}"
    return f"{from_reference} with their 95 % intervals: {'; '.join(parts)}."


MOST_PAIRS = 42
"""Pairs that a figure still shows by name; more of them want ``pair_heatmap``."""

_ROW, _APART = 34, 0.62  # pixels of a row; the share of it over which its models are spread


def pair_rows(
    results: Results,
    models: Sequence[str] | None = None,
    setting: str = "cross-lingual",
    measure: str = "average_precision",
    name: str = "mAP",
) -> go.Figure:
    """One score in every language pair: point and bar are the mean over seeds and its 95 % interval over questions.

    Pairs stand in the order of the first model's scores, its best on top; a grey line joins the models of a pair.

    Args:
        results: of the models.
        models: which, in the order of the legend; ``None``: all.
        setting: ``cross-lingual`` or ``monolingual``.
        measure: a column of the evaluations; name: what it is called.

    Raises:
        ValueError: a model that is not there, another setting, a task without such a pair or with more than ``MOST_PAIRS``.
    """
    models = list(models or results.models)
    if strange := [model for model in models if model not in results.models]:
        raise ValueError(f"models hold {strange[0]!r}: choose from {', '.join(results.models)}")
    if setting not in SETTINGS[:2]:
        raise ValueError(f"setting is {setting!r}: choose {' or '.join(SETTINGS[:2])}")
    first = results.values(models[0], setting, measure)
    if not 0 < len(first.cells) <= MOST_PAIRS:
        raise ValueError(f"{results.task_name} has {len(first.cells)} {setting} pairs: 1 to {MOST_PAIRS} can be shown")
    order = np.argsort(np.nanmean(first.values, axis=0), kind="stable")  # the last is drawn on top
    figure, colours, names, said = go.Figure(), model_colours(models), labels(models, 40), []
    intervals = {model: _by_pair(results, model, setting, measure, order) for model in models}
    _join(figure, intervals)
    for place, model in enumerate(models):
        low, middle, high = intervals[model].T
        offset = _APART * (0.5 - (place + 0.5) / len(models))
        figure.add_scatter(
            x=middle,
            y=np.arange(len(order)) + offset,
            mode="markers",
            name=names[model],
            marker={"size": 9, "color": colours[model]},
            error_x={"array": high - middle, "arrayminus": middle - low, "thickness": 2, "width": 4},
            hovertemplate=f"{names[model]}: %{{x:.3f}}<extra></extra>",
        )
        ends = [_words(first.cells[order[place]]) for place in (middle.argmin(), middle.argmax())]
        said.append(f"{spoken(model)} from {middle.min():.3f} ({ends[0]}) to {middle.max():.3f} ({ends[1]})")
    pairs = [" → ".join(map(plain, first.cells[cell])) for cell in order]
    figure.update_yaxes(
        tickvals=np.arange(len(order)), ticktext=pairs, range=[-0.6, len(order) - 0.4], showgrid=False, zeroline=False
    )
    figure.update_xaxes(title=plain(name), rangemode="tozero")
    title = f"{plain(name)} by language pair, question → passage (bar: 95 % interval over questions)"
    alt = f"{spoken(name)} of {len(models)} models in {len(order)} {setting} pairs: {'; '.join(said)}."
    height = max(160, _ROW * len(order))
    return finish(figure, title, height, alt, bottom=legend_below(figure, [names[model] for model in models]))


def _by_pair(results: Results, model: str, setting: str, measure: str, order: np.ndarray) -> np.ndarray:
    """Low, estimate and high of each pair, shape (n_pairs, 3)."""
    values = results.values(model, setting, measure).values
    found = [confidence_interval(values[:, [cell]]) for cell in order]
    return np.array([(one.low, one.estimate, one.high) for one in found])


def _join(figure: go.Figure, intervals: dict[str, np.ndarray]) -> None:
    """A quiet line through each row, from its lowest to its highest model."""
    middles = np.stack([found[:, 1] for found in intervals.values()])  # (n_models, n_pairs)
    ends = np.stack([middles.min(axis=0), middles.max(axis=0), np.full(middles.shape[1], np.nan)]).T.ravel()
    rows = np.repeat(np.arange(middles.shape[1]), 3)
    line = {"color": QUIET, "width": 1}
    figure.add_scatter(x=ends, y=rows, mode="lines", line=line, opacity=0.5, showlegend=False, hoverinfo="skip")


def _words(cell: tuple[str, str]) -> str:
    return f"{spoken(cell[0])} to {spoken(cell[1])}"
