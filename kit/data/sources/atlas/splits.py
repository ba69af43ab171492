"""Which facts train, validate and test, in three ways of holding out: facts, a domain, languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kit.core.languages import chosen_tags
from kit.core.seeding import stable_fraction
from kit.data.sources.atlas.render import LANGUAGES

SPLITS = ("train", "validation", "test")
BY = ("fact", "domain", "language")
HELD_OUT_DOMAIN = "currency"  # a fifth of the facts, about territories that the other domains know
HELD_OUT_LANGUAGES = ("el", "vi")  # not trained on, as in the paper
_TRAIN, _VALIDATION = 0.7, 0.1  # the rest, a fifth, is the test


def check_arguments(split: str, by: str) -> None:
    """Raise ``ValueError`` naming the argument, the value and the choices."""
    for argument, value, choices in (("split", split, SPLITS), ("by", by, BY)):
        if value not in choices:
            raise ValueError(f"{argument} {value!r}: choose from {', '.join(choices)}")


def atlas_tags(languages: Sequence[str]) -> list[str]:
    """Tags of one or more of the atlas' languages, each given once; else ``ValueError``."""
    tags = chosen_tags(languages, LANGUAGES, "atlas")
    if len(tags) != len(languages):
        raise ValueError(f"languages {list(languages)!r} has a language twice: give each once")
    return tags


def sides(entity_of: Mapping[str, str], seed: int) -> dict[str, str]:
    """Split of each fact: a hash of its id and the seed, so a fact keeps its place when other facts come or go.

    A test asks new facts about known entities: the fact with the lowest hash of each entity is in train in any case.

    Args:
        entity_of: fact id -> entity.
        seed: another seed gives another split.

    >>> sides({"first-day:CH": "territory:CH"}, seed=0)
    {'first-day:CH': 'train'}
    """
    drawn = {fact_id: stable_fraction(fact_id, seed) for fact_id in entity_of}
    first: dict[str, str] = {}
    for fact_id, entity in entity_of.items():
        first[entity] = min(first.get(entity, fact_id), fact_id, key=drawn.__getitem__)
    trained = set(first.values())
    return {fact_id: "train" if fact_id in trained else _side(fraction) for fact_id, fraction in drawn.items()}


def _side(fraction: float) -> str:
    if fraction < _TRAIN:
        return "train"
    return "validation" if fraction < _TRAIN + _VALIDATION else "test"


def facts_of(rows: Iterable[Mapping], split: str, by: str, seed: int) -> set[str]:
    """Fact ids of a split; the meaning of ``by`` is in ``kit.data.sources.atlas.corpus``."""
    rows = list(rows)
    if by != "domain":
        return {fact for fact, side in sides(_entities(rows), seed).items() if side == split}
    if split == "test":
        return {row["group_id"] for row in rows if row["domain"] == HELD_OUT_DOMAIN}
    drawn = sides(_entities(row for row in rows if row["domain"] != HELD_OUT_DOMAIN), seed)
    # The test is elsewhere, so nothing of the trained domains is held back but the validation facts.
    return {fact for fact, side in drawn.items() if (side == "validation") == (split == "validation")}


def languages_of(split: str, by: str, languages: Sequence[str]) -> list[str]:
    """Languages of a split: by language, the held-out ones are in the test only.

    Raises:
        ValueError: none is left.
    """
    kept = [tag for tag in languages if by != "language" or split == "test" or tag not in HELD_OUT_LANGUAGES]
    if not kept:
        raise ValueError(
            f"languages {list(languages)!r}: by='language' holds all of them out of split={split!r}: "
            f"add one other than {', '.join(HELD_OUT_LANGUAGES)}"
        )
    return kept


def _entities(rows: Iterable[Mapping]) -> dict[str, str]:
    return {row["group_id"]: row["entity"] for row in rows}
