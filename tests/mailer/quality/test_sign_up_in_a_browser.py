"""Signing up in a real browser: from a form on another site, and by scanners that run scripts."""

import re
from datetime import timedelta

import pytest

from subscribers import limits
from subscribers.models import Subscription
from subscribers.web import challenges, forms
from tests import readers
from tests.mailer.quality.glass import Glass
from tests.readers import ADA
from tests.subscribers.paths import every_path, everything

pytestmark = pytest.mark.usefixtures("_an_installation")


def snippet(address: str) -> str:
    """Return the form of docs/readers.md, on a page of another site."""
    return f"""<!doctype html><html lang="en"><title>A blog</title>
<form action="{address}/subscribe/" method="post">
<label for="email">Email address</label>
<input id="email" name="email" type="email" required>
<button>Subscribe</button>
</form>"""


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_form_on_another_site_needs_one_press_more_and_then_signs_up(
    glass: Glass, live_server, monkeypatch, scripts: bool
):
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))

    def join(page) -> tuple[str, str]:
        page.route(
            "http://blog.example/", lambda route: route.fulfill(body=snippet(live_server.url), content_type="text/html")
        )
        page.goto("http://blog.example/")
        page.get_by_role("textbox").fill(ADA.email)
        page.get_by_role("button").click()
        filled_in = page.locator("#email").input_value()
        page.get_by_role("button").click()
        return filled_in, page.get_by_role("heading").inner_text()

    assert glass.walk(join, scripts=scripts) == (ADA.email, "Check your email")
    assert Subscription.objects.get().state == "pending"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_network_that_caused_many_mails_waits_for_its_browser_or_for_a_minute(
    glass: Glass, live_server, monkeypatch, scripts: bool
):
    """It works by keyboard alone and within the page's policy; nothing to see, hear or solve (WCAG 3.3.8)."""
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))
    monkeypatch.setattr(limits, "FREE_A_NETWORK_HOUR", 0)
    monkeypatch.setattr(challenges, "WAIT", timedelta(0) if not scripts else timedelta(minutes=1))

    def join(page) -> list[str]:
        page.goto(f"{live_server.url}/subscribe/")
        page.get_by_role("textbox", name="Email address").press_sequentially(ADA.email)
        page.keyboard.press("Enter")
        said = []
        if not scripts:
            page.get_by_role("heading", name="One moment").wait_for()
            said.append(page.get_by_role("status").inner_text())
            page.keyboard.press("Tab")  # past the newsletter's name
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
        page.get_by_role("heading", name="Check your email").wait_for()
        return said

    said = glass.walk(join, scripts=scripts)
    assert Subscription.objects.get().state == "pending"
    assert scripts or "then press the button" in said[0]


def test_a_scanner_that_runs_scripts_changes_nothing(glass: Glass, live_server):
    paths = every_path(readers.confirmed())
    before = everything()

    def scan(page) -> list[int]:
        found = []
        for path in paths.values():
            found.append(page.goto(f"{live_server.url}{path}").status)
            for further in re.findall(r'href="(/preferences/[^"]+)"', page.content()):
                found.append(page.goto(f"{live_server.url}{further}").status)
        return found

    assert set(glass.walk(scan)) == {200}
    assert everything() == before
