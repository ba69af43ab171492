"""mMARCO (Bonifacio et al. 2021): MS MARCO in 14 languages by machine: two tables a language, and triples of their ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

LANGUAGES = {
    "english": "en",
    "arabic": "ar",
    "chinese": "zh",
    "german": "de",
    "spanish": "es",
    "russian": "ru",
    "hindi": "hi",
}
"""The paper's languages: how the files call each, and its tag."""

TRIPLES = "data/triples.train.ids.small.tsv"
"""The 39,780,811 triples of question, answer and wrong passage that the paper counts."""


def collection_of(language: str) -> str:
    """The file of a language's passages."""
    return f"data/google/collections/{language}_collection.tsv"


def queries_of(language: str) -> str:
    """The file of a language's training questions."""
    return f"data/google/queries/train/{language}_queries.train.tsv"


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``mmarco.jsonl.gz``, a corpus to train on: each question and answer of the triples, a language at a time.

    A question and its answer stand in many triples, each with another wrong passage; that of the first is the negative.
    Passages that are one in MS MARCO are one cluster, however they were translated. A row whose question, answer or negative
    is blank in a language is left out there. In memory are the texts of one language that are needed.

    Args:
        folder: holds ``TRIPLES``, and ``collection_of`` and ``queries_of`` each of ``LANGUAGES``.

    Raises:
        ValueError: a line that has no tab, or is no triple.
    """
    negative_of = _first_negatives(folder / TRIPLES)
    asked = {question for question, _ in negative_of}
    wanted = {answer for _, answer in negative_of} | set(negative_of.values())
    for name, tag in LANGUAGES.items():
        questions, passages = _texts(folder / queries_of(name), asked), _texts(folder / collection_of(name), wanted)
        for (question, answer), negative in negative_of.items():
            query, passage, wrong = questions.get(question), passages.get(answer), passages.get(negative)
            if query and passage and wrong:
                yield {
                    "group_id": f"mmarco-{question}-{answer}",
                    "language": tag,
                    "query": query,
                    "passage": passage,
                    "cluster_id": f"mmarco-{answer}",
                    "source": "mmarco",
                    "negatives": [wrong],
                }


def _first_negatives(path: Path) -> dict[tuple[str, str], str]:
    """The negative of the first triple of each question and answer, in the order of the file."""
    found: dict[tuple[str, str], str] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            ids = line.split()
            if len(ids) != 3:
                raise ValueError(f"{path}, line {number}: {line.strip()[:40]!r} is no triple of ids: download it again")
            found.setdefault((ids[0], ids[1]), ids[2])
    return found


def _texts(path: Path, wanted: set[str]) -> dict[str, str]:
    """Text of each wanted id of a table ``id<TAB>text``."""
    found = {}
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            key, tab, text = line.partition("\t")
            if not tab:
                raise ValueError(f"{path}, line {number}: no tab in {line[:40]!r}: download it again")
            if key in wanted:
                found[key] = text.strip()
    return found
