"""Parallel sentences (NTREX, TICO-19, your own): pairs to train on, tasks of finding which are translations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.core.languages import chosen_tags, has_spaces, tag_of_each
from kit.core.seeding import stable_fraction
from kit.core.tables import json_lines, some
from kit.data.bitext import SIDES, BitextTask
from kit.data.corpus import ParallelCorpus

QUERIES = ("whole", "half")


def corpus(path: str | Path, languages: Sequence[str] | None = None, query: str = "whole") -> ParallelCorpus:
    """Read parallel sentences as training data: a group is a sentence in all its languages, its passage the sentence.

    With whole sentences as queries, a batch across languages holds translations (what LaBSE ranks), and one within a
    language holds each sentence twice (what SimCSE tells apart with the help of dropout). A half is the beginning of the
    sentence, as in the random crops of Contriever (arXiv 2112.09118): it teaches something within a language, too.

    Args:
        path: a ``.jsonl`` or ``.jsonl.gz`` file whose lines have ``id`` and ``texts``, a mapping of language to text.
        languages: tags, the file's own codes or English names; ``None``: all that occur. Sentences that none of them has
            are left out.
        query: ``whole`` or ``half`` (the first half of the words; of the characters in languages without spaces; a
            sentence of one word or character is its own half).

    Raises:
        ValueError: no such file, a line that is not of that form, a language that does not occur, an unknown ``query``.

    >>> corpus("ntrex.jsonl.gz", languages=["de", "en"]).languages  # doctest: +SKIP
    ('de', 'en')
    """
    if query not in QUERIES:
        raise ValueError(f"query is {query!r}: choose {' or '.join(QUERIES)}")
    sentences = parallel_rows(path)
    wanted = chosen_tags(languages, _tags(sentences), path)
    name = Path(path).name.split(".")[0]
    rows = [
        {
            "group_id": sentence_id,
            "language": language,
            "query": text if query == "whole" else half(text, language),
            "passage": text,
            "source": name,
        }
        for _, sentence_id, texts in sentences
        for language, text in texts.items()
        if language in wanted and text.strip()
    ]
    return ParallelCorpus.from_rows(rows, name)


def bitext(path: str | Path, source: str, target: str, distractors: float = 0.5, seed: int = 0) -> BitextTask:
    """Make a task like BUCC from parallel sentences: some keep only one side, so the others are gold among distractors.

    About ``distractors`` of the sentences keep one side, half of them the source and half the target: 0.5 leaves twice as
    many pairs as distractors on each side. A hash of the sentence's id and the seed decides, so a sentence has one fate in
    all language pairs. Of sentences that share a text in either language the first is kept: what looks wrong
    would be right otherwise. Both sides of a pair were written by translators, and the distractors come from the same
    documents: the task is one of its own, not comparable to BUCC.

    Args:
        path: JSONL with ``id`` and ``texts`` (language: sentence), as NTREX and TICO-19 are kept here; other fields are not
            read. Sentences that lack one of the two languages are no part of the task.
        source, target: the two languages, as tags, the file's own codes or English names.
        distractors: share of the sentences that keep one side, at least 0 and below 1; 0 keeps all pairs.
        seed: of the hash.

    Raises:
        ValueError: no such file, a row that is not of that form, an id twice, one language for both sides or one that no row
            has, ``distractors`` out of range, or what ``BitextTask`` refuses.

    >>> bitext("ntrex.jsonl.gz", "de", "en").n_gold  # doctest: +SKIP
    1020
    """
    path, rows = Path(path), parallel_rows(path)
    tags = chosen_tags((source, target), _tags(rows), path)
    if len(tags) < 2:
        raise ValueError(f"source and target are both {tags[0]!r}: choose two languages")
    return bitext_of_rows(rows, (tags[0], tags[1]), path, distractors, seed)


def bitext_of_rows(
    rows: list[tuple[int, str, dict[str, str]]], tags: tuple[str, str], path: Path, distractors: float, seed: int
) -> BitextTask:
    """A task of parallel rows (line, id, texts by tag), some of which keep one side only; see ``bitext``."""
    if not 0 <= distractors < 1:
        raise ValueError(f"distractors is {distractors}: choose a share of at least 0 and below 1")
    kept_rows: dict[str, list[dict]] = {side: [] for side in (*SIDES, "gold")}
    lines: dict[str, list[int]] = {side: [] for side in (*SIDES, "gold")}
    for line, sentence_id, texts in _distinct(rows, tags, path):
        fate = stable_fraction(f"distractor {sentence_id}", seed)
        ids = {f"{side}_id": f"{sentence_id}@{tag}" for side, tag in zip(SIDES, tags)}
        kept = ("source",) if fate < distractors / 2 else ("target",) if fate < distractors else (*SIDES, "gold")
        for part in kept:
            sentence = {"sentence_id": ids[f"{part}_id"], "text": texts[tags[SIDES.index(part)]]} if part in SIDES else ids
            kept_rows[part].append(sentence)
            lines[part].append(line)
    where = {part: (lambda index, numbers=lines[part]: f"{path}, line {numbers[index]}") for part in lines}
    name = f"{path.name.split('.')[0]} {'-'.join(tags)}"
    return BitextTask.from_rows(name, *tags, kept_rows["source"], kept_rows["target"], kept_rows["gold"], where)


def parallel_rows(path: str | Path) -> list[tuple[int, str, dict[str, str]]]:
    """Line, id and texts by tag of each row of a ``.jsonl`` or ``.jsonl.gz`` file of parallel sentences.

    Raises:
        ValueError: no such file, a row that is not of that form, an id twice, a language that is none, or two codes of a
            row that are one language.
    """
    rows, seen = [], {}
    for line, row in enumerate(json_lines(path), 1):
        sentence_id, texts = row.get("id"), row.get("texts")
        right = isinstance(sentence_id, str) and sentence_id
        if not right or not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f'{path}, line {line}: not of the form {{"id": "1", "texts": {{"de": "…", "en": "…"}}}}')
        if sentence_id in seen:
            raise ValueError(f"{path}, line {line}: id {sentence_id!r} stands already in line {seen[sentence_id]}")
        seen[sentence_id] = line
        tags = tag_of_each(texts, f"{path}, line {line}")
        rows.append((line, sentence_id, {tags[code]: text for code, text in texts.items()}))
    return rows


def _tags(rows: list[tuple[int, str, dict[str, str]]]) -> set[str]:
    return {tag for _, _, texts in rows for tag in texts}


def half(text: str, language: str) -> str:
    """The first half of a text, rounded up.

    >>> half("one two three", "en"), half("曼谷是首都", "zh")
    ('one two', '曼谷是')
    """
    if not has_spaces(language):
        return text[: -(-len(text) // 2)]
    words = text.split()
    return " ".join(words[: -(-len(words) // 2)])


def _distinct(
    rows: list[tuple[int, str, dict[str, str]]], tags: tuple[str, str], path: Path
) -> list[tuple[int, str, dict[str, str]]]:
    """The rows that have both languages and share neither text with an earlier one."""
    kept, seen = [], set()
    for line, sentence_id, texts in rows:
        keys = {(tag, texts[tag]) for tag in tags if tag in texts}
        if len(keys) == 2 and not keys & seen:
            seen |= keys
            kept.append((line, sentence_id, texts))
    if not kept:
        raise ValueError(f"{path}: no sentence in both {tags[0]!r} and {tags[1]!r}: choose from {some(_tags(rows))}")
    return kept
