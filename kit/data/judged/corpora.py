"""The passages of a source, language by language, as streams: those of a judged collection, or the candidates of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from kit.data.judged.collection import Passage
from kit.data.registry import kinds, load_judged, load_task, source_fingerprints


@dataclass(frozen=True, eq=False)
class Corpus:
    """The passages of one language.

    language: their tag.
    passages: begins the stream anew, always in the same order.
    version: what its content depends on.
    """

    language: str
    passages: Callable[[], Iterator[Passage]]
    version: str


def load_passages(spec: str) -> list[Corpus]:
    """Load what can be found in a source, a corpus a language.

    A source that has judged collections (``miracl:``, ``beir:``) is read as a stream and never held; of any other the
    candidates of its task are taken, which are in memory.

    Args:
        spec: ``kind[:path][?option=value[&…]]``, as in ``kit.data.registry``.

    Raises:
        ValueError: whatever the source refuses; two collections in one language.
    """
    if _is_stream(spec):
        collections = load_judged(spec)
        found = [Corpus(one.language, one.passages, one.corpus_version) for one in collections]
    else:
        task, (version,) = load_task(spec), source_fingerprints([spec]).values()
        tags = task.candidates.column("language")
        found = [
            Corpus(tag, _Rows(task.candidates.filter(pc.equal(tags, tag))), version) for tag in pc.unique(tags).to_pylist()
        ]
    languages = [one.language for one in found]
    twice = [tag for tag in languages if languages.count(tag) > 1]
    if twice:
        raise ValueError(f"source {spec!r}: two collections are in {twice[0]!r}: name one of them")
    return found


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a table as a stream."""

    table: pa.Table

    def __call__(self) -> Iterator[Passage]:
        for batch in self.table.select(["candidate_id", "text"]).to_batches(max_chunksize=4096):
            for passage_id, text in zip(*(column.to_pylist() for column in batch.columns)):
                yield Passage(passage_id, "", text)


def _is_stream(spec: str) -> bool:
    kind, _, rest = spec.partition("?")[0].partition(":")
    if kind == "hub":  # a set is what its home made of it
        from kit.data.hub.manifest import entry

        one = entry(rest)
        return one.layout == "miracl" or one.read_as.partition(":")[0] in kinds("judged")
    return kind in kinds("judged")
