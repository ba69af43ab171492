"""Sets from their public homes: small files in the homes' layouts, and what the kit's sources read of them."""

from __future__ import annotations

import gzip
import zipfile
from itertools import islice
from pathlib import Path

import pytest
from layouts import (
    PAGE,
    PUT,
    put,
    put_back_ntrex,
    put_back_tico19,
    put_medquad,
    put_ntrex,
    put_policyqa,
    put_scifact,
    put_tico19,
    put_tldr,
)

from kit.core import tables
from kit.data.homes import catalogue, tldr
from kit.data.hub.manifest import sets
from kit.data.registry import load_bitext, load_corpus, load_task


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every set, made of its home: folder by name."""
    base = tmp_path_factory.mktemp("homes")
    for name, fill in PUT.items():
        fill(base / "home" / name)
    return {name: catalogue.write(name, base / "home" / name, base / "data" / name) for name in PUT}


def rows_of(path):
    return list(tables.json_lines(path))


class TestRows:
    def test_medquad(self, made):
        rows = rows_of(made["medquad"] / "medquad.jsonl.gz")
        assert rows[0] == {
            "query": "What is (are) A ?",
            "passage": 'Key Points - A is an "illness".',
            "language": "en",
            "domain": "medical",
            "source": "medquad",
            "topic": "A",
            "group_id": "medquad-0000001_10-0",
        }
        ids = [row["group_id"] for row in rows]
        assert ids[1:4] == ["medquad-0000001_2-0", "medquad-0000001-0", "medquad-0000001-2"]  # unanswered ones keep a place
        assert ids[-1] == "medquad-None-0" and len(ids) == 2 + 8 * 2 + 1
        assert (rows[2]["query"], rows[2]["topic"]) == ("c ?", "")

    def test_ntrex(self, made):
        rows = rows_of(made["ntrex"] / "ntrex.jsonl.gz")
        assert [(row["id"], row["document"]) for row in rows] == [
            ("ntrex-0", "bbc.1"),
            ("ntrex-1", "bbc.1"),
            ("ntrex-2", "cnn.2"),
        ]
        assert (rows[0]["domain"], rows[0]["source"], len(rows[0]["texts"])) == ("news", "ntrex128", 24)
        assert [rows[2]["texts"][tag] for tag in ("en", "zh", "pt")] == ["eng 2", "zho-CN 2", "por-BR 2"]

    def test_tico19(self, made):
        first, second = rows_of(made["tico19"] / "tico19.jsonl.gz")  # Chinese lacks the third
        assert (first["id"], first["domain"], first["source"], second["id"]) == ("CMU_1:1", "medical", "tico19", "CMU_1:2")
        assert list(first["texts"]) == sorted("ar bn en es fa fr ha hi id km ms pt ru sw ta tl ur zh".split())
        assert {tag: first["texts"][tag] for tag in ("en", "es", "zh")} == {"en": "I'm 1", "es": "es-LA 1", "zh": "zh 1"}

    def test_tldr(self, made):
        rows = rows_of(made["tldr"] / "tldr.jsonl.gz")
        assert [row["group_id"] for row in rows] == ["tldr-common/[", "tldr-common/tar", "tldr-linux/tar"]
        assert set(rows[1]["queries"]) == set(rows[1]["passages"]) == set(tldr.LANGUAGES) - {"ja"}  # one example is none
        assert rows[1]["queries"]["de"] == "Archives. See also: zip (de)."
        assert rows[1]["passages"]["pt_BR"] == "Pack a file. Unpack in `pt_BR`."

    def test_what_sources_read(self, made):
        assert len(load_corpus(f"medquad:{made['medquad'] / 'medquad.jsonl.gz'}?part=all")) == 19
        assert load_corpus(f"tldr:{made['tldr'] / 'tldr.jsonl.gz'}?part=all").languages[-3:] == ("ru", "tr", "zh")
        assert len(load_corpus(f"sentences:{made['tico19'] / 'tico19.jsonl.gz'}").group_ids) == 2
        assert load_bitext(f"ntrex:{made['ntrex'] / 'ntrex.jsonl.gz'}?source=de&target=en&distractors=0").n_gold == 3
        assert len(load_task(f"squad:{made['policyqa'] / 'test.json'}?language=en").queries) == 1
        assert load_corpus(f"beir:{made['scifact']}").table["passage"].to_pylist() == ["T Cells."]
        assert load_task(f"beir:{made['scifact']}").relevance.to_pylist() == [
            {"query_id": "2", "candidate_id": "5", "grade": 1}
        ]

    def test_the_form_is_that_of_the_studies_files(self, made, shared_data):
        for name in ("medquad", "ntrex", "tico19", "tldr"):
            mine, theirs = (
                next(iter(tables.json_lines(home / f"{name}.jsonl.gz"))) for home in (made[name], shared_data / name)
            )
            assert list(mine) == list(theirs), name
            for field, value in theirs.items():
                assert type(mine[field]) is type(value), (name, field)
            if "texts" in theirs:
                assert set(mine["texts"]) == set(theirs["texts"])
        languages = {tag for row in tables.json_lines(shared_data / "tldr" / "tldr.jsonl.gz") for tag in row["queries"]}
        assert languages == set(tldr.LANGUAGES)

    def test_the_studies_sentences_come_back_from_their_homes_layout(self, shared_data, tmp_path):
        """Real texts in 24 and 18 languages, with the spaces that they have, through the files that their homes have."""
        for name, put_back in (("ntrex", put_back_ntrex), ("tico19", put_back_tico19)):
            rows = list(islice(tables.json_lines(shared_data / name / f"{name}.jsonl.gz"), 300))
            put_back(tmp_path / name, rows)
            assert rows_of(catalogue.write(name, tmp_path / name, tmp_path / "data" / name) / f"{name}.jsonl.gz") == rows


class TestWrite:
    def test_an_archive_and_its_folder_give_the_same_bytes(self, made, tmp_path):
        put_ntrex(tmp_path / "NTREX-8561f6a")
        with zipfile.ZipFile(tmp_path / "NTREX.zip", "w") as archive:
            for file in sorted(tmp_path.rglob("*.t[xs]*")):
                archive.write(file, file.relative_to(tmp_path))
            archive.writestr("NTREX-8561f6a/../../outside.txt", "x")
        from_archive = catalogue.write("ntrex", tmp_path / "NTREX.zip", tmp_path / "a")
        from_folder = catalogue.write("ntrex", tmp_path, tmp_path / "b")
        contents = [(home / "ntrex.jsonl.gz").read_bytes() for home in (from_archive, from_folder, made["ntrex"])]
        assert contents[0] == contents[1] == contents[2]

    def test_says_where_it_came_from(self, made):
        told = (made["policyqa"] / "LICENCE.txt").read_text(encoding="utf-8")
        assert told.startswith("Source: https://github.com/wasiahmad/PolicyQA/archive/775538b") and "Licence: MIT" in told

    def test_its_place_is_where_profiles_look(self, tmp_path, monkeypatch):
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "data").mkdir()
        for name in ("hub.yaml", "hub_sums.yaml"):
            (tmp_path / "data" / name).symlink_to(Path(__file__).parents[2] / "data" / name)
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        with pytest.raises(ValueError, match=r"or get it: python -m kit data get policyqa$"):
            load_task("squad:data/policyqa/test.json?language=en")
        put_policyqa(tmp_path / "home")
        assert catalogue.write("policyqa", tmp_path / "home") == tmp_path / "data" / "policyqa"
        assert len(load_task("squad:data/policyqa/test.json?language=en").queries) == 1

    def test_sets_of_others_are_not_offered(self, tmp_path):
        with pytest.raises(ValueError, match="does not exist") as error:
            load_corpus(f"medquad:{tmp_path / 'mine.jsonl'}")
        assert "data get" not in str(error.value)

    @pytest.mark.parametrize("name", catalogue.HOMES)
    def test_the_manifest_gets_the_files_of_the_same_commit(self, name):
        repository, _, commit = sets()[name].home.partition(":")[2].partition("@")
        assert repository in catalogue.HOMES[name].url and len(commit) == 40 and commit in catalogue.HOMES[name].url

    @pytest.mark.parametrize("name", catalogue.HOMES)
    def test_every_home_is_pinned_and_licensed(self, name):
        home = catalogue.HOMES[name]
        assert len(next(part for part in home.url.removesuffix(".zip").split("/")[::-1] if part)) == 40 and home.licence

    def refused(self, name, source, out):
        with pytest.raises(ValueError) as error:
            catalogue.write(name, source, out)
        assert not out.exists() and not list(out.parent.glob(".*partial*"))
        return str(error.value)

    def test_an_unknown_set(self, tmp_path):
        assert "no set is called 'medquat' (did you mean 'medquad'?)" in self.refused("medquat", tmp_path, tmp_path / "out")

    def test_no_such_place(self, tmp_path):
        assert f"{tmp_path / 'x.zip'}: no folder and no .zip" in self.refused("ntrex", tmp_path / "x.zip", tmp_path / "out")

    def test_a_file_that_the_home_has(self, tmp_path):
        put_scifact(tmp_path / "home")
        (tmp_path / "home" / "qrels" / "test.jsonl").unlink()
        told = self.refused("scifact", tmp_path / "home", tmp_path / "out")
        assert told.startswith(
            f"{tmp_path / 'home'}: no file qrels/test.jsonl in it: give a folder with the files of scifact"
        )
        assert "https://huggingface.co/datasets/mteb/scifact/resolve/d56462d0" in told

    def test_a_set_that_is_there(self, made, tmp_path):
        with pytest.raises(ValueError, match="it is there already: use it, or move it away"):
            catalogue.write("tldr", tmp_path, made["tldr"])

    def test_a_text_that_is_not_aligned(self, tmp_path):
        put_ntrex(tmp_path / "home", lines=4)
        told = self.refused("ntrex", tmp_path / "home", tmp_path / "out")
        assert "newstest2019-ref.arb.txt: 4 lines, and 3 in the files beside it" in told

    def test_a_page_that_is_not_xml(self, tmp_path):
        put_medquad(tmp_path / "home", first="<QAPair>")
        assert "0000001_10.xml: not XML (mismatched tag" in self.refused("medquad", tmp_path / "home", tmp_path / "out")

    def test_a_sentence_twice(self, tmp_path):
        put_tico19(tmp_path / "home", key="CMU_1:1")
        assert "all.en-ar.tmx.zip: sentence 'CMU_1:1' stands there twice" in self.refused(
            "tico19", tmp_path / "home", tmp_path / "out"
        )

    def test_a_memory_that_is_no_archive(self, tmp_path):
        put_tico19(tmp_path / "home")
        put(tmp_path / "home" / "data" / "TM" / "all.en-ar.tmx.zip", "<html>")
        assert "all.en-ar.tmx.zip: not a .zip with one .tmx in it" in self.refused(
            "tico19", tmp_path / "home", tmp_path / "out"
        )

    def test_a_page_that_is_no_text(self, tmp_path):
        put_tldr(tmp_path / "home")
        (tmp_path / "home" / "pages.de" / "common" / "tar.md").write_bytes(b"> \xff")
        assert "pages.de/common/tar.md: not a text in UTF-8" in self.refused("tldr", tmp_path / "home", tmp_path / "out")

    def test_a_judgement_without_a_score(self, tmp_path):
        put_scifact(tmp_path / "home")
        put(tmp_path / "home" / "qrels" / "train.jsonl", '{"query-id": "0", "corpus-id": "4983"}\n')
        told = self.refused("scifact", tmp_path / "home", tmp_path / "out")
        assert "train.jsonl, line 1: field 'score' is missing" in told

    def test_homes_without_a_row(self, tmp_path):
        put_medquad(tmp_path / "home")
        for file in (tmp_path / "home").rglob("*.xml"):
            file.write_text(PAGE.format(id="", focus="", pairs=""), encoding="utf-8")
        assert "medquad.jsonl.gz: no row to write" in self.refused("medquad", tmp_path / "home", tmp_path / "out")


class TestWriteRows:
    def test_the_same_rows_give_the_same_bytes(self, tmp_path):
        rows = [{"a": "ä\u2028"}, {"a": 2}]
        assert tables.write_rows(iter(rows), tmp_path / "one.jsonl.gz") == 2
        tables.write_rows(rows, tmp_path / "two.jsonl.gz")
        tables.write_rows(rows, tmp_path / "three.jsonl")
        one, two, three = ((tmp_path / name).read_bytes() for name in ("one.jsonl.gz", "two.jsonl.gz", "three.jsonl"))
        assert one == two and gzip.decompress(one) == three and rows_of(tmp_path / "three.jsonl") == rows

    def test_a_row_that_fails_leaves_what_was_there(self, tmp_path):
        tables.write_rows([{"a": 1}], tmp_path / "mine.jsonl")
        with pytest.raises(ZeroDivisionError):
            tables.write_rows(({"a": 1 / number} for number in (1, 0)), tmp_path / "mine.jsonl")
        assert rows_of(tmp_path / "mine.jsonl") == [{"a": 1}] and len(list(tmp_path.iterdir())) == 1

    def test_another_ending(self, tmp_path):
        with pytest.raises(ValueError, match=r"mine\.csv: unknown ending: use \.jsonl or \.jsonl\.gz"):
            tables.write_rows([{"a": 1}], tmp_path / "mine.csv")
