"""Parallel sentences (NTREX, TICO-19, your own) as training pairs: a sentence and its translation, or a half and a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.corpus import ParallelCorpus
from kit.languages import has_spaces, language_tag
from kit.tables import json_lines

QUERIES = ("whole", "half")


def corpus(path: str | Path, languages: Sequence[str] | None = None, query: str = "whole") -> ParallelCorpus:
    """Read parallel sentences as training data: a group is a sentence in all its languages, its passage the sentence.

    With whole sentences as queries, a batch across languages holds translations (what LaBSE ranks), and one within a
    language holds each sentence twice (what SimCSE tells apart with the help of dropout). A half is the beginning of the
    sentence, as in the random crops of Contriever (arXiv 2112.09118): it teaches something within a language, too.

    Args:
        path: a ``.jsonl`` or ``.jsonl.gz`` file whose lines have ``id`` and ``texts``, a mapping of language to text.
        languages: tags; ``None``: all that occur. Sentences that none of them has are left out.
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
    known = sorted({language for _, _, texts in sentences for language in texts})
    if strange := [language for language in languages or () if language not in known]:
        raise ValueError(f"{path}: no language {strange[0]!r}: choose from {', '.join(known)}")
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
        if (languages is None or language in languages) and text.strip()
    ]
    return ParallelCorpus.from_rows(rows, name)


def parallel_rows(path: str | Path) -> list[tuple[int, str, dict[str, str]]]:
    """Line, id and texts by tag of each row of a ``.jsonl`` or ``.jsonl.gz`` file of parallel sentences.

    Raises:
        ValueError: no such file, a row that is not of that form, an id twice, or a language that is none.
    """
    rows, seen = [], {}
    for line, row in enumerate(json_lines(path), 1):
        sentence_id, texts = row.get("id"), row.get("texts")
        right = isinstance(sentence_id, str) and sentence_id and isinstance(texts, dict)
        if not right or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f'{path}, line {line}: not of the form {{"id": "1", "texts": {{"de": "…", "en": "…"}}}}')
        if sentence_id in seen:
            raise ValueError(f"{path}, line {line}: id {sentence_id!r} stands already in line {seen[sentence_id]}")
        seen[sentence_id] = line
        try:
            rows.append((line, sentence_id, {language_tag(language): text for language, text in texts.items()}))
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
    return rows


def half(text: str, language: str) -> str:
    """The first half of a text, rounded up.

    >>> half("one two three", "en"), half("曼谷是首都", "zh")
    ('one two', '曼谷是')
    """
    if not has_spaces(language):
        return text[: -(-len(text) // 2)]
    words = text.split()
    return " ".join(words[: -(-len(words) // 2)])
