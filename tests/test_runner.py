"""The command line and the headless runs: refused before anything is written, resumed after anything failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kit import paths
from kit.__main__ import main
from kit.config import Settings
from kit.runner import notebook_settings, parameter_names, parameters_of, settings_of

HERE = Path(__file__).resolve().parents[1]
PROFILES = sorted((HERE / "notebooks" / "params").glob("*.yaml"))
NAMES = {field.name for field in fields(Settings)}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project with two tiny notebooks: the first counts how often it ran, the second fails until it is mended."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    (tmp_path / "notebooks" / "params" / "large.yaml").write_text("updates: 900\nseeds: [0, 1]\n")
    _write(tmp_path, "00_count", 'with open(f"{run}.txt", "a") as file:\n    print(updates, seeds, file=file)')
    _write(tmp_path, "01_fail", 'import os\nif not os.path.exists("mended"):\n    raise KeyError("not yet")')
    return tmp_path


def _write(home: Path, name: str, code: str) -> None:
    parameters = new_code_cell('run = "smoke"\nupdates = 200\nseeds = [0]\n', metadata={"tags": ["parameters"]})
    notebook = new_notebook(
        cells=[new_markdown_cell("# Title"), parameters, new_code_cell(code)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, home / "notebooks" / f"{name}.ipynb")


def _files(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in home.rglob("*")}


class TestHelp:
    def test_imports_no_library(self):
        code = (
            "import sys, runpy; sys.argv = ['kit', '--help']\n"
            "try: runpy.run_module('kit', run_name='__main__')\n"
            "except SystemExit as end: assert not end.code\n"
            "print([name for name in ('torch', 'numpy', 'pandas', 'plotly', 'pyarrow', 'yaml') if name in sys.modules])"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "usage: python -m kit" in found.stdout and found.stdout.splitlines()[-1] == "[]"

    @pytest.mark.parametrize("command", [[], ["run"], ["sweep"], ["refresh"]])
    def test_every_command_explains_itself_at_once(self, command):
        started = time.monotonic()
        found = subprocess.run(
            [sys.executable, "-m", "kit", *command, "--help"], capture_output=True, text=True, check=True, cwd=HERE
        )
        assert time.monotonic() - started < 1 and found.stdout.startswith("usage: python -m kit") and not found.stderr


class TestRefuses:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["run", "--profile", "huge"], "profile 'huge' is not known: choose from large, smoke"),
            (["run", "-p", "update=5"], "unknown parameter 'update': choose from run, train,"),
            (["run", "-p", "updates=many"], "-p updates=many: not a value of type int, such as 200"),
            (["run", "-p", "updates=1.5"], "-p updates=1.5: not a value of type int"),
            (["run", "-p", "seeds=0,x"], "not a value of type int, such as 0"),
            (["run", "-p", "seeds="], "seeds is []: write a list with at least one entry"),
            (["run", "-p", "seeds=1,1"], "seeds is [1, 1]: write each entry once"),
            (["run", "-p", 'train=["a"'], "not a list: write a,b"),
            (["run", "-p", "learning_rate=fast"], "-p learning_rate=fast: not a value of type float"),
            (["run", "-p", "updates"], "-p updates: write NAME=VALUE, such as -p updates=500"),
            (["run", "07"], "notebook '07': 0 found: choose from 00, 01"),
            (["run", "0"], "notebook '0': 2 found"),
            (["refresh", "07"], "notebook '07' is not there: choose from 00, 01"),
            (["sweep", "-p", "update=5"], "unknown parameter 'update'"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_with_status_1_and_one_line_and_nothing_written(self, home, capsys, words, message):
        before = _files(home)
        assert main(words) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("kit: ") and message in printed.err and printed.err.count("\n") == 1
        assert (printed.out, _files(home)) == ("", before)

    def test_a_wrong_name_in_a_profile(self, home, capsys):
        (home / "notebooks" / "params" / "typo.yaml").write_text("update: 3\n")
        assert main(["run", "--profile", "typo"]) == 1
        assert "typo.yaml: unknown parameter 'update'" in capsys.readouterr().err

    def test_a_folder_without_notebooks(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        assert main(["run"]) == 1
        assert capsys.readouterr().err == f"kit: {tmp_path} holds no notebooks/: set KIT_HOME to the project's checkout\n"

    def test_an_unknown_command(self, home, capsys):
        with pytest.raises(SystemExit) as end:
            main(["walk"])
        assert end.value.code == 2 and "walk" in capsys.readouterr().err


class TestSettingsOf:
    def test_profile(self, home):
        assert settings_of("large", {}) == Settings(run="large", updates=900, seeds=(0, 1))

    def test_lists(self, home):
        settings = settings_of("smoke", {"seeds": "3,4", "samplings": "X-Y,Hybrid(0.3)", "train": "jsonl:a"})
        assert (settings.seeds, settings.samplings, settings.train) == ((3, 4), ("X-Y", "Hybrid(0.3)"), ("jsonl:a",))

    def test_a_list_whose_entries_hold_commas(self, home):
        assert settings_of("smoke", {"train": '["lareqa:x?languages=en,de", "atlas"]'}).train == (
            "lareqa:x?languages=en,de",
            "atlas",
        )

    def test_the_command_line_goes_before_the_profile(self, home):
        assert settings_of("large", {"updates": "7"}).updates == 7

    def test_changed_settings_get_a_folder_of_their_own(self, home):
        runs = [settings_of("large", changes).run for changes in ({}, {"updates": "7"}, {"updates": "8"}, {"updates": "7"})]
        assert runs[0] == "large" and runs[1] == runs[3] and len(set(runs)) == 3 and runs[1].startswith("large-")

    def test_unless_the_folder_is_named(self, home):
        assert settings_of("large", {"updates": "7", "run": "mine"}) == Settings(run="mine", updates=7, seeds=(0, 1))


class TestProfiles:
    @pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
    def test_loads(self, path):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(values) <= NAMES and settings_of(path.stem, {}) == Settings(**values)

    @pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
    def test_is_named_after_its_file(self, path):
        assert settings_of(path.stem, {}).run == path.stem

    def test_smoke_is_the_default(self):
        assert settings_of("smoke", {}) == Settings()


@pytest.mark.parametrize("path", sorted((HERE / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
class TestParametersCells:
    @staticmethod
    def _values(path: Path) -> dict[str, object]:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        import ast

        body = ast.parse("".join(cell["source"])).body
        assert all(isinstance(node, ast.Assign) for node in body)
        return {node.targets[0].id: ast.literal_eval(node.value) for node in body}

    def test_literals_only_and_settings_only(self, path):
        assert set(self._values(path)) <= NAMES and set(parameter_names(path)) == set(self._values(path))

    def test_the_defaults_are_those_of_the_settings(self, path):
        # Otherwise the notebooks of the story would not share their models; a study has its own.
        values, defaults = self._values(path), asdict(Settings())
        if path.name > "06":
            assert Settings(**values).run == "smoke"
            return
        assert values == {
            name: list(default) if isinstance(default, tuple) else default
            for name, default in defaults.items()
            if name in values
        }


class TestParametersOf:
    def test_only_what_was_said(self, home):
        assert parameters_of("large", {}) == {"run": "large", "updates": 900, "seeds": (0, 1)}

    def test_a_notebook_keeps_its_own_defaults(self, home):
        _write(home, "02_own", "pass")
        path = home / "notebooks" / "02_own.ipynb"
        path.write_text(path.read_text(encoding="utf-8").replace("updates = 200", "updates = 77"), encoding="utf-8")
        assert notebook_settings(path, parameters_of("smoke", {})) == Settings(updates=77)
        assert notebook_settings(path, parameters_of("large", {})) == Settings(run="large", updates=900, seeds=(0, 1))

    @pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
    def test_yes_and_no(self, home, text, value):
        assert parameters_of("smoke", {"symmetric": text, "run": "x"})["symmetric"] is value

    def test_neither_yes_nor_no(self, home):
        with pytest.raises(ValueError, match="-p symmetric=1: write true or false"):
            parameters_of("smoke", {"symmetric": "1"})


class TestRun:
    def _ran(self, home: Path, run: str = "smoke") -> list[str]:
        return (home / "notebooks" / f"{run}.txt").read_text().splitlines()

    def test_a_second_call_repeats_nothing_until_something_changes(self, home, capfd):
        assert main(["run", "00"]) == 0
        first = capfd.readouterr().out
        target = home / "reports" / "smoke" / "notebooks" / "00_count.ipynb"
        assert "[1/1] 00_count.ipynb: running" in first and str(home / "reports" / "smoke") in first
        assert nbformat.read(target, as_version=4).cells[-1].execution_count is not None
        assert main(["run", "00"]) == 0
        assert "[1/1] 00_count.ipynb: done before" in capfd.readouterr().out and self._ran(home) == ["200 [0]"]
        # Outputs stored in the source (a refresh) change nothing; a cell does.
        source = nbformat.read(home / "notebooks" / "00_count.ipynb", as_version=4)
        source.cells[-1].outputs = [new_output("stream", text="stored")]
        nbformat.write(source, home / "notebooks" / "00_count.ipynb")
        assert main(["run", "00"]) == 0 and self._ran(home) == ["200 [0]"]
        source.cells[-1].source += "\n# changed"
        nbformat.write(source, home / "notebooks" / "00_count.ipynb")
        assert main(["run", "00", "-p", "run=smoke"]) == 0 and self._ran(home) == ["200 [0]"] * 2

    def test_runs_again_with_another_setting_or_after_half_a_file(self, home, capfd):
        assert main(["run", "00", "-p", "run=mine", "-p", "updates=7", "-p", "seeds=1,2"]) == 0
        assert self._ran(home, "mine") == ["7 [1, 2]"]
        target = home / "reports" / "mine" / "notebooks" / "00_count.ipynb"
        target.write_text(target.read_text(encoding="utf-8")[:100], encoding="utf-8")  # killed while it was written
        assert main(["run", "00", "-p", "run=mine", "-p", "updates=8", "-p", "seeds=1,2"]) == 0
        assert self._ran(home, "mine") == ["7 [1, 2]", "8 [1, 2]"]

    def test_goes_on_after_a_cell_that_failed(self, home, capfd):
        assert main(["run", "00", "01"]) == 1
        printed, target = capfd.readouterr(), home / "reports" / "smoke" / "notebooks" / "01_fail.ipynb"
        message = printed.err[printed.err.rindex("kit: ") :]
        assert "of 01_fail.ipynb failed: KeyError: 'not yet'" in message and str(target) in message
        cell = next(cell for cell in nbformat.read(target, as_version=4).cells if cell.source.startswith("import os"))
        assert f"kit: cell {cell.execution_count} of" in message and cell.outputs[-1].ename == "KeyError"
        (home / "notebooks" / "mended").touch()
        assert main(["run", "00", "01"]) == 0
        printed = capfd.readouterr().out
        assert "[1/2] 00_count.ipynb: done before" in printed and "[2/2] 01_fail.ipynb: running" in printed
        assert self._ran(home) == ["200 [0]"]


class TestPaths:
    def test_kit_home(self, home):
        assert (paths.root(), paths.reports(), paths.cache()) == (home, home / "reports", home / "data" / "cache")

    def test_the_checkout_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("KIT_HOME", raising=False)
        monkeypatch.chdir(tmp_path)
        assert paths.root() == HERE

    def test_the_folder_of_the_command_plays_no_part(self, home, tmp_path):
        code = "from kit import paths; print(paths.notebooks())"
        found = subprocess.run(
            [sys.executable, "-c", code],
            cwd="/",
            env=os.environ | {"KIT_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == str(home / "notebooks")
