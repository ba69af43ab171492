"""What a translator is, and the rules that all of them share.

Translations kept on disk, so that none is made twice and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from kit.core.languages import is_tag


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
        ...


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
                f"{name} is {tag!r}: write a BCP 47 tag such as 'de' (kit.core.languages.language_tag maps other codes)"
            )
    if source == target:
        raise ValueError(f"target is {target!r}, and so is source: choose another language to translate into")


BATCH = 256
"""Texts translated between two writings: what an interruption can lose."""

_WAIT_S = 60
"""How long to wait for another process to finish writing."""

_TABLE = """CREATE TABLE IF NOT EXISTS translations (
    translator TEXT, source TEXT, target TEXT, text TEXT, translation TEXT NOT NULL,
    PRIMARY KEY (translator, source, target, text)) WITHOUT ROWID"""
_FIND = "SELECT translation FROM translations WHERE translator = ? AND source = ? AND target = ? AND text = ?"
_KEEP = "INSERT OR IGNORE INTO translations VALUES (?, ?, ?, ?, ?)"


class CachedTranslator:
    """A translator that remembers: one SQLite file, ``translations.sqlite``, in a folder.

    The key of a translation is the translator's name, both languages and the text. Missing texts are translated and written
    ``BATCH`` at a time, each batch as one transaction: whatever stops a run, the file holds whole batches, SQLite takes back
    a batch that was being written, and the next run translates what is missing. Several processes and several translators
    may share a folder; if two translate the same text at once, the first one written stands, and both return it. Nothing is
    ever changed or deleted.

    Args:
        translator: asked for what is missing.
        folder: made if need be.

    Raises:
        ValueError: the file is no such cache or is damaged; says which file, and to move it away.
        RuntimeError: the file cannot be written (another process holds it for a minute, a full or read-only disk).
    """

    def __init__(self, translator: Translator, folder: str | Path) -> None:
        self.translator = translator
        self.name = translator.name
        self.path = Path(folder) / "translations.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.execute(_TABLE)
            connection.execute(_FIND, ("", "", "", ""))  # a file with other columns is refused before any work is done

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translations in the order of the texts; see ``Translator``."""
        return translate_distinct(texts, source, target, lambda distinct: self._translate(distinct, source, target))

    def _translate(self, texts: list[str], source: str, target: str) -> list[str]:
        key = (self.name, source, target)
        found = self._find(texts, key)
        missing = [text for text in texts if text not in found]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            made = self.translator.translate(batch, source, target)
            if len(made) != len(batch):
                raise ValueError(
                    f"translator {self.name!r} gave {len(made)} translations of {len(batch)} texts: it owes one a text"
                )
            with self._connection() as connection, connection:  # the inner context commits, or takes back after an error
                connection.executemany(_KEEP, [(*key, text, translation) for text, translation in zip(batch, made)])
        if missing:
            found.update(self._find(missing, key))  # another process may have been first
        return [found[text] for text in texts]

    def _find(self, texts: list[str], key: tuple[str, str, str]) -> dict[str, str]:
        with self._connection() as connection:
            rows = ((text, connection.execute(_FIND, (*key, text)).fetchone()) for text in texts)
            return {text: row[0] for text, row in rows if row}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one errand: none is carried into another thread or a forked process."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as connection:
                yield connection
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):
                raise ValueError(self._complaint(error)) from error
            raise RuntimeError(
                f"{self.path}: {error}: close what else writes to it, and see that the disk has room"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(self._complaint(error)) from error

    def _complaint(self, error: sqlite3.Error) -> str:
        return f"{self.path} is no whole cache of translations ({error}): move it away; what is missing is translated again"
