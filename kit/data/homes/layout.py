"""What several converters need of the files of a home: their texts and XML, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from kit.data.lines import text_lines


def parsed_xml(content: bytes, place: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        ValueError: it is none; names ``place``.
    """
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ValueError(f"{place}: not XML ({error}): download it again") from None


def aligned_lines(path: Path, n_lines: int | None = None) -> list[str]:
    """Lines of a text whose line i belongs to line i of other files, without white space at their ends.

    Raises:
        ValueError: not UTF-8, or another number of lines than ``n_lines``.
    """
    lines = [line.strip() for line in text_lines(path)]
    if n_lines is not None and len(lines) != n_lines:
        raise ValueError(f"{path}: {len(lines)} lines, and {n_lines} in the files beside it: download it again")
    return lines
