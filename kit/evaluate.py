"""The whole evaluation of one model on one task: a table of scores per query, and the three settings made from it.

A *cell* is a query language and a candidate language: the queries of the one that have a relevant candidate in the other,
ranked against all candidates of the other. The *pool* holds the candidates of all languages. The settings, as in
arXiv 2408.10536:

- monolingual: mean over the cells whose two languages are equal;
- cross-lingual: mean over the cells of two different languages (ordered pairs);
- multilingual: the pool; mean over the queries of each language, then over the query languages.

Each is a macro mean: every cell counts alike, however many queries it has. Ties follow the one rule of ``kit.search``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kit import bias, metrics
from kit.corpus import RetrievalTask
from kit.search import Ranks, relevant_ranks
from kit.tables import whole_file

POOL = "*"
"""Stands for a candidate language in rows and cells of the pool; no language tag looks like it."""

SETTINGS = ("monolingual", "cross-lingual", "multilingual")

MEASURES = {
    "average_precision": "mAP",
    "recall_at_1": "R@1",
    "recall_at_10": "R@10",
    "ndcg_at_10": "nDCG@10",
    "reciprocal_rank": "MRR",
}
"""Columns of ``Evaluation.per_query`` that make up a summary, with what their mean is called in a printed table."""

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("query_id", "group_id", "query_language", "candidate_language")]
    + [("n_relevant", pa.int64())]
    + [(name, pa.float64()) for name in MEASURES]
    + [("best_rank", pa.int64()), ("worst_rank", pa.int64()), ("rank_distance", pa.float64())]
)
_NUMBERS = _SCHEMA.names[4:]


@dataclass(frozen=True, eq=False)
class CellValues:
    """One measure by question group and cell: what ``kit.stats`` takes.

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
        ``query_id, group_id, query_language, candidate_language, n_relevant``, those of ``MEASURES`` (see ``kit.metrics``),
        ``best_rank, worst_rank`` and ``rank_distance`` (see ``kit.bias``; NaN outside of the pool and for queries with fewer
        than two relevant candidates).
    """

    task_name: str
    model_name: str
    languages: tuple[str, ...]
    tie_seed: int
    per_query: pa.Table

    def summary(self) -> dict[str, dict[str, float]]:
        """Macro means by setting and measure; NaN for a setting without a cell (one language: no cross-lingual cell).

        ``["multilingual"]`` also has ``rank_distance``, the mean over the queries that have two or more relevant
        candidates and then over query languages (NaN where no query has), and the counts
        ``n_queries_with_distance`` and ``n_queries_without_distance``.
        """
        return {setting: dict(scores) for setting, scores in self._summary.items()}

    @cached_property
    def _summary(self) -> dict[str, dict[str, float]]:
        summary = {setting: {measure: self._macro_mean(setting, measure) for measure in MEASURES} for setting in SETTINGS}
        distance = self._column("rank_distance")[self._cell_codes[:, 1] == len(self.languages)]
        n_with = int((~np.isnan(distance)).sum())
        summary["multilingual"] |= {
            "rank_distance": self._macro_mean("multilingual", "rank_distance"),
            "n_queries_with_distance": n_with,
            "n_queries_without_distance": len(distance) - n_with,
        }
        return summary

    def matrix(self, measure: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Mean of a measure over the queries of each cell, for heatmaps.

        Returns:
            The languages, and an array (n_languages, n_languages), float64: query language by candidate language, NaN
            where the task has no query for the cell.

        Raises:
            ValueError: ``measure`` is not a number that rows of a cell have.
        """
        if measure == "rank_distance":
            raise ValueError("rank_distance is defined in the pool only: read it in summary()['multilingual']")
        return self.languages, self._cell_means(measure)[:, :-1]

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
        """Write the evaluation as one ``.parquet`` file; the file appears whole or not at all."""
        facts = {name: getattr(self, name) for name in ("task_name", "model_name", "languages", "tie_seed")}
        with whole_file(Path(path)) as partial:
            pq.write_table(self.per_query.replace_schema_metadata({"evaluation": json.dumps(facts)}), partial)

    @classmethod
    def read(cls, path: str | Path) -> Evaluation:
        """Read a file that ``write`` wrote.

        Raises:
            ValueError: no such file, or not one that ``write`` wrote.
        """
        try:
            table = pq.read_table(path)
            facts = json.loads(table.schema.metadata[b"evaluation"])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not an evaluation ({error!r:.80}): give a file that Evaluation.write wrote") from None
        if not table.schema.equals(_SCHEMA):
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
        shape = (len(self.languages), len(self.languages) + 1)
        values = self._column(measure)
        present = ~np.isnan(values)
        cell = np.ravel_multi_index(self._cell_codes[present].T, shape)
        n_queries = np.bincount(cell, minlength=shape[0] * shape[1])
        total = np.bincount(cell, weights=values[present], minlength=shape[0] * shape[1])
        return (total / np.where(n_queries > 0, n_queries, np.nan)).reshape(shape)

    def _macro_mean(self, setting: str, measure: str) -> float:
        means = self._cell_means(measure)
        diagonal = np.eye(len(self.languages), dtype=bool)
        cells = {
            "monolingual": means[:, :-1][diagonal],
            "cross-lingual": means[:, :-1][~diagonal],
            "multilingual": means[:, -1],
        }[setting]
        cells = cells[~np.isnan(cells)]
        return float(cells.mean()) if len(cells) else float("nan")


