"""Study 10: a model that is there already: its bias, what mends it without training, and what a trained head adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from kit.compare.claims import Claim, Finding, judge, judge_models, not_tested, seed_values
from kit.compare.paper import MARGIN_DISTANCE, MARGIN_MAP
from kit.compare.results import Results
from kit.core import paths
from kit.core.printing import say
from kit.data.corpus import RetrievalTask
from kit.data.embeddings.encoding import TextEncoder
from kit.evaluate.bias.panel import chance
from kit.evaluate.debias.remedies import REMEDIES, LanguageCentring
from kit.evaluate.debias.remedy import Remedy
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluation import Evaluation
from kit.evaluate.evaluator import evaluate_embeddings
from kit.run import pipeline
from kit.run.evaluating import AGREEMENT_GROUPS, evaluate_remedied, language_tags, load_test
from kit.run.mending import NONE, head_of
from kit.run.settings import Settings
from kit.run.studies.arms import run_arms
from kit.run.training import as_table, training_data
from kit.train.encoders.finding import MADE

Log = Callable[[str], None]

BOTH = "Hybrid, centred"
"""The arm of a head whose embeddings are then centred."""

_better = partial(Claim, "10 pretrained model")
_reaches = partial(Claim, "10 pretrained model", kind="reaches")

PREFERS = _better("A pretrained model prefers the language of the question", NONE, "equal treatment", "own language first")
WITHIN = (
    _reaches(
        "A Hybrid head costs a pretrained model nothing within a language{where}",
        "Hybrid",
        NONE,
        "mono mAP",
        margin=MARGIN_MAP,
    ),
    _reaches(
        "Centring costs a pretrained model nothing within a language{where}", "centring", NONE, "mono mAP", margin=MARGIN_MAP
    ),
    _reaches(
        "Hybrid reaches the monolingual quality of X-X-mono{where}", "Hybrid", "X-X-mono", "mono mAP", margin=MARGIN_MAP
    ),
)
ACROSS = (
    _better("A Hybrid head makes a pretrained model fairer{where}", "Hybrid", NONE, "rank distance"),
    _better("A Hybrid head helps a pretrained model in multilingual retrieval{where}", "Hybrid", NONE, "multi mAP"),
    _better("A Hybrid head helps a pretrained model across languages{where}", "Hybrid", NONE, "cross mAP"),
    _better(
        "Centring, without training, helps a pretrained model in multilingual retrieval{where}",
        "centring",
        NONE,
        "multi mAP",
    ),
    _better(
        "Removal, without training, helps a pretrained model in multilingual retrieval{where}",
        "removal (LIR)",
        NONE,
        "multi mAP",
    ),
    _better(
        "Calibration, without training, helps a pretrained model in multilingual retrieval{where}",
        "calibration",
        NONE,
        "multi mAP",
    ),
    _better(
        "Balancing the list, without training, helps a pretrained model in multilingual retrieval{where}",
        "balanced (RRF)",
        NONE,
        "multi mAP",
    ),
    _better("Training adds to centring in multilingual retrieval{where}", "Hybrid", "centring", "multi mAP"),
    _better("Training is fairer than centring{where}", "Hybrid", "centring", "rank distance"),
    _better("Centring adds to training in multilingual retrieval{where}", BOTH, "Hybrid", "multi mAP"),
    _better("X-X batches are worse than English alone in multilingual retrieval{where}", "En-En", "X-X", "multi mAP"),
    _better("English alone is worse than X-X-mono in multilingual retrieval{where}", "X-X-mono", "En-En", "multi mAP"),
    _better("Hybrid beats X-Y in multilingual retrieval{where}", "Hybrid", "X-Y", "multi mAP"),
    _better("Hybrid beats X-Y within a language{where}", "Hybrid", "X-Y", "mono mAP"),
    _reaches("Hybrid is as fair as X-Y{where}", "Hybrid", "X-Y", "rank distance", margin=MARGIN_DISTANCE, relative=True),
)


def base_model(settings: Settings, log: Log = say) -> Settings:
    """The settings with a model that is there already as their encoder.

    Where they name none, one that is trained here on monolingual batches stands in for it: it knows each language, and not
    how they belong together.
    """
    if settings.encoder.name not in MADE:
        return settings
    recipe = Settings().training
    stand_in = settings.changed(
        samplings=("X-X-mono",), seeds=settings.seeds[:1], updates=recipe.updates, learning_rate=recipe.learning_rate
    )
    pipeline.train_missing([stand_in], log)
    folder = pipeline.model_folder(stand_in, "X-X-mono", stand_in.seeds[0]) / "model"
    return settings.changed(encoder=folder.relative_to(paths.root()).as_posix())


def head_arms(settings: Settings) -> dict[str, Settings]:
    """By sampling, settings of ``base_model`` with a head on their encoder."""
    headed = settings.changed(encoder=head_of(settings.encoder.name))
    return {one: headed.changed(samplings=(one,)) for one in settings.samplings}


def run_pretrained(settings: Settings, log: Log = say) -> dict[str, Results]:
    """Judge a model as it is, with remedies and with heads, on every test.

    Remedies are fitted on the texts of the training data, and left out where a test has another language; a head is trained
    for each sampling and seed. What knows no seed is the same in all.

    Args:
        settings: of ``base_model``.

    Returns:
        By test, results whose models are ``NONE``, the remedies, the samplings, and ``BOTH``.
    """
    heads = head_arms(settings)
    trained = run_arms(heads, settings.data.tests, log)
    model = pipeline.below_head(next(iter(heads.values())))
    corpora, _ = training_data(settings.data.train, settings.data.validation)
    learned = [RetrievalTask.from_corpus(corpus, corpus.name) for corpus in map(as_table, corpora)]
    centred = [pipeline.load_model(heads["Hybrid"], "Hybrid", seed) for seed in settings.seeds] if "Hybrid" in heads else []
    found = {}
    for test in settings.data.tests:
        task = load_test(test)
        arms = {arm: [one] * len(settings.seeds) for arm, one in _untrained(model, learned, task)}
        arms |= trained[test].evaluations
        if centred and set(task.languages) <= _languages(learned):
            log(f"centring the heads on {task.name}")
            arms[BOTH] = [_remedied(one, LanguageCentring.fit, learned, task, BOTH) for one in centred]
        found[test] = Results(arms)
    return found


def _untrained(model: TextEncoder, learned: list[RetrievalTask], task: RetrievalTask) -> Iterator[tuple[str, Evaluation]]:
    yield NONE, evaluate_embeddings(*encode_task(model, task), task, NONE, n_agreement_groups=AGREEMENT_GROUPS)
    if set(task.languages) <= _languages(learned):
        for name, fit in REMEDIES.items():
            if name != Remedy.name:
                yield name, _remedied(model, fit, learned, task, name)


def _remedied(
    model: TextEncoder, fit: Callable[..., Remedy], learned: list[RetrievalTask], task: RetrievalTask, name: str
) -> Evaluation:
    queries, candidates = zip(*(encode_task(model, one) for one in learned))
    asked, told = zip(*(language_tags(one) for one in learned))
    remedy = fit(*(np.concatenate(side) for side in (queries, candidates, asked, told)))
    return evaluate_remedied(remedy, encode_task(model, task), task, name)


def judge_pretrained(results: Mapping[str, Results], settings: Settings) -> list[Finding]:
    """What is found of the claims on every test, p-values not adjusted yet.

    On a test without the multilingual setting only the claims within a language are asked; "never trained on" is said where
    the training data has none of the languages that a test asks in. A remedy that such a test leaves out is no claim there.
    """
    learned = {tag for corpus in training_data(settings.data.train, settings.data.validation)[0] for tag in corpus.languages}
    arms = {arm for one in results.values() for arm in one.models}
    found = []
    for number, (test, one) in enumerate(results.items()):
        asked = list(WITHIN)
        here = []
        if one.values(NONE, *PREFERS.where).values.size:
            here.append(_prefers(one, load_test(test)))
            asked += ACROSS
        where = "" if learned & set(one.languages) else ", in languages never trained on"
        for claim in asked:
            if {claim.first, claim.second} <= set(one.models):
                here.append(judge_models(claim.filled(where=where), one))
            elif number == 0:
                missing = [arm for arm in (claim.first, claim.second) if arm not in arms]
                here += (
                    [not_tested(claim.filled(where=where), f"no {' and no '.join(missing)} in this run")] if missing else []
                )
        found += [replace(finding, on=_name(one, results)) if finding.is_tested else finding for finding in here]
    return found


def _name(results: Results, tests: Mapping[str, Results]) -> str:
    """The name of a task; with its languages, where another test has the same name."""
    twice = sum(other.task_name == results.task_name for other in tests.values()) > 1
    return f"{results.task_name} ({', '.join(results.languages)})" if twice else results.task_name


def _prefers(results: Results, task: RetrievalTask) -> Finding:
    """Whether the own language comes first more often than in a random order."""
    values = seed_values(results, NONE, PREFERS.where)
    fair = chance(task)[PREFERS.where.measure]
    return judge(PREFERS, values, [np.where(np.isnan(one), np.nan, fair) for one in values], results.task_name)


def _languages(learned: list[RetrievalTask]) -> set[str]:
    return {tag for task in learned for tag in task.languages}
