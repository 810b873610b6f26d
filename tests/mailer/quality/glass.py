"""A browser for emails and pages. It loads what a test gives it, and nothing from anywhere else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from tests.mailer.quality.mails import BASE, Seen
from tests.processes.test_readers_walk import QUIET_BROWSER

PHONE, DESKTOP = 320, 1280
# The success criteria of WCAG 2.0 to 2.2, levels A and AA.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# What sticks out, and how far. What scrolls inside something else does not.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width)
    found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const inside = element => {
    for (let one = element.parentElement; one; one = one.parentElement)
      if (['auto', 'scroll'].includes(getComputedStyle(one).overflowX)) return true;
    return false;
  };
  for (const element of document.body.querySelectorAll('*')) {
    const box = element.getBoundingClientRect();
    if (box.width && box.height && box.right > width + 0.5 && !inside(element))
      found.push(`${Math.round(box.right)}: ${element.outerHTML.slice(0, 160)}`);
  }
  return found;
}"""
VIOLATIONS = """async tags => {
  const found = await axe.run({exclude: [['iframe']]}, {runOnly: tags, resultTypes: ['violations']});
  return found.violations.flatMap(one => one.nodes.map(node =>
    `${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
}"""


@dataclass(frozen=True)
class Look:
    """What is wrong with a page: on a narrow phone, and by WCAG A and AA in both colour modes."""

    sticking_out: list[str]
    light: list[str]
    dark: list[str]


FLAWLESS = Look([], [], [])


class Glass:
    """One browser, in a thread of its own: Playwright's loop would make Django refuse the database in this one."""

    def __init__(self, program: str) -> None:
        self._thread = ThreadPoolExecutor(1, "browser")
        self._thread.submit(self._start, program).result()

    def _start(self, program: str) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        # The pages' own policy would keep axe out.
        self._context = self._browser.new_context(viewport={"width": PHONE, "height": 800}, bypass_csp=True)
        self._page = self._context.new_page()  # for all pages made by tests: a new one each took a fifth of the time

    def close(self) -> None:
        self._thread.submit(self._browser.close).result()
        self._thread.submit(self._playwright.stop).result()
        self._thread.shutdown()

    def walk(self, steps: Callable[[Any], Any], *, scripts: bool = True) -> Any:
        """Return the result of `steps` in a fresh window, with or without JavaScript."""

        def in_a_window() -> Any:
            context = self._browser.new_context(java_script_enabled=scripts)
            try:
                return steps(context.new_page())
            finally:
                context.close()

        return self._thread.submit(in_a_window).result()

    def look(self, seen: Seen) -> Look:
        """Look at a page that a test made."""

        def in_the_page() -> Look:
            strangers: list[str] = []
            self._page.unroute_all()
            self._page.route("**/*", lambda route: _serve(route, seen, strangers))
            self._page.set_viewport_size({"width": PHONE, "height": 800})
            self._page.goto(f"{BASE}/seen")
            assert strangers == [], "it loads what it was not given"
            return _look_at(self._page)

        return self._thread.submit(in_the_page).result()

    def look_at(self, url: str, ready: str, steps: dict[str, str]) -> dict[str, Look]:
        """Look at a page of a running server, once the selector `ready` is there, and again after each step.

        A step's name is your choice, its value a script.
        """

        def in_a_page() -> dict[str, Look]:
            page = self._context.new_page()
            try:
                page.goto(url)
                page.locator(ready).first.wait_for()
                seen = {"at first": _look_at(page)}
                for name, script in steps.items():
                    page.evaluate(script)
                    seen[name] = _look_at(page)
                return seen
            finally:
                page.close()

        return self._thread.submit(in_a_page).result()


def _look_at(page: Any) -> Look:
    from axe_playwright_python.base import AXE_SCRIPT

    page.add_script_tag(content=AXE_SCRIPT)
    # Colours on their way from one mode to the other are neither's.
    page.add_style_tag(content="* { transition: none !important }")
    sticking_out = page.evaluate(STICKING_OUT)
    page.set_viewport_size({"width": DESKTOP, "height": 900})
    found = {}
    for mode in ("light", "dark"):
        page.emulate_media(color_scheme=mode)
        found[mode] = page.evaluate(VIOLATIONS, WCAG)
    return Look(sticking_out, **found)


def _serve(route: Any, seen: Seen, strangers: list[str]) -> None:
    url, kind = route.request.url, route.request.resource_type
    if kind == "document":
        route.fulfill(body=seen.html, content_type="text/html; charset=utf-8")
    elif url in seen.files:
        body, content_type = seen.files[url]
        route.fulfill(body=body, content_type=content_type)
    elif kind == "image" and url.startswith("https:"):
        route.fulfill(body=_wide_image(), content_type="image/png")
    else:
        strangers.append(url)
        route.abort()


def _wide_image() -> bytes:
    """Return an image of somebody else, wider than any phone."""
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (1280, 720), "#888888").save(file, "PNG")
    return file.getvalue()
