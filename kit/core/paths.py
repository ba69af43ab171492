"""Where things are, whatever folder a notebook or a command was started in."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LONGEST_NAME = 200
"""Bytes of a run's name: file systems take 255, and what stands beside a folder has its name with something added."""

RUN_NAMES = (
    "it names a folder under reports/: use letters, digits, '.', '_', '-' and blanks, a letter or digit at both ends, and "
    f"no more than {_LONGEST_NAME} bytes"
)
"""What every name of a run is; ``is_run_name`` holds names against it."""


def root() -> Path:
    """The project's folder: ``KIT_HOME`` if set, else the checkout that holds this package.

    Raises:
        ValueError: neither is a folder with ``notebooks/`` in it.
    """
    given = os.environ.get("KIT_HOME")
    folder = Path(given) if given else Path(__file__).resolve().parents[2]
    if not (folder / "notebooks").is_dir():
        raise ValueError(f"{folder} holds no notebooks/: set KIT_HOME to the project's checkout")
    return folder


def notebooks() -> Path:
    """The numbered notebooks."""
    return root() / "notebooks"


def reports() -> Path:
    """One folder a run."""
    return root() / "reports"


def is_run_name(name: str) -> bool:
    """Whether a name is that of a folder under ``reports/``, and leads nowhere else.

    >>> is_run_name("my run-2.1"), is_run_name("../x"), is_run_name("")
    (True, False, False)
    """
    return re.fullmatch(r"\w(?:[\w. -]*\w)?", name) is not None and len(name.encode()) <= _LONGEST_NAME


def run_folder(name: str) -> Path:
    """The folder of a run, there or not; every name of a run that is not a setting goes through here.

    Raises:
        ValueError: the name is none (``RUN_NAMES``).
    """
    if not is_run_name(name):
        raise ValueError(f"run is {name!r:.80}: {RUN_NAMES}")
    return reports() / name


def cache() -> Path:
    """Trained models and evaluations, keyed by the settings that made them (git-ignored, may be deleted at any time)."""
    return root() / "data" / "cache"
