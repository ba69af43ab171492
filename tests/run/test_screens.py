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
    "report-paper": {"viewport": {"width": 794, "height": 1123}},  # A4
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
    picture.quantize(64, dither=Image.Dither.NONE).save(SCREENS / f"{name}.png", optimize=True)


@pytest.mark.parametrize("name", SHAPES)
def test_the_report(browser, name):
    page = browser.new_page(**SHAPES[name])
    page.goto(RUN.as_uri())
    if name.endswith("paper"):
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.locator(".plot .main-svg").first.wait_for(state="attached")
    page.wait_for_timeout(1000)
    keep(page.screenshot(), name)
    page.close()


@pytest.mark.timeout(300)
def test_the_page_without_jupyter(browser):
    with serve(PROJECT) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 1500})
        page.goto(address, timeout=120_000)
        page.get_by_role("button", name="Audit").click(timeout=120_000)
        question = page.get_by_role("combobox", name="question", exact=True)
        question.fill("Which currency is in use in Barbados?", timeout=200_000)
        question.press("Enter")
        page.locator("svg text", has_text="rank distance").first.wait_for()
        page.wait_for_timeout(1000)
        keep(page.screenshot(), "app")
        page.close()
