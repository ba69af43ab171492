"""Study 07: English pairs of other domains step by step, and one domain left out at a time, from one start for all arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from kit.compare.claims import Claim, Finding, judge, judge_models, not_tested, seed_values
from kit.compare.columns import COLUMNS, Where
from kit.compare.gaps import Domain, Drop, by_construction, drop_rows, mean_drop, mean_without
from kit.compare.paper import MARGIN_MAP
from kit.compare.results import Results
from kit.core import fingerprints, paths
from kit.core.files import kept_folder
from kit.core.printing import Table, say
from kit.core.seeding import stable_fraction
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.run import pipeline
from kit.run.evaluating import load_test
from kit.run.settings import Settings
from kit.run.studies.arms import asked_languages, check_languages
from kit.run.training import encoder_checksum, located
from kit.train.encoders.finding import MADE, is_static
from kit.train.encoders.loading import quiet
from kit.train.encoders.making import make_encoder

Log = Callable[[str], None]

NONE, CONTROL = "none", "English base"
"""The arm to which nothing is added, and the one to which as many English pairs of the base are."""

COMPARED = ("X-X-mono", "X-Y", "Hybrid")
"""Samplings that the claims on missing domains are about."""

_better = partial(Claim, "07 diverse domains")
_reaches = partial(Claim, "07 diverse domains", kind="reaches", margin=MARGIN_MAP)

WITHIN = _better("English pairs of the domain {domain} help on it within English", "{last}", NONE, "English mAP")
ON_THE_BASE = (
    _reaches("English pairs of other domains cost the base no cross-lingual quality", "{last}", NONE, "cross mAP"),
    _better("English pairs of other domains improve cross-lingual retrieval on the base", "{last}", NONE, "cross mAP"),
)
ACROSS = (
    _better("Cross-lingual retrieval in the domain {domain} improves with English pairs of it", "{last}", NONE, "cross mAP"),
    _better(
        "Cross-lingual retrieval in the domain {domain} improves by more than with as many English pairs of the base",
        "{last}",
        CONTROL,
        "cross mAP",
    ),
)
FURTHER = _better("English pairs of other domains improve zero-shot retrieval on {task}", "{last}", NONE, "nDCG@10")
ON_THE_HUB = _better("English pairs of other domains improve the other sets of BEIR and MTEB", "{last}", NONE, "nDCG@10")
DROP = _better(
    "Hybrid's {kind} under domain shift is smaller than that of {other} ({score})", "{other}", "Hybrid", "{kind} of {score}"
)
MISSING = _better(
    "On domains that are missing from the training Hybrid scores higher than {other} ({score})",
    "Hybrid",
    "{other}",
    "{score} without the domain",
)


def domain_name(corpus: ParallelCorpus) -> str:
    """The domains that a corpus names, sorted; its own name where it names none.

    >>> row = {"group_id": "1", "language": "en", "query": "What is X?", "passage": "X is Y.", "domain": "legal"}
    >>> domain_name(ParallelCorpus.from_rows([row], name="mine"))
    'legal'
    """
    named = {domain for domain in corpus.table.column("domain").to_pylist() if domain}
    return ", ".join(sorted(named)) or corpus.name


def check_sources(settings: Settings) -> None:
    """Refuse sources that cannot be studied, before anything is trained.

    Raises:
        ValueError: a domain without a name or a test of its own; English missing from the base, a domain or the test of a
            domain; fewer than two parallel sources; a sampling missing that a claim is about.
    """
    sources = (settings.data.train[0], *settings.domains.domains)
    tests = (settings.data.test, *settings.data.tests[: len(sources) - 1])
    corpora = [load_corpus(source) for source in sources]
    names = [domain_name(corpus) for corpus in corpora]
    if len(tests) < len(sources) or len(set(names)) < len(names):
        raise ValueError(
            f"domains are {', '.join(names)}, with {len(tests)} tests: give each domain another name (column domain, or the "
            "name of its file) and a test of its own, in the same order"
        )
    there = {source: corpus.languages for source, corpus in zip(sources, corpora)}
    why = "study 07 adds English pairs and judges them within English: give sources with en"
    check_languages(there | {test: asked_languages(load_test(test)) for test in tests[1:]}, "en", why)
    if len(there[sources[0]]) < 2 or sum(len(languages) > 1 for languages in there.values()) < 2:
        raise ValueError(f"languages are {there}: give a base and another domain with several languages, for X-Y batches")
    lacking = [sampling for sampling in COMPARED if sampling not in settings.samplings]
    if lacking:
        raise ValueError(f"samplings lack {', '.join(lacking)}: give {', '.join(COMPARED)}, which the claims are about")


def sample_groups(corpus: ParallelCorpus, n_groups: int, seed: int = 0) -> ParallelCorpus:
    """``n_groups`` groups, chosen by a hash, in all their languages; the whole corpus where it has no more.

    The hash is another one than that of splits, else a small sample would be just what a split holds out.

    Raises:
        ValueError: ``n_groups`` below 1.
    """
    if n_groups < 1:
        raise ValueError(f"n_groups is {n_groups}: choose at least 1")
    chosen = sorted(corpus.group_ids, key=lambda group: stable_fraction(f"sample of groups: {group}", seed))[:n_groups]
    return corpus.select(group_ids=chosen)


def with_start(settings: Settings, corpora: Sequence[ParallelCorpus]) -> Settings:
    """The settings with one encoder, made once from the texts of all corpora, from which every arm and seed starts.

    An encoder that is made takes its vocabulary from the training texts: an arm without a domain would lack its words as
    well as its pairs, and a drop would mix two causes. So the arms share a vocabulary and weights, as if they all fine-tuned
    one pretrained model, and seeds differ in their batches. Settings that name such a model are returned as they are.
    """
    name = settings.encoder.name
    if name not in MADE and not is_static(name):
        return settings
    texts = [
        text for corpus in corpora for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()
    ]
    code = fingerprints.code_fingerprint("kit.train.encoders.making")
    made_of = encoder_checksum(settings.encoder)
    key = fingerprints.fingerprint([dict(settings.encoder), made_of, texts, fingerprints.versions(), code])

    def make(folder: Path) -> None:
        model = make_encoder(located(settings.encoder), texts, seed=0)
        with quiet():
            model.save_pretrained(str(folder), create_model_card=False)

    folder = kept_folder(paths.cache() / "starts" / key, make)
    return settings.changed(encoder=folder.relative_to(paths.root()).as_posix(), dropout=0.0)  # dropout is a module of it


def arms_without(settings: Settings, domains: Sequence[Domain], samplings: Sequence[str]) -> dict[str, dict[str, Settings]]:
    """Arms of a study of domain shift: by domain, ``<sampling>`` trained on all, ``<sampling>, without`` on the rest.

    Batches of X-Y come from parallel domains only, so that leaving out another changes nothing: there is no such arm.

    Raises:
        ValueError: fewer than two domains; a name twice; fewer than two parallel domains (without the only one there would
            be no cross-lingual batch).
    """
    names = [domain.name for domain in domains]
    if len(domains) < 2 or len(set(names)) < len(names):
        raise ValueError(f"domains are {', '.join(names) or 'none'}: give at least two, each once")
    if sum(domain.parallel for domain in domains) < 2:
        raise ValueError(
            "fewer than two domains are parallel: give another one, or nothing is left for cross-lingual batches"
        )
    arms: dict[str, dict[str, Settings]] = {}
    for left_out in domains:
        arms[left_out.name] = mine = {}
        for sampling in samplings:
            everything, rest = (
                settings.changed(samplings=(sampling,), train=tuple(domain.train for domain in domains if domain is not out))
                for out in (None, left_out)
            )
            mine[sampling] = everything
            if not by_construction(sampling, left_out):
                mine[f"{sampling}, without"] = rest
    return arms


def judge_without(
    settings: Settings, domains: Sequence[Domain], samplings: Sequence[str], log: Log = say
) -> dict[str, Results]:
    """Train all arms of ``arms_without``; by domain, judge its arms on its own test. Errors as there."""
    arms = arms_without(settings, domains, samplings)
    pipeline.evaluate_missing(
        [arm.changed(test=domain.test) for domain in domains for arm in arms[domain.name].values()], log
    )
    return {
        domain.name: Results(
            {name: pipeline.evaluate_runs(arm.changed(test=domain.test), log) for name, arm in arms[domain.name].items()}
        )
        for domain in domains
    }


def english_arms(
    start: Settings, base: ParallelCorpus, added: Mapping[str, ParallelCorpus], n_pairs: int
) -> dict[str, Settings]:
    """Hybrid arms: ``none``, a step for each domain, whose English pairs come and stay, and the control.

    The control gets as many additional sources of English pairs of the base as there are steps.

    Args:
        start: trained on the base.
        added: by domain, of ``n_pairs`` groups each.
    """
    hybrid = start.changed(samplings=("Hybrid",))
    train = hybrid.data.train
    english = [pipeline.keep_corpus(corpus.select(languages=["en"])) for corpus in added.values()]
    whole = base.select(languages=["en"])
    more = [
        replace(sample_groups(whole, n_pairs, seed=number), name=f"{CONTROL} {number}")
        for number in range(1, len(added) + 1)
    ]
    steps = {_step(name): (*train, *english[:number]) for number, name in enumerate(added, 1)}
    trained = {NONE: train, **steps, CONTROL: (*train, *map(pipeline.keep_corpus, more))}
    return {arm: hybrid.changed(train=sources) for arm, sources in trained.items()}


def _step(domain: str) -> str:
    return f"+ {domain}"


def batch_rows(arms: Mapping[str, Settings], base: ParallelCorpus, n_pairs: int) -> list[dict[str, object]]:
    """Rows of a table: of the batches of each of ``english_arms``, the shares that are cross-lingual and monolingual."""
    n_base, rows = len(base.group_ids), []
    for arm, settings in arms.items():
        n_added = n_pairs * (len(settings.data.train) - 1)
        shares = {"monolingual, base": n_base / (n_base + n_added), "English, added": n_added / (n_base + n_added)}
        rows.append({"arm": arm, "cross-lingual": 0.5} | {name: 0.5 * share for name, share in shares.items()})
    return rows


def step_panels(
    results: Mapping[str, Results], test_of: Mapping[str, str], further: Sequence[str]
) -> dict[str, tuple[Results, Where]]:
    """By title, what the steps are shown on: both settings of every domain that has them, and the further tests.

    Args:
        results: by test, of ``english_arms``.
        test_of: by domain, the base first.
        further: other tests.
    """
    panels = {}
    for domain, test in test_of.items():
        for setting, column in (("monolingual", "mono mAP"), ("cross-lingual", "cross mAP")):
            if results[test].values(NONE, *COLUMNS[column]).values.size:
                panels[f"{domain}: {setting} mAP"] = (results[test], COLUMNS[column])
    return panels | {f"{results[test].task_name}: nDCG@10": (results[test], COLUMNS["nDCG@10"]) for test in further}


def judge_steps(results: Mapping[str, Results], test_of: Mapping[str, str], further: Sequence[str]) -> list[Finding]:
    """What is found of the claims on English pairs, p-values not adjusted yet. Arguments as in ``step_panels``."""
    base, *added = test_of
    last, found = _step(added[-1]), []
    for domain in added:
        claim, one = WITHIN.filled(domain=domain, last=last), results[test_of[domain]]
        sides = _within_english(one, claim.first), _within_english(one, claim.second)
        found.append(judge(claim, *sides, one.task_name))
    found += [judge_models(claim.filled(last=last), results[test_of[base]]) for claim in ON_THE_BASE]
    for domain in added:
        one = results[test_of[domain]]
        if one.values(NONE, *COLUMNS["cross mAP"]).values.size:
            found += [judge_models(claim.filled(domain=domain, last=last), one) for claim in ACROSS]
    for test in further:
        one = results[test]
        found.append(judge_models(FURTHER.filled(task=one.task_name, last=last), one))
    return [*found, not_tested(ON_THE_HUB, "not run: their data is on the hub")]


def _within_english(results: Results, arm: str) -> list[np.ndarray]:
    """The mAP of English questions on English passages, (n_groups, 1) a seed."""
    where = COLUMNS["mono mAP"]
    column = results.values(arm, *where).cells.index(("en", "en"))
    return [values[:, [column]] for values in seed_values(results, arm, where)]


def judge_shift(shifted: Mapping[str, Results], domains: Sequence[Domain]) -> list[Finding]:
    """What is found of the claims on domains that are left out, p-values not adjusted yet.

    The drop of X-Y is 0 by construction where a domain has one language, so it is compared over the others.

    Args:
        shifted: of ``judge_without``, with X-X-mono, X-Y and Hybrid.
    """
    every, several = [one.name for one in domains], [one.name for one in domains if one.parallel]
    across = [("X-X-mono", several, "cross mAP"), ("X-Y", several, "cross mAP")]
    found = []
    for other, names, score in [("X-X-mono", every, "mono mAP"), ("X-Y", several, "mono mAP"), *across]:
        for kind in ("drop", "relative drop"):
            claim = DROP.filled(kind=kind, other=other, score=score)
            relative = kind == "relative drop"
            first, second = (mean_drop(shifted, names, one, score, relative) for one in (claim.first, claim.second))
            found.append(judge(claim, first, second, f"mean over {'; '.join(names)}"))
    for other, names, score in [("X-X-mono", every, "mono mAP"), ("X-Y", every, "mono mAP"), *across]:
        claim = MISSING.filled(other=other, score=score)
        first, second = (mean_without(shifted, names, one, score) for one in (claim.first, claim.second))
        found.append(judge(claim, first, second, f"mean over {'; '.join(names)}"))
    return found


def shift_text(drops_by_column: Mapping[str, Sequence[Drop]]) -> str:
    """A section for the study's tables: what leaving a domain out costs, by score, in Markdown."""
    tables = {column: Table(drop_rows(found, column)).markdown() for column, found in drops_by_column.items()}
    return "\n\n".join(f"## Part B: left out\n\n{table}" for table in tables.values())
