"""Figures of training: what the data and the batches hold, and how scores grow.

How the versions of the answers move through the list of all languages while an encoder is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import plotly.graph_objects as go

from kit.show.plots.answers import rank_axis, rung
from kit.show.plots.style import (
    OUTLINE,
    QUIET,
    check_models,
    ends_by_value,
    faint,
    finish,
    language_colour,
    legend_below,
    model_colours,
    model_symbols,
    panel_at,
    panel_grid,
    row_axis,
)
from kit.show.plots.text import clean, labels, plain, spoken
from kit.train.history import ANSWER, MEDIAN, History

_CURVES = {
    "mono": "monolingual mAP",
    "cross": "cross-lingual mAP",
    "multi": "multilingual mAP",
    "distance": "rank distance (log scale)",
}


def training_curves(histories: Mapping[tuple[str, int], History]) -> go.Figure:
    """Validation scores against updates: the mean over seeds as a line, the seeds' range as a band, a colour a model.

    Raises:
        ValueError: no history.
    """
    check_models("histories", histories)
    figure, height = panel_grid(list(_CURVES.values()), 2, 210, horizontal_spacing=0.09)
    names = list(dict.fromkeys(name for name, _ in histories))
    last, drawn = {}, {score: [] for score in _CURVES}
    for name in names:
        runs = [history.scores for (model, _), history in histories.items() if model == name]
        updates = sorted(set.intersection(*({update for update, _ in run} for run in runs)))  # some stop early
        for number, score in enumerate(_CURVES):
            values = np.array([[dict(run)[update][score] for update in updates] for run in runs])  # (n_seeds, n_evaluations)
            if updates:
                _add_band(figure, names, name, updates, values, number)
                drawn[score] += values.reshape(-1).tolist()
                last.setdefault(score, {})[name] = float(values[:, -1].mean())
    figure.update_xaxes(title="updates", row=2)
    for number, values in enumerate(drawn.values()):
        if values and max(values) > 2 * min(values):  # else from zero all curves would be one flat line
            figure.update_yaxes(rangemode="tozero", **panel_at(number, 2))
    distances = drawn["distance"] or [1.0]
    decades = max(distances) >= 10 * min(distances) > 0
    # a fair model's distance is a thousandth of a biased one's
    figure.update_yaxes(type="log", dtick=1 if decades else "D1", tickformat=",", row=2, col=2)
    title, bottom = (
        "Validation during training (band: range over seeds)",
        legend_below(figure, list(labels(names, 60).values())),
    )
    return finish(figure, title, height, _curves_alt(last), bottom)


def _curves_alt(last: Mapping[str, Mapping[str, float]]) -> str:
    what = "Validation scores against updates, mean over seeds."
    if not last:
        return f"{what} No update was scored in all seeds."
    multi, distance = last["multi"], last["distance"]
    lowest, best = ends_by_value(multi)
    fairest = ends_by_value(distance)[0]
    others = "" if len(multi) == 1 else f" (lowest: {spoken(lowest)}, {multi[lowest]:.3f})"
    return (
        f"{what} At its last one, {spoken(best)} has the highest multilingual mAP, {multi[best]:.3f}{others}; "
        f"{spoken(fairest)} has the lowest rank distance, {distance[fairest]:,.0f}."
    )


def _add_band(
    figure: go.Figure, names: Sequence[str], name: str, updates: list[int], values: np.ndarray, number: int
) -> None:
    colour, label = model_colours(names)[name], labels(names, 60)[name]
    figure.add_scatter(
        x=[*updates, *updates[::-1]],
        y=[*values.max(axis=0), *values.min(axis=0)[::-1]],
        fill="toself",
        fillcolor=faint(colour),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=label,
        **panel_at(number, 2),
    )
    figure.add_scatter(
        x=updates,
        y=values.mean(axis=0),
        mode="lines+markers",
        name=label,
        legendgroup=label,
        showlegend=number == 0,
        line={"color": colour, "width": 2.5},
        marker={"symbol": model_symbols(names)[name], "size": 7},
        **panel_at(number, 2),
        hovertemplate=f"{label}<br>update %{{x}}: %{{y:.3f}}<extra></extra>",
    )


_LABEL = {"median": "median over the questions", "answer": "the versions of one answer"}
_SLIDER = 120  # pixels below the axis


def bias_film(histories: Mapping[tuple[str, int], History], question: str = "") -> go.Figure:
    """Ranks of the versions of the answers at each validation, as an animation with a slider; a panel a model.

    A point is the median rank of a language's versions over all validation questions, a diamond the version of one answer
    (``kit.run.jobs.watched_query``). The first seed of each model is shown, at the updates that all of them were scored at;
    the figure opens on the last. Languages keep their place: sorted by the last medians of the first model, best at the top.

    Args:
        histories: validation histories by (model, seed).
        question: the one that the diamonds answer, shown in the title.

    Raises:
        ValueError: no history, or histories that share no update with ranks by language.
    """
    check_models("histories", histories)
    runs = _first_seeds(histories)
    updates = film_updates(histories)
    if not updates:
        raise ValueError("histories share no update with ranks by language: train on a task in several languages")
    languages = _order(next(iter(runs.values()))[updates[-1]])
    figure, height = panel_grid(list(runs), len(runs), 24 * len(languages) + 14, shared_yaxes=True)
    frames = [
        go.Frame(name=str(update), data=[trace for run in runs.values() for trace in _traces(run[update], languages)])
        for update in updates
    ]
    opened = cast("tuple[go.Scatter, ...]", frames[-1].data)
    for number, trace in enumerate(opened):
        trace.showlegend = number in (1, 2)
        figure.add_trace(trace, row=1, col=1 + number // 3)
    for frame in frames:
        frame.traces = list(range(len(opened)))
    figure.frames = frames
    shown = [scores for run in runs.values() for scores in run.values()]
    rank_axis(figure, max(rank for scores in shown for name, rank in scores.items() if name.startswith((MEDIAN, ANSWER))))
    figure.update_xaxes(title="rank in the pool (log)")
    row_axis(figure, [rung(tag) for tag in languages], dtick=1)
    _add_slider(figure, updates)
    asked = f":<br>{plain(question, 90)}" if clean(question) else ""
    title = f"The versions of the answers, update by update (diamonds: of one answer){asked}"
    return finish(figure, title, height, _alt(runs, updates, languages), 60 + _SLIDER)


def film_updates(histories: Mapping[tuple[str, int], History]) -> list[int]:
    """Updates at which the first seeds of all models have ranks by language, ascending; without any there is no film."""
    return sorted(set.intersection(*map(set, _first_seeds(histories).values())))


def _first_seeds(histories: Mapping[tuple[str, int], History]) -> dict[str, dict[int, dict[str, float]]]:
    """By model and update, the scores of the first seed, where they have ranks by language."""
    runs: dict[str, dict[int, dict[str, float]]] = {}
    for (model, _seed), history in histories.items():
        runs.setdefault(model, {update: scores for update, scores in history.scores if _languages(scores)})
    return runs


def _languages(scores: Mapping[str, float]) -> list[str]:
    return [name.removeprefix(MEDIAN) for name in scores if name.startswith(MEDIAN)]


def _order(scores: Mapping[str, float]) -> list[str]:
    return sorted(_languages(scores), key=lambda language: scores[MEDIAN + language])


def _traces(scores: Mapping[str, float], languages: list[str]) -> list[go.Scatter]:
    """Lines from the version of the one answer to the median of its language, the medians, and those versions."""
    answers = {language: scores[ANSWER + language] for language in languages if ANSWER + language in scores}
    colours = [language_colour(language) for language in languages]
    ends = np.array([[answer, scores.get(MEDIAN + language, np.nan)] for language, answer in answers.items()])
    links = [value for (answer, median), language in zip(ends, answers) for value in (answer, median, None)]
    rows = [value for language in answers for value in (rung(language), rung(language), None)]
    return [
        go.Scatter(x=links, y=rows, mode="lines", line={"color": QUIET, "width": 1}, hoverinfo="skip", showlegend=False),
        _points("median", {language: scores.get(MEDIAN + language) for language in languages}, colours, "circle", 11),
        _points("answer", {language: answers.get(language) for language in languages}, colours, "diamond-open", 9),
    ]


def _points(kind: str, ranks: Mapping[str, float | None], colours: list[str], symbol: str, size: int) -> go.Scatter:
    line = {"color": OUTLINE, "width": 1} if kind == "median" else {"width": 2}
    return go.Scatter(
        x=list(ranks.values()),
        y=[rung(language) for language in ranks],
        ids=list(ranks),
        mode="markers",
        name=_LABEL[kind],
        legendgroup=kind,
        showlegend=False,
        cliponaxis=False,
        marker={"symbol": symbol, "size": size, "color": colours, "line": line},
        hovertemplate="%{y}: rank %{x:,.0f}<extra>" + _LABEL[kind] + "</extra>",
    )


def _add_slider(figure: go.Figure, updates: list[int]) -> None:
    quick = {"frame": {"duration": 700, "redraw": False}, "transition": {"duration": 400}, "fromcurrent": True}
    at_once = {"frame": {"duration": 0, "redraw": False}, "transition": {"duration": 200}, "mode": "immediate"}
    steps = [{"label": f"{update:,}", "method": "animate", "args": [[str(update)], at_once]} for update in updates]
    slider = {
        "steps": steps,
        "active": len(updates) - 1,
        "currentvalue": {"prefix": "update "},
        "x": 0.12,
        "len": 0.88,
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 62},
    }
    start = {
        "label": "play",
        "method": "animate",
        "args": [[str(update) for update in updates], {**quick, "fromcurrent": False}],
    }
    stop = {"label": "stop", "method": "animate", "args": [[None], at_once]}
    menu = {"type": "buttons", "buttons": [start, stop], "direction": "left", "showactive": False}
    look = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
    figure.update_layout(
        sliders=[slider],
        updatemenus=[menu | {"x": 0.1, "xanchor": "right", "y": 0, "yanchor": "top", "pad": {"t": 72, "r": 4}}],
        legend=look | {"font": {"size": 12}},
    )


def _alt(runs: Mapping[str, Mapping[int, Mapping[str, float]]], updates: list[int], languages: list[str]) -> str:
    parts = []
    for model, run in runs.items():
        first, last = (
            max(places) - min(places)
            for places in (
                [run[update][MEDIAN + tag] for tag in languages if MEDIAN + tag in run[update]]
                for update in (updates[0], updates[-1])
            )
        )
        parts.append(f"{spoken(model)} from {first:,.0f} at update {updates[0]:,} to {last:,.0f} at update {updates[-1]:,}")
    return f"Places between the median ranks of the first and the last language: {'; '.join(parts)}."
