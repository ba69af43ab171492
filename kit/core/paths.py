"""Where things are, whatever folder a notebook or a command was started in."""

from __future__ import annotations

import os
from pathlib import Path


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


def cache() -> Path:
    """Trained models and evaluations, keyed by the settings that made them (git-ignored, may be deleted at any time)."""
    return root() / "data" / "cache"
