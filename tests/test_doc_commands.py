"""Every command that the texts type in a console runs as it is typed, on a small copy of the project."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from test_docs import HERE, PAGES, PARTS, console, identify, text_of
from test_judged import miracl_folder  # tests/data

from kit.data.corpus import ParallelCorpus, RetrievalTask
from kit.data.sources import atlas
from kit.run import evaluating, pipeline, training
from kit.run.cli import commands
from kit.run.training import TrainJob
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder


def parallel(folder: Path) -> None:
    """A folder of XQuAD-R's form, with 120 paragraphs in two languages."""
    folder.mkdir(parents=True)
    for tag, (asked, told) in PARTS.items():
        paragraphs = []
        for number in range(120):
            answer = {"text": str(number), "answer_start": len(told) + 1}
            question = {"id": str(number), "question": f"{asked} {number}?", "answers": [answer]}
            text = f"{told} {number}."
            paragraphs.append({"context": text, "sentences": [text], "sentence_breaks": [[0, len(text)]], "qas": [question]})
        content = {"data": [{"title": "a", "paragraphs": paragraphs}], "version": "1"}
        (folder / f"{tag}.json").write_text(json.dumps(content), encoding="utf-8")


def beir_folder(folder: Path) -> None:
    """A question and two documents in BEIR's form."""
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "Who?"}\n', encoding="utf-8")
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "Ann."}\n{"_id": "b", "text": "Bo."}\n', encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("q\ta\t1\n", encoding="utf-8")


def vectors(folder: Path, model: SentenceTransformer, rows: list[dict[str, str]]) -> None:
    """What a service made of the texts."""
    folder.mkdir(parents=True)
    for side, stem in (("query", "queries"), ("passage", "passages")):
        texts = list(dict.fromkeys(row[side] for row in rows))
        np.save(folder / f"{stem}.npy", model.encode(texts))
        lines = [json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts)]
        (folder / f"{stem}.jsonl").write_text("".join(lines), encoding="utf-8")


