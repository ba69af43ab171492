"""Studies of domains: equal amounts of each, one start for all arms, one domain left out at a time, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit import config, encoders, paths, pipeline
from kit.augment.folders import alone, whole_folder
from kit.config import Settings
from kit.corpus import ParallelCorpus
from kit.gaps import Drop
from kit.results import HEADLINE, Results
from kit.seeding import stable_fraction
from kit.stats import macro_mean, paired_randomisation_test
from kit.study import overall

Log = Callable[[str], None]


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
    if settings.encoder not in encoders.MADE:
        return settings
    texts = [
        text for corpus in corpora for column in ("query", "passage") for text in corpus.table.column(column).to_pylist()
    ]
    made_of = [getattr(settings, name) for name in ("encoder", "dimension", "vocabulary_size", "max_tokens", "dropout")]
    key = config.fingerprint([made_of, texts, config.versions(), config.code_fingerprint("encoders")])
    folder = paths.cache() / "starts" / key
    with alone(folder):
        if not (folder / "modules.json").is_file():
            model = encoders.make_encoder(
                settings.encoder,
                texts,
                seed=0,
                dimension=settings.dimension,
                vocabulary_size=settings.vocabulary_size,
                max_tokens=settings.max_tokens,
                dropout=settings.dropout,
            )
            with encoders.quiet(), whole_folder(folder) as partial:
                model.save_pretrained(str(partial), create_model_card=False)
    return replace(settings, encoder=folder.relative_to(paths.root()).as_posix(), dropout=0.0)  # dropout is a module of it


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
                replace(
                    settings, samplings=(sampling,), train=tuple(domain.train for domain in domains if domain is not out)
                )
                for out in (None, left_out)
            )
            mine[sampling] = everything
            if not by_construction(sampling, left_out):
                mine[f"{sampling}, without"] = rest
    return arms


def by_construction(sampling: str, domain: Domain) -> bool:
    """Whether a domain plays no part in a sampling: it has one language, and every batch is cross-lingual."""
    return sampling == "X-Y" and not domain.parallel


def judge_without(
    settings: Settings, domains: Sequence[Domain], samplings: Sequence[str], log: Log = print
) -> dict[str, Results]:
    """Train all arms of ``arms_without``; by domain, judge its arms on its own test. Errors as there."""
    arms = arms_without(settings, domains, samplings)
    pipeline.evaluate_missing(
        [replace(arm, test=domain.test) for domain in domains for arm in arms[domain.name].values()], log
    )
    return {
        domain.name: Results(
            {name: pipeline.evaluate_runs(replace(arm, test=domain.test), log) for name, arm in arms[domain.name].items()}
        )
        for domain in domains
    }


def drops(
    results: Mapping[str, Results], domains: Sequence[Domain], samplings: Sequence[str], column: str = "mono mAP"
) -> list[Drop]:
    """The drop of every domain and sampling, from what ``judge_without`` returned.

    Args:
        column: a score of ``kit.results.HEADLINE`` where higher is better; domains whose test lacks it are left out.
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
    """Rows for ``kit.show.Table``: the scores with all domains and without one, and the drop, absolute and relative."""
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


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a table in Markdown; an empty list gives an empty text."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (rows[0], *(row.values() for row in rows))]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
