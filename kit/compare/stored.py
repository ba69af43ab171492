"""What ``metrics.json`` and the facts of ``per_query.parquet`` hold: their shapes, for ``kit.core.records``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, field_validator, model_validator

from kit.compare.columns import BIAS_COLUMNS, DIGITS, HEADLINE
from kit.compare.stats import Comparison, Interval
from kit.core import records
from kit.core.records import Record, without_nan
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.evaluation import POOL, TOP_CANDIDATES

_Scores = dict[str, dict[str, tuple[float, float]]]


class _About(Record):
    """As ``kit.show.report.origin.about`` makes it; of a comparison with the same of each of its ``runs``."""

    model_config = ConfigDict(extra="allow")

    run: str
    kind: Literal["training", "audit", "comparison"]
    test: str
    languages: list[str]
    n_queries: int
    n_candidates: int
    pool_counts: dict[str, int]
    n_seeds: dict[str, int]
    chance: dict[str, float]
    command: str
    settings: dict[str, object]
    versions: dict[str, str]
    checksums: dict[str, str]
    machine: dict[str, str]
    overlap: list[str]
    notes: list[str]
    models: dict[str, dict[str, str]]
    made: dict[str, str] = Field(default_factory=dict)
    runs: tuple[_About, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.pool_counts) != self.languages or min(self.n_candidates, sum(self.pool_counts.values())) < 1:
            raise ValueError("pool_counts do not count candidates in each of the languages")
        return self


class _SeedComparison(Record):
    overall: Comparison
    by_seed: list[float]


class _Difference(Record):
    first: str
    second: str
    column: str
    compared: _SeedComparison
    adjusted_p: float

    @field_validator("column")
    @classmethod
    def _is_known(cls, column: str) -> str:
        if column not in DIGITS:
            raise ValueError(f"{column!r} is no column of a table")
        return column


class _Model(Record):
    by_seed: list[dict[str, dict[str, float]]]
    intervals: dict[str, Interval]


class _Metrics(Record):
    about: _About
    headline: _Scores
    bias: _Scores
    left_out: dict[str, int]
    differences: list[_Difference]
    models: dict[str, _Model]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        models = list(self.models)
        _has("about.n_seeds", self.about.n_seeds, models)
        _has("left_out", self.left_out, [measure.column for measure in PANEL])
        for name, scores, columns in (("headline", self.headline, HEADLINE), ("bias", self.bias, BIAS_COLUMNS)):
            _has(name, scores, models)
            for model, row in scores.items():
                _has(f"{name}.{model}", row, list(columns))
        for model, known in self.models.items():
            _has(f"models.{model}.intervals", known.intervals, list(HEADLINE | BIAS_COLUMNS))
        return self


def _has(name: str, found: Collection[str], wanted: list[str]) -> None:
    lacking = [one for one in wanted if one not in found]
    if lacking or not wanted:
        raise ValueError(f"{name} lacks {lacking[0]!r}" if lacking else "models is empty")


def read_metrics(path: str | Path) -> dict:
    """What a run's ``metrics.json`` holds; ``None`` is NaN.

    Raises:
        ValueError: no such file, or not of that shape.
    """
    return without_nan(records.read(path, _Metrics, "make the run again").model_dump(exclude_unset=True))


class Facts(Record):
    """What ``per_query.parquet`` says besides its rows: of each model a pair of name and tie seed for each evaluation."""

    task_name: str
    languages: list[str]
    models: dict[str, list[tuple[str, int]]]


def refuse_other_rows(parts: Sequence[pa.Table], languages: Sequence[str]) -> None:
    """Raise ``ValueError`` unless the scores per query of several evaluations are of the same queries of one task.

    Args:
        parts: ``Evaluation.per_query`` of each, with the columns that these have.
        languages: of the task.
    """
    for part in parts:
        in_pool = pc.equal(part.column("candidate_language"), POOL)
        for name, kind in zip(part.schema.names, part.schema.types):
            if name == TOP_CANDIDATES.name:  # as long as the list is, and not kept by earlier versions
                continue
            is_list = pa.types.is_list(kind)
            values = part.column(name).filter(in_pool) if is_list else part.column(name)
            known = {"query_language": languages, "candidate_language": [*languages, POOL]}.get(name)
            if known is not None:
                right = pc.is_in(values, value_set=pa.array(known, pa.string()))
            else:
                right = pc.equal(pc.list_value_length(values), len(languages)) if is_list else pc.is_valid(values)
            if not len(values) or values.null_count or not pc.all(right).as_py():
                raise ValueError(f"column {name!r} has no value in a row, or one of another kind")
        if not part.select(_TASK).equals(parts[0].select(_TASK)):
            raise ValueError("the models were not asked the same queries")


_TASK = ["query_id", "group_id", "query_language", "candidate_language", "n_relevant"]
