"""Findings as files and as tables, and those of all studies together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from kit.compare.claims import VERDICTS, Finding
from kit.compare.paper import NOT_TESTED
from kit.compare.stats import MARKED
from kit.core import records
from kit.core.printing import Table
from kit.core.records import without_nan
from kit.core.tables import whole_file

RULE = (
    "*Seen here*: the whole 95 % interval over question groups and every training seed lie on the claim's side "
    "(of zero, or of the stated margin); everything else is *not seen here*. Paired randomisation tests, adjusted within a "
    f"study (Holm), do not decide. {MARKED}."
)
_RULE = " --- "  # under the heads of a table


def write(findings: Sequence[Finding], path: str | Path) -> None:
    """Write findings as JSON; the file appears whole or not at all."""
    rows = [without_nan(asdict(finding)) for finding in findings]
    with whole_file(Path(path)) as partial:
        partial.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: str | Path) -> list[Finding]:
    """Read what ``write`` wrote.

    Raises:
        ValueError: no such file, or another one.
    """
    return records.read(path, list[Finding], "these are not the findings of a study: run its notebook again")


def table(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Rows for ``kit.core.printing.Table``."""
    return [
        {
            "claim": finding.claim,
            "on": finding.on or "–",
            "effect": finding.effect or "–",
            "difference [95 %]": finding.interval,
            "p (Holm)": "–" if finding.p_value != finding.p_value else f"{finding.p_value:.4f}",
            "verdict": finding.verdict,
        }
        for finding in findings
    ]


def markdown(findings: Sequence[Finding]) -> str:
    """All findings as one table, study by study, with the command that makes each study again below it."""
    rows = []
    for finding, row in zip(findings, table(findings)):
        rows.append(
            {
                "claim": row["claim"],
                "study": finding.study,
                "tested on": row["on"],
                "effect": row["effect"],
                "difference [95 % interval]": row["difference [95 %]"],
                "p (Holm)": row["p (Holm)"],
                "verdict": f"**{row['verdict']}**",
            }
        )
    commands = dict.fromkeys(f"- {finding.study}: `{finding.command}`" for finding in findings if finding.command)
    return "\n".join([Table(rows).markdown(_RULE), "", "Made again by", "", *commands, ""])


def short(findings: Sequence[Finding]) -> str:
    """How many were seen, and all of them in four columns."""
    counts = ", ".join(f"{sum(one.verdict == verdict for one in findings)} {verdict}" for verdict in VERDICTS)
    rows = []
    for finding in findings:
        tested_on = f"{finding.study.split()[0]}, {finding.on or '–'}"
        rows.append(
            {
                "claim": finding.claim,
                "study, tested on": tested_on if len(tested_on) <= 48 else tested_on[:47] + "…",
                "difference [95 % interval]": finding.interval,
                "verdict": f"**{finding.verdict}**",
            }
        )
    return f"{len(findings)} claims: {counts}.\n\n{Table(rows).markdown(_RULE)}"


def collect(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of several runs in the order of the studies, then the paper's claims that no run here can test."""
    return [*sorted(findings, key=lambda finding: finding.study), *(Finding(text, "paper") for text in NOT_TESTED)]
