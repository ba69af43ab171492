"""Values and names that do not fit: refused in a line, at once, before a kernel starts or a model is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from test_audits import save_encoder
from test_results import made_task

from kit.core.configs import whole_number
from kit.core.seeding import generator, stable_hash
from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.evaluate.encoding import encode_task
from kit.evaluate.evaluator import evaluate_embeddings
from kit.evaluate.search import search
from kit.run.audits import audit
from kit.run.cli import commands
from kit.run.cli.commands import main
from kit.run.settings import Settings
from kit.run.training import training_data

HERE = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The project's notebooks and profiles, without its reports."""
    (tmp_path / "notebooks").symlink_to(HERE / "notebooks")
    (tmp_path / "data" / "texts").mkdir(parents=True)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    return tmp_path


REFUSED = {
    "updates=1_0": "-p updates=1_0: not a value of type int, such as 200",
    "updates= 10": "-p updates= 10: not a value of type int",
    "updates=１０": "not a value of type int",
    "learning_rate=1_0.5": "not a value of type float",
    "learning_rate=nan": "learning_rate is nan: it lies between",
    "learning_rate=inf": "learning_rate is inf: it lies between",
    "batch_size=1": "batch_size is 1: it lies between 2 and",
    f"seeds={2**63}": "seeds[0] is 9223372036854775808: it lies between 0 and 4294967295",
    "seeds=-1": "seeds[0] is -1: it lies between 0",
    "encoder=": "encoder is '': it is empty: write a text, such as 'static'",
    "test=": "test is '': it is empty: write a text, such as 'atlas'",
    'train=["atlas",""]': "train[1] is '': it is empty",
    "max_tokens=1": "max_tokens is 1: two are the marks",
    "loss=cosine": "loss is 'cosine': choose from info-nce",
    "updats=3": "(did you mean 'updates'?)",
    "samplings=Hybird": "(did you mean 'Hybrid'?)",
    "train=atlsa": "(did you mean 'atlas'?)",
    "train=jsonl:data/text": "data/text does not exist: give the file or folder that holds the data (did you mean 'texts'?)",
    "test=lareqa:data/text": "(did you mean 'texts'?)",
}


def test_a_warning_that_is_an_error_is_one_line(home, capsys):
    """Warnings are errors in tests, as with python -W error::UserWarning."""
    question = {"id": "1", "question": "Wo?", "answers": [{"text": "da", "answer_start": 0}]}
    unanswerable = question | {"id": "2", "answers": []}
    content = {"data": [{"title": "a", "paragraphs": [{"context": "da", "qas": [question, unanswerable]}]}]}
    (home / "data" / "dev.json").write_text(json.dumps(content), encoding="utf-8")
    save_encoder(home / "model", seed=1)
    assert main(["audit", str(home / "model"), "--task", "squad:data/dev.json?language=de"]) == 1
    told = capsys.readouterr().err
    assert told == f"kit: {home / 'data' / 'dev.json'}: 1 of 2 questions have no answer: left out\n"


@pytest.mark.parametrize(("parameter", "message"), REFUSED.items(), ids=map(ascii, REFUSED))
def test_parameters(home, capsys, parameter, message):
    assert main(["run", "03", "-p", parameter]) == 1
    told = capsys.readouterr().err
    assert told.startswith("kit: ") and message in told and told.count("\n") == 1
    assert not (home / "reports").exists()


def test_heads_of_a_transformer():
    with pytest.raises(ValueError, match="dimension is 129: a transformer shares it out among heads of 64"):
        Settings().changed(encoder="tiny", dimension=129)
    assert Settings().changed(encoder="static", dimension=129).encoder.dimension == 129


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "x", "--limit", "0"],
        ["audit", "x", "--limit", "1_0"],
        ["bench", "--layers", "-1"],
        ["bench", "--updates", "0"],
        ["bench", "--batch-size", "1"],
        ["bench", "--dimension", "9" * 30],
    ],
    ids=" ".join,
)
def test_arguments_of_the_command_line(capsys, words):
    with pytest.raises(SystemExit):
        commands.main(words)
    assert "choose a whole number of at least" in capsys.readouterr().err


def test_a_dimension_of_the_benchmark(capsys):
    assert main(["bench", "--dimension", "129"]) == 1
    assert "dimension is 129: a transformer shares it out" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [-1, 2.0, "8", None, True])
def test_a_limit_of_an_audit(limit):
    with pytest.raises(ValueError, match=r"limit is .*: choose at least 0"):
        audit(["absent"], limit=limit)


@pytest.mark.parametrize("value", [0, 6, 2.5, "3", None, True, np.float32(2), 2**70])
def test_a_whole_number(value):
    with pytest.raises(ValueError, match=r"k is .*: choose 1 to 5, the size"):
        whole_number("k", value, 1, 5, "the size")


