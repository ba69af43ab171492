"""The two data shapes, the tables under them and language tags."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from kit.core import tables
from kit.core.languages import is_tag, language_name, language_tag
from kit.data.clusters import passage_clusters, question_numbers
from kit.data.corpus import ParallelCorpus, RetrievalTask

# Groups a and b share the German passage only, c stands alone: clusters {a, b} and {c}.
ROWS = [
    {"group_id": "a", "language": "en", "query": "Who?", "passage": "Ann.", "domain": "x", "negatives": ["Bob."]},
    {"group_id": "a", "language": "de", "query": "Wer?", "passage": "Anne.", "domain": "x"},
    {"group_id": "b", "language": "de", "query": "Welche?", "passage": "Anne.", "domain": "y"},
    {"group_id": "b", "language": "en", "query": "Which?", "passage": "Anna.", "domain": "y"},
    {"group_id": "c", "language": "en", "query": "Where?", "passage": "Here.", "source": "made"},
]
QUERIES = [
    {"query_id": "q1", "group_id": "g", "language": "en", "text": "Who?"},
    {"query_id": "q2", "language": "de", "text": "Wer?"},
]
CANDIDATES = [
    {"candidate_id": "c1", "language": "de", "text": "Anne."},
    {"candidate_id": "c2", "language": "en", "text": "Ann."},
]
RELEVANCE = [
    {"query_id": "q2", "candidate_id": "c1", "grade": 3},
    {"query_id": "q1", "candidate_id": "c2"},
    {"query_id": "q1", "candidate_id": "c1", "grade": 2},
]


def corpus(rows=ROWS) -> ParallelCorpus:
    return ParallelCorpus.from_rows(rows, "made")


def task(queries=QUERIES, candidates=CANDIDATES, relevance=RELEVANCE, **options) -> RetrievalTask:
    return RetrievalTask.from_rows("made", queries, candidates, relevance, **options)


def write_lines(path, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def changed(rows, index, **fields):
    """A copy of rows with some fields of one row changed; ``None`` takes the field out."""
    row = {name: value for name, value in {**rows[index], **fields}.items() if value is not None}
    return [*rows[:index], row, *rows[index + 1 :]]


class TestParallelCorpus:
    def test_what_it_says_of_itself(self):
        made = corpus()
        assert len(made) == 5
        assert made.languages == ("de", "en")
        assert made.group_ids == ("a", "b", "c")
        np.testing.assert_array_equal(made.row_of, [[1, 0], [2, 3], [-1, 4]])
        np.testing.assert_array_equal(made.cluster_of, [0, 0, 1])

    def test_absent_fields_get_their_defaults(self):
        row = corpus([{"group_id": "a", "language": "en", "query": "Q", "passage": "P"}]).table.to_pylist()[0]
        assert row == {
            "group_id": "a",
            "language": "en",
            "query": "Q",
            "passage": "P",
            "cluster_id": "a",
            "domain": "",
            "source": "",
            "negatives": [],
        }

    def test_given_clusters_are_kept(self):
        made = corpus([{**row, "cluster_id": "one"} for row in ROWS])
        np.testing.assert_array_equal(made.cluster_of, [0, 0, 0])

    def test_select(self):
        assert corpus().select(languages=["de"]).group_ids == ("a", "b")
        assert corpus().select(domains=["y", ""]).group_ids == ("b", "c")
        assert len(corpus().select(languages=["en"], group_ids=["a"])) == 1

    def test_select_keeps_clusters_that_only_another_language_joins(self):
        np.testing.assert_array_equal(corpus().select(languages=["en"]).cluster_of, [0, 0, 1])

    @pytest.mark.parametrize(
        ("wanted", "words"),
        [
            ({"languages": ["fr"]}, "no row with language 'fr': choose from 'de', 'en'"),
            ({"domains": ["z"]}, "no row with domain 'z'"),
            ({"group_ids": ["z"]}, "no row with group_id 'z'"),
            ({"domains": ["x"], "group_ids": ["c"]}, "no rows"),
        ],
    )
    def test_select_refuses_what_is_not_there(self, wanted, words):
        with pytest.raises(ValueError, match=words):
            corpus().select(**wanted)

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ([], "made: no rows"),
            (changed(ROWS, 1, query=None), "made, row 2: field 'query' is missing: add it as a text"),
            (changed(ROWS, 1, questoin="?"), "made, row 2: unknown field 'questoin': rename or remove it"),
            (changed(ROWS, 2, passage=3), "made, row 3: field 'passage' is 3: write it as a text"),
            (changed(ROWS, 2, passage="\ud800"), "made, row 3: field 'passage' is .*: write it as a text"),
            (changed(ROWS, 0, negatives="Bob."), "row 1: field 'negatives' is 'Bob.': write it as a list of texts"),
            (changed(ROWS, 0, negatives=[1]), "row 1: field 'negatives' is .1.: write it as a list of texts"),
            (changed(ROWS, 0, query=" \t"), "row 1: field 'query' is empty: write a text or drop the row"),
            (changed(ROWS, 4, passage=""), "row 5: field 'passage' is empty"),
            (changed(ROWS, 4, group_id=""), "row 5: field 'group_id' is empty"),
            (changed(ROWS, 1, language="en"), "row 2: group_id 'a', language 'en' stands already at made, row 1: give"),
            (changed(ROWS, 3, language="English"), "row 4: language 'English' is not known: write a BCP 47 tag"),
            (changed(ROWS, 3, language="EN"), "row 4: language 'EN' is not known"),
            (
                changed(ROWS, 3, cluster_id="k"),
                "row 1: field 'cluster_id' is empty, but other rows have one: give it to all",
            ),
            ([{**row, "cluster_id": str(row["language"])} for row in ROWS], "row 2: cluster_id 'de' differs from 'en'"),
        ],
    )
    def test_refuses(self, rows, words):
        with pytest.raises(ValueError, match=words):
            corpus(rows)


class TestSplit:
    @given(st.dictionaries(st.integers(0, 30), st.integers(0, 12), min_size=1), st.integers(0, 5))
    def test_no_passage_on_both_sides(self, passage_of, seed):
        made = corpus(
            [
                {"group_id": f"g{group}", "language": "en", "query": "Q", "passage": f"p{passage}"}
                for group, passage in passage_of.items()
            ]
        )
        try:
            rest, part = made.split(0.4, seed)
        except ValueError as error:  # with few clusters one side may be empty, which is refused
            assert "no rows" in str(error) and "a split of few" in str(error)
            return
        assert not set(rest.table["passage"].to_pylist()) & set(part.table["passage"].to_pylist())
        assert len(rest) + len(part) == len(made)

    def test_a_cluster_keeps_its_side_when_others_come(self):
        rows = [{"group_id": str(i), "language": "en", "query": "Q", "passage": f"p{i}"} for i in range(400)]
        few, many = corpus(rows[:200]).split(0.25, seed=3)[1], corpus(rows).split(0.25, seed=3)[1]
        assert set(few.group_ids) == {group for group in many.group_ids if int(group) < 200}
        assert 70 <= len(many) <= 130  # 100 of 400 expected, three standard deviations are 26
        assert set(many.group_ids) != set(corpus(rows).split(0.25, seed=4)[1].group_ids)

    @pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
    def test_refuses_a_fraction_that_is_none(self, fraction):
        with pytest.raises(ValueError, match="is not between 0 and 1"):
            corpus().split(fraction)


class TestQuestionNumbers:
    @staticmethod
    def numbers(*rows):
        fields = ("group_id", "language", "query")
        made = corpus([dict(zip(fields, row)) | {"passage": f"p{number}"} for number, row in enumerate(rows)])
        return question_numbers(made.table).tolist()

    def test_groups_that_ask_the_same_in_one_language_ask_one_question(self):
        found = self.numbers(
            ("a", "en", "Who may see my data?"),
            ("b", "en", "Who?"),
            ("c", "en", "who may  see my data"),  # after normalisation
            ("b", "de", "Wer?"),
            ("d", "de", "Wer?"),
            ("e", "fr", "Who?"),  # another language
        )
        assert found == [0, 1, 0, 1, 2]  # a and c; b and d; e

    def test_a_crop_is_known_by_its_passage(self):
        rows = [{"group_id": key, "language": "en", "query": "In the", "passage": f"In the {key}"} for key in "ab"]
        assert question_numbers(corpus(rows).table).tolist() == [0, 1]

    def test_their_passages_stay_two_clusters(self):
        rows = [{"group_id": key, "language": "en", "query": "Who?", "passage": key} for key in "ab"]
        assert corpus(rows).cluster_of.tolist() == [0, 1]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=25))
def test_clusters_are_connected_components(pairs):
    """Against a reading that merges overlapping sets until none overlap."""
    groups, keys = [group for group, _ in pairs], [key for _, key in pairs]
    components = [({group}, {key}) for group, key in pairs]
    merged = True
    while merged:
        merged = False
        for left in range(len(components)):
            for right in range(left + 1, len(components)):
                (a, b), (c, d) = components[left], components[right]
                if a & c or b & d:
                    components[left] = (a | c, b | d)
                    del components[right]
                    merged = True
                    break
            if merged:
                break
    expected = [next(min(members, key=groups.index) for members, _ in components if group in members) for group in groups]
    assert passage_clusters(groups, keys) == expected


class TestRetrievalTask:
    def test_what_it_says_of_itself(self):
        made = task()
        assert made.languages == ("de", "en")
        assert made.queries["group_id"].to_pylist() == ["g", "q2"]  # the default is the query's own id
        np.testing.assert_array_equal(made.query_language, [1, 0])
        np.testing.assert_array_equal(made.candidate_language, [0, 1])
        np.testing.assert_array_equal(made.relevant_pairs, [[0, 0, 2], [0, 1, 1], [1, 0, 3]])

    def test_declared_languages_keep_their_order_and_may_be_empty(self):
        made = task(languages=["en", "fr", "de"])
        assert made.languages == ("en", "fr", "de")
        np.testing.assert_array_equal(made.query_language, [0, 2])

    def test_from_corpus(self):
        made = RetrievalTask.from_corpus(corpus(), "t")
        # a and b share the German passage, so that five rows give four candidates.
        assert made.candidates["candidate_id"].to_pylist() == ["a@en", "a@de", "b@en", "c@en"]
        found = {}
        for row in made.relevance.to_pylist():
            found.setdefault(row["query_id"], set()).add(row["candidate_id"])
        assert found == {
            "a@en": {"a@en", "a@de"},
            "a@de": {"a@en", "a@de"},
            "b@de": {"a@de", "b@en"},
            "b@en": {"a@de", "b@en"},
            "c@en": {"c@en"},
        }

    def test_from_corpus_with_distractors_of_the_same_ids(self):
        other = corpus(
            [
                {"group_id": "c", "language": "en", "query": "Q", "passage": "There."},
                {"group_id": "d", "language": "en", "query": "Q", "passage": "Here."},
            ]
        )
        made = RetrievalTask.from_corpus(corpus(), "t", distractors=other)
        assert made.candidates["text"].to_pylist() == ["Ann.", "Anne.", "Anna.", "Here.", "There."]
        assert len(made.relevance) == 9  # those of the test above

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ({"queries": [], "relevance": []}, "made: no queries"),
            ({"candidates": []}, "made: no candidates"),
            ({"languages": ["en"]}, "made, queries, row 2: language 'de' is not known: declare it, or use one of en"),
            ({"languages": ["en", "de", "en"]}, "name one twice: declare each once"),
            ({"languages": ["en", "de", "German"]}, "language 'German' is not a tag: write a BCP 47 tag"),
            ({"queries": changed(QUERIES, 1, query_id="q1")}, "queries, row 2: query_id 'q1' stands already at .*row 1"),
            ({"queries": changed(QUERIES, 1, text=" ")}, "queries, row 2: field 'text' is empty"),
            (
                {"candidates": changed(CANDIDATES, 1, candidate_id="c1")},
                "candidates, row 2: candidate_id 'c1' stands already",
            ),
            ({"candidates": changed(CANDIDATES, 0, language=None)}, "candidates, row 1: field 'language' is missing"),
            ({"relevance": changed(RELEVANCE, 0, query_id="q9")}, "relevance, row 1: query_id 'q9' is not known: add it"),
            ({"relevance": changed(RELEVANCE, 0, candidate_id="c9")}, "row 1: candidate_id 'c9' is not known: add it"),
            ({"relevance": changed(RELEVANCE, 1, grade=0)}, "relevance, row 2: grade 0 is below 1: leave candidates"),
            ({"relevance": changed(RELEVANCE, 1, grade=1.5)}, "row 2: field 'grade' is 1.5: write it as a whole number"),
            ({"relevance": changed(RELEVANCE, 1, grade=True)}, "field 'grade' is True: write it as a whole number"),
            ({"relevance": changed(RELEVANCE, 1, grade=2**63)}, "relevance, row 2: field 'grade' is"),
            (
                {"relevance": changed(RELEVANCE, 1, candidate_id="c1")},
                "row 3: query_id 'q1', candidate_id 'c1' stands already",
            ),
            ({"relevance": RELEVANCE[1:]}, "queries, row 2: query_id 'q2' is not known: no relevant candidate: add one"),
        ],
    )
    def test_refuses(self, parts, words):
        with pytest.raises(ValueError, match=words):
            task(**parts)


class TestFiles:
    @pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
    def test_corpus_round_trip(self, tmp_path, ending):
        rows = [*ROWS, {"group_id": "d", "language": "zh-Hans", "query": "谁\u2028?", "passage": 'मैं "हूँ"\n'}]
        corpus(rows).write(tmp_path / f"made.v1{ending}")
        back = ParallelCorpus.read(tmp_path / f"made.v1{ending}")
        assert back.name == "made"
        assert back.table.equals(corpus(rows).table)

    @pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
    def test_task_round_trip(self, tmp_path, ending):
        made = task(languages=["en", "fr", "de"])
        made.write(tmp_path / "deep" / "folder", ending)
        back = RetrievalTask.read(tmp_path / "deep" / "folder")
        assert (back.name, back.languages) == ("made", ("en", "fr", "de"))
        for part in ("queries", "candidates", "relevance"):
            assert getattr(back, part).to_pylist() == getattr(made, part).to_pylist()

    def test_reads_gzip(self, tmp_path):
        text = write_lines(tmp_path / "a.jsonl", ROWS).read_bytes()
        (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text))
        assert ParallelCorpus.read(tmp_path / "b.jsonl.gz").table.equals(corpus().table)

    @pytest.mark.parametrize(
        ("second_line", "words"),
        [
            (b'{"group_id": "a"', r"made.jsonl, line 2: not a JSON object \(.*\): write one object a line, in UTF-8"),
            (b'{"group_id": "\xe9"}', "made.jsonl, line 2: not a JSON object .*utf-8"),
            (b'\n{"group_id": "b"}', "made.jsonl, line 2: not a JSON object"),
            (b'{"query": NaN}', r"made.jsonl, line 2: not a JSON object \(NaN is not JSON\)"),
            (b'{"query": -Infinity}', r"made.jsonl, line 2: not a JSON object \(-Infinity is not JSON\)"),
            (b"[" * 100_000, r"made.jsonl, line 2: not a JSON object \(maximum recursion depth"),
            (b'{"query": "\xed\xa0\x80"}', "made.jsonl, line 2: not a JSON object .*utf-8"),
            (
                rb'{"group_id": "b", "negatives": ["\ud83d\ude00", "x\ud83d."]}',
                r"made.jsonl, line 2: not a JSON object \(field 'negatives' is 'x\\ud83d.', which holds half of a surrogate",
            ),
            (rb'{"a\uDC00": 1}', r"made.jsonl, line 2: not a JSON object \(field 'a\\udc00' is"),
            (b"[1]", "made.jsonl, line 2: not a JSON object but"),
            (b'{"group_id": "b", "language": "en", "query": "Q"}', "made.jsonl, line 2: field 'passage' is missing"),
            (b'{"group_id": "b", "language": "en", "query": null, "passage": "P"}', "line 2: field 'query' is missing"),
            (b'{"group_id": "b", "language": "en", "query": "Q", "passage": "P", "x": 1}', "line 2: unknown field 'x'"),
            (
                b'{"group_id": "b", "language": "en", "query": " ", "passage": "P"}',
                "made.jsonl, line 2: field 'query' is empty",
            ),
            (b'{"group_id": "a", "language": "en", "query": "Q", "passage": "P"}', "line 2: .* stands already at .*line 1"),
            (b'{"group_id": "b", "language": "e", "query": "Q", "passage": "P"}', "made.jsonl, line 2: language 'e'"),
        ],
    )
    def test_a_fault_is_named_by_file_and_line(self, tmp_path, second_line, words):
        path = tmp_path / "made.jsonl"
        path.write_bytes(json.dumps(ROWS[0]).encode() + b"\n" + second_line + b"\n")
        with pytest.raises(ValueError, match=words):
            ParallelCorpus.read(path)

    def test_lines_end_at_a_line_feed_and_blank_ones_may_follow_the_last(self, tmp_path):
        rows = [ROWS[0] | {"query": "a\u2028b\x85c\x0bd"}, ROWS[1]]
        text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\r\n \n"
        (tmp_path / "made.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())  # and a byte order mark
        assert ParallelCorpus.read(tmp_path / "made.jsonl").table.equals(corpus(rows).table)

    @pytest.mark.parametrize("content", [b"", b"\n \n"])
    def test_an_empty_file_is_named(self, tmp_path, content):
        task().write(tmp_path)
        (tmp_path / "candidates.jsonl").write_bytes(content)
        with pytest.raises(ValueError, match=r"candidates.jsonl: no line with an object: the file is empty"):
            RetrievalTask.read(tmp_path)

    def test_a_fault_of_a_task_is_named_by_file_and_line(self, tmp_path):
        task().write(tmp_path)
        write_lines(tmp_path / "relevance.jsonl", changed(RELEVANCE, 2, grade=0))
        with pytest.raises(ValueError, match=r"relevance.jsonl, line 3: grade 0 is below 1"):
            RetrievalTask.read(tmp_path)

    @pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}\n" * 99, mtime=0)[:-9]])
    def test_broken_gzip(self, tmp_path, content):
        (tmp_path / "a.jsonl.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"a.jsonl.gz: not a whole gzip file .*: download or write it again"):
            list(tables.json_lines(tmp_path / "a.jsonl.gz"))

    @pytest.mark.parametrize(
        ("name", "words"),
        [("absent.jsonl", "no such file: give the path"), ("a.csv", "unknown ending: use .jsonl, .jsonl.gz or .parquet")],
    )
    def test_wrong_path(self, tmp_path, name, words):
        (tmp_path / "a.csv").write_text("x")
        with pytest.raises(ValueError, match=words):
            ParallelCorpus.read(tmp_path / name)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda table: table.drop_columns("query"), "made.parquet: column 'query' is missing: add it as a text"),
            (
                lambda table: table.append_column("x", table["query"]),
                "made.parquet: unknown column 'x': rename or remove it",
            ),
            (lambda table: table.set_column(2, "query", pa.array([b"\xff"] * 5)), "column 'query' is binary: write it"),
            (
                lambda table: table.set_column(2, "query", pa.array(["Q", None, "Q", "Q", "Q"])),
                "row 2: column 'query' has no value",
            ),
            (
                lambda table: table.set_column(7, "negatives", pa.array([[], [], ["x", None], [], []])),
                "row 3: column 'negatives' has no value",
            ),
            (
                lambda table: table.set_column(2, "query", pa.array(["Q", "Q", "Q", "Q", " "])),
                "row 5: field 'query' is empty",
            ),
        ],
    )
    def test_a_fault_of_a_parquet_file_is_named(self, tmp_path, change, words):
        pq.write_table(change(corpus().table), tmp_path / "made.parquet")
        with pytest.raises(ValueError, match=words):
            ParallelCorpus.read(tmp_path / "made.parquet")

    @pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
    def test_a_parquet_file_that_is_cut_off(self, tmp_path, share):
        path = tmp_path / "made.parquet"
        corpus().write(path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(ValueError, match=r"made.parquet: not a readable Parquet file"):
            ParallelCorpus.read(path)

    def test_a_parquet_file_with_broken_pages(self, tmp_path):
        """Every byte of the data changed, one at a time: an error that names the file, or a text that is another one."""
        path = tmp_path / "made.parquet"
        corpus().write(path)
        whole, n_refused = path.read_bytes(), 0
        for place in range(0, len(whole), 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            try:
                ParallelCorpus.read(path)
            except ValueError as error:
                assert "made" in str(error)
                n_refused += 1
        assert n_refused

    def test_a_parquet_text_that_is_not_utf_8(self, tmp_path):
        texts = pa.array([b"Q", b"\xff", b"Q", b"Q", b"Q"]).view(pa.string())
        pq.write_table(corpus().table.set_column(2, "query", texts), tmp_path / "made.parquet")
        with pytest.raises(ValueError, match=r"made.parquet: column 'query' is broken \(.*index 1\): write it again"):
            ParallelCorpus.read(tmp_path / "made.parquet")

    def test_a_parquet_file_without_rows(self, tmp_path):
        pq.write_table(corpus().table.slice(0, 0), tmp_path / "made.parquet")
        with pytest.raises(ValueError, match=r"made.parquet: no row: the file is empty"):
            ParallelCorpus.read(tmp_path / "made.parquet")

    def test_parquet_columns_may_have_another_order_and_type(self, tmp_path):
        table = corpus().table
        table = table.select(["passage", "query", "language", "group_id"]).set_column(
            1, "query", table["query"].cast(pa.large_string())
        )
        pq.write_table(table, tmp_path / "made.parquet")
        back = ParallelCorpus.read(tmp_path / "made.parquet")
        assert back.table["query"].to_pylist() == corpus().table["query"].to_pylist()
        assert back.table.column_names == corpus().table.column_names

    @pytest.mark.parametrize(
        "settings",
        [
            "",
            "[1]",
            '{"name": "m"}',
            '{"name": "m", "languages": "de"}',
            '{"name": "m", "languages": []}',
            '{"name": 1, "languages": ["de"]}',
            '{"name": "\\ud800", "languages": ["de"]}',
            "[" * 100_000,
        ],
    )
    def test_malformed_settings_of_a_task(self, tmp_path, settings):
        task().write(tmp_path)
        (tmp_path / "task.json").write_text(settings)
        with pytest.raises(ValueError, match=r"task.json: not of the form .* write it so"):
            RetrievalTask.read(tmp_path)

    @pytest.mark.parametrize(
        ("languages", "words"),
        [
            (["de", "en", "German"], r"task.json: language 'German' is not a tag: write"),
            (["de", "en", "de"], r"task.json: languages .* name one twice"),
        ],
    )
    def test_languages_that_are_none_are_named_by_the_file(self, tmp_path, languages, words):
        task().write(tmp_path)
        (tmp_path / "task.json").write_text(json.dumps({"name": "made", "languages": languages}))
        with pytest.raises(ValueError, match=words):
            RetrievalTask.read(tmp_path)

    def test_absent_and_doubled_parts_of_a_task(self, tmp_path):
        with pytest.raises(ValueError, match=r"task.json: no such file"):
            RetrievalTask.read(tmp_path)
        task().write(tmp_path)
        task().write(tmp_path, ".parquet")
        with pytest.raises(ValueError, match="2 files for 'queries': keep one of"):
            RetrievalTask.read(tmp_path)

    @pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
    def test_a_write_that_fails_leaves_the_old_file_whole(self, tmp_path, monkeypatch, ending):
        path = tmp_path / f"made{ending}"
        corpus(ROWS[:1]).write(path)
        before = path.read_bytes()

        def fail(*arguments, **options):
            raise OSError("disk full")

        monkeypatch.setattr(tables.json, "dumps", fail)
        monkeypatch.setattr(tables.pq, "write_table", fail)
        with pytest.raises(OSError, match="disk full"):
            corpus().write(path)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_refuses_to_write_another_ending(self, tmp_path):
        with pytest.raises(ValueError, match=r"unknown ending: use .jsonl or .parquet"):
            corpus().write(tmp_path / "made.csv")


class TestLanguages:
    @pytest.mark.parametrize(
        ("code", "tag"),
        [
            ("deu", "de"),
            ("German", "de"),
            (" german ", "de"),
            ("pt_BR", "pt-BR"),
            ("zho_Hans", "zh-Hans"),
            ("cmn", "zh"),
            ("arb", "ar"),
            ("fas", "fa"),
            ("ajp", "ajp"),  # two of FLORES that CLDR takes for one
            ("apc", "apc"),
            ("zh-hans-cn", "zh-Hans-CN"),
            ("en", "en"),
            ("es-419", "es-419"),
            ("dtp", "dtp"),
            ("bengali", "bn"),
            ("Swahili", "sw"),
        ],
    )
    def test_tag(self, code, tag):
        assert language_tag(code) == tag
        assert is_tag(tag)

    @pytest.mark.parametrize("code", ["", "e", "123", "Klingonese", "en-US-x-private"])
    def test_refuses(self, code):
        with pytest.raises(ValueError, match="is not a language tag: write a BCP 47 tag"):
            language_tag(code)

    @pytest.mark.parametrize("text", ["EN", "en_US", "en-us", "english", "", "en "])
    def test_what_is_no_tag(self, text):
        assert not is_tag(text)

    def test_name(self):
        assert language_name("el") == "Greek"
        assert language_name("pt-BR") == "Brazilian Portuguese"
        assert language_name("dtp-XX") == "dtp-XX"
