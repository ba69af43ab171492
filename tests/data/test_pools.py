"""What stands in a query's pool: never itself, and every text once."""

from __future__ import annotations

import json
import warnings

import pytest

from kit.data.corpus import RetrievalTask
from kit.data.pools import pool_counts, pooled
from kit.data.registry import load_task


def task(queries: str, candidates: str, relevance: str) -> RetrievalTask:
    """A task from lines of id, language and text, and from lines of query, candidate and grade."""
    tables = [
        [line.strip().split(" ", 2) for line in part.strip().splitlines()] for part in (queries, candidates, relevance)
    ]
    fields = (("query_id", "language", "text"), ("candidate_id", "language", "text"), ("query_id", "candidate_id", "grade"))
    rows = [[dict(zip(names, line)) for line in part] for names, part in zip(fields, tables)]
    return RetrievalTask.from_rows("made", *rows[:2], [row | {"grade": int(row["grade"])} for row in rows[2]])


class TestOwnCandidate:
    @pytest.mark.parametrize(
        ("candidate", "expected"),
        [
            ("q de Wer geht?", 1),
            ("q de   Wer\u2003geht? ", 1),  # white space
            ("q de Dritter Titel Wer geht?", 1),  # BEIR's documents have titles, its queries have none
            ("q de Wergeht?", -1),
            ("q de DerWer geht?", -1),
            ("q de Wer geht? Wer?", -1),
            ("q de wer geht?", -1),
            ("q en Wer geht?", -1),
            ("p de Wer geht?", -1),
        ],
    )
    def test_is_known_by_id_language_and_text(self, candidate, expected):
        made = task("q de Wer geht?", f"a de Anne.\n{candidate}\nb en Ann.", "q a 1")
        assert made.own_candidate.tolist() == [expected]

    def test_composition_makes_no_difference(self):
        made = task("q de Schöner?", "q de Scho\u0308ner?\na de Ja.", "q a 1")
        assert made.own_candidate.tolist() == [0]

    def test_what_is_relevant_is_ranked(self):
        made = task("q de Eins.\np de Zwei.", "q de Eins.\np de Zwei.", "q q 1\nq p 1\np q 1")
        assert made.own_candidate.tolist() == [-1, 1]

    def test_queries_of_one_text_share_it(self):
        made = task("p de Eins.\nq de Eins.\nr en Eins.\ns de Eins.", "a de Ja.\nq de Eins.", "p a 1\nq a 1\nr a 1\ns q 1")
        assert made.own_candidate.tolist() == [1, 1, -1, -1]  # r asks in another language, and to s it is the answer

    def test_counts_of_the_pools(self):
        made = task("p de Eins.\nq en One.", "a de Ja.\nq en One.\nb en Yes.\np de Eins.\nc de Nein.", "p a 1\nq c 1")
        assert made.languages == ("de", "en")
        assert pool_counts(made).tolist() == [[2, 2], [3, 1]]

    def test_a_sample_keeps_the_rule(self):
        made = task("p de Eins.\nq de Zwei.", "a de Ja.\nq de Zwei.\np de Eins.", "p a 1\nq a 1").sample(1, 9)
        assert len(made.queries) == 1 and made.own_candidate.tolist() == [
            {"p": 2, "q": 1}[made.queries["query_id"][0].as_py()]
        ]


class TestPooled:
    def test_candidates_of_one_text_are_one_that_is_relevant_where_one_of_them_is(self):
        made = task(
            "p de Eins?\nq de Zwei?",
            "a de Ja ja.\nb de Nein.\nc de Ja  ja.\nd en Ja ja.\ne de Nein.",
            "p c 2\np a 1\nq a 1\nq e 3",
        )
        with pytest.warns(UserWarning) as told:
            found = pooled(made, "here", ("before",))
        assert found.candidates["candidate_id"].to_pylist() == ["a", "b", "d"]
        assert [tuple(row.values()) for row in found.relevance.to_pylist()] == [("p", "a", 2), ("q", "a", 1), ("q", "b", 3)]
        notes = ("before", "2 of 5 candidates repeat the text of another one: one candidate for each text")
        assert found.notes == notes and [str(one.message) for one in told] == [f"here: {note}" for note in notes]
        assert made.notes == () and len(made.candidates) == 5

    def test_of_equal_ones_that_stays_which_is_the_query(self):
        """Else the query would meet its own text under another id."""
        made = task("q de Eins.\nr de Eins.", "a de Eins.\nr de Eins.\nq de Eins.\nb de Ja.", "q b 1\nr b 1")
        with pytest.warns(UserWarning) as told:
            found = pooled(made, "here")
        assert found.candidates["candidate_id"].to_pylist() == ["r", "b"] and found.own_candidate.tolist() == [0, 0]
        assert [str(one.message) for one in told][1] == (
            "here: 2 of 2 queries are candidates themselves: each is ranked without itself"
        )

    def test_a_task_without_such_rows_is_left_alone(self):
        made = task("q de Eins?", "a de Ja.\nb en Ja.", "q a 1")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert pooled(made, "here") is made

    def test_a_folder_of_the_kits_own_form_is_read_so(self, tmp_path):
        task("q de Eins?", "a de Ja.\nq de Eins?\nb de Ja.", "q b 1").write(tmp_path)
        with pytest.warns(UserWarning):
            found = load_task(f"jsonl:{tmp_path}")
        assert found.candidates["candidate_id"].to_pylist() == ["a", "q"] and len(found.notes) == 2

    def test_queries_of_beir_that_are_documents(self, tmp_path):
        """ArguAna: a query is the text of a document, which has a title, too."""
        documents = [{"_id": key, "title": "animals", "text": text} for key, text in zip("abc", ("Yes.", "No.", "No."))]
        queries = [{"_id": "a", "text": "Yes."}, {"_id": "c", "text": "No."}]
        (tmp_path / "qrels").mkdir()
        (tmp_path / "qrels" / "test.tsv").write_text("a\tb\t1\nc\ta\t1\n")
        for name, rows in (("corpus", documents), ("queries", queries)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.warns(UserWarning) as told:
            found = load_task(f"beir:{tmp_path}")
        assert ["themselves" in str(one.message) for one in told] == [False, True]
        assert found.candidates["candidate_id"].to_pylist() == ["a", "c"]  # not b, since c is a query itself
        assert found.own_candidate.tolist() == [0, 1]
        assert found.relevance["candidate_id"].to_pylist() == ["c", "a"]
