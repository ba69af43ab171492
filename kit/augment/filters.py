"""Dropping synthetic rows that went wrong; each filter gives the corpus that is kept and a table of what was dropped.

A filter that compares looks at rows of one group: the row in ``language`` is the original, the rows in other languages are
its translations. Originals are never dropped by those. The table has a row for each dropped one: ``group_id``, ``language``,
``field``, ``text``, ``reason`` (the filter, in words), ``value`` (what it measured).

Which language a text is in: naive Bayes over character n-grams, trained on the texts at hand.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.augment.groups import FIELDS
from kit.augment.translator import Translator
from kit.data.corpus import ParallelCorpus
from kit.data.parallel import pairs

Filtered = tuple[ParallelCorpus, pa.Table]

DROPPED = pa.schema(
    [(name, pa.string()) for name in ("group_id", "language", "field", "text", "reason")] + [("value", pa.float64())]
)

_TO_SIGMA = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


def filter_round_trip(
    corpus: ParallelCorpus, translator: Translator, language: str, minimum: float = 30.0, field: str = "query"
) -> Filtered:
    """Drop translations that, translated back, are far from their originals in chrF.

    ``value`` is the sentence chrF (sacrebleu: characters up to 6, beta 2; in [0, 100], higher is better) of the translation,
    back in ``language``, against the original; rows below ``minimum`` are dropped. A high score says that the content came
    through both ways, not that the translation reads well: a copy of the original scores 100.

    Args:
        translator: knows the pairs from the other languages into ``language``.
        minimum: in [0, 100].
        field: ``query`` or ``passage``.

    Raises:
        ValueError: a group without a row in ``language``, an unknown field, or ``minimum`` out of range.
    """
    import sacrebleu

    if not 0 <= minimum <= 100:
        raise ValueError(f"minimum is {minimum}: chrF lies between 0 and 100")
    compared = list(_compared(corpus, language, field))
    values: dict[int, float] = {}
    for other in sorted({row["language"] for _, row, _ in compared}):
        own = [(index, row[field], original) for index, row, original in compared if row["language"] == other]
        returned = translator.translate([text for _, text, _ in own], other, language)
        for (index, _, original), text in zip(own, returned):
            values[index] = sacrebleu.sentence_chrf(text, [original]).score
    bad = {index: value for index, value in values.items() if value < minimum}
    return _split(corpus, bad, field, f"round trip below chrF {minimum:g}")


@dataclass(frozen=True)
class LengthRatios:
    """Usual ratios of lengths in characters, translation over original.

    language: of the originals.
    bounds: language of the translation -> (lowest, highest) ratio.
    """

    language: str
    bounds: Mapping[str, tuple[float, float]]


def fit_length_ratios(rows: Iterable[Mapping], language: str, width: float = 3.5) -> LengthRatios:
    """Bounds of the ratio of lengths, from real parallel text: ``exp(m ± width * 1.4826 * MAD)``.

    ``m`` is the median of the logarithms of the ratios of a pair of languages and MAD their median absolute deviation from
    it, so that misaligned rows hardly move the bounds; for normal logarithms the term is ``width`` standard deviations.

    Args:
        rows: each with ``texts``, a mapping of language to text; blank texts are left out.
        width: above 0.

    Raises:
        ValueError: no row has ``language`` and another one, or ``width`` is not above 0.
    """
    rows = list(rows)
    if not width > 0:
        raise ValueError(f"width is {width}: choose a number above 0")
    others = sorted({other for row in rows if language in row["texts"] for other in row["texts"]} - {language})
    if not others:
        raise ValueError(f"rows: none has texts in {language!r} and another language: choose a language that the rows have")
    bounds = {}
    for other in others:
        logs = np.array([math.log(len(translation) / len(text)) for text, translation in pairs(rows, language, other)])
        middle = np.median(logs)
        spread = width * _TO_SIGMA * np.median(np.abs(logs - middle))
        bounds[other] = float(np.exp(middle - spread)), float(np.exp(middle + spread))
    return LengthRatios(language, bounds)


def filter_length_ratio(corpus: ParallelCorpus, ratios: LengthRatios, field: str = "query") -> Filtered:
    """Drop translations that are far shorter or longer than real ones are; ``value`` is the ratio of lengths.

    Raises:
        ValueError: a group without a row in the language of the ratios, a language that has no bounds, or an unknown field.
    """
    bad = {}
    for index, row, original in _compared(corpus, ratios.language, field):
        if row["language"] not in ratios.bounds:
            known = ", ".join(ratios.bounds)
            raise ValueError(
                f"ratios: no bounds for {row['language']!r}: fit them on parallel text that has it; known: {known}"
            )
        low, high = ratios.bounds[row["language"]]
        value = len(row[field]) / len(original)
        if not low <= value <= high:
            bad[index] = value
    return _split(corpus, bad, field, "unusual ratio of lengths")


def filter_language(corpus: ParallelCorpus, identifier: LanguageIdentifier, field: str = "query") -> Filtered:
    """Drop rows whose text is in another language than the row says, originals too.

    ``value`` is the probability that the identifier gives to the row's own language.

    Raises:
        ValueError: a language that the identifier does not know, an unknown field, or every row would be dropped.
    """
    _check_field(field)
    if lacking := sorted(set(corpus.languages) - set(identifier.languages)):
        raise ValueError(
            f"identifier does not know {lacking[0]!r}: train it on texts in all of {', '.join(corpus.languages)}"
        )
    bad = {}
    for index, row in enumerate(corpus.table.to_pylist()):
        if identifier.identify(row[field]) != row["language"]:
            bad[index] = math.exp(identifier.log_probabilities(row[field])[row["language"]])
    return _split(corpus, bad, field, "another language")


def _check_field(field: str) -> None:
    if field not in FIELDS:
        raise ValueError(f"field is {field!r}: choose 'query' or 'passage'")


def _compared(corpus: ParallelCorpus, language: str, field: str) -> Iterator[tuple[int, dict, str]]:
    """Index and row of each translation, with the text of its original."""
    _check_field(field)
    rows = corpus.table.to_pylist()
    originals = {row["group_id"]: row[field] for row in rows if row["language"] == language}
    for index, row in enumerate(rows):
        if row["language"] == language:
            continue
        if row["group_id"] not in originals:
            raise ValueError(f"{corpus.name}: group {row['group_id']!r} has no row in {language!r} to compare with: add it")
        yield index, row, originals[row["group_id"]]


def _split(corpus: ParallelCorpus, bad: Mapping[int, float], field: str, reason: str) -> Filtered:
    if len(bad) == len(corpus):
        raise ValueError(f"{corpus.name}: every row would be dropped ({reason}): loosen the filter, or look at the data")
    rows = corpus.table.to_pylist()
    dropped = [
        {"group_id": row["group_id"], "language": row["language"], "field": field, "text": row[field]}
        | {"reason": reason, "value": float(bad[index])}
        for index, row in enumerate(rows)
        if index in bad
    ]
    keep = pa.array([index not in bad for index in range(len(rows))])
    return ParallelCorpus(corpus.table.filter(keep), corpus.name), pa.Table.from_pylist(dropped, schema=DROPPED)


_LENGTHS = (1, 2, 3)


class LanguageIdentifier:
    """Tells languages apart by their runs of one to three characters (Cavnar and Trenkle 1994; here as naive Bayes).

    ``score(text, language) = sum_g n_g log((c_g + 1) / (C + V))``: ``n_g`` is how often the n-gram g stands in the text,
    ``c_g`` how often in the language's texts, ``C`` their n-grams in all and ``V`` the distinct n-grams of all languages.
    All languages are equally likely before. Texts are in lower case, every run of white space is one space, digits count as
    one mark, and a space is added at both ends. It knows no languages but those that it was trained on.

    Made by ``train``.
    """

    def __init__(self, counts: Mapping[str, Counter]) -> None:
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
