"""What notebooks show: hostile texts, every script, and nothing but data."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import ClassVar

import IPython.display
import numpy as np
import plotly.graph_objects as go
import pytest

from kit.evaluate.index import Hit
from kit.show.lists import ResultLists
from kit.show.plots.style import CONFIG
from kit.show.tables import Table, best_table, score_table, show, write_figures

NAN = float("nan")
HOSTILE = ['<script>alert("x")</script>', "a & b &amp; c", 'it\'s "quoted"', "<b onmouseover='x'>", "]]>", "{{ 7 * 7 }}"]


class _Parsed(HTMLParser):
    """Tags, attributes of cells and texts of cells of a table."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.cells, self.texts = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append((tag, dict(attrs)))
            self.texts.append("")

    def handle_data(self, data):
        self.texts[-1] += data


class TestHtml:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_texts_and_names_are_escaped(self, text):
        parsed = _Parsed(Table([{text: text}])._repr_html_())
        assert parsed.tags == {"table", "thead", "tbody", "tr", "th", "td"}
        assert parsed.texts == [text, text]

    def test_cells_find_their_own_direction(self):
        parsed = _Parsed(Table([{"language": "ar", "text": "ما عملة مصر؟", "n": 3}])._repr_html_())
        assert [attrs["dir"] for tag, attrs in parsed.cells if tag == "td"] == ["auto"] * 3

    def test_numbers_stand_right_and_texts_at_their_start(self):
        parsed = _Parsed(Table([{"language": "ar", "n": 3, "score": 0.5}])._repr_html_())
        assert [attrs["style"] for tag, attrs in parsed.cells if tag == "td"] == [
            "text-align: start",
            "text-align: right",
            "text-align: right",
        ]

    def test_heads_stand_over_their_columns(self):
        parsed = _Parsed(Table([{"language": "ar", "n": 3}])._repr_html_())
        by_kind = [[attrs["style"] for tag, attrs in parsed.cells if tag == kind] for kind in ("th", "td")]
        assert by_kind[0] == by_kind[1] == ["text-align: start", "text-align: right"]

    def test_rows_and_columns_keep_their_order(self):
        assert _Parsed(Table([{"b": 1, "a": 2}, {"a": 4, "b": 3}])._repr_html_()).texts == ["b", "a", "1", "2", "3", "4"]


class TestScores:
    TABLE: ClassVar = {
        "one": {"mono mAP": (0.5, NAN), "rank distance": (1200.0, NAN), "own language first": (0.9, NAN)},
        "two": {"mono mAP": (0.7, NAN), "rank distance": (1300.0, NAN), "own language first": (0.4, NAN)},
        "random ranking": {"mono mAP": (0.9, NAN), "rank distance": (5.0, NAN), "own language first": (0.1, NAN)},
    }

    def test_best_and_direction_are_marked(self):
        shown = score_table(self.TABLE, "arm")
        assert shown.names == ["arm", "mono mAP ↑", "rank distance ↓", "own language first"]
        assert re.findall("<b>(.*?)</b>", shown._repr_html_()) == [
            "1,200",
            "0.700",
        ]  # chance is fair: no best; nor is chance one

    @pytest.mark.parametrize("mean", [0.5, NAN])
    def test_of_equals_none_is_best_nor_where_nothing_is_defined(self, mean):
        assert score_table({name: {"mono mAP": (mean, NAN)} for name in ("one", "two")}).bold == set()

    def test_heads_of_lists_stand_over_their_columns(self):
        page = ResultLists("?", {"model": [Hit(1, "de", 0.5, "Er.", True)]})._repr_html_()
        heads = re.findall('<th style="(.*?)">', page)
        assert heads == [f"text-align: {place}" for place in ("right", "start", "right", "start")]


class TestText:
    def test_columns_are_aligned(self):
        assert repr(Table([{"language": "de", "n": 3}, {"language": "Ελληνικά (el)", "n": 12_345}])).splitlines() == [
            "language            n",
            "de                  3",
            "Ελληνικά (el)  12,345",
        ]

    def test_nothing_stands_behind_the_last_column(self):
        assert all(line == line.rstrip() for line in repr(Table([{"a": "long long"}, {"a": "x"}])).splitlines())

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.12345, "0.123"),
            (9.5, "9.500"),
            (1234.6, "1,235"),
            (-0.5, "-0.500"),
            (float("nan"), "nan"),
            (1234, "1,234"),
            (True, "True"),
            (None, "None"),
            ("1.0", "1.0"),
            (np.float64(0.5), "0.500"),
            (np.float32(0.5), "0.500"),
            (np.int64(1234), "1,234"),
        ],
    )
    def test_values(self, value, text):
        assert repr(Table([{"v": value}])).splitlines()[1].strip() == text

    @pytest.mark.parametrize("value", [3, 0.5, np.int64(3), np.float32(0.5)])
    def test_numbers_stand_right(self, value):
        assert repr(Table([{"a long name": value}])).splitlines()[1].startswith("    ")


