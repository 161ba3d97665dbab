"""The HTML report in a real browser: filters, keyboard, themes, three widths, print. Skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from report.map_sample import MAPPED, crowd
from report.sample import EMPTY, NASTY, REVIEW, many
from roadworthy.report import render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("html")
    mapped = replace(REVIEW, map=crowd(150).map)
    for name, review in (
        ("sample", REVIEW),
        ("many", many(130)),
        ("empty", EMPTY),
        ("mapped", mapped),
        ("map", MAPPED),
    ):
        (folder / f"{name}.html").write_bytes(render(review, "html").encode())
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain, nor ask for anything but its own file."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    yield page
    assert complaints == []
    assert [url for url in requests if not url.startswith("file:")] == []
    page.close()


def shown(page: Page) -> int:
    return page.locator(".finding:visible").count()


@pytest.mark.parametrize("width", [360, 820, 1440])
@pytest.mark.parametrize("name", ["sample", "many", "empty", "mapped", "map"])
def test_nothing_is_wider_than_the_window(page: Page, pages: Path, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"file://{pages}/{name}.html")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    page.evaluate("document.querySelectorAll('.unfold').forEach(button => button.click())")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_filters(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/many.html")
    assert shown(page) == 130
    page.fill("#query", "handlers_3.py SEND_3()")
    assert shown(page) == 1
    assert page.inner_text("#shown") == "1 of 130 shown"
    page.keyboard.press("Escape")
    assert page.inner_text("#shown") == "All 130 shown"
    page.uncheck("input[value=HIGH]", force=True)
    page.uncheck("input[value=LOW]", force=True)
    assert page.locator(".finding:visible .badge:not(.medium)").count() == 0
    page.uncheck("input[value=durability]", force=True)
    assert page.locator("#durability .filtered").is_visible()
    page.click("button[type=reset]")
    page.select_option("#rule", index=1)
    assert 0 < shown(page) < 20
    page.click("button[type=reset]")
    page.click(".card:first-child .pick.low")
    page.wait_for_function("document.getElementById('shown').textContent.startsWith('15 ')")
    assert page.locator(".finding:visible:not([data-pillar=resilience])").count() == 0


def test_keyboard(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/many.html")
    for key in "jjjk":
        page.keyboard.press(key)
    focused = page.evaluate("document.activeElement.closest('.finding').id")
    assert focused == page.locator(".finding").nth(1).get_attribute("id")
    page.keyboard.press("Enter")
    assert page.locator(".finding").nth(1).locator(".body").is_visible()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("jk/")
    assert page.input_value("#query") == "jk/"
    assert shown(page) == 0


def test_open_all_and_close_all(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/many.html")
    page.fill("#query", "handlers_3.py")
    page.click("#fold")
    assert page.locator(".finding details[open]").count() == shown(page) == 10
    assert page.inner_text("#fold") == "Close all"
    page.click("#fold")
    assert page.locator(".finding details[open]").count() == 0


def test_a_link_opens_a_finding_even_when_it_is_filtered_away(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/many.html")
    page.fill("#query", "nothing matches this")
    page.click(".first a >> nth=0")
    page.wait_for_function("document.querySelectorAll('.finding details[open]').length === 1")
    assert page.locator(".finding details[open] .body").is_visible()
    page.goto(f"file://{pages}/sample.html#rule-call-without-timeout")
    assert page.locator("#rule-call-without-timeout .body").is_visible()


def test_themes(browser: Browser, pages: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"file://{pages}/sample.html")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    light = page.evaluate(background)
    assert (page.inner_text("#theme"), light != dark) == ("Theme: light", True)
    page.click("#theme")
    assert (page.inner_text("#theme"), page.evaluate(background)) == ("Theme: dark", dark)
    page.close()


def test_hostile_text_is_shown_as_text(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/sample.html")
    title = page.locator(".finding .title").nth(2).inner_text()
    assert "<script>alert(1)</script> & &lt;" in title
    assert "\x1b" in NASTY
    assert "\\x1b[31mred" in title
    assert page.locator("script").count() == 1
    assert page.locator("a[href^=http]").count() == 0


def test_without_scripts_everything_can_be_read(browser: Browser, pages: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{pages}/sample.html")
    assert page.locator("#filters").is_hidden()
    assert page.locator("#theme").is_hidden()
    page.locator(".finding summary").first.click()
    assert page.locator(".finding .chain").first.is_visible()
    context.close()


def test_print_opens_what_is_shown(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/sample.html")
    page.fill("#query", "billing")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".finding details[open]").count() == shown(page) == 1
    assert page.locator("#filters").is_hidden()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator(".finding details[open]").count() == 0


def entries(page: Page) -> list[str]:
    """Names of the entries of the map that are shown, in order."""
    return page.locator(".entry:visible").evaluate_all("all => all.map(entry => entry.dataset.name)")


def test_the_map_is_filtered_and_sorted(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/mapped.html")
    assert len(entries(page)) == 150
    page.select_option("#map-kind", "job")
    assert len(entries(page)) == 50
    page.fill("#map-query", "handlers_3.py PAYMENTINTENT")
    assert 0 < len(entries(page)) < 10
    assert page.inner_text("#map-shown").endswith("of 150 shown")
    page.keyboard.press("Escape")
    sync_api.expect(page.locator("#map-shown")).to_have_text("All 150 shown")
    page.check("#map-open")
    assert len(entries(page)) == 100
    page.uncheck("#map-open")
    head = page.locator("th:has(.sort[data-key=hanging])")
    before = entries(page)
    for order, first in (("descending", "entry_0"), ("ascending", "entry_1"), ("none", "entry_0")):
        page.click(".sort[data-key=hanging]")
        assert (head.get_attribute("aria-sort"), entries(page)[0]) == (order, first)
    assert entries(page) == before
    page.fill("#map-query", "nothing is called this")
    assert page.locator("#map .filtered").is_visible()
    assert shown(page) == 4  # the findings have filters of their own


def test_the_map_by_keyboard(page: Page, pages: Path) -> None:
    page.goto(f"file://{pages}/map.html")
    button = page.locator(".unfold").first
    assert (button.get_attribute("aria-expanded"), page.locator(".deeds").first.is_visible()) == ("false", False)
    button.focus()
    page.keyboard.press("Enter")
    assert (button.get_attribute("aria-expanded"), page.locator(".deeds").first.is_visible()) == ("true", True)
    page.locator(".sort").first.focus()
    page.keyboard.press("Space")
    assert page.locator("th[aria-sort=ascending]").count() == 1


def test_the_map_without_scripts_is_open(browser: Browser, pages: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{pages}/map.html")
    assert page.locator(".deeds").first.is_visible()
    assert page.locator("#map-filters").is_hidden()
    context.close()


@pytest.mark.parametrize("name", ["sample", "map"])
def test_every_control_has_a_name(page: Page, pages: Path, name: str) -> None:
    """The accessibility tree names each control, and text stands out from its ground (WCAG AA)."""
    page.goto(f"file://{pages}/{name}.html")
    page.evaluate("document.querySelectorAll('.unfold').forEach(button => button.click())")
    for role in ("button", "checkbox", "searchbox", "combobox", "link"):
        for control in page.get_by_role(role).all():
            named = control.evaluate(
                "e => e.ariaLabel || e.textContent.trim() || (e.labels && e.labels[0].textContent)"
            )
            assert named
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  document.querySelectorAll('details').forEach((details) => { details.open = true; });
  const poor = new Set();
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(':disabled') || e.tagName === 'SCRIPT') continue;
    const pair = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) poor.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""
