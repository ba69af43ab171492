"""Studies: arms of one budget, the best of them and how sure that is, what no other beats."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import plotly.graph_objects as go
import pytest
from test_results import made_evaluation

from kit.compare import best, findings
from kit.compare.best import Best, best_arm, pareto_front
from kit.compare.claims import Claim, judge_models
from kit.compare.columns import HEADLINE
from kit.compare.results import Results
from kit.run import pipeline
from kit.run.settings import Settings
from kit.run.studies import write
from kit.run.studies.arms import run_arms

ARM = Settings().changed(samplings=("X-Y",), updates=20, evaluations=2)
AVERAGED = [HEADLINE[column] for column in ("mono mAP", "cross mAP", "multi mAP")]


class TestArms:
    @pytest.fixture
    def asked(self, monkeypatch):
        """What the steps of the experiment are asked for, instead of training."""
        asked = {"missing": [], "judged": []}
        monkeypatch.setattr(pipeline, "evaluate_missing", lambda recipes, log: asked["missing"].append(recipes))

        def judge(settings, log):
            asked["judged"].append((settings.samplings[0], settings.data.test))
            return [made_evaluation("right", name=settings.data.test) for _ in settings.seeds]

        monkeypatch.setattr(pipeline, "evaluate_runs", judge)
        return asked

    def test_all_arms_are_made_together_and_judged_on_every_test(self, asked):
        arms = {"none": ARM, "half": ARM.changed(samplings=("Hybrid(0.5)",))}
        results = run_arms(arms, ["atlas", "jsonl:mine"])
        tests = ("atlas", "jsonl:mine")
        assert asked["missing"] == [[arm.changed(test=test) for test in tests for arm in arms.values()]]
        assert asked["judged"] == [(s, test) for test in ("atlas", "jsonl:mine") for s in ("X-Y", "Hybrid(0.5)")]
        assert {test: found.models for test, found in results.items()} == dict.fromkeys(
            ("atlas", "jsonl:mine"), ("none", "half")
        )

    @pytest.mark.parametrize(
        ("arms", "error"),
        [
            ({}, "0 arms and 1 tests"),
            ({"two": ARM.changed(samplings=("X-Y", "Hybrid"))}, "arm 'two' has samplings X-Y, Hybrid: give each arm one"),
            ({"a": ARM, "b": ARM.changed(updates=40)}, "arms differ in updates: {'a': 20, 'b': 40}"),
            ({"a": ARM, "b": ARM.changed(batch_size=50)}, "arms differ in batch_size"),
            ({"a": ARM, "b": ARM.changed(seeds=(1,))}, "arms differ in seeds"),
            ({"a": ARM, "b": ARM.changed(encoder="tiny")}, "arms differ in encoder"),
        ],
    )
    def test_what_cannot_be_compared_is_refused_before_training(self, asked, arms, error):
        with pytest.raises(ValueError, match=error):
            run_arms(arms, ["atlas"])
        assert asked["missing"] == []


class TestParetoFront:
    def test_by_hand(self):
        # c is beaten by a (equal in the first, lower in the second); d equals b, and neither beats the other.
        scores = {"a": (1.0, 0.5), "b": (0.2, 0.9), "c": (1.0, 0.4), "d": (0.2, 0.9)}
        assert pareto_front(scores) == ["a", "b", "d"]

    def test_the_order_of_the_arms_changes_nothing(self):
        scores = {"a": (3, 1), "b": (2, 2), "c": (1, 3), "d": (1, 1)}
        assert {frozenset(pareto_front({name: scores[name] for name in order})) for order in permutations(scores)} == {
            frozenset("abc")
        }


class TestBestArm:
    def test_an_arm_that_is_best_for_every_question_wins_every_draw(self):
        results = Results({"wrong": [made_evaluation("swapped")], "right": [made_evaluation("right")]})
        best = best_arm(results, AVERAGED, n_resamples=50)
        assert best == Best("right", {"wrong": 0.0, "right": 1.0})
        assert best.within() == ["right"]

    def test_equal_arms_go_to_the_first(self):
        results = Results({name: [made_evaluation("right")] for name in ("a", "b")})
        assert best_arm(results, AVERAGED, n_resamples=20).share == {"a": 1.0, "b": 0.0}

    def test_seeds_are_drawn_too(self):
        # Two seeds, one good and one bad: the lucky arm wins where both that are drawn are the good one, in a quarter.
        lucky = [made_evaluation("right"), made_evaluation("swapped")]
        results = Results({"lucky": lucky, "steady": [made_evaluation("own first")]})
        best = best_arm(results, AVERAGED, n_resamples=2000)
        # Mean of the settings: right 1, swapped (.5 + .5 + 5/12) / 3, their mean .736; own first (1 + 1 + 5/6) / 3 = .944.
        assert best.share["lucky"] == pytest.approx(0.25, abs=0.03) and best.arm == "steady"

    def test_the_score_is_the_mean_of_the_settings(self):
        results = Results({"own first": [made_evaluation("own first")]})
        added = best._by_group(results, "own first", AVERAGED)  # (n_seeds, n_groups)
        assert added.shape == (1, 2)
        assert added.sum() == pytest.approx(np.mean([results.by_seed("own first", *where)[0] for where in AVERAGED]))

    def test_a_setting_that_the_task_does_not_have_is_refused(self):
        results = Results({"a": [made_evaluation("right", "de")]})
        with pytest.raises(ValueError, match="no cross-lingual setting"):
            best_arm(results, AVERAGED)

    def test_no_draw_is_refused(self):
        with pytest.raises(ValueError, match="n_resamples is 0"):
            best_arm(Results({"a": [made_evaluation("right")]}), AVERAGED, n_resamples=0)

    def test_the_fewest_arms_that_hold_the_best(self):
        assert Best("b", {"a": 0.3, "b": 0.66, "c": 0.04}).within() == ["b", "a"]
        assert Best("b", {"a": 0.3, "b": 0.66, "c": 0.04}).within(0.97) == ["b", "a", "c"]


class TestOverall:
    def test_its_mean_is_the_mean_of_the_settings(self):
        results = Results({"own first": [made_evaluation("own first"), made_evaluation("right")]})
        columns = best.overall(results, "own first", AVERAGED)
        scores = np.mean([results.by_seed("own first", *where) for where in AVERAGED], axis=0)
        assert [column.mean() for column in columns] == pytest.approx(scores)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one study's notebook, a page with a place for the table, and results to leave."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "real.yaml").write_text("run: real\nupdates: 9\nevaluations: 1\n")
    cell = 'run = "smoke"\nupdates = 20\nevaluations = 1\n'
    cells = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": cell, "outputs": []}]
    (tmp_path / "notebooks" / "06_mine.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "claims.md").write_text("before\n" + "\nold\n".join(write._MARKS) + "\nafter\n")
    return tmp_path


class TestLeaveAndGather:
    RESULTS = Results({"right": [made_evaluation("right")], "own": [made_evaluation("own first")]})

    def leave(self, settings):
        found = judge_models(Claim("06 mine", "right is better", "right", "own", "multi mAP"), self.RESULTS)
        figures = {"bars": go.Figure()}
        return write.leave("06", settings, {"atlas": self.RESULTS}, [found], figures, more="More.")

    @pytest.mark.parametrize(
        ("settings", "command"),
        [
            (Settings().changed(updates=20, evaluations=1), "python -m kit run 06"),
            (Settings().changed(run="real", updates=9, evaluations=1), "python -m kit run 06 --profile real"),
            (Settings().changed(run="x", updates=7, evaluations=1), "python -m kit run 06 -p run=x -p updates=7"),
        ],
    )
    def test_everything_names_the_command_that_makes_it_again(self, project, settings, command):
        (found,) = self.leave(settings)
        folder = project / "reports" / settings.run
        assert found.command == command and findings.read(folder / "06-findings.json") == [found]
        text = (folder / "06-tables.md").read_text(encoding="utf-8")
        assert f"`{command}`" in text and "More." in text and "| right | 1.000 [1.000 to 1.000 †] |" in text
        assert (folder / "06-figures" / "bars.json").is_file()

    def test_the_models_of_its_arms_are_kept(self, project, monkeypatch):
        kept = []
        monkeypatch.setattr(write, "keep_arms", lambda *what: kept.append(what))
        arms = {"alpha 0": Settings()}
        write.leave("06", Settings(), {}, [], {}, arms=arms)
        assert kept == [("06", arms)]

    def test_findings_of_runs_come_together_in_the_docs(self, project):
        self.leave(Settings().changed(run="real", updates=9, evaluations=1))
        found = write.gather(["real"])
        assert found[0].claim == "right is better" and findings.read(project / "reports" / "claims.json")[0] == found[0]
        assert "python -m kit claims real" in (project / "reports" / "claims.md").read_text(encoding="utf-8")
        lines = (project / "docs" / "claims.md").read_text(encoding="utf-8").splitlines()
        assert (lines[0], lines[-1]) == ("before", "after") and "old" not in lines
        assert any(line.startswith("| right is better | 06, ") for line in lines)

    def test_a_run_without_findings_is_refused(self, project):
        with pytest.raises(ValueError, match="none holds no findings"):
            write.gather(["none"])

    @pytest.mark.parametrize("written", ["nothing\n", None])
    def test_docs_without_a_place_are_refused(self, project, written):
        self.leave(Settings().changed(run="real", updates=9, evaluations=1))
        (project / "docs" / "claims.md").unlink()
        if written:
            (project / "docs" / "claims.md").write_text(written)
        with pytest.raises(ValueError, match="no place for the table"):
            write.gather(["real"])
