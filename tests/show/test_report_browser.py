"""The report in a browser: its tables sort, its figures are drawn, hostile texts do nothing, and nothing is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from test_results import made_task

from kit.compare.results import Results
from kit.evaluate.evaluator import evaluate_embeddings
from kit.show import report
from kit.train.history import History

pytestmark = pytest.mark.browser

LANGUAGES = "ar de el en fr ru"  # 36 pairs: enough for a filter
HOSTILE = (
    '<script>window.hacked = "script"</script>',
    '"><img src=x onerror="window.hacked = 1; alert(1)"><b onclick=alert(1)>bold',
    "\u202eright to left | {{7*7}} </script><script>alert(1)</script>",
    "<a href='javascript:alert(1)'>link</a><br>`code`",
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """A report in which every text is hostile, on models that differ by language pair."""
    task = made_task(LANGUAGES, HOSTILE[0], n_groups=3)
    random = np.random.default_rng(0)
    candidates = np.eye(len(task.candidates), dtype=np.float32)
    results = Results(
        {
            name: [evaluate_embeddings(random.normal(size=candidates.shape).astype(np.float32), candidates, task, name)]
            for name in HOSTILE
        }
    )
    told = report.about(
        "audit",
        HOSTILE[1],
        results,
        task,
        command=HOSTILE[2],
        settings=dict.fromkeys(HOSTILE, HOSTILE[0]),
        checksums={HOSTILE[1]: HOSTILE[2]},
        overlaps=HOSTILE,
        models={name: dict.fromkeys(HOSTILE, name) for name in HOSTILE},
    )
    return report.write_run(told, results, folder=tmp_path_factory.mktemp("browser") / "audit") / "index.html"


@dataclass
class Opened:
    """The report in a window, and what went wrong or was asked for in it."""

    page: object
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def cells(self, table: str, column: int) -> list[str]:
        """Texts of a column of the table's body, from top to bottom."""
        return self.page.locator(f"#{table} tbody tr > :nth-child({column})").all_inner_texts()

    def head(self, table: str, name: str):
        return self.page.locator(f"#{table} thead button", has_text=name).first

    def draw_all(self) -> None:
        """Scroll past every figure, so that it is drawn."""
        for plot in self.page.locator(".plot").all():
            plot.scroll_into_view_if_needed()
            plot.locator(".main-svg").first.wait_for(state="attached", timeout=10_000)


