"""A study: recipes that differ in one thing ("arms"), trained with the same seeds and budget, judged on the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kit.compare import findings
from kit.compare.claims import Finding, adjusted
from kit.compare.columns import COLUMNS, DIGITS, HEADLINE
from kit.compare.results import Results
from kit.compare.stats import legend, mark
from kit.core.files import whole_file
from kit.core.fingerprints import versions
from kit.core.paths import notebooks, reports, root, run_folder
from kit.core.printing import Table, estimate, span
from kit.run import profiles
from kit.run.models.keeping import keep_arms
from kit.run.settings import Settings
from kit.show import report
from kit.show.report.origin import LIBRARIES
from kit.show.tables import write_figures
from kit.train.encoders.finding import MADE

if TYPE_CHECKING:
    import plotly.graph_objects as go

Log = Callable[[str], None]


def leave(
    number: str,
    settings: Settings,
    results: Mapping[str, Results],
    found: Sequence[Finding],
    figures: Mapping[str, go.Figure],
    more: str = "",
    arms: Mapping[str, Settings] | None = None,
) -> list[Finding]:
    """Write what a study leaves behind into ``reports/<run>``: ``NN-findings.json``, ``NN-tables.md``, ``NN-figures/``.

    The models of its arms lie in ``models/`` then (``kit.run.models.keeping``).

    Args:
        number: of the notebook.
        settings: of the study; the command that makes it again is made from them.
        results: by task; each gives a table with means over seeds and 95 % intervals over question groups.
        found: what was claimed and tested; p-values are adjusted over all of them (Holm), command and encoder filled in.
        figures: by name, without the number.
        more: Markdown that stands between the tables and the findings, such as tables of scores that are no ``Results``.
        arms: by name, what was trained.

    Returns:
        The findings as they were written.
    """
    folder, command = run_folder(settings.run), _command(number, settings)
    encoder = _pretrained(settings.encoder.name)
    found = [replace(finding, command=command, encoder=encoder) for finding in adjusted(found)]
    findings.write(found, folder / f"{number}-findings.json")
    write_figures(figures, folder / f"{number}-figures")
    machine = ", ".join(f"{name} {value}" for name, value in {**report.machine(), **versions(LIBRARIES)}.items())
    parts = [f"# Study {number}, run {settings.run}", *(_table(task, one) for task, one in results.items())]
    parts += [*([more] if more else []), "## Findings", findings.markdown(found), f"On {machine}.", ""]
    with whole_file(folder / f"{number}-tables.md") as partial:
        partial.write_text("\n\n".join(parts), encoding="utf-8")
    keep_arms(number, arms or {})
    return found


def gather(runs: Sequence[str]) -> list[Finding]:
    """Put the findings of runs together: ``reports/claims.json``, ``reports/claims.md``, the table in ``docs/claims.md``.

    Args:
        runs: folders in ``reports/``, such as ``ratio-real``; of a training run, the paper's claims that it tested count.

    Returns:
        All findings, as ``findings.collect`` orders them.

    Raises:
        ValueError: a run without findings; no ``docs/claims.md`` with a place for the table.
    """
    found = []
    for run in runs:
        folder = run_folder(run)
        own = [finding for path in sorted(folder.glob("[0-9]*-findings.json")) for finding in findings.read(path)]
        encoder = _pretrained(str(_asked(folder).get("encoder", "")))
        own += [replace(finding, encoder=encoder) for finding in report.run_findings(folder) if finding.is_tested]
        if not own:
            raise ValueError(f"{folder} holds no findings: run a study there first (python -m kit run 06 …)")
        found += own
    found = findings.collect(found)
    findings.write(found, reports() / "claims.json")
    body = findings.markdown(found)
    by = f"Written by `python -m kit claims {' '.join(runs)}`."
    head = f"# What was claimed, and what is seen\n\n{by} {findings.RULE} {legend(body)}."
    with whole_file(reports() / "claims.md") as partial:
        partial.write_text(f"{head}\n\n{body}", encoding="utf-8")
    _into_docs(findings.short(found))
    return found


_MARKS = "<!-- claims: written by python -m kit claims -->", "<!-- end of claims -->"


def _pretrained(encoder: str) -> str:
    """The name of an encoder that is pretrained; empty for one made from scratch."""
    return "" if encoder in MADE else encoder


def _asked(folder: Path) -> dict[str, object]:
    """The parameters that a run was asked for; none where it did not keep them."""
    return profiles.read(folder)[0] if (folder / "params.yaml").is_file() else {}


def _into_docs(text: str) -> None:
    path = root() / "docs" / "claims.md"
    written = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, first, rest = written.partition(_MARKS[0])
    _, last, after = rest.partition(_MARKS[1])
    if not (first and last):
        raise ValueError(f"{path}: no place for the table: write the lines {_MARKS[0]!r} and {_MARKS[1]!r}")
    with whole_file(path) as partial:
        partial.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")


def _command(number: str, settings: Settings) -> str:
    """What makes a study again: its notebook's own defaults, a profile, or what differs from the defaults."""
    source = profiles.notebook(number)
    if settings == profiles.notebook_settings(source, {}):
        return f"python -m kit run {number}"
    if (notebooks() / "params" / f"{settings.run}.yaml").is_file():
        profile = profiles.parameters_of(settings.run, {})
        if settings == profiles.notebook_settings(source, profile):
            return f"python -m kit run {number} --profile {settings.run}"
    return profiles.command(settings, number, default=profiles.notebook_settings(source, {}))


def _table(task: str, results: Results) -> str:
    """Scores of all arms on a task as Markdown: mean over seeds ± their deviation [95 % interval over question groups]."""
    columns = HEADLINE | {"mono nDCG@10": COLUMNS["mono nDCG@10"]}
    if len(results.languages) == 1:
        del columns["rank distance"]  # of versions in one language: no matter of languages
    columns = {name: where for name, where in columns.items() if results.values(results.models[0], *where).values.size}
    means, rows = results.table(columns), []
    for arm in results.models:
        rows.append({"arm": arm})
        for name, where in columns.items():
            digits = 0 if name == "rank distance" else DIGITS.get(name, 3)
            found = results.interval(arm, *where)
            score = estimate(found.estimate, means[arm][name][1], digits)
            rows[-1][name] = f"{score} [{span(found.low, found.high, digits)}{mark(found.n_effective)}]"
    return f"## {results.task_name}\n\n`{task}`\n\n{Table(rows).markdown()}"
