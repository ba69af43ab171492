"""Study 08: machine translations as training data, against English alone, real groups and the text behind the translator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

from kit.augment import filters, groups
from kit.augment.quality import text_sources
from kit.augment.translator import Translator
from kit.compare.claims import Claim, Finding, judge_models, not_tested
from kit.compare.columns import COLUMNS
from kit.compare.gaps import larger_gain, wider_gap
from kit.compare.results import Results
from kit.data.corpus import ParallelCorpus
from kit.data.parallel import load_parallel
from kit.data.registry import load_corpus
from kit.run import pipeline
from kit.run.evaluating import load_test
from kit.run.settings import Settings
from kit.run.studies.arms import asked_languages, check_languages


def share_name(share: float) -> str:
    """What the arm with this share of synthetic groups is called."""
    return f"{share:.0%} synthetic"


REAL, SYNTHETIC, ENGLISH, PARALLEL = share_name(0.0), share_name(1.0), "English only", "parallel text"

_better = partial(Claim, "08 synthetic data")
_reaches = partial(Claim, "08 synthetic data", kind="reaches", margin=0.02)
OPTIONAL = {"filtered": "the filters left no translation", "other translator": "there is no second translator"}
"""Arms that are not there where their text is English only, and why that is."""

ACROSS = (
    _better("Synthetic parallel data beat English-only training across languages", SYNTHETIC, ENGLISH, "cross mAP"),
    _reaches("Synthetic groups reach real ones across languages (within 0.02)", SYNTHETIC, REAL, "cross mAP"),
    _better("Translating the passages too helps across languages", "with passages", SYNTHETIC, "cross mAP"),
    _better(
        "Of two translators the one with the higher chrF makes the better data", SYNTHETIC, "other translator", "cross mAP"
    ),
    _better("Translations teach more than the parallel text behind them", SYNTHETIC, PARALLEL, "cross mAP"),
    _better("Translations add to the parallel text behind them", "with parallel text", PARALLEL, "cross mAP"),
    _better("Quality filters help across languages", "filtered", SYNTHETIC, "cross mAP"),
    _better("Back-translated paraphrases help across languages", "with paraphrases", SYNTHETIC, "cross mAP"),
    _better("Code-switching helps across languages, against English only", "code-switched", ENGLISH, "cross mAP"),
)
MORE = _better("More synthetic groups cost: {less} is better than {more}", "{less}", "{more}", "cross mAP")
WITHIN = (
    _reaches(
        "Synthetic groups reach English-only training within a language (within 0.02)", SYNTHETIC, ENGLISH, "mono nDCG@10"
    ),
    _better("Quality filters help within a language", "filtered", SYNTHETIC, "mono nDCG@10"),
)
TRANSLATED = _better("A translated test shows the gain over English-only training, too", SYNTHETIC, ENGLISH, "cross mAP")
WIDER = _better(
    "Synthetic groups serve language pairs less evenly than real ones: a wider gap", SYNTHETIC, REAL, "cross mAP"
)
FLATTERS = _better("A translated test flatters training data from the same translator", SYNTHETIC, PARALLEL, "cross mAP")
STANDARD = _better("Synthetic groups help {title}, a standard multilingual encoder", SYNTHETIC, ENGLISH, "cross mAP")
ENCODERS = {
    "XLM-R": "FacebookAI/xlm-roberta-base",
    "LaBSE": "sentence-transformers/LaBSE",
    "mE5": "intfloat/multilingual-e5-base",
}
"""Standard multilingual encoders, by title."""


def check_sources(settings: Settings) -> None:
    """Refuse sources that cannot be studied, before a translator is made.

    Raises:
        ValueError: no English in the corpus, in its parallel text or among the questions of the second test; one language
            only in the corpus or the first test; one test only; shares without 0 or 1.
    """
    train, tests = settings.data.train[0], settings.data.tests
    if len(tests) < 2:
        raise ValueError(f"tests is {', '.join(tests)}: give two, one across languages and one with English questions")
    real, rows = load_corpus(train), load_parallel(text_sources(settings.synthetic.parallel))
    there = {train: real.languages, "parallel": {tag for row in rows for tag in row["texts"]}}
    why = "study 08 translates from English: give sources with en and other languages"
    check_languages(there | {tests[1]: asked_languages(load_test(tests[1]))}, "en", why)
    for source, languages in {train: real.languages, tests[0]: load_test(tests[0]).languages}.items():
        if len(languages) < 2:
            raise ValueError(f"{source} has {', '.join(languages)} only: {why}")
    _check_shares(settings)


def _check_shares(settings: Settings) -> None:
    shares = settings.synthetic.shares
    if not {0.0, 1.0} <= set(shares):
        raise ValueError(f"shares are {', '.join(map(str, shares))}: give 0 and 1 among them, which the claims are about")


def filter_steps(
    corpus: ParallelCorpus, translator: Translator, rows: Sequence[Mapping], languages: Sequence[str]
) -> tuple[ParallelCorpus, dict[str, list[dict]]]:
    """The round trip, the ratio of lengths and language identification (``kit.augment.filters``), one after the other.

    Args:
        corpus: synthetic groups, translated from English.
        translator: that made them.
        rows: of parallel text, from which the usual lengths are taken, and, from the first 2,000, what languages look like.
        languages: that are told apart.

    Returns:
        What is kept; by filter, the rows that it dropped, with the reason.
    """
    texts = ((tag, row["texts"][tag]) for row in rows[:2000] for tag in languages if tag in row["texts"])
    identifier = filters.LanguageIdentifier.train(texts)
    dropped = {}
    for name, step in {
        "round trip": lambda kept: filters.filter_round_trip(kept, translator, "en"),
        "length": lambda kept: filters.filter_length_ratio(kept, filters.fit_length_ratios(rows, "en")),
        "language": lambda kept: filters.filter_language(kept, identifier),
    }.items():
        corpus, table = step(corpus)
        dropped[name] = table.to_pylist()
    return corpus, dropped


def synthetic_arms(settings: Settings, texts: Mapping[str, ParallelCorpus]) -> dict[str, Settings]:
    """The arms of the study; all but those in one language are hybrid.

    Args:
        texts: ``English`` pairs; ``real`` groups and ``synthetic`` ones of the same questions; these ``with passages``,
            ``filtered``, and by the ``other translator`` (English only where there are none, ``OPTIONAL``);
            ``paraphrases``, ``code-switched`` questions and ``parallel text``.

    Raises:
        ValueError: the shares lack 0 or 1, which the claims are about.
    """
    _check_shares(settings)
    shares = settings.synthetic.shares

    def arm(sampling: str, *corpora: ParallelCorpus) -> Settings:
        return settings.changed(train=tuple(map(pipeline.keep_corpus, corpora)), samplings=(sampling,))

    english, synthetic = texts["English"], texts["synthetic"]
    arms = {ENGLISH: arm("En-En", english), PARALLEL: arm("Hybrid", english, texts["parallel text"])}
    arms |= {share_name(share): arm("Hybrid", groups.mix(texts["real"], synthetic, share)) for share in shares}
    paraphrased = groups.join("with paraphrases", synthetic, texts["paraphrases"])
    switched = groups.join("code-switched", english, texts["code-switched"])
    arms |= {
        "with passages": arm("Hybrid", texts["with passages"]),
        "filtered": arm("Hybrid", texts["filtered"]),
        "with paraphrases": arm("Hybrid", paraphrased),
        "with parallel text": arm("Hybrid", synthetic, texts["parallel text"]),
        "code-switched": arm("En-En", switched),
        "other translator": arm("Hybrid", texts["other translator"]),
    }
    return {name: one for name, one in arms.items() if name not in OPTIONAL or len(texts[name].languages) > 1}


def share_results(settings: Settings, results: Results) -> Results:
    """The arms that differ in their share of synthetic groups alone, in the order of the shares."""
    return Results({name: results.evaluations[name] for name in map(share_name, settings.synthetic.shares)})


def score_rows(results: Mapping[str, Results], titles: Mapping[str, str]) -> list[dict[str, object]]:
    """Rows of a table: the scores of each arm on every test, each column where the test has its setting.

    Args:
        results: by test.
        titles: what tests are called; the others go by the name of their task.
    """
    found: dict[str, dict[str, object]] = {arm: {"arm": arm} for arm in next(iter(results.values())).models}
    for test, one in results.items():
        title = titles.get(test, one.task_name)
        for column in ("mono nDCG@10", "mono mAP", "cross mAP", "rank distance"):
            if not one.values(ENGLISH, *COLUMNS[column]).values.size:
                continue
            for arm, scores in one.table({column: COLUMNS[column]}).items():
                found[arm][f"{title}: {column}"] = scores[column][0]
    return list(found.values())


def judge_synthetic(settings: Settings, results: Mapping[str, Results]) -> list[Finding]:
    """What is found of the claims, p-values not adjusted yet.

    Args:
        settings: of the study.
        results: by test, in this order: the true one, those with original questions, the first of them translated.
    """
    true_test, *originals, translated = results.values()
    found = []
    found += [_judge_if_there(claim, true_test) for claim in ACROSS]
    names = [share_name(share) for share in settings.synthetic.shares]
    found += [judge_models(MORE.filled(less=less, more=more), true_test) for less, more in pairwise(names)]
    found += [_judge_if_there(claim, one) for one in originals for claim in WITHIN]
    found.append(judge_models(TRANSLATED, translated))
    found.append(wider_gap(WIDER, true_test))
    found.append(larger_gain(FLATTERS, (translated, true_test), passages="en"))
    for title, model in ENCODERS.items():
        if model != settings.encoder.name:
            command = f"python -m kit run 08 --profile synthetic-large -p encoder={model}"
            found.append(not_tested(STANDARD.filled(title=title), f"not run here: needs a GPU and the hub ({command})"))
    return found


def _judge_if_there(claim: Claim, results: Results) -> Finding:
    lacking = [arm for arm in (claim.first, claim.second) if arm not in results.models]
    return not_tested(claim, f"not here: {OPTIONAL[lacking[0]]}") if lacking else judge_models(claim, results)
