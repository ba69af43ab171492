"""Notebook 11: a run judged on the paper's tests; its scores, and those that other runs have left, beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kit.compare.published import scores as kept_scores
from kit.compare.published.beside import Beside, Effect, beside, effects
from kit.compare.published.figures import paper
from kit.compare.published.scores import Score, rows_of, scores_of
from kit.compare.results import Results
from kit.core.files import whole_file
from kit.core.fingerprints import versions
from kit.core.paths import reports, run_folder
from kit.core.printing import Table, say
from kit.run import pipeline
from kit.run.evaluating import load_test
from kit.run.models.keeping import keep_arms
from kit.run.settings import Settings
from kit.run.training import training_data
from kit.show import report
from kit.show.report.origin import LIBRARIES
from kit.show.tables import Folded, write_figures

if TYPE_CHECKING:
    import plotly.graph_objects as go

Log = Callable[[str], None]

TESTS = ("XQuAD-R", "MLQA-R")
"""On which the paper tells the samplings apart in all settings."""

COMMANDS = {
    "XLM-R": "python -m kit run 11 --profile xlmr",
    "LaBSE": "python -m kit run 11 --profile labse",
}
"""What makes the paper's scores of an encoder again; each needs a GPU, the model and the data."""


def run_tests(settings: Settings, log: Log = say) -> dict[str, Results]:
    """The samplings on every test (``tests``), by source; each model is trained once."""
    on_each = {test: settings.changed(test=test) for test in settings.data.tests}
    pipeline.evaluate_missing(list(on_each.values()), log)
    return {test: pipeline.evaluate_all(asked, log) for test, asked in on_each.items()}


def gather(settings: Settings, results: Mapping[str, Results]) -> dict[str, list[Score]]:
    """Keep the run's scores in its folder, and read those of all runs that have left some: by run, this one first."""
    encoder = settings.encoder.name
    own = [score for test, one in results.items() for score in scores_of(one, encoder, load_test(test))]
    own += rows_of(training_data(settings.data.train, settings.data.validation)[0])
    kept_scores.write(own, run_folder(settings.run) / "11-scores.json")
    kept = kept_scores.kept(reports())
    return {settings.run: kept.pop(settings.run), **kept}


def differences(runs: Mapping[str, Sequence[Score]], encoder: str) -> dict[str, list[Effect]]:
    """What hybrid batches add, by run and test, beside what they add to an encoder of the paper.

    Every test of the first run counts: one that is not the paper's is held against XQuAD-R. Of other runs the paper's
    tests count.

    Returns:
        By a line that names both sides; nothing for runs without the samplings.
    """
    found: dict[str, list[Effect]] = {}
    for number, (run, scores) in enumerate(runs.items()):
        for data in dict.fromkeys(score.data for score in scores if score.minus):
            printed = data if data in TESTS else TESTS[0]
            if number == 0 or data == printed:
                mine = [score for score in scores if score.data == data]
                line = f"run {run} on {data} ({mine[0].encoder}); the paper: {encoder} on {printed}"
                found[line] = effects(mine, paper(), encoder, printed)
    return found


def judge_command() -> str:
    """What makes the paper's scores on MIRACL again, a model at a time; its tables have not all of MIRACL's languages."""
    languages = ",".join(paper().languages("MIRACL"))
    return f"python -m kit judge path/to/exported-model --task 'hub:miracl?languages={languages}'"


def all_tables(runs: Mapping[str, Sequence[Score]]) -> list[Beside]:
    """The paper's tables in their order, each beside what runs have of it."""
    commands = COMMANDS | {"MIRACL": judge_command()}
    return [beside(table, paper(), runs, commands) for table in paper().tables]


def folded(tables: Sequence[Beside], *numbers: int, opened: bool = False) -> Folded:
    """Some of the tables, by their numbers from 1, for a notebook."""
    return Folded({f"{number} · {_head(tables[number - 1])}": _printed(tables[number - 1]) for number in numbers}, opened)


def _head(one: Beside) -> str:
    return f"{one.table.name} ({'; '.join(one.told).replace('`', '')})"


def _printed(one: Beside) -> Table:
    rows = one.rows()
    return Table(rows, numeric=[name for name in rows[0] if name not in one.table.row])


def leave(settings: Settings, tables: Sequence[Beside], more: str, figures: Mapping[str, go.Figure]) -> list[str]:
    """Write ``11-tables.md`` and ``11-figures/`` into the run's folder, beside ``11-scores.json``, and keep its models.

    Args:
        tables: as ``all_tables`` makes them.
        more: Markdown that stands before them.
        figures: by name.

    Returns:
        The names of what stands there of this notebook.
    """
    folder = run_folder(settings.run)
    write_figures(figures, folder / "11-figures")
    machine = ", ".join(f"{name} {value}" for name, value in {**report.machine(), **versions(LIBRARIES)}.items())
    parts = [f"# The paper's tables, and run {settings.run}", f"{paper().citation}.", more]
    for number, one in enumerate(tables, 1):
        parts += [f"## {number} · {one.table.name}", "\n".join(f"- {line}" for line in one.told), _printed(one).markdown()]
    with whole_file(folder / "11-tables.md") as partial:
        partial.write_text("\n\n".join([*parts, f"On {machine}.", ""]), encoding="utf-8")
    keep_arms("11", {sampling: settings.changed(samplings=(sampling,)) for sampling in settings.samplings})
    return sorted(path.name for path in folder.glob("11-*"))
