"""Jobs on this machine, on a Ray cluster and on Slurm: what is promised is the same for all."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from kit.core import processes
from kit.core.engines import carrying
from kit.core.engines.carrying import carry_out, follow
from kit.core.engines.engine import VARIABLE, Engine, choose, chosen
from kit.core.engines.order import Order
from kit.core.processes import JobError


def work(job, log):
    """What it says, in a word: the job is done, refuses, dies once, or always."""
    word, folder = job
    log(f"{word} begins")
    if word == "refuses":
        raise ValueError("no such file: data/x")
    if word == "dies":
        os._exit(3)
    if word == "dies once" and not (folder / "died").exists():
        (folder / "died").touch()
        os._exit(3)
    if word == "reads":
        places = "KIT_HOME", VARIABLE, "LOKY_MAX_CPU_COUNT"
        (folder / "read").write_text(json.dumps({name: os.environ.get(name) for name in places}))
    (folder / f"{word}.done").touch()


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # so that machines find this module
    monkeypatch.delenv(VARIABLE, raising=False)
    yield tmp_path
    processes.dismiss_all()


def carried_out(words, engine, home):
    """What is told, and the failure."""
    told = []
    try:
        carry_out(work, [(word, home) for word in words], words, lambda *one: told.append(one), engine)
    except JobError as error:
        return told, str(error)
    return told, ""


NEEDED = {"ray": "ray", "slurm": "submitit"}


@pytest.mark.parametrize("name", ["here", "ray", "slurm"])
class TestEngines:
    def test_what_fails_stops_no_other_and_is_told_at_the_end(self, home, name):
        if name in NEEDED and not find_spec(NEEDED[name]):
            pytest.skip(f"{NEEDED[name]} is not installed")
        words = ["refuses", "dies once", "reads"]
        with choose(Engine(name=name, address="local")):
            try:
                told, failure = carried_out(words, chosen(), home)
            except ValueError as error:
                if "no Ray cluster at local" in str(error):
                    pytest.skip(f"Ray does not start here: {error}")
                raise
        ends = {number: word for number, word, _ in told if word in ("done", "failed")}
        logs = list(home.glob("data/cache/jobs/*/*.log"))
        if name == "here":  # where nothing tells a machine that is lost from a job that ends its process
            assert ends == {0: "failed", 1: "failed", 2: "done"} and not logs
            assert failure.startswith("2 of 3 jobs failed") and "- refuses: no such file: data/x" in failure
            return
        assert ends == {0: "failed", 1: "done", 2: "done"}
        assert [word for number, word, _ in told if number == 1].count("waits") == 1
        assert [text for number, word, text in told if (number, word) == (2, "line")] == ["reads begins"]
        (log,) = logs  # those of what is done are gone
        assert failure.splitlines() == [
            "1 of 3 jobs failed; the others are done, and are not done again:",
            "- refuses: no such file: data/x",
            f"  log: {log}",
        ]
        assert log.read_text().splitlines()[1:] == ["refuses begins", "no such file: data/x"]
        read = json.loads((home / "read").read_text())  # what a job starts runs where the job does, on its processors
        assert read == {"KIT_HOME": str(home), VARIABLE: None, "LOKY_MAX_CPU_COUNT": "1"}


class Pretender:
    """A cluster that ends orders as it is told to; what is submitted is kept."""

    def __init__(self, *outcomes):
        self.outcomes, self.submitted, self.cancelled = list(outcomes), [], []

    def submit(self, order):
        self.submitted.append(order)
        return len(self.submitted)

    def ended(self, handles, wait_s):
        return {number: self.outcomes.pop(0) for number in list(handles)[:1]}

    def cancel(self, handles):
        self.cancelled += handles


class TestFollow:
    def order(self, home):
        return Order(work, ("", home), home / "0.log", 1)

    def test_what_is_lost_is_started_again_but_not_for_ever(self, home):
        told, cluster = [], Pretender(*[("lost", "node 3 is gone")] * carrying.TRIES)
        follow(cluster, {0: self.order(home)}, lambda *one: told.append(one))
        assert len(cluster.submitted) == carrying.TRIES
        assert told == [*[(0, "waits", "node 3 is gone")] * (carrying.TRIES - 1), (0, "failed", "node 3 is gone")]

    def test_a_failure_is_not_tried_again(self, home):
        told, cluster = [], Pretender(("failed", "no"), ("done", ""))
        follow(cluster, {0: self.order(home), 1: self.order(home)}, lambda *one: told.append(one))
        assert len(cluster.submitted) == 2 and [one[:2] for one in told] == [(0, "failed"), (1, "done")]

    def test_an_interrupted_command_cancels_what_waits(self, home):
        def ended(handles, wait_s):
            raise KeyboardInterrupt

        cluster = Pretender()
        cluster.ended = ended
        with pytest.raises(KeyboardInterrupt):
            follow(cluster, {0: self.order(home)}, print)
        assert cluster.cancelled == [1]

    def test_lines_are_told_whole_and_once(self, home):
        path, told = home / "0.log", []
        tail = carrying._Tail(path)
        assert tail.lines() == []
        path.write_text("begun on a, process 1\nhal")
        told += tail.lines()
        with path.open("a") as file:
            file.write("f\n曼谷\n")
        assert told + tail.lines() == ["begun on a, process 1", "half", "曼谷"] and tail.lines() == []


def test_a_machine_that_does_not_see_the_folder_says_so(home):
    word, why = Order(work, ("last", home), home / "elsewhere" / "0.log", 1)()
    assert word == "failed" and "give all machines the project's folder at one path" in why


class TestEngine:
    def test_is_chosen_for_what_is_started_in_a_context(self, home):
        assert chosen() == Engine()
        with choose(Engine(name="slurm", partition="gpu")):
            assert chosen() == Engine(name="slurm", partition="gpu") and json.loads(os.environ[VARIABLE])["name"] == "slurm"
            with choose(None):
                assert chosen().name == "slurm"
            with choose(Engine()):
                assert chosen().name == "here"
        assert VARIABLE not in os.environ

    @pytest.mark.parametrize("text", ["ray", "[1]", '{"name": "pbs"}', '{"nodes": 3}'])
    def test_a_variable_that_holds_something_else_is_named(self, home, monkeypatch, text):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(ValueError, match=f"{VARIABLE} is .*unset it, or write"):
            chosen()

    def test_an_unknown_one_is_refused_with_the_known(self):
        with pytest.raises(ValueError, match="name is 'pbs': choose from here, ray, slurm"):
            Engine(name="pbs")

    @pytest.mark.parametrize(("name", "package", "extra"), [("ray", "ray", "cluster"), ("slurm", "submitit", "slurm")])
    def test_a_package_that_is_missing_is_named_with_the_command(self, home, monkeypatch, name, package, extra):
        module = pytest.importorskip(f"kit.core.engines.{name}")
        monkeypatch.setattr(module, "find_spec", lambda asked: None)
        with pytest.raises(ValueError, match=rf"{package} is not installed here: pip install -e '\.\[{extra}\]'"):
            carried_out(["last"], Engine(name=name), home)

    @pytest.mark.skipif(not find_spec("submitit"), reason="submitit is not installed")
    def test_no_slurm_here(self, home, monkeypatch):
        monkeypatch.setenv("PATH", str(home))
        with pytest.raises(ValueError, match="there is none here: type it where sbatch is, or give local"):
            carried_out(["last"], Engine(name="slurm"), home)
