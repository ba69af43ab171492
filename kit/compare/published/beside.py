"""The paper's figures and those of runs side by side: table by table, and difference of samplings by difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import NamedTuple

from kit.compare.columns import HEADLINE
from kit.compare.published.figures import ENCODERS, MEAN, TRAINING, Paper, PaperTable, Place
from kit.compare.published.scores import PAIRS, Score, means_over
from kit.core.printing import MISSING, number, span
from kit.evaluate.evaluation import MEASURES

LABELS = MEASURES | {"recall_at_100": "R@100", "rank_distance": "rank distance"}
"""What measures are called in a table."""


@dataclass(frozen=True)
class Own:
    """A run's scores that may be held against an encoder and a data set of the paper.

    scores: by the place of the paper's figure; none where no run has any.
    told: which run has them, or what would make them.
    """

    scores: Mapping[Place, Score]
    told: str


class Line(NamedTuple):
    """A line of a table: names by part, and the paper's figures with the run's scores (``None``: missing)."""

    names: dict[str, str]
    pairs: dict[Place, tuple[float, Score | None]]


@dataclass(frozen=True)
class Beside:
    """A table of the paper with what runs have of it; ``told`` says whose numbers they are, and what is missing."""

    table: PaperTable
    lines: list[Line]
    told: list[str]

    @property
    def pairs(self) -> dict[Place, tuple[float, Score | None]]:
        """Those of all lines."""
        return {place: pair for line in self.lines for place, pair in line.pairs.items()}

    @property
    def is_missing(self) -> bool:
        """Whether no run has any of it."""
        return not any(own for _, own in self.pairs.values())

    def rows(self) -> list[dict[str, str]]:
        """Rows for ``kit.core.printing.Table``; without a run, of the paper alone."""
        digits, rows = self.table.digits, []
        counts = self.table.of.get("setting") in ("sizes", TRAINING)
        minus = "own − paper" if counts else "own − paper [95 %]"
        for names, pairs in self.lines:
            row = {part: LABELS.get(name, name) for part, name in names.items()}
            for column, (paper, own) in zip(self.table.columns, pairs.values()):
                label = LABELS.get(column, column)
                row[label if self.is_missing else f"{label}: paper"] = number(paper, digits)
                if not self.is_missing:
                    row |= {f"{label}: own": number(own and own.value, digits)}
                    row |= {f"{label}: {minus}": _difference(paper, own, digits)}
            rows.append(row)
        return rows


def _difference(paper: float, own: Score | None, digits: int) -> str:
    """Own minus paper; the interval is the run's, moved: what the paper printed comes without one."""
    if own is None or isnan(paper):
        return MISSING
    text = number(own.value - paper, digits, "+")
    return text if isnan(own.low) else f"{text} [{span(own.low - paper, own.high - paper, digits, '+')}]"


def beside(table: PaperTable, paper: Paper, runs: Mapping[str, Sequence[Score]], commands: Mapping[str, str]) -> Beside:
    """A table with the scores of runs.

    For each encoder and data set of the table the first run counts that has both; else the first of all runs, if it has
    the data set and an encoder that the paper has not, which is said.

    Args:
        runs: scores by the name of a run, the run at hand first.
        commands: what makes the scores on a data set, or else of an encoder.
    """
    wanted = dict.fromkeys((place.encoder, place.data) for _, figures in table.lines for place in figures)
    training = table.of.get("setting") == TRAINING
    asked = {run: [one for one in scores if (one.setting == TRAINING) == training] for run, scores in runs.items()}
    found = {one: _own(*one, paper, asked) for one in wanted}
    lines = [
        Line(names, {at: (figure, found[at.encoder, at.data].scores.get(at)) for at, figure in figures.items()})
        for names, figures in table.lines
    ]
    told = [own.told for own in found.values() if own.told]
    missing: dict[str, list[str]] = {}
    for (encoder, data), own in found.items():
        if not own.told:
            command = commands.get(data) or commands.get(encoder) or next(iter(commands.values()))
            missing.setdefault(command, []).append(_words(encoder, data))
    return Beside(table, lines, [*told, *(f"missing: {', '.join(of)} (`{command}`)" for command, of in missing.items())])


def _words(encoder: str, data: str) -> str:
    return f"{encoder} on {data}" if encoder else data


def _own(encoder: str, data: str, paper: Paper, runs: Mapping[str, Sequence[Score]]) -> Own:
    of_run = {run: [score for score in scores if score.data == data and not score.minus] for run, scores in runs.items()}
    having = {run: scores for run, scores in of_run.items() if scores}
    same = [run for run, scores in having.items() if encoder in ("", scores[0].encoder)]
    at_hand = [run for run in having if run == next(iter(runs)) and having[run][0].encoder not in ENCODERS]
    if not same and not at_hand:
        return Own({}, "")
    chosen = [*same, *at_hand][0]
    mine = having[chosen]
    scores, why_not = _comparable(mine, data, paper)
    other = "" if same else f", another encoder ({mine[0].encoder})"
    told = f"{_words(encoder, data)}: run {chosen}{other}{why_not}"
    return Own({score.place.but(encoder=encoder): score for score in scores}, told)


