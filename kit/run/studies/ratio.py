"""Study 06: the share of monolingual batches (alpha), its ends and its middle, and whether other settings move the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from kit.compare.best import best_arm, overall
from kit.compare.claims import Claim, Finding, judge, judge_models
from kit.compare.columns import HEADLINE
from kit.compare.paper import MARGIN_DISTANCE, MARGIN_MAP
from kit.compare.results import Results
from kit.core.printing import say
from kit.run import pipeline
from kit.run.settings import Settings
from kit.run.studies.arms import run_arms

Log = Callable[[str], None]

AVERAGED = tuple(HEADLINE[column] for column in ("mono mAP", "cross mAP", "multi mAP"))
"""What an arm's score is the mean of: the mAP within a language, across languages and in the pool."""

MEAN = "mean mAP"
_better = partial(Claim, "06 mixing ratio")
_reaches = partial(Claim, "06 mixing ratio", kind="reaches")

MIXTURE = (
    _better("A mixture beats only cross-lingual batches", "{middle}", "{low}", MEAN),
    _better("A mixture beats only monolingual batches", "{middle}", "{high}", MEAN),
)
FLAT = Claim(
    "06 mixing ratio",
    "The middle is flat: {near} scores as {alpha:g} does",
    "{near}",
    "{middle}",
    MEAN,
    "equals",
    MARGIN_MAP,
)
TRADES = (
    _better("More monolingual batches give monolingual quality", "{high}", "{low}", "mono mAP"),
    _better("More cross-lingual batches give cross-lingual quality", "{low}", "{high}", "cross mAP"),
    _better("More cross-lingual batches make the ranking fairer", "{low}", "{high}", "rank distance"),
    _reaches(
        "The mixture keeps the monolingual quality of monolingual batches",
        "{middle}",
        "{high}",
        "mono mAP",
        margin=MARGIN_MAP,
    ),
    _reaches(
        "The mixture keeps the fairness of cross-lingual batches",
        "{middle}",
        "{low}",
        "rank distance",
        margin=MARGIN_DISTANCE,
        relative=True,
    ),
)


def arm_name(alpha: float) -> str:
    """What the arm of a share is called."""
    return f"alpha {alpha:g}"


def ratio_arms(settings: Settings, alphas: Sequence[float], **changes: object) -> dict[str, Settings]:
    """An arm for each share of monolingual batches, with other settings changed alike in all.

    Raises:
        ValueError: shares without a middle (``ends_and_middle``).
    """
    ends_and_middle(alphas)
    return {arm_name(alpha): settings.changed(samplings=(f"Hybrid({alpha:g})",), **changes) for alpha in alphas}


def ends_and_middle(alphas: Sequence[float]) -> tuple[float, float, float]:
    """The lowest share, the one nearest to 0.5, and the highest.

    Raises:
        ValueError: the one nearest to 0.5 is an end.
    """
    found = min(alphas), min(alphas, key=lambda alpha: abs(alpha - 0.5)), max(alphas)
    if len(set(found)) < 3:
        raise ValueError(f"alphas are {', '.join(map(str, alphas))}: the one nearest to 0.5 is an end: give one between")
    return found


def neighbours(alphas: Sequence[float]) -> list[float]:
    """The shares that are held against the middle: those from 0.4 to 0.6, or, where the grid is wider, from 0.2 to 0.8."""
    middle = ends_and_middle(alphas)[1]
    near = [alpha for alpha in alphas if 0.39 < alpha < 0.61 and alpha != middle]
    return near or [alpha for alpha in alphas if 0.2 < alpha < 0.8 and alpha != middle]


def run_levels(settings: Settings, log: Log = say) -> dict[str, Results]:
    """The ends and the middle at other batch sizes and temperatures: each level a study of its own, all trained at once."""
    levels: dict[str, dict[str, object]] = {"as above": {}}
    levels |= {f"batches of {size}": {"batch_size": size} for size in settings.mixture.batch_sizes}
    levels |= {f"temperature {value:g}": {"temperature": value} for value in settings.mixture.temperatures}
    alphas = ends_and_middle(settings.mixture.alphas)
    arms = {name: ratio_arms(settings, alphas, **changes) for name, changes in levels.items()}
    pipeline.train_missing([arm for level in arms.values() for arm in level.values()], log)
    return {name: run_arms(level, [settings.data.test], log)[settings.data.test] for name, level in arms.items()}


def level_rows(levels: Mapping[str, Results]) -> list[dict[str, object]]:
    """Rows of a table: the best arm of each level, the arms that win 95 % of the draws, and the score of every arm."""
    rows = []
    for name, results in levels.items():
        best = best_arm(results, AVERAGED)
        row = {"level": name, "best": best.arm, "with 95 % of the draws": ", ".join(best.within())}
        rows.append(row | {arm: sum(scores) / len(scores) for arm, scores in mean_scores(results).items()})
    return rows


def mean_scores(results: Results) -> dict[str, list[float]]:
    """By arm, its three scores, each a mean over the seeds."""
    return {arm: [sum(results.by_seed(arm, *where)) / results.n_seeds[arm] for where in AVERAGED] for arm in results.models}


def judge_ratios(results: Results, alphas: Sequence[float]) -> list[Finding]:
    """What is found of the claims, p-values not adjusted yet."""
    low, middle, high = ends_and_middle(alphas)
    names = {"low": arm_name(low), "middle": arm_name(middle), "high": arm_name(high), "alpha": middle}
    asked = [*MIXTURE, *(FLAT.filled(near=arm_name(alpha), **names) for alpha in neighbours(alphas)), *TRADES]
    return [_judge(claim.filled(**names), results) for claim in asked]


def _judge(claim: Claim, results: Results) -> Finding:
    if claim.column != MEAN:
        return judge_models(claim, results)
    first, second = (overall(results, arm, AVERAGED) for arm in (claim.first, claim.second))
    return judge(claim, first, second, results.task_name)
