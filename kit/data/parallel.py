"""Parallel text: rows with ``texts``, a mapping of language to text, from a corpus or from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kit.core.paths import root
from kit.core.seeding import stable_fraction
from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.data.sources.sentences import half, parallel_rows


def rows_of_corpus(corpus: ParallelCorpus) -> list[dict]:
    """Two rows a group: its questions, and its passages, each in the languages of the group.

    The passages of a group say the same in all its languages, as far as the corpus keeps its promise.

    Returns:
        Rows ``{"id", "texts": {language: text}}`` in the order of the corpus.
    """
    found: dict[str, dict[str, str]] = {}
    for row in corpus.table.select(["group_id", "language", "query", "passage"]).to_pylist():
        for field in ("query", "passage"):
            found.setdefault(f"{row['group_id']}:{field}", {})[row["language"]] = row[field]
    return [{"id": key, "texts": texts} for key, texts in found.items()]


def load_parallel(specs: Sequence[str]) -> list[dict]:
    """Parallel text of sources: the sentences of ``sentences:<file>``, the questions and passages of any other corpus.

    Args:
        specs: the sources; ids begin with the source where there are several.

    Raises:
        ValueError: no source, or whatever ``kit.data.registry.load_corpus`` refuses.

    >>> sorted(load_parallel(["atlas?languages=de,en"])[0]["texts"])
    ['de', 'en']
    """
    if not specs:
        raise ValueError("specs is empty: name a source of parallel text, such as sentences:data/ntrex/ntrex.jsonl.gz")
    if len(specs) == 1:
        return _load_parallel(specs[0])
    return [row | {"id": f"{spec}:{row['id']}"} for spec in specs for row in _load_parallel(spec)]


def _load_parallel(spec: str) -> list[dict]:
    kind, _, path = spec.strip().partition("?")[0].partition(":")
    if kind == "sentences":
        return read_parallel(root() / Path(path).expanduser())
    return rows_of_corpus(load_corpus(spec.strip()))


def sentence_pairs(
    rows: Iterable[Mapping], languages: Sequence[str], n_groups: int, name: str, seed: int = 0
) -> ParallelCorpus:
    """Parallel text itself as training data: a group is a row in all its languages, the query its first half.

    Within a language a batch asks which sentence a beginning belongs to, across languages which translation.

    Args:
        rows: each with ``id`` and ``texts``, a mapping of language to text.
        languages: tags; rows with fewer than two of them are left out.
        n_groups: how many rows are taken at most, by a hash of their ids and ``seed``.
        name: of the corpus.

    Raises:
        ValueError: no row has two of the languages.
    """
    groups = [
        (row["id"], {tag: row["texts"][tag] for tag in languages if row["texts"].get(tag, "").strip()}) for row in rows
    ]
    groups = [(group_id, texts) for group_id, texts in groups if len(texts) > 1]
    if not groups:
        raise ValueError(f"rows: none has two of the languages {list(languages)}: choose languages that the rows have")
    groups.sort(key=lambda group: (stable_fraction(group[0], seed), group[0]))
    return ParallelCorpus.from_rows(
        (
            {"group_id": group_id, "language": tag, "query": half(text, tag), "passage": text, "source": name}
            for group_id, texts in groups[:n_groups]
            for tag, text in texts.items()
        ),
        name,
    )


def read_parallel(path: str | Path) -> list[dict]:
    """Read a ``.jsonl`` or ``.jsonl.gz`` file of parallel sentences (NTREX, TICO-19); see ``sentences.parallel_rows``."""
    return [{"id": sentence_id, "texts": texts} for _, sentence_id, texts in parallel_rows(path)]


def pairs(rows: Iterable[Mapping], source: str, target: str) -> list[tuple[str, str]]:
    """Texts of the rows that have both languages, neither of them blank.

    Raises:
        ValueError: there are none.

    >>> pairs([{"texts": {"en": "Hello", "de": "Hallo"}}, {"texts": {"en": "Bye"}}], "en", "de")
    [('Hello', 'Hallo')]
    """
    both = [(row["texts"].get(source, ""), row["texts"].get(target, "")) for row in rows]
    found = [(text, translation) for text, translation in both if text.strip() and translation.strip()]
    if not found:
        raise ValueError(f"rows: none has texts in both {source!r} and {target!r}: choose languages that the rows have")
    return found
