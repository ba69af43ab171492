"""Scores of a run by query language, as the paper's tables have them: measured, kept in a small file, read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from kit.compare.columns import HEADLINE, RANGES
from kit.compare.published.figures import MEAN, TRAINING, Place, data_of, encoder_of
from kit.compare.results import Results
from kit.compare.stats import Interval, confidence_interval
from kit.core import records
from kit.core.files import whole_file
from kit.core.records import without_nan
from kit.data.corpus import RetrievalTask
from kit.data.triples.corpus import TrainingCorpus, TripleCorpus
from kit.evaluate.evaluation import CellValues

PAIRS = (("Hybrid", "X-X-mono"), ("Hybrid", "X-Y"))
"""Samplings whose difference says what hybrid batches add."""

FILES = "11-scores*.json"
"""What a run keeps of its scores, in its folder; whatever evaluates elsewhere may leave another file of the kind there."""


class Score(Place):
    """A score, or a difference of two samplings, with what it is of.

    value, low, high: mean over training seeds and its 95 % interval over question groups; NaN where there is none.
    minus: the sampling that was subtracted; empty for a score by itself.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    minus: str = ""

    @property
    def place(self) -> Place:
        """What it is of."""
        return Place(**{name: getattr(self, name) for name in Place.model_fields})


def scores_of(results: Results, encoder: str, task: RetrievalTask) -> list[Score]:
    """Every score of the paper's tables (``kit.compare.columns.HEADLINE``) by query language and as mean, and the sizes.

    The score of a query language is the mean over the languages of the candidates, as that of all is (``stats.macro_mean``).
    Differences of ``PAIRS`` compare the same questions.

    Args:
        results: on ``task``, a model a sampling.
        encoder: name or folder of the model that was trained.
    """
    at = Place(encoder=encoder_of(encoder), data=data_of(task.name))
    sizes = at.but(setting="sizes")
    found = [*_counts(sizes, task.queries, "queries"), *_counts(sizes, task.candidates, "candidates")]
    pairs = [pair for pair in PAIRS if set(pair) <= set(results.models)]
    for setting, measure in HEADLINE.values():
        where, bounds = at.but(setting=setting, measure=measure), RANGES.get(measure, (0.0, 1.0))
        values = {model: _by_language(results.values(model, setting, measure)) for model in results.models}
        for model, of_language in values.items():
            found += _scores(where.but(sampling=model), of_language, bounds)
        for first, second in pairs:
            differences = {tag: of_first - values[second][tag] for tag, of_first in values[first].items()}
            found += _scores(where.but(sampling=first), differences, minus=second)
    return found


def judged_scores(values: Mapping[Place, Sequence[np.ndarray]]) -> list[Score]:
    """Scores of judged collections, such as MIRACL's languages.

    Args:
        values: of each question of a collection, (n_questions,), an array a training seed.
    """
    means = {at: np.mean(seeds, axis=0)[:, None] for at, seeds in values.items()}  # (n_questions, 1)
    return [_score(at, confidence_interval(mean, bounds=(0.0, 1.0))) for at, mean in means.items()]


def rows_of(corpora: Iterable[TrainingCorpus]) -> list[Score]:
    """The rows of training sets by language; triples have one of each in all their languages."""
    found = []
    for corpus in corpora:
        at = Place(data=data_of(corpus.name), setting=TRAINING)
        if isinstance(corpus, TripleCorpus):
            found += [_score(at.but(measure="rows", language=tag), float(corpus.n_groups)) for tag in corpus.languages]
        else:
            found += _counts(at, corpus.table, "rows")
    return found


def _counts(at: Place, table: pa.Table, measure: str) -> list[Score]:
    counted = table.column("language").value_counts().to_pylist()
    return [_score(at.but(measure=measure, language=count["values"]), float(count["counts"])) for count in counted]


def _by_language(values: CellValues) -> dict[str, np.ndarray]:
    """Values of the cells of each query language, and of all; shape (n_groups, n_cells) each. Nothing without a cell."""
    asked = np.array([cell[0] for cell in values.cells])
    by_language = {str(tag): values.values[:, asked == tag] for tag in dict.fromkeys(asked.tolist())}
    return by_language | ({MEAN: values.values} if by_language else {})


def _scores(
    at: Place, values: Mapping[str, np.ndarray], bounds: tuple[float, float] = (-np.inf, np.inf), minus: str = ""
) -> list[Score]:
    measured = {tag: confidence_interval(one, bounds=bounds) for tag, one in values.items()}
    return [_score(at.but(language=tag), interval, minus) for tag, interval in measured.items()]


_PARTS = {"value": "estimate", "low": "low", "high": "high"}


def _score(place: Place, value: Interval | float, minus: str = "") -> Score:
    interval = value if isinstance(value, Interval) else Interval(value, *[float("nan")] * 3)
    numbers = {name: round(getattr(interval, part), 6) for name, part in _PARTS.items()}
    return Score.model_validate(dict(place) | numbers | {"minus": minus})


def write(scores: Sequence[Score], path: str | Path) -> None:
    """Write scores as JSON, one a line, without what is empty; the file appears whole or not at all."""
    lines = [json.dumps(without_nan(score.model_dump(exclude_defaults=True)), ensure_ascii=False) for score in scores]
    with whole_file(Path(path)) as partial:
        partial.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def read(path: str | Path) -> list[Score]:
    """Read what ``write`` wrote, or what somebody else wrote of the same form: only places and values are needed.

    A mean over the languages that are there is added where there is none.

    Raises:
        ValueError: no such file, or another one.
    """
    found = records.read(path, list[Score], "these are not the scores of a run: run notebook 11 again")
    by_rest: dict[tuple[Place, str], dict[str, float]] = {}
    for score in found:
        if score.setting not in ("sizes", TRAINING):
            by_rest.setdefault((score.place.but(language=""), score.minus), {})[score.language] = score.value
    lacking = {rest: values for rest, values in by_rest.items() if MEAN not in values}
    means = {rest: float(np.mean(list(values.values()))) for rest, values in lacking.items()}
    return [*found, *(_score(place.but(language=MEAN), mean, minus) for (place, minus), mean in means.items())]


def kept(reports: Path) -> dict[str, list[Score]]:
    """Scores that runs have left below a folder, by the name of the run.

    Raises:
        ValueError: a file of that name holds something else.
    """
    found: dict[str, list[Score]] = {}
    for path in sorted(reports.glob(f"*/{FILES}")):
        found.setdefault(path.parent.name, []).extend(read(path))
    return found
