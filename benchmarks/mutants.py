"""Which faults the tests of a module notice: mutation testing by mutmut.

    python benchmarks/mutants.py [MODULE …] [--children N] [--again] [--write]

mutmut puts one small fault after another into a module (``<=`` for ``<``, ``None`` for an argument, ``or`` for ``and``) and
runs the tests that execute the function. A mutant that none of them notices has survived: it is a gap in the tests, or it
does what the original does. Each survivor of the second kind stands in ``benchmarks/mutants.yaml`` with the reason; the
others are printed as open. Mutants in statements that raise an error or warn are counted by themselves: tests hold parts of
the messages, on purpose not every word.

MODULE is a path such as ``kit/compare/stats.py``, or a folder (default: all of ``MODULES``). N processes work at a time
(default: one a core). ``--again`` tries only what survived last time, with the tests of now. ``--write`` keeps the result in
``reports/bench/mutants.md`` and ``.json``; modules that were not run keep what stood there. The exit status is 1 where a
survivor is open, a reason has no survivor any more, or less than 90 % of the mutants outside of messages are killed. The 548
of ``kit/compare/stats.py`` took four minutes on two cores that other work shared. ``mutmut browse`` in a folder of
``data/cache/mutants`` shows each mutant.
"""

from __future__ import annotations

import argparse
import ast
import filecmp
import fnmatch
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from importlib.metadata import version
from pathlib import Path

import libcst
import yaml
from mutmut.configuration import reset_config
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

HERE = Path(__file__).resolve().parents[1]
WORK = HERE / "data" / "cache" / "mutants"
KEPT = HERE / "reports" / "bench" / "mutants.json"
REASONS = HERE / "benchmarks" / "mutants.yaml"
AT_LEAST = 0.9
COMMENT = re.compile(r"^\s+|\s*(?:  #.*)?$")

BIAS = ["evaluate/test_bias.py", "evaluate/test_top_lists.py", "evaluate/test_peer.py", "evaluate/test_panel.py"]
SEARCH = ["evaluate/test_blocks.py", "evaluate/test_search.py", "evaluate/test_own_candidate.py"]
MODULES = {
    "kit/train/samplers.py": ["train/test_samplers.py"],
    "kit/train/losses.py": ["train/test_losses.py"],
    "kit/compare/stats.py": ["compare/test_stats.py"],
    "kit/evaluate/metrics.py": ["evaluate/test_metrics.py", "evaluate/test_bias.py"],
    "kit/evaluate/rankers.py": ["evaluate/test_rankers.py"],
    "kit/evaluate/ranks.py": ["evaluate/test_ranks.py", "evaluate/test_evaluator.py", "evaluate/test_panel.py"],
    "kit/evaluate/scores.py": SEARCH,
    "kit/evaluate/blocks.py": SEARCH,
    "kit/evaluate/search.py": SEARCH,
    "kit/evaluate/bias/measures.py": ["evaluate/test_measures.py"],
    "kit/evaluate/bias/panel.py": [*BIAS, "evaluate/test_own_candidate.py"],
    "kit/evaluate/bias/*.py": BIAS,
    "kit/evaluate/shards/agreement.py": ["evaluate/test_shards_panel.py"],
    "kit/evaluate/shards/ranks.py": ["evaluate/test_shards_panel.py"],
    "kit/evaluate/shards/search.py": ["evaluate/test_shards.py"],
    "kit/evaluate/mining/mined.py": ["compare/test_mining_results.py"],
    "kit/evaluate/mining/*.py": ["evaluate/test_mining.py"],
}
"""Modules, and the files below ``tests`` that are theirs; the first pattern that fits counts."""

LEFT_OUT = (
    *("fresh_process", "is_killed", "several_processes"),
    *("of_ranx", "never_materialised", "matrix_products", "memory_is", "gigabyte", "bare_product"),
)
"""Parts of names of tests that are left out: they start a process, or measure time or memory, which other work disturbs."""

CONFTEST = """
import pytest
from hypothesis import HealthCheck, Phase, settings
from mutmut.state import state

settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
settings.load_profile("mutants")
executed = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    earlier = set(state()._stats)
    state()._stats.clear()
    made = yield
    executed[fixturedef] = set(state()._stats)
    state()._stats.update(earlier)
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item):
    for name in item.fixturenames:
        for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
            state()._stats.update(executed.get(fixture, ()))
"""
"""One example that fails is enough: none is looked for that is smaller. What a fixture of a module executes counts
for each test that uses it: mutmut by itself sees it in the first of them, and would not run the others."""

MUTMUT = """
[tool.mutmut]
source_paths = ["kit"]
only_mutate = {modules!r}
also_copy = ["data"]
pytest_add_cli_args = ["-k", {left_out!r}, "-p", "no:cacheprovider", "-p", "no:unraisableexception"]
pytest_add_cli_args_test_selection = {tests!r}
timeout_constant = 5
track_dependencies = false
use_git_change_detection = false

[tool.pytest.ini_options]
pythonpath = {pythonpath!r}
addopts = "-q --strict-markers"
markers = ["browser: none here"]
filterwarnings = ["error"]
"""


