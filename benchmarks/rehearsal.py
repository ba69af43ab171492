"""The dress rehearsal: public sets from a hub on this machine to the paper's tables, by the commands that a user types.

    python benchmarks/rehearsal.py

A server on this machine holds made files of every set that profile ``xlmr`` names, and of MIRACL in two languages
(``rehearsal_files.py``): names, columns, archives, commits and branches as ``data/hub.yaml`` says. A project of its own
(``KIT_HOME``) gets them with ``python -m kit data get``, with a redirect before every file of the hub and one connection
dropped on the way; ``data verify``; then, offline, notebooks 03, 04 and 11 with a tiny model, ``judge`` and ``export``. A
table says what came of each; the exit status is 1 at the first step that fails or does not hold.

The manifest is the true one without ``rows`` and ``file_rows`` of the sets in miniature. Published checksums
(``hub_sums.yaml``) are those of the true files, so there are none; those that the hub tells are compared.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HOUSE = Path(__file__).resolve().parents[1]
sys.path.append(str(HOUSE / "tests" / "data"))

from fake_hub import FakeHub
from rehearsal_files import JUDGED, fill

from kit.compare.published import scores
from kit.core.printing import Table
from kit.data.hub.record import Record
from kit.run.studies.reproduction import all_tables

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

DROPPED = "mmarco"
"""The set on whose way the connection is lost, after so many bytes of its first file:"""
DROPPED_AFTER = 150_000


class RehearsalError(Exception):
    """A step failed, or what came of it is not what it should be."""


def holds(true: object, told: str) -> None:
    """Stop with a line where something does not hold."""
    if not true:
        raise RehearsalError(told)


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
    print("\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines()[-40:]), flush=True)
    return done.stdout + done.stderr, took_s


def get_all(hub: FakeHub, names: list[str]) -> list[dict]:
    """Get every set; a row each."""
    rows = []
    for name in names:
        hub.cuts = [DROPPED_AFTER] if name == DROPPED else []
        n_before = len(hub.asked)
        printed, took_s = kit("data", "get", name, "--yes", *(["--languages", ",".join(JUDGED)] if name == "miracl" else []))
        record = Record.read(name)
        holds(f"{name} is ready" in printed, f"data get {name} does not say that it is ready")
        if name == DROPPED:
            parts = [wanted for _, wanted in hub.asked[n_before:] if wanted]
            holds(len(parts) == 1, f"{name}: a dropped connection went on where it stopped {len(parts)} times, not once")
        rows.append(
            {
                "set": name,
                "files": len(record.files),
                "bytes": record.n_bytes(),
                "rows of tables": sum(told["rows"] for told in record.tables.values()),
                "s": took_s,
            }
        )
    n_files = sum(row["files"] for row in rows)
    printed, _ = kit("data", "verify")
    holds(f"{n_files} files are as they came" in printed, f"data verify does not say {n_files} files: {printed}")
    return rows


def sets_of(profile: str) -> list[str]:
    """The sets of the manifest that a profile reads, and MIRACL."""
    settings = yaml.safe_load((HOUSE / "notebooks" / "params" / f"{profile}.yaml").read_text(encoding="utf-8"))
    sources = [*settings["train"], *settings["tests"], settings["validation"], "hub:miracl"]
    known = {"mmarco:data/hub/mmarco/files": "mmarco", "lareqa:data/xquad-r": "xquad-r", "lareqa:data/mlqa-r": "mlqa-r"}
    return [known.get(one.partition("?")[0]) or one.partition("?")[0].removeprefix("hub:") for one in sources]


def trained(folder: Path) -> None:
    """What notebooks 03 and 04 leave."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    print(json.dumps(metrics["about"], indent=1)[:6000])
    holds(set(metrics["models"]) == {"X-X-mono", "X-Y", "Hybrid"}, f"trained: {', '.join(metrics['models'])}")


def lined_up() -> list[dict]:
    """The paper's tables, and what stands beside their figures; a row each."""
    rows = []
    for number, one in enumerate(all_tables(scores.kept(Path(os.environ["KIT_HOME"]) / "reports")), 1):
        own = [own for _, own in one.pairs.values() if own is not None]
        told = "; ".join(one.told)
        rows.append({"table": number, "name": one.table.name, "figures": len(one.pairs), "own": len(own), "told": told})
    return rows


def rehearse(home: Path) -> None:
    """All steps."""
    manifest = yaml.safe_load((HOUSE / "data" / "hub.yaml").read_text(encoding="utf-8"))
    sets = {name: one for name, one in manifest.items() if not name.startswith("_")}
    names = sets_of(PROFILE)
    project(home, sets, set(names))
    hub = FakeHub()
    os.environ |= {"KIT_HOME": str(home), "HF_ENDPOINT": hub.url, "KIT_HUB_MIRROR": hub.url, "PYTHONPATH": str(HOUSE)}
    fill(hub, sets)
    try:
        print(Table(get_all(hub, names)))
    finally:
        hub.close()
    os.environ["HF_HUB_OFFLINE"] = "1"
    _, took_s = kit("run", "03", "04", "11", "--profile", PROFILE, *(f"-p{name}={value}" for name, value in SMALL.items()))
    trained(home / "reports" / RUN)
    model = home / "exported"
    kit("export", RUN, "Hybrid", str(model))
    printed, _ = kit("judge", f"Hybrid={model}", "--task", f"miracl:{home}/data/hub/miracl/files?languages={','.join(JUDGED)}")
    tables = lined_up()
    print(Table(tables))
    print(f"notebooks 03, 04 and 11: {took_s:.0f} s, on {platform.machine()}, {os.cpu_count()} cores")


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
