"""Where numbers come from: what was asked for, on which data, with which versions, on which machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import kit
from kit.core import fingerprints
from kit.evaluate.bias import panel
from kit.show.report.questions import extremes

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
    duration_s: float | None = None,
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
        duration_s: seconds that the run took, where that is known; of kind "training" those of the updates of all models,
            which may have been made before.

    Returns:
        ``run, kind, test, languages, n_queries, n_candidates, pool_counts`` (candidates by language), ``n_seeds`` (by
        model), ``notes`` (what was left out or put together when the task was read), ``chance`` (by column of the bias
        panel; NaN where it is not defined), ``command, settings, versions, checksums, machine, overlap`` (texts),
        ``models``, ``made`` (date, version and commit of the kit, duration, as texts), ``questions``
        (``kit.show.report.questions.extremes``, which ``write_run`` puts into a file of their own).

    Raises:
        ValueError: another kind; results of another task; facts of a model that the results do not have.
    """
    _refuse_what_does_not_fit(kind, results, task, models or {})
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
        "made": made(duration_s),
        "questions": extremes(results, task),
    }


def _refuse_what_does_not_fit(
    kind: str, results: Results, task: RetrievalTask, models: Mapping[str, Mapping[str, str]]
) -> None:
    if kind not in KINDS[:2]:
        raise ValueError(f"kind is {kind!r}: choose 'training' or 'audit'")
    measured = next(iter(results.evaluations.values()))[0].task_name
    if (measured, results.languages) != (task.name, tuple(task.languages)):
        raise ValueError(f"task is {task.name!r} but the results are of {measured!r}: give the task that was evaluated")
    strangers = sorted(set(models) - set(results.models))
    if strangers:
        raise ValueError(f"models has {strangers[0]!r}, which was not evaluated: choose from {', '.join(results.models)}")


def made(duration_s: float | None = None) -> dict[str, str]:
    """When, by which state of the kit, and in what time: texts by name; no commit where the kit is no checkout.

    Args:
        duration_s: seconds; None where it is not known.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    commit, took = _commit(), {} if duration_s is None else {"duration": duration(duration_s)}
    return {"date": now, "kit": kit.__version__} | ({"commit": commit} if commit else {}) | took


def duration(seconds: float) -> str:
    """A duration in the units that fit.

    >>> duration(4.2), duration(125), duration(7290)
    ('4 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _commit() -> str:
    """The commit of the kit's checkout, and whether files have changed since; empty for a kit that is installed."""
    folder = Path(kit.__file__).parents[1]
    if not (folder / ".git").exists():  # it may be installed inside of somebody's own checkout
        return ""
    asked = ["git", "--no-optional-locks", "-C", str(folder), "describe", "--always", "--dirty= and changes", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):  # no git, or one that does not answer
        return ""


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
