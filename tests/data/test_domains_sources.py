"""Sources of other domains: MedQuAD, tldr-pages, PolicyQA, subjects of Atlas; small files of the true form, real counts."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import ClassVar

import numpy as np
import pytest

from kit.core.seeding import stable_fraction
from kit.data.registry import load_corpus, load_task
from kit.data.sources import medquad, tldr
from kit.data.sources.atlas import rows as atlas_rows

TOPICS = [f"disease {number}" for number in range(40)]


def write_lines(path, rows):
    """One JSON object a line; a text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def medical(topic: str, number: int = 0, **changes) -> dict:
    return {
        "query": f"What are the symptoms of {topic} ({number})?",
        "passage": f"Signs of {topic}: number {number}.",
        "language": "en",
        "domain": "medical",
        "topic": topic,
        "group_id": f"medquad-page/{number}",
    } | changes


def page(name: str, *languages: str, **changes) -> dict:
    return {
        "group_id": f"tldr-common/{name}",
        "domain": "technical",
        "source": "tldr",
        "queries": {tag: f"What {name} does ({tag})." for tag in languages},
        "passages": {tag: f"- Use it ({tag}):\n`{name} {{{{file}}}}`" for tag in languages},
    } | changes


def column(corpus, name):
    return corpus.table.column(name).to_pylist()


class TestMedQuad:
    @pytest.fixture(params=["medquad.jsonl", "medquad.jsonl.gz"])
    def path(self, request, tmp_path):
        return write_lines(tmp_path / request.param, [medical(topic, number) for topic in TOPICS for number in range(3)])

    def test_a_row_says_what_the_line_says(self, tmp_path):
        made = medquad.corpus(write_lines(tmp_path / "m.jsonl", [medical("gout", 7)]), "all")
        (row,) = made.table.to_pylist()
        assert row["query"] == "What are the symptoms of gout (7)?" and row["passage"] == "Signs of gout: number 7."
        assert (row["language"], row["domain"], row["source"]) == ("en", "medical", "medquad")

    def test_a_topic_is_on_one_side(self, path):
        train, test = (Counter(map(self._topic, column(medquad.corpus(path, part), "query"))) for part in ("train", "test"))
        assert set(train) | set(test) == set(TOPICS) and not set(train) & set(test)
        assert set(train.values()) | set(test.values()) == {3}, "all questions of a topic go with it"
        assert set(test) == {topic for topic in TOPICS if stable_fraction(topic) < medquad.TEST_SHARE}

    @staticmethod
    def _topic(query: str) -> str:
        return query.removeprefix("What are the symptoms of ").rpartition(" (")[0]

    def test_the_parts_are_the_whole(self, path):
        parts = [medquad.corpus(path, part) for part in ("train", "test", "all")]
        assert [made.name for made in parts] == ["medquad-train", "medquad-test", "medquad-all"]
        together = [row for made in parts[:2] for row in made.table.select(["query", "passage"]).to_pylist()]
        whole = parts[2].table.select(["query", "passage"]).to_pylist()
        assert sorted(map(str, together)) == sorted(map(str, whole))

    def test_a_topic_stays_when_others_go(self, path, tmp_path):
        fewer = write_lines(tmp_path / "few.jsonl", [medical(topic) for topic in TOPICS[::2]])
        tested = {self._topic(query) for query in column(medquad.corpus(path, "test"), "query")}
        assert {self._topic(query) for query in column(medquad.corpus(fewer, "test"), "query")} == tested & set(TOPICS[::2])

    def test_an_id_may_stand_on_several_lines(self, tmp_path):
        path = write_lines(tmp_path / "m.jsonl", [medical("gout"), medical("flu"), medical("gout", passage="Another.")])
        made = medquad.corpus(path, "all")
        assert made.group_ids == ("medquad-page/0:1", "medquad-page/0:2", "medquad-page/0:3")

    def test_equal_answers_are_one_passage(self, tmp_path):
        rows = [medical("gout", number, passage="See a doctor.") for number in range(2)] + [medical("flu")]
        path = write_lines(tmp_path / "m.jsonl", rows)
        assert medquad.corpus(path, "all").cluster_of.tolist() == [0, 0, 1]
        assert len(medquad.task(path, "all").candidates) == 2

    def test_the_task_asks_the_test_topics(self, path):
        asked = medquad.task(path)
        assert asked.queries.column("text").to_pylist() == column(medquad.corpus(path, "test"), "query")
        assert asked.name == "medquad-test" and asked.languages == ("en",)

    @pytest.mark.parametrize("field", ["group_id", "query", "passage", "language", "domain", "topic"])
    @pytest.mark.parametrize("fault", [None, 3, "missing"])
    def test_a_bad_field_is_named_with_its_line(self, tmp_path, field, fault):
        bad = medical("flu") | {field: fault}
        if fault == "missing":
            del bad[field]
        path = write_lines(tmp_path / "m.jsonl", [medical("gout"), bad])
        with pytest.raises(ValueError, match=rf"m\.jsonl, line 2: field '{field}' is (None|3): write a text"):
            medquad.corpus(path, "all")

    @pytest.mark.parametrize(("field", "value"), [("query", " "), ("passage", ""), ("language", "Klingonese")])
    def test_a_bad_text_or_language_is_named_with_its_line(self, tmp_path, field, value):
        path = write_lines(tmp_path / "m.jsonl", [medical("gout"), medical("flu") | {field: value}])
        with pytest.raises(ValueError, match=rf"m\.jsonl, line 2.*{field}"):
            medquad.corpus(path, "all")

    def test_a_line_that_is_no_json_is_named(self, tmp_path):
        path = write_lines(tmp_path / "m.jsonl", [medical("gout"), medical("flu"), "{half"])
        with pytest.raises(ValueError, match=r"m\.jsonl, line 3"):
            medquad.corpus(path)

    def test_wrong_calls(self, tmp_path):
        with pytest.raises(ValueError, match="part is 'dev': choose train, test or all"):
            medquad.corpus(tmp_path, "dev")
        with pytest.raises(ValueError, match=r"no\.jsonl: no such file"):
            medquad.corpus(tmp_path / "no.jsonl")

    def test_as_a_source(self, path):
        assert load_corpus(f"medquad:{path}?part=test").table.equals(medquad.corpus(path, "test").table)
        assert load_task(f"medquad:{path}").name == "medquad-test"


