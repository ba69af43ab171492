"""The figure of the mining study."""

from __future__ import annotations

import pytest

from kit.compare.stats import Interval
from kit.show.plots.studies import mining_chart

LOW = {"En-En": (Interval(0.2, 0.1, 0.3, 50.0), [0.15, 0.25]), "Hybrid<b>": (Interval(0.6, 0.5, 0.7, 50.0), [0.6, 0.6])}
SCORES = {"high": LOW | {"En-En": (Interval(0.7, 0.6, 0.8, 50.0), [0.7, 0.7])}, "unseen": LOW}
FAMILIES = {"En-En": "within a language", "Hybrid<b>": "both"}


class TestMiningChart:
    def test_points_bars_and_rings_are_those_of_the_scores(self):
        figure = mining_chart(SCORES, FAMILIES, "F1 by method")
        points = [trace for trace in figure.data if trace.mode == "markers+text"]
        assert [(trace.x[0], trace.text[0]) for trace in points] == [
            (0.7, "0.70"),
            (0.6, "0.60"),
            (0.2, "0.20"),
            (0.6, "0.60"),
        ]
        assert points[2].error_x.array[0] == pytest.approx(0.1) and points[2].error_x.arrayminus[0] == pytest.approx(0.1)
        rings = [trace for trace in figure.data if trace.marker.symbol.endswith("-open")]
        assert [list(trace.x) for trace in rings][2] == [0.15, 0.25]

    def test_families_differ_in_colour_and_symbol_and_stand_in_the_legend(self):
        figure = mining_chart(SCORES, FAMILIES, "F1 by method")
        legend = [trace for trace in figure.data if trace.showlegend is None]
        assert [trace.name for trace in legend] == ["within a language", "both"]
        assert len({trace.marker.color for trace in legend}) == len({trace.marker.symbol for trace in legend}) == 2

    def test_the_text_says_who_is_highest_and_lowest(self):
        text = mining_chart(SCORES, FAMILIES, "F1").layout.meta["alt"]
        assert text == (
            "Scores of 2 methods in 2 groups of language pairs. "
            "high: En-En 0.70 is highest, Hybrid<b> 0.60 lowest; unseen: Hybrid<b> 0.60 is highest, En-En 0.20 lowest."
        )

    def test_every_row_is_inside_the_panels(self):
        figure = mining_chart({"only": {"a": (Interval(0.0, 0.0, 0.0, 50.0), [0.0])}}, {"a": "one"}, "F1")
        low, high = figure.layout.xaxis.range
        assert low < 0 < high
        low, high = mining_chart(SCORES, FAMILIES, "F1").layout.xaxis.range
        assert low <= 0 and high > 0.8

    def test_names_are_texts(self):
        figure = mining_chart(SCORES, FAMILIES, "F1 <i>").to_dict()
        figure["layout"].pop("meta")
        assert "<b>" not in str(figure) and "<i>" not in str(figure)

    def test_the_same_input_gives_the_same_json(self):
        assert mining_chart(SCORES, FAMILIES, "F1").to_json() == mining_chart(SCORES, FAMILIES, "F1").to_json()

    @pytest.mark.parametrize(
        ("scores", "families", "error"),
        [
            ({}, FAMILIES, "give every group the same, at least one"),
            ({"high": {}}, FAMILIES, "give every group the same, at least one"),
            ({"high": LOW, "low": {"En-En": LOW["En-En"]}}, FAMILIES, "give every group the same, at least one"),
            (SCORES, {"En-En": "within"}, "families lack 'Hybrid<b>'"),
            ({"high": dict.fromkeys("abcdefg", LOW["En-En"])}, {n: n for n in "abcdefg"}, "families are 7: give at most 6"),
        ],
    )
    def test_wrong_input_is_refused(self, scores, families, error):
        with pytest.raises(ValueError, match=error):
            mining_chart(scores, families, "F1")
