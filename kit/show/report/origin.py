"""Where numbers come from: what was asked for, on which data, with which versions, on which machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.core import fingerprints
from kit.evaluate.bias import panel

if TYPE_CHECKING:
    from kit.compare.results import Results
    from kit.data.corpus import RetrievalTask
    from kit.data.overlaps import Overlap

KINDS = ("training", "audit", "comparison")

LIBRARIES = ("babel", *fingerprints.COMPUTING)
"""Whose versions a report names: those that compute, and babel, on which the texts of Atlas depend."""


def about(
    kind: str,
    run: str,
    results: Results,
    task: RetrievalTask,
    command: str,
    settings: Mapping[str, object],
    checksums: Mapping[str, str],
    overlaps: Iterable[Overlap | str] = (),
    models: Mapping[str, Mapping[str, str]] | None = None,
) -> dict:
    """What is told of a run besides its numbers; stands in ``metrics.json`` and on the page.

    Args:
        kind: "training" (the models were trained by the run) or "audit" (they were there before).
        run: name of the run and of its folder.
        results: what was measured, on ``task``.
        command: for a shell, makes the run again.
        settings: what was asked for.
        checksums: of the data, by source.
        overlaps: what of the task stands in the training data.
        models: facts of each model, as texts (encoder, prompts, dimensions …); models without any may be left out.

    Returns:
        ``run, kind, test, languages, n_queries, n_candidates, pool_counts`` (candidates by language), ``n_seeds`` (by
        model), ``notes`` (what was left out or put together when the task was read), ``chance`` (by column of the bias
        panel; NaN where it is not defined), ``command, settings, versions, checksums, machine, overlap`` (texts),
        ``models``.

    Raises:
        ValueError: another kind; results of another task; facts of a model that the results do not have.
    """
    if kind not in KINDS[:2]:
        raise ValueError(f"kind is {kind!r}: choose 'training' or 'audit'")
    measured = next(iter(results.evaluations.values()))[0].task_name
    if (measured, results.languages) != (task.name, tuple(task.languages)):
        raise ValueError(f"task is {task.name!r} but the results are of {measured!r}: give the task that was evaluated")
    strangers = sorted(set(models or {}) - set(results.models))
    if strangers:
        raise ValueError(f"models has {strangers[0]!r}, which was not evaluated: choose from {', '.join(results.models)}")
    counts = np.bincount(task.candidate_language, minlength=len(task.languages)).tolist()
    return {
        "run": run,
        "kind": kind,
        "test": task.name,
        "languages": list(task.languages),
        "n_queries": len(task.queries),
        "n_candidates": len(task.candidates),
        "pool_counts": dict(zip(task.languages, counts)),
        "n_seeds": results.n_seeds,
        "notes": list(task.notes),
        "chance": panel.chance(task),
        "command": command,
        "settings": dict(settings),
        "versions": fingerprints.versions(LIBRARIES),
        "checksums": dict(checksums),
        "machine": machine(),
        "overlap": [str(overlap) for overlap in overlaps],
        "models": {name: dict(facts) for name, facts in (models or {}).items()},
    }


def machine() -> dict[str, str]:
    """What the numbers were made on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "GPU": gpu,
        "python": sys.version.split()[0],
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or "unknown"
