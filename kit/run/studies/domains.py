"""Studies of domains: equal amounts of each, one start for all arms, one domain left out at a time, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kit.compare.gaps import Domain, by_construction
from kit.compare.results import Results
from kit.core import fingerprints, paths
from kit.core.files import alone, whole_folder
from kit.core.seeding import stable_fraction
from kit.data.corpus import ParallelCorpus
from kit.run import pipeline
from kit.run.settings import Settings
from kit.train import encoders

Log = Callable[[str], None]


def domain_name(corpus: ParallelCorpus) -> str:
    """The domains that a corpus names, sorted; its own name where it names none.

    >>> row = {"group_id": "1", "language": "en", "query": "What is X?", "passage": "X is Y.", "domain": "legal"}
    >>> domain_name(ParallelCorpus.from_rows([row], name="mine"))
    'legal'
    """
    named = {domain for domain in corpus.table.column("domain").to_pylist() if domain}
    return ", ".join(sorted(named)) or corpus.name


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

    An encoder from scratch takes its vocabulary from the training texts: an arm without a domain would lack its words as
    well as its pairs, and a drop would mix two causes. So the arms share a vocabulary and weights, as if they all fine-tuned
    one pretrained model, and seeds differ in their batches. Settings that name such a model are returned as they are.
    """
    if settings.encoder.name not in encoders.MADE:
        return settings
    texts = [
        text for corpus in corpora for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()
    ]
    code = fingerprints.code_fingerprint("kit.train.encoders")
    key = fingerprints.fingerprint([dict(settings.encoder), texts, fingerprints.versions(), code])
    folder = paths.cache() / "starts" / key
    with alone(folder):
        if not (folder / "modules.json").is_file():
            model = encoders.make_encoder(settings.encoder, texts, seed=0)
            with encoders.quiet(), whole_folder(folder) as partial:
                model.save_pretrained(str(partial), create_model_card=False)
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
    settings: Settings, domains: Sequence[Domain], samplings: Sequence[str], log: Log = print
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