Reasons = dict[str, dict[str, str]]
"""Module -> mutant -> why it may survive."""


@dataclass
class Result:
    """What became of the mutants of a module: how many, and those that survived outside of messages."""

    n_mutants: int = 0
    n_killed: int = 0
    n_timed_out: int = 0
    n_in_messages: int = 0
    n_killed_in_messages: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the mutants outside of messages, those that were killed; one that does not end is noticed, too."""
        return 1 - len(self.survivors) / max(1, self.n_mutants - self.n_in_messages)


def main() -> int:
    """Run, print, and keep if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: all")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at a time")
    parser.add_argument("--again", action="store_true", help="only what survived last time, with the tests of now")
    parser.add_argument("--write", action="store_true", help=f"keep the result in {KEPT.relative_to(HERE).parent}")
    asked = parser.parse_args()
    modules = [module for module in all_modules() if not asked.modules or any(fits(module, one) for one in asked.modules)]
    if not modules:
        parser.error(f"no module fits {' '.join(asked.modules)}: choose from {', '.join(MODULES)}")
    results = {}
    for tests in dict.fromkeys(map(tests_of, modules)):
        together = [module for module in modules if tests_of(module) == tests]
        if asked.again:
            run(folder_of(together), asked.children, survivors(together, tests))
        else:
            run(prepare(together, tests), asked.children)
        for module in together:
            results[module] = read(module, together)
            print(line(module, results[module]), flush=True)
    reasons = read_reasons()
    for module, result in results.items():
        for one in left_open(module, result, reasons):
            print(f"open: {module}: {one}")
    if asked.write:
        keep(results, reasons)
    return int(any(result.share < AT_LEAST or left_open(one, result, reasons) for one, result in results.items()))


def all_modules() -> list[str]:
    """Paths of all modules, those of a folder one by one."""
    paths = dict.fromkeys(path for pattern in MODULES for path in sorted(HERE.glob(pattern)))
    return [path.relative_to(HERE).as_posix() for path in paths if "def " in path.read_text(encoding="utf-8")]


def fits(module: str, asked: str) -> bool:
    """Whether a module is the one that is asked for, or in that folder."""
    return module == asked.removeprefix("./") or module.startswith(asked.rstrip("/") + "/")


def tests_of(module: str) -> tuple[str, ...]:
    """Files of the tests of a module."""
    tests = next(tests for pattern, tests in MODULES.items() if fnmatch.fnmatch(module, pattern))
    return tuple(f"tests/{one}" for one in tests)


def folder_of(modules: list[str]) -> Path:
    """Where mutmut works on modules that have the same tests."""
    return WORK / modules[0].removesuffix(".py").replace("/", ".")


def prepare(modules: list[str], tests: tuple[str, ...]) -> Path:
    """A copy of the kit and its tests with a configuration of mutmut, in a fresh folder."""
    folder = folder_of(modules)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "kit", folder / "kit", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "data").mkdir()
    for path in (HERE / "data").glob("*.*"):
        shutil.copy(path, folder / "data")
    copy_tests(folder, modules, tests)
    return folder


def copy_tests(folder: Path, modules: list[str], tests: tuple[str, ...]) -> None:
    """The tests as they are now, with settings of hypothesis, and which of them are to run."""
    shutil.copytree(HERE / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as stream:
        stream.write(CONFTEST)
    settings = {
        "modules": modules,
        "left_out": " and ".join(f"not {name}" for name in LEFT_OUT),
        "tests": list(tests),
        "pythonpath": [f"tests/{one.name}" for one in sorted((HERE / "tests").iterdir()) if one.is_dir()],
    }
    (folder / "pyproject.toml").write_text(MUTMUT.format(**settings), encoding="utf-8")
    (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)  # which test executes what is found anew


def survivors(modules: list[str], tests: tuple[str, ...]) -> list[str]:
    """Names of the mutants that survived last time; the tests in the folder become those of now."""
    folder = folder_of(modules)
    for module in modules:
        if not (folder / f"mutants/{module}.meta").is_file() or not filecmp.cmp(HERE / module, folder / module, False):
            raise SystemExit(f"{module} is not what was tried last time: leave --again out")
    copy_tests(folder, modules, tests)
    codes = {name: code for module in modules for name, code in read_codes(folder, module).items()}
    return [name for name, code in codes.items() if not is_killed(code)]


def run(folder: Path, children: int, mutants: Sequence[str] | None = None) -> None:
    """Let mutmut try the mutants of a folder: all, or those that are named."""
    if mutants is not None and not mutants:
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none is needed, and all would be loaded for each mutant
    environment.pop("KIT_SHARED_DATA", None)  # so that the result is the same where real texts are
    with (folder / "log.txt").open("w") as log:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *(mutants or [])]
        done = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"mutmut ended with status {done.returncode}: see {folder.relative_to(HERE) / 'log.txt'}")


