"""A task to look around in: everything embedded once by some models, so that a question is answered at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from kit.core.seeding import stable_fraction
from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import TextEncoder, encode_texts
from kit.data.pools import pool_counts
from kit.evaluate.encoding import encode_task
from kit.evaluate.metrics import average_precision, ranked_lists
from kit.evaluate.scores import tie_order
from kit.evaluate.search import search

DEPTH = 50
"""Length of the lists whose languages ``Index.shares`` counts."""

_TRIED = 200
"""Queries on which ``Index.best`` compares the models: enough to tell a good one from a poor one, at once."""


@dataclass(frozen=True)
class Hit:
    """One line of a ranked list.

    rank: 1 = top.  score: higher is better.  is_answer: whether the task knows it as an answer to the question.
    """

    rank: int
    language: str
    score: float
    text: str
    is_answer: bool


@dataclass(frozen=True, eq=False)
class Versions:
    """The answers to some questions, each in several languages, as points.

    points: embeddings, shape (n_texts, dim), float32.
    languages, answers, texts: of each point its language, the number of its answer, and the text; length n_texts.
    """

    points: np.ndarray
    languages: list[str]
    answers: list[int]
    texts: list[str]


class Index:
    """The queries and candidates of a task as each of some models embeds them.

    Args:
        models: by name, each a ``SentenceTransformer`` or anything with its ``encode_query`` and ``encode_document``.
        task: what is asked and searched.

    Raises:
        ValueError: no model.
    """

    def __init__(self, models: Mapping[str, TextEncoder], task: RetrievalTask) -> None:
        if not models:
            raise ValueError("models is empty: give at least one, by its name")
        self.models, self.task = dict(models), task
        self.embeddings = {name: encode_task(model, task) for name, model in models.items()}
        self._texts = task.candidates.column("text").to_pylist()
        self._tags = np.array(task.languages)[task.candidate_language]
        self._distinct = {name: _distinct(candidates) for name, (_, candidates) in self.embeddings.items()}
        self._shares: dict[str, np.ndarray] = {}
        self._ordered = lru_cache(maxsize=16)(self._order)  # a list is asked for, then the places of some candidates in it

    @cached_property
    def _tie_position(self) -> np.ndarray:
        """Place of each candidate in the tie order, (n_candidates,)."""
        position = np.empty(len(self._texts), np.int64)
        position[tie_order(self.task, seed=0)] = np.arange(len(position))
        return position

    @cached_property
    def best(self) -> str:
        """The model that answers best: highest mAP in the pool of all languages, on some queries; the first of equals."""
        ids = self.task.queries.column("query_id").to_pylist()
        tried = np.array(sorted(range(len(ids)), key=lambda row: stable_fraction(ids[row], 0))[:_TRIED], np.int64)
        pairs = self.task.relevant_pairs[np.isin(self.task.relevant_pairs[:, 0], tried), :2]
        scores = {name: self._precisions(name, pairs) for name in self.models} if len(self.models) > 1 else {}
        return max(scores, key=scores.__getitem__, default=next(iter(self.models)))

    def questions(self, language: str | None = None) -> list[str]:
        """The distinct questions of the task, all or those in one language, in its order."""
        return self._asked(language, np.ones(len(self.task.queries), bool))

    def suggested(self, language: str | None = None) -> tuple[list[str], int]:
        """The questions to show people: those that the pool answers in most languages, in all of them if there are such.

        Returns:
            The questions, distinct and in the order of the task, and in how many languages each is answered; none and 0
            where there is no question.
        """
        n = len(self.task.languages)
        query, candidate = self.task.relevant_pairs[:, 0], self.task.relevant_pairs[:, 1]
        answered = np.unique(query.astype(np.int64) * n + self.task.candidate_language[candidate])
        counts = np.bincount(answered // n, minlength=len(self.task.queries))  # (n_queries,)
        tags = np.array(self.task.languages)[self.task.query_language]
        most = int(counts[(tags == language) | (language is None)].max(initial=0))
        return self._asked(language, counts == most), most

    def _asked(self, language: str | None, wanted: np.ndarray) -> list[str]:
        tags = np.array(self.task.languages)[self.task.query_language]
        texts = self.task.queries.column("text").to_pylist()
        rows = zip(texts, tags, wanted)
        return list(dict.fromkeys(text for text, tag, is_wanted in rows if is_wanted and language in (None, tag)))

    def ask(self, model: str, question: str, k: int = 10, language: str | None = None) -> list[Hit]:
        """The best candidates for any question, best first; ties as in ``kit.evaluate.scores``, with seed 0.

        Where the task has a query of that text, its answers are marked, and the candidate that is the query itself is left
        out.

        Args:
            model: a name of ``models``.
            question: any text that is not blank.
            k: length of the list, at least 1; there may be fewer candidates.
            language: of the candidates; ``None``: the pool of all languages.

        Raises:
            ValueError: an unknown model or language, a blank question, or ``k`` below 1.
        """
        self._check(model, language, k)
        return self._hits(model, question, language, slice(k))

    def places(self, model: str, question: str, candidates: Sequence[int], language: str | None = None) -> list[Hit]:
        """Where some candidates stand in the whole list that ``ask`` begins; arguments and errors as there.

        Args:
            candidates: rows of the task's candidates, in the order of the hits; those that the list lacks are left out.
        """
        self._check(model, language, 1)
        order = self._ordered(model, question, language)[0]
        place = np.full(len(self._texts), -1)
        place[order] = np.arange(len(order))
        wanted = place[np.asarray(candidates, np.int64)]
        return self._hits(model, question, language, wanted[wanted >= 0])

    def answers(self, question: str) -> set[int]:
        """Candidates that the task knows as an answer to the queries of that text; none for any other text."""
        return self._answers_by_text.get(question, set())

    def _hits(self, model: str, question: str, language: str | None, wanted: slice | np.ndarray) -> list[Hit]:
        order, scores = self._ordered(model, question, language)
        answers, ranks = self.answers(question), np.arange(1, len(order) + 1)
        return [
            Hit(int(rank), str(self._tags[one]), float(scores[one]), self._texts[one], int(one) in answers)
            for rank, one in zip(ranks[wanted], order[wanted])
        ]

    def _order(self, model: str, question: str, language: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Candidates in the order of the list, (n_listed,), and the scores of all, (n_candidates,)."""
        if not question.strip():
            raise ValueError("the question is empty: write some words, or pick one")
        scores = self._scores(model, self._embedded(model, question))
        chosen = np.arange(len(scores)) if language is None else np.flatnonzero(self._tags == language)
        chosen = np.setdiff1d(chosen, [*self._own_by_text.get(question, ())])
        return chosen[np.lexsort((self._tie_position[chosen], -scores[chosen]))], scores

    def _scores(self, model: str, query: np.ndarray) -> np.ndarray:
        """Scores of all candidates, (n_candidates,), for a query (dim,)."""
        rows, row_of = self._distinct[model]
        return (rows @ query)[row_of]

    def _precisions(self, model: str, pairs: np.ndarray) -> float:
        """Sum of the average precisions in the pool of the queries in ``pairs``, (n_pairs, 2): query, relevant candidate."""
        rank = np.empty(len(pairs), np.int64)
        for query in np.unique(pairs[:, 0]):
            rows = np.flatnonzero(pairs[:, 0] == query)
            scores, relevant = self._scores(model, self.embeddings[model][0][query]), pairs[rows, 1]
            if self.task.own_candidate[query] >= 0:
                scores[self.task.own_candidate[query]] = -np.inf
            own, tie = scores[relevant, None], self._tie_position
            before = (scores > own) | ((scores == own) & (tie < tie[relevant, None]))  # (n_relevant, n_candidates)
            rank[rows] = 1 + before.sum(axis=1)
        return float(average_precision(ranked_lists(pairs[:, 0], rank)).sum())

    def shares(self, model: str, k: int) -> np.ndarray:
        """Mean share of each language among the first k of the lists, by query language.

        Returns:
            Shape (n_languages, n_languages), float64: query language by candidate language; a row sums to 1, and is NaN for
            a language without queries.

        Raises:
            ValueError: an unknown model; ``k`` not from 1 to ``DEPTH`` (or the number of candidates of a query).
        """
        self._check(model, None, k)
        counted = self._counted(model)  # (n_languages, depth, n_languages)
        if k > counted.shape[1]:
            raise ValueError(f"k is {k}: choose 1 to {counted.shape[1]}")
        return counted[:, k - 1] / k

    def versions(self, model: str, n_answers: int, seed: int = 0) -> Versions:
        """The answers to some questions as embeddings: those with most versions, of these the ones with the lowest hashes.

        Raises:
            ValueError: an unknown model; ``n_answers`` below 1.
        """
        self._check(model, None, n_answers)
        members = self._members
        order = sorted(members, key=lambda group: (-len(members[group]), stable_fraction(group, seed)))[:n_answers]
        rows = [(number, one) for number, group in enumerate(order) for one in members[group]]
        chosen = np.array([one for _, one in rows])
        return Versions(
            self.embeddings[model][1][chosen],
            self._tags[chosen].tolist(),
            [number for number, _ in rows],
            [self._texts[one] for one in chosen],
        )

    @cached_property
    def _members(self) -> dict[str, list[int]]:
        """Candidates that answer the questions of each group, in the task's order."""
        ids, found = self.task.queries.column("group_id").to_pylist(), {}
        for query, candidate in self.task.relevant_pairs[:, :2].tolist():
            found.setdefault(ids[query], set()).add(candidate)
        return {group: sorted(candidates) for group, candidates in found.items()}

    def _embedded(self, model: str, question: str) -> np.ndarray:
        vector = encode_texts(self.models[model], [question], "query")[0]
        return vector / (np.linalg.norm(vector) or 1)

    @cached_property
    def _answers_by_text(self) -> dict[str, set[int]]:
        texts, found = self.task.queries.column("text").to_pylist(), {}
        for query, candidate in self.task.relevant_pairs[:, :2].tolist():
            found.setdefault(texts[query], set()).add(candidate)
        return found

    @cached_property
    def _own_by_text(self) -> dict[str, set[int]]:
        texts, found = self.task.queries.column("text").to_pylist(), {}
        for query in np.flatnonzero(self.task.own_candidate >= 0):
            found.setdefault(texts[query], set()).add(int(self.task.own_candidate[query]))
        return found

    def _counted(self, model: str) -> np.ndarray:
        """Mean number of candidates of each language among the first 1, 2, … of a list, by query language."""
        if model not in self._shares:
            depth, n = min(DEPTH, int(pool_counts(self.task).sum(axis=1).min())), len(self.task.languages)
            best = search(*self.embeddings[model], self.task, k=depth).top  # (n_queries, depth)
            is_of = self.task.candidate_language[best][..., None] == np.arange(n)  # (n_queries, depth, n_languages)
            running = is_of.cumsum(axis=1)
            rows = [running[self.task.query_language == language] for language in range(n)]
            self._shares[model] = np.stack([own.mean(axis=0) if len(own) else np.full((depth, n), np.nan) for own in rows])
        return self._shares[model]

    def _check(self, model: str, language: str | None, number: int) -> None:
        if model not in self.models:
            raise ValueError(f"model {model!r} is not there: choose from {', '.join(self.models)}")
        if language is not None and language not in self.task.languages:
            raise ValueError(
                f"language {language!r} is not in {self.task.name}: choose from {', '.join(self.task.languages)}"
            )
        if number < 1:
            raise ValueError(f"{number} texts are asked for: give 1 or more")


def _distinct(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows, and of each row its number among them: equal texts get bit-equal scores."""
    rows, row_of = np.unique(embeddings, axis=0, return_inverse=True)
    return rows, row_of.reshape(-1)
