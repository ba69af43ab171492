"""Claims, each with what would count as seeing it, and one judge for the paper's and the studies'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.compare.columns import COLUMNS, DIGITS, LOWER_IS_BETTER, Where
from kit.compare.results import Results
from kit.compare.stats import holm, macro_mean, mark, paired_randomisation_test

KINDS = ("better", "reaches", "equals", "differs")
VERDICTS = ("seen here", "not seen here", "not tested")
_WITH_MARGIN = ("reaches", "equals")


@dataclass(frozen=True)
class Claim:
    """A sentence that can be seen or not seen in the difference of two scores.

    study: notebook that tests it.
    text: the sentence.
    first, second: names of models, arms or ways; the difference is the first's score minus the second's.
    column: what the score is called; of ``COLUMNS`` where it is one score of results.
    kind: ``better``; ``reaches``, not worse by the margin or more; ``equals``, within the margin in both directions;
        ``differs``, in one direction, whichever.
    margin: above 0 for ``reaches`` and ``equals``, in the unit of the score; the others have none.
    relative: whether the margin is a share of the second's score.

    Names that only a run knows stand as fields in the texts, such as ``{domain}``, until ``filled`` gives them.

    Raises:
        ValueError: an unknown kind; a margin that does not go with it.
    """

    study: str
    text: str
    first: str
    second: str
    column: str
    kind: str = "better"
    margin: float = 0.0
    relative: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: choose {', '.join(KINDS)}")
        if self.margin < 0 or (self.margin > 0) != (self.kind in _WITH_MARGIN):
            raise ValueError(f"margin is {self.margin}: give one above 0 to claims that reach or equal, none to others")

    def filled(self, **values: object) -> Claim:
        """The same with values for the fields in its text, names and column.

        >>> Claim("99", "{name} helps", "+ {name}", "none", "mono mAP").filled(name="law").text
        'law helps'
        """
        texts = {name: getattr(self, name).format(**values) for name in ("text", "first", "second", "column")}
        return replace(self, **texts)

    @property
    def where(self) -> Where:
        """The score that the column names.

        Raises:
            ValueError: it names none, so that the values have to be given (``judge``).
        """
        if self.column not in COLUMNS:
            raise ValueError(f"column {self.column!r} is no score of results: choose from {', '.join(COLUMNS)}")
        return COLUMNS[self.column]

    @property
    def lower_is_better(self) -> bool:
        """Whether the first is better where the difference is negative."""
        return self.column in COLUMNS and self.where.measure in LOWER_IS_BETTER

    @property
    def effect(self) -> str:
        """What the difference is of, such as "multi mAP, Hybrid − X-Y"."""
        return f"{self.column}, {self.first} − {self.second}"


@dataclass(frozen=True)
class Finding:
    """What a study found of a claim.

    claim: its sentence.
    study: notebook that tested it.
    on: task; why not, where it was not tested.
    effect: what the difference is of; empty where it was not tested.
    verdict: one of ``VERDICTS``.
    difference, low, high: mean over training seeds, with its 95 % interval over question groups; NaN where not tested.
    n_effective: groups that carry the interval, see ``kit.compare.stats.Interval``; NaN where not tested.
    p_value: of the paired randomisation test, adjusted over the findings of a study (Holm).
    by_seed: the difference in each training seed.
    digits: after the point, where it is printed.
    command: makes it again.
    encoder: name of the pretrained encoder that it was found on; empty for one made from scratch.
    """

    claim: str
    study: str
    on: str = ""
    effect: str = ""
    verdict: str = "not tested"
    difference: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n_effective: float = float("nan")
    p_value: float = float("nan")
    by_seed: tuple[float, ...] = ()
    digits: int = 3
    command: str = ""
    encoder: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict is {self.verdict!r}: choose {', '.join(VERDICTS)}")

    @property
    def is_tested(self) -> bool:
        """Whether there are numbers."""
        return self.verdict != "not tested"

    @property
    def numbers(self) -> tuple[str, str, str]:
        """Difference, low and high as they are printed; dashes where it was not tested."""
        if not self.is_tested:
            return "–", "–", "–"
        return signed(self.difference, self.digits), signed(self.low, self.digits), signed(self.high, self.digits)

    @property
    def interval(self) -> str:
        """The difference with its interval, for a table; a dash where it was not tested."""
        difference, low, high = self.numbers
        return f"{difference} [{low} to {high}{mark(self.n_effective)}]" if self.is_tested else difference


def signed(value: float, digits: int) -> str:
    """A difference with its sign and commas between thousands.

    >>> signed(-16592.4, 0), signed(0.0136, 3)
    ('−16,592', '+0.014')
    """
    return f"{value:+,.{digits}f}".replace("-", "−")


def judge(claim: Claim, first: Sequence[np.ndarray], second: Sequence[np.ndarray], on: str) -> Finding:
    """Hold a claim against the numbers of each training seed.

    The difference is first minus second of the means over seeds. The claim is seen where the whole 95 % interval *and* every
    seed by itself are on its side: beyond zero (``better``, for the better), above minus the margin (``reaches``), within
    the margin in both directions (``equals``), or beyond zero in one direction, whichever (``differs``). Everything else is
    not seen. The p-value does not decide, and is not adjusted yet (``adjusted``).

    Args:
        first, second: one array a seed, shape (n_groups, n_cells), NaN where a group has no value; the same shape in all.
        on: task.

    Raises:
        ValueError: different numbers of seeds, or none; whatever ``kit.compare.stats`` refuses.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"first has {len(first)} seeds and second {len(second)}: give the same number, at least one")
    found = paired_randomisation_test(np.mean(first, axis=0), np.mean(second, axis=0))
    by_seed = tuple(macro_mean(one) - macro_mean(other) for one, other in zip(first, second))
    margin = claim.margin * (float(np.mean([macro_mean(other) for other in second])) if claim.relative else 1.0)
    gains = np.array([found.low, found.high, *by_seed]) * (-1.0 if claim.lower_is_better else 1.0)
    seen = {
        "better": gains.min() > 0,
        "reaches": gains.min() > -margin,
        "equals": np.abs(gains).max() < margin,
        "differs": gains.min() > 0 or gains.max() < 0,
    }[claim.kind]
    return Finding(
        claim.text,
        claim.study,
        on,
        claim.effect,
        "seen here" if seen else "not seen here",
        found.difference,
        found.low,
        found.high,
        found.n_effective,
        found.p_value,
        by_seed,
        DIGITS.get(claim.column, 3),
    )


def judge_models(claim: Claim, results: Results) -> Finding:
    """``judge`` where the claim is about two models of results, on the score that its column names."""
    first, second = (seed_values(results, model, claim.where) for model in (claim.first, claim.second))
    return judge(claim, first, second, results.task_name)


def seed_values(results: Results, model: str, where: Where) -> list[np.ndarray]:
    """What ``judge`` takes of one model: a score by question group and cell, one array a seed."""
    return [run.values(*where).values for run in results.evaluations[model]]


def not_tested(claim: Claim, reason: str) -> Finding:
    """A claim that this run cannot test, and why."""
    return Finding(claim.text, claim.study, reason)


def adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a study with their p-values adjusted over all that were tested (Holm)."""
    found = list(findings)
    tested = [number for number, finding in enumerate(found) if finding.is_tested]
    for number, p_value in zip(tested, holm(np.array([found[number].p_value for number in tested]))):
        found[number] = replace(found[number], p_value=float(p_value))
    return found
