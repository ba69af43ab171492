"""Language tags at the door: whatever a data set calls a language becomes one BCP 47 tag inside the kit."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache

_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


@cache
def language_tag(code: str) -> str:
    """Map ISO 639-3 codes, English names, FLORES codes and underscores to one BCP 47 tag.

    A well-formed tag that CLDR has no name for is kept: a task may well hold a language that CLDR does not know.

    Raises:
        ValueError: ``code`` is neither a tag nor an English language name.

    >>> [language_tag(code) for code in ("deu", "German", "pt_BR", "zho_Hans", "en")]
    ['de', 'de', 'pt-BR', 'zh-Hans', 'en']
    """
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    language, *rest = re.split("[-_]", code.strip())
    with suppress(LanguageTagError):  # it may be a name
        language = standardize_tag(language, macro=True).partition("-")[0]  # "cmn" is zh; of "hbs", sr-Latn, sr is kept
    tag = "-".join([language, *(part.title() if len(part) == 4 else part.upper() for part in rest)])
    if _TAG.fullmatch(tag):
        return tag
    by_name = _tags_by_english_name().get(code.strip().lower())
    if by_name:
        return by_name
    raise ValueError(f"language {code!r} is not a language tag: write a BCP 47 tag such as 'de', 'pt-BR' or 'zh-Hans'")


@cache
def _tags_by_english_name() -> dict[str, str]:
    from babel import Locale

    tags = {name.lower(): tag.replace("_", "-") for tag, name in Locale("en").languages.items()}
    return {"bengali": "bn", **tags}  # CLDR calls it Bangla, every data set Bengali


def is_tag(text: str) -> bool:
    """Whether a text is a tag in the form that the kit uses (language, script, region)."""
    return _TAG.fullmatch(text) is not None and language_tag(text) == text  # "deu" is well formed, and is "de"


def language_name(tag: str) -> str:
    """English name of a language, or the tag itself where CLDR has none.

    >>> language_name("el"), language_name("dtp-XX")
    ('Greek', 'dtp-XX')
    """
    from babel import Locale

    return Locale("en").languages.get(tag.replace("-", "_"), tag)


WITHOUT_SPACES = {"bo", "dz", "ja", "km", "lo", "my", "th", "yue", "zh"}
"""Languages that are written without spaces between words."""


def has_spaces(language: str) -> bool:
    """Whether a language is written with spaces between words.

    >>> has_spaces("de"), has_spaces("zh-Hant")
    (True, False)
    """
    return language.partition("-")[0] not in WITHOUT_SPACES
