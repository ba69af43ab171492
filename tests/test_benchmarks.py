"""The benchmarks beside peers at a tiny size: they run, find equal scores, and keep what they print."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def typed(monkeypatch, tmp_path, capsys):
    """Runs a benchmark as if it were typed; returns what it kept."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(name: str, *arguments: str, **instead: object) -> dict[str, list[dict[str, object]]]:
        module = importlib.import_module(name)
        for attribute, value in instead.items():
            monkeypatch.setattr(module, attribute, value)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments, "--rounds", "1", "--out", str(tmp_path)])
        module.main()
        kept = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert (tmp_path / f"{name}.md").read_text(encoding="utf-8") in capsys.readouterr().out
        assert "numpy" in kept["facts"]["machine"]
        return kept["tables"]

    return run


SMALL = ("--questions", "6", "--passages", "110", "--dimensions", "8", "--peer-questions", "5")


def test_an_evaluation_and_peers_agree(typed):
    pytest.importorskip("pytrec_eval")
    every = importlib.import_module("evaluation").PEERS
    quick = {name: every[name] for name in ("pytrec_eval", "LAReQA's way (scikit-learn)")}  # to import
    tables = typed("evaluation", *SMALL, PEERS=quick)
    assert tables["Beside the bare product"][0]["ratio"] == 1
    differences = {row[""]: row["largest difference"] for row in tables["Beside peers"]}
    assert set(differences) == {"kit, whole panel and cells", *quick}
    assert all(float(value) < 1e-9 for value in differences.values() if value)


def test_a_peer_with_another_score_stops_it(typed):
    with pytest.raises(SystemExit, match="wrong differs from the kit by"):
        typed("evaluation", *SMALL, PEERS={"wrong": lambda given: {"recall_at_10": 2.0}})


def test_all_ways_of_mining_find_the_same(typed):
    rows = typed("mining", "--sentences", "200", "--dimensions", "16")["Seconds"]
    assert len({row["pairs"] for row in rows}) == 1 and {row["other pairs"] for row in rows} == {0}


def test_growth(typed):
    in_this_process = lambda function, jobs, log, n: [function(job, log) for job in jobs]
    tables = typed(
        "growth",
        "--questions",
        "5",
        "--versions",
        "10",
        "--dimensions",
        "8",
        *("--nodes", "0", "--ranks", "0"),
        run_all=in_this_process,
    )
    assert [row[""] for row in tables["Slopes"]] == ["languages", "questions", "candidates", "dimensions"]


def test_slopes_are_those_of_powers(typed):
    turns = importlib.import_module("turns")
    assert turns.slope([1, 2, 4, 8], [3, 12, 48, 192]) == 2.0
    assert turns.slope([10, 1000], [5, 5]) == 0.0


def test_ratios_are_those_within_a_round(typed):
    """By medians alone the first would seem as fast as the other."""
    turns = importlib.import_module("turns")
    rows = turns.rows_of({"one": [(2, 2), (20, 2), (4, 2)], "other": [(1, 1), (10, 1), (4, 2)]}, "other")
    assert [(row["s"], row["ratio"], row["CPU ratio"]) for row in rows] == [(4.0, 2.0, 2.0), (4.0, 1.0, 1.0)]


def test_encoding(typed):
    rows = typed("encoding", "--texts", "5", "--layers", "1")["Seconds"]
    assert [row[""] for row in rows] == ["plain encode_document", "kit", "kit in float32"]


def test_starts(typed):
    tables = typed("starting", "--notebooks", IMPORTS={})
    assert [row[""] for row in tables["Imports and --help"]] == ["python -m kit --help"]
