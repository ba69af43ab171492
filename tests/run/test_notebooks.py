"""The command line and the headless runs: refused before anything is written, resumed after anything failed."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import nbformat
import papermill
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kit.core import paths
from kit.run import notebooks, profiles, progress
from kit.run.cli.commands import main
from kit.run.profiles import notebook, notebook_settings, parameter_names, parameters_of, settings_of
from kit.run.progress import Progress
from kit.run.settings import FLAT, Settings

HERE = Path(__file__).resolve().parents[2]
PROFILES = sorted((HERE / "notebooks" / "params").glob("*.yaml"))
NAMES = set(FLAT)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project with tiny notebooks: the first counts how often it ran, the second fails until it is mended."""
    monkeypatch.setenv("KIT_HOME", str(tmp_path))
    (tmp_path / "notebooks" / "params").mkdir(parents=True)
    (tmp_path / "notebooks" / "params" / "smoke.yaml").write_text("run: smoke\n")
    (tmp_path / "notebooks" / "params" / "large.yaml").write_text("updates: 900\nseeds: [0, 1]\n")
    _write(tmp_path, "00_count", 'with open(f"{run}.txt", "a") as file:\n    print(updates, seeds, file=file)')
    _write(tmp_path, "01_fail", 'import os\nif not os.path.exists("mended"):\n    raise KeyError("not yet")')
    for name in ("02_idle", "03_idle"):
        _write(tmp_path, name, "pass")
    _write(tmp_path, "04_more", "pass", "run = 'smoke'\nupdates = 200\nshares = [0.5]\n")
    return tmp_path


CELL = 'run = "smoke"\nupdates = 200\nseeds = [0]\n'


def _write(home: Path, name: str, code: str, cell: str = CELL) -> None:
    parameters = new_code_cell(cell, metadata={"tags": ["parameters"]})
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

    @pytest.mark.parametrize("command", [[], ["run"], ["open"], ["sweep"], ["refresh"]])
    def test_every_command_explains_itself_at_once(self, command):
        seconds = []
        while len(seconds) < 3 and min(seconds, default=1) >= 1:  # the best of three, since other programs disturb the clock
            started = time.monotonic()
            found = subprocess.run(
                [sys.executable, "-m", "kit", *command, "--help"], capture_output=True, text=True, check=True, cwd=HERE
            )
            seconds.append(time.monotonic() - started)
            assert found.stdout.startswith("usage: python -m kit") and not found.stderr
        assert min(seconds) < 1, seconds


def test_without_the_environment_a_line_says_so(home, capsys, monkeypatch):
    def lacking(parsed):
        raise ModuleNotFoundError("No module named 'papermill'", name="papermill")

    monkeypatch.setattr("kit.run.cli.doing.asked_of", lacking)
    assert main(["run", "00"]) == 1
    assert capsys.readouterr().err == (
        "kit: papermill is not installed here: type 'source .venv/bin/activate', or 'make setup' first\n"
    )


def test_a_run_of_other_settings_says_that_it_gives_way(home, capsys):
    folder = home / "reports" / "mine"
    folder.mkdir(parents=True)
    notebooks._tell_of_other_settings(folder, {"run": "mine", "updates": 40})
    profiles.write(folder, {"run": "mine", "updates": 1000, "seeds": (0, 1)}, ["03"])
    notebooks._tell_of_other_settings(folder, {"run": "mine", "updates": 1000, "seeds": [0, 1]})
    assert capsys.readouterr().out == ""
    notebooks._tell_of_other_settings(folder, {"run": "mine", "updates": 40, "seeds": [0, 1]})
    assert capsys.readouterr().out == (
        "run mine was made with other settings (updates 1000, now 40): what is made now takes their place\n"
    )


