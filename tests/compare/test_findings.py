"""Findings as files and as tables, and those of all studies together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from test_claims import CLAIM, seeds

from kit.compare import findings
from kit.compare.claims import judge, not_tested
from kit.compare.findings import markdown
from kit.compare.paper import NOT_TESTED

SEEN = judge(CLAIM, seeds(0.5), seeds(0.4), "task")
UNTESTED = not_tested(CLAIM, "no such arm")


class TestTogether:
    def test_studies_stand_in_order_and_what_none_tested_comes_last(self):
        found = findings.collect([SEEN, replace(SEEN, study="06 ratio")])
        assert [one.study for one in found] == ["06 ratio", "99 study", *["paper"] * len(NOT_TESTED)]
        assert [one.claim for one in found[2:]] == list(NOT_TESTED)

    def test_what_several_runs_could_not_test_for_one_reason_is_there_once(self):
        other = replace(UNTESTED, encoder="head:e5", command="python -m kit run 99")
        found = findings.collect([UNTESTED, SEEN, other, replace(other, on="another reason"), SEEN])
        assert [one.on for one in found if one.study == "99 study"] == ["no such arm", "task", "another reason", "task"]

    def test_short_has_a_row_for_each(self):
        text = findings.short([SEEN])
        assert text.startswith("1 claims: 1 seen here, 0 not seen here, 0 not tested.")
        assert text.splitlines()[-1] == "| one beats the other | 99, task | +0.100 [+0.100 to +0.100 †] | **seen here** |"

    def test_what_is_found_of_a_claim_on_both_kinds_of_encoder_stands_in_one_row(self):
        pretrained = replace(SEEN, encoder="head:e5", verdict="not seen here", difference=0.02)
        elsewhere = replace(SEEN, encoder="head:e5", on="another task")
        text = findings.short([SEEN, UNTESTED, pretrained, elsewhere])
        count = "1 seen here, 0 not seen here (from scratch); 1 seen here, 1 not seen here (pretrained), 1 not tested."
        assert text.startswith(f"4 claims: {count}")
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[-3:]]
        mine = "[+0.100 to +0.100 †]"
        assert cells == [
            ["one beats the other", "99, task", f"+0.100 {mine} **seen here**", f"+0.020 {mine} **not seen here**"],
            ["one beats the other", "99, no such arm", "**not tested**", ""],
            ["one beats the other", "99, another task", "", f"+0.100 {mine} **seen here**"],
        ]
        assert markdown([SEEN, pretrained]).count(", p 0.0001 **") == 2

    def test_written_and_read(self, tmp_path):
        found = [SEEN, UNTESTED]
        findings.write(found, tmp_path / "findings.json")
        again = findings.read(tmp_path / "findings.json")
        assert again[0] == found[0] and math.isnan(again[1].difference) and again[1].verdict == "not tested"

    @pytest.mark.parametrize("content", ["", "[1]", '[{"claims": 1}]', "{"])
    def test_another_file_is_refused(self, tmp_path, content):
        (tmp_path / "findings.json").write_text(content)
        with pytest.raises(ValueError, match=r"findings\.json: .* not the findings of a study: run its notebook again"):
            findings.read(tmp_path / "findings.json")

    def test_markdown_names_each_command_once(self):
        found = [replace(SEEN, claim=f"a|{n}", command="python -m kit run 99") for n in (1, 2)]
        text = markdown(found)
        assert text.count("python -m kit run 99") == 1 and "a\\|1" in text
        assert "| +0.100 [+0.100 to +0.100 †] |" in text and text.count("**seen here**") == 2

    def test_a_claim_that_was_not_tested_has_dashes(self):
        (row,) = findings.table([UNTESTED])
        assert (row["difference [95 %]"], row["p (Holm)"], row["verdict"]) == ("–", "–", "not tested")
