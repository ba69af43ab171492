"""The best and the worst questions of a task, with what each model puts first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.core.records import Record
from kit.evaluate.evaluation import POOL, TOP_CANDIDATES

if TYPE_CHECKING:
    from kit.compare.results import Results
    from kit.data.corpus import RetrievalTask

SHOWN = 10
"""Questions of each end, and candidates of each list."""

LONGEST = 240
"""Characters of a text; a longer one is cut, and ends in an ellipsis."""


class Text(Record):
    """A text, cut where it is long; ``is_answer``: of a candidate, whether it answers the question."""

    language: str
    text: str
    is_answer: bool = False


class Listed(Record):
    """What a model has for a question: average precision (mean over seeds), ranks of its answers, first candidates.

    Ranks and candidates are those of the first seed.
    """

    average_precision: float
    best_rank: int
    worst_rank: int
    top: list[Text]


class Question(Record):
    """A question with one of its answers, in its own language where there is one, and the lists by model."""

    query_id: str
    question: Text
    answer: Text
    lists: dict[str, Listed]


class Extremes(Record):
    """best: from the best down.  worst: from the worst up."""

    best: list[Question]
    worst: list[Question]


def extremes(results: Results, task: RetrievalTask) -> dict:
    """The questions with the highest and the lowest average precision in the pool, mean over models and their seeds.

    Of several languages of one question only the most extreme stands there; of equal scores the question with more answers,
    then the one that the task has first. Up to ``SHOWN`` of each end, fewer where the task has fewer than twice as many.

    Returns:
        ``Extremes`` as plain data; empty where an evaluation did not keep its lists.
    """
    if not all(run.keeps_lists for runs in results.evaluations.values() for run in runs):
        return {}
    pools = {model: [_in_pool(run.per_query) for run in runs] for model, runs in results.evaluations.items()}
    scores = {
        model: np.mean([pool.column("average_precision").to_numpy() for pool in runs], axis=0)
        for model, runs in pools.items()
    }  # (n_queries,) each, in the order of the task
    mean = np.mean(list(scores.values()), axis=0)
    n_relevant = np.bincount(task.relevant_pairs[:, 0], minlength=len(mean))
    groups = task.queries.column("group_id").to_pylist()
    n_shown = min(SHOWN, max(1, len(set(groups)) // 2))
    first = {model: (scores[model], runs[0]) for model, runs in pools.items()}
    ends = {}
    for end, sign in (("best", -1), ("worst", 1)):
        order = np.lexsort((-n_relevant, sign * mean)).tolist()
        one_a_group: dict[str, int] = {}
        for query in order:
            one_a_group.setdefault(groups[query], query)
        ends[end] = _questions(list(one_a_group.values())[:n_shown], task, first)
    return Extremes(**ends).model_dump()


def _in_pool(per_query: pa.Table) -> pa.Table:
    return per_query.filter(pc.equal(per_query.column("candidate_language"), POOL))


def _questions(queries: Sequence[int], task: RetrievalTask, first: dict[str, tuple[np.ndarray, pa.Table]]) -> list[Question]:
    """Queries by their place in the task; ``first``: of each model its scores and the pool's rows of its first seed."""
    place = {one: number for number, one in enumerate(task.candidates.column("candidate_id").to_pylist())}
    found = []
    for query in queries:
        answers = task.relevant_pairs[task.relevant_pairs[:, 0] == query, 1]
        own = answers[task.candidate_language[answers] == task.query_language[query]]
        right = set(answers.tolist())
        lists = {}
        for model, (score, pool) in first.items():
            row = pool.slice(query, 1).to_pylist()[0]
            top = [place[one] for one in row[TOP_CANDIDATES.name][:SHOWN]]
            lists[model] = Listed(
                average_precision=float(score[query]),
                best_rank=row["best_rank"],
                worst_rank=row["worst_rank"],
                top=[_text(task.candidates, one, one in right) for one in top],
            )
        asked = _text(task.queries, query)
        answer = _text(task.candidates, int((own if len(own) else answers)[0]), is_answer=True)
        query_id = task.queries.column("query_id")[query].as_py()
        found.append(Question(query_id=query_id, question=asked, answer=answer, lists=lists))
    return found


def _text(table: pa.Table, row: int, is_answer: bool = False) -> Text:
    text = table.column("text")[row].as_py()
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return Text(language=table.column("language")[row].as_py(), text=cut, is_answer=is_answer)