class TestRefuses:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["run", "--profile", "huge"], "profile 'huge' is not known: choose from large, smoke"),
            (["run", "-p", "update=5"], "unknown parameter 'update': choose from run, samplings, seeds, train,"),
            (["run", "-p", "updates=many"], "-p updates=many: not a value of type int, such as 200"),
            (["run", "-p", "updates=1.5"], "-p updates=1.5: not a value of type int"),
            (["run", "-p", "seeds=0,x"], "not a value of type int, such as 0"),
            (["run", "-p", "seeds="], "seeds is []: write a list with at least one entry"),
            (["run", "-p", "seeds=1,1"], "seeds is [1, 1]: write each entry once"),
            (["run", "-p", 'train=["a"'], "not a list: write a,b"),
            (["run", "-p", "learning_rate=fast"], "-p learning_rate=fast: not a value of type float"),
            (["run", "-p", "updates"], "-p updates: write NAME=VALUE, such as -p updates=500"),
            (["run", "-p", "batch_sise=5"], "(did you mean 'batch_size'?)"),
            (["run", "-p", "seeds=1.5"], "-p seeds=1.5: not a value of type int"),
            (
                ["run", "02", "-p", "shares=0.1"],
                "-p shares: not a parameter of 02_idle.ipynb: choose from run, updates, seeds, validation, encoder",
            ),
            (
                ["run", "00", "-p", "shares=0.2"],
                ", or run a notebook that has it: 04_more.ipynb",
            ),
            (["run", "04", "-p", "temperatures=0.2"], "(did you mean 'temperature'?)"),
            (["run", "--again", "mine", "-p", "updates=5"], "--again mine: repeats all of that run: leave notebooks,"),
            (["run", "00", "--again", "mine"], "--again mine: repeats all of that run"),
            (["run", "--again", "mine", "--profile", "large"], "--again mine: repeats all of that run"),
            (["run", "--again", "mine"], "no run 'mine' in reports/, and no folder of that name: there is none yet"),
            (["open", "mine"], "no run 'mine' in reports/, and no folder of that name: there is none yet"),
            (["run", "00", "-p", "updates"], "-p updates: write NAME=VALUE"),
            (["run", "400"], "(parameters are written -p NAME=VALUE)"),
            (["run", "07"], "notebook '07': 0 found: choose from 00, 01"),
            (["run", "0_"], "notebook '0_': 0 found"),
            (["refresh", "07"], "notebook '07': 0 found: choose from 00, 01"),
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

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "typo.yaml is no YAML: while parsing"),
            ("- updates", "typo.yaml holds no parameters: write lines such as 'updates: 500'"),
        ],
    )
    def test_a_profile_of_another_kind(self, home, capsys, text, message):
        (home / "notebooks" / "params" / "typo.yaml").write_text(text)
        assert main(["run", "--profile", "typo"]) == 1
        printed = capsys.readouterr().err
        assert message in printed and printed.count("\n") == 1

    @pytest.mark.parametrize(
        ("cell", "words", "message"),
        [
            ("updates = 77", ["-p", "updates=many"], "not a value of type int, such as 77 in 05_own.ipynb"),
            ("updates = 200", ["-p", "updates=many"], "not a value of type int, such as 200\n"),
            ("train = ['jsonl:a']\nseeds = [7]", ["-p", "seeds=x"], "not a value of type int, such as 7 in 05_own.ipynb"),
            ("n_bins = 3", [], "05_own.ipynb: unknown parameter 'n_bins': choose from run,"),
            ("updates = [5]", [], "05_own.ipynb: updates is [5]: write a value of type int"),
            ("updates = 3\nevaluations = 1", ["--profile", "often"], "05_own.ipynb: evaluations 9 exceeds updates 3"),
        ],
    )
    def test_a_notebook_with_defaults_of_its_own(self, home, capsys, cell, words, message):
        (home / "notebooks" / "params" / "often.yaml").write_text("evaluations: 9\n")
        _write(home, "05_own", "pass", cell)
        before = _files(home)
        assert main(["run", "05", *words]) == 1
        assert message in capsys.readouterr().err and _files(home) == before

    def test_a_folder_without_notebooks(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("KIT_HOME", str(tmp_path))
        assert main(["run"]) == 1
        assert capsys.readouterr().err == f"kit: {tmp_path} holds no notebooks/: set KIT_HOME to the project's checkout\n"

    def test_an_unknown_command(self, home, capsys):
        with pytest.raises(SystemExit) as end:
            main(["walk"])
        assert end.value.code == 2 and "walk" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("encoder", "meant"), [("statc", "static"), ("./data/mdel", "data/model"), ("static:./data/mdel", "data/model")]
    )
    def test_an_encoder_that_is_not_there(self, home, capsys, monkeypatch, encoder, meant):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.chdir(home)
        (home / "data" / "model").mkdir(parents=True)
        _write(home, "05_own", "pass", "encoder = 'static'\nupdates = 200")
        before, started = _files(home), time.monotonic()
        assert main(["run", "05", "-p", f"encoder={encoder}"]) == 1
        told = capsys.readouterr().err
        assert (
            f"encoder {encoder.removeprefix('static:')!r} cannot be loaded" in told and f"(did you mean {meant!r}?)" in told
        )
        assert _files(home) == before and time.monotonic() - started < 5


