"""mMARCO: MS MARCO's passages and training queries in 14 languages, and triples of their ids (Bonifacio et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.core.fingerprints import fingerprint
from kit.core.languages import chosen_tags, tag_of_each
from kit.data.corpus import ParallelCorpus
from kit.data.triples.collection import open_collection, refuse_other_ids
from kit.data.triples.corpus import TripleCorpus
from kit.data.triples.lines import open_triples

_COLLECTIONS, _QUERIES = "data/google/collections", "data/google/queries/train"


def corpus(folder: str | Path, languages: Sequence[str] | None = None, sample: int = 0) -> TripleCorpus | ParallelCorpus:
    """Read mMARCO in the layout of its own repository: 8,841,823 passages a language, 39,780,811 triples.

    The files are ``data/google/collections/german_collection.tsv`` and
    ``data/google/queries/train/german_queries.train.tsv`` with ``id<TAB>text`` a line, and
    ``data/triples.train.ids.small.tsv`` with the ids of a query, a passage that answers it, and one that does not. They are
    converted once, which takes minutes and as much room on the disk again, and then memory-mapped.

    Args:
        folder: holds ``data/``.
        languages: which, as tags, codes or English names; ``None``: all whose collection is there.
        sample: read so many triples, drawn at random, as a corpus in memory; 0: all, as a ``TripleCorpus``.

    Raises:
        ValueError: a file is missing; whatever ``open_collection``, ``open_triples`` and ``refuse_other_ids`` refuse.
    """
    folder = Path(folder)
    home = folder / _COLLECTIONS
    names = [file.name.removesuffix("_collection.tsv") for file in sorted(home.glob("*_collection.tsv"))]
    if not names:
        raise ValueError(f"{home}: no file such as german_collection.tsv: give the folder that holds mMARCO's data/")
    name_of = {tag: name for name, tag in tag_of_each(names, home).items()}
    chosen = sorted(_wanted(languages, name_of, home))
    queries = tuple(open_collection(folder / _QUERIES / f"{name_of[tag]}_queries.train.tsv") for tag in chosen)
    passages = tuple(open_collection(home / f"{name_of[tag]}_collection.tsv") for tag in chosen)
    for texts in (queries, passages):
        refuse_other_ids(texts)
    triples = open_triples(folder / "data/triples.train.ids.small.tsv", queries[0], passages[0])
    found = TripleCorpus("mmarco", tuple(chosen), queries, passages, triples)
    return found.sample(sample) if sample else found


def content_digest(folder: str | Path, languages: Sequence[str] | None = None, sample: int = 0) -> str:
    """What the content depends on, from what was written down when the files were converted."""
    found = corpus(folder, languages)
    assert isinstance(found, TripleCorpus)
    return fingerprint([found.digest, sample])


def _wanted(languages: Sequence[str] | None, name_of: dict[str, str], home: Path) -> list[str]:
    """Tags of the languages; one whose collection is missing is named with its file."""
    try:
        return chosen_tags(languages, name_of, home)
    except ValueError as error:
        raise ValueError(f"{error} (a language needs its file, such as {home / 'german_collection.tsv'})") from None
