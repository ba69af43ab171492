"""Trained models lie beside the tables of their run, and stay when the cache goes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from kit.run import pipeline
from kit.run.cli import commands, export
from kit.run.models import keeping
from kit.run.models.keeping import keep_arms, keep_models, kept_models
from kit.run.settings import Settings
from kit.run.training import is_trained

HERE = Path(__file__).resolve().parents[2]
SETTINGS = Settings().changed(
    run="mine",
    samplings=("X-Y", "Hybrid"),
    train=("atlas?languages=de,en&domains=currency",),
    updates=2,
    evaluations=1,
    batch_size=20,
    dimension=16,
    vocabulary_size=300,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project whose cache holds both models, with seed 0."""
    home = tmp_path_factory.mktemp("home")
    (home / "notebooks").symlink_to(HERE / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_HOME", str(home))
        patch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
        pipeline.train_all(SETTINGS, str)
    return home


@pytest.fixture
def home(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def embedding(folder):
    return SentenceTransformer(str(folder), device="cpu").encode("a text")


def test_a_kept_model_loads_and_stays_when_the_cache_goes(home):
    before = embedding(pipeline.model_folder(SETTINGS, "Hybrid", 0) / "model")
    folder = keep_models(SETTINGS)
    shutil.rmtree(home / "data" / "cache")
    assert folder == home / "reports" / "mine" / "models"
    assert sorted(path.name for path in folder.iterdir()) == ["Hybrid-seed-0", "X-Y-seed-0"]
    np.testing.assert_array_equal(embedding(folder / "Hybrid-seed-0" / "model"), before)
    assert is_trained(folder / "X-Y-seed-0")


def test_a_large_file_takes_no_room_of_its_own_and_a_small_one_may_be_written_in(home, monkeypatch):
    monkeypatch.setattr(keeping, "_LINKED", 10_000)
    source, target = pipeline.model_folder(SETTINGS, "Hybrid", 0), keep_models(SETTINGS) / "Hybrid-seed-0"
    [weights] = [path.relative_to(source) for path in source.rglob("*.safetensors")]
    assert os.path.samefile(source / weights, target / weights)
    assert not os.path.samefile(source / "model" / "modules.json", target / "model" / "modules.json")


def test_on_another_disk_it_is_copied(home, monkeypatch):
    def refuse(source, target):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(keeping, "_LINKED", 0)
    monkeypatch.setattr(os, "link", refuse)
    assert is_trained(keep_models(SETTINGS) / "Hybrid-seed-0")


def test_the_same_model_is_left_as_it_is(home):
    note = keep_models(SETTINGS) / "Hybrid-seed-0" / "note.txt"
    note.write_text("mine")
    keep_models(SETTINGS)
    assert note.read_text() == "mine"


@pytest.mark.parametrize("what", ["damaged", "of another recipe"])
def test_one_that_is_not_the_cached_one_is_replaced(home, what):
    folder = keep_models(SETTINGS)
    if what == "damaged":
        (folder / "Hybrid-seed-0" / "model" / "modules.json").write_text("{}")
    else:
        shutil.rmtree(folder / "Hybrid-seed-0")
        (folder / "X-Y-seed-0").rename(folder / "Hybrid-seed-0")
    keep_models(SETTINGS)
    source = pipeline.model_folder(SETTINGS, "Hybrid", 0)
    np.testing.assert_array_equal(embedding(folder / "Hybrid-seed-0" / "model"), embedding(source / "model"))
    assert sorted(path.name for path in folder.iterdir()) == ["Hybrid-seed-0", "X-Y-seed-0"]


def test_the_arms_of_a_study_keep_their_names(home, capsys):
    arms = {"alpha 0.5": SETTINGS.changed(samplings=("Hybrid",)), "100% + X-Y": SETTINGS.changed(samplings=("X-Y",))}
    keep_arms("06", arms)
    keep_models(SETTINGS)  # of the same run: neither takes the other's place
    kept = home / "reports" / "mine" / "models"
    assert sorted(path.name for path in kept.glob("06*")) == ["06-100-X-Y-seed-0", "06-alpha-0.5-seed-0"]
    source = pipeline.model_folder(SETTINGS, "Hybrid", 0)
    np.testing.assert_array_equal(embedding(kept / "06-alpha-0.5-seed-0" / "model"), embedding(source / "model"))
    assert commands.main(["models"]) == 0
    names = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == ["06-100-X-Y", "06-alpha-0.5", "Hybrid", "X-Y"]


def test_what_is_not_trained_is_not_kept(home):
    keep_models(SETTINGS.changed(seeds=(0, 1)))
    assert [one.facts["seed"] for one in kept_models("mine")] == [0, 0]


def test_the_command_lists_them(home, capsys):
    assert commands.main(["models"]) == 0
    assert capsys.readouterr().out == "no trained models yet: python -m kit run trains some\n"
    keep_models(SETTINGS)
    keep_models(SETTINGS.changed(run="other", samplings=("X-Y",)))
    assert commands.main(["models"]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head == ["run", "model", "seed", "encoder", "updates", "MB", "folder"]
    assert [row[:5] for row in rows] == [
        ["mine", "Hybrid", "0", "static", "2"],
        ["mine", "X-Y", "0", "static", "2"],
        ["other", "X-Y", "0", "static", "2"],
    ]
    assert rows[0][6] == "reports/mine/models/Hybrid-seed-0/model" and (home / rows[0][6]).is_dir()
    assert commands.main(["models", "other"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert commands.main(["models", "nothing"]) == 1
    assert "no run 'nothing' in reports/" in capsys.readouterr().err


def test_export_finds_what_left_the_cache(home):
    run = keep_models(SETTINGS).parent
    about = {"kind": "training", "models": pipeline.model_folders(SETTINGS)}
    in_cache = pipeline.model_folder(SETTINGS, "Hybrid", 0) / "model"
    assert export.trained_folder(run, about, "Hybrid", None) == (0, in_cache)
    shutil.rmtree(home / "data" / "cache")
    kept = run / "models" / "Hybrid-seed-0"
    assert export.trained_folder(run, about, "Hybrid", None) == (0, kept / "model")
    (kept / "key").write_text("another training of this name")  # whose scores would not be those of the report
    assert export.trained_folder(run, about, "Hybrid", None) == (0, in_cache)
