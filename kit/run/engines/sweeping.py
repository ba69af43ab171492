"""A sweep: every combination of values of parameters as a run of its own, and one table of them all."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.compare.columns import DIGITS
from kit.core import paths
from kit.core.engines.carrying import carry_out
from kit.core.engines.engine import chosen
from kit.core.printing import Table, estimate, say
from kit.core.processes import JobError
from kit.run import notebooks, pipeline, profiles
from kit.run.engines.board import Board
from kit.run.engines.dealing import bring, shared
from kit.run.settings import Settings
from kit.show import report

Log = Callable[[str], None]


@dataclass(frozen=True)
class RunJob:
    """A run: what ``kit.run.notebooks.run`` takes, and a name.

    choice: the values that are this run's own, by parameter.
    """

    choice: Mapping[str, str]
    parameters: Mapping[str, object]
    numbers: tuple[str, ...]

    @property
    def name(self) -> str:
        """The run's name, which is that of its folder in ``reports/``."""
        return str(self.parameters["run"])


def combinations(given: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Every combination of values; a parameter that is given several times is combined with all others.

    >>> combinations([("updates", "5"), ("seeds", "0"), ("seeds", "1")])
    [{'updates': '5', 'seeds': '0'}, {'updates': '5', 'seeds': '1'}]
    """
    grid: dict[str, list[str]] = {}
    for name, value in given:
        grid.setdefault(name, []).append(value)
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


def runs_of(profile: str, choices: Sequence[dict[str, str]], numbers: tuple[str, ...]) -> list[RunJob]:
    """A run for each choice of parameters; its name ends in digits that tell its settings from others.

    Raises:
        ValueError: see ``kit.run.profiles.parameters_of``; two choices that are the same settings.
    """
    sources = [profiles.notebook(number) for number in numbers]
    jobs: dict[str, RunJob] = {}
    for choice in choices:
        parameters = profiles.parameters_of(profile, {name: text for name, text in choice.items() if name != "run"}, sources)
        settings = Settings().changed(**parameters | {"run": choice.get("run", profile)})
        parameters["run"] = f"{settings.run}-{settings.fingerprint()[:6]}"
        job = RunJob({name: text for name, text in choice.items() if name != "run"}, parameters, numbers)
        if job.name in jobs:
            raise ValueError(f"{choice} and {dict(jobs[job.name].choice)} are the same settings: give each value once")
        jobs[job.name] = job
    return list(jobs.values())


def sweep(jobs: Sequence[RunJob], log: Log = say) -> Table:
    """Make runs, each a job of the engine that was chosen, and put their scores into a table.

    What their notebooks 03 and 04 train and evaluate is done first, all runs together, each model a job: a run then finds
    it, or tries it again where it failed. Runs, models and evaluations that were made before are not made again.

    Returns:
        A line a run and model: the values that are the run's own, and the scores of notebook 04, over the run's seeds.

    Raises:
        kit.core.processes.JobError: runs failed; the others are done.
    """
    for number, ahead in (("03", pipeline.train_missing), ("04", pipeline.evaluate_missing)):
        source, asking = profiles.notebook(number), [job for job in jobs if number in job.numbers]
        try:
            if asking:
                ahead([profiles.notebook_settings(source, dict(job.parameters)) for job in asking], log)
        except (ValueError, JobError) as error:
            log(str(error))
    names = [job.name for job in jobs]
    work, dealt = shared(run_job, jobs, _kept_of_run)
    with Board(names, log) as board:
        carry_out(work, dealt, names, board.tell, chosen())
    bring([path for job in jobs for path in _kept_of_run(job)], log, anew=True)
    own = [name for name in jobs[0].choice if len({job.choice[name] for job in jobs}) > 1]
    return Table([row for job in jobs for row in _rows(job, own)])


def _kept_of_run(job: RunJob) -> tuple[Path, ...]:
    return (paths.run_folder(job.name),)


def run_job(job: RunJob, log: Log) -> None:
    """What a process does: one run, by papermill; what it prints is logged."""
    with contextlib.redirect_stdout(_Lines(lambda line: log(f"{job.name}  {line}"))):
        again = f"python -m kit run --again '{job.name}'"
        folder = notebooks.run(dict(job.parameters), job.numbers, again)
        if profiles.metrics_of(folder, Settings().changed(**job.parameters)):
            report.write_pages(folder)


class _Lines(io.TextIOBase):
    """Takes what is printed, and gives it on line by line."""

    def __init__(self, log: Log) -> None:
        self._log, self._begun = log, ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._log(line)
        return len(text)


def _rows(job: RunJob, own: Sequence[str]) -> Iterator[Mapping[str, object]]:
    """A line a model; one line where notebook 04 was not asked for. ``own``: parameters in which runs differ."""
    head = {"run": job.name, **{name: job.choice[name] for name in own}}
    metrics = profiles.metrics_of(paths.run_folder(job.name), Settings().changed(**job.parameters))
    if metrics is None:
        yield head
        return
    for model, columns in metrics["headline"].items():
        scores = {name: estimate(mean, deviation, DIGITS[name]) for name, (mean, deviation) in columns.items()}
        yield head | {"model": model} | scores
