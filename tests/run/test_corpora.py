"""Corpora in shards from the command line: encoded once, whoever takes part, searched as an audit evaluates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_audits import made_task, save_encoder
from test_judged import miracl_folder  # tests/data

from kit.compare.results import Results
from kit.core.engines.engine import chosen
from kit.evaluate.evaluator import evaluate
from kit.evaluate.shards.approximate import Cost
from kit.evaluate.shards.panel import evaluate_pool
from kit.run import pipeline
from kit.run.cli import commands
from kit.run.corpora import encoding, searching
from kit.train.encoders.loading import load_encoder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two"), start=1):
        save_encoder(folder / name, seed)
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch, models) -> Path:
    """A project with a task in two languages, two models, and what a job is done by, in this process."""
    (tmp_path / "notebooks").mkdir()
    made_task().write(tmp_path / "data" / "capitals")
    shutil.copytree(models, tmp_path / "models")
    here = lambda function, jobs, log, *_: [function(job, log) for job in jobs]
    monkeypatch.setattr(pipeline, "in_processes", here)
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


ENCODE = ["encode", "jsonl:data/capitals", "models/one", "data/shards", "--shards", "3"]
SEARCH = ["search", "jsonl:data/capitals", "models/one", "data/shards"]


def test_a_search_over_shards_is_an_audit(home, capsys):
    assert not commands.main(ENCODE)
    assert "de: 8 passages in 3 shards\nen: 8 passages in 3 shards\n" in capsys.readouterr().out
    manifest = json.loads((home / "data" / "shards" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["source"] == "jsonl:data/capitals" and list(manifest["languages"]) == ["de", "en"]
    parts = manifest["languages"]["en"]["shards"]
    assert [(one["first"], one["n_passages"]) for one in parts] == [(0, 3), (3, 3), (6, 2)]
    assert all((home / "data" / "shards" / "en" / one["file"]).is_file() for one in parts)

    assert not commands.main([*SEARCH, "--agreement", "8"])
    told = capsys.readouterr().out
    assert "capitals: 16 queries, 16 passages in 6 shards" in told and "capitals, 16 passages" in told
    folder = home / "reports" / "search-capitals"
    about = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["about"]
    assert about["pool_counts"] == {"de": 8, "en": 8} and about["command"].endswith("--run search --agreement 8")
    (found,) = Results.read(folder).evaluations["one"]
    expected = evaluate(load_encoder("models/one"), made_task(), "one")
    for name in expected.per_query.column_names:
        assert repr(found.per_query.column(name).to_pylist()) == repr(expected.per_query.column(name).to_pylist()), name
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Die Hauptstadt ist 3." in page  # of the best and worst questions


def test_an_approximate_search_says_what_it_costs(home, capsys, monkeypatch):
    cost = Cost(100, 0.9, 12.0, 7.0, 5.0)
    monkeypatch.setattr(
        searching, "evaluate_approximately", lambda *asked, log: (evaluate_pool(*asked, n_agreement_groups=0), cost)
    )
    assert not commands.main(ENCODE) and not commands.main([*SEARCH, "--approximate"])
    told = "approximate: recall 0.900; rank distance 7, exact 12, mean error 5 (on 100 questions searched exactly)"
    assert told in capsys.readouterr().out
    about = json.loads((home / "reports" / "search-capitals" / "metrics.json").read_text(encoding="utf-8"))["about"]
    assert about["notes"] == [told] and about["command"].endswith("--approximate")


def test_more_passages_of_other_folders_stand_in_the_pool(home, capsys):
    for code in ("sw", "yo"):
        miracl_folder(home / "data" / "miracl", code)
    assert not commands.main(ENCODE)
    assert not commands.main(["encode", "miracl:data/miracl", "models/one", "data/more", "--float16"])
    assert "sw: 3 passages in 1 shards" in capsys.readouterr().out
    assert not commands.main([*SEARCH, "data/more", "--agreement", "0"])
    about = json.loads((home / "reports" / "search-capitals" / "metrics.json").read_text(encoding="utf-8"))["about"]
    assert about["pool_counts"] == {"de": 8, "en": 8, "sw": 3, "yo": 3} and about["n_candidates"] == 22


def test_what_is_there_is_not_encoded_again(home, monkeypatch):
    assert not commands.main(ENCODE)
    lost = sorted((home / "data" / "shards" / "de").glob("*.arrow"))[1]
    content = lost.read_bytes()
    lost.write_bytes(content[:-9] + b"damaged!!")
    encoded = []

    def unit_rows(model, texts, side, log):
        encoded.extend(texts)
        return np.stack([model.encode_document([text])[0] for text in texts])

    monkeypatch.setattr("kit.evaluate.shards.encoding.unit_rows", unit_rows)
    assert not commands.main(ENCODE)
    assert encoded == [f"Die Hauptstadt ist {number}." for number in (3, 4, 5)]


def test_jobs_of_an_engine_share_the_work(home, monkeypatch):
    dealt = []

    def deal(function, jobs, log):
        dealt.append((chosen().name, len(jobs)))
        for job in jobs:
            function(job, log)

    monkeypatch.setattr(pipeline, "in_processes", deal)
    assert not commands.main([*ENCODE, "--jobs", "3", "--engine", "slurm", "--address", "local"])
    assert not commands.main(ENCODE)
    assert dealt == [("slurm", 3), ("here", 1)]


def test_actors_of_a_ray_cluster_make_the_same_bytes(home, monkeypatch):
    asked = []

    def by_two_actors(make, made_of, items, n_actors, engine, log):
        asked.append((sorted(items), n_actors, engine.address))
        actors = [make(made_of), make(made_of)]
        for number, item in enumerate(reversed(items)):  # as good an order as any other
            actors[number % 2](item, log)

    monkeypatch.setattr(encoding, "map_on_actors", by_two_actors)
    assert not commands.main(ENCODE)
    ordered = [*ENCODE[:3], "data/by-actors", *ENCODE[4:], "--jobs", "2", "--engine", "ray", "--address", "local"]
    for _ in range(2):
        assert not commands.main(ordered)
    shards = [(language, number) for language in ("de", "en") for number in range(3)]
    assert asked == [(shards, 2, "local"), ([], 2, "local")], "what is there is not asked for again"
    files = [
        {path.relative_to(home / "data" / name): path.read_bytes() for path in (home / "data" / name).rglob("*.*")}
        for name in ("shards", "by-actors")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["encode", "lareqa:data/x", *ENCODE[2:]], "holds the passages of 'jsonl:data/capitals': give another folder"),
        (["encode", "jsonl:data/capitals", "models/two", "data/shards"], "holds embeddings of another corpus or model"),
        ([*SEARCH[:2], "models/two", "data/shards"], "was encoded by models/one, weights"),
        (["search", "jsonl:data/capitals", "models/one", "models"], "manifest.json cannot be read"),
        (["search", "jsonl:data/capitals", "models/one", "data/half"], "a shard is missing: give the command that encoded"),
        ([*SEARCH, "--approximate"], "16 passages: an exact search is quicker below 10,000: search exactly"),
        (["search", "jsonl:data/other", "models/one", "data/shards"], "2 of 18 passages of the task are not in"),
    ],
)
def test_refuses(encoded, capsys, typed, words):
    assert commands.main(typed) == 1
    assert words in capsys.readouterr().err


@pytest.fixture
def encoded(home) -> None:
    made_task("other", n_groups=9).write(home / "data" / "other")
    assert not commands.main(ENCODE)
    shutil.copytree(home / "data" / "shards", home / "data" / "half")
    next((home / "data" / "half" / "en").glob("000002*")).unlink()
