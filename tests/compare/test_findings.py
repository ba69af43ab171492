"""What a study may say: verdicts by hand, adjusted p-values, files, the one table."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from test_results import made_evaluation

from kit.compare import findings
from kit.compare.findings import Finding, adjusted, judge, markdown, of_models, of_paper
from kit.compare.paper import CLAIMS, NOT_TESTED, Verdict
from kit.compare.results import HEADLINE, Results

CLAIM = Finding("one beats the other", "99 study", "task", "score, one − other")


def seeds(*values: float, n_groups: int = 200, spread: float = 0.01) -> list[np.ndarray]:
    """One array a seed, whose mean is the value."""
    noise = np.tile([spread, -spread], n_groups // 2)[:, None]
    return [value + noise for value in values]


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
        found = judge(
            CLAIM, seeds(*first, spread=0.012), seeds(*second), kind, margin=0.01 if kind in ("reaches", "equals") else 0.0
        )
        assert found.verdict == verdict
        assert found.by_seed == pytest.approx([a - b for a, b in zip(first, second)])
        assert found.difference == pytest.approx(np.mean(found.by_seed))
        assert found.low <= found.difference <= found.high

    def test_lower_may_be_better(self):
        assert judge(CLAIM, seeds(10.0), seeds(20.0), lower_is_better=True).verdict == "seen here"

    def test_an_interval_over_zero_is_not_seen(self):
        noise = np.random.default_rng(0).normal(0.0, 1.0, (50, 1))
        found = judge(CLAIM, [0.01 + noise], [-noise])
        assert found.low < 0 < found.high and found.verdict == "not seen here"

    @pytest.mark.parametrize(
        ("first", "second", "options", "message"),
        [
            (seeds(1.0), seeds(1.0), {"kind": "worse"}, "kind is 'worse'"),
            (seeds(1.0), seeds(1.0), {"margin": -0.1}, "margin is -0.1"),
            (seeds(1.0), seeds(1.0, 1.0), {}, "first has 1 seeds and second 2"),
            ([], [], {}, "first has 0 seeds"),
        ],
    )
    def test_refuses(self, first, second, options, message):
        with pytest.raises(ValueError, match=message):
            judge(CLAIM, first, second, **options)

    def test_of_models(self):
        results = Results({"right": [made_evaluation("right")], "wrong": [made_evaluation("swapped")]})
        found = of_models("a", "s", results, "right", "wrong", "multi mAP", HEADLINE["multi mAP"])
        assert (found.effect, found.on) == ("multi mAP, right − wrong", results.task_name)
        expected = results.compare("right", "wrong", *HEADLINE["multi mAP"]).overall
        assert (found.difference, found.p_value) == (expected.difference, expected.p_value)

    def test_rank_distance_is_better_when_it_is_lower(self):
        results = Results({"right": [made_evaluation("right")], "own": [made_evaluation("own first")]})
        place = HEADLINE["rank distance"]
        both = [of_models("a", "s", results, *pair, "rank distance", place) for pair in (("right", "own"), ("own", "right"))]
        assert both[0].difference == -both[1].difference
        assert {one.verdict for one in both if one.difference > 0} <= {"not seen here"}


class TestTogether:
    def test_holm_by_hand_leaves_out_what_was_not_tested(self):
        tested = [replace(CLAIM, verdict="seen here", p_value=p) for p in (0.04, 0.01, 0.03)]
        found = adjusted([tested[0], CLAIM, *tested[1:]])
        assert [one.p_value for one in found if one.verdict != "not tested"] == pytest.approx([0.06, 0.03, 0.06])
        assert math.isnan(found[1].p_value)

    def test_the_papers_claims_come_along(self):
        verdicts = [Verdict(CLAIMS[0], "seen here", 0.05, 0.04, 0.06, 0.001, (0.05,)), Verdict(CLAIMS[1], "not tested")]
        (found,) = of_paper(verdicts, "04", "atlas", "make run")
        assert found == Finding(
            CLAIMS[0].text,
            "04",
            "atlas",
            "mono mAP, X-X-mono − X-Y",
            "seen here",
            0.05,
            0.04,
            0.06,
            0.001,
            (0.05,),
            3,
            "make run",
        )

    def test_studies_stand_in_order_and_what_none_tested_comes_last(self):
        found = findings.collect([CLAIM, replace(CLAIM, study="06 ratio")])
        assert [one.study for one in found] == ["06 ratio", "99 study", *["paper"] * len(NOT_TESTED)]
        assert [one.claim for one in found[2:]] == list(NOT_TESTED)

    def test_short_has_a_row_for_each(self):
        text = findings.short([judge(CLAIM, seeds(0.5), seeds(0.4))])
        assert text.startswith("1 claims: 1 seen here, 0 not seen here, 0 not tested.")
        assert text.splitlines()[-1] == "| one beats the other | 99, task | +0.100 [+0.100 to +0.100] | **seen here** |"

    def test_written_and_read(self, tmp_path):
        found = [judge(CLAIM, seeds(0.5), seeds(0.4)), CLAIM]
        findings.write(found, tmp_path / "findings.json")
        again = findings.read(tmp_path / "findings.json")
        assert again[0] == found[0] and math.isnan(again[1].difference) and again[1].verdict == "not tested"

    @pytest.mark.parametrize("content", ["", "[1]", '[{"claims": 1}]', "{"])
    def test_another_file_is_refused(self, tmp_path, content):
        (tmp_path / "findings.json").write_text(content)
        with pytest.raises(ValueError, match=r"findings\.json: not the findings of a study"):
            findings.read(tmp_path / "findings.json")

    def test_a_verdict_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="verdict is 'maybe'"):
            replace(CLAIM, verdict="maybe")

    def test_markdown_names_each_command_once(self):
        found = [
            replace(judge(CLAIM, seeds(0.5), seeds(0.4)), claim=f"a|{n}", command="python -m kit run 99") for n in (1, 2)
        ]
        text = markdown(found)
        assert text.count("python -m kit run 99") == 1 and "a\\|1" in text
        assert "| +0.100 [+0.100 to +0.100] |" in text and text.count("**seen here**") == 2

    def test_a_claim_that_was_not_tested_has_dashes(self):
        (row,) = findings.table([CLAIM])
        assert (row["difference [95 %]"], row["p (Holm)"], row["verdict"]) == ("–", "–", "not tested")
