"""Lexicons, code-switching, language identification and the filters of synthetic rows."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import pytest

from kit.augment.filters import (
    LanguageIdentifier,
    LengthRatios,
    filter_language,
    filter_length_ratio,
    filter_round_trip,
    fit_length_ratios,
)
from kit.augment.groups import join
from kit.augment.lexicon import Lexicon, _model_1, induce_lexicon, spans, words
from kit.augment.switching import code_switch
from kit.data.corpus import ParallelCorpus

ENGLISH = "the cat sees a dog|the dog sees a bird|a bird sees the cat|the house|a cat|the dog|a house|the bird".split("|")
WORDS = dict(zip("the a cat dog bird house sees".split(), "le un chat chien oiseau maison voit".split()))


def _rows(target: str = "fr", order: int = -1) -> list[dict]:
    """Word-by-word translations, in reverse order."""
    return [{"texts": {"en": text, target: " ".join(WORDS[word] for word in text.split()[::order])}} for text in ENGLISH]


def _corpus(*rows: tuple[str, str, str]) -> ParallelCorpus:
    """Rows (group, language, query); every passage is its own."""
    return ParallelCorpus.from_rows(
        [
            {"group_id": group, "language": language, "query": query, "passage": f"passage {group} {language}"}
            for group, language, query in rows
        ],
        "mine",
    )


class TestWords:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", []),
            ("  Hello,  world!  ", ["Hello", "world"]),
            ("«L'homme» e-mail (x)", ["L'homme", "e-mail", "x"]),
            ("12 % – 3rd a1", ["3rd", "a1"]),
            ("हिन्दी में, क्या?", ["हिन्दी", "में", "क्या"]),  # vowel signs are part of the word
            ("a b a", ["a", "b", "a"]),
            ("aa a", ["aa", "a"]),
        ],
    )
    def test_stand_between_spaces(self, text, found):
        assert [text[start:end] for start, end in spans(text)] == found

    def test_are_in_lower_case(self):
        assert words(["Das Haus", "Καλημέρα"], "de") == [["das", "haus"], ["καλημέρα"]]

    def test_of_a_language_without_spaces_are_frequent_runs(self):
        # 北京 stands three times, 上海 three times, the rest once: these two pairs are merged, and no others.
        assert words(["我爱北京", "北京。上海", "上海与北京12", "上海"], "zh") == [
            ["我", "爱", "北京"],
            ["北京", "上海"],
            ["上海", "与", "北京"],
            ["上海"],
        ]


def _model_1_by_definition(sources, targets, n_iterations):
    """Brown et al. (1993) as it stands, one sum after the other."""
    names = {word for sentence in sources for word in sentence} | {None}
    there = {word for sentence in targets for word in sentence}
    probability = {(source, target): 1.0 for source, target in product(names, there)}
    for _ in range(n_iterations):
        count, total = Counter(), Counter()
        for source, target in zip(sources, targets):
            own = [None, *source]
            for word in target:
                norm = sum(probability[other, word] for other in own)
                for other in own:
                    count[other, word] += probability[other, word] / norm
                    total[other] += probability[other, word] / norm
        probability = {pair: count[pair] / total[pair[0]] if total[pair[0]] else 0.0 for pair in probability}
    return {pair: value for pair, value in probability.items() if pair[0] is not None and value}


class TestLexicon:
    def test_model_1_is_that_of_the_paper(self):
        sources = [["the", "house"], ["the", "book"], ["a", "book", "book"], ["house"]]
        targets = [["das", "haus"], ["das", "buch"], ["ein", "buch"], []]
        expected = _model_1_by_definition(sources, targets, 8)
        assert _model_1(sources, targets) == pytest.approx(expected, abs=1e-12)

    def test_one_round_by_hand(self):
        # One pair: "a" or nothing gave "x" and "y", half each; so p(x|a) = p(y|a) = 1/2, and it stays so.
        assert _model_1([["a"]], [["x", "y"]]) == {("a", "x"): 0.5, ("a", "y"): 0.5}

    def test_finds_the_words_of_a_word_by_word_translation(self):
        lexicon = induce_lexicon(_rows(), "en", "fr", min_count=1)
        assert {word: translation for word, (translation, _) in lexicon.words.items()} == WORDS
        assert all(0.2 <= probability <= 1 for _, probability in lexicon.words.values())
        assert (lexicon.source, lexicon.target) == ("en", "fr")

    def test_is_the_same_in_both_directions(self):
        there, back = (induce_lexicon(_rows(), *pair, min_count=1) for pair in (("en", "fr"), ("fr", "en")))
        turned = {translation: (word, value) for word, (translation, value) in back.words.items()}
        assert turned.keys() == there.words.keys()
        for word, (translation, value) in there.words.items():
            assert turned[word] == (translation, pytest.approx(value))

    def test_of_two_words_for_one_the_best_is_mutual(self):
        # p(x|a) = p(y|a) = 1/2, p(a|x) = p(a|y) = 1: a -> x is the first of equals; y -> a is not mutual.
        rows = [{"texts": {"en": "a", "fr": "x y"}}]
        value = pytest.approx(math.sqrt(1 / 2))
        assert induce_lexicon(rows, "en", "fr", min_count=1).words == {"a": ("x", value)}
        assert induce_lexicon(rows, "fr", "en", min_count=1).words == {"x": ("a", value)}

    @pytest.mark.parametrize("pair", [("en", "fr"), ("fr", "en")])
    def test_both_words_must_be_frequent(self, pair):
        rows = [{"texts": {"en": "a", "fr": word}} for word in ("x", "x", "y")]  # a in three sentences, x in two
        assert [len(induce_lexicon(rows, *pair, min_count=count).words) for count in (2, 3)] == [1, 0]

    def test_rare_and_doubtful_words_are_left_out(self):
        lexicon = induce_lexicon(_rows(), "en", "fr", min_count=3, min_probability=1e-9)
        assert set(lexicon.words) == {"the", "a", "cat", "dog", "bird", "sees"}  # the house stands in two sentences
        assert induce_lexicon(_rows(), "en", "fr", min_count=1, min_probability=1.0).words == {}

    def test_of_a_language_without_spaces(self):
        table = dict(zip(WORDS, "这 一 猫 狗 鸟 房子 看见".split()))
        rows = [{"texts": {"en": text, "zh": "".join(table[word] for word in text.split())}} for text in ENGLISH]
        found = induce_lexicon(rows, "en", "zh", min_count=2).words
        assert found["dog"][0] in ("狗", "这狗") and found["house"][0] == "房子"

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"source": "en", "target": "de"}, "none has texts in both 'en' and 'de'"),
            ({"source": "en", "target": "en"}, "target is 'en', and so is source"),
            ({"source": "en", "target": "fr", "min_count": 0}, "min_count is 0"),
            ({"source": "en", "target": "fr", "min_probability": 0}, "min_probability 0"),
            ({"source": "en", "target": "fr", "min_probability": 1.5}, "min_probability 1.5"),
        ],
    )
    def test_refuses(self, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            induce_lexicon(_rows(), **options)


FRENCH = Lexicon("en", "fr", {word: (translation, 1.0) for word, translation in WORDS.items()})
GERMAN = Lexicon("en", "de", {"cat": ("katze", 1.0), "bird": ("vogel", 1.0)})


class TestCodeSwitch:
    CORPUS = _corpus(("1", "en", "The cat, sees a dog?"), ("1", "de", "Die Katze"), ("2", "en", "Nothing known"))

    def test_every_known_word_at_rate_1(self):
        made = code_switch(self.CORPUS, [FRENCH], 1.0).table.to_pylist()
        assert [(row["group_id"], row["language"], row["query"]) for row in made] == [
            ("1 (code-switched)", "en", "le chat, voit un chien?")
        ]
        assert made[0]["source"] == "code-switched" and made[0]["passage"] == "passage 1 en"

    def test_new_groups_share_the_cluster_of_their_originals(self):
        both = join("both", self.CORPUS, code_switch(self.CORPUS, [FRENCH], 1.0))
        assert both.cluster_of[both.group_ids.index("1 (code-switched)")] == both.cluster_of[both.group_ids.index("1")]

    def test_rate_and_languages(self):
        """1,000 words with a choice of two languages: 30 % replaced, half of these by each; within 4 standard errors."""
        text = " ".join(["cat"] * 1000)
        (row,) = code_switch(_corpus(("1", "en", text)), [FRENCH, GERMAN], 0.3, seed=1).table.to_pylist()
        counts = Counter(row["query"].split())
        assert abs(counts["chat"] + counts["katze"] - 300) < 4 * math.sqrt(1000 * 0.3 * 0.7)
        assert abs(counts["chat"] - 150) < 4 * math.sqrt(1000 * 0.15 * 0.85)

    def test_a_language_that_lacks_the_word_is_not_drawn(self):
        (row,) = code_switch(_corpus(("1", "en", "dog " * 50)), [FRENCH, GERMAN], 1.0).table.to_pylist()
        assert set(row["query"].split()) == {"chien"}

    def test_a_higher_rate_replaces_what_a_lower_one_does(self):
        corpus = _corpus(("1", "en", "the dog sees a bird the cat " * 20))
        low, high = (
            code_switch(corpus, [FRENCH, GERMAN], rate).table.to_pylist()[0]["query"].split() for rate in (0.3, 0.6)
        )
        original = corpus.table.to_pylist()[0]["query"].split()
        assert all(high[place] == word for place, word in enumerate(low) if word != original[place])
        assert sum(map(str.__ne__, high, original)) > sum(map(str.__ne__, low, original)) > 0

    def test_the_fate_of_a_text_does_not_depend_on_others(self):
        one = ("1", "en", "the dog sees a bird the cat sees a house " * 3)
        alone = code_switch(_corpus(one), [FRENCH, GERMAN], 0.5, seed=4).table.to_pylist()[0]["query"]
        among = code_switch(_corpus(("0", "en", "the cat"), one), [FRENCH, GERMAN], 0.5, seed=4).table.to_pylist()[-1][
            "query"
        ]
        assert alone == among
        assert code_switch(_corpus(one), [FRENCH, GERMAN], 0.5, seed=5).table.to_pylist()[0]["query"] != alone

    def test_equal_texts_of_two_groups_have_fates_of_their_own(self):
        text = "the dog sees a bird the cat sees a house " * 3
        first, second = code_switch(_corpus(("1", "en", text), ("2", "en", text)), [FRENCH], 0.5).table.to_pylist()
        assert first["query"] != second["query"]

    def test_fields(self):
        corpus = ParallelCorpus.from_rows(
            [{"group_id": "1", "language": "en", "query": "a cat", "passage": "the dog"}], "mine"
        )
        for fields, query, passage in ((["query"], "un chat", "the dog"), (["passage"], "a cat", "le chien")):
            (row,) = code_switch(corpus, [FRENCH], 1.0, fields=fields).table.to_pylist()
            assert (row["query"], row["passage"]) == (query, passage)

    def test_a_text_without_spaces_takes_the_longest_entry(self):
        lexicon = Lexicon("zh", "en", {"北": ("north", 1.0), "北京": ("beijing", 1.0), "爱": ("love", 1.0)})
        (row,) = code_switch(_corpus(("1", "zh", "我爱北京北!")), [lexicon], 1.0).table.to_pylist()
        assert row["query"] == "我lovebeijingnorth!"

    def test_composed_and_decomposed_letters_are_one_word(self):
        lexicon = Lexicon("fr", "en", {"été": ("summer", 1.0)})
        corpus = _corpus(("1", "fr", "L\u2019 e\u0301te\u0301"), ("2", "fr", "e\u0301cole"))
        (row,) = code_switch(corpus, [lexicon], 1.0).table.to_pylist()  # composing alone makes no new row
        assert row["query"] == "L’ summer"

    @pytest.mark.parametrize(
        ("lexicons", "options", "complaint"),
        [
            ([], {"rate": 0.5}, "give at least one"),
            ([FRENCH, FRENCH], {"rate": 0.5}, "one for each pair"),
            ([FRENCH], {"rate": 0.0}, "rate is 0.0"),
            ([FRENCH], {"rate": 1.1}, "rate is 1.1"),
            ([FRENCH], {"rate": 0.5, "fields": ["answer"]}, "fields is"),
            ([FRENCH], {"rate": 0.5, "fields": "query"}, "fields is 'query'"),
            ([Lexicon("tr", "en", {"a": ("b", 1.0)})], {"rate": 1.0}, "no word was replaced: give lexicons from de, en"),
        ],
    )
    def test_refuses(self, lexicons, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            code_switch(self.CORPUS, lexicons, **options)


TEXTS = [
    *(("en", text) for text in ("where is the house of the king", "what is this thing", "the weather there is good")),
    *(("de", text) for text in ("wo steht das Haus des Königs", "was ist das für ein Ding", "das Wetter ist schön")),
    *(("el", text) for text in ("πού είναι το σπίτι", "τι είναι αυτό")),
]


class TestLanguageIdentifier:
    def test_tells_languages_apart(self):
        known = LanguageIdentifier.train(TEXTS)
        texts = ("the thing is there", "das Ding steht", "το σπίτι αυτό")
        assert [known.identify(text) for text in texts] == ["en", "de", "el"]

    def test_a_sum_by_hand(self):
        # n-grams of " a ": " ", "a", " ", " a", "a ", " a "; of " b " likewise. C = 6 each, V = 9 (one shared: " ").
        # A text "a": p(a-text | L1) has counts 2 1 (+1): " " twice at 3/15, then "a", " a", "a ", " a " at 2/15 each;
        # under L2 these four are 1/15. So P(L1) = 2^4 / (2^4 + 1) = 16/17.
        known = LanguageIdentifier.train([("en", "a"), ("de", "b")])
        assert math.exp(known.log_probabilities("a")["en"]) == pytest.approx(16 / 17)
        assert math.exp(known.log_probabilities("A  ")["de"]) == pytest.approx(1 / 17)

    def test_an_empty_text_is_the_first_language_and_equally_each(self):
        known = LanguageIdentifier.train(TEXTS)
        assert known.identify("  ") == "de"
        assert [math.exp(value) for value in known.log_probabilities("").values()] == pytest.approx([1 / 3] * 3)

    def test_digits_are_alike(self):
        known = LanguageIdentifier.train([("en", "in 12"), ("de", "um 34")])
        assert known.log_probabilities("77") == known.log_probabilities("12")

    def test_real_questions(self):
        """Atlas's four shortest alphabets: held-out questions are told apart nine times in ten."""
        from kit.data.registry import load_corpus

        rest, held_out = load_corpus("atlas").select(languages=["de", "en", "es", "vi"]).split(0.1)
        known = LanguageIdentifier.train((row["language"], row["query"]) for row in rest.table.to_pylist())
        rows = held_out.table.to_pylist()
        assert sum(known.identify(row["query"]) == row["language"] for row in rows) > 0.9 * len(rows)

    def test_refuses_one_language(self):
        with pytest.raises(ValueError, match=r"texts are in \['en'\]: give texts in at least two"):
            LanguageIdentifier.train([("en", "a")])


