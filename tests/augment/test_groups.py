"""Translators' common rules, language codes, pieces of long texts, the cache, and the corpora that translation makes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest

from kit.augment import translator
from kit.augment.generation import cut, join as join_pieces
from kit.augment.groups import back_translate, join, mix, synthetic_groups
from kit.augment.huggingface import Codes, subtags
from kit.augment.quality import quality
from kit.augment.translator import CachedTranslator, Translator, translate_distinct
from kit.data.corpus import ParallelCorpus
from kit.data.parallel import pairs, read_parallel, rows_of_corpus


class Marking:
    """Writes the pair before each text, counts what it is asked, and can stop after some calls."""

    def __init__(self, name: str = "marking", calls: int | None = None, known: str = "de en fr hi zh"):
        self.name, self.asked, self.calls, self.known = name, [], calls, known.split()

    def translate(self, texts, source, target):
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, source, target))

    def _translate(self, texts, source, target):
        if target not in self.known:
            raise ValueError(f"{self.name} does not know {target!r}")
        if self.calls is not None and not self.calls:
            raise KeyboardInterrupt
        self.calls = None if self.calls is None else self.calls - 1
        self.asked += texts
        return [f"{source}>{target}:{text}" for text in texts]


class Fixed(Marking):
    """Translates by a table, and what is not in it by itself."""

    def __init__(self, table: dict[str, str]):
        super().__init__("fixed")
        self.table = table

    def _translate(self, texts, source, target):
        return [self.table.get(text, text) for text in texts]


def _corpus(n: int = 3, languages: str = "en", name: str = "mine", prefix: str = "") -> ParallelCorpus:
    return ParallelCorpus.from_rows(
        [
            {
                "group_id": f"{prefix}{group}",
                "language": language,
                "query": f"{language} question {prefix}{group}",
                "passage": f"{language} passage {prefix}{group}",
                "domain": "test",
                "source": "real",
                "negatives": [f"{language} negative {prefix}{group}"],
            }
            for group in range(n)
            for language in languages.split()
        ],
        name,
    )


class TestTranslateDistinct:
    def test_keeps_order_and_asks_for_each_text_once(self):
        translator = Marking()
        assert translator.translate(["b", "a", "b"], "en", "de") == ["en>de:b", "en>de:a", "en>de:b"]
        assert translator.asked == ["b", "a"]

    def test_blank_texts_are_empty_and_not_asked_for(self):
        translator = Marking()
        assert translator.translate(["", " \n", "a"], "en", "de") == ["", "", "en>de:a"]
        assert translator.asked == ["a"]

    def test_nothing_asks_for_nothing(self):
        assert translate_distinct([], "en", "de", lambda texts: pytest.fail("asked")) == []

    @pytest.mark.parametrize(
        ("texts", "source", "target", "complaint"),
        [
            ("one", "en", "de", "texts is one text"),
            (["a"], "eng", "de", "source is 'eng'"),
            (["a"], "en", "deu", "target is 'deu'"),
            (["a"], "de", "de", "target is 'de', and so is source"),
        ],
    )
    def test_refuses(self, texts, source, target, complaint):
        with pytest.raises(ValueError, match=complaint):
            Marking().translate(texts, source, target)

    def test_refuses_a_missing_translation(self):
        with pytest.raises(ValueError, match="gave 1 translations of 2 texts"):
            translate_distinct(["a", "b"], "en", "de", lambda texts: texts[:1])

    def test_the_translators_are_translators(self, tmp_path):
        assert isinstance(Marking(), Translator) and isinstance(CachedTranslator(Marking(), tmp_path), Translator)


NLLB = (
    "ace_Arab ajp_Arab apc_Arab arb_Arab azj_Latn ckb_Arab deu_Latn ell_Grek eng_Latn fra_Latn hin_Deva jpn_Jpan kas_Arab "
    "kas_Deva kmr_Latn kor_Hang lvs_Latn nno_Latn nob_Latn pes_Arab prs_Arab por_Latn srp_Cyrl swh_Latn tgl_Latn tha_Thai "
    "yue_Hant zho_Hans zho_Hant zsm_Latn"
).split()


class TestCodes:
    @pytest.mark.parametrize(
        ("tag", "code"),
        [
            *(("de", "deu_Latn"), ("el", "ell_Grek"), ("ar", "arb_Arab"), ("ms", "zsm_Latn"), ("sw", "swh_Latn")),
            *(("lv", "lvs_Latn"), ("az", "azj_Latn"), ("ku", "kmr_Latn"), ("ckb", "ckb_Arab"), ("fil", "tgl_Latn")),
            *(("zh", "zho_Hans"), ("zh-Hant", "zho_Hant"), ("zh-TW", "zho_Hant"), ("yue", "yue_Hant"), ("ko", "kor_Hang")),
            *(
                ("fa", "pes_Arab"),
                ("fa-AF", "prs_Arab"),
                ("prs", "prs_Arab"),
                ("pt-BR", "por_Latn"),
                ("no", "nob_Latn"),
                ("nn", "nno_Latn"),
            ),
            *(("ks", "kas_Arab"), ("ks-Deva", "kas_Deva"), ("apc", "apc_Arab"), ("ja", "jpn_Jpan"), ("sr", "srp_Cyrl")),
        ],
    )
    def test_nllb(self, tag, code):
        assert Codes(NLLB, "nllb").find(tag) == code

    @pytest.mark.parametrize(
        ("tag", "code"),
        [("de", "de"), ("nb", "no"), ("nso", "ns"), ("fil", "tl"), ("zh", "zh"), ("zh-Hans", "zh"), ("pt-BR", "pt")],
    )
    def test_m2m100(self, tag, code):
        assert Codes("de en no ns pt tl zh".split(), "m2m100").find(tag) == code

    @pytest.mark.parametrize(("tag", "code"), [("de", "de_DE"), ("en", "en_XX"), ("pt", "pt_XX"), ("zh", "zh_CN")])
    def test_mbart(self, tag, code):
        assert Codes("de_DE en_XX pt_XX zh_CN".split(), "mbart").find(tag) == code

    @pytest.mark.parametrize(
        ("tag", "code"),
        [("de", "deu"), ("zh", "cmn_Hans"), ("zh-Hant", "cmn_Hant"), ("pt-BR", "pt_BR"), ("pt-PT", "pt_PT"), ("fr", "fr")],
    )
    def test_opus(self, tag, code):
        assert Codes("deu cmn_Hant cmn_Hans pt_PT pt_BR fr x-klingon".split(), "opus").find(tag) == code

    def test_a_script_is_not_given_up(self):
        with pytest.raises(ValueError, match=r"m2m100 does not know 'zh-Hant' \(Traditional Chinese\): .*: zh$"):
            Codes(["de", "zh"], "m2m100").find("zh-Hant")

    def test_an_unknown_language_gets_near_choices(self):
        with pytest.raises(ValueError, match=r"does not know 'sr-Latn'.*near choices of its 30 codes: srp_Cyrl"):
            Codes(NLLB, "nllb").find("sr-Latn")
        with pytest.raises(ValueError, match=r"does not know 'se' \(Northern Sami\).*: en, de$"):
            Codes(["en", "de"], "small").find("se")

    def test_what_is_no_language_is_left_out(self):
        assert list(Codes(["deu", "x-klingon", "12"], "opus")) == ["deu"]

    def test_a_region_of_an_alias_counts(self):
        assert subtags("sh") == ("sr", "Latn", "RS")  # Serbo-Croatian is Serbian in Latin script


class TestPieces:
    @staticmethod
    def _cut(text: str, longest: int) -> list[str]:
        return cut(text, lambda piece: len(piece) <= longest)

    def test_a_text_that_fits_is_whole(self):
        assert self._cut("One. Two.", 9) == ["One. Two."]

    def test_sentences_are_packed(self):
        assert self._cut("One. Two. Three. Four.", 11) == ["One. Two. ", "Three. ", "Four."]

    @pytest.mark.parametrize(
        ("text", "pieces"),
        [
            ("这是一。这是二。", ["这是一。", "这是二。"]),
            ("क ख ग। घ ङ।", ["क ख ग। ", "घ ङ।"]),
            ("هذا؟ نعم هو", ["هذا؟ ", "نعم هو"]),
            ("He said: yes", ["He said: ", "yes"]),
            ("one\ntwo. ab", ["one\n", "two. ab"]),
            ("3.5 e.g.x yz", ["3.5 ", "e.g.x yz"]),
            ("abcdefghijkl", ["abc", "def", "ghi", "jkl"]),
        ],
    )
    def test_where_a_text_is_cut(self, text, pieces):
        longest = {"abcdefghijkl": 5, "这是一。这是二。": 5}.get(text, 9)
        assert self._cut(text, longest) == pieces

    def test_nothing_is_lost(self):
        text = "A first sentence, of two clauses; then more. " * 7 + "And" + "x" * 50 + "\n\n这是一。这是二、三。" * 3
        for longest in (1, 2, 7, 20, 100):
            pieces = self._cut(text, longest)
            assert "".join(pieces) == text and max(map(len, pieces)) <= longest

    def test_joined_with_what_the_language_has_between_sentences(self):
        assert join_pieces([" Eins.", "Zwei. "], ["One. ", "Two."], "de") == "Eins. Zwei."
        assert join_pieces(["一。", "二。"], ["One. ", "Two."], "zh-Hans") == "一。二。"
        assert join_pieces(["Eins", "Zwei"], ["One\n", "Two"], "de") == "Eins\nZwei"


class TestCachedTranslator:
    def test_nothing_is_translated_twice(self, tmp_path):
        translator = Marking()
        first = CachedTranslator(translator, tmp_path).translate(["a", "b", "", "a"], "en", "de")
        second = CachedTranslator(translator, tmp_path).translate(["b", "c", "a"], "en", "de")
        assert (first, second) == (["en>de:a", "en>de:b", "", "en>de:a"], ["en>de:b", "en>de:c", "en>de:a"])
        assert translator.asked == ["a", "b", "c"]

    def test_the_key_is_name_and_pair_and_text(self, tmp_path):
        asked = []
        for name, source, target in (("one", "en", "de"), ("two", "en", "de"), ("one", "fr", "de"), ("one", "en", "fr")):
            translator = Marking(name)
            CachedTranslator(translator, tmp_path).translate(["a"], source, target)
            asked += translator.asked
        assert asked == ["a"] * 4

    def test_an_interrupted_run_goes_on(self, tmp_path, monkeypatch):
        monkeypatch.setattr(translator, "BATCH", 3)
        texts = [f"text {number}" for number in range(10)]
        stopping = Marking(calls=2)
        with pytest.raises(KeyboardInterrupt):
            CachedTranslator(stopping, tmp_path).translate(texts, "en", "de")
        resumed = Marking()
        assert CachedTranslator(resumed, tmp_path).translate(texts, "en", "de") == Marking().translate(texts, "en", "de")
        assert (len(stopping.asked), resumed.asked) == (6, texts[6:])

    def test_a_killed_process_leaves_whole_batches(self, tmp_path):
        code = f"""
