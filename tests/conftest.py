"""Fixtures that several test modules use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


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
