"""How good translations are, against those of people: chrF and BLEU of sacrebleu."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kit.augment.parallel import pairs
from kit.augment.translator import Translator

_BY_CHARACTER = {"ja", "th", "km", "lo", "my", "yue"}
"""Languages written without spaces between words, for which BLEU here counts characters; Chinese has its own tokenizer."""


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
    language = target.partition("-")[0]
    tokenizer = "zh" if language == "zh" else "char" if language in _BY_CHARACTER else "13a"
    measure = sacrebleu.BLEU(tokenize=tokenizer)
    bleu = measure.corpus_score(translated, references).score
    chrf = sacrebleu.corpus_chrf(translated, references).score
    return Quality(source, target, chrf, bleu, len(judged), str(measure.get_signature()))
