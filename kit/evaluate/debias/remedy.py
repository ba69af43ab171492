"""What all remedies for language bias have in common; ``kit.evaluate.debias.remedies`` holds them (NumPy only).

A language is known by its BCP 47 tag, in an array of tags with one a row, since a remedy fitted on one task is used on
another, whose languages come in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

RescoreByLanguage = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Takes scores (n_queries, n_candidates), float32, and the tags of the rows and of the columns; returns new scores."""


@dataclass(frozen=True, eq=False)
class Remedy:
    """No remedy, and the base of all: embeddings stay as they are, and so do scores (``rescore`` is ``None``).

    name: what tables and figures call it.

    >>> embeddings = np.ones((2, 3), np.float32)
    >>> languages = np.array(["de", "th"])
    >>> remedy = Remedy.fit(embeddings, embeddings, languages, languages)
    >>> queries, candidates = remedy.apply(embeddings, embeddings, languages, languages)
    >>> remedy.name, queries is embeddings, remedy.rescore
    ('none', True, None)
    """

    name: ClassVar[str] = "none"

    @property
    def rescore(self) -> RescoreByLanguage | None:
        """Changes scores before they are ranked; ``None``: nothing to change."""
        return None

    @classmethod
    def fit(
        cls,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> Self:
        """Learn what the remedy needs to know of each language.

        Args:
            query_embeddings: shape (n_queries, dim), float32, finite; at least one row.
            candidate_embeddings: shape (n_candidates, dim), float32, finite; at least one row.
            query_languages: tag of each query, shape (n_queries,), dtype str.
            candidate_languages: tag of each candidate, shape (n_candidates,), dtype str.

        Raises:
            ValueError: shapes or dtypes that do not agree; no text; an embedding that is not finite.
        """
        check_both(query_embeddings, candidate_embeddings, query_languages, candidate_languages)
        return cls()

    def apply(
        self,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings to rank with, in the order of those given; arguments as for ``fit``, but there may be no row.

        A remedy that changes embeddings returns new arrays, float32, rows of length 1. A zero row stays zero, and a row of
        which less than a millionth of its length is left becomes zero.

        Raises:
            ValueError: as ``fit`` (not by a remedy that leaves embeddings alone); a dimension other than at ``fit``, or a
                language that was not there.
        """
        return query_embeddings, candidate_embeddings


def check_both(
    query_embeddings: np.ndarray,
    candidate_embeddings: np.ndarray,
    query_languages: np.ndarray,
    candidate_languages: np.ndarray,
) -> None:
    """Refuse arguments of ``Remedy.fit`` that do not agree; see there."""
    for side, embeddings, languages in (
        ("query", query_embeddings, query_languages),
        ("candidate", candidate_embeddings, candidate_languages),
    ):
        check_side(embeddings, languages, side)
        if not embeddings.size:
            raise ValueError(f"{side}_embeddings has shape {embeddings.shape}: fit on at least one text")
    if query_embeddings.shape[1] != candidate_embeddings.shape[1]:
        raise ValueError(
            f"query_embeddings have {query_embeddings.shape[1]} dimensions and candidate_embeddings "
            f"{candidate_embeddings.shape[1]}: encode both with one model"
        )


def check_side(embeddings: np.ndarray, languages: np.ndarray, side: str) -> None:
    """Refuse embeddings that are not finite float32 of shape (n_rows, dim), and tags that are not one a row."""
    _check_floats(embeddings, f"{side}_embeddings")
    _check_languages(languages, len(embeddings), side)
    finite = np.isfinite(embeddings).all(axis=1)  # (n_rows,)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"{side}_embeddings, row {row}: not finite: look at the model or the text of this row")


def check_scores(scores: np.ndarray, query_languages: np.ndarray, candidate_languages: np.ndarray) -> None:
    """Refuse scores that are not float32 without NaN, and tags that are not one a row and one a column."""
    _check_floats(scores, "scores")
    _check_languages(query_languages, scores.shape[0], "query")
    _check_languages(candidate_languages, scores.shape[1], "candidate")
    missing = np.isnan(scores)
    if missing.any():
        row, column = np.argwhere(missing)[0].tolist()
        raise ValueError(f"scores, row {row}, column {column}: NaN: look at the embeddings of this query and candidate")


def refuse_unknown(languages: np.ndarray, fitted: Iterable[str], side: str) -> None:
    """Refuse tags that were not there when the remedy was fitted."""
    unknown = sorted(set(np.unique(languages).tolist()).difference(fitted))
    if unknown:
        raise ValueError(
            f"{side}_languages: {', '.join(map(repr, unknown))} not among those that the remedy was fitted on "
            f"({', '.join(fitted)}): fit it on {side} texts of every language, or leave these out"
        )


def rows_by_language(embeddings: np.ndarray, languages: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each tag, in ascending order, with the rows in that language, float64."""
    for tag in np.unique(languages).tolist():
        yield tag, embeddings[languages == tag].astype(np.float64)


def _check_floats(matrix: np.ndarray, name: str) -> None:
    if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float32 or matrix.ndim != 2:
        raise ValueError(f"{name} is {_kind(matrix)}: give a NumPy array of float32 with two dimensions")


def _check_languages(languages: np.ndarray, n_rows: int, side: str) -> None:
    if not isinstance(languages, np.ndarray) or languages.dtype.kind != "U" or languages.shape != (n_rows,):
        raise ValueError(
            f"{side}_languages is {_kind(languages)}: give a NumPy array of tags (dtype str), shape ({n_rows},)"
        )


def _kind(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
