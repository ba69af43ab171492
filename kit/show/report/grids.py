"""The tables of a report: what stands in each cell, what it sorts by, and what is said under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.compare.results import BIAS_COLUMNS, DIGITS, HEADLINE, Results
from kit.compare.stats import mark
from kit.core.languages import language_name
from kit.core.printing import MISSING, estimate, number, span
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.evaluation import POOL

LEVEL = 0.05
"""A difference with a smaller adjusted p-value is called more than chance of the questions."""

FAIR = {measure.label: measure.fair for measure in PANEL}
_DIRECTION = {"low": "lower is fairer", "high": "higher is fairer", "chance": "chance is neutral"}


@dataclass(frozen=True)
class Cell:
    """What a cell shows, what it sorts by (``None``: last), a second line, and whether it is the best of its column."""

    text: str
    value: float | str | None = None
    note: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Column:
    """Head of a column; ``group`` stands above all neighbours that share it."""

    label: str
    is_number: bool = True
    group: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: rows, and rows at its foot that are not sorted with them. The first cell of a row names it."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    foot: Sequence[Sequence[Cell]] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heads above the heads, with the number of columns of each; empty where no column is in a group."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return found if any(name for name, _ in found) else []


def p_text(value: float | None) -> str:
    """A p-value with three digits."""
    if value is None or np.isnan(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def words(text: str) -> Cell:
    """A cell that holds a text and sorts by it."""
    return Cell(text, text)


def headline_grid(metrics: Mapping) -> Grid:
    """Model by column of the paper's tables: the mean, its deviation over seeds, its 95 % interval."""
    return _scores(metrics, metrics["headline"], list(HEADLINE))


def bias_grid(metrics: Mapping) -> Grid:
    """Model by measure of the bias panel; below, what a random ranking has, which way is fair, and who was left out."""
    chance, left_out = metrics["about"]["chance"], metrics["left_out"]
    foot = [
        [Cell("random ranking"), *(Cell(number(chance.get(one.column), one.digits)) for one in PANEL)],
        [Cell("direction"), *(Cell(_DIRECTION[one.fair]) for one in PANEL)],
        [Cell("queries left out"), *(Cell(f"{left_out[one.column]:,}") for one in PANEL)],
    ]
    grid = _scores(metrics, metrics["bias"], list(BIAS_COLUMNS))
    return Grid(grid.columns, grid.rows, foot)


def _scores(metrics: Mapping, table: Mapping, columns: list[str]) -> Grid:
    best = {column: best_model(table, column) for column in columns}
    rows = []
    for model, scores in table.items():
        row = [words(model)]
        for column in columns:
            mean, deviation = scores[column]
            ends = metrics["models"][model]["intervals"][column]
            text = estimate(mean, deviation, DIGITS[column])
            note = "" if ends["low"] is None else span(ends["low"], ends["high"], DIGITS[column]) + mark(ends["n_effective"])
            row.append(Cell(text, mean, note, is_best=model == best[column]))
        rows.append(row)
    return Grid([Column("model", is_number=False), *map(Column, columns)], rows)


def best_model(table: Mapping, column: str) -> str | None:
    """The model with the best mean of a column; None where one model, a tie, no value or no direction leaves none."""
    ranked = ranking(table, column)
    if len(ranked) < 2 or table[ranked[0]][column][0] == table[ranked[1]][column][0]:
        return None
    return ranked[0]


def ranking(table: Mapping, column: str) -> list[str]:
    """Models that have a value in a column, best first; empty for a column whose fair value is chance."""
    fair = FAIR.get(column, "high")
    present = [model for model in table if table[model][column][0] is not None]
    sign = {"low": 1, "high": -1, "chance": 0}[fair]
    return sorted(present, key=lambda model: sign * table[model][column][0]) if sign else []


def differences_grid(metrics: Mapping) -> Grid:
    """Every model minus the first in every column, with interval, adjusted p-value, and what that says."""
    differences = metrics["differences"]
    several = any(len(one["compared"]["by_seed"]) > 1 for one in differences)
    columns = [Column(label, label not in ("measure", "model", "reading")) for label in _difference_heads(several)]
    rows = []
    for one in differences:
        overall, by_seed, digits = one["compared"]["overall"], one["compared"]["by_seed"], DIGITS[one["column"]]
        row = [
            words(one["column"]),
            words(one["first"]),
            Cell(number(overall["difference"], digits, "+"), overall["difference"]),
            Cell(span(overall["low"], overall["high"], digits, "+") + mark(overall["n_effective"]), overall["low"]),
            Cell(p_text(one["adjusted_p"]), one["adjusted_p"]),
        ]
        if several:
            agreeing = sum(difference * overall["difference"] > 0 for difference in by_seed)
            row.append(Cell(f"{agreeing} of {len(by_seed)}", agreeing) if by_seed else Cell(MISSING))
        reading = _reading(one)
        rows.append([*row, Cell(reading, None if reading == MISSING else reading)])
    return Grid(columns, rows)


def _difference_heads(several: bool) -> list[str]:
    seeds = ["same sign in seeds"] if several else []
    return ["measure", "model", "difference", "95 % interval", "p (Holm)", *seeds, "reading"]


def _reading(difference: Mapping) -> str:
    """What a difference says: a dash where it is not more than chance of the questions."""
    if difference["adjusted_p"] is None or difference["adjusted_p"] >= LEVEL:
        return MISSING
    column, is_higher = difference["column"], difference["compared"]["overall"]["difference"] > 0
    fair = FAIR.get(column, "none")
    if fair == "chance":
        return "higher" if is_higher else "lower"
    if fair == "none":
        return "better" if is_higher else "worse"
    return "fairer" if is_higher == (fair == "high") else "less fair"