def read(module: str, together: list[str]) -> Result:
    """Count what mutmut left of a module in the folder of those that were run together."""
    result = Result()
    with chdir(folder_of(together)):
        reset_config()
        for name, code in read_codes(Path(), module).items():
            killed, (change, in_message) = is_killed(code), changed(name, module)
            result.n_mutants += 1
            result.n_killed += killed
            result.n_timed_out += status_by_exit_code[code] == "timeout"
            result.n_in_messages += in_message
            result.n_killed_in_messages += in_message and killed
            if not killed and not in_message:
                result.survivors.append(change)
    return result


def read_codes(folder: Path, module: str) -> dict[str, int | None]:
    """Exit status of the tests of each mutant of a module."""
    return json.loads((folder / f"mutants/{module}.meta").read_text(encoding="utf-8"))["exit_code_by_key"]


def is_killed(code: int | None) -> bool:
    """Whether the tests failed, did not end, or crashed."""
    return status_by_exit_code[code] in ("killed", "timeout", "segfault")


def changed(name: str, module: str) -> tuple[str, bool]:
    """A mutant as ``function: the lines as it has them``, and whether all of it is in a message."""
    functions = read_functions_from_index(name, module)
    if functions is None:
        raise SystemExit(f"{name} is not in mutmut's index: delete data/cache/mutants and run this again")
    original, mutant = (lines_of(function) for function in functions)
    blocks = SequenceMatcher(None, original, mutant, autojunk=False).get_opcodes()
    parts = [block for block in blocks if block[0] != "equal"]
    words = [COMMENT.sub("", one) for _, _, _, low, high in parts for one in mutant[low:high]]
    words = words or ["without", *(COMMENT.sub("", one) for _, low, high, _, _ in parts for one in original[low:high])]
    places = {place for _, low, high, _, _ in parts for place in range(low + 1, max(low + 1, high) + 1)}
    function, of_class = orig_function_and_class_names_from_key(name)
    prefix = f"{of_class}." if of_class else ""
    return f"{prefix}{function}: {' '.join(words)}", places <= set(message_lines("\n".join(original)))


def lines_of(function: libcst.FunctionDef) -> list[str]:
    """Source of a function, from its first line of code on."""
    return libcst.Module([function.with_changes(leading_lines=[])]).code.strip().split("\n")


def message_lines(source: str) -> Iterator[int]:
    """Numbers of the lines of the statements that raise or warn, from 1 on."""
    for node in ast.walk(ast.parse(source)):
        called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
        if isinstance(node, ast.Raise) or (isinstance(called, ast.Attribute) and called.attr == "warn"):
            yield from range(node.lineno, node.end_lineno + 1)


def read_reasons() -> Reasons:
    """What stands in the file."""
    entries = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    return {
        module: {mutant: group["why"] for group in groups for mutant in group["mutants"]}
        for module, groups in entries.items()
    }


def left_open(module: str, result: Result, reasons: Reasons) -> list[str]:
    """Survivors without a reason, and reasons without a survivor."""
    known = reasons.get(module, {})
    gone = [f"no longer survives: {one}" for one in known if one not in result.survivors]
    return [one for one in result.survivors if one not in known] + gone


def line(module: str, result: Result) -> str:
    """A row of the table."""
    cells = [
        module,
        result.n_mutants,
        result.n_killed,
        result.n_timed_out,
        f"{result.n_killed_in_messages} of {result.n_in_messages}",
        len(result.survivors),
        f"{result.share:.1%}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def keep(results: dict[str, Result], reasons: Reasons) -> None:
    """Write what was found beside what is known of the other modules."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    kept = {**before, **{module: asdict(result) for module, result in results.items()}}
    kept = {module: kept[module] for module in all_modules() if module in kept}
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    found = {module: Result(**values) for module, values in kept.items()}
    KEPT.with_suffix(".md").write_text("\n".join(report(found, reasons)) + "\n", encoding="utf-8")


def report(found: dict[str, Result], reasons: Reasons) -> Iterator[str]:
    """The page."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("mutmut", "numpy", "torch", "pytest"))
    yield "# Mutants\n"
    yield "Made by `python benchmarks/mutants.py --write`, at whose head stands what is counted: Python "
    yield f"{platform.python_version()}, {packages}, {platform.system()} {platform.machine()}.\n"
    yield "| module | mutants | killed | of these by time | killed in messages | other survivors | killed of the others |"
    yield "|---|---|---|---|---|---|---|"
    yield from (line(module, result) for module, result in found.items())
    yield "\n## Survivors, and why"
    for module, result in found.items():
        if result.survivors:
            yield f"\n### {module}\n"
        whys = [reasons.get(module, {}).get(one, "open") for one in result.survivors]
        for why in dict.fromkeys(whys):
            yield f"{why}\n"
            yield from (f"- `{one}`" for one, its in zip(result.survivors, whys) if its == why)
            yield ""


if __name__ == "__main__":
    sys.exit(main())
