"""Texts of data in figures: nothing of them is read as markup, and no line is longer than asked for."""

from __future__ import annotations

import html
import unicodedata

import pytest
import wcwidth
from hypothesis import given, strategies as st

from kit.show.plots.text import clean, labels, n_columns, n_lines, plain, title_of

ISOLATE, END = "\u2068", "\u2069"
ANY_TEXT = st.text(st.characters() | st.sampled_from("<>&$%{} \n\u202e\u2067\u200d\u0301ابعที่中文"), max_size=60)


class TestClean:
    @pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0, 7, 0x7F])
    def test_controls_are_gone(self, code):
        assert clean(f"a{chr(code)}b") == "ab"

    @pytest.mark.parametrize("blank", [" ", "  ", "\n", "\t", "\r\n", "\x85", "\u2028", "\u3000", "\xa0"])
    def test_white_space_becomes_one_blank(self, blank):
        assert clean(f"{blank}a{blank}b{blank}") == "a b"

    def test_joiners_stay(self):
        assert clean("می\u200cخواهم 👩\u200d👧") == "می\u200cخواهم 👩\u200d👧"  # Persian and a family need them

    def test_half_a_pair_can_be_written(self):
        assert clean("a\ud83d").encode() == "a\ufffd".encode()


class TestPlain:
    @pytest.mark.parametrize(
        "text, shown",
        [
            ("<b onclick=x>a</b>", "&lt;b onclick=x&gt;a&lt;/b&gt;"),
            ('<a href="x">', '&lt;a href="x"&gt;'),
            ("a<br>b", "a&lt;br&gt;b"),
            ("&lt;", "&amp;lt;"),
            ("$x$", "&#36;x&#36;"),
            ("%{x}", "&#37;{x}"),
            ("100 %", "100 %"),
            ("", ""),
        ],
    )
    def test_escapes(self, text, shown):
        assert plain(text) == shown

    def test_right_to_left_text_is_isolated(self):
        assert plain("ما هي العاصمة؟") == f"{ISOLATE}ما هي العاصمة؟{END}"

    def test_left_to_right_text_is_not(self):
        assert plain("Wo? どこ? ที่ไหน?") == "Wo? どこ? ที่ไหน?"

    def test_each_line_is_isolated_in_the_direction_of_the_text(self):
        # A line that starts with a Latin letter would run left to right without the mark of the text's direction.
        lines = plain("אבג דהו Burkina זחט", width=7).split("<br>")
        assert lines == [f"{ISOLATE}אבג דהו{END}", f"{ISOLATE}\u200fBurkina{END}", f"{ISOLATE}זחט{END}"]

    def test_lines_end_at_blanks(self):
        assert plain("one two three", width=7) == "one two<br>three"

    def test_lines_end_inside_names_where_a_reader_expects_it(self):
        assert plain("intfloat/multilingual-e5_base", width=13) == "intfloat/<br>multilingual-<br>e5_base"

    def test_a_minus_stays_with_its_number(self):
        assert plain("score -0.5", width=7) == "score<br>-0.5"

    def test_chinese_is_cut_anywhere_but_before_a_closing_mark(self):
        assert plain("中文中文，中文", width=8) == "中文中<br>文，中文"  # the comma takes the character before it along

    def test_a_word_longer_than_a_line_is_cut(self):
        assert plain("abcdefgh", width=3) == "abc<br>def<br>gh"

    def test_thai_is_cut_between_characters_as_readers_see_them(self):
        assert plain("ที่นี่", width=2) == "ที่นี่" and plain("ที่นี่ที่", width=2) == "ที่นี่<br>ที่"

    @pytest.mark.parametrize("width", [1, 0, -3])
    def test_width(self, width):
        with pytest.raises(ValueError, match=f"width is {width}: choose at least 2 columns"):
            plain("a", width)

    @given(ANY_TEXT, st.integers(2, 30))
    def test_any_text(self, text, width):
        lines = plain(text, width).split("<br>")
        for line in lines:
            assert "<" not in line and "$" not in line and "%{" not in line
            shown = html.unescape(line).strip(f"{ISOLATE}{END}\u200e\u200f")
            assert n_columns(shown) <= width or len(list(wcwidth.iter_graphemes(shown))) == 1
            assert line.count(ISOLATE) == line.count(END) == (1 if END in line else 0)

    @given(ANY_TEXT)
    def test_nothing_else_is_lost(self, text):
        kept = [html.unescape(line) for line in plain(text, 10).split("<br>")]
        letters = "".join(one for line in kept for one in line if one not in "\u2068\u2069\u200e\u200f \ufffd")
        assert letters == clean(text).replace(" ", "").replace("\ufffd", "")

    @given(ANY_TEXT, st.integers(2, 12))
    def test_no_line_starts_with_a_combining_mark(self, text, width):
        starts = [html.unescape(line).lstrip("\u2068\u200e\u200f")[:1] for line in plain(text, width).split("<br>")]
        assert not [one for one in starts[1:] if one and unicodedata.category(one) in ("Mn", "Me")]


class TestCuts:
    """A word that is longer than a line is cut where a reader sees a new character."""

    @pytest.mark.parametrize(
        "parts",
        [
            ["น้ำ", "น้ำ"],
            ["हि", "न्दी"],
            ["क्ष", "त्रि"],
            ["👩‍👩‍👧", "x"],
            ["🇩🇪", "🇫🇷"],
            ["👍🏽", "中"],
            ["\u1112\u1161\u11ab", "\u1112\u1161"],
        ],
    )
    def test_between_characters(self, parts):
        assert plain("".join(parts), 2) == "<br>".join(parts)

    def test_none_in_an_empty_text(self):
        assert plain("", 2) == ""


class TestLabels:
    def test_keep_the_names_as_keys(self):
        assert labels(["<a>", "b"], 20) == {"<a>": "&lt;a&gt;", "b": "b"}

    def test_are_never_empty_and_never_alike(self):
        assert list(labels(["", "\u202e", "a (2)", "a", "a\x00"], 20).values()) == [
            "(no name)",
            "(no name) (2)",
            "a (2)",
            "a",
            "a (3)",
        ]


class TestTitle:
    def test_parts_share_a_line_where_they_fit(self):
        assert title_of("a", "b") == "a b" and title_of("a" * 60, "b" * 60) == "a" * 60 + "<br>" + "b" * 60

    def test_entities_count_as_what_they_show(self):
        assert "<br>" not in title_of("&amp;" * 40, "b") and "<br>" in title_of("a<br>b", "c").removeprefix("a<br>b")

    def test_lines_are_counted(self):
        assert (n_lines(""), n_lines("a<br>b")) == (1, 2)