import os
from kit.augment import translator as cached
cached.BATCH = 2
class Dying:
    name, calls = "marking", 0
    def translate(self, texts, source, target):
        self.calls += 1
        if self.calls == 3:
            os.kill(os.getpid(), 9)
        return [f"{{source}}>{{target}}:{{text}}" for text in texts]
cached.CachedTranslator(Dying(), {str(tmp_path)!r}).translate(list("abcdefg"), "en", "de")
"""
        assert subprocess.run([sys.executable, "-c", code]).returncode == -9
        translator = Marking()
        found = CachedTranslator(translator, tmp_path).translate(list("abcdefg"), "en", "de")
        assert found == [f"en>de:{text}" for text in "abcdefg"] and translator.asked == list("efg")

    def test_a_transaction_that_was_cut_off_is_taken_back(self, tmp_path):
        cache = CachedTranslator(Marking(), tmp_path)
        cache.translate(["a"], "en", "de")
        torn = sqlite3.connect(cache.path)
        torn.execute("INSERT INTO translations VALUES ('marking', 'en', 'de', 'b', 'half')")
        torn.close()  # without a commit
        assert cache.translate(["a", "b"], "en", "de") == ["en>de:a", "en>de:b"]

    def test_two_processes_agree(self, tmp_path):
        """Another process writes the text while this one translates it: the first one written stands."""

        class Slow(Marking):
            def _translate(self, texts, source, target):
                CachedTranslator(Fixed({"a": "first"}), tmp_path).translate(texts, source, target)
                return super()._translate(texts, source, target)

        slow = Slow("fixed")
        assert CachedTranslator(slow, tmp_path).translate(["a"], "en", "de") == ["first"]
        assert slow.asked == ["a"]

    def test_what_another_process_holds_is_waited_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(translator, "_WAIT_S", 0.05)
        cache = CachedTranslator(Marking(), tmp_path)
        holder = sqlite3.connect(cache.path)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(RuntimeError, match=r"translations\.sqlite: database is locked: close what else"):
                cache.translate(["a"], "en", "de")
        finally:
            holder.close()

    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: path.write_bytes(b"not a database, but long enough to be taken for one" * 40),
            lambda path: path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 6000),
            lambda path: (path.unlink(), sqlite3.connect(path).executescript("CREATE TABLE translations (a)").close()),
        ],
        ids=["other bytes", "overwritten", "another table"],
    )
    def test_a_dead_file_is_named(self, tmp_path, damage):
        cache = CachedTranslator(Marking(), tmp_path)
        cache.translate([f"text {number}" for number in range(300)], "en", "de")
        damage(cache.path)
        with pytest.raises(ValueError, match=r"translations\.sqlite is no whole cache .*: move it away"):
            CachedTranslator(Marking(), tmp_path).translate([f"text {number}" for number in range(300)], "en", "de")

    def test_refuses_what_the_translator_refuses(self, tmp_path):
        cache = CachedTranslator(Marking(), tmp_path)
        with pytest.raises(ValueError, match="marking does not know 'tr'"):
            cache.translate(["a"], "en", "tr")
        with pytest.raises(ValueError, match="target is 'en', and so is source"):
            cache.translate(["a"], "en", "en")

    def test_refuses_a_translator_that_owes_texts(self, tmp_path):
        class Short:
            name = "short"

            def translate(self, texts, source, target):
                return texts[1:]

        with pytest.raises(ValueError, match="translator 'short' gave 1 translations of 2 texts"):
            CachedTranslator(Short(), tmp_path).translate(["a", "b"], "en", "de")


class TestSyntheticGroups:
    def test_translated_queries_stand_against_original_passages(self):
        made = synthetic_groups(_corpus(2), Marking(), ["de", "fr"])
        rows = made.table.to_pylist()
        assert [(row["group_id"], row["language"], row["source"]) for row in rows] == [
            *(("0", "en", "real"), ("0", "de", "synthetic"), ("0", "fr", "synthetic")),
            *(("1", "en", "real"), ("1", "de", "synthetic"), ("1", "fr", "synthetic")),
        ]
        assert rows[1] == rows[0] | {"language": "de", "query": "en>de:en question 0", "source": "synthetic"}
        assert made.languages == ("de", "en", "fr") and made.cluster_of.tolist() == [0, 1]

    def test_passages_take_their_negatives_along(self):
        rows = synthetic_groups(_corpus(1), Marking(), ["de"], fields=["passage"]).table.to_pylist()
        assert (rows[1]["query"], rows[1]["passage"]) == ("en question 0", "en>de:en passage 0")
        assert rows[1]["negatives"] == ["en>de:en negative 0"]

    def test_both_fields(self):
        rows = synthetic_groups(_corpus(2), Marking(), ["de"], fields=["query", "passage"]).table.to_pylist()
        assert [(row["query"], row["passage"]) for row in rows[1::2]] == [
            ("en>de:en question 0", "en>de:en passage 0"),
            ("en>de:en question 1", "en>de:en passage 1"),
        ]

    def test_clusters_stay(self):
        rows = [row | {"passage": "the same"} for row in _corpus(3).table.drop(["cluster_id"]).to_pylist()]
        made = synthetic_groups(ParallelCorpus.from_rows(rows, "mine"), Marking(), ["de"], fields=["query", "passage"])
        assert made.cluster_of.tolist() == [0, 0, 0]

    def test_a_blank_translation_is_left_out_and_warned_of(self):
        with pytest.warns(UserWarning, match="1 of 4 rows have a blank translation"):
            made = synthetic_groups(_corpus(2), Fixed({"en question 1": " "}), ["de"])
        assert made.row_of.tolist() == [[1, 0], [-1, 2]]

    @pytest.mark.parametrize(
        ("languages", "options", "complaint"),
        [
            ("en de", {"targets": ["fr"]}, "corpus mine is in de, en: select one"),
            ("en", {"targets": []}, "targets is "),
            ("en", {"targets": "de"}, "targets is 'de'"),
            ("en", {"targets": ["de", "de"]}, "each once"),
            ("en", {"targets": ["de", "en"]}, "hold 'en', the language of the corpus"),
            ("en", {"targets": ["tr"]}, "marking does not know 'tr'"),
            ("en", {"targets": ["de"], "fields": ["answer"]}, "fields is "),
            ("en", {"targets": ["de"], "fields": "query"}, "fields is 'query'"),
            ("en", {"targets": ["de"], "fields": []}, "fields is "),
        ],
    )
    def test_refuses(self, languages, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            synthetic_groups(_corpus(1, languages), Marking(), **options)


class TestBackTranslate:
    def test_paraphrases_share_the_cluster_of_their_originals(self):
        made = back_translate(_corpus(2, "en fr"), Marking(), "de")
        assert made.group_ids == ("0", "1", "0 (via de)", "1 (via de)")
        assert made.cluster_of.tolist() == [0, 1, 0, 1]
        row = made.select(group_ids=["1 (via de)"], languages=["fr"]).table.to_pylist()[0]
        assert row["query"] == "de>fr:fr>de:fr question 1" and row["source"] == "back-translated"
        assert row["passage"] == "fr passage 1"

    def test_the_corpus_itself_stands_first_and_unchanged(self):
        corpus = _corpus(2, "en fr")
        assert back_translate(corpus, Marking(), "de").table.slice(0, 4).to_pylist() == corpus.table.to_pylist()

    def test_what_comes_back_as_it_was_or_blank_is_no_paraphrase(self):
        table = {"en question 0": "b", "b": " en question 0 ", "en question 1": "", "en question 2": "c", "c": "other"}
        assert back_translate(_corpus(3), Fixed(table), "de").group_ids == ("0", "1", "2", "2 (via de)")

    def test_queries_in_the_language_between_are_left_alone(self):
        made = back_translate(_corpus(1, "de en"), Marking(), "de")
        assert made.row_of.tolist() == [[0, 1], [-1, 2]]

    def test_refuses_to_do_nothing(self):
        with pytest.raises(ValueError, match="via is 'de': no query came back in other words"):
            back_translate(_corpus(2), Fixed({}), "de")


class TestMix:
    @staticmethod
    def _sources(corpus: ParallelCorpus) -> dict[str, int]:
        sources = corpus.table.column("source").to_pylist()
        return {source: sources.count(source) for source in set(sources)}

    def test_the_size_is_the_same_for_every_share(self):
        real = _corpus(20, "en de", prefix="r")
        synthetic = synthetic_groups(_corpus(12, prefix="s"), Marking(), ["de"])
        for share, n_synthetic in ((0, 0), (0.25, 3), (0.5, 6), (1, 12)):
            groups = mix(real, synthetic, share).group_ids
            assert len(groups) == 12 and sum(group.startswith("s") for group in groups) == n_synthetic

    def test_the_same_groups_are_there_once(self):
        real, synthetic = _corpus(10, "en de"), synthetic_groups(_corpus(10), Marking(), ["de"])
        for share in (0, 0.3, 0.7, 1):
            mixed = mix(real, synthetic, share)
            assert sorted(mixed.group_ids) == sorted(real.group_ids)
            assert self._sources(mixed).get("synthetic", 0) == round(10 * share)

    def test_the_share_is_rounded(self):
        mixed = mix(_corpus(5, "en de"), _corpus(5, prefix="s"), 0.3)  # 1.5 groups of 5
        assert sum(group.startswith("s") for group in mixed.group_ids) == 2

    def test_a_larger_share_keeps_what_a_smaller_one_has(self):
        real, synthetic = _corpus(30, "en de"), synthetic_groups(_corpus(30), Marking(), ["de"])
        chosen = []
        for share in (0.2, 0.4, 0.8):
            rows = mix(real, synthetic, share, seed=3).table.to_pylist()
            chosen.append({row["group_id"] for row in rows if row["source"] == "synthetic"})
        assert chosen[0] < chosen[1] < chosen[2]

    def test_the_seed_decides(self):
        real, synthetic = _corpus(30, "en de"), synthetic_groups(_corpus(30), Marking(), ["de"])
        assert mix(real, synthetic, 0.5, 1).group_ids == mix(real, synthetic, 0.5, 1).group_ids
        assert mix(real, synthetic, 0.5, 1).group_ids != mix(real, synthetic, 0.5, 2).group_ids

    @pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
    def test_refuses_a_share_out_of_range(self, share):
        with pytest.raises(ValueError, match=f"share is {share}"):
            mix(_corpus(), _corpus(), share)

    def test_refuses_a_group_that_is_both(self):
        # "0" is drawn from both where its hash is below that of "s0" and above that of "1": for one seed in six.
        synthetic = join("synthetic", _corpus(1), _corpus(1, prefix="s"))
        with pytest.raises(ValueError, match="group '0' would be both real and synthetic"):
            for seed in range(100):
                mix(_corpus(2), synthetic, 0.5, seed)

    def test_synthetic_groups_of_a_part_of_the_real_ones_never_collide(self):
        real, synthetic = _corpus(10, "en de"), synthetic_groups(_corpus(5), Marking(), ["de"])
        for seed in range(20):
            assert len(mix(real, synthetic, 0.6, seed).group_ids) == 5

    def test_join_refuses_a_row_twice(self):
        assert len(join("both", _corpus(2), _corpus(2, prefix="other "))) == 4
        with pytest.raises(ValueError, match="stands already"):
            join("both", _corpus(2), _corpus(2))


class TestParallelText:
    def test_a_corpus_gives_questions_and_passages(self):
        rows = rows_of_corpus(_corpus(1, "en de"))
        assert [row["texts"] for row in rows] == [
            {"en": "en question 0", "de": "de question 0"},
            {"en": "en passage 0", "de": "de passage 0"},
        ]

    def test_files(self, tmp_path):
        (tmp_path / "rows.jsonl").write_text('{"id": "1", "texts": {"en": "Hi", "de": "Hallo"}}\n', encoding="utf-8")
        assert read_parallel(tmp_path / "rows.jsonl")[0]["texts"] == {"en": "Hi", "de": "Hallo"}

    def test_refuses_files_that_are_not_parallel_text(self, tmp_path):
        with pytest.raises(ValueError, match="no such file"):
            read_parallel(tmp_path / "none.jsonl")
        for texts, complaint in (({"x!": "a"}, "language 'x!'"), (["a"], "not of the form"), ({"de": 1}, "not of the form")):
            (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "1", "texts": texts}) + "\n")
            with pytest.raises(ValueError, match=f"line 1: .*{complaint}"):
                read_parallel(tmp_path / "rows.jsonl")

    def test_blank_texts_are_no_pair(self):
        with pytest.raises(ValueError, match="none has texts in both 'en' and 'de'"):
            pairs([{"texts": {"en": "a", "de": " "}}, {"texts": {"en": "a"}}], "en", "de")


class TestQuality:
    ROWS = tuple(
        {"texts": {"en": text, "de": text.upper(), "zh": "这是一只猫在这里"}}
        for text in ("a cat sat on a mat", "so it was here")
    )

    def test_a_perfect_translator_scores_100(self):
        found = quality(
            Fixed({row["texts"]["en"]: row["texts"]["de"] for row in self.ROWS}), [*self.ROWS, {"texts": {}}], "en", "de"
        )
        assert (round(found.chrf, 6), round(found.bleu, 6), found.n, found.source, found.target) == (100, 100, 2, "en", "de")

    def test_a_translator_that_says_nothing_right_scores_0(self):
        found = quality(Fixed({row["texts"]["en"]: "zzz" for row in self.ROWS}), self.ROWS, "en", "de")
        assert found.chrf == found.bleu == 0

    def test_chinese_is_counted_by_its_own_tokenizer_and_thai_by_character(self):
        assert "tok:zh" in quality(Fixed({}), self.ROWS, "en", "zh").signature
        rows = [{"texts": {"en": "a", "th": "แมว"}}]
        assert "tok:char" in quality(Fixed({}), rows, "en", "th").signature
        assert "tok:13a" in quality(Fixed({}), self.ROWS, "en", "de").signature

    def test_refuses_rows_without_the_pair(self):
        with pytest.raises(ValueError, match="none has texts in both 'en' and 'fr'"):
            quality(Fixed({}), self.ROWS, "en", "fr")
