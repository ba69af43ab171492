"""A folder of shards, language by language, that several commands share; ``manifest.json`` says what is in it.

manifest.json                      written last: source, and the shards of each language
de/about.json                      what the embeddings depend on: model, prompt, corpus
de/000000-<checksum>.arrow         ids, hashes that break ties, embeddings; 32 digits of its SHA-256
de/whole.json                      how many there are
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from kit.core import records
from kit.core.files import whole_file
from kit.core.records import Record
from kit.evaluate.shards.pool import Part
from kit.evaluate.shards.store import ABOUT, Counts, Shards

MANIFEST = "manifest.json"


class Entry(Record):
    """A shard: its file, in the folder of its language; number of its first passage; how many it holds."""

    file: str
    first: int
    n_passages: int


class LanguageEntry(Record):
    """The passages of one language: those with a text, those left out, and their shards."""

    n_passages: int
    n_empty: int
    shards: list[Entry]


class Manifest(Record):
    """What a folder holds. source: of the passages, as it was named.  languages: by tag, in their order."""

    source: str
    languages: dict[str, LanguageEntry]


def write_manifest(folder: Path, source: str, counts: Mapping[str, Counts]) -> None:
    """Say that all shards of all languages are there.

    Args:
        counts: of each language.
    """
    languages = {}
    for tag, one in counts.items():
        shards = _opened(folder / tag)
        entries = [
            Entry(file=file.name, first=shard.first, n_passages=len(shard)) for file, shard in zip(shards.files, shards)
        ]
        languages[tag] = LanguageEntry(n_passages=one.n_passages, n_empty=one.n_empty, shards=entries)
    manifest = Manifest(source=source, languages=languages)
    with whole_file(folder / MANIFEST) as partial:
        partial.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def refuse_other_source(folder: Path, source: str) -> None:
    """Raise if a folder holds the passages of another source.

    Raises:
        ValueError: it does.
    """
    if (folder / MANIFEST).is_file() and (there := _read(folder).source) != source:
        raise ValueError(f"{folder} holds the passages of {there!r}: give another folder for those of {source!r}")


def open_parts(folder: Path, known: Mapping[str, object]) -> list[Part]:
    """The passages of a folder, language by language, each shard as it was written.

    Args:
        known: what embeddings of passages depend on by the model that asks (``known_by``); that of the shards must not
            differ, except for the versions of libraries.

    Raises:
        ValueError: no manifest; a shard is missing or damaged; another model made the embeddings.
    """
    parts = []
    for tag, one in _read(folder).languages.items():
        shards = _opened(folder / tag)
        about = json.loads((folder / tag / ABOUT).read_bytes())
        for name in ("weights", "prompt", "limit", "precision"):
            if about[name] != known[name]:
                raise ValueError(
                    f"{folder / tag} was encoded by {about['model']}, {name} {about[name]!r}, and the model that asks has "
                    f"{known[name]!r}: ask with that model, or encode the passages with this one"
                )
        parts.append(Part(tag, shards, one.n_passages))
    return parts


def _opened(folder: Path) -> Shards:
    shards = Shards(folder)
    if shards.open() is None:
        raise ValueError(f"{folder}: a shard is missing: give the command that encoded it again, it goes on")
    return shards


def _read(folder: Path) -> Manifest:
    return records.read(folder / MANIFEST, Manifest, "give a folder that 'python -m kit encode' has filled")
