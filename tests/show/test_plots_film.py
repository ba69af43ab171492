"""The film of the versions of the answers: what moves where, at each update, by a hand-made history."""

from __future__ import annotations

import pytest

from kit.show import plots
from kit.train.history import ANSWER, MEDIAN, History


def history(*steps: tuple[int, dict[str, float], dict[str, float]]) -> History:
    """A history of (update, medians by language, ranks of one answer by language)."""
    named = lambda start, ranks: {start + language: rank for language, rank in ranks.items()}
    return History(
        [], [(update, {"score": 0.5} | named(MEDIAN, medians) | named(ANSWER, one)) for update, medians, one in steps]
    )


FAIR = history(
    (10, {"de": 90.0, "en": 100.0}, {"de": 40.0, "en": 2.0}),
    (20, {"de": 5.0, "en": 4.0}, {"de": 3.0, "en": 1.0}),
)
UNFAIR = history(
    (10, {"de": 90.0, "en": 100.0}, {"de": 50.0, "en": 2.0}),
    (15, {"de": 80.0, "en": 2.0}, {"de": 60.0, "en": 1.0}),
    (20, {"de": 70.0, "en": 1.0}, {"de": 70.0, "en": 1.0}),
)


@pytest.fixture(scope="module")
def film():
    return plots.bias_film({("fair", 0): FAIR, ("fair", 1): UNFAIR, ("unfair", 0): UNFAIR}, "Where is <b>it</b>?")


def points(frame, panel: int, kind: int) -> dict[str, float]:
    """Rank by language of a panel's medians (1) or of the versions of one answer (2)."""
    trace = frame.data[3 * panel + kind]
    return dict(zip(trace.y, trace.x))


def test_a_frame_for_each_update_that_all_models_have(film):
    assert [frame.name for frame in film.frames] == ["10", "20"]
    assert [tuple(step.args[0]) for step in film.layout.sliders[0].steps] == [("10",), ("20",)]


def test_each_frame_has_the_ranks_of_its_update_and_of_the_first_seed(film):
    first, last = film.frames
    assert points(first, 0, 1) == {"German (de)": 90.0, "English (en)": 100.0}
    assert points(last, 0, 1) == {"German (de)": 5.0, "English (en)": 4.0}
    assert points(last, 1, 1) == {"German (de)": 70.0, "English (en)": 1.0}
    assert points(first, 0, 2) == {"German (de)": 40.0, "English (en)": 2.0}
    assert points(last, 1, 2) == {"German (de)": 70.0, "English (en)": 1.0}


def test_it_opens_on_the_last_update(film):
    assert [trace.x for trace in film.data] == [trace.x for trace in film.frames[-1].data]
    assert film.layout.sliders[0].active == 1


def test_languages_keep_their_place_by_the_last_medians_of_the_first_model(film):
    assert list(film.layout.yaxis.categoryarray) == ["English (en)", "German (de)"]


def test_the_axis_holds_every_rank(film):
    assert 10 ** film.layout.xaxis.range[1] > 100 and 10 ** film.layout.xaxis.range[0] < 1


def test_the_question_cannot_bring_markup(film):
    assert "<b>" not in film.layout.title.text and "Where is" in film.layout.title.text


def test_the_text_alternative_says_what_moved(film):
    assert film.layout.meta["alt"] == (
        "Places between the median ranks of the first and the last language: fair from 10 at update 10 to 1 at update 20; "
        "unfair from 10 at update 10 to 69 at update 20."
    )


def test_an_answer_without_a_language(film):
    partial = history((10, {"de": 9.0, "en": 1.0}, {"en": 1.0}))
    drawn = plots.bias_film({("m", 0): partial})
    assert points(drawn.frames[0], 0, 2) == {"English (en)": 1.0, "German (de)": None}


@pytest.mark.parametrize(
    ("histories", "error"),
    [
        ({}, "histories is empty"),
        ({("m", 0): History([], [(10, {"score": 0.5})])}, "histories share no update with ranks by language"),
        ({("m", 0): history((10, {"de": 1.0}, {})), ("n", 0): history((20, {"de": 1.0}, {}))}, "share no update"),
    ],
)
def test_what_cannot_be_shown_is_refused(histories, error):
    with pytest.raises(ValueError, match=error):
        plots.bias_film(histories)
