"""Differences that are not of two models on one score: between language pairs, between tests, without a domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.compare.best import overall
from kit.compare.findings import Finding, by_seed, judge
from kit.compare.results import HEADLINE, Results
from kit.compare.stats import macro_mean, paired_randomisation_test

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


@dataclass(frozen=True)
class Domain:
    """A domain that can be left out.

    name: what it is called.  train: source of its training data.  test: source of its task.
    parallel: whether its training data has several languages; else it plays no part in cross-lingual batches.
    """

    name: str
    train: str
    test: str
    parallel: bool


def by_construction(sampling: str, domain: Domain) -> bool:
    """Whether a domain plays no part in a sampling: it has one language, and every batch is cross-lingual."""
    return sampling == "X-Y" and not domain.parallel


def drops(
    results: Mapping[str, Results], domains: Sequence[Domain], samplings: Sequence[str], column: str = "mono mAP"
) -> list[Drop]:
    """The drop of every domain and sampling, from what ``judge_without`` returned.

    Args:
        column: a score of ``kit.compare.results.HEADLINE`` where higher is better; domains whose test lacks it are left out.
    """
    found = []
    for domain in domains:
        mine = results[domain.name]
        if not mine.values(samplings[0], *HEADLINE[column]).values.size:
            continue
        for sampling in samplings:
            score = float(np.mean(mine.by_seed(sampling, *HEADLINE[column])))
            if by_construction(sampling, domain):
                found.append(Drop(domain.name, sampling, score, 0.0, 0.0, 0.0, by_construction=True))
                continue
            whole, rest = (overall(mine, arm, [HEADLINE[column]]) for arm in (sampling, f"{sampling}, without"))
            test = paired_randomisation_test(np.mean(whole, axis=0), np.mean(rest, axis=0))
            seeds = tuple(macro_mean(one) - macro_mean(other) for one, other in zip(whole, rest))
            found.append(Drop(domain.name, sampling, score, test.difference, test.low, test.high, seeds))
    return found


def mean_drop(
    results: Mapping[str, Results], names: Sequence[str], sampling: str, column: str = "mono mAP", relative: bool = False
) -> list[np.ndarray]:
    """The drop of a sampling as ``findings.judge`` takes it: one array (n_groups of all tests, n_domains) a seed.

    A column is a domain: the groups of its test hold what they add to the drop, all others NaN, so that the macro mean is
    the mean over the domains. Compare two samplings with it for a contrast of contrasts.

    Args:
        names: of domains, in which the sampling has both arms.
        relative: divide by the domain's score after training on all (a constant: its own uncertainty plays no part).
    """
    blocks: list[list[np.ndarray]] = []  # by domain, by seed: (n_groups of its test, 1)
    for name in names:
        whole, rest = (overall(results[name], arm, [HEADLINE[column]]) for arm in (sampling, f"{sampling}, without"))
        scale = float(np.mean([macro_mean(one) for one in whole])) if relative else 1.0
        blocks.append([(one - other) / scale for one, other in zip(whole, rest)])
    return [_diagonal(seed) for seed in zip(*blocks)]


def mean_without(
    results: Mapping[str, Results], names: Sequence[str], sampling: str, column: str = "mono mAP"
) -> list[np.ndarray]:
    """The score of a sampling on each domain after training without it, in the form of ``mean_drop``.

    Where the domain plays no part in the sampling, that is the arm of all domains.
    """
    blocks = []
    for name in names:
        arm = f"{sampling}, without" if f"{sampling}, without" in results[name].models else sampling
        blocks.append(overall(results[name], arm, [HEADLINE[column]]))
    return [_diagonal(seed) for seed in zip(*blocks)]


def _diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Columns below and beside each other: (sum of n_groups, n_blocks), NaN off the diagonal."""
    table = np.full((sum(len(block) for block in blocks), len(blocks)), np.nan)
    start = 0
    for number, block in enumerate(blocks):
        table[start : start + len(block), number] = block[:, 0]
        start += len(block)
    return table


def drop_rows(found: Sequence[Drop], column: str = "mono mAP") -> list[dict[str, object]]:
    """Rows of a table: the scores with all domains and without one, and the drop, absolute and relative."""
    return [
        {
            "left out": drop.domain,
            "sampling": drop.sampling,
            f"{column}, all domains": f"{drop.score:.3f}",
            "without it": f"{drop.without:.3f}",
            "drop [95 %]": "0 by construction" if drop.by_construction else _interval(drop),
            "of the score": "–" if drop.by_construction else f"{drop.relative:.0%}",
        }
        for drop in found
    ]


def _interval(drop: Drop) -> str:
    return f"{drop.difference:+.3f} [{drop.low:+.3f} to {drop.high:+.3f}]"
