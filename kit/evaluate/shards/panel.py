"""A task over passages in shards: the three settings and the whole bias panel, exact for any number of them.

A task asks and says what is relevant; the pool is what stands in the shards, its own candidates and any others. All that the
evaluation needs of a list are the ranks of what is relevant and the languages at its top, and these are exact
(``ranks``, ``search``); list agreement needs whole lists, and is measured on so many question groups as are asked for.

The result is the same bit by bit for any shards, cores and devices. The evaluation in memory (``kit.evaluate.evaluator``)
ranks by scores that a product of matrices sums in float32: it is the same where no two scores of a list are so near each
other that this rounding turns them round, or makes them equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.core.printing import say
from kit.data.corpus import RetrievalTask
from kit.evaluate.bias.panel import parallel_groups
from kit.evaluate.bias.top_lists import TOP
from kit.evaluate.encoding import float_rows
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluation_of
from kit.evaluate.search import Found, Ranks
from kit.evaluate.shards.agreement import spearman_over
from kit.evaluate.shards.pool import Pool
from kit.evaluate.shards.ranks import Standing
from kit.evaluate.shards.scoring import Log, checked_queries, scan
from kit.evaluate.shards.search import Best


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search of a pool in shards found.

    evaluation: of the model on the task; its languages are those of the task, then others of the pool.
    task: as it was searched, its candidates only those that are relevant or at the top of a list.
    counts: passages of each language that are ranked for each query, shape (n_queries, n_languages), int64.
    n_passages: of each language in the pool, by tag.
    top: numbers of the first passages of each list, best first, shape (n_queries, depth), int64.
    """

    evaluation: Evaluation
    task: RetrievalTask
    counts: np.ndarray
    n_passages: dict[str, int]
    top: np.ndarray


