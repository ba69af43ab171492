"""Scores of a run by query language, as the paper's tables have them: measured, kept in a small file, read back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from kit.compare.columns import HEADLINE, RANGES
from kit.compare.published.figures import MEAN, TRAINING, Place, data_of, encoder_of, paper
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
    """Scores of judged collections, such as MIRACL's languages, and their means.

    A mean is over the languages that the set has in the paper's tables, and there is none if one of them was not judged.

    Args:
        values: of each question of a collection, (n_questions,), an array a training seed.
    """
    asked = {at: np.mean(seeds, axis=0) for at, seeds in values.items()}  # (n_questions,) each
    found = [_score(at, mean_interval([one])) for at, one in asked.items()]
    for rest in dict.fromkeys(at.but(language="") for at in asked):
        places = [rest.but(language=tag) for tag in paper().languages(rest.data)]
        if places and set(places) <= asked.keys():
            found.append(_score(rest.but(language=MEAN), mean_interval([asked[at] for at in places])))
    return found


def mean_interval(values: Sequence[np.ndarray]) -> Interval:
    """Of the mean over collections, each of which counts alike and whose questions have nothing to do with each other.

    Args:
        values: of the questions of a collection, (n_questions,), between 0 and 1, an array a collection.
    """
    ends = np.cumsum([0, *map(len, values)])
    matrix = np.full((ends[-1], len(values)), np.nan)
    for column, one in enumerate(values):
        matrix[ends[column] : ends[column + 1], column] = one
    return confidence_interval(matrix, bounds=(0, 1))


def means_over(scores: Sequence[Score], languages: Collection[str]) -> list[Score]:
    """The means over these languages, of each sampling and measure that has a score in all of them.

    A mean that is there counts if it is of these languages, which that of a run with more of them may not be; else the
    values of the languages give one, without an interval.
    """
    found = []
    for (rest, minus), of in _by_rest(scores).items():
        if not set(languages) <= of.keys():
            continue
        own, mean = of.get(MEAN), float(np.mean([of[tag].value for tag in languages]))
        if own is None or (of.keys() - {MEAN} != set(languages) and abs(own.value - mean) > _ROUNDED):
            own = _score(rest.but(language=MEAN), mean, minus)
        found.append(own)
    return found


def _by_rest(scores: Sequence[Score]) -> dict[tuple[Place, str], dict[str, Score]]:
    """Scores by language, of each place without one and of what was subtracted; counts are no scores."""
    found: dict[tuple[Place, str], dict[str, Score]] = {}
    for score in scores:
        if score.setting not in ("sizes", TRAINING):
            found.setdefault((score.place.but(language=""), score.minus), {})[score.language] = score
    return found


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


_DIGITS = 6  # of what is kept
_ROUNDED = 2 * 10**-_DIGITS  # two means differ by less if only rounding tells them apart
_PARTS = {"value": "estimate", "low": "low", "high": "high"}


def _score(place: Place, value: Interval | float, minus: str = "") -> Score:
    interval = value if isinstance(value, Interval) else Interval(value, *[float("nan")] * 3)
    numbers = {name: round(getattr(interval, part), _DIGITS) for name, part in _PARTS.items()}
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
    return _with_means(_read(path))


def _read(path: str | Path) -> list[Score]:
    return records.read(path, list[Score], "these are not the scores of a run: run notebook 11 again")


def _with_means(found: Sequence[Score]) -> list[Score]:
    lacking = [list(of.values()) for of in _by_rest(found).values() if MEAN not in of]
    return [*found, *(mean for of in lacking for mean in means_over(of, [score.language for score in of]))]


def kept(reports: Path) -> dict[str, list[Score]]:
    """Scores that runs have left below a folder, by the name of the run; means as in ``read``, over all files of a run.

    Raises:
        ValueError: a file of that name holds something else.
    """
    found: dict[str, list[Score]] = {}
    for path in sorted(reports.glob(f"*/{FILES}")):
        found.setdefault(path.parent.name, []).extend(_read(path))
    return {run: _with_means(scores) for run, scores in found.items()}
