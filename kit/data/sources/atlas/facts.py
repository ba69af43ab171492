"""The facts of the atlas as CLDR codes, read from the tables that babel carries; no text in any language yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from babel import localedata
from babel.core import get_global

from kit.core.seeding import stable_fraction

# Which domain a relation is in. The order is the order of the rows.
DOMAIN_OF = {
    "currency-now": "currency",
    "currency-since": "currency",
    "currency-before": "currency",
    "currency-until": "currency",
    "currency-code": "currency",
    "official-language": "language",
    "official-languages": "language",
    "regional-languages": "language",
    "speaker-language": "language",
    "speaker-share": "language",
    "language-script": "writing",
    "language-home": "writing",
    "plural-forms": "writing",
    "endonym": "writing",
    "place-territory": "geography",
    "place-zone": "geography",
    "territory-zone": "geography",
    "first-day": "calendar",
    "weekend": "calendar",
    "clock": "calendar",
}

# No territories of today, no settled facts, or no inhabitants: unions and test codes, exceptional reservations,
# uninhabited islands, and places whose status is disputed between states.
LEFT_OUT_TERRITORIES = frozenset(("EU EZ UN QO ZZ XA XB AC CP DG EA IC TA AQ BV GS HM IO TF UM EH").split())
# Disputed places, and zones that name a group of islands or a region, for which "place" takes a plural verb.
LEFT_OUT_ZONES = frozenset(
    [
        "Asia/Jerusalem",
        "Europe/Simferopol",
        "Africa/El_Aaiun",
        "Asia/Hebron",
        "Asia/Gaza",
        "America/Bahia_Banderas",
        "Atlantic/Azores",
        "Atlantic/Canary",
        "Atlantic/Faroe",
        "Atlantic/Cape_Verde",
        "Atlantic/Stanley",
        "Indian/Chagos",
        "Indian/Cocos",
        "Indian/Comoro",
        "Indian/Maldives",
        "Pacific/Galapagos",
        "Pacific/Gambier",
        "Pacific/Marquesas",
        "America/St_Vincent",
        "America/Cayman",
        "Antarctica/Troll",
    ]
)
# Ancient and constructed languages are at home nowhere today.
NO_HOME = frozenset(
    [
        "ae",
        "akk",
        "ang",
        "arc",
        "avk",
        "cop",
        "chg",
        "cu",
        "dum",
        "egy",
        "eo",
        "enm",
        "frm",
        "fro",
        "gez",
        "gmh",
        "goh",
        "got",
        "grc",
        "hit",
        "ia",
        "ie",
        "io",
        "jbo",
        "la",
        "lfn",
        "lzh",
        "mga",
        "mul",
        "non",
        "nov",
        "osa",
        "ota",
        "pal",
        "peo",
        "phn",
        "pi",
        "prg",
        "pro",
        "sa",
        "sga",
        "sux",
        "syc",
        "tlh",
        "tok",
        "uga",
        "und",
        "vo",
        "xcr",
        "zbl",
        "zen",
        "zxx",
    ]
)
MINIMAL_SHARE = 1.0  # percent: CLDR's smaller shares are guesses


@dataclass(frozen=True)
class Fact:
    """One fact: what is known about an entity, as codes.

    fact_id: unique, such as ``currency-now:CH``; it does not change when other facts come or go.
    relation: key of ``DOMAIN_OF`` and of the templates.
    entity: what the fact is about: ``territory:CH``, ``language:de``, ``place:Europe/Zurich``.
    slots: name of a placeholder -> code (or number, or tuple of codes); the answer is the last one.
    """

    fact_id: str
    relation: str
    entity: str
    slots: tuple[tuple[str, Any], ...]

    @property
    def domain(self) -> str:
        """Domain of the relation."""
        return DOMAIN_OF[self.relation]


def facts() -> list[Fact]:
    """All facts that babel's tables hold, in a fixed order, whether or not every language has the names for them.

    >>> next(fact.fact_id for fact in facts() if fact.entity == "territory:CH")
    'currency-now:CH'
    """
    found = [
        *_currency_facts(),
        *_language_facts(),
        *_speaker_facts(),
        *_writing_facts(),
        *_zone_facts(),
        *_calendar_facts(),
    ]
    order = {relation: number for number, relation in enumerate(DOMAIN_OF)}
    return sorted(found, key=lambda fact: (order[fact.relation], fact.fact_id))


def _fact(relation: str, kind: str, code: str, /, *, suffix: str = "", **slots: object) -> Fact:
    return Fact(f"{relation}:{code}{suffix}", relation, f"{kind}:{code}", ((kind, code), *slots.items()))


def _draw(what: str) -> float:
    """Number in [0, 1) that decides which facts are made; not that of the splits, else what is kept would be in train."""
    return stable_fraction(f"is made: {what}")


def territories() -> list[str]:
    """Codes of the territories that have facts, sorted."""
    return sorted(code for code in get_global("territory_languages") if code not in LEFT_OUT_TERRITORIES)


def _currency_facts() -> Iterator[Fact]:
    tenders = get_global("territory_currencies")
    for territory in territories():
        rows = [row for row in tenders.get(territory, ()) if row[3]]
        now = [row for row in rows if row[2] is None]
        if len(now) == 1:
            currency, start = now[0][:2]
            yield _fact("currency-now", "territory", territory, currency=currency)
            yield _fact("currency-code", "territory", territory, code=currency)
            if start:
                yield _fact("currency-since", "territory", territory, year=start[0])
        yield from _past_currency_facts(territory, rows, len(now) == 1)


def _past_currency_facts(territory: str, rows: list[tuple], one_now: bool) -> Iterator[Fact]:
    """The last former currency gets one fact only, since its two passages would answer each other's question."""
    present = {row[0] for row in rows if row[2] is None}
    ended = sorted((row[2], row[0]) for row in rows if row[2] and row[0] not in present)
    seen = Counter(currency for _, currency in ended)
    for number, (end, former) in enumerate(ended):
        newest = number == len(ended) - 1 and one_now
        alone = len(ended) < 2 or ended[-1][0] != ended[-2][0]
        if newest and alone and _draw(f"currency-before:{territory}") < 0.5:
            yield _fact("currency-before", "territory", territory, former=former)
        elif seen[former] == 1:
            yield _fact("currency-until", "territory", territory, suffix=f":{former}", former=former, year=end[0])


