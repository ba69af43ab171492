"""The explorers where people use them: JupyterLab in Chromium, with mouse and keyboard.

``KIT_SCREENSHOTS=1`` also stores the pictures of ``reports/screens`` (``make screenshots``).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit.core import paths

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TOKEN = "a-token-of-this-test"
SCREENS = Path(__file__).resolve().parents[2] / "reports" / "screens"
IDLE = """() => {
    const panel = jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter((cell) => cell.model.type === "code");
    return cells.every((cell) => cell.model.executionCount !== null && cell.model.executionState !== "running")
        && panel.sessionContext.session.kernel.status === "idle";
}"""
READY = """() => {
    const panel = window.jupyterapp && jupyterapp.shell.currentWidget;
    return panel && panel.context && panel.context.isReady && panel.sessionContext.session
        && panel.sessionContext.session.kernel && panel.sessionContext.session.kernel.status === "idle";
}"""
FAILED = """() => jupyterapp.shell.currentWidget.content.widgets.filter((cell) => cell.model.type === "code")
    .flatMap((cell) => cell.model.outputs.toJSON()).filter((output) => output.output_type === "error")
    .map((output) => `${output.ename}: ${output.evalue}`)"""
CELL_OF = """(call) => jupyterapp.shell.currentWidget.content.widgets.findIndex((cell) => cell.model.type === "code"
    && cell.model.sharedModel.source.split("\\n").some((line) => line.startsWith(call)))"""
TEXT_WITH = """(text) => jupyterapp.shell.currentWidget.content.widgets.findIndex((cell) => cell.model.type === "markdown"
    && cell.model.sharedModel.source.includes(text))"""
SHOW = "(index) => jupyterapp.shell.currentWidget.content.scrollToItem(index, 'start')"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """Address of a JupyterLab on this machine that serves copies of the notebooks; it reads nobody's settings."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for number in ("02", "05"):
        (source,) = paths.notebooks().glob(f"{number}_*.ipynb")
        shutil.copy(source, folder / "notebooks" / f"{number}.ipynb")
    news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # else it asks, in front of the notebook
    port = free_port()
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    own |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = {**os.environ, "KIT_HOME": str(paths.root()), **{name: str(folder / place) for name, place in own.items()}}
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder / "notebooks",
        "IdentityProvider.token": TOKEN,
        "LabApp.expose_app_in_browser": True,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *words],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, folder / "log")
        yield f"http://127.0.0.1:{port}/lab/tree"
    finally:
        server.terminate()
        server.wait(timeout=60)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text()[-2000:]}")


@dataclass
class Notebook:
    """A notebook in a window, and what the browser complained of."""

    page: object
    complaints: list[str] = field(default_factory=list)

    def cell(self, call: str):
        """The output of the cell that has a line which begins so, moved into the window."""
        index = self.page.evaluate(CELL_OF, call)
        assert index >= 0, f"no cell begins with {call}"
        self.page.evaluate(SHOW, index)
        cell = self.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
        cell.locator(".widget-vbox").first.wait_for(timeout=30_000)
        return cell

    def keep_picture(self, cell, name: str) -> None:
        if os.environ.get("KIT_SCREENSHOTS"):
            SCREENS.mkdir(exist_ok=True)
            cell.locator(".jp-OutputArea").first.screenshot(path=SCREENS / f"{name}.png")


def _opened(browser, lab: str, number: str) -> Iterator[Notebook]:
    page = browser.new_page(viewport={"width": 1500, "height": 1600})
    notebook = Notebook(page)
    page.on("console", lambda message: message.type == "error" and notebook.complaints.append(message.text))
    page.on("pageerror", lambda error: notebook.complaints.append(str(error)))
    page.goto(f"{lab}/{number}.ipynb?token={TOKEN}&reset")
    page.wait_for_function(READY, timeout=90_000)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(IDLE, timeout=400_000)
    assert page.evaluate(FAILED) == []
    yield notebook
    page.close()


@pytest.fixture(scope="module")
def batches(browser, lab) -> Iterator[Notebook]:
    """Notebook 02, run from its first to its last cell."""
    yield from _opened(browser, lab, "02")


