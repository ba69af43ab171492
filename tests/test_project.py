"""The project as a whole: which way imports go, what is declared and pinned, what is stored."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
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

from kit.show.plots.style import CONFIG

HERE = Path(__file__).resolve().parents[1]
FILES = sorted((HERE / "kit").rglob("*.py"))
NOTEBOOKS = sorted((HERE / "notebooks").glob("[0-9]*.ipynb"))
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]

ROOMS = ("core", "data", "augment", "train", "evaluate", "compare", "show", "run")
EXTRA_OF = {
    "mteb.py": "mteb",
    "projection.py": "umap",
    "trainable.py": "lora",
    "ray.py": "cluster",
    "actors.py": "cluster",
    "slurm.py": "slurm",
}  # file -> the extra that its functions import
PROMISED = (
    "jupyterlab torch transformers datasets sentence-transformers faiss-cpu plotly ipywidgets papermill nbval accelerate "
    "babel scipy pyarrow"
).split()


def _module(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(HERE).with_suffix("").parts).removesuffix(".__init__")


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


def _tracked() -> list[Path]:
    found = subprocess.run(["git", "ls-files", "-z"], cwd=HERE, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("no git checkout")
    return [HERE / name for name in found.stdout.split("\0") if name and (HERE / name).is_file()]


class TestRooms:
    def test_imports_go_down_only(self):
        found = subprocess.run(["lint-imports"], cwd=HERE, capture_output=True, text=True, env=_with_scripts())
        assert found.returncode == 0, found.stdout

    def test_there_are_no_other(self):
        assert {path.name for path in (HERE / "kit").iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
        assert {path.name for path in (HERE / "kit").glob("*.py")} == {"__init__.py", "__main__.py"}

    @pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda path: path.name)
    def test_are_not_crowded(self, folder):
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12

    @pytest.mark.parametrize("room", ROOMS)
    def test_a_face_says_what_the_room_is_for_and_keeps_what_it_offers(self, room):
        face = importlib.import_module(f"kit.{room}")
        assert len(face.__doc__.split("\n\n")) > 1  # what it is for, and what it does not know
        assert face.__all__ and [name for name in face.__all__ if getattr(face, name) is None] == []

    def test_every_file_is_tested_in_its_room(self):
        assert {path.name for path in (HERE / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"} == set(
            ROOMS
        )

    @pytest.mark.parametrize("path", FILES, ids=_module)
    def test_the_library_imports_from_files_and_not_from_faces(self, path):
        faces = {f"kit.{room}" for room in ROOMS}
        names = [
            f"{node.module}.{alias.name}"
            for node in _nodes(path)
            if isinstance(node, ast.ImportFrom) and node.module in faces
            for alias in node.names
        ]
        assert [name for name in names if importlib.util.find_spec(name) is None] == []


class TestImports:
    def test_numpy_only(self):
        heavy = {"torch", "sentence_transformers", "transformers", "pandas"}
        light = "kit.evaluate.metrics", "kit.evaluate.debias.remedy", "kit.evaluate.debias.remedies", "kit.compare.stats"
        assert self._loaded_by(", ".join(light)) & (heavy | {"pyarrow", "scipy"}) == set()

    def test_no_torch_before_it_is_needed(self):
        needed = {
            "kit.augment.small_training",
            "kit.evaluate.sentence_evaluator",
            "kit.train.checkpoints",
            "kit.train.cost",
            "kit.train.devices.ranks",
            "kit.train.encoders.heads",
            "kit.train.losses",
            "kit.train.pairs",
            "kit.train.trainer",
        }
        modules = [_module(path) for path in FILES if path.name != "__main__.py"]
        assert "torch" not in self._loaded_by(", ".join(name for name in modules if name not in needed))

    def test_no_optional_package_before_it_is_needed(self):
        extras = {Requirement(text).name for extra in EXTRA_OF.values() for text in PROJECT["optional-dependencies"][extra]}
        modules = [_module(path) for path in FILES if path.name in EXTRA_OF]
        assert len(modules) == len(EXTRA_OF) and self._loaded_by(", ".join(modules)) & extras == set()

    def test_evaluating_needs_no_package_for_notebooks_and_training(self):
        names = _requirements(PROJECT["optional-dependencies"]["notebooks"])
        sold_by = packages_distributions()
        absent = {name for name, sellers in sold_by.items() if {canonicalize_name(one) for one in sellers} & set(names)}
        assert {"accelerate", "datasets", "faiss", "papermill"} <= absent
        light = "kit.run.audits", "kit.run.judging.judge", "kit.show.report", "kit.evaluate.evaluator", "kit.data.registry"
        # hidden, not merely unloaded: plotly loads Pillow where it is there, and needs it not
        hidden = f"import sys; sys.modules.update(dict.fromkeys({sorted(absent)}))"
        code = f"{hidden}; import {', '.join(light)}"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE)
        assert (found.returncode, found.stderr) == (0, "")

    def test_the_package_imports_nothing(self):
        assert not {name for name in self._loaded_by("kit", top=False) if name.startswith("kit.")}
        assert self._loaded_by("kit") <= self._loaded_by("this") | {"kit"}

    @staticmethod
    def _loaded_by(module: str, top: bool = True) -> set[str]:
        quiet = "with contextlib.redirect_stdout(io.StringIO())"  # "import this" speaks
        code = f"import contextlib, io, sys\n{quiet}: import {module}\nprint(*sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE)
        return {name.split(".")[0] if top else name for name in found.stdout.split()}


def _with_scripts() -> dict[str, str]:
    """The environment, with the commands of this Python's packages."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _requirements(texts: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


