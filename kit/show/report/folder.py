"""A run's folder: written, read back, written again, and several put side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from kit.compare import findings
from kit.compare.claims import Finding
from kit.compare.columns import BIAS_COLUMNS
from kit.compare.results import Results
from kit.compare.stored import read_metrics
from kit.core import paths, records
from kit.core.files import whole_file
from kit.core.records import Record, without_nan
from kit.show.report.drawing import baseline_first, figures
from kit.show.report.exports import write_lists, write_tables
from kit.show.report.page import summary, web_page
from kit.show.report.questions import Extremes
from kit.show.tables import picture, write_figures
from kit.train.history import History

Histories = Mapping[tuple[str, int], History]


@dataclass(frozen=True)
class _Trained(History):
    """A history as ``training.json`` keeps it."""

    model: str
    seed: int

    def __post_init__(self) -> None:
        names = {"mono", "cross", "multi", "distance"}.intersection(*(scores for _, scores in self.scores))
        if not self.scores or len(names) < 4:
            raise ValueError("scores lack an entry, or one of mono, cross, multi and distance in one")


class _Figure(Record):
    """A figure as plotly's data."""

    model_config = ConfigDict(extra="allow")

    data: list[dict[str, object]]
    layout: dict[str, object]


def write_run(
    about: Mapping,
    results: Results,
    found: Sequence[Finding] = (),
    histories: Histories | None = None,
    folder: str | Path | None = None,
) -> Path:
    """Write all that a run leaves behind; what an earlier run left in the folder goes, except for its notebooks.

    Files: ``metrics.json`` and ``per_query.parquet`` (``Results.write``), ``claims.json`` and ``training.json`` where there
    are findings and histories, ``questions.json`` (the best and worst ones), ``figures/<name>.json``, ``tables/``,
    ``index.html``, ``summary.md``.

    Args:
        about: as ``kit.show.report.origin.about`` makes it.
        results: of all models. The others are compared with the first; of a training run with X-X-mono, with that.
        found: on the paper's claims, of a run that trained; the run's command is filled in.
        histories: validation histories by (model, seed), of a run that trained.
        folder: default ``reports/<run>``.

    Returns:
        The folder.
    """
    folder = paths.run_folder(about["run"]) if folder is None else Path(folder)
    results = baseline_first(results, about["kind"])
    drawn = figures(results, about, histories)  # what cannot be drawn is an error before anything is written
    results.write(folder, {name: told for name, told in about.items() if name != "questions"})
    _write_json(folder / "questions.json", about.get("questions"))
    (folder / "claims.json").unlink(missing_ok=True)
    if found:
        findings.write([replace(finding, command=about["command"]) for finding in found], folder / "claims.json")
    _write_json(folder / "training.json", histories and _stored(histories))
    write_figures(drawn, folder / "figures")
    write_pages(folder)
    return folder


def write_pages(folder: str | Path) -> Path:
    """Write ``index.html`` and ``summary.md`` again from what lies in a run's folder.

    Returns:
        The path of ``index.html``.

    Raises:
        ValueError: the folder holds no results.
    """
    folder = Path(folder)
    metrics = run_metrics(folder)
    results = run_results(folder, metrics)
    metrics["bias"] = without_nan(results.table(BIAS_COLUMNS))  # there with a row for chance, which a model may be called
    found = run_findings(folder)
    notebooks = sorted(path.name for path in (folder / "notebooks").glob("[0-9]*.ipynb"))
    drawn = {path.stem: _figure(path) for path in (folder / "figures").glob("*.json")}
    tables = write_tables(metrics, results, folder / "tables")
    pages = {
        "index.html": web_page(folder.name, metrics, results, found, drawn, notebooks, run_questions(folder), tables),
        "summary.md": summary(folder.name, metrics, results, found),
    }
    for name, text in pages.items():
        with whole_file(folder / name) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return folder / "index.html"


def again(folder: str | Path) -> Path:
    """Draw a run's figures and write its pages again, from its ``per_query.parquet``, ``metrics.json`` and histories.

    Returns:
        The path of ``index.html``.

    Raises:
        ValueError: the folder holds no results.
    """
    folder = Path(folder)
    metrics = run_metrics(folder)
    run_findings(folder)  # a damaged file is an error before anything is written
    drawn = figures(run_results(folder, metrics), metrics["about"], run_histories(folder))
    write_figures(drawn, folder / "figures")
    return write_pages(folder)


def run_lists(folder: Path) -> list[Path]:
    """Write the first candidates of every query into ``runs/`` of a run's folder (``kit.show.report.exports.write_lists``).

    Raises:
        ValueError: the folder holds no results, or those of an earlier version.
    """
    return write_lists(run_results(folder, run_metrics(folder)), folder / "runs")


def write_pictures(folder: str | Path) -> list[Path]:
    """Draw every figure of a run's folder as PNG beside its data; needs kaleido and a browser."""
    import plotly.io

    pictures = []
    for source in sorted((Path(folder) / "figures").glob("*.json")):
        pictures.append(source.with_suffix(".png"))
        with whole_file(pictures[-1]) as partial:
            partial.write_bytes(picture(plotly.io.read_json(source)))
    return pictures


def run_metrics(folder: Path) -> dict:
    """What ``metrics.json`` in a run's folder holds.

    Raises:
        ValueError: there is none, or one of another shape.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no metrics.json: give the folder of a run or an audit that is done")
    return read_metrics(path)


def run_results(folder: Path, metrics: Mapping) -> Results:
    """What ``per_query.parquet`` in a run's folder holds.

    Raises:
        ValueError: it cannot be read, or is of other models than ``metrics``, what ``metrics.json`` there holds.
    """
    results = Results.read(folder)
    told = metrics["about"]["n_seeds"], metrics["about"]["languages"]
    if told != (results.n_seeds, list(results.languages)) or list(metrics["models"]) != list(results.models):
        raise ValueError(
            f"{folder / 'metrics.json'} is of models {told[0]} in {', '.join(told[1])}, and per_query.parquet of "
            f"{results.n_seeds} in {', '.join(results.languages)}: make the run again"
        )
    return results


def _figure(path: Path) -> Any:
    figure = records.read(path, _Figure, "draw it again (python -m kit report RUN)")
    return without_nan(figure.model_dump(exclude_unset=True))


def _write_json(path: Path, content: object) -> None:
    """Write a file, or take away what an earlier run wrote there if there is nothing to write."""
    if not content:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as partial:
        partial.write_text(json.dumps(without_nan(content), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _stored(histories: Histories) -> list[dict]:
    return [asdict(_Trained(history.loss, history.scores, model, seed)) for (model, seed), history in histories.items()]


def run_findings(folder: Path) -> list[Finding]:
    """What a run found of the paper's claims; nothing for a run that did not train.

    Raises:
        ValueError: the file holds something else.
    """
    path = Path(folder) / "claims.json"
    return findings.read(path) if path.is_file() else []


def run_questions(folder: Path) -> Extremes | None:
    """The best and worst questions of a run; None for one that did not keep its lists, or a comparison of runs.

    Raises:
        ValueError: the file holds something else.
    """
    path = Path(folder) / "questions.json"
    return records.read(path, Extremes, "make the run again") if path.is_file() else None


def run_histories(folder: Path) -> dict[tuple[str, int], History]:
    """Validation histories of a run by (model, seed); none for a run that did not train.

    Raises:
        ValueError: the file holds something else.
    """
    path = folder / "training.json"
    stored = records.read(path, list[_Trained], "make the run again") if path.is_file() else []
    return {(run.model, run.seed): History(run.loss, run.scores) for run in stored}
