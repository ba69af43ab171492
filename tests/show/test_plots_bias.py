"""Figures of language bias: differences by pair, flows, distances, ladders, agreement and the panel."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from test_plots import CHANCE, DISTANCES, MATRICES, NAN, RESULTS, SHARES, TESTS, VERSIONS, MadeResults

from kit.evaluate.bias.measures import PANEL
from kit.show import plots
from kit.show.plots.languages import _sides
from kit.show.plots.style import LANGUAGE_COLOURS, SAMPLING_COLOURS


def _tests(n: int, p_value: float = 0.5) -> SimpleNamespace:
    tags = tuple(f"q{chr(97 + number)}" for number in range(n))
    full = np.full((n, n), 0.5)
    return SimpleNamespace(languages=tags, difference=full, low=full, high=full, p_value=np.full((n, n), p_value))


class TestPairDifferences:
    def test_each_cell_is_in_one_trace(self):
        marked, unmarked, missing = plots.pair_differences(TESTS, "Hybrid", "X-Y").data
        np.testing.assert_array_equal(marked.z, [[0.25, NAN], [NAN, NAN]])
        np.testing.assert_array_equal(unmarked.z, [[NAN, -0.004], [NAN, -0.125]])  # a p-value of just 0.05 is no mark
        np.testing.assert_array_equal(missing.z, [[NAN, NAN], [0, NAN]])

    def test_numbers_have_a_sign_and_marks_a_dot(self):
        marked, unmarked, _ = plots.pair_differences(TESTS, "Hybrid", "X-Y").data
        assert list(map(list, marked.text)) == [["<b>+0.25</b>•", ""], ["", ""]]
        assert list(map(list, unmarked.text)) == [["", "0.00"], ["", "−0.12"]]  # -0.004 rounds to nothing, without a sign

    @pytest.mark.parametrize("level", [0.001, 0.01, 0.05, 0.2, 0.95])
    def test_marks_stand_exactly_where_p_is_below_the_level(self, level):
        marked = plots.pair_differences(TESTS, "Hybrid", "X-Y", level=level).data[0]
        has_mark = [["•" in text for text in row] for row in marked.text]
        assert has_mark == (np.nan_to_num(TESTS.p_value, nan=1) < level).tolist()

    def test_the_scale_is_symmetric_and_its_middle_neutral(self):
        for trace in plots.pair_differences(TESTS, "Hybrid", "X-Y").data[:2]:
            assert (trace.zmin, trace.zmax) == (-0.25, 0.25)
            neutral = trace.colorscale[2]
            channels = [int(neutral[1][start : start + 2], 16) for start in (1, 3, 5)]
            assert neutral[0] == 0.5 and min(channels) > 0xF0

    def test_unmarked_cells_are_paler(self):
        marked, unmarked, _ = (trace.colorscale for trace in plots.pair_differences(TESTS, "Hybrid", "X-Y").data)
        for (_, strong), (_, pale) in zip(marked, unmarked):
            assert all(int(pale[start : start + 2], 16) >= int(strong[start : start + 2], 16) for start in (1, 3, 5))
        # 70 % of the way from #0072B2 to white: 0 + 0.7 * 255 = 178.5, 114 + 0.7 * 141 = 212.7, 178 + 0.7 * 77 = 231.9.
        assert unmarked[0][1] == "#BCDBF0"

    def test_only_the_marked_trace_has_a_colour_bar(self):
        assert [trace.showscale for trace in plots.pair_differences(TESTS, "a", "b").data] == [True, False, False]

    def test_hover(self):
        marked, unmarked, _ = plots.pair_differences(TESTS, "Hybrid", "X-Y").data
        assert marked.customdata[0][0] == "+0.250, 95 % interval +0.125 to +0.375, p = 0.0100"
        assert unmarked.customdata[1][1] == "−0.125, 95 % interval −0.250 to 0.000, p = 0.0500"

    def test_the_title_says_which_is_subtracted_and_what_the_mark_is(self):
        title = plots.pair_differences(TESTS, "Hybrid", "X-Y", "recall", 0.01).layout.title.text
        assert title == "recall: Hybrid minus X-Y<br>• p < 0.01, adjusted over all pairs (Holm); grey: no such pair"
        assert "grey" not in plots.pair_differences(_tests(2), "Hybrid", "X-Y").layout.title.text

    @pytest.mark.parametrize("n_languages, text", [(15, "<b>+0.50</b>•"), (16, "<b></b>•")])
    def test_above_15_languages_marks_alone(self, n_languages, text):
        assert plots.pair_differences(_tests(n_languages, 0.01), "a", "b").data[0].text[0][0] == text

    def test_alternative(self):
        # Mean of 0.25, -0.004 and -0.125: 0.121 / 3 = 0.0403.
        alt = plots.pair_differences(TESTS, "Hybrid", "X-Y").layout.meta["alt"]
        assert alt == (
            "mAP of Hybrid minus X-Y by query language and candidate language: +0.040 on average over 3 pairs; "
            "the lowest is −0.125 (query en, candidate en); the highest is +0.250 (query de, candidate de). "
            "With adjusted p below 0.05, the first is higher in 1 and lower in 0."
        )

    def test_no_cell(self):
        empty = SimpleNamespace(
            languages=("de",), **dict.fromkeys(("difference", "low", "high", "p_value"), np.array([[NAN]]))
        )
        figure = plots.pair_differences(empty, "a", "b")
        assert figure.layout.meta["alt"].endswith("no pair has a value.") and figure.data[2].z.tolist() == [[0]]

    @pytest.mark.parametrize("level", [0, 1, -0.1, NAN])
    def test_level(self, level):
        with pytest.raises(ValueError, match=f"level is {level}: choose a number between 0 and 1"):
            plots.pair_differences(TESTS, "a", "b", level=level)

    @pytest.mark.parametrize("name", ["difference", "low", "high", "p_value"])
    def test_shapes(self, name):
        wrong = SimpleNamespace(**vars(TESTS) | {name: np.zeros((2, 3))})
        with pytest.raises(ValueError, match=rf"tests\.{name} has shape \(2, 3\): give \(2, 2\)"):
            plots.pair_differences(wrong, "a", "b")


class TestLanguageFlow:
    POOL = (0.25, 0.75)

    def test_links_are_the_shares(self):
        first = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20).data[0]
        links = list(zip(first.link.source, first.link.target, first.link.value))
        assert links == [(0, 2, 0.75), (0, 3, 0.25), (1, 2, 0.5), (1, 3, 0.5)]  # left de, en; right de, en

    def test_nodes_without_a_link_are_left_out(self):
        second = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20).data[1]
        assert list(second.link.source) == [0] and list(second.link.target) == [1] and len(second.node.color) == 2

    def test_own_links_are_opaque_and_all_have_the_candidates_colour(self):
        colours = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20).data[0].link.color
        german, english = "rgba(77, 77, 77,", "rgba(213, 94, 0,"  # #4D4D4D and #D55E00
        assert colours == (f"{german} 0.85)", f"{english} 0.22)", f"{german} 0.22)", f"{english} 0.85)")

    def test_hover_says_the_share_and_the_pools(self):
        hover = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20).data[0].link.customdata
        assert hover[1] == "German questions: 25.0% of the top 20 is English<br>(of the pool: 75.0%)"

    def test_labels_stand_beside_their_nodes(self):
        figure = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20)
        labels = [(note.text, note.xanchor, note.y) for note in figure.layout.annotations if note.font.size == 11][:4]
        # Right: (0.75 + 0.5) / 2 and (0.25 + 0.5) / 2, rounded to even. A diagram is as high as its nodes and gaps.
        assert [label[:2] for label in labels] == [
            ("German", "right"),
            ("English", "right"),
            ("German 62%", "left"),
            ("English 38%", "left"),
        ]
        assert [1 - label[2] for label in labels] == pytest.approx(list(figure.data[0].node.y))

    def test_sides_fill_the_height_and_keep_the_gap(self):
        for side in _sides(SHARES["X-Y"], 212):
            assert side.size.sum() == pytest.approx(200)  # 212 without a gap of 12
            assert side.centre[0] - side.size[0] / 2 == pytest.approx(0)
            assert side.centre[1] + side.size[1] / 2 == pytest.approx(212)

    def test_long_names_give_way_to_tags(self):
        texts = [note.text for note in plots.language_flow(SHARES, self.POOL, ["de", "zh-Hans"], 20).layout.annotations]
        assert "zh-Hans" in texts and not [text for text in texts if "Simplified" in text]

    @pytest.mark.parametrize("n_models, rows", [(1, 1), (2, 1), (3, 2), (4, 2)])
    def test_two_side_by_side(self, n_models, rows):
        shares = {f"model {number}": SHARES["X-Y"] for number in range(n_models)}
        figure = plots.language_flow(shares, self.POOL, ["de", "en"], 20)
        assert len({trace.domain.y for trace in figure.data}) == rows and len(figure.data) == n_models

    def test_alternative(self):
        # X-Y: own (0.75 + 0.5) / 2 = 62.5 % (printed to even); German 62.5 % for 25 %, English 37.5 % for 75 %: German is
        # further off (2.5 times against a half). X-X: the one query language with a list is German.
        alt = plots.language_flow(SHARES, self.POOL, ["de", "en"], 20).layout.meta["alt"]
        assert "X-Y: 62% in the language of the query, and furthest from its share of the pool is de with 62.5%" in alt
        assert "X-X: 100% in the language of the query" in alt and "en with 0.0% instead of 75.0%" in alt

    def test_no_list_at_all(self):
        figure = plots.language_flow({"X-Y": np.full((2, 2), NAN)}, self.POOL, ["de", "en"], 20)
        assert "X-Y has no list" in figure.layout.meta["alt"]

    def test_faults(self):
        with pytest.raises(ValueError, match="shares is empty: give at least one model"):
            plots.language_flow({}, self.POOL, ["de", "en"], 20)
        with pytest.raises(ValueError, match=r"pool_share has shape \(1,\): give \(2\)"):
            plots.language_flow(SHARES, [1.0], ["de", "en"], 20)
        with pytest.raises(ValueError, match=r"shares\['X-Y'\] has shape \(2, 2\): give \(1, 1\)"):
            plots.language_flow(SHARES, [1.0], ["de"], 20)
        with pytest.raises(ValueError, match=r"shares\['X-Y'\] has -0.5: give shares of 0 or more"):
            plots.language_flow({"X-Y": np.array([[-0.5, 1.5], [0, 1]])}, self.POOL, ["de", "en"], 20)


class TestDistanceDistribution:
    def _traces(self, figure, name, axis):
        return [trace for trace in figure.data if trace.name == name and trace.xaxis == axis]

    def test_the_histogram_has_the_shares_of_the_bins(self):
        (steps,) = self._traces(plots.distance_distribution(DISTANCES), "X-Y", "x")
        # 1, 10, 100, 100 without the NaN; a bin starts at each power of ten, six a decade.
        shares = dict(zip(np.round(steps.x, 6).tolist(), steps.y))
        assert (shares[1.0], shares[10.0], shares[100.0]) == (0.25, 0.25, 0.5) and sum(steps.y[:-1]) == 1
        assert np.diff(np.log10(steps.x)) == pytest.approx(1 / 6) and steps.line.shape == "hv"

    def test_the_bins_are_shared(self):
        figure = plots.distance_distribution(DISTANCES)
        one, two = (self._traces(figure, name, "x")[0] for name in DISTANCES)
        np.testing.assert_array_equal(one.x, two.x)

    def test_the_curve_counts_what_is_at_most_so_far(self):
        curve = self._traces(plots.distance_distribution(DISTANCES), "X-Y", "x2")[0]
        at = dict(zip(curve.x.tolist(), curve.y.tolist()))
        assert (at[1.0], at[9.0], at[10.0], at[100.0]) == (0.25, 0.25, 0.5, 1.0)

    def test_random_distances_agree_with_the_definition(self):
        values = np.random.default_rng(0).integers(1, 3000, 500).astype(float)
        curve = self._traces(plots.distance_distribution({"a": values}), "a", "x2")[0]
        assert curve.y == pytest.approx([sum(value <= at for value in values) / 500 for at in curve.x])
        assert curve.y[-1] == 1

    def test_medians(self):
        figure = plots.distance_distribution(DISTANCES)
        marks = {trace.name: (trace.x[0], trace.y[0]) for trace in figure.data if trace.mode == "markers"}
        assert marks == {"X-Y": (55, 0.5), "Hybrid": (1.5, 0.5)}  # (10 + 100) / 2 and (1 + 2) / 2
        assert all(
            "median 55" in trace.hovertemplate for trace in figure.data if trace.name == "X-Y" and trace.mode == "lines"
        )

    def test_chance(self):
        lines = plots.distance_distribution(DISTANCES, 500.5).layout.shapes
        assert {(line.x0, line.x1, line.xref, line.line.dash) for line in lines} == {
            (500.5, 500.5, "x", "dot"),
            (500.5, 500.5, "x2", "dot"),
        }
        axis = plots.distance_distribution(DISTANCES, 500.5).layout.xaxis
        assert axis.type == "log" and axis.range[1] > np.log10(500.5)  # the line is in sight
        assert not plots.distance_distribution(DISTANCES).layout.shapes

    def test_alternative(self):
        alt = plots.distance_distribution(DISTANCES, 500).layout.meta["alt"]
        assert alt.endswith("Hybrid has the lowest median, 2, X-Y the highest, 55. A random ranking has 500 in expectation.")
        assert plots.distance_distribution({"X-Y": DISTANCES["X-Y"]}).layout.meta["alt"].endswith("X-Y has a median of 55.")

    def test_all_distances_1(self):
        figure = plots.distance_distribution({"a": np.ones(3)})
        assert figure.data[0].y[0] == 1 and figure.data[1].y[-1] == 1

    def test_faults(self):
        with pytest.raises(ValueError, match="distances is empty: give at least one model"):
            plots.distance_distribution({})
        with pytest.raises(ValueError, match=r"distances\['a'\] holds nothing but NaN: give rank distances of 1 or more"):
            plots.distance_distribution({"a": np.array([NAN])})
        with pytest.raises(ValueError, match=r"distances\['a'\] holds 0 at least: give rank distances of 1 or more"):
            plots.distance_distribution({"a": np.array([0.0, 2.0])})
        with pytest.raises(ValueError, match=r"distances\['a'\] has shape \(1, 1\): give \(n\)"):
            plots.distance_distribution({"a": np.ones((1, 1))})


class TestVersionLadder:
    def test_medians_and_quartiles(self):
        figure = plots.version_ladder(VERSIONS, ["de", "en"], 1000)
        points = {(trace.y[0], trace.yaxis): trace.x[0] for trace in figure.data if trace.mode == "markers"}
        # de of X-Y: 1, 3, 5; en: 7 and 9. de of Hybrid: 2, 2; en: 4.
        assert points == {
            ("German (de)", "y"): 3,
            ("English (en)", "y"): 8,
            ("German (de)", "y2"): 2,
            ("English (en)", "y2"): 4,
        }
        bars = {(trace.y[0], trace.yaxis): tuple(trace.x) for trace in figure.data if trace.mode == "lines"}
        assert bars["German (de)", "y"] == (2, 4) and bars["English (en)", "y"] == (7.5, 8.5)

    def test_rungs_are_sorted_by_the_first_model(self):
        ranks = {"a": np.array([[9.0, NAN, 1.0, 9.0]]), "b": np.array([[1.0, 1.0, 5.0, 2.0]])}
        order = plots.version_ladder(ranks, ["de", "en", "th", "ar"], 1000).layout.yaxis.categoryarray
        assert order == ("Thai (th)", "German (de)", "Arabic (ar)", "English (en)")  # of equals as given; none: last

    def test_sorted_rungs_keep_their_own_ranks(self):
        ranks = {"a": np.array([[9.0, 1.0, 4.0]]), "b": np.array([[2.0, 7.0, 3.0]])}
        figure = plots.version_ladder(ranks, ["de", "en", "th"], 1000)
        points = {(trace.y[0], trace.yaxis): trace.x[0] for trace in figure.data if trace.mode == "markers"}
        assert points == {
            ("German (de)", "y"): 9,
            ("English (en)", "y"): 1,
            ("Thai (th)", "y"): 4,
            ("German (de)", "y2"): 2,
            ("English (en)", "y2"): 7,
            ("Thai (th)", "y2"): 3,
        }

    def test_a_language_without_a_version_has_no_mark(self):
        figure = plots.version_ladder({"a": np.array([[1.0, NAN]])}, ["de", "en"], 1000)
        assert {trace.y[0] for trace in figure.data} == {"German (de)"}
        assert "English (en)" in figure.layout.yaxis.categoryarray

    def test_colours_and_axis(self):
        figure = plots.version_ladder(VERSIONS, ["de", "en"], 1000)
        colours = {trace.y[0]: trace.marker.color for trace in figure.data if trace.mode == "markers"}
        assert colours == {"German (de)": LANGUAGE_COLOURS["de"], "English (en)": LANGUAGE_COLOURS["en"]}
        assert figure.layout.xaxis.type == "log" and 10 ** figure.layout.xaxis.range[1] > 1000

    def test_alternative(self):
        alt = plots.version_ladder(VERSIONS, ["de", "en"], 1000).layout.meta["alt"]
        assert alt.endswith("X-Y from 3 (de) to 8 (en); Hybrid from 2 (de) to 4 (en).")
        none = plots.version_ladder({"a": np.full((1, 2), NAN)}, ["de", "en"], 1000).layout.meta["alt"]
        assert none.endswith(": a has none.")

    def test_faults(self):
        with pytest.raises(ValueError, match="ranks is empty: give at least one model"):
            plots.version_ladder({}, ["de"], 9)
        with pytest.raises(ValueError, match=r"ranks\['X-Y'\] has shape \(3, 2\): give \(n, 1\)"):
            plots.version_ladder(VERSIONS, ["de"], 9)


class TestAgreementHeatmap:
    def test_values_and_scale(self):
        for trace, matrix in zip(plots.agreement_heatmap(MATRICES, ["de", "en"]).data, MATRICES.values()):
            np.testing.assert_array_equal(trace.z, matrix)
            assert (trace.zmin, trace.zmax) == (0, 1)

    def test_below_0_the_scale_is_symmetric(self):
        negative = MATRICES | {"a": np.array([[1.0, -0.1], [-0.1, 1.0]])}
        assert {(trace.zmin, trace.zmax) for trace in plots.agreement_heatmap(negative, ["de", "en"]).data[:1]} == {(-1, 1)}

    def test_the_alternative_has_a_minus_sign(self):
        alt = plots.agreement_heatmap({"a": np.array([[1.0, -0.1], [-0.1, 1.0]])}, ["de", "en"]).layout.meta["alt"]
        assert "the mean over cells is −0.100" in alt

    @pytest.mark.parametrize(("panel", "told"), [(-0.1, ""), (0.2, "counts each question of a language alike")])
    def test_a_mean_that_differs_from_the_panel_is_explained(self, panel, told):
        alt = plots.agreement_heatmap({"a": np.array([[1.0, -0.1], [-0.1, 1.0]])}, ["de", "en"], {"a": panel}).layout.meta[
            "alt"
        ]
        assert told in alt and ("and is 0.200." in alt) == bool(told)

    def test_the_alternative_leaves_a_language_with_itself_out(self):
        matrices = {"a": np.array([[1.0, 0.5, 0.25], [0.5, 1.0, NAN], [0.25, NAN, 1.0]])}
        alt = plots.agreement_heatmap(matrices, ["de", "en", "th"]).layout.meta["alt"]
        assert "list agreement in the bias panel" not in alt
        assert "the mean over cells is 0.375" in alt and "lowest cell is 0.250, query de, other language th" in alt


class TestPanelChart:
    FIGURE = staticmethod(lambda: plots.panel_chart(RESULTS, CHANCE))

    def test_there_is_a_panel_for_each_measure(self):
        notes = [note.text for note in self.FIGURE().layout.annotations]
        fair = {"low": "← low is fair", "high": "high is fair →", "chance": "near chance is fair"}
        for measure in PANEL:
            assert f"{measure.label}<br><i>{fair[measure.fair]}</i>" in notes

    def test_points_are_the_estimates_with_their_intervals(self):
        for number, measure in enumerate(PANEL, start=1):
            axis = "x" if number == 1 else f"x{number}"
            traces = [trace for trace in self.FIGURE().data if trace.xaxis == axis and trace.text]
            shown = {trace.y[0]: trace.x[0] for trace in traces}
            assert shown == {
                model: values[measure.column] for model, values in RESULTS.estimates.items() if measure.column in values
            }
            for trace in traces:
                below, above = abs(trace.error_x.arrayminus[0]), abs(trace.error_x.array[0])
                assert (below, above) == pytest.approx((abs(trace.x[0]) / 2, abs(trace.x[0]) / 4))
                assert trace.text[0] == f"{trace.x[0]:,.{measure.digits}f}"

    def test_colours(self):
        colours = {trace.y[0]: trace.marker.color for trace in self.FIGURE().data if trace.text}
        assert colours == {"X-Y": SAMPLING_COLOURS["X-Y"], "Hybrid(0.3)": SAMPLING_COLOURS["Hybrid"]}

    def test_what_is_not_defined_says_so_in_its_row(self):
        notes = [note for note in self.FIGURE().layout.annotations if note.text == "not defined"]
        assert [(note.y, note.xref) for note in notes] == [("X-Y", f"x{number} domain") for number in range(3, 8)]

    def test_chance_is_drawn_where_it_is_known(self):
        lines = {(line.x0, line.xref) for line in self.FIGURE().layout.shapes}
        assert lines == {(100, "x"), (0.5, "x4"), (0, "x7")}  # NaN of PEER@20 and what is absent have none
        assert not plots.panel_chart(RESULTS, {}).layout.shapes

    def test_rank_axes_are_logarithmic_and_hold_everything(self):
        layout = self.FIGURE().layout
        types = [layout[f"xaxis{number or ''}"].type for number in ("", 2, 3, 4, 5, 6, 7)]
        assert types == ["log", "log", None, None, None, None, None]
        assert 10 ** layout.xaxis.range[0] < 1 and 10 ** layout.xaxis.range[1] > 100  # from the low end of 2 to chance
        assert layout.xaxis7.range[0] < -0.625 and layout.xaxis7.range[1] > 0  # below 0 as well

    def test_alternative_goes_from_fair_to_unfair(self):
        results = MadeResults(
            {"a": {"rank_distance": 9, "complete_at_20": 0.25, "own_language_first": 0.25}, "b": {"rank_distance": 90}}
            | {"c": {"rank_distance": 30, "complete_at_20": 0.75, "own_language_first": 0.875}}
        )
        alt = plots.panel_chart(results, {"own_language_first": 0.75}).layout.meta["alt"]
        assert alt == (
            "Language bias of 3 models, fairest to least fair: rank distance 9 (a) to 90 (b); complete@20 0.750 (c) to "
            "0.250 (a); own language first 0.875 (c) to 0.250 (a)."
        )  # 0.875 is 0.125 from chance, 0.25 a half

    def test_without_chance_nothing_is_said_about_what_should_be_near_it(self):
        assert "own language first" not in plots.panel_chart(RESULTS, {}).layout.meta["alt"]

    def test_one_model_without_a_value(self):
        figure = plots.panel_chart(MadeResults({"a": {}}), {})
        assert figure.layout.meta["alt"] == "Language bias of 1 model: no value."
        assert len([note for note in figure.layout.annotations if note.text == "not defined"]) == len(PANEL)


@pytest.mark.parametrize("n_languages", [2, 26])
def test_font_sizes_are_at_least_10(n_languages):
    tags = [f"q{chr(97 + number)}" for number in range(n_languages)]
    square = {f"model {number}": np.full((n_languages, n_languages), 0.5) for number in range(2)}
    figures = [
        plots.pair_differences(_tests(n_languages), "a", "b"),
        plots.pair_heatmap(square, tags),
        plots.language_flow(square, np.full(n_languages, 1 / n_languages), tags, 20),
        plots.version_ladder(square, tags, 100),
    ]
    for figure in figures:
        sizes = [float(size) for size in re.findall(r'font":\{[^{}]*"size":([0-9.]+)', figure.to_json())]
        assert sizes and min(sizes) >= 10 and figure.layout.width == plots.WIDTH
