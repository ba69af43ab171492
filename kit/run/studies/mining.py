"""Study 09: contrastive methods as arms of one budget, what they are compared on, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from kit.compare.claims import Claim, Finding, judge, not_tested
from kit.compare.columns import Where
from kit.compare.mining import MiningResults
from kit.compare.stats import Interval, mark
from kit.core.languages import language_name
from kit.core.printing import Table, number, span
from kit.data.bitext import BitextTask
from kit.evaluate.mining.mined import ACCURACY, MEASURES, NEAREST, WAYS
from kit.run.settings import Settings
from kit.run.studies.methods import resource_groups
from kit.train.encoders.finding import is_static

RECIPES = {
    "En-En": ("En-En", "pairs", {}),
    "X-X": ("X-X", "pairs", {}),
    "X-X-mono": ("X-X-mono", "pairs", {}),
    "X-X-mono (switched)": ("X-X-mono", "switched", {}),
    "SimCSE (English)": ("En-En", "whole texts", {"dropout": 0.1}),
    "SimCSE (all)": ("X-X-mono", "whole texts", {"dropout": 0.1}),
    "X-Y": ("X-Y", "pairs", {}),
    "X-Y (symmetric)": ("X-Y", "pairs", {"symmetric": True}),
    "X-Y (margin)": ("X-Y", "pairs", {"margin": 0.3}),
    "translation ranking": ("X-Y", "whole texts", {"symmetric": True, "margin": 0.3}),
    "Hybrid": ("Hybrid", "pairs", {}),
}
"""Arm -> its sampling, the form of its training text, and what it changes."""

FAMILIES = {name: "within a language" for name in RECIPES} | {
    "X-X-mono (switched)": "within, words switched",
    "Hybrid": "both",
    **dict.fromkeys(("X-Y", "X-Y (symmetric)", "X-Y (margin)", "translation ranking"), "across languages"),
}
"""What each arm is taught with."""

RATIO_F1 = Where("ratio", "f1")
ALL, EASY = "F1, all pairs", "accuracy, no distractors"

_better = partial(Claim, "09 bitext mining")
_reaches = partial(Claim, "09 bitext mining", kind="reaches", margin=0.01)

BY_GROUP = (
    _better("Hybrid mines {pairs} pairs better than English-only training", "Hybrid", "En-En", "F1, {group}"),
    _better("Hybrid mines {pairs} pairs better than SimCSE on English", "Hybrid", "SimCSE (English)", "F1, {group}"),
    _better("Hybrid mines {pairs} pairs better than SimCSE on all languages", "Hybrid", "SimCSE (all)", "F1, {group}"),
    _reaches("Hybrid reaches X-Y in mining {pairs} pairs", "Hybrid", "X-Y", "F1, {group}"),
    _reaches("Hybrid reaches translation ranking in mining {pairs} pairs", "Hybrid", "translation ranking", "F1, {group}"),
)
PAIRS = (
    {"pairs": "low-resource", "group": "low-resource"},
    {"pairs": "unseen languages'", "group": "unseen in training"},
)
OVERALL = (
    _better("A symmetric loss helps X-Y batches", "X-Y (symmetric)", "X-Y", ALL),
    _better("An additive margin helps X-Y batches", "X-Y (margin)", "X-Y", ALL),
    _better("Code-switching helps X-X-mono", "X-X-mono (switched)", "X-X-mono", ALL),
    _better("Hybrid finds translations without distractors better than English-only training", "Hybrid", "En-En", EASY),
    _reaches("Hybrid reaches translation ranking without distractors", "Hybrid", "translation ranking", EASY),
)
OF_MARGINS = (
    _better("With distractors, the ratio margin beats nearest neighbours", "ratio", NEAREST, "F1 of {arm}"),
    _better("With distractors, the ratio margin beats a threshold on the cosine", "ratio", "absolute", "F1 of {arm}"),
)
BUCC = _reaches("Hybrid reaches translation ranking on BUCC 2018", "Hybrid", "translation ranking", "F1, BUCC 2018")


class Panel(NamedTuple):
    """A group of tasks, by their sources, and the score that is averaged over them."""

    tasks: list[str]
    where: Where


def mining_arms(settings: Settings, forms: Mapping[str, Sequence[str]]) -> dict[str, Settings]:
    """The arms whose sampling is among the settings', in the order of ``RECIPES``.

    Args:
        forms: sources of the training text, by the forms that ``RECIPES`` names.
    """
    made = is_static(settings.encoder.name)  # a transformer has dropout of its own
    return {
        name: settings.changed(
            samplings=(sampling,),
            train=tuple(forms[form]),
            **{field: value for field, value in changes.items() if made or field != "dropout"},
        )
        for name, (sampling, form, changes) in RECIPES.items()
        if sampling in settings.samplings
    }


def with_distractors(tasks: Mapping[str, BitextTask]) -> dict[str, BitextTask]:
    """The tasks in which some sentences have no translation."""
    return {spec: task for spec, task in tasks.items() if any(task.n_distractors)}


def task_rows(tasks: Mapping[str, BitextTask], known: Collection[str]) -> list[dict[str, object]]:
    """Rows of a table: the pair of each task, its group (``resource_groups``), its sentences with and without translation.

    Args:
        tasks: by source.
        known: languages of the training text.
    """
    group_of = {spec: group for group, specs in resource_groups(tasks, known).items() for spec in specs}
    return [
        {
            "set": task.name.split()[0],
            "pair": f"{task.source_language}-{task.target_language}",
            "group": group_of[spec],
            "languages": " and ".join(map(language_name, (task.source_language, task.target_language))),
            "gold pairs": task.n_gold,
            "source without": task.n_distractors[0],
            "target without": task.n_distractors[1],
        }
        for spec, task in tasks.items()
    ]


def mining_panels(tasks: Mapping[str, BitextTask], known: Collection[str]) -> dict[str, Panel]:
    """What methods are compared on: F1 in each group of pairs with distractors, accuracy over the others.

    Args:
        tasks: by source.
        known: languages of the training text.
    """
    hard = with_distractors(tasks)
    panels = {f"F1, {group}": Panel(specs, RATIO_F1) for group, specs in resource_groups(hard, known).items()}
    easy = [spec for spec in tasks if spec not in hard]
    return panels | ({EASY: Panel(easy, Where(*ACCURACY))} if easy else {})


def panel_scores(results: MiningResults, panels: Mapping[str, Panel]) -> dict[str, dict[str, tuple[Interval, list[float]]]]:
    """By panel and arm, the score with its 95 % interval over sentences, and that of each training seed."""
    return {
        name: {
            arm: (results.interval(arm, panel.where, panel.tasks), results.by_seed(arm, panel.where, panel.tasks))
            for arm in results.models
        }
        for name, panel in panels.items()
    }


def way_rows(results: MiningResults, arm: str, specs: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a table: precision, recall and F1 of an arm by each way to mine, means over tasks with distractors."""
    return [
        {"way": way} | {measure: _interval_text(results.interval(arm, Where(way, measure), specs)) for measure in MEASURES}
        for way in WAYS
    ]


