"""Which public sets some sources read: by name (``hub:miracl``), or by the place where a source looks for their files."""

from __future__ import annotations

from collections.abc import Iterable

from kit.core.paths import root
from kit.data.hub.getting import chosen_languages
from kit.data.hub.manifest import Entry, at_place, entry
from kit.data.registry import kinds

_LANGUAGES = ("language", "languages", "pair")
"""Options of sources that choose languages."""


def sets_of(texts: Iterable[str]) -> tuple[dict[str, list[str] | None], list[str]]:
    """What to get for some sources.

    Args:
        texts: sources; any other text is passed over.

    Returns:
        Sets by id, in the order of the sources, with the languages that they name; ``None``: all. Then the sources that read
        files which are not here and belong to no set.

    Raises:
        ValueError: ``hub:<set>`` of a set that there is none of.
    """
    found: dict[str, list[str] | None] = {}
    strangers = []
    for text in texts:
        place, _, query = text.partition("?")
        kind, _, path = place.partition(":")
        if kind not in kinds() or not path:
            continue
        one = entry(path) if kind == "hub" else at_place(root() / path)
        if one is None:
            strangers += [] if (root() / path).exists() else [text]
            continue
        some, earlier = _languages(one, query), found.get(one.id, [])
        found[one.id] = None if some is None or earlier is None else list(dict.fromkeys([*earlier, *some]))
    return found, strangers


def _languages(one: Entry, query: str) -> list[str] | None:
    """The languages of a set that options name; none where they name none, or those of something else."""
    parts = [part.partition("=") for part in query.split("&")]
    named = [name for option, _, value in parts if option in _LANGUAGES for name in value.split(",")]
    try:
        return chosen_languages(one, named) if named else None
    except ValueError:
        return None