@pytest.fixture(scope="module")
def open_page(browser, page_file) -> Callable[..., Opened]:
    """Opens the report in a window of a size and colour scheme."""

    def opened(width: int = 1200, scheme: str = "light", **options) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        page = context.new_page()
        found = Opened(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        page.on("console", lambda message: found.complaints.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(page_file.as_uri())
        return found

    return opened  # the browser closes what is open


@pytest.fixture(scope="module")
def tables(open_page) -> Opened:
    """A window for tests of tables, each of a table or column of its own."""
    return open_page()


@pytest.fixture(scope="module")
def drawn(open_page) -> Opened:
    """A narrow window in which every figure was drawn and pointed at."""
    opened = open_page(900)
    opened.draw_all()
    for plot in opened.page.locator(".plot").all():  # labels that appear under the pointer hold names too
        plot.hover(force=True)
    opened.page.wait_for_timeout(200)
    return opened


def _numbers(texts: list[str]) -> list[float]:
    return [float(text.split("\n")[0].replace(",", "")) for text in texts]


def _soon(page, condition: str) -> None:
    """Wait until it holds. Playwright's own `wait_for_function` evaluates in the page, which the page's policy forbids."""
    until = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(50)


class TestTables:
    def test_numbers_sort_by_click(self, tables):
        head = tables.head("by-pair", "mAP")
        before = _numbers(tables.cells("by-pair", 4))
        head.click()
        assert _numbers(tables.cells("by-pair", 4)) == sorted(before, reverse=True) != before
        head.click()
        assert _numbers(tables.cells("by-pair", 4)) == sorted(before)

    def test_numbers_sort_by_keyboard(self, tables):
        before = _numbers(tables.cells("headline", 4))
        tables.head("headline", "multi mAP").focus()
        tables.page.keyboard.press("Enter")
        assert _numbers(tables.cells("headline", 4)) == sorted(before, reverse=True)
        tables.page.keyboard.press("Space")
        assert _numbers(tables.cells("headline", 4)) == sorted(before)

    def test_the_order_is_told_to_screen_readers(self, tables):
        heads = tables.page.locator("#by-language thead th")
        assert {head.get_attribute("aria-sort") for head in heads.all()} == {"none"}
        for name in ("multi mAP", "mono mAP", "mono mAP"):
            tables.head("by-language", name).click()
        told = {head.inner_text(): head.get_attribute("aria-sort") for head in heads.all()}
        assert told.pop("mono mAP") == "ascending" and set(told.values()) == {"none"}

    def test_languages_sort_by_name(self, tables):
        tables.head("by-language", "query language").click()
        names = list(
            dict.fromkeys(text.split()[0] for text in tables.page.locator("#by-language tbody th bdi").all_inner_texts())
        )
        assert names == ["Arabic", "English", "French", "German", "Greek", "Russian"]

    def test_numbers_sort_as_numbers_and_missing_ones_last(self, tables):
        tables.page.evaluate("""() => {
            const cells = document.querySelectorAll("#pool tbody tr > :nth-child(2)");
            ["10", "9", undefined, "-1", "100", "0.5"].forEach((value, place) => {
                cells[place].textContent = value ?? "–";
                if (value === undefined) delete cells[place].dataset.value; else cells[place].dataset.value = value;
            });
        }""")
        tables.head("pool", "candidates").click()
        assert tables.cells("pool", 2) == ["100", "10", "9", "0.5", "-1", "–"]
        tables.head("pool", "candidates").click()
        assert tables.cells("pool", 2) == ["-1", "0.5", "9", "10", "100", "–"]

    def test_the_foot_stays_below(self, tables):
        tables.head("bias-panel", "rank distance").click()
        foot = tables.page.locator("#bias-panel tfoot th").all_inner_texts()
        assert foot == ["random ranking", "direction", "queries left out"]

    def test_pairs_are_filtered(self, tables):
        box = tables.page.locator("#by-pair-filter")
        box.fill("greek FRENCH")
        shown = tables.page.locator("#by-pair tbody tr:visible")
        pairs = [row.locator("bdi").all_inner_texts()[:2] for row in shown.all()]
        assert sorted(pairs) == [["French", "Greek"], ["Greek", "French"]]
        assert tables.page.locator("output").last.inner_text() == "2 of 36 rows"
        box.fill("")
        assert shown.count() == 36

    def test_small_tables_have_no_filter(self, tables):
        assert tables.page.locator("#headline-filter").count() == 0

    def test_the_head_of_a_long_table_stays_in_sight(self, tables):
        box = tables.page.locator(".box:has(#by-pair)")
        box.evaluate("box => { box.scrollTop = 300; }")
        head = tables.page.locator("#by-pair thead")
        assert abs(head.bounding_box()["y"] - box.bounding_box()["y"]) <= 1


class TestFigures:
    def test_a_hover_tells_the_numbers(self, open_page):
        opened = open_page()
        plot = opened.page.locator("[data-figure=pairs]")
        plot.scroll_into_view_if_needed()
        plot.locator(".nsewdrag").first.hover()
        hover = plot.locator(".hoverlayer .hovertext").first
        hover.wait_for()
        assert "query" in hover.text_content()

    def test_none_is_wider_than_its_place(self, drawn):
        for plot in drawn.page.locator(".plot").all():
            drawing = plot.locator(".main-svg").first.bounding_box()
            assert drawing["width"] <= plot.bounding_box()["width"] < 900, plot.get_attribute("data-figure")

    def test_those_far_away_wait_until_the_page_is_printed(self, open_page):
        opened = open_page()
        assert opened.page.locator(".plot .main-svg").count() < opened.page.locator(".plot").count()
        opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        _soon(opened.page, "document.querySelectorAll('.plot:not(:has(.main-svg))').length === 0")


class TestSafety:
    def test_hostile_texts_do_nothing(self, drawn):
        assert drawn.page.evaluate("window.hacked") is None
        made = drawn.page.locator("img, [onclick], [onerror], a[href^=javascript], .plot a[*|href]:not(.modebar-btn)")
        assert (made.count(), drawn.complaints) == (0, [])

    def test_they_are_shown(self, drawn):
        names = drawn.page.locator("#headline tbody th bdi").all_text_contents()
        assert names == [text.replace("\u202e", "⟨U+202E⟩") for text in HOSTILE]

    def test_asks_for_nothing_but_itself(self, drawn, page_file):
        assert drawn.requests == [page_file.as_uri()]

    def test_the_policy_stops_a_foreign_script(self, open_page):
        opened = open_page()
        opened.page.evaluate("""() => {
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
        }""")
        assert opened.page.evaluate("window.hacked") is None and len(opened.complaints) == 1

    def test_without_javascript_the_tables_and_captions_are_there(self, open_page):
        opened = open_page(java_script_enabled=False)
        assert len(opened.page.locator("#headline tbody tr").all_inner_texts()) == len(HOSTILE)
        assert opened.page.locator("figcaption").first.is_visible() and opened.page.locator("noscript").is_visible()


class TestFilm:
    """The one figure that moves."""

    @pytest.fixture(scope="module")
    @staticmethod
    def page(browser, tmp_path_factory):
        task = made_task("de en")
        vectors = np.eye(len(task.candidates), dtype=np.float32)
        results = Results({"X-Y": [evaluate_embeddings(vectors, vectors, task, "X-Y")]})
        scores = {"mono": 0.5, "cross": 0.5, "multi": 0.5, "distance": 2.0}
        steps = [
            (update, scores | {"median rank de": rank, "median rank en": 1.0}) for update, rank in ((10, 9.0), (20, 2.0))
        ]
        told = report.about("training", "run", results, task, command="x", settings={}, checksums={})
        folder = tmp_path_factory.mktemp("film") / "run"
        report.write_run(told, results, histories={("X-Y", 0): History([], steps)}, folder=folder)
        page = browser.new_page()
        page.goto((folder / "index.html").as_uri())
        page.locator('[data-figure="film"]').scroll_into_view_if_needed()
        page.locator('[data-figure="film"] .slider-container').wait_for()
        return page

    def test_it_opens_on_the_last_update_and_the_slider_goes_back(self, page):
        ranks = "document.querySelector('[data-figure=film]').data[1].x"
        assert sorted(page.evaluate(ranks)) == [1, 2]
        page.locator('[data-figure="film"] .slider-label', has_text="10").click(force=True)
        _soon(page, f"{ranks}.includes(9)")


class TestLook:
    def test_the_page_does_not_scroll_sideways(self, drawn):
        assert drawn.page.evaluate("document.documentElement.scrollWidth") <= 900
        drawn.page.set_viewport_size({"width": 1600, "height": 900})
        assert drawn.page.evaluate("document.documentElement.scrollWidth") <= 1600

    @pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 20, 20)")])
    def test_colours(self, open_page, scheme, ground):
        page = open_page(scheme=scheme).page
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        read = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
        for text in ("--text", "--quiet", "--accent"):
            for below in ("--page", "--soft"):
                assert _contrast(page.evaluate(read, text), page.evaluate(read, below)) >= 4.5, text  # WCAG 2, level AA

    def test_at_night_figures_are_dark_and_on_paper_they_are_not(self, open_page):
        page = open_page(scheme="dark").page
        page.locator("[data-figure=differences]").scroll_into_view_if_needed()
        ground = "getComputedStyle(document.querySelector('[data-figure=settings] .main-svg')).backgroundColor"
        _soon(page, f"document.querySelector('[data-figure=settings] .main-svg') && {ground} === 'rgb(20, 20, 20)'")
        text = "getComputedStyle(document.querySelector('[data-figure=settings] .gtitle')).fill"
        assert page.evaluate(text) == "rgb(228, 232, 236)"
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        _soon(page, f"{ground} === 'rgb(255, 255, 255)'")
        zooms = "Array.from(document.querySelectorAll('.plot'), one => Number(one.style.zoom))"
        assert all(0.5 < zoom < 0.7 for zoom in page.evaluate(zooms))  # 1,100 pixels as wide as A4 between its margins
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        _soon(page, f"{ground} === 'rgb(20, 20, 20)'")
        assert set(page.evaluate(zooms)) == {0}

    def test_on_a_phone_the_first_column_stays_and_titles_have_room(self, open_page):
        page = open_page(400).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        box = page.locator(".box:has(#by-pair)")
        box.evaluate("box => { box.scrollLeft = 200; }")
        first = page.locator("#by-pair tbody th").first.bounding_box()
        assert abs(first["x"] - box.bounding_box()["x"]) <= 1 and first["width"] < 160
        page.locator("[data-figure=panel]").scroll_into_view_if_needed()
        heads = page.locator("[data-figure=panel] .annotation-text")
        heads.nth(6).wait_for()
        places = [head.bounding_box() for head in heads.all()]
        for number, one in enumerate(places):
            for two in places[:number]:
                beside = two["x"] + two["width"] <= one["x"] or one["x"] + one["width"] <= two["x"]
                assert beside or two["y"] + two["height"] <= one["y"], (one, two)

    def test_keyboard_focus_is_visible(self, tables):
        tables.page.keyboard.press("Tab")
        assert tables.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def _contrast(one: str, other: str) -> float:
    """Contrast of two colours #rrggbb: (lighter + 0.05) / (darker + 0.05) of their relative luminances."""
    lower, upper = sorted(_luminance(colour.strip()) for colour in (one, other))
    return (upper + 0.05) / (lower + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))
