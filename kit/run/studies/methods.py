"""Contrastive methods side by side on bitext mining: their training text, the pairs they are judged on, what they mine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from kit.augment.groups import join
from kit.augment.lexicon import Lexicon, induce_lexicon
from kit.augment.switching import code_switch
from kit.compare.mining import MiningResults
from kit.core import fingerprints, paths
from kit.core.files import is_kept, whole_file
from kit.core.printing import say
from kit.data.bitext import SIDES, BitextTask
from kit.data.corpus import ParallelCorpus
from kit.data.parallel import rows_of_corpus
from kit.data.registry import load_bitext, load_corpus, source_fingerprints
from kit.evaluate.mining.mined import Mined
from kit.run import pipeline
from kit.run.mining import MineJob, mine_job
from kit.run.settings import Settings
from kit.run.studies.arms import check_arms, check_languages

Log = Callable[[str], None]

HIGH_RESOURCE = frozenset(
    "ar de en es fr ja zh ca cs eu fa fi hi hr hu it ko nl pl pt ru sr sv tr vi".split()  # classes 5 and 4
)
"""Languages of classes 5 and 4 of Joshi et al. (2020, arXiv 2004.09095); the others count as low-resource."""

GROUPS = ("high-resource", "low-resource", "unseen in training")


def whole_texts(corpus: ParallelCorpus) -> ParallelCorpus:
    """A corpus whose queries are its passages: whole texts and their translations, without anything to be asked.

    >>> row = {"group_id": "1", "language": "en", "query": "What is X?", "passage": "X is Y."}
    >>> whole_texts(ParallelCorpus.from_rows([row], name="mine")).table["query"].to_pylist()
    ['X is Y.']
    """
    table = corpus.table
    column = table.column_names.index("query")
    return ParallelCorpus(table.set_column(column, "query", table.column("passage")), f"{corpus.name}, whole texts")


def keep_switched(spec: str, languages: Sequence[str], rate: float = 0.5, pivot: str = "en", log: Log = say) -> str:
    """A source with its rows and, beside them, the same with words switched between a language and others.

    The lexicons come from the passages of the corpus itself, whose versions translate each other, as halves of sentences
    need not (``induce_lexicon``, mutual, so that one serves both directions). They take seconds a language, so the result is
    kept under the name of what it was made from.

    Args:
        spec: of the corpus (``kit.data.registry``).
        languages: those that words are switched into and from; those that the corpus lacks are left out.
        rate: share of the known words that are switched (``code_switch``).
        pivot: the language that all lexicons share.

    Returns:
        The name of the joined corpus as a source; ``spec`` where no word is known.

    Raises:
        ValueError: none of the languages stands beside the pivot in the corpus; whatever ``code_switch`` refuses.
    """
    code = fingerprints.code_fingerprint("kit.augment.lexicon", "kit.augment.switching", "kit.augment.groups")
    key = fingerprints.fingerprint(
        [source_fingerprints([spec]), sorted(languages), rate, pivot, code, fingerprints.versions()]
    )
    note = paths.cache() / "corpora" / f"switched-{key}.json"
    if note.is_file():
        kept = json.loads(note.read_text(encoding="utf-8"))
        if (paths.root() / kept.partition(":")[2]).is_file():
            return kept
    corpus = load_corpus(spec)
    others = sorted(set(languages) & set(corpus.languages) - {pivot})
    if not others or pivot not in corpus.languages:
        raise ValueError(f"{spec}: none of {', '.join(languages)} beside {pivot}: it has {', '.join(corpus.languages)}")
    rows, lexicons = [row for row in rows_of_corpus(corpus) if row["id"].endswith(":passage")], []
    for language in others:
        there = induce_lexicon(rows, pivot, language)
        lexicons += [there, _turned(there)]
        log(f"lexicon {pivot}-{language}: {len(there.words):,} words")
    known = [lexicon for lexicon in lexicons if lexicon.words]
    if not known:
        log(f"{corpus.name}: no lexicon has a word, as happens where texts are few: nothing is switched")
        return spec
    kept = pipeline.keep_corpus(join(f"{corpus.name}, code-switched", corpus, code_switch(corpus, known, rate)))
    with whole_file(note) as partial:
        partial.write_text(json.dumps(kept), encoding="utf-8")
    return kept


def _turned(lexicon: Lexicon) -> Lexicon:
    """The lexicon of the other direction, which a mutual one is."""
    words = {translation: (word, probability) for word, (translation, probability) in lexicon.words.items()}
    return Lexicon(lexicon.target, lexicon.source, words)


def _kept_of_mining(job: MineJob) -> tuple[Path, ...]:
    return job.folder, *(path for _, _, path in job.tasks)


def mine_arms(arms: Mapping[str, Settings], tasks: Mapping[str, BitextTask], log: Log = say) -> MiningResults:
    """Train every arm with every seed and let all of them mine every task; what was done before is in the cache.

    Args:
        arms: by name, settings with one sampling each.
        tasks: by the source that they were loaded from (``load_tasks``), whole: the processes that mine load them again.

    Raises:
        ValueError: no arm or no task; tasks that share no language; arms of different budgets (``check_arms``).
    """
    if not arms or not tasks:
        raise ValueError(f"{len(arms)} arms and {len(tasks)} tasks: give at least one of each")
    check_arms(arms)
    side_of = {spec: shared_side(task, tasks.values()) for spec, task in tasks.items()}
    runs = {(name, seed): (one, one.samplings[0], seed) for name, one in arms.items() for seed in one.seeds}
    made = {run: {spec: _path(*job, spec, side_of[spec]) for spec in tasks} for run, job in runs.items()}
    models = {pipeline.model_folder(*job): run for run, job in runs.items()}  # arms may share a model
    pipeline.bring([path for paths_of_run in made.values() for path in paths_of_run.values()], log)
    n_threads, jobs = pipeline.threads_of(len(models)), []
    for folder, run in models.items():
        lacking = [spec for spec, path in made[run].items() if not is_kept(path, Mined.read, "mined", log)]
        if lacking:
            _, sampling, seed = runs[run]
            tasks_of_it = tuple((spec, side_of[spec], made[run][spec]) for spec in lacking)
            jobs.append(MineJob(folder, f"{sampling}, seed {seed}", tasks_of_it, n_threads))
    if jobs:
        pipeline.train_missing(list(arms.values()), log)
        pipeline.encode_ahead([one.changed(bitexts=tuple(tasks)) for one in arms.values()], "bitexts", log)
        pipeline.in_processes(mine_job, jobs, log, _kept_of_mining)
    return MiningResults(
        {
            spec: {name: [Mined.read(made[name, seed][spec]) for seed in one.seeds] for name, one in arms.items()}
            for spec in tasks
        }
    )


def shared_language(tasks: Iterable[BitextTask]) -> str:
    """The language that all tasks have, English where that is one of two.

    Raises:
        ValueError: no language stands in all of the tasks.
    """
    pairs = {task.name: {task.source_language, task.target_language} for task in tasks}
    shared = set.intersection(*pairs.values())
    if not shared:
        raise ValueError(f"no language stands in all of {', '.join(pairs)}: give tasks that share one, such as English")
    return "en" if "en" in shared else min(shared)


def shared_side(task: BitextTask, tasks: Iterable[BitextTask]) -> str:
    """The side of a task whose language all tasks have (``shared_language``); its sentences are the units."""
    return SIDES[task.target_language == shared_language(tasks)]


def check_sources(settings: Settings) -> None:
    """Refuse sources that cannot be studied, before anything is trained.

    Raises:
        ValueError: tasks that share no language, none with distractors; a corpus without the shared language and another one
            of the tasks, for lexicons; En-En batches without English.
    """
    tasks, why = load_tasks(settings.mining.bitexts).values(), "study 09 induces a lexicon between languages of its tasks"
    if not any(any(task.n_distractors) for task in tasks):
        raise ValueError(f"no distractors in {', '.join(settings.mining.bitexts)}: give a task with some, for thresholds")
    pivot, asked = shared_language(tasks), {tag for task in tasks for tag in (task.source_language, task.target_language)}
    there = {source: load_corpus(source).languages for source in settings.data.train}
    check_languages(there, pivot, f"{why}: give sources with {pivot} and another of {', '.join(sorted(asked))}")
    for source, languages in there.items():
        if len(asked.intersection(languages)) < 2:
            raise ValueError(f"{source} has only {pivot} of {', '.join(sorted(asked))}: {why}: give one with two of them")
    if "En-En" in settings.samplings:
        every = {"train": {tag for languages in there.values() for tag in languages}}
        check_languages(every, "en", "En-En batches need it: leave En-En out of samplings")


def resource_groups(tasks: Mapping[str, BitextTask], known: Iterable[str]) -> dict[str, list[str]]:
    """Tasks by what is known of their languages beside English: the groups of ``GROUPS`` that occur, in this order.

    Args:
        tasks: by source.
        known: languages of the training text.
    """
    known, groups = set(known), {group: [] for group in GROUPS}
    for spec, task in tasks.items():
        languages = {task.source_language, task.target_language} - {"en"}
        is_high = all(language.partition("-")[0] in HIGH_RESOURCE for language in languages)
        groups[GROUPS[2] if languages - known else GROUPS[0] if is_high else GROUPS[1]].append(spec)
    return {group: specs for group, specs in groups.items() if specs}


def load_tasks(specs: Sequence[str]) -> dict[str, BitextTask]:
    """Mining tasks by their source."""
    return {spec: load_bitext(spec) for spec in specs}


def _path(settings: Settings, sampling: str, seed: int, spec: str, side: str) -> Path:
    model = pipeline.training_fingerprint(settings, sampling, seed)
    key = fingerprints.fingerprint(
        [model, source_fingerprints([spec]), side, fingerprints.code_fingerprint("kit.run.mining")]
    )
    return paths.cache() / "mining" / f"{key}.npz"
