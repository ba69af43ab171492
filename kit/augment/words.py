"""What a word is: between spaces where a language has them, a byte-pair piece where it has none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from kit.languages import has_spaces

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
