"""The paper's claims, each checked against a run: seen here, not seen here, not tested."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.compare.results import HEADLINE, Results
from kit.compare.stats import holm

MARGIN_MAP = 0.01
"""A sampling *reaches* another where the interval of its mAP difference lies above minus this."""

MARGIN_DISTANCE = 0.05
"""The same for rank distance, as a share of the other's distance (lower is fairer)."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that two samplings can be compared on.

    text: the claim.
    first, second: samplings; the claim is about first against second.
    column: of ``HEADLINE``.
    kind: ``better`` or ``reaches`` (not worse than by the margin above).
    paper: the two figures of arXiv 2408.10536 for XLM-R on XQuAD-R, first and second.
    """

    text: str
    first: str
    second: str
    column: str
    kind: str
    paper: tuple[float, float]


CLAIMS = (
    Claim("X-Y batches cost monolingual quality", "X-X-mono", "X-Y", "mono mAP", "better", (0.792, 0.755)),
    Claim("X-Y batches help cross-lingual retrieval", "X-Y", "X-X-mono", "cross mAP", "better", (0.700, 0.674)),
    Claim("X-Y batches help multilingual retrieval", "X-Y", "X-X-mono", "multi mAP", "better", (0.593, 0.547)),
    Claim("X-Y batches make the ranking fairer", "X-Y", "X-X-mono", "rank distance", "better", (295, 410)),
    Claim("Hybrid reaches the monolingual quality of X-X-mono", "Hybrid", "X-X-mono", "mono mAP", "reaches", (0.798, 0.792)),
    Claim("Hybrid reaches the cross-lingual quality of X-Y", "Hybrid", "X-Y", "cross mAP", "reaches", (0.705, 0.700)),
    Claim("Hybrid reaches the multilingual quality of X-Y", "Hybrid", "X-Y", "multi mAP", "reaches", (0.593, 0.593)),
    Claim("Hybrid is as fair as X-Y", "Hybrid", "X-Y", "rank distance", "reaches", (287, 295)),
)

NOT_TESTED = (  # that alpha between 0.4 and 0.6 makes no difference is a matter of notebook 06
    "the same holds for XLM-R and LaBSE, trained on nine large sets",
    "the same holds for languages that were never trained on",
    "the same holds on MIRACL",
)


@dataclass(frozen=True)
class Verdict:
    """What a run says about a claim: ``seen here``, ``not seen here`` or ``not tested``, with the difference behind it.

    difference, low, high: first minus second, averaged over seeds, with its 95 % interval over question groups.
    p_value: of the paired randomisation test, adjusted over all claims that were tested.
    by_seed: the difference in each training seed.
    """

    claim: Claim
    verdict: str
    difference: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p_value: float = float("nan")
    by_seed: tuple[float, ...] = ()


def check_claims(results: Results) -> list[Verdict]:
    """Check every claim whose two samplings were run on a task that has its setting.

    A claim is seen where the whole 95 % interval of the difference is on its side (``better``: beyond zero; ``reaches``:
    above minus the margin) *and* every training seed by itself is on that side. Everything else is not seen. The p-values
    say how surprising the difference is if the sampling does not matter, adjusted for all claims tested (Holm); they do
    not decide.
    """
    verdicts = [_check(claim, results) for claim in CLAIMS]
    tested = [place for place, verdict in enumerate(verdicts) if verdict.verdict != "not tested"]
    for place, p_value in zip(tested, holm(np.array([verdicts[place].p_value for place in tested]))):
        verdicts[place] = replace(verdicts[place], p_value=float(p_value))
    return verdicts


def _check(claim: Claim, results: Results) -> Verdict:
    setting, measure = HEADLINE[claim.column]
    if (
        not {claim.first, claim.second} <= set(results.models)
        or not results.values(claim.first, setting, measure).values.size
    ):
        return Verdict(claim, "not tested")
    compared = results.compare(claim.first, claim.second, setting, measure)
    low, high = compared.overall.low, compared.overall.high
    sign, margin = 1.0, MARGIN_MAP
    if claim.column == "rank distance":
        sign, margin = -1.0, MARGIN_DISTANCE * results.headline()[claim.second][claim.column][0]
    bar = -margin if claim.kind == "reaches" else 0.0
    gains = [sign * low, sign * high, *(sign * difference for difference in compared.by_seed)]
    verdict = "seen here" if min(gains) > bar else "not seen here"
    return Verdict(claim, verdict, compared.overall.difference, low, high, compared.overall.p_value, compared.by_seed)


def claims_text(verdicts: list[Verdict]) -> str:
    """The verdicts as a Markdown table, followed by the claims that this run cannot test."""
    lines = [
        "| claim (arXiv 2408.10536) | paper, XLM-R on XQuAD-R | here [95 % interval] | p (Holm) | verdict |",
        "|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        cells = claim_cells(verdict)
        here = cells["difference"] + (f" [{cells['interval']}]" if verdict.verdict != "not tested" else "")
        lines.append(f"| {cells['text']} | {cells['paper']} | {here} | {cells['p_value']} | **{cells['verdict']}** |")
    lines += [f"| {text} | | – | – | not tested |" for text in NOT_TESTED]
    return "\n".join(lines)


def signed(value: float, digits: int) -> str:
    """A difference with its sign and commas between thousands.

    >>> signed(-16592.4, 0), signed(0.0136, 3)
    ('−16,592', '+0.014')
    """
    return f"{value:+,.{digits}f}".replace("-", "−")


def claim_cells(verdict: Verdict) -> dict[str, str]:
    """The texts of one row of a table: claim, the paper's figures, difference, interval, p-value, verdict."""
    claim = verdict.claim
    digits = 0 if claim.column == "rank distance" else 3
    cells = {
        "text": claim.text,
        "paper": f"{claim.column} {claim.paper[0]:.{digits}f} against {claim.paper[1]:.{digits}f}",
        "difference": "–",
        "interval": "–",
        "p_value": "–",
        "verdict": verdict.verdict,
    }
    if verdict.verdict != "not tested":
        cells["difference"] = f"{claim.first} − {claim.second}: {signed(verdict.difference, digits)}"
        cells["interval"] = f"{signed(verdict.low, digits)} to {signed(verdict.high, digits)}"
        cells["p_value"] = f"{verdict.p_value:.4f}"
    return cells
