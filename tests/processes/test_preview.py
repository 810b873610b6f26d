"""An editor at work: the preview in a real browser follows each save."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts import chromium, skip_without
from tests.processes.conftest import ISSUE
from tests.processes.stage import Stage, wait_until
from tests.processes.test_readers_walk import QUIET_BROWSER

FILE = "issues/2026-11-20.md"
LONG = ISSUE + "".join(f"\n## Part {number}\n\nParagraph {number}. {'Words. ' * 60}\n" for number in range(1, 21))
MAIL = "document.getElementById('mail').contentDocument"


@pytest.fixture
def file(embedded: Stage) -> Path:
    path = embedded.folder / FILE
    path.write_text(LONG)
    return path


@pytest.fixture
def url(embedded: Stage, file: Path) -> str:
    """Return the address that a running preview printed."""
    embedded.start("preview", FILE, "--no-open")
    found = wait_until(lambda: re.search(r"http://127\.0\.0\.1:\d+/\S+/", embedded.logs()), "the preview runs")
    return str(found[0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Run a browser for this module only: Playwright's loop would make Django refuse the database to other tests."""
    program = chromium()
    if program is None:
        skip_without("browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """Open the preview. Nothing on it may break its own policy, or use the network."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not ours(request.url, url) else None)
    page.goto(url)
    until(page, f"{MAIL}.body.textContent.includes('Paragraph 20')")
    yield page
    page.context.close()
    # What a test lets into the mail itself, the sandbox stops, and says so.
    assert [text for text in complaints if "frame is sandboxed" not in text] == []


def ours(requested: str, url: str) -> bool:
    return requested.startswith(url) or requested == "about:blank"


def until(page: Any, condition: str) -> None:
    """Poll, because wait_for_function needs eval, which the page's policy forbids."""
    end = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.005)


def colour(page: Any, selector: str, name: str) -> str:
    script = f"getComputedStyle({MAIL}.querySelector('{selector}')).{name}"
    return str(page.evaluate(script))


def test_a_save_is_seen_at_once_and_the_place_is_kept(page: Any, file: Path):
    page.evaluate(f"{MAIL}.querySelectorAll('h2')[12].scrollIntoView()")
    where = (
        "Math.round([...%s.querySelectorAll('h2')].find(h => h.textContent === 'Part 12').getBoundingClientRect().y)"
    )
    top, scrolled = page.evaluate(where % MAIL), page.evaluate(f"{MAIL}.scrollingElement.scrollTop")
    assert scrolled > 1000
    seconds = []
    for number in range(1, 8):
        # Above the place and below it, as an editor writes.
        text = LONG.replace("## News", f"{'New words. ' * 40 * number}\n\n## News").replace("Part 20", f"Save {number}")
        started = time.perf_counter()
        file.write_text(text)
        until(page, f"{MAIL}.body.textContent.includes('Save {number}')")
        seconds.append(time.perf_counter() - started)
        assert abs(page.evaluate(where % MAIL) - top) <= 2
        time.sleep(0.1)
    assert page.evaluate(f"{MAIL}.scrollingElement.scrollTop") > scrolled + 100
    # Shown by `pytest -s`; a busy machine must not fail the test.
    print("seconds from save to sight:", ", ".join(f"{one:.2f}" for one in seconds))


def test_desktop_phone_dark_and_text_are_what_they_say(page: Any):
    assert page.evaluate(f"{MAIL}.documentElement.clientWidth") == 800
    assert colour(page, ".card", "backgroundColor") == "rgb(255, 255, 255)"
    page.get_by_role("tab", name="Phone").click()
    assert page.evaluate(f"{MAIL}.documentElement.clientWidth") == 375
    page.get_by_role("button", name="Dark mode").click()
    assert colour(page, "body", "backgroundColor") == "rgb(13, 17, 23)"
    assert colour(page, ".card", "backgroundColor") == "rgb(22, 27, 34)"
    page.get_by_role("tab", name="Phone").press("ArrowRight")
    assert page.get_by_role("tab", name="Plain text").get_attribute("aria-selected") == "true"
    text = page.get_by_label("Plain text of the email")
    assert "■ A board for everybody" in text.inner_text()
    assert "/unsubscribe/test/" in text.inner_text()
    assert not page.locator("#mail").is_visible()


def test_a_light_mail_is_light_on_a_dark_machine(browser: Any, url: str):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page.goto(url)
    until(page, f"{MAIL}.body.textContent.includes('Paragraph 20')")
    assert colour(page, ".card", "backgroundColor") == "rgb(255, 255, 255)"


def test_on_a_phone_it_opens_as_the_phone_shows_it(browser: Any, url: str):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(url)
    until(page, f"{MAIL}.body.textContent.includes('Paragraph 20')")
    assert page.get_by_role("tab", name="Phone").get_attribute("aria-selected") == "true"
    assert page.evaluate(f"{MAIL}.documentElement.clientWidth") == 375


