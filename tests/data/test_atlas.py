"""The atlas: enough facts, sound texts, the same bytes everywhere, and splits as described."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import babel
import pytest

from kit.data.sources import atlas
from kit.data.sources.atlas import facts, names, render, splits, wordings

TEMPLATES = Path(atlas.__file__).parent / "templates"


@pytest.fixture(scope="module")
def rows():
    return atlas.rows()


@pytest.fixture(scope="module")
def by_fact(rows):
    grouped = defaultdict(dict)
    for row in rows:
        grouped[row["group_id"]][row["language"]] = row
    return grouped


def test_every_language_tells_every_fact(rows, by_fact):
    assert Counter(row["language"] for row in rows) == {language: len(by_fact) for language in atlas.LANGUAGES}
    assert len(by_fact) >= 2500
    assert {len(group) for group in by_fact.values()} == {11}


def test_domains_and_relations_are_many_and_none_is_all(by_fact):
    domains = Counter(group["en"]["domain"] for group in by_fact.values())
    assert len(domains) >= 4
    assert max(domains.values()) < 0.35 * len(by_fact)
    assert {group["en"]["relation"] for group in by_fact.values()} == set(facts.DOMAIN_OF)


def test_rows_have_the_agreed_keys(rows):
    keys = {"group_id", "language", "query", "passage", "cluster_id", "domain", "source", "entity", "relation"}
    assert all(set(row) == keys for row in rows)
    assert all(row["cluster_id"] == row["group_id"] and row["source"] == "atlas" for row in rows)
    assert all(row["group_id"].startswith(f"{row['relation']}:{row['entity'].partition(':')[2]}") for row in rows)


@pytest.fixture(scope="module")
def all_facts():
    return {fact.fact_id: fact for fact in facts.facts()}


@pytest.mark.parametrize("part", ["query", "passage"])
def test_no_text_stands_twice(rows, part):
    counts = Counter((row["language"], row[part].casefold()) for row in rows)
    assert [text for text, count in counts.items() if count > 1] == []


def test_facts_that_share_a_text_are_dropped_in_all_languages():
    def group(en, de):
        return [
            {"language": language, "query": f"{text}?", "passage": f"{text}."} for language, text in (("en", en), ("de", de))
        ]

    first, same_in_german, other = group("a", "b"), group("c", "B"), group("b", "a")
    assert render.unshared([first, same_in_german, other]) == [other]


def test_texts_are_clean(rows):
    for row in rows:
        for text in (row["query"], row["passage"]):
            assert text == text.strip() and "  " not in text and not re.search(r"[{}]|\.\.|None", text), text


@pytest.mark.parametrize("language", atlas.LANGUAGES)
def test_the_answer_is_in_the_passage_and_not_in_the_question(by_fact, all_facts, language):
    known = names.Names(language, wordings.load_templates(language))
    for fact_id, group in by_fact.items():
        fact, row = all_facts[fact_id], group[language]
        slot, value = fact.slots[-1]
        answer = known.text(slot, value)
        # A text may start with the answer, in a capital letter.
        assert answer[1:] in row["passage"], (answer, row)
        assert (answer not in row["query"]) if slot == "code" else (answer.casefold() not in row["query"].casefold()), row
        if slot == "languages":
            assert not any(known.text("language", code).casefold() in row["query"].casefold() for code in value), row


def test_every_wording_is_used(by_fact, all_facts):
    """Two wordings or more of each question and answer, spread by the hash over the facts of each language."""
    for language in atlas.LANGUAGES:
        known = names.Names(language, wordings.load_templates(language))
        used = defaultdict(set)
        for fact_id, group in by_fact.items():
            fact = all_facts[fact_id]
            text = group[language]["query"].casefold()
            for slot, value in fact.slots:
                text = text.replace(known.text(slot, value).casefold(), "_", 1)
            used[fact.relation].add(text)
        assert all(len(used[relation]) >= 2 for relation in facts.DOMAIN_OF), used


def test_languages_of_one_fact_differ_in_wording(by_fact, all_facts):
    """The choice depends on the language: English and Chinese must not go hand in hand."""
    known = {language: names.Names(language, wordings.load_templates(language)) for language in ("en", "zh")}
    chosen = Counter()
    for fact in all_facts.values():
        if fact.relation == "first-day" and fact.fact_id in by_fact:
            territory = dict(fact.slots)["territory"]
            asked = {
                language: [
                    wording.format(territory=each.text("territory", territory))
                    for wording in each.templates.query["first-day"]
                ]
                for language, each in known.items()
            }
            chosen[tuple(asked[language].index(by_fact[fact.fact_id][language]["query"]) for language in known)] += 1
    assert len(chosen) == 4 and min(chosen.values()) > 15, chosen


def test_copied_strings_are_no_shortcut(rows):
    for language, values in atlas.statistics(rows).items():
        assert values["n_facts"] >= 2500 and 0 < values["copied_share"] < 0.5, (language, values)


def test_statistics_counts_tokens():
    row = {"language": "en", "query": "One two three four", "passage": "two FOUR, five"}
    assert atlas.statistics([row]) == {"en": {"n_facts": 1, "copied_share": 0.5}}
    assert atlas.statistics([{"language": "zh", "query": "甲乙丙", "passage": "乙丙丁"}])["zh"]["copied_share"] == 0.5
    assert atlas.statistics([{"language": "hi", "query": "की", "passage": "का"}])["hi"]["copied_share"] == 0
    assert atlas.statistics([]) == {}


def test_known_facts(by_fact):
    swiss = by_fact["currency-now:CH"]
    assert "Schweizer Franken" in swiss["de"]["passage"] and "瑞士法郎" in swiss["zh"]["passage"]
    assert "the United States" in by_fact["currency-now:US"]["en"]["query"]
    assert "español" in by_fact["official-language:AR"]["es"]["passage"].casefold()
    assert "cyrillic" in by_fact["language-script:ru"]["en"]["passage"].casefold()
    assert not any(" de el " in group["es"]["query"] + group["es"]["passage"] for group in by_fact.values())


def test_german_territories_take_their_preposition(by_fact):
    german = names.Names("de", wordings.load_templates("de"))
    said = {code: german.texts((("territory", code),))["territory_in"] for code in ("CH", "FR", "MT", "US")}
    assert said == {"CH": "in der Schweiz", "FR": "in Frankreich", "MT": "auf Malta", "US": "in den Vereinigten Staaten"}
    wrong = re.compile(r"\bin (Schweiz|Türkei|Vereinigte|Niederlande|Ukraine|Mongolei)\b")
    assert [
        text for group in by_fact.values() for part in ("query", "passage") if wrong.search(text := group["de"][part])
    ] == []


def test_left_out_territories_are_no_entities(rows):
    codes = {row["entity"].partition(":")[2] for row in rows if row["entity"].startswith("territory:")}
    assert not codes & {"EZ", "UN", "QO", "ZZ", "XA", "XB", "EU"} and all(code.isalpha() for code in codes)
    assert len(codes) > 200


def test_no_city_has_the_name_of_a_territory(rows):
    """Else "the time in Guam" would be two facts with one answer each, and each a false negative of the other."""
    places = [row["group_id"].partition(":")[2] for row in rows if row["entity"].startswith("place:")]
    assert "Pacific/Guam" not in places and "Africa/Tunis" not in places and "Europe/Berlin" in places


def test_another_process_makes_the_same_bytes_and_leaves_babel_as_it_was():
    """Hash seed, locale and time zone play no part. Loading a locale without what it inherits would leave it half-empty in
    babel's cache, for everyone in the process."""
    code = (
        "from kit.data.sources import atlas; print(atlas.digest()); from babel import Locale; "
        "print(Locale('de', 'AT').days['format']['wide'][0], Locale('de', 'AT').character_order)"
    )
    changed = {**os.environ, "PYTHONHASHSEED": "12345", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "TZ": "Asia/Tokyo"}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=changed,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert found.stdout.splitlines() == [atlas.digest(), "Montag left-to-right"]


