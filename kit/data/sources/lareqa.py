"""XQuAD-R and MLQA-R in the layout of LAReQA (arXiv 2004.05484): questions against answer sentences, one file a language."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.core.languages import chosen_tags, tag_of_each
from kit.core.seeding import stable_fraction
from kit.data.clusters import passage_clusters
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.sources.squad import Paragraph, Question, list_field, read_paragraphs


@dataclass(frozen=True)
class _Answer:
    """A question and the place of its answer: paragraph and sentence, both from 0, in the file of one language."""

    question_id: str
    question: str
    article: int
    paragraph: int
    sentence: int
    text: str


TEST_SHARE = 0.2
"""Share of the articles whose questions are the part ``test``."""


def task(
    folder: str | Path, languages: Sequence[str] | None = None, name: str | None = None, part: str = "all"
) -> RetrievalTask:
    """Read a folder of ``<language>.json`` files as one task over all its languages (arXiv 2408.10536, section 4).

    A candidate is a sentence of a paragraph, known by its place (``en:12:3``: English, paragraph 12, sentence 3, both from
    0) and never by its text. The start of the (first) answer decides the sentence. Relevant are the answer sentences in
    every language in which the question exists. A query id is ``<language>:<question id>``.

    Args:
        folder: holds ``de.json``, ``en.json``, …
        languages: to read, in the order of the task, as tags, names of files or English names; ``None``: all, sorted.
        name: of the task; default: that of the folder.
        part: ``all`` questions, or those of the articles that are to ``train`` on or to ``test`` on; always against all
            candidates. The data sets have no such split: it is made here, by a hash of the article (articles that share a
            question are one, in whatever languages), so that one set can serve both, for demonstration.

    Raises:
        ValueError: no such folder, language or part, a file that is not in the layout of LAReQA, a question id twice in a
            file.

    >>> task("xquad-r", languages=["en", "de"]).languages  # doctest: +SKIP
    ('en', 'de')
    """
    files, asked = _files(folder, languages), _questions_of(folder, part)
    queries, candidates = [], []
    answered: dict[str, list[str]] = {}  # question id -> its relevant candidates in all languages
    for language, path in files.items():
        sentences, answers = _read(path)
        for (paragraph, sentence), text in sentences.items():
            candidates.append({"candidate_id": f"{language}:{paragraph}:{sentence}", "language": language, "text": text})
        for answer in asked(answers):
            queries.append(
                {
                    "query_id": f"{language}:{answer.question_id}",
                    "group_id": answer.question_id,
                    "language": language,
                    "text": answer.question,
                }
            )
            answered.setdefault(answer.question_id, []).append(f"{language}:{answer.paragraph}:{answer.sentence}")
    relevance = (
        {"query_id": query["query_id"], "candidate_id": candidate}
        for query in queries
        for candidate in answered[query["group_id"]]
    )
    return RetrievalTask.from_rows(name or _name(folder, part), queries, candidates, relevance, list(files))


def corpus(folder: str | Path, languages: Sequence[str] | None = None, part: str = "all") -> ParallelCorpus:
    """Read the same folder as training data: one group a question, its passage the answer sentence.

    Clusters join the questions that share an answer sentence in any of the languages read. Train on XQuAD-R only to test
    on MLQA-R, or the reverse, or on the part ``train`` to test on the part ``test``, and say so. Arguments and errors as in
    ``task``.

    >>> len(set(corpus("xquad-r").cluster_of))  # doctest: +SKIP
    489
    """
    rows, keys, asked = [], [], _questions_of(folder, part)
    for language, path in _files(folder, languages).items():
        for answer in asked(_read(path)[1]):
            rows.append(
                {
                    "group_id": answer.question_id,
                    "language": language,
                    "query": answer.question,
                    "passage": answer.text,
                    "source": _name(folder),
                }
            )
            keys.append((language, answer.paragraph, answer.sentence))
    clusters = passage_clusters([row["group_id"] for row in rows], keys)
    return ParallelCorpus.from_rows(
        ({**row, "cluster_id": cluster} for row, cluster in zip(rows, clusters)), _name(folder, part)
    )


def _questions_of(folder: str | Path, part: str) -> Callable[[list[_Answer]], list[_Answer]]:
    """A filter that keeps the questions of a part; the split looks at all languages of the folder, whichever are read."""
    if part not in ("all", "train", "test"):
        raise ValueError(f"part is {part!r}: choose all, train or test")
    if part == "all":
        return list
    found = [(language, answer) for language, path in _files(folder, None).items() for answer in _read(path)[1]]
    questions = [answer.question_id for _, answer in found]
    clusters = passage_clusters(questions, [(language, answer.article) for language, answer in found])
    name_of: dict[str, str] = {}  # the least question id: a cluster's own name is its first question, which goes by the file
    for question, cluster in zip(questions, clusters):
        name_of[cluster] = min(question, name_of.get(cluster, question))
    in_test = {question: stable_fraction(name_of[cluster]) < TEST_SHARE for question, cluster in zip(questions, clusters)}
    return lambda answers: [answer for answer in answers if in_test[answer.question_id] == (part == "test")]


def _name(folder: str | Path, part: str = "all") -> str:
    return Path(folder).resolve().name + ("" if part == "all" else f", part {part}")


def _files(folder: str | Path, languages: Sequence[str] | None) -> dict[str, Path]:
    """File of each wanted language, in the wanted order."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder: give one that holds <language>.json files")
    tags = tag_of_each(sorted(path.stem for path in folder.glob("*.json")), f"{folder}, names of the .json files")
    if not tags:
        raise ValueError(f"{folder}: no <language>.json file: give a folder that holds them")
    files = {tag: folder / f"{stem}.json" for stem, tag in tags.items()}
    return {tag: files[tag] for tag in chosen_tags(languages, files, folder)}


