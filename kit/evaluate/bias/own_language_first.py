"""Own language first: whether the version in the language of the question leads the others (NumPy only)."""

from __future__ import annotations

import numpy as np

from kit.evaluate.bias.top_lists import check_array
from kit.evaluate.metrics import BiasMeasure, RankedLists


def own_language_first(lists: RankedLists, query_language: np.ndarray) -> np.ndarray:
    """1 where the relevant candidate that ranks first is in the query's language, else 0; the mean is a preference.

    Neither high nor low is right. As utility high is good: who asks in a language reads it. As bias the value of a random
    order is neutral, which is 1 / m where the m relevant candidates have one language each. NaN where they are in fewer
    than two languages or none is in the query's. As LPR of arXiv 2605.07249, whose exact formula is not published.

    Args:
        query_language: language of the query of each list, in the order of ``lists.list_id``, shape (n_lists,), integer.

    Raises:
        ValueError: ``query_language`` has another shape or dtype, or a negative index.
    """
    own, is_defined = _own_language(lists, query_language)
    return np.where(is_defined, own[lists.start], np.nan)


def expected_own_language_first(lists: RankedLists, query_language: np.ndarray) -> np.ndarray:
    """The same under a random order: relevant candidates in the query's language over relevant candidates.

    Arguments, NaN and errors are those of ``own_language_first``.
    """
    own, is_defined = _own_language(lists, query_language)
    return np.where(is_defined, lists.total(own.astype(np.int64)) / lists.n_relevant, np.nan)


def _own_language(lists: RankedLists, query_language: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each relevant candidate is in the query's language; whether a list has that language and another."""
    check_array("query_language", query_language, "iu", [lists.start.shape])
    own = lists.language == np.repeat(query_language, lists.n_relevant)
    n_own = lists.total(own.astype(np.int64))
    return own, (n_own > 0) & (n_own < lists.n_relevant)


MEASURE = BiasMeasure(
    column="own_language_first",
    label="own language first",
    order=4,
    fair="chance",
    formula="1 if the best ranked relevant candidate is in the query's language, else 0",
    meaning="How often the version in the language of the question comes before the others.",
    source="as LPR of arXiv 2605.07249",
    compute=lambda pool: own_language_first(pool.lists, pool.query_language),
    chance=lambda pool: expected_own_language_first(pool.lists, pool.query_language),
)
