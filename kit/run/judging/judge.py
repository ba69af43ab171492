"""Models on judged collections, as published: nDCG@10 and R@100 a language, and their mean over languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from kit.compare.published import scores as kept_scores
from kit.compare.published.figures import Place, data_of, encoder_of
from kit.compare.published.scores import mean_interval
from kit.compare.stats import Interval, legend, mark
from kit.core import paths
from kit.core.files import whole_file
from kit.core.fingerprints import code_fingerprint, fingerprint, versions
from kit.core.printing import Table, number, say, span
from kit.data.embeddings.encoding import TextEncoder
from kit.data.embeddings.stored import known_by
from kit.data.inputs import LOOKED_AT, cut_of_texts
from kit.data.judged.collection import JudgedCollection
from kit.data.judged.qrels import write_qrels
from kit.data.registry import load_judged
from kit.evaluate.shards.judging import JudgedRun, judge_collection
from kit.evaluate.shards.trec import MEASURES, write_run
from kit.run.audits import AuditedModel, audited_models, facts_of, load_audited, trained_facts
from kit.run.judging.kept import read_lists, write_lists
from kit.show import report
from kit.train.encoders.finding import find_model

Log = Callable[[str], None]
Judged = Mapping[str, Mapping[str, JudgedRun]]
"""What models found, by label, by name of the collection."""

_COLUMNS = {"nDCG@10": "ndcg_at_10", "R@100": "recall_at_100"}
"""``MEASURES`` as the paper's figures call them."""

_MEAN = "mean"
"""Language of the row that holds the mean over collections."""


def judge(
    models: Sequence[str],
    tasks: Sequence[str],
    run: str = "judge",
    query_prompt: str = "",
    passage_prompt: str = "",
    trust_remote_code: bool = False,
    precision: str = "float32",
    log: Log = say,
) -> tuple[Path, Table]:
    """Judge models on collections and write the table, the run files and the judgements into ``reports/<run>``.

    Corpora are encoded into shards on disk and searched exactly, in bounded memory. What was encoded or searched before is
    not again: the same call goes on where it was interrupted.

    Args:
        models: each ``NAME`` or ``LABEL=NAME``, as for an audit.
        tasks: sources of judged collections (``kit.data.registry``), such as ``miracl:data/miracl?languages=sw,yo``.
        run: name of the folder.
        query_prompt, passage_prompt: what models that bring no prompts get.
        trust_remote_code: whether code that models bring may run.
        precision: of the numbers on disk, "float32" or "float16", which takes half the room.
        log: gets a line a step.

    Returns:
        The folder, which holds ``table.md``, ``judged.json``, ``runs/<model>.<collection>.trec`` and
        ``qrels/<collection>.qrels``, and the table; of models that this kit trained also ``11-scores-judged.json``, which
        notebook 11 holds against the paper's tables.

    Raises:
        ValueError: a model or collection that cannot be loaded; two models of one label, two collections of one name.
    """
    folder = paths.run_folder(run)  # a wrong name is an error before anything is loaded
    audited = audited_models(models)
    for one in audited:
        find_model(one.name)
    collections = [collection for spec in tasks for collection in load_judged(spec)]
    _refuse_same_names([collection.name for collection in collections], "collections")
    _refuse_same_names([_slug(one.label) for one in audited], "models")
    found: dict[str, dict[str, JudgedRun]] = {}
    facts: dict[str, dict[str, str]] = {}
    for place, one in enumerate(audited, start=1):
        log(f"model {place} of {len(audited)}: {one.label}")
        model = load_audited(one, (query_prompt, passage_prompt), trust_remote_code, log)
        facts[one.label], found[one.label] = facts_of(one, model), {}
        for collection in collections:
            if cut := _cut(model, collection):
                log(f"  {collection.name}: {cut}")
                facts[one.label][f"not read of {collection.name}"] = cut
            judged = _judged(one, model, facts[one.label]["weights"], collection, precision, log)
            found[one.label][collection.name] = judged
            write_run(folder / "runs" / f"{_slug(one.label)}.{collection.name}.trec", judged.run, _slug(one.label))
            means = ", ".join(f"{name} {values.mean():.4f}" for name, values in judged.scores.items())
            log(f"  {collection.name}: {means}")
    for collection in collections:
        write_qrels(folder / "qrels" / f"{collection.name}.qrels", collection.grades)
    table = score_table(score_rows(found))
    _write(folder, table, {"tasks": list(tasks), "precision": precision, "models": facts}, found)
    _leave_paper_scores(folder, found, audited)
    return folder, table


def _cut(model: TextEncoder, collection: JudgedCollection) -> str:
    """What a model cannot read of the questions, and of the first passages of the corpus; empty where it reads all."""
    first = [passage.text for passage in islice(collection.passages(), LOOKED_AT)]
    asked = cut_of_texts(model, "query", list(collection.queries.values()), collection.language)
    told = cut_of_texts(model, "passage", first, collection.language)
    return "; ".join([*filter(None, [asked]), *(f"at the head of the corpus, {one}" for one in filter(None, [told]))])


