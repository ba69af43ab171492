"""Which models lie on this machine, and which of them a demonstration starts with: folders as runs and hubs leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.run.models import at_hand as module
from kit.run.models.at_hand import at_hand, better_than
from kit.run.settings import Settings
from kit.train.history import History


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project without models, and a hub's cache."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "hub"))
    return tmp_path


def keep(home: Path, run: str, updates: int, score: float, encoder: str = "static", train: str = "atlas") -> str:
    folder = home / "reports" / run / "models" / f"{score}"
    (folder / "model").mkdir(parents=True)
    facts = {"sampling": "X-Y", "seed": 0, "train": [train], "encoder": {"name": encoder}, "training": {"updates": updates}}
    (folder / "settings.json").write_text(json.dumps(facts))
    History([], [(updates, {"score": score})]).write(folder / "history.json")
    return str(folder / "model")


def cache(home: Path, name: str, card: str | None) -> str:
    folder = home / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / "00000000"
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    if card is not None:
        (folder / "README.md").write_text(f"---\n{card}\n---\n# A model\n")
    return str(folder)


def names(languages=("de", "zh"), train=("atlas",)) -> list[str]:
    return [one.name for one in at_hand(languages, train)]


def test_pretrained_ones_come_first_then_the_longest_trained(home):
    short, long = keep(home, "smoke", 200, 0.9), keep(home, "cpu", 1000, 0.5)
    better, tuned = keep(home, "cpu", 1000, 0.6), keep(home, "tuned", 50, 0.4, "head:org/base")
    hub = cache(home, "org/many", "language:\n- multilingual")
    assert names() == [tuned, hub, better, long, short]
    assert [one.label for one in at_hand(["de"], ["atlas"])][:2] == ["tuned: X-Y, 50 updates", "org/many"]


def test_what_learned_from_other_data_is_left_out(home):
    keep(home, "real", 1000, 0.5, train="lareqa:data/xquad-r")
    assert names() == []


@pytest.mark.parametrize(
    ("card", "is_known"),
    [
        ("language: multilingual", True),
        ("language:\n- de\n- en\n- zh-Hans", True),
        ("language: en", False),
        ("license: mit", False),
        (None, False),
    ],
)
def test_a_card_says_which_languages_a_model_of_the_hub_knows(home, card, is_known):
    folder = cache(home, "org/model", card)
    assert names() == [folder] * is_known


class TestBetterThan:
    SETTINGS = Settings().changed(updates=200)

    @pytest.fixture(autouse=True)
    def loaded(self, monkeypatch):
        monkeypatch.setattr(module, "load", lambda one, log: one.name)

    def test_nothing_where_there_is_nothing(self, home):
        assert better_than(self.SETTINGS, ["de"]) == {}

    def test_a_longer_training(self, home):
        keep(home, "smoke", 200, 0.9)
        assert better_than(self.SETTINGS, ["de"]) == {}
        assert better_than(self.SETTINGS.changed(updates=100), ["de"]) == {
            "smoke: X-Y, 200 updates": str(home / "reports" / "smoke" / "models" / "0.9" / "model")
        }

    def test_a_pretrained_one_unless_those_of_the_run_are(self, home):
        hub = cache(home, "org/many", "language: multilingual")
        assert better_than(self.SETTINGS, ["de"]) == {"org/many": hub}
        assert better_than(self.SETTINGS.changed(encoder="head:org/many"), ["de"]) == {}