@pytest.fixture(scope="module")
def bias(browser, lab) -> Iterator[Notebook]:
    """Notebook 05, run from its first to its last cell."""
    yield from _opened(browser, lab, "05")


def _until_it_says(cell, text: str) -> None:
    """Wait for a text in a figure or above a list; the choices of a drop-down do not count."""
    cell.locator(":is(text, p)", has_text=text).first.wait_for(timeout=20_000)


def test_a_slider_moves_alpha(batches):
    cell = batches.cell("widgets.batch_explorer(")
    _until_it_says(cell, "Hybrid(0.5)")
    batches.keep_picture(cell, "batch-explorer")
    cell.get_by_role("slider").focus()
    batches.page.keyboard.press("ArrowRight")
    _until_it_says(cell, "Hybrid(0.55)")
    batches.page.keyboard.press("Home")
    _until_it_says(cell, "Hybrid(0)")


def test_a_drop_down_chooses_the_sampling(batches):
    cell = batches.cell("widgets.batch_explorer(")
    cell.get_by_role("combobox", name="sampling").select_option("X-Y")
    _until_it_says(cell, "X-Y")
    assert cell.locator(".noUi-target").get_attribute("disabled") is not None, "alpha means nothing here"


def test_any_question_can_be_typed(bias):
    cell = bias.cell("widgets.retrieval_explorer(")
    field = cell.get_by_role("combobox", name="question", exact=True)
    field.fill("Welche Währung hat Bhutan?")
    field.press("Enter")
    _until_it_says(cell, "Welche Währung hat Bhutan?")
    cell.locator("p", has_text="candidates hold “Bhutan”").wait_for(timeout=20_000)
    assert "Bhutan" in cell.locator("table:has(caption:has-text('What holds the name')) tbody tr").first.inner_text()


def test_arabic_is_written_from_right_to_left(bias):
    cell = bias.cell("widgets.retrieval_explorer(")
    cell.get_by_role("combobox", name="questions in").select_option("Arabic (ar)")
    cell.locator("p[dir=auto]", has_text="؟").first.wait_for(timeout=20_000)
    direction = "(element) => getComputedStyle(element).direction"
    assert cell.locator("p[dir=auto]").first.evaluate(direction) == "rtl"
    field = cell.get_by_role("combobox", name="question", exact=True)
    assert field.evaluate("(element) => getComputedStyle(element).unicodeBidi") == "plaintext"
    bias.keep_picture(cell, "retrieval-explorer")


def test_the_bias_explorer_follows_the_keyboard(bias):
    cell = bias.cell("widgets.bias_explorer(")
    _until_it_says(cell, "Arabic asks: rank distance")
    language = cell.get_by_role("combobox", name="asked in")
    language.focus()
    bias.page.keyboard.press("ArrowDown")
    _until_it_says(cell, "German asks: rank distance")
    cell.get_by_role("combobox", name="measure").select_option("own language first")
    _until_it_says(cell, "German asks: own language first")
    cell.get_by_role("slider").focus()
    bias.page.keyboard.press("ArrowRight")
    _until_it_says(cell, "languages of the first 11 for German questions")
    bias.keep_picture(cell, "bias-explorer")


def test_the_embedding_explorer_shows_another_model(bias):
    cell = bias.cell("widgets.embedding_explorer(")
    _until_it_says(cell, "Hybrid: the versions of 12 answers")
    bias.keep_picture(cell, "embedding-explorer")
    cell.get_by_role("combobox", name="model").select_option("X-X-mono")
    _until_it_says(cell, "X-X-mono: the versions of 12 answers")


def test_a_solution_is_folded_until_it_is_asked_for(batches):
    index = batches.page.evaluate(TEXT_WITH, "<details>")
    batches.page.evaluate(SHOW, index)
    cell = batches.page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
    solution = cell.locator("details").first
    solution.wait_for(timeout=30_000)
    inside = solution.locator("p").first
    assert solution.locator("summary").inner_text() == "Solution" and not inside.is_visible()
    solution.locator("summary").click()
    inside.wait_for(state="visible", timeout=10_000)


@pytest.mark.parametrize("notebook", ["batches", "bias"])
def test_the_console_holds_no_error(notebook, request):
    """Last, so that it has seen what the others did."""
    assert request.getfixturevalue(notebook).complaints == []
