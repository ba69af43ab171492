"""Several models on one task, side by side: the headline table, differences with their tests, and what is written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kit.bias import expected_rank_distance
from kit.evaluate import POOL, CellValues, Evaluation, mean_values
from kit.stats import Comparison, Interval, bootstrap_interval, macro_mean, paired_randomisation_test
from kit.tables import whole_file

HEADLINE = {
    "mono mAP": ("monolingual", "average_precision"),
    "cross mAP": ("cross-lingual", "average_precision"),
    "multi mAP": ("multilingual", "average_precision"),
    "mono R@1": ("monolingual", "recall_at_1"),
    "cross R@1": ("cross-lingual", "recall_at_1"),
    "multi R@10": ("multilingual", "recall_at_10"),
    "rank distance": ("multilingual", "rank_distance"),
}
"""Columns of the paper's tables: (setting, measure) of each."""


@dataclass(frozen=True)
class SeedComparison:
    """A sampling against another: the difference of the means over seeds, its test, and the difference in each seed."""

    overall: Comparison
    by_seed: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Results:
    """Evaluations on one task by sampling; for each sampling one a training seed, seeds in the same order.

    Raises:
        ValueError: nothing to compare, or different numbers of seeds or tasks.
    """

    evaluations: dict[str, list[Evaluation]]

    def __post_init__(self) -> None:
        counts = {name: len(runs) for name, runs in self.evaluations.items()}
        if not counts or not all(counts.values()) or len(set(counts.values())) > 1:
            raise ValueError(f"evaluations by sampling are {counts}: give each the same seeds, at least one")
        tasks = {run.task_name for runs in self.evaluations.values() for run in runs}
        if len(tasks) > 1:
            raise ValueError(f"evaluations are of several tasks: {', '.join(sorted(tasks))}: compare models on one task")

    @property
    def samplings(self) -> tuple[str, ...]:
        """Names in the order given."""
        return tuple(self.evaluations)

    @property
    def n_seeds(self) -> int:
        """Training runs of each sampling."""
        return len(next(iter(self.evaluations.values())))

    def values(self, sampling: str, setting: str, measure: str) -> CellValues:
        """One measure by question group and cell, averaged over the seeds."""
        return mean_values([run.values(setting, measure) for run in self.evaluations[sampling]])

    def by_seed(self, sampling: str, setting: str, measure: str) -> list[float]:
        """The score of each seed; NaN where the task has no such cell (one language has no cross-lingual setting).

        Raises:
            ValueError: the setting has no such measure.
        """
        summaries = [run.summary()[setting] for run in self.evaluations[sampling]]
        if measure not in summaries[0]:
            raise ValueError(
                f"measure {measure!r} is not one of the {setting} setting: choose from {', '.join(summaries[0])}"
            )
        return [summary[measure] for summary in summaries]

    def interval(self, sampling: str, setting: str, measure: str) -> Interval:
        """Score averaged over the seeds with its 95 % bootstrap interval over question groups.

        The interval says how much the score would move with other questions, not with other training seeds.
        """
        values = self.values(sampling, setting, measure).values
        return bootstrap_interval(values) if values.size else Interval(*[float("nan")] * 3)

    def compare(self, first: str, second: str, setting: str, measure: str) -> SeedComparison:
        """First sampling minus second: paired randomisation test over question groups on scores averaged over seeds."""
        one, two = (self.values(sampling, setting, measure) for sampling in (first, second))
        pairs = zip(self.evaluations[first], self.evaluations[second])
        by_seed = tuple(
            macro_mean(a.values(setting, measure).values) - macro_mean(b.values(setting, measure).values) for a, b in pairs
        )
        return SeedComparison(paired_randomisation_test(one.values, two.values), by_seed)

    def headline(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Mean and standard deviation over seeds (n - 1 in the denominator; NaN for one seed), by sampling and column."""
        table = {}
        for sampling in self.samplings:
            scores = {column: self.by_seed(sampling, *place) for column, place in HEADLINE.items()}
            table[sampling] = {
                column: (float(np.mean(seeds)), float(np.std(seeds, ddof=1)) if len(seeds) > 1 else float("nan"))
                for column, seeds in scores.items()
            }
        return table

    def matrix(self, sampling: str, measure: str = "average_precision") -> tuple[tuple[str, ...], np.ndarray]:
        """Scores of all cells averaged over seeds: languages, and (n_languages, n_languages), query by candidate."""
        matrices = [run.matrix(measure) for run in self.evaluations[sampling]]
        return matrices[0][0], np.mean([matrix for _, matrix in matrices], axis=0)

    def chance_distance(self, n_candidates: int) -> float:
        """Rank distance of a random ranking of the task's pool, averaged as the measured one is."""
        pool = next(iter(self.evaluations.values()))[0].per_query.filter(pc.field("candidate_language") == POOL)
        pool = pool.filter(pc.field("n_relevant") >= 2)  # others have no distance
        if not len(pool):
            return float("nan")
        expected = expected_rank_distance(n_candidates, pool.column("n_relevant").to_numpy())
        languages = pool.column("query_language").to_numpy(zero_copy_only=False)
        return float(np.mean([expected[languages == language].mean() for language in np.unique(languages)]))

    def n_left_out(self) -> int:
        """Queries of the task with fewer than two parallel answers, for which rank distance is not defined."""
        return next(iter(self.evaluations.values()))[0].summary()["multilingual"]["n_queries_without_distance"]

    def write(self, folder: str | Path, about: dict) -> None:
        """Write ``metrics.json`` (``about``, summaries, headline with intervals) and ``per_query.parquet`` into a folder."""
        folder = Path(folder)
        metrics = {"about": about, "headline": self.headline(), "samplings": {}}
        for sampling, runs in self.evaluations.items():
            metrics["samplings"][sampling] = {
                "by_seed": [run.summary() for run in runs],
                "intervals": {column: asdict(self.interval(sampling, *place)) for column, place in HEADLINE.items()},
            }
        with whole_file(folder / "metrics.json") as partial:
            partial.write_text(json.dumps(without_nan(metrics), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with whole_file(folder / "per_query.parquet") as partial:
            pq.write_table(self._per_query(), partial)

    def _per_query(self) -> pa.Table:
        """All evaluations in one table, with the columns ``sampling`` and ``seed_number`` before the others."""
        parts = []
        for sampling, runs in self.evaluations.items():
            for number, run in enumerate(runs):
                size = len(run.per_query)
                table = run.per_query.replace_schema_metadata(None)
                table = table.add_column(0, "seed_number", pa.array([number] * size, pa.int16()))
                parts.append(table.add_column(0, "sampling", pa.array([sampling] * size)))
        return pa.concat_tables(parts)


def headline_cells(headline: dict[str, dict[str, Sequence[float | None]]]) -> list[list[str]]:
    """Rows of printed cells: the sampling, then ``mean ± deviation`` (the mean alone for one seed) of each column."""
    return [[sampling, *(_cell(column, *columns[column]) for column in HEADLINE)] for sampling, columns in headline.items()]


def headline_text(headline: dict[str, dict[str, Sequence[float | None]]]) -> str:
    """The headline table as plain text, one line a sampling; takes ``Results.headline`` or what ``metrics.json`` kept."""
    rows = [["sampling", *HEADLINE], *headline_cells(headline)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cell(column: str, mean: float | None, deviation: float | None) -> str:
    digits = 0 if column == "rank distance" else 3
    if mean is None or np.isnan(mean):
        return "–"
    if deviation is None or np.isnan(deviation):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def without_nan(value: object) -> object:
    """The same with ``None`` for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
