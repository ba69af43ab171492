"""Processes that share a training are one: losses, weights, checkpoints; and what is left when one of them is killed.

torchrun is started once, with two processes: they train all of ``RECIPES``, go on with a training that one process began and
begin one that one process goes on with; at last the second one is killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from test_trainer import Interrupted, assert_same_weights, encoder, made_rows, one_thread as one_thread, weighed, weights
from torch.nn import Dropout

from kit.core.processes import JobError
from kit.data.corpus import ParallelCorpus
from kit.train import trainer
from kit.train.checkpoints import checkpoints
from kit.train.config import TrainingConfig
from kit.train.devices import launching
from kit.train.devices.launching import on_devices
from kit.train.history import History
from kit.train.losses import InfoNCE
from kit.train.pairs import pair_batches, pair_dataset
from kit.train.samplers import Sampling

CONFIG = TrainingConfig(updates=4, batch_size=8, evaluations=2, learning_rate=1e-2)


def asked_twice():
    """Groups 0 and 1 ask the same; the first hard negative of a row is the passage of another group, the second of none."""
    rows = made_rows(n_groups=10)
    for number, row in enumerate(rows):
        row["negatives"] = [rows[(number + 3) % len(rows)]["passage"], "一一"]
    for number in range(3):
        rows[number + 3]["query"] = rows[number]["query"]
    return ParallelCorpus.from_rows(rows, "asked twice")


def transformer():
    model = encoder("tiny")
    for part in model.modules():
        part.p = 0.0 if isinstance(part, Dropout) else getattr(part, "p", None)
    model[0].auto_model.config.attention_probs_dropout_prob = 0.0
    return model


def two_towers():
    return SentenceTransformer(modules=[Router.for_query_document([encoder()[0]], [encoder(seed=1)[0]])], device="cpu")


RECIPES = {
    "static": (encoder, {"hard_negatives": 2}),
    "symmetric": (encoder, {"hard_negatives": 2, "symmetric": True, "margin": 0.3, "patience": 1}),
    "transformer": (transformer, {"hard_negatives": 1}),
    "small passes": (transformer, {"mini_batch": 3}),
    "two towers": (two_towers, {}),
}
"""Encoders, and what is changed in ``CONFIG``."""


def train(folder, name, model, log=lambda line: None):
    """A recipe in float32. Where a gradient is zero but for rounding, Adam makes of the rounding a whole step: so SGD."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("torch.cpu.get_capabilities", dict)
        arguments = trainer._arguments
        if RECIPES[name][0] is transformer:
            patched.setattr(trainer, "_arguments", lambda *given: _with_sgd(arguments(*given)))
        config = CONFIG.changed(**RECIPES[name][1])
        trainer.fine_tune(model, [asked_twice()], Sampling.parse("Hybrid"), config, folder / name, 3, weighed(), log)


def _with_sgd(arguments):
    arguments.optim = "sgd"
    return arguments


def stop(folder, model, at=3, end=None):
    """Begin the first recipe, and end before the third update: there is a checkpoint of the second."""
    seen, forward = [], InfoNCE.forward

    def ending(self, features, labels):
        seen.append(labels)
        if len(seen) == at:
            raise Interrupted
        return forward(self, features, labels)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(InfoNCE, "forward", ending)
        with pytest.raises(Interrupted):
            train(folder, "static", model)


@dataclass(frozen=True)
class Order:
    folder: Path


