"""The figure of language pairs: points, order, bars, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from test_results import made_evaluation

from kit.compare.results import Results
from kit.show.plots.scores import pair_rows

RESULTS = Results(
    {
        "right": [made_evaluation("right", languages="de en fr")],
        "<b>off</b>": [made_evaluation("swapped", languages="de en fr")],
    }
)


def test_points_and_bars_are_those_of_the_results():
    figure = pair_rows(RESULTS)
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [list(trace.x) for trace in points] == [[1.0] * 6, [0.5] * 6]
    assert np.array(points[1].error_x.array) == pytest.approx(0) and np.array(points[1].error_x.arrayminus) == pytest.approx(
        0
    )
    assert figure.layout.yaxis.ticktext[0] == "de → en" and len(figure.layout.yaxis.ticktext) == 6
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert list(line.x[:2]) == [0.5, 1.0] and np.isnan(line.x[2])


def test_models_can_be_chosen_and_names_are_safe():
    figure = pair_rows(RESULTS, ["<b>off</b>"], setting="monolingual")
    assert len(figure.layout.yaxis.ticktext) == 3
    assert [trace.name for trace in figure.data if trace.mode == "markers"] == ["&lt;b&gt;off&lt;/b&gt;"]
    assert "0.500 (de to de)" in figure.layout.meta["alt"]


def test_the_same_input_gives_the_same_json():
    assert pair_rows(RESULTS).to_json() == pair_rows(RESULTS).to_json()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"models": ["none"]}, "models hold 'none': choose from right"),
        ({"setting": "multilingual"}, "choose monolingual or cross-lingual"),
    ],
)
def test_refuses(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        pair_rows(RESULTS, **options)


def test_refuses_a_task_without_pairs():
    alone = Results({"a": [made_evaluation("right", languages="de")]})
    with pytest.raises(ValueError, match="made has 0 cross-lingual pairs"):
        pair_rows(alone)
