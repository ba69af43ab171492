"""Gaps between pairs and gains on two tests, with results whose scores are set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kit.compare.claims import Claim
from kit.compare.gaps import larger_gain, wider_gap
from kit.compare.results import Results
from kit.evaluate.evaluation import SCHEMA, Evaluation


def claim(first: str, second: str) -> Claim:
    return Claim("08", "It is so", first, second, "cross mAP")


def made(scores: dict[tuple[str, str], list[float]], task: str = "made") -> list[Evaluation]:
    """One evaluation whose average precision by cell and group is given; all other columns are empty."""
    rows = [
        {"query_id": f"{group}{cell}", "group_id": str(group), "query_language": cell[0], "candidate_language": cell[1]}
        | {"average_precision": value, "n_relevant": 1}
        for cell, values in scores.items()
        for group, value in enumerate(values)
    ]
    import pyarrow as pa

    return [Evaluation(task, "made", ("de", "en", "fr"), 0, pa.Table.from_pylist(rows, schema=SCHEMA))]


EASY, HARD, OTHER = ("de", "en"), ("fr", "en"), ("en", "de")


class TestWiderGap:
    RESULTS = Results(
        {
            "even": made({EASY: [0.8] * 9, HARD: [0.6] * 9, OTHER: [0.7] * 9}),
            "uneven": made({EASY: [0.7] * 9, HARD: [0.1] * 9, OTHER: [0.0] * 9}),
        }
    )

    def test_is_the_difference_of_the_gaps_in_the_pairs_of_the_reference(self):
        found = wider_gap(claim("uneven", "even"), self.RESULTS)
        assert found.difference == pytest.approx((0.7 - 0.1) / (0.8 / 3) - (0.8 - 0.6) / 0.7)
        assert found.verdict == "seen here" and found.on == "made"
        assert found.effect == "mAP (de → en − fr → en) / mean, uneven − even"

    def test_a_narrower_gap_is_not_seen(self):
        found = wider_gap(claim("even", "uneven"), self.RESULTS)  # best and worst of "uneven": de → en, en → de
        assert (
            found.difference == pytest.approx((0.8 - 0.7) / 0.7 - (0.7 - 0.0) / (0.8 / 3))
            and found.verdict == "not seen here"
        )

    def test_one_pair_has_no_gap(self):
        results = Results({"a": made({EASY: [0.5]}), "b": made({EASY: [0.5]})})
        with pytest.raises(ValueError, match="made has 1 cross-lingual pairs: a gap needs two"):
            wider_gap(claim("a", "b"), results)


class TestLargerGain:
    TRUE = Results(
        {
            "a": made({EASY: [0.5, 0.4], OTHER: [1.0, 1.0]}, "true"),
            "b": made({EASY: [0.4, 0.3], OTHER: [0.0, 0.0]}, "true"),
        }
    )

    def test_is_the_gain_here_minus_the_gain_there_in_the_same_cells(self):
        noisy = Results({"a": made({EASY: [0.9, 0.8]}, "noisy"), "b": made({EASY: [0.4, 0.3]}, "noisy")})
        found = larger_gain(claim("a", "b"), (noisy, self.TRUE), "en")
        assert found.difference == pytest.approx(0.5 - 0.1) and found.by_seed == pytest.approx((0.4,))
        assert found.verdict == "seen here" and found.on == "noisy and true"
        assert found.effect == "mAP, (a − b) on the first − on the second"

    @pytest.mark.parametrize("scores", [{EASY: [0.5, 0.5, 0.5]}, {EASY: [0.5, 0.5], HARD: [0.5, 0.5]}, {OTHER: [0.5, 0.5]}])
    def test_other_questions_or_cells_are_not_compared(self, scores):
        other = Results({name: made(scores, "other") for name in "ab"})
        found = larger_gain(claim("a", "b"), (other, self.TRUE), "en")
        assert found.verdict == "not tested" and "same questions" in found.on and np.isnan(found.difference)
