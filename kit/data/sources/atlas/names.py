"""What one language calls the things that facts are about, from CLDR; a missing name is a ``KeyError``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from babel import Locale
from babel.lists import format_list

from kit.data.sources.atlas.facts import zone_names
from kit.data.sources.atlas.wordings import Templates

# CLDR leaves out a zone's city where it is spelled as in the zone's id; that rule is for Latin letters only.
LATIN_LETTERS = frozenset(["de", "en", "es", "tr", "vi"])

# First words that CLDR writes with a capital as in a list (language, time, script, and two kinds of money).
_SMALL_INSIDE = frozenset(["Tiếng", "Giờ", "Chữ", "Đồng", "Bảng"])


class Names:
    """Names in one language; ``text(slot, value)`` gives the words for a slot of a fact.

    Names are as CLDR has them (nominative), but for what a sentence needs: articles of some English and Spanish names, small
    letters in Vietnamese, "language" before a Thai language name.

    >>> from kit.data.sources.atlas.wordings import load_templates
    >>> Names("de", load_templates("de")).text("territory", "CH")
    'Schweiz'
    """

    def __init__(self, language: str, templates: Templates) -> None:
        self.language, self.templates = language, templates
        self.locale = Locale(language)
        self.decimal = self.locale.number_symbols["latn"]["decimal"]
        self.days = self.locale.days["format"]["wide"]
        self.zone_info, self.metazone_info = self.locale.time_zones, self.locale.meta_zones
        self._names: dict[str, dict[str, str]] = {
            "territory": dict(self.locale.territories.items()),
            "currency": dict(self.locale.currencies.items()),
            "language": dict(self.locale.languages.items()),
            "script": dict(self.locale.scripts.items()),
        }
        self.territory_names = {name.casefold() for name in self._names["territory"].values()}
        self._special: dict[str, Callable] = {
            "place": self._place,
            "zone": self._zone,
            "percent": self._percent,
            "languages": self._languages,
            "days": self._days,
            "clock": lambda value: templates.words[f"clock-{value}"],
            "day": lambda value: self._in_sentence(self.days[value]),
        }
        self._known: dict[tuple[str, object], str] = {}

    def text(self, slot: str, value: Any) -> str:
        """Words for a slot; raises ``KeyError`` where CLDR has no name for the code in this language."""
        key = (slot, value)
        if key not in self._known:
            self._known[key] = self._find(slot, value)
        return self._known[key]

    def texts(self, slots: tuple[tuple[str, Any], ...]) -> dict[str, str]:
        """Words for all placeholders of a fact; where the language has it, also ``territory_in`` ("in der Schweiz")."""
        found = {slot: self.text(slot, value) for slot, value in slots}
        inside = self.templates.inside
        if inside and slots[0][0] == "territory":
            code = slots[0][1]
            found["territory_in"] = inside[code] if code in inside else inside[""].format(territory=found["territory"])
        return found

    def _find(self, slot: str, value: Any) -> str:
        if slot in ("year", "number", "code", "endonym"):
            return str(value)
        if slot in self._special:
            return self._special[slot](value)
        kind = {"former": "currency"}.get(slot, slot)
        name = self._in_sentence(self._names[kind][value])
        if name == value or (kind == "currency" and any(letter.isdigit() for letter in name)):
            raise KeyError(value)  # unnamed, or told apart by its years, which would give the answer away
        if kind == "territory" and value in self.templates.article:
            return f"{self.templates.article[value]} {name}"
        if kind == "language":
            return self._language(name)
        return name

    def _in_sentence(self, name: str) -> str:
        """CLDR's Vietnamese names start with a capital, as in a list; inside a sentence they do not."""
        first, _, rest = name.partition(" ")
        if self.language == "vi" and first in _SMALL_INSIDE and rest:
            return f"{first.lower()} {rest}"
        return name

    def _language(self, name: str) -> str:
        word = self.templates.words.get("language-word")
        return word.format(language=name) if word and word.format(language="").strip() not in name else name

    def _languages(self, codes: tuple[str, ...]) -> str:
        return format_list([self.text("language", code) for code in codes], locale=self.locale)

    def _days(self, days: tuple[int, ...]) -> str:
        return format_list([self.text("day", day) for day in days], locale=self.locale)

    def _percent(self, value: float) -> str:
        number = f"{value:.1f}" if value % 1 else f"{value:.0f}"
        return self.templates.words["percent"].format(number=number.replace(".", self.decimal))

    def _place(self, zone: str) -> str:
        """City of a zone, by the rule of ``babel.dates.get_timezone_location``, without the machine's time zones."""
        found = [self.zone_info[name]["city"] for name in zone_names(zone) if "city" in self.zone_info.get(name, {})]
        if self.language in LATIN_LETTERS:
            found.append(zone.rpartition("/")[2].replace("_", " "))
        if not found or found[0].casefold() in self.territory_names:
            raise KeyError(zone)  # unnamed, or called as its country is, as Tunis in Russian: two facts would be one
        return found[0]

    def _zone(self, metazone: str) -> str:
        """Name of a time the whole year round; zones without summer time have a standard name only."""
        names = self.metazone_info[metazone]["long"]
        return self._in_sentence(names["generic"] if "generic" in names else names["standard"])


def same_kind_of_zone_name(names: list[Names], metazone: str) -> bool:
    """Whether all languages name the zone alike, with or without "standard": otherwise the sentences say two things."""
    return len({"generic" in each.metazone_info.get(metazone, {}).get("long", {}) for each in names}) == 1
