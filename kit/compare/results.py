"""Several models on one task, side by side: the tables, differences with their tests, and what is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kit.compare.columns import BIAS_COLUMNS, DIGITS, HEADLINE, RANGES, Where
from kit.compare.stats import (
    Comparison,
    Interval,
    cell_comparisons,
    confidence_interval,
    holm,
    macro_mean,
    paired_randomisation_test,
)
from kit.compare.stored import Facts, refuse_other_rows
from kit.core import records
from kit.core.files import whole_file
from kit.core.once import once
from kit.core.printing import Table, estimate
from kit.core.records import without_nan
from kit.evaluate.evaluation import SCHEMA, TOP_CANDIDATES, CellValues, Evaluation, mean_values

_WHOSE = pa.schema([("model", pa.string()), ("seed_number", pa.int16())])
"""Columns of ``per_query.parquet`` before those of an evaluation."""


@dataclass(frozen=True)
class SeedComparison:
    """A model against another: the difference of the means over seeds with its test, and the difference in each seed.

    by_seed: empty where the numbers of seeds differ.
    """

    overall: Comparison
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """One number of one model against another; ``adjusted_p`` is the p-value adjusted over a whole table (Holm)."""

    first: str
    second: str
    column: str
    compared: SeedComparison
    adjusted_p: float


@dataclass(frozen=True, eq=False)
class CellTests:
    """A model against another in every language pair: difference of means, its 95 % interval, and its test.

    languages: of rows (queries) and columns (candidates).
    difference, low, high: shape (n_languages, n_languages), float64, NaN where the task has no such cell.
    p_value: of the paired randomisation test of the cell, adjusted over all cells (Holm); the same shape.
    """

    languages: tuple[str, ...]
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray


@dataclass(frozen=True, eq=False)
class Results:
    """Evaluations on one task by model; for each model one a training seed.

    What a model is, the caller says: a way to build batches that was trained with several seeds, or an encoder to audit.

    Raises:
        ValueError: nothing to compare, or evaluations of several tasks.
    """

    evaluations: dict[str, list[Evaluation]]

    def __post_init__(self) -> None:
        counts = {name: len(runs) for name, runs in self.evaluations.items()}
        if not counts or not all(counts.values()):
            raise ValueError(f"evaluations by model are {counts}: give at least one model, and one evaluation of each")
        tasks = {run.task_name for runs in self.evaluations.values() for run in runs}
        if len(tasks) > 1:
            raise ValueError(f"evaluations are of several tasks: {', '.join(sorted(tasks))}: compare models on one task")

    @property
    def models(self) -> tuple[str, ...]:
        """Names in the order given."""
        return tuple(self.evaluations)

    @property
    def task_name(self) -> str:
        """Of the task that all were evaluated on."""
        return self._any.task_name

    @property
    def n_seeds(self) -> dict[str, int]:
        """Training runs of each model."""
        return {model: len(runs) for model, runs in self.evaluations.items()}

    def values(self, model: str, setting: str, measure: str) -> CellValues:
        """One measure by question group and cell, averaged over the seeds."""
        return mean_values([run.values(setting, measure) for run in self.evaluations[model]])

    def by_seed(self, model: str, setting: str, measure: str) -> list[float]:
        """The score of each seed; NaN where the task has no such cell (one language has no cross-lingual setting).

        Raises:
            ValueError: the setting has no such measure.
        """
        summaries = [run.summary()[setting] for run in self.evaluations[model]]
        if measure not in summaries[0]:
            known = ", ".join(summaries[0])
            raise ValueError(f"measure {measure!r} is not one of the {setting} setting: choose from {known}")
        return [summary[measure] for summary in summaries]

    @once
    def interval(self, model: str, setting: str, measure: str) -> Interval:
        """Score averaged over the seeds with its 95 % interval over question groups.

        The interval says how much the score would move with other questions, not with other training seeds.
        """
        values = self.values(model, setting, measure).values
        bounds = RANGES.get(measure, (0.0, 1.0))
        return confidence_interval(values, bounds=bounds) if values.size else Interval(*[float("nan")] * 4)

    @once
    def compare(self, first: str, second: str, setting: str, measure: str) -> SeedComparison:
        """First model minus second: paired randomisation test over question groups on scores averaged over seeds."""
        one, two = (self.values(model, setting, measure) for model in (first, second))
        runs = self.evaluations[first], self.evaluations[second]
        pairs = zip(*runs) if len(runs[0]) == len(runs[1]) else ()
        by_seed = tuple(
            macro_mean(a.values(setting, measure).values) - macro_mean(b.values(setting, measure).values) for a, b in pairs
        )
        bounds = RANGES.get(measure, (0.0, 1.0))
        return SeedComparison(paired_randomisation_test(one.values, two.values, bounds=bounds), by_seed)

    def differences(self, reference: str | None = None) -> list[Difference]:
        """Every other model minus the reference (default: the first), in every column of the headline and the panel.

        Columns that the task does not have are left out. The p-values are adjusted over all that is returned.
        """
        reference = reference or self.models[0]
        every = HEADLINE | BIAS_COLUMNS
        columns = {name: where for name, where in every.items() if self.values(reference, *where).values.size}
        found = [
            (model, column, self.compare(model, reference, *where))
            for model in self.models
            if model != reference
            for column, where in columns.items()
        ]
        adjusted = holm(np.array([compared.overall.p_value for _, _, compared in found]))
        return [
            Difference(model, reference, column, compared, float(p)) for (model, column, compared), p in zip(found, adjusted)
        ]

    def cell_tests(self, first: str, second: str, measure: str = "average_precision") -> CellTests:
        """First model minus second in every language pair, tested per question group, adjusted over all pairs (Holm)."""
        languages = self.evaluations[first][0].languages
        settings = ("monolingual", "cross-lingual")
        one, two = ([self.values(model, setting, measure) for setting in settings] for model in (first, second))
        cells = [cell for values in one for cell in values.cells]
        minuend, subtrahend = (np.concatenate([values.values for values in part], axis=1) for part in (one, two))
        compared = cell_comparisons(minuend, subtrahend)
        place = tuple(np.array([[languages.index(language) for language in cell] for cell in cells]).T)
        matrices = {}
        for name, numbers in asdict(compared).items():
            matrices[name] = np.full((len(languages), len(languages)), np.nan)
            matrices[name][place] = holm(numbers) if name == "p_value" else numbers
        return CellTests(languages, **matrices)

    def headline(self) -> dict[str, dict[str, tuple[float, float]]]:
        """The paper's columns (``HEADLINE``) as ``table`` gives them."""
        return self.table(HEADLINE)

    def table(self, columns: Mapping[str, Where]) -> dict[str, dict[str, tuple[float, float]]]:
        """Mean and standard deviation over seeds (n - 1 in the denominator; NaN for one seed), by model and column."""
        table = {}
        for model in self.models:
            scores = {column: self.by_seed(model, *where) for column, where in columns.items()}
            table[model] = {
                column: (float(np.mean(seeds)), float(np.std(seeds, ddof=1)) if len(seeds) > 1 else float("nan"))
                for column, seeds in scores.items()
            }
        return table

    def bias_table(self, chance: Mapping[str, float]) -> dict[str, dict[str, tuple[float, float]]]:
        """The bias panel (``BIAS_COLUMNS``) as ``table`` gives it, with what chance gives as a last row."""
        expected = {column: (chance[measure], float("nan")) for column, (_, measure) in BIAS_COLUMNS.items()}
        return self.table(BIAS_COLUMNS) | {"random ranking": expected}

    @property
    def languages(self) -> tuple[str, ...]:
        """Tags of the task, in its order."""
        return self._any.languages

    def matrix(self, model: str, measure: str = "average_precision") -> tuple[tuple[str, ...], np.ndarray]:
        """Scores of all cells averaged over seeds: languages, and (n_languages, n_languages), query by candidate."""
        return self.languages, self._mean(model, lambda run: run.matrix(measure)[1])

    def language_flow(self, model: str) -> np.ndarray:
        """``Evaluation.language_flow`` averaged over seeds."""
        return self._mean(model, Evaluation.language_flow)

    def agreement_matrix(self, model: str) -> np.ndarray:
        """``Evaluation.agreement_matrix`` averaged over seeds."""
        return self._mean(model, Evaluation.agreement_matrix)

    def version_ranks(self, model: str) -> np.ndarray:
        """``Evaluation.version_ranks`` of all seeds, one after the other, (n_seeds * n_queries, n_languages)."""
        return np.concatenate([run.version_ranks() for run in self.evaluations[model]])

    def distances(self, model: str) -> np.ndarray:
        """Rank distance of every query that has one, of all seeds, shape (n,), float64."""
        columns = [run.per_query.column("rank_distance").to_numpy() for run in self.evaluations[model]]
        return np.concatenate([column[~np.isnan(column)] for column in columns])

    def left_out(self) -> dict[str, int]:
        """Queries of the task for which each measure of the panel is not defined."""
        return self._any.left_out()

    @property
    def _any(self) -> Evaluation:
        """An evaluation, for what is the same in all."""
        return next(iter(self.evaluations.values()))[0]

    def _mean(self, model: str, read: Callable[[Evaluation], np.ndarray]) -> np.ndarray:
        return np.mean([read(run) for run in self.evaluations[model]], axis=0)

    def write(self, folder: str | Path, about: dict) -> None:
        """Write ``metrics.json`` (``about``, tables, intervals, differences) and ``per_query.parquet`` into a folder."""
        folder = Path(folder)
        metrics = {
            "about": about,
            "headline": self.headline(),
            "bias": self.bias_table(about["chance"]),
            "left_out": self.left_out(),
            "differences": [asdict(difference) for difference in self.differences()],
            "models": {
                model: {
                    "by_seed": [run.summary() for run in runs],
                    "intervals": {
                        column: asdict(self.interval(model, *where)) for column, where in (HEADLINE | BIAS_COLUMNS).items()
                    },
                }
                for model, runs in self.evaluations.items()
            },
        }
        with whole_file(folder / "metrics.json") as partial:
            partial.write_text(json.dumps(without_nan(metrics), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with whole_file(folder / "per_query.parquet") as partial:
            pq.write_table(self._per_query(), partial)

    def _per_query(self) -> pa.Table:
        """All evaluations in one table, with the columns ``model`` and ``seed_number`` before the others."""
        parts = []
        for model, runs in self.evaluations.items():
            for number, run in enumerate(runs):
                size = len(run.per_query)
                table = run.per_query.replace_schema_metadata(None)
                whose = pa.table([[model] * size, [number] * size], schema=_WHOSE)
                parts.append(pa.table([*whose.columns, *table.columns], schema=pa.schema([*_WHOSE, *table.schema])))
        facts = {name: getattr(self._any, name) for name in ("task_name", "languages")}
        facts["models"] = {
            model: [[run.model_name, run.tie_seed] for run in runs] for model, runs in self.evaluations.items()
        }
        return pa.concat_tables(parts).replace_schema_metadata({"results": json.dumps(facts)})

    @classmethod
    def read(cls, folder: str | Path) -> Results:
        """Read the evaluations that ``write`` wrote into a folder.

        Raises:
            ValueError: the folder holds no ``per_query.parquet``, or one of another version.
        """
        path = Path(folder) / "per_query.parquet"
        try:
            table = pq.read_table(path)
            facts = records.parse(table.schema.metadata[b"results"], Facts)
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not the results of a run ({error!r:.120}): make the run again") from None
        table = table.replace_schema_metadata(None)
        if TOP_CANDIDATES.name not in table.column_names:  # of a version that did not keep them
            table = table.append_column(TOP_CANDIDATES, pa.nulls(len(table), TOP_CANDIDATES.type))
        if not table.schema.equals(pa.schema([*_WHOSE, *SCHEMA])):
            raise ValueError(f"{path}: columns {table.column_names} are those of another version: make the run again")
        rest, model, number = table.drop_columns(_WHOSE.names), table.column("model"), table.column("seed_number")
        found, languages = dict[str, list[Evaluation]](), tuple(facts.languages)
        for name, runs in facts.models.items():
            parts = [rest.filter(pc.and_(pc.equal(model, name), pc.equal(number, seed))) for seed in range(len(runs))]
            found[name] = [Evaluation(facts.task_name, run[0], languages, run[1], part) for run, part in zip(runs, parts)]
        try:
            refuse_other_rows([run.per_query for runs in found.values() for run in runs], languages)
            return cls(found)
        except ValueError as error:
            raise ValueError(f"{path}: {error}: make the run again") from None


def table_text(table: Mapping[str, Mapping[str, Sequence[float | None]]]) -> str:
    """A table as plain text, a line a model: ``mean ± deviation`` (the mean alone for one seed) in each column.

    Args:
        table: as ``Results.table`` gives it, or what ``metrics.json`` kept of it.
    """
    rows = [
        {"model": model} | {name: estimate(mean, deviation, DIGITS[name]) for name, (mean, deviation) in columns.items()}
        for model, columns in table.items()
    ]
    head, *lines = repr(Table(rows, numeric=list(rows[0])[1:])).splitlines()
    return "\n".join([head, "-" * len(head), *lines])
