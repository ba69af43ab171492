"""The rules for a verdict, each on numbers made for it, and the published figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from test_results import made_evaluation

from kit.compare.paper import (
    CLAIMS,
    MARGIN_DISTANCE,
    MARGIN_MAP,
    NOT_TESTED,
    Claim,
    Verdict,
    check_claims,
    claims_text,
)
from kit.compare.results import HEADLINE, Results, SeedComparison
from kit.compare.stats import Comparison

HIGHER = next(claim for claim in CLAIMS if claim.kind == "better" and claim.column == "cross mAP")
FAIRER = next(claim for claim in CLAIMS if claim.kind == "better" and claim.column == "rank distance")
AS_GOOD = next(claim for claim in CLAIMS if claim.kind == "reaches" and claim.column == "mono mAP")
AS_FAIR = next(claim for claim in CLAIMS if claim.kind == "reaches" and claim.column == "rank distance")


@dataclass
class _Made:
    """Stands for ``Results``: every comparison has the interval and the seeds given; every rank distance is 200."""

    low: float
    high: float
    by_seed: tuple[float, ...]
    models: tuple[str, ...] = ("X-X-mono", "X-Y", "Hybrid")
    without: str = ""

    def values(self, model, setting, measure):
        return SimpleNamespace(values=np.zeros((0 if setting == self.without else 3, 2)))

    def compare(self, first, second, setting, measure):
        return SeedComparison(Comparison((self.low + self.high) / 2, self.low, self.high, 0.03), self.by_seed)

    def headline(self):
        return {model: {"rank distance": (200.0, 1.0)} for model in self.models}


def _verdict(claim: Claim, made: _Made) -> str:
    return next(verdict.verdict for verdict in check_claims(made) if verdict.claim == claim)


@pytest.mark.parametrize(
    ("low", "high", "by_seed", "verdict"),
    [
        (0.001, 0.05, (0.02, 0.03), "seen here"),
        (0.0, 0.05, (0.02, 0.03), "not seen here"),  # the interval touches zero
        (-0.001, 0.05, (0.02, 0.03), "not seen here"),  # and holds it
        (0.001, 0.05, (0.04, -0.001), "not seen here"),  # one seed disagrees
        (0.001, 0.05, (0.04, 0.0), "not seen here"),  # one seed sees nothing
        (-0.05, -0.01, (-0.02, -0.03), "not seen here"),  # the other way round
    ],
)
def test_better(low, high, by_seed, verdict):
    assert _verdict(HIGHER, _Made(low, high, by_seed)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "by_seed", "verdict"),
    [
        (-5.0, -1.0, (-2.0, -3.0), "seen here"),  # lower is fairer
        (-5.0, 0.0, (-2.0, -3.0), "not seen here"),
        (-5.0, -1.0, (-2.0, 1.0), "not seen here"),
        (1.0, 5.0, (2.0, 3.0), "not seen here"),
    ],
)
def test_better_of_a_distance_is_lower(low, high, by_seed, verdict):
    assert _verdict(FAIRER, _Made(low, high, by_seed)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "by_seed", "verdict"),
    [
        (-0.009, 0.002, (-0.005, 0.001), "seen here"),  # worse, by less than the margin of 0.01
        (0.001, 0.02, (0.01, 0.01), "seen here"),  # better is within any margin
        (-0.011, 0.002, (-0.005, 0.001), "not seen here"),  # the interval leaves the margin
        (-MARGIN_MAP, 0.002, (-0.005, 0.001), "not seen here"),  # or touches it
        (-0.009, 0.002, (-0.011, 0.001), "not seen here"),  # one seed leaves it
    ],
)
def test_reaches(low, high, by_seed, verdict):
    assert _verdict(AS_GOOD, _Made(low, high, by_seed)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "by_seed", "verdict"),
    [
        (-3.0, 9.0, (4.0, 5.0), "seen here"),  # larger by less than 5 % of the other's 200
        (-30.0, -9.0, (-20.0, -21.0), "seen here"),  # fairer is within any margin
        (-3.0, 11.0, (4.0, 5.0), "not seen here"),
        (-3.0, MARGIN_DISTANCE * 200, (4.0, 5.0), "not seen here"),
        (-3.0, 9.0, (4.0, 10.5), "not seen here"),
    ],
)
def test_reaches_of_a_distance_is_not_larger(low, high, by_seed, verdict):
    assert _verdict(AS_FAIR, _Made(low, high, by_seed)) == verdict


def test_the_margin_of_a_distance_is_a_share_of_the_second():
    made = _Made(-3.0, 9.0, (4.0, 5.0))
    made.headline = lambda: {"Hybrid": {"rank distance": (1000.0, 1.0)}, "X-Y": {"rank distance": (100.0, 1.0)}}
    verdicts = {verdict.claim: verdict.verdict for verdict in check_claims(_only(made, {"Hybrid", "X-Y"}))}
    assert verdicts[AS_FAIR] == "not seen here"  # 9 is more than 5 % of X-Y's 100


def _only(made: _Made, models: set[str]) -> _Made:
    made.models = tuple(sorted(models))
    return made


@pytest.mark.parametrize("missing", ["X-X-mono", "X-Y", "Hybrid"])
def test_a_sampling_that_was_not_run_leaves_its_claims_untested(missing):
    made = _only(_Made(1.0, 1.0, (1.0,)), {"X-X-mono", "X-Y", "Hybrid", "En-En"} - {missing})
    untested = {verdict.claim for verdict in check_claims(made) if verdict.verdict == "not tested"}
    assert untested == {claim for claim in CLAIMS if missing in (claim.first, claim.second)}


def test_a_task_without_the_setting_leaves_its_claims_untested():
    verdicts = check_claims(_Made(1.0, 1.0, (1.0,), without="cross-lingual"))
    untested = {verdict.claim for verdict in verdicts if verdict.verdict == "not tested"}
    assert untested == {claim for claim in CLAIMS if HEADLINE[claim.column][0] == "cross-lingual"} != set()


@pytest.fixture(scope="module")
def real() -> list[Verdict]:
    """X-X-mono is as good as X-Y but puts the query's language first; Hybrid is X-Y."""
    return check_claims(
        Results(
            {
                "X-X-mono": [made_evaluation("own first")] * 2,
                "X-Y": [made_evaluation("right")] * 2,
                "Hybrid": [made_evaluation("right")] * 2,
            }
        )
    )


