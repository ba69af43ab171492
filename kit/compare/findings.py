"""What the studies say: each claim with its test, its effect and a verdict, and all of them in one table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from kit.compare.paper import NOT_TESTED, Verdict, signed
from kit.compare.results import DIGITS, Results, without_nan
from kit.compare.stats import holm, macro_mean, paired_randomisation_test
from kit.core.tables import whole_file

KINDS = ("better", "reaches", "equals", "differs")
VERDICTS = ("seen here", "not seen here", "not tested")

RULE = (
    "*Seen here*: the whole 95 % bootstrap interval over question groups and every training seed lie on the claim's side "
    "(of zero, or of the stated margin); everything else is *not seen here*. Paired randomisation tests, adjusted within a "
    "study (Holm), do not decide."
)


@dataclass(frozen=True)
class Finding:
    """A claim and what a study found.

    claim: a sentence.
    study: notebook that tested it.
    on: task.
    effect: what the difference is of, such as "multi mAP, Hybrid − X-Y".
    verdict: one of ``VERDICTS``.
    difference, low, high: mean over training seeds, with its 95 % interval over question groups; NaN where not tested.
    p_value: of the paired randomisation test, adjusted over the findings of a study (Holm).
    by_seed: the difference in each training seed.
    digits: after the point, where it is printed.
    command: makes it again.
    """

    claim: str
    study: str
    on: str = ""
    effect: str = ""
    verdict: str = "not tested"
    difference: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p_value: float = float("nan")
    by_seed: tuple[float, ...] = ()
    digits: int = 3
    command: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict is {self.verdict!r}: choose {', '.join(VERDICTS)}")

    @property
    def interval(self) -> str:
        """The difference with its interval, for a table; a dash where it was not tested."""
        if self.difference != self.difference:
            return "–"
        difference, low, high = (signed(value, self.digits) for value in (self.difference, self.low, self.high))
        return f"{difference} [{low} to {high}]"


def judge(
    claim: Finding,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    kind: str = "better",
    margin: float = 0.0,
    lower_is_better: bool = False,
) -> Finding:
    """Hold a claim about first against second with the numbers of each training seed.

    The difference is first minus second of the means over seeds. The claim is seen where the whole 95 % interval *and* every
    seed by itself are on its side: beyond zero (``better``, for the better), above minus the margin (``reaches``: not worse
    by more), within the margin in both directions (``equals``), or beyond zero in one direction, whichever (``differs``).
    Everything else is not seen. The p-value does not decide.

    Args:
        claim: its text, study, task, effect and digits; the other fields are filled in.
        first, second: one array a seed, shape (n_groups, n_cells), NaN where a group has no value; the same shape in all.
        margin: at least 0, in the unit of the values.
        lower_is_better: whether a lower value is the better one.

    Raises:
        ValueError: an unknown kind, a negative margin, different numbers of seeds, whatever ``kit.compare.stats`` refuses.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: choose {', '.join(KINDS)}")
    if margin < 0:
        raise ValueError(f"margin is {margin}: give at least 0")
    if not first or len(first) != len(second):
        raise ValueError(f"first has {len(first)} seeds and second {len(second)}: give the same number, at least one")
    found = paired_randomisation_test(np.mean(first, axis=0), np.mean(second, axis=0))
    by_seed = tuple(macro_mean(one) - macro_mean(other) for one, other in zip(first, second))
    sign = -1.0 if lower_is_better else 1.0
    gains = np.array([found.low, found.high, *by_seed]) * sign
    seen = {
        "better": gains.min() > 0,
        "reaches": gains.min() > -margin,
        "equals": np.abs(gains).max() < margin,
        "differs": gains.min() > 0 or gains.max() < 0,
    }[kind]
    verdict = "seen here" if seen else "not seen here"
    return replace(
        claim,
        verdict=verdict,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        by_seed=by_seed,
    )


def by_seed(results: Results, model: str, place: tuple[str, str]) -> list[np.ndarray]:
    """What ``judge`` takes of one model: (setting, measure) by question group and cell, one array a seed."""
    return [run.values(*place).values for run in results.evaluations[model]]


def of_models(
    claim: str,
    study: str,
    results: Results,
    first: str,
    second: str,
    column: str,
    place: tuple[str, str],
    **options: object,
) -> Finding:
    """``judge`` for two models of some results on one score.

    Args:
        column: what the score is called, such as ``multi mAP``.
        place: its (setting, measure); rank distance is better when it is lower.
        options: ``kind`` and ``margin`` of ``judge``.
    """
    started = Finding(claim, study, results.task_name, f"{column}, {first} − {second}", digits=DIGITS.get(column, 3))
    sides = (by_seed(results, model, place) for model in (first, second))
    return judge(started, *sides, lower_is_better=place[1] in ("rank_distance", "cover_rank"), **options)


def adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a study with their p-values adjusted over all that were tested (Holm)."""
    found = list(findings)
    tested = [place for place, finding in enumerate(found) if finding.verdict != "not tested"]
    for place, p_value in zip(tested, holm(np.array([found[place].p_value for place in tested]))):
        found[place] = replace(found[place], p_value=float(p_value))
    return found


def of_paper(verdicts: Sequence[Verdict], study: str, on: str, command: str) -> list[Finding]:
    """Those of the paper's claims that a run could test, as it judged them."""
    return [
        Finding(
            verdict.claim.text,
            study,
            on,
            f"{verdict.claim.column}, {verdict.claim.first} − {verdict.claim.second}",
            verdict.verdict,
            verdict.difference,
            verdict.low,
            verdict.high,
            verdict.p_value,
            verdict.by_seed,
            DIGITS[verdict.claim.column],
            command,
        )
        for verdict in verdicts
        if verdict.verdict != "not tested"
    ]


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
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
        return [Finding(**{name: _number(name, value) for name, value in row.items()}) for row in rows]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not the findings of a study ({error!r:.80}): run its notebook again") from None


def _number(name: str, value: object) -> object:
    if name == "by_seed":
        return tuple(value)
    return float("nan") if value is None else value


def table(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Rows for ``kit.show.tables.Table``."""
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
    names = ("claim", "study", "tested on", "effect", "difference [95 % interval]", "p (Holm)", "verdict")
    rows = []
    for finding, row in zip(findings, table(findings)):
        rows.append([row["claim"], finding.study, *list(row.values())[1:-1], f"**{row['verdict']}**"])
    commands: Mapping[str, None] = dict.fromkeys(
        f"- {finding.study}: `{finding.command}`" for finding in findings if finding.command
    )
    return "\n".join([_rows(names, rows), "", "Made again by", "", *commands, ""])


def short(findings: Sequence[Finding]) -> str:
    """How many were seen, and all of them in four columns."""
    counts = ", ".join(f"{sum(one.verdict == verdict for one in findings)} {verdict}" for verdict in VERDICTS)
    rows = []
    for finding in findings:
        place = f"{finding.study.split()[0]}, {finding.on or '–'}"
        place = place if len(place) <= 48 else place[:47] + "…"
        rows.append([finding.claim, place, finding.interval, f"**{finding.verdict}**"])
    names = ("claim", "study, tested on", "difference [95 % interval]", "verdict")
    return f"{len(findings)} claims: {counts}.\n\n{_rows(names, rows)}"


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def collect(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of several runs in the order of the studies, then the paper's claims that no run here can test."""
    return [*sorted(findings, key=lambda finding: finding.study), *(Finding(text, "paper") for text in NOT_TESTED)]
