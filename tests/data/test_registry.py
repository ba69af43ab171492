"""What can be written after a source's name: paths, options; and the checksums of what stands behind it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from kit.core.fingerprints import data_checksum
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.registry import checksums, load_bitext, load_corpus, load_task

ROWS = [{"group_id": "1", "language": tag, "query": f"What? {tag}", "passage": f"That. {tag}"} for tag in ("de", "en")]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project with some data, and a working folder elsewhere."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "notebooks").mkdir(parents=True)
    elsewhere.mkdir()
    corpus = ParallelCorpus.from_rows(ROWS, "mine")
    corpus.write(home / "data" / "mine.jsonl")
    RetrievalTask.from_corpus(corpus, "mine").write(home / "data" / "task")
    question = {"id": "1", "question": "Who?", "answers": [{"text": "That", "answer_start": 0}]}
    (home / "data" / "squad.json").write_text(
        json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "That is it.", "qas": [question]}]}]})
    )
    monkeypatch.setenv("KIT_HOME", str(home))
    monkeypatch.chdir(elsewhere)
    return home


class TestPaths:
    def test_a_relative_path_starts_at_the_project(self, home):
        assert load_corpus("jsonl:data/mine.jsonl").languages == ("de", "en")
        assert load_task("jsonl:data/task").name == "mine"

    def test_an_absolute_path_stays(self, home):
        assert load_corpus(f"jsonl:{home}/data/mine.jsonl").name == "mine"

    def test_the_home_folder_of_the_user(self, home, monkeypatch):
        monkeypatch.setenv("HOME", str(home / "data"))
        assert load_corpus("jsonl:~/mine.jsonl").name == "mine"

    def test_a_file_of_the_working_folder_is_not_taken(self, home):
        (Path.cwd() / "here.jsonl").write_bytes((home / "data" / "mine.jsonl").read_bytes())
        with pytest.raises(ValueError, match=r"source 'jsonl:here.jsonl': .*home/here.jsonl does not exist"):
            load_corpus("jsonl:here.jsonl")


class TestOptions:
    def test_reach_the_source(self, home):
        assert load_corpus("squad:data/squad.json?language=th").languages == ("th",)

    def test_several_and_lists(self):
        corpus = load_corpus("atlas?split=validation&languages=th,de")
        assert corpus.languages == ("de", "th")
        assert corpus.table.equals(load_corpus("atlas", split="validation", languages=["de", "th"]).table)

    def test_languages_have_many_names(self, home):
        assert load_task("atlas?languages=deu,Thai").languages == ("de", "th")
        assert load_bitext("atlas?pair=deu-eng").source_language == "de"
        assert load_corpus("squad:data/squad.json?language=Tagalog").languages == ("fil",)

    def test_one_language_is_a_list_too(self):
        assert load_task("atlas?languages=de").languages == ("de",)

    def test_what_a_call_says_goes_before(self, home):
        assert load_corpus("squad:data/squad.json?language=th", language="en").languages == ("en",)

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("atlas?languages", "option 'languages' has no value: write ?option=value"),
            ("atlas?languages=", "option 'languages' has no value"),
            ("atlas?=de", "option '' has no value"),
            ("atlas?colour=red", "unknown option 'colour': choose from split, by"),
            ("atlas:data?by=fact", "this kind takes no path: write 'atlas'"),
            ("squad:data/squad.json", "option 'language' is missing"),
            ("squad:data/squad.json?language=de&question_language=es", "unknown option 'question_language'"),  # no corpus
            ("squad:?language=en", "the path is missing: write 'squad:<path>'"),
            ("jsonl:data/mine.jsonl?language=en", "unknown option 'language': this kind takes none"),
            ("atlas?by=colour", "colour"),
            ("nothing?by=fact", "unknown kind 'nothing': choose from atlas, beir"),
        ],
    )
    def test_refused(self, home, spec, message):
        with pytest.raises(ValueError) as error:
            load_corpus(spec)
        assert message in str(error.value)

    def test_an_empty_list_of_options_is_none(self):
        assert load_task("atlas?").name == load_task("atlas").name


class TestChecksums:
    def test_of_files_and_folders_by_source(self, home):
        specs = ("jsonl:data/mine.jsonl", "jsonl:data/task")
        assert checksums(specs) == {
            specs[0]: data_checksum(home / "data" / "mine.jsonl"),
            specs[1]: data_checksum(home / "data" / "task"),
        }

    def test_options_are_no_part_of_the_file(self, home):
        assert set(checksums(["squad:data/squad.json?language=th", "squad:data/squad.json?language=en"]).values()) == {
            data_checksum(home / "data" / "squad.json")
        }

    def test_a_byte_makes_another(self, home):
        before = checksums(["jsonl:data/task"])
        with (home / "data" / "task" / "candidates.jsonl").open("a") as stream:
            stream.write("\n")
        assert checksums(["jsonl:data/task"]) != before

    @pytest.mark.parametrize(
        ("spec", "load"),
        [
            ("jsonl:{}/mine.jsonl", load_corpus),
            ("jsonl:{}/task", load_task),
            ("squad:{}/squad.json?language=en", load_task),
            ("beir:{}/beir", load_task),
        ],
    )
    def test_a_snapshot_of_the_hub_is_what_its_plain_copy_is(self, home, tmp_path, spec, load):
        """In the cache of the hub the files are links to blobs, in a folder that is called by a commit."""
        (home / "data" / "beir" / "qrels").mkdir(parents=True)
        (home / "data" / "beir" / "queries.jsonl").write_text('{"_id": "q", "text": "Who?"}\n')
        (home / "data" / "beir" / "corpus.jsonl").write_text('{"_id": "d", "text": "Ann."}\n')
        (home / "data" / "beir" / "qrels" / "test.tsv").write_text("q\td\t1\n")
        snapshot, blobs = tmp_path / "hub" / "snapshots" / "0123abcd", tmp_path / "hub" / "blobs"
        blobs.mkdir(parents=True)
        for number, file in enumerate(path for path in (home / "data").rglob("*") if path.is_file()):
            link = snapshot / file.relative_to(home / "data")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(file.rename(blobs / str(number)), link.parent))
        shutil.rmtree(home / "data")
        shutil.copytree(snapshot, home / "data")
        linked, plain = spec.format(snapshot), spec.format("data")
        parts = ("table",) if load is load_corpus else ("queries", "candidates", "relevance")
        assert all(getattr(load(linked), part).equals(getattr(load(plain), part)) for part in parts)
        assert checksums([linked])[linked] == checksums([plain])[plain]
        of_all = [data_checksum(folder) for folder in (snapshot, home / "data")]
        assert of_all[0] == of_all[1]

    def test_what_is_built_in_is_known_by_its_library(self):
        import babel

        assert checksums(["atlas?by=fact"]) == {"atlas?by=fact": f"babel {babel.__version__}"}

    def test_none(self):
        assert checksums([]) == {}

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("jsonl:data/absent", "data/absent does not exist"),
            ("nothing:x", "unknown kind 'nothing'"),
            ("atlas?by", "has no value"),
        ],
    )
    def test_refused(self, home, spec, message):
        with pytest.raises(ValueError) as error:
            checksums([spec])
        assert message in str(error.value)