def _base(language: str) -> str:
    """The language without its script: facts about people name languages, not spellings."""
    return language.split("_")[0]


def _language_facts() -> Iterator[Fact]:
    for territory in territories():
        by_status: dict[str, list[str]] = defaultdict(list)
        for language, row in sorted(
            get_global("territory_languages")[territory].items(), key=lambda item: (-item[1]["population_percent"], item[0])
        ):
            status = {"de_facto_official": "official"}.get(row["official_status"], row["official_status"])
            if status and _base(language) not in by_status[status]:
                by_status[status].append(_base(language))
        official, regional = by_status["official"], by_status["official_regional"]
        if len(official) == 1:
            yield _fact("official-language", "territory", territory, language=official[0])
        elif 1 < len(official) <= 8:
            yield _fact("official-languages", "territory", territory, languages=tuple(official))
        regional = [language for language in regional if language not in official]
        if 0 < len(regional) <= 8:
            yield _fact("regional-languages", "territory", territory, languages=tuple(regional))


def rounded_share(percent: float) -> float:
    """Two significant digits, as many as CLDR's estimates can bear: 67.3 -> 67, 6.83 -> 6.8."""
    return round(percent) if percent >= 10 else round(percent, 1)


def _speaker_facts() -> Iterator[Fact]:
    """Each pair of territory and language is asked in one direction only, chosen by a hash: its passage is one fact."""
    for territory in territories():
        rows = get_global("territory_languages")[territory]
        shares = Counter(rounded_share(row["population_percent"]) for row in rows.values())
        spellings = Counter(map(_base, rows))
        for language, row in sorted(rows.items()):
            percent, name = rounded_share(row["population_percent"]), _base(language)
            if not MINIMAL_SHARE <= percent < 100 or spellings[name] > 1:
                continue
            suffix = f":{name}"
            if shares[percent] == 1 and _draw(f"speakers:{territory}:{name}") < 0.5:
                yield _fact("speaker-language", "territory", territory, suffix=suffix, percent=percent, language=name)
            else:
                yield _fact("speaker-share", "territory", territory, suffix=suffix, language=name, percent=percent)


