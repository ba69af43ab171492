"""When two texts are the same text."""

from __future__ import annotations

import re
import unicodedata

_DECIMAL_MARK = re.compile(r"(?<=\d)[.,٫](?=\d{1,2}(?!\d))")


def normalised(text: str) -> str:
    """A text reduced to its letters, marks and digits: NFKC, case folded, everything else (spaces too) dropped.

    Full-width and compatibility forms, case, spacing and punctuation make no difference; accents and vowel signs do, and so
    does a decimal mark (before one or two digits: 1.9 is not 19, but 1,234 is 1234). A text without any letter or digit
    stays as it is, so that "?" and "!" are not the same.

    >>> normalised("Ｗｈａｔ is  X?"), normalised("STRASSE") == normalised("Straße"), normalised("?!"), normalised("1,9 %")
    ('whatisx', True, '?!', '1.9')
    """
    return Normaliser()(text)


class Normaliser(dict):
    """Table for ``str.translate`` that looks each code point up once: an alphabet is small, a corpus is not."""

    def __missing__(self, code: int) -> int | None:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else None
        return self[code]

    def __call__(self, text: str) -> str:
        """What ``normalised`` says."""
        # Folding can undo the normal form, so that it is made twice.
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if not any(mark in folded for mark in ".,٫"):  # a regular expression costs more than all else
            return folded.translate(self) or text
        return ".".join(part.translate(self) for part in _DECIMAL_MARK.split(folded)) or text
