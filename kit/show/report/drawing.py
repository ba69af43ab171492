"""The figures of a run: every one that its task allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kit.compare.results import Results
from kit.evaluate.bias.top_lists import TOP
from kit.show import plots

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from kit.train.history import History

ORDER = (
    "settings",
    "panel",
    "differences",
    "pairs",
    "pair_differences",
    "language_flow",
    "rank_distances",
    "version_ladder",
    "list_agreement",
    "training",
    "film",
)
"""Figures as they follow each other on the page."""

BASELINE = "X-X-mono"
"""The sampling that a training run compares the others with: monolingual batches, as most retrievers are trained."""


def baseline_first(results: Results, kind: str) -> Results:
    """The same results with the model first that the others are compared with: of a training run ``BASELINE``."""
    if kind != "training" or BASELINE not in results.models:
        return results
    return Results({BASELINE: results.evaluations[BASELINE]} | results.evaluations)


def figures(
    results: Results, about: Mapping, histories: Mapping[tuple[str, int], History] | None = None
) -> dict[str, go.Figure]:
    """The figures of a run by name, in the order of the page; ``pair_differences`` is one for each model but the first.

    What a task does not have is left out: with one language all but the overview, without two parallel answers the
    distances, without agreement its heatmap, without ``histories`` the training curves, without an update at which all of
    them have ranks by language the film.

    Args:
        results: of all models.
        about: as ``kit.show.report.origin.about`` makes it, or as ``metrics.json`` keeps it.
        histories: validation histories by (model, seed).
    """
    results = baseline_first(results, about["kind"])
    chance = {column: value for column, value in about["chance"].items() if value is not None and not math.isnan(value)}
    drawn = {"settings": plots.settings_chart(results, chance.get("rank_distance"))}
    if len(results.languages) > 1:
        drawn["panel"] = plots.panel_chart(results, chance)
    if len(results.models) > 1:
        drawn["differences"] = plots.difference_forest(results.differences())
    if len(results.languages) > 1:
        drawn |= _of_pairs(results) | dict(_of_bias(results, about, chance))
    if histories:
        drawn["training"] = plots.training_curves(histories)
        if plots.film_updates(histories):
            drawn["film"] = plots.bias_film(histories)
    return drawn


def _of_pairs(results: Results) -> dict[str, go.Figure]:
    matrices = {model: results.matrix(model)[1] for model in results.models}
    drawn = {"pairs": plots.pair_heatmap(matrices, results.languages)}
    reference, *others = results.models
    for number, model in enumerate(others, start=1):
        tests = results.cell_tests(model, reference)
        drawn[f"pair_differences-{number}"] = plots.pair_differences(tests, model, reference)
    return drawn


def _of_bias(results: Results, about: Mapping, chance: Mapping[str, float]) -> Iterator[tuple[str, go.Figure]]:
    languages = results.languages
    pool = np.array([about["pool_counts"][language] for language in languages], float)
    flows = {model: results.language_flow(model) for model in results.models}
    yield "language_flow", plots.language_flow(flows, pool / pool.sum(), languages, min(TOP, about["n_candidates"]))
    distances = {model: results.distances(model) for model in results.models}
    if any(len(values) for values in distances.values()):
        yield "rank_distances", plots.distance_distribution(distances, chance.get("rank_distance"))
        ranks = {model: results.version_ranks(model) for model in results.models}
        yield "version_ladder", plots.version_ladder(ranks, languages, about["n_candidates"])
    agreement = {model: results.agreement_matrix(model) for model in results.models}
    elsewhere = ~np.eye(len(languages), dtype=bool)
    if any(not np.isnan(matrix[elsewhere]).all() for matrix in agreement.values()):
        panel = {model: results.interval(model, "multilingual", "list_agreement").estimate for model in results.models}
        yield "list_agreement", plots.agreement_heatmap(agreement, languages, panel)
