"""A task to look around in: everything embedded once by some models, so that a question is answered at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kit.core.seeding import stable_fraction
from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import TextEncoder, encode_texts
from kit.data.pools import pool_counts
from kit.evaluate.encoding import encode_task
from kit.evaluate.scores import tie_order
from kit.evaluate.search import search

DEPTH = 50
"""Length of the lists whose languages ``Index.shares`` counts."""


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

    @cached_property
    def _tie_position(self) -> np.ndarray:
        """Place of each candidate in the tie order, (n_candidates,)."""
        position = np.empty(len(self._texts), np.int64)
        position[tie_order(self.task, seed=0)] = np.arange(len(position))
        return position

    def questions(self, language: str | None = None) -> list[str]:
        """The distinct questions of the task, all or those in one language, in its order."""
        tags = np.array(self.task.languages)[self.task.query_language]
        texts = self.task.queries.column("text").to_pylist()
        return list(dict.fromkeys(text for text, tag in zip(texts, tags) if language in (None, tag)))

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
        if not question.strip():
            raise ValueError("the question is empty: write some words, or pick one")
        rows, row_of = self._distinct[model]
        scores = (rows @ self._embedded(model, question))[row_of]  # (n_candidates,)
        chosen = np.arange(len(scores)) if language is None else np.flatnonzero(self._tags == language)
        chosen = np.setdiff1d(chosen, [*self._own_by_text.get(question, ())])
        best = chosen[np.lexsort((self._tie_position[chosen], -scores[chosen]))[:k]]
        answers = self._answers(question)
        return [
            Hit(rank, str(self._tags[one]), float(scores[one]), self._texts[one], int(one) in answers)
            for rank, one in enumerate(best, start=1)
        ]

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

    def _answers(self, question: str) -> set[int]:
        return self._answers_by_text.get(question, set())

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
