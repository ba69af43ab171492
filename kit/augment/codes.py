"""From BCP 47 tags to the language codes of a model, derived from the codes themselves and from CLDR's likely subtags."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache

from kit.languages import language_name, language_tag

_SAME_LANGUAGE = {"ns": "nso", "no": "nb"}
"""What CLDR does not say: M2M100 calls Northern Sotho ``ns``, and Norwegian without more is Bokmål."""

_SAME_SCRIPT = {"Hang": "Kore"}
"""NLLB says that Korean is written in Hangul, CLDR in the Korean mixture of Hangul and Han."""


@cache
def subtags(code: str) -> tuple[str, str, str]:
    """Language, script and region of a code, completed from CLDR; empty where CLDR knows none.

    ISO 639-1 and 639-3, FLORES (``deu_Latn``), mBART (``de_DE``) and Opus codes all lead to the same subtags.

    Raises:
        ValueError: the code is none of these.

    >>> subtags("de"), subtags("deu_Latn"), subtags("zh-TW"), subtags("prs_Arab")
    (('de', 'Latn', 'DE'), ('de', 'Latn', 'DE'), ('zh', 'Hant', 'TW'), ('fa', 'Arab', 'AF'))
    """
    from babel.core import get_global

    code = _SAME_LANGUAGE.get(code, code)
    language, script, region = _parts(language_tag(code))
    first = code.replace("_", "-").split("-")[0].lower()
    _, other_script, other_region = _parts(get_global("language_aliases").get(first, ""))  # prs is fa_AF, sh is sr_Latn
    script, region = script or other_script, region or other_region
    likely = get_global("likely_subtags")
    known = [
        likely[key]
        for key in ("_".join(filter(None, parts)) for parts in ((language, script, region), (language, script), (language,)))
        if key in likely
    ]
    _, likely_script, likely_region = _parts(known[0]) if known else ("", "", "")
    script = script or likely_script
    return language, _SAME_SCRIPT.get(script, script), region or likely_region


def _parts(tag: str) -> tuple[str, str, str]:
    parts = tag.replace("_", "-").split("-")
    script = next((part for part in parts[1:] if len(part) == 4), "")
    region = next((part for part in parts[1:] if len(part) in (2, 3)), "")
    return parts[0], script, region


class Codes:
    """The languages that a model knows, by its own codes.

    A tag finds a code of the same language and script (likely ones where a tag or code names none); among several, that of
    the same region, then one that is no outdated name of another, then the first. A region alone decides nothing: ``pt-BR``
    finds ``por_Latn``. A script does: ``zh-Hant`` does not find ``zh``.

    codes: as the model spells them; what is no language code is left out.
    model: what the model is called in errors.
    """

    def __init__(self, codes: Iterable[str], model: str):
        self.model = model
        self._subtags: dict[str, tuple[str, str, str]] = {}
        for code in codes:
            try:
                self._subtags[code] = subtags(code)
            except ValueError:  # Opus has tokens such as >>x-klingon<< that name no language
                continue

    def __len__(self) -> int:
        return len(self._subtags)

    def __iter__(self):
        return iter(self._subtags)

    def find(self, tag: str) -> str:
        """The model's code of a language.

        Raises:
            ValueError: the model does not know the language; lists near choices.

        >>> codes = Codes(["deu_Latn", "zho_Hans", "zho_Hant", "prs_Arab", "pes_Arab"], "mine")
        >>> [codes.find(tag) for tag in ("de", "zh", "zh-TW", "fa", "fa-AF")]
        ['deu_Latn', 'zho_Hans', 'zho_Hant', 'pes_Arab', 'prs_Arab']
        """
        language, script, region = subtags(tag)
        fitting = [code for code, found in self._subtags.items() if found[:2] == (language, script)]
        if not fitting:
            raise ValueError(f"{self.model} does not know {tag!r} ({language_name(tag)}): {self._near(tag)}")
        return min(fitting, key=lambda code: (self._subtags[code][2] != region, _is_outdated(code)))

    def _near(self, tag: str) -> str:
        """Same language in another script, then tags and English names that look alike; at most six."""
        language = subtags(tag)[0]
        near = [code for code, found in self._subtags.items() if found[0] == language]
        names = {language_name(found[0]).lower(): code for code, found in self._subtags.items()}
        near += [names[name] for name in difflib.get_close_matches(language_name(tag).lower(), names, n=4, cutoff=0.7)]
        near += difflib.get_close_matches(tag, list(self._subtags), n=4, cutoff=0.5)
        listed = list(dict.fromkeys(near))[:6] or sorted(self._subtags)[:6]
        return f"choose a model that does; near choices of its {len(self)} codes: {', '.join(listed)}"


def _is_outdated(code: str) -> bool:
    """Whether CLDR has the code's language under another three-letter name (``ajp`` is now ``apc``)."""
    from babel.core import get_global

    language = code.replace("_", "-").split("-")[0]
    return len(get_global("language_aliases").get(language, "").partition("_")[0]) == 3
