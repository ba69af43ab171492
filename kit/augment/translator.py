"""What a translator is, and the rules that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from kit.languages import is_tag


@runtime_checkable
class Translator(Protocol):
    """Translates texts between two languages.

    name: the model, its version and whatever setting changes its output; two translators with one name give one result, so
        the name is part of the key under which ``CachedTranslator`` keeps translations.
    """

    name: str

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations of the texts, in their order.

        A blank text gives an empty one, and a text that stands there twice is translated once.

        Args:
            texts: in the source language; may be empty.
            source, target: BCP 47 tags.

        Raises:
            ValueError: the translator does not know the pair, or a tag is none.
        """


def translate_distinct(
    texts: Sequence[str], source: str, target: str, translate: Callable[[list[str]], list[str]]
) -> list[str]:
    """Call ``translate`` once with the distinct texts that are not blank; give every text its translation.

    Raises:
        ValueError: ``texts`` is one text, a tag is malformed or both are the same.

    >>> translate_distinct(["a", "", "b", "a"], "en", "de", lambda texts: [text.upper() for text in texts])
    ['A', '', 'B', 'A']
    """
    if isinstance(texts, str):
        raise ValueError(f"texts is one text, {texts!r:.60}: give a list of texts")
    refuse_pair(source, target)
    waiting = list(dict.fromkeys(text for text in texts if text.strip()))
    translated = translate(waiting) if waiting else []
    if len(translated) != len(waiting):
        raise ValueError(f"translate gave {len(translated)} translations of {len(waiting)} texts: it owes one a text")
    found = dict(zip(waiting, translated))
    return [found.get(text, "") for text in texts]


def refuse_pair(source: str, target: str) -> None:
    """Raise ``ValueError`` for a malformed tag, or if both languages are the same."""
    for name, tag in (("source", source), ("target", target)):
        if not is_tag(tag):
            raise ValueError(
                f"{name} is {tag!r}: write a BCP 47 tag such as 'de' (kit.languages.language_tag maps other codes)"
            )
    if source == target:
        raise ValueError(f"target is {target!r}, and so is source: choose another language to translate into")
