"""What is known of one model on one task: a table of scores per query, and the three settings and the bias made from it.

Cells, pool and settings are those of ``kit.evaluate.ranks``; the bias is measured in the pool. Ties follow the one rule of
``kit.evaluate.scores``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kit.core.files import refuse_damaged, seal, whole_file
from kit.evaluate.bias.measures import PANEL
from kit.evaluate.ranks import SETTINGS, mean_by_cell, setting_mean

POOL = "*"
"""Stands for a candidate language in rows and cells of the pool; no language tag looks like it."""

MEASURES = {
    "average_precision": "mAP",
    "recall_at_1": "R@1",
    "recall_at_10": "R@10",
    "ndcg_at_10": "nDCG@10",
    "reciprocal_rank": "MRR",
}
"""Columns of ``Evaluation.per_query`` that make up a summary, with what their mean is called in a printed table."""

BIAS_MEASURES = {measure.column: measure.label for measure in PANEL}
"""Columns of ``Evaluation.per_query`` that make up the bias panel, defined in the pool only; see ``measures.PANEL``."""

TOP_CANDIDATES = pa.field("top_candidates", pa.list_(pa.string()))
"""Column of ``Evaluation.per_query`` that results of earlier versions lack."""

_LISTS = {"top_languages": pa.int64(), "version_ranks": pa.int64(), "agreement_with": pa.float64()}
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("query_id", "group_id", "query_language", "candidate_language")]
    + [("n_relevant", pa.int64())]
    + [(name, pa.float64()) for name in MEASURES]
    + [("best_rank", pa.int64()), ("worst_rank", pa.int64())]
    + [(name, pa.float64()) for name in BIAS_MEASURES]
    + [(name, pa.list_(kind)) for name, kind in _LISTS.items()]
    + [TOP_CANDIDATES]
)
"""Columns of ``Evaluation.per_query``."""

_NUMBERS = [name for name in SCHEMA.names[4:] if name not in (*_LISTS, TOP_CANDIDATES.name)]


@dataclass(frozen=True, eq=False)
class CellValues:
    """One measure by question group and cell: what ``kit.compare.stats`` takes.

    group_ids: sorted, so that the rows of two models on one task align.
    cells: (query language, candidate language or ``POOL``) of each column.
    values: shape (n_groups, n_cells), float64, NaN where the group has no query (or no value) in the cell.
    """

    group_ids: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one model on one task.

    task_name, model_name: what tables and figures call them.
    languages: tags of the task, in its order.
    tie_seed: seed of the tie rule.
    per_query: Arrow table; one row for each query and language in which it has a relevant candidate, ranked within that
        language, and one row for each query with ``candidate_language == POOL``, ranked in the pool. Columns:
        ``query_id, group_id, query_language, candidate_language, n_relevant``, those of ``MEASURES`` (see
        ``kit.evaluate.metrics``), ``best_rank, worst_rank``, those of ``BIAS_MEASURES`` (see ``kit.evaluate.bias.measures``;
        NaN outside of the pool and for queries for which they are not defined), and three lists with an entry for each of
        ``languages``, null
        outside of the pool: ``top_languages`` (candidates of that language in the top of the list), ``version_ranks`` (rank
        of the best relevant candidate in that language, null where there is none), ``agreement_with`` (Spearman correlation
        with the list of the same question in that language, NaN where there is none). ``top_candidates`` has the ids of the
        first ``kit.evaluate.bias.top_lists.TOP`` of the pool, best first; null outside of it and where it was not kept.
    """

    task_name: str
    model_name: str
    languages: tuple[str, ...]
    tie_seed: int
    per_query: pa.Table

    def summary(self) -> dict[str, dict[str, float]]:
        """Macro means by setting and measure; NaN for a setting without a cell (one language: no cross-lingual cell).

        ``["multilingual"]`` also has the measures of the bias panel, each the mean over the queries for which it is defined
        and then over query languages (NaN where it is defined for none); ``left_out`` counts the others.
        """
        return {setting: dict(scores) for setting, scores in self._summary.items()}

    @cached_property
    def _summary(self) -> dict[str, dict[str, float]]:
        summary = {setting: {measure: self._macro_mean(setting, measure) for measure in MEASURES} for setting in SETTINGS}
        summary["multilingual"] |= {measure: self._macro_mean("multilingual", measure) for measure in BIAS_MEASURES}
        return summary

    def left_out(self) -> dict[str, int]:
        """Number of queries for which each measure of the bias panel is not defined."""
        return {measure: int(np.isnan(self._column(measure)[self._in_pool]).sum()) for measure in BIAS_MEASURES}

    def matrix(self, measure: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Mean of a measure over the queries of each cell, for heatmaps.

        Returns:
            The languages, and an array (n_languages, n_languages), float64: query language by candidate language, NaN
            where the task has no query for the cell.

        Raises:
            ValueError: ``measure`` is not a number that rows of a cell have.
        """
        if measure in BIAS_MEASURES:
            raise ValueError(f"{measure} is defined in the pool only: read it in summary()['multilingual']")
        return self.languages, self._cell_means(measure)[:, :-1]

    def language_flow(self) -> np.ndarray:
        """Mean share of each candidate language in the top of the lists of each query language.

        Returns:
            Shape (n_languages, n_languages), float64: query language by candidate language; each row sums to 1, and is NaN
            where no query is in that language.
        """
        counts = self._pool_lists("top_languages")
        return self._means_by_query_language(counts / counts.sum(axis=1, keepdims=True))

    def agreement_matrix(self) -> np.ndarray:
        """Mean Spearman correlation between the lists of the same question in two languages, (n_languages, n_languages).

        1 on the diagonal; NaN for languages that share no question (or none of those that were sampled).
        """
        means = self._means_by_query_language(self._pool_lists("agreement_with"))
        np.fill_diagonal(means, 1.0)
        return means

    @property
    def keeps_lists(self) -> bool:
        """Whether ``top_candidates`` is known; earlier versions did not keep them."""
        return not self.per_query.column(TOP_CANDIDATES.name).filter(pa.array(self._in_pool)).null_count

    def top_candidates(self) -> dict[str, list[str]]:
        """Ids of the first candidates of the pool, best first, by id of the query; empty where they were not kept."""
        pool = self.per_query.filter(pa.array(self._in_pool)) if self.keeps_lists else self.per_query.slice(0, 0)
        return dict(zip(pool.column("query_id").to_pylist(), pool.column(TOP_CANDIDATES.name).to_pylist()))

    def version_ranks(self) -> np.ndarray:
        """Rank in the pool of the best relevant candidate in each language, (n_queries, n_languages), NaN for none."""
        return self._pool_lists("version_ranks")

    def values(self, setting: str, measure: str) -> CellValues:
        """One measure by question group and cell of a setting; ``stats.macro_mean`` of it is the score in ``summary``.

        Cells stand in the order of the languages; those without a value are left out. All groups of the task are there.

        Raises:
            ValueError: unknown setting or measure; a group has two queries in one language (each counts as a query in the
                summary, so there is no one value of the group that gives the same mean).
        """
        query_language, candidate_language = self._cell_codes.T
        use = self._in_setting(setting) & ~np.isnan(self._column(measure))
        group_ids, group = self._groups
        cell_codes, cell = np.unique(
            query_language[use] * (len(self.languages) + 1) + candidate_language[use], return_inverse=True
        )
        n_queries = np.zeros((len(group_ids), len(cell_codes)), np.int64)
        np.add.at(n_queries, (group[use], cell), 1)
        if (n_queries > 1).any():
            twice = str(group_ids[np.argwhere(n_queries > 1)[0, 0]])
            raise ValueError(
                f"{self.task_name}: group {twice!r} has several queries in one language: give each a group of "
                "its own, or keep one, to resample groups"
            )
        values = np.full(n_queries.shape, np.nan)
        values[group[use], cell] = self._column(measure)[use]
        names = (*self.languages, POOL)
        cells = tuple((names[code // len(names)], names[code % len(names)]) for code in cell_codes)
        return CellValues(tuple(group_ids.tolist()), cells, values)

    def write(self, path: str | Path) -> None:
        """Write the evaluation as one ``.parquet`` file, whole or not at all, with a checksum in another beside it."""
        facts = {name: getattr(self, name) for name in ("task_name", "model_name", "languages", "tie_seed")}
        with whole_file(Path(path)) as partial:
            pq.write_table(self.per_query.replace_schema_metadata({"evaluation": json.dumps(facts)}), partial)
        seal(Path(path))

    @classmethod
    def read(cls, path: str | Path) -> Evaluation:
        """Read a file that ``write`` wrote.

        Raises:
            ValueError: no such file, not as ``write`` wrote it, or without the checksum that it wrote beside it.
        """
        refuse_damaged(Path(path))
        try:
            table = pq.read_table(path)
            facts = json.loads(table.schema.metadata[b"evaluation"])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not an evaluation ({error!r:.80}): give a file that Evaluation.write wrote") from None
        if not table.schema.equals(SCHEMA):
            raise ValueError(f"{path}: columns {table.column_names} are those of another version: evaluate again")
        table = table.replace_schema_metadata(None)
        return cls(**(facts | {"languages": tuple(facts["languages"])}), per_query=table)

    @cached_property
    def _groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids of the question groups, sorted, and the position of each row's among them."""
        return np.unique(self.per_query.column("group_id").to_pylist(), return_inverse=True)

    @cached_property
    def _cell_codes(self) -> np.ndarray:
        """Cell of each row as indices into (*languages, POOL), shape (n_rows, 2), int64."""
        code = {language: index for index, language in enumerate((*self.languages, POOL))}
        names = ("query_language", "candidate_language")
        return np.array([[code[language] for language in self.per_query.column(name).to_pylist()] for name in names]).T

    @property
    def _in_pool(self) -> np.ndarray:
        return self._cell_codes[:, 1] == len(self.languages)

    def _pool_lists(self, name: str) -> np.ndarray:
        """A list column of the pool's rows, shape (n_queries, n_languages), float64, NaN for null."""
        lists = self.per_query.column(name).filter(pa.array(self._in_pool)).combine_chunks()
        return lists.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False).reshape(-1, len(self.languages))

    def _means_by_query_language(self, values: np.ndarray) -> np.ndarray:
        """Mean of the pool's rows (n_queries, n_languages) over the queries of each language that have a value."""
        query_language = self._cell_codes[self._in_pool, 0]
        present = ~np.isnan(values)
        total, n_values = np.zeros((2, len(self.languages), len(self.languages)))
        np.add.at(total, query_language, np.where(present, values, 0.0))
        np.add.at(n_values, query_language, present)
        return total / np.where(n_values > 0, n_values, np.nan)

    def _column(self, measure: str) -> np.ndarray:
        if measure not in _NUMBERS:
            raise ValueError(f"measure {measure!r} is not known: choose from {', '.join(_NUMBERS)}")
        return self.per_query.column(measure).to_numpy()

    def _in_setting(self, setting: str) -> np.ndarray:
        """Whether each row belongs to a setting, shape (n_rows,), bool."""
        query_language, candidate_language = self._cell_codes.T
        if setting == "monolingual":
            return query_language == candidate_language
        if setting == "cross-lingual":
            return (query_language != candidate_language) & (candidate_language < len(self.languages))
        if setting == "multilingual":
            return candidate_language == len(self.languages)
        raise ValueError(f"setting {setting!r} is not known: choose from {', '.join(SETTINGS)}")

    def _cell_means(self, measure: str) -> np.ndarray:
        """Mean of each cell over its queries with a value, shape (n_languages, n_languages + 1); the last column: pool."""
        query_language, candidate_language = self._cell_codes.T
        return mean_by_cell(self._column(measure), query_language, candidate_language, len(self.languages))

    def _macro_mean(self, setting: str, measure: str) -> float:
        return setting_mean(self._cell_means(measure), setting)


def mean_values(runs: Sequence[CellValues]) -> CellValues:
    """Plain mean of the values of several runs, such as several training seeds of one recipe.

    Raises:
        ValueError: no run, or runs whose groups, cells or places of NaN differ.
    """
    if not runs:
        raise ValueError("runs is empty: give at least one")
    first = runs[0]
    for index, run in enumerate(runs):
        aligned = run.group_ids == first.group_ids and run.cells == first.cells
        if not aligned or (np.isnan(run.values) != np.isnan(first.values)).any():
            raise ValueError(
                f"runs[{index}] has other groups, cells or missing values than runs[0]: "
                "take one setting and measure of evaluations on one task"
            )
    return CellValues(first.group_ids, first.cells, np.mean([run.values for run in runs], axis=0))
