"""Figures: what they hold, that they are pure, and one colour for one thing."""

from __future__ import annotations

import copy
import re
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
from plotly.colors import get_colorscale, sample_colorscale

from kit.compare.stats import Interval
from kit.data.corpus import ParallelCorpus
from kit.show import plots, tables
from kit.show.plots.pairs import DIVERGING, even
from kit.show.plots.style import (
    LANGUAGE_COLOURS,
    SAMPLING_COLOURS,
    language_colour,
    model_colours,
    model_symbols,
    readable_on,
    sampling_colour,
)
from kit.train.history import History
from kit.train.samplers import PairBatch, PairBatchSampler, Sampling

HEX = re.compile(r"#[0-9A-Fa-f]{6}")
NAN = float("nan")
HOSTILE = "<b onclick=x>\u202e</b> %{bad} $a$"
SHOWN = "&lt;b onclick=x&gt;&lt;/b&gt; &#37;{bad} &#36;a&#36;"  # what a figure holds of it


class MadeResults:
    """What the figures read of ``kit.compare.results.Results``: intervals and seeds, by model."""

    def __init__(self, estimates: dict[str, dict[str, float]]) -> None:
        self.models, self.estimates = tuple(estimates), estimates

    def interval(self, model: str, setting: str, measure: str) -> Interval:
        estimate = self.estimates[model].get(f"{setting} {measure}", self.estimates[model].get(measure, NAN))
        return Interval(estimate, 0.5 * estimate, 1.25 * estimate, 50.0)

    def by_seed(self, model: str, setting: str, measure: str) -> list[float]:
        estimate = self.interval(model, setting, measure).estimate
        return [0.75 * estimate, 1.25 * estimate]


RESULTS = MadeResults(
    {
        "X-Y": {"average_precision": 0.5, "multilingual average_precision": 0.25, "rank_distance": 40, "cover_rank": 60},
        "Hybrid(0.3)": {
            "average_precision": 0.75,
            "multilingual average_precision": 0.5,
            "rank_distance": 2,
            "cover_rank": 4,
        }
        | {
            "complete_at_20": 0.5,
            "own_language_first": 0.75,
            "awrf_at_20": 0.75,
            "peer_at_20": 0.25,
            "list_agreement": -0.5,
        },
    }
)
CHANCE = {"rank_distance": 100.0, "own_language_first": 0.5, "list_agreement": 0.0, "peer_at_20": NAN}
MATRICES = {"X-Y": np.array([[0.5, 0.25], [NAN, 1.0]]), "Hybrid": np.array([[0.75, 0.5], [0.25, NAN]])}
RANKS = {"X-Y": {"de": 3, "en": 1}, "Hybrid": {"de": 2, "en": 900}}
COUNTS = {"currency": {"de": 3, "en": 4}, "script": {"de": 1, "en": 0}}
TESTS = SimpleNamespace(
    languages=("de", "en"),
    difference=np.array([[0.25, -0.004], [NAN, -0.125]]),
    low=np.array([[0.125, -0.5], [NAN, -0.25]]),
    high=np.array([[0.375, 0.5], [NAN, 0.0]]),
    p_value=np.array([[0.01, 0.9], [NAN, 0.05]]),
)
SHARES = {"X-Y": np.array([[0.75, 0.25], [0.5, 0.5]]), "X-X": np.array([[1.0, 0.0], [NAN, NAN]])}
DISTANCES = {"X-Y": np.array([1.0, 10.0, NAN, 100.0, 100.0]), "Hybrid": np.array([1.0, 2.0])}
VERSIONS = {"X-Y": np.array([[1.0, 9.0], [3.0, NAN], [5.0, 7.0]]), "Hybrid": np.array([[2.0, 4.0], [2.0, NAN]])}


def _scores(mono: float, distance: float) -> dict[str, float]:
    return {"score": mono, "mono": mono, "cross": mono / 2, "multi": mono / 4, "distance": distance}