class TestDependencies:
    LEAN = _requirements(PROJECT["dependencies"])
    ASKED = LEAN | _requirements(PROJECT["optional-dependencies"]["notebooks"])
    DEVELOPMENT = _requirements(PROJECT["optional-dependencies"]["dev"])
    LINES, MORE = (
        [line for line in (HERE / name).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    PINS = _requirements([*LINES, *MORE[1:]])

    def test_every_package_that_is_imported_is_asked_for(self):
        sold_as, missing = {"umap": ["umap-learn"], **packages_distributions()}, set()  # umap may not be installed
        for path in FILES:
            extra = EXTRA_OF.get(path.name)
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

    @pytest.mark.parametrize("name", sorted(ASKED))
    def test_what_users_need_is_not_among_what_tests_need(self, name):
        assert name in _requirements(self.LINES)

    def test_torch(self):
        made = (HERE / "Makefile").read_text(encoding="utf-8")
        assert str(self.PINS["torch"].specifier) == "==2.13.0"
        assert set(re.findall(r"torch==(\S+?)[\s\"]", made)) == {"2.13.0"}

    def test_every_pin_is_exact_and_stands_once(self):
        assert self.MORE[0] == "-r requirements.txt"
        lines = [*self.LINES, *self.MORE[1:]]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines) and len(self.PINS) == len(lines)

    def test_the_environment_installs_the_pins_and_the_package(self):
        environment = yaml.safe_load((HERE / "environment.yml").read_text(encoding="utf-8"))
        (packages,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
        assert packages == ["-r requirements.txt", "-e ."]
        (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
        assert Version(python.split("=")[1] + ".0") in Requirement(f"python{PROJECT['requires-python']}").specifier

    def test_binder_installs_the_pins_and_the_package(self):
        lines = (HERE / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert lines[1:] == ["-r ../requirements.txt", "-e ."] and "whl/cpu" in lines[0]
        assert (HERE / ".binder" / "runtime.txt").read_text(encoding="utf-8") == "python-3.11\n"


class TestTree:
    def test_the_top_holds_what_it_should(self):
        tops = {path.relative_to(HERE).parts[0] for path in _tracked()}
        assert {name for name in tops if not name.startswith(".")} == {
            "notebooks",
            "kit",
            "benchmarks",
            "data",
            "docs",
            "reports",
            "tests",
            "environment.yml",
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "CITATION.cff",
            "mkdocs.yml",
            "pyproject.toml",
            "LICENSE",
            "Makefile",
            "requirements.txt",
            "requirements-dev.txt",
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

    def test_code_cells_fit_a_window(self, path):
        wide = [
            line for cell in self._cells(path, "code") for line in "".join(cell["source"]).splitlines() if len(line) > 110
        ]
        assert wide == []

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


@pytest.mark.parametrize("path", [*NOTEBOOKS, *sorted(HERE.glob("reports/*/notebooks/*.ipynb"))], ids=lambda path: path.stem)
def test_no_stored_figure_can_be_sent_to_a_server(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            figure = output.get("data", {}).get("application/vnd.plotly.v1+json")
            assert figure is None or figure["config"] == CONFIG
