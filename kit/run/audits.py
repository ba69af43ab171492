"""Any sentence-transformers model on any task: the three settings, the bias panel, a report."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from kit.compare.results import Results
from kit.core import fingerprints, paths
from kit.core.configs import whole_number
from kit.core.files import whole_file
from kit.core.printing import say
from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import TextEncoder
from kit.data.embeddings.given import GivenEmbeddings, is_given
from kit.data.embeddings.stored import StoredEncoder, stored
from kit.data.inputs import cut_of_task
from kit.data.parts import part_of
from kit.data.registry import checksums, load_task, source_fingerprints
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run.models.facts import facts_of_model, pace
from kit.show import report
from kit.train.encoders.finding import MADE, find_model
from kit.train.encoders.loading import load_prompted, weights_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

EXPORTED = "training.json"
"""In an exported model: how it was trained (``kit.run.training.TrainJob.facts``)."""


@dataclass(frozen=True)
class AuditedModel:
    """A model to audit. label: what tables call it.  name: name on the hub, or folder."""

    label: str
    name: str


def audit(
    models: Sequence[str],
    tasks: Sequence[str] = ("atlas",),
    run: str = "audit",
    query_prompt: str = "",
    passage_prompt: str = "",
    trust_remote_code: bool = False,
    languages: Sequence[str] = (),
    limit: int = 0,
    log: Log = say,
) -> list[Path]:
    """Evaluate models on tasks and write a report for each task into ``reports/<run>-<task>``.

    An audit that stands there already stays unless it was made by the same command: the new one is ``<run>-<task>-2``.
    A model is used as it is, with its own prompts (``kit.data.inputs.prompts_of``), and judged by the cosine. What was
    evaluated before (the same weights, data and code) is taken from the cache, and so are the embeddings of texts that a
    model has met before: an audit that was interrupted goes on.

    Args:
        models: each ``NAME`` or ``LABEL=NAME``; a name is one on the hub, a folder, or ``embeddings:<folder>``. The first is
            the one that the others are compared with.
        tasks: sources of tasks (``kit.data.registry``).
        run: start of the names of the reports' folders.
        query_prompt, passage_prompt: what models that bring no prompts get; the report says which had which.
        trust_remote_code: whether code that models bring may run.
        languages: only these, of every task; none: all.
        limit: only so many questions of every task, with their answers and twice as many other candidates, for a first look
            (``kit.data.parts.part_of``); 0: all.
        log: gets a line a step.

    Returns:
        The folders.

    Raises:
        ValueError: a model or task that cannot be loaded, two models of one label, a task that has several queries of one
            group in a language.
    """
    started = time.monotonic()
    whole_number("limit", limit, 0)
    paths.run_folder(run)  # a wrong name is an error before anything is loaded
    audited = audited_models(models)
    for one in audited:
        find_model(one.name)  # a wrong model is an error before anything is loaded
    loaded = {spec: checked_task(part_of(load_task(spec), languages, limit)) for spec in tasks}  # so is a wrong task
    folders = {spec: _named(run, task.name) for spec, task in loaded.items()}
    if len(set(folders.values())) < len(folders):
        raise ValueError(f"tasks {', '.join(loaded)} would share a folder: name them differently, or audit one at a time")
    part, measured = [sorted(languages), limit], {spec: {} for spec in loaded}
    for number, one in enumerate(audited, start=1):
        log(f"model {number} of {len(audited)}: {one.label}")
        model = load_audited(one, (query_prompt, passage_prompt), trust_remote_code, log)
        for spec, task in loaded.items():
            measured[spec][one.label] = _evaluated(one, model, [source_fingerprints([spec]), *part], task, log)
    options = {"--query-prompt": query_prompt, "--passage-prompt": passage_prompt, "--languages": ",".join(languages)}
    options |= {"--limit": str(limit or ""), "--trust-remote-code": trust_remote_code}
    written = []
    for spec, task in loaded.items():
        folder = _beside(folders[spec], command := _command(audited, spec, run, options), log)
        written.append(_write(folder, spec, task, measured[spec], command, time.monotonic() - started))
    return written


def _command(audited: Sequence[AuditedModel], spec: str, run: str, options: Mapping[str, str | bool]) -> str:
    """What makes the audit of a task again; ``options`` that are empty or false are left out."""
    names = [f"{one.label}={one.name}" for one in audited]
    given = [part for name, value in options.items() if value for part in ((name,) if value is True else (name, str(value)))]
    return shlex.join(["python", "-m", "kit", "audit", *names, "--task", spec, "--run", run, *given])


def load_audited(
    one: AuditedModel, prompts: tuple[str, str], trust_remote_code: bool, log: Log
) -> SentenceTransformer | GivenEmbeddings:
    """A model as it is used: with its own prompts, or with these if it brings none."""
    if is_given(one.name):
        return GivenEmbeddings(one.name)
    return load_prompted(one.name, trust_remote_code, prompts, log)


def audited_models(models: Sequence[str]) -> list[AuditedModel]:
    """Models with labels: those given as ``LABEL=NAME``, else what ``_label`` makes of the name.

    Raises:
        ValueError: two models of one label; one that a training makes from scratch.
    """
    pairs = [("", text) if Path(text).exists() or "=" not in text else tuple(text.split("=", 1)) for text in models]
    audited = [AuditedModel(label or _label(name), name) for label, name in pairs]
    for one in audited:
        if one.name in MADE and not Path(one.name).is_dir():
            raise ValueError(f"model {one.name!r} is what a training makes: give a folder of one, or a name on the hub")
    labels = [one.label for one in audited]
    doubled = sorted({label for label in labels if labels.count(label) > 1})
    if doubled:
        raise ValueError(f"two models are called {doubled[0]!r}: write LABEL=MODEL, such as first={audited[0].name}")
    return audited


def _label(name: str) -> str:
    """What a model is called: its name on the hub, the last part of its folder, or what this kit trained there."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    facts = _facts(folder.absolute().parent / "settings.json")  # left beside a model that this kit trained
    return f"{facts['sampling']}, seed {facts['seed']}" if facts else folder.absolute().name


