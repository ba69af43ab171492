"""The manifest of public sets as it is shipped: complete, pinned or marked, of layouts that find their files in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kit.core.languages import is_tag, language_tag
from kit.data import registry
from kit.data.hub.getting import chosen_languages, files_for
from kit.data.hub.layouts import COLUMNS, layouts
from kit.data.hub.manifest import PINNED, SUMS, Home, at_place, entry, sets

HERE = Path(__file__).resolve().parents[2]
SETS = sets()
WITH_LAYOUT = [name for name, one in SETS.items() if one.layout]
READ_ELSEWHERE = [name for name, one in SETS.items() if one.read_as]

ASKED_FOR = """xquad-r mlqa-r miracl miracl-hard mmarco mmarco-pool natural-questions wikiqa duorc newsqa yahoo-answers
entityquestions mfaq mr-tydi mr-tydi-train squadshifts tydiqa-goldp bucc tatoeba belebele mupler webfaq-bitexts neuclir-2023
beir-scifact beir-nfcorpus beir-fiqa beir-arguana beir-scidocs beir-trec-covid beir-quora beir-nq beir-hotpotqa beir-fever
beir-climate-fever beir-dbpedia beir-touche2020 beir-msmarco medquad policyqa tldr ntrex tico19 scifact"""


def test_what_was_asked_for_is_there():
    assert set(ASKED_FOR.split()) - set(SETS) == set()
    assert len([name for name in SETS if name.startswith("beir-cqadupstack-")]) == 12


@pytest.mark.parametrize("name", SETS)
class TestEveryEntry:
    def test_revisions_are_commits_or_all_checksums_known(self, name):
        loose = {home.name for home in entry(name).homes if home.kind != "https" and not PINNED.fullmatch(home.revision)}
        assert loose <= {"modestyachts/squadshifts-website"}, "40 digits, but for this one, whose checksums are known"
        assert entry(name).not_pinned == []

    def test_languages_are_tags(self, name):
        tags = list(entry(name).languages)
        pairs = [tag for tag in tags if re.fullmatch(r"[a-z]{2,3}-[a-z]{2,3}", tag)]
        assert all(is_tag(tag) for tag in tags if tag not in pairs) and len(pairs) in (0, len(tags))
        halves = [tuple(map(language_tag, pair.split("-"))) for pair in pairs]
        assert len({*halves}) == len(pairs)
        assert chosen_languages(entry(name), tags[-1:]) == tags[-1:]

    def test_who_made_it_and_under_which_licence_is_said(self, name):
        one = entry(name)
        assert len(one.what) < 110 and one.licence and one.citation


class _Roles:
    """In place of the files of a set: which roles a layout asks for, and with which fields."""

    def __init__(self, one, language: str) -> None:
        self.entry, self.language, self.code = one, language, one.languages[language]
        self.split = one.splits[0]
        self.asked: dict[str, set[str]] = {}

    def rows(self, role: str, *fields, optional=()):
        names = {one if isinstance(one, str) else one[0] for one in fields}
        self.asked.setdefault(role, set()).update(names, optional)
        return iter(())


@pytest.mark.parametrize("name", WITH_LAYOUT)
def test_a_layout_finds_its_files_and_columns(name):
    one, layout = entry(name), layouts()[entry(name).layout]
    for language in list(one.languages)[:3]:
        roles = _Roles(one, language)
        for table, rows in layout.tables.items():
            try:
                list(rows(roles))
            except ValueError as error:  # BUCC wants one row
                assert "expected one row of lists" in str(error)
            assert table in COLUMNS
        for split in one.splits:
            assert set(roles.asked) <= set(files_for(one, language, split))
        assert set(one.columns) <= set().union(*roles.asked.values())
        assert set(one.rows) <= set(layout.tables) and set(one.file_rows) <= set(roles.asked)
        heads = [file.head for role, file in files_for(one, language, one.splits[0]).items() if role in roles.asked]
        assert all(
            {"qid", "docid", "rel"} < set(head) or {"id", "text"} == set(head) or "query" in head for head in heads if head
        )
    numbers = [told for told in (*one.rows.values(), *one.file_rows.values()) if isinstance(told, dict)]
    assert all(set(told) <= set(one.languages) for told in numbers)
    assert {language for gone in one.lacking.values() for language in gone} <= set(one.languages)


@pytest.mark.parametrize("name", READ_ELSEWHERE)
def test_a_set_of_another_source_is_one_that_the_source_reads(name):
    one = entry(name)
    for split in one.splits:
        kind, path, _ = registry._parts(one.read_as.replace("{split}", split))
        assert kind in registry.kinds() and (path == one.place or path.startswith(f"{one.place}/"))


def test_every_file_that_a_profile_reads_can_be_got():
    lacking = set()
    for profile in (HERE / "notebooks" / "params").glob("*.yaml"):
        for path in re.findall(r"[a-z0-9]+:(data/[\w./-]+)", profile.read_text(encoding="utf-8")):
            if at_place(HERE / path) is None:
                lacking.add(path)
    assert lacking == {"data/bucc2018"}  # its organisers ask who takes it; hub:bucc has the same sentences


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/xquad-r", "xquad-r"),
        ("data/medquad/medquad.jsonl.gz", "medquad"),
        ("data/mine.jsonl", None),
        ("data", None),
        ("data/hub/mmarco/files", "mmarco"),
        ("data/hub/nothing/files", None),
        ("data/hub", None),
    ],
)
def test_the_set_of_a_place(path, name):
    found = at_place(HERE / path)
    assert (found.id if found else None) == name


def test_checksums_that_others_publish_are_of_sets_and_of_digits():
    sums = yaml.safe_load((HERE / SUMS).read_text(encoding="utf-8"))
    assert set(sums) <= set(SETS)
    for files in sums.values():
        told = [one.get("md5", "") or one["sha256"] for one in files.values()]
        assert all(re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", digest) for digest in told)
    assert len(sums["miracl"]) > 250 and sums["mmarco"]["data/triples.train.ids.small.tsv"]["bytes"] == 905_211_990


class TestRefusals:
    GOOD = "home: hf:me/x@main, layout: pairs, what: w, licence: mit, citation: c"

    @pytest.fixture
    def written(self, tmp_path, monkeypatch):
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "data").mkdir()
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        return lambda text: (tmp_path / "data" / "hub.yaml").write_text(text)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x: {%s, licences: mit}", r"set 'x': 'licences' is unknown: choose from id, what, licence"),
            ("x: {home: hf:me/x@main, layout: pairs, what: w, licence: mit}", "set 'x': citation is missing: say it"),
            ("x: {home: hub:me/x, layout: pairs, what: w, licence: mit, citation: c}", "home is 'hub:me/x': write hf:owner"),
            ("x: {%s, read_as: 'a:data/b'}", "a layout or a source that reads it"),
            ("x: {%s, files: {rows: {path: a, config: b}}}", "a file has a path or a config, one of the two"),
            ("x: {%s}\nx: {%s}", "'x' stands twice"),
            ("x: {", "not YAML"),
            ("- x", "not a table of sets by id"),
            ("X Y: {%s}", "a set has a name in small letters"),
        ],
    )
    def test_a_mistake_names_the_set(self, written, text, message):
        written(text.replace("%s", self.GOOD))
        with pytest.raises(ValueError, match=message):
            sets()

    @pytest.mark.parametrize(("n_known", "is_pinned"), [(2, False), (3, True)])
    def test_checksums_of_all_files_pin_a_home(self, written, tmp_path, n_known, is_pinned):
        files = "files: {rows: {path: '{code}/{split}.json'}}, splits: [dev, train]"
        written(f"x: {{{self.GOOD}, {files}, languages: {{de: deu, en: eng}}, lacking: {{train: [de]}}}}\n")
        known = ["deu/dev.json", "eng/dev.json", "eng/train.json"][:n_known]
        sums = "".join(f"  {name}: {{md5: '0', bytes: 1}}\n" for name in known)
        (tmp_path / "data" / "hub_sums.yaml").write_text(f"x:\n{sums}")
        assert (entry("x").not_pinned == []) == is_pinned

    def test_a_good_one(self, written):
        written(f"_part: &p mit\nx: {{{self.GOOD}}}\n")
        assert sets()["x"].not_pinned == [Home("hf", "me/x", "main")]
        with pytest.raises(ValueError, match=r"no set 'y' in data/hub.yaml: choose from x"):
            entry("y")
