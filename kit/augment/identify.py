"""Which language a text is in: naive Bayes over character n-grams, trained on the texts at hand."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_LENGTHS = (1, 2, 3)


class LanguageIdentifier:
    """Tells languages apart by their runs of one to three characters (Cavnar and Trenkle 1994; here as naive Bayes).

    ``score(text, language) = sum_g n_g log((c_g + 1) / (C + V))``: ``n_g`` is how often the n-gram g stands in the text,
    ``c_g`` how often in the language's texts, ``C`` their n-grams in all and ``V`` the distinct n-grams of all languages.
    All languages are equally likely before. Texts are in lower case, every run of white space is one space, digits count as
    one mark, and a space is added at both ends. It knows no languages but those that it was trained on.

    Made by ``train``.
    """

    def __init__(self, counts: Mapping[str, Counter]):
        self.languages = tuple(sorted(counts))
        n_kinds = len(set().union(*counts.values()))
        self._tables = {}
        for language in self.languages:
            total = counts[language].total() + n_kinds
            known = {gram: math.log((count + 1) / total) for gram, count in counts[language].items()}
            self._tables[language] = known, math.log(1 / total)

    @classmethod
    def train(cls, texts: Iterable[tuple[str, str]]) -> LanguageIdentifier:
        """Count the n-grams of texts.

        Args:
            texts: pairs (language, text).

        Raises:
            ValueError: fewer than two languages.

        >>> known = LanguageIdentifier.train([("en", "the cat and the dog"), ("de", "die Katze und der Hund")])
        >>> known.identify("the hat"), known.identify("der Hut")
        ('en', 'de')
        """
        counts: dict[str, Counter] = {}
        for language, text in texts:
            counts.setdefault(language, Counter()).update(_grams(text))
        if len(counts) < 2:
            raise ValueError(f"texts are in {sorted(counts)}: give texts in at least two languages to tell apart")
        return cls(counts)

    def identify(self, text: str) -> str:
        """The most probable language; of equally probable ones, as for an empty text, the first in alphabetical order."""
        scores = self.log_probabilities(text)
        return max(self.languages, key=lambda language: scores[language])  # the first of equals

    def log_probabilities(self, text: str) -> dict[str, float]:
        """Natural logarithm of the probability of each language given the text, at most 0."""
        grams = Counter(_grams(text)) if text.strip() else Counter()
        scores = {}
        for language, (known, unknown) in self._tables.items():
            scores[language] = sum(count * known.get(gram, unknown) for gram, count in grams.items())
        highest = max(scores.values())
        total = highest + math.log(sum(math.exp(score - highest) for score in scores.values()))
        return {language: score - total for language, score in scores.items()}


def _grams(text: str) -> Iterable[str]:
    text = " ".join(unicodedata.normalize("NFC", text).lower().split())
    text = "".join("0" if mark.isdigit() else mark for mark in f" {text} ")
    return (text[start : start + length] for length in _LENGTHS for start in range(len(text) - length + 1))
