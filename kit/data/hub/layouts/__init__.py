"""Forms in which public sets come: which files each has, and how their rows become the kit's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kit.data.bitext import GOLD_COLUMNS, SENTENCE_COLUMNS
from kit.data.corpus import CANDIDATE_COLUMNS, CORPUS_COLUMNS, QUERY_COLUMNS, RELEVANCE_COLUMNS
from kit.data.hub.manifest import File
from kit.data.hub.raw import Raw

COLUMNS = {
    "queries": QUERY_COLUMNS,
    "candidates": CANDIDATE_COLUMNS,
    "relevance": RELEVANCE_COLUMNS,
    "corpus": CORPUS_COLUMNS,
    "source": SENTENCE_COLUMNS,
    "target": SENTENCE_COLUMNS,
    "gold": GOLD_COLUMNS,
}
"""Tables that a layout may make; the first three are a task (and a corpus, of what is relevant), the last three bitext."""

TASK, BITEXT = ("queries", "candidates", "relevance"), ("source", "target", "gold")


@dataclass(frozen=True)
class Layout:
    """A form of files.

    tables: how each table's rows are made out of the files of a language and split.
    files: of each role, where the manifest says nothing else.
    shared: tables that do not depend on the split, and are made once, by the one role whose files they need.
    """

    tables: Mapping[str, Callable[[Raw], Iterator[dict]]]
    files: Mapping[str, File] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=lambda: {"candidates": "corpus"})

    @property
    def forms(self) -> list[str]:
        """What the layout offers: ``corpus``, ``task``, ``bitext``."""
        found = {"corpus": {"corpus"} <= set(self.tables) or set(TASK) <= set(self.tables)}
        found |= {"task": set(TASK) <= set(self.tables), "bitext": set(BITEXT) <= set(self.tables)}
        return [form for form, there in found.items() if there]


def layouts() -> dict[str, Layout]:
    """All layouts, by the names that the manifest uses."""
    from kit.data.hub.layouts import bitext, pairs, passages, retrieval

    return {name: one for module in (retrieval, passages, pairs, bitext) for name, one in module.LAYOUTS.items()}