class TestTldr:
    NAMES: ClassVar = [f"command{number}" for number in range(30)]

    @pytest.fixture
    def path(self, tmp_path):
        rows = [page(name, "en", "pt_BR", *(["de"] if number % 2 else [])) for number, name in enumerate(self.NAMES)]
        return write_lines(tmp_path / "tldr.jsonl.gz", rows)

    def test_languages_are_tags(self, path):
        assert tldr.corpus(path).languages == ("de", "en", "pt-BR")
        assert tldr.task(path, languages=["pt-BR"]).languages == ("pt-BR",)
        assert load_corpus(f"tldr:{path}?languages=pt_BR,deu,English").languages == ("de", "en", "pt-BR")

    def test_a_row_says_what_the_page_says(self, tmp_path):
        made = tldr.corpus(write_lines(tmp_path / "t.jsonl", [page("ls", "en", "de")]), "all")
        assert [row["query"] for row in made.table.to_pylist()] == ["What ls does (en).", "What ls does (de)."]
        assert column(made, "passage")[1] == "- Use it (de):\n`ls {{file}}`"
        assert made.group_ids == ("tldr-common/ls",) and set(column(made, "domain")) == {"technical"}

    def test_a_page_is_on_one_side_in_all_languages(self, path):
        train, test = (tldr.corpus(path, part) for part in ("train", "test"))
        assert not set(train.group_ids) & set(test.group_ids)
        assert {*train.group_ids, *test.group_ids} == {f"tldr-common/{name}" for name in self.NAMES}
        assert len(train) + len(test) == len(tldr.corpus(path, "all")) == 30 * 2 + 15
        pages = tldr.corpus(path, "all").group_ids
        assert set(test.group_ids) == {page for page in pages if stable_fraction(f"tldr {page}") < tldr.TEST_SHARE}

    @pytest.mark.parametrize("share", [0.1, 0.3])
    def test_a_part_of_the_training_part_can_be_held_out(self, path, share):
        """The split of a corpus hashes the same ids: with the same hash it would find none of the lowest."""
        rest, held_out = tldr.corpus(path).split(share)
        assert len(rest) and len(held_out)

    def test_one_language_has_the_same_split(self, path):
        whole, alone = tldr.corpus(path), tldr.corpus(path, languages=["de"])
        assert alone.languages == ("de",)
        assert set(alone.group_ids) == set(np.array(whole.group_ids)[whole.row_of[:, whole.languages.index("de")] >= 0])

    def test_the_task_has_an_answer_in_each_language_of_the_page(self, path):
        asked = tldr.task(path)
        n_languages = (tldr.corpus(path, "test").row_of >= 0).sum(axis=1)
        assert len(asked.relevance) == (n_languages**2).sum()

    @pytest.mark.parametrize(
        "bad",
        [
            page("cd", "en") | {"passages": {"de": "x"}},  # other languages
            page("cd", "en") | {"queries": {}, "passages": {}},
            page("cd", "en") | {"queries": ["en"]},
            page("cd", "en") | {"group_id": 3},
            {"group_id": "tldr-common/cd"},
        ],
    )
    def test_a_page_of_another_form_is_named_with_its_line(self, tmp_path, bad):
        path = write_lines(tmp_path / "t.jsonl", [page("ls", "en"), bad])
        with pytest.raises(ValueError, match=r"t\.jsonl, line 2: not of the form {group_id, queries: {language: text}"):
            tldr.corpus(path, "all")

    @pytest.mark.parametrize(
        ("bad", "complaint"),
        [
            (page("cd", "en") | {"queries": {"en": " "}}, r"query .*empty|empty"),
            (page("cd", "en") | {"passages": {"en": None}}, "passage"),
            (page("cd", "Klingonese"), "language 'Klingonese' is not a language tag"),
        ],
    )
    def test_a_bad_text_or_language_is_named_with_its_line(self, tmp_path, bad, complaint):
        path = write_lines(tmp_path / "t.jsonl", [page("ls", "en", "de"), bad])
        with pytest.raises(ValueError, match=rf"t\.jsonl, line 2.*{complaint}"):
            tldr.corpus(path, "all")

    def test_a_line_that_is_no_json_is_named(self, tmp_path):
        with pytest.raises(ValueError, match=r"t\.jsonl, line 1"):
            tldr.corpus(write_lines(tmp_path / "t.jsonl", ["[1"]))

    @pytest.mark.parametrize(
        ("rows", "complaint"),
        [
            ([page("ls", "en"), page("ls", "en")], "group_id 'tldr-common/ls', language .* stands already at"),
            ([page("ls", "pt_BR", "pt-BR")], r"t\.jsonl, line 1: 'pt_BR' and 'pt-BR' are both language 'pt-BR'"),
        ],
    )
    def test_a_page_twice_in_a_language_is_refused(self, tmp_path, rows, complaint):
        with pytest.raises(ValueError, match=complaint):
            tldr.corpus(write_lines(tmp_path / "t.jsonl", rows), "all")

    def test_wrong_calls(self, path):
        with pytest.raises(ValueError, match="part is 'dev': choose train, test or all"):
            tldr.corpus(path, "dev")
        with pytest.raises(ValueError, match="no language 'xx': choose from de, en, pt-BR"):
            tldr.corpus(path, languages=["xx"])
        with pytest.raises(ValueError, match="no such file"):
            tldr.corpus(path.parent / "no.jsonl")

    def test_as_a_source(self, path):
        assert load_corpus(f"tldr:{path}?part=all&languages=de,en").languages == ("de", "en")


