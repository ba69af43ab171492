"""What comes of jobs on a Ray cluster when processes, machines and the head are killed, a disk is full, two commands meet.

    python benchmarks/faults.py [--quick]

A cluster of two machines is simulated on this one: two raylets, which share a folder. Jobs write files in several steps, and
leave a line when one is whole; a killed one goes on at the step where it was. A fault came to a good end if every file is
there with the bytes that it has to have and no file was made twice, by the command as it was typed once; a full disk
takes a second time. Anything else makes the exit status 1. ``--quick`` makes some twenty faults.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from kit.core.engines.carrying import carry_out
from kit.core.engines.engine import Engine
from kit.core.files import alone, whole_file
from kit.core.processes import JobError, Log

N_STEPS, STEP_S = 5, 0.2

WORKER, JOB = "ray::", "popen_loky"
"""What stands in the command of a worker of Ray's, and of the process in which a job is done."""

LEAN = ["--disable-usage-stats", "--include-log-monitor=false"]
"""What a machine is started without: a busy one starts in time if there is less to start."""


@dataclass(frozen=True)
class FileJob:
    """A file that is made in steps. full: whether the disk has no room for it, once."""

    path: Path
    full: bool = False


def make_file(job: FileJob, log: Log) -> None:
    """Add a block a step to what is there, and give the file its name when it is whole."""
    begun = job.path.with_suffix(".begun")
    with alone(job.path):
        if job.path.exists():
            return
        content = begun.read_bytes() if begun.exists() else b""
        while len(content) < N_STEPS * 32:
            time.sleep(STEP_S)
            content = hashlib.sha256(job.path.name.encode() + content).digest() + content
            with whole_file(begun) as partial:
                partial.write_bytes(content)
            log(f"step {len(content) // 32}")
        with whole_file(job.path) as partial:
            partial.write_bytes(content)
            full = job.path.with_suffix(".full")
            if job.full and not full.exists():
                full.touch()
                raise OSError(errno.ENOSPC, "No space left on device")
            with job.path.with_suffix(".made").open("a") as ledger:
                ledger.write("made\n")


def right(path: Path) -> bytes:
    """What a file has to hold."""
    content = b""
    for _ in range(N_STEPS):
        content = hashlib.sha256(path.name.encode() + content).digest() + content
    return content


def command(folder: Path, n_jobs: int, address: str, full: bool) -> int:
    """What is typed: carry out all jobs of a folder; each thing that is told is a line of JSON. Status 1 for failures."""
    jobs = [FileJob(folder / f"{number}.bin", full and number % 4 == 0) for number in range(n_jobs)]
    tell = lambda *told: print(json.dumps(told), flush=True)
    try:
        carry_out(make_file, jobs, [job.path.name for job in jobs], tell, Engine(name="ray", address=address))
    except JobError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def typed(folder: Path, n_jobs: int, address: str, full: bool = False) -> subprocess.Popen:
    """The command in a process of its own; what it tells goes into a file."""
    words = [sys.executable, __file__, "--command", str(folder), str(n_jobs), address, str(int(full))]
    return subprocess.Popen(words, stdout=(folder / "told").open("a"), stderr=(folder / "errors").open("a"))


class Cluster:
    """A head and another machine, each a group of processes on this one."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.head, self.other = self.start_head(), self.start_other()

    def start_head(self) -> psutil.Popen:
        """A head that does no jobs."""
        return self._start(
            "--head", f"--port={self.address.split(':')[1]}", "--num-cpus=0", "--no-monitor", "--include-dashboard=false"
        )

    def start_other(self) -> psutil.Popen:
        """A machine for two jobs."""
        return self._start(f"--address={self.address}", "--num-cpus=2")

    @staticmethod
    def _start(*words: str) -> psutil.Popen:
        """Start a machine, again where Ray gives up, as it does on one that is busy."""
        ray, errors = Path(sys.executable).with_name("ray"), subprocess.STDOUT
        while True:
            output = Path(tempfile.mkstemp(prefix="ray-")[1])
            with output.open("w") as file:
                options = {"start_new_session": True, "stdout": file, "stderr": errors}
                started = psutil.Popen([ray, "start", "--block", *LEAN, *words], **options)
            while started.poll() is None:
                if "Ray runtime started" in output.read_text():
                    output.unlink()
                    return started
                time.sleep(0.2)
            print(f"again: {output.read_text().strip().splitlines()[-1:]}", file=sys.stderr)
            output.unlink()

    def mend(self) -> None:
        """Start again what has ended by itself: on a busy machine Ray gives up on a start that takes it 15 seconds."""
        if self.head.poll() is not None:
            self.kill_head()
        elif self.other.poll() is not None:
            self.other = self.start_other()

    def kill_other(self) -> None:
        """The machine is gone, with all that it did; another one joins."""
        kill_tree(self.other)
        self.other = self.start_other()

    def kill_head(self) -> None:
        """The head is gone, and with it the cluster; both machines are started again."""
        kill_tree(self.head)
        kill_tree(self.other)
        self.head = self.start_head()
        self.other = self.start_other()

    def stall(self) -> None:
        """The machine does nothing for some seconds."""
        stopped = [self.other, *self.other.children(recursive=True)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in stopped:
                if process.is_running():
                    process.send_signal(number)
            time.sleep(3)

    def processes(self, of: str) -> list[psutil.Process]:
        """Of Ray's workers those that are at a job, or those of the jobs themselves."""
        every = [one for machine in (self.head, self.other) for one in machine.children(recursive=True)]
        return [
            one for one in every if of in name(one) and (of == JOB or any(JOB in name(child) for child in children(one)))
        ]

    def end(self) -> None:
        """Leave nothing."""
        kill_tree(self.other)
        kill_tree(self.head)


