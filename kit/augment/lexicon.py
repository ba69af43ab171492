"""Bilingual lexicons from parallel text.

What a word is: between spaces where a language has them, a byte-pair piece where it has none.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kit.augment.translator import refuse_pair
from kit.core.languages import has_spaces
from kit.data.parallel import pairs

_N_ITERATIONS = 8


@dataclass(frozen=True)
class Lexicon:
    """Translations of words from one language into another.

    words: source word, in lower case -> (its translation, in lower case, probability in (0, 1]).
    """

    source: str
    target: str
    words: Mapping[str, tuple[str, float]]


def induce_lexicon(
    rows: Iterable[Mapping],
    source: str,
    target: str,
    min_count: int = 3,
    min_probability: float = 0.2,
    mutual: bool = True,
) -> Lexicon:
    """The words that two languages translate by each other, from IBM model 1 in both directions.

    Model 1 (Brown et al. 1993, section 4.1) says that each word t of a target sentence comes from one word s of the source
    sentence or from an empty word, all equally likely: ``p(T | S) = prod_t sum_s p(t | s) / (len(S) + 1)``. Eight rounds of
    expectation maximisation from uniform ``p(t | s)``. ``s -> t`` is in the lexicon if ``t`` is the most probable
    translation of ``s``, ``s`` is the most probable one of ``t`` in the other direction, each occurs in ``min_count``
    sentences, and ``sqrt(p(t | s) p(s | t))``, the probability that the lexicon gives, is at least ``min_probability``. Of
    equally probable words the first in the order of code points counts.

    Words are lower-case and stand between spaces; in languages without spaces (Chinese, Japanese, Thai, Khmer, …) they are
    byte-pair pieces (``kit.augment.lexicon``), so that such a lexicon is rougher.

    Args:
        rows: each with ``texts``, a mapping of language to text.
        min_count: at least 1.
        min_probability: in (0, 1].
        mutual: whether both must prefer each other. Otherwise ``s`` gets its most probable translation whatever that
            translates to, with ``p(t | s)`` as its probability: more words, more of them wrong.

    Raises:
        ValueError: no row has both languages, or a number is out of range.
    """
    refuse_pair(source, target)
    if min_count < 1 or not 0 < min_probability <= 1:
        raise ValueError(
            f"min_count is {min_count} and min_probability {min_probability}: choose at least 1, and a number in (0, 1]"
        )
    texts = pairs(rows, source, target)
    sides = [words((pair[side] for pair in texts), language) for side, language in enumerate((source, target))]
    counts = [Counter(word for sentence in side for word in set(sentence)) for side in sides]
    there = _model_1(*sides)
    back = _model_1(*reversed(sides)) if mutual else {}
    best_back, found = _best(back), {}
    for word, translation in sorted(_best(there).items()):
        frequent = min(counts[0][word], counts[1][translation]) >= min_count
        probability = there[word, translation]
        if mutual:
            probability = float(np.sqrt(probability * back.get((translation, word), 0.0)))
        chosen = not mutual or best_back.get(translation) == word
        if frequent and chosen and probability >= min_probability:
            found[word] = (translation, probability)
    return Lexicon(source, target, found)


def _model_1(sources: list[list[str]], targets: list[list[str]]) -> dict[tuple[str, str], float]:
    """Translation probability p(target word | source word) of all words that stand in one pair of sentences."""
    names = [sorted({word for sentence in side for word in sentence}) for side in (sources, targets)]
    index = [{word: number for number, word in enumerate(side)} for side in names]
    links, lengths = [], []
    for source, target in zip(sources, targets):
        own = np.array([0, *(index[0][word] + 1 for word in source)])  # 0 is the empty word
        links.append((np.array([index[1][word] for word in target], np.int64)[:, None] * (len(names[0]) + 1) + own).ravel())
        lengths += [len(own)] * len(target)
    if not lengths:
        return {}
    # One number a link, since NumPy sorts numbers faster than rows.
    kinds, kind = np.unique(np.concatenate(links), return_inverse=True)  # (n_kinds,), (n_links,)
    place = np.repeat(np.arange(len(lengths)), lengths)  # (n_links,) which target word
    targets_of, sources_of = np.divmod(kinds, len(names[0]) + 1)
    probability = np.ones(len(kinds))
    for _ in range(_N_ITERATIONS):
        expected = probability[kind] / np.bincount(place, probability[kind])[place]  # (n_links,)
        count = np.bincount(kind, expected, len(kinds))  # (n_kinds,)
        probability = count / np.bincount(sources_of, count)[sources_of]
    return {
        (names[0][source - 1], names[1][target]): value
        for target, source, value in zip(targets_of.tolist(), sources_of.tolist(), probability.tolist())
        if source
    }


def _best(probabilities: dict[tuple[str, str], float]) -> dict[str, str]:
    """The most probable translation of each word."""
    best: dict[str, str] = {}
    for word, translation in sorted(probabilities):
        if word not in best or probabilities[word, translation] > probabilities[word, best[word]]:
            best[word] = translation
    return best


_VOCABULARY_SIZE = 8000


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of the words of a text with spaces: what stands between white space, without punctuation around it.

    A word holds at least one letter. Marks inside stay (``l'homme``, ``e-mail``), as do vowel signs.

    >>> text = "Ça va? – L'homme, 12 %."
    >>> [text[start:end] for start, end in spans(text)]
    ['Ça', 'va', "L'homme"]
    """
    found, start = [], 0
    for part in text.split():
        start = text.index(part, start)
        first, last = (0, len(part)) if part.isalpha() else _trimmed(part)  # letters only, as most are: nothing to trim
        if first < last:
            found.append((start + first, start + last))
        start += len(part)
    return found


def _trimmed(part: str) -> tuple[int, int]:
    """Start and end of the word in a part between spaces; both 0 if it has no letter."""
    kinds = [unicodedata.category(mark)[0] for mark in part]
    if "L" not in kinds:
        return 0, 0
    of_word = [place for place, kind in enumerate(kinds) if kind in "LMN"]
    return of_word[0], of_word[-1] + 1


def words(texts: Iterable[str], language: str) -> list[list[str]]:
    """Words of each text, in lower case.

    In a language without spaces words are the pieces that a byte-pair tokenizer finds (8,000 pieces, trained on these very
    texts; a piece occurs at least twice, or is one character): frequent runs of characters, many of them words, some not.
    Those without a letter are left out.
    """
    texts = [unicodedata.normalize("NFC", text).lower() for text in texts]
    if has_spaces(language):
        return [[text[start:end] for start, end in spans(text)] for text in texts]
    pieces = _pieces(texts)
    return [
        [piece for piece in of_text if any(unicodedata.category(mark)[0] == "L" for mark in piece)] for of_text in pieces
    ]


def _pieces(texts: list[str]) -> list[list[str]]:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # Runs of letters and their vowel signs; what stands between them is a piece of its own.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\p{L}\p{M}]+"), behavior="isolated")
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY_SIZE, show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(texts, trainer)
    return [tokenizer.encode(text).tokens for text in texts]