class TestSettingsOf:
    def test_profile(self, home):
        assert settings_of("large", {}) == Settings().changed(run="large", updates=900, seeds=(0, 1))

    def test_lists(self, home):
        settings = settings_of("smoke", {"seeds": "3,4", "samplings": "X-Y,Hybrid(0.3)", "train": "jsonl:a"})
        assert (settings.seeds, settings.samplings, settings.data.train) == ((3, 4), ("X-Y", "Hybrid(0.3)"), ("jsonl:a",))

    def test_a_list_whose_entries_hold_commas(self, home):
        assert settings_of("smoke", {"train": '["lareqa:x?languages=en,de", "atlas"]'}).data.train == (
            "lareqa:x?languages=en,de",
            "atlas",
        )

    def test_the_command_line_goes_before_the_profile(self, home):
        assert settings_of("large", {"updates": "7"}).training.updates == 7

    def test_changed_settings_get_a_folder_of_their_own(self, home):
        runs = [settings_of("large", changes).run for changes in ({}, {"updates": "7"}, {"updates": "8"}, {"updates": "7"})]
        assert runs[0] == "large" and runs[1] == runs[3] and len(set(runs)) == 3 and runs[1].startswith("large-")

    def test_unless_the_folder_is_named(self, home):
        assert settings_of("large", {"updates": "7", "run": "mine"}) == Settings().changed(
            run="mine", updates=7, seeds=(0, 1)
        )


class TestProfiles:
    @pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
    def test_loads(self, path):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(values) <= NAMES and settings_of(path.stem, {}) == Settings().changed(**values)

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
        assert set(self._values(path)) <= NAMES and set(self._values(path)) <= set(parameter_names(path))
        if "updates" in self._values(path):  # a notebook that trains takes the whole recipe
            assert {"weight_decay", "warmup", "hard_negatives", "tau", "margin", "symmetric"} <= set(parameter_names(path))

    def test_the_defaults_are_those_of_the_settings(self, path):
        # Otherwise the notebooks of the story would not share their models; a study has its own.
        values, defaults = self._values(path), Settings().flat()
        if path.name > "06":
            assert Settings().changed(**values).run == "smoke"
            return
        assert values == {
            name: list(default) if isinstance(default, tuple) else default
            for name, default in defaults.items()
            if name in values
        }


