"""The command as it is installed: its name, its version, what a shell completes."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import kit
from kit.run import profiles
from kit.run.cli import commands


def test_says_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"hybrid-batch-kit {kit.__version__}\n")


@pytest.mark.parametrize(
    ("typed", "name"), [("/somewhere/bin/hybrid-batch-kit", "hybrid-batch-kit"), ("kit/__main__.py", "python -m kit")]
)
def test_calls_itself_what_was_typed(monkeypatch, capsys, typed, name):
    monkeypatch.setattr(sys, "argv", [typed])
    with pytest.raises(SystemExit):
        commands.main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name} ")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("hybrid-batch-kit ju", {"judge"}),
        ("hybrid-batch-kit run --ver", {"--verbose"}),
        ("hybrid-batch-kit data li", {"list", "licence"}),
    ],
)
def test_bash_completes_commands_and_options(capsys, words, found):
    assert commands.main(["completion", "bash"]) == 0
    typed = words.split()
    script = f"""{capsys.readouterr().out}
COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}
$(complete -p hybrid-batch-kit | sed 's/.* -F //; s/ hybrid-batch-kit$//') hybrid-batch-kit {typed[-1]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == found


@pytest.mark.parametrize("asked", ["4", "04", "04_evaluate", "notebooks/04_evaluate.ipynb"])
def test_a_notebook_is_known_by_number_name_and_path(asked):
    assert profiles.notebook(asked).name == "04_evaluate.ipynb"


@pytest.mark.parametrize("asked", ["", "x", "44", "1x"])
def test_another_one_is_refused_with_those_there_are(asked):
    with pytest.raises(ValueError, match="0 found: choose from 00, 01"):
        profiles.notebook(asked)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            ["run", "03", "--profle", "cpu"],
            "kit run: error: unrecognized arguments: --profle cpu (did you mean '--profile'",
        ),
        (["rnu", "03"], "(did you mean 'run'?)"),
        (["data", "lst"], "(did you mean 'list'?)"),
    ],
)
def test_what_was_meant(typed, said, capsys):
    with pytest.raises(SystemExit):
        commands.main(typed)
    assert said in capsys.readouterr().err


def test_who_reads_no_more_gets_no_complaint():
    first = subprocess.Popen([sys.executable, "-m", "kit", "data", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first.stdout.close()  # long before it has anything to say
    assert (first.wait(timeout=60), first.stderr.read()) == (141, b"")
    first.stderr.close()


def test_another_pipe_that_breaks_is_told(monkeypatch, capsys):
    def broken(parsed):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("kit.run.cli.doing.do_open", broken)
    assert commands.main(["open", "mine"]) == 1
    assert capsys.readouterr().err == "kit: [Errno 32] Broken pipe\n"
