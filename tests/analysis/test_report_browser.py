"""A report in a browser: nothing fails, nothing is asked for, charts answer, every screen fits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evsim.recording.reader import open_run
from tests.helpers import tiny
from tests.helpers.reports import LARGE, html, make

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
EMPTY = {"width": 0, "height": 0, "x": 0, "y": 0}


@dataclass
class Tab:
    """A page in the browser, and all that it complained about or asked for."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def box(self, selector: str) -> dict[str, float]:
        return self.page.locator(selector).first.bounding_box() or EMPTY

    def range(self, figure: str) -> tuple[float, float]:
        data = self.page.locator(figure).first.evaluate("one => ({...one.dataset})")
        return float(data["low"]), float(data["high"])

    def drag(self, selector: str, begin: float, end: float) -> None:
        """Drag along the middle of an element, from one share of its width to another."""
        self.page.locator(selector).first.scroll_into_view_if_needed()
        box = self.box(selector)
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + begin * box["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end * box["width"], y, steps=3)
        self.page.mouse.up()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install 'evsim[browser]'"
    )
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of one run, of two, and of one with many spikes; and the first run's folder."""
    root = tmp_path_factory.mktemp("pages")
    tiny.write(root)
    one, other = make(root), make(root, overrides=["seed=4"])
    large = make(root, "large", layout=LARGE, activity=0.8)
    found = {"run": one}
    for name, runs in {"one": [one], "two": [one, other], "large": [large]}.items():
        found[name] = root / f"{name}.html"
        found[name].write_text(html(*runs), encoding="utf-8")
    return found


