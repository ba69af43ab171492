"""The look that all figures share: one colour for one thing, one size, one font."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
import plotly.graph_objects as go
from plotly.colors import get_colorscale
from plotly.subplots import make_subplots

from kit.core.languages import language_name
from kit.core.seeding import stable_hash
from kit.show.plots.text import labels, n_lines, plain

if TYPE_CHECKING:
    from kit.compare.stats import Interval

CONFIG = {"responsive": True, "displaylogo": False, "showSendToCloud": False, "plotlyServerURL": ""}
"""plotly's settings of every figure that is shown: no button of it sends a figure to a server."""

WIDTH = 900
"""Pixels; every figure is readable at this width."""

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#000000", "#F0E442")
"""Palette of Okabe and Ito, which colour-blind readers can tell apart; yellow, faint on white, comes last."""

SAMPLING_COLOURS = {"X-X-mono": "#D55E00", "X-Y": "#0072B2", "Hybrid": "#009E73", "X-X": "#CC79A7", "En-En": "#333333"}
"""One colour a sampling in every figure."""

LANGUAGE_COLOURS = {
    "ar": "#009E73",
    "de": "#4D4D4D",
    "el": "#56B4E9",
    "en": "#D55E00",
    "es": "#E69F00",
    "hi": "#CC79A7",
    "ru": "#0072B2",
    "th": "#4B0055",
    "tr": "#8B5A2B",
    "vi": "#A6D854",
    "zh": "#F0E442",
}
"""One colour a language in every figure; other languages take one of these by a hash of their tag."""

SCORES = "Viridis"  # ordered in lightness, so it also reads in grey
OUTLINE = "#555555"  # around marks, whose colour may be faint on white
QUIET = "#777777"
HALO = {"shadow": ", ".join(f"{x}px {y}px 1px #FFFFFF" for x in (-1, 0, 1) for y in (-1, 0, 1))}  # where a line may cross
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")
_TITLE_LINE, _HEADER_LINE = 21, 15  # pixels
_COLUMN_OF_HEADER = 6.8  # pixels of a letter in the title of a panel


def language_colour(language: str) -> str:
    """The fixed colour of a language."""
    palette = tuple(LANGUAGE_COLOURS.values())
    return LANGUAGE_COLOURS.get(language) or palette[stable_hash(language) % len(palette)]


def sampling_colour(sampling: str) -> str:
    """The fixed colour of a sampling; ``Hybrid(0.3)`` has that of ``Hybrid``; black for what is no sampling."""
    return SAMPLING_COLOURS.get(sampling.partition("(")[0], "#000000")


def model_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour a model: samplings keep theirs, every other name takes the first of ``OKABE_ITO`` that is free.

    Of several names of one sampling (``Hybrid(0.3)``, ``Hybrid(0.5)``) the first has its colour. No two models are alike
    while there are colours; then the free ones repeat, and ``model_symbols`` tells the models apart.

    >>> model_colours(["mine", "Hybrid(0.3)", "Hybrid(0.5)"])
    {'mine': '#E69F00', 'Hybrid(0.3)': '#009E73', 'Hybrid(0.5)': '#56B4E9'}
    """
    fixed: dict[str, str] = {}
    for name in names:
        if name.partition("(")[0] in SAMPLING_COLOURS and sampling_colour(name) not in fixed.values():
            fixed[name] = sampling_colour(name)
    free = [colour for colour in OKABE_ITO if colour not in fixed.values()]
    others = [name for name in dict.fromkeys(names) if name not in fixed]
    chosen = fixed | {name: free[number % len(free)] for number, name in enumerate(others)}
    return {name: chosen[name] for name in names}


def model_symbols(names: Sequence[str]) -> dict[str, str]:
    """A marker a model: a circle, or another shape where an earlier model has the same colour."""
    seen: Counter[str] = Counter()
    symbols = {}
    for name, colour in model_colours(names).items():
        symbols[name] = _SYMBOLS[seen[colour] % len(_SYMBOLS)]
        seen[colour] += 1
    return symbols


def language_label(language: str) -> str:
    """English name of a language as a label."""
    return plain(language_name(language))


_Name = TypeVar("_Name")


def ends_by_value(values: Mapping[_Name, float]) -> tuple[_Name, _Name]:
    """The names of the lowest and of the highest value; of equal ones, the first."""
    return min(values, key=values.__getitem__), max(values, key=values.__getitem__)


def check_models(name: str, by_model: Sized) -> None:
    """Raise ``ValueError`` where an argument holds no model."""
    if not by_model:
        raise ValueError(f"{name} is empty: give at least one model")


def check_shape(name: str, values: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Raise ``ValueError`` where an array has another shape; ``None`` stands for any size."""
    found = np.shape(values)
    if len(found) != len(shape) or any(want not in (None, size) for want, size in zip(shape, found)):
        wanted = ", ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} has shape {found}: give ({wanted})")