HISTORIES = {
    ("X-Y", 0): History([], [(10, _scores(0.2, 90)), (20, _scores(0.4, 80)), (30, _scores(0.5, 70))]),
    ("X-Y", 1): History([], [(10, _scores(0.4, 70)), (20, _scores(0.8, 60))]),  # stopped early
    ("Hybrid(0.3)", 0): History([], [(10, _scores(0.1, 50))]),
}


def _batches() -> dict[str, list[PairBatch]]:
    rows = [
        {"group_id": str(group), "language": tag, "query": f"q{group}{tag}", "passage": f"p{group}{tag}"}
        for group in range(12)
        for tag in ("de", "en", "th")
    ]
    corpus = ParallelCorpus.from_rows(rows, "toy")
    samplers = {name: PairBatchSampler([corpus], Sampling.parse(name), batch_size=4, seed=0) for name in ("X-X-mono", "X-Y")}
    return {name: [sampler.batch(0, index) for index in range(3)] for name, sampler in samplers.items()}


BATCHES, TAGS = _batches(), ("de", "en", "th")
FIGURES = {
    "batch_picture": lambda: plots.batch_picture(BATCHES, TAGS, n_rows=3),
    "pair_counts": lambda: plots.pair_counts(BATCHES, TAGS),
    "pair_heatmap": lambda: plots.pair_heatmap(MATRICES, ["de", "en"]),
    "training_curves": lambda: plots.training_curves(HISTORIES),
    "settings_chart": lambda: plots.settings_chart(RESULTS, 1.5),
    "answer_ladder": lambda: plots.answer_ladder(RANKS, 1000, "Wo?"),
    "count_bars": lambda: plots.count_bars(COUNTS, "Rows", "rows"),
    "pair_differences": lambda: plots.pair_differences(TESTS, "Hybrid", "X-Y"),
    "language_flow": lambda: plots.language_flow(SHARES, [0.25, 0.75], ["de", "en"], 20),
    "distance_distribution": lambda: plots.distance_distribution(DISTANCES, 50.5),
    "version_ladder": lambda: plots.version_ladder(VERSIONS, ["de", "en"], 1000),
    "agreement_heatmap": lambda: plots.agreement_heatmap(MATRICES, ["de", "en"]),
    "panel_chart": lambda: plots.panel_chart(RESULTS, CHANCE),
}
INPUTS = (BATCHES, MATRICES, HISTORIES, RANKS, COUNTS, RESULTS, TESTS, SHARES, DISTANCES, VERSIONS, CHANCE)


def _plain(value: object) -> object:
    """Content that can be compared, whatever holds it."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, _plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return [_plain(item) for item in vars(value).values()] if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("name", FIGURES)
class TestEveryFigure:
    def test_changes_nothing(self, name):
        before = copy.deepcopy(_plain(INPUTS))
        FIGURES[name]()
        assert _plain(INPUTS) == before

    def test_is_the_same_again(self, name):
        assert FIGURES[name]().to_json() == FIGURES[name]().to_json()

    def test_is_readable_at_the_common_width(self, name):
        layout = FIGURES[name]().layout
        assert layout.width == plots.WIDTH == 900 and 200 < layout.height < 1000 and layout.title.text

    def test_has_a_text_alternative(self, name):
        alt = FIGURES[name]().layout.meta["alt"]
        assert alt[0].isalpha() and alt.endswith(".") and re.search("[0-9]", alt) and 60 < len(alt) < 600

    def test_colours_are_valid(self, name):
        colours = re.findall(r'"(#[^"]*)"', FIGURES[name]().to_json())
        assert colours and not [colour for colour in colours if not HEX.fullmatch(colour)]


# What a reader without one of the three kinds of cones sees, on linear sRGB: Machado, Oliveira and Fernandes (2009).
VISIONS = {
    "common": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_WHITE = np.array([0.95047, 1, 1.08883])


def _seen(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIELAB of a colour #rrggbb as a reader sees it; the distance of two is about 2 where they can just be told apart."""
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = _TO_XYZ @ np.clip(vision @ linear, 0, 1) / _WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


