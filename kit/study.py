"""A study: recipes that differ in one thing ("arms"), trained with the same seeds and budget, judged on the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kit import findings, pipeline, report, runner
from kit.config import Settings, versions
from kit.findings import Finding
from kit.paths import notebooks, reports, root
from kit.results import DIGITS, HEADLINE, Results
from kit.seeding import generator
from kit.show import write_figures
from kit.tables import whole_file

if TYPE_CHECKING:
    import plotly.graph_objects as go

Log = Callable[[str], None]

_BUDGET = ("updates", "batch_size", "seeds", "encoder", "dimension")
"""Settings that all arms share, so that what differs is what is studied."""


def run_arms(arms: Mapping[str, Settings], tests: Sequence[str], log: Log = print) -> dict[str, Results]:
    """Train every arm with every seed and judge all of them on every test; what was done before is in the cache.

    Args:
        arms: by name, settings with one sampling each; ``test`` is not read.
        tests: sources of tasks (``kit.sources``).

    Returns:
        By test, results whose models are the arms.

    Raises:
        ValueError: no arm; an arm with several samplings; arms of different budgets (updates, rows a batch, seeds, encoder).
    """
    if not arms or not tests:
        raise ValueError(f"{len(arms)} arms and {len(tests)} tests: give at least one of each")
    check_arms(arms)
    pipeline.evaluate_missing([replace(settings, test=test) for test in tests for settings in arms.values()], log)
    return {
        test: Results({name: pipeline.evaluate_runs(replace(settings, test=test), log) for name, settings in arms.items()})
        for test in tests
    }


def check_arms(arms: Mapping[str, Settings]) -> None:
    """Refuse arms that cannot be compared.

    Raises:
        ValueError: an arm with several samplings; arms of different budgets (updates, rows a batch, seeds, encoder).
    """
    for name, settings in arms.items():
        if len(settings.samplings) != 1:
            raise ValueError(f"arm {name!r} has samplings {', '.join(settings.samplings)}: give each arm one")
    for field in _BUDGET:
        values = {name: getattr(settings, field) for name, settings in arms.items()}
        if len(set(values.values())) > 1:
            raise ValueError(f"arms differ in {field}: {values}: compare arms of one budget, or make two studies")


def pareto_front(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Names that no other beats: none is at least as high in every score and higher in one. Equal ones stay together.

    >>> pareto_front({"a": (1, 0), "b": (0, 1), "c": (0, 0)})
    ['a', 'b']
    """
    front = []
    for name, own in scores.items():
        beaten = any(
            all(x >= y for x, y in zip(other, own)) and any(x > y for x, y in zip(other, own)) for other in scores.values()
        )
        if not beaten:
            front.append(name)
    return front


def leave(
    number: str,
    settings: Settings,
    results: Mapping[str, Results],
    found: Sequence[Finding],
    figures: Mapping[str, go.Figure],
    more: str = "",
) -> list[Finding]:
    """Write what a study leaves behind into ``reports/<run>``: ``NN-findings.json``, ``NN-tables.md``, ``NN-figures/``.

    Args:
        number: of the notebook.
        settings: of the study; the command that makes it again is made from them.
        results: by task; each gives a table with means over seeds and 95 % intervals over question groups.
        found: what was claimed and tested; p-values are adjusted over all of them (Holm), commands filled in.
        figures: by name, without the number.
        more: Markdown that stands between the tables and the findings, such as tables of scores that are no ``Results``.

    Returns:
        The findings as they were written.
    """
    folder, command = reports() / settings.run, _command(number, settings)
    found = [replace(finding, command=command) for finding in findings.adjusted(found)]
    findings.write(found, folder / f"{number}-findings.json")
    write_figures(figures, folder / f"{number}-figures")
    machine = ", ".join(f"{name} {value}" for name, value in {**report.machine(), **versions()}.items())
    parts = [f"# Study {number}, run {settings.run}", *(_table(task, one) for task, one in results.items())]
    parts += [*([more] if more else []), "## Findings", findings.markdown(found), f"On {machine}.", ""]
    with whole_file(folder / f"{number}-tables.md") as partial:
        partial.write_text("\n\n".join(parts), encoding="utf-8")
    return found


def gather(runs: Sequence[str]) -> list[Finding]:
    """Put the findings of runs together: ``reports/claims.json``, ``reports/claims.md``, and the table in ``README.md``.

    Args:
        runs: folders in ``reports/``, such as ``ratio-real``; of a training run, its verdicts on the paper's claims count.

    Returns:
        All findings, as ``findings.collect`` orders them.

    Raises:
        ValueError: a run without findings or verdicts; a README without the place for the table.
    """
    found = []
    for run in runs:
        own = [finding for path in sorted((reports() / run).glob("[0-9]*-findings.json")) for finding in findings.read(path)]
        verdicts = report.run_verdicts(reports() / run)
        if verdicts:
            told = report.run_metrics(reports() / run)["about"]
            own += findings.of_paper(verdicts, "04 the paper", told["test"], told["command"])
        if not own:
            raise ValueError(f"{reports() / run} holds no findings: run a study there first (python -m kit run 06 …)")
        found += own
    found = findings.collect(found)
    findings.write(found, reports() / "claims.json")
    head = (
        "# What was claimed, and what is seen\n\nWritten by `python -m kit claims " + " ".join(runs) + "`. " + findings.RULE
    )
    with whole_file(reports() / "claims.md") as partial:
        partial.write_text(f"{head}\n\n{findings.markdown(found)}", encoding="utf-8")
    _into_readme(findings.short(found))
    return found