def language_grid(results: Results) -> Grid:
    """Query language by model: the settings and the bias of its queries."""
    heads = (
        ["mono mAP", "cross mAP asked", "cross mAP found", "multi mAP"]
        if len(results.languages) > 1
        else ["mono mAP", "multi mAP"]
    )
    in_pool = {
        "multi mAP": "average_precision",
        "rank distance": "rank_distance",
        "own language first": "own_language_first",
    }
    by_model = {}
    for model in results.models:
        _, matrix = results.matrix(model)
        crossed = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
        by_model[model] = {
            "mono mAP": np.diag(matrix),
            "cross mAP asked": _means(crossed),
            "cross mAP found": _means(crossed.T),
        }
        by_model[model] |= {head: by_query_language(results, model, measure) for head, measure in in_pool.items()}
    heads += [head for head in list(in_pool)[1:] if not all(np.isnan(of[head]).all() for of in by_model.values())]
    rows = [
        [
            _language(tag),
            words(model),
            *(_number_cell(float(by_model[model][head][place]), DIGITS.get(head, 3)) for head in heads),
        ]
        for place, tag in enumerate(results.languages)
        for model in results.models
    ]
    return Grid([Column("query language", is_number=False), Column("model", is_number=False), *map(Column, heads)], rows)


def pair_grid(results: Results) -> Grid:
    """Query language by candidate language: number of queries, and mAP and R@1 of every model."""
    counts = _pair_counts(results)
    measures = {"mAP": "average_precision", "R@1": "recall_at_1"}
    scores = [results.matrix(model, measure)[1] for model in results.models for measure in measures.values()]
    columns = [Column("query language", is_number=False), Column("candidate language", is_number=False), Column("queries")]
    columns += [Column(measure, group=model) for model in results.models for measure in measures]
    place = {tag: index for index, tag in enumerate(results.languages)}
    rows = [
        [
            _language(query),
            _language(candidate),
            Cell(f"{n:,}", n),
            *(_number_cell(float(matrix[place[query], place[candidate]]), 3) for matrix in scores),
        ]
        for (query, candidate), n in counts
    ]
    return Grid(columns, rows)


def pool_grid(about: Mapping, results: Results) -> Grid:
    """Language by candidates of the pool, their share, queries, and for each model the share of the first 20 places.

    The last is the mean over query languages; a fair list gives each language its share of the pool.
    """
    total = sum(about["pool_counts"].values())
    queries = dict.fromkeys(results.languages, 0)
    for row in _first_table(results).to_pylist():
        if row["candidate_language"] == POOL:
            queries[row["query_language"]] = row["query_id_count"]
    shares = {model: _means(results.language_flow(model).T) for model in results.models}
    rows = [
        [
            _language(tag),
            Cell(f"{n:,}", n),
            Cell(f"{100 * n / total:.1f} %", n / total),
            Cell(f"{queries[tag]:,}", queries[tag]),
            *(Cell(f"{100 * share[place]:.1f} %", float(share[place])) for share in shares.values()),
        ]
        for place, (tag, n) in enumerate(about["pool_counts"].items())
    ]
    heads = [Column("candidates"), Column("share of the pool"), Column("queries")]
    heads += [Column(model, group="share of the first 20 places") for model in shares]
    return Grid([Column("language", is_number=False), *heads], rows)


def model_grid(about: Mapping) -> Grid:
    """Model by what is known of it."""
    facts = list(dict.fromkeys(fact for known in about["models"].values() for fact in known))
    rows = [
        [words(model), Cell(str(n), n), *(words(about["models"].get(model, {}).get(fact, MISSING)) for fact in facts)]
        for model, n in about["n_seeds"].items()
    ]
    named = [
        Column("in this report", is_number=False),
        Column("training runs" if about["kind"] == "training" else "evaluations"),
    ]
    return Grid([*named, *(Column(fact, is_number=False) for fact in facts)], rows)


def _language(tag: str) -> Cell:
    name = language_name(tag)
    return Cell(name, name, tag if name != tag else "")


def _number_cell(value: float, digits: int) -> Cell:
    return Cell(number(value, digits), None if np.isnan(value) else value)


def _means(matrix: np.ndarray) -> np.ndarray:
    """Mean of each row over its values; NaN for a row without any."""
    present = ~np.isnan(matrix)
    return np.where(present, matrix, 0.0).sum(axis=1) / np.where(present.any(axis=1), present.sum(axis=1), np.nan)


def by_query_language(results: Results, model: str, measure: str) -> np.ndarray:
    """Mean of a measure in the pool over the queries of each language, NaN where there is none."""
    found = results.values(model, "multilingual", measure)
    mean_of = {query: mean for (query, _), mean in zip(found.cells, _means(found.values.T))}
    return np.array([mean_of.get(tag, np.nan) for tag in results.languages])


def _first_table(results: Results) -> pa.Table:
    """Number of queries of each query language and candidate language (or pool); the same for every model."""
    table = results.evaluations[results.models[0]][0].per_query
    return table.group_by(["query_language", "candidate_language"], use_threads=False).aggregate([("query_id", "count")])


def _pair_counts(results: Results) -> Iterator[tuple[tuple[str, str], int]]:
    """Number of queries of each pair of languages that the task has, in the order of the languages."""
    counted = {
        (row["query_language"], row["candidate_language"]): row["query_id_count"]
        for row in _first_table(results).to_pylist()
    }
    for query in results.languages:
        for candidate in results.languages:
            if (query, candidate) in counted:
                yield (query, candidate), counted[query, candidate]