class Back:
    """Translates back by a table."""

    name = "back"

    def __init__(self, table: dict[str, str]):
        self.table = table

    def translate(self, texts, source, target):
        return [self.table[text] for text in texts]


def _dropped(table) -> list[tuple]:
    return [(row["group_id"], row["language"], round(row["value"], 6)) for row in table.to_pylist()]


class TestFilters:
    CORPUS = _corpus(
        *(("1", "en", "abcd"), ("1", "de", "eins"), ("1", "fr", "un")),
        *(("2", "en", "efgh"), ("2", "de", "zwei"), ("2", "fr", "Efgh!")),
    )

    def test_round_trip(self):
        # "abcd" comes back whole from German (100) and as "abcd" from French; of "efgh" nothing comes back (0) from German.
        back = Back({"eins": "abcd", "un": "abcd", "zwei": "qqqq", "Efgh!": "efgh"})
        kept, dropped = filter_round_trip(self.CORPUS, back, "en", minimum=50)
        assert _dropped(dropped) == [("2", "de", 0.0)]
        assert dropped.to_pylist()[0]["reason"] == "round trip below chrF 50" and dropped.to_pylist()[0]["text"] == "zwei"
        assert [(row["group_id"], row["language"]) for row in kept.table.to_pylist()] == [
            *(("1", "en"), ("1", "de"), ("1", "fr"), ("2", "en"), ("2", "fr"))
        ]

    def test_the_minimum_itself_is_kept(self):
        back = Back({"eins": "abcd", "un": "abcd", "zwei": "efgh", "Efgh!": "efgh"})
        kept, dropped = filter_round_trip(self.CORPUS, back, "en", minimum=100)
        assert len(kept) == 6 and len(dropped) == 0

    def test_chrf_by_hand(self):
        # "abcd" against "abcx": of the n-grams of lengths 1 to 4, 3/4, 2/3, 1/2 and 0 agree, in both directions (lengths
        # above 4 do not exist and do not count); the mean is (3/4 + 2/3 + 1/2 + 0) / 4 = 0.479167, both ways.
        back = Back({"eins": "abcx", "un": "abcd", "zwei": "efgh", "Efgh!": "efgh"})
        _, dropped = filter_round_trip(self.CORPUS, back, "en", minimum=48)
        assert _dropped(dropped) == [("1", "de", 47.916667)]

    def test_length_ratios_by_hand(self):
        # Ratios 1/4, 1/2, 1, 2, 4: logarithms -2, -1, 0, 1, 2 times log 2; the median is 0, the deviations 2 1 0 1 2 times
        # log 2 have the median log 2: bounds 2 ** ±(1.4826 * width).
        rows = [{"texts": {"en": "a" * 8, "de": "b" * length}} for length in (2, 4, 8, 16, 32)]
        low, high = fit_length_ratios(rows, "en", width=1).bounds["de"]
        assert (low, high) == (pytest.approx(2**-1.4826), pytest.approx(2**1.4826))

    def test_one_misaligned_row_in_ten_hardly_moves_the_bounds(self):
        rows = [{"texts": {"en": "a" * 20, "de": "b" * (18 + number % 5)}} for number in range(50)]
        wild = [{"texts": {"en": "a", "de": "b" * 1000}} for _ in range(5)]
        clean, dirty = (fit_length_ratios(given, "en").bounds["de"] for given in (rows, rows + wild))
        assert dirty == pytest.approx(clean, rel=0.15)

    def test_length_ratio(self):
        ratios = LengthRatios("en", {"de": (0.5, 2.0), "fr": (0.75, 1.25)})
        kept, dropped = filter_length_ratio(self.CORPUS, ratios)
        assert _dropped(dropped) == [("1", "fr", 0.5)] and len(kept) == 5  # 2 of 4 characters; 5 of 4 are 1.25, the bound

    def test_language(self):
        corpus = _corpus(("1", "en", "the house is there"), ("1", "de", "the weather is good"), ("1", "el", "πού είναι"))
        kept, dropped = filter_language(corpus, LanguageIdentifier.train(TEXTS))
        assert kept.languages == ("el", "en")
        ((group, language, value),) = _dropped(dropped)
        assert (group, language) == ("1", "de") and 0 <= value < 0.5

    def test_the_passage_can_be_judged(self):
        rows = [row | {"passage": "same"} for row in self.CORPUS.table.drop(["cluster_id"]).to_pylist()]
        longer = LengthRatios("en", {"de": (2, 3), "fr": (2, 3)})
        _, dropped = filter_length_ratio(ParallelCorpus.from_rows(rows, "mine"), longer, field="passage")
        assert len(dropped) == 4 and set(dropped.column("field").to_pylist()) == {"passage"}

    def test_clusters_stay(self):
        rows = [row | {"cluster_id": "c"} for row in self.CORPUS.table.to_pylist()]
        any_length = LengthRatios("en", {"de": (0, 9), "fr": (0, 1)})
        kept, _ = filter_length_ratio(ParallelCorpus.from_rows(rows, "mine"), any_length)
        assert set(kept.table.column("cluster_id").to_pylist()) == {"c"}

    @pytest.mark.parametrize(
        ("call", "complaint"),
        [
            (lambda corpus: filter_round_trip(corpus, Back({}), "tr"), "group '1' has no row in 'tr' to compare with"),
            (lambda corpus: filter_round_trip(corpus, Back({}), "en", field="answer"), "field is 'answer'"),
            (lambda corpus: filter_language(corpus, LanguageIdentifier.train(TEXTS), "answer"), "field is 'answer'"),
            (lambda corpus: filter_language(corpus, LanguageIdentifier.train(TEXTS)), "identifier does not know 'fr'"),
            (lambda corpus: filter_round_trip(corpus, Back({}), "en", minimum=101), "minimum is 101"),
            (lambda corpus: filter_length_ratio(corpus, LengthRatios("en", {"de": (1, 2)})), "no bounds for 'fr'"),
            (lambda corpus: fit_length_ratios(_rows(), "tr"), "none has texts in 'tr' and another language"),
            (lambda corpus: fit_length_ratios(_rows(), "en", 0), "width is 0"),
        ],
    )
    def test_refuses(self, call, complaint):
        with pytest.raises(ValueError, match=complaint):
            call(self.CORPUS)

    def test_refuses_to_drop_everything(self):
        corpus = _corpus(("1", "en", "das Wetter"), ("2", "en", "das Haus"))
        with pytest.raises(ValueError, match=r"every row would be dropped \(another language\)"):
            filter_language(corpus, LanguageIdentifier.train(TEXTS))