_MARKS = "<!-- claims: written by python -m kit claims -->", "<!-- end of claims -->"


def _into_readme(text: str) -> None:
    path = root() / "README.md"
    before, first, rest = path.read_text(encoding="utf-8").partition(_MARKS[0])
    _, last, after = rest.partition(_MARKS[1])
    if not (first and last):
        raise ValueError(f"{path}: no place for the table: write the lines {_MARKS[0]!r} and {_MARKS[1]!r}")
    with whole_file(path) as partial:
        partial.write_text(f"{before}{first}\n{text}\n{last}{after}", encoding="utf-8")


def _command(number: str, settings: Settings) -> str:
    """What makes a study again: its notebook's own defaults, a profile, or what differs from the defaults."""
    source = runner.notebook(number)
    if settings == runner.notebook_settings(source, {}):
        return f"python -m kit run {number}"
    if (notebooks() / "params" / f"{settings.run}.yaml").is_file():
        profile = runner.parameters_of(settings.run, {})
        if settings == runner.notebook_settings(source, profile):
            return f"python -m kit run {number} --profile {settings.run}"
    return report.command(settings, number, default=runner.notebook_settings(source, {}))


def _table(task: str, results: Results) -> str:
    """Scores of all arms on a task as Markdown: mean over seeds ± their deviation [95 % interval over question groups]."""
    columns = HEADLINE | {"mono nDCG@10": ("monolingual", "ndcg_at_10")}
    if len(results.languages) == 1:
        del columns["rank distance"]  # of versions in one language: no matter of languages
    columns = {name: place for name, place in columns.items() if results.values(results.models[0], *place).values.size}
    means = results.table(columns)
    lines = [
        f"## {results.task_name}\n\n`{task}`\n",
        "| arm | " + " | ".join(columns) + " |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for arm in results.models:
        cells = []
        for name, place in columns.items():
            digits, spread = DIGITS.get(name, 3), means[arm][name][1]
            interval = results.interval(arm, *place)
            if name == "rank distance":
                digits = 0
            shown = "" if spread != spread else f" ± {spread:,.{digits}f}"
            cells.append(
                f"{interval.estimate:,.{digits}f}{shown} [{interval.low:,.{digits}f} to {interval.high:,.{digits}f}]"
            )
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Best:
    """The best arm, and how often each arm is best when questions and training seeds are drawn again."""

    arm: str
    share: dict[str, float]

    def within(self, confidence: float = 0.95) -> list[str]:
        """The fewest arms, most frequent first, that hold the best one in that share of the draws."""
        ordered = sorted(self.share, key=lambda arm: -self.share[arm])
        reached = np.cumsum([self.share[arm] for arm in ordered])
        return ordered[: int(np.searchsorted(reached, confidence - 1e-12)) + 1]


def best_arm(results: Results, places: Sequence[tuple[str, str]], n_resamples: int = 2000, seed: int = 0) -> Best:
    """The arm with the highest mean of some scores, and how sure that is.

    A resample draws question groups and, by arm, training seeds, both with replacement; the arm with the highest score in it
    counts. Of equal scores the first arm counts.

    Args:
        places: (setting, measure) of each score; higher is better in all of them.
        n_resamples: number of draws, at least 1.

    Raises:
        ValueError: a task without one of the settings; ``n_resamples`` below 1.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}: choose at least 1")
    by_group = {model: _by_group(results, model, places) for model in results.models}  # (n_seeds, n_groups)
    scores = {model: float(values.sum(axis=1).mean()) for model, values in by_group.items()}
    random = generator(seed, "study", "best arm")
    wins = dict.fromkeys(results.models, 0)
    n_groups = next(iter(by_group.values())).shape[1]
    for _ in range(n_resamples):
        drawn = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups))
        draw = {
            model: float((values[random.integers(0, len(values), len(values))] @ drawn).mean())
            for model, values in by_group.items()
        }
        wins[max(draw, key=draw.__getitem__)] += 1
    return Best(max(scores, key=scores.__getitem__), {model: won / n_resamples for model, won in wins.items()})


def overall(results: Results, model: str, places: Sequence[tuple[str, str]]) -> list[np.ndarray]:
    """The mean of some scores as ``findings.judge`` takes it: one column (n_groups, 1) a seed, whose mean is that score.

    A group's entry is what it adds to the score, times the number of groups. Arguments and errors as in ``best_arm``.
    """
    return [added[:, None] * len(added) for added in _by_group(results, model, places)]


def _by_group(results: Results, model: str, places: Sequence[tuple[str, str]]) -> np.ndarray:
    """What each question group adds to the score of each seed, (n_seeds, n_groups); a row sums to the score."""
    rows = []
    for run in results.evaluations[model]:
        added = 0.0
        for place in places:
            values = run.values(*place).values  # (n_groups, n_cells)
            if not values.size:
                raise ValueError(f"the task has no {place[0]} setting: leave it out of places")
            share = np.nan_to_num(values / (~np.isnan(values)).sum(axis=0)).mean(axis=1)  # (n_groups,)
            added = added + share / len(places)
        rows.append(added)
    return np.array(rows)