class TestParametersOf:
    def test_what_a_profile_says_need_not_be_in_the_notebook(self, home):
        (home / "notebooks" / "params" / "warm.yaml").write_text("temperature: 0.3\n")
        assert parameters_of("warm", {"updates": "5", "run": "x"}, [notebook("00")]) == {
            "run": "x",
            "updates": 5,
            "temperature": 0.3,
        }

    def test_only_what_was_said(self, home):
        assert parameters_of("large", {}) == {"run": "large", "updates": 900, "seeds": (0, 1)}

    def test_a_notebook_keeps_its_own_defaults(self, home):
        _write(home, "02_own", "pass")
        path = home / "notebooks" / "02_own.ipynb"
        path.write_text(path.read_text(encoding="utf-8").replace("updates = 200", "updates = 77"), encoding="utf-8")
        assert notebook_settings(path, parameters_of("smoke", {})) == Settings().changed(updates=77)
        assert notebook_settings(path, parameters_of("large", {})) == Settings().changed(
            run="large", updates=900, seeds=(0, 1)
        )

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
        target = home / "reports" / "smoke" / "notebooks" / "01_fail.ipynb"
        cells = nbformat.read(target, as_version=4).cells
        cell = next(cell for cell in cells if cell.source.startswith("import os"))
        assert cell.outputs[-1].ename == "KeyError" and cell.execution_count == 3
        assert capfd.readouterr().err.rpartition("kit: ")[2].splitlines() == [
            "cell 3 of 01_fail.ipynb failed: KeyError: 'not yet'",
            "it is In [3] in the executed notebook, number 3 of all cells in 01_fail.ipynb, and begins: import os",
            f"the executed notebook is kept: {target}",
            "mend the cause (a parameter of the command may be it) and go on with: python -m kit run 00 01",
        ]
        (home / "notebooks" / "mended").touch()
        assert main(["run", "00", "01"]) == 0
        printed = capfd.readouterr().out
        assert "[1/2] 00_count.ipynb: done before" in printed and "[2/2] 01_fail.ipynb: running" in printed
        assert self._ran(home) == ["200 [0]"]

    def test_the_command_to_go_on_is_the_one_that_was_typed(self, home, capfd):
        _write(home, "02_idle", "# first\n\n1 / 0", "samplings = ['X-Y']")
        source = nbformat.read(home / "notebooks" / "02_idle.ipynb", as_version=4)
        source.cells[2:2] = [new_markdown_cell("## Now"), new_code_cell("")]
        nbformat.write(source, home / "notebooks" / "02_idle.ipynb")
        words = ["run", "02", "--profile", "large", "-p", "run=mine", "-p", "samplings=Hybrid(0.3),X-Y"]
        assert main(words) == 1
        _, where, _, command = capfd.readouterr().err.rpartition("kit: ")[2].splitlines()
        assert where.startswith("it is In [3] ") and "number 5 of all" in where and where.endswith("begins: 1 / 0")
        typed = command.partition(" and go on with: ")[2]
        assert typed != " ".join(["python -m kit", *words]) and shlex.split(typed) == ["python", "-m", "kit", *words]

    def test_a_cell_that_ends_the_kernel(self, home, capfd):
        _write(home, "02_idle", "import os\nos._exit(9)")
        assert main(["run", "02"]) == 1
        printed = capfd.readouterr()
        assert "kit: cell 3 of 02_idle.ipynb ended the kernel: it may have used more memory" in printed.err
        assert printed.err.endswith("go on with: python -m kit run 02\n") and ": stopped after" in printed.out
        assert (home / "reports" / "smoke" / "notebooks" / "02_idle.ipynb").is_file()

    @pytest.mark.parametrize("verbose", [False, True])
    def test_what_the_cells_print_is_shown_on_demand(self, home, capfd, verbose):
        _write(home, "02_idle", "import sys\nprint('loss 0.5')\nprint('a warning', file=sys.stderr)")
        assert main(["run", "02", *(["--verbose"] if verbose else [])]) == 0
        printed = capfd.readouterr()
        assert ("loss 0.5" in printed.out, "a warning" in printed.err) == (verbose, verbose)
        assert sum("02_idle.ipynb" in line for line in printed.out.splitlines()) == 2
        kept = nbformat.read(home / "reports" / "smoke" / "notebooks" / "02_idle.ipynb", as_version=4)
        assert {output.name for output in kept.cells[-1].outputs} == {"stdout", "stderr"}

    def test_a_terminal_shows_one_line_that_moves(self, home, monkeypatch):
        _write(home, "02_idle", "print('loss 0.5')")
        terminal = _Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["run", "02"]) == 0
        (line,) = [line for line in terminal.getvalue().split("\n") if "02_idle" in line]
        shown = [text.removesuffix("\x1b[K") for text in line.split("\r")]
        assert shown[1].startswith("[1/1] 02_idle.ipynb  cell 0/3  0 s")
        assert any("cell 3/3" in text and text.endswith("s  loss 0.5") for text in shown)
        assert shown[-1].startswith("\x1b[K[1/1] 02_idle.ipynb: ") and shown[-1].endswith(" s")

    def test_ends_with_what_to_do_next(self, home, capfd):
        assert main(["run", "02"]) == 0
        assert capfd.readouterr().out.splitlines()[-1] == "the same again: python -m kit run --again smoke"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def _last(self, monkeypatch, printed: list[str], columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        terminal = _Terminal()
        with Progress("[1/1] a", 4, terminal, True) as progress:
            progress.next_cell(cell=None, cell_index=0)
            for text in printed:
                progress.write(text)
            shown = terminal.getvalue()
        return shown.rpartition("\r")[2].removesuffix("\x1b[K")

    @pytest.mark.parametrize(
        ("printed", "last"),
        [
            ([], ""),
            (["loss 1\n", "loss 2\n", "\n"], "loss 2"),
            (["lo", "ss 3"], "loss 3"),
            (["10 %\r20 %\r"], "20 %"),
            (["\x1b[31mred\x1b[0m\n"], "red"),
            (["a\tb\a\u202e"], "a b⟨U+0007⟩⟨U+202E⟩"),
        ],
    )
    def test_shows_the_last_line_that_was_printed(self, monkeypatch, printed, last):
        assert self._last(monkeypatch, printed, 80) == f"[1/1] a  cell 1/4  0 s  {last}".rstrip()

    @pytest.mark.parametrize(
        ("text", "columns", "last"),
        [
            ("abcdef", 30, "abcde"),
            ("中文字", 30, "中文"),
            ("e\u0301e\u0301xyzz", 30, "e\u0301e\u0301xyz"),
            ("abc", 10, None),
        ],
    )
    def test_is_cut_to_the_terminal(self, monkeypatch, text, columns, last):
        whole = "[1/1] a  cell 1/4  0 s  "
        assert len(whole) == 24
        assert self._last(monkeypatch, [text], columns) == (whole[:9].rstrip() if last is None else whole + last)

    def test_moves_while_nothing_is_printed(self, monkeypatch):
        terminal = _Terminal()
        with Progress("a", 1, terminal, True):
            before, waited = terminal.getvalue(), time.monotonic()
            while terminal.getvalue() == before and time.monotonic() < waited + 10:
                time.sleep(0.05)
            assert "cell 0/1  1 s" in terminal.getvalue()

    def test_in_a_pipe_a_line_comes_now_and_then(self, monkeypatch):
        monkeypatch.setitem(progress.EVERY_S, False, 0.05)
        plain = io.StringIO()
        with Progress("a", 3, plain, False) as shown:
            shown.next_cell()
            shown.write("loss 1\nloss 2\n")
            time.sleep(0.3)
        first, *lines, last = plain.getvalue().splitlines()
        assert (first, last) == ("a: running", "a: 0 s")
        assert "a  cell 1/3  0 s  loss 2" in lines

    def test_what_the_last_cell_printed_is_not_shown_of_the_next(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        terminal = _Terminal()
        with Progress("a", 4, terminal, True) as shown:
            shown.write("X-Y 0.5  0.6\n")
            shown.next_cell()
            assert terminal.getvalue().endswith("\ra  cell 1/4  0 s\x1b[K")

    def test_says_what_is_left_of_the_trainings(self, monkeypatch):
        """Two models of four lines each: after 60 s three of the eight have come, so that 100 s are left."""
        now = [0.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        trainings = progress._Trainings()
        trainings.hear("3 models: 1 trained before, 2 to ")
        trainings.hear("train\n")
        assert trainings.left() == ""
        for step in (30, 30, 60):
            trainings.hear(f"           X-Y  update {step:>5}/120  loss 1.000  score 0.500\n")
        now[0] = 60.0
        assert trainings.left() == ", about 2 min left"
        trainings.hear("           X-Y  update    60/120  loss 1.000\n" * 3)
        assert trainings.left() == ", about 20 s left"
        trainings.hear("           X-Y  update   120/120  loss 1.000\n" * 2)
        assert trainings.left() == ""

    def test_says_that_it_was_stopped(self):
        plain = io.StringIO()
        with pytest.raises(KeyboardInterrupt), Progress("a", 1, plain, False):
            raise KeyboardInterrupt
        assert plain.getvalue() == "a: running\na: stopped after 0 s\n"


class TestParams:
    WORDS: ClassVar = ["run", "00", "-p", "run=mine", "-p", "updates=7", "-p", "seeds=1,2"]

    def test_the_run_is_made_again_from_its_own_file(self, home, capfd):
        assert main(self.WORDS) == 0
        text = (home / "reports" / "mine" / "params.yaml").read_text()
        assert yaml.safe_load(text) == {"run": "mine", "updates": 7, "seeds": [1, 2]} and "# notebooks: 00\n" in text
        capfd.readouterr()
        assert main(["run", "--again", "mine"]) == 0
        assert "00_count.ipynb: done before" in capfd.readouterr().out
        (home / "reports" / "mine" / "notebooks" / "00_count.ipynb").unlink()
        assert main(["run", "--again", str(home / "reports" / "mine")]) == 0
        assert (home / "notebooks" / "mine.txt").read_text() == "7 [1, 2]\n" * 2
        assert (home / "reports" / "mine" / "params.yaml").read_text() == text

    def test_is_there_before_anything_fails(self, home, capfd):
        assert main(["run", "01"]) == 1
        (home / "notebooks" / "mended").touch()
        assert main(["run", "--again", "smoke"]) == 0

    def test_papermill_reads_it(self, home, tmp_path):
        asked = {"run": "mine", "train": ("jsonl:a?x=1,2", "#b"), "learning_rate": 3e-5, "symmetric": True, "test": "no"}
        profiles.write(home, asked, ["00"])
        read = papermill.iorw.read_yaml_file(str(home / "params.yaml"))
        assert read == asked | {"train": list(asked["train"])}
        source, out = home / "notebooks" / "00_count.ipynb", home / "out.ipynb"
        papermill.execute_notebook(source, out, read, prepare_only=True, progress_bar=False)
        told: dict[str, object] = {}
        exec(nbformat.read(out, as_version=4).cells[2].source, told)
        assert Settings.collect(told) == Settings().changed(**asked)

    def test_the_notebooks_of_several_commands_are_put_together(self, home):
        profiles.write(home, {"run": "mine", "updates": 7}, ["03", "00"])
        profiles.write(home, {"run": "mine", "updates": 7}, ["00", "01"])
        assert profiles.read(home) == ({"run": "mine", "updates": 7}, ("03", "00", "01"))

    def test_but_not_with_other_parameters(self, home):
        profiles.write(home, {"run": "mine", "updates": 7}, ["03"])
        profiles.write(home, {"run": "mine", "updates": 8}, ["00"])
        assert profiles.read(home) == ({"run": "mine", "updates": 8}, ("00",))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("run: mine\n", "names no notebooks: write a line such as '# notebooks: 03 04'"),
            ("# notebooks:\nrun: mine\n", "names no notebooks"),
            ("# notebooks: 00\nupdates: 5\n", "names no run: write a line such as 'run: mine'"),
            ("# notebooks: 00\nrun: mine\nupdate: 5\n", "unknown parameter 'update'"),
            ("# notebooks: 00\nrun: mine\nupdates: many\n", "updates is 'many': write a value of type int"),
            ("# notebooks: 07\nrun: mine\n", "notebook '07': 0 found"),
        ],
    )
    def test_refuses_a_file_that_says_too_little_or_something_else(self, home, capsys, text, message):
        (home / "reports" / "mine").mkdir(parents=True)
        (home / "reports" / "mine" / "params.yaml").write_text(text)
        before = _files(home)
        assert main(["run", "--again", "mine"]) == 1
        printed = capsys.readouterr().err
        assert message in printed and printed.count("\n") == 1 and _files(home) == before


class TestOpen:
    def test_shows_the_page(self, home, capsys, monkeypatch):
        opened = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        page = home / "reports" / "mine" / "index.html"
        page.parent.mkdir(parents=True)
        page.touch()
        assert main(["open", "mine"]) == main(["open", str(page.parent)]) == 0
        assert opened == [page.as_uri()] * 2 and capsys.readouterr().out == f"{page}\n" * 2


class TestPaths:
    def test_kit_home(self, home):
        assert (paths.root(), paths.reports(), paths.cache()) == (home, home / "reports", home / "data" / "cache")

    def test_the_checkout_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("KIT_HOME", raising=False)
        monkeypatch.chdir(tmp_path)
        assert paths.root() == HERE

    def test_the_folder_of_the_command_plays_no_part(self, home, tmp_path):
        code = "from kit.core import paths; print(paths.notebooks())"
        found = subprocess.run(
            [sys.executable, "-c", code],
            cwd="/",
            env=os.environ | {"KIT_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == str(home / "notebooks")
