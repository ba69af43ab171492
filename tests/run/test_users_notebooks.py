"""Notebooks and terminals as users have them: what Jupyter runs, runs; what it does not run is told in a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from kit.core.printing import Table, say, visible
from kit.run import notebooks, refreshing
from kit.run.cli.commands import main
from kit.run.notebooks import shortened
from kit.run.profiles import notebook_defaults

HERE = Path(__file__).resolve().parents[2]
PARAMETERS = 'run = "smoke"\nupdates = 200\n'


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project without notebooks."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    return tmp_path


def _write(home: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    path = home / "notebooks" / "00_own.ipynb"
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[tagged, *map(new_code_cell, cells)]), path)
    return path


CELLS = {
    "line magic": "%precision 3",
    "cell magic": "%%time\nimport kit.core.once",
    "command": "!echo ok",
    "captured command": "files = !ls",
    "question": "int?",
    "another language": "%%bash\nif true; then echo ok; fi",
    "await": "import asyncio\nawait asyncio.sleep(0)",
    "indented": "    x = 1\n    y = 2",
    "empty": "",
    "comment": "# nothing",
}


def test_whatever_jupyter_runs_is_run(home, capsys):
    _write(home, *CELLS.values())
    assert main(["run", "00"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("cell", [*CELLS.values(), "def f(:", "x = '\0'"], ids=[*CELLS, "mistake", "null byte"])
def test_every_cell_has_a_key(home, cell):
    source = _write(home, cell)
    assert notebooks._imported(cell) == ({"kit.core.once"} if "kit" in cell else set())
    assert notebooks._n_cells(source) >= 2


def test_a_mistake_is_told_as_other_errors_of_cells_are(home, capsys):
    _write(home, "x = 1", "def f(:")
    assert main(["run", "00"]) == 1
    told = capsys.readouterr().err
    assert "of 00_own.ipynb failed: SyntaxError: invalid syntax" in told and "begins: def f(:" in told
    assert "Traceback" not in told


def test_a_long_error_is_cut_and_has_no_colours(home, capsys):
    _write(home, "raise ValueError('\\x1b[31mhead' + 'x' * 100_000 + 'tail\\u202e')")
    assert main(["run", "00"]) == 1
    told = capsys.readouterr().err
    assert "ValueError: head" in told and "tail⟨U+202E⟩\n" in told and len(told) < 3000 and "\x1b" not in told


def test_refresh_tells_it_too(home):
    _write(home, "raise KeyError('no')")
    with pytest.raises(RuntimeError, match=r"a cell of 00_own\.ipynb failed: KeyError: 'no'"):
        refreshing.refresh(("00",))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("updates = 3", 3),
        ("updates = -3", -3),
        ("updates: int = 3", 3),
        ("updates = seed = 3", 3),
        ("import os\n'''text'''\nupdates = 3", 3),
    ],
)
def test_parameters_that_can_be_read(home, line, value):
    assert notebook_defaults(_write(home, parameters=line))["updates"] == value


@pytest.mark.parametrize(
    "line",
    ["updates = 2 * 100", "updates, run = 3, 'x'", "updates = int('3')", "updates += 1", "updates = (", "%time updates = 3"],
)
def test_parameters_that_cannot_be_read(home, capsys, line):
    _write(home, parameters=line)
    assert main(["run", "00"]) == 1
    told = capsys.readouterr().err
    assert "kit: 00_own.ipynb: the parameters cell " in told and "write a line NAME = VALUE for each parameter" in told
    assert told.count("\n") == 1 and not (home / "reports").exists()


OTHERS = {
    "empty": "",
    "text": "import os",
    "list": "[]",
    "no cells": '{"nbformat": 4}',
    "format 3": json.dumps({"nbformat": 3, "worksheets": [{"cells": []}]}),
    "cells of another kind": '{"nbformat": 4, "cells": ["x"]}',
    "a cell without a text": '{"nbformat": 4, "cells": [{"cell_type": "code"}]}',
    "other bytes": "\udcff",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("words", [["run", "00"], ["refresh"]])
def test_what_is_no_notebook(home, capsys, text, words):
    (home / "notebooks" / "00_own.ipynb").write_bytes(text.encode(errors="surrogateescape"))
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "00_own.ipynb: " in told and "no notebook: save it anew in Jupyter" in told and told.count("\n") == 1


HOSTILE = {
    "\x1b[2J": "⟨U+001B⟩[2J",
    "a\ab": "a⟨U+0007⟩b",
    "a\rb": "a⟨U+000D⟩b",
    "\x9b1m": "⟨U+009B⟩1m",
    "a\u202eb": "a⟨U+202E⟩b",
    "\u2066a\u2069": "⟨U+2066⟩a⟨U+2069⟩",
    "\udcff": "⟨U+DCFF⟩",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=map(ascii, HOSTILE))
class TestTextsThatAct:
    def test_in_a_table(self, text, shown):
        table = Table([{text: text}])
        assert repr(table) == f"{shown}\n{shown}"
        assert text not in table._repr_html_() and text not in table.markdown()

    def test_in_a_log(self, text, shown, capsys):
        say(f"model 1 of 2: {text}")
        assert capsys.readouterr().out == f"model 1 of 2: {shown}\n"

    def test_in_an_error(self, home, text, shown, capsys):
        assert main(["open", f"{text}/x"]) == 1
        assert text not in capsys.readouterr().err

    def test_in_what_the_parser_complains_of(self, text, shown, capsys):
        with pytest.raises(SystemExit):
            main(["open", "x", text])
        assert shown in capsys.readouterr().err


def test_letters_of_all_languages_stay():
    text = "किताब می‌خواهم ไทย 中文 a\tb\nc – ± é"  # with joiners
    assert visible(text) == text


def test_a_line_end_in_a_cell_makes_no_other_row():
    assert repr(Table([{"a": "x\n  y"}])) == "a\nx y"


def test_an_error_keeps_head_and_tail():
    text = shortened("a" * 5000 + "b" * 5000)
    assert text.startswith("aaa") and text.endswith("bbb") and "8,400 characters left out" in text


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["open", "±…é"]])
def test_a_terminal_that_knows_ascii_only(words):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    found = subprocess.run([sys.executable, "-m", "kit", *words], capture_output=True, env=environment, cwd=HERE)
    assert b"Traceback" not in found.stderr and (found.stdout + found.stderr).isascii()
    assert found.returncode == (words[0] == "open")


def test_what_ascii_lacks_is_spelled_out():
    code = "from kit.core.printing import say, spell_out\nimport sys\nspell_out(sys.stdout)\nsay('0.5 ± 0.1 – 中 \\x1b')"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert found.stdout == b"0.5 +- 0.1 - \\u4e2d <U+001B>\n"
