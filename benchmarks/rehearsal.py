"""The dress rehearsal: public sets from a hub on this machine to the paper's tables, by the commands that a user types.

    python benchmarks/rehearsal.py

A server on this machine holds made files of every set that profile ``xlmr`` names, and of MIRACL in two languages
(``rehearsal_files.py``): names, columns, archives, commits and branches as ``data/hub.yaml`` says. A project of its own
(``KIT_HOME``) gets them with ``python -m kit data get --profile xlmr``, with a redirect before every file of the hub and one
connection dropped on the way; ``data verify``; then, offline, notebooks 03, 04 and 11 with a tiny model, ``judge`` and
``export``. A table says what came of each; the exit status is 1 at the first step that fails or does not hold.

The manifest is the true one without ``rows`` and ``file_rows`` of the sets in miniature. Published checksums
(``hub_sums.yaml``) are those of the true files, so there are none; those that the hub tells are compared.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "data"))

from fake_hub import FakeHub
from rehearsal_files import JUDGED, fill

from kit.compare.published import scores
from kit.core.printing import Table
from kit.data.hub.record import Record
from kit.data.hub.wanted import sets_of
from kit.run.studies.reproduction import all_tables

HOUSE = Path(__file__).resolve().parents[1]
RUN, PROFILE = "rehearsal", "xlmr"
SMALL = {
    "run": RUN,
    "encoder": "tiny",
    "dimension": 64,
    "vocabulary_size": 4000,
    "max_tokens": 64,
    "updates": 120,
    "batch_size": 32,
    "learning_rate": 0.003,
    "evaluations": 2,
    "seeds": 0,
}
"""What differs from the profile."""

MIRACL = f"hub:miracl?languages={','.join(JUDGED)}"

COLUMNS = ("model", "mono mAP", "cross mAP", "multi mAP", "rank distance")
BETTER_THAN = 0.02
"""mAP that a model has to reach within a language; a random order of 1,200 sentences has 0.006."""

BESIDE = {10: 12, 11: 12, 13: 14}
"""Figures of the paper's tables that the run has: MIRACL in two languages, EntityQuestions and translations not at all."""

ROWS = {"Google NQ": 301, "WikiQA": 301, "DuoRC": 301, "NewsQA": 301, "Yahoo QA": 301, "MFAQ": 300, "Mr. TyDi": 200}
ROWS |= {"mMARCO": 1200}
"""English rows of the training sets, as table 13 has to count them."""

DROPPED_AFTER = 150_000
"""Bytes of the first file, one of mMARCO's, that came before the connection was lost."""


class RehearsalError(Exception):
    """A step failed, or what came of it is not what it should be."""


def holds(true: object, told: str) -> None:
    """Stop with a line where something does not hold."""
    if not true:
        raise RehearsalError(told)


def profile_sources() -> list[str]:
    """The sources that the profile names."""
    said = yaml.safe_load((HOUSE / "notebooks" / "params" / f"{PROFILE}.yaml").read_text(encoding="utf-8"))
    return [*said["train"], said["test"], *said["tests"], said["validation"]]


def project(folder: Path, sets: dict[str, dict], n_rows_of: set[str]) -> None:
    """A project with notebooks, manifest and the paper's figures, and nothing else."""
    (folder / "data").mkdir()
    (folder / "notebooks").symlink_to(HOUSE / "notebooks")
    shutil.copy(HOUSE / "data" / "paper.json", folder / "data")
    changed = {
        name: {key: value for key, value in one.items() if name not in n_rows_of or key not in ("rows", "file_rows")}
        for name, one in sets.items()
    }
    (folder / "data" / "hub.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    (folder / "data" / "hub_sums.yaml").write_text("{}\n", encoding="utf-8")


def kit(*arguments: str) -> tuple[str, float]:
    """What a command prints, and its seconds."""
    print("$ python -m kit", *arguments, flush=True)
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "kit", *arguments], capture_output=True, text=True, cwd=HOUSE, check=False)
    took_s = time.monotonic() - began
    if done.returncode:
        raise RehearsalError(f"kit {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    print("\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines()[-12:]), flush=True)
    return done.stdout + done.stderr, took_s