def forget() -> None:
    for kept in (training._training_data, evaluating._load_test, pipeline._load_data):
        kept.cache_clear()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What is trained and evaluated for one page serves the others."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path, cache):
    """A project without data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cache").symlink_to(cache)
    for name in ("notebooks", "data/paper.json"):
        (tmp_path / name).symlink_to(HERE / name)
    return tmp_path


@pytest.fixture
def small(run_cells, home, tmp_path, monkeypatch):
    """A copy of the project with a user's data; a training has two updates, and Atlas one domain in three languages.

    All is done in this process, and no report has a figure: these are tested in tests/run and tests/show.
    """
    rows = [
        {"group_id": str(group), "language": tag, "query": f"{asked} {group}?", "passage": f"{told} {group}."}
        for group in range(130)
        for tag, (asked, told) in PARTS.items()
    ]
    ParallelCorpus.from_rows(rows[:-20], "mine").write(tmp_path / "data" / "mine.jsonl")
    RetrievalTask.from_corpus(ParallelCorpus.from_rows(rows[-20:], "test"), "mine").write(tmp_path / "data" / "my-task")
    model = make_encoder(EncoderConfig(dimension=16, vocabulary_size=300), [row["passage"] for row in rows], seed=0)
    shape = EncoderConfig(name="tiny", dimension=256, vocabulary_size=300, max_tokens=16)
    transformer = make_encoder(shape, [row["passage"] for row in rows], seed=0)
    transformer.save_pretrained(str(tmp_path / "path" / "to" / "transformer"), create_model_card=False)
    vectors(tmp_path / "path" / "to" / "vectors", model, rows)
    for name in ("xquad-r", "mlqa-r"):
        parallel(tmp_path / "data" / name)
    for code in ("sw", "yo"):
        miracl_folder(tmp_path / "data" / "miracl", code)
    beir_folder(tmp_path / "data" / "scifact")
    for name in ("model", "my-model"):
        model.save_pretrained(str(tmp_path / "path" / "to" / name), create_model_card=False)

    def execute(source, target, parameters, progress, verbose):
        run_cells(source, parameters)
        shutil.copy(source, target)

    def here(function, jobs, log, *_):
        for job in jobs:
            short = {"training": job.training.changed(updates=2, evaluations=1)} if isinstance(job, TrainJob) else {}
            function(replace(job, **short), log)

    def cut(load):
        @wraps(load)
        def loaded(*arguments, **options):
            asked = signature(load).bind(*arguments, **options).arguments
            few = {} if "by" in asked else {"languages": ["de", "en", "th"], "domains": ["currency"]}
            return load(**few | {name: value for name, value in asked.items() if value is not None})

        return loaded

    for name in ("corpus", "task"):
        monkeypatch.setattr(atlas, name, cut(getattr(atlas, name)))
    monkeypatch.setattr("kit.run.notebooks._execute", execute)
    monkeypatch.setattr("kit.run.pipeline.in_processes", here)
    monkeypatch.setattr("kit.show.report.folder.figures", lambda *asked: {})
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    forget()  # what is kept in memory goes by the checksums of the data, and does not know that Atlas was cut
    yield tmp_path
    forget()


class TestCommands:
    NOT_RUN: ClassVar = {
        "make": "sets up an environment, tests, or opens JupyterLab: what it starts is tested by itself",
        "source .venv/bin/activate": "is for a shell",
        "eval": "is for a shell, too",
        "hybrid-batch-kit": "is python -m kit by another name; tests/run/test_commands.py types it",
        "python -m pytest tests/train": "is this suite",
        "python -m kit app": "serves until it is ended; tests/run/test_app.py opens its page",
        "python -m kit audit path/to/model sentence-transformers/LaBSE": "needs a model of the hub",
        "python -m kit audit multilingual-e5-small=intfloat": "needs models of the hub",
        "python -m kit report audit-atlas-test-by-fact": "needs the audit of all of Atlas before it",
        "python -m kit judge path/to/exported-model": "needs MIRACL; benchmarks/rehearsal.py judges a miniature of it",
        "python -m kit data": "asks a hub; tests/data/test_hub_fetching.py types it with one on this machine",
        "python -m kit run --profile xlmr": "needs a model of the hub",
        "python -m kit run 03 04 --profile tuned-e5": "needs a model of the hub",
        "python -m kit run 06 --profile ratio-large": "needs a model of the hub",
        "python -m kit run 03 04 11 --profile xlmr": "needs a model of the hub",
        "python -m kit run 11 --profile": "needs a model of the hub",
        "python -m kit run 03 -p train=mmarco": "needs mMARCO; tests/train/test_placing.py trains on a miniature of it",
        "python -m kit run 03 -p 'train=": "needs mMARCO, too",
        "python -m kit train --profile xlmr": "needs a model of the hub; tests/train/test_devices.py starts torchrun",
        "python -m kit run 03 04 --engine ray": "starts Ray; tests/core/test_engines.py does",
        "python -m kit train --engine slurm": "starts submitit; tests/core/test_engines.py does",
        "python -m kit sweep 03 04 --profile": "needs a Ray cluster",
        "python -m kit sweep 03 04": "makes runs in processes of their own; tests/run/test_sweeping.py makes two",
        "python -m kit sweep 06 07 08": "needs Slurm",
        "python -m kit run --profile cpu --engine": "needs a Ray cluster",
        "python -m kit bench": "trains an encoder of XLM-R's size; a small one is timed in tests/train/test_bench.py",
        "python -m kit claims": "gathers runs of six profiles; tests/run/test_study.py gathers two",
        "python -m kit translate": "needs a model of the hub; tests/augment/test_translating.py types it with another",
        "python -m kit run 03 04 -p run=watched": "needs a tracker; tests/train/test_trackers.py has one of its own",
        "papermill": "starts a kernel: tests/run/test_notebooks.py reads params.yaml with it",
    }
    """Starts of commands that no test runs as they are typed, and why."""

    BEFORE: ClassVar = {
        "docs/own-model.md": ["run 04 --profile cpu", "run 04"],
        "docs/running.md": ["run 04 -p run=mine", "run 04 --profile cpu"],
    }
    """What a page's commands expect to be there."""

    TYPED: ClassVar = [page for page in PAGES if re.search(r"^ *```console$", text_of(page), re.M)]

    @pytest.mark.parametrize("page", TYPED, ids=identify)
    def test_commands(self, small, page, capfd, monkeypatch):
        monkeypatch.setattr("webbrowser.open", lambda address: True)
        typed = [line.split("  #")[0] for line in console(page)]
        run = [words for line in typed if not line.startswith(tuple(self.NOT_RUN)) for words in [shlex.split(line)]]
        for words in [*(["python", "-m", "kit", *line.split()] for line in self.BEFORE.get(identify(page), ())), *run]:
            assert words[:3] == ["python", "-m", "kit"], words
            try:
                status = commands.main(words[3:])
            except SystemExit as end:  # --help
                status = end.code
            assert not status, (words, capfd.readouterr().err)

    def test_what_is_not_run_is_typed_somewhere(self):
        typed = [line for page in self.TYPED for line in console(page)]
        assert [start for start in self.NOT_RUN if not any(line.startswith(start) for line in typed)] == []
