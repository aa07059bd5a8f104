"""Chromium as the pages' reader: what a page asks for, says, spills over its edges and does to those who cannot see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

NARROW, WIDE, HEIGHT = 390, 1440, 900
PAPER = 680  # the 180 mm between the margins of an A4 page, in CSS pixels
CHROMIUM = os.environ.get("QA_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

_AUDIT = """(skipped) => axe.run(document, {
    resultTypes: ["violations"],
    preload: false,
    rules: Object.fromEntries(skipped.map(rule => [rule, {enabled: false}])),
}).then(found => found.violations.flatMap(rule => rule.nodes.slice(0, 3).map(
    node => `${rule.id}: ${node.html.slice(0, 160)}: ${node.failureSummary}`)))"""
_WIDER_THAN_PAGE = """() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...document.body.querySelectorAll("*")].filter(
        element => element.getBoundingClientRect().right > root.clientWidth + 1
    ).slice(0, 5).map(element => element.outerHTML.slice(0, 160)).concat(`page of ${root.scrollWidth} px`);
}"""
_CUT_ON_PAPER = """() => [...document.querySelectorAll("table, img, svg, pre, th, td, caption")].filter(
    element => element.checkVisibility() && (element.getBoundingClientRect().right > innerWidth + 1
        || (!["inline", "block"].includes(getComputedStyle(element).display)
            && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0))
).slice(0, 5).map(element => element.outerHTML.slice(0, 160))"""
_UNLABELLED = """() => [
    ...document.querySelectorAll("th:not([scope]), img:not([alt]), table:not(:has(caption)):not([aria-labelledby])")
].filter(element => !(element.tagName === "TABLE" && element.closest("[role=region]"))).map(
    element => element.outerHTML.slice(0, 160))"""

_ENGLISH = """() => {
    const page = document.body.cloneNode(true);
    page.querySelectorAll("[lang=en], .source, style").forEach(element => element.remove());
    const alts = [...page.querySelectorAll("img")].map(image => image.alt);
    const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode.data);
    const run = /[A-Za-z][A-Za-z'’-]*(?:[ ,:;.]+[A-Za-z][A-Za-z'’-]*){2,}/;
    return texts.concat(alts).filter(words => run.test(words)).map(words => words.trim().slice(0, 160));
}"""


@dataclass
class Visit:
    """What one page did when it was opened at both widths, audited and printed."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    violations: dict[int, list[str]] = field(default_factory=dict)
    spilled: dict[int, list[str]] = field(default_factory=dict)
    cut_on_paper: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    alts: list[str] = field(default_factory=list)
    english: list[str] = field(default_factory=list)
    text: str = ""
    pdf: bytes = b""


class Reader:
    """Opens pages in a browser that is already running."""

    def __init__(self, browser: object) -> None:
        self._browser = browser
        self._axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

    def visit(self, file: Path, pictures: Path | None = None) -> Visit:
        """Reads the page wide, narrow (with its code shown both times) and on paper; keeps pictures if told where."""
        seen = Visit()
        context = self._browser.new_context(viewport={"width": WIDE, "height": HEIGHT})
        page = context.new_page()
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.console.append(message.text))
        page.on("pageerror", lambda error: seen.console.append(str(error)))
        page.goto(file.as_uri())
        seen.requests = [url for url in seen.requests if url != file.as_uri() and not url.startswith("data:")]
        seen.text = page.inner_text("body")
        seen.alts = page.eval_on_selector_all("img", "images => images.map(image => image.alt)")
        seen.unlabelled = page.evaluate(_UNLABELLED)
        seen.english = page.evaluate(_ENGLISH)
        page.evaluate(self._axe)
        self._show_code(page, True)
        self._read_at(page, WIDE, seen, skipped=[])
        self._read_at(page, NARROW, seen, skipped=["color-contrast"])  # no colour depends on the width
        self._show_code(page, False)
        if pictures is not None:
            self._keep_pictures(page, pictures / file.stem)
        self._print(page, seen)
        context.close()
        return seen

    def _read_at(self, page: object, width: int, seen: Visit, skipped: list[str]) -> None:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        seen.spilled[width] = page.evaluate(_WIDER_THAN_PAGE)
        seen.violations[width] = page.evaluate(_AUDIT, skipped)

    def _show_code(self, page: object, shown: bool) -> None:
        if page.locator("#show-code").count():
            page.set_checked("#show-code", shown)

    def _keep_pictures(self, page: object, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        for width in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.screenshot(path=f"{target}.{width}.jpg", full_page=True, type="jpeg", quality=70)

    def _print(self, page: object, seen: Visit) -> None:
        page.emulate_media(media="print")
        page.set_viewport_size({"width": PAPER, "height": HEIGHT})
        seen.cut_on_paper = page.evaluate(_CUT_ON_PAPER)
        seen.pdf = page.pdf(format="A4", prefer_css_page_size=True)


@contextmanager
def reader() -> Iterator[Reader]:
    """A reader with a Chromium of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--disable-background-networking"])
        yield Reader(browser)
        browser.close()
