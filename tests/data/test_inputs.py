"""What a model reads of a text: prompts by any name, limits, what is cut."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.inputs import cut_of_corpora, cut_of_task, enough_for, limit_of, n_tokens, prompts_of


def tokenizer(texts, **options):
    """A token a word, and two special ones."""
    return {"input_ids": [[0, *range(len(text.split())), 1] for text in texts]}


class Model(list):
    """As much of a SentenceTransformer as is asked: its first module, and prompts."""

    def __init__(self, limit, prompts=None):
        super().__init__([SimpleNamespace(tokenizer=tokenizer, max_seq_length=limit)])
        self.prompts = prompts or {}


class TestPrompts:
    @pytest.mark.parametrize("query", ["query", "search_query", "retrieval.query", "Retrieval-query", "web_search_query"])
    @pytest.mark.parametrize(
        "passage", ["document", "passage", "corpus", "search_document", "retrieval.passage", "Retrieval-document", "doc"]
    )
    def test_the_names_that_models_have(self, query, passage):
        prompts = {"query": "", "document": ""} | {query: "Q: ", passage: "P: "}  # sentence-transformers adds empty ones
        assert prompts_of(SimpleNamespace(prompts=prompts)) == ("Q: ", "P: ", ())

    def test_names_for_other_ends_are_not_used(self):
        others = {"Clustering": "C: ", "sts_query": "S: ", "s2s_query": "T: ", "document_query": "D: "}
        assert prompts_of(SimpleNamespace(prompts=others)) == ("", "", tuple(others))

    def test_the_plainest_name_counts_and_the_same_text_is_no_other_prompt(self):
        prompts = {"retrieval.query": "other: ", "query": "Q: ", "question": "Q: ", "passage": "P: ", "document": "D: "}
        assert prompts_of(SimpleNamespace(prompts=prompts)) == ("Q: ", "D: ", ("retrieval.query", "passage"))

    @pytest.mark.parametrize("model", [object(), SimpleNamespace(prompts=None), SimpleNamespace(prompts={"query": None})])
    def test_none(self, model):
        assert prompts_of(model) == ("", "", ())


class TestTokens:
    def test_prompt_and_special_tokens_count(self):
        assert n_tokens(tokenizer, ["one two", ""], "Query: ").tolist() == [5, 3]
        assert n_tokens(tokenizer, []).tolist() == []

    @pytest.mark.parametrize(("lengths", "enough"), [([], 0), ([1], 8), ([8] * 99 + [900], 8), ([8] * 98 + [9, 900], 16)])
    def test_enough_is_for_99_in_100_and_a_multiple_of_8(self, lengths, enough):
        assert enough_for(np.array(lengths)) == enough

    def test_each_side_of_a_router_has_its_limit(self):
        routes = {"query": [SimpleNamespace(max_seq_length=math.inf)], "document": [SimpleNamespace(max_seq_length=7)]}
        model = [SimpleNamespace(sub_modules=routes, max_seq_length=math.inf)]
        assert (limit_of(model, "query"), limit_of(model, "passage")) == (None, 7)


def words(n: int) -> str:
    return " ".join(["word"] * n)


TASK = RetrievalTask.from_rows(
    "made",
    [{"query_id": f"q{n}", "group_id": f"g{n}", "language": "de", "text": words(2 + n)} for n in range(4)],
    [{"candidate_id": f"c{n}", "language": "en" if n < 6 else "th", "text": words(8 if n < 7 else 11)} for n in range(8)],
    [{"query_id": f"q{n}", "candidate_id": f"c{n}"} for n in range(4)],
)


class TestCut:
    def test_counts_by_hand(self):
        # Queries have 4 to 7 tokens, passages 10, but the last one, one of two in Thai, 13.
        assert cut_of_task(Model(6), TASK) == [
            "25 % of 4 queries are longer than 6 tokens and cut: the longest has 7, a limit of 8 reads 99 % of them whole",
            "100 % of 8 passages are longer than 6 tokens and cut (most in en: 100 %): the longest has 13, "
            "a limit of 16 reads 99 % of them whole",
        ]
        (passages,) = cut_of_task(Model(10), TASK)
        assert passages.startswith("12.5 % of 8 passages are longer than 10 tokens and cut (most in th: 50 %)")

    def test_a_prompt_takes_its_place(self):
        assert cut_of_task(Model(7), TASK)[0].startswith("100 % of 8 passages")
        assert cut_of_task(Model(7, {"query": "a b ", "passage": "c "}), TASK)[0].startswith("50 % of 4 queries")

    @pytest.mark.parametrize("model", [Model(13), Model(math.inf), Model(None), object()])
    def test_nothing_is_said_where_all_is_read_or_nothing_known(self, model):
        assert cut_of_task(model, TASK) == []

    def test_a_sample_of_each_language_stands_for_it(self):
        rows = [
            {"group_id": f"g{n}", "language": tag, "query": "why", "passage": words(9 if tag == "th" else 1) + f" {n}"}
            for tag, n_rows in (("de", 3000), ("th", 1000))
            for n in range(n_rows)
        ]
        (told,) = cut_of_corpora(
            Model(5), [ParallelCorpus.from_rows(rows[:2000], "a"), ParallelCorpus.from_rows(rows[2000:], "b")]
        )
        assert told.startswith(
            "25 % of 4,000 passages are longer than 5 tokens and cut (most in th: 100 %), judged by 1,000 of them"
        )