def test_on_results(real):
    verdicts = {verdict.claim.text: verdict.verdict for verdict in real}
    assert [verdicts[claim.text] for claim in CLAIMS] == [
        "not seen here",  # X-Y costs nothing in the query's own language
        "not seen here",  # nor does it help from one language to one other
        "seen here",
        "seen here",  # 1 against 5/6 in the pool; 1 against 2
        "seen here",
        "seen here",
        "seen here",
        "seen here",
    ]


def test_the_difference_behind_a_verdict(real):
    verdict = real[CLAIMS.index(FAIRER)]
    assert (verdict.difference, verdict.low, verdict.high, verdict.by_seed) == (-1, -1, -1, (-1, -1))


def test_one_language():
    results = Results({name: [made_evaluation("right", "de")] for name in ("X-X-mono", "X-Y", "Hybrid")})
    tested = {verdict.claim.column for verdict in check_claims(results) if verdict.verdict != "not tested"}
    assert tested == {"mono mAP", "multi mAP"}


def test_every_claim_is_judged_once_and_in_order():
    assert [verdict.claim for verdict in check_claims(_Made(1.0, 1.0, (1.0,)))] == list(CLAIMS)


def test_text_is_a_table_of_all_claims(real):
    lines = claims_text(real).splitlines()
    assert len(lines) == 2 + len(CLAIMS) + len(NOT_TESTED)
    assert {line.count("|") for line in lines} == {6}
    assert lines[2 + CLAIMS.index(FAIRER)] == (
        f"| {FAIRER.text} | rank distance 295 against 410 | X-Y − X-X-mono: −1 [−1 to −1] "
        f"| {real[CLAIMS.index(FAIRER)].p_value:.4f} | **seen here** |"
    )


def test_text_of_what_was_not_tested():
    line = claims_text([Verdict(HIGHER, "not tested")]).splitlines()[2]
    assert line == f"| {HIGHER.text} | cross mAP 0.700 against 0.674 | – | – | **not tested** |"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_the_figures_are_the_published_ones(claim, shared_data):
    tables = shared_data.parent / "paper" / "tables.json"
    if not tables.is_file():
        pytest.skip(f"no {tables}")
    summary = json.loads(tables.read_text(encoding="utf-8"))["summary"]
    setting, measure = HEADLINE[claim.column]
    if measure == "rank_distance":
        published = summary["rank_distance"]["XLM-R"]["XQuAD-R"]
    else:
        at = summary["mAP"]["order"].index(setting)
        published = {name: scores[at] for name, scores in summary["mAP"]["XLM-R"]["XQuAD-R"].items()}
    assert claim.paper == (published[claim.first], published[claim.second])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_the_published_figures_bear_the_claim_out(claim):
    gain = (claim.paper[0] - claim.paper[1]) * (-1 if claim.column == "rank distance" else 1)
    assert gain > 0 if claim.kind == "better" else gain >= 0