def in_two_processes(order, log):
    """What each of the two does."""
    torch.set_num_threads(1)
    models = {name: make() for name, (make, _) in RECIPES.items()}
    more = [encoder() for _ in range(3)]  # all of them before the processes are joined
    for name, model in models.items():
        train(order.folder / "two", name, model, log)
    train(order.folder / "begun by one", "static", more[0])
    stop(order.folder / "begun by two", more[1])
    if torch.distributed.get_rank() == 1:
        (order.folder / "killed at").write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    train(order.folder / "killed", "static", more[2])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folder, what was logged, how it ended and how many seconds after the kill, which processes are left."""
    torch.set_num_threads(1)
    folder, lines = tmp_path_factory.mktemp("devices"), []
    for name, (make, _) in RECIPES.items():
        train(folder / "one", name, make())
    stop(folder / "begun by one", encoder())
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(JobError) as ended:
        on_devices(in_two_processes, Order(folder), 2, lines.append)
    took_s = time.time() - float((folder / "killed at").read_text())
    left = [one for one in psutil.Process().children(recursive=True) if one not in before]
    return SimpleNamespace(folder=folder, lines=lines, error=str(ended.value), took_s=took_s, left=left)


def assert_same(folder, other):
    """Losses, scores and weights."""
    one, two = (History.read(path / "history.json") for path in (folder, other))
    for updates, again in ((one.loss, two.loss), (one.scores, two.scores)):
        assert [update for update, _ in again] == [update for update, _ in updates]
    torch.testing.assert_close([loss for _, loss in two.loss], [loss for _, loss in one.loss], rtol=0, atol=1e-6)
    scores = ([found["score"] for _, found in history.scores] for history in (two, one))
    torch.testing.assert_close(*scores, rtol=1e-6, atol=0)  # sums of squares of all weights
    assert_same_weights(*(weights(SentenceTransformer(str(path / "model"), device="cpu")) for path in (other, folder)))
    assert checkpoints(other) == []


class TestTwoProcesses:
    @pytest.mark.parametrize("name", RECIPES)
    def test_train_as_one(self, both, name):
        assert_same(both.folder / "one" / name, both.folder / "two" / name)

    def test_go_on_with_what_one_began(self, both):
        assert_same(both.folder / "one" / "static", both.folder / "begun by one" / "static")

    def test_begin_what_one_goes_on_with(self, both, tmp_path):
        parts = Path(shutil.copytree(both.folder / "begun by two" / "static", tmp_path / "static"))
        assert [path.name for path in checkpoints(parts)] == ["checkpoint-2"]
        train(tmp_path, "static", encoder())
        assert_same(both.folder / "one" / "static", parts)

    def test_one_of_them_logs(self, both):
        expected = [at for _ in RECIPES for at in ("update     2/4", "update     4/4", "s an update")]
        assert [one for one, line in zip(expected, both.lines) if one not in line] == []
        assert len(both.lines) == len(expected)

    def test_the_cost_says_how_many_there_were(self, both):
        costs = [json.loads((both.folder / side / "static" / "cost.json").read_text()) for side in ("one", "two")]
        assert [cost["n_devices"] for cost in costs] == [1, 2]


class TestAKilledProcess:
    def test_ends_all_within_seconds(self, both):
        assert both.error == "process 1 of 2 (counted from 0) was killed by signal 9, which ended all"
        assert both.took_s < 10 and both.left == []

    @pytest.mark.parametrize("whose", ["caller", "torchrun"])
    def test_that_started_it_ends_it(self, whose):
        watching = "import os, sys; from kit.train.devices.process import _end_with; _end_with({})"
        parent = "os.getppid()" if whose == "caller" else "-1"  # another process has become its parent
        with subprocess.Popen([sys.executable, "-c", watching.format(parent)], stdin=subprocess.PIPE) as process:
            if whose == "caller":
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=0.7)
                process.stdin.close()
            assert process.wait(timeout=30) == 1


class TestFailure:
    REPORT = """
Failures:
[1]:
  time      : 2026-01-01_00:00:00
  rank      : 2 (local_rank: 2)
  exitcode  : {other} (pid: 78)

Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  rank      : 3 (local_rank: 3)
  exitcode  : {exitcode} (pid: 77)
