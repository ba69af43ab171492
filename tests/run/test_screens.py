"""Pictures for those who look before they run: the report of ``make run`` in four shapes, and the page without Jupyter.

``make screenshots`` stores them in ``reports/screens``. That they look well is for people to say.
"""

from __future__ import annotations

import io
import os

import pytest
from test_app import PROJECT, serve

RUN = PROJECT / "reports" / "cpu" / "index.html"
SCREENS = PROJECT / "reports" / "screens"
SHAPES = {
    "report": {"viewport": {"width": 1200, "height": 1500}},
    "report-dark": {"viewport": {"width": 1200, "height": 1500}, "color_scheme": "dark"},
    "report-phone": {"viewport": {"width": 400, "height": 1100}},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("KIT_SCREENSHOTS" not in os.environ, reason="pictures are stored by make screenshots"),
]


def keep(png: bytes, name: str) -> None:
    """Two thirds as wide, in few colours: small enough to keep."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.LANCZOS)
    picture.quantize(256, dither=Image.Dither.NONE).save(SCREENS / f"{name}.png", optimize=True)


@pytest.mark.parametrize("name", SHAPES)
def test_the_report(browser, name):
    page = browser.new_page(**SHAPES[name])
    page.goto(RUN.as_uri())
    if name.endswith("phone"):  # a table, and the first figure, which is drawn when it comes in sight
        page.locator(".plot").first.evaluate("plot => scrollTo(0, plot.getBoundingClientRect().top - 550)")
    page.locator(".plot .main-svg").first.wait_for(state="attached")
    page.wait_for_timeout(1000)
    keep(page.screenshot(), name)
    page.close()


def test_the_report_on_paper(browser):
    pdfium = pytest.importorskip("pypdfium2", reason="nothing draws a page of a PDF: pip install pypdfium2")
    page = browser.new_page(viewport={"width": 1200, "height": 1500})
    page.goto(RUN.as_uri())
    page.wait_for_timeout(1000)
    margin = dict.fromkeys(("top", "right", "bottom", "left"), "15mm")
    drawn = pdfium.PdfDocument(page.pdf(format="A4", margin=margin))[0].render(scale=2).to_pil()
    paper = io.BytesIO()
    drawn.save(paper, "PNG")
    keep(paper.getvalue(), "report-paper")
    page.close()


@pytest.mark.timeout(300)
def test_the_page_without_jupyter(browser):
    with serve(PROJECT) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 1500})
        page.goto(address, timeout=120_000)
        page.get_by_role("button", name="Audit").click(timeout=120_000)
        page.get_by_role("combobox", name="question", exact=True).wait_for(timeout=200_000)
        page.locator("svg text", has_text="rank distance").first.wait_for()
        page.wait_for_timeout(1000)
        keep(page.screenshot(), "app")
        page.close()
