"""Language tags at the door: whatever a data set calls a language becomes one BCP 47 tag inside the kit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


@cache
def language_tag(code: str) -> str:
    """Map ISO 639-3 codes, English names, FLORES codes and underscores to one BCP 47 tag.

    Two codes share a tag only where they name one language: ``deu`` and ``de``, Tagalog and Filipino, and a macrolanguage
    and the member that CLDR writes as it (``arb`` is ar, ``cmn`` zh, ``pes`` fa, ``swh`` sw). All others are kept apart
    (``prs`` from fa, ``twi`` from ak, ``sh`` from sr). A script stays, so ``zho_Hans`` and ``zho_Hant`` are two tags.
    A well-formed tag that CLDR has no name for is kept: a task may well hold a language that CLDR does not know.

    Raises:
        ValueError: ``code`` is neither a tag nor an English language name.

    >>> [language_tag(code) for code in ("deu", "German", "pt_BR", "zho_Hans", "en", "prs")]
    ['de', 'de', 'pt-BR', 'zh-Hans', 'en', 'prs']
    """
    language, *rest = re.split("[-_]", code.strip())
    tag = "-".join([_subtag(language.lower()), *(part.title() if len(part) == 4 else part.upper() for part in rest)])
    if _TAG.fullmatch(tag):
        return tag
    by_name = _tags_by_english_name().get(code.strip().lower())
    if by_name:
        return language_tag(by_name)  # CLDR has a name for tl, but writes it fil
    raise ValueError(f"language {code!r} is not a language tag: write a BCP 47 tag such as 'de', 'pt-BR' or 'zh-Hans'")


def _subtag(language: str) -> str:
    """The subtag of a language's code: a shorter or current one where that names the same language, else the code."""
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    try:
        current, macro = standardize_tag(language), standardize_tag(language, macro=True)
    except LanguageTagError:  # it may be a name
        return language
    if len(current) == 2 or current == "fil":
        return current
    # CLDR writes prs as fa-AF and hbs as sr-Latn: their subtags alone are other languages. As ak it writes twi and fat.
    return macro if len(macro) == 2 and macro != "ak" else language


@cache
def _tags_by_english_name() -> dict[str, str]:
    from babel import Locale

    tags = {name.lower(): tag.replace("_", "-") for tag, name in Locale("en").languages.items()}
    return {**tags, "bengali": "bn", "dari": "prs"}  # CLDR calls them Bangla and fa-AF


def tag_of_each(codes: Iterable[str], place: object) -> dict[str, str]:
    """Tag of each code, where each has to have its own: the codes of one row, or of the files of one folder.

    Args:
        codes: what a data set calls its languages.
        place: named in an error: the file and line, or the folder.

    Raises:
        ValueError: a code is no language, or two codes are one tag.

    >>> tag_of_each(["fas", "prs"], "mine.jsonl, line 1")
    {'fas': 'fa', 'prs': 'prs'}
    """
    tags, code_of = {}, {}
    for code in codes:
        try:
            tag = tags[code] = language_tag(code)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if code_of.setdefault(tag, code) != code:
            raise ValueError(f"{place}: {code_of[tag]!r} and {code!r} are both language {tag!r}: keep one of the two")
    return tags


def chosen_tags(languages: Iterable[str] | None, known: Iterable[str], place: object) -> list[str]:
    """Tags of the languages that an option asks for, in its order and each once.

    Args:
        languages: tags, ISO 639-3 codes, English names, or the data's own codes. A language without a script or region
            finds the one tag of that language (``German`` finds de-Latn), if it is the only one. ``None``: all, sorted.
        known: tags that the data has.
        place: named in an error: the file or folder.

    Raises:
        ValueError: the data does not have a language, none is asked for, or ``languages`` is a text.

    >>> chosen_tags(["deu", "Swahili"], {"de", "en", "sw"}, "mine.jsonl")
    ['de', 'sw']
    """
    known = sorted(known)
    choices = f"choose from {', '.join(known)}"
    if languages is None:
        return known
    if isinstance(languages, str):
        raise ValueError(f"{place}: languages {languages!r} is a text: give a list, such as [{languages!r}]; {choices}")
    found: dict[str, None] = {}
    for language in languages:
        with suppress(ValueError):
            tag = language_tag(language)
            fits = [tag] if tag in known else [other for other in known if other.partition("-")[0] == tag]
            if len(fits) == 1:
                found[fits[0]] = None
                continue
        raise ValueError(f"{place}: no language {language!r}: {choices}")
    if not found:
        raise ValueError(f"{place}: no language is wanted: {choices}")
    return list(found)


def question_and_passage_tags(language: str, question_language: str | None) -> tuple[str, str]:
    """Tags of the questions and of the passages of a source whose options are these two.

    Args:
        language: of the passages, as a tag, a code or an English name.
        question_language: of the questions; ``None``: the same.

    Raises:
        ValueError: one of them is no language.

    >>> question_and_passage_tags("de", "Spanish"), question_and_passage_tags("deu", None)
    (('es', 'de'), ('de', 'de'))
    """
    passages = language_tag(language)
    return passages if question_language is None else language_tag(question_language), passages


def is_tag(text: str) -> bool:
    """Whether a text is a tag in the form that the kit uses (language, script, region)."""
    return _TAG.fullmatch(text) is not None and language_tag(text) == text  # "deu" is well formed, and is "de"


def language_name(tag: str) -> str:
    """English name of a language, or the tag itself where CLDR has none.

    >>> language_name("el"), language_name("dtp-XX")
    ('Greek', 'dtp-XX')
    """
    from babel import Locale

    return Locale("en").languages.get("fa_AF" if tag == "prs" else tag.replace("-", "_"), tag)


WITHOUT_SPACES = {"bo", "dz", "ja", "km", "lo", "my", "th", "yue", "zh"}
"""Languages that are written without spaces between words."""


def has_spaces(language: str) -> bool:
    """Whether a language is written with spaces between words.

    >>> has_spaces("de"), has_spaces("zh-Hant")
    (True, False)
    """
    return language.partition("-")[0] not in WITHOUT_SPACES