class TestColours:
    def test_are_hexadecimal(self):
        assert all(HEX.fullmatch(colour) for colour in (*LANGUAGE_COLOURS.values(), *SAMPLING_COLOURS.values()))

    def test_the_eleven_languages_differ(self):
        assert len({colour.upper() for colour in LANGUAGE_COLOURS.values()}) == len(LANGUAGE_COLOURS) == 11

    def test_the_samplings_differ(self):
        assert len({colour.upper() for colour in SAMPLING_COLOURS.values()}) == len(SAMPLING_COLOURS)

    @pytest.mark.parametrize("vision", VISIONS)
    @pytest.mark.parametrize("palette", [LANGUAGE_COLOURS, SAMPLING_COLOURS], ids=["languages", "samplings"])
    def test_colour_blind_readers_tell_them_apart(self, palette, vision):
        seen = [_seen(colour, VISIONS[vision]) for colour in palette.values()]
        assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 12

    def test_hybrid_keeps_its_colour_at_every_alpha(self):
        assert {sampling_colour(name) for name in ("Hybrid", "Hybrid(0.3)", "Hybrid(.5)")} == {SAMPLING_COLOURS["Hybrid"]}

    def test_a_model_that_is_no_sampling_takes_the_first_that_is_free(self):
        # X-Y and X-X-mono have fixed colours, which the first two others must not take: they are 4th and 5th of the palette.
        names = ["one", "X-Y", "two", "three", "X-X-mono", "four"]
        colours = model_colours(names)
        assert list(colours) == names and {name: colours[name] for name in ("X-Y", "X-X-mono")} == {
            name: SAMPLING_COLOURS[name] for name in ("X-Y", "X-X-mono")
        }
        assert [colours[name] for name in ("one", "two", "three", "four")] == ["#E69F00", "#56B4E9", "#009E73", "#CC79A7"]

    def test_the_second_of_one_sampling_differs(self):
        colours = model_colours(["Hybrid(0.3)", "Hybrid(0.5)"])
        assert colours["Hybrid(0.3)"] == SAMPLING_COLOURS["Hybrid"] != colours["Hybrid(0.5)"]

    @pytest.mark.parametrize("others", [[], ["X-Y"], ["X-Y", "Hybrid", "X-X"]])
    def test_no_two_models_are_alike(self, others):
        names = [*others, *(f"model {number}" for number in range(20))]
        colours, symbols = model_colours(names), model_symbols(names)
        assert len({(colours[name], symbols[name]) for name in names}) == len(names)
        assert len(set(list(colours.values())[:8])) == 8 and set(list(symbols.values())[:8]) == {"circle"}

    def test_models_of_any_name_differ_in_a_figure(self):
        names = ["e5-base", "bge-m3", "labse"]
        curves = plots.training_curves({(name, 0): HISTORIES["X-Y", 0] for name in names}).data
        assert len({trace.line.color for trace in curves if trace.name}) == 3

    def test_other_languages_have_one_too(self):
        assert language_colour("sw") == language_colour("sw") in LANGUAGE_COLOURS.values()

    def test_samplings_keep_theirs_in_every_figure(self):
        curves = {trace.name: trace.line.color for trace in plots.training_curves(HISTORIES).data if trace.name}
        chart = {(trace.y[0], trace.marker.color) for trace in plots.settings_chart(RESULTS).data}
        expected = {"X-Y": SAMPLING_COLOURS["X-Y"], "Hybrid(0.3)": SAMPLING_COLOURS["Hybrid"]}
        assert curves == expected and chart == set(expected.items())

    def test_languages_keep_theirs_in_every_figure(self):
        ladder = {trace.text[0]: trace.marker.color for trace in plots.answer_ladder(RANKS, 1000).data if trace.text}
        legend = [trace.marker.color for trace in plots.batch_picture(BATCHES, TAGS).data if trace.type == "scatter"]
        assert ladder == {tag: LANGUAGE_COLOURS[tag] for tag in ("de", "en")} and legend == [
            LANGUAGE_COLOURS[tag] for tag in TAGS
        ]


