"""The paper's claims on results, and the published figures."""

from __future__ import annotations

import json

import pytest
from test_results import made_evaluation

from kit.compare.claims import Finding, not_tested
from kit.compare.paper import CLAIMS, NOT_TESTED, PUBLISHED, check_claims, claim_cells, claims_text
from kit.compare.results import Results

HIGHER = next(claim for claim in CLAIMS if claim.kind == "better" and claim.column == "cross mAP")
FAIRER = next(claim for claim in CLAIMS if claim.kind == "better" and claim.column == "rank distance")
MADE = {
    "X-X-mono": [made_evaluation("own first")] * 2,
    "X-Y": [made_evaluation("right")] * 2,
    "Hybrid": [made_evaluation("right")] * 2,
}


@pytest.mark.parametrize("missing", MADE)
def test_a_sampling_that_was_not_run_leaves_its_claims_untested(missing):
    found = check_claims(Results({name: runs for name, runs in MADE.items() if name != missing}))
    untested = [(claim, one) for claim, one in zip(CLAIMS, found) if not one.is_tested]
    assert [claim for claim, _ in untested] == [claim for claim in CLAIMS if missing in (claim.first, claim.second)]
    assert {one.on for _, one in untested} == {f"this run has no {missing}"}


@pytest.fixture(scope="module")
def real() -> list[Finding]:
    """X-X-mono is as good as X-Y but puts the query's language first; Hybrid is X-Y."""
    return check_claims(Results(MADE))


def test_on_results(real):
    verdicts = {finding.claim: finding.verdict for finding in real}
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
    found = real[CLAIMS.index(FAIRER)]
    assert (found.difference, found.low, found.high, found.by_seed) == (-1, -1, -1, (-1, -1))
    assert (found.effect, found.on) == ("rank distance, X-Y − X-X-mono", "made")


def test_one_language():
    found = check_claims(Results({name: [made_evaluation("right", "de")] for name in MADE}))
    tested = {claim.column for claim, one in zip(CLAIMS, found) if one.is_tested}
    assert tested == {"mono mAP", "multi mAP"}
    assert {one.on for one in found if not one.is_tested and "cross" in one.claim} == {"made has no cross-lingual setting"}


def test_every_claim_is_judged_once_and_in_order(real):
    assert [finding.claim for finding in real] == [claim.text for claim in CLAIMS]


def test_text_is_a_table_of_all_claims(real):
    lines = claims_text(real).splitlines()
    assert len(lines) == 2 + len(CLAIMS) + len(NOT_TESTED)
    assert {line.count("|") for line in lines} == {6}
    assert lines[2 + CLAIMS.index(FAIRER)] == (
        f"| {FAIRER.text} | rank distance 295 against 410 | X-Y − X-X-mono: −1 [−1 to −1 †] "
        f"| {real[CLAIMS.index(FAIRER)].p_value:.4f} | **seen here** |"
    )


def test_text_of_what_was_not_tested():
    line = claims_text([not_tested(HIGHER, "no X-Y")]).splitlines()[2]
    assert line == f"| {HIGHER.text} | cross mAP 0.700 against 0.674 | – | – | **not tested** |"


def test_a_finding_of_something_else_is_refused():
    with pytest.raises(ValueError, match="'all is well' is no claim of the paper"):
        claim_cells(Finding("all is well", "04 the paper"))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_the_figures_are_the_published_ones(claim, shared_data):
    tables = shared_data.parent / "paper" / "tables.json"
    if not tables.is_file():
        pytest.skip(f"no {tables}")
    summary = json.loads(tables.read_text(encoding="utf-8"))["summary"]
    setting, measure = claim.where
    if measure == "rank_distance":
        published = summary["rank_distance"]["XLM-R"]["XQuAD-R"]
    else:
        at = summary["mAP"]["order"].index(setting)
        published = {name: scores[at] for name, scores in summary["mAP"]["XLM-R"]["XQuAD-R"].items()}
    assert PUBLISHED[claim] == (published[claim.first], published[claim.second])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_the_published_figures_bear_the_claim_out(claim):
    first, second = PUBLISHED[claim]
    gain = (first - second) * (-1 if claim.lower_is_better else 1)
    assert gain > 0 if claim.kind == "better" else gain >= 0
