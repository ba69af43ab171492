"""Training-free remedies for language bias: they change embeddings, or scores, and leave the model as it is (NumPy only).

A remedy is fitted on the embeddings of one set of texts and used on those of the same set or another. Every statistic is
kept by side (query or candidate) and language. No relevance is read, so fitting on the texts of a task uses no answer of it.

The remedies of embeddings (``LanguageCentring``, ``LanguageRemoval``) may change any ranking. Those of scores
(``ScoreCalibration``, ``Balanced``) never swap two candidates of one language: they move whole languages against each other
in the pool, and so leave monolingual and cross-lingual rankings alone.

All have ``fit``, ``apply`` and ``rescore`` of ``kit.evaluate.debias.remedy.Remedy``, which says what the arguments are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from kit.evaluate.debias.remedy import (
    Remedy,
    RescoreByLanguage,
    check_both,
    check_scores,
    check_side,
    refuse_unknown,
    rows_by_language,
)

# What is left of a row, or of a deviation, below this share of its size is the rounding of float32 and says nothing.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class LanguageCentring(Remedy):
    """Subtract from each row the mean of its side and language, then scale it to length 1.

    ``x' = (x - m) / |x - m|``. Libovický, Rosa and Fraser (2020), arXiv 2004.05160; there the means are by language alone,
    here by side too, as queries and passages differ in kind. It assumes that the texts of each language speak of the same
    things on average; where they do not, that difference goes as well. A language's only text at ``fit`` becomes zero.

    query_means: tag -> mean of the queries in it, zero rows included, shape (dim,), float64.
    candidate_means: the same of the candidates.

    >>> rows, languages = np.array([[0.6, 0.8], [0.6, -0.8]], np.float32), np.array(["de", "de"])
    >>> centring = LanguageCentring.fit(rows, rows, languages, languages)  # the mean is (0.6, 0)
    >>> centring.apply(rows, rows, languages, languages)[0]
    array([[ 0.,  1.],
           [ 0., -1.]], dtype=float32)
    """

    query_means: Mapping[str, np.ndarray]
    candidate_means: Mapping[str, np.ndarray]

    name: ClassVar[str] = "centring"

    @classmethod
    def fit(
        cls,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> Self:
        """See ``Remedy.fit``."""
        check_both(query_embeddings, candidate_embeddings, query_languages, candidate_languages)
        return cls(
            {tag: rows.mean(axis=0) for tag, rows in rows_by_language(query_embeddings, query_languages)},
            {tag: rows.mean(axis=0) for tag, rows in rows_by_language(candidate_embeddings, candidate_languages)},
        )

    def apply(
        self,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Remedy.apply``. Not idempotent: a second time subtracts the mean again."""
        return (
            _changed(query_embeddings, query_languages, "query", self.query_means, np.subtract),
            _changed(candidate_embeddings, candidate_languages, "candidate", self.candidate_means, np.subtract),
        )