def trained_facts(name: str) -> dict[str, Any]:
    """How this kit trained a model, as it stands in or beside the model's folder; nothing of other models."""
    folder = Path(name).absolute()
    return _facts(folder / EXPORTED) or _facts(folder.parent / "settings.json")


def _facts(made: Path) -> dict[str, Any]:
    facts = json.loads(made.read_text(encoding="utf-8")) if made.is_file() else None
    if isinstance(facts, dict) and {"sampling", "seed"} <= facts.keys():  # else it is a file of another program
        return facts
    return {}


def checked_task(task: RetrievalTask) -> RetrievalTask:
    """The task, if intervals can be made of it."""
    asked = task.queries.group_by(["group_id", "language"]).aggregate([("query_id", "count")])
    doubled = asked.filter(pc.greater(asked.column("query_id_count"), 1))
    if len(doubled):
        raise ValueError(
            f"{task.name}: group {doubled.column('group_id')[0]} has {doubled.column('query_id_count')[0]} queries in "
            f"{doubled.column('language')[0]}: give each a group of its own, or keep one, so that groups can be resampled"
        )
    return task


def _evaluated(
    one: AuditedModel, model: SentenceTransformer | GivenEmbeddings, data: list[object], task: RetrievalTask, log: Log
) -> tuple[Evaluation, dict[str, str]]:
    """The evaluation of a model on a task, from the cache if it is there, with what is to be known of the model."""
    facts = facts_of(one, model)
    code = fingerprints.code_fingerprint("kit.evaluate.evaluator", "kit.evaluate.encoding", "kit.evaluate.bias")
    key = [facts, data, code, fingerprints.versions()]
    path = paths.cache() / "audit" / f"{fingerprints.fingerprint(key)}.parquet"
    speed = path.with_suffix(".txt")
    cut = cut_of_task(model, task)
    for told in cut:
        log(f"  {task.name}: {told}")
    facts |= {"not read": "; ".join(cut) or "nothing"}
    if path.is_file() and speed.is_file():
        try:
            evaluation, told = Evaluation.read(path), speed.read_text(encoding="utf-8")
        except ValueError as error:
            log(f"  evaluated again: {error}")
        else:
            log(f"  {task.name}: evaluated before")
            return replace(evaluation, model_name=one.label), facts | {"speed": told}  # it may have had another label
    log(f"  {task.name}: {len(task.queries):,} queries, {len(task.candidates):,} candidates")
    started = time.monotonic()
    encoder = stored(model, lambda: facts["weights"], one.name, log)
    embeddings = encode_task(encoder, task, log)
    pace = _pace(encoder, len(task.queries) + len(task.candidates), time.monotonic() - started)
    evaluation = evaluate_embeddings(*embeddings, task, one.label)
    evaluation.write(path)
    with whole_file(speed) as partial:
        partial.write_text(pace, encoding="utf-8")
    log(f"  {task.name}: {pace}, {time.monotonic() - started:.0f} s in all")
    return evaluation, facts | {"speed": pace}


