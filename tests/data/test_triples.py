"""Triples by id over collections of texts: mMARCO's layout in miniature, converted, mapped, split, refused."""

from __future__ import annotations

import copy
import os
import pickle

import numpy as np
import pytest

from kit.core import paths
from kit.data.corpus import ParallelCorpus
from kit.data.registry import checksums, load_corpus, load_training
from kit.data.sources import mmarco
from kit.data.triples import collection as collections
from kit.data.triples.collection import open_collection

NAMES = {"de": "german", "en": "english", "zh": "chinese"}
TRIPLES = ((20, 7, 9), (5, 3, 7), (20, 8, 3), (5, 3, 9), (11, 9, 7), (20, 7, 8))
LINES, TEXTS = "data/triples.train.ids.small.tsv", "data/google/collections/german_collection.tsv"
QUERIES, PASSAGES = (20, 5, 11), (3, 7, 8, 9)


def written(folder, n_queries=None, n_passages=None, triples=TRIPLES, languages=tuple(NAMES)):
    """mMARCO in miniature: queries in no order, as there; passage 7 in German is ``P7 de``."""
    queries = QUERIES if n_queries is None else range(n_queries)
    passages = PASSAGES if n_passages is None else range(n_passages)
    for tag in languages:
        for place, letter, ids in (
            (f"collections/{NAMES[tag]}_collection.tsv", "P", passages),
            (f"queries/train/{NAMES[tag]}_queries.train.tsv", "Q", queries),
        ):
            file = folder / "data/google" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"{number}\t{letter}{number} {tag}\n" for number in ids), encoding="utf-8")
    lines = "".join("\t".join(map(str, triple)) + "\n" for triple in triples)
    (folder / LINES).write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def raw(tmp_path):
    return written(tmp_path / "mmarco")


def rows_of(corpus):
    """(query, passage, negative) of every row, by language."""
    texts = zip(*(corpus.texts(column, np.arange(len(corpus))) for column in ("query", "passage", "negative")))
    return [(corpus.languages[row % len(corpus.languages)], *cells) for row, cells in enumerate(texts)]


class TestRows:
    def test_are_the_triples_in_every_language(self, raw):
        corpus = mmarco.corpus(raw)
        assert corpus.languages == ("de", "en", "zh") and corpus.n_groups == 6 and len(corpus) == 18
        expected = {
            (tag, f"Q{query} {tag}", f"P{positive} {tag}", f"P{negative} {tag}")
            for query, positive, negative in TRIPLES
            for tag in NAMES
        }
        assert set(rows_of(corpus)) == expected

    def test_those_of_a_passage_lie_together_in_the_order_of_the_file(self, raw):
        corpus = mmarco.corpus(raw, languages=["en"])
        positives = corpus.passages[0].ids[corpus.cluster_of]
        runs = 1 + (positives[1:] != positives[:-1]).sum()
        assert runs == len(set(positives.tolist())) == len(corpus.triples.first_of) - 1 == 4
        assert [row[3] for row in rows_of(corpus) if row[2] == "P7 en"] == ["P9 en", "P8 en"]

    def test_languages_are_chosen_by_any_name(self, raw):
        assert mmarco.corpus(raw, languages=["German", "zho"]).languages == ("de", "zh")

    def test_more_texts_than_a_batch_of_the_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(collections, "_ROWS", 4)
        file = tmp_path / "many.tsv"
        ids = np.random.default_rng(0).permutation(23)
        file.write_text("".join(f"{number}\ttext\t{number}\r\n" for number in ids), encoding="utf-8")
        many = open_collection(file)
        places = np.array([22, 0, 7, 7, 13])
        assert many.texts(places) == [f"text\t{place}" for place in places]  # only the first tab ends the id

    def test_a_sample_is_a_corpus_in_memory(self, raw):
        sample = mmarco.corpus(raw, sample=4)
        assert isinstance(sample, ParallelCorpus) and sample.n_groups == 4 and sample.languages == ("de", "en", "zh")
        negatives = {(row["language"], row["query"], row["passage"], *row["negatives"]) for row in sample.table.to_pylist()}
        assert negatives <= set(rows_of(mmarco.corpus(raw)))

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda corpus: pickle.loads(pickle.dumps(corpus))])
    def test_a_copy_maps_the_same_files(self, raw, copied):
        corpus = mmarco.corpus(raw).split(0.3)[0]
        assert rows_of(copied(corpus)) == rows_of(corpus)
        assert len(pickle.dumps(corpus)) < 20_000


