"""Facts into rows of text: one question and one answer sentence a language, or nothing if any language cannot say it."""

from __future__ import annotations

from collections import Counter
from functools import cache
from types import MappingProxyType

from kit.core.seeding import stable_hash
from kit.data.sources.atlas.facts import Fact, facts
from kit.data.sources.atlas.names import Names, same_kind_of_zone_name
from kit.data.sources.atlas.wordings import load_templates

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

# Relations whose answer must not hold the name asked about either ("Guatemala" the city, "Moscow Time").
_NAME_GIVES_AWAY = frozenset(["place-territory", "place-zone", "territory-zone", "endonym", "language-home"])
# A text may start with these; the letter after them is the first of the sentence.
_OPENING = "¿«“„"


@cache
def all_rows() -> tuple[MappingProxyType, ...]:
    """Rows of every fact that all languages can say, in the order of the facts, then of ``LANGUAGES``; read-only.

    A fact is left out, in all languages, if a name is missing, if a question gives its answer away, or if it shares its
    question or its passage with another fact in any language.
    """
    names = [Names(language, load_templates(language)) for language in LANGUAGES]
    groups = [group for fact in facts() if (group := _render(fact, names))]
    return tuple(MappingProxyType(row) for group in unshared(groups) for row in group)


def unshared(groups: list[list[dict]]) -> list[list[dict]]:
    """Groups that share no question and no passage with another group, in any language; capitals do not count."""
    taken = Counter(key for group in groups for key in _keys(group))
    return [group for group in groups if all(taken[key] == 1 for key in _keys(group))]


def _keys(group: list[dict]) -> list[tuple[str, str, str]]:
    """What no two facts may share: the questions and the passages of each language."""
    return [(row["language"], part, row[part].casefold()) for row in group for part in ("query", "passage")]


def _render(fact: Fact, names: list[Names]) -> list[dict]:
    """Rows of one fact, one a language; none if a language has no name for something or the question tells the answer."""
    if fact.slots[-1][0] == "zone" and not same_kind_of_zone_name(names, fact.slots[-1][1]):
        return []
    rows = []
    for each in names:
        try:
            texts = each.texts(fact.slots)
        except KeyError:
            return []
        query, passage = _wordings(fact, each)
        row = _row(fact, each.language, query.format_map(texts), passage.format_map(texts))
        if _gives_away(fact, each, texts, row["query"]):
            return []
        rows.append(row)
    return rows


def _row(fact: Fact, language: str, query: str, passage: str) -> dict:
    return {
        "group_id": fact.fact_id,
        "language": language,
        "query": _sentence(query, language),
        "passage": _sentence(passage, language),
        "cluster_id": fact.fact_id,
        "domain": fact.domain,
        "source": "atlas",
        "entity": fact.entity,
        "relation": fact.relation,
    }


def _wordings(fact: Fact, names: Names) -> tuple[str, str]:
    """The wordings that this fact gets in this language: a hash, so that the languages of one fact differ."""
    queries = names.templates.query[fact.relation]
    passages = names.templates.passage[fact.relation]
    choice = stable_hash(f"{fact.fact_id}|{names.language}")
    return queries[choice % len(queries)], passages[choice // 997 % len(passages)]


def _sentence(text: str, language: str) -> str:
    """Start with a capital letter: names such as "español" are written small.

    Turkish has a dotted capital i, Spanish draws "de el" and "a el" together, and a name that ends with a stop ("EE. UU.")
    takes no second one.
    """
    text = text.replace("..", ".")
    if language == "es":
        text = text.replace(" de el ", " del ").replace(" a el ", " al ")
    start = 1 if text[0] in _OPENING else 0
    if start and text[0] != "¿":
        return text  # a quoted name keeps its spelling
    first = "İ" if language == "tr" and text[start] == "i" else text[start].upper()
    return text[:start] + first + text[start + 1 :]


def _gives_away(fact: Fact, names: Names, texts: dict[str, str], query: str) -> bool:
    """Whether a question tells its answer, or two things in it have one name (Tuvalu, also a language)."""
    if len({texts[slot].casefold() for slot, _ in fact.slots}) < len(fact.slots):
        return True
    slot, value = fact.slots[-1]
    answer, entity = texts[slot], texts[fact.slots[0][0]]
    if slot == "code":
        return answer in query
    parts = [names.text("language", code) for code in value] if slot == "languages" else [answer]
    asked = query.casefold()
    if any(part.casefold() in asked for part in parts):
        return True
    return fact.relation in _NAME_GIVES_AWAY and entity.casefold() in answer.casefold()
