"""How good translations are, against those of people: chrF and BLEU of sacrebleu.

Which translator: all that a study has, and how good each is on parallel text that none has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kit.augment.small import small_translator
from kit.augment.translator import CachedTranslator, Translator
from kit.augment.wordwise import word_translator
from kit.core.languages import has_spaces
from kit.core.paths import cache
from kit.core.printing import Table
from kit.data.parallel import load_parallel, pairs


@dataclass(frozen=True)
class Quality:
    """Scores of one translator on one pair.

    chrf: corpus chrF (Popović 2015) of characters up to 6, beta 2, in [0, 100], higher is better; comparable over pairs with
        one target.
    bleu: corpus BLEU (Papineni et al. 2002), in [0, 100], higher is better.
    n: number of sentences.
    signature: how BLEU was counted, in sacrebleu's words; scores with different signatures do not compare.
    """

    source: str
    target: str
    chrf: float
    bleu: float
    n: int
    signature: str


def quality(translator: Translator, rows: Iterable[Mapping], source: str, target: str) -> Quality:
    """Translate one side of parallel rows and compare with the other side.

    Args:
        rows: each with ``texts``, a mapping of language to text; rows that lack one of the two languages are left out.

    Raises:
        ValueError: no row has both languages, or the translator does not know the pair.
    """
    import sacrebleu

    judged = pairs(rows, source, target)
    translated = translator.translate([text for text, _ in judged], source, target)
    references = [[reference for _, reference in judged]]
    tokenizer = "13a" if has_spaces(target) else "zh" if target.partition("-")[0] == "zh" else "char"
    measure = sacrebleu.BLEU(tokenize=tokenizer)
    bleu = measure.corpus_score(translated, references).score
    chrf = sacrebleu.corpus_chrf(translated, references).score
    return Quality(source, target, chrf, bleu, len(judged), str(measure.get_signature()))


WORDS = "word for word"
_SMALL, _HUB = "small:", "huggingface:"


def text_sources(parallel: Sequence[str]) -> tuple[str, ...]:
    """The sources of text among the entries of ``parallel``, without the models.

    >>> text_sources(["atlas", "small:400", "huggingface:facebook/m2m100_418M"])
    ('atlas',)
    """
    return tuple(entry for entry in parallel if not entry.startswith((_SMALL, _HUB)))


def load_translators(
    parallel: Sequence[str], languages: Sequence[str], language: str, log: Callable[[str], None] = print
) -> dict[str, CachedTranslator]:
    """The translators that an experiment names; all remember what they translated.

    Args:
        parallel: sources of parallel text (``kit.data.parallel.load_parallel``) and any number of entries
            ``small:<steps>`` (a small translator trained on that text) and ``huggingface:<model>``.
        languages: tags.
        language: the one that is translated from; word for word goes between it and the others.
        log: takes lines of the training.

    Returns:
        ``word for word``, then what ``parallel`` names, by its entry or model.

    Raises:
        ValueError: steps that are no number; whatever the translators refuse.
    """
    rows, folder = load_parallel(text_sources(parallel)), cache() / "translators"
    found: dict[str, Translator] = {WORDS: word_translator(rows, languages, language)}
    for entry in parallel:
        if entry.startswith(_SMALL):
            steps = entry.removeprefix(_SMALL)
            if not steps.isdecimal():
                raise ValueError(f"parallel: {entry!r} has no number of steps: write {_SMALL}400")
            found[f"small, {steps} updates"] = small_translator(rows, languages, int(steps), log=log)
        elif entry.startswith(_HUB):
            from kit.augment.huggingface import HuggingFaceTranslator

            found[entry.removeprefix(_HUB)] = HuggingFaceTranslator(entry.removeprefix(_HUB))
    return {name: CachedTranslator(translator, folder) for name, translator in found.items()}


def compare(
    translators: Mapping[str, Translator], rows: Iterable[Mapping], language: str, others: Sequence[str]
) -> dict[str, dict[str, Quality]]:
    """Quality of each translator from one language into each of the others, by name and target."""
    rows = list(rows)
    return {
        name: {other: quality(translator, rows, language, other) for other in others}
        for name, translator in translators.items()
    }


def ranked(scores: Mapping[str, Mapping[str, Quality]]) -> list[str]:
    """Names of the translators by their mean chrF over the targets, best first; of equals the first one leads.

    chrF chooses and no retrieval score does: a translator that is chosen by the test would make the test part of training.
    """
    return sorted(scores, key=lambda name: -float(np.mean([found.chrf for found in scores[name].values()])))


def table(scores: Mapping[str, Mapping[str, Quality]]) -> list[dict[str, str | int]]:
    """Rows for ``kit.show.tables.Table``: translator, target, both scores with one digit, number of texts."""
    return [
        {"translator": name, "into": other, "chrF": f"{found.chrf:.1f}", "BLEU": f"{found.bleu:.1f}", "texts": found.n}
        for name, by_target in scores.items()
        for other, found in by_target.items()
    ]


def markdown(scores: Mapping[str, Mapping[str, Quality]], dropped: Mapping[str, int]) -> str:
    """A section for a study's tables: the translators, the best one first, and how many rows each filter dropped."""
    found = Table(table({name: scores[name] for name in ranked(scores)})).markdown()
    counts = ", ".join(f"{name} {n:,}" for name, n in dropped.items())
    return f"## Translators\n\n{found}\n\nRows dropped: {counts}."
