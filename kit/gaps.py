"""Differences that are not of two models on one score: between language pairs, between tests, without a domain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.findings import Finding, by_seed, judge
from kit.results import Results
from kit.stats import macro_mean

CROSS = ("cross-lingual", "average_precision")


@dataclass(frozen=True)
class Drop:
    """What leaving a domain out of the training costs on its own test.

    score: trained on all domains, mean over training seeds.
    difference, low, high: that minus the score without the domain, with its 95 % interval over question groups.
    by_seed: the difference in each training seed.
    by_construction: whether the domain plays no part in this sampling, so that the drop is 0 and nothing was tested.
    """

    domain: str
    sampling: str
    score: float
    difference: float
    low: float
    high: float
    by_seed: tuple[float, ...] = ()
    by_construction: bool = False

    @property
    def without(self) -> float:
        """The score after training without the domain."""
        return self.score - self.difference

    @property
    def relative(self) -> float:
        """Share of the score that is lost; NaN for a score of 0."""
        return self.difference / self.score if self.score else float("nan")


def wider_gap(claim: Finding, results: Results, first: str, second: str, place: tuple[str, str] = CROSS) -> Finding:
    """Whether the first model serves two language pairs less evenly than the second.

    The two are the pairs in which the *second* model, the reference, is best and worst. Each model's gap is its score in the
    one minus its score in the other, over its own mean score of all pairs (else a model that is bad everywhere would pass
    for even); the claim is seen where the first model's gap is wider. The interval takes the mean as known.

    Args:
        claim: its text and study.
        results: on a task with at least two pairs in the setting of ``place``.
        place: (setting, measure).

    Raises:
        ValueError: fewer than two pairs.
    """
    values = results.values(second, *place)
    if len(values.cells) < 2:
        raise ValueError(f"{results.task_name} has {len(values.cells)} {place[0]} pairs: a gap needs two")
    means = np.nanmean(values.values, axis=0)
    ends = [int(means.argmax()), int(means.argmin())]
    best, worst = (" → ".join(values.cells[end]) for end in ends)
    gaps = []
    for model in (first, second):
        level = macro_mean(results.values(model, *place).values)
        gaps.append([2 * one[:, ends] * [1, -1] / level for one in by_seed(results, model, place)])  # mean of (best, −worst)
    effect = f"mAP ({best} − {worst}) / mean, {first} − {second}"
    return judge(replace(claim, on=results.task_name, effect=effect), *gaps)


def larger_gain(
    claim: Finding, tests: tuple[Results, Results], first: str, second: str, passages: str, place: tuple[str, str] = CROSS
) -> Finding:
    """Whether one test shows a larger gain of a model over another than a second test that has the same questions.

    Args:
        claim: its text and study.
        tests: results of both models on either test; the gain on the first minus that on the second is judged.
        passages: only cells whose passages are in this language count.
        place: (setting, measure).

    Returns:
        The claim, judged; not tested, with the reason in ``on``, if the tests differ in their questions or in those cells.
    """
    values = [results.values(first, *place) for results in tests]
    kept = [[cell for cell in one.cells if cell[1] == passages] for one in values]
    if values[0].group_ids != values[1].group_ids or kept[0] != kept[1] or not kept[0]:
        return replace(claim, on="not here: no test has the same questions in both forms", verdict="not tested")
    gains = []
    for results, one in zip(tests, values):
        columns = [number for number, cell in enumerate(one.cells) if cell in kept[0]]
        runs = zip(by_seed(results, first, place), by_seed(results, second, place))
        gains.append([a[:, columns] - b[:, columns] for a, b in runs])
    on = f"{tests[0].task_name} and {tests[1].task_name}"
    return judge(replace(claim, on=on, effect=f"mAP, ({first} − {second}) on the first − on the second"), *gains)