class TestNumbers:
    def test_pair_heatmap(self):
        figure = plots.pair_heatmap(MATRICES, ["de", "en"])
        for trace, matrix in zip(figure.data, MATRICES.values()):
            np.testing.assert_array_equal(trace.z, matrix)  # NaN: the cell stays empty
            assert (trace.x, trace.y, trace.zmin, trace.zmax) == (("de", "en"), ("de", "en"), 0, 1)  # one scale for all

    def test_pair_heatmap_leaves_missing_cells_out_of_the_page(self):
        z = plots.pair_heatmap({"X-Y": np.array([[0.5, NAN], [NAN, 1.0]])}, ["de", "en"]).data[0].z
        assert np.isnan(z).tolist() == [[False, True], [True, False]]

    def test_one_heatmap_prints_its_scores(self):
        single, several = (
            plots.pair_heatmap({"X-Y": MATRICES["X-Y"]}, ["de", "en"]),
            plots.pair_heatmap(MATRICES, ["de", "en"]),
        )
        assert [trace.type for trace in several.data] == ["heatmap"] * len(MATRICES)
        numbers = single.data[-1]
        assert list(numbers.text) == [f"{score:.2f}" for score in MATRICES["X-Y"].ravel() if not np.isnan(score)]
        assert list(zip(numbers.y, numbers.x))[-1] == ("en", "en")

    @pytest.mark.parametrize("scale", ["Viridis", "Cividis"])
    def test_numbers_can_be_read_on_every_colour(self, scale):
        """Against plotly's own colours of the scale and the formula of WCAG 2."""
        shares = np.linspace(0, 1, 201)
        rgb = sample_colorscale(get_colorscale(scale), shares)
        for colour, text in zip(rgb, readable_on(shares, scale)):
            channels = [int(part) / 255 for part in re.findall(r"\d+", colour)]
            below = sum(
                weight * (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4)
                for weight, one in zip((0.2126, 0.7152, 0.0722), channels)
            )
            lower, upper = sorted([below, 1.0 if text == "#FFFFFF" else 0.0])
            assert (upper + 0.05) / (lower + 0.05) >= 4.5, colour

    def test_black_is_readable_on_every_difference(self):
        assert set(readable_on(np.linspace(0, 1, 201), even(DIVERGING))) == {"#000000"}

    def test_pair_counts(self):
        mono, cross = (trace.z for trace in plots.pair_counts(BATCHES, TAGS).data)
        assert np.nansum(mono) == pytest.approx(100) and np.nansum(cross) == pytest.approx(100)
        off_diagonal = ~np.eye(3, dtype=bool)
        assert np.isnan(mono[off_diagonal]).all() and np.isnan(np.diag(cross)).all()  # white: never
        drawn = sum(((batch.query_languages == 0) & (batch.passage_languages == 2)).sum() for batch in BATCHES["X-Y"])
        assert np.nan_to_num(cross)[0, 2] == pytest.approx(100 * drawn / 12)

    def test_batch_picture(self):
        figure = plots.batch_picture(BATCHES, TAGS, n_rows=3)
        heatmaps = [trace for trace in figure.data if trace.type == "heatmap"]
        for number, drawn in enumerate(BATCHES.values()):
            for trace, side in zip(heatmaps[2 * number :], ("query_languages", "passage_languages")):
                np.testing.assert_array_equal(trace.z, np.stack([getattr(batch, side)[:3] for batch in drawn], axis=1))
                assert (trace.zmin, trace.zmax) == (-0.5, 2.5)
                for code, tag in enumerate(TAGS):  # the step around a code has the colour of its language
                    assert trace.colorscale[2 * code : 2 * code + 2] == (
                        (code / 3, language_colour(tag)),
                        ((code + 1) / 3, language_colour(tag)),
                    )

    def test_training_curves(self):
        lines = {(trace.name, trace.yaxis): trace for trace in plots.training_curves(HISTORIES).data if trace.name}
        mono, distance = lines["X-Y", "y"], lines["X-Y", "y4"]
        assert mono.x == (10, 20)  # where all seeds still ran
        assert list(mono.y) == pytest.approx([0.3, 0.6]) and list(distance.y) == pytest.approx([80, 70])

    @pytest.mark.parametrize(("first", "rangemode"), [(0.9, None), (0.3, "tozero")])
    def test_training_curves_begin_at_zero_unless_that_would_flatten_them(self, first, rangemode):
        scores = [
            (step, {"score": v, "mono": v, "cross": v, "multi": v, "distance": 9}) for step, v in ((1, first), (2, 0.92))
        ]
        figure = plots.training_curves({("X-Y", 0): History([(1, 1.0)], scores)})
        assert figure.layout.yaxis.rangemode == rangemode

    def test_training_curves_have_ticks_within_a_power_of_ten(self):
        scores = [(step, {"score": 1, "mono": 1, "cross": 1, "multi": 1, "distance": v}) for step, v in ((1, 31), (2, 72))]
        assert plots.training_curves({("X-Y", 0): History([(1, 1.0)], scores)}).layout.yaxis4.dtick == "D1"

    def test_training_curves_band(self):
        band = next(trace for trace in plots.training_curves(HISTORIES).data if trace.fill == "toself")
        assert (band.x, band.y) == ((10, 20, 20, 10), (0.4, 0.8, 0.4, 0.2))

    def test_training_curves_show_each_sampling_once_in_the_legend(self):
        shown = [trace.name for trace in plots.training_curves(HISTORIES).data if trace.showlegend]
        assert shown == ["X-Y", "Hybrid(0.3)"]

    def test_settings_chart(self):
        points = [trace for trace in plots.settings_chart(RESULTS).data if trace.xaxis == "x4"]
        rings, mean = points[2], points[3]
        assert list(rings.x) == [1.5, 2.5] and list(rings.y) == ["Hybrid(0.3)"] * 2
        assert list(mean.x) == [2] and re.sub("<.*?>", " ", mean.text[0]) == "2  1 to 2 "
        assert (mean.error_x.array[0], mean.error_x.arrayminus[0]) == (0.5, 1.0)  # from 1 to 2.5

    def test_settings_chart_hides_no_interval(self):
        chart = plots.settings_chart(RESULTS)
        for trace in (trace for trace in chart.data if trace.text):
            assert trace.marker.symbol == "line-ns" and trace.error_x.thickness > 2 * trace.marker.line.width

    def test_settings_chart_draws_chance_where_given(self):
        layout = plots.settings_chart(RESULTS, 1.5).layout
        assert [(line.x0, line.x1, line.xref) for line in layout.shapes] == [(1.5, 1.5, "x4")]
        assert "dotted" in layout.title.text and not plots.settings_chart(RESULTS).layout.shapes
        assert "dotted" not in plots.settings_chart(RESULTS).layout.title.text

    def test_answer_ladder(self):
        figure = plots.answer_ladder(RANKS, 1000, "Wo?")
        marks = {(trace.y[0], trace.text[0]): trace.x[0] for trace in figure.data if trace.text}
        ends = {trace.y[0]: tuple(trace.x) for trace in figure.data if trace.mode == "lines"}
        assert marks == {(model, tag): rank for model, ranks in RANKS.items() for tag, rank in ranks.items()}
        assert ends == {"X-Y": (1, 3), "Hybrid": (2, 900)} and "Wo?" in figure.layout.title.text

    @pytest.mark.parametrize("n_at_a_place", [1, 2])
    def test_labels_of_neighbours_in_the_answer_ladder_stand_apart(self, n_at_a_place):
        tags = ("es", "el", "ru", "hi", "zh", "vi", "tr", "th")[: 4 * n_at_a_place]
        figure = plots.answer_ladder({"X-Y": {"de": 1} | {tag: 900 + number for number, tag in enumerate(tags)}}, 1000)
        marks = [(trace.textposition, trace.text[0].split("\u00a0")) for trace in figure.data if trace.text]
        assert marks[0] == ("top center", ["de"])
        places = Counter((position, len(parts)) for position, parts in marks[1:])
        assert sorted(places.values()) == [n_at_a_place] * 4  # two above the marker, two below; more share them evenly
        assert {"".join(parts).replace("<br>", "") for _, parts in marks} == {"de", *tags}

    def test_answer_ladder_has_room_for_the_last_rank(self):
        low, high = plots.answer_ladder(RANKS, 1000).layout.xaxis.range
        assert 10**low < 1 and 10**high > 1000

    def test_count_bars(self):
        figure = plots.count_bars(COUNTS, "Rows", "rows")
        assert [(bar.name, bar.x, bar.y) for bar in figure.data] == [
            ("currency", ("de", "en"), (3, 4)),
            ("script", ("de", "en"), (1, 0)),
        ]
        assert figure.layout.barmode == "stack"


