"""A subscriber joins, gets an email and leaves, through the real web process and the links of real emails."""

import re
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parts import chromium, skip_without
from tests.ports import free_port
from tests.processes.stage import Broker, Stage, answers, wait_until
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"


def serve(stage: Stage, home: str = "web", **settings: str) -> str:
    """Run a web process; return its address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    stage.settings |= {"BASE_URL": base}
    stage.start("serve", "--port", str(port), home=home, **settings)
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    return base


def post(url: str, fields: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.url == url, "a one-click endpoint must not redirect"
        return int(response.status)


def state_of(stage: Stage, email: str) -> str:
    wanted = "SELECT w.state FROM subscribers_subscription w JOIN subscribers_subscriber s ON s.id = w.subscriber_id"
    [[state]] = stage.ask(f"{wanted} WHERE s.email = '{email}'")
    return str(state)


def test_one_click_from_a_received_mail_unsubscribes_that_reader_and_no_other(stage: Stage, api: StandIn, for_real):
    home = "editor"  # on SQLite the web process and the commands share one folder
    serve(stage, home=home)
    readers = stage.import_readers({"active": 3})["active"]
    real = for_real | {"BASE_URL": stage.settings["BASE_URL"]}
    with stage.workers(1, **real):
        stage.send(ISSUE, **real)
    received = {reader["email"]: reader["header"].strip("<>") for reader in api.accepted[0]["recipients"]}
    url = received[readers[0]]

    with urllib.request.urlopen(url, timeout=60) as page:
        assert page.status == 200
    assert [state_of(stage, reader) for reader in readers] == ["active"] * 3, "GET changes nothing"

    assert post(url, {"List-Unsubscribe": "One-Click"}) == 200
    assert post(url, {"List-Unsubscribe": "One-Click"}) == 200, "it may be pressed twice"
    assert [state_of(stage, reader) for reader in readers] == ["unsubscribed", "active", "active"]

    with stage.workers(1, **real):
        receipt = stage.send("issues/2026-11-27.md", **real)
    assert receipt["planned"] == 2
    assert readers[0] not in [reader["email"] for reader in api.accepted[-1]["recipients"]]


@pytest.mark.slow
def test_a_sign_up_while_the_broker_is_away_is_confirmed_all_the_same(
    distributed: Stage, broker: Broker, api: StandIn, for_real
):
    base = serve(distributed)
    real = for_real | {"BASE_URL": base}
    with distributed.workers(1, **real):
        broker.stop()
        distributed.run("subscribers", "add", "late@readers.example", **real)
        wait_until(lambda: api.accepted, "the confirmation was sent")
    assert api.accepted[0]["recipients"][0]["email"] == "late@readers.example"


def test_three_machines_share_one_database_and_nothing_else(distributed: Stage, api: StandIn, for_real):
    base = serve(distributed, home="machine-web")
    real = for_real | {"BASE_URL": base}
    readers = distributed.import_readers({"active": 20})["active"]
    worker = distributed.start("worker", home="machine-worker", **real)
    wait_until(distributed.swept, "a worker has swept")

    distributed.run("send", "issue", ISSUE, "--yes", "--detach", home="machine-laptop", **real)
    wait_until(lambda: len(api.accepted) == 1, "the send arrived")

    assert sorted(reader["email"] for reader in api.accepted[0]["recipients"]) == sorted(readers)
    html = api.accepted[0]["content"]["text/html"]
    image = re.search(rf"{base}/media/[0-9a-f]{{64}}\.png", html)
    assert image, "the issue's image has an address of the web process"
    with urllib.request.urlopen(image[0], timeout=60) as response:
        assert response.headers["Content-Type"] == "image/png"
        assert "immutable" in response.headers["Cache-Control"]
        assert response.read(4) == b"\x89PNG"
    distributed.stop(worker)

    ways_out = [reader["header"].strip("<>") for reader in api.accepted[0]["recipients"]]
    with ThreadPoolExecutor(len(ways_out)) as pool:
        assert set(pool.map(lambda url: post(url, {"List-Unsubscribe": "One-Click"}), ways_out)) == {200}, "all at once"
    assert state_of(distributed, readers[0]) == "unsubscribed"


@pytest.mark.slow
def test_a_reader_walks_in_and_out_in_a_browser(embedded: Stage, tmp_path: Path):
    program = chromium()
    if program is None:
        skip_without("browser")
    from playwright.sync_api import sync_playwright

    base = serve(embedded, home="editor")  # on SQLite it brings its worker along
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        page = browser.new_page(viewport={"width": 375, "height": 800}, java_script_enabled=False)
        page.goto(f"{base}/")
        page.get_by_role("textbox").first.fill("walker@readers.example")
        page.wait_for_timeout(2500)  # nobody fills a form in less; a robot does
        page.get_by_role("button").click()
        mail = wait_until(lambda: mail_to(embedded, "walker@readers.example"), "the confirmation mail was written")
        page.goto(re.search(rf"{base}/confirm/\S+/", mail)[0])
        assert state_of(embedded, "walker@readers.example") == "pending"
        page.get_by_role("button").click()
        assert state_of(embedded, "walker@readers.example") == "active"

        embedded.send(ISSUE)
        issue = wait_until(lambda: mail_to(embedded, "walker@readers.example", "Precedence"), "the issue was written")
        page.goto(re.search(rf"{base}/unsubscribe/\S+?/", issue)[0])
        assert state_of(embedded, "walker@readers.example") == "active"
        page.get_by_role("button").click()
        assert state_of(embedded, "walker@readers.example") == "unsubscribed"

        page.get_by_role("button").click()  # undo
        assert state_of(embedded, "walker@readers.example") == "active"
        page.goto(re.search(rf"{base}/unsubscribe/\S+?/", issue)[0])
        page.locator("a[href*=preferences]").click()
        page.locator("button[value=link]").click()
        letter = wait_until(lambda: mail_to(embedded, "walker@readers.example", "", "/data/"), "the link was mailed")
        page.goto(re.search(rf"{base}/preferences/data/\S+/", letter)[0])
        assert page.locator("#email").input_value() == "walker@readers.example"
        browser.close()


# Without them a browser asks its maker's hosts, which tests have no business to.
QUIET_BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def mail_to(stage: Stage, address: str, with_header: str = "", holding: str = "") -> str:
    """Return the text part of a rehearsed email to this address."""
    import email
    import email.policy

    home = Path(stage.environment()["MAILER_HOME"])
    for path in home.glob("rehearsals/*/*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        text = str(message.get_body(("plain",)).get_content()).replace("=\n", "")
        if address in message["To"] and holding in text and (not with_header or message[with_header]):
            return text
    return ""
