"""One evaluation of an experiment, as a process of its own does it: what an evaluation's key covers begins here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kit.core.files import CHECKSUMS
from kit.core.tables import whole_file
from kit.data.corpus import RetrievalTask
from kit.data.inputs import cut_of_task
from kit.data.registry import checksums, load_task
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run.training import threads
from kit.train.tokens import remembered_tokens

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
    batch_size: texts encoded at a time.
    path: that the evaluation is written to.
    n_threads: of torch.
    """

    folder: Path
    name: str
    test: str
    batch_size: int
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
    with threads(job.n_threads):
        task = load_test(job.test)
        model = load_trained(job.folder)
        with remembered_tokens(model):
            cut = cut_of_task(model, task)
            for told in cut:
                log(f"{job.name}, on {task.name}: {told} (-p max_tokens=… sets the limit)")
            embeddings = encode_task(model, task, job.batch_size)
            evaluation = evaluate_embeddings(*embeddings, task, job.name, n_agreement_groups=AGREEMENT_GROUPS)
        with whole_file(told_of(job.path)) as partial:
            partial.write_text("; ".join(cut), encoding="utf-8")
        evaluation.write(job.path)
    log(f"evaluated {job.name}, on {task.name}")


def told_of(path: Path) -> Path:
    """The file, beside that of an evaluation, that says what of the task the model could not read."""
    return path.with_suffix(".txt")


def load_trained(folder: Path) -> SentenceTransformer:
    """The model of a training run's folder.

    Raises:
        ValueError: it is not as it was written.
    """
    from kit.train.encoders.loading import load_encoder

    settings = folder / "settings.json"  # says whether the recipe trusts code that the model brings
    try:
        if not (folder / "model" / CHECKSUMS).is_file():
            raise ValueError(f"model/{CHECKSUMS} is missing")
        recipe = json.loads(settings.read_text(encoding="utf-8"))["encoder"] if settings.is_file() else {}
        return load_encoder(str(folder / "model"), recipe.get("trust_remote_code", False))
    except (ValueError, KeyError) as error:
        raise ValueError(f"{folder} is damaged: delete it and type the same command again ({error})") from error
