"""Translation word for word: the least that parallel text can give, and hard to beat where there is little of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kit.augment.lexicon import Lexicon, induce_lexicon, spans
from kit.augment.switching import longest
from kit.augment.translator import refuse_pair, translate_distinct
from kit.core.files import alone, whole_file
from kit.core.fingerprints import code_fingerprint, fingerprint, versions
from kit.core.languages import has_spaces
from kit.core.paths import cache

_MIN_COUNT, _MIN_PROBABILITY = 2, 0.1


class WordTranslator:
    """Replaces each word that a lexicon knows, and keeps the order of the words and every other word as it is.

    Names that two languages share come through; grammar does not. It is no model of the target language, and for a retriever
    that reads texts as bags of words it need not be one.

    Args:
        lexicons: one for each pair; the other direction is another lexicon.

    Raises:
        ValueError: no lexicon, or a pair twice.
    """

    def __init__(self, lexicons: Sequence[Lexicon]) -> None:
        self._tables = {
            (lexicon.source, lexicon.target): {word: translation for word, (translation, _) in lexicon.words.items()}
            for lexicon in lexicons
        }
        if not lexicons or len(self._tables) < len(lexicons):
            raise ValueError(f"lexicons are for {sorted(self._tables)}: give at least one, and one for each pair")
        self.name = f"word for word@{fingerprint(sorted([*pair, table] for pair, table in self._tables.items()))}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations in the order of the texts; see ``Translator``."""
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, source, target))

    def _translate(self, texts: list[str], source: str, target: str) -> list[str]:
        if (source, target) not in self._tables:
            known = ", ".join(f"{one} to {other}" for one, other in sorted(self._tables))
            raise ValueError(f"{self.name} does not know {source!r} to {target!r}: it has lexicons from {known}")
        return [_word_for_word(text, source, target, self._tables[source, target]) for text in texts]


def _word_for_word(text: str, source: str, target: str, table: Mapping[str, str]) -> str:
    """A text with the known words replaced; spaces are set as the target has them."""
    text = unicodedata.normalize("NFC", text)  # as the lexicon's words are
    found = spans(text) if has_spaces(source) else longest(text, table)
    parts, end = [""], 0
    for start, stop in found:
        word, between = table.get(text[start:stop].lower(), text[start:stop]), text[end:start]
        if between.isspace() and not has_spaces(target) and not (parts[-1] + word).isascii():
            between = ""  # but two words in Latin letters stay apart
        if has_spaces(target) and not has_spaces(source):
            between += " "
        parts += [between, word]
        end = stop
    return " ".join("".join([*parts, text[end:]]).split())


def word_translator(
    parallel: Iterable[Mapping], languages: Sequence[str], language: str, folder: str | Path | None = None
) -> WordTranslator:
    """Lexicons of parallel text between one language and others, both ways, induced at the first call and kept.

    A word has its most probable translation (``induce_lexicon``, not mutual), so that there and back is not the same word
    by construction.

    Args:
        parallel: rows with ``texts``, a mapping of language to text.
        languages: tags; ``language`` itself may be among them.
        language: the one that all others are paired with.
        folder: where lexicons are kept; ``None``: ``data/cache/translators`` in the project.

    Raises:
        ValueError: no row has one of the languages beside ``language``; no other language.
    """
    others = sorted(set(languages) - {language})
    for other in others:
        refuse_pair(language, other)
    texts = [row["texts"] for row in parallel]
    texts = [{tag: row[tag] for tag in sorted({language, *others} & row.keys())} for row in texts]
    key = fingerprint([texts, others, language, code_fingerprint("kit.augment.wordwise"), versions()])
    path = Path(folder or cache() / "translators") / f"words-{key}.json"
    with alone(path):
        if not path.is_file():
            rows = [{"texts": row} for row in texts]
            pairs = [pair for other in others for pair in ((language, other), (other, language))]
            made = [induce_lexicon(rows, *pair, _MIN_COUNT, _MIN_PROBABILITY, mutual=False) for pair in pairs]
            with whole_file(path) as partial:
                partial.write_text(json.dumps([[one.source, one.target, one.words] for one in made]), encoding="utf-8")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        lexicons = [
            Lexicon(source, target, {word: tuple(entry) for word, entry in words.items()}) for source, target, words in kept
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error!r:.60}): delete it; it is made again") from None
    return WordTranslator(lexicons)
