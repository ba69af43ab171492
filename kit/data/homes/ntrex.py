"""NTREX-128: one line-aligned text a language, and one with the document of each line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kit.data.homes.layout import aligned_lines

CODES = dict(
    zip(
        "arb ben deu eng fas fra heb hin ind ita jpn kor nld pol por-BR rus spa swa tam tha tur urd vie zho-CN".split(),
        "ar bn de en fa fr he hi id it ja ko nl pl pt ru es sw ta th tr ur vi zh".split(),
    )
)
"""Languages that the kit's studies read: how the files call each, and its tag. English is the source."""


def file_of(code: str) -> str:
    """The file of a language; the English one is what the others were translated from."""
    return f"NTREX-128/newstest2019-{'src' if code == 'eng' else 'ref'}.{code}.txt"


def convert(folder: Path) -> Iterator[dict]:
    """Rows of ``ntrex.jsonl.gz``: one a sentence, in all languages of ``CODES``.

    Args:
        folder: holds ``NTREX-128/newstest2019-ref.deu.txt`` and so on, and ``DOCUMENT_IDS.tsv``.

    Raises:
        ValueError: a file that is not a text, or that has another number of lines than the others.
    """
    documents = aligned_lines(folder / "DOCUMENT_IDS.tsv")
    texts = {tag: aligned_lines(folder / file_of(code), len(documents)) for code, tag in CODES.items()}
    for number, document in enumerate(documents):
        yield {
            "id": f"ntrex-{number}",
            "document": document,
            "domain": "news",
            "source": "ntrex128",
            "texts": {tag: lines[number] for tag, lines in texts.items()},
        }