def name(process: psutil.Process) -> str:
    """A process's command; empty for one that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def children(process: psutil.Process) -> list[psutil.Process]:
    """Those of a process; none for one that has ended."""
    try:
        return process.children()
    except psutil.Error:
        return []


def kill_tree(process: psutil.Popen) -> None:
    """Kill a process and all that it started, by signal 9."""
    found = [process, *(process.children(recursive=True) if process.is_running() else [])]
    for one in found:
        if one.is_running():
            one.kill()
    process.wait()


def kill_one(cluster: Cluster, of: str, chance: random.Random) -> bool:
    """Kill a process that is at a job."""
    there = cluster.processes(of)
    if there:
        chance.choice(there).kill()
    return bool(there)


def row(kind: str, folder: Path, n_faults: int, n_jobs: int, fault: Callable[[], bool], pause_s: float, cluster: Cluster):
    """Carry out jobs while faults are made, as often as there are faults left; print the row; how much is bad."""
    made, rounds, bad, again, began = 0, 0, 0, 0, time.monotonic()
    while made < n_faults:
        place = folder / f"{kind.split()[0]}-{rounds}"
        place.mkdir()
        running, rounds = typed(place, n_jobs, cluster.address), rounds + 1
        while running.poll() is None:
            time.sleep(pause_s * random.uniform(0.5, 1.5))
            cluster.mend()
            if made < n_faults and (place / "told").read_text().count('"runs"') and running.poll() is None:
                made += fault()
        bad += running.returncode != 0
        bad += judged(place, n_jobs)
        again += (place / "told").read_text().count('"waits"')
    return shown(kind, made, rounds * n_jobs, again, bad, began)


def judged(place: Path, n_jobs: int) -> int:
    """Files that are missing, other than they have to be, or were made twice."""
    files = [place / f"{number}.bin" for number in range(n_jobs)]
    wrong = [path.name for path in files if not path.is_file() or path.read_bytes() != right(path)]
    ledgers = [path.with_suffix(".made") for path in files]
    twice = [ledger.name for ledger in ledgers if ledger.is_file() and ledger.read_text().count("made") != 1]
    if wrong or twice:
        print(f"{place}: wrong {wrong}, twice {twice}", file=sys.stderr)
    return len(wrong) + len(twice)


def shown(kind: str, made: int, n_jobs: int, again: int, bad: int, began: float) -> int:
    """Print a row."""
    print("|", " | ".join(map(str, (kind, made, n_jobs, again, bad, f"{time.monotonic() - began:.0f}"))), "|", flush=True)
    return bad


def full_disk(folder: Path, n_jobs: int, cluster: Cluster) -> int:
    """Each fourth job has no room at first: the others are done, and the same command does the rest."""
    began, place = time.monotonic(), folder / "full"
    place.mkdir()
    first = typed(place, n_jobs, cluster.address, full=True).wait()
    n_full, told = len(list(place.glob("*.full"))), (place / "errors").read_text()
    bad = int(
        first != 1 or f"{n_full} of {n_jobs} jobs failed" not in told or len(list(place.glob("*.bin"))) != n_jobs - n_full
    )
    bad += typed(place, n_jobs, cluster.address, full=True).wait() + judged(place, n_jobs)
    return shown("disk full", n_full, n_jobs, n_full, bad, began)


def two_commands(folder: Path, n_kills: int, n_jobs: int, cluster: Cluster, chance: random.Random) -> int:
    """The same command twice at a time, one of which is killed."""
    began, bad, again = time.monotonic(), 0, 0
    for number in range(n_kills):
        place = folder / f"two-{number}"
        place.mkdir()
        both = [typed(place, n_jobs, cluster.address) for _ in range(2)]
        while not (place / "told").read_text().count('"done"'):
            time.sleep(0.1)
            cluster.mend()
        time.sleep(chance.uniform(0, 1))
        both[0].kill()
        both[0].wait()
        bad += both[1].wait() + judged(place, n_jobs)
        again += (place / "told").read_text().count('"waits"')
    return shown("two commands on one folder, one killed", n_kills, n_kills * n_jobs, again, bad, began)


def main(quick: bool) -> int:
    """Make the faults and print the table."""
    home, chance = Path(tempfile.mkdtemp()), random.Random(0)
    (home / "notebooks").mkdir()
    os.environ |= {"KIT_HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    cluster = Cluster()
    few = 4 if quick else 1
    print("| fault | made | jobs | started again | bad | s |\n|---|---:|---:|---:|---:|---:|", flush=True)
    worker, process = ((lambda of=of: kill_one(cluster, of, chance)) for of in (WORKER, JOB))
    other, head, stall = (
        lambda one=one: bool(cluster.processes(WORKER)) and one() is None
        for one in (cluster.kill_other, cluster.kill_head, cluster.stall)
    )
    try:
        bad = row("process of a job killed", home, 44 // few, 40, process, 0.7, cluster)
        bad += row("worker of Ray killed", home, 44 // few, 40, worker, 1.5, cluster)
        bad += row("machine killed, another one joins", home, 8 // few, 16, other, 2.0, cluster)
        bad += row("head killed and started again", home, max(1, 3 // few), 8, head, 3.0, cluster)
        bad += row("slow machine: it stands still for three seconds", home, max(1, 3 // few), 16, stall, 2.0, cluster)
        bad += full_disk(home, 16, cluster)
        bad += two_commands(home, max(1, 3 // few), 12, cluster, chance)
    finally:
        cluster.end()
    if not bad:
        shutil.rmtree(home)
    return int(bool(bad))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        sys.exit(command(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5] == "1"))
    sys.exit(main("--quick" in sys.argv[1:]))
