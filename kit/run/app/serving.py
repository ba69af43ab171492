"""``app``: serve the page on this machine."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from kit.core import paths
from kit.core.printing import say

_HERE = Path(__file__).resolve().parent
PORT = 8866
"""Voilà's own."""

_CELL = """\
import os
from kit.core import paths
from kit.run.app.page import page

os.chdir(paths.root())  # folders are those of the project, as on the command line
page()
"""
_ABOUT = {"title": "Does a retriever prefer some languages?", "kernelspec": {"name": "python3", "display_name": "Python 3"}}
"""The notebook that Voilà shows: its one cell, and what stands in it besides."""

_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws://localhost:* ws://127.0.0.1:*"
)
"""What the browser may load: Voilà's scripts, which make others, and nothing from another machine."""


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of the command line."""
    command = commands.add_parser(
        "app",
        help="audit a model and ask it questions on a page, without Jupyter",
        description="Serve a page on this machine, for nobody else, and open it in a browser: name a model, read what its "
        "audit says, type questions. Ctrl-C ends it. Needs Voilà: pip install -e '.[notebooks,app]'.",
    )
    command.add_argument("--port", type=int, default=PORT, help=f"of http://localhost:PORT (default: {PORT})")
    command.add_argument("--no-browser", action="store_true", help="only serve")
    command.set_defaults(function=_serve)


def _serve(parsed: argparse.Namespace) -> None:
    if not find_spec("voila"):
        raise ValueError("Voilà, which serves the page, is not installed: pip install -e '.[notebooks,app]'")
    say(f"http://localhost:{parsed.port} (Ctrl-C ends it)")
    browser = ["--no-browser"] if parsed.no_browser else []
    paths.cache().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=paths.cache()) as folder:
        server = subprocess.Popen([*command(Path(folder), parsed.port), *browser], env=environment(), cwd=folder)
        try:
            status = server.wait()
        except KeyboardInterrupt:  # Voilà got it, too, and ends the page's kernels
            server.wait()
            status = 0
    if status:
        raise ValueError(f"the page was not served (port {parsed.port} may be taken): try --port {parsed.port + 1}")


def command(folder: Path, port: int) -> list[str]:
    """Voilà's command line, to be executed in a folder; it serves this machine only.

    Args:
        folder: an empty one within the project's, of which the page and those of reports are served; gets page and options.
    """
    import nbformat

    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CELL)], metadata=_ABOUT)
    nbformat.write(page, folder / "page.ipynb")
    options = {
        "Voila": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "root_dir": str(paths.root().resolve()),
            "tornado_settings": {"headers": {"Content-Security-Policy": _POLICY}},
        },
        "VoilaConfiguration": {"template": "kit", "file_allowlist": [r"reports/[^/]+/index\.html"]},
    }
    (folder / "voila.json").write_text(json.dumps(options), encoding="utf-8")
    return [sys.executable, "-m", "voila", "page.ipynb"]


def environment() -> dict[str, str]:
    """This process's, with the place of the page's template, and that of the project."""
    places = [str(_HERE), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return os.environ | {"JUPYTER_PATH": os.pathsep.join(places), "KIT_HOME": str(paths.root())}