@dataclass(frozen=True, eq=False)
class LanguageRemoval(Remedy):
    """Language information removal (LIR): take the main directions of a language out of its rows, then scale to length 1.

    ``x' = x - V V^T x``, scaled, where the columns of V are the first ``n_components`` right singular vectors of the matrix
    of the language's embeddings, one a row, not centred: the first of them is close to the mean. Yang, Yang, Cer and Darve
    (2021), arXiv 2109.04727; there V comes from general text in the language, here from the texts given, by side too.

    query_components: tag -> directions of the queries in it, orthonormal rows, shape (n_components, dim), float64.
    candidate_components: the same of the candidates.
    """

    query_components: Mapping[str, np.ndarray]
    candidate_components: Mapping[str, np.ndarray]

    name: ClassVar[str] = "removal (LIR)"

    @classmethod
    def fit(
        cls,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
        n_components: int = 1,
    ) -> Self:
        """See ``Remedy.fit``.

        Args:
            n_components: directions to take out, from 1 to dim - 1, at most the rank of the matrix of every language.

        Raises:
            ValueError: as ``Remedy.fit``; ``n_components`` out of range.
        """
        check_both(query_embeddings, candidate_embeddings, query_languages, candidate_languages)
        dim = query_embeddings.shape[1]
        if not 1 <= n_components < dim:
            raise ValueError(
                f"n_components is {n_components}: choose at least 1 and less than {dim}, the dimension of a row"
            )
        return cls(
            _components(query_embeddings, query_languages, "query", n_components),
            _components(candidate_embeddings, candidate_languages, "candidate", n_components),
        )

    def apply(
        self,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See ``Remedy.apply``. Idempotent but for rounding."""
        return (
            _changed(query_embeddings, query_languages, "query", self.query_components, _without),
            _changed(candidate_embeddings, candidate_languages, "candidate", self.candidate_components, _without),
        )


@dataclass(frozen=True, eq=False)
class ScoreCalibration(Remedy):
    """Make the scores of language pairs comparable: for each pair mean 0 and standard deviation 1 on the fitting set.

    ``s' = (s - mean) / deviation`` (z-normalisation) with the moments of the scores of all queries in one language with all
    candidates in another; the deviation is that of a population (divided by n).

    query_languages: tags of the rows below, ascending; candidate_languages: tags of the columns, ascending.
    mean: mean score of each pair, shape (n_query_languages, n_candidate_languages), float64.
    deviation: standard deviation of the same, above 0.
    """

    query_languages: np.ndarray
    candidate_languages: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    name: ClassVar[str] = "calibration"

    @classmethod
    def fit(
        cls,
        query_embeddings: np.ndarray,
        candidate_embeddings: np.ndarray,
        query_languages: np.ndarray,
        candidate_languages: np.ndarray,
    ) -> Self:
        """See ``Remedy.fit``; in closed form, without any score; memory 8 * dim^2 bytes a candidate language.

        As every query meets every candidate, ``E[q·c] = E[q]·E[c]`` and
        ``Var[q·c] = tr(E[q q^T] Cov[c]) + E[c]^T Cov[q] E[c]``, which sums squares and so loses no digits, as
        ``E[s^2] - E[s]^2`` does where the scores are far from 0 and close together.

        Raises:
            ValueError: as ``Remedy.fit``; a language pair with one score only, or whose scores are equal.
        """
        check_both(query_embeddings, candidate_embeddings, query_languages, candidate_languages)
        languages, n_of = np.unique(candidate_languages, return_counts=True)
        moments = [_moments(rows) for _, rows in rows_by_language(candidate_embeddings, candidate_languages)]
        means, covariances = (np.stack(part) for part in zip(*moments))  # (n, dim), (n, dim, dim)
        squares = np.trace(covariances, axis1=1, axis2=2) + (means**2).sum(axis=1)  # mean squared length, (n,)
        fitted, mean, deviation = [], [], []
        for tag, rows in rows_by_language(query_embeddings, query_languages):
            centre, covariance = _moments(rows)
            second = covariance + np.outer(centre, centre)  # (dim, dim)
            variance = covariances.reshape(len(means), -1) @ second.ravel() + ((means @ covariance) * means).sum(axis=1)
            fitted.append(tag)
            mean.append(means @ centre)
            deviation.append(np.sqrt(np.maximum(variance, 0)))  # (n,); rounding may leave less than 0
            is_constant = deviation[-1] <= _ROUNDING * np.sqrt(np.trace(second) * squares)
            if is_constant.any():
                first = int(np.argmax(is_constant))
                _refuse_constant(tag, str(languages[first]), len(rows) * int(n_of[first]))
        return cls(np.array(fitted), languages, np.stack(mean), np.stack(deviation))

    @property
    def rescore(self) -> RescoreByLanguage:
        """See ``calibrated``."""
        return self.calibrated

    def calibrated(self, scores: np.ndarray, query_languages: np.ndarray, candidate_languages: np.ndarray) -> np.ndarray:
        """Calibrated scores, a new array of the shape of ``scores``, float32; there may be no row.

        No candidate overtakes another one of its language. Two whose scores float32 cannot tell apart after the change
        (less than some 1e-7 deviations lie between them) become equal, and then the tie rule decides.

        Args:
            scores: shape (n_queries, n_candidates), float32, no NaN.
            query_languages: tag of each row; candidate_languages: tag of each column, in any order; dtype str.

        Raises:
            ValueError: shapes or dtypes that do not agree; NaN; a language that was not there at ``fit``.
        """
        check_scores(scores, query_languages, candidate_languages)
        refuse_unknown(query_languages, self.query_languages.tolist(), "query")
        refuse_unknown(candidate_languages, self.candidate_languages.tolist(), "candidate")
        columns = np.searchsorted(self.candidate_languages, candidate_languages)
        mean, deviation = self.mean[:, columns], self.deviation[:, columns]  # (n_query_languages, n_candidates)
        calibrated = np.empty_like(scores)
        # By row, since float64 numbers of one row fit the cache; the result is rounded once, and so in order.
        for row, language in enumerate(np.searchsorted(self.query_languages, query_languages).tolist()):
            calibrated[row] = (scores[row] - mean[language]) / deviation[language]
        return calibrated


@dataclass(frozen=True, eq=False)
class Balanced(Remedy):
    """Balanced retrieval, see ``balanced``; there is nothing to fit."""

    name: ClassVar[str] = "balanced (RRF)"

    @property
    def rescore(self) -> RescoreByLanguage:
        """See ``balanced``."""
        return balanced


def balanced(scores: np.ndarray, query_languages: np.ndarray, candidate_languages: np.ndarray) -> np.ndarray:
    """Fuse the rankings of the languages by reciprocal rank: the first of every language, then all the second ones.

    The candidates of each language are ranked by themselves, and the fused score is ``1 / (60 + rank)`` (Cormack, Clarke
    and Büttcher 2009). As a candidate is in one list only, those of equal rank tie, whatever the constant: the higher
    original score goes first. A language with fewer candidates runs out sooner.

    Equal scores within a language keep the order of the columns, which a search lays out in tie order; equal ranks *and*
    scores across languages share a place, so that the tie rule of the search decides and no language is preferred.

    Args:
        scores: shape (n_queries, n_candidates), float32, no NaN; there may be no row or no column.
        query_languages: tag of each row, which changes nothing; candidate_languages: tag of each column; dtype str.

    Returns:
        Minus the place in the fused order, -1 = top, a new array of the shape of ``scores``, float32, whole numbers.

    Raises:
        ValueError: shapes or dtypes that do not agree; NaN; more than 2^24 candidates, which float32 cannot number.

    >>> scores = np.array([[0.9, 0.8, 0.1, 0.2]], np.float32)
    >>> balanced(scores, np.array(["de"]), np.array(["de", "de", "th", "th"]))
    array([[-1., -3., -4., -2.]], dtype=float32)
    """
    n_candidates = len(candidate_languages)
    if n_candidates > 2**24:
        raise ValueError(f"scores have {n_candidates} columns: rank at most {2**24}, which float32 can number")
    check_scores(scores, query_languages, candidate_languages)
    _, code, n_of = np.unique(candidate_languages, return_inverse=True, return_counts=True)
    # NumPy sorts whole numbers of 16 bits in linear time, so that a row costs one sort by comparison.
    code = code.astype(np.min_scalar_type(len(n_of)))  # (n_candidates,)
    first = np.cumsum(n_of) - n_of
    ranks = (np.arange(n_candidates) - np.repeat(first, n_of)).astype(np.min_scalar_type(n_of.max(initial=0)))
    places = np.arange(1, n_candidates + 1)
    fused, rank = np.empty_like(scores), np.empty_like(ranks)
    for scores_of_row, fused_of_row in zip(scores, fused):
        order = np.argsort(-scores_of_row, kind="stable")
        rank[np.argsort(code[order], kind="stable")] = ranks  # rank of order[i] within its language, 0 = top
        by_rank = np.argsort(rank, kind="stable")
        order, rank_in_order = order[by_rank], rank[by_rank]
        is_new = np.append(True, (np.diff(scores_of_row[order]) != 0) | (np.diff(rank_in_order) != 0))[:n_candidates]
        fused_of_row[order] = -np.maximum.accumulate(np.where(is_new, places, 0))
    return fused


REMEDIES: Mapping[str, Callable[..., Remedy]] = {
    remedy.name: remedy.fit for remedy in (Remedy, LanguageCentring, LanguageRemoval, ScoreCalibration, Balanced)
}
"""Name of each remedy -> its ``fit`` with its defaults; "none" first."""


def _changed(
    embeddings: np.ndarray,
    languages: np.ndarray,
    side: str,
    fitted: Mapping[str, np.ndarray],
    change: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Rows after ``change(rows, what was fitted of their language)``, scaled to length 1; see ``Remedy.apply``."""
    check_side(embeddings, languages, side)
    refuse_unknown(languages, fitted, side)
    dim = next(iter(fitted.values())).shape[-1]
    if embeddings.shape[1] != dim:
        raise ValueError(f"{side}_embeddings have {embeddings.shape[1]} dimensions, and {dim} at fit: fit on this model")
    changed = np.empty_like(embeddings)
    for tag, rows in rows_by_language(embeddings, languages):
        left = change(rows, fitted[tag])  # (n_rows, dim)
        before, after = (np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, left))
        is_left = (before > 0) & (after > _ROUNDING * before)
        changed[languages == tag] = np.where(is_left, left / np.where(is_left, after, 1), 0)
    return changed