def test_the_bar_above_a_section_is_seen_in_dark_mode(page: Any):
    bar, card = colour(page, ".bar", "backgroundColor"), colour(page, ".card", "backgroundColor")
    page.get_by_role("button", name="Dark mode").click()
    dark_bar, dark_card = colour(page, ".bar", "backgroundColor"), colour(page, ".card", "backgroundColor")
    assert (bar != dark_bar, card != dark_card) == (True, True)


def test_the_inbox_line_says_who_what_and_why(page: Any):
    inbox = page.get_by_label("As an inbox shows it").inner_text()
    assert "嵌入式周报" in inbox
    assert "Weekly 2026-11-20" in inbox
    assert "First lines of the issue." in inbox


def test_the_image_is_shown_from_this_machine(page: Any):
    image = f"{MAIL}.querySelector('img[alt=\"A sketch of the board\"]')"
    until(page, f"{image}.complete && {image}.naturalWidth > 0")
    assert "/media/" in page.evaluate(f"{image}.src")


def test_a_finding_leads_to_its_place_in_the_source(page: Any, file: Path):
    file.write_text(LONG + "\n![A board](images/gone.png)\n")
    page.get_by_role("button", name="image-missing").click()
    line = page.locator(".line[aria-current=true]")
    assert "![A board](images/gone.png)" in line.inner_text()
    assert line.evaluate("line => line.getBoundingClientRect().bottom < innerHeight")
    assert "would block the send" in page.get_by_role("status").first.inner_text()


def test_a_mistake_shows_what_and_where_and_the_last_good_mail_until_the_next_save(page: Any, file: Path):
    file.write_text("---\ntags: [open\n---\n" + LONG)
    alert = page.get_by_role("alert").filter(has_text="front matter")
    alert.wait_for()
    assert "Below is the last good state" in alert.inner_text()
    assert "Paragraph 20" in page.evaluate(f"{MAIL}.body.textContent")
    assert page.get_by_role("button", name="Send a test…").is_disabled()
    assert "tags: [open" in page.locator(".line[aria-current=true]").inner_text()
    file.write_text(LONG.replace("Paragraph 20", "Mended"))
    until(page, f"{MAIL}.body.textContent.includes('Mended')")
    assert not alert.is_visible()


def test_nothing_of_the_issue_runs_in_the_page_or_in_the_mail(page: Any, file: Path):
    evil = '<svg onload="parent.evil=1"></svg><script>parent.evil=1</script>'
    file.write_text(f"# {evil}\n\n[{evil}](javascript:parent.evil=1)\n\n![{evil}](gone.png)\n\n{evil}\n")
    until(page, "document.body.dataset.version >= 2")
    time.sleep(0.3)
    assert page.evaluate("window.evil === undefined")
    frame = page.locator("#mail").get_attribute("sandbox")
    assert "allow-scripts" not in frame
    # Even if the renderer let a script through: the frame runs none.
    page.evaluate(f"{MAIL}.body.setHTMLUnsafe?.({json.dumps(evil)})")
    page.evaluate(f"const s = {MAIL}.createElement('script'); s.text = 'parent.evil=1'; {MAIL}.body.append(s)")
    time.sleep(0.3)
    assert page.evaluate("window.evil === undefined")


def test_the_button_sends_a_test_and_says_what_came_of_it(page: Any, embedded: Stage):
    page.get_by_role("button", name="Send a test…").click()
    dialog = page.get_by_role("dialog")
    assert "rehearsal: no email will go out" in dialog.inner_text()
    assert "[TEST] Weekly 2026-11-20" in dialog.inner_text()
    dialog.get_by_label("To", exact=True).fill("ada@example.com ben@")
    dialog.get_by_role("button", name="Rehearse the test").click()
    wait_until(lambda: "not a valid recipient" in dialog.get_by_role("status").inner_text(), "the refusal is shown")
    dialog.get_by_label("To", exact=True).fill("ada@example.com, ben@example.com")
    dialog.get_by_role("button", name="Rehearse the test").click()
    wait_until(lambda: "No email went out" in dialog.get_by_role("status").inner_text(), "the outcome is shown")
    home = Path(embedded.environment()["MAILER_HOME"])
    assert len(list(home.glob("rehearsals/mail/*.eml"))) == 2
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_the_page_says_when_the_preview_was_stopped(browser: Any, url: str, embedded: Stage):
    page = browser.new_page()
    page.goto(url)
    until(page, f"{MAIL}.body.textContent.includes('Paragraph 20')")
    embedded.close()
    page.get_by_text("The preview was stopped").wait_for()


def test_ctrl_c_ends_it_without_a_word_too_many(embedded: Stage, url: str):
    import signal

    embedded.stop(embedded._processes[-1], signal.SIGINT)
    assert embedded._processes[-1].returncode == 0
    assert "Traceback" not in embedded.logs()


def test_a_port_in_use_is_told_in_a_sentence(embedded: Stage, url: str):
    port = url.split(":")[2].split("/")[0]
    ran = embedded.run("preview", FILE, "--no-open", "--port", port, expect=1)
    assert f"port {port} cannot be used" in ran.err
