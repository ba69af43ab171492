"""Execute the notebooks in place and store outputs that are the same on every machine, with a picture for each figure."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import nbformat
import plotly.graph_objects as go

from kit.core import paths
from kit.core.printing import say
from kit.run import profiles
from kit.run.notebooks import QUIET_KERNEL, shortened
from kit.show.tables import picture

_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"


def refresh(numbers: tuple[str, ...]) -> None:
    """Execute notebooks (all, or those whose numbers are given) with their default parameters and store the outputs.

    Raises:
        ValueError: no notebook has one of the numbers, or figures cannot be drawn because kaleido or a browser is missing.
    """
    named = [profiles.notebook(number) for number in numbers]
    for path in sorted(set(named)) if numbers else sorted(paths.notebooks().glob("[0-9]*.ipynb")):
        _refresh(path)
        say(f"{path.name}: outputs stored")


def _refresh(path: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    profiles.cells_of(path)  # another file is an error that says so
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        extra_arguments=QUIET_KERNEL,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise RuntimeError(f"a cell of {path.name} failed: {error.ename}: {shortened(error.evalue)}") from None
    nbformat.write(_cleaned(notebook), path)


def clean(folder: str | Path) -> None:
    """Make the executed notebooks of a run's folder fit to be kept: no timings, no place on this machine, with pictures.

    Raises:
        ValueError: figures cannot be drawn because kaleido or a browser is missing.
    """
    for path in sorted((Path(folder) / "notebooks").glob("[0-9]*.ipynb")):
        nbformat.write(_cleaned(nbformat.read(path, as_version=4)), path)


def _cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        for name in ("execution", "papermill"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [_stored(output) for output in cell.outputs if output.get("name") != "stderr"]
    kept = {"kit": notebook.metadata["kit"]} if "kit" in notebook.metadata else {}  # says what a run was made from
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        **kept,
    }
    return notebook


def _stored(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The output as it is committed.

    A figure gets a picture; controls, which live in a kernel, leave the line that says so; the project's folder loses its
    place on this machine.
    """
    root = str(paths.root())
    output.get("data", {}).pop(_WIDGET, None)
    if _PLOTLY in output.get("data", {}) and "image/png" not in output["data"]:
        drawn = {name: part for name, part in output["data"][_PLOTLY].items() if name != "config"}
        output["data"]["image/png"] = base64.b64encode(_in_few_colours(picture(go.Figure(drawn)))).decode()
    if "text" in output:
        output["text"] = output["text"].replace(root + os.sep, "")
    for kind in ("text/plain", "text/html"):
        if kind in output.get("data", {}):
            output["data"][kind] = output["data"][kind].replace(root + os.sep, "")
    return output


def _in_few_colours(png: bytes) -> bytes:
    """A picture of a figure in 256 colours, which nobody can tell from it: about a quarter of the bytes."""
    from PIL import Image

    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
