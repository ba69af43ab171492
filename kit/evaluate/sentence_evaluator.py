"""The three settings and the bias panel as an evaluator of sentence-transformers, for any of its trainers."""

from __future__ import annotations

import csv
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator

from kit.data.corpus import RetrievalTask
from kit.data.inputs import cut_of_task
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import POOL, Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.ranks import SETTINGS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LOG = logging.getLogger(__name__)

_MAP = "average_precision"


class RetrievalBiasEvaluator(BaseEvaluator):
    """Retrieval in three settings and the bias of the ranking, language by language, from one encoding of a task.

    A call returns one dictionary of numbers. Its keys, each after ``<name>_`` where there is a name:

    - ``score``, the primary metric, higher is better: the mean of the mAPs of the settings;
    - ``<setting>_<measure>``: ``Evaluation.summary()``, the three settings with the measures of ``MEASURES`` and
      ``multilingual`` with those of the bias panel, too;
    - ``<setting>_average_precision_<language>``: mAP of the queries in a language against candidates in that language
      (monolingual), in each other language (cross-lingual: mean over these), in the pool of all (multilingual);
    - ``<setting>_average_precision_weakest``: of the language that has the lowest of these.

    What is not defined has no key, such as the cross-lingual setting of a task in one language. Ties follow the one rule of
    ``kit.evaluate.search``; the numbers are those of ``kit.evaluate.evaluator.evaluate``.

    Of the model it calls ``encode_query`` and ``encode_document`` only, with the model's own prompts. The first call warns
    of texts that are longer than the model's limit. Processes that hold the same weights get the same numbers; a trainer of
    several processes shares the encoding among them.

    Args:
        task: what is asked and what is right.
        name: begins the keys and stands in the file's name; needed where several evaluators run one after the other.
        write_csv: whether a call with an ``output_path`` adds a row to ``Retrieval-Bias_evaluation[_<name>]_results.csv``
            in that folder: epoch, steps and all metrics, empty where not defined.
        n_agreement_groups: question groups on which ``list_agreement`` is measured, ``None`` for all: it costs most of the
            evaluation.

    Raises:
        ValueError: when called, embeddings that are not finite; a file that has other columns.

    >>> from kit.data.corpus import RetrievalTask
    >>> task = RetrievalTask.from_rows(
    ...     "toy",
    ...     [{"query_id": "q", "language": "en", "text": "two"}],
    ...     [{"candidate_id": "c", "language": "en", "text": "2"}, {"candidate_id": "d", "language": "de", "text": "zwei"}],
    ...     [{"query_id": "q", "candidate_id": "c"}],
    ... )
    >>> RetrievalBiasEvaluator(task, name="toy").csv_file
    'Retrieval-Bias_evaluation_toy_results.csv'
    """

    def __init__(
        self,
        task: RetrievalTask,
        name: str = "",
        write_csv: bool = True,
        n_agreement_groups: int | None = None,
    ) -> None:
        super().__init__()
        self.task, self.name, self.write_csv, self.n_agreement_groups = task, name, write_csv, n_agreement_groups
        self.primary_metric, self._told = "score", False
        self.csv_file = f"Retrieval-Bias_evaluation{name and '_' + name}_results.csv"

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]  # of one kind of model, as the library's own are
        self, model: SentenceTransformer, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Evaluate a model; the arguments are those of every evaluator of sentence-transformers."""
        if not self._told:
            self._told = True
            for told in cut_of_task(model, self.task):
                warnings.warn(f"{self.task.name}: {told}", stacklevel=2)
        embeddings = encode_task(model, self.task)
        evaluation = evaluate_embeddings(*embeddings, self.task, self.name, n_agreement_groups=self.n_agreement_groups)
        numbers = _numbers(evaluation)
        if output_path is not None and self.write_csv:
            self._write(Path(output_path), {"epoch": epoch, "steps": steps, **numbers})
        metrics = self.prefix_name_to_metrics({key: value for key, value in numbers.items() if value == value}, self.name)
        _LOG.info("Retrieval bias on %s, epoch %s, step %s: %s", self.task.name, epoch, steps, metrics)
        self.store_metrics_in_model_card_data(model, metrics, cast("int", epoch), steps)  # the trainer gives a float
        return metrics

    def get_config_dict(self) -> dict[str, int]:
        """Settings for the model card."""
        return {} if self.n_agreement_groups is None else {"n_agreement_groups": self.n_agreement_groups}

    def _write(self, folder: Path, row: dict[str, float]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.csv_file
        is_new = not path.exists()
        with path.open("a+", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(row))
            if is_new:
                writer.writeheader()
            stream.seek(0)
            if next(csv.reader(stream)) != list(row):
                raise ValueError(f"{path} has other columns than this task gives: choose another name, or move the file")
            writer.writerow({key: value if value == value else "" for key, value in row.items()})


def _numbers(evaluation: Evaluation) -> dict[str, float]:
    """All numbers of an evaluation by key, NaN for those that are not defined: the keys depend on the task only."""
    summary = evaluation.summary()
    there = [summary[setting][_MAP] for setting in SETTINGS if summary[setting][_MAP] == summary[setting][_MAP]]
    numbers = {"score": float(np.mean(there))}
    numbers |= {f"{setting}_{measure}": value for setting in SETTINGS for measure, value in summary[setting].items()}
    for setting, by_language in _map_by_language(evaluation).items():
        numbers |= {f"{setting}_{_MAP}_{language}": value for language, value in by_language.items()}
        present = [value for value in by_language.values() if value == value]
        numbers[f"{setting}_{_MAP}_weakest"] = min(present, default=float("nan"))
    return numbers


def _map_by_language(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """MAP of each setting and query language, NaN where the language has no query in it."""
    cells = evaluation.per_query.group_by(["query_language", "candidate_language"]).aggregate([(_MAP, "mean")])
    mean = {(row["query_language"], row["candidate_language"]): row[f"{_MAP}_mean"] for row in cells.to_pylist()}
    languages, nan = evaluation.languages, float("nan")
    others = {query: [mean[query, tag] for tag in languages if tag != query and (query, tag) in mean] for query in languages}
    return {
        "monolingual": {query: mean.get((query, query), nan) for query in languages},
        "cross-lingual": {query: sum(found) / len(found) if found else nan for query, found in others.items()},
        "multilingual": {query: mean.get((query, POOL), nan) for query in languages},
    }
