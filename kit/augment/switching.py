"""Code-switching: texts in which some words stand in other languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from kit.augment.groups import FIELDS
from kit.augment.lexicon import Lexicon, spans
from kit.core.languages import has_spaces
from kit.core.seeding import generator
from kit.data.corpus import ParallelCorpus

CODE_SWITCHED = "code-switched"
"""Source of the rows that ``code_switch`` makes."""


def code_switch(
    corpus: ParallelCorpus,
    lexicons: Sequence[Lexicon],
    rate: float,
    seed: int = 0,
    fields: Sequence[str] = FIELDS,
) -> ParallelCorpus:
    """Replace words of queries and passages by their translations into random other languages.

    After Litschko, Artemova and Plank (2023, arXiv 2305.05295): each word that some lexicon translates is replaced with
    probability ``rate``, by its translation into a language drawn uniformly among those that have one. Words stand between
    spaces; in a language without spaces the longest entry of a lexicon that fits is a word. New words are in lower case.

    Every row in a language that a lexicon starts from gives one new row, with its cluster, domain, language and negatives
    (which stay as they are), the source ``code-switched`` and the group ``<group> (code-switched)``: groups stay parallel,
    and a new group and its original never are each other's negatives. A row in which no word was replaced gives none.

    Args:
        lexicons: for any pairs; one for each pair.
        rate: in (0, 1].
        seed: what happens to a text depends on the seed, its group, language and field alone.
        fields: ``query``, ``passage`` or both.

    Returns:
        The new rows alone, in the order of their originals; ``kit.augment.groups.join`` puts them beside real ones.

    Raises:
        ValueError: no lexicon, one pair twice, ``rate`` out of range, an unknown field, or nothing was replaced.
    """
    tables = _tables(lexicons)
    if not 0 < rate <= 1:
        raise ValueError(f"rate is {rate}: choose a number above 0, at most 1")
    if isinstance(fields, str) or not fields or set(fields) - set(FIELDS):
        raise ValueError(f"fields is {fields!r}: give a list of 'query', 'passage' or both")
    switched = []
    for row in corpus.table.to_pylist():
        table = tables.get(row["language"], {})
        new = {}
        for field in fields:
            random = generator(seed, "code-switch", row["group_id"], row["language"], field)
            new[field] = _switch(row[field], row["language"], table, rate, random)
        if any(new[field] != row[field] for field in fields):
            switched.append(row | new | {"group_id": f"{row['group_id']} (code-switched)", "source": CODE_SWITCHED})
    if not switched:
        raise ValueError(
            f"{corpus.name}: no word was replaced: give lexicons from {', '.join(corpus.languages)}, or raise rate"
        )
    return ParallelCorpus.from_rows(switched, f"{corpus.name} (code-switched)")


def _tables(lexicons: Sequence[Lexicon]) -> dict[str, dict[str, list[str]]]:
    """For each source language, the translations of its words, in the order of the target tags."""
    known = {(lexicon.source, lexicon.target) for lexicon in lexicons}
    if not lexicons or len(known) < len(lexicons):
        raise ValueError(f"lexicons are for {sorted(known)}: give at least one, and one for each pair")
    tables: dict[str, dict[str, list[str]]] = {}
    for lexicon in sorted(lexicons, key=lambda lexicon: (lexicon.source, lexicon.target)):
        for word, (translation, _) in lexicon.words.items():
            tables.setdefault(lexicon.source, {}).setdefault(word, []).append(translation)
    return tables


def _switch(text: str, language: str, table: Mapping[str, list[str]], rate: float, random: np.random.Generator) -> str:
    composed = unicodedata.normalize("NFC", text)  # as the lexicon's words are
    found = spans(composed) if has_spaces(language) else longest(composed, table)
    parts, end = [], 0
    for start, stop in found:
        choices = table.get(composed[start:stop].lower())
        if not choices:
            continue
        # Both numbers are drawn for every known word: a higher rate replaces what a lower one does, and more.
        draw, choice = random.random(), random.integers(len(choices))
        if draw < rate:
            parts += [composed[end:start], choices[choice]]
            end = stop
    return "".join([*parts, composed[end:]]) if parts else text


def longest(text: str, table: Collection[str]) -> list[tuple[int, int]]:
    """Spans of known words (in lower case) in a text without spaces, from left to right, the longest at each place.

    >>> longest("曼谷是首都", {"曼谷", "首", "首都"})
    [(0, 2), (3, 5)]
    """
    lower = "".join(mark.lower() if len(mark.lower()) == 1 else mark for mark in text)  # places stay the same
    length = max(map(len, table), default=0)
    found, start = [], 0
    while start < len(text):
        ends = range(min(len(text), start + length), start, -1)
        end = next((end for end in ends if lower[start:end] in table), None)
        if end:
            found.append((start, end))
        start = end or start + 1
    return found
