"""The whole evaluation of one model on one task: one encode, one table of scores (``Evaluation``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import TextEncoder
from kit.data.inputs import cut_of_task
from kit.data.pools import pool_counts
from kit.evaluate import metrics
from kit.evaluate.bias.list_agreement import spearman
from kit.evaluate.bias.panel import panel_columns, parallel_groups
from kit.evaluate.bias.top_lists import TOP
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import POOL, SCHEMA, TOP_CANDIDATES, Evaluation
from kit.evaluate.ranks import score_lists
from kit.evaluate.scores import Rescore
from kit.evaluate.search import Found, search


def evaluate_embeddings(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    task: RetrievalTask,
    name: str,
    seed: int = 0,
    n_agreement_groups: int | None = None,
    rescore: Rescore | None = None,
) -> Evaluation:
    """Evaluate embeddings that exist already.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``.
        candidate_embeddings: shape (n_candidates, dim), float32, finite; rows as in ``task.candidates``.
        task: what is asked and what is right.
        name: what the model is called.
        seed: seed of the tie rule.
        n_agreement_groups: question groups on which ``list_agreement`` is measured, chosen by a hash; ``None``: all.
        rescore: changes the scores before they are ranked (``kit.evaluate.scores.Rescore``,
            ``kit.evaluate.debias.remedies``).

    Raises:
        ValueError: embeddings of another shape or dtype, or not finite; ``n_agreement_groups`` below 0.
    """
    groups, counts = parallel_groups(task, n_agreement_groups, seed), pool_counts(task)
    found = search(
        *(query_embeddings, candidate_embeddings, task),
        k=min(TOP, int(counts.sum(axis=1).min())),
        groups=groups,
        of_group=spearman,
        seed=seed,
        rescore=rescore,
    )
    return evaluation_of(found, task, name, groups, counts)


def evaluation_of(
    found: Found, task: RetrievalTask, name: str, groups: Sequence[np.ndarray], counts: np.ndarray
) -> Evaluation:
    """The table of scores that a search makes.

    Args:
        found: ranks of the relevant candidates, the top ``TOP`` of each list (fewer in a smaller pool), and ``spearman`` of
            each of the groups.
        task: what was searched.
        name: what the model is called.
        groups: query indices of each question group whose lists were compared (``parallel_groups``).
        counts: candidates by language that are ranked for each query (``panel_columns``).
    """
    cells, pool = score_lists(task, found.ranks)
    in_cell, in_pool = _cell_rows(task, cells), _pool_rows(task, pool) | panel_columns(task, found, pool, groups, counts)
    in_pool[TOP_CANDIDATES.name] = _ids(task, found.top[pool.list_id])
    for field in SCHEMA:
        if field.name not in in_cell:  # the bias panel, which is defined in the pool only
            n_rows = len(in_cell["n_relevant"])
            in_cell[field.name] = pa.nulls(n_rows, field.type) if pa.types.is_list(field.type) else np.full(n_rows, np.nan)
    table = pa.concat_tables([pa.table(rows, schema=SCHEMA) for rows in (in_cell, in_pool)])
    return Evaluation(task.name, name, tuple(task.languages), found.ranks.seed, table)


def evaluate(
    model: TextEncoder,
    task: RetrievalTask,
    name: str = "model",
    seed: int = 0,
    n_agreement_groups: int | None = None,
) -> Evaluation:
    """Encode a task with a model and evaluate it: ``encode_task``, then ``evaluate_embeddings``; see there.

    Warns of texts that are longer than the model's limit (``kit.data.inputs.cut_of_task``).
    """
    for told in cut_of_task(model, task):
        warnings.warn(f"{name} on {task.name}: {told}", stacklevel=2)
    embeddings = encode_task(model, task)
    return evaluate_embeddings(*embeddings, task, name, seed, n_agreement_groups)


def _ids(task: RetrievalTask, top: np.ndarray) -> pa.Array:
    """Ids of the candidates of top lists (n_lists, k), a list each."""
    ids = task.candidates.column("candidate_id").combine_chunks().take(pa.array(top.ravel()))
    return pa.ListArray.from_arrays(pa.array(np.arange(len(top) + 1, dtype=np.int32) * top.shape[1]), ids)


def _cell_rows(task: RetrievalTask, cells: metrics.RankedLists) -> dict:
    """Columns of ``Evaluation.per_query`` for the rows of cells, by query and language."""
    query, language = np.divmod(cells.list_id, len(task.languages))
    return _columns(task, cells, query, pa.array(task.languages, pa.string()).take(pa.array(language)))


def _pool_rows(task: RetrievalTask, pool: metrics.RankedLists) -> dict:
    """The same for the rows of the pool, by query."""
    return _columns(task, pool, pool.list_id, pa.array([POOL] * len(pool.start), pa.string()))


def _columns(task: RetrievalTask, lists: metrics.RankedLists, query: np.ndarray, candidate_language: pa.Array) -> dict:
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
