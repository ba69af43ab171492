"""What comes of jobs on a Ray cluster when processes, machines and the head are killed, a disk is full, two commands meet.

    python benchmarks/faults.py [--quick]

A cluster of two machines is simulated on this one: two raylets, which share a folder. Jobs write files in several steps, and
leave a line when one is whole; a killed one goes on at the step where it was. The last ones are trainings. A fault came to a
good end if every file is there with the bytes that it has to have and no file was made twice, by the command as it was typed
once; a full disk takes a second time. Anything else makes the exit status 1. ``--quick`` makes a fourth of the faults.

The full disk is one of a megabyte in memory. It is mounted in a namespace of this script's own, so that nobody else sees it
and nothing is left of it (``unshare``, of Linux); where there is none, the row says that it was not tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from machines import JOB, WORKER, Cluster

from kit.core.engines.carrying import carry_out
from kit.core.engines.engine import Engine
from kit.core.files import alone, whole_file
from kit.core.processes import JobError, Log
from kit.run.settings import Settings
from kit.run.training import TrainJob, train_job

N_STEPS, STEP_S = 5, 0.2

DIGEST, PAGE = 32, 4096
"""Bytes that a step adds to a file: the least, and those of a page, of which a disk has a number."""

ROOM = 300_000
"""Bytes that are left on the disk that becomes full: enough for some of the jobs."""

OWN = ["unshare", "--user", "--map-root-user", "--mount"]
"""Begins a command that may mount disks for itself and for what it starts."""


@dataclass(frozen=True)
class FileJob:
    """A file that is made in steps, and how many bytes each adds."""

    path: Path
    step: int

    @property
    def name(self) -> str:
        return self.path.name


def make_file(job: FileJob, log: Log) -> None:
    """Add a block a step to what is there, and give the file its name when it is whole."""
    begun = job.path.with_suffix(".begun")
    with alone(job.path, log):
        if job.path.exists():
            return
        content = begun.read_bytes() if begun.exists() else b""
        while len(content) < N_STEPS * job.step:
            time.sleep(STEP_S)
            content = longer(content, job)
            with whole_file(begun) as partial:
                partial.write_bytes(content)
            log(f"step {len(content) // job.step}")
        with whole_file(job.path) as partial:
            partial.write_bytes(content)
            with job.path.with_suffix(".made").open("a") as ledger:
                ledger.write("made\n")


def longer(content: bytes, job: FileJob) -> bytes:
    """What a file holds after the next step: it depends on all before."""
    return hashlib.sha256(job.path.name.encode() + content).digest() * (job.step // DIGEST) + content


def right(job: FileJob) -> list[bytes]:
    """What a file has to hold, after each step."""
    contents = [b""]
    while len(contents) <= N_STEPS:
        contents.append(longer(contents[-1], job))
    return contents[1:]


def file_jobs(place: Path, n_jobs: int, step: int = DIGEST) -> list[FileJob]:
    """Some files of a folder."""
    return [FileJob(place / "files" / f"{number}.bin", step) for number in range(n_jobs)]


def page_jobs(place: Path, n_jobs: int) -> list[FileJob]:
    """The same, larger."""
    return file_jobs(place, n_jobs, PAGE)


def model_jobs(place: Path, n_jobs: int) -> list[TrainJob]:
    """Models of profile smoke, with more checkpoints."""
    small = Settings().changed(evaluations=10)
    models = [(sampling, seed) for seed in range(n_jobs) for sampling in small.samplings][:n_jobs]
    return [
        TrainJob(small.data.train, "", small.encoder, small.training, sampling, seed, place / f"{sampling}-{seed}", 1)
        for sampling, seed in models
    ]


WORK: dict[str, tuple[Callable, Callable]] = {
    "files": (make_file, file_jobs),
    "pages": (make_file, page_jobs),
    "models": (train_job, model_jobs),
}
"""What is done, and the jobs of a folder."""


def command(what: str, place: Path, n_jobs: int, address: str) -> int:
    """What is typed: carry out all jobs of a folder; each thing that is told is a line of JSON. Status 1 for failures.

    Args:
        address: of the cluster; empty: the jobs are done here.
    """
    function, jobs_of = WORK[what]
    jobs = jobs_of(place, n_jobs)
    tell = lambda *told: print(json.dumps(told), flush=True)
    try:
        engine = Engine(name="ray", address=address) if address else Engine()
        carry_out(function, jobs, [job.name for job in jobs], tell, engine)
    except JobError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def typed(what: str, place: Path, n_jobs: int, address: str) -> subprocess.Popen:
    """The command in a process of its own; what it tells goes into files of the folder."""
    words = [sys.executable, __file__, "--command", what, str(place), str(n_jobs), address]
    return subprocess.Popen(words, stdout=(place / "told").open("a"), stderr=(place / "errors").open("a"))


def told(place: Path, what: str) -> int:
    """How often something was told in a folder."""
    return (place / "told").read_text().count(what)


class Table:
    """Its rows are printed as they come; the last line counts the faults, and those of them that were kills."""

    def __init__(self) -> None:
        self.faults = self.kills = self.bad = 0
        print("| fault | made | jobs | started again | bad | s |\n|---|---:|---:|---:|---:|---:|", flush=True)

    def add(self, kind: str, made: int, n_jobs: int, again: int, bad: int, began: float) -> None:
        """Print a row."""
        self.faults += made
        self.kills += made if "killed" in kind else 0
        self.bad += bad
        cells = (kind, made, n_jobs, again, bad, f"{time.monotonic() - began:.0f}")
        print("|", " | ".join(map(str, cells)), "|", flush=True)

    def total(self) -> str:
        """The last line."""
        return f"{self.faults} faults, of which {self.kills} kills; {self.bad} bad"


@dataclass
class Trial:
    """What all rows share."""

    home: Path
    cluster: Cluster
    chance: random.Random
    table: Table

    def folder(self, name: str) -> Path:
        """A new folder, for what one command makes."""
        place = self.home / name
        (place / "files").mkdir(parents=True)
        return place

    def typed(self, what: str, place: Path, n_jobs: int) -> subprocess.Popen:
        """The command, on a cluster that is whole."""
        self.cluster.mend()
        return typed(what, place, n_jobs, self.cluster.address)

    def ended(self, running: subprocess.Popen) -> bool:
        """Whether a command ends well; it is waited for."""
        while running.poll() is None:
            time.sleep(0.2)
            self.cluster.mend()
        return running.returncode == 0

    def row(self, kind: str, n_faults: int, n_jobs: int, fault: Callable[[], bool], pause_s: float) -> None:
        """Carry out jobs while faults are made, as often as there are faults left."""
        made, rounds, bad, again, began = 0, 0, 0, 0, time.monotonic()
        while made < n_faults:
            place = self.folder(f"{kind[:20]}-{rounds}")
            running, rounds = self.typed("files", place, n_jobs), rounds + 1
            while running.poll() is None:
                time.sleep(pause_s * self.chance.uniform(0.5, 1.5))
                self.cluster.mend()
                if made < n_faults and told(place, '"runs"') and running.poll() is None:
                    made += fault()
            bad += (running.returncode != 0) + judged(file_jobs(place, n_jobs))
            again += told(place, '"waits"')
        self.table.add(kind, made, rounds * n_jobs, again, bad, began)

    def full_disk(self, n_jobs: int) -> None:
        """A disk has room for some of the jobs: those are done, and the same command does the rest when there is room."""
        began, place = time.monotonic(), self.folder("full")
        files, jobs = place / "files", page_jobs(place, n_jobs)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "disk", str(files)]
        if not in_own() or subprocess.run(mount, check=False).returncode:
            self.table.add(f"disk full: not tried, since `{' '.join(OWN)}` does not work here", 0, 0, 0, 0, began)
            return
        try:
            disk, filler = os.statvfs(files), files / "filler"
            filler.write_bytes(bytes(disk.f_bavail * disk.f_frsize - ROOM))
            good, errors = self.ended(self.typed("pages", place, n_jobs)), (place / "errors").read_text()
            made = [job for job in jobs if job.path.exists()]
            n_full = n_jobs - len(made)
            says = f"{n_full} of {n_jobs} jobs failed" in errors and errors.count("No space left on device") == n_full
            begun = [(job, job.path.with_suffix(".begun")) for job in jobs]
            halves = [path for job, path in begun if path.exists() and path.read_bytes() not in right(job)]
            bad = judged(made) + len(halves) + len(list(files.glob(".*.partial")))
            bad += good or not (says and made and n_full)
            filler.unlink()
            bad += (not self.ended(self.typed("pages", place, n_jobs))) + judged(jobs)
        finally:
            subprocess.run(["umount", "--lazy", str(files)], check=True)
        self.table.add("disk full, in the middle of it", n_full, n_jobs, n_full, bad, began)

    def two_commands(self, n_kills: int, n_jobs: int) -> None:
        """The same command twice at a time, one of which is killed."""
        made, bad, again, began = 0, 0, 0, time.monotonic()
        for number in range(n_kills):
            place = self.folder(f"two-{number}")
            both = [self.typed("files", place, n_jobs) for _ in range(2)]
            while not told(place, '"done"') and None in [one.poll() for one in both]:
                time.sleep(0.1)
                self.cluster.mend()
            time.sleep(self.chance.uniform(0, 1))
            victim = both.pop(self.chance.randrange(2))
            made += victim.poll() is None
            victim.kill()
            victim.wait()
            bad += (not self.ended(both[0])) + judged(file_jobs(place, n_jobs))
            again += told(place, '"waits"')
        self.table.add("two commands on one folder, one killed", made, n_kills * n_jobs, again, bad, began)

    def trainings(self, n_kills: int, n_jobs: int) -> None:
        """Models are trained here, and then on the cluster, where their processes are killed once there are checkpoints."""
        began, here, place = time.monotonic(), self.folder("here"), self.folder("there")
        bad = int(not self.ended(typed("models", here, n_jobs, "")))
        running, made, due = self.typed("models", place, n_jobs), 0, 1
        while running.poll() is None:
            time.sleep(self.chance.uniform(0, 1))
            self.cluster.mend()
            if made < n_kills and (updates := told(place, "  update ")) >= due and running.poll() is None:
                killed = self.cluster.kill_one(self.chance.choice((JOB, WORKER)), self.chance)
                made, due = made + killed, updates + self.chance.randrange(3, 8)
        pairs = zip(model_jobs(here, n_jobs), model_jobs(place, n_jobs), strict=True)
        bad += (running.returncode != 0) + sum(trained(ours.folder) != trained(theirs.folder) for ours, theirs in pairs)
        self.table.add("training killed", made, n_jobs, told(place, '"waits"'), bad, began)


def judged(jobs: list[FileJob]) -> int:
    """Files that are missing, other than they have to be, or were made twice."""
    wrong = [job.path for job in jobs if not job.path.is_file() or job.path.read_bytes() != right(job)[-1]]
    ledgers = [job.path.with_suffix(".made") for job in jobs]
    twice = [ledger for ledger in ledgers if ledger.is_file() and ledger.read_text().count("made") != 1]
    if wrong or twice:
        print(f"wrong {list(map(str, wrong))}, twice {list(map(str, twice))}", file=sys.stderr)
    return len(wrong) + len(twice)


def trained(folder: Path) -> dict[str, bytes]:
    """What a training leaves, but for what tells of its time."""
    files = [folder / "history.json", *(folder / "model").rglob("*")]
    read = [file for file in files if file.is_file() and file.name != "README.md"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in read}


def in_own() -> bool:
    """Whether this process may mount disks for itself."""
    return "--own" in sys.argv


def main(quick: bool) -> int:
    """Make the faults and print the table."""
    home, chance = Path(tempfile.mkdtemp()), random.Random(0)
    (home / "notebooks").mkdir()
    os.environ |= {"KIT_HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    cluster, few = Cluster(), 4 if quick else 1
    trial = Trial(home, cluster, chance, Table())
    worker, process = ((lambda of=of: cluster.kill_one(of, chance)) for of in (WORKER, JOB))
    other, head, stall, sleep = (
        lambda one=one: bool(cluster.processes(WORKER)) and one() is None
        for one in (cluster.kill_other, cluster.kill_head, cluster.stall, cluster.sleep)
    )
    try:
        trial.row("process of a job killed", 44 // few, 40, process, 0.7)
        trial.row("worker of Ray killed", 44 // few, 40, worker, 1.5)
        trial.row("machine killed, another one joins", 8 // few, 16, other, 2.0)
        trial.row("head killed and started again", max(1, 3 // few), 8, head, 3.0)
        trial.full_disk(16)
        trial.two_commands(max(1, 3 // few), 12)
        trial.row("slow machine: it stands still for three seconds", max(1, 3 // few), 16, stall, 2.0)
        trial.row("slow machine: given up, another one joins, it wakes", max(1, 3 // few), 16, sleep, 2.0)
        trial.trainings(8 // few, 6 // min(few, 2))
    finally:
        cluster.end()
    print(f"\n{trial.table.total()}")
    if not trial.table.bad:
        shutil.rmtree(home)
    return int(bool(trial.table.bad))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        sys.exit(command(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
    if (
        not in_own()
        and shutil.which(OWN[0])
        and not subprocess.run([*OWN, "true"], check=False, capture_output=True).returncode
    ):
        os.execvp(OWN[0], [*OWN, sys.executable, *sys.argv, "--own"])
    sys.exit(main("--quick" in sys.argv[1:]))