class TestAtlas:
    DOMAIN_OF: ClassVar = {row["group_id"]: row["domain"] for row in atlas_rows(["en"])}

    def test_the_corpus_has_these_domains_only(self):
        made = load_corpus("atlas?domains=calendar,writing&languages=en,th")
        assert set(column(made, "domain")) == {"calendar", "writing"} and made.languages == ("en", "th")
        assert {self.DOMAIN_OF[group] for group in made.group_ids} == {"calendar", "writing"}
        assert made.name == "atlas-train-by-fact-calendar-writing"

    @pytest.mark.parametrize("split", ["train", "validation", "test"])
    def test_the_domains_are_the_whole(self, split):
        whole = set(load_corpus("atlas", split=split, languages=["en"]).group_ids)
        parts = [
            set(load_corpus("atlas", split=split, languages=["en"], domains=[domain]).group_ids)
            for domain in ("calendar", "currency", "geography", "language", "writing")
        ]
        assert sum(map(len, parts)) == len(whole) and set.union(*parts) == whole

    def test_the_task_asks_about_these_domains_only(self):
        asked = load_task("atlas?domains=calendar&languages=de,en")
        groups = set(asked.queries.column("group_id").to_pylist())
        assert groups == set(load_corpus("atlas?domains=calendar&languages=en", split="test").group_ids)
        assert {self.DOMAIN_OF[group] for group in groups} == {"calendar"}
        domains = {self.DOMAIN_OF[key.partition("@")[0]] for key in asked.candidates.column("candidate_id").to_pylist()}
        assert domains > {"calendar"}, "what else is said about the same entities is there to distract"

    @pytest.mark.parametrize("load", [load_corpus, load_task])
    def test_an_unknown_domain_is_refused(self, load):
        with pytest.raises(ValueError, match="no row with domain 'sport': choose from 'calendar', 'currency', 'geography'"):
            load("atlas?domains=calendar,sport")


class TestRealSets:
    """Counts on the sets as they are published, and what a study of domains needs of them."""

    def test_medquad(self, shared_data):
        path = shared_data / "medquad" / "medquad.jsonl.gz"
        train, test = (medquad.corpus(path, part) for part in ("train", "test"))
        assert (len(train), len(test)) == (14_871, 1_536) and train.languages == ("en",)
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            topics = {f"{row['group_id']}:{line}": row["topic"] for line, row in enumerate(map(json.loads, stream), start=1)}
        assert not {topics[group] for group in train.group_ids} & {topics[group] for group in test.group_ids}

    def test_tldr(self, shared_data):
        path = shared_data / "tldr" / "tldr.jsonl.gz"
        train, test = (tldr.corpus(path, part) for part in ("train", "test"))
        assert (len(train.group_ids), len(test.group_ids)) == (556, 801 - 556)
        assert "pt-BR" in train.languages and len(train.languages) == 17
        assert Counter(column(train, "language"))["en"] == 555, "a page of 801 is not in English"

    def test_policyqa(self, shared_data):
        asked = load_task(f"squad:{shared_data}/policyqa/test.json?language=en")
        assert (len(asked.queries), len(asked.candidates)) == (4_152, 497)
        made = load_corpus(f"squad:{shared_data}/policyqa/dev.json?language=en&domain=legal")
        assert len(made) == 3_809 and set(column(made, "domain")) == {"legal"}
