"""Figures: pure functions from result tables to plotly figures; the same input gives the same figure.

Every figure is 900 pixels wide and carries a text alternative in ``layout.meta["alt"]``.
"""

from __future__ import annotations

from kit.plots.answers import answer_ladder, version_ladder
from kit.plots.askers import askers_chart
from kit.plots.differences import pair_differences
from kit.plots.distances import distance_distribution
from kit.plots.embedding import embedding_map
from kit.plots.film import bias_film
from kit.plots.flow import language_flow
from kit.plots.mining import mining_chart
from kit.plots.pairs import agreement_heatmap, pair_heatmap
from kit.plots.panel import panel_chart
from kit.plots.ratios import ratio_chart, trade_off
from kit.plots.robust import pair_rows
from kit.plots.settings import settings_chart
from kit.plots.shift import shift_chart, steps_chart
from kit.plots.style import (
    LANGUAGE_COLOURS,
    SAMPLING_COLOURS,
    WIDTH,
    language_colour,
    model_colours,
    model_symbols,
    sampling_colour,
)
from kit.plots.text import clean, plain
from kit.plots.training import batch_picture, count_bars, pair_counts, training_curves

__all__ = [
    "LANGUAGE_COLOURS",
    "SAMPLING_COLOURS",
    "WIDTH",
    "agreement_heatmap",
    "answer_ladder",
    "askers_chart",
    "batch_picture",
    "bias_film",
    "clean",
    "count_bars",
    "distance_distribution",
    "embedding_map",
    "language_colour",
    "language_flow",
    "mining_chart",
    "model_colours",
    "model_symbols",
    "pair_counts",
    "pair_differences",
    "pair_heatmap",
    "pair_rows",
    "panel_chart",
    "plain",
    "ratio_chart",
    "sampling_colour",
    "settings_chart",
    "shift_chart",
    "steps_chart",
    "trade_off",
    "training_curves",
    "version_ladder",
]