@pytest.mark.parametrize("value", [1, 5, np.int8(3)])
def test_what_is_one(value):
    whole_number("k", value, 1, 5)


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.5, "1", None])
def test_a_seed_of_a_hash(seed):
    with pytest.raises(ValueError, match=r"seed is .*: choose a whole number from"):
        stable_hash("text", seed)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_a_seed_of_a_generator(seed):
    with pytest.raises(ValueError, match=r"seed is .*: choose at least 0"):
        generator(seed, "place")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "-p", "updats=3"],
        ["run", "--profile", "smok"],
        ["run", "-p", "train=atlsa"],
        ["run", "-p", "test=jsonl:data/absent"],
        ["run", "99"],
        ["open", "absent"],
        ["audit", "x", "--task", "atlsa"],
    ],
    ids=" ".join,
)
def test_a_mistyped_name_is_refused_at_once(words):
    seconds = []
    while len(seconds) < 4 and min(seconds, default=9) >= 1.2:  # the best of some, since other programs disturb the clock
        started = time.process_time(), os.times().children_user
        found = subprocess.run([sys.executable, "-m", "kit", *words], capture_output=True, text=True, cwd=HERE)
        seconds.append(os.times().children_user - started[1])
        assert found.returncode == 1 and found.stderr.startswith("kit: ") and found.stderr.count("\n") == 1
    assert min(seconds) < 1.2, seconds


TASK = made_task("de en")
ROWS = [{"group_id": str(n), "language": "de", "query": f"q {n}", "passage": f"p {n}"} for n in range(3)]
TEXTS = RetrievalTask.from_corpus(ParallelCorpus.from_rows(ROWS, "texts"), "texts")  # no text stands there twice
SIZES = len(TASK.queries), len(TASK.candidates)


def _rows(n: int, dimension: int = 3) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, dimension)).astype(np.float32)


class _Model:
    """Returns what it is told to, as a function of the number of texts."""

    def __init__(self, make) -> None:
        self.make = make

    def encode_query(self, texts, **options):
        return self.make(len(texts))

    encode_document = encode_query


WRONG = {
    "too few": lambda n: _rows(n - 1),
    "too many": lambda n: _rows(n + 1),
    "no columns": lambda n: _rows(n, 0),
    "complex": lambda n: _rows(n).astype(np.complex64),
    "complex tensor": lambda n: torch.from_numpy(_rows(n).astype(np.complex64)),
    "none": lambda n: None,
    "one row": lambda n: _rows(n)[0],
    "ragged": lambda n: [*_rows(n - 1), np.zeros(2, np.float32)],
    "texts": lambda n: np.array([["a"]] * n),
    "sparse": lambda n: torch.from_numpy(_rows(n)).to_sparse(),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG.keys())
class TestWrongEmbeddings:
    def test_of_a_model(self, make):
        with pytest.raises(ValueError, match=r"the model returned .* for \d+ texts: it has to return \(\d+, dim\) real"):
            encode_task(_Model(make), TEXTS)

    @pytest.mark.parametrize("side", [0, 1])
    def test_given(self, make, side):
        given = [_rows(size) for size in SIZES]
        given[side] = make(SIZES[side])
        with pytest.raises(ValueError, match=f"{['query', 'candidate'][side]}_embeddings (is|has shape) .*: "):
            evaluate_embeddings(*given, TASK, "made")


RIGHT = {
    "half": lambda rows: torch.from_numpy(rows).bfloat16(),
    "gradient": lambda rows: torch.from_numpy(rows).requires_grad_(),
    "both": lambda rows: torch.from_numpy(rows).half().requires_grad_(),
}


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT.keys())
class TestTensors:
    ROWS = tuple(np.round(4 * _rows(size)) for size in SIZES)  # small whole numbers: no precision rounds them

    def test_given(self, make):
        plain, found = (evaluate_embeddings(*map(one, self.ROWS), TASK, "made") for one in (lambda rows: rows, make))
        assert str(found.per_query.to_pylist()) == str(plain.per_query.to_pylist())  # NaN is not equal to itself

    def test_of_a_model(self, make):
        plain = encode_task(_Model(lambda n: np.round(4 * _rows(n))), TEXTS)
        for one in (lambda n: make(np.round(4 * _rows(n))), lambda n: list(make(np.round(4 * _rows(n))))):
            assert all(map(np.array_equal, encode_task(_Model(one), TEXTS), plain))


@pytest.mark.parametrize("k", [2.5, "1", None, -1, True, 99])
def test_a_length_of_top_lists(k):
    with pytest.raises(ValueError, match=r"k is .*: choose 0 to"):
        search(*map(_rows, SIZES), TASK, k=k)


def test_a_corpus_that_is_too_small_to_hold_some_out(tmp_path):
    ParallelCorpus.from_rows(ROWS[:2], "little").write(tmp_path / "little.jsonl")
    with pytest.raises(ValueError, match=r"little has 2 passage cluster\(s\), too few to hold 10% of them out .* about 30"):
        training_data((f"jsonl:{tmp_path / 'little.jsonl'}",))


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root is told")
def test_root_is_told_how_jupyter_starts(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / "Makefile").write_text((HERE / "Makefile").read_text())
    for name in (".venv/ready", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".venv" / "ready", (2**31, 2**31))
    found = subprocess.run(["make", "lab"], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode and "type make lab LAB=--allow-root" in found.stdout