class TestAlternatives:
    """The sentences say what the numbers are; each is worked by hand from the inputs above."""

    def test_a_right_to_left_name_is_isolated(self):
        alt = plots.pair_heatmap(MATRICES | {"א": MATRICES["X-Y"] / 10}, ["de", "en"]).layout.meta["alt"]
        assert "(\u2068א\u2069) to 0.583 (X-Y)" in alt

    def test_settings_chart(self):
        alt = plots.settings_chart(RESULTS, 101.6).layout.meta["alt"]
        assert alt.startswith("The three settings and the rank distance of 2 models, best to worst: ")
        assert "multilingual mAP 0.500 (Hybrid(0.3)) to 0.250 (X-Y); rank distance 2 (Hybrid(0.3)) to 40 (X-Y)." in alt
        assert alt.endswith("A random ranking has a rank distance of 102.")

    def test_pair_heatmap(self):
        # Means of the cells that are there: (0.5 + 0.25 + 1) / 3 and (0.75 + 0.5 + 0.25) / 3.
        alt = plots.pair_heatmap(MATRICES, ["de", "en"]).layout.meta["alt"]
        assert "mean over cells from 0.500 (Hybrid) to 0.583 (X-Y)" in alt
        assert "lowest cell is 0.250, query de, candidate en (X-Y)" in alt
        assert "highest cell is 1.000, query en, candidate en (X-Y)" in alt

    def test_pair_counts(self):
        alt = plots.pair_counts(BATCHES, TAGS).layout.meta["alt"]
        pairs = {(q, p) for b in BATCHES["X-Y"] for q, p in zip(b.query_languages.tolist(), b.passage_languages.tolist())}
        assert f"X-Y draws {len(pairs)} of 9 pairs, 0% of its rows in one language" in alt
        assert "of 9 pairs, 100% of its rows in one language" in alt

    def test_batch_picture(self):
        alt = plots.batch_picture(BATCHES, TAGS).layout.meta["alt"]
        single = sum(len(set(batch.query_languages.tolist())) == 1 for batch in BATCHES["X-Y"])
        assert "X-X-mono: query and passage share their language in 100% of the rows, and 3 of 3 batches" in alt
        assert f"X-Y: query and passage share their language in 0% of the rows, and {single} of 3 batches" in alt

    def test_training_curves(self):
        # Last update that all seeds have: X-Y at 20, mono (0.4 + 0.8) / 2, multi a quarter of it; Hybrid(0.3) at 10.
        alt = plots.training_curves(HISTORIES).layout.meta["alt"]
        assert "X-Y has the highest multilingual mAP, 0.150 (lowest: Hybrid(0.3), 0.025)" in alt
        assert "Hybrid(0.3) has the lowest rank distance, 50." in alt

    def test_answer_ladder(self):
        alt = plots.answer_ladder(RANKS, 1000, "Wo?").layout.meta["alt"]
        assert alt == (
            'Ranks of the versions of one answer to "Wo?" among 1,000 candidates: '
            "X-Y from 1 (en) to 3 (de); Hybrid from 2 (de) to 900 (en)."
        )

    def test_count_bars(self):
        alt = plots.count_bars(COUNTS, "Rows", "rows").layout.meta["alt"]  # de 3 + 1, en 4 + 0: the first of equals
        assert alt == ("Stacked bars: Rows (rows), 2 parts in 2 bars. The highest bar is de with 4, the lowest de with 4.")