class TestEdges:
    def test_an_empty_table(self):
        assert repr(Table([])) == "" and "<tbody></tbody>" in Table([])._repr_html_()

    def test_the_rows_given_are_not_changed(self):
        rows = [{"n": 3, "score": 0.5}]
        repr(Table(rows))
        assert rows == [{"n": 3, "score": 0.5}]


class TestShow:
    @pytest.fixture
    def displayed(self, monkeypatch) -> list:
        calls = []
        monkeypatch.setattr(IPython.display, "display", lambda *things, **options: calls.append((things, options)))
        return calls

    def test_plotly_data_and_a_line_of_text(self, displayed):
        figure = go.Figure(go.Bar(x=["a"], y=[1]), layout={"title": {"text": "Rows"}})
        assert show(figure) is None
        (((content,), options),) = displayed
        data = figure.to_plotly_json() | {"config": CONFIG}
        assert content == {"application/vnd.plotly.v1+json": data, "text/plain": "[figure: Rows]"}
        assert not data["config"]["showSendToCloud"] and not data["config"]["plotlyServerURL"]  # no upload
        assert options == {"raw": True}

    def test_a_figure_without_a_title(self, displayed):
        show(go.Figure())
        assert displayed[0][0][0]["text/plain"] == "[figure: figure]"

    def test_has_no_other_effect(self, displayed, capfd, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        figure = go.Figure(go.Bar(x=["a"], y=[1]))
        before = figure.to_json()
        show(figure)
        assert figure.to_json() == before
        assert (capfd.readouterr(), list(tmp_path.iterdir())) == (("", ""), [])


class TestWriteFigures:
    def test_data_in_the_order_given(self, tmp_path):
        figures = {name: go.Figure(go.Bar(x=[name], y=[1])) for name in ("b", "a")}
        written = write_figures(figures, tmp_path / "deep" / "figures")
        assert [path.name for path in written] == ["b.json", "a.json"]
        assert [json.loads(path.read_text(encoding="utf-8"))["data"][0]["x"] for path in written] == [["b"], ["a"]]

    def test_the_same_bytes_for_the_same_figure(self, tmp_path):
        one, two = (write_figures({"a": go.Figure(go.Bar(x=["a"], y=[1]))}, tmp_path / name)[0] for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()

    def test_figures_of_an_earlier_run_go_and_other_files_stay(self, tmp_path):
        for name in ("old.json", "old.html", "old.png", "plotly.min.js", "notes.txt"):
            (tmp_path / name).touch()
        write_figures({"a": go.Figure()}, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"a.json", "notes.txt"}


class TestBest:
    ROWS: ClassVar = [
        {"arm": "a", "of": "x", "mAP": 0.51, "drop": "+0.308 [+0.2 to +0.4]", "n": 1200},
        {"arm": "b", "of": "x", "mAP": 0.49, "drop": "−0.010 [−0.1 to +0.1]", "n": 90},
        {"arm": "c", "of": "y", "mAP": 0.62, "drop": "0 by construction", "n": 1200},
    ]

    def test_direction_and_best(self):
        table = best_table(self.ROWS, high=["mAP"], low=["drop"])
        assert table.names == ["arm", "of", "mAP ↑", "drop ↓", "n"]
        assert table.bold == {(2, "mAP ↑"), (1, "drop ↓")} and {"mAP ↑", "drop ↓", "n"} == table.numeric

    def test_within_rows_of_a_kind(self):
        assert best_table(self.ROWS, high=["mAP"], within="of").bold == {(0, "mAP ↑")}  # y has one row: nothing to compare

    def test_numbers_that_look_alike_have_no_best(self):
        assert best_table(self.ROWS, high=["n"]).bold == set()
        assert best_table([{"s": 0.12345}, {"s": 0.12346}, {"s": 0.1}], high=["s"]).bold == set()

    def test_what_is_no_number_takes_no_part(self):
        rows = [{"s": "–"}, {"s": float("nan")}, {"s": 0.1}, {"s": 0.2}]
        assert best_table(rows, low=["s"]).bold == {(2, "s ↓")}
        assert best_table(rows[:3], low=["s"]).bold == set() and best_table([], low=["s"]).names == []

    def test_whole_numbers_with_commas(self):
        assert best_table([{"places": 18_427}, {"places": 658}, {"places": 1375}], low=["places"]).bold == {(1, "places ↓")}
