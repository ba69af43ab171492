"""Badges for a copy with a public address, and the cell that makes a notebook run where nothing is installed."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parents[1]
BADGES = runpy.run_path(str(HERE / "docs" / "badges.py"))


@pytest.fixture
def copy(tmp_path) -> Path:
    (tmp_path / "notebooks").mkdir()
    for name in (
        "README.md",
        "notebooks/README.md",
        "notebooks/00_start_here.ipynb",
        "notebooks/12_mend_without_training.ipynb",
    ):
        shutil.copy(HERE / name, tmp_path / name)
    return tmp_path


def texts(copy: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(copy.rglob("*")) if path.is_file()]


def test_badges_stand_under_the_titles_and_lead_to_the_address(copy):
    BADGES["main"](copy, ["ada/retrieval"])
    title, line, text = (copy / "README.md").read_text(encoding="utf-8").split("\n\n", 2)
    assert title.startswith("# ") and text.startswith("A retriever")
    assert "(https://mybinder.org/v2/gh/ada/retrieval/main?urlpath=lab/tree/notebooks/00_start_here.ipynb)" in line
    assert "(https://colab.research.google.com/github/ada/retrieval/blob/main/notebooks/00_start_here.ipynb)" in line
    assert "[12](https://colab.research.google.com/github/ada/retrieval/blob/main/notebooks/12_" in texts(copy)[-1]


def test_done_again_it_replaces_what_it_put_there(copy):
    BADGES["main"](copy, ["ada/retrieval", "--branch", "old"])
    BADGES["main"](copy, ["grace/other"])
    once = texts(copy)
    BADGES["main"](copy, ["grace/other"])
    assert texts(copy) == once and not any("ada/retrieval" in text for text in once)


def test_no_address_is_refused(copy, capsys):
    before = texts(copy)
    with pytest.raises(SystemExit):
        BADGES["main"](copy, ["https://github.com/ada/retrieval"])
    assert "is no OWNER/NAME, such as ada/retrieval" in capsys.readouterr().err and texts(copy) == before


@pytest.mark.parametrize("on_colab", [True, False])
def test_the_cell_installs_the_kit_on_colab_only(copy, tmp_path, on_colab):
    """Git and pip are stood in for by scripts that do as much as the cell needs of them, and tell how they were called."""
    BADGES["main"](copy, ["ada/retrieval"])
    notebook = nbformat.read(copy / "notebooks" / "00_start_here.ipynb", as_version=4)
    nbformat.validate(notebook)
    bare, commands = tmp_path / "content", tmp_path / "commands"
    for folder in (bare, commands):
        folder.mkdir()
    scripts = {"git": "mkdir -p house/kit && echo 'here = True' > house/kit/__init__.py", "pip": "true"}
    for name, script in scripts.items():
        (commands / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/called"\n{script}\n')
        (commands / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    environment.pop("COLAB_RELEASE_TAG", None)
    environment |= {"COLAB_RELEASE_TAG": "release"} if on_colab else {}
    (bare / "cell.ipy").write_text(
        notebook.cells[1].source + "\nimport importlib.util\nprint(importlib.util.find_spec('kit').origin)"
    )
    command = [sys.executable, "-m", "IPython", "--quick", "cell.ipy"]
    ran = subprocess.run(command, cwd=bare, env=environment, capture_output=True, text=True, check=True, timeout=60)
    called = (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").is_file() else []
    assert (str(bare / "house" / "kit") in ran.stdout) == on_colab
    assert called == on_colab * [
        "git clone --quiet --depth 1 --branch main https://github.com/ada/retrieval house",
        "pip install --quiet --editable house[notebooks]",
    ]
