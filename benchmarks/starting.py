"""How long it takes to begin, and what it needs: imports, ``--help``, each notebook's first picture, end, and memory.

    python benchmarks/starting.py [--rounds 3] [--notebooks 00 05]

Each import and command is a process of its own, in turns, by the clock. A notebook is executed as it is, with its defaults;
its first picture has come when the first cell that shows a figure has ended, counted from the start of the first cell, not
of the kernel. What the notebooks keep in ``data/cache``, such as trained encoders, is there from the second time on. Memory
is the most that the kernel and its processes held at once, looked at four times a second: what they share counts once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from turns import in_turns, keep, load, machine, rows_of

HERE = Path(__file__).resolve().parent.parent
IMPORTS = {
    "python, nothing imported": "pass",
    "import kit": "import kit",
    "from kit.evaluate import evaluate_embeddings": "from kit.evaluate import evaluate_embeddings",
    "from kit.train import fine_tune": "from kit.train import fine_tune",
    "import torch": "import torch",
    "import sentence_transformers": "import sentence_transformers",
    "import mteb": "import mteb",
}
PICTURES = ("image/png", "image/svg+xml", "application/vnd.plotly.v1+json")


def process(*command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=environment)


@contextmanager
def memory_peak() -> Iterator[list[float]]:
    """While it lasts, look at the processes below this one; the list has the most that they held together, in MiB."""
    import psutil

    peak, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(0.25):
            held = 0
            for one in psutil.Process().children(recursive=True):
                try:
                    held += one.memory_full_info().pss
                except psutil.Error:  # it has ended
                    continue
            peak[0] = max(peak[0], held / 2**20)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def begun(path: Path) -> dict[str, object]:
    """Seconds to the first cell that shows a figure, and to the last cell; the most memory."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.outputs = []
        cell.metadata.pop("execution", None)
    with memory_peak() as peak:
        NotebookClient(
            notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
        ).execute()
    ran = [cell for cell in notebook.cells if "execution" in cell.metadata]
    moment = lambda cell, name: datetime.fromisoformat(cell.metadata["execution"][name].replace("Z", "+00:00"))
    begin = moment(ran[0], "iopub.execute_input")
    took = lambda cell: round((moment(cell, "shell.execute_reply") - begin).total_seconds(), 1)
    shown = [cell for cell in ran if any(kind in output.get("data", {}) for output in cell.outputs for kind in PICTURES)]
    seconds = {"first picture, s": took(shown[0]) if shown else "none", "whole notebook, s": took(ran[-1])}
    return {"": path.stem, **seconds, "memory, MiB": round(peak[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--notebooks", nargs="*", default=None, help="numbers; default: all, none if nothing follows")
    parser.add_argument("--out", type=Path, default=Path("reports/bench"))
    asked = parser.parse_args()
    calls = {name: lambda code=code: process("-c", code) for name, code in IMPORTS.items()}
    calls["python -m kit --help"] = lambda: process("-m", "kit", "--help")
    rows = rows_of(in_turns(calls, asked.rounds), "python -m kit --help")
    rows = [{name: value for name, value in row.items() if "CPU" not in name} for row in rows]  # another process's
    paths = sorted((HERE / "notebooks").glob("[0-9]*.ipynb"))
    chosen = paths if asked.notebooks is None else [path for path in paths if path.name[:2] in asked.notebooks]
    tables = {"Imports and --help": rows}
    if chosen:
        tables["Notebooks"] = [begun(path) for path in chosen]
    facts = {"machine": machine("torch", "sentence-transformers", "mteb"), "load": load(), "rounds": asked.rounds}
    keep(asked.out, "starting", "How long it takes to begin", tables, facts)


if __name__ == "__main__":
    main()
