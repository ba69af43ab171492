"""Train–test overlap on texts small enough to count by hand."""

from __future__ import annotations

import pytest

from kit.data.bitext import BitextTask
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.overlaps import N_EXAMPLES, overlap, sentence_overlap
from kit.data.registry import load_corpus, load_task
from kit.data.texts import normalised

TRAINING = ParallelCorpus.from_rows(
    [
        {
            "group_id": "1",
            "language": "en",
            "query": "Who wrote it?",
            "passage": "Ann wrote it.",
            "negatives": ["Carl did."],
        },
        {"group_id": "2", "language": "de", "query": "Wer schrieb es?", "passage": "Die Straße."},
        {"group_id": "3", "language": "en", "query": "Where is it?", "passage": "It is here."},
    ],
    "training",
)


def made_task(texts: list[str], answers: list[str], distractors: list[str] = ()) -> RetrievalTask:
    """Query i has answer i; questions are English, candidates German."""
    return RetrievalTask.from_rows(
        "test",
        [{"query_id": f"q{i}", "language": "en", "text": text} for i, text in enumerate(texts)],
        [{"candidate_id": f"c{i}", "language": "de", "text": text} for i, text in enumerate([*answers, *distractors])],
        [{"query_id": f"q{i}", "candidate_id": f"c{i}"} for i in range(len(texts))],
    )


# Exact: 1 question. After normalisation: 2 questions (case, spaces, mark), 1 answer (ß), 1 distractor (full stop).
MIXED = made_task(
    ["Who wrote it?", "WHERE  is it", "Why?"], ["DIE STRASSE", "Ann wrote.", "Carl did."], ["It is here", "Nowhere."]
)


def test_counts():
    found = overlap(TRAINING, MIXED)
    assert (found.questions.n_texts, found.questions.n_exact, found.questions.n_normalised) == (3, 1, 2)
    assert (found.answers.n_texts, found.answers.n_exact, found.answers.n_normalised) == (3, 0, 1)
    assert (found.distractors.n_texts, found.distractors.n_exact, found.distractors.n_normalised) == (2, 0, 1)


def test_counts_by_language():
    by_language = overlap(TRAINING, MIXED).by_language
    assert by_language["en", "questions"].n_normalised == 2
    assert by_language["de", "questions"].n_texts == 0
    assert by_language["de", "answers"].n_normalised == 1


def test_examples_name_both_sides():
    examples = overlap(TRAINING, MIXED).questions.examples
    found = [(example.identifier, example.group_id, example.exact) for example in examples]
    assert found == [("q0", "1", True), ("q1", "3", False)]
    many = made_task([f"Who wrote it{'?' * i}" for i in range(9)], [f"x{i}" for i in range(9)])
    assert len(overlap(TRAINING, many).questions.examples) == N_EXAMPLES


def test_what_is_printed():
    lines = str(overlap(TRAINING, MIXED)).splitlines()
    assert lines[0].split() == ["part", "of", "test", "texts", "exact", "normalised"]
    assert [line.split() for line in lines[1:4]] == [
        ["questions", "3", "1", "2"],
        ["answers", "3", "0", "1"],
        ["distractors", "2", "0", "1"],
    ]
    assert "  question q1 stands in group 3: WHERE  is it" in lines
    assert lines[-1] == "2 of 3 questions and 1 of 3 answers of test stand in training (after normalisation)."


def test_verdict_of_a_clean_pair():
    clean = made_task(["Why?"], ["Because."], ["It is here."])
    assert overlap(TRAINING, clean).verdict == "No question and no answer of test stands in training."


def test_a_question_that_is_a_passage_does_not_count():
    swapped = made_task(["It is here."], ["Who wrote it?"])
    assert overlap(TRAINING, swapped).questions.n_normalised == 0
    assert overlap(TRAINING, swapped).answers.n_normalised == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Straße!", "STRASSE", True),
        ("ﬁve  km²", "five km2", True),
        ("Ｔｏｋｙｏ", "tokyo", True),
        ("e\u0301te", "éte", True),
        ("été", "ete", False),
        ("की", "का", False),
        ("กา", "กี", False),
        ("1-2", "12", True),
        ("a_b", "ab", True),
        ("?", "!", False),
        ("ΣΑΣ", "σας", True),
    ],
)
def test_normalised(one, other, same):
    assert (normalised(one) == normalised(other)) is same


def test_real_sets(shared_data):
    xquad = load_corpus(f"lareqa:{shared_data / 'xquad-r'}")
    mlqa = load_task(f"lareqa:{shared_data / 'mlqa-r'}")
    assert overlap(xquad, mlqa).verdict == "No question and no answer of mlqa-r stands in xquad-r."
    own = overlap(xquad, load_task(f"lareqa:{shared_data / 'xquad-r'}", languages=["en"]))
    assert own.questions.n_exact == 1190
    assert (own.answers.n_texts, own.answers.n_exact, own.distractors.n_exact) == (787, 787, 0)


class TestSentences:
    ROWS = (
        {"group_id": "1", "language": "en", "query": "A half", "passage": "A half is no whole."},
        {"group_id": "1", "language": "de", "query": "Ein halber", "passage": "Ein halber Satz."},
    )

    def test_both_sides_are_looked_for_in_all_columns_and_languages(self):
        source = ["A half is no whole.", "Another one", "a HALF!"]  # exact; none; normalised, as a query
        target = ["Ein  halber Satz", "A half"]  # normalised; exact, in another language
        sides = [
            [{"sentence_id": f"{tag}{n}", "text": text} for n, text in enumerate(texts)]
            for tag, texts in (("s", source), ("t", target))
        ]
        task = BitextTask.from_rows("mine", "en", "de", *sides, [{"source_id": "s1", "target_id": "t0"}])
        found = sentence_overlap(ParallelCorpus.from_rows(self.ROWS, "corpus"), [task])[0]
        assert (found.n_texts, found.n_exact, found.n_normalised) == (5, 2, 4)
        assert [(one.identifier, one.group_id, one.exact) for one in found.examples] == [
            ("s0", "1", True),
            ("s2", "1", False),
            ("t0", "1", False),
            ("t1", "1", True),
        ]

    def test_each_task_has_its_own_count(self):
        sentences = [[{"sentence_id": "0", "text": text}] for text in ("Fern", "Far")]
        gold = [{"source_id": "0", "target_id": "0"}]
        tasks = [BitextTask.from_rows(name, "de", "en", *sentences, gold) for name in ("a", "b")]
        found = sentence_overlap(ParallelCorpus.from_rows(self.ROWS, "corpus"), tasks)
        assert [(one.n_texts, one.n_normalised, one.examples) for one in found] == [(2, 0, ())] * 2
