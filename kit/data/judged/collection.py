"""A judged collection: questions, what people said of passages, and a corpus that is read one passage at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kit.core.seeding import stable_hash
from kit.data.pools import plain


class Passage(NamedTuple):
    """A passage of a corpus; its text is title and body, joined by a space, as BEIR and MIRACL are encoded."""

    passage_id: str
    title: str
    body: str

    @property
    def text(self) -> str:
        """What is encoded; empty for a passage that has neither."""
        return f"{self.title} {self.body}".strip()


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


@dataclass(frozen=True, eq=False)
class JudgedCollection:
    """Questions judged against one corpus, as retrieval is published on MIRACL and BEIR.

    Unlike the candidates of a ``RetrievalTask``, passages of equal text stay apart, and judgements of passages that the
    corpus lacks count, since that is what trec_eval does with the published files.

    name: what tables and files call it; language: tag of the passages.
    queries: text of each question by its id; each has a relevant passage.
    grades: of each question, the grade of each judged passage; 1 or more is relevant, 0 is judged not to be.
    passages: begins the stream of the corpus anew, always in the same order.
    corpus_version: what the content of that stream depends on, such as a checksum of the files.
    notes: what is to be told, a sentence each.
    as_passages: text of the passage that a question is, by their id, where the stream has its title in the body and the two
        texts differ by that alone (ArguAna).

    Raises:
        ValueError: no question; a question without a text, or without a relevant passage.
    """

    name: str
    language: str
    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]
    passages: Callable[[], Iterator[Passage]]
    corpus_version: str
    notes: tuple[str, ...] = ()
    as_passages: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.queries:
            raise ValueError(f"{self.name}: no question: a collection holds at least one")
        for query_id, text in self.queries.items():
            if not text.strip():
                raise ValueError(f"{self.name}: question {query_id!r} has no text: write one, or drop its judgements")
            if not any(grade >= 1 for grade in self.grades.get(query_id, {}).values()):
                raise ValueError(f"{self.name}: question {query_id!r} has no relevant passage: drop it, or judge one")

    @classmethod
    def of(
        cls,
        name: str,
        language: str,
        texts: Mapping[str, str],
        grades: Mapping[str, Mapping[str, int]],
        passages: Callable[[], Iterator[Passage]],
        corpus_version: str,
    ) -> JudgedCollection:
        """Make a collection of the judged questions that have a relevant passage; the others are counted in a note.

        Args:
            texts: of questions, judged or not.

        Raises:
            ValueError: a judged question has no text among ``texts``; as the class.
        """
        for query_id in grades:
            if query_id not in texts:
                raise ValueError(f"{name}: question {query_id!r} is judged but not there: add its text or drop the lines")
        answered = [query_id for query_id in texts if max(grades.get(query_id, {}).values(), default=0) >= 1]
        n_without = len(grades) - len(answered)
        notes = (f"{n_without} of {len(grades)} judged questions have no relevant passage: left out",) if n_without else ()
        return cls(
            name,
            language,
            {query_id: texts[query_id] for query_id in answered},
            {query_id: grades[query_id] for query_id in answered},
            passages,
            corpus_version,
            notes,
        )


def text_digest(text: str) -> int:
    """A number in [0, 2**64) that texts share which differ only in white space and Unicode composition (NFC)."""
    return stable_hash(plain(text))
