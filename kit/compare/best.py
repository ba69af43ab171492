"""Which arm is best, how certain that is, and which arms no other beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kit.compare.columns import Where
from kit.compare.results import Results
from kit.core.seeding import generator


def pareto_front(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Names that no other beats: none is at least as high in every score and higher in one. Equal ones stay together.

    >>> pareto_front({"a": (1, 0), "b": (0, 1), "c": (0, 0)})
    ['a', 'b']
    """
    front = []
    for name, own in scores.items():
        beaten = any(
            all(x >= y for x, y in zip(other, own)) and any(x > y for x, y in zip(other, own)) for other in scores.values()
        )
        if not beaten:
            front.append(name)
    return front


@dataclass(frozen=True)
class Best:
    """The best arm, and how often each arm is best when questions and training seeds are drawn again."""

    arm: str
    share: dict[str, float]

    def within(self, confidence: float = 0.95) -> list[str]:
        """The fewest arms, most frequent first, that hold the best one in that share of the draws."""
        ordered = sorted(self.share, key=lambda arm: -self.share[arm])
        reached = np.cumsum([self.share[arm] for arm in ordered])
        return ordered[: int(np.searchsorted(reached, confidence - 1e-12)) + 1]


def best_arm(results: Results, averaged: Sequence[Where], n_resamples: int = 2000, seed: int = 0) -> Best:
    """The arm with the highest mean of some scores, and how sure that is.

    A resample draws question groups and, by arm, training seeds, both with replacement; the arm with the highest score in it
    counts. Of equal scores the first arm counts.

    Args:
        averaged: the scores; higher is better in all of them.
        n_resamples: number of draws, at least 1.

    Raises:
        ValueError: a task without one of the settings; ``n_resamples`` below 1.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}: choose at least 1")
    by_group = {model: _by_group(results, model, averaged) for model in results.models}  # (n_seeds, n_groups)
    scores = {model: float(values.sum(axis=1).mean()) for model, values in by_group.items()}
    random = generator(seed, "study", "best arm")
    wins = dict.fromkeys(results.models, 0)
    n_groups = next(iter(by_group.values())).shape[1]
    for _ in range(n_resamples):
        drawn = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups))
        draw = {
            model: float((values[random.integers(0, len(values), len(values))] @ drawn).mean())
            for model, values in by_group.items()
        }
        wins[max(draw, key=draw.__getitem__)] += 1
    return Best(max(scores, key=scores.__getitem__), {model: won / n_resamples for model, won in wins.items()})


def overall(results: Results, model: str, averaged: Sequence[Where]) -> list[np.ndarray]:
    """The mean of some scores as ``kit.compare.claims.judge`` takes it: one column (n_groups, 1) a seed with that mean.

    A group's entry is what it adds to the score, times the number of groups. Arguments and errors as in ``best_arm``.
    """
    return [added[:, None] * len(added) for added in _by_group(results, model, averaged)]


def _by_group(results: Results, model: str, averaged: Sequence[Where]) -> np.ndarray:
    """What each question group adds to the score of each seed, (n_seeds, n_groups); a row sums to the score."""
    rows = []
    for run in results.evaluations[model]:
        added = 0.0
        for where in averaged:
            values = run.values(*where).values  # (n_groups, n_cells)
            if not values.size:
                raise ValueError(f"the task has no {where.setting} setting: leave it out of averaged")
            share = np.nan_to_num(values / (~np.isnan(values)).sum(axis=0)).mean(axis=1)  # (n_groups,)
            added = added + share / len(averaged)
        rows.append(added)
    return np.array(rows)
