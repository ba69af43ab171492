"""Figures of a study of one quantity."""

from __future__ import annotations

from typing import ClassVar

import pytest
from test_results import made_evaluation

from kit.compare.results import HEADLINE, Results
from kit.show.plots.studies import ratio_chart, trade_off

RESULTS = Results(
    {
        "none": [made_evaluation("swapped"), made_evaluation("right")],
        "half": [made_evaluation("right")] * 2,
        "all": [made_evaluation("own first")] * 2,
    }
)


class TestRatioChart:
    def test_lines_rings_and_bands_are_those_of_the_results(self):
        figure = ratio_chart(RESULTS, [0.0, 0.5, 1.0])
        lines = [trace for trace in figure.data if trace.mode is None and trace.fill is None]
        assert [list(line.x) for line in lines] == [[0.0, 0.5, 1.0]] * 4
        for line, column in zip(lines, ("mono mAP", "cross mAP", "multi mAP", "rank distance")):
            expected = [RESULTS.interval(model, *HEADLINE[column]).estimate for model in RESULTS.models]
            assert list(line.y) == pytest.approx(expected)
        rings = [trace for trace in figure.data if trace.mode == "markers"]
        assert list(rings[0].y) == RESULTS.by_seed("none", *HEADLINE["mono mAP"])
        bands = [trace for trace in figure.data if trace.fill == "toself"]
        assert len(bands) == 4 and len(bands[0].x) == 6

    def test_the_text_says_where_the_best_is(self):
        assert "multilingual mAP is best, 1, at 0.5" in ratio_chart(RESULTS, [0.0, 0.5, 1.0]).layout.meta["alt"]

    def test_the_same_input_gives_the_same_json(self):
        assert ratio_chart(RESULTS, [0.0, 0.5, 1.0]).to_json() == ratio_chart(RESULTS, [0.0, 0.5, 1.0]).to_json()

    def test_other_numbers_of_values_are_refused(self):
        with pytest.raises(ValueError, match="2 values of alpha for 3 models"):
            ratio_chart(RESULTS, [0.0, 1.0])


class TestTradeOff:
    POINTS: ClassVar = {"a": (0.1, 0.9), "b<i>": (0.5, 0.5), "c": (0.2, 0.2)}

    def test_the_front_is_joined_in_order_and_filled(self):
        figure = trade_off(self.POINTS, ["b<i>", "a"], "mono", "cross", "title")
        assert list(figure.data[0].x) == [0.1, 0.5] and list(figure.data[0].y) == [0.9, 0.5]
        assert [trace.marker.symbol for trace in figure.data[1:]] == ["circle", "circle", "circle-open"]

    def test_labels_of_points_that_nearly_coincide_lie_on_different_sides(self):
        near = {"first arm": (0.5, 0.5), "second arm": (0.5, 0.501), "third arm": (0.501, 0.5), "far": (0, 0), "off": (1, 1)}
        figure = trade_off(near, ["off"], "mono", "cross", "title")
        assert len({trace.textposition for trace in figure.data[1:4]}) == 3

    def test_names_are_texts(self):
        assert "b<i>" not in trade_off(self.POINTS, ["a"], "mono", "cross", "title").to_json()
