"""Claims and their judge: the rules for a verdict, each on numbers made for it, and adjusted p-values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_results import made_evaluation

from kit.compare import claims
from kit.compare.claims import Claim, Finding, adjusted, judge, judge_models, not_tested
from kit.compare.columns import COLUMNS, HEADLINE
from kit.compare.results import Results
from kit.compare.stats import Comparison

CLAIM = Claim("99 study", "one beats the other", "one", "other", "score")
FAIRER = replace(CLAIM, column="rank distance")


def seeds(*values: float, n_groups: int = 200, spread: float = 0.01) -> list[np.ndarray]:
    """One array a seed, whose mean is the value."""
    noise = np.tile([spread, -spread], n_groups // 2)[:, None]
    return [value + noise for value in values]


class TestClaim:
    def test_fields_are_filled_in_everywhere(self):
        claim = Claim("99", "{domain} helps on it", "+ {domain}", "{arm}", "{kind} of mono mAP")
        filled = claim.filled(domain="law", arm="none", kind="drop")
        assert filled == Claim("99", "law helps on it", "+ law", "none", "drop of mono mAP")
        assert filled.effect == "drop of mono mAP, + law − none"

    def test_names_from_data_are_no_fields(self):
        assert Claim("99", "{domain} helps", "a", "b", "score").filled(domain="{law}").text == "{law} helps"

    def test_its_column_is_a_score_of_results_or_values_are_needed(self):
        assert FAIRER.where == HEADLINE["rank distance"] == ("multilingual", "rank_distance")
        with pytest.raises(ValueError, match="column 'score' is no score of results"):
            _ = CLAIM.where

    def test_lower_is_better_by_the_measure(self):
        lower = {column for column in COLUMNS if replace(CLAIM, column=column).lower_is_better}
        assert lower == {"rank distance", "cover rank"}
        assert not replace(CLAIM, column="drop of rank distance").lower_is_better

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"kind": "worse"}, "kind is 'worse'"),
            ({"kind": "reaches", "margin": -0.1}, "margin is -0.1"),
            ({"kind": "equals"}, "margin is 0.0: give one above 0"),
            ({"margin": 0.1}, "margin is 0.1: give one above 0 to claims that reach or equal, none to others"),
        ],
    )
    def test_refuses(self, options, message):
        with pytest.raises(ValueError, match=message):
            replace(CLAIM, **options)


class TestJudge:
    @pytest.mark.parametrize(
        ("kind", "first", "second", "verdict"),
        [
            ("better", (0.5, 0.5), (0.4, 0.4), "seen here"),
            ("better", (0.4, 0.4), (0.5, 0.5), "not seen here"),
            ("better", (0.7, 0.39), (0.4, 0.4), "not seen here"),  # one seed says otherwise
            ("reaches", (0.495, 0.495), (0.5, 0.5), "seen here"),
            ("reaches", (0.47, 0.47), (0.5, 0.5), "not seen here"),
            ("reaches", (0.9, 0.9), (0.5, 0.5), "seen here"),
            ("equals", (0.505, 0.495), (0.5, 0.5), "seen here"),
            ("equals", (0.9, 0.9), (0.5, 0.5), "not seen here"),
            ("differs", (0.4, 0.4), (0.5, 0.5), "seen here"),
            ("differs", (0.4, 0.6), (0.5, 0.5), "not seen here"),
        ],
    )
    def test_verdicts(self, kind, first, second, verdict):
        claim = replace(CLAIM, kind=kind, margin=0.01 if kind in ("reaches", "equals") else 0.0)
        found = judge(claim, seeds(*first, spread=0.012), seeds(*second), "task")
        assert (found.claim, found.study, found.on, found.effect) == (
            "one beats the other",
            "99 study",
            "task",
            "score, one − other",
        )
        assert found.verdict == verdict and found.is_tested
        assert found.by_seed == pytest.approx([a - b for a, b in zip(first, second)])
        assert found.difference == pytest.approx(np.mean(found.by_seed))
        assert found.low <= found.difference <= found.high

    def test_an_interval_over_zero_is_not_seen(self):
        noise = np.random.default_rng(0).normal(0.0, 1.0, (50, 1))
        found = judge(CLAIM, [0.01 + noise], [-noise], "task")
        assert found.low < 0 < found.high and found.verdict == "not seen here"

    @pytest.mark.parametrize(
        ("first", "second", "counts"), [(seeds(1.0), seeds(1.0, 1.0), "1 seeds and second 2"), ([], [], "0")]
    )
    def test_refuses(self, first, second, counts):
        with pytest.raises(ValueError, match=f"first has {counts}"):
            judge(CLAIM, first, second, "task")


BETTER, REACHES = replace(CLAIM, column="mono mAP"), replace(CLAIM, column="mono mAP", kind="reaches", margin=0.01)
AS_FAIR = replace(FAIRER, kind="reaches", margin=0.05, relative=True)


class TestRules:
    """Every comparison has the interval and the seeds given; the second's score is 200."""

    @pytest.mark.parametrize(
        ("claim", "low", "high", "by_seed", "seen"),
        [
            (BETTER, 0.001, 0.05, (0.02, 0.03), True),
            (BETTER, 0.0, 0.05, (0.02, 0.03), False),  # the interval touches zero
            (BETTER, -0.001, 0.05, (0.02, 0.03), False),  # and holds it
            (BETTER, 0.001, 0.05, (0.04, -0.001), False),  # one seed disagrees
            (BETTER, 0.001, 0.05, (0.04, 0.0), False),  # one seed sees nothing
            (BETTER, -0.05, -0.01, (-0.02, -0.03), False),  # the other way round
            (FAIRER, -5.0, -1.0, (-2.0, -3.0), True),  # lower is fairer
            (FAIRER, -5.0, 0.0, (-2.0, -3.0), False),
            (FAIRER, -5.0, -1.0, (-2.0, 1.0), False),
            (FAIRER, 1.0, 5.0, (2.0, 3.0), False),
            (REACHES, -0.009, 0.002, (-0.005, 0.001), True),  # worse, by less than the margin
            (REACHES, 0.001, 0.02, (0.01, 0.01), True),  # better is within any margin
            (REACHES, -0.011, 0.002, (-0.005, 0.001), False),  # the interval leaves the margin
            (REACHES, -0.01, 0.002, (-0.005, 0.001), False),  # or touches it
            (REACHES, -0.009, 0.002, (-0.011, 0.001), False),  # one seed leaves it
            (AS_FAIR, -3.0, 9.0, (4.0, 5.0), True),  # larger by less than 5 % of the second's 200
            (AS_FAIR, -30.0, -9.0, (-20.0, -21.0), True),  # fairer is within any margin
            (AS_FAIR, -3.0, 11.0, (4.0, 5.0), False),
            (AS_FAIR, -3.0, 10.0, (4.0, 5.0), False),
            (AS_FAIR, -3.0, 9.0, (4.0, 10.5), False),
        ],
    )
    def test_by_hand(self, monkeypatch, claim, low, high, by_seed, seen):
        monkeypatch.setattr(
            claims, "paired_randomisation_test", lambda a, b: Comparison((low + high) / 2, low, high, 0.03, 50.0)
        )
        second = [np.full((4, 2), 200.0)] * len(by_seed)
        first = [values + difference for values, difference in zip(second, by_seed)]
        assert judge(claim, first, second, "task").verdict == ("seen here" if seen else "not seen here")


