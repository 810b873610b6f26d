"""The files of deploy/ in real nginx and Caddy: who comes through them can join, leave, report and log in."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.events import PATH, EventKeys, events_of
from tests.processes.fronts import FRONTS, HOST, Front, Visitor
from tests.processes.stage import Stage, answers, free_port, wait_until
from tests.processes.test_readers_walk import state_of
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

ISSUE = "issues/2026-11-20.md"
PASSWORD = "a sentence nobody guesses"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
KEYS = EventKeys()


@pytest.fixture
def web(embedded: Stage, api: StandIn, for_real: dict[str, str]) -> int:
    """The port of a `mailer serve` that is set up as docs/hosting.md says."""
    port = free_port()
    embedded.settings |= for_real | {
        "BASE_URL": f"https://{HOST}",
        "MAILER_ENV": "production",
        "MAILER_PROXIES": "1",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": KEYS.public,
    }
    start_web(embedded, port)
    return port


def start_web(stage: Stage, port: int) -> None:
    stage.start("serve", "--port", str(port))
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")


@pytest.fixture(params=list(FRONTS))
def front(request: pytest.FixtureRequest, tmp_path: Path, web: int):
    with FRONTS[request.param](tmp_path / request.param, web) as started:
        yield started


def hidden(name: str, page: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_up(visitor: Visitor, email: str) -> str:
    """Fill in the form; the page that answers it."""
    form = visitor.open("/")
    assert form.status == 200, form.text
    time.sleep(2.5)  # nobody fills a form in less; a robot does
    fields = {name: hidden(name, form.text) for name in ("csrfmiddlewaretoken", "form_time")}
    answer = visitor.press("/subscribe/", fields | {"email": email, "website": ""})
    assert answer.status == 200, answer.text
    return answer.text


def path_in(mail: dict, purpose: str) -> str:
    found = re.search(rf"https://{HOST}(/{purpose}/[^\s/]+/)", mail["content"]["text/plain"])
    assert found, mail["content"]
    return found[1]


def log_in(visitor: Visitor) -> int:
    form = visitor.open("/admin/login/")
    fields = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": hidden("csrfmiddlewaretoken", form.text)}
    return visitor.press("/admin/login/?next=/admin/", fields).status


def report(visitor: Visitor, requests: list[dict], *, chunked: bool = False) -> int:
    """SendGrid's signed post about what it accepted."""
    body = json.dumps(events_of(requests)).encode()
    return visitor.ask("POST", PATH, body, KEYS.headers(body), chunked=chunked).status


def join(stage: Stage, api: StandIn, visitor: Visitor, email: str) -> str:
    """Sign up and confirm; the path of the confirmation link."""
    sign_up(visitor, email)
    mailed = wait_until(
        lambda: [one for one in api.accepted if one["recipients"][0]["email"] == email], "the confirmation was mailed"
    )
    confirm = path_in(mailed[0], "confirm")
    page = visitor.open(confirm)
    assert (page.status, state_of(stage, email)) == (200, "pending")
    assert visitor.press(confirm, {}).status == 200
    assert state_of(stage, email) == "active"
    return confirm


def way_out(api: StandIn) -> str:
    """The path of the one-click link in the newest mail."""
    header = api.accepted[-1]["recipients"][0]["header"]
    return header.strip("<>").removeprefix(f"https://{HOST}")


def make_operator(stage: Stage) -> None:
    account = {"USERNAME": "ada", "EMAIL": "ada@readers.example", "PASSWORD": PASSWORD}
    superuser = {f"DJANGO_SUPERUSER_{name}": value for name, value in account.items()}
    stage.run("manage", "createsuperuser", "--noinput", **superuser)