def pair_rows(results: MiningResults, tasks: Mapping[str, BitextTask]) -> list[dict[str, object]]:
    """Rows of a table: the F1 of each arm in each task, mean over the seeds."""
    rows = []
    for arm in results.models:
        seeds = {task.name: results.by_seed(arm, RATIO_F1, [spec]) for spec, task in tasks.items()}
        rows.append({"arm": arm} | {name: sum(scores) / len(scores) for name, scores in seeds.items()})
    return rows


def scores_text(
    scores: Mapping[str, Mapping[str, tuple[Interval, Sequence[float]]]], by_pair: Sequence[Mapping[str, object]]
) -> str:
    """A section for the study's tables: the scores of ``panel_scores`` and ``pair_rows`` in Markdown."""
    arms = next(iter(scores.values()))
    by_panel = [{"arm": arm} | {name: _interval_text(found[arm][0]) for name, found in scores.items()} for arm in arms]
    pairs = [
        {"F1 by pair": row["arm"]} | {name: f"{score:.3f}" for name, score in row.items() if name != "arm"}
        for row in by_pair
    ]
    return f"## Scores\n\n{Table(by_panel).markdown()}\n\n{Table(pairs).markdown()}"


def judge_mining(
    results: MiningResults, panels: Mapping[str, Panel], tasks: Mapping[str, BitextTask], arm: str
) -> list[Finding]:
    """What is found of the claims, p-values not adjusted yet.

    Args:
        panels: of ``mining_panels``.
        tasks: by source.
        arm: whose ways to mine are compared.
    """
    hard = list(with_distractors(tasks))
    panels = {**panels, ALL: Panel(hard, RATIO_F1)}
    found = []
    for claim in [*(claim.filled(**pairs) for claim in BY_GROUP for pairs in PAIRS), *OVERALL]:
        if not {claim.first, claim.second} <= set(results.models) or claim.column not in panels:
            found.append(not_tested(claim, f"this run has no {claim.first}, {claim.second} or {claim.column}"))
            continue
        specs, where = panels[claim.column]
        first, second = (results.values(side, where, specs) for side in (claim.first, claim.second))
        found.append(judge(claim, first, second, _names(specs, tasks)))
    for claim in OF_MARGINS:
        first, second = (results.values(arm, Where(way, "f1"), hard) for way in (claim.first, claim.second))
        found.append(judge(claim.filled(arm=arm), first, second, _names(hard, tasks)))
    if not any(spec.startswith("bucc:") for spec in tasks):
        found.append(not_tested(BUCC, "BUCC's files are not here: profile mining-large"))
    return found


def _names(specs: Sequence[str], tasks: Mapping[str, BitextTask]) -> str:
    return ", ".join(tasks[spec].name for spec in specs)


def _interval_text(found: Interval) -> str:
    return f"{number(found.estimate, 3)} [{span(found.low, found.high, 3)}{mark(found.n_effective)}]"
