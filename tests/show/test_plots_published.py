"""The figure of a reproduction, and tables that fold."""

from __future__ import annotations

import pytest

from kit.compare.published.beside import Mark
from kit.core.printing import Table
from kit.show.plots import SAMPLING_COLOURS, beside_chart
from kit.show.tables import Folded

MARKS = [
    Mark("X-Y", "de", 0.5, 0.6, 0.55, 0.65),
    Mark("X-Y", "mean", 0.4, 0.4, 0.3, 0.5),
    Mark("Hybrid", "de", 0.7, float("nan"), float("nan"), float("nan")),
    Mark("Hybrid", "mean", 0.8, 0.9, 0.8, 0.95),
]


def test_what_was_printed_is_joined_with_what_was_measured():
    figure = beside_chart({"mono mAP": MARKS, "multi mAP": MARKS[:2]}, "A title")
    line, printed, own, *_ = figure.data
    assert list(line.x) == [0.5, 0.6, None, 0.4, 0.4, None]
    assert (list(printed.x), printed.marker.symbol) == ([0.5, 0.4], "diamond-open")
    assert (list(own.x), own.marker.symbol, own.marker.color) == ([0.6, 0.4], "circle", SAMPLING_COLOURS["X-Y"])
    assert list(own.error_x.array) == pytest.approx([0.05, 0.1]) and list(own.error_x.arrayminus) == pytest.approx(
        [0.05, 0.1]
    )
    assert list(figure.layout.yaxis.ticktext) == ["mean", "de"] and own.y[0] > own.y[1]  # the first row on top
    assert [trace.name for trace in figure.data if trace.showlegend is None] == ["X-Y, here", "Hybrid, here", "the paper"]


def test_the_alternative_says_where_both_are_furthest_apart():
    alt = beside_chart({"mono mAP": MARKS}, "A title").layout.meta["alt"]
    assert "mono mAP: 0.0667 apart on average, most for X-Y in de (0.5 printed, 0.6 here)" in alt


@pytest.mark.parametrize("panels", [{}, {"mono mAP": []}])
def test_nothing_to_show_is_refused(panels):
    with pytest.raises(ValueError, match="give at least one in each"):
        beside_chart(panels, "A title")


def test_tables_fold():
    folded = Folded({"<one>": Table([{"a": "1"}]), "two": Table([{"a": "2"}])})
    assert folded._repr_html_().count("<details><summary>") == 2 and "&lt;one&gt;" in folded._repr_html_()
    assert repr(folded) == "<one>\na\n1\n\ntwo\na\n2"
    assert (
        Folded({"x": Table([{"a": "1"}])}, opened=True)._repr_html_().startswith("<details open><summary>x</summary><table>")
    )
