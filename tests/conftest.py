"""Fixtures that several test modules use."""

from __future__ import annotations

import os
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