@dataclass(frozen=True, eq=False)
class Asked:
    """A task, asked of a pool.

    queries: embeddings, shape (n_queries, dim), float32.
    languages: those of the task, then others of the pool.
    place: number of the passage that each candidate of the task is, shape (n_candidates,), int64.
    query, row, grade: query, number of the passage and grade of each relevant pair, by query and row, (n_relevant,), int64.
    own: the passage that is the query itself, -1 for none, shape (n_queries,), int64.
    counts: passages of each language that are ranked for each query, shape (n_queries, n_languages), int64.
    """

    task: RetrievalTask
    pool: Pool
    queries: np.ndarray
    languages: tuple[str, ...]
    place: np.ndarray
    query: np.ndarray
    row: np.ndarray
    grade: np.ndarray
    own: np.ndarray
    counts: np.ndarray

    @property
    def depth(self) -> int:
        """Passages at the top of each list that the bias panel looks at."""
        return min(TOP, int(self.counts.sum(axis=1).min()))

    @classmethod
    def of(cls, query_embeddings: np.ndarray, pool: Pool, task: RetrievalTask) -> Asked:
        """Find the candidates of a task in a pool; errors as of ``evaluate_pool``."""
        queries = checked_queries(float_rows("query_embeddings", query_embeddings, len(task.queries), task.name))
        languages = (*task.languages, *(tag for tag in pool.languages if tag not in task.languages))
        rows = pool.find(*(task.candidates.column(column).to_pylist() for column in ("candidate_id", "language")))
        query, candidate, grade = task.relevant_pairs.T
        order = np.lexsort((rows[candidate], query))
        own = np.append(rows, -1)[task.own_candidate]
        relevant = (query[order], rows[candidate][order], grade[order])
        return cls(task, pool, queries, languages, rows, *relevant, own, pool.counts(languages, own))

    def searched(self, name: str, ranks: Ranks, top: np.ndarray, groups: Sequence[np.ndarray] = ()) -> Searched:
        """What is known of the lists, as an evaluation.

        Args:
            name: what the model is called.
            ranks: of the relevant pairs.
            top: numbers of the first ``depth`` passages of each list, shape (n_queries, depth), int64.
            groups: query indices of each question group whose whole lists are to be compared.
        """
        looked_at = np.unique(np.concatenate([self.row, top.ravel()]))
        part = self._part(looked_at)
        of_groups = [spearman_over(self.queries[group], self.pool, self.own[group]) for group in groups]
        found = Found(ranks, np.searchsorted(looked_at, top), of_groups)
        n_passages = dict.fromkeys(self.languages, 0)
        for one in self.pool.parts:
            n_passages[one.language] += one.n_passages
        return Searched(evaluation_of(found, part, name, groups, self.counts), part, self.counts, n_passages, top)

    def _part(self, looked_at: np.ndarray) -> RetrievalTask:
        """The task, its candidates those passages that were looked at, ascending.

        Of passages that are not the task's the text is not at hand, so that their id stands for it; one whose id another
        passage has, too, gets its number behind it.
        """
        candidate = np.full(len(looked_at), -1)
        ours = np.flatnonzero(np.isin(self.place, looked_at))
        candidate[np.searchsorted(looked_at, self.place[ours])] = ours
        ids, texts = self.pool.ids(looked_at), self.task.candidates.column("text").to_pylist()
        taken = {name for name, n in Counter(ids).items() if n > 1}
        called = [
            f"{name} (passage {number})" if name in taken and mine < 0 else name
            for name, number, mine in zip(ids, looked_at.tolist(), candidate.tolist())
        ]
        shown = [texts[mine] if mine >= 0 else name for name, mine in zip(called, candidate.tolist())]
        names = pa.array(called, pa.string())
        tags = pa.array([part.language for part in self.pool.parts], pa.string())
        relevance = pa.table(
            {
                "query_id": self.task.queries.column("query_id").combine_chunks().take(pa.array(self.query)),
                "candidate_id": names.take(pa.array(np.searchsorted(looked_at, self.row))),
                "grade": self.grade,
            }
        )
        language = tags.take(pa.array(self.pool.part_of(looked_at)))
        candidates = pa.table({"candidate_id": names, "language": language, "text": pa.array(shown, pa.string())})
        task = self.task
        return RetrievalTask(task.name, self.languages, task.queries, candidates, relevance, notes=task.notes)


def evaluate_pool(
    query_embeddings: np.ndarray,
    pool: Pool,
    task: RetrievalTask,
    name: str = "model",
    n_agreement_groups: int | None = None,
    device: str | None = None,
    log: Log = say,
) -> Searched:
    """Evaluate a model on a task whose passages lie in shards.

    Memory is that of the queries, the relevant pairs, one shard and up to 128 MB of scores, however many passages there
    are; for list agreement, that of ``spearman_over``, too.

    Args:
        query_embeddings: shape (n_queries, dim), float32, finite; rows as in ``task.queries``.
        pool: holds all candidates of the task, by id and language, and perhaps other passages.
        task: what is asked and what is right.
        name: what the model is called.
        n_agreement_groups: question groups on which list agreement is measured, chosen by a hash, each a pass of its own
            over all passages; ``None``: all.
        device: of the search (``kit.evaluate.shards.search.top_passages``).
        log: takes lines of progress.

    Raises:
        ValueError: embeddings of another shape, width or dtype, or not finite; a candidate of the task that is not in the
            pool, or twice; ``n_agreement_groups`` below 0.
    """
    groups = parallel_groups(task, n_agreement_groups)
    asked = Asked.of(query_embeddings, pool, task)
    best = Best(asked.queries, asked.depth)
    standing = Standing(asked.queries, pool, asked.query, asked.row)
    scan(asked.queries, pool, asked.own, device, log, best.read, standing.read)
    ranks = Ranks(standing.n_before[:, 0] + 1, standing.n_before[:, 1] + 1, seed=0)
    if groups:
        log(f"  comparing the whole lists of {len(groups):,} question groups")
    return asked.searched(name, ranks, best.row, groups)