def _judged(
    one: AuditedModel, model: TextEncoder, weights: str, collection: JudgedCollection, precision: str, log: Log
) -> JudgedRun:
    """What a model finds in a collection, from the cache if it is there."""
    asked = [dict(collection.queries), {query_id: dict(judged) for query_id, judged in collection.grades.items()}]
    known = [known_by(model, weights, "", side) for side in ("query", "passage")]
    code = code_fingerprint("kit.evaluate.shards.search", "kit.evaluate.encoding")
    path = paths.cache() / "judged" / f"{fingerprint([known, asked, collection.corpus_version, precision, code])}.parquet"
    if path.is_file():
        try:
            judged = read_lists(path, collection)
        except ValueError as error:
            log(f"  searched again: {error}")
        else:
            log(f"  {collection.name}: searched before")
            return judged
    for note in collection.notes:
        log(f"  {collection.name}: {note}")
    judged = judge_collection(model, collection, weights, one.name, precision=precision, log=log)
    write_lists(path, judged)
    return judged


def _leave_paper_scores(folder: Path, found: Judged, models: Sequence[AuditedModel]) -> None:
    """Write the scores of models that this kit trained at the places of the paper's figures; seeds are one score."""
    values: dict[Place, list[np.ndarray]] = {}
    for one in models:
        made = trained_facts(one.name)
        for name, judged in found[one.label].items() if "encoder" in made else ():
            language = judged.collection.language
            at = Place(
                encoder=encoder_of(made["encoder"]["name"]),
                sampling=made["sampling"],
                data=data_of(name.replace(f"-{language}-", "-")),
                language=language,
                setting="monolingual",
            )
            for measure, column in _COLUMNS.items():
                values.setdefault(at.but(measure=column), []).append(judged.scores[measure])
    if values:
        kept_scores.write(kept_scores.judged_scores(values), folder / "11-scores-judged.json")


def score_rows(found: Judged) -> list[dict[str, object]]:
    """One row a model and collection, and one a model with the mean over collections where there are several.

    Each has an ``Interval`` for each measure. Its unit is the question; the mean is that of the collections, each of which
    counts alike.
    """
    rows: list[dict[str, object]] = []
    for label, runs in found.items():
        for judged in runs.values():
            rows.append(
                {
                    "model": label,
                    "collection": judged.collection.name,
                    "language": judged.collection.language,
                    "n_queries": len(judged.collection.queries),
                    "n_passages": judged.counts.n_passages,
                    **{name: mean_interval([judged.scores[name]]) for name in MEASURES},
                }
            )
        if len(runs) > 1:
            own = rows[-len(runs) :]
            sums = {name: sum(int(str(row[name])) for row in own) for name in ("n_queries", "n_passages")}
            means = {name: mean_interval([judged.scores[name] for judged in runs.values()]) for name in MEASURES}
            rows.append({"model": label, "collection": _MEAN, "language": _MEAN, **sums, **means})
    return rows


def score_table(rows: Sequence[Mapping[str, object]]) -> Table:
    """The table that is printed: scores with four decimals, as published, and 95 % intervals."""
    several = len({row["model"] for row in rows}) > 1
    shown = []
    for row in rows:
        cells = {"model": row["model"]} if several else {}
        cells |= {"language": row["language"], "questions": row["n_queries"], "passages": row["n_passages"]}
        for name in MEASURES:
            interval = row[name]
            assert isinstance(interval, Interval)
            cells[name] = number(interval.estimate, 4)
            cells[f"{name}, 95 %"] = f"{span(interval.low, interval.high, 3)}{mark(interval.n_effective)}"
        shown.append(cells)
    return Table(shown, numeric=["questions", "passages", *MEASURES])


def _write(folder: Path, table: Table, about: Mapping[str, object], found: Judged) -> None:
    """Write ``judged.json`` and ``table.md``."""
    collections = [
        {
            "name": judged.collection.name,
            "language": judged.collection.language,
            "n_queries": len(judged.collection.queries),
            **asdict(judged.counts),
            "corpus": judged.collection.corpus_version,
            "notes": list(judged.collection.notes),
        }
        for judged in next(iter(found.values())).values()
    ]
    made_by = {"versions": versions(), "machine": report.machine()}
    rows = [{name: asdict(v) if isinstance(v, Interval) else v for name, v in row.items()} for row in score_rows(found)]
    content = {"about": {"kind": "judge", **about, "collections": collections, **made_by}, "scores": rows}
    with whole_file(folder / "judged.json") as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = table.markdown()
    with whole_file(folder / "table.md") as partial:
        partial.write_text(f"{text}\n" + (f"\n{legend(text)}\n" if "†" in text else ""), encoding="utf-8")


def _refuse_same_names(names: Sequence[str], what: str) -> None:
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise ValueError(f"two {what} are called {doubled[0]!r}: their files would be one: name or judge them separately")


def _slug(text: str) -> str:
    """A label as part of a file's name and as the tag of a run."""
    return re.sub(r"[^\w.-]+", "-", text)[:60].strip("-.") or "model"
