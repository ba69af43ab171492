"""Study 06: its arms, what is held against the middle, its claims in order."""

from __future__ import annotations

import pytest
from test_results import made_evaluation

from kit.compare.results import Results
from kit.run import pipeline
from kit.run.settings import Settings
from kit.run.studies import ratio
from kit.run.studies.ratio import ends_and_middle, judge_ratios, level_rows, mean_scores, neighbours, ratio_arms

ALPHAS = (0.0, 0.4, 0.5, 0.6, 1.0)
RESULTS = Results(
    {
        "alpha 0": [made_evaluation("swapped")] * 2,
        "alpha 0.4": [made_evaluation("right")] * 2,
        "alpha 0.5": [made_evaluation("right")] * 2,
        "alpha 0.6": [made_evaluation("own first")] * 2,
        "alpha 1": [made_evaluation("own first")] * 2,
    }
)


def test_arms_differ_in_the_share_alone():
    arms = ratio_arms(Settings(), (0.0, 0.25, 1.0), updates=20)
    assert {name: arm.samplings for name, arm in arms.items()} == {
        "alpha 0": ("Hybrid(0)",),
        "alpha 0.25": ("Hybrid(0.25)",),
        "alpha 1": ("Hybrid(1)",),
    }
    assert {arm.changed(samplings=("X-Y",)).fingerprint() for arm in arms.values()} == {
        Settings().changed(samplings=("X-Y",), updates=20).fingerprint()
    }


@pytest.mark.parametrize("alphas", [(0.0, 1.0), (0.5,), (0.5, 0.75, 1.0)])
def test_without_a_middle_there_is_no_study(alphas):
    with pytest.raises(ValueError, match=r"the one nearest to 0\.5 is an end: give one between"):
        ratio_arms(Settings(), alphas)


def test_what_is_held_against_the_middle():
    assert ends_and_middle((1.0, 0.3, 0.0, 0.6)) == (0.0, 0.6, 1.0)
    assert neighbours(ALPHAS) == [0.4, 0.6]
    assert neighbours((0.0, 0.25, 0.5, 0.75, 1.0)) == [0.25, 0.75]
    assert neighbours((0.0, 0.5, 1.0)) == []


def test_claims_in_order():
    found = judge_ratios(RESULTS, ALPHAS)
    assert [(one.claim.split(":")[0][:24], one.effect, one.verdict) for one in found] == [
        ("A mixture beats only cro", "mean mAP, alpha 0.5 − alpha 0", "seen here"),
        ("A mixture beats only mon", "mean mAP, alpha 0.5 − alpha 1", "seen here"),
        ("The middle is flat", "mean mAP, alpha 0.4 − alpha 0.5", "seen here"),
        ("The middle is flat", "mean mAP, alpha 0.6 − alpha 0.5", "not seen here"),
        ("More monolingual batches", "mono mAP, alpha 1 − alpha 0", "seen here"),
        ("More cross-lingual batch", "cross mAP, alpha 0 − alpha 1", "not seen here"),
        ("More cross-lingual batch", "rank distance, alpha 0 − alpha 1", "seen here"),
        ("The mixture keeps the mo", "mono mAP, alpha 0.5 − alpha 1", "seen here"),
        ("The mixture keeps the fa", "rank distance, alpha 0.5 − alpha 0", "seen here"),
    ]
    assert found[2].claim == "The middle is flat: alpha 0.4 scores as 0.5 does"
    assert found[0].difference == pytest.approx(1 - (1 / 2 + 1 / 2 + 5 / 12) / 3)  # see test_results
    assert {one.study for one in found} == {"06 mixing ratio"}


def test_levels_are_trained_together_and_each_has_its_best(monkeypatch):
    trained = []
    monkeypatch.setattr(pipeline, "train_missing", lambda arms, log: trained.append(len(arms)))
    asked = []

    def run_arms(arms, tests, log):
        asked.append({(arm.training.batch_size, arm.training.temperature) for arm in arms.values()})
        return {tests[0]: Results({name: RESULTS.evaluations[name] for name in arms})}

    monkeypatch.setattr(ratio, "run_arms", run_arms)
    settings = Settings().changed(alphas=ALPHAS, batch_sizes=(50,), temperatures=(0.2,))
    rows = level_rows(ratio.run_levels(settings))
    assert trained == [9] and asked == [{(100, 0.1)}, {(50, 0.1)}, {(100, 0.2)}]
    assert [row["level"] for row in rows] == ["as above", "batches of 50", "temperature 0.2"]
    assert {row["best"] for row in rows} == {"alpha 0.5"} and rows[0]["alpha 1"] == pytest.approx((1 + 1 + 5 / 6) / 3)


def test_scores_are_means_over_the_seeds():
    assert mean_scores(RESULTS)["alpha 1"] == pytest.approx([1, 1, 5 / 6])
