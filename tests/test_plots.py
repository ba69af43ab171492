"""Figures: what they hold, that they are pure, and one colour for one thing."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
from test_results import made_evaluation

from kit import plots, show
from kit.corpus import ParallelCorpus
from kit.plots import LANGUAGE_COLOURS, SAMPLING_COLOURS, language_colour, sampling_colour
from kit.results import Results
from kit.samplers import PairBatch, PairBatchSampler, Sampling
from kit.trainer import History

HEX = re.compile(r"#[0-9A-Fa-f]{6}")
NAN = float("nan")
RESULTS = Results(
    {
        "X-Y": [made_evaluation("right"), made_evaluation("swapped")],
        "Hybrid(0.3)": [made_evaluation("own first"), made_evaluation("right")],
    }
)
MATRICES = {"X-Y": np.array([[0.5, 0.25], [NAN, 1.0]]), "Hybrid": np.array([[0.75, 0.5], [0.25, NAN]])}
RANKS = {"X-Y": {"de": 3, "en": 1}, "Hybrid": {"de": 2, "en": 900}}
COUNTS = {"currency": {"de": 3, "en": 4}, "script": {"de": 1, "en": 0}}


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
}
INPUTS = (BATCHES, MATRICES, HISTORIES, RANKS, COUNTS, RESULTS)


def _plain(value: object) -> object:
    """Content that can be compared, whatever holds it."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, _plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Results):
        return [(name, [run.per_query.to_pandas().to_json() for run in runs]) for name, runs in value.evaluations.items()]
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

    def test_colours_are_valid(self, name):
        colours = re.findall(r'"(#[^"]*)"', FIGURES[name]().to_json())
        assert colours and not [colour for colour in colours if not HEX.fullmatch(colour)]


class TestColours:
    def test_are_hexadecimal(self):
        assert all(HEX.fullmatch(colour) for colour in (*LANGUAGE_COLOURS.values(), *SAMPLING_COLOURS.values()))

    def test_the_eleven_languages_differ(self):
        assert len({colour.upper() for colour in LANGUAGE_COLOURS.values()}) == len(LANGUAGE_COLOURS) == 11

    def test_the_samplings_differ(self):
        assert len({colour.upper() for colour in SAMPLING_COLOURS.values()}) == len(SAMPLING_COLOURS)

    def test_hybrid_keeps_its_colour_at_every_alpha(self):
        assert {sampling_colour(name) for name in ("Hybrid", "Hybrid(0.3)", "Hybrid(.5)")} == {SAMPLING_COLOURS["Hybrid"]}

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
        assert single.data[0].texttemplate == "%{z:.2f}" and several.data[0].texttemplate is None

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

    def test_training_curves_band(self):
        band = next(trace for trace in plots.training_curves(HISTORIES).data if trace.fill == "toself")
        assert (band.x, band.y) == ((10, 20, 20, 10), (0.4, 0.8, 0.4, 0.2))

    def test_training_curves_show_each_sampling_once_in_the_legend(self):
        shown = [trace.name for trace in plots.training_curves(HISTORIES).data if trace.showlegend]
        assert shown == ["X-Y", "Hybrid(0.3)"]

    def test_settings_chart(self):
        points = [trace for trace in plots.settings_chart(RESULTS).data if trace.xaxis == "x4"]
        rings, mean = points[2], points[3]
        interval = RESULTS.interval("Hybrid(0.3)", "multilingual", "rank_distance")
        assert list(rings.x) == [2, 1] and list(rings.y) == ["Hybrid(0.3)"] * 2
        assert list(mean.x) == [1.5] and list(mean.text) == ["2"]
        assert (mean.error_x.array[0], mean.error_x.arrayminus[0]) == pytest.approx(
            (interval.high - interval.estimate, interval.estimate - interval.low)
        )

    def test_settings_chart_draws_chance_where_given(self):
        lines = [trace for trace in plots.settings_chart(RESULTS, 1.5).data if "chance" in (trace.text or ())]
        assert [(tuple(line.x), line.xaxis) for line in lines] == [((1.5, 1.5), "x4")]
        assert not [trace for trace in plots.settings_chart(RESULTS).data if "chance" in (trace.text or ())]

    def test_answer_ladder(self):
        figure = plots.answer_ladder(RANKS, 1000, "Wo?")
        marks = {(trace.y[0], trace.text[0]): trace.x[0] for trace in figure.data if trace.text}
        ends = {trace.y[0]: tuple(trace.x) for trace in figure.data if trace.mode == "lines"}
        assert marks == {(model, tag): rank for model, ranks in RANKS.items() for tag, rank in ranks.items()}
        assert ends == {"X-Y": (1, 3), "Hybrid": (2, 900)} and "Wo?" in figure.layout.title.text

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


class _Loaded(HTMLParser):
    """Collects every address that a page loads by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href", "data", "srcset")]


class TestFiles:
    def test_pages_need_no_network(self, tmp_path):
        pages = show.write_figures({name: make() for name, make in FIGURES.items()}, tmp_path / "deep" / "figures")
        assert [page.name for page in pages] == [f"{name}.html" for name in FIGURES]
        for page in pages:
            text = page.read_text(encoding="utf-8")
            assert _Loaded(text).found == ["plotly.min.js"]
            assert "@import" not in text and "url(http" not in text
        assert (tmp_path / "deep" / "figures" / "plotly.min.js").stat().st_size > 10**6

    def test_pages_are_the_same_again(self, tmp_path):
        one, two = (show.write_figures({"a": FIGURES["count_bars"]()}, tmp_path / name)[0] for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()

    def test_the_data_beside_a_page_is_the_figure(self, tmp_path):
        show.write_figures({"a": FIGURES["pair_heatmap"]()}, tmp_path)
        assert plotly.io.read_json(tmp_path / "a.json") == FIGURES["pair_heatmap"]()

    def test_a_picture_without_a_browser_says_what_to_install(self, monkeypatch):
        def fail(*arguments, **options):
            raise RuntimeError("no browser")

        monkeypatch.setattr(go.Figure, "to_image", fail)
        with pytest.raises(ValueError, match=r"no browser.*install kaleido"):
            show.picture(go.Figure())
