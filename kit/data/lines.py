"""Plain text files with one sentence a line, as bitext is distributed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kit.core import tables
from kit.core.languages import language_tag


def language_pairs(folder: str | Path, *patterns: str) -> list[tuple[str, str]]:
    """Language pairs that a folder of BUCC or Tatoeba holds, sorted; ``("afr", "eng")`` is the option ``pair=afr-eng``.

    Args:
        folder: holds the files.
        patterns: of names such as ``de-en.training.gold`` or ``tatoeba.afr-eng.afr``.

    Raises:
        ValueError: no such folder, or it holds no pair.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder: give the one that holds the files")
    names = {file.name.removeprefix("tatoeba.").split(".")[0] for pattern in patterns for file in Path(folder).glob(pattern)}
    found = sorted((first, second) for first, dash, second in (name.partition("-") for name in names) if dash)
    if not found:
        raise ValueError(f"{folder}: no language pair: give a folder with files such as {patterns[0]}")
    return found


def listed_pair(folder: str | Path, pair: str, *patterns: str) -> tuple[str, str]:
    """The two codes of a pair that the folder holds, asked for by them, or by other codes or names of the two languages.

    Patterns and errors as in ``language_pairs``.
    """
    found = {"-".join(codes): codes for codes in language_pairs(folder, *patterns)}
    first, _, second = pair.partition("-")
    with suppress(ValueError):  # what is no language is no pair
        wanted = language_tag(first), language_tag(second)
        same = [name for name, codes in found.items() if tuple(map(language_tag, codes)) == wanted]
        pair = same[0] if pair not in found and len(same) == 1 else pair
    if pair not in found:
        raise ValueError(f"{folder}: no pair {pair!r}: choose from {tables.some(set(found))}")
    return found[pair]


def text_lines(path: Path) -> list[str]:
    """Lines of a text in UTF-8; only a line feed ends one, since a sentence may hold other separators of Unicode."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file: download the data set again, or name another pair or part")
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error}): download or write it again") from None
    if lines == [""]:
        raise ValueError(f"{path}: no line: the file is empty: download or write it again")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def line_of(path: Path) -> tables.Where:
    """Names the line of a row, for messages."""
    return lambda index: f"{path}, line {index + 1}"
