"""What a question names, and whether a pool holds it: a ranking always finds something, so people have to be told."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from kit.evaluate.index import Index

_COMMON = 0.01
"""Share of the questions of a language from which on a word is one of asking ("which", "currency"), and names nothing."""
_SHORTEST, _INFLECTED = 3, 6
"""Letters of the shortest word that names something; and of the shortest whose last two may be an ending, in scripts other
than Latin: names in Russian and Greek have cases."""
_WITHOUT_SPACES = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
"""Starts of the names of letters of scripts that put no spaces between words: nothing is said of what these name."""


class _Words(dict):
    """Table for ``str.translate`` that leaves letters, marks and digits, and makes a space of all else."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")
        return self[code]


_WORDS = _Words()


def words(text: str) -> list[str]:
    """The words of a text, in its spelling: runs of letters, marks and digits.

    >>> words("Which currency is in use in Côte d’Ivoire?")[-3:]
    ['Côte', 'd', 'Ivoire']
    """
    return unicodedata.normalize("NFKC", text).translate(_WORDS).split()


class Names:
    """What questions name, looked up in the candidates of an index.

    A word names something if hardly a question of the task has it: no more than one in a hundred (or two) in any language.
    Where such words are written with a capital, apart from the first word, only these count. The candidates that hold a word
    are those in which it stands; if it stands in none, those in which a word begins with it, but for an ending («Японии» is
    found in «Япония»). Other names for the same thing, and scripts without spaces, are beyond it.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    def found(self, question: str) -> dict[str, list[int]]:
        """Words that name something, in the order of the question, each with the candidates that hold it, as rows."""
        return {
            word: self._holding(f" {word.casefold()} ") or self._holding(_start(word)) for word in self._naming(question)
        }

    def _holding(self, part: str) -> list[int]:
        return [row for row, text in enumerate(self._texts) if part in text]

    def _naming(self, question: str) -> list[str]:
        asked = words(question)
        rare = [word for word in asked if len(word) >= _SHORTEST and self._is_rare(word) and not _without_spaces(word)]
        capital = [word for word in rare if word[0].isupper() and word is not asked[0]]
        return list(dict.fromkeys(capital or rare))

    def _is_rare(self, word: str) -> bool:
        return word.casefold() not in self._common

    @cached_property
    def _common(self) -> set[str]:
        common = set()
        for language in self._index.task.languages:
            questions = self._index.questions(language)
            counts = Counter(word for text in questions for word in {one.casefold() for one in words(text)})
            common |= {word for word, count in counts.items() if count > max(2, _COMMON * len(questions))}
        return common

    @cached_property
    def _texts(self) -> list[str]:
        """The words of each candidate, folded, with a space before and after each."""
        return [_spaced(text) for text in self._index.task.candidates.column("text").to_pylist()]


def what_was_found(found: dict[str, list[int]], n_candidates: int) -> str:
    """The line above the lists of a question that is none of the task's: what ``Names.found`` says of it, in words.

    >>> what_was_found({"Japan": [3]}, 7)
    'Not a question of the task, so no answer is marked. Only 1 of 7 candidates holds “Japan”.'
    """
    said = ["Not a question of the task, so no answer is marked."]
    absent = [f"“{word}”" for word, rows in found.items() if not rows]
    if absent:
        one = f"None of the {n_candidates:,} candidates holds {_either(absent)}"
        said.append(f"{one}: the lists are of what is near.")
    for word, rows in found.items():
        if rows:
            said.append(f"{_counted(len(rows))} of {n_candidates:,} candidates hold{'s' * (len(rows) == 1)} “{word}”.")
    return " ".join(said)


def _counted(n: int) -> str:
    return "Only 1" if n == 1 else f"{n:,}"


def _either(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _spaced(text: str) -> str:
    return f" {' '.join(words(text)).casefold()} "


def _start(word: str) -> str:
    is_inflected = len(word) >= _INFLECTED and not unicodedata.name(word[0], "").startswith("LATIN ")
    return f" {word.casefold()[:-2] if is_inflected else word.casefold()}"


def _without_spaces(word: str) -> bool:
    return any(unicodedata.name(letter, "").startswith(_WITHOUT_SPACES) for letter in word)
