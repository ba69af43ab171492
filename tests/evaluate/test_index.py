"""Ask anything: lists that agree with the search of the kit, shares of languages by hand, versions of answers."""

from __future__ import annotations

import numpy as np
import pytest
from test_results import made_task

from kit.data.corpus import RetrievalTask
from kit.evaluate.evaluator import evaluate
from kit.evaluate.index import Index
from kit.evaluate.search import search
from kit.show.lists import ResultLists


class Made:
    """A model whose embeddings are looked up; a text that it does not know is the first axis."""

    def __init__(self, queries: dict[str, list[float]], passages: dict[str, list[float]]):
        self.known = {"query": queries, "passage": passages}

    def _encode(self, kind, texts):
        return np.array([self.known[kind].get(text, [1.0, 0.0]) for text in texts], np.float32)

    def encode_query(self, texts, **options):
        return self._encode("query", texts)

    def encode_document(self, texts, **options):
        return self._encode("passage", texts)


def task(n_groups=2, languages="de en"):
    """Questions ``0-de?`` and passages ``0-de.``, so that each text is its own."""
    made = made_task(languages, n_groups=n_groups)
    rows = [table.to_pylist() for table in (made.queries, made.candidates, made.relevance)]
    for row in rows[0]:
        row["text"] = row["query_id"][1:] + "?"
    for row in rows[1]:
        row["text"] = row["candidate_id"][1:] + "."
    return RetrievalTask.from_rows("made", *rows)


PASSAGES = {"0-de.": [1, 0], "0-en.": [0.8, 0.6], "1-de.": [0, 1], "1-en.": [-1, 0]}


@pytest.fixture
def index():
    return Index({"made": Made({"0-de?": [1, 0], "1-en?": [0, 1]}, PASSAGES)}, task())


class TestAsk:
    def test_a_known_question_has_its_answers_marked(self, index):
        hits = index.ask("made", "0-de?")
        assert [(hit.rank, hit.text, hit.language, hit.is_answer) for hit in hits] == [
            (1, "0-de.", "de", True),
            (2, "0-en.", "en", True),
            (3, "1-de.", "de", False),
            (4, "1-en.", "en", False),
        ]
        assert [hit.score for hit in hits] == pytest.approx([1, 0.8, 0, -1])

    def test_a_question_that_is_a_candidate_is_no_hit_of_its_own(self):
        made = task()
        itself = {"candidate_id": made.queries["query_id"][0].as_py(), "language": "de", "text": "0-de?"}
        parts = made.queries.to_pylist(), [*made.candidates.to_pylist(), itself], made.relevance.to_pylist()
        index = Index(
            {"made": Made({"0-de?": [1, 0]}, PASSAGES | {"0-de?": [1, 0]})}, RetrievalTask.from_rows("made", *parts)
        )
        assert [hit.text for hit in index.ask("made", "0-de?", k=9)] == ["0-de.", "0-en.", "1-de.", "1-en."]
        assert "0-de?" in [hit.text for hit in index.ask("made", "1-en?", k=9)]
        assert index.shares("made", 4)[0] == pytest.approx([(2 + 3) / 2 / 4, (2 + 1) / 2 / 4])  # 0-de? and 1-de?

    def test_any_other_question_has_none(self, index):
        assert not any(hit.is_answer for hit in index.ask("made", "Something else"))

    def test_one_language_and_a_length(self, index):
        assert [(hit.rank, hit.text) for hit in index.ask("made", "0-de?", k=1, language="en")] == [(1, "0-en.")]

    def test_lists_are_those_of_the_search_with_its_ties(self):
        made = task(n_groups=40, languages="de en fr")
        random = np.random.default_rng(0)
        few = random.integers(-1, 2, size=(9, 4)).astype(float)  # many equal embeddings, so many ties
        texts = made.candidates.column("text").to_pylist()
        passages = {text: few[random.integers(9)].tolist() for text in texts}
        queries = {text: random.normal(size=4).tolist() for text in made.queries.column("text").to_pylist()}
        index = Index({"made": Made(queries, passages)}, made)
        best = search(*index.embeddings["made"], made, k=25).top
        for row, question in enumerate(made.queries.column("text").to_pylist()):
            hits = index.ask("made", question, 25)
            assert [hit.text for hit in hits] == [texts[one] for one in best[row]]
            scores = index.embeddings["made"][0][row] @ index.embeddings["made"][1][best[row]].T
            assert [hit.score for hit in hits] == pytest.approx(scores.tolist(), abs=1e-6)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (("other", "x"), "model 'other' is not there: choose from made"),
            (("made", " "), "the question is empty"),
            (("made", "x", 0), "0 texts are asked for"),
            (("made", "x", 5, "fr"), "language 'fr' is not in made: choose from de, en"),
        ],
    )
    def test_refuses(self, index, arguments, error):
        with pytest.raises(ValueError, match=error):
            index.ask(*arguments)

    def test_refuses_no_model(self):
        with pytest.raises(ValueError, match="models is empty"):
            Index({}, task())


def test_questions_of_a_language_in_the_order_of_the_task(index):
    assert index.questions("de") == ["0-de?", "1-de?"] and len(index.questions()) == 4


class TestPlaces:
    def test_stand_in_the_order_asked_for_with_their_ranks_in_the_whole_list(self, index):
        found = index.places("made", "0-de?", [3, 2])
        assert [(hit.rank, hit.text, hit.is_answer) for hit in found] == [(4, "1-en.", False), (2, "0-en.", True)]
        assert found[1] == index.ask("made", "0-de?", 4)[1]

    def test_what_a_language_lacks_is_left_out(self, index):
        assert [(hit.rank, hit.text) for hit in index.places("made", "0-de?", [0, 2], "en")] == [(1, "0-en.")]

    def test_answers_are_known_of_questions_of_the_task_only(self, index):
        assert (index.answers("0-de?"), index.answers("0-de")) == ({0, 2}, set())