@pytest.fixture
def visit(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    contexts = []

    def open_page(name: str, size: dict[str, int] = DESKTOP, scheme: str = "light") -> Tab:
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on("console", lambda message: tab.messages.append(message.text))
        tab.page.on("pageerror", lambda error: tab.messages.append(str(error)))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(pages[name].as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", ["one", "two"])
def test_nothing_fails_and_nothing_is_asked_for(
    visit: Any, pages: dict[str, Path], name: str
) -> None:
    tab = visit(name)
    assert tab.messages == []
    asked = [url for url in tab.requests if not url.startswith("data:")]
    assert asked == [pages[name].as_uri()]
    for selector in ("figure.chart canvas", "figure.raster canvas", "figure.pictures canvas"):
        canvases = tab.page.locator(selector)
        assert canvases.count()
        inked = canvases.evaluate_all(
            "all => all.map(one => new Set(new Uint32Array(one.getContext('2d')"
            ".getImageData(0, 0, one.width, one.height).data.buffer)).size)"
        )
        assert min(inked) > 1, f"{selector}: nothing is drawn"


@pytest.mark.parametrize("figure", ["figure.raster", "figure.chart"])
def test_dragging_zooms_and_a_double_click_shows_all(visit: Any, figure: str) -> None:
    tab = visit("one")
    whole = tab.range(figure)
    tab.drag(f"{figure} canvas", 0.4, 0.7)
    low, high = tab.range(figure)
    assert whole[0] < low < high < whole[1]
    assert (high - low) / (whole[1] - whole[0]) == pytest.approx(0.33, abs=0.05)
    assert tab.page.locator(f"{figure} .range").first.is_visible(), "says what is shown"
    tab.page.locator(f"{figure} canvas").first.dblclick()
    assert tab.range(figure) == whole


def test_two_fingers_stretch_the_axis_and_what_they_hold_stays_below_them(visit: Any) -> None:
    tab = visit("one", PHONE)
    canvas = tab.page.locator("figure.raster canvas").first
    canvas.scroll_into_view_if_needed()
    box = tab.box("figure.raster canvas")
    session = tab.page.context.new_cdp_session(tab.page)

    def touch(kind: str, *shares: float) -> None:
        y = box["y"] + box["height"] / 2
        points = [
            {"x": box["x"] + share * box["width"], "y": y, "id": number}
            for number, share in enumerate(shares)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    begin, end = tab.range("figure.raster")
    touch("touchStart", 0.45)
    touch("touchStart", 0.45, 0.65)
    touch("touchMove", 0.4, 0.7)
    touch("touchMove", 0.35, 0.75)
    touch("touchEnd")
    low, high = tab.range("figure.raster")
    assert (high - low) / (end - begin) == pytest.approx(0.5, abs=0.01)
    assert begin < low < high < end
    assert tab.page.locator("figure.raster .brush").first.is_hidden()
    touch("touchStart", 0.35)
    touch("touchStart", 0.35, 0.75)
    touch("touchMove", 0.45, 0.65)
    touch("touchEnd")
    assert tab.range("figure.raster") == pytest.approx((begin, end), abs=0.02 * (end - begin))
    assert tab.messages == []


def test_keys_and_buttons_zoom_and_move(visit: Any) -> None:
    tab = visit("one")
    whole = tab.range("figure.raster")
    assert whole == (0, 40)
    tab.page.locator("figure.raster canvas").focus()
    tab.page.keyboard.press("+")
    assert tab.range("figure.raster") == (10, 30)
    tab.page.keyboard.press("ArrowRight")
    assert tab.range("figure.raster") == (15, 35)
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowRight")
    assert tab.range("figure.raster") == (20, 40), "the end is the end"
    tab.page.get_by_role("button", name="Earlier").click()
    assert tab.range("figure.raster") == (15, 35)
    tab.page.locator("figure.raster").get_by_role("button", name="Show all").click()
    assert tab.range("figure.raster") == whole


def test_pointing_at_a_spike_names_one_of_the_recording(visit: Any, pages: dict[str, Path]) -> None:
    tab = visit("one")
    tab.page.locator("figure.raster").scroll_into_view_if_needed()
    box, tip = tab.box("figure.raster canvas"), tab.page.locator("figure.raster .tip")
    assert tip.is_hidden()
    named = set()
    for n, share in enumerate(np.linspace(0.1, 0.9, 40)):
        tab.page.mouse.move(box["x"] + share * box["width"], box["y"] + 60 + 10 * (n % 6))
        if tip.is_visible():
            named.add(tip.inner_text())
    assert len(named) > 3
    title = tab.page.locator("[data-choose=trial] option").first.inner_text()
    row = int(title.split()[1].rstrip(":"))
    with open_run(pages["run"]) as run:
        trains = run.spikes("hidden", row)
        step, neuron = trains.step, trains.neuron
        spikes, phases = set(zip(step.tolist(), neuron.tolist(), strict=True)), run.phases(row)
    form = (
        r"hidden, neuron (\d+)\s+channel (\d), row (\d), column (\d)\s+step (\d+), (\d+) ms, (\w+)"
    )
    for text in named:
        who, *place, when, time, phase = re.fullmatch(form, text).groups()
        assert (int(when), int(who)) in spikes
        assert tuple(map(int, place)) == np.unravel_index(int(who), (2, 2, 2))
        assert time == when, "steps of 1 ms"
        assert phases[phase][0] <= int(when) < phases[phase][1]
    tab.page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_pointing_at_a_chart_shows_the_values_of_its_lines(visit: Any) -> None:
    tab = visit("one")
    chart = tab.page.locator("figure.chart").filter(has_text="Error").first
    chart.locator("canvas").hover()
    assert (
        "test: 50" in chart.locator(".tip").inner_text()
        or "test: 25" in chart.locator(".tip").inner_text()
    )
    chart.get_by_role("button", name="train").click()
    assert chart.get_by_role("button", name="train").get_attribute("aria-pressed") == "false"
    chart.locator("canvas").hover()
    assert "train" not in chart.locator(".tip").inner_text()


def test_trials_and_populations_can_be_chosen(visit: Any) -> None:
    tab = visit("one")
    picture = "document.querySelector('figure.raster canvas').toDataURL()"
    seen = {tab.page.evaluate(picture)}
    trials = tab.page.locator("[data-choose=trial] option").count()
    assert trials == 4
    for number in range(1, trials):
        tab.page.select_option("[data-choose=trial]", str(number))
        seen.add(tab.page.evaluate(picture))
    tab.page.select_option("[data-choose=population]", label="digit")
    seen.add(tab.page.evaluate(picture))
    assert len(seen) == trials + 1
    assert tab.messages == []


def test_a_large_raster_can_be_looked_into(visit: Any) -> None:
    tab = visit("large")
    tab.drag("figure.raster canvas", 0.5, 0.52)
    low, high = tab.range("figure.raster")
    assert high - low <= 2
    assert tab.messages == []


def test_the_scheme_of_the_system_counts(visit: Any) -> None:
    tab = visit("one", scheme="light")
    look = (
        "() => [getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number),"
        " document.querySelector('figure.chart canvas').toDataURL()]"
    )
    light, light_chart = tab.page.evaluate(look)
    tab.page.emulate_media(color_scheme="dark")
    tab.page.wait_for_timeout(100)
    dark, dark_chart = tab.page.evaluate(look)
    assert min(light) > 200 and max(dark) < 60
    assert light_chart != dark_chart, "charts are drawn anew"


@pytest.mark.parametrize("name", ["one", "two"])
def test_nothing_overflows_a_phone(visit: Any, name: str) -> None:
    tab = visit(name, PHONE)
    wide = tab.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= PHONE["width"]
    # Tables and texts that are wider may be scrolled in their own boxes.
    beyond = tab.page.evaluate(
        "[...document.querySelectorAll('main *')].filter(one => !one.closest('.table, pre, .tip')"
        " && one.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map(one => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_runs_stand_side_by_side_where_there_is_room(visit: Any) -> None:
    tab = visit("two")
    boxes = "one => one.getBoundingClientRect().toJSON()"
    for group in tab.page.locator(".columns").all():
        columns = [column.evaluate(boxes) for column in group.locator(".column").all()]
        assert len(columns) == 2
        assert columns[0]["top"] == columns[1]["top"]
        assert columns[0]["right"] <= columns[1]["left"]
    tab.page.set_viewport_size(PHONE)
    one, other = (column.evaluate(boxes) for column in tab.page.locator(".column").all()[:2])
    assert one["bottom"] <= other["top"]


def test_charts_are_printed_in_dark_ink(visit: Any) -> None:
    tab = visit("one", scheme="dark")
    picture = "document.querySelector('figure.chart canvas').toDataURL()"
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = tab.page.evaluate(picture)
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    shown = tab.page.evaluate(picture)
    tab.page.emulate_media(color_scheme="light")
    tab.page.wait_for_timeout(100)
    assert printed == tab.page.evaluate(picture) != shown


def test_ticks_are_round_and_inside(visit: Any) -> None:
    tab = visit("one")
    found = tab.page.evaluate(
        "() => [[0, 1], [0, 100], [-3.3, 7.1], [1e-5, 2e-5], [99.5, 100.5], [0, 5e6]].map(range =>"
        " ({range, ticks: new Scale(range, 0, 300).ticks(5)}))"
    )
    for one in found:
        low, high = one["range"]
        values = [tick["value"] for tick in one["ticks"]]
        assert 3 <= len(values) <= 8
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
        assert len({tick["text"] for tick in one["ticks"]}) == len(values), "no two read the same"
        texts = [t["text"].replace(",", "").replace("−", "-") for t in one["ticks"]]
        assert [float(text) for text in texts] == pytest.approx(values, rel=1e-3)
