"""Many runs by one command: their names, what is done first, the table; and what is told of jobs meanwhile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.core import paths
from kit.core.engines.engine import Engine, choose
from kit.core.processes import JobError
from kit.run import notebooks, pipeline
from kit.run.cli import commands
from kit.run.engines import board, dealing, sweeping
from kit.run.settings import Settings

HERE = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").symlink_to(HERE / "notebooks")
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def made(home, monkeypatch):
    """Runs that leave their metrics at once, one failing where a seed is 13; names of what was asked for, in order."""
    asked = []

    def run(parameters, numbers, command, verbose=False):
        settings = Settings().changed(**parameters)
        asked.append(f"{settings.run} {' '.join(numbers)}")
        if settings.seeds == (13,):
            raise RuntimeError("cell 3 failed")
        print("executed")
        folder = paths.run_folder(settings.run)
        folder.mkdir(parents=True)
        headline = {"X-Y": {"mono mAP": [settings.training.learning_rate, None]}}
        about = {"settings": json.loads(json.dumps(settings.flat())), "n_seeds": {"X-Y": 1}, "test": "atlas"}
        (folder / "metrics.json").write_text(json.dumps({"about": about, "headline": headline}))
        return folder

    def carried_out(function, jobs, names, tell, engine, devices=()):
        failed = []
        for number, job in enumerate(jobs):
            tell(number, "runs", "here")
            try:
                lines = []  # another process would print what is logged
                function(job, lines.append)
                for line in lines:
                    tell(number, "line", line)
                tell(number, "done", "")
            except RuntimeError as error:
                failed.append(str(error))
                tell(number, "failed", str(error))
        if failed:
            raise JobError("\n".join(failed))

    def metrics_of(folder, settings):
        path = folder / "metrics.json"
        return json.loads(path.read_text()) if path.is_file() else None

    monkeypatch.setattr(notebooks, "run", run)
    monkeypatch.setattr(sweeping.profiles, "metrics_of", metrics_of)
    monkeypatch.setattr(sweeping.report, "write_pages", lambda folder: None)
    monkeypatch.setattr(sweeping, "carry_out", carried_out)
    for name in ("train_missing", "evaluate_missing"):
        monkeypatch.setattr(pipeline, name, lambda recipes, log, name=name: asked.append(f"{name} of {len(recipes)}"))
    return asked


def test_a_run_for_every_combination_and_one_table(made, capsys):
    rates = ["-p", "learning_rate=0.2", "-p", "learning_rate=0.4"]
    assert commands.main(["sweep", "03", "04", *rates, "-p", "seeds=0", "-p", "seeds=1", "-p", "run=mine"]) == 0
    assert made[:2] == ["train_missing of 4", "evaluate_missing of 4"] and len(set(made[2:])) == 4
    assert all(one.startswith("mine-") and one.endswith(" 03 04") for one in made[2:])
    said = capsys.readouterr().out
    assert f"{made[2].split()[0]}  executed" in said and "4 jobs: 4 done" in said
    table = [line.split() for line in said.splitlines()[-5:]]
    assert table[0] == ["run", "learning_rate", "seeds", "model", "mono", "mAP"]
    assert [row[1:] for row in table[1:]] == [
        [rate, seed, "X-Y", f"{float(rate):.3f}"] for rate in ("0.2", "0.4") for seed in "01"
    ]


def test_a_run_that_fails_stops_no_other_and_the_command_goes_on(made, capsys):
    asked = ["sweep", "04", "-p", "seeds=13", "-p", "seeds=2"]
    assert commands.main(asked) == 1
    assert len(made) == 3
    assert capsys.readouterr().err == "kit: cell 3 failed\ngo on with: python -m kit sweep 04 -p seeds=13 -p seeds=2\n"


def test_runs_go_into_the_store_that_was_chosen(made, home, capsys):
    address = f"file://{home}/store"
    typed = ["sweep", "04", "-p", "learning_rate=0.1", "-p", "learning_rate=0.2", "--store", address]
    assert not commands.main(typed)
    (first, second) = sorted(paths.reports().iterdir())
    written = (first / "metrics.json").read_bytes()
    shutil.rmtree(first)
    (second / "metrics.json").write_text("of another machine")
    with choose(Engine(store=address)):
        dealing.bring([first, second], print, anew=True)
    assert (first / "metrics.json").read_bytes() == written and (second / "metrics.json").read_bytes()[:1] == b"{"


def test_values_that_are_the_same_are_refused(made, capsys):
    assert commands.main(["sweep", "04", "-p", "learning_rate=0.4", "-p", "learning_rate=0.40"]) == 1
    assert "are the same settings: give each value once" in capsys.readouterr().err and made == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["run", "--engine", "pbs"], "name is 'pbs': choose from here, ray, slurm"),
        (["run", "--partition", "gpu"], "--partition gpu: means nothing to engine here"),
        (["sweep", "--engine", "ray", "--minutes", "5"], "--minutes 5: means nothing to engine ray"),
        (
            ["train", "--engine", "ray", "--devices", "2"],
            "--devices 2: devices of this machine share a training: leave --engine ray away",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(home, capsys, asked, message):
    assert commands.main(asked) == 1
    assert message in capsys.readouterr().err


def test_the_engine_that_is_chosen_reaches_the_jobs(home, monkeypatch):
    seen = []
    monkeypatch.setattr(dealing, "carry_out", lambda function, jobs, names, tell, engine: seen.append((names, engine)))
    with choose(Engine(name="ray", processors=3)):
        assert dealing.threads_of(100) == 3
        dealing.in_processes(print, [1, 2], seen.append)
    assert seen[0] == (["job 1", "job 2"], Engine(name="ray", processors=3)) and seen[1] == "2 jobs: 2 wait"


class TestBoard:
    def test_lines_where_there_is_no_terminal(self, monkeypatch):
        said = []
        with board.Board(["a", "b"], said.append) as shown:
            shown.tell(0, "runs", "node-1")
            shown.tell(0, "line", "update 5")
            shown.tell(1, "runs", "node-2")
            shown.tell(1, "waits", "NodeDiedError: it is gone")
            shown.tell(0, "failed", "Traceback\nOSError: no room")
        assert said == [
            "update 5",
            "b: waits: NodeDiedError: it is gone",
            "a: failed: OSError: no room",
            "2 jobs: 1 waits, 1 failed",
        ]

    def test_a_table_in_place_on_a_terminal(self, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        shown = board.Board(["a", "b", "c"])
        shown.tell(0, "runs", "node-1")
        shown.tell(0, "line", "update 5")
        shown.tell(1, "done", "")
        shown._draw()
        shown._draw()
        first, second = capsys.readouterr().out.split("\x1b[2A\x1b[J")  # two lines up, and clear
        assert first == second
        assert first.splitlines() == ["3 jobs: 1 done, 1 runs, 1 waits", "  a  runs  node-1  0 s  update 5"]
