"""Which encoder a training run starts from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kit import jobs, pipeline
from kit.config import Settings

SETTINGS = Settings(train=("atlas",))


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_text("1")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def test_a_relative_folder_starts_at_the_project(home, monkeypatch):
    monkeypatch.chdir(home / "notebooks")  # where kernels run
    assert jobs.encoder_folder(replace(SETTINGS, encoder="mine")) == home / "mine"


@pytest.mark.parametrize("name", ["static", "tiny", "sentence-transformers/LaBSE"])
def test_made_encoders_and_names_on_the_hub_have_no_folder(home, name):
    (home / "static").mkdir()  # a folder of that name does not matter
    assert jobs.encoder_folder(replace(SETTINGS, encoder=name)) is None


def test_other_weights_in_the_folder_make_another_key(home):
    settings = replace(SETTINGS, encoder="mine")
    before = pipeline.training_fingerprint(settings, "X-Y", 0)
    (home / "mine" / "weights").write_text("2")
    assert pipeline.training_fingerprint(settings, "X-Y", 0) != before
