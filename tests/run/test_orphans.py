"""A run that is stopped, or whose kernel dies, leaves nothing that goes on computing, and no lock held.

What trains here only pretends to: it holds its model's folder and computes until it is stopped.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the orphans")

PRETENDER = """
import os
from pathlib import Path
from kit.core.files import alone

def pretend(name, log):
    with alone(Path(name)):
        log(f"{name} has begun")
        Path(name).write_text(str(os.getpid()))
        while True:
            pass
"""

CELLS = ("from kit.core.processes import run_all\nfrom pretender import pretend", "run_all(pretend, ['a', 'b'], print)")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A project with one notebook, which trains two models at a time."""
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    (tmp_path / "pretender.py").write_text(PRETENDER)
    cells = [new_code_cell('run = "smoke"\n', metadata={"tags": ["parameters"]}), *map(new_code_cell, CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "notebooks" / "03_train.ipynb")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path


@pytest.fixture
def orphans_come_here():
    """As under a session manager or in a container, they are not given to process 1; so the test sees them, too."""
    child_subreaper = 36  # PR_SET_CHILD_SUBREAPER
    before = set(psutil.Process().children(recursive=True))
    ctypes.CDLL(None).prctl(child_subreaper, 1)
    yield lambda: [one for one in _descendants() if one not in before]
    for process in psutil.Process().children():
        if process not in before:
            process.kill()
            process.wait()
    ctypes.CDLL(None).prctl(child_subreaper, 0)


def _descendants():
    return [one for one in psutil.Process().children(recursive=True) if _lives(one)]


def _lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended after it was listed
        return False


def _command(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _kernel(left):
    return next((one for one in left() if "ipykernel_launcher" in _command(one)), None)


def _wait_for(condition, seconds):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def start(home, orphans_come_here):
    def run():
        command = [sys.executable, "-m", "kit", "run", "03"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("whom", ["command", "kernel"])
def test_nothing_goes_on(home, start, orphans_come_here, whom, number):
    left, files = orphans_come_here, [home / "notebooks" / name for name in "ab"]
    with start() as command:
        assert _wait_for(lambda: all(file.is_file() and file.read_text() for file in files), 60)
        assert {int(file.read_text()) for file in files} < {one.pid for one in left()}
        (command if whom == "command" else _kernel(left)).send_signal(number)
        assert _wait_for(lambda: not left(), 5), left()
        said = command.communicate()[0]
    for file in files:
        with file.with_name(f".{file.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error where somebody holds it
    if whom == "kernel":
        assert command.returncode == 1 and "ended the kernel" in said
    elif number == signal.SIGTERM:
        assert command.returncode == 130
        assert said.endswith("kit: interrupted; the same command goes on after the last finished step\n")


def test_a_kernel_whose_command_is_killed_while_it_starts(start, orphans_come_here):
    with start() as command:
        assert _wait_for(lambda: _kernel(orphans_come_here), 60)
        command.kill()
    assert _wait_for(lambda: not orphans_come_here(), 120)  # it has to start first
