"""Names of runs: each is that of a folder under reports/, whatever asks for it."""

from __future__ import annotations

import pytest

from kit.core import paths
from kit.run import audits
from kit.run.cli import commands
from kit.run.settings import Settings
from kit.run.studies import write
from kit.show import report

OUTSIDE = ["", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", "a\nb", "a\x1b[2J", "a\u202eb", " a", "a ", "a.", "-a", "x" * 300]
NAMES = pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: ascii(name[:12]))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty project, in which every test that fails would write."""
    (tmp_path / "home" / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "home" / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["a", "a b", "a-b.c_d", "Ünder", "日本語", "x" * 200])
def test_a_name(home, name):
    assert paths.run_folder(name) == home / "home" / "reports" / name


@NAMES
@pytest.mark.parametrize(
    "ask",
    [
        paths.run_folder,
        lambda name: Settings().changed(run=name),
        lambda name: audits.audit(["absent"], run=name),
        lambda name: report.side_by_side(["one", "two"], name),
        lambda name: write.gather([name]),
    ],
    ids=["library", "settings", "audit", "report", "claims"],
)
def test_what_names_no_folder_is_refused_before_anything_is_read(ask, name):
    with pytest.raises(ValueError, match=r"run is .*: it names a folder under reports/: use letters"):
        ask(name)


@NAMES
@pytest.mark.parametrize("words", [["audit", "x", "--run="], ["report", "a", "b", "--out="], ["run", "00", "-p", "run="]])
def test_nothing_is_written(home, capsys, words, name):
    (home / "home" / "reports" / "a").mkdir(parents=True)
    (home / "home" / "reports" / "b").mkdir()
    (home / "home" / "notebooks" / "00_a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4}')
    before = sorted(home.rglob("*"))
    assert commands.main([*words[:-1], words[-1] + name]) == 1
    assert "it names a folder under reports/" in capsys.readouterr().err and sorted(home.rglob("*")) == before


@pytest.mark.parametrize("words", [["open", ""], ["report", ""], ["run", "--again", ""], ["claims", ""], ["refresh", ""]])
def test_an_empty_name_is_refused(home, capsys, words):
    assert commands.main(words) == 1
    assert capsys.readouterr().err.startswith(("kit: no run ''", "kit: run is ''", "kit: notebook ''"))


@pytest.mark.parametrize("number", ["../x", "/tmp", "*", "[0", "**", "0\x1b"])
def test_what_is_no_number_of_a_notebook_is_refused(capsys, number):
    assert commands.main(["run", number]) == 1
    assert "0 found: choose from" in capsys.readouterr().err