def test_digest_is_the_known_one():
    known = json.loads(Path(atlas.__file__).with_name("hashes.json").read_text(encoding="utf-8"))
    if babel.__version__ not in known:
        pytest.skip(f"no digest is known for babel {babel.__version__}, only for {', '.join(known)}")
    assert atlas.digest() == known[babel.__version__], "the texts changed: if on purpose, put the new digest in hashes.json"


def test_rows_are_copies():
    atlas.rows(["en"])[0]["query"] = "changed"
    assert atlas.rows(["en"])[0]["query"] != "changed"


# Templates


@pytest.mark.parametrize("language", atlas.LANGUAGES)
def test_templates_are_complete_and_say_it_in_two_ways(language):
    templates = wordings.load_templates(language)
    for part in (templates.query, templates.passage):
        assert set(part) == set(facts.DOMAIN_OF) == set(wordings.PLACEHOLDERS)
        assert all(len(wording) >= 2 for wording in part.values())


def test_template_files_are_alike():
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in TEMPLATES.glob("*.json")}
    assert set(files) == set(atlas.LANGUAGES)
    shapes = {
        language: {
            key: [len(value[part]) for part in ("query", "passage")]
            for key, value in content.items()
            if isinstance(value, dict) and "query" in value
        }
        for language, content in files.items()
    }
    assert all(shape == shapes["en"] for shape in shapes.values())


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda raw: raw.pop("first-day"), "key 'first-day' is missing"),
        (lambda raw: raw.update(extra={}), "key 'extra' is unknown"),
        (lambda raw: raw["first-day"]["query"].pop(), "give at least two"),
        (lambda raw: raw["first-day"].pop("passage"), "give at least two"),
        (lambda raw: raw["first-day"]["query"].__setitem__(0, "When does it start?"), r"write each of \['territory'\] once"),
        (lambda raw: raw["first-day"]["passage"].__setitem__(0, "{territory}: {day} {day}"), "once"),
        (lambda raw: raw.update(percent="%"), "key 'percent'"),
    ],
)
def test_a_damaged_template_file_is_refused(damage, message):
    raw = json.loads((TEMPLATES / "en.json").read_text(encoding="utf-8"))
    damage(raw)
    with pytest.raises(ValueError, match=message):
        wordings.checked_templates(raw, "en.json")


