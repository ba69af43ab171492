"""Atlas, the data that the kit brings along: some thousand facts, asked and told in eleven languages.

They are about territories, languages and places. The facts and the names are Unicode CLDR's (Unicode License v3), read
through ``babel``: nothing is downloaded or written. What the kit adds is the wording (``templates/``). A fact is one
parallel group; it is here only if all languages can say it. The texts depend on babel's version; ``digest`` tells them
apart, ``hashes.json`` holds the known ones.

    facts.py     facts as CLDR codes            names.py    what a language calls the codes
    wordings.py  reads and checks templates/    render.py   facts, names and wordings into rows
    splits.py    train, validation, test
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from kit.data.sources.atlas.render import LANGUAGES, all_rows
from kit.data.sources.atlas.splits import (
    BY,
    HELD_OUT_DOMAIN,
    HELD_OUT_LANGUAGES,
    SPLITS,
    atlas_tags,
    check_arguments,
    facts_of,
    languages_of,
)

if TYPE_CHECKING:
    from kit.data.bitext import BitextTask
    from kit.data.corpus import ParallelCorpus, RetrievalTask

__all__ = [
    "BY",
    "HELD_OUT_DOMAIN",
    "HELD_OUT_LANGUAGES",
    "LANGUAGES",
    "SPLITS",
    "corpus",
    "digest",
    "rows",
    "statistics",
    "task",
]

_CORPUS_KEYS = ("group_id", "language", "query", "passage", "cluster_id", "domain", "source")


def rows(languages: Sequence[str] = LANGUAGES) -> list[dict]:
    """All facts as text, one dictionary a fact and language.

    Keys: ``group_id`` (id of the fact, such as ``currency-now:CH``), ``language``, ``query``, ``passage``, ``cluster_id``,
    ``domain``, ``source``, ``entity`` (``territory:CH``) and ``relation`` (``currency-now``). The facts are the same for
    any choice of languages. Same babel, same bytes: no randomness, locale, time zone or machine plays a part.

    Raises:
        ValueError: a language that the atlas does not have, one twice, or none.

    >>> len(rows(["en"])) > 2500
    True
    """
    wanted = set(atlas_tags(languages))
    return [dict(row) for row in all_rows() if row["language"] in wanted]


def corpus(
    split: str = "train",
    by: str = "fact",
    languages: Sequence[str] = LANGUAGES,
    domains: Sequence[str] | None = None,
    seed: int = 0,
) -> ParallelCorpus:
    """Training data: the facts of one split.

    Args:
        split: ``train``, ``validation`` or ``test``; about 70, 10 and 20 % of the facts.
        by: what the test has that training has not.
            ``fact``: new facts about entities that training knows (one fact of each entity is always in train).
            ``domain``: the domain "currency" is the test; train and validation are the other domains.
            ``language``: facts as in ``fact``, and Greek and Vietnamese are in the test only.
        languages: which of ``LANGUAGES``.
        domains: which of the five (calendar, currency, geography, language, writing); ``None``: all.
        seed: another seed gives another split; the same fact is on the same side whatever else is there.

    Raises:
        ValueError: an argument that is not one of the choices, or no language left.

    >>> corpus("train", languages=["de", "en"]).languages
    ('de', 'en')
    """
    from kit.data.corpus import ParallelCorpus

    check_arguments(split, by)
    chosen = facts_of(all_rows(), split, by, seed)
    wanted = set(languages_of(split, by, atlas_tags(languages)))
    kept = (row for row in all_rows() if row["language"] in wanted and row["group_id"] in chosen)
    found = ParallelCorpus.from_rows(map(_bare, kept), name=_name(split, by, domains))
    return found if domains is None else found.select(domains=domains)


def task(
    split: str = "test",
    by: str = "fact",
    languages: Sequence[str] = LANGUAGES,
    domains: Sequence[str] | None = None,
    seed: int = 0,
) -> RetrievalTask:
    """Evaluation data: the questions of one split, asked of every sentence about the entities they are about.

    The candidates are the passages of the split and, as distractors, the other sentences about the same entities,
    whatever split those are in: as in XQuAD-R, a candidate is a sentence of a paragraph that holds an answer. Arguments
    and errors as in ``corpus``.

    >>> task(languages=["en"]).languages
    ('en',)
    """
    from kit.data.corpus import ParallelCorpus, RetrievalTask

    asked = corpus(split, by, languages, domains, seed)
    groups, wanted = set(asked.group_ids), set(asked.languages)
    about = {row["entity"] for row in all_rows() if row["group_id"] in groups}
    others = [
        _bare(row)
        for row in all_rows()
        if row["entity"] in about and row["group_id"] not in groups and row["language"] in wanted
    ]
    distractors = ParallelCorpus.from_rows(others, name="atlas, distractors") if others else None
    return RetrievalTask.from_corpus(asked, name=asked.name, distractors=distractors)


def bitext(pair: str, distractors: float = 0.5, seed: int = 0) -> BitextTask:
    """Passages of Atlas's test in two languages; a share has its translation taken away, as in ``sentences.bitext``.

    Args:
        pair: such as ``de-en``; the first language is the source.

    Raises:
        ValueError: a language that Atlas does not have, ``distractors`` out of range.

    >>> bitext("de-en").source_language
    'de'
    """
    from kit.data.sources.sentences import bitext_of_rows

    first, _, second = pair.partition("-")
    source, target = atlas_tags([first, second])
    tags = source, target
    texts: dict[str, dict[str, str]] = {}
    for row in corpus("test", languages=tags).table.to_pylist():
        texts.setdefault(row["group_id"], {})[row["language"]] = row["passage"]
    rows = [(line, group_id, by_tag) for line, (group_id, by_tag) in enumerate(texts.items(), 1)]
    return bitext_of_rows(rows, tags, Path("atlas"), distractors, seed)


def checksum() -> str:
    """What the content of the atlas depends on, apart from this code: the version of babel, which brings CLDR."""
    return f"babel {version('babel')}"


def _bare(row: Mapping) -> dict:
    """A row with the keys of a corpus only."""
    return {key: row[key] for key in _CORPUS_KEYS}


def _name(split: str, by: str, domains: Sequence[str] | None) -> str:
    return f"atlas-{split}-by-{by}" + (f"-{'-'.join(domains)}" if domains else "")


@cache
def digest() -> str:
    """SHA-256 of all rows as canonical JSON (UTF-8, sorted keys, no spaces), in hexadecimal.

    >>> len(digest())
    64
    """
    text = json.dumps(rows(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def statistics(rows: Iterable[Mapping]) -> dict[str, dict[str, float]]:
    """Per language: ``n_facts``, and ``copied_share``, the mean share of a query's tokens that its passage has too.

    A high share means that comparing strings solves the task. Tokens are lower-cased words; for Thai and Chinese, which
    write no spaces between words, pairs of neighbouring characters. An empty input gives an empty result.

    >>> statistics([{"language": "en", "query": "What is X?", "passage": "It is Y."}])
    {'en': {'n_facts': 1, 'copied_share': 0.3333333333333333}}
    """
    shares: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        query, passage = (_tokens(row[part], row["language"]) for part in ("query", "passage"))
        passage = set(passage)
        shares[row["language"]].append(sum(token in passage for token in query) / max(len(query), 1))
    return {
        language: {"n_facts": len(values), "copied_share": sum(values) / len(values)}
        for language, values in sorted(shares.items())
    }


def _tokens(text: str, language: str) -> list[str]:
    # Marks (category M, such as Hindi vowel signs) belong to their word, though \w leaves them out.
    words = re.findall(r"[\w\u0300-\u036f\u0900-\u0963\u0e31-\u0e4e\u064b-\u0652]+", text.lower())
    if language not in ("th", "zh"):
        return words
    return [word[start : start + 2] for word in words for start in range(max(len(word) - 1, 1))]
