"""What the text of a notebook says of a run, held against the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def said(claims: Mapping[str, Callable[[], object]]) -> None:
    """Print which sentences of a text do not hold in this run: notebooks are written on the small run that they store.

    Args:
        claims: by sentence, what shows it. A sentence that asks for what the run lacks, such as another sampling or
            language, does not hold in it.

    >>> said({"two is even": lambda: 2 % 2 == 0, "the first is positive": lambda: [][0] > 0})
    1 of 2 things said above hold in this run; these do not:
    - the first is positive
    """
    lost = [sentence for sentence, shows in claims.items() if not _holds(shows)]
    print(f"{len(claims) - len(lost)} of {len(claims)} things said above hold in this run" + "; these do not:" * bool(lost))
    for sentence in lost:
        print(f"- {sentence}")


def _holds(shows: Callable[[], object]) -> bool:
    try:
        return bool(shows())
    except (LookupError, ValueError, ZeroDivisionError):
        return False