def encode_task(
    model, task: RetrievalTask, batch_size: int = 32, show_progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Encode the queries and candidates of a task, each distinct text once, so that equal texts have equal embeddings.

    A text that the model maps to the zero vector keeps it: its score is 0 for every partner.

    Args:
        model: a ``SentenceTransformer``, or anything with its ``encode_query`` and ``encode_document``; prompts are the
            model's own.
        batch_size: texts a forward pass.
        show_progress: whether the model shows its bar.

    Returns:
        Embeddings of queries (n_queries, dim) and candidates (n_candidates, dim), float32, rows of length 1.
    """
    return tuple(
        _encode(encode, table.column("text").to_pylist(), batch_size, show_progress)
        for encode, table in ((model.encode_query, task.queries), (model.encode_document, task.candidates))
    )


def _encode(encode, texts: list[str], batch_size: int, show_progress: bool) -> np.ndarray:
    row_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    embeddings = encode(list(row_of), batch_size=batch_size, show_progress_bar=show_progress, convert_to_numpy=True)
    embeddings = np.asarray(embeddings, np.float32)  # (n_distinct, dim)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings = embeddings / np.where(length > 0, length, 1)
    return embeddings[[row_of[text] for text in texts]]  # (n_texts, dim)


def evaluate_embeddings(
    query_embeddings: np.ndarray, candidate_embeddings: np.ndarray, task: RetrievalTask, name: str, seed: int = 0
) -> Evaluation:
    """Evaluate embeddings that exist already.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``.
        candidate_embeddings: shape (n_candidates, dim), float32, finite; rows as in ``task.candidates``.
        task: what is asked and what is right.
        name: what the model is called.
        seed: seed of the tie rule.

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite.
    """
    ranks = relevant_ranks(query_embeddings, candidate_embeddings, task, seed)
    return Evaluation(task.name, name, tuple(task.languages), seed, _score_table(task, ranks))


def evaluate(
    model, task: RetrievalTask, name: str = "model", seed: int = 0, batch_size: int = 32, show_progress: bool = False
) -> Evaluation:
    """Encode a task with a model and evaluate it: ``encode_task``, then ``evaluate_embeddings``; see there."""
    return evaluate_embeddings(*encode_task(model, task, batch_size, show_progress), task, name, seed)


def answer_ranks(model, task: RetrievalTask, query_id: str, batch_size: int = 32) -> dict[str, int]:
    """Rank in the pool of the best relevant candidate of each language, for one query: where the versions of an answer land.

    Raises:
        ValueError: the task has no such query.
    """
    row = pc.index(task.queries.column("query_id"), query_id).as_py()
    if row < 0:
        raise ValueError(f"{task.name}: no query {query_id!r}: take one of queries.column('query_id')")
    relevance = task.relevance.filter(pc.equal(task.relevance.column("query_id"), query_id))
    single = RetrievalTask(task.name, task.languages, task.queries.slice(row, 1), task.candidates, relevance)
    ranks = relevant_ranks(*encode_task(model, single, batch_size), single)
    languages = single.candidate_language[single.relevant_pairs[:, 1]]
    return {task.languages[code]: int(ranks.pool_rank[languages == code].min()) for code in np.unique(languages)}


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


def _score_table(task: RetrievalTask, ranks: Ranks) -> pa.Table:
    """The table ``Evaluation.per_query``: the rows of cells, then those of the pool, each by query and language."""
    query, candidate, grade = task.relevant_pairs.T
    n_languages = len(task.languages)
    cells = metrics.ranked_lists(query * n_languages + task.candidate_language[candidate], ranks.cell_rank, grade)
    pool = metrics.ranked_lists(query, ranks.pool_rank, grade)
    languages = pa.array((*task.languages, POOL), pa.string())
    in_cell = _score_rows(task, cells, cells.list_id // n_languages, languages.take(pa.array(cells.list_id % n_languages)))
    in_cell["rank_distance"] = np.full(len(cells.start), np.nan)
    in_pool = _score_rows(task, pool, pool.list_id, pa.array([POOL] * len(pool.start), pa.string()))
    in_pool["rank_distance"] = bias.rank_distance(pool)
    return pa.concat_tables([pa.table(rows, schema=_SCHEMA) for rows in (in_cell, in_pool)])


def _score_rows(task: RetrievalTask, lists: metrics.RankedLists, query: np.ndarray, candidate_language: pa.Array) -> dict:
    rows = task.queries.take(pa.array(query))
    return {
        "query_id": rows.column("query_id"),
        "group_id": rows.column("group_id"),
        "query_language": rows.column("language"),
        "candidate_language": candidate_language,
        "n_relevant": lists.n_relevant,
        "average_precision": metrics.average_precision(lists),
        "recall_at_1": metrics.recall(lists, 1),
        "recall_at_10": metrics.recall(lists, 10),
        "ndcg_at_10": metrics.ndcg(lists, 10),
        "reciprocal_rank": metrics.reciprocal_rank(lists),
        "best_rank": metrics.best_rank(lists),
        "worst_rank": metrics.worst_rank(lists),
    }
