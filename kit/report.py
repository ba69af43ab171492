"""What a run leaves behind: numbers, figures, and a plain page that links them."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from kit import config, paths
from kit.claims import MARGIN_DISTANCE, MARGIN_MAP, NOT_TESTED, Claim, Verdict, claim_cells
from kit.results import HEADLINE, Results, headline_cells, without_nan
from kit.show import picture, write_figures
from kit.tables import whole_file

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from kit.config import Settings
    from kit.corpus import RetrievalTask
    from kit.overlap import Overlap


_RULE = (
    "Seen: the whole interval of the difference lies on the claim's side, in the mean and in every seed; to reach is to be "
    f"less than {MARGIN_MAP} mAP or {MARGIN_DISTANCE:.0%} of the rank distance worse. The p-values (paired randomisation "
    "test, Holm over the claims) do not decide."
)


def write_run(
    settings: Settings,
    results: Results,
    task: RetrievalTask,
    overlaps: list[Overlap],
    checksums: Mapping[str, str],
    verdicts: list[Verdict],
    chance_distance: float,
    figures: Mapping[str, go.Figure],
) -> Path:
    """Write ``metrics.json``, ``per_query.parquet``, ``claims.json``, figures and the pages into the run's folder.

    Args:
        chance_distance: rank distance that a random ranking of this task has.
        checksums: of the data, by source.

    Returns:
        The folder, ``reports/<run>``.
    """
    folder = paths.reports() / settings.run
    results.write(
        folder,
        {
            "run": settings.run,
            "test": task.name,
            "languages": list(task.languages),
            "n_queries": len(task.queries),
            "n_candidates": len(task.candidates),
            "n_seeds": results.n_seeds,
            "n_left_out": results.n_left_out(),
            "chance_distance": chance_distance,
            "overlap": [str(overlap) for overlap in overlaps],
            "command": command(settings),
            "settings": asdict(settings),
            "versions": config.versions(),
            "checksums": dict(checksums),
            "machine": machine(),
        },
    )
    with whole_file(folder / "claims.json") as partial:
        partial.write_text(
            json.dumps(without_nan([asdict(verdict) for verdict in verdicts]), indent=1) + "\n", encoding="utf-8"
        )
    write_figures(figures, folder / "figures")
    write_index(folder)
    return folder


def write_index(folder: str | Path) -> Path:
    """Write ``index.html`` and ``summary.md`` from what lies in a run's folder; the page is safe for any text in the data.

    Returns:
        The path of ``index.html``.

    Raises:
        ValueError: the folder holds no results.
    """
    folder = Path(folder)
    for name in ("metrics.json", "claims.json"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no {name}: run notebook 04 with this run's settings first")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    verdicts = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    chance = metrics["about"]["chance_distance"]
    content = {
        "name": metrics["about"]["run"],
        "about": metrics["about"],
        "columns": list(HEADLINE),
        "headline": headline_cells(metrics["headline"]),
        "intervals": _interval_cells(metrics["samplings"]),
        "claims": [claim_cells(_verdict(verdict)) for verdict in verdicts],
        "not_tested": NOT_TESTED,
        "rule": _RULE,
        "chance": "–" if chance is None else f"{chance:.0f}",
        "figures": sorted(path.name for path in (folder / "figures").glob("*.html")),
        "notebooks": sorted(path.name for path in (folder / "notebooks").glob("[0-9]*.ipynb")),
    }
    for name, escape in (("index.html", True), ("summary.md", False)):
        environment = jinja2.Environment(loader=jinja2.PackageLoader("kit"), autoescape=escape, trim_blocks=True)
        with whole_file(folder / name) as partial:
            partial.write_text(environment.get_template(name).render(content) + "\n", encoding="utf-8")
    return folder / "index.html"


def read_metrics(folder: str | Path, settings: Settings) -> dict | None:
    """What ``metrics.json`` in a run's folder holds, or None if it is not there or other settings made it."""
    path = Path(folder) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    made_by = json.loads(json.dumps(asdict(settings)))  # lists for tuples, as in the file
    return metrics if metrics and metrics["about"]["settings"] == made_by else None


def write_pictures(folder: str | Path) -> list[Path]:
    """Draw every figure of a run's folder as PNG beside its page; needs kaleido and a browser."""
    import plotly.io

    pictures = []
    for source in sorted((Path(folder) / "figures").glob("*.json")):
        pictures.append(source.with_suffix(".png"))
        with whole_file(pictures[-1]) as partial:
            partial.write_bytes(picture(plotly.io.read_json(source)))
    return pictures


def _interval_cells(samplings: dict) -> list[list[str]]:
    rows = []
    for sampling, scores in samplings.items():
        cells = [scores["intervals"][column] for column in HEADLINE]
        digits = [0 if column == "rank distance" else 3 for column in HEADLINE]
        rows.append(
            [
                sampling,
                *(
                    "–" if cell["low"] is None else f"{cell['low']:.{n}f} to {cell['high']:.{n}f}"
                    for cell, n in zip(cells, digits)
                ),
            ]
        )
    return rows


def _verdict(stored: dict) -> Verdict:
    """A verdict as ``claims.json`` keeps it."""
    claim = Claim(**(stored["claim"] | {"paper": tuple(stored["claim"]["paper"])}))
    return Verdict(**(stored | {"claim": claim}))


def command(settings: Settings) -> str:
    """The command that makes a run again, for a shell: every setting that differs from the default, and the run's name."""
    default = type(settings)()
    changed = {name: value for name, value in asdict(settings).items() if value != getattr(default, name)}
    named = {"run": settings.run, **changed} if changed else {}  # changed settings without a name would get another one
    return " ".join(
        ["python -m kit run", *(f"-p {shlex.quote(f'{name}={_typed_text(value)}')}" for name, value in named.items())]
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
