"""Figures: pure functions from result tables to plotly figures; the same input gives the same figure.

Every figure is 900 pixels wide and carries a text alternative in ``layout.meta["alt"]``.
"""

from __future__ import annotations

from kit.show.plots.answers import answer_ladder, embedding_map, version_ladder
from kit.show.plots.batches import batch_picture, count_bars, pair_counts
from kit.show.plots.bias import distance_distribution, panel_chart
from kit.show.plots.languages import askers_chart, language_flow
from kit.show.plots.pairs import agreement_heatmap, pair_differences, pair_heatmap
from kit.show.plots.published import beside_chart
from kit.show.plots.scores import difference_forest, pair_rows, settings_chart
from kit.show.plots.studies import mining_chart, ratio_chart, shift_chart, steps_chart, trade_off
from kit.show.plots.style import (
    LANGUAGE_COLOURS,
    SAMPLING_COLOURS,
    WIDTH,
    language_colour,
    model_colours,
    model_symbols,
    sampling_colour,
)
from kit.show.plots.text import clean, plain
from kit.show.plots.training import bias_film, film_updates, training_curves

__all__ = [
    "LANGUAGE_COLOURS",
    "SAMPLING_COLOURS",
    "WIDTH",
    "agreement_heatmap",
    "answer_ladder",
    "askers_chart",
    "batch_picture",
    "beside_chart",
    "bias_film",
    "clean",
    "count_bars",
    "difference_forest",
    "distance_distribution",
    "embedding_map",
    "film_updates",
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