class TestJudgeModels:
    RESULTS = Results({"right": [made_evaluation("right")], "own": [made_evaluation("own first")]})

    def test_is_the_comparison_of_the_results(self):
        found = judge_models(Claim("s", "a", "right", "own", "multi mAP"), self.RESULTS)
        assert (found.effect, found.on) == ("multi mAP, right − own", self.RESULTS.task_name)
        expected = self.RESULTS.compare("right", "own", *HEADLINE["multi mAP"])
        assert (found.difference, found.low, found.p_value) == (
            expected.overall.difference,
            expected.overall.low,
            expected.overall.p_value,
        )
        assert found.by_seed == expected.by_seed and found.digits == 3

    def test_a_distance_is_better_when_it_is_lower_and_has_no_digits(self):
        pairs = (("right", "own"), ("own", "right"))
        both = [judge_models(Claim("s", "a", *pair, "rank distance"), self.RESULTS) for pair in pairs]
        assert [one.difference for one in both] == [-1, 1] and [one.numbers[0] for one in both] == ["−1", "+1"]
        assert [one.verdict for one in both] == ["seen here", "not seen here"]


class TestFinding:
    def test_what_was_not_tested_says_why(self):
        found = not_tested(CLAIM, "no such arm")
        assert (found.claim, found.study, found.on, found.effect) == ("one beats the other", "99 study", "no such arm", "")
        assert not found.is_tested and found.interval == "–" and found.numbers == ("–", "–", "–")

    def test_a_verdict_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="verdict is 'maybe'"):
            Finding("a", "99", verdict="maybe")

    def test_holm_by_hand_leaves_out_what_was_not_tested(self):
        tested = [Finding("a", "99", verdict="seen here", p_value=p) for p in (0.04, 0.01, 0.03)]
        found = adjusted([tested[0], not_tested(CLAIM, "no"), *tested[1:]])
        assert [one.p_value for one in found if one.is_tested] == pytest.approx([0.06, 0.03, 0.06])
        assert math.isnan(found[1].p_value)
