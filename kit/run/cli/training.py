"""What ``train`` does: models without notebooks, for trainings that take hours or several devices."""

from __future__ import annotations

from kit.core.printing import say
from kit.core.processes import JobError
from kit.run import pipeline, profiles
from kit.run.models.keeping import keep_models, kept_folder


def train(profile: str, changes: dict[str, str], n_devices: int, command: str) -> None:
    """Train the models of notebook 03 that are not in the cache; print the last score of each, and where it lies.

    Args:
        changes: of parameters, as typed.
        n_devices: that share each training; 1: as notebooks train.
        command: what was typed; it goes on after a failure.

    Raises:
        ValueError: see ``kit.run.profiles.parameters_of`` and ``kit.run.devices.train_on_devices``.
        JobError: a process failed or was killed.
    """
    source = profiles.notebook("03")
    settings = profiles.notebook_settings(source, profiles.parameters_of(profile, changes, [source]))
    try:
        histories = pipeline.train_all(settings, say, n_devices)
    except JobError as error:
        raise JobError(f"{error}; this goes on from the last whole checkpoint: {command}") from None
    run = keep_models(settings).parent
    for (sampling, seed), history in histories.items():
        score = history.scores[-1][1]["score"]
        say(f"{sampling:>14}  seed {seed}  score {score:.4f}  {kept_folder(run, sampling, seed) / 'model'}")
