"""How evenly models serve the language pairs: every pair in a row, every model a point with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from kit.evaluation import SETTINGS
from kit.plots.style import QUIET, finish, legend_below, model_colours
from kit.plots.text import labels, plain, spoken
from kit.stats import bootstrap_interval

if TYPE_CHECKING:
    from kit.results import Results

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
    for number, model in enumerate(models):
        low, middle, high = intervals[model].T
        offset = _APART * (0.5 - (number + 0.5) / len(models))
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
    found = [bootstrap_interval(values[:, [cell]]) for cell in order]
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
