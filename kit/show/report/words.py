"""The report in words: sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kit.compare.claims import Finding
from kit.compare.columns import HEADLINE
from kit.compare.results import Results
from kit.compare.stats import holm
from kit.core.languages import language_name
from kit.core.printing import number
from kit.evaluate.bias.measures import PANEL
from kit.show.report.grids import LEVEL, best_model, by_query_language, ranking

SETTINGS = {"mono mAP": "monolingual", "cross mAP": "cross-lingual", "multi mAP": "multilingual"}

TEST = (
    f"More than chance of the questions: p < {LEVEL} in the paired randomisation test of the two models, by question group, "
    "adjusted over the comparisons of this paragraph (Holm)."
)


@dataclass(frozen=True)
class Sentence:
    """A text in which ``{}`` stands for each of the names in turn; names come from data and are escaped by who prints."""

    text: str
    names: tuple[str, ...] = ()

    def parts(self) -> list[tuple[str, bool]]:
        """Pieces of text in order, each with whether it is a name."""
        pieces = self.text.split("{}")
        named = [*self.names, *[""] * (len(pieces) - 1 - len(self.names))]
        found = [(pieces[0], False)]
        for name, piece in zip(named, pieces[1:]):
            found += [(name, True), (piece, False)]
        return [part for part in found if part[0]]


def summary_sentences(metrics: Mapping, results: Results, found: Sequence[Finding]) -> list[Sentence]:
    """One paragraph: what was measured, which model is best in each setting and which is fairest, and is that chance?"""
    sentences = [_what(metrics), *(_alone(metrics) if len(results.models) == 1 else _compared(metrics, results))]
    tested = [finding for finding in found if finding.is_tested]
    if tested:
        n_seen = sum(finding.verdict == "seen here" for finding in tested)
        sentences.append(Sentence(f"Of the paper's claims that this run can test, {n_seen} of {len(tested)} are seen here."))
    return sentences


def weakest(results: Results, model: str) -> list[Sentence]:
    """Where a model is weakest: the language whose questions find least in the pool, and the pair of languages.

    The lowest mean average precision counts; of equal ones, the first in the order of the languages. Nothing for a task in
    one language.
    """
    if len(results.languages) < 2:
        return []
    by_language, pairs = by_query_language(results, model, "average_precision"), results.matrix(model)[1]
    language = int(np.nanargmin(by_language))
    query, candidate = map(int, np.unravel_index(np.nanargmin(pairs), pairs.shape))
    names = [language_name(results.languages[place]) for place in (language, query, candidate)]
    lowest, mean = number(by_language[language], 3), number(float(np.nanmean(by_language)), 3)
    return [
        Sentence(
            f"{{}} is weakest with questions in {{}} (multilingual mAP {lowest}, mean over languages {mean}); "
            f"its weakest pair is questions in {{}} for passages in {{}} (mAP {number(float(np.nanmin(pairs)), 3)}).",
            (model, *names),
        )
    ]


def _what(metrics: Mapping) -> Sentence:
    about, n_languages = metrics["about"], len(metrics["about"]["languages"])
    models = _counted(len(metrics["models"]), "model")
    place = f"{n_languages} languages" if n_languages > 1 else "one language"
    return Sentence(
        f"{models} on {{}}: {about['n_queries']:,} queries against {about['n_candidates']:,} candidates in {place}.",
        (about["test"],),
    )


def _counted(n: int, noun: str) -> str:
    return f"One {noun}" if n == 1 else f"{n} {noun}s"


def _alone(metrics: Mapping) -> list[Sentence]:
    ((model, scores),) = metrics["headline"].items()
    found = [f"{column} {number(scores[column][0], 3)}" for column in SETTINGS if scores[column][0] is not None]
    sentences = [Sentence(f"{{}} has {_listed(found)}.", (model,))]
    if scores["rank distance"][0] is not None:
        sentences.append(Sentence(f"The versions of one answer stand {_distance(metrics, model)}."))
    return sentences


def _distance(metrics: Mapping, model: str, digits: int = 0) -> str:
    mean, chance = metrics["headline"][model]["rank distance"][0], metrics["about"]["chance"].get("rank_distance")
    against = "" if chance is None else f"; in a random ranking it would be {number(chance, 0)}"
    shown = number(mean, digits)
    return f"{shown} {'rank' if shown == '1' else 'ranks'} apart on average{against}"


def _compared(metrics: Mapping, results: Results) -> list[Sentence]:
    ranked = {column: ranking(metrics["headline"], column) for column in [*SETTINGS, "rank distance"]}
    ranked = {column: models for column, models in ranked.items() if len(models) > 1}
    p_values = [
        results.compare(models[0], models[1], *HEADLINE[column]).overall.p_value for column, models in ranked.items()
    ]
    is_more = dict(zip(ranked, holm(np.array(p_values)) < LEVEL))
    sentences = _best(metrics, {column: models for column, models in ranked.items() if column in SETTINGS}, is_more)
    if "rank distance" in ranked:
        sentences += _fairest(ranked["rank distance"], metrics, is_more["rank distance"])
    return sentences


def _best(metrics: Mapping, ranked: Mapping[str, list[str]], is_more: Mapping[str, bool]) -> list[Sentence]:
    """A sentence for each model that leads in a setting, and how far its leads are more than chance of the questions."""
    sentences = []
    leaders = {column: best_model(metrics["headline"], column) for column in ranked}
    for leader in dict.fromkeys(leaders.values()):
        led = [column for column in ranked if leaders[column] == leader]
        if leader is None:
            sentences.append(
                Sentence(f"Two models share the lead in {_listed([SETTINGS[column] for column in led])} retrieval.")
            )
            continue
        scores = [f"{SETTINGS[column]} (mAP {number(metrics['headline'][leader][column][0], 3)})" for column in led]
        sure = [SETTINGS[column] for column in led if is_more[column]]
        verdict = "chance of the questions could explain its lead over the next model"
        if sure:
            where = "" if len(sure) == len(led) else f" in {_listed(sure)} retrieval only"
            verdict = f"its lead over the next model is more than chance of the questions{where}"
        sentences.append(Sentence(f"{{}} is best in {_listed(scores)} retrieval; {verdict}.", (leader,)))
    return sentences


def _fairest(models: list[str], metrics: Mapping, is_more: bool) -> list[Sentence]:
    first, second = models[:2]
    verdict = "more than chance of the questions" if is_more else "chance of the questions could explain the lead"
    means = [metrics["headline"][model]["rank distance"][0] for model in models[:2]]
    if means[0] == means[1]:
        return [Sentence("Two models share the lowest rank distance: {} and {}.", (first, second))]
    digits = 1 if round(means[0]) == round(means[1]) else 0
    sentence = (
        f"{{}} is the fairest by rank distance: the versions of one answer stand {_distance(metrics, first, digits)} "
        f"(next: {{}}, {number(means[1], digits)}; {verdict})"
    )
    best = [best_model(metrics["bias"], one.label) for one in PANEL[1:] if one.fair != "chance"]
    held = [model for model in best if model is not None]
    if held:
        ahead = sum(model == first for model in held)
        sentence += f". It leads in {ahead} of the {len(held)} other measures of bias that have a fair direction"
    return [Sentence(f"{sentence}.", (first, second))]


def _listed(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]
