"""Tables 10 and 11 beside scores of judged collections: the paper has fifteen of MIRACL's eighteen languages."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from kit.compare.published import scores
from kit.compare.published.beside import Beside, beside
from kit.compare.published.figures import MEAN, Place, paper
from kit.compare.published.scores import Score

PAPER = paper()
MIRACL = ("sw", "bn", "hi", "ko", "th", "te", "fi", "ja", "es", "fr", "ru", "zh", "fa", "ar", "id")
NDCG = Place(encoder="XLM-R", data="MIRACL", setting="monolingual", measure="ndcg_at_10", sampling="X-X-mono")


def judged(languages: tuple[str, ...], **values: list[float]) -> list[Score]:
    """As ``judge`` leaves them: one question of two is answered, in languages for which nothing else is given."""
    of = {tag: np.array(values.get(tag, [0.0, 1.0])) for tag in languages}
    return scores.judged_scores({NDCG.but(language=tag): [one] for tag, one in of.items()})


def mean_of(own: list[Score]) -> Score:
    (one,) = [one for one in own if one.language == MEAN]
    return one


def laid(runs: dict[str, list[Score]]) -> Beside:
    """Table 10, of XLM-R."""
    return beside(PAPER.tables[9], PAPER, runs, {"MIRACL": "make miracl"})


class TestMeans:
    HALF = 2.0452296 * (30 / 29 / 120) ** 0.5
    """Of the interval: Student's t of 29 degrees of freedom; 30 questions that move the mean by 1/60 each."""

    def test_the_papers_languages(self):
        assert PAPER.languages("MIRACL") == MIRACL and PAPER.languages("miracl-hard") == ()

    def test_the_papers_languages_have_a_mean_with_an_interval(self):
        one = laid({"judge": judged(MIRACL)})
        assert one.told == ["XLM-R on MIRACL: run judge"]
        assert {at.language for at, (_, own) in one.pairs.items() if own} == {*MIRACL, MEAN}
        printed, mean = one.pairs[NDCG.but(language=MEAN)]
        assert (printed, mean.low, mean.value, mean.high) == (
            0.4148,
            pytest.approx(0.5 - self.HALF, abs=1e-6),
            0.5,
            pytest.approx(0.5 + self.HALF, abs=1e-6),
        )
        row = next(row for row in one.rows() if (row["measure"], row["language"]) == ("nDCG@10", MEAN))
        assert row["X-X-mono: own − paper [95 %]"] == "+0.0852 [−0.1047 to +0.2751]" and row["X-Y: own"] == "–"

    def test_languages_that_the_paper_has_not_are_left_out_and_count_in_no_mean(self):
        more = {tag: [1.0, 1.0] for tag in ("de", "en", "yo")}
        one, exact = (laid({"judge": judged(tags, **more)}) for tags in ((*more, *MIRACL), MIRACL))
        assert one.told == ["XLM-R on MIRACL: run judge, without languages that the paper has not: de, en, yo"]
        assert one.rows() == exact.rows()

    def test_a_mean_over_more_languages_is_not_the_papers(self):
        """As in files of others, and in those that were left before means were."""
        own = [one for one in judged((*MIRACL, "de"), de=[1.0]) if one.language != MEAN]
        for mean in (8.5 / 16, 0.5):
            given = Score(**dict(NDCG.but(language=MEAN)), value=mean, low=0.4, high=0.6)
            one = laid({"judge": [*own, given]}).pairs[NDCG.but(language=MEAN)][1]
            assert one and one.value == 0.5 and (one.low == 0.4 if mean == 0.5 else isnan(one.low))

    def test_each_language_counts_alike(self):
        mean = mean_of(judged(MIRACL, sw=[1.0] * 4))
        assert mean.value == pytest.approx((1 + 14 / 2) / 15, abs=1e-6)

    def test_training_seeds_are_one_score(self):
        at = [NDCG.but(language=tag) for tag in MIRACL]
        own = scores.judged_scores({place: [np.array([0.0, 1.0]), np.array([0.5, 0.5])] for place in at})
        mean = mean_of(own)  # each question deviates half as far
        assert (mean.low, mean.value) == pytest.approx((0.5 - self.HALF / 2, 0.5), abs=1e-6)

    def test_two_languages_have_no_mean(self):
        own = judged(("sw", "th"))
        assert {one.language for one in own} == {"sw", "th"}
        one = laid({"judge": own})
        lacking = ", ".join(sorted({*MIRACL} - {"sw", "th"}))
        assert one.told == [
            f"XLM-R on MIRACL: run judge, 2 of 15 languages: scores within these only; no mean without {lacking}"
        ]
        rows = {row["language"]: row["X-X-mono: own"] for row in one.rows() if row["measure"] == "nDCG@10"}
        assert {tag: own for tag, own in rows.items() if own != "–"} == {"sw": "0.5000", "th": "0.5000"} and MEAN in rows

    def test_two_languages_of_which_the_paper_has_one(self):
        told = laid({"judge": judged(("sw", "yo"))}).told[0]
        assert "1 of 15 languages" in told and told.endswith("; without languages that the paper has not: yo")

    def test_without_one_language_a_mean_that_is_there_is_not_the_papers(self):
        own = [*judged(MIRACL[1:]), Score(**dict(NDCG.but(language=MEAN)), value=0.5)]
        one = laid({"judge": own})
        assert one.told == ["XLM-R on MIRACL: run judge, 14 of 15 languages: scores within these only; no mean without sw"]
        assert {at.language for at, (_, own) in one.pairs.items() if own} == {*MIRACL[1:]}

    def test_a_sampling_without_one_language_has_no_mean(self):
        other = [one.model_copy(update={"sampling": "X-Y"}) for one in judged(MIRACL[1:])]
        other.append(other[0].model_copy(update={"language": MEAN}))
        one = laid({"judge": [*judged(MIRACL), *other]})
        means = {sampling: one.pairs[NDCG.but(language=MEAN, sampling=sampling)][1] for sampling in ("X-X-mono", "X-Y")}
        assert means["X-X-mono"] and means["X-Y"] is None

    def test_files_of_one_run_are_one_run(self, tmp_path):
        (tmp_path / "judge").mkdir()
        for tags, value in ((MIRACL[:8], 1.0), (MIRACL[8:], 0.0)):
            own = judged(tags, **{tag: [value] for tag in tags})
            scores.write(own, tmp_path / "judge" / f"11-scores-{value}.json")
        mean = mean_of(scores.kept(tmp_path)["judge"])
        assert mean.value == pytest.approx(8 / 15, abs=1e-6)

    def test_a_collection_that_the_paper_has_not_gets_no_mean(self):
        at = [NDCG.but(data="scifact", language=tag) for tag in ("de", "en")]
        assert len(scores.judged_scores({place: [np.array([0.0, 1.0])] for place in at})) == 2
