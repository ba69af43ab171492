"""``python -m kit train``: the models of notebook 03, wherever they are trained, under the keys that a run looks for."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from kit.core.processes import JobError
from kit.run import devices, pipeline, profiles
from kit.run.cli import commands
from kit.run.training import TrainJob, train_job
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.history import History

HERE = Path(__file__).resolve().parents[2]
ASKED = ["-p", "samplings=X-Y,Hybrid", "-p", "updates=2", "-p", "evaluations=1", "-p", "batch_size=20"]
FEW = [*ASKED, "-p", 'train=["atlas?languages=de,en&domains=currency"]', "-p", "dimension=16", "-p", "vocabulary_size=300"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").symlink_to(HERE / "notebooks")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def shared(monkeypatch):
    """What would be started on several devices: (function, job, their number)."""
    started = []
    monkeypatch.setattr(devices, "on_devices", lambda function, job, n, log: started.append((function, job, n)))
    return started


class TestCommand:
    def test_trains_what_a_run_looks_for(self, home, shared, monkeypatch, capsys):
        monkeypatch.setattr(pipeline, "in_processes", lambda function, jobs, log, *_: [function(job, log) for job in jobs])
        assert commands.main(["train", *FEW]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "2 models: 0 trained before, 2 to train"
        asked = profiles.parameters_of("smoke", dict(text.split("=", 1) for text in FEW[1::2]))
        settings = profiles.notebook_settings(profiles.notebook("03"), asked)
        for line, sampling in zip(said[-2:], settings.samplings):
            folder = home / "reports" / settings.run / "models" / f"{sampling}-seed-0"
            score = History.read(folder / "history.json").scores[-1][1]["score"]
            assert line.split() == [sampling, "seed", "0", "score", f"{score:.4f}", str(folder / "model")]
        assert commands.main(["train", "--devices", "2", *FEW]) == 0  # on any number of devices they are the same models
        assert capsys.readouterr().out.splitlines() == ["2 models: 2 trained before, 0 to train", *said[-2:]]
        assert shared == []

    def test_says_how_to_go_on(self, home, monkeypatch, capsys):
        def killed(function, job, n_devices, log):
            raise JobError("process 1 of 2 was killed")

        monkeypatch.setattr(devices, "on_devices", killed)
        assert commands.main(["train", "--devices", "2", *FEW]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(
            "kit: process 1 of 2 was killed; this goes on from the last whole checkpoint: python -m kit train"
        )
        assert line.endswith(": " + shlex.join(["python", "-m", "kit", "train", "--devices", "2", *FEW]))


class TestDevices:
    def job(self, **changes):
        encoder = EncoderConfig(name=changes.pop("encoder", "static"))
        return TrainJob(("atlas",), "", encoder, TrainingConfig(**changes), "X-Y", 0, Path("nowhere"), 1)

    def test_share_a_training_after_the_other(self, home, shared, monkeypatch):
        monkeypatch.setattr("os.cpu_count", lambda: 8)
        jobs = [self.job(), self.job(batch_size=50)]
        devices.train_on_devices(jobs, 2, print)
        assert [job.training.batch_size for _, job, _ in shared] == [100, 50]
        assert {(job.n_threads, n) for _, job, n in shared} == {(4, 2)}
        assert train_job not in [function for function, *_ in shared]  # it would wait for the folder, which is held

    @pytest.mark.parametrize(
        ("changes", "n_devices", "message"),
        [
            (
                {},
                3,
                "batch_size is 100, which 3 devices cannot share evenly: choose 99 or 102, or another number of devices",
            ),
            ({"batch_size": 2}, 3, "cannot share evenly: choose 3, or another"),
            (
                {"encoder": "head:some/model"},
                2,
                "encoder is 'head:some/model', and a head is trained in seconds: choose one",
            ),
        ],
    )
    def test_refuse_before_anything_is_trained(self, home, shared, changes, n_devices, message):
        with pytest.raises(ValueError, match=message):
            devices.train_on_devices([self.job(batch_size=6), self.job(**changes)], n_devices, print)
        assert shared == []

    def test_are_no_more_than_there_are_gpus(self, shared, monkeypatch):
        monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
        with pytest.raises(ValueError, match="devices is 2, and there are GPUs: 1: choose at most as many"):
            devices.train_on_devices([self.job()], 2, print)