class TestLimits:
    def test_one_model_and_nothing_to_compare(self):
        one = MadeResults({"X-Y": {"average_precision": 0.5, "rank_distance": 40}})
        assert "rank distance of 1 model: monolingual mAP 0.500 (X-Y);" in plots.settings_chart(one).layout.meta["alt"]

    def test_a_setting_that_the_task_does_not_have_stays_empty(self):
        one = MadeResults({"X-Y": {"rank_distance": 40}})
        figure = plots.settings_chart(one)
        assert "mAP" not in figure.layout.meta["alt"] and np.isnan(figure.data[1].x[0])

    def test_a_matrix_without_a_value(self):
        figure = plots.pair_heatmap({"X-Y": np.full((2, 2), NAN)}, ["de", "en"])
        assert "has no value in any cell" in figure.layout.meta["alt"] and figure.data[0].zmax == 1

    def test_seeds_that_share_no_update(self):
        histories = {("X-Y", seed): History([], [(10 * (seed + 1), _scores(0.5, 9))]) for seed in (0, 1)}
        assert "No update was scored in all seeds" in plots.training_curves(histories).layout.meta["alt"]

    @pytest.mark.parametrize("n_languages, printed", [(15, True), (16, False)])
    def test_numbers_are_printed_where_they_have_room(self, n_languages, printed):
        tags = [f"q{chr(97 + number)}" for number in range(n_languages)]
        traces = plots.pair_heatmap({"X-Y": np.full((n_languages, n_languages), 0.5)}, tags).data
        assert [trace.type for trace in traces] == ["heatmap", *["scatter"] * printed]

    @pytest.mark.parametrize("name", ["batch_picture", "pair_counts", "pair_heatmap", "agreement_heatmap"])
    def test_no_model(self, name):
        with pytest.raises(ValueError, match="is empty: give at least one model"):
            getattr(plots, name)({}, ["de"])

    def test_no_model_elsewhere(self):
        for draw in (
            plots.training_curves,
            lambda empty: plots.answer_ladder(empty, 9),
            lambda empty: plots.answer_ladder(RANKS | {"X": empty}, 9),
        ):
            with pytest.raises(ValueError, match="is empty: give at least one model"):
                draw({})

    def test_no_part(self):
        with pytest.raises(ValueError, match="counts is empty: give at least one part"):
            plots.count_bars({}, "Rows", "rows")

    def test_a_matrix_of_another_shape(self):
        with pytest.raises(ValueError, match=r"matrices\['X-Y'\] has shape \(2, 2\): give \(3, 3\)"):
            plots.pair_heatmap(MATRICES, ["de", "en", "th"])


