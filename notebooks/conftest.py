"""Notebooks are tested in a random order: each has to run by itself."""

from __future__ import annotations

import os
import random
import time

import pytest

NAME = "KIT_NOTEBOOK_ORDER"
SEED = int(os.environ.setdefault(NAME, str(int(time.time()))))  # processes that are started take it over


def pytest_report_header() -> str:
    """Says how to have the same order again."""
    return f"notebooks in random order: {NAME}={SEED} repeats it"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the notebooks, each with its cells in order; other tests stay before them, as they are."""
    by_notebook: dict[object, list[pytest.Item]] = {}
    for item in items:
        if item.path.suffix == ".ipynb":
            by_notebook.setdefault(item.path, []).append(item)
    order = list(by_notebook)
    random.Random(SEED).shuffle(order)
    others = [item for item in items if item.path not in by_notebook]
    items[:] = others + [item for path in order for item in by_notebook[path]]
