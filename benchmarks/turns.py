"""Candidates in turns: how every benchmark beside peers measures, and how its results are kept.

The clock of one run is compared with that of the same run only: each round calls every candidate once, one after another, so
that other work on the machine falls on all of them. Medians over the rounds are printed, and the median of the ratios within
a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kit.core.files import whole_file
from kit.core.printing import Table, say

Times = Mapping[str, Sequence[tuple[float, float]]]
"""Seconds of each candidate in each round, by the clock and of the processor (of all threads)."""


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """By the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - clock, time.process_time() - processor


def in_turns(calls: Mapping[str, Callable[[], object]], n_rounds: int, warm: bool = True) -> Times:
    """Seconds of each call in each round; ``warm``: each is called once before, uncounted."""
    if warm:
        for call in calls.values():
            call()
    rounds = [{name: seconds(call) for name, call in calls.items()} for _ in range(n_rounds)]
    return {name: [one[name] for one in rounds] for name in calls}


def rows_of(times: Times, reference: str) -> list[dict[str, object]]:
    """A row for each candidate: median and range in seconds, and the ratios to the reference, medians of the rounds."""
    rows = []
    for name, taken in times.items():
        clock, processor = zip(*taken)
        ratios = [median_ratio(taken, times[reference], kind) for kind in (0, 1)]
        span = f"{rounded(min(clock))} to {rounded(max(clock))}"
        row = {"": name, "s": rounded(statistics.median(clock)), "range": span, "ratio": ratios[0]}
        rows.append(row | {"CPU s": rounded(statistics.median(processor)), "CPU ratio": ratios[1]})
    return rows


def median_ratio(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]], kind: int) -> float:
    """Median over the rounds of the ratio within each; kind 0: by the clock, 1: of the processor."""
    return rounded(statistics.median(a[kind] / b[kind] for a, b in zip(one, other)))


def rounded(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of the line through the points on axes of logarithms: 1 is linear, 2 square, 0 no growth."""
    return round(float(np.polyfit(np.log(sizes), np.log(values), 1)[0]), 2)


def machine(*packages: str) -> str:
    """Processor, cores, memory, and versions of what the numbers depend on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", *packages))
    kernel = os.environ.get("OPENBLAS_CORETYPE")
    blas = f", OPENBLAS_CORETYPE={kernel}" if kernel else ""
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {versions}{blas}"


def load() -> str:
    """How busy the machine was in the last minute: processes that want a core."""
    return f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores in the last minute"


def arguments(text: str, **defaults: int) -> argparse.Namespace:
    """Sizes from the command line, each with its default, and the folder for results.

    Args:
        text: the benchmark's docstring, shown by ``--help``.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default {default:,}")
    parser.add_argument(
        "--out", type=Path, default=Path("reports/bench"), help="folder for the results, as JSON and Markdown"
    )
    return parser.parse_args()


def keep(
    out: Path, name: str, said: str, tables: Mapping[str, list[dict[str, object]]], facts: Mapping[str, object]
) -> None:
    """Print tables, and keep them as ``NAME.md`` and, with facts such as the machine, as ``NAME.json``."""
    lines = [f"# {said}", *(f"- {key}: {value}" for key, value in facts.items())]
    text = "\n".join([lines[0], "", *lines[1:]])
    for title, rows in tables.items():
        text += f"\n\n## {title}\n\n{Table(rows).markdown()}"
    say(text)
    out.mkdir(parents=True, exist_ok=True)
    for suffix, content in ((".md", text), (".json", json.dumps({"facts": facts, "tables": tables}, indent=1))):
        with whole_file(out / f"{name}{suffix}") as partial:
            partial.write_text(content + "\n", encoding="utf-8")
