"""Trained models beside the tables of their run: put there, found, listed."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.core import paths
from kit.core.files import CHECKSUMS, whole_folder
from kit.core.printing import Table
from kit.run.audits import slug
from kit.run.pipeline import model_folder
from kit.run.settings import Settings
from kit.run.training import is_trained

KEY = "key"
"""File beside a kept model: the name of its folder in the cache, which tells its recipe and data from any others."""

_LINKED = 2**20
"""Bytes from which a file is linked to that of the cache, where it takes no room of its own; a smaller one is copied, since
people may write in it."""


def keep_models(settings: Settings) -> Path:
    """Put the models of a run that are in the cache into ``reports/<run>/models``, one folder each; earlier ones give way.

    A folder has the model in ``model``, which sentence-transformers loads, the recipe in ``settings.json``, the scores of
    the training in ``history.json``. It stays when the cache is cleared.

    Returns:
        The folder of all of them.
    """
    run = paths.run_folder(settings.run)
    for sampling in settings.samplings:
        for seed in settings.seeds:
            _keep(model_folder(settings, sampling, seed), kept_folder(run, sampling, seed))
    return run / "models"


def keep_arms(number: str, arms: Mapping[str, Settings]) -> None:
    """The same for the arms of a study, each under the number of its notebook and its own name.

    Args:
        number: of the notebook, so that studies of one run do not take each other's places.
        arms: by name, settings with one sampling each.
    """
    for arm, settings in arms.items():
        for seed in settings.seeds:
            target = kept_folder(paths.run_folder(settings.run), slug(f"{number} {arm}"), seed)
            _keep(model_folder(settings, settings.samplings[0], seed), target)


def _keep(source: Path, target: Path) -> None:
    if not is_trained(source) or _is_same(source, target):
        return
    with whole_folder(target.with_name(f"{target.name} (new)")) as partial:
        without = shutil.ignore_patterns("eval", "checkpoint-*")
        shutil.copytree(source, partial, dirs_exist_ok=True, ignore=without, copy_function=_linked)
        (partial / KEY).write_text(source.name, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    target.with_name(f"{target.name} (new)").rename(target)


def kept_folder(run: Path, sampling: str, seed: int) -> Path:
    """Where a run keeps a model, there or not.

    >>> kept_folder(Path("reports/cpu"), "Hybrid(0.2)", 1).as_posix()
    'reports/cpu/models/Hybrid(0.2)-seed-1'
    """
    return run / "models" / f"{sampling}-seed-{seed}"


@dataclass(frozen=True)
class KeptModel:
    """A trained model in a run's folder.

    folder: of the training; the model is in its subfolder ``model``.
    facts: its recipe (``kit.run.training.TrainJob.facts``).
    """

    folder: Path
    facts: dict

    @property
    def n_bytes(self) -> int:
        """Size of the model's files."""
        return sum(file.stat().st_size for file in (self.folder / "model").rglob("*") if file.is_file())


def kept_models(run: str | None = None) -> list[KeptModel]:
    """The models that runs have kept, of all runs or of one.

    Raises:
        ValueError: what is given is no name of a run.
    """
    runs = [paths.run_folder(run)] if run else sorted(folder for folder in paths.reports().glob("*") if folder.is_dir())
    found = []
    for folder in (path.parent for one in runs for path in sorted(one.glob("models/*/settings.json"))):
        if (folder / "model").is_dir():
            found.append(KeptModel(folder, json.loads((folder / "settings.json").read_text(encoding="utf-8"))))
    return found


def listed(models: list[KeptModel]) -> Table:
    """A row a model."""
    return Table(
        [
            {
                "run": one.folder.parents[1].name,
                "model": one.folder.name.rpartition("-seed-")[0],
                "seed": one.facts["seed"],
                "encoder": one.facts["encoder"]["name"],
                "updates": one.facts["training"]["updates"],
                "MB": f"{one.n_bytes / 1e6:,.0f}",
                "folder": (one.folder / "model").relative_to(paths.root()).as_posix(),
            }
            for one in models
        ],
        numeric={"seed", "updates", "MB"},
    )


def _is_same(source: Path, target: Path) -> bool:
    sums, key = [folder / "model" / CHECKSUMS for folder in (source, target)], target / KEY
    known = sums[1].is_file() and key.is_file() and key.read_text(encoding="utf-8") == source.name
    return known and filecmp.cmp(*sums, shallow=False) and is_trained(target)


def _linked(source: str, target: str) -> str:
    if os.path.getsize(source) < _LINKED:
        return shutil.copy2(source, target)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        return shutil.copy2(source, target)
    return target
