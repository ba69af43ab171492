"""How the versions of the answers move through the list of all languages while an encoder is trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from kit.history import ANSWER, MEDIAN, History
from kit.plots.answers import rank_axis, rung
from kit.plots.style import OUTLINE, QUIET, check_models, finish, language_colour, panel_grid
from kit.plots.text import clean, plain, spoken

_LABEL = {"median": "median over the questions", "answer": "the versions of one answer"}
_SLIDER = 120  # pixels below the axis


def bias_film(histories: Mapping[tuple[str, int], History], question: str = "") -> go.Figure:
    """Ranks of the versions of the answers at each validation, as an animation with a slider; a panel a model.

    A point is the median rank of a language's versions over all validation questions, a diamond the version of one answer
    (``kit.jobs.watched_query``). The first seed of each model is shown, at the updates that all of them were scored at; the
    figure opens on the last. Languages keep their place: sorted by the last medians of the first model, best at the top.

    Args:
        histories: validation histories by (model, seed).
        question: the one that the diamonds answer, shown in the title.

    Raises:
        ValueError: no history, or histories that share no update with ranks by language.
    """
    check_models("histories", histories)
    runs: dict[str, dict[int, dict[str, float]]] = {}
    for (model, _seed), history in histories.items():
        runs.setdefault(model, {update: scores for update, scores in history.scores if _languages(scores)})
    updates = sorted(set.intersection(*(set(run) for run in runs.values())))
    if not updates:
        raise ValueError("histories share no update with ranks by language: train on a task in several languages")
    languages = _order(next(iter(runs.values()))[updates[-1]])
    figure, height = panel_grid(list(runs), len(runs), 24 * len(languages) + 14, shared_yaxes=True)
    frames = [
        go.Frame(name=str(update), data=[trace for run in runs.values() for trace in _traces(run[update], languages)])
        for update in updates
    ]
    for number, trace in enumerate(frames[-1].data):
        trace.showlegend = number in (1, 2)
        figure.add_trace(trace, row=1, col=1 + number // 3)
    for frame in frames:
        frame.traces = list(range(len(frame.data)))
    figure.frames = frames
    shown = [scores for run in runs.values() for scores in run.values()]
    rank_axis(figure, max(rank for scores in shown for name, rank in scores.items() if name.startswith((MEDIAN, ANSWER))))
    figure.update_xaxes(title="rank in the pool (log)")
    rungs = {"type": "category", "categoryorder": "array", "categoryarray": [rung(tag) for tag in languages]}
    figure.update_yaxes(**rungs, range=[len(languages) - 0.4, -0.6], tickfont_size=11, dtick=1)
    _add_slider(figure, updates)
    asked = f":<br>{plain(question, 90)}" if clean(question) else ""
    title = f"The versions of the answers, update by update (diamonds: of one answer){asked}"
    return finish(figure, title, height, _alt(runs, updates, languages), 60 + _SLIDER)


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