HOSTILE_FIGURES = {
    "batch_picture": lambda: plots.batch_picture({HOSTILE: BATCHES["X-Y"]}, TAGS),
    "pair_counts": lambda: plots.pair_counts({HOSTILE: BATCHES["X-Y"]}, TAGS),
    "pair_heatmap": lambda: plots.pair_heatmap({HOSTILE: MATRICES["X-Y"]}, ["de", HOSTILE], HOSTILE),
    "training_curves": lambda: plots.training_curves({(HOSTILE, 0): HISTORIES["X-Y", 0]}),
    "settings_chart": lambda: plots.settings_chart(MadeResults({HOSTILE: RESULTS.estimates["X-Y"]})),
    "answer_ladder": lambda: plots.answer_ladder({HOSTILE: {"de": 3, HOSTILE: 1}}, 1000, HOSTILE),
    "count_bars": lambda: plots.count_bars({HOSTILE: {HOSTILE: 3}}, HOSTILE, HOSTILE),
    "pair_differences": lambda: plots.pair_differences(
        SimpleNamespace(**vars(TESTS) | {"languages": ("de", HOSTILE)}), HOSTILE, HOSTILE, HOSTILE
    ),
    "language_flow": lambda: plots.language_flow({HOSTILE: SHARES["X-Y"]}, [0.25, 0.75], ["de", HOSTILE], 20),
    "distance_distribution": lambda: plots.distance_distribution({HOSTILE: DISTANCES["X-Y"]}),
    "version_ladder": lambda: plots.version_ladder({HOSTILE: VERSIONS["X-Y"]}, ["de", HOSTILE], 1000),
    "agreement_heatmap": lambda: plots.agreement_heatmap({HOSTILE: MATRICES["X-Y"]}, ["de", HOSTILE]),
    "panel_chart": lambda: plots.panel_chart(MadeResults({HOSTILE: RESULTS.estimates["X-Y"]}), CHANCE),
}


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, (list, tuple, np.ndarray)):
        return [text for item in list(value) for text in _strings(item)]
    return [value] if isinstance(value, str) else []


