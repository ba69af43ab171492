"""Parallel sentences as training data: whole and half queries, languages, malformed files."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings, strategies as st

from kit.data.registry import checksums, load_bitext, load_corpus, load_task
from kit.data.sources.sentences import corpus, half, parallel_rows

ROWS = [
    {"id": "1", "texts": {"deu": "Guten Tag, liebe Welt", "en": "Good day, dear world", "th": "สวัสดี"}},
    {"id": "2", "texts": {"deu": "Nein", "en": " "}},
    {"id": "3", "texts": {"th": "ลาก่อน"}},
]


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "mine.jsonl.gz"
    with gzip.open(made, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    return made


class TestCorpus:
    def test_a_group_is_a_sentence_in_all_its_languages(self, path):
        made = corpus(path)
        rows = [(row["group_id"], row["language"], row["query"], row["passage"]) for row in made.table.to_pylist()]
        assert rows == [
            ("1", "de", *["Guten Tag, liebe Welt"] * 2),
            ("1", "en", *["Good day, dear world"] * 2),
            ("1", "th", *["สวัสดี"] * 2),
            ("2", "de", *["Nein"] * 2),  # its English side is blank
            ("3", "th", *["ลาก่อน"] * 2),
        ]
        assert made.name == "mine" and set(made.table.column("source").to_pylist()) == {"mine"}

    def test_a_half_asks_for_the_whole(self, path):
        made = corpus(path, languages=["de", "th"], query="half")
        assert made.table.column("query").to_pylist() == ["Guten Tag,", "สวั", "Nein", "ลาก"]
        assert made.table.column("passage").to_pylist()[0] == "Guten Tag, liebe Welt"

    def test_sentences_without_a_wanted_language_are_left_out(self, path):
        assert corpus(path, languages=["en"]).group_ids == ("1",)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"query": "third"}, "query is 'third': choose whole or half"),
            ({"languages": ["de", "fr"]}, "no language 'fr': choose from de, en, th"),
        ],
    )
    def test_wrong_options_are_refused(self, path, options, error):
        with pytest.raises(ValueError, match=error):
            corpus(path, **options)

    @pytest.mark.parametrize(("asked", "tags"), [("deu,English", ("de", "en")), ("tha", ("th",))])
    def test_languages_by_the_codes_of_the_file_and_by_name(self, path, asked, tags):
        assert load_corpus(f"sentences:{path}?languages={asked}").languages == tags

    def test_codes_of_two_languages_stay_two(self, tmp_path):
        made = tmp_path / "codes.jsonl"
        made.write_text(json.dumps({"id": "1", "texts": {"eng": "Dry.", "fas": "Iran", "prs": "Kabul"}}), encoding="utf-8")
        assert load_corpus(f"sentences:{made}").languages == ("en", "fa", "prs")
        for code, text in (("fas", "Iran"), ("prs", "Kabul")):
            mined = load_bitext(f"ntrex:{made}?source={code}&target=eng&distractors=0")
            assert (mined.source_language, mined.texts("source")) == ({"fas": "fa", "prs": "prs"}[code], [text])

    def test_as_a_source(self, path):
        spec = f"sentences:{path}?query=half&languages=de,en"
        made = load_corpus(spec)
        assert made.languages == ("de", "en") and made.table.column("query").to_pylist()[1] == "Good day,"
        assert len(checksums([spec])[spec]) == 64
        with pytest.raises(ValueError, match="sentences is no task"):
            load_task(spec)

    def test_ntrex(self, shared_data):
        made = corpus(shared_data / "ntrex" / "ntrex.jsonl.gz", languages=["en", "sw"], query="half")
        assert (len(made.group_ids), made.languages) == (1997, ("en", "sw"))
        first = made.table.to_pylist()[0]
        assert first["passage"].startswith(first["query"]) and first["passage"] != first["query"]


class TestRows:
    def test_lines_ids_and_tags(self, path):
        assert [(line, name, sorted(texts)) for line, name, texts in parallel_rows(path)] == [
            (1, "1", ["de", "en", "th"]),
            (2, "2", ["de", "en"]),
            (3, "3", ["th"]),
        ]

    @pytest.mark.parametrize(
        ("row", "error"),
        [
            ({"texts": {"de": "a"}}, "line 4: not of the form"),
            ({"id": "", "texts": {"de": "a"}}, "line 4: not of the form"),
            ({"id": "4", "texts": ["a"]}, "line 4: not of the form"),
            ({"id": "4", "texts": {"de": 1}}, "line 4: not of the form"),
            ({"id": "1", "texts": {"de": "a"}}, "line 4: id '1' stands already in line 1"),
            ({"id": "4", "texts": {"no tag": "a"}}, "line 4: language 'no tag' is not a language tag"),
            ({"id": "4", "texts": {"de": "a", "deu": "b"}}, "line 4: 'de' and 'deu' are both language 'de': keep one"),
        ],
    )
    def test_a_malformed_row_is_named(self, tmp_path, row, error):
        made = tmp_path / "mine.jsonl"
        made.write_text("".join(json.dumps(one) + "\n" for one in [*ROWS, row]), encoding="utf-8")
        with pytest.raises(ValueError, match=error):
            parallel_rows(made)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ValueError, match="no such file: give the path"):
            parallel_rows(tmp_path / "none.jsonl")


class TestHalf:
    @pytest.mark.parametrize(
        ("text", "language", "expected"),
        [
            ("one two three", "en", "one two"),
            ("  one \t two ", "en", "one"),
            ("one", "en", "one"),
            ("曼谷是首都", "zh", "曼谷是"),
            ("曼谷是首都", "zh-Hant", "曼谷是"),
            ("", "en", ""),
        ],
    )
    def test_by_hand(self, text, language, expected):
        assert half(text, language) == expected

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.text(min_size=1), st.sampled_from(["en", "th"]))
    def test_it_begins_the_text_and_is_half_of_it(self, text, language):
        found = half(text, language)
        if language == "th":
            assert text.startswith(found) and len(found) == (len(text) + 1) // 2
        else:
            assert text.split()[: len(found.split())] == found.split()
            assert len(found.split()) == (len(text.split()) + 1) // 2
