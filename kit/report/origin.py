"""Where numbers come from: what was asked for, on which data, with which versions, on which machine."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import config, panel

if TYPE_CHECKING:
    from kit.config import Settings
    from kit.corpus import RetrievalTask
    from kit.overlap import Overlap
    from kit.results import Results

KINDS = ("training", "audit", "comparison")


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
        model), ``chance`` (by column of the bias panel; NaN where it is not defined), ``command, settings, versions,
        checksums, machine, overlap`` (texts), ``models``.

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
        "chance": panel.chance(task),
        "command": command,
        "settings": dict(settings),
        "versions": config.versions(),
        "checksums": dict(checksums),
        "machine": machine(),
        "overlap": [str(overlap) for overlap in overlaps],
        "models": {name: dict(facts) for name, facts in (models or {}).items()},
    }


def read_metrics(folder: str | Path, settings: Settings) -> dict | None:
    """What ``metrics.json`` in a run's folder holds, or None if it is not there or other settings made it."""
    path = Path(folder) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    made_by = json.loads(json.dumps(asdict(settings)))  # lists for tuples, as in the file
    return metrics if metrics and metrics["about"]["settings"] == made_by else None


def command(settings: Settings, *notebooks: str, default: Settings | None = None) -> str:
    """The command that makes a run again, for a shell: every setting that differs from the default, and the run's name.

    Args:
        notebooks: their numbers; without any it is the story.
        default: of the notebooks; those of ``Settings`` where none is given.
    """
    default = default or type(settings)()
    changed = {name: value for name, value in asdict(settings).items() if value != getattr(default, name)}
    named = {"run": settings.run, **changed} if changed else {}  # changed settings without a name would get another one
    return " ".join(
        [
            "python -m kit run",
            *notebooks,
            *(f"-p {shlex.quote(f'{name}={_typed_text(value)}')}" for name, value in named.items()),
        ]
    )


def _typed_text(value: object) -> str:
    """A setting as it is typed on the command line."""
    if not isinstance(value, tuple):
        return str(value)
    entries = [str(entry) for entry in value]
    plain = all(entries) and not any("," in entry for entry in entries) and not entries[0].startswith("[")
    return ",".join(entries) if plain else json.dumps(entries, ensure_ascii=False)


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
