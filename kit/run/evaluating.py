"""One evaluation of an experiment, as a process of its own does it: what an evaluation's key covers begins here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.core.files import CHECKSUMS, alone, is_kept, whole_file
from kit.core.fingerprints import data_checksum
from kit.core.printing import say
from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import is_transformer
from kit.data.embeddings.stored import StoredEncoder
from kit.data.inputs import cut_of_task, first_module
from kit.data.registry import checksums, load_task
from kit.evaluate.debias.remedy import Remedy
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.scores import Rescore
from kit.run.models.facts import facts_of_model, pace
from kit.run.training import threads
from kit.train.tokens.remembered import remembered_tokens

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Log = Callable[[str], None]

AGREEMENT_GROUPS = 200
"""Questions on which the agreement of whole lists is measured: it costs more than all other measures together."""


@dataclass(frozen=True)
class EvaluateJob:
    """One model on one task.

    folder: of the training run (``kit.run.training.TrainJob``).
    name: what the model is called.
    test: source of the task.
    path: that the evaluation is written to.
    n_threads: of torch.
    """

    folder: Path
    name: str
    test: str
    path: Path
    n_threads: int


def load_test(spec: str) -> RetrievalTask:
    """The task of a source; the last few are kept in memory as long as their files stay."""
    return _load_test(spec, tuple(checksums([spec]).values()))


@lru_cache(maxsize=4)
def _load_test(spec: str, sums: tuple[str, ...]) -> RetrievalTask:
    return load_task(spec)


def evaluate_job(job: EvaluateJob, log: Log) -> None:
    """What an evaluating process does."""
    with threads(job.n_threads), alone(job.path, log):
        if not is_kept(job.path, Evaluation.read, "evaluated"):  # another run may have done it in the meantime
            _evaluate(job, log)


def _evaluate(job: EvaluateJob, log: Log) -> None:
    task = load_test(job.test)
    model = load_trained(job.folder, log)
    with remembered_tokens(model):
        below = getattr(first_module(model), "base", model)
        cut = _cut(below.model, task) if isinstance(below, StoredEncoder) else cut_of_task(below, task)
        for told in cut:
            log(f"{job.name}, on {task.name}: {told} (-p max_tokens=… sets the limit)")
        started = time.monotonic()
        embeddings = encode_task(model, task, log)
        facts = _facts(model, below, len(task.queries) + len(task.candidates), time.monotonic() - started)
        evaluation = evaluate_embeddings(*embeddings, task, job.name, n_agreement_groups=AGREEMENT_GROUPS)
    with whole_file(told_of(job.path)) as partial:
        partial.write_text(json.dumps(facts | {"not read": "; ".join(cut) or "nothing"}) + "\n", encoding="utf-8")
    evaluation.write(job.path)
    log(f"evaluated {job.name}, on {task.name}")


def _facts(model: Any, below: Any, n_texts: int, elapsed_s: float) -> dict[str, str]:
    """What is known of a model that encoded so many texts; ``below``: the encoder under a head, else the model itself."""
    encoder = next((one for one in (model, below) if isinstance(one, StoredEncoder)), None)
    facts = facts_of_model(model.model if isinstance(model, StoredEncoder) else model)
    if below is not model:  # the head's are a part
        facts |= {"parameters": f"{facts['parameters']} of the head"}
    n_texts, elapsed_s = (encoder.n_encoded, encoder.elapsed_s) if encoder else (n_texts, elapsed_s)
    return facts | {"speed": pace(n_texts, elapsed_s)}


@lru_cache(maxsize=4)
def _cut(model: SentenceTransformer, task: RetrievalTask) -> list[str]:
    """What a transformer cannot read; it is the same below all heads, and looking takes seconds."""
    return cut_of_task(model, task)


def language_tags(task: RetrievalTask) -> tuple[np.ndarray, np.ndarray]:
    """Tags of the languages of a task's queries (n_queries,) and of its candidates (n_candidates,)."""
    tags = np.array(task.languages)
    return tags[task.query_language], tags[task.candidate_language]


def evaluate_remedied(
    remedy: Remedy, embeddings: tuple[np.ndarray, np.ndarray], task: RetrievalTask, name: str
) -> Evaluation:
    """Embeddings of a task's queries and candidates, judged with a remedy that was fitted on other texts."""
    queries, candidates = language_tags(task)
    changed, by_language = remedy.apply(*embeddings, queries, candidates), remedy.rescore
    rescore: Rescore | None = by_language and (
        lambda scores, query, candidate: by_language(scores, queries[query], candidates[candidate])
    )
    return evaluate_embeddings(*changed, task, name, n_agreement_groups=AGREEMENT_GROUPS, rescore=rescore)


def told_of(path: Path) -> Path:
    """The file, beside that of an evaluation, that says what is known of the model, and what it could not read."""
    return path.with_suffix(".json")


def load_trained(folder: Path, log: Log = say) -> SentenceTransformer | StoredEncoder:
    """The model of a training run's folder; a transformer with the store of its embeddings.

    Raises:
        ValueError: it is not as it was written.
    """
    from kit.train.encoders.loading import load_encoder
    from kit.train.encoders.saving import load_headed

    settings = folder / "settings.json"  # says whether the recipe trusts code that the model brings
    try:
        if not (folder / "model" / CHECKSUMS).is_file():
            raise ValueError(f"model/{CHECKSUMS} is missing")
        recipe = json.loads(settings.read_text(encoding="utf-8"))["encoder"] if settings.is_file() else {}
        trusted = recipe.get("trust_remote_code", False)
        headed = load_headed(folder / "model", trusted, log)
        if headed is not None:
            return headed
        model = load_encoder(str(folder / "model"), trusted)
        content = data_checksum(folder / "model")
        return StoredEncoder(model, content, folder.name, log) if is_transformer(model) else model
    except (ValueError, KeyError) as error:
        raise ValueError(f"{folder} is damaged: delete it and type the same command again ({error})") from error
