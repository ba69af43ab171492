"""Differences that are not of two models on one score: between language pairs, between tests, without a domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit.compare.best import overall
from kit.compare.claims import Claim, Finding, judge, not_tested, seed_values
from kit.compare.columns import HEADLINE
from kit.compare.results import Results
from kit.compare.stats import macro_mean, mark, paired_randomisation_test


@dataclass(frozen=True)
class Drop:
    """What leaving a domain out of the training costs on its own test.

    score: trained on all domains, mean over training seeds.
    difference, low, high: that minus the score without the domain, with its 95 % interval over question groups.
    n_effective: groups that carry the interval, see ``kit.compare.stats.Interval``.
    by_seed: the difference in each training seed.
    by_construction: whether the domain plays no part in this sampling, so that the drop is 0 and nothing was tested.
    """

    domain: str
    sampling: str
    score: float
    difference: float
    low: float
    high: float
    n_effective: float
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


def wider_gap(claim: Claim, results: Results) -> Finding:
    """Whether the claim's first model serves two language pairs less evenly than its second.

    The two are the pairs in which the *second* model, the reference, is best and worst. Each model's gap is its score in the
    one minus its score in the other, over its own mean score of all pairs (else a model that is bad everywhere would pass
    for even); the claim is seen where the first model's gap is wider. The interval takes the mean as known.

    Args:
        claim: its column names the score.
        results: on a task with at least two pairs in the setting of that score.

    Raises:
        ValueError: fewer than two pairs.
    """
    where = claim.where
    values = results.values(claim.second, *where)
    if len(values.cells) < 2:
        raise ValueError(f"{results.task_name} has {len(values.cells)} {where.setting} pairs: a gap needs two")
    means = np.nanmean(values.values, axis=0)
    ends = [int(means.argmax()), int(means.argmin())]
    best, worst = (" → ".join(values.cells[end]) for end in ends)
    gaps = []
    for model in (claim.first, claim.second):
        level = macro_mean(results.values(model, *where).values)
        sides = [2 * one[:, ends] * [1, -1] / level for one in seed_values(results, model, where)]  # mean of (best, −worst)
        gaps.append(sides)
    first, second = gaps
    return judge(replace(claim, column=f"mAP ({best} − {worst}) / mean"), first, second, results.task_name)


def larger_gain(claim: Claim, tests: tuple[Results, Results], passages: str) -> Finding:
    """Whether one test shows a larger gain of the first model over the second than another test with the same questions.

    Args:
        claim: its column names the score.
        tests: results of both models on either test; the gain on the first minus that on the second is judged.
        passages: only cells whose passages are in this language count.

    Returns:
        Not tested, with the reason in ``on``, if the tests differ in their questions or in those cells.
    """
    where = claim.where
    values = [results.values(claim.first, *where) for results in tests]
    kept = [[cell for cell in one.cells if cell[1] == passages] for one in values]
    if values[0].group_ids != values[1].group_ids or kept[0] != kept[1] or not kept[0]:
        return not_tested(claim, "not here: no test has the same questions in both forms")
    gains = []
    for results, one in zip(tests, values):
        columns = [number for number, cell in enumerate(one.cells) if cell in kept[0]]
        runs = zip(*(seed_values(results, model, where) for model in (claim.first, claim.second)))
        gains.append([a[:, columns] - b[:, columns] for a, b in runs])
    sides = {"first": f"({claim.first} − {claim.second}) on the first", "second": "on the second"}
    here = f"{tests[0].task_name} and {tests[1].task_name}"
    return judge(replace(claim, column="mAP", **sides), gains[0], gains[1], here)


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
        column: a score of ``kit.compare.columns.HEADLINE`` where higher is better; domains whose test lacks it are left out.
    """
    found = []
    for domain in domains:
        mine = results[domain.name]
        if not mine.values(samplings[0], *HEADLINE[column]).values.size:
            continue
        for sampling in samplings:
            score = float(np.mean(mine.by_seed(sampling, *HEADLINE[column])))
            if by_construction(sampling, domain):
                found.append(Drop(domain.name, sampling, score, 0.0, 0.0, 0.0, 0.0, by_construction=True))
                continue
            whole, rest = (overall(mine, arm, [HEADLINE[column]]) for arm in (sampling, f"{sampling}, without"))
            test = paired_randomisation_test(np.mean(whole, axis=0), np.mean(rest, axis=0))
            seeds = tuple(macro_mean(one) - macro_mean(other) for one, other in zip(whole, rest))
            ends = (test.difference, test.low, test.high, test.n_effective)
            found.append(Drop(domain.name, sampling, score, *ends, seeds))
    return found


def mean_drop(
    results: Mapping[str, Results], names: Sequence[str], sampling: str, column: str = "mono mAP", relative: bool = False
) -> list[np.ndarray]:
    """The drop of a sampling as ``kit.compare.claims.judge`` takes it: one array (n_groups of all tests, n_domains) a seed.

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
    return f"{drop.difference:+.3f} [{drop.low:+.3f} to {drop.high:+.3f}{mark(drop.n_effective)}]"
