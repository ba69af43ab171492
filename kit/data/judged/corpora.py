"""The passages of a source, language by language, as streams: a corpus on the disk, or the candidates of a task."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

from kit.data.judged.collection import Corpus
from kit.data.judged.stream import table_stream
from kit.data.registry import kinds, load_corpora, load_judged, load_task, source_fingerprints


def load_passages(spec: str, **options: Any) -> list[Corpus]:
    """Load what can be found in a source, a corpus a language.

    A public set (``hub:``), and a source that has judged collections (``miracl:``, ``beir:``), is read as a stream and never
    held; of any other the candidates of its task are taken, which are in memory.

    Args:
        spec: ``kind[:path][?option=value[&…]]``, as in ``kit.data.registry``.
        options: passed to the source.

    Raises:
        ValueError: whatever the source refuses; two collections in one language.
    """
    kind = spec.partition("?")[0].partition(":")[0]
    if kind in kinds("passages"):
        return load_corpora(spec, **options)
    if kind in kinds("judged"):
        collections = load_judged(spec, **options)
        found = [Corpus(one.language, one.passages, one.corpus_version) for one in collections]
    else:
        task, (version,) = load_task(spec, **options), source_fingerprints([spec]).values()
        tags = task.candidates.column("language")
        found = [
            Corpus(tag, table_stream(task.candidates.filter(pc.equal(tags, tag))), version)
            for tag in pc.unique(tags).to_pylist()
        ]
    languages = [one.language for one in found]
    twice = [tag for tag in languages if languages.count(tag) > 1]
    if twice:
        raise ValueError(f"source {spec!r}: two collections are in {twice[0]!r}: name one of them")
    return found
