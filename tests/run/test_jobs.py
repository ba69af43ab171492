"""Which encoder a training run starts from."""

from __future__ import annotations

import pytest

from kit.run import training
from kit.run.settings import Settings
from kit.train.config import EncoderConfig
from kit.train.history import History


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_text("1")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def test_a_relative_folder_starts_at_the_project(home, monkeypatch):
    monkeypatch.chdir(home / "notebooks")  # where kernels run
    assert training.encoder_folder(EncoderConfig(name="mine")) == home / "mine"


@pytest.mark.parametrize("name", ["static", "tiny", "sentence-transformers/LaBSE"])
def test_made_encoders_and_names_on_the_hub_have_no_folder(home, name):
    (home / "static").mkdir()  # a folder of that name does not matter
    assert training.encoder_folder(EncoderConfig(name=name)) is None


def test_a_model_without_a_readable_history_is_not_trained(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "modules.json").write_text("[]")
    assert not training.is_trained(tmp_path)
    History([(1, 0.5)], []).write(tmp_path / "history.json")
    assert training.is_trained(tmp_path)
    (tmp_path / "history.json").write_text("")  # cut off
    assert not training.is_trained(tmp_path)


def test_a_run_with_impossible_settings_is_refused_before_it_starts():
    with pytest.raises(ValueError, match="evaluations 4 exceeds updates 3"):
        Settings().changed(updates=3)
    with pytest.raises(ValueError, match=r"seeds\[1\] is -1"):
        Settings().changed(seeds=(0, -1))
