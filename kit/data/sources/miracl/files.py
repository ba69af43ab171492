"""MIRACL's files as a task that is held in memory, and as collections whose corpora are read as streams."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kit.core.languages import chosen_tags, tag_of_each
from kit.data.corpus import RetrievalTask
from kit.data.judged.collection import JudgedCollection
from kit.data.judged.qrels import by_query, read_qrels
from kit.data.judged.stream import corpus_files, passage_stream
from kit.data.lines import text_lines
from kit.data.pools import pooled

_TOPICS, _CORPUS = "miracl-v1.0-", "miracl-corpus-v1.0-"


def judged(folder: str | Path, split: str = "dev", languages: Sequence[str] | None = None) -> list[JudgedCollection]:
    """One collection a language: its questions against its own corpus.

    Args:
        folder: holds ``miracl-v1.0-…`` and ``miracl-corpus-v1.0-…``, or folders that do.
        split: ``dev``, or another of which there are judgements.
        languages: ``None``: all whose questions and corpus are both there.

    Raises:
        ValueError: a file or language is not there, or a file is not of this layout.
    """
    folder = Path(folder)
    topics, corpora = _folders(folder, _TOPICS), _folders(folder, _CORPUS)
    code_of = {tag: code for code, tag in tag_of_each([code for code in topics if code in corpora], folder).items()}
    if not code_of:
        raise ValueError(
            f"{folder}: no language with both {_TOPICS}… ({', '.join(topics) or 'none'}) and {_CORPUS}… "
            f"({', '.join(corpora) or 'none'}): give the folder that holds them"
        )
    tags = chosen_tags(languages, code_of, folder)
    return [_collection(tag, code_of[tag], topics[code_of[tag]], corpora[code_of[tag]], split) for tag in tags]


def task(folder: str | Path, split: str = "dev", languages: Sequence[str] | None = None) -> RetrievalTask:
    """The same as one task, all of whose texts are held in memory, for the smaller languages.

    What is relevant is in the language of the question, so that there are no cross-lingual cells; the pool holds the corpora
    of all languages. Ids begin with the language, since corpora share them (``sw:12#0``). Passages without any text are left
    out; those of equal text are one (``kit.data.pools``). Arguments and errors as in ``judged``.
    """
    queries, candidates, relevance, notes = [], [], [], ()
    for one in judged(folder, split, languages):
        tag = one.language
        queries += [{"query_id": f"{tag}:{key}", "language": tag, "text": text} for key, text in one.queries.items()]
        passages = {passage.passage_id: passage.text for passage in one.passages()}
        candidates += [
            {"candidate_id": f"{tag}:{key}", "language": tag, "text": text} for key, text in passages.items() if text
        ]
        for query_id, grades in one.grades.items():
            relevant = {key: grade for key, grade in grades.items() if grade >= 1}
            absent = [key for key in relevant if not passages.get(key)]
            if absent:
                raise ValueError(f"{one.name}: question {query_id!r} asks for {absent[0]!r}: give the whole corpus")
            relevance += [
                {"query_id": f"{tag}:{query_id}", "candidate_id": f"{tag}:{key}", "grade": grade}
                for key, grade in relevant.items()
            ]
        notes += tuple(f"{tag}: {note}" for note in one.notes)
    return pooled(RetrievalTask.from_rows(f"miracl-{split}", queries, candidates, relevance), str(folder), notes)


def _collection(tag: str, code: str, topics: Path, corpus: Path, split: str) -> JudgedCollection:
    texts = _topics(_of_split(topics, "topics", code, split))
    grades = by_query(read_qrels(_of_split(topics, "qrels", code, split)))
    passages, version = passage_stream(corpus_files(corpus, "docs-*"), "docid")
    return JudgedCollection.of(f"miracl-{tag}-{split}", tag, texts, grades, passages, version)


def _folders(folder: Path, start: str) -> dict[str, Path]:
    """Folder of each language code, in the folder itself or in one below it."""
    found: dict[str, Path] = {}
    for path in sorted([*folder.glob(f"{start}*"), *folder.glob(f"*/{start}*")]):
        code = path.name.removeprefix(start)
        if path.is_dir() and re.fullmatch("[a-z]{2,3}", code) and found.setdefault(code, path) != path:
            raise ValueError(f"{folder}: {found[code]} and {path} are both {path.name}: keep one of the two")
    return found


def _of_split(folder: Path, part: str, code: str, split: str) -> Path:
    start = f"{part}.{_TOPICS}{code}-"
    path = folder / part / f"{start}{split}.tsv"
    if not path.is_file():
        there = sorted(file.stem.removeprefix(start) for file in path.parent.glob(f"{start}*.tsv"))
        raise ValueError(f"{path}: no such file: choose the split from those that exist ({', '.join(there) or 'none'})")
    return path


def _topics(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in enumerate(text_lines(path), start=1):
        query_id, tab, text = line.partition("\t")
        if not (tab and query_id.strip() and text.strip()):
            raise ValueError(f"{path}, line {number}: {line!r:.60} is not question id, tab, question: write the two")
        if query_id in texts:
            raise ValueError(f"{path}, line {number}: question {query_id!r} stands there already: keep one of the two")
        texts[query_id] = text.strip()
    return texts
