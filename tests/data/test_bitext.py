"""Bitext tasks: the shape and its split, the sources in their true layouts, the counts on the real sets."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from kit.core.languages import is_tag
from kit.data.bitext import BitextTask
from kit.data.lines import language_pairs
from kit.data.registry import load_bitext
from kit.data.sources.bucc import PATTERNS, bitext as bucc
from kit.data.sources.sentences import bitext as parallel
from kit.data.sources.tatoeba import bitext as tatoeba

SOURCE = [{"sentence_id": "a", "text": "Eins"}, {"sentence_id": "b", "text": "Zwei"}, {"sentence_id": "c", "text": "Drei"}]
TARGET = [{"sentence_id": "a", "text": "Three"}, {"sentence_id": "d", "text": "One"}]
GOLD = [{"source_id": "c", "target_id": "a"}, {"source_id": "a", "target_id": "d"}]


def task(source=SOURCE, target=TARGET, gold=GOLD, languages=("de", "en")) -> BitextTask:
    return BitextTask.from_rows("made", *languages, source, target, gold)


def big_task(n_gold: int = 600, n_source: int = 300, n_target: int = 900, name: str = "s{}") -> BitextTask:
    """Gold pairs 0 to n_gold - 1 and distractors on both sides; both sides use the same ids."""
    source = [{"sentence_id": name.format(n), "text": f"de {n}"} for n in range(n_gold + n_source)]
    target = [{"sentence_id": name.format(n), "text": f"en {n}"} for n in range(n_gold + n_target)]
    gold = [{"source_id": name.format(n), "target_id": name.format(n)} for n in range(n_gold)]
    return task(source, target, gold)


class TestTask:
    def test_what_it_says_of_itself(self):
        made = task()
        assert (made.name, made.source_language, made.target_language) == ("made", "de", "en")
        # Source sentences by index: a 0, b 1, c 2; targets: a 0, d 1. Gold is sorted by the source.
        assert made.gold_pairs.tolist() == [[0, 1], [2, 0]]
        assert made.gold_pairs.dtype == np.int64
        assert made.n_gold == 2
        assert made.n_distractors == (1, 0)  # b
        assert made.sentence_ids("source") == ["a", "b", "c"]
        assert made.texts("target") == ["Three", "One"]

    def test_a_sentence_may_have_several_partners(self):
        made = task(gold=[*GOLD, {"source_id": "c", "target_id": "d"}])
        assert made.gold_pairs.tolist() == [[0, 1], [2, 0], [2, 1]]
        assert (made.n_gold, made.n_distractors) == (3, (1, 0))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"languages": ("deu", "en")}, "source_language 'deu' is not a tag: write a BCP 47 tag"),
            ({"languages": ("de", "English")}, "target_language 'English' is not a tag"),
            ({"source": []}, "made: no source sentences"),
            ({"target": []}, "made: no target sentences"),
            ({"gold": []}, "made: no gold pair: nothing can be scored"),
            ({"source": [*SOURCE, SOURCE[0]]}, "made, source, row 4: sentence_id 'a' stands already at made, source, row 1"),
            ({"target": [{"sentence_id": "a", "text": " "}]}, "made, target, row 1: field 'text' is empty"),
            ({"target": [{"sentence_id": "", "text": "x"}]}, "made, target, row 1: field 'sentence_id' is empty"),
            ({"source": [{"sentence_id": "a"}]}, "made, source, row 1: field 'text' is missing"),
            ({"gold": [{"source_id": "a", "target_id": "x"}]}, "made, gold, row 1: target_id 'x' is not known: add the"),
            ({"gold": [{"source_id": "d", "target_id": "d"}]}, "made, gold, row 1: source_id 'd' is not known"),
            (
                {"gold": [*GOLD, GOLD[0]]},
                "made, gold, row 3: source_id 'c', target_id 'a' stands already at made, gold, row 1",
            ),
        ],
    )
    def test_refused(self, change, message):
        with pytest.raises(ValueError) as error:
            task(**change)
        assert message in str(error.value)


class TestSplit:
    def test_no_sentence_stands_in_both_and_none_is_lost(self):
        made = big_task()
        train, test = made.split(0.3)
        for side in ("source", "target"):
            ids = train.sentence_ids(side), test.sentence_ids(side)
            assert not set(ids[0]) & set(ids[1])
            assert sorted(ids[0] + ids[1]) == sorted(made.sentence_ids(side))
        assert train.n_gold + test.n_gold == made.n_gold

    def test_both_parts_have_distractors_in_proportion(self):
        # Each count is binomial with p = 0.3: its standard deviation is at most sqrt(900 * 0.21) = 14.
        _, test = big_task().split(0.3)
        assert abs(test.n_gold - 180) < 45
        assert abs(test.n_distractors[0] - 90) < 32
        assert abs(test.n_distractors[1] - 270) < 55

    def test_equal_ids_of_the_sides_are_not_tied(self):
        # Distractors 600 to 899 exist on both sides under one id, and are two sentences.
        _, test = big_task().split(0.5)
        source, target = (set(test.sentence_ids(side)) - {f"s{n}" for n in range(600)} for side in ("source", "target"))
        shared = source & {f"s{n}" for n in range(600, 900)}
        assert 0.35 < len(shared & target) / len(shared) < 0.65

    def test_it_is_not_the_choice_of_the_distractors(self, tmp_path):
        rows = [{"id": f"{n}", "texts": {"de": f"de {n}", "en": f"en {n}"}} for n in range(1000)]
        made = parallel(write_rows(tmp_path / "p.jsonl", rows), "de", "en", distractors=0.5)
        train, test = made.split(0.5)
        assert min(*train.n_distractors, *test.n_distractors) > 80  # of about 250 a side

    def test_partners_of_partners_and_equal_texts_go_together(self):
        # c-a and c-d share c; "Eins" is written twice, once as a distractor: one group of all but b.
        source = [*SOURCE, {"sentence_id": "e", "text": "Eins"}]
        made = task(source, gold=[*GOLD, {"source_id": "c", "target_id": "d"}])
        others = big_task(50, 50, 50)
        joined = task(
            [*source, *others.source.to_pylist()],
            [*TARGET, *others.target.to_pylist()],
            [*made.gold.to_pylist(), *others.gold.to_pylist()],
        )
        for seed in range(8):
            parts = joined.split(0.5, seed)
            together = [{"a", "c", "e"} & set(part.sentence_ids("source")) for part in parts]
            targets = [{"a", "d"} & set(part.sentence_ids("target")) for part in parts]
            assert sorted(map(len, together)) == [0, 3]
            assert [len(found) for found in targets] == [2 * bool(found) for found in together]

    def test_a_pair_keeps_its_part_when_others_come(self):
        _, small = big_task(200, 100, 100).split(0.4)
        _, large = big_task(600, 0, 0).split(0.4)
        first = {f"s{n}" for n in range(200)}
        assert first & set(small.sentence_ids("source")) == first & set(large.sentence_ids("source"))

    def test_the_seed_changes_it_and_the_order_of_rows_does_not(self):
        made = big_task()
        turned = task(*(table.to_pylist()[::-1] for table in (made.source, made.target, made.gold)))
        assert set(made.split(0.5)[1].sentence_ids("source")) == set(turned.split(0.5)[1].sentence_ids("source"))
        assert made.split(0.5, seed=1)[1].sentence_ids("source") != made.split(0.5)[1].sentence_ids("source")

    def test_the_order_of_equal_texts_does_not_matter(self):
        # Three sentences a text: a group named by whichever stands first would change its part.
        source = [{"sentence_id": f"s{n}", "text": f"de {n // 3}"} for n in range(300)]
        target = [{"sentence_id": f"t{n}", "text": f"en {n}"} for n in range(300)]
        gold = [{"source_id": f"s{n}", "target_id": f"t{n}"} for n in range(300)]
        tested = [set(task(rows, target, gold).split(0.5)[1].sentence_ids("source")) for rows in (source, source[::-1])]
        assert tested[0] == tested[1]

    @pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5])
    def test_fractions_out_of_range_are_refused(self, fraction):
        with pytest.raises(ValueError, match=r"is not between 0 and 1"):
            task().split(fraction)

    def test_a_part_without_gold_is_refused(self):
        with pytest.raises(ValueError, match=r"made: fraction 0.0001 with seed 0 leaves the test part without gold: choose"):
            big_task(20, 20, 20).split(0.0001)


def write_rows(path, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture
def bucc_folder(tmp_path):
    """BUCC as its archives unpack: a folder a pair, ids with the language, sentences after a tab, gold as pairs of ids."""
    folder = tmp_path / "bucc2018"
    files = {
        "de-en.training.de": "de-000000001\tGuten Tag.\nde-000000002\tEin\u2028Satz\tmit Tab.\nde-000000003\tNur hier.\n",
        "de-en.training.en": "en-000000001\tA sentence with a tab.\nen-000000002\tGood day.\n",
        "de-en.training.gold": "de-000000001\ten-000000002\nde-000000002\ten-000000001\n",
        "de-en.sample.de": "de-1\tJa.\n",
        "de-en.sample.en": "en-1\tYes.\r\nen-2\tNo.\r\n",
        "de-en.sample.gold": "de-1\ten-1",
        "de-en.test.de": "de-1\tJa.\n",
        "de-en.test.en": "en-1\tYes.\n",
    }
    (folder / "de-en").mkdir(parents=True)
    for name, text in files.items():
        (folder / "de-en" / name).write_bytes(text.encode())
    (folder / "zh-en").mkdir()
    (folder / "zh-en" / "zh-en.test.zh").write_text("zh-1\t是\n", encoding="utf-8")
    return folder


class TestBucc:
    def test_training(self, bucc_folder):
        made = bucc(bucc_folder, "de-en")
        assert (made.name, made.source_language, made.target_language) == ("bucc de-en train", "de", "en")
        assert made.texts("source") == ["Guten Tag.", "Ein\u2028Satz\tmit Tab.", "Nur hier."]
        assert made.gold_pairs.tolist() == [[0, 1], [1, 0]]
        assert (made.n_gold, made.n_distractors) == (2, (1, 0))

    def test_sample_with_line_ends_of_windows_and_none_at_the_end(self, bucc_folder):
        made = bucc(bucc_folder, "de-en", "sample")
        assert made.texts("target") == ["Yes.", "No."]
        assert made.gold_pairs.tolist() == [[0, 0]]

    def test_the_folder_of_the_pair_itself(self, bucc_folder):
        assert bucc(bucc_folder / "de-en", "de-en").n_gold == 2

    def test_the_test_part_has_no_gold(self, bucc_folder):
        with pytest.raises(ValueError, match=r"de-en.test.gold: no such file, so nothing can be scored .*: use part=train"):
            bucc(bucc_folder, "de-en", "test")

    def test_gold_of_the_test_part_is_read_where_it_is(self, bucc_folder):
        (bucc_folder / "de-en" / "de-en.test.gold").write_text("de-1\ten-1\n")
        assert bucc(bucc_folder, "de-en", "test").n_gold == 1

    def test_pairs(self, bucc_folder):
        assert language_pairs(bucc_folder, *PATTERNS) == [("de", "en"), ("zh", "en")]
        assert language_pairs(bucc_folder / "de-en", *PATTERNS) == [("de", "en")]

    @pytest.mark.parametrize(
        ("file", "text", "message"),
        [
            (
                "training.de",
                "de-1 Guten Tag.\n",
                r"de-en.training.de, line 1: no tab in 'de-1 Guten Tag.': write id<TAB>sen",
            ),
            ("training.gold", "de-000000001\ten-9\n", r"de-en.training.gold, line 1: target_id 'en-9' is not known"),
            (
                "training.en",
                "en-1\tA\nen-1\tB\n",
                r"de-en.training.en, line 2: sentence_id 'en-1' stands already at .*line 1",
            ),
            ("training.en", "en-1\tA\nen-2\t \n", r"de-en.training.en, line 2: field 'text' is empty"),
        ],
    )
    def test_faults_name_file_and_line(self, bucc_folder, file, text, message):
        (bucc_folder / "de-en" / f"de-en.{file}").write_text(text)
        with pytest.raises(ValueError, match=message):
            bucc(bucc_folder, "de-en")

    def test_bytes_that_are_no_text(self, bucc_folder):
        (bucc_folder / "de-en" / "de-en.training.de").write_bytes(b"de-1\t\xff\n")
        with pytest.raises(ValueError, match=r"de-en.training.de: not a text in UTF-8"):
            bucc(bucc_folder, "de-en")

    def test_refused(self, bucc_folder):
        with pytest.raises(ValueError, match=r"part is 'dev': choose train, sample, test"):
            bucc(bucc_folder, "de-en", "dev")
        with pytest.raises(ValueError, match=r"bucc2018: no pair 'en-de': choose from 'de-en', 'zh-en'"):
            bucc(bucc_folder, "en-de")
        with pytest.raises(ValueError, match=r"absent: no such folder"):
            bucc(bucc_folder / "absent", "de-en")
        with pytest.raises(ValueError, match=r"zh-en.training.zh: no such file: download the data set again"):
            bucc(bucc_folder, "zh-en")


@pytest.fixture
def tatoeba_folder(tmp_path):
    (tmp_path / "tatoeba.cmn-eng.cmn").write_text("一\n二\n", encoding="utf-8")
    (tmp_path / "tatoeba.cmn-eng.eng").write_text("One.\nTwo.\n")
    (tmp_path / "LICENCE.txt").write_text("CC BY 2.0\n")
    return tmp_path


class TestTatoeba:
    def test_lines_are_pairs(self, tatoeba_folder):
        made = tatoeba(tatoeba_folder, "cmn-eng")
        assert (made.name, made.source_language, made.target_language) == ("tatoeba cmn-eng", "zh", "en")
        assert made.sentence_ids("source") == ["cmn-1", "cmn-2"]
        assert made.texts("target") == ["One.", "Two."]
        assert made.gold_pairs.tolist() == [[0, 0], [1, 1]]
        assert made.n_distractors == (0, 0)

    @pytest.mark.parametrize("pair", ["zh-en", "zho-en", "Chinese-English"])
    def test_a_pair_by_tags_and_names(self, tatoeba_folder, pair):
        made = tatoeba(tatoeba_folder, pair)
        assert (made.name, made.texts("source")) == ("tatoeba cmn-eng", ["一", "二"])

    def test_pairs(self, tatoeba_folder):
        assert language_pairs(tatoeba_folder, "tatoeba.*-*.*") == [("cmn", "eng")]

    def test_files_of_different_lengths(self, tatoeba_folder):
        (tatoeba_folder / "tatoeba.cmn-eng.eng").write_text("One.\n")
        with pytest.raises(ValueError, match=r"tatoeba.cmn-eng.cmn has 2 lines and tatoeba.cmn-eng.eng 1: line n of one"):
            tatoeba(tatoeba_folder, "cmn-eng")

    def test_an_empty_line(self, tatoeba_folder):
        (tatoeba_folder / "tatoeba.cmn-eng.eng").write_text("One.\n\n")
        with pytest.raises(ValueError, match=r"tatoeba.cmn-eng.eng, line 2: field 'text' is empty"):
            tatoeba(tatoeba_folder, "cmn-eng")

    def test_unknown_pair(self, tatoeba_folder):
        with pytest.raises(ValueError, match=r"no pair 'deu-eng': choose from 'cmn-eng'"):
            tatoeba(tatoeba_folder, "deu-eng")

    def test_a_folder_without_pairs(self, tmp_path):
        with pytest.raises(ValueError, match=r"no language pair: give a folder with files such as tatoeba"):
            language_pairs(tmp_path, "tatoeba.*-*.*")


ROWS = [{"id": f"r-{n}", "document": "d", "texts": {"de": f"de {n}", "eng": f"en {n}"}} for n in range(400)]


class TestParallel:
    def test_a_share_keeps_one_side(self, tmp_path):
        made = parallel(write_rows(tmp_path / "ntrex.jsonl.gz", ROWS), "German", "en", distractors=0.5)
        assert (made.name, made.source_language, made.target_language) == ("ntrex de-en", "de", "en")
        assert made.n_gold + sum(made.n_distractors) == 400  # every sentence is a pair or keeps one side
        # Binomial: 200, 100 and 100, with standard deviations of 10 and 9.
        assert abs(made.n_gold - 200) < 40
        assert max(abs(n - 100) for n in made.n_distractors) < 36
        ids = made.sentence_ids("source"), made.sentence_ids("target")
        assert all(ids[0][i].split("@")[0] == ids[1][j].split("@")[0] for i, j in made.gold_pairs)
        assert all(made.texts("source")[i][3:] == made.texts("target")[j][3:] for i, j in made.gold_pairs)

    def test_none(self, tmp_path):
        made = parallel(write_rows(tmp_path / "p.jsonl", ROWS), "en", "de", distractors=0.0)
        assert (made.n_gold, made.n_distractors) == (400, (0, 0))

    def test_a_sentence_has_one_fate_whatever_the_languages_and_the_other_rows(self, tmp_path):
        path = write_rows(tmp_path / "p.jsonl", ROWS)
        fewer = write_rows(tmp_path / "q.jsonl", ROWS[::2])
        gold = {row["source_id"].split("@")[0] for row in parallel(path, "de", "en").gold.to_pylist()}
        turned = {row["source_id"].split("@")[0] for row in parallel(fewer, "en", "de").gold.to_pylist()}
        assert turned == {name for name in gold if int(name[2:]) % 2 == 0}

    def test_the_seed_changes_it(self, tmp_path):
        path = write_rows(tmp_path / "p.jsonl", ROWS)
        assert parallel(path, "de", "en", seed=1).sentence_ids("source") != parallel(path, "de", "en").sentence_ids("source")

    def test_more_distractors_are_the_same_and_more(self, tmp_path):
        path = write_rows(tmp_path / "p.jsonl", ROWS)
        few, many = (parallel(path, "de", "en", distractors=share) for share in (0.2, 0.8))
        assert set(many.gold.column("source_id").to_pylist()) < set(few.gold.column("source_id").to_pylist())

    def test_the_first_of_equal_texts_is_kept_and_missing_languages_are_left_out(self, tmp_path):
        rows = [
            {"id": "1", "texts": {"de": "Ja", "en": "Yes"}},
            {"id": "2", "texts": {"de": "Ja", "en": "Sure"}},  # its German stands in 1
            {"id": "3", "texts": {"de": "Doch", "en": "Yes"}},  # its English stands in 1
            {"id": "4", "texts": {"de": "Nein"}},
            {"id": "5", "texts": {"de": "Doch", "en": "Sure"}},  # shared with rows that were not kept
        ]
        made = parallel(write_rows(tmp_path / "p.jsonl", rows), "de", "en", distractors=0.0)
        assert made.sentence_ids("source") == ["1@de", "5@de"]

    @pytest.mark.parametrize(
        ("rows", "options", "message"),
        [
            (ROWS, {"distractors": 1.0}, "distractors is 1.0: choose a share of at least 0 and below 1"),
            (ROWS, {"distractors": -0.1}, "distractors is -0.1"),
            (ROWS, {"target": "deu"}, "source and target are both 'de': choose two languages"),
            (ROWS, {"target": "fr"}, "no language 'fr': choose from de, en"),
            (ROWS, {"target": "Klingonish"}, "no language 'Klingonish': choose from de, en"),
            (
                [{"id": "1", "texts": {"de": "Ja"}}, {"id": "2", "texts": {"en": "No"}}],
                {},
                "no sentence in both 'de' and 'en': choose from 'de', 'en'",
            ),
            ([*ROWS, ROWS[0]], {}, "line 401: id 'r-0' stands already in line 1"),
            ([{"id": "1"}], {}, 'line 1: not of the form {"id": "1", "texts": {"de": "…", "en": "…"}}'),
            ([{"id": 1, "texts": {}}], {}, "line 1: not of the form"),
            ([{"id": "1", "texts": {"de": 3}}], {}, "line 1: not of the form"),
            ([*ROWS, {"id": "x", "texts": {"de": " ", "en": "y"}}], {"distractors": 0.0}, "line 401: field 'text' is empty"),
        ],
    )
    def test_refused(self, tmp_path, rows, options, message):
        with pytest.raises(ValueError) as error:
            parallel(write_rows(tmp_path / "p.jsonl", rows), **({"source": "de", "target": "en"} | options))
        assert message in str(error.value)

    def test_no_file(self, tmp_path):
        with pytest.raises(ValueError, match=r"absent.jsonl: no such file: give the path"):
            parallel(tmp_path / "absent.jsonl", "de", "en")


class TestSpec:
    def test_every_kind(self, tmp_path, bucc_folder):
        (tmp_path / "tatoeba.cmn-eng.cmn").write_text("一\n", encoding="utf-8")
        (tmp_path / "tatoeba.cmn-eng.eng").write_text("One.\n")
        path = write_rows(tmp_path / "p.jsonl", ROWS)
        assert load_bitext(f"bucc:{bucc_folder}?pair=de-en&part=sample").name == "bucc de-en sample"
        assert load_bitext(f"tatoeba:{tmp_path}?pair=cmn-eng").name == "tatoeba cmn-eng"
        for kind in ("ntrex", "tico19"):
            made = load_bitext(f"{kind}:{path}?source=en&target=de&distractors=0.25&seed=3")
            assert made.source.equals(parallel(path, "en", "de", 0.25, 3).source)

    def test_a_relative_path_starts_at_the_project(self, tmp_path, monkeypatch):
        (tmp_path / "notebooks").mkdir()
        write_rows(tmp_path / "p.jsonl", ROWS)
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        assert load_bitext("ntrex:p.jsonl?source=en&target=de").name == "p en-de"

    def test_what_a_call_says_goes_before(self, tmp_path):
        path = write_rows(tmp_path / "p.jsonl", ROWS)
        assert load_bitext(f"ntrex:{path}?source=en&target=de&distractors=0.5", distractors=0.0).n_gold == 400

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("opus:{0}?pair=de-en", "unknown kind 'opus': choose from atlas, beir, bucc"),
            ("tatoeba:{0}", "option 'pair' is missing"),
            ("tatoeba:{0}?pair", "option 'pair' has no value: write ?option=value"),
            ("tatoeba:{0}?pair=de-en&part=train", "unknown option 'part': choose from pair"),
            ("tatoeba:?pair=de-en", "the path is missing: write 'tatoeba:<path>'"),
            ("tatoeba:{0}/absent?pair=de-en", "absent does not exist: give the folder that holds the data"),
            ("ntrex:{0}?source=de&target=en&distractors=half", "option 'distractors' is 'half': write a number"),
            ("ntrex:{0}?source=de&target=en&seed=0.5", "option 'seed' is '0.5': write a whole number"),
        ],
    )
    def test_refused(self, tmp_path, spec, message):
        with pytest.raises(ValueError) as error:
            load_bitext(spec.format(tmp_path))
        assert message in str(error.value)


class TestRealData:
    def test_tatoeba(self, shared_data):
        folder = shared_data / "tatoeba"
        made = [
            load_bitext(f"tatoeba:{folder}?pair={first}-{second}")
            for first, second in language_pairs(folder, "tatoeba.*-*.*")
        ]
        assert len(made) == 112
        assert sum(one.n_gold for one in made) == 88_877
        assert sum(one.n_gold == 1000 for one in made) == 72
        assert {one.name: one.n_gold for one in made}["tatoeba tel-eng"] == 234
        assert all(is_tag(one.source_language) and one.target_language == "en" for one in made)

    @pytest.mark.parametrize(
        ("spec", "n_gold", "n_distractors"),
        [
            ("ntrex:{}/ntrex/ntrex.jsonl.gz?source=de&target=en", 1020, (491, 485)),
            (
                "tico19:{}/tico19/tico19.jsonl.gz?source=en&target=fr",
                1471,
                (689, 745),
            ),  # 166 French texts twice or more
            ("tico19:{}/tico19/tico19.jsonl.gz?source=en&target=sw&distractors=0.9&seed=3", 324, (1394, 1351)),
        ],
    )
    def test_parallel_sets(self, shared_data, spec, n_gold, n_distractors):
        made = load_bitext(spec.format(shared_data))
        assert (made.n_gold, made.n_distractors) == (n_gold, n_distractors)
