"""The wordings of questions and answers, one file a language in ``templates/``, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from string import Formatter

# Placeholders that every wording of a relation has: in the question, and besides those in the passage.
PLACEHOLDERS: dict[str, tuple[tuple[str, ...], str]] = {
    "currency-now": (("territory",), "currency"),
    "currency-since": (("territory",), "year"),
    "currency-before": (("territory",), "former"),
    "currency-until": (("territory", "former"), "year"),
    "currency-code": (("territory",), "code"),
    "official-language": (("territory",), "language"),
    "official-languages": (("territory",), "languages"),
    "regional-languages": (("territory",), "languages"),
    "speaker-language": (("territory", "percent"), "language"),
    "speaker-share": (("territory", "language"), "percent"),
    "language-script": (("language",), "script"),
    "language-home": (("language",), "territory"),
    "plural-forms": (("language",), "number"),
    "endonym": (("language",), "endonym"),
    "place-territory": (("place",), "territory"),
    "place-zone": (("place",), "zone"),
    "territory-zone": (("territory",), "zone"),
    "first-day": (("territory",), "day"),
    "weekend": (("territory",), "days"),
    "clock": (("territory",), "clock"),
}
WORDS = {"percent": ("number",), "language-word": ("language",), "clock-12": (), "clock-24": ()}


@dataclass(frozen=True)
class Templates:
    """Wordings of one language.

    query, passage: relation -> its wordings, each a ``str.format`` text.
    words: small texts that sentences are made with (how a percentage is written, names of the two clocks).
    article: territory code -> article that its name takes inside a sentence (English and Spanish).
    inside: territory code -> how to say "in this territory", for ``{territory_in}``; the key "" holds the rule for the
        others (German: "in der Schweiz", "auf Malta", "in {territory}"). Empty: the language has no ``{territory_in}``.
    """

    query: dict[str, tuple[str, ...]]
    passage: dict[str, tuple[str, ...]]
    words: dict[str, str]
    article: dict[str, str]
    inside: dict[str, str]


def load_templates(language: str) -> Templates:
    """Read and check the wordings of a language.

    Raises:
        ValueError: there is no such file, or a key or placeholder is missing, unknown or doubled; the text names the
            file, the key and what is wrong.

    >>> load_templates("en").query["first-day"][0]
    'On which day does the week start in {territory}?'
    """
    path = files("kit.data.sources.atlas").joinpath("templates", f"{language}.json")
    if not path.is_file():
        raise ValueError(f"language {language!r}: no file {path}: write one, with the keys of the other languages")
    return checked_templates(json.loads(path.read_text(encoding="utf-8")), f"templates/{language}.json")


def checked_templates(raw: dict, file: str) -> Templates:
    """Check the content of a template file and give it its type; raises ``ValueError`` as ``load_templates`` does."""
    wanted = {*PLACEHOLDERS, *WORDS, "article", "inside"}
    for difference, word in ((wanted - set(raw), "is missing"), (set(raw) - wanted, "is unknown")):
        if difference:
            raise ValueError(f"{file}: key {min(difference)!r} {word}: the keys are {', '.join(sorted(wanted))}")
    for key, names in WORDS.items():
        _check_placeholders(raw[key], names, file, key)
    for relation, (asked, answer) in PLACEHOLDERS.items():
        for part, names in (("query", asked), ("passage", (*asked, answer))):
            wordings = raw[relation].get(part, [])
            if len(set(wordings)) < 2 or len(set(wordings)) != len(wordings):
                raise ValueError(
                    f"{file}: key {relation!r}, {part}: {len(wordings)} wordings: give at least two, all different"
                )
            for wording in wordings:
                _check_placeholders(wording, names, file, f"{relation}, {part}", inside=bool(raw["inside"]))
    parts = {part: {relation: tuple(raw[relation][part]) for relation in PLACEHOLDERS} for part in ("query", "passage")}
    article = {code: word for word, codes in raw["article"].items() for code in codes}
    return Templates(**parts, words={key: raw[key] for key in WORDS}, article=article, inside=raw["inside"])


def _check_placeholders(wording: str, names: tuple[str, ...], file: str, key: str, inside: bool = False) -> None:
    found = sorted(name for _, name, _, _ in Formatter().parse(wording) if name is not None)
    if inside:
        found = sorted("territory" if name == "territory_in" else name for name in found)
    if found != sorted(names):
        raise ValueError(
            f"{file}: key {key!r}: the wording {wording!r} has the placeholders {found}: write each of {sorted(names)} once"
        )
