"""What the notebooks say is what their stored outputs show: numbers stand in an output, and sentences hold in the run.

And they can be read where they are read: solutions fold, lines fit, explorers say where to look, files stay small.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

HERE = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((HERE / "notebooks").glob("[0-9]*.ipynb"))

OF_OTHERS = {
    "00": {"22,303"},  # notebook 04 prints it
    "03": {"5,000"},  # candidates of the validation task
    "04": {"1,000"},  # updates of profile cpu
    "05": {"1,200", "1,600"},  # rounded bounds, which a sentence is held against
    "12": {"1,000"},  # a rounded bound
    "07": {"3,975", "4,152", "1,536", "1,491"},  # profile domains-real
}
"""Numbers in a notebook's prose that are of no output of it."""

KEPT = {"06": ("ratio-e5",), "10": ("pretrained-e5", "pretrained-e5-back")}
"""Kept runs whose numbers a notebook tells."""


@cache
def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def outputs(path: Path) -> list[dict]:
    return [output for cell in cells(path) for output in cell.get("outputs", ())]


def numbers_of(value: object) -> list[float]:
    """Numbers anywhere in what was stored, those in texts and in plotly's encoded arrays, too."""
    if isinstance(value, dict):
        if {"dtype", "bdata"} <= set(value):
            return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).astype(float).tolist()
        return [number for one in value.values() for number in numbers_of(one)]
    if isinstance(value, list):
        return [number for one in value for number in numbers_of(one)]
    if isinstance(value, str):
        return [float(text.replace(",", "")) for text in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", value)]
    return [abs(float(value))] if isinstance(value, (int, float)) else []


def told(path: Path) -> list[str]:
    """Numbers with decimals or with a comma in the prose; without solutions, code, formulas, links and arXiv's numbers."""
    text = "\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown")
    text = re.sub(r"<details>.*?</details>|```.*?```|\$.*?\$|`[^`]*`|\]\([^)]*\)|\d{4}\.\d{5}", "", text, flags=re.S)
    return re.findall(r"(?<![\d.,])\d+(?:,\d{3})*\.\d+|(?<![\d.,])\d{1,3}(?:,\d{3})+", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestTexts:
    def test_numbers_stand_in_an_output(self, path):
        texts = [output.get("text", "") for output in outputs(path)]
        data = [one for output in outputs(path) for kind, one in output.get("data", {}).items() if kind != "image/png"]
        kept = [HERE / "reports" / run / f"{path.stem[:2]}-tables.md" for run in KEPT.get(path.stem[:2], ())]
        tables = [table.read_text(encoding="utf-8") for table in kept]
        shown = np.array(numbers_of([["".join(text) for text in texts], data, tables]))
        lost = []
        for number in told(path):
            value, digits = float(number.replace(",", "")), len(number.partition(".")[2])
            if not (np.abs(shown - value) <= 0.5001 * 10**-digits).any():
                lost.append(number)
        assert set(lost) == OF_OTHERS.get(path.stem[:2], set())

    def test_what_is_said_holds(self, path):
        said = ["".join(output.get("text", "")) for output in outputs(path) if "things said above" in str(output)]
        assert said and all(re.fullmatch(r"(\d+) of \1 things said above hold in this run\n", text) for text in said)


class Folds(HTMLParser):
    """What is folded as a browser folds it: an element ends where one that holds it ends, whatever the text says later."""

    ALONE = frozenset(["area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"])

    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.folded: list[str] = []
        self.n_cut_short = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "details":
            assert "open" not in dict(attrs)
            self.folded.append("")
        if tag not in self.ALONE:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        if tag in self.opened:
            while (closed := self.opened.pop()) != tag:
                self.n_cut_short += closed == "details"

    def handle_data(self, data):
        if "details" in self.opened:
            self.folded[-1] += data


@pytest.fixture(scope="module")
def as_html():
    """A notebook as ``jupyter nbconvert --to html`` writes it, without outputs."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(exclude_output=True)
    return lambda path: exporter.from_filename(str(path))[0]


def solutions(path: Path) -> list[str]:
    """Source of each solution."""
    text = "\n".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown")
    return re.findall(r"<details><summary>Solution</summary>\n\n(.*?)</details>", text, re.S)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestWhereTheyAreRead:
    def test_solutions_fold_in_nbconvert(self, path, as_html):
        page = Folds(as_html(path))
        assert page.n_cut_short == 0 and len(page.folded) == len(solutions(path)) >= 2
        for text, source in zip(page.folded, solutions(path)):
            assert len(text) > len(source) / 2  # the whole of it, not the word "Solution" alone

    def test_solutions_fold_where_commonmark_is_read(self, path):
        # Code hosts, and JupyterLab.
        for cell in cells(path):
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown" and "<details>" in text:
                page = Folds(MarkdownIt().render(text))
                assert page.n_cut_short == 0 and all(len(one) > 80 for one in page.folded)

    def test_the_code_of_solutions_fits_a_window(self, path):
        code = [
            line for text in solutions(path) for part in re.findall(r"```.*?```", text, re.S) for line in part.splitlines()
        ]
        assert [line for line in code if len(line) > 110] == []

    def test_an_explorer_says_where_it_cannot_run_and_a_figure_follows(self, path):
        code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
        for cell, following in pairwise(code):
            if "_explorer(" in "".join(cell["source"]):
                (said,) = cell["outputs"]
                assert "".join(said["data"]["text/plain"]).startswith("[explorer: ") and list(said["data"]) == ["text/plain"]
                assert any({"image/png", "text/html"} & set(output["data"]) for output in following["outputs"])

    def test_is_small(self, path):
        assert path.stat().st_size < 1_500_000
