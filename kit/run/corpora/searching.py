"""A task over passages in shards, searched exactly, with the report that an audit writes."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kit.compare.results import Results
from kit.core import paths
from kit.core.printing import say
from kit.data.registry import checksums, load_task
from kit.evaluate.bias.panel import chance
from kit.evaluate.encoding import unit_rows
from kit.evaluate.shards.approximate import evaluate_approximately
from kit.evaluate.shards.manifest import open_parts
from kit.evaluate.shards.panel import Searched, evaluate_pool
from kit.evaluate.shards.pool import Pool
from kit.run.audits import AuditedModel, audited_models, checked_task, facts_of, load_audited, slug
from kit.run.corpora.encoding import known_passages
from kit.show import report
from kit.train.encoders.finding import find_model

Log = Callable[[str], None]


def search_source(
    source: str,
    model: str,
    folders: Sequence[Path],
    run: str,
    n_agreement_groups: int,
    prompts: tuple[str, str] = ("", ""),
    trust_remote_code: bool = False,
    approximate: bool = False,
    log: Log = say,
) -> Path:
    """Evaluate a model on a task whose passages, and perhaps others, lie in shards; write the report.

    Args:
        source: of the task (``kit.data.registry``); its candidates have to be in the folders.
        model: that encoded them; as in ``kit.run.corpora.encoding.EncodeJob``.
        folders: that ``encode_source`` has filled; the pool is what is in all of them.
        run: start of the name of the report's folder, ``reports/<run>-<task>``.
        n_agreement_groups: question groups on which list agreement is measured, each a pass over all passages.
        prompts, trust_remote_code: as when the passages were encoded.
        approximate: search approximately (``kit.evaluate.shards.approximate``); what that costs is logged and stands among
            the notes of the report.
        log: takes lines of progress.

    Returns:
        The folder of the report.

    Raises:
        ValueError: a task or model that cannot be loaded; a folder that is not whole, or was encoded by another model; as
            ``evaluate_pool``.
    """
    paths.run_folder(run)  # a wrong name is an error before anything is loaded
    start = time.perf_counter()
    (one,) = audited_models([model])
    find_model(one.name)
    task = checked_task(load_task(source))
    encoder = load_audited(one, prompts, trust_remote_code, log)
    known = known_passages(one, encoder)
    pool = Pool([part for folder in folders for part in open_parts(folder, known)])
    log(f"{task.name}: {len(task.queries):,} queries, {pool.n_passages:,} passages in {len(pool):,} shards")
    queries = unit_rows(encoder, task.queries.column("text").to_pylist(), "query", log)  # (n_queries, dim)
    if approximate:
        searched, cost = evaluate_approximately(queries, pool, task, one.label, log=log)
        log(f"  {cost}")
        searched = replace(searched, task=replace(searched.task, notes=(*task.notes, str(cost))))
    else:
        searched = evaluate_pool(queries, pool, task, one.label, n_agreement_groups, log=log)
    words = [*map(str, folders), "--run", run]
    words += ["--approximate"] if approximate else ["--agreement", str(n_agreement_groups)]
    given = (("--query-prompt", prompts[0]), ("--passage-prompt", prompts[1]))
    words += [part for option in given if option[1] for part in option] + ["--trust-remote-code"] * trust_remote_code
    return _write(run, source, one, words, facts_of(one, encoder), searched, time.perf_counter() - start)


def _write(
    run: str,
    source: str,
    one: AuditedModel,
    words: Sequence[str],
    facts: Mapping[str, str],
    searched: Searched,
    duration_s: float,
) -> Path:
    """Write the report; ``words`` are what was typed after task and model."""
    results, name = Results({one.label: [searched.evaluation]}), f"{one.label}={one.name}"
    about = report.about(
        kind="audit",
        run=paths.run_folder(f"{run}-{slug(searched.task.name)}").name,
        results=results,
        task=searched.task,
        command=shlex.join(["python", "-m", "kit", "search", source, name, *words]),
        settings={"model": name, "task": source},
        checksums=checksums([source]),
        models={one.label: facts},
        duration_s=duration_s,
    )
    return report.write_run(about | _of_pool(searched), results)


def _of_pool(searched: Searched) -> dict[str, object]:
    """What a report tells of the pool, which is more than the candidates that were looked at."""
    return {
        "n_candidates": sum(searched.n_passages.values()),
        "pool_counts": searched.n_passages,
        "chance": chance(searched.task, searched.counts),
    }
