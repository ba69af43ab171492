"""Findings as files and as tables, and those of all studies together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from kit.compare.claims import VERDICTS, Finding
from kit.compare.paper import NOT_TESTED
from kit.core import records
from kit.core.files import whole_file
from kit.core.printing import Table
from kit.core.records import without_nan

RULE = (
    "*Seen here*: the whole 95 % interval over question groups and every training seed lie on the claim's side "
    "(of zero, or of the stated margin); everything else is *not seen here*. Paired randomisation tests, adjusted within a "
    "study (Holm), do not decide."
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
    """All findings as one table, study by study, with the command that makes each study again below it.

    Where some are of a pretrained encoder, what was found of a claim on a task with either kind stands in one row.
    """
    rows = []
    for told in _side_by_side(findings):
        first = next(iter(told.values()))
        rows.append(
            {"claim": first.claim, "study": first.study, "tested on": first.on or "–", "effect": first.effect or "–"}
        )
        if len(_starts(findings)) == 1:
            (row,) = table([first])
            rows[-1] |= {"difference [95 % interval]": row["difference [95 %]"], "p (Holm)": row["p (Holm)"]}
            rows[-1]["verdict"] = f"**{row['verdict']}**"
        else:
            rows[-1] |= {start: _cell(told.get(start), with_p=True) for start in _starts(findings)}
    commands = dict.fromkeys(f"- {finding.study}: `{finding.command}`" for finding in findings if finding.command)
    return "\n".join([Table(rows).markdown(_RULE), "", "Made again by", "", *commands, ""])


def short(findings: Sequence[Finding]) -> str:
    """How many were seen, and all of them in a few columns; side by side as in ``markdown``."""
    rows = []
    for told in _side_by_side(findings):
        first = next(iter(told.values()))
        tested_on = f"{first.study.split()[0]}, {first.on or '–'}"
        rows.append({"claim": first.claim, "study, tested on": tested_on if len(tested_on) <= 48 else tested_on[:47] + "…"})
        if len(_starts(findings)) == 1:
            rows[-1] |= {"difference [95 % interval]": first.interval, "verdict": f"**{first.verdict}**"}
        else:
            rows[-1] |= {start: _cell(told.get(start)) for start in _starts(findings)}
    return f"{_counts(findings)}\n\n{Table(rows).markdown(_RULE)}"


SCRATCH, PRETRAINED = "from scratch", "pretrained"


def _start(finding: Finding) -> str:
    return PRETRAINED if finding.encoder else SCRATCH


def _starts(findings: Sequence[Finding]) -> list[str]:
    """The kinds of encoder that there are findings of, from scratch first."""
    return sorted(
        {_start(finding) for finding in findings if finding.is_tested} or {SCRATCH}, key=[SCRATCH, PRETRAINED].index
    )


def _side_by_side(findings: Sequence[Finding]) -> list[dict[str, Finding]]:
    """What was found of each claim, by kind of encoder, in the order of the first ones."""
    rows: dict[tuple[str, ...], dict[str, Finding]] = {}
    for number, finding in enumerate(findings):
        row = rows.setdefault((finding.study, finding.claim, finding.on, finding.effect), {})
        if _start(finding) in row:  # said twice by one kind, such as of two tasks of one name
            row = rows.setdefault((*map(str, (finding.study, finding.claim, number)),), {})
        row[_start(finding)] = finding
    return list(rows.values())


def _cell(finding: Finding | None, with_p: bool = False) -> str:
    if finding is None:
        return ""
    if not finding.is_tested:
        return f"**{finding.verdict}**"
    p_value = f", p {finding.p_value:.4f}" if with_p and finding.p_value == finding.p_value else ""
    return f"{finding.interval}{p_value} **{finding.verdict}**"


def _counts(findings: Sequence[Finding]) -> str:
    """How many claims came to which verdict, by kind of encoder; what none tested is counted once."""
    counts = []
    for start in _starts(findings):
        mine = [one for one in findings if one.is_tested and _start(one) == start]
        seen = ", ".join(f"{sum(one.verdict == verdict for one in mine)} {verdict}" for verdict in VERDICTS[:-1])
        counts.append(f"{seen} ({start})" if len(_starts(findings)) > 1 else seen)
    untested = sum(not one.is_tested for one in findings)
    return f"{len(findings)} claims: {'; '.join(counts)}, {untested} {VERDICTS[-1]}."


def collect(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of several runs in the order of the studies, then the paper's claims that no run here can test.

    What several runs could not test for the same reason is there once.
    """
    untested: set[tuple[str, str, str]] = set()
    kept = []
    for finding in sorted(findings, key=lambda finding: finding.study):
        name = (finding.study, finding.claim, finding.on)
        if finding.is_tested or name not in untested:
            kept.append(finding)
        untested |= set() if finding.is_tested else {name}
    return [*kept, *(Finding(text, "paper") for text in NOT_TESTED)]
