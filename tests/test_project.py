"""The project as a whole: which way imports point, what is declared and pinned, what is stored."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).resolve().parents[1]
FILES = sorted((HERE / "kit").rglob("*.py"))
NOTEBOOKS = sorted((HERE / "notebooks").glob("[0-9]*.ipynb"))
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# A module imports from its own floor or from a lower one; a module that is new is given a floor here.
FLOORS = (
    {"", "once", "paths", "seeding", "config", "languages", "tables", "workers"},
    {"bitext", "clusters", "corpus", "overlap", "sources", "augment"},
    {"samplers", "pairs", "losses", "encoders", "tokens", "history", "trainer"},
    {
        "search",
        "metrics",
        "tops",
        "bias",
        "peer",
        "panel",
        "remedy",
        "debias",
        "mining",
        "stats",
        "evaluation",
        "evaluate",
        "rankers",
        "results",
        "browse",
        "projection",
        "claims",
        "findings",
        "gaps",
    },
    {"plots", "show", "lists", "widgets", "report", "interop"},
    {
        "jobs",
        "mining_job",
        "bench",
        "pipeline",
        "study",
        "domains",
        "contrast",
        "audit",
        "params",
        "progress",
        "runner",
        "refresh",
        "__main__",
    },
)
FLOOR_OF = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
EXTRA_OF = {"interop": "mteb", "projection": "umap"}  # module -> the optional extra that its functions import
PROMISED = (
    "jupyterlab torch transformers datasets sentence-transformers faiss-cpu plotly ipywidgets papermill nbval accelerate "
    "babel scipy pyarrow"
).split()


def _module(path: Path) -> str:
    """The module or folder of the package that a file belongs to; the package itself is the empty text."""
    return path.relative_to(HERE / "kit").with_suffix("").parts[0].replace("__init__", "")


def _nodes(path: Path, checking: bool = True):
    """Nodes of a file; with ``checking`` false, without what only type checkers read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = (
        {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        if not checking
        else set()
    )
    return (node for node in ast.walk(tree) if id(node) not in skipped)


def _imports(path: Path, checking: bool = True) -> set[str]:
    """Full names that a file imports, wherever in it."""
    names = set()
    for node in _nodes(path, checking):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names |= {f"kit.{alias.name}" for alias in node.names} if node.module == "kit" else {node.module}
    return names


def _inner(path: Path, checking: bool = True) -> set[str]:
    """Modules of the package that a file imports."""
    return {name.split(".")[1] for name in _imports(path, checking) if name.startswith("kit.")} - {_module(path)}


def _tracked() -> list[Path]:
    found = subprocess.run(["git", "ls-files", "-z"], cwd=HERE, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("no git checkout")
    return [HERE / name for name in found.stdout.split("\0") if name and (HERE / name).is_file()]


class TestImports:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
    def test_point_downwards(self, path):
        assert _module(path) in FLOOR_OF, "give the module a floor"
        assert {name for name in _inner(path) if FLOOR_OF[name] > FLOOR_OF[_module(path)]} == set()

    def test_have_no_cycle(self):
        graph: dict[str, set[str]] = {}
        for path in FILES:
            graph.setdefault(_module(path), set()).update(_inner(path, checking=False))
        list(graphlib.TopologicalSorter(graph).static_order())

    def test_numpy_only(self):
        heavy = {"torch", "sentence_transformers", "transformers", "pyarrow", "pandas", "scipy"}
        assert (
            self._loaded_by(
                "kit.evaluate.metrics, kit.evaluate.bias.measures, kit.evaluate.debias.remedy, kit.evaluate.debias.remedies, kit.compare.stats"
            )
            & heavy
            == set()
        )

    def test_no_torch_before_it_is_needed(self):
        modules = [name for name in FLOOR_OF if name not in ("", "__main__", "losses", "pairs", "trainer")]
        there = [name for name in modules if list((HERE / "kit").glob(f"{name}.py")) or (HERE / "kit" / name).is_dir()]
        assert "torch" not in self._loaded_by(", ".join(f"kit.{name}" for name in there))

    def test_no_optional_package_before_it_is_needed(self):
        extras = {Requirement(text).name for extra in EXTRA_OF.values() for text in PROJECT["optional-dependencies"][extra]}
        assert self._loaded_by(", ".join(f"kit.{name}" for name in EXTRA_OF)) & extras == set()

    def test_the_package_imports_nothing(self):
        assert not {name for name in self._loaded_by("kit", top=False) if name.startswith("kit.")}
        assert self._loaded_by("kit") <= self._loaded_by("this") | {"kit"}

    @staticmethod
    def _loaded_by(module: str, top: bool = True) -> set[str]:
        quiet = "with contextlib.redirect_stdout(io.StringIO())"  # "import this" speaks
        code = f"import contextlib, io, sys\n{quiet}: import {module}\nprint(*sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE)
        return {name.split(".")[0] if top else name for name in found.stdout.split()}


def _requirements(texts: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


class TestDependencies:
    ASKED = _requirements(PROJECT["dependencies"])
    DEVELOPMENT = _requirements(PROJECT["optional-dependencies"]["dev"])
    LINES = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    PINS = _requirements([line for line in LINES if line and not line.startswith("#")])

    def test_every_package_that_is_imported_is_asked_for(self):
        sold_as, missing = {"umap": ["umap-learn"], **packages_distributions()}, set()  # umap may not be installed
        for path in FILES:
            extra = EXTRA_OF.get(_module(path))
            asked = {*self.ASKED, *_requirements(PROJECT["optional-dependencies"][extra] if extra else [])}
            imported = {name.split(".")[0] for name in _imports(path)} - set(sys.stdlib_module_names) - {"kit"}
            missing |= {
                name for name in imported if not {canonicalize_name(seller) for seller in sold_as.get(name, [name])} & asked
            }
        assert missing == set()

    def test_what_was_promised_is_asked_for(self):
        assert set(PROMISED) - set(self.ASKED) == set()

    @pytest.mark.parametrize("name", sorted({*ASKED, *DEVELOPMENT}))
    def test_is_pinned_to_a_version_that_will_do(self, name):
        asked = (self.ASKED | self.DEVELOPMENT)[name]
        (pin,) = self.PINS[name].specifier
        assert pin.operator == "==" and Version(pin.version) in asked.specifier

    def test_torch(self):
        assert str(self.PINS["torch"].specifier) == "==2.13.0"
        assert re.findall(r"torch==(\S+?)[\s\"]", (HERE / "Makefile").read_text(encoding="utf-8") + " ") == [
            "2.13.0",
            "2.13.0",
        ]

    def test_every_pin_is_exact_and_stands_once(self):
        lines = [line for line in self.LINES if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines) and len(self.PINS) == len(lines)

    def test_the_environment_installs_the_pins_and_the_package(self):
        environment = yaml.safe_load((HERE / "environment.yml").read_text(encoding="utf-8"))
        (packages,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
        assert packages == ["-r requirements.txt", "-e ."]
        (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
        assert Version(python.split("=")[1] + ".0") in Requirement(f"python{PROJECT['requires-python']}").specifier


class TestTree:
    def test_the_top_holds_what_it_should(self):
        tops = {path.relative_to(HERE).parts[0] for path in _tracked()}
        assert {name for name in tops if not name.startswith(".")} == {
            "notebooks",
            "kit",
            "benchmarks",
            "data",
            "reports",
            "tests",
            "environment.yml",
            "README.md",
            "pyproject.toml",
            "LICENSE",
            "Makefile",
            "requirements.txt",
        }

    def test_no_text_names_a_place_on_one_machine(self):
        place = re.compile(r"(?<![\w.~:-])/(?:home|root|Users|work|tmp|mnt|private|var/folders)/[\w.-]+")
        found = {}
        for path in _tracked():
            if path.relative_to(HERE).parts[0] == "tests":
                continue  # these make such names on purpose
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            if hits := place.findall(text):
                found[path.name] = hits[:3]
        assert found == {}


class TestReadme:
    TEXT = (HERE / "README.md").read_text(encoding="utf-8")

    def test_the_map_of_the_package_names_every_module_and_no_other(self):
        drawn = self.TEXT.split("```text\nkit/\n")[1].split("```")[0]
        named = {line.split()[0].removesuffix("/").removesuffix(".py") for line in drawn.splitlines() if line.strip()}
        assert named == {_module(path) or "__init__" for path in FILES} - {"__init__"}

    def test_links_lead_to_files(self):
        links = re.findall(r"\]\(([^)#]+)\)", self.TEXT)
        assert [link for link in links if not link.startswith("https://") and not (HERE / link).exists()] == []

    @pytest.mark.parametrize("report", ["atlas-cpu", "xquad-r-to-mlqa-r"])
    def test_its_tables_are_those_of_the_reports(self, report):
        text = (HERE / f"reports/{report}.md").read_text("utf-8").partition("## Bias panel")[0]
        rows = re.findall(r"^\| ((?:X-X-mono|X-Y|Hybrid) .*±.*) \|$", text, re.M)
        assert len(rows) == 3
        for row in rows:
            cells = re.sub(r"\[.*?\]|\|", " ", row).replace(",", "").split()  # no intervals, lines, marks of thousands
            assert re.search(r"\s+".join(map(re.escape, cells)), self.TEXT), row

    def test_its_table_of_claims_is_that_of_the_reports(self):
        from kit.compare import findings

        stored = findings.read(HERE / "reports" / "claims.json")
        assert findings.short(stored) in self.TEXT
        assert findings.markdown(stored) in (HERE / "reports" / "claims.md").read_text("utf-8")

    def test_the_findings_of_the_kept_runs_are_in_the_table(self):
        from kit.compare import findings

        stored = findings.read(HERE / "reports" / "claims.json")
        kept = [one for path in sorted(HERE.glob("reports/*-real/*-findings.json")) for one in findings.read(path)]
        assert len(kept) > 60 and {str(one) for one in kept} <= {str(one) for one in stored}


class TestCode:
    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
    def test_what_is_public_is_explained(self, path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.FunctionDef, ast.ClassDef)
        public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
        public += [
            inner
            for node in public
            if isinstance(node, ast.ClassDef)
            for inner in node.body
            if isinstance(inner, kinds) and not inner.name.startswith("_") and not _overrides(node)
        ]
        assert ast.get_docstring(tree), "the module itself"
        assert [node.name for node in public if not ast.get_docstring(node)] == []

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
    def test_is_short(self, path):
        text = path.read_text(encoding="utf-8")
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        assert [node.name for node in functions if node.end_lineno - node.lineno + 1 > 60] == []
        assert len(text.splitlines()) <= 350


def _overrides(node: ast.ClassDef) -> bool:
    """Whether a class has a base whose methods it may override; these are explained there."""
    return bool(node.bases)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestStoredNotebooks:
    @staticmethod
    def _cells(path: Path, kind: str | None = None) -> list[dict]:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [cell for cell in cells if kind in (None, cell["cell_type"])]

    def _outputs(self, path: Path) -> list[dict]:
        return [output for cell in self._cells(path, "code") for output in cell["outputs"]]

    def test_was_run_from_top_to_bottom(self, path):
        counts = [cell["execution_count"] for cell in self._cells(path, "code")]
        assert counts == list(range(1, len(counts) + 1))

    def test_no_error_and_no_warning_is_stored(self, path):
        assert [
            output for output in self._outputs(path) if output["output_type"] == "error" or output.get("name") == "stderr"
        ] == []

    def test_every_figure_has_a_picture(self, path):
        figures = [
            output["data"] for output in self._outputs(path) if "application/vnd.plotly.v1+json" in output.get("data", {})
        ]
        assert all(data.get("image/png") for data in figures)

    def test_cells_have_ids(self, path):
        ids = [cell.get("id") for cell in self._cells(path)]
        assert all(ids) and len(set(ids)) == len(ids)

    def test_code_cells_are_short(self, path):
        assert max(len("".join(cell["source"]).splitlines()) for cell in self._cells(path, "code")) <= 15

    def test_markers_of_nbval_are_whole_lines(self, path):
        lines = [
            line for cell in self._cells(path, "code") for line in "".join(cell["source"]).splitlines() if "NBVAL" in line
        ]
        assert {line for line in lines if not re.fullmatch(r"# NBVAL_[A-Z_]+", line)} == set()

    def test_there_is_one_parameters_cell(self, path):
        tagged = [cell for cell in self._cells(path) if "parameters" in cell["metadata"].get("tags", [])]
        assert [cell["cell_type"] for cell in tagged] == ["code"]

    def test_nothing_of_a_machine_or_a_run_is_stored(self, path):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert set(notebook["metadata"]) == {"kernelspec", "language_info"} and set(
            notebook["metadata"]["language_info"]
        ) == {"name"}
        assert {key for cell in notebook["cells"] for key in cell["metadata"]} <= {"tags"}


@pytest.mark.parametrize("path", sorted(HERE.glob("reports/*-real/notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_the_profile_of_a_kept_run_still_asks_for_the_same(path):
    # A notebook's default that changes would make the stored command make another run.
    from kit.run import profiles
    from kit.run.settings import Settings

    told: dict[str, object] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if {"parameters", "injected-parameters"} & set(cell["metadata"].get("tags", [])):
            exec("".join(cell["source"]), told)
    profile = profiles.parameters_of(path.parents[1].name, {})
    assert profiles.notebook_settings(profiles.notebook(path.name[:2]), profile) == Settings.collect(told)
