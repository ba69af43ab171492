"""Study 09: its arms, what they are compared on, its claims in order, and what is said of what a run lacks."""

from __future__ import annotations

import numpy as np
import pytest
from test_mining import made_task

from kit.compare.mining import MiningResults
from kit.data.bitext import BitextTask
from kit.evaluate.mining.mined import ACCURACY, MEASURES, WAYS, Mined
from kit.run.settings import Settings
from kit.run.studies.mining import (
    FAMILIES,
    RECIPES,
    judge_mining,
    mining_arms,
    mining_panels,
    pair_rows,
    panel_scores,
    scores_text,
    task_rows,
    way_rows,
    with_distractors,
)

FORMS = {"pairs": ("p",), "whole texts": ("w",), "switched": ("s",)}
KNOWN = {"en", "de", "sw"}


def task(name: str, source: str, target: str, n_target: int) -> BitextTask:
    made = made_task(6, n_target)
    return BitextTask(name, source, target, made.source, made.target, made.gold)


TASKS = {
    "high": task("set en-de", "en", "de", 9),
    "low": task("set en-sw", "en", "sw", 9),
    "unseen": task("set en-ha", "en", "ha", 9),
    "easy": task("other en-de", "en", "de", 6),
}


def mined(score: float, spec: str) -> Mined:
    """Twenty sentences that add about the score, by the ratio; a tenth less by the other ways."""
    values = score + np.tile([0.01, -0.01], 10)
    by_way = {(way, measure): values - 0.1 * (way != "ratio") for way in WAYS for measure in MEASURES}
    return Mined(np.arange(20, dtype=np.uint64), {ACCURACY: values} if spec == "easy" else by_way)


def results(*arms: str) -> MiningResults:
    scores = {arm: 0.5 + 0.02 * number for number, arm in enumerate(RECIPES)}
    return MiningResults({spec: {arm: [mined(scores[arm], spec)] for arm in arms} for spec in TASKS})


class TestArms:
    def test_recipes_of_the_samplings_asked_for(self):
        arms = mining_arms(Settings().changed(samplings=("X-Y", "Hybrid")), FORMS)
        assert list(arms) == ["X-Y", "X-Y (symmetric)", "X-Y (margin)", "translation ranking", "Hybrid"]
        ranking = arms["translation ranking"]
        assert (ranking.data.train, ranking.training.symmetric, ranking.training.margin) == (("w",), True, 0.3)
        assert set(FAMILIES) == set(RECIPES)

    @pytest.mark.parametrize(("encoder", "dropout"), [("static", 0.1), ("tiny", Settings().encoder.dropout)])
    def test_dropout_is_for_encoders_without_their_own(self, encoder, dropout):
        arms = mining_arms(Settings().changed(samplings=("En-En",), encoder=encoder), FORMS)
        assert arms["SimCSE (English)"].encoder.dropout == dropout


class TestPanels:
    def test_groups_with_distractors_and_the_rest(self):
        panels = mining_panels(TASKS, KNOWN)
        assert {name: (panel.tasks, *panel.where) for name, panel in panels.items()} == {
            "F1, high-resource": (["high"], "ratio", "f1"),
            "F1, low-resource": (["low"], "ratio", "f1"),
            "F1, unseen in training": (["unseen"], "ratio", "f1"),
            "accuracy, no distractors": (["easy"], *ACCURACY),
        }
        assert "accuracy, no distractors" not in mining_panels(with_distractors(TASKS), KNOWN)

    def test_rows(self):
        row = task_rows(TASKS, KNOWN)[1]
        assert list(row.values()) == ["set", "en-sw", "low-resource", "English and Swahili", 6, 0, 3]

    def test_scores_in_tables(self):
        found = results("Hybrid", "X-Y")
        scores, pairs = panel_scores(found, mining_panels(TASKS, KNOWN)), pair_rows(found, with_distractors(TASKS))
        assert pairs[0] == {"arm": "Hybrid", **dict.fromkeys(("set en-de", "set en-sw", "set en-ha"), pytest.approx(0.7))}
        text = scores_text(scores, pairs)
        assert text.startswith("## Scores\n\n| arm | F1, high-resource |") and "| Hybrid | 0.700 [" in text
        assert "\n\n| F1 by pair | set en-de |" in text and text.endswith("| X-Y | 0.620 | 0.620 | 0.620 |")
        assert [row["way"] for row in way_rows(found, "X-Y", ["high"])] == list(WAYS)


class TestJudge:
    def test_claims_in_order(self):
        found = judge_mining(results(*RECIPES), mining_panels(TASKS, KNOWN), TASKS, "Hybrid")
        assert [one.effect for one in found[:2]] == [
            "F1, low-resource, Hybrid − En-En",
            "F1, unseen in training, Hybrid − En-En",
        ]
        assert [one.on for one in found[:2]] == ["set en-sw", "set en-ha"]
        assert found[0].claim == "Hybrid mines low-resource pairs better than English-only training"
        assert found[1].claim == "Hybrid mines unseen languages' pairs better than English-only training"
        assert found[0].difference == pytest.approx(0.2) and found[0].verdict == "seen here"
        assert [one.effect for one in found[10:17]] == [
            "F1, all pairs, X-Y (symmetric) − X-Y",
            "F1, all pairs, X-Y (margin) − X-Y",
            "F1, all pairs, X-X-mono (switched) − X-X-mono",
            "accuracy, no distractors, Hybrid − En-En",
            "accuracy, no distractors, Hybrid − translation ranking",
            "F1 of Hybrid, ratio − nearest neighbour",
            "F1 of Hybrid, ratio − absolute",
        ]
        assert found[13].on == "other en-de" and found[15].difference == pytest.approx(0.1)
        assert found[17].on == "BUCC's files are not here: profile mining-large" and len(found) == 18

    def test_what_a_run_lacks_is_said(self):
        tasks = with_distractors(TASKS)
        found = judge_mining(results("Hybrid", "X-Y"), mining_panels(tasks, KNOWN), tasks, "Hybrid")
        assert found[0].on == "this run has no Hybrid, En-En or F1, low-resource"
        assert [one.is_tested for one in found] == [False] * 6 + [True] * 2 + [False] * 7 + [True] * 2 + [False]

    def test_bucc_is_not_called_untested_where_it_was_mined(self):
        tasks = {f"bucc:{spec}": one for spec, one in TASKS.items()}
        made = MiningResults({f"bucc:{spec}": {"Hybrid": [mined(0.5, spec)]} for spec in TASKS})
        assert len(judge_mining(made, mining_panels(tasks, KNOWN), tasks, "Hybrid")) == 17
