"""From the ranks of a task's relevant candidates to its lists, and from values of lists to the means of the settings.

A *cell* is a query language and a candidate language: the queries of the one that have a relevant candidate in the other,
ranked against all candidates of the other. The *pool* holds the candidates of all languages. The settings, as in
arXiv 2408.10536:

- monolingual: mean over the cells whose two languages are equal;
- cross-lingual: mean over the cells of two different languages (ordered pairs);
- multilingual: the pool; mean over the queries of each language, then over the query languages.

Each is a macro mean: every cell counts alike, however many queries it has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.data.corpus import RetrievalTask
from kit.evaluate.metrics import RankedLists, ranked_lists
from kit.evaluate.search import Ranks

SETTINGS = ("monolingual", "cross-lingual", "multilingual")


def score_lists(task: RetrievalTask, ranks: Ranks) -> tuple[RankedLists, RankedLists]:
    """The lists of the cells (``list_id``: query * n_languages + candidate language), and those of the pool (the query)."""
    query, candidate, grade = task.relevant_pairs.T
    language = task.candidate_language[candidate]
    cells = ranked_lists(query * len(task.languages) + language, ranks.cell_rank, grade, language)
    return cells, ranked_lists(query, ranks.pool_rank, grade, language)


def cell_means(
    task: RetrievalTask, lists: tuple[RankedLists, RankedLists], measure: Callable[[RankedLists], np.ndarray]
) -> np.ndarray:
    """Mean of a measure over the lists of each cell; shape and empty cells as ``mean_by_cell``."""
    cells, pool = lists
    n = len(task.languages)
    query, candidate_language = np.divmod(cells.list_id, n)
    values = np.concatenate([measure(cells), measure(pool)])
    query = np.concatenate([query, pool.list_id])
    candidate_language = np.concatenate([candidate_language, np.full(len(pool.start), n)])
    return mean_by_cell(values, task.query_language[query], candidate_language, n)


def mean_by_cell(
    values: np.ndarray, query_language: np.ndarray, candidate_language: np.ndarray, n_languages: int
) -> np.ndarray:
    """Mean over the values of each cell that are not NaN.

    Args:
        values: one a list, shape (n_lists,), float64.
        query_language, candidate_language: of each list, as an index; ``n_languages`` stands for the pool.

    Returns:
        Shape (n_languages, n_languages + 1), float64; the last column is the pool. NaN for a cell without a value.
    """
    shape = (n_languages, n_languages + 1)
    present = ~np.isnan(values)
    cell = np.ravel_multi_index((query_language[present], candidate_language[present]), shape)
    n_lists = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, weights=values[present], minlength=shape[0] * shape[1])
    return (total / np.where(n_lists > 0, n_lists, np.nan)).reshape(shape)


def setting_mean(means: np.ndarray, setting: str) -> float:
    """Macro mean of a setting over its cells that have a value; NaN where none has.

    Raises:
        KeyError: unknown setting.
    """
    diagonal = np.eye(len(means), dtype=bool)
    cells = {
        "monolingual": means[:, :-1][diagonal],
        "cross-lingual": means[:, :-1][~diagonal],
        "multilingual": means[:, -1],
    }[setting]
    cells = cells[~np.isnan(cells)]
    return float(cells.mean()) if len(cells) else float("nan")


def best_by_language(task: RetrievalTask, ranks: Ranks) -> np.ndarray:
    """Rank in the pool of the best relevant candidate of each query in each language, NaN for none.

    Shape (n_queries, n_languages), float64.
    """
    query, candidate, _ = task.relevant_pairs.T
    best = np.full((len(task.queries), len(task.languages)), np.inf)
    np.minimum.at(best, (query, task.candidate_language[candidate]), ranks.pool_rank)
    return np.where(np.isinf(best), np.nan, best)
