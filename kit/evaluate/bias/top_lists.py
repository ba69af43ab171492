"""Top lists by language: the checks and the sums that measures of bias share (NumPy only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOP = 20
"""Depth of the measures that have a cut, a first page or two of results; their columns and labels name it."""

_KINDS = {"b": "bool", "iu": "integers", "f": "floats"}


def check_array(name: str, array: np.ndarray, kinds: str, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise unless an argument is an array of a kind and a shape that will do; integers have to be at least 0.

    Args:
        name: what the message calls the argument.
        kinds: "b" for bool, "iu" for integers, "f" for floats, as in ``dtype.kind``.
        shapes: those that will do.

    Raises:
        ValueError: it is no NumPy array, has another dtype or shape, or an integer is negative.
    """
    is_array = isinstance(array, np.ndarray)
    if not is_array or array.shape not in shapes or array.dtype.kind not in kinds:
        seen = f"{array.dtype} {array.shape}" if is_array else f"a {type(array).__name__}"
        raise ValueError(f"{name} is {seen}: give an array of {_KINDS[kinds]} of shape {' or '.join(map(str, shapes))}")
    if kinds == "iu" and (array < 0).any():
        raise ValueError(f"{name} has {array.min()}: give numbers of at least 0")


def check_top(top_languages: np.ndarray, n_languages: int) -> tuple[int, int]:
    """Raise unless these are the languages of top lists.

    Args:
        top_languages: language of each of the top k candidates as an index, best first, shape (n_lists, k), integer.
        n_languages: number of languages, which the indices stay below.

    Returns:
        n_lists, which may be 0, and k, which is at least 1.

    Raises:
        ValueError: another shape or dtype, no place at all, or an index out of range.
    """
    check_array("top_languages", top_languages, "iu", [np.shape(top_languages)])
    if top_languages.ndim != 2 or top_languages.shape[1] < 1:
        raise ValueError(f"top_languages has shape {top_languages.shape}: give (n_lists, k) with k of at least 1")
    if (top_languages >= n_languages).any():
        raise ValueError(f"top_languages has {top_languages.max()}: give indices below {n_languages}, one a language")
    return top_languages.shape


def sum_by_language(top_languages: np.ndarray, value: np.ndarray, n_languages: int) -> np.ndarray:
    """Sum of a value of each place of the top lists over the places that each language holds.

    Args:
        top_languages: as ``check_top`` asks for.
        value: of each place, any shape that broadcasts to (n_lists, k), such as (k,).
        n_languages: number of languages.

    Returns:
        Shape (n_lists, n_languages), float64; 0 where a language holds no place.

    >>> sum_by_language(np.array([[0, 2, 0]]), np.array([1.0, 0.5, 0.25]), 3)
    array([[1.25, 0.  , 0.5 ]])
    """
    key = np.arange(len(top_languages))[:, None] * n_languages + top_languages.astype(np.int64)
    sums = np.bincount(key.ravel(), np.broadcast_to(value, key.shape).ravel(), len(key) * n_languages)
    return sums.reshape(len(key), n_languages)


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the entries of each row that are not NaN, shape (n_rows,), float64; NaN for a row of NaN only."""
    present = ~np.isnan(values)
    n = present.sum(axis=1)
    return np.where(present, values, 0.0).sum(axis=1) / np.where(n > 0, n, np.nan)