class TestConversion:
    def test_is_done_once(self, raw, capsys):
        mmarco.corpus(raw, languages=["de"])
        assert capsys.readouterr().out.count("converted once") == 3
        mmarco.corpus(raw, languages=["de"])
        assert capsys.readouterr().out == ""
        mmarco.corpus(raw, languages=["de", "en"])
        assert capsys.readouterr().out.count("converted once") == 2  # the English files

    def test_a_changed_or_damaged_file_is_converted_again(self, raw, kept, capsys):
        before = mmarco.content_digest(raw)
        file = raw / TEXTS
        file.write_text(file.read_text(encoding="utf-8").replace("P7 de", "Another."), encoding="utf-8")
        assert ("de", "Q5 de", "P3 de", "Another.") in rows_of(mmarco.corpus(raw))
        assert mmarco.content_digest(raw) != before
        next(kept.glob("triples/english_collection-*")).joinpath("texts.arrow").write_bytes(b"half")
        capsys.readouterr()
        assert ("en", "Q5 en", "P3 en", "P7 en") in rows_of(mmarco.corpus(raw))
        assert "english_collection.tsv: converted once" in capsys.readouterr().out

    def test_nothing_is_left_of_one_that_failed(self, raw, kept):
        (raw / LINES).write_text("5\t3\t7\n5\t3\n", encoding="utf-8")
        with pytest.raises(ValueError, match="line 2"):
            mmarco.corpus(raw)
        assert not list(kept.glob("triples/triples*"))

    def test_empty_texts_are_told_and_kept_out_of_samples(self, raw):
        file = raw / TEXTS
        file.write_text(file.read_text(encoding="utf-8").replace("P7 de", " "), encoding="utf-8")
        with pytest.warns(UserWarning, match=r"1 of 4 texts are empty, the first at .*german_collection.tsv, line 2"):
            corpus = mmarco.corpus(raw)
        assert ("de", "Q20 de", " ", "P9 de") in rows_of(corpus)
        assert corpus.sample().n_groups == 4  # two of the six triples have passage 7


class TestSplit:
    @pytest.fixture
    def corpus(self, tmp_path):
        rng = np.random.default_rng(0)
        triples = [(int(query), int(positive), 99) for query, positive in rng.integers(90, size=(700, 2))]
        return mmarco.corpus(written(tmp_path / "larger", 90, 100, triples, ("de", "en")))

    def test_no_passage_is_on_both_sides_and_none_is_lost(self, corpus):
        rest, held_out = corpus.split(0.1)
        left = set(rest.passages[0].ids[rest.cluster_of].tolist())
        out = set(map(int, held_out.table.column("cluster_id").to_pylist()))
        assert left & out == set() and left | out == set(corpus.passages[0].ids[corpus.cluster_of].tolist())
        assert len(out) == round(0.1 * len(left | out)) and held_out.n_groups == len(out)
        held = [row for row in rows_of(corpus) if int(row[2].split()[0][1:]) in out]
        assert len(rest) + len(held) == len(corpus) and rows_of(rest) == [row for row in rows_of(corpus) if row not in held]

    def test_too_few_passages_are_refused(self, raw):
        with pytest.raises(ValueError, match=r"mmarco: 4 passages cannot be split at 0\.1: give more triples"):
            mmarco.corpus(raw).split(0.1)


class TestRegistry:
    def test_it_is_trained_on_as_it_is_and_looked_at_as_a_sample(self, raw):
        assert load_training(f"mmarco:{raw}?languages=de,zh").languages == ("de", "zh")
        assert len(load_corpus(f"mmarco:{raw}?languages=de,zh&sample=5")) == 10
        with pytest.raises(ValueError, match=r"18 rows, more than a table holds: .* add \?sample=10000"):
            load_corpus(f"mmarco:{raw}")

    def test_its_content_is_known_without_reading_it(self, raw):
        specs = [f"mmarco:{raw}", f"mmarco:{raw}?languages=de"]
        before = checksums(specs)
        assert len(set(before.values())) == 2
        state = (raw / TEXTS).stat()
        (raw / TEXTS).write_bytes(b"x" * state.st_size)
        os.utime(raw / TEXTS, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert checksums(specs) == before


class TestFaults:
    @pytest.mark.parametrize(
        ("place", "content", "message"),
        [
            (LINES, "5\t3\t7\n5\tx\t7\n", "line 2: .*not of the form query<TAB>positive<TAB>negative"),
            (LINES, "5\t3\t7\n\n5\t3\t7\n", "line 2: .*not of the form query<TAB>positive<TAB>negative"),
            (LINES, "5\t3\t7\n5\t3\t\n", "line 2: .*not of the form query<TAB>positive<TAB>negative"),
            (LINES, "", "no line: the file is empty"),
            (LINES, "5\t3\t7\n5\t3\t44\n", "line 2: id 44 stands in no line of german_collection.tsv"),
            (LINES, "5\t3\t7\n6\t3\t7\n", "line 2: id 6 stands in no line of german_queries.train.tsv"),
            (LINES, None, "no such file"),
            (TEXTS, "3\tA\nno tab\n", "line 2: b'no tab' is not of the form id<TAB>text"),
            (TEXTS, "3\tA\n-7\tB\n", "line 2: .* is not of the form id<TAB>text"),
            (TEXTS, "3\tA\n8\tB\n3\tC\n", "line 3: id 3 stands already at line 1"),
            (TEXTS, "", "no line: the file is empty"),
            (TEXTS, b"3\tA\n7\t\xff\n", "line 2: not UTF-8"),
            (
                TEXTS,
                "3\tA\n7\tB\n8\tC\n",
                "english_collection.tsv has an id 9, which german_collection.tsv has not",
            ),
            (TEXTS, None, "no language 'de': choose from en, zh"),
            ("data/google/queries/train/english_queries.train.tsv", None, "english_queries.train.tsv: no such file"),
        ],
    )
    def test_are_named_with_file_and_line(self, raw, place, content, message):
        file = raw / place
        file.unlink()
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ValueError, match=message) as caught:
            mmarco.corpus(raw, languages=["de", "en"])
        assert file.name in str(caught.value) or "no language" in message

    def test_a_folder_without_collections(self, tmp_path):
        with pytest.raises(ValueError, match=r"no file such as german_collection.tsv: give the folder that holds mMARCO's"):
            mmarco.corpus(tmp_path)