def _read(path: Path) -> tuple[dict[tuple[int, int], str], list[_Answer]]:
    """Sentences of a file by (paragraph, sentence), both from 0, and the answers of its questions."""
    sentences, answers = {}, []
    for number, paragraph in enumerate(read_paragraphs(path)):
        texts, ends = _sentences(paragraph)
        sentences.update({(number, position): text for position, text in enumerate(texts)})
        for question in paragraph.questions:
            position = _sentence_of(question, ends)
            answers.append(
                _Answer(question.question_id, question.text, paragraph.article, number, position, texts[position])
            )
    return sentences, answers


def _sentences(paragraph: Paragraph) -> tuple[list[str], list[int]]:
    """Texts of a paragraph's sentences and the offset at which each ends."""
    texts = list_field(paragraph.fields, "sentences", paragraph.place)
    breaks = list_field(paragraph.fields, "sentence_breaks", paragraph.place)
    if len(texts) != len(breaks):
        raise ValueError(f"{paragraph.place}: {len(texts)} sentences, {len(breaks)} sentence_breaks: write as many of each")
    for position, (text, span) in enumerate(zip(texts, breaks)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{paragraph.place}, sentence {position}: {text!r:.60} is not a text: write one or drop it")
        if not (isinstance(span, list) and len(span) == 2 and all(isinstance(offset, int) for offset in span)):
            raise ValueError(f"{paragraph.place}, sentence {position}: break {span!r:.60} is not [start, end]: write it so")
    ends = [end for _, end in breaks]
    if ends != sorted(ends):
        raise ValueError(f"{paragraph.place}: sentence_breaks {ends} do not ascend: write them in the order of the text")
    return texts, ends


def _sentence_of(question: Question, ends: list[int]) -> int:
    """The sentence in which the answer starts; a start in the space between two sentences belongs to the second.

    Only the ends are compared: two Turkish breaks of XQuAD-R do not slice to their sentences, and some answers run over
    the end of the sentence in which they start.
    """
    start = question.answer_start
    position = -1 if start is None or start < 0 else bisect_right(ends, start)
    if not 0 <= position < len(ends):
        raise ValueError(
            f"{question.place}: answer_start {start} lies in no sentence "
            f"(the last one ends at {ends[-1] if ends else 0}): correct the offset"
        )
    return position
