"""The page without Jupyter: its controls in this process, and the whole of it in Chromium, cut off from any network."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import ipywidgets
import pytest
from test_audits import PROJECT, made_task, save_encoder
from test_jupyterlab import free_port

from kit.run.app import page as module, serving
from kit.run.app.page import page
from kit.run.cli import commands
from kit.run.models.at_hand import AtHand


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with a task of 16 questions and two models."""
    home = tmp_path_factory.mktemp("home")
    (home / "notebooks").mkdir()
    made_task().write(home / "data" / "capitals")
    save_encoder(home / "models" / "one", seed=1)
    save_encoder(home / "models" / "two", seed=2)
    return home


@pytest.fixture
def home(project, monkeypatch) -> Path:
    monkeypatch.setenv("KIT_HOME", str(project))
    monkeypatch.chdir(project)
    return project


def controls(shown: ipywidgets.VBox) -> dict[str, ipywidgets.DOMWidget]:
    return {one.description: one for one in shown.children if getattr(one, "description", "")}


def audit(shown: ipywidgets.VBox, **values: object) -> tuple[str, list[ipywidgets.DOMWidget]]:
    """What the page says after the button, and what it shows."""
    for name, value in values.items():
        controls(shown)[name].value = value
    controls(shown)["Audit"].click()
    said, result = shown.children[-2:]
    return said.value, list(result.children)


class TestPage:
    def test_audits_a_model_and_the_next_one_beside_it(self, home):
        shown = page()
        said, (verdict, _, asking, _, bias) = audit(shown, model="models/one", task="jsonl:data/capitals", questions=0)
        assert said == "" and "One model on <b>capitals</b>: 16 queries against 16 candidates" in verdict.value
        assert 'href="voila/files/reports/app-capitals/index.html"' in verdict.value
        assert (home / "reports" / "app-capitals" / "index.html").is_file()
        assert asking.controls["first"].options == bias.controls["first"].options == ("one",)
        audit(shown, model="models/absent")  # takes nothing away
        _, (verdict, _, asking, _, _) = audit(shown, model="models/two")
        assert "2 models on" in verdict.value and asking.controls["first"].options == ("one", "two")
        assert (asking.controls["first"].value, asking.controls["second"].value) == ("two", "one")

    def test_says_what_it_cannot_do(self, home):
        shown = page()
        said, there = audit(shown, model="models/absent", task="jsonl:data/capitals")
        assert said.startswith("<p>encoder &#x27;models/absent&#x27; cannot be loaded") and there == []
        assert not controls(shown)["Audit"].disabled

    def test_starts_with_the_best_model_at_hand(self, home, monkeypatch):
        assert (controls(page())["model"].value, "python -m kit run 04" in page().children[-2].value) == ("", True)
        monkeypatch.setattr(module, "at_hand", lambda languages, train: [AtHand("best", "models/two"), AtHand("next", "x")])
        shown = page()
        assert (controls(shown)["model"].value, controls(shown)["model"].options) == ("best", ("best", "next"))
        _, (verdict, *_) = audit(shown, task="jsonl:data/capitals", questions=4)
        assert "<b>best</b>" in verdict.value


def test_without_voila_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    assert commands.main(["app"]) == 1
    assert "pip install -e '.[notebooks,app]'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def served(project) -> Iterator[str]:
    with serve(project) as address:
        yield address


@contextmanager
def serve(project: Path) -> Iterator[str]:
    """Address of the page, served as the command does."""
    if not find_spec("voila"):
        pytest.skip("Voilà is not installed: pip install -e '.[app]'")
    folder, port = project / "data" / "cache" / "page", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("w") as log:
        patch.setenv("KIT_HOME", str(project))
        words = [*serving.command(folder, port), "--no-browser"]
        paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        own = {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": paths}
        server = subprocess.Popen(words, env=serving.environment() | own, cwd=folder, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Voilà does not answer:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield f"http://localhost:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://localhost:{port}/voila/files/reports/none/index.html", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_model_is_audited_and_asked_in_a_browser_without_a_network(browser, served, project):
    window = browser.new_page(viewport={"width": 1200, "height": 1400})
    outside, complaints = [], []

    def here_only(route):
        if route.request.url.startswith((served, served.replace("http", "ws"), "data:", "blob:")):
            return route.continue_()
        outside.append(route.request.url)
        return route.abort()

    window.route("**/*", here_only)
    window.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    window.on("pageerror", lambda error: complaints.append(str(error)))
    window.goto(served, timeout=120_000)
    for name, value in (("model", "models/one"), ("task", "jsonl:data/capitals")):
        field = window.get_by_label(name, exact=True)
        field.fill(value, timeout=60_000)
        field.press("Tab")
    window.get_by_role("button", name="Audit").click()
    question = window.get_by_role("combobox", name="question", exact=True)
    question.fill("Where is Atlantis?", timeout=120_000)
    question.press("Enter")
    window.get_by_text("None of the 16 candidates holds “Atlantis”").wait_for()
    window.locator("svg text", has_text="rank distance").first.wait_for()  # plotly's figure is drawn, from Voilà's own files
    with window.context.expect_page() as opened:
        window.get_by_role("link", name="The whole report").click()
    assert "capitals" in opened.value.title()
    secret = window.request.get(f"{served}voila/files/reports/app-capitals/metrics.json")
    assert (secret.status, json.loads((project / "reports/app-capitals/metrics.json").read_text())["about"]["kind"]) == (
        403,
        "audit",
    )
    assert (outside, complaints) == ([], [])
    window.close()