def _writing_facts() -> Iterator[Fact]:
    official_in = Counter(
        _base(language)
        for territory in territories()
        for language, row in get_global("territory_languages")[territory].items()
        if row["official_status"] in ("official", "de_facto_official")
    )
    for language, full in sorted(get_global("likely_subtags").items()):
        parts = full.split("_")
        if "_" in language or not language.islower() or len(parts) != 3 or language in ("und", "mul", "zxx"):
            continue
        script, territory = parts[1:]
        # Half the world's languages are written in Latin letters: all of them would make "Latin" a good guess.
        if script != "Latn" or _draw(f"language-script:{language}") < 0.2:
            yield _fact("language-script", "language", language, script=script)
        # A world language has no one home.
        if language not in NO_HOME and territory not in LEFT_OUT_TERRITORIES and official_in[language] <= 3:
            yield _fact("language-home", "language", language, territory=territory)
    yield from _locale_facts()


def _locale_facts() -> Iterator[Fact]:
    """What CLDR's locale files say about their own language."""
    # A locale without a rule of its own inherits the object of the root. (Never load with merge_inherited=False to find
    # out: babel would keep the half-empty locale in its cache, for every later user in the process.)
    inherited = localedata.load("root")["plural_form"]
    for language in sorted(localedata.locale_identifiers()):
        if "_" in language or language == "root":
            continue
        data = localedata.load(language)
        if data["plural_form"] is not inherited:
            yield _fact("plural-forms", "language", language, number=len(data["plural_form"].rules) + 1)
        if data.get("languages", {}).get(language):
            yield _fact("endonym", "language", language, endonym=data["languages"][language])


def _zone_facts() -> Iterator[Fact]:
    metazone_of, zones_in = get_global("meta_zones"), defaultdict(set)
    for zone, territory in sorted(get_global("zone_territories").items()):
        metazone = next((metazone_of[name] for name in zone_names(zone) if name in metazone_of), None)
        zones_in[territory].add(metazone)
        if territory in LEFT_OUT_TERRITORIES or territory == "001" or zone in LEFT_OUT_ZONES:
            continue
        yield _fact("place-territory", "place", zone, territory=territory)
        if metazone:
            yield _fact("place-zone", "place", zone, zone=metazone)
    for territory in territories():
        if len(zones_in[territory]) == 1 and None not in zones_in[territory]:
            yield _fact("territory-zone", "territory", territory, zone=next(iter(zones_in[territory])))


def zone_names(zone: str) -> list[str]:
    """A zone and its older names: CLDR keeps its data under the oldest (Asia/Calcutta, today Asia/Kolkata)."""
    return [zone, *sorted(old for old, new in get_global("zone_aliases").items() if new == zone)]


def _calendar_facts() -> Iterator[Fact]:
    for territory, locales in _locales_by_territory().items():
        weeks = [locale["week_data"] for locale in locales]
        first, weekend = (
            {week["first_day"] for week in weeks},
            {(week["weekend_start"], week["weekend_end"]) for week in weeks},
        )
        clocks = {_clock(locale["time_formats"]["short"].pattern) for locale in locales}
        # The world's usual answers (Monday; Saturday and Sunday; 24 hours) are thinned, so that they are no good guess.
        if len(first) == 1 and _wanted("first-day", territory, first, 0, 0.5):
            yield _fact("first-day", "territory", territory, day=first.pop())
        if len(weekend) == 1 and _wanted("weekend", territory, weekend, (5, 6), 0.15):
            start, end = weekend.pop()
            yield _fact("weekend", "territory", territory, days=(start,) if start == end else (start, end))
        if len(clocks) == 1 and _wanted("clock", territory, clocks, "24", 0.5):
            yield _fact("clock", "territory", territory, clock=clocks.pop())


def _wanted(relation: str, territory: str, values: set, usual: object, share: float) -> bool:
    return values != {usual} or _draw(f"{relation}:{territory}") < share


def _locales_by_territory() -> dict[str, list]:
    """Locale data of every locale of a territory: first day and clock belong to locales, and a few territories have two."""
    known, found = set(territories()), defaultdict(list)
    for identifier in sorted(localedata.locale_identifiers()):
        territory = identifier.rpartition("_")[2]
        if territory in known:
            found[territory].append(localedata.load(identifier))
    return found


def _clock(pattern: str) -> str:
    """Hours to 12 or to 24, from a CLDR time pattern; letters in quotes are text."""
    letters = "".join(pattern.split("'")[::2])
    return "12" if "h" in letters or "K" in letters else "24"