def test_a_language_without_templates_is_refused():
    with pytest.raises(ValueError, match="language 'fi': no file"):
        wordings.load_templates("fi")


# Splits


@cache
def ids(split, by, seed=0):
    return set(atlas.corpus(split, by, languages=["en"], seed=seed).group_ids)


@pytest.mark.parametrize("by", atlas.BY)
def test_splits_are_disjoint_and_complete(by, by_fact):
    parts = [ids(split, by) for split in atlas.SPLITS]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(by_fact)
    assert [round(len(part) / len(by_fact), 1) for part in parts] in ([0.8, 0.1, 0.2], [0.7, 0.1, 0.2])


def test_by_fact_every_entity_is_trained_on(by_fact):
    entity = {fact: group["en"]["entity"] for fact, group in by_fact.items()}
    trained = {entity[fact] for fact in ids("train", "fact")}
    assert trained == set(entity.values())


def test_by_fact_every_relation_is_tested(by_fact):
    tested = Counter(by_fact[fact]["en"]["relation"] for fact in ids("test", "fact"))
    assert set(tested) == set(facts.DOMAIN_OF)


def test_by_domain_one_domain_is_the_test(by_fact):
    domains = {split: {by_fact[fact]["en"]["domain"] for fact in ids(split, "domain")} for split in atlas.SPLITS}
    assert domains["test"] == {atlas.HELD_OUT_DOMAIN}
    assert domains["train"] == domains["validation"] == set(facts.DOMAIN_OF.values()) - domains["test"]


def test_by_language_two_languages_are_tested_only():
    assert set(atlas.corpus("train", "language").languages) == set(atlas.LANGUAGES) - {"el", "vi"}
    assert set(atlas.corpus("validation", "language").languages) == set(atlas.LANGUAGES) - {"el", "vi"}
    test = atlas.corpus("test", "language")
    assert test.languages == atlas.LANGUAGES and set(test.group_ids) == ids("test", "fact")


def test_a_fact_stays_when_facts_of_other_entities_come():
    entity_of = {f"fact-{n}": f"entity-{n % 50}" for n in range(400)}
    before = splits.sides(entity_of, seed=3)
    after = splits.sides({**entity_of, **{f"new-{n}": f"new-{n % 9}" for n in range(200)}}, seed=3)
    assert before == {fact: after[fact] for fact in before}
    assert set(before.values()) == set(atlas.SPLITS)


def test_another_seed_is_another_split():
    assert ids("test", "fact", seed=0) != ids("test", "fact", seed=1)


def test_task_asks_test_facts_of_all_sentences_about_their_entities(by_fact):
    task = atlas.task(languages=["de", "en"])
    asked = set(task.queries.column("group_id").to_pylist())
    assert asked == ids("test", "fact")
    about = {by_fact[fact]["en"]["entity"] for fact in asked}
    expected = {
        group[language]["passage"]
        for group in by_fact.values()
        for language in ("de", "en")
        if group["en"]["entity"] in about
    }
    assert set(task.candidates.column("text").to_pylist()) == expected
    assert len(task.candidates) > 3 * len(asked) and len(task.relevance) == 4 * len(asked)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"split": "dev"}, "split 'dev': choose from train, validation, test"),
        ({"by": "entity"}, "by 'entity': choose from fact, domain, language"),
        ({"languages": ["en", "fi"]}, "atlas: no language 'fi': choose from ar, de"),
        ({"languages": []}, "atlas: no language is wanted"),
        ({"languages": "en"}, "atlas: languages 'en' is a text"),
        ({"languages": ["en", "en"]}, "a language twice"),
        ({"split": "train", "by": "language", "languages": ["el"]}, "holds all of them out"),
    ],
)
@pytest.mark.parametrize("function", [atlas.corpus, atlas.task])
def test_bad_arguments_name_themselves(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


def test_rows_refuses_unknown_languages():
    with pytest.raises(ValueError, match="atlas: no language 'fi'"):
        atlas.rows(["fi"])