def test_a_subscriber_joins_and_leaves_events_arrive_and_an_operator_logs_in(
    front: Front, embedded: Stage, api: StandIn
):
    ada = Visitor(front, "127.1.2.3", headers={"X-Forwarded-For": "192.0.2.77"})
    join(embedded, api, ada, "ada@readers.example")
    embedded.send(ISSUE)

    assert report(Visitor(front), api.accepted) == 204
    assert embedded.ask("SELECT count(*) FROM mailer_event WHERE kind = 'delivered'") == [[1]]

    assert Visitor(front).press(way_out(api), ONE_CLICK).status == 200
    assert state_of(embedded, "ada@readers.example") == "unsubscribed"

    make_operator(embedded)
    operator = Visitor(front)
    assert log_in(operator) == 302
    assert operator.open("/admin/").status == 200
    networks = embedded.ask("SELECT DISTINCT ip FROM subscribers_consent WHERE step = 'requested'")
    assert networks == [["127.1.2.0/24"]], "neither the proxy's nor what the visitor wrote into a header"


def test_the_logs_of_the_proxies_hold_no_token_no_query_and_no_whole_address(
    front: Front, embedded: Stage, api: StandIn, web: int
):
    ada = Visitor(front, "127.1.2.3")
    paths = [join(embedded, api, ada, "ada@readers.example")]
    embedded.send(ISSUE)
    paths += [way_out(api), "/weekly" + way_out(api), "/unsubscribe%2F" + way_out(api)[13:], "/" + way_out(api)]
    for path in paths:
        ada.open(path)
        ada.ask("GET", f"https://{HOST}{path}")
        Visitor(front, "127.1.2.3", plain=True).open(path)
    ada.open("/admin/subscribers/subscriber/?q=ada@readers.example")
    ada.press("/subscribe/?email=ada@readers.example", {"email": "ada@readers.example"})
    ada.open("/archive/2026-11-20/")
    ada.ask("POST", "/subscribe/", b"x" * 70_000)
    report(ada, api.accepted)
    embedded.close()  # now each request is an error of the proxy
    assert ada.open(paths[0]).status == 502

    logged = wait_until(lambda: "502" in front.logged() and front.logged(), "the error was logged")
    assert "/archive/2026-11-20" in logged
    assert "127.1.2.0" in logged
    assert "127.1.2.3" not in logged
    assert "@" not in logged
    assert [path for path in paths[:2] if path.split("/")[2][:20] in logged] == []
    assert not (front.folder / "unexpected.log").exists() or not (front.folder / "unexpected.log").read_text()


def test_nginx_cuts_an_ipv6_address_to_its_48_bits(tmp_path: Path, web: int):
    with FRONTS["nginx"](tmp_path / "nginx", web) as front:
        for address in ("2001:db8:17:2::abcd", "2001:db8::abcd", "::1", "::ffff:192.0.2.77"):
            assert Visitor(front, headers={"X-Comes-From": address}).open("/healthz").status == 200
        logged = wait_until(
            lambda: front.logged().count("/healthz") == 4 and front.logged(), "four requests are logged"
        )
    assert re.findall(r"(\S+) GET /healthz", logged) == ["2001:db8:17::", "2001:db8::", "-", "192.0.2.0"]


def test_a_one_click_post_to_plain_http_stays_a_post(front: Front):
    answer = Visitor(front, plain=True).press("/unsubscribe/some-token/", ONE_CLICK)
    assert answer.status == 308
    assert re.fullmatch(rf"https://{HOST}(:\d+)?/unsubscribe/some-token/", answer.headers["Location"])


def test_who_opens_a_page_through_caddy_while_mailer_is_restarted_waits_for_it(
    tmp_path: Path, embedded: Stage, web: int
):
    with FRONTS["caddy"](tmp_path / "caddy", web) as front, ThreadPoolExecutor(1) as pool:
        embedded.close()
        opened = pool.submit(Visitor(front).open, "/")
        start_web(embedded, web)
        assert opened.result().status == 200


def test_what_mailer_would_not_take_the_proxy_does_not_take(front: Front):
    visitor = Visitor(front)
    too_large = {413, 502}  # Caddy before 2.7 cannot tell a body that is too large from one that breaks off
    assert visitor.ask("POST", "/subscribe/", b"x" * 70_000).status in too_large
    assert visitor.ask("POST", PATH, b"x" * 5_300_000).status in too_large
    assert visitor.ask("POST", PATH, b"x" * 4_000_000).status == 403, "as large, but not signed"
