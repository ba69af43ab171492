"""Settings, their fingerprints, and the checksums of code and data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

import kit
from kit.core import fingerprints
from kit.core.fingerprints import code_fingerprint, data_checksum, versions
from kit.run.settings import Settings

NAMES = [field.name for field in fields(Settings)]


def _changed(name: str) -> Settings:
    """The defaults with another value for one field."""
    default = getattr(Settings(), name)
    if isinstance(default, tuple):
        value = (*default, {str: "other", float: 0.123, int: 7}[type(default[0])])
    else:
        value = {str: "other", float: 0.123, int: default * 2 or 5}.get(type(default), True)
    return Settings().changed(**{name: value})


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("updates", "50", ["updates is '50'", "int", "200"]),
            ("updates", 50.0, ["updates is 50.0", "int", "200"]),
            ("updates", True, ["updates is True", "int", "200"]),  # bool is a subclass of int
            ("updates", None, ["updates is None", "int", "200"]),
            ("learning_rate", True, ["learning_rate is True", "float"]),
            ("learning_rate", "0.1", ["learning_rate is '0.1'", "float"]),
            ("run", 3, ["run is 3", "str", "'smoke'"]),
            ("train", "atlas", ["train is 'atlas'", "list", "['atlas']"]),  # would be read letter by letter
            ("seeds", [], ["seeds is []", "at least one", "[0]"]),
            ("seeds", 0, ["seeds is 0", "list", "[0]"]),
            ("seeds", [0, "1"], ["seeds[1] is '1'", "int", "0"]),
            ("seeds", [True], ["seeds[0] is True", "int"]),
            ("samplings", ["X-Y", None], ["samplings[1] is None", "str", "'X-X-mono'"]),
            ("samplings", ["X-Y", "Hybrid", "X-Y"], ["samplings is ['X-Y', 'Hybrid', 'X-Y']", "once"]),
            ("seeds", [1, 1], ["seeds is [1, 1]", "once"]),
        ],
    )
    def test_refuses_and_says_what_to_write(self, name, value, words):
        with pytest.raises(ValueError) as error:
            Settings().changed(**{name: value})
        assert [word for word in words if word not in str(error.value)] == []

    def test_refuses_an_unknown_name(self):
        with pytest.raises(TypeError, match="update_count"):
            Settings().changed(update_count=3)

    def test_whole_numbers_are_taken_for_floats(self):
        rate = Settings().changed(learning_rate=1).learning_rate
        assert (rate, type(rate)) == (1.0, float)

    def test_lists_become_tuples(self):
        assert Settings().changed(seeds=[0, 1]) == Settings().changed(seeds=(0, 1))

    def test_is_frozen(self):
        with pytest.raises(FrozenInstanceError):
            Settings().updates = 3

    @pytest.mark.parametrize("name", NAMES)
    def test_every_field_is_explained(self, name):
        assert name in Settings.__doc__.partition("Raises")[0]


class TestCollect:
    def test_takes_fields_and_nothing_else(self):
        namespace = {"updates": 50, "seeds": [3], "np": object(), "_": 1, "update": 9}
        assert Settings.collect(namespace) == Settings().changed(updates=50, seeds=(3,))

    def test_defaults_for_what_is_not_there(self):
        assert Settings.collect({}) == Settings()

    def test_checks_types(self):
        with pytest.raises(ValueError, match="updates is '50'"):
            Settings.collect({"updates": "50"})


class TestFingerprint:
    def test_form(self):
        assert len(Settings().fingerprint()) == 12 and int(Settings().fingerprint(), 16) >= 0

    @pytest.mark.parametrize("name", NAMES)
    def test_changes_with_every_field(self, name):
        assert _changed(name).fingerprint() != Settings().fingerprint()

    @pytest.mark.parametrize("name", NAMES)
    def test_changes_with_the_named_fields_only(self, name):
        changed = _changed(name)
        assert changed.fingerprint([name]) != Settings().fingerprint([name])
        assert changed.fingerprint([other for other in NAMES if other != name]) == Settings().fingerprint(
            [other for other in NAMES if other != name]
        )

    def test_names_may_be_an_iterator(self):
        assert Settings().fingerprint(iter(["run", "updates"])) == Settings().fingerprint(["run", "updates"])

    def test_changes_with_more(self):
        found = [Settings().fingerprint(None, *more) for more in ((), (0,), (1,), ("0",), (0, 0), ({"a": 1},), ({"a": 2},))]
        assert len(set(found)) == len(found)

    def test_the_order_of_a_list_counts(self):
        assert (
            Settings().changed(samplings=("X-Y", "Hybrid")).fingerprint()
            != Settings().changed(samplings=("Hybrid", "X-Y")).fingerprint()
        )

    def test_equal_settings_print_alike(self):
        assert (
            Settings().changed(seeds=[0], learning_rate=1).fingerprint()
            == Settings().changed(seeds=(0,), learning_rate=1.0).fingerprint()
        )

    def test_is_the_same_in_another_process(self):
        settings = Settings().changed(train=("jsonl:données",), seeds=(1, 2))
        call = f"Settings().changed(**{settings.flat()!r}).fingerprint(None, {{'b': 1, 'a': 'ß'}})"
        code = f"from kit.core.fingerprints import Settings; print({call})"
        found = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == settings.fingerprint(None, {"a": "ß", "b": 1})


class TestCodeFingerprint:
    @pytest.fixture
    def package(self, tmp_path, monkeypatch) -> Path:
        """A copy of the package that ``code_fingerprint`` takes for its own."""
        copy = shutil.copytree(Path(kit.__file__).parent, tmp_path / "kit", ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(fingerprints, "__file__", str(copy / "config.py"))
        return copy

    @staticmethod
    def _of(*modules: str) -> str:
        return code_fingerprint.__wrapped__(*modules)  # without the memory of the calls before

    def test_the_same_files_in_another_place(self, package):
        assert self._of("trainer", "sources") == code_fingerprint("trainer", "sources")

    @pytest.mark.parametrize("file", ["trainer.py", "sources/lareqa.py", "sources/atlas/templates/de.json"])
    def test_changes_with_a_source_file(self, package, file):
        before = self._of("trainer", "sources")
        with (package / file).open("a", encoding="utf-8") as stream:
            stream.write("\n")
        assert self._of("trainer", "sources") != before

    def test_changes_with_what_a_module_imports_even_indirectly(self, package):
        before = self._of("trainer")
        with (package / "tables.py").open("a", encoding="utf-8") as stream:  # of corpus, of samplers, of trainer
            stream.write("\n")
        assert self._of("trainer") != before

    def test_does_not_change_with_other_modules(self, package):
        before = self._of("trainer", "sources")
        (package / "plots.py").write_text("# other\n")
        assert self._of("trainer", "sources") == before

    def test_does_not_change_with_compiled_files(self, package):
        before = self._of("sources")
        (package / "sources" / "__pycache__").mkdir()
        (package / "sources" / "__pycache__" / "lareqa.cpython-311.pyc").write_bytes(b"\0")
        assert self._of("sources") == before

    def test_changes_with_a_new_file_of_a_folder(self, package):
        before = self._of("sources")
        (package / "sources" / "new.py").touch()
        assert self._of("sources") != before


def test_versions_are_those_installed():
    import numpy

    assert versions()["numpy"] == numpy.__version__
    assert {"torch", "sentence-transformers", "babel"} <= set(versions())


class TestDataChecksum:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / "here" / "data"
        (folder / "deep").mkdir(parents=True)
        (folder / "a.jsonl").write_bytes(b"one")
        (folder / "deep" / "b.jsonl").write_bytes(b"two")
        return folder

    def test_form(self, folder):
        assert len(data_checksum(folder)) == 64 and len(data_checksum(folder / "a.jsonl")) == 64

    def test_not_with_the_place(self, folder, tmp_path):
        before = data_checksum(folder), data_checksum(folder / "a.jsonl")
        moved = (tmp_path / "there").mkdir() or folder.rename(tmp_path / "there" / "data")
        assert (data_checksum(moved), data_checksum(moved / "a.jsonl")) == before

    def test_not_with_times(self, folder):
        import os

        before = data_checksum(folder)
        os.utime(folder / "a.jsonl", (0, 0))
        assert data_checksum(str(folder)) == before

    @pytest.mark.parametrize("file", ["a.jsonl", "deep/b.jsonl"])
    def test_changes_with_a_byte(self, folder, file):
        before = data_checksum(folder), data_checksum(folder / file)
        (folder / file).write_bytes(b"twO")
        assert data_checksum(folder) != before[0] and data_checksum(folder / file) != before[1]

    def test_changes_with_the_last_byte_of_a_large_file(self, folder):
        (folder / "a.jsonl").write_bytes(b"x" * (1 << 20) + b"y")
        before = data_checksum(folder)
        (folder / "a.jsonl").write_bytes(b"x" * (1 << 20) + b"z")
        assert data_checksum(folder) != before

    def test_changes_with_a_file_name(self, folder):
        before = data_checksum(folder)
        (folder / "a.jsonl").rename(folder / "c.jsonl")
        assert data_checksum(folder) != before

    def test_changes_with_a_new_file_even_an_empty_one(self, folder):
        before = data_checksum(folder)
        (folder / "empty").touch()
        assert data_checksum(folder) != before

    def test_names_and_bytes_do_not_run_together(self, folder):
        (folder / "a.jsonl").rename(folder / "a")
        before = data_checksum(folder)
        (folder / "a").unlink()
        (folder / "ao").write_bytes(b"ne")
        assert data_checksum(folder) != before

    def test_nothing_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="absent"):
            data_checksum(tmp_path / "absent")