def _comparable(scores: Sequence[Score], data: str, paper: Paper) -> tuple[list[Score], str]:
    """The scores that are of the same queries and candidates as the paper's, and what is said of the others.

    A pool is the paper's only with exactly its languages, and a mean over languages only with all of them; within a language
    its own size decides. Languages that the paper has not are left out.
    """
    if scores[0].setting == TRAINING:
        return list(scores), ""
    sizes, own = paper.sizes(data), {(score.language, score.measure): score.value for score in scores}
    here, there = {score.language for score in scores} - {MEAN}, set(paper.languages(data))
    measured = {tag: (own.get((tag, "queries")), own.get((tag, "candidates"))) for tag in here}
    same = {tag for tag in here & there if sizes.get(tag, measured[tag]) == measured[tag]}
    mine = [score for score in scores if here == there == same or score.setting in ("sizes", "monolingual")]
    means = means_over(mine, there) if same == there else []
    fitting = [score for score in mine if score.setting == "sizes" or score.language in same]
    some = same != there or len(mine) < len(scores)
    told = [f"{len(same)} of {len(there)} languages: scores within these only"] if some else []
    unknown = {tag for tag in here & there - same if None in measured[tag]}
    of_tags = {
        "no mean without": there - same,
        "of other sizes than the paper's:": here & there - same - unknown,
        "of unknown sizes:": unknown,
        "without languages that the paper has not:": here - there,
    }
    told += [f"{what} {', '.join(sorted(tags))}" for what, tags in of_tags.items() if tags]
    return [*fitting, *means], f", {'; '.join(told)}" if told else ""


class Effect(NamedTuple):
    """What one sampling has more than another, in the paper and in a run.

    column: of ``HEADLINE``; differences of rank distance are shares of the distance of ``second``.
    value, low, high: of the run, with its 95 % interval.
    """

    first: str
    second: str
    column: str
    language: str
    paper: float
    value: float
    low: float
    high: float

    @property
    def agrees(self) -> bool:
        """Whether both have the same sign."""
        return self.paper * self.value > 0


COLUMNS = ("mono mAP", "cross mAP", "multi mAP", "rank distance")
"""What the paper gives by query language."""


def effects(scores: Sequence[Score], paper: Paper, encoder: str, data: str) -> list[Effect]:
    """The differences of ``PAIRS`` by query language and as mean, of one run on one test, beside the paper's.

    Args:
        scores: of the run; its test need not be one of the paper.
        encoder, data: of the paper's figures.
    """
    figures = paper.figures
    levels = {score.place.but(encoder="", data=""): score.value for score in scores if not score.minus}
    found = []
    for first, second in PAIRS:
        for column in COLUMNS:
            place = Place(sampling=first, **HEADLINE[column]._asdict())
            for score in scores:
                at = score.place.but(encoder="", data="")
                if score.minus == second and at == place.but(language=score.language):
                    printed = [figures.get(at.but(encoder=encoder, data=data, sampling=one), nan) for one in (first, second)]
                    by, own_by = (printed[1], levels[at.but(sampling=second)]) if column == "rank distance" else (1.0, 1.0)
                    own = [end / own_by for end in (score.value, score.low, score.high)]
                    found.append(Effect(first, second, column, score.language, (printed[0] - printed[1]) / by, *own))
    return [effect for effect in found if not isnan(effect.paper)]


class Mark(NamedTuple):
    """One printed number and what a run has in its place, for a figure.

    series: what has a colour, such as a sampling.  row: a language.
    paper: as printed.  value, low, high: of the run, with its interval; NaN where it has none.
    """

    series: str
    row: str
    paper: float
    value: float
    low: float
    high: float


def effect_marks(found: Sequence[Effect]) -> dict[str, list[Mark]]:
    """Panels of a figure: for each column the differences by language."""
    panels: dict[str, list[Mark]] = {}
    for one in found:
        title = f"{one.column}, share" if one.column == "rank distance" else one.column
        mark = Mark(f"{one.first} − {one.second}", one.language, one.paper, one.value, one.low, one.high)
        panels.setdefault(title, []).append(mark)
    return panels


def score_marks(tables: Sequence[Beside], encoder: str, data: str) -> dict[str, list[Mark]]:
    """Panels of a figure: for each of ``COLUMNS`` the scores by language; no panel of what the run lacks.

    Args:
        encoder, data: of the paper, whose tables by query language are shown.
    """
    pairs = {place: pair for one in tables for place, pair in one.pairs.items()}
    ordered = sorted(pairs, key=lambda place: place.language == MEAN)  # the mean below the languages
    panels: dict[str, list[Mark]] = {}
    for column in COLUMNS:
        where = Place(encoder=encoder, data=data, **HEADLINE[column]._asdict())
        for place in ordered:
            paper, own = pairs[place]
            if own and place == where.but(sampling=place.sampling, language=place.language):
                mark = Mark(place.sampling, place.language, paper, own.value, own.low, own.high)
                panels.setdefault(column, []).append(mark)
    return panels


def effect_rows(found: Sequence[Effect]) -> list[dict[str, str]]:
    """Rows of a table, one a pair and column: both means, the run's interval, in how many languages both go the same way."""
    rows = []
    for first, second, column in dict.fromkeys(effect[:3] for effect in found):
        mine = [effect for effect in found if effect[:3] == (first, second, column)]
        tags = [effect for effect in mine if effect.language != MEAN]
        mean = next(effect for effect in mine if effect.language == MEAN)
        rows.append(
            {
                "difference": f"{first} − {second}",
                "of": column + (", share" if column == "rank distance" else ""),
                "paper": number(mean.paper, 3, "+"),
                "own [95 %]": f"{number(mean.value, 3, '+')} [{span(mean.low, mean.high, 3, '+')}]",
                "same direction": f"{sum(effect.agrees for effect in tags)} of {len(tags)} languages",
            }
        )
    return rows
