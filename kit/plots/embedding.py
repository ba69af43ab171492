"""Where texts lie: embeddings in two dimensions, the versions of a text joined by a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from kit.plots.style import OUTLINE, check_shape, finish, language_colour, language_label, legend_below
from kit.plots.text import plain, spoken


def embedding_map(
    plane: np.ndarray, languages: Sequence[str], answers: Sequence[int], texts: Sequence[str], title: str = "Embeddings"
) -> go.Figure:
    """A point a text, its colour the language; the versions of an answer are joined to their centre by lines.

    Short lines: versions lie together. Colours that stand in heaps of their own: the language decides where a text lies.

    Args:
        plane: from ``kit.projection.project``, shape (n, 2).
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
            text=[plain(texts[one], 90) for one in own],
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
