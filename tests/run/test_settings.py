"""Settings, their fingerprints, and the checksums of code and data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from kit.core.fingerprints import data_checksum, versions
from kit.run.settings import FLAT, Settings
from kit.train import config

NAMES = list(FLAT)
HERE = Path(__file__).resolve().parents[2]


def _changed(name: str) -> Settings:
    """The defaults with another value for one field."""
    default = Settings().flat()[name]
    if isinstance(default, tuple):
        value = (*default, {str: "other", float: 0.123, int: 7}[type(default[0])])
    else:
        value = {str: OTHER.get(name, "other"), float: 0.123, int: 5}.get(type(default), True)
    return Settings().changed(**{name: value})


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("updates", "50", ["updates is '50'", "int", "1000"]),
            ("updates", 50.0, ["updates is 50.0", "int", "1000"]),
            ("updates", True, ["updates is True", "int", "1000"]),  # bool is a subclass of int
            ("updates", None, ["updates is None", "int", "1000"]),
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
        with pytest.raises(ValueError, match="'update_count' is unknown: choose from run, samplings, seeds, train"):
            Settings().changed(update_count=3)

    def test_whole_numbers_are_taken_for_floats(self):
        rate = Settings().changed(learning_rate=1).training.learning_rate
        assert (rate, type(rate)) == (1.0, float)

    def test_lists_become_tuples(self):
        assert Settings().changed(seeds=[0, 1]) == Settings().changed(seeds=(0, 1))

    def test_is_frozen(self):
        with pytest.raises(ValidationError, match="frozen"):
            Settings().training.updates = 3

    def test_flat_and_back(self):
        settings = Settings().changed(updates=50, seeds=(1, 2), encoder="tiny", alphas=(0.5,))
        assert Settings().changed(**settings.flat()) == settings
        assert (settings.training.updates, settings.encoder.name, settings.mixture.alphas) == (50, "tiny", (0.5,))

    @pytest.mark.parametrize("name", NAMES)
    def test_every_field_is_explained(self, name):
        part, field = FLAT[name]
        owner = type(getattr(Settings(), part)) if part else Settings
        assert field in owner.__doc__.partition("Raises")[0]

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("updates", 0, "updates is 0: it lies between 1 and"),
            ("encoder", 3, "encoder is 3: write a value of type str, such as 'static'"),
            ("alphas", [0.5, 1.5], "alphas\\[1\\] is 1.5: it lies between 0.0 and 1.0"),
            ("run", "../x", "run is '../x': it names a folder under reports/"),
        ],
    )
    def test_ranges(self, name, value, words):
        with pytest.raises(ValueError, match=words):
            Settings().changed(**{name: value})


class TestCollect:
    def test_takes_fields_and_nothing_else(self):
        namespace = {"updates": 50, "seeds": [3], "np": object(), "_": 1, "update": 9}
        assert Settings.collect(namespace) == Settings().changed(updates=50, seeds=(3,))

    def test_defaults_for_what_is_not_there(self):
        assert Settings.collect({}) == Settings()

    def test_checks_types(self):
        with pytest.raises(ValueError, match="updates is '50'"):
            Settings.collect({"updates": "50"})


OTHER = {"trainable": "last:2", "attention": "eager", "report_to": "trackio"}
"""Values of texts of which not every one is taken."""


class TestFingerprint:
    def test_form(self):
        assert len(Settings().fingerprint()) == 12 and int(Settings().fingerprint(), 16) >= 0

    @pytest.mark.parametrize("name", NAMES)
    def test_changes_with_every_field(self, name, monkeypatch):
        for known in ("LOSS_NAMES", "HEADS"):
            monkeypatch.setattr(config, known, (*getattr(config, known), "other"))
        assert _changed(name).fingerprint() != Settings().fingerprint()

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
        code = f"from kit.run.settings import Settings; print(Settings().changed(**{settings.flat()!r}).fingerprint())"
        found = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True, cwd=HERE
        )
        assert found.stdout.strip() == settings.fingerprint()


def test_versions_are_those_installed():
    import numpy

    assert versions()["numpy"] == numpy.__version__
    assert {"torch", "sentence-transformers"} <= set(versions())


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
