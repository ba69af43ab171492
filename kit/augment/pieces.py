"""Cutting a long text into pieces that fit a model, at the ends of sentences, and joining the translations again."""

from __future__ import annotations

import re
from collections.abc import Callable

_CLOSING = "[\"'”’»)\\]）」』]*"
_ENDS = (
    re.compile(r"\n+"),
    # A mark of a script with spaces ends a sentence only before a space: 3.5 and example.org stay whole.
    re.compile(rf"[.!?…؟۔।॥።។]+{_CLOSING}\s+|[。！？]+{_CLOSING}\s*"),
    re.compile(r"[;:,،؛]\s+|[、，；：]\s*"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best first: paragraphs, sentences, clauses, words."""

NO_SPACE_BETWEEN_SENTENCES = {"zh", "yue", "ja"}


def cut(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Cut a text into as few pieces as follow its best cuts and fit; together they are the text, white space included.

    Paragraphs that do not fit are cut into sentences, these into clauses, these into words, and a word into halves; whatever
    fits together stays together. A text that fits is one piece.

    Args:
        fits: whether a piece is short enough; a piece of one character counts as fitting.

    >>> cut("One two. Three four. Five.", lambda piece: len(piece) <= 14)
    ['One two. ', 'Three four. ', 'Five.']
    """
    return _cut(text, fits, 0)


def _cut(text: str, fits: Callable[[str], bool], level: int) -> list[str]:
    if len(text) <= 1 or fits(text):
        return [text]
    if level == len(_ENDS):
        middle = len(text) // 2
        return _cut(text[:middle], fits, level) + _cut(text[middle:], fits, level)
    ends = [match.end() for match in _ENDS[level].finditer(text)]
    starts = [0, *(end for end in ends if end < len(text))]
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)])]
    pieces: list[str] = []
    for part in parts:
        if pieces and fits(pieces[-1] + part):
            pieces[-1] += part
        else:
            pieces += _cut(part, fits, level + 1)
    return pieces


def join(translations: list[str], pieces: list[str], target: str) -> str:
    """Join the translations of a text's pieces: line breaks as in the source, else a space where the language has them.

    >>> join(["Eins.", "Zwei.", "Drei."], ["One.\\n\\n", "Two. ", "Three."], "de")
    'Eins.\\n\\nZwei. Drei.'
    """
    between = "" if target.partition("-")[0] in NO_SPACE_BETWEEN_SENTENCES else " "
    joined = ""
    for translation, piece in zip(translations, pieces):
        white = piece[len(piece.rstrip()) :]
        joined += translation.strip() + (white if "\n" in white else between)
    return joined.strip()