class TestHostileTexts:
    @pytest.mark.parametrize("name", HOSTILE_FIGURES)
    def test_are_escaped_everywhere(self, name):
        figure = HOSTILE_FIGURES[name]()
        content = figure.to_plotly_json()
        alt = content["layout"].pop("meta")["alt"]
        texts = _strings(content)
        joined = "\n".join(texts).replace("<br>", " ")
        assert SHOWN in joined or SHOWN.replace(" ", "") in joined.replace(" ", "")
        assert "<b onclick" not in joined and "%{bad" not in joined and "$a" not in joined
        assert not [text for text in (alt, *texts) if "\u202e" in text]

    def test_every_figure_is_tried(self):
        assert set(HOSTILE_FIGURES) == set(FIGURES)

    @pytest.mark.parametrize("first, second", [("a", "a\u202e"), ("a", "a ")])
    def test_models_that_look_alike_stay_apart(self, first, second):
        figure = plots.settings_chart(MadeResults({name: RESULTS.estimates["X-Y"] for name in (first, second)}))
        assert {trace.y[0] for trace in figure.data} == {"a", "a (2)"}

    def test_models_that_are_called_like_numbers_are_names(self):
        figure = plots.settings_chart(MadeResults({"2024": RESULTS.estimates["X-Y"], "7": RESULTS.estimates["X-Y"]}))
        assert figure.layout.yaxis.type == "category"

    def test_a_long_name_is_wrapped_and_makes_room(self):
        name = "sentence-transformers/paraphrase-multilingual-mpnet-base-v2"
        short, long = (plots.settings_chart(MadeResults({model: RESULTS.estimates["X-Y"]})) for model in ("X-Y", name))
        assert long.data[0].y[0] == "sentence-transformers/<br>paraphrase-multilingual-<br>mpnet-base-v2"
        three = [plots.settings_chart(MadeResults({f"{model}{n}": {} for n in range(3)})) for model in ("X-Y", name)]
        assert short.layout.height <= long.layout.height and three[0].layout.height < three[1].layout.height

    def test_a_title_of_several_lines_pushes_the_panels_down(self):
        one, many = (plots.answer_ladder(RANKS, 1000, text).layout for text in ("Wo?", "Wo ist das? " * 40))
        n_more = many.title.text.count("<br>") - one.title.text.count("<br>")
        assert n_more > 3 and many.margin.t - one.margin.t == many.height - one.height == 21 * n_more


class TestFiles:
    def test_are_the_same_again(self, tmp_path):
        one, two = (tables.write_figures({"a": FIGURES["count_bars"]()}, tmp_path / name)[0] for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()

    def test_hold_the_figure(self, tmp_path):
        tables.write_figures({name: make() for name, make in FIGURES.items()}, tmp_path)
        for name, make in FIGURES.items():
            assert plotly.io.read_json(tmp_path / f"{name}.json") == make()

    def test_a_picture_without_a_browser_says_what_to_install(self, monkeypatch):
        def fail(*arguments, **options):
            raise RuntimeError("no browser")

        monkeypatch.setattr(go.Figure, "to_image", fail)
        with pytest.raises(ValueError, match=r"no browser.*install kaleido"):
            tables.picture(go.Figure())