def _without(rows: np.ndarray, components: np.ndarray) -> np.ndarray:
    return rows - (rows @ components.T) @ components


def _components(embeddings: np.ndarray, languages: np.ndarray, side: str, n_components: int) -> dict[str, np.ndarray]:
    """First right singular vectors of the matrix of each language, as rows."""
    components = {}
    for tag, rows in rows_by_language(embeddings, languages):
        # The eigenvectors of X^T X are the right singular vectors of X, and cost less where there are many rows.
        squares, vectors = np.linalg.eigh(rows.T @ rows)  # squares of the singular values, ascending
        rank = int((squares > squares[-1] * _ROUNDING**2).sum())
        if n_components > rank:
            raise ValueError(
                f"n_components is {n_components}, but the {len(rows)} {side} texts in {tag!r} span {rank} dimensions: "
                "choose at most so many, or fit on more texts"
            )
        components[tag] = vectors[:, ::-1][:, :n_components].T
    return components


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (dim,) and covariance (dim, dim), divided by n."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    return mean, centred.T @ centred / len(rows)


def _refuse_constant(query_language: str, candidate_language: str, n_scores: int) -> None:
    pair = f"queries in {query_language!r} with candidates in {candidate_language!r}"
    if n_scores == 1:
        raise ValueError(f"{pair} have a single score, which has no deviation: fit on two texts or more in one of them")
    raise ValueError(
        f"{pair}: all {n_scores} scores are equal but for rounding, deviation 0: look at the model, or fit on other texts"
    )