def panel_grid(
    titles: Sequence[str], n_columns: int, panel_height: int, gap: int = 50, **options: Any
) -> tuple[go.Figure, int]:
    """An empty panel for each title, row by row, and the height in pixels of all rows.

    Args:
        titles: texts of data; they are made safe, told apart, and wrapped to the width of a panel.
        gap: pixels between rows, for ticks and axis titles; the lines of the titles are added.
        options: of ``plotly.subplots.make_subplots``.
    """
    width = max(12, int((WIDTH - 130) / n_columns / _COLUMN_OF_HEADER))
    headers = list(labels(titles, width).values())
    n_rows = -(-len(titles) // n_columns)
    gap += _HEADER_LINE * max(map(n_lines, headers))
    height = n_rows * panel_height + (n_rows - 1) * gap
    between = gap / height if n_rows > 1 else 0
    look: dict[str, Any] = {"horizontal_spacing": 0.05, "vertical_spacing": between, "subplot_titles": headers}
    figure = make_subplots(n_rows, n_columns, **look | options)
    figure.update_annotations(font_size=12)
    return figure, height


class Spot(TypedDict):
    """Where a panel stands, as plotly's arguments: row and column, from 1."""

    row: int
    col: int


def panel_at(number: int, n_columns: int) -> Spot:
    """Row and column of the panel with this number, from 0, in a ``panel_grid``."""
    return {"row": 1 + number // n_columns, "col": 1 + number % n_columns}


def finish(figure: go.Figure, title: str, height: int, alt: str, bottom: int = 60) -> go.Figure:
    """The look of all figures, and the text alternative in ``layout.meta["alt"]``.

    Args:
        title: markup; texts of data in it have gone through ``plain``.
        height: pixels of the panels without the margins, which grow with the lines of the titles.
        alt: one to three sentences, plain text.
        bottom: pixels below the panels.
    """
    headers = [note.text for note in figure.select_annotations() if note.yref == "paper" and note.y > 0.999 and note.text]
    top = 24 + _TITLE_LINE * n_lines(title) + _HEADER_LINE * max(map(n_lines, headers), default=0) + 10
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=top + height + bottom,
        title={"text": title, "font": {"size": 16}, "x": 0.01, "y": 1, "yref": "container", "yanchor": "top"},
        title_pad={"t": 14 if n_lines(title) == 1 else 25},  # plotly lifts a title of several lines
        font={"family": "Noto Sans, Helvetica, Arial, sans-serif", "size": 13, "color": "#222222"},
        margin={"l": 70, "r": 30, "t": top, "b": bottom},
        hoverlabel={"font_size": 13},
        modebar={"remove": ["sendChartToCloud"]},  # it would upload the figure; here, since a cell may show it by itself
        meta={"alt": alt},
    )
    figure.update_xaxes(title_font_size=13)
    figure.update_yaxes(title_font_size=13)
    return figure


def add_rings(figure: go.Figure, x: Sequence, y: Sequence, colour: str, spot: Spot, size: int = 11, **look: Any) -> None:
    """The scores of single training seeds, as open circles in the panel ``spot``."""
    ring = {"symbol": "circle-open", "size": size, "color": colour}
    figure.add_scatter(x=x, y=y, mode="markers", marker=ring, hoverinfo="skip", **look, **spot)


def ends_of(intervals: Sequence[Interval]) -> dict[str, list[float]]:
    """Lengths of the bars that draw intervals around their estimates, as plotly takes them."""
    return {
        "array": [interval.high - interval.estimate for interval in intervals],
        "arrayminus": [interval.estimate - interval.low for interval in intervals],
    }


def row_axis(figure: go.Figure, rows: Sequence[str], **look: Any) -> None:
    """Rows of texts in their order, the first on top."""
    order: dict[str, Any] = {"type": "category", "categoryorder": "array", "categoryarray": list(rows)}
    figure.update_yaxes(**order | {"range": [len(rows) - 0.4, -0.6], "tickfont_size": 11} | look)


def chance_line(figure: go.Figure, chance: float, row: int | str, col: int | str) -> None:
    """A dotted line behind the points, at what a random ranking scores."""
    spot: dict[str, Any] = {"row": row, "col": col}
    figure.add_vline(x=chance, line={"dash": "dot", "color": QUIET, "width": 2}, layer="below", **spot)
    # Lines of the grid lie over shapes that are below the points: an opaque one would hide a chance of 0.
    figure.update_xaxes(zeroline=False, gridcolor=faint("#2A3F5F", 0.1))


def legend_below(figure: go.Figure, names: Sequence[str]) -> int:
    """Put the legend below the panels, where names of any length have room; return the pixels that it and the axis need.

    Args:
        names: labels of the legend, in its order.
    """
    look = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
    figure.update_layout(legend=look | {"font": {"size": 12}})
    n_rows, used = 1, 0
    for name in names:
        size = 50 + 7 * len(name)
        n_rows, used = (n_rows + 1, size) if used and used + size > WIDTH - 130 else (n_rows, used + size)
    return 70 + 20 * n_rows


def steps(colours: Sequence[str]) -> list[tuple[float, str]]:
    """Colour scale of as many equal steps as there are colours."""
    n = len(colours)
    return [(edge / n, colour) for step, colour in enumerate(colours) for edge in (step, step + 1)]


def readable_on(shares: np.ndarray, scale: str | Sequence[tuple[float, str]]) -> np.ndarray:
    """Black or white for a text on each place of a colour scale, whichever has more contrast (WCAG 2): at least 4.5 : 1.

    Args:
        shares: places on the scale, from 0 to 1, any shape; NaN has black.
        scale: of plotly, by name or as pairs of place and colour, #rrggbb.

    Returns:
        Colours, the same shape.
    """
    stops = get_colorscale(scale) if isinstance(scale, str) else scale
    ends = np.array([[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for _, colour in stops]) / 255
    places = np.ravel(np.nan_to_num(shares, nan=0.0))
    channels = np.stack([np.interp(places, [place for place, _ in stops], channel) for channel in ends.T], axis=1)  # (n, 3)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    white = (1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05) & ~np.isnan(shares).ravel()
    return np.where(white, "#FFFFFF", "#000000").reshape(np.shape(shares))


def add_numbers(figure: go.Figure, texts: np.ndarray, colours: np.ndarray, languages: Sequence[str], **spot: Any) -> None:
    """Texts on the cells of a heatmap of languages by languages, each in its colour; an empty one is left out.

    Args:
        texts, colours: (n_languages, n_languages), rows from top to bottom.
        spot: row and column of the panel.
    """
    rows, columns = np.nonzero(texts)
    figure.add_scatter(
        x=[languages[column] for column in columns.tolist()],
        y=[languages[row] for row in rows.tolist()],
        mode="text",
        text=texts[rows, columns].tolist(),
        textfont={"size": 12, "color": colours[rows, columns].tolist()},
        showlegend=False,
        hoverinfo="skip",
        **spot,
    )


def faint(colour: str, opacity: float = 0.15) -> str:
    """A colour of which so much is left."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