"""

    @pytest.mark.parametrize(
        ("told", "exitcode", "kind", "message"),
        [
            ({"refused": "lower it", "failed": "Traceback"}, -9, ValueError, "^lower it$"),
            ({"failed": "Traceback: lost connection"}, -9, JobError, "^process 3 of 4 .* by signal 9"),
            ({}, -15, JobError, "^process 2 of 4 .* by signal 11"),  # the other was ended by torchrun
            ({"failed": "Traceback: oops"}, 1, JobError, "^a process of 4 failed:\nTraceback: oops$"),
            ({}, 1, JobError, r"exitcode  : 1 \(pid: 77\)$"),
        ],
    )
    def test_its_reason_comes_before_its_consequences(self, told, exitcode, kind, message):
        with pytest.raises(kind, match=message):
            raise launching._failure(told, self.REPORT.format(exitcode=exitcode, other=-11 if exitcode == -15 else 1), 4)

    def test_lines_of_others_are_kept_apart(self):
        logged = []
        lines = ["noise\n", '\x1e["line", "one"]\n', '\x1e["refused", "no"]\n', '\x1e["refused", "nor this"]\n', "more\n"]
        assert launching._hear(lines, logged.append) == ({"refused": "no"}, "noise\nmore")
        assert logged == ["one"]


class TestParts:
    @pytest.mark.parametrize("n_processes", [1, 2, 4])
    def test_are_slices_of_the_batches_with_the_labels_of_the_whole(self, n_processes):
        data = pair_dataset([asked_twice()], 1)
        batches = pair_batches("X-X", n_batches=5)(data, batch_size=8, seed=3)
        shards = [BatchSamplerShard(batches, n_processes, rank, split_batches=True) for rank in range(n_processes)]
        for parts, whole in zip(zip(*shards), batches):
            assert [len(part) for part in parts] == [8 // n_processes] * n_processes
            assert [pair for part in parts for pair in part] == whole
            assert [item for part in parts for item in data.__getitems__(part)] == data.__getitems__(whole)
        assert re.search(r"\b2\b", str({len(item["label"]) for batch in batches for item in data.__getitems__(batch)}))


class TestRows:
    """The loss of one process out of several, with the rows of the others given; gradients are those of its own rows."""

    @pytest.mark.parametrize("symmetric", [False, True])
    @pytest.mark.parametrize("mini_batch", [0, 1])
    def test_of_all_make_the_loss_of_the_whole_batch(self, monkeypatch, symmetric, mini_batch):
        generator = torch.Generator().manual_seed(0)
        columns = [torch.randn(6, 4, generator=generator) for _ in range(4)]  # queries, passages, two hard negatives
        labels = torch.tensor([[0, 1, -1, 1], [1, 2, 3, -1], [2, 0, -1, 5], [3, 3, 4, 5], [4, 5, 0, 0], [5, 1, 2, 3]])
        whole = [column.clone().requires_grad_() for column in columns]
        plain = InfoNCE(torch.nn.Identity(), 0.1, symmetric=symmetric)
        expected = plain.calculate_loss([[column] for column in whole], labels)
        expected.backward()
        for rank in range(3):
            mine = slice(2 * rank, 2 * rank + 2)
            own, given = [column[mine].clone().requires_grad_() for column in columns], iter([*columns, labels])

            def of_all(rows, mine=mine, given=given):
                others = next(given)
                torch.testing.assert_close(rows.detach(), others[mine])
                return torch.cat([others[: mine.start], rows, others[mine.stop :]])

            monkeypatch.setattr("kit.train.losses.rows_of_all", of_all)
            loss = InfoNCE(torch.nn.Identity(), 0.1, symmetric=symmetric, gather_across_devices=True)
            parts = [list(column.split(mini_batch)) if mini_batch else [column] for column in own]
            found = loss.calculate_loss(parts, labels[mine])
            torch.testing.assert_close(found, expected)
            found.backward()
            for column, all_rows in zip(own, whole):
                torch.testing.assert_close(column.grad, all_rows.grad[mine])