def _pace(encoder: TextEncoder, n_texts: int, elapsed_s: float) -> str:
    """How fast a model was, if it had anything to do."""
    if isinstance(encoder, StoredEncoder):
        n_texts, elapsed_s = encoder.n_encoded, encoder.elapsed_s
    return pace(n_texts, elapsed_s)


def facts_of(one: AuditedModel, model: SentenceTransformer | GivenEmbeddings) -> dict[str, str]:
    """What is to be known of a model, by name; ``weights`` tells its content from that of others."""
    if isinstance(model, GivenEmbeddings):
        return {"model": one.name, "weights": model.weights, "dimensions": str(model.dimension), "judged by": "cosine"}
    trained_for = str(model.similarity_fn_name or "cosine")
    return {
        "model": one.name,
        "weights": weights_of(one.name),
        **facts_of_model(model),
        "judged by": "cosine" if trained_for == "cosine" else f"cosine (the model asks for {trained_for})",
    }


def _write(run: str, spec: str, task: RetrievalTask, measured: dict, command: str, duration_s: float) -> Path:
    results = Results({label: [evaluation] for label, (evaluation, _) in measured.items()})
    models = {label: facts for label, (_, facts) in measured.items()}
    about = report.about(
        kind="audit",
        run=run,
        results=results,
        task=task,
        command=command,
        settings={"models": [f"{label}={facts['model']}" for label, facts in models.items()], "task": spec},
        checksums=checksums([spec]),
        models=models,
        duration_s=duration_s,
    )
    return report.write_run(about, results)


def _named(run: str, task: str) -> str:
    """The name of an audit's folder, without a stutter: what the run's name ends with is not said again by the task's.

    >>> _named("audit", "xquad-r"), _named("mini", "mini-xquad-r"), _named("new-xquad-r", "xquad-r")
    ('audit-xquad-r', 'mini-xquad-r', 'new-xquad-r')
    """
    first, second = run.split("-"), slug(task).split("-")
    shared = next((n for n in range(min(len(first), len(second)), 0, -1) if first[-n:] == second[:n]), 0)
    return paths.run_folder("-".join([*first, *second[shared:]])).name


def _beside(name: str, command: str, log: Log) -> str:
    """The folder that an audit is written to: that of the same audit before, else the first that is free.

    An audit that another command made, of other models or with other prompts, stays, and a line says where both are.
    """
    others, number, folder = [], 1, paths.run_folder(name)
    while (folder / "metrics.json").is_file() and _made_by(folder) != command:
        others, number = [*others, folder.name], number + 1
        folder = paths.run_folder(f"{name}-{number}")
    if others and not (folder / "metrics.json").is_file():
        both = shlex.join([*others, folder.name])
        log(f"  {', '.join(others)} of reports/ stays as it is, since another command made it:")
        log(f"  this audit is reports/{folder.name}; side by side: python -m kit report {both}")
    return folder.name


def _made_by(folder: Path) -> str:
    """The command that made what lies in a run's folder; empty where that cannot be read."""
    try:
        return report.run_metrics(folder)["about"]["command"]
    except ValueError:
        return ""


def slug(text: str) -> str:
    """A text as part of a folder's name."""
    return re.sub(r"[^\w.-]+", "-", text)[:60].strip("-.") or "task"
