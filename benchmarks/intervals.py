"""How often 95 % intervals of a mean hold the truth, on the scores per question group of a run of this kit.

    python benchmarks/intervals.py RUN [RUN …] [--samples N] [--models MODEL,…]

RUN is a folder that holds ``per_query.parquet``. The groups of the run are the population, their macro mean is the truth.
N samples (default: 1000) of 50, 200 and 1,000 groups are drawn from them with replacement, and for every model and every
measure of the headline and the panel five intervals are made of each sample: the percentile bootstrap, BCa, Student's t, the
bootstrap-t (all with 999 resamples) and the kit's own, ``kit.compare.stats.confidence_interval``. Written as Markdown: the
lowest share of each measure over the models, and how many of all lie within .93 and .97. Some minutes a run.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats

from kit.compare.columns import BIAS_COLUMNS, HEADLINE
from kit.compare.results import Results
from kit.compare.stats import confidence_interval, macro_mean

SIZES, N_RESAMPLES, LEVEL = (50, 200, 1000), 999, 0.95
TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
NAMES = ("percentile", "BCa", "Student's t", "bootstrap-t", "kit")


def moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Macro mean and its standard error with each group counted so often, shapes (n_resamples,)."""
    present = ~np.isnan(values)
    filled, cells = np.where(present, values, 0.0), present.shape[1]
    counts = weights @ present  # (n_resamples, n_cells)
    means = np.divide(weights @ filled, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    size = weights.sum(axis=1)
    if cells == 1:
        squares = np.maximum((weights @ filled**2)[:, 0] / size - means[:, 0] ** 2, 0) / (size - 1)
        return means[:, 0], np.sqrt(squares)
    used = (counts > 0).sum(axis=1, keepdims=True)
    slope = np.divide(1, used * counts, out=np.zeros(counts.shape), where=counts > 0)
    deviations = slope @ filled.T - (slope * np.nan_to_num(means)) @ present.T  # (n_resamples, n_groups)
    squares = (weights * deviations**2).sum(axis=1)
    return np.nanmean(means, axis=1), np.sqrt(squares * size / (size - 1))


def intervals(values: np.ndarray, weights: np.ndarray) -> dict[str, tuple[float, float]]:
    """The five, of one sample."""
    one = np.ones((1, len(values)))
    (mean,), (error,) = moments(values, one)
    means, errors = moments(values, weights)
    t = stats.t.ppf(TAILS[1], len(values) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = np.nan_to_num((means - mean) / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    low, high = np.quantile(studentised, TAILS, method="inverted_cdf")
    own = confidence_interval(values, LEVEL)
    return {
        "percentile": tuple(np.quantile(means, TAILS)),
        "BCa": tuple(np.quantile(means, bca_levels(values, mean, means))),
        "Student's t": (mean - t * error, mean + t * error),
        "bootstrap-t": (mean - high * error if error else mean, mean - low * error if error else mean),
        "kit": (own.low, own.high),
    }


def bca_levels(values: np.ndarray, mean: float, means: np.ndarray) -> np.ndarray:
    """Quantiles that BCa takes (Efron 1987); the acceleration is that of the deviations of the groups."""
    present = ~np.isnan(values)
    centred = np.where(present, values - np.nanmean(values, axis=0), 0.0) / present.sum(axis=0)
    deviations = centred.mean(axis=1)
    squares = (deviations**2).sum()
    acceleration = (deviations**3).sum() / (6 * squares**1.5) if squares else 0.0
    below = np.clip((means < mean).mean() + (means == mean).mean() / 2, 1e-4, 1 - 1e-4)
    bias, ends = stats.norm.ppf(below), stats.norm.ppf(TAILS)
    return stats.norm.cdf(bias + (bias + ends) / (1 - acceleration * (bias + ends)))


def shares(population: np.ndarray, size: int, n_samples: int) -> dict[str, float]:
    """How many of the intervals hold the macro mean of the population."""
    random = np.random.default_rng(size)
    weights = random.multinomial(size, np.full(size, 1 / size), size=N_RESAMPLES).astype(float)
    truth, held = macro_mean(population), dict.fromkeys(NAMES, 0)
    for _ in range(n_samples):
        sample = population[random.integers(0, len(population), size)]
        sample = sample[:, ~np.isnan(sample).all(axis=0)]
        for name, (low, high) in intervals(sample, weights).items():
            held[name] += low - 1e-12 <= truth <= high + 1e-12
    return {name: count / n_samples for name, count in held.items()}


def populations(folder: Path, models: list[str]) -> dict[str, list[np.ndarray]]:
    """Scores by group of every model, by measure; one column where no group misses a cell, which changes no interval."""
    results, found = Results.read(folder), {}
    for column, where in (HEADLINE | BIAS_COLUMNS).items():
        found[column] = []
        for model in [model for model in results.models if not models or model in models]:
            values = results.values(model, *where).values
            values = values[~np.isnan(values).all(axis=1)]
            if values.size:
                found[column].append(values if np.isnan(values).any() else values.mean(axis=1, keepdims=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--models", type=lambda text: text.split(","), default=[])
    asked = parser.parse_args()
    found: dict[str, dict[int, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for run in asked.runs:
        for column, of_models in populations(run, asked.models).items():
            for size in SIZES:
                found[column][size] += [shares(values, size, asked.samples) for values in of_models]
    print("| measure | groups |", " | ".join(NAMES), "|\n|---|---:|" + "---:|" * len(NAMES))
    for column, sizes in found.items():
        for size, of_models in sizes.items():
            lowest = (f"{min(one[name] for one in of_models):.3f}" for name in NAMES)
            print(f"| {column} | {size:,} |", " | ".join(lowest), "|")
    for size in SIZES:
        cases = [one for sizes in found.values() for one in sizes[size]]
        good = (sum(0.93 <= case[name] <= 0.97 for case in cases) for name in NAMES)
        print(f"| within .93 and .97, of {len(cases)} | {size:,} |", " | ".join(map(str, good)), "|")


if __name__ == "__main__":
    main()