def get_all(hub: FakeHub, miracl: str) -> list[dict]:
    """Get what the profile reads, and MIRACL in some languages; a row each set."""
    hub.cuts = [DROPPED_AFTER]
    printed, took_s = kit("data", "get", "--profile", PROFILE, "--yes")
    n_parts = len([part for _, part in hub.asked if part])
    holds(n_parts == 1, f"a lost connection was gone on with {n_parts} times")
    more, _ = kit("data", "get", "miracl", "--languages", miracl)
    rows = []
    for name in re.findall(r"^(\S+) is ready: ", printed + more, re.M):
        record = Record.read(name)
        n_rows = sum(told["rows"] for told in record.tables.values())
        rows.append({"set": name, "files": len(record.files), "bytes": record.n_bytes(), "rows": n_rows})
    print(f"data get --profile {PROFILE}: {len(rows) - 1} sets, {took_s:.0f} s")
    n_files = sum(row["files"] for row in rows)
    printed, _ = kit("data", "verify")
    holds(f"{n_files} files are as they came, " in printed, f"data verify does not say {n_files} files: {printed}")
    return rows


def trained(folder: Path) -> None:
    """What notebooks 03 and 04 leave: three models, all better than chance, each asked on the whole test."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    holds(set(metrics["models"]) == {"X-X-mono", "X-Y", "Hybrid"}, f"trained: {', '.join(metrics['models'])}")
    rows = []
    for model, one in metrics["models"].items():
        rows.append({"model": model} | {column: of["estimate"] for column, of in one["intervals"].items()})
        holds(rows[-1]["mono mAP"] > BETTER_THAN, f"{model} has learned nothing: {rows[-1]}")
    print(Table([{name: row[name] for name in COLUMNS} for row in rows]))


def lined_up(reports: Path) -> list[dict]:
    """The paper's tables, and how many of their figures have the run's beside them; a row each."""
    rows, tables = [], all_tables(scores.kept(reports))
    counted = {at.data: own.value for at, (_, own) in tables[-1].pairs.items() if own and at.language == "en"}
    holds(counted == ROWS, f"table 13 counts {counted}, not {ROWS}")
    for number, one in enumerate(tables, 1):
        n_own = sum(own is not None for _, own in one.pairs.values())
        rows.append({"table": number, "of": one.table.name, "figures": len(one.pairs), "beside": n_own})
        wanted = BESIDE.get(number, len(one.pairs))
        holds(n_own == wanted, f"table {number} has {n_own} figures of the run, not {wanted}: {'; '.join(one.told)}")
    return rows


def rehearse(home: Path) -> None:
    """All steps."""
    manifest = yaml.safe_load((HOUSE / "data" / "hub.yaml").read_text(encoding="utf-8"))
    sets = {name: one for name, one in manifest.items() if not name.startswith("_")}
    hub = FakeHub()
    changed, _ = sets_of([*profile_sources(), MIRACL])
    project(home, sets, set(changed))
    os.environ |= {"KIT_HOME": str(home), "HF_ENDPOINT": hub.url, "KIT_HUB_MIRROR": hub.url, "PYTHONPATH": str(HOUSE)}
    fill(hub, sets)
    try:
        rows = get_all(hub, ",".join(JUDGED))
        holds({row["set"] for row in rows} == set(changed), f"got {', '.join(row['set'] for row in rows)}")
        print(Table(rows))
    finally:
        hub.close()
    os.environ["HF_HUB_OFFLINE"] = "1"
    small = [word for name, value in SMALL.items() for word in ("-p", f"{name}={value}")]
    _, run_s = kit("run", "03", "04", "11", "--profile", PROFILE, *small)
    trained(home / "reports" / RUN)
    models = {sampling: str(home / sampling) for sampling in ("X-X-mono", "X-Y", "Hybrid")}
    for sampling, folder in models.items():
        kit("export", RUN, sampling, folder)
    _, judge_s = kit("judge", *models.values(), "--task", MIRACL, "--run", RUN)
    print(Table(lined_up(home / "reports")))
    print(f"notebooks {run_s:.0f} s, judge {judge_s:.0f} s; {platform.machine()}, {os.cpu_count()} cores")


def main() -> int:
    """Rehearse; tell what fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            rehearse(Path(scratch))
        except RehearsalError as error:
            print(f"FAILED: {error}")
            return 1
    print(f"all of it holds; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
