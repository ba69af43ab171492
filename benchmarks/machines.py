"""A Ray cluster of two machines, simulated on this one: each is a group of processes, which can be killed or stand still."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

WORKER, JOB = "ray::", "popen_loky"
"""What stands in the command of a worker of Ray's, and of the process in which a job is done."""

LEAN = ["--disable-usage-stats", "--include-log-monitor=false"]
"""What a machine is started without: a busy one starts in time if there is less to start."""

STILL_S, GIVEN_UP_S = 3, 90
"""Seconds that a machine stands still, and those after which its cluster is sure to have given it up."""


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
            print("again: the head has ended by itself", file=sys.stderr)
            self.kill_head()
        elif self.other.poll() is not None:
            print("again: the machine has ended by itself", file=sys.stderr)
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
        stopped = tree(self.other)
        send(stopped, signal.SIGSTOP)
        time.sleep(STILL_S)
        send(stopped, signal.SIGCONT)
        time.sleep(STILL_S)

    def sleep(self) -> None:
        """The machine does nothing until it is given up, with another one there for its jobs; then it wakes."""
        sleeping, stopped = self.other, tree(self.other)
        send(stopped, signal.SIGSTOP)
        self.other = self.start_other()
        time.sleep(GIVEN_UP_S)
        send(stopped, signal.SIGCONT)
        time.sleep(STILL_S)
        send(stopped, signal.SIGKILL)  # those, too, whose parent has ended by itself
        sleeping.wait()

    def processes(self, of: str) -> list[psutil.Process]:
        """Of Ray's workers those that are at a job, or those of the jobs themselves."""
        every = [one for machine in (self.head, self.other) for one in tree(machine)[1:]]
        return [
            one for one in every if of in name(one) and (of == JOB or any(JOB in name(child) for child in children(one)))
        ]

    def kill_one(self, of: str, chance: random.Random) -> bool:
        """Kill a process that is at a job; whether there was one."""
        there = self.processes(of)
        return bool(there) and send([chance.choice(there)], signal.SIGKILL)

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


def children(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
    """Those of a process; none for one that has ended."""
    try:
        return process.children(recursive)
    except psutil.Error:
        return []


def tree(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started."""
    return [process, *children(process, recursive=True)]


def send(processes: list[psutil.Process], number: int) -> bool:
    """Send a signal; whether all were there to take it."""
    there = True
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            there = False
    return there


def kill_tree(process: psutil.Popen) -> None:
    """Kill a process and all that it started, by signal 9."""
    send(tree(process), signal.SIGKILL)
    process.wait()
