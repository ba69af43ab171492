"""What ``train`` does: models without notebooks, for trainings that take hours or several devices."""

from __future__ import annotations

from kit.core.engines.engine import Engine
from kit.core.printing import say
from kit.core.processes import JobError
from kit.run import pipeline, profiles
from kit.run.models.keeping import keep_models, kept_folder


def train(profile: str, changes: dict[str, str], n_devices: int, command: str, engine: Engine) -> None:
    """Train the models of notebook 03 that are not in the cache; print the last score of each, and where it lies.

    Args:
        changes: of parameters, as typed.
        n_devices: that share each training; 1: as notebooks train.
        command: what was typed; it goes on after a failure.
        engine: that trains; one of several machines shares no training among devices.

    Raises:
        ValueError: see ``kit.run.profiles.parameters_of`` and ``kit.run.devices.train_on_devices``; devices and an engine.
        JobError: a process failed or was killed.
    """
    if n_devices > 1 and engine.name != "here":
        raise ValueError(
            f"--devices {n_devices}: devices of this machine share a training: leave --engine {engine.name} away"
        )
    source = profiles.notebook("03")
    settings = profiles.notebook_settings(source, profiles.parameters_of(profile, changes, [source]))
    try:
        histories = pipeline.train_all(settings, say, n_devices, engine)
    except JobError as error:
        raise JobError(f"{error}; this goes on from the last whole checkpoint: {command}") from None
    run = keep_models(settings).parent
    for (sampling, seed), history in histories.items():
        score = history.scores[-1][1]["score"]
        say(f"{sampling:>14}  seed {seed}  score {score:.4f}  {kept_folder(run, sampling, seed) / 'model'}")
