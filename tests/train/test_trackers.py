"""Trackers: they are told what the kit's own history says, and change nothing that is learned."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from test_trainer import CONFIG, CORPUS, HYBRID, assert_same_weights, encoder, one_thread as one_thread, scripted, weights
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from kit.train import trainer
from kit.train.config import TRACKERS
from kit.train.trainer import fine_tune


class Tracker(TrainerCallback):
    """One that is kept in memory."""

    told: ClassVar[list[tuple[str, int, dict[str, float]]]] = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.told.append((args.run_name, state.global_step, dict(logs)))


def train(folder, **changes):
    model = encoder()
    scores = scripted([0.5, 0.25])
    return model, fine_tune(
        model, [CORPUS], HYBRID, CONFIG.changed(evaluations=2, **changes), folder, 3, scores, lambda line: None
    )


def test_losses_are_logged_every_n_updates_and_scores_when_they_are_there(tmp_path, monkeypatch):
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Tracker)
    monkeypatch.setattr(trainer, "get_available_reporting_integrations", lambda: ["tensorboard"])
    Tracker.told.clear()
    plain, usual = train(tmp_path / "plain")
    watched, history = train(tmp_path / "watched", report_to="tensorboard", log_every=4)
    losses = [(step, logs["loss"]) for _, step, logs in Tracker.told if "loss" in logs]
    assert losses == history.loss and [step for step, _ in losses] == [4, 8, 12]
    assert [(step, logs["eval_score"]) for _, step, logs in Tracker.told if "eval_score" in logs] == [(6, 0.5), (12, 0.25)]
    assert {name for name, _, _ in Tracker.told} == {"Hybrid, seed 3"}
    assert [step for step, _ in usual.loss] == [6, 12] and usual.scores == history.scores
    assert_same_weights(weights(plain), weights(watched))


def test_one_that_is_not_installed_is_refused_before_anything_is_done(tmp_path):
    absent = next(name for name in TRACKERS if name not in integration_utils.get_available_reporting_integrations())
    with pytest.raises(ValueError, match=f"report_to is '{absent}', which is not installed here: pip install {absent}"):
        train(tmp_path / "none", report_to=absent)
    assert not (tmp_path / "none").exists()


def test_all_are_known_to_transformers():
    assert {*TRACKERS} <= {*integration_utils.INTEGRATION_TO_CALLBACK}


def test_how_a_training_is_watched_decides_nothing():
    watched = CONFIG.changed(report_to="trackio", log_every=1)
    assert watched.decisive() == CONFIG.decisive() and len(CONFIG.decisive()) == len(dict(CONFIG)) - 2


def test_the_optimiser_is_fused(tmp_path, monkeypatch):
    """One kernel for all weights, where torch has it, as transformers chooses by itself."""
    made = []
    monkeypatch.setattr(torch.optim.AdamW, "__init__", _spying(torch.optim.AdamW.__init__, made))
    train(tmp_path)
    assert [options["fused"] for options in made] == [True]


def _spying(function, calls):
    def spy(self, *arguments, **options):
        calls.append(options)
        return function(self, *arguments, **options)

    return spy


def test_tensorboard_is_told_what_the_history_says(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing import event_accumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "events"))
    _, history = train(tmp_path / "model", report_to="tensorboard", log_every=4)
    events = event_accumulator.EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    losses, scores = ({one.step: one.value for one in events.Scalars(name)} for name in ("train/loss", "eval/score"))
    assert losses == pytest.approx(dict(history.loss)) and scores == {6: 0.5, 12: 0.25}
