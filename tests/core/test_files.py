"""Folders that are made by one process at a time; files and folders that are checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from kit.core import files
from kit.core.files import alone, kept_folder, refuse_damaged, seal, unless_taken, whole_folder

HOLDER = """
import sys, time
from pathlib import Path
from kit.core.files import alone

with alone(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(float(sys.argv[2]))
"""

ADDER = """
import sys, time
from pathlib import Path
from kit.core.files import alone

folder = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with alone(folder):
        number = int(folder.read_text())
        time.sleep(0.001)
        folder.write_text(str(number + 1))
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds a folder for some seconds."""
    started = []

    def start(seconds):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "model"), str(seconds)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "holds\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_who_waits_says_for_whom(tmp_path, holder):
    lines, process = [], holder(2)
    with alone(tmp_path / "model", lines.append):
        process.communicate(timeout=5)  # it has ended
    place = re.escape(str(tmp_path / "model"))
    assert len(lines) == 1
    assert re.fullmatch(
        rf"waiting for {place}: process {process.pid} of {socket.gethostname()} works on it since [\d-]{{10}} [\d:]{{8}}",
        lines[0],
    )


def test_a_short_wait_is_not_told(tmp_path, holder, capsys):
    holder(0.1)
    with alone(tmp_path / "model"):
        pass
    assert capsys.readouterr().out == ""


def test_a_process_that_was_killed_holds_nothing(tmp_path, holder):
    process = holder(300)
    process.kill()
    began = time.monotonic()
    with alone(tmp_path / "model"):
        assert time.monotonic() - began < 1
        assert f"process {os.getpid()} " in (tmp_path / ".model.lock").read_text()  # not the dead one


def test_no_file_is_left_beside_the_folder(tmp_path):
    with alone(tmp_path / "new" / "model"):
        assert (tmp_path / "new" / ".model.lock").is_file()
    with pytest.raises(OSError, match="full"), alone(tmp_path / "new" / "model"):
        raise OSError("full")
    assert not list((tmp_path / "new").iterdir())


def test_a_lock_that_is_deleted_with_the_cache_takes_no_other_away(tmp_path):
    lock = tmp_path / ".model.lock"
    with alone(tmp_path / "model"):
        lock.unlink()
        lock.write_text("another's")
    assert lock.read_text() == "another's"


def test_one_at_a_time_though_each_takes_the_lock_away(tmp_path, monkeypatch):
    """Three processes and two threads add to one number; none of them loses what another has added."""
    monkeypatch.setattr(files, "PATIENCE_S", 0.0)  # threads of this process wait in the other way
    folder, n_times = tmp_path / "number", 60
    folder.write_text("0")
    command = [sys.executable, "-c", ADDER, str(folder), str(n_times)]
    started = [subprocess.Popen(command) for _ in range(3)]

    def add():
        for _ in range(n_times):
            with alone(folder, lambda line: None):
                folder.write_text(str(int(folder.read_text()) + 1))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for one in threads:
        one.join()
    assert [process.wait() for process in started] == [0, 0, 0]
    assert folder.read_text() == str(5 * n_times) and [path.name for path in tmp_path.iterdir()] == ["number"]


def test_what_is_taken_is_not_waited_for(tmp_path):
    folder = tmp_path / "model"
    with unless_taken(folder) as mine:
        with unless_taken(folder) as another, unless_taken(tmp_path / "other") as free:
            assert (mine, another, free) == (True, False, True)
        with unless_taken(folder) as still:
            assert not still
    assert not list(tmp_path.iterdir())
    with alone(folder), unless_taken(folder) as mine:
        assert not mine


def test_half_a_folder_of_a_process_that_was_killed_is_not_in_the_way(tmp_path):
    half = tmp_path / f".model.{files._writer()}.partial"
    half.mkdir()
    (half / "weights").write_text("half")
    with whole_folder(tmp_path / "model") as partial:
        (partial / "settings").write_text("whole")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["settings"] and not half.exists()


def test_a_kept_folder_is_made_once_and_again_when_it_is_damaged(tmp_path):
    made, said = [], []

    def make(folder):
        made.append(folder)
        (folder / "file").write_text("whole")

    folder = tmp_path / "cache" / "thing"
    assert kept_folder(folder, make, said.append) == kept_folder(folder, make, said.append) == folder
    assert len(made) == 1 and not said
    (folder / "file").write_text("half")
    kept_folder(folder, make, said.append)
    assert len(made) == 2 and (folder / "file").read_text() == "whole"
    assert said[0].startswith(f"made again: {folder / 'file'}: damaged")


class TestSeal:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "model" / "inner").mkdir(parents=True)
        (tmp_path / "model" / "weights").write_text("weights")
        (tmp_path / "model" / "inner" / "config").write_text("config")
        seal(tmp_path / "model")
        return tmp_path / "model"

    def test_a_folder_is_whole_wherever_it_is_and_whatever_came_later(self, folder, tmp_path):
        (folder / "notes").write_text("new")
        refuse_damaged(folder.rename(tmp_path / "moved"))

    def test_the_checksums_are_those_of_every_tool(self, folder):
        sums = json.loads((folder / "checksums.json").read_text())
        assert sums["inner/config"] == hashlib.sha256(b"config").hexdigest() and list(sums) == ["inner/config", "weights"]

    @pytest.mark.parametrize("content", ["", "weight", "Weights", None])
    @pytest.mark.parametrize("name", ["weights", "inner/config", "checksums.json"])
    def test_what_is_damaged_or_missing_is_named(self, folder, name, content):
        (folder / name).unlink() if content is None else (folder / name).write_text(content)
        with pytest.raises(ValueError, match=rf"{name}.*: make (model|it) again"):
            refuse_damaged(folder)

    def test_a_file_has_its_checksum_beside_it(self, tmp_path):
        path = tmp_path / "table.parquet"
        with pytest.raises(ValueError, match=r"table\.parquet: it is not there"):
            refuse_damaged(path)
        path.write_text("rows")
        with pytest.raises(ValueError, match=r"table\.parquet: it has no table\.parquet\.checksum"):
            refuse_damaged(path)
        seal(path)
        refuse_damaged(path)
        path.write_text("Rows")
        with pytest.raises(ValueError, match=r"table\.parquet: damaged"):
            refuse_damaged(path)
