"""Train–test overlap: which questions and passages of a test set stand in a training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from kit.core.seeding import stable_hash
from kit.data.bitext import SIDES, BitextTask
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.texts import Normaliser

N_EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """A text of the test set that stands in the training set: its id there, and the group that holds it here."""

    identifier: str
    group_id: str
    text: str
    exact: bool


@dataclass(frozen=True)
class Found:
    """How many texts of one part of the test set stand in the training set; ``n_normalised`` includes ``n_exact``."""

    n_texts: int
    n_exact: int
    n_normalised: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Overlap:
    """What ``overlap`` found; printing it gives a small table with a verdict.

    corpus, task: names of the training set and of the test set.
    questions: queries of the task that are queries of the corpus.
    answers: candidates relevant to some query that are passages of the corpus.
    distractors: the other candidates that are passages of the corpus; these give nothing away by themselves.
    by_language: (language, part) -> counts, for the parts ``questions``, ``answers`` and ``distractors``.
    """

    corpus: str
    task: str
    questions: Found
    answers: Found
    distractors: Found
    by_language: dict[tuple[str, str], Found]

    @property
    def verdict(self) -> str:
        """One sentence: what of the test set stands in the training set after normalisation."""
        hits = [
            (found.n_normalised, found.n_texts, words)
            for found, words in ((self.questions, "questions"), (self.answers, "answers"))
        ]
        if not any(count for count, _, _ in hits):
            return f"No question and no answer of {self.task} stands in {self.corpus}."
        parts = [f"{count:,} of {total:,} {words}" for count, total, words in hits]
        return f"{parts[0]} and {parts[1]} of {self.task} stand in {self.corpus} (after normalisation)."

    def __str__(self) -> str:
        lines = [f"{'part of ' + self.task:<32}{'texts':>10}{'exact':>10}{'normalised':>12}"]
        for part in ("questions", "answers", "distractors"):
            found = getattr(self, part)
            lines.append(f"{part:<32}{found.n_texts:>10,}{found.n_exact:>10,}{found.n_normalised:>12,}")
        for part in ("questions", "answers"):
            for example in getattr(self, part).examples:
                text = example.text if len(example.text) <= 80 else example.text[:79] + "…"
                lines.append(f"  {part[:-1]} {example.identifier} stands in group {example.group_id}: {text}")
        return "\n".join([*lines, self.verdict])


def overlap(corpus: ParallelCorpus, task: RetrievalTask) -> Overlap:
    """Find the questions and passages of a test set that stand in a training set, exactly and after normalisation.

    Normalised, two texts are the same if they have the same letters, marks and digits in the same order
    (``kit.data.texts.normalised``).
    A question is looked for among the queries only and a candidate among the passages only (not among the hard
    negatives), in all languages of the corpus. Texts are compared by 64-bit hashes: the time is linear, and the memory is
    two numbers for each distinct text of the corpus.

    Args:
        corpus: the training set.
        task: the test set.

    >>> row = {"group_id": "1", "language": "en", "query": "What is X?", "passage": "X is Y."}
    >>> mine = ParallelCorpus.from_rows([row], name="mine")
    >>> print(overlap(mine, RetrievalTask.from_corpus(mine, "test")).verdict)
    1 of 1 questions and 1 of 1 answers of test stand in mine (after normalisation).
    """
    normalise = Normaliser()
    relevant = pc.is_in(task.candidates.column("candidate_id"), value_set=pc.unique(task.relevance.column("candidate_id")))
    parts = {
        "questions": ("query", "query_id", task.queries),
        "answers": ("passage", "candidate_id", task.candidates.filter(relevant)),
        "distractors": ("passage", "candidate_id", task.candidates.filter(pc.invert(relevant))),
    }
    known = {column: _Texts(corpus, column, normalise) for column in ("query", "passage")}
    counts = {(language, part): [0, 0, 0] for language in task.languages for part in parts}
    examples: dict[str, list[Example]] = {part: [] for part in parts}
    for part, (column, key, table) in parts.items():
        for identifier, language, text in _texts(table, key, "language", "text"):
            exact, row = known[column].find(text)
            count = counts[language, part]
            count[0] += 1
            count[1] += exact
            count[2] += row is not None
            if row is not None and len(examples[part]) < N_EXAMPLES:
                group = corpus.table.column("group_id")[row].as_py()
                examples[part].append(Example(identifier, group, text, exact))
    total = {}
    for part in parts:
        n_texts, n_exact, n_normalised = (sum(counts[language, part][i] for language in task.languages) for i in range(3))
        total[part] = Found(n_texts, n_exact, n_normalised, tuple(examples[part]))
    by_language = {key: Found(texts, exact, normalised) for key, (texts, exact, normalised) in counts.items()}
    return Overlap(corpus.name, task.name, **total, by_language=by_language)


def sentence_overlap(corpus: ParallelCorpus, tasks: Sequence[BitextTask]) -> list[Found]:
    """Find the sentences of bitext mining tasks that stand in a training set, as ``overlap`` does for retrieval tasks.

    A sentence of either side, distractor or not, is looked for among queries and passages in all languages of the corpus.

    Returns:
        One count a task, in their order.

    >>> row = {"group_id": "1", "language": "en", "query": "Is it?", "passage": "It is so."}
    >>> sentences = [{"sentence_id": "a", "text": "Es ist so."}], [{"sentence_id": "b", "text": "It is so!"}]
    >>> task = BitextTask.from_rows("de-en", "de", "en", *sentences, [{"source_id": "a", "target_id": "b"}])
    >>> found = sentence_overlap(ParallelCorpus.from_rows([row], name="mine"), [task])[0]
    >>> found.n_texts, found.n_exact, found.n_normalised
    (2, 0, 1)
    """
    normalise = Normaliser()
    known = [_Texts(corpus, column, normalise) for column in ("passage", "query")]
    groups = corpus.table.column("group_id")
    counts = []
    for task in tasks:
        n_texts, n_exact, n_normalised, examples = 0, 0, 0, []
        for side in SIDES:
            for identifier, text in _texts(getattr(task, side), "sentence_id", "text"):
                found = [texts.find(text) for texts in known]
                exact = any(is_exact for is_exact, _ in found)
                rows = [row for _, row in found if row is not None]
                n_texts, n_exact, n_normalised = n_texts + 1, n_exact + exact, n_normalised + bool(rows)
                if rows and len(examples) < N_EXAMPLES:
                    examples.append(Example(identifier, groups[rows[0]].as_py(), text, exact))
        counts.append(Found(n_texts, n_exact, n_normalised, tuple(examples)))
    return counts


class _Texts:
    """The texts of one column of a corpus by hash, each with the first row that holds it."""

    def __init__(self, corpus: ParallelCorpus, column: str, normalise: Normaliser) -> None:
        self._normalise = normalise
        self._exact: set[int] = set()
        self._normalised: dict[int, int] = {}
        for row, (text,) in enumerate(_texts(corpus.table, column)):
            self._exact.add(stable_hash(text))
            self._normalised.setdefault(stable_hash(normalise(text)), row)

    def find(self, text: str) -> tuple[bool, int | None]:
        """Whether the text itself stands in the corpus, and the first row with its normalised form."""
        return stable_hash(text) in self._exact, self._normalised.get(stable_hash(self._normalise(text)))


def _texts(table: pa.Table, *columns: str) -> Iterator[tuple[str, ...]]:
    """Rows of some columns, a batch at a time, so that no Python copy of the whole table is held."""
    for batch in table.select(list(columns)).to_batches(max_chunksize=4096):
        yield from zip(*(values.to_pylist() for values in batch.columns))
