"""Put badges of Binder and Colab on a copy of this project that has a public address.

    python docs/badges.py OWNER/NAME [--branch main]

The README gets both, the list of notebooks a link to Colab for each, and every notebook a cell that fetches and installs the
kit on Colab and does nothing elsewhere. Done again, with another address too, it replaces what it put there.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CELL = """\
# On Colab this fetches and installs the kit; anywhere else it does nothing.
import os
import sys

if "COLAB_RELEASE_TAG" in os.environ and not os.path.isdir("house"):
    !git clone --quiet --depth 1 --branch {branch} https://github.com/{name} house
    !pip install --quiet --editable "house[notebooks]"
    sys.path.insert(0, os.path.abspath("house"))  # an installation is seen by the next kernel only"""


def main(root: Path = ROOT, words: list[str] | None = None) -> None:
    """Write into the project at ``root`` what the command line, or ``words``, asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="OWNER/NAME", help="of the repository on GitHub")
    parser.add_argument("--branch", default="main")
    asked = parser.parse_args(words)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", asked.name):
        parser.error(f"{asked.name!r} is no OWNER/NAME, such as ada/retrieval")
    start = "notebooks/00_start_here.ipynb"
    binder = f"https://mybinder.org/v2/gh/{asked.name}/{asked.branch}?urlpath=lab/tree/{start}"
    badges = [_badge("Binder", "https://mybinder.org/badge_logo.svg", binder), _colab(asked, start)]
    _under_the_title(root / "README.md", " ".join(badges))
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        _with_cell(path, _CELL.format(name=asked.name, branch=asked.branch))
    links = [
        _colab(asked, f"notebooks/{path.name}", path.name[:2]) for path in sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    ]
    _under_the_title(root / "notebooks" / "README.md", "On Colab: " + ", ".join(links) + ".")


def _badge(name: str, picture: str, address: str) -> str:
    return f"[![{name}]({picture})]({address})"


def _colab(asked: argparse.Namespace, path: str, text: str = "") -> str:
    address = f"https://colab.research.google.com/github/{asked.name}/blob/{asked.branch}/{path}"
    return (
        f"[{text}]({address})"
        if text
        else _badge("Colab", "https://colab.research.google.com/assets/colab-badge.svg", address)
    )


def _under_the_title(path: Path, line: str) -> None:
    """Put a line, a paragraph of its own, under the title, in the place of one that was put there before."""
    title, *rest = path.read_text(encoding="utf-8").split("\n\n")
    ours = ("[![Binder]", "On Colab: ")
    path.write_text("\n\n".join([title, line, *(part for part in rest if not part.startswith(ours))]), encoding="utf-8")


def _with_cell(path: Path, source: str) -> None:
    """Put the cell behind the first one, in the place of one that was put there before."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    first, *rest = [cell for cell in notebook["cells"] if cell["id"] != "on-colab"]
    cell = {"cell_type": "code", "execution_count": None, "id": "on-colab", "metadata": {}, "outputs": []}
    notebook["cells"] = [first, cell | {"source": source.splitlines(keepends=True)}, *rest]
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