class TestSuggested:
    def test_those_answered_in_most_languages(self):
        made = task(n_groups=3)
        rows = [row for row in made.relevance.to_pylist() if not row["candidate_id"].endswith("1-en")]
        parts = made.queries.to_pylist(), made.candidates.to_pylist(), rows
        index = Index({"made": Made({}, {})}, RetrievalTask.from_rows("made", *parts))
        assert index.suggested("de") == (["0-de?", "2-de?"], 2)
        assert index.suggested() == (["0-de?", "2-de?", "0-en?", "2-en?"], 2)

    def test_the_best_there_are_where_none_is_answered_in_all(self):
        made = task()
        rows = [row for row in made.relevance.to_pylist() if row["candidate_id"].endswith("de")]
        parts = made.queries.to_pylist(), made.candidates.to_pylist(), rows
        assert Index({"made": Made({}, {})}, RetrievalTask.from_rows("made", *parts)).suggested("en") == (
            ["0-en?", "1-en?"],
            1,
        )


class TestBest:
    def test_is_the_model_with_the_highest_precision_in_the_pool(self):
        made = task(n_groups=40, languages="de en fr")
        random, languages = np.random.default_rng(1), len(made.languages)
        point = dict(zip(range(40), random.normal(size=(40, 8))))

        def model(noise: float) -> Made:
            near = lambda text: (point[int(text.split("-")[0])] + noise * random.normal(size=8)).tolist()
            texts = [table.column("text").to_pylist() for table in (made.queries, made.candidates)]
            return Made(*({text: near(text) for text in side} for side in texts))

        models = {"poor": model(3), "good": model(0.1), "fair": model(1)}
        index = Index(models, made)
        precision = {
            name: evaluate(one, made, name).summary()["multilingual"]["average_precision"] for name, one in models.items()
        }
        assert languages == 3 and index.best == max(precision, key=precision.__getitem__) == "good"
        pairs = made.relevant_pairs[:, :2]
        sums = {name: index._precisions(name, pairs) / len(made.queries) for name in models}
        assert sums == pytest.approx(precision)

    def test_of_equals_the_first(self):
        same = Made({}, PASSAGES)
        assert Index({"one": same, "other": same}, task()).best == "one"


class TestShares:
    def test_by_hand(self, index):
        # "0-de?" finds 0-de, 0-en, 1-de, 1-en, and so do unknown questions; "1-en?" finds 1-de, 0-en, then the others.
        assert index.shares("made", 1)[0].tolist() == [1, 0]
        assert index.shares("made", 2)[0].tolist() == [0.5, 0.5]
        assert index.shares("made", 1)[1].tolist() == [1, 0]
        assert index.shares("made", 4).tolist() == [[0.5, 0.5], [0.5, 0.5]]

    def test_refuses_a_longer_list_than_there_are_candidates(self, index):
        with pytest.raises(ValueError, match="k is 5: choose 1 to 4"):
            index.shares("made", 5)


class TestVersions:
    def test_all_versions_of_each_answer(self, index):
        found = index.versions("made", 2)
        assert sorted(zip(found.answers, found.languages)) == [(0, "de"), (0, "en"), (1, "de"), (1, "en")]
        for text, point, answer in zip(found.texts, found.points, found.answers):
            assert point.tolist() == pytest.approx(PASSAGES[text])
            assert {one[0] for one, number in zip(found.texts, found.answers) if number == answer} == {text[0]}

    def test_another_seed_shows_other_answers(self):
        index = Index({"made": Made({}, {})}, task(n_groups=30))
        shown = [frozenset(index.versions("made", 3, seed).texts) for seed in range(5)]
        assert len(set(shown)) > 1 and shown[0] == frozenset(index.versions("made", 3, 0).texts)


class TestResultLists:
    def test_as_text(self, index):
        lines = repr(ResultLists("0-de?", {"made": index.ask("made", "0-de?", 3)})).splitlines()
        assert lines == ["0-de?", "made", "  1 ✓ de  1.000  0-de.", "  2 ✓ en  0.800  0-en.", "  3   de  0.000  1-de."]

    def test_texts_find_their_direction_and_do_nothing(self):
        from kit.evaluate.index import Hit

        hostile = "<script>alert(1)</script>"
        page = ResultLists(hostile, {hostile: [Hit(1, "ar", 0.5, hostile, True)]})._repr_html_()
        assert "<script>" not in page and page.count("&lt;script&gt;") == 3
        assert '<p dir="auto">' in page and '<td dir="auto"' in page
        assert "; versions of the answer: 1 of the first 1<" in page

    def test_what_was_right_stands_below_with_its_rank_by_each_model(self, index):
        right = index.places("made", "0-de?", [2])
        found = ResultLists(
            "0-de?", {"a": index.ask("made", "0-de?", 1)}, "a note", {"a": right, "<b>": right}, "What was right"
        )
        assert repr(found).splitlines() == [
            "0-de?",
            "a note",
            "a",
            "  1 ✓ de  1.000  0-de.",
            "What was right: rank in a, <b>",
            "     2      2 ✓ en  0-en.",
        ]
        page = found._repr_html_()
        assert "<p>a note</p>" in page and "rank in &lt;b&gt;" in page and page.count("0-en.") == 1
