"""Pages of subscribers by keyboard alone: each stop is seen where it is, and every act needs no mouse."""

from datetime import timedelta
from typing import Any

import pytest

from subscribers.models import Subscription
from subscribers.web import forms
from tests import readers
from tests.mailer.published import published
from tests.mailer.quality.glass import Glass
from tests.readers import ADA
from tests.subscribers.paths import confirm_path, data_path, leave_path, preferences_path

pytestmark = [pytest.mark.usefixtures("_an_installation"), pytest.mark.slow]

# A ring is 3 pixels, 2 from what it surrounds. WCAG 1.4.11 and 2.4.13 ask for 3:1 against the ground.
STOP = """() => {
  const stop = document.activeElement;
  if (stop === document.body || stop.dataset.seen) return null;
  stop.dataset.seen = 'once';
  const rgb = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => rgb(colour).map(one => one / 255)
    .map(one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0.05);
  let ground = stop.parentElement;
  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  const style = getComputedStyle(stop), box = stop.getBoundingClientRect();
  const shades = [light(style.outlineColor), light(getComputedStyle(ground).backgroundColor)].sort((a, b) => b - a);
  const faults = [];
  if (style.outlineStyle === 'none' || shades[0] / shades[1] < 3) faults.push('no ring to see');
  if (box.top < 5 || box.bottom > innerHeight - 5) faults.push('ring cut off');
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (!stop.contains(top) && !(top && top.contains(stop))) faults.push('covered');
  return [`${stop.tagName} ${(stop.innerText || stop.name).slice(0, 40)}`, faults];
}"""


def faults_of(page: Any) -> tuple[int, dict[str, list[str]]]:
    """Press Tab through the page; return how many stops it has, and what is wrong with each that is faulty."""
    stops: dict[str, list[str]] = {}
    page.keyboard.press("Tab")
    while seen := page.evaluate(STOP):
        name, faults = seen
        stops[f"{len(stops)} {name}"] = faults
        page.keyboard.press("Tab")
    return len(stops), {name: faults for name, faults in stops.items() if faults}


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("height", [640, 700])
def test_each_stop_has_a_ring_that_is_seen_whole(glass: Glass, live_server, mode: str, height: int):
    for slug in ("2026-11-13", "2026-11-20", "2026-11-27"):
        published(slug, subject="Title", article='<h2>News</h2><p><a href="https://a.example/">A</a></p><h2>More</h2>')
    reader = readers.confirmed()
    own = [preferences_path(reader), data_path(reader), leave_path(reader), confirm_path(reader)]

    def through(page: Any) -> dict[str, Any]:
        page.set_viewport_size({"width": 320, "height": height})
        page.emulate_media(color_scheme=mode)
        found = {}
        for path in ["/", "/archive/", "/archive/2026-11-20/", "/archive/?q=a", *own]:
            page.goto(f"{live_server.url}{path}")
            many, faulty = faults_of(page)
            if many < 2 or faulty:
                found[path] = faulty
        return found

    assert glass.walk(through) == {}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_signing_up_in_the_archive_confirming_and_leaving_need_no_mouse(
    glass: Glass, live_server, monkeypatch, scripts: bool
):
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))

    def tab(page: Any, name: str) -> None:
        """Go on to the field or button of this name, forwards, as far as the page has stops."""
        wanted = page.get_by_role("textbox", name=name).or_(page.get_by_role("button", name=name)).first
        for _ in range(30):
            page.keyboard.press("Tab")
            if wanted.evaluate("one => one === document.activeElement"):
                return
        pytest.fail(f"nothing called {name} can be reached")

    def sign_up(page: Any) -> None:
        page.goto(f"{live_server.url}/archive/")
        tab(page, "Email address")
        page.keyboard.type(ADA.email)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Check your email").wait_for()

    def press(page: Any, path: str, button: str, then: str) -> None:
        page.goto(f"{live_server.url}{path}")
        tab(page, button)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=then).wait_for()

    glass.walk(sign_up, scripts=scripts)
    subscription = Subscription.objects.get()
    confirm, leave = confirm_path(subscription.subscriber), leave_path(subscription.subscriber)
    glass.walk(lambda page: press(page, confirm, "Confirm", "Welcome"), scripts=scripts)
    subscription.refresh_from_db()
    assert subscription.state == "active"
    glass.walk(lambda page: press(page, leave, "Unsubscribe", "You are unsubscribed"), scripts=scripts)
    subscription.refresh_from_db()
    assert subscription.state == "unsubscribed"


@pytest.mark.parametrize(
    ("fields", "at"), [({"do": "delete"}, "sure"), ({"do": "move", "email": "ada@example"}, "email")]
)
def test_what_went_wrong_far_below_is_where_the_page_opens(glass: Glass, live_server, fields, at: str):
    path = data_path(readers.confirmed())

    def wrong(page: Any) -> tuple[str, bool]:
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(f"{live_server.url}{path}")
        form = page.locator(f"form:has([value={fields['do']}])")
        form.evaluate("form => form.noValidate = true")
        if "email" in fields:
            form.locator("[name=email]").fill(fields["email"])
        form.locator("button").press("Enter")
        page.get_by_role("alert").wait_for()
        said = page.get_by_role("alert").bounding_box()
        focused = page.evaluate("() => document.activeElement.name")
        return focused, said["y"] >= 0 and said["y"] + said["height"] <= 640

    assert glass.walk(wrong) == (at, True)
