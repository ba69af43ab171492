"""What a typed question names, and whether the pool holds it."""

from __future__ import annotations

import pytest
from test_index import Made

from kit.data.corpus import RetrievalTask
from kit.evaluate.index import Index
from kit.show.asking import Names, what_was_found

TOLD = {
    "en": ("Which currency is used in {}?", "In {} people pay in coins."),
    "ru": ("Какие деньги в стране {}?", "{} — страна, где платят монетами."),
    "zh": ("{}使用什么货币？", "{}使用硬币。"),
}
COUNTRIES = {
    "en": ["Japan", "Benin", "Chad", "Kenya", "Peru"],
    "ru": ["Япония", "Бенин", "Чад", "Кения", "Перу"],
    "zh": ["日本", "贝宁", "乍得", "肯尼亚", "秘鲁"],
}


@pytest.fixture(scope="module")
def index() -> Index:
    texts = [(tag, row, COUNTRIES[tag][row], *TOLD[tag]) for tag in TOLD for row in range(5)]
    queries = [
        {"query_id": f"{row}@{tag}", "group_id": str(row), "language": tag, "text": asked.format(name)}
        for tag, row, name, asked, _ in texts
    ]
    candidates = [
        {"candidate_id": f"{row}@{tag}", "language": tag, "text": said.format(name)} for tag, row, name, _, said in texts
    ]
    relevance = [
        {"query_id": f"{row}@{tag}", "candidate_id": f"{row}@{other}", "grade": 1}
        for row in range(5)
        for tag in TOLD
        for other in TOLD
    ]
    return Index({"made": Made({}, {})}, RetrievalTask.from_rows("made", queries, candidates, relevance))


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("Which money is used in Japan?", {"Japan": ["In Japan people pay in coins."]}),
        ("which money is used in JAPAN", {"JAPAN": ["In Japan people pay in coins."]}),
        ("Which currency is used in Atlantis?", {"Atlantis": []}),
        ("Какие деньги в Японии?", {"Японии": ["Япония — страна, где платят монетами."]}),
        ("Do Peru and Atlantis share one?", {"Peru": ["In Peru people pay in coins."], "Atlantis": []}),
        ("日本用什么钱？", {}),  # no spaces: nothing is said
        ("Which currency is used?", {}),
    ],
)
def test_a_name_is_found_where_the_pool_holds_it(index, question, holds):
    texts = index.task.candidates.column("text").to_pylist()
    assert {word: [texts[row] for row in rows] for word, rows in Names(index).found(question).items()} == holds


def test_without_capitals_each_word_that_no_question_has_may_be_a_name(index):
    assert list(Names(index).found("which coins does peru mint?")) == ["coins", "does", "peru", "mint"]


def test_a_word_in_which_another_begins_is_found_only_if_it_stands_nowhere_itself(index):
    assert Names(index).found("Is Ken a land?") == {"Ken": [3]}  # Kenya
    assert Names(index).found("Is Keny a land?") == {"Keny": [3]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "Not a question of the task, so no answer is marked."),
        ({"Ys": [], "Oz": []}, "None of the 1,500 candidates holds “Ys” or “Oz”: the lists are of what is near."),
        ({"Oz": [1, 2]}, " 2 of 1,500 candidates hold “Oz”."),
        ({"Oz": [1], "Ys": []}, "“Ys”: the lists are of what is near. Only 1 of 1,500 candidates holds “Oz”."),
    ],
)
def test_it_is_said_in_words(found, said):
    assert what_was_found(found, 1500).endswith(said)
