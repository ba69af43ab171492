"""Texts of data made safe for figures: plotly reads a part of HTML in every title, label and hover text."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import wcwidth

_DIRECTION_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
_MARKS = {"L": "\u200e", "R": "\u200f"}
_TITLE_COLUMNS = 95  # of a title that is as wide as a figure


def clean(text: str) -> str:
    r"""A text without control characters and controls of direction; each run of white space becomes one blank.

    Joiners stay, because words of some languages need them; half a surrogate pair, which no file can hold, becomes U+FFFD.

    >>> clean("a\u202eb\x00\n c")
    'ab c'
    """
    kept = (character for character in text if character not in _DIRECTION_CONTROLS and not _is_control(character))
    return " ".join("".join("\ufffd" if unicodedata.category(one) == "Cs" else one for one in kept).split())


def spoken(text: str) -> str:
    r"""A text of data inside a text alternative: cleaned, and isolated where it has right-to-left letters.

    Else a number after it would be read as a part of it, on its other side.

    >>> spoken("model"), spoken("\u05d0")
    ('model', '\u2068א\u2069')
    """
    text = clean(text)
    return f"{_ISOLATE}{text}{_END_OF_ISOLATE}" if any(_strong(character) == "R" for character in text) else text


def plain(text: str, width: int = 70) -> str:
    """A text of data as plotly shows it unchanged: cleaned, escaped, right-to-left text isolated, wrapped with ``<br>``.

    ``$`` (TeX) and ``%{`` (templates) are escaped too. Lines end at blanks, after ``-``, ``/`` and ``_`` inside a word, and
    beside wide characters; what is longer than a line is cut between grapheme clusters. Each line of a text with
    right-to-left letters stands between U+2068 and U+2069, in the direction of the text's first strong letter.

    Args:
        width: columns of a line; a wide character of East Asia takes two, a combining one none.

    Raises:
        ValueError: ``width`` below 2, where a wide character finds no room.

    >>> plain("<b>one</b> & two", width=10)
    '&lt;b&gt;one&lt;/b&gt;<br>&amp; two'
    """
    if width < 2:
        raise ValueError(f"width is {width}: choose at least 2 columns")
    lines = _wrapped(clean(text), width)
    if any(_strong(character) == "R" for line in lines for character in line):
        lines = _isolated(lines)
    return "<br>".join(_escaped(line) for line in lines)


def title_of(*parts: str) -> str:
    """Parts that are markup already in one line where they fit, else in a line each."""
    fits = n_columns(html.unescape(" ".join(parts))) <= _TITLE_COLUMNS and not any("<br>" in part for part in parts)
    return (" " if fits else "<br>").join(parts)


def labels(names: Sequence[str], width: int) -> dict[str, str]:
    r"""``plain`` label of each name; names that look alike once they are cleaned are told apart by a number.

    >>> labels(["a", "a\u200f"], 9)
    {'a': 'a', 'a\u200f': 'a (2)'}
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        text, number = clean(name) or "(no name)", 1
        while plain(text, width) in found.values():
            number += 1
            text = f"{clean(name) or '(no name)'} ({number})"
        found[name] = plain(text, width)
    return found


def n_lines(markup: str) -> int:
    """Lines of a text as ``plain`` returns it."""
    return markup.count("<br>") + 1


@lru_cache(maxsize=2**14)  # wrapping asks about the same few characters and words again and again
def n_columns(text: str) -> int:
    r"""Columns that a text takes: 2 a wide character, 0 a combining or invisible one, 1 any other.

    >>> n_columns("ab"), n_columns("中文"), n_columns("e\u0301")
    (2, 4, 1)
    """
    return sum(  # not what a terminal gives it: in a figure the spacing vowels of Hindi take room, too
        0 if unicodedata.category(one) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def _is_control(character: str) -> bool:
    """A control character that is no white space, which becomes a blank."""
    return unicodedata.category(character) == "Cc" and not character.isspace()


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and n_columns(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        for cluster in wcwidth.iter_graphemes(piece):
            if lines[-1] and n_columns(lines[-1] + cluster.rstrip()) > width:
                lines.append("")
            lines[-1] += cluster
    return [line.strip() for line in lines]


def _pieces(text: str) -> Iterator[str]:
    """What no end of a line should cut, with the blank that follows it."""
    piece = ""
    for cluster in wcwidth.iter_graphemes(text):
        if piece and _may_part(piece, cluster):
            yield piece
            piece = ""
        piece += cluster
    if piece:
        yield piece


def _may_part(piece: str, cluster: str) -> bool:
    before, after = piece[-1], cluster[0]
    if after == " " or unicodedata.category(after) in ("Pe", "Pf", "Po"):
        return False  # closing marks stay with what they close
    if unicodedata.category(before) in ("Ps", "Pi"):
        return False
    in_word = before in "-/_" and piece[:-1][-1:].isalnum() and after.isalnum()
    return before == " " or in_word or n_columns(piece[-1]) == 2 or n_columns(after) == 2


def _strong(character: str) -> str | None:
    """``"L"`` or ``"R"`` for a character with a direction of its own."""
    direction = unicodedata.bidirectional(character)
    return "R" if direction in ("R", "AL") else "L" if direction == "L" else None


def _isolated(lines: list[str]) -> list[str]:
    """Lines in isolates; a line that starts with a letter of the other direction gets a mark of the text's."""
    first = [next(filter(None, map(_strong, line)), None) for line in lines]
    direction = next(filter(None, first))
    return [
        _ISOLATE + ("" if own == direction else _MARKS[direction]) + line + _END_OF_ISOLATE
        for own, line in zip(first, lines)
    ]


def _escaped(line: str) -> str:
    return html.escape(line, quote=False).replace("$", "&#36;").replace("%{", "&#37;{")
