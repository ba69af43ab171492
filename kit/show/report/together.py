"""Several runs on one task, side by side in one report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.compare.results import Results
from kit.core import fingerprints, paths
from kit.evaluate.evaluation import Evaluation
from kit.show.report.folder import run_histories, run_metrics, run_results, write_run
from kit.show.report.origin import LIBRARIES, machine, made

_TASK = ["query_id", "group_id", "query_language", "candidate_language", "n_relevant"]


def side_by_side(folders: Sequence[str | Path], name: str | None = None) -> Path:
    """Write a report on the models of several runs on one task; the others are compared with the first of the first run.

    Models keep their names; if two runs have one of the same name, all are called ``run · model``. List agreement is
    measured where it was in all runs, since a run may have measured it on a part of the question groups.

    Args:
        folders: of runs or audits.
        name: of the report's folder in ``reports/``; default: the names of the runs, joined by ``-and-``. A comparison
            that stands there is written over, a run is not.

    Returns:
        The folder that was written.

    Raises:
        ValueError: fewer than two folders, two of one name, a name that is that of one of them, one without results, or
            runs on different tasks.
    """
    folders = [Path(folder) for folder in folders]
    runs = [folder.name for folder in folders]
    if len(set(runs)) < max(2, len(runs)):
        raise ValueError(f"runs are {', '.join(runs) or 'none'}: give at least two, each once")
    name = "-and-".join(runs) if name is None else name
    target = paths.run_folder(name)
    if name in runs:
        raise ValueError(f"the report's name is that of a run, {name!r}: choose another one (--out)")
    if (target / "metrics.json").is_file() and run_metrics(target)["about"]["kind"] != "comparison":
        raise ValueError(f"{target} holds a run of its own: choose another name (--out)")
    metrics = [run_metrics(folder) for folder in folders]
    results = [run_results(*of_run) for of_run in zip(folders, metrics)]
    abouts = [of_run["about"] for of_run in metrics]
    for run, one, about in zip(runs[1:], results[1:], abouts[1:]):
        _refuse_another_task(runs[0], results[0], abouts[0], run, one, about)
    called = _names(runs, results)
    evaluations = _agreement_where_all_have_it(
        {called[run, model]: list(one.evaluations[model]) for run, one in zip(runs, results) for model in one.models}
    )
    histories = {
        (called[run, model], seed): history
        for run, folder in zip(runs, folders)
        for (model, seed), history in run_histories(folder).items()
    }
    together = Results(evaluations)
    about = _about(name, runs, abouts, called, together)
    return write_run(about, together, histories=histories or None, folder=target)


def _refuse_another_task(
    run: str, results: Results, about: Mapping, other_run: str, other: Results, other_about: Mapping
) -> None:
    """Raise ``ValueError`` unless two runs asked the same queries of the same pool."""
    tables = [next(iter(one.evaluations.values()))[0].per_query.select(_TASK) for one in (results, other)]
    facts = {
        "task": (about["test"], other_about["test"]),
        "languages": (", ".join(results.languages), ", ".join(other.languages)),
        "candidates": tuple(f"{one['n_candidates']:,}" for one in (about, other_about)),
        "queries": tuple(f"{one['n_queries']:,}" for one in (about, other_about)),
    }
    for fact, (here, there) in facts.items():
        if here != there:
            raise ValueError(
                f"{run} and {other_run} are of different tasks ({fact}: {here} and {there}): give runs of one task"
            )
    if about["pool_counts"] != other_about["pool_counts"] or not tables[0].equals(tables[1]):
        raise ValueError(
            f"{run} and {other_run} are both on {about['test']}, with other queries or candidates: give runs of one task"
        )


def _names(runs: Sequence[str], results: Sequence[Results]) -> dict[tuple[str, str], str]:
    """What each (run, model) is called."""
    models = [(run, model) for run, one in zip(runs, results) for model in one.models]
    clash = len({model for _, model in models}) < len(models)
    return {(run, model): f"{run} · {model}" if clash else model for run, model in models}


def _agreement_where_all_have_it(evaluations: Mapping[str, list[Evaluation]]) -> dict[str, list[Evaluation]]:
    """The evaluations without list agreement in the rows in which one of them has none."""
    columns = [run.per_query.column("list_agreement").to_numpy() for runs in evaluations.values() for run in runs]
    missing = np.isnan(columns)  # (n_evaluations, n_rows)
    if (missing == missing[0]).all():
        return dict(evaluations)
    in_all = pa.array(~missing.any(axis=0))

    def restricted(run: Evaluation) -> Evaluation:
        table = run.per_query
        for column, nothing in (("list_agreement", float("nan")), ("agreement_with", [float("nan")] * len(run.languages))):
            kind = table.schema.field(column).type
            kept = pc.if_else(
                pc.or_(in_all, pc.is_null(table.column(column))), table.column(column), pa.scalar(nothing, kind)
            )
            table = table.set_column(table.column_names.index(column), table.schema.field(column), kept)
        return replace(run, per_query=table)

    return {model: [restricted(run) for run in runs] for model, runs in evaluations.items()}


def _about(
    name: str, runs: Sequence[str], abouts: Sequence[Mapping], called: Mapping[tuple[str, str], str], results: Results
) -> dict:
    """What is told of a report on several runs; ``runs`` in it has what each of them tells."""
    told = dict(zip(runs, abouts))
    shared = ("test", "languages", "n_queries", "n_candidates", "pool_counts", "chance")
    words = ["python", "-m", "kit", "report", *runs, *([] if name == "-and-".join(runs) else ["--out", name])]
    return {
        "run": name,
        "kind": "comparison",
        **{key: abouts[0][key] for key in shared},
        "chance": {column: float("nan") if value is None else value for column, value in abouts[0]["chance"].items()},
        "n_seeds": results.n_seeds,
        "command": shlex.join(words),
        "settings": {"runs": list(runs)},
        "versions": fingerprints.versions(LIBRARIES),
        "checksums": {source: digest for about in abouts for source, digest in about["checksums"].items()},
        "machine": machine(),
        "made": made(),
        **{key: list(dict.fromkeys(text for about in abouts for text in about[key])) for key in ("overlap", "notes")},
        "models": {called[run, model]: facts for run, about in told.items() for model, facts in about["models"].items()},
        "runs": [dict(about) | {"run": run} for run, about in told.items()],
    }
