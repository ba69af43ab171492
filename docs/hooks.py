"""What the site's generator needs to know of this project: where pages lie, and how docstrings list fields (mkdocs.yml)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = (
    "*.md",
    "CITATION.cff",
    "data/README.md",
    "notebooks/README.md",
    "notebooks/*.ipynb",
    "reports/*.md",
    "reports/figures/*.png",
    "reports/screens/*.png",
    "reports/bench/*.md",
    "reports/*-real/*.md",
    "reports/*-e5*/*.md",
    "reports/*-real/notebooks/*.ipynb",
)
"""What pages link to and what has a page, beside ``docs/``."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Lay everything out as it lies in the project: pages of ``docs/`` under ``docs/``, the README as the first page."""
    own = [file for file in files if Path(file.abs_src_path).is_relative_to(ROOT / "docs")]
    for file in own:
        files.remove(file)
    inside = [
        path
        for file in own
        if (path := Path(file.abs_src_path)).suffix != ".pyc" and path.name not in ("hooks.py", "badges.py")
    ]
    outside = [path for pattern in OUTSIDE for path in sorted(ROOT.glob(pattern))]
    for path in [*inside, *outside]:
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


_FIELD = re.compile(r"([a-z][\w, ]*): ")


class Docstrings(griffe.Extension):
    """Shows fields that a class lists one a line (``name: meaning``) as a list, examples as code, each name once."""

    def on_module(self, *, mod: griffe.Module, **kwargs: object) -> None:
        """What the face of a room offers is shown where it is defined."""
        mod.exports = None

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Write a docstring's paragraphs as Markdown."""
        if obj.docstring:
            fields = obj.members if obj.is_class else {}
            obj.docstring.value = "\n\n".join(_shown(part, fields) for part in obj.docstring.value.split("\n\n"))


def _shown(paragraph: str, fields: Iterable[str]) -> str:
    if paragraph.startswith(">>> "):
        return f"```pycon\n{paragraph}\n```"
    first = _FIELD.match(paragraph)
    if not first or first[1].split(",")[0] not in fields:
        return paragraph
    lines = []
    for line in paragraph.splitlines():
        found = _FIELD.match(line)  # a line that goes on is indented
        lines.append(f"- **{found[1]}**: {line[found.end() :]}" if found else f"  {line.strip()}")
    return "\n".join(lines)
