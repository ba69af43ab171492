"""Fixtures that several test modules use."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

FIRST = ("notebooks/08", "test_doc_commands", "notebooks/", "tests/run/")
"""Files that take longest, so that of several workers none begins one of them last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of ``FIRST`` before all others; else the order stays."""

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((number for number, part in enumerate(FIRST) if part in path), len(FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real data sets; a test that needs them is skipped where they are absent."""
    default = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("KIT_SHARED_DATA") or default).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set KIT_SHARED_DATA to the folder that holds xquad-r, mlqa-r and the others")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium, if it is there; none is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("no Chromium or Chrome on the PATH: install one")
    with playwright.sync_playwright() as driver:
        # Without a sandbox, since tests may run as root, where Chromium refuses to start in one.
        started = driver.chromium.launch(executable_path=found[0], args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def run_cells() -> Callable[[Path, Mapping[str, object]], None]:
    """Executes the code cells of a notebook in one namespace and shows what they end in, as a kernel does but in no time.

    Parameters that the notebook's cell of parameters does not name are left out.
    """
    return _run_cells


def _run_cells(source: Path, parameters: Mapping[str, object]) -> None:
    space = dict[str, Any](__name__="__main__")
    for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            *body, last = ast.parse("".join(cell["source"])).body
            if not isinstance(last, ast.Expr):
                body.append(last)
            exec(compile(ast.Module(body, []), source.name, "exec"), space)
            if isinstance(last, ast.Expr):
                shown: Any = eval(compile(ast.Expression(last.value), source.name, "eval"), space)
                assert shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown)
        if "parameters" in cell["metadata"].get("tags", []):
            space.update({name: value for name, value in parameters.items() if name in space})
