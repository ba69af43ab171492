"""What a training run starts from, and how runs are dealt out to the cores and GPUs of a machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kit.core import processes
from kit.core.files import seal
from kit.run import pipeline, training
from kit.run.engines import dealing
from kit.run.settings import Settings
from kit.train.config import EncoderConfig
from kit.train.history import History


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_text("1")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


def test_a_relative_folder_starts_at_the_project(home, monkeypatch):
    monkeypatch.chdir(home / "notebooks")  # where kernels run
    assert training.located(EncoderConfig(name="mine")).name == f"{home / 'mine'}"
    assert training.located(EncoderConfig(name="static:mine")).name == f"static:{home / 'mine'}"
    (home / "static:mine").mkdir()
    assert training.located(EncoderConfig(name="static:mine")).name == f"{home / 'static:mine'}"


@pytest.mark.parametrize(
    "name", ["static", "tiny", "sentence-transformers/LaBSE", "static:org/name", "static:", "static:static"]
)
def test_made_encoders_and_names_on_the_hub_have_no_folder(home, name):
    (home / "static").mkdir()  # a folder of that name does not matter
    assert (
        training.located(EncoderConfig(name=name)).name == name and training.encoder_checksum(EncoderConfig(name=name)) == ""
    )


@pytest.fixture
def kept(tmp_path):
    """A training run's folder."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("weights")
    (tmp_path / "model" / "README.md").write_text("card")
    seal(tmp_path / "model")
    History([(1, 0.5)], []).write(tmp_path / "history.json")
    return tmp_path


@pytest.mark.parametrize("file", ["history.json", "history.json.checksum", "model/weights", "model/checksums.json"])
@pytest.mark.parametrize("content", ["", "Weights", None])
def test_a_model_or_history_that_is_damaged_is_named_and_not_taken(kept, file, content):
    lines = []
    assert training.is_trained(kept, lines.append) and not lines
    (kept / file).unlink() if content is None else (kept / file).write_text(content)
    assert not training.is_trained(kept, lines.append)
    (line,) = lines
    assert line.startswith("trained again: ") and Path(file).name in line


def test_a_model_that_is_not_there_is_just_not_trained(tmp_path):
    assert not training.is_trained(tmp_path, log=None)


def test_a_card_may_be_written_in(kept):
    (kept / "model" / "README.md").write_text("what we use it for")
    (kept / "model" / "notes.txt").write_text("more")
    assert training.is_trained(kept)


def test_a_run_with_impossible_settings_is_refused_before_it_starts():
    with pytest.raises(ValueError, match="evaluations 4 exceeds updates 3"):
        Settings().changed(updates=3)
    with pytest.raises(ValueError, match=r"seeds\[1\] is -1"):
        Settings().changed(seeds=(0, -1))


def look(job, log):
    """What a job sees of the GPUs, and from when to when it was carried out."""
    began = time.monotonic()
    time.sleep(0.2)
    log(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {began} {time.monotonic()}")


def dealt(n_jobs):
    """Devices of jobs, and how many of them were carried out at a time at most."""
    lines = []
    try:
        pipeline.in_processes(look, range(n_jobs), lines.append)
    finally:
        processes.dismiss_all()
    spans = [(float(began), float(ended)) for _, began, ended in map(str.split, lines)]
    at_a_time = max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)
    return sorted(line.split()[0] for line in lines), at_a_time


class TestDealingOut:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch):
        monkeypatch.setattr(dealing, "cpu_count", lambda: 3)
        monkeypatch.setattr(dealing, "gpus", lambda: self.gpus)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def test_a_job_a_gpu(self):
        self.gpus = ("3", "MIG-5c0a")
        devices, at_a_time = dealt(6)
        assert set(devices) == {"3", "MIG-5c0a"} and len(devices) == 6 and at_a_time <= 2

    def test_a_job_a_core(self):
        self.gpus = ()
        devices, at_a_time = dealt(6)
        assert devices == ["None"] * 6 and at_a_time <= 3

    @pytest.mark.parametrize(
        ("gib", "n_processes"),
        [(24, 3), (4.2, 3), (4, 2), (2, 1), (1, 1)],  # 0.8 for the caller, 1.1 for each job
    )
    def test_no_more_than_memory_has_room_for(self, monkeypatch, gib, n_processes):
        monkeypatch.setenv("MEM_LIMIT", str(int(gib * 2**30)))  # as JupyterHub tells, and so Binder
        monkeypatch.setattr(dealing.os, "sysconf", lambda name: 2**20)  # a tebibyte
        assert dealing.at_a_time() == n_processes
        self.gpus, told = (), []
        monkeypatch.setattr(dealing.processes, "run_all", lambda *what, **how: told.append(how["n_processes"]))
        pipeline.in_processes(look, [0], print)
        assert told == [n_processes]

    def test_what_is_no_number_limits_nothing(self, monkeypatch):
        monkeypatch.setattr(dealing.os, "sysconf", lambda name: 2**20)
        monkeypatch.setenv("MEM_LIMIT", str(2**60))
        without = dealing.at_a_time()
        monkeypatch.setenv("MEM_LIMIT", "max")  # as a container without a limit says
        assert dealing.at_a_time() == without

    def test_no_jobs(self):
        self.gpus = ("3",)
        pipeline.in_processes(look, [], print)

    @pytest.mark.parametrize(
        ("n_cores", "n_jobs", "gpus", "n_threads"),
        [
            (8, 3, (), 2),  # 8 // 3
            (8, 12, (), 1),
            (8, 12, ("0",), 8),  # one at a time
            (8, 12, ("0", "1", "2"), 2),
            (8, 2, ("0", "1", "2"), 4),  # two at a time
            (2, 12, ("0", "1", "2"), 1),
        ],
    )
    def test_cores_are_shared_by_those_that_run_at_a_time(self, monkeypatch, n_cores, n_jobs, gpus, n_threads):
        monkeypatch.setattr(dealing, "cpu_count", lambda: n_cores)
        self.gpus = gpus
        assert pipeline.threads_of(n_jobs) == n_threads


@pytest.mark.parametrize(
    ("visible", "n_counted", "ids"),
    [
        (None, 2, ("0", "1")),
        ("", 0, ()),
        ("3,5", 2, ("3", "5")),
        (" 3, 5 ", 2, ("3", "5")),
        ("MIG-5c0a,MIG-77e1", 1, ("MIG-5c0a", "MIG-77e1")),  # CUDA shows a process one part only
        ("GPU-8932f937", 1, ("GPU-8932f937",)),
    ],
)
def test_ids_of_the_gpus(monkeypatch, visible, n_counted, ids):
    monkeypatch.setattr("torch.cuda.is_available", lambda: n_counted > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_counted)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert dealing.gpus.__wrapped__() == ids
