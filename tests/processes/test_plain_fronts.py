"""nginx as people set it up, with and without each header, streamed or not: everybody gets through."""

import itertools
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes.fronts import HOST, Visitor, caddy, plain_nginx
from tests.processes.stage import Stage, answers, wait_until
from tests.processes.walks import ISSUE, ONE_CLICK, hidden, log_in, make_operator, path_in, report, way_out
from tests.solving import solution
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

HEADERS = {
    "Host": "proxy_set_header Host $host;",
    "X-Forwarded-Proto": "proxy_set_header X-Forwarded-Proto $scheme;",
    "X-Forwarded-For": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
}
STREAMED = "proxy_http_version 1.1; proxy_request_buffering off;"
SETS = [chosen for size in range(4) for chosen in itertools.combinations(HEADERS, size)]


def site(upstream: str, chosen: tuple[str, ...], streamed: bool) -> str:
    headers = " ".join(HEADERS[name] for name in chosen)
    return f"proxy_pass http://{upstream}; {headers} {STREAMED if streamed else ''}"


@pytest.fixture
def told_of_none(embedded: Stage, web: int) -> int:
    """Run a second `mailer serve` without MAILER_PROXIES; return its port."""
    port = free_port()
    embedded.start("serve", "--port", str(port), MAILER_PROXIES="0")
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")
    return port


def test_everybody_gets_through_with_and_without_each_header(
    tmp_path: Path,
    embedded: Stage,
    api: StandIn,
    web: int,
    told_of_none: int,
):
    make_operator(embedded)
    kinds = list(itertools.product((web, told_of_none), SETS, (False, True)))
    sites = [site(f"127.0.0.1:{port}", chosen, streamed) for port, chosen, streamed in kinds]
    with plain_nginx(tmp_path / "nginx", sites) as fronts:
        visitors = {
            f"reader@domain-{number}.example": Visitor(front, chunked=True) for number, front in enumerate(fronts)
        }
        forms = {email: visitor.open("/") for email, visitor in visitors.items()}
        time.sleep(2.5)  # nobody fills a form in less; a robot does
        for email, visitor in visitors.items():
            fields = {name: hidden(name, forms[email].text) for name in ("csrfmiddlewaretoken", "form_time")}
            fields |= {"email": email, "website": ""}
            joined = visitor.press("/subscribe/", fields)
            if "data-challenge" in joined.text:  # all of them are one network
                joined = visitor.press("/subscribe/", fields | {"altcha": solution(joined.text)})
            assert (joined.status, "email=" in joined.text, 'name="email"' in joined.text) == (200, False, False)
        mails = wait_until(lambda: _mails_to(visitors, api), "the confirmations were mailed")
        for email, visitor in visitors.items():
            assert visitor.press(path_in(mails[email], "confirm"), {}).status == 200
        assert _states(embedded) == [["active", len(fronts)]]

        embedded.send(ISSUE)
        sent = api.accepted[-1]
        for number, visitor in enumerate(visitors.values()):
            assert report(Visitor(visitor.front, chunked=bool(number % 2)), [sent]) == 204
        for one in sent["recipients"]:
            leave = one["header"].strip("<>").removeprefix(f"https://{HOST}")
            answer = Visitor(visitors[one["email"]].front, chunked=True).press(leave, ONE_CLICK)
            assert (answer.status, answer.text) == (200, "Unsubscribed.")
        assert _states(embedded) == [["unsubscribed", len(fronts)]]
        assert [log_in(Visitor(front)) for front in fronts] == [302] * len(fronts)


def _mails_to(visitors: dict[str, Visitor], api: StandIn) -> dict[str, dict]:
    mails = {one["recipients"][0]["email"]: one for one in api.accepted}
    return mails if mails.keys() == visitors.keys() else {}


def _states(stage: Stage) -> list[list]:
    return stage.ask("SELECT state, count(*) FROM subscribers_subscription GROUP BY state")


def test_a_caddy_that_streams_is_as_good(tmp_path: Path, embedded: Stage, api: StandIn, web: int):
    embedded.run("subscribers", "add", "ada@readers.example", "--active", "--source", "a test")
    embedded.send(ISSUE)
    buffers = "{$MAILER_CADDY_BUFFERS:request_buffers 5MiB}"
    with caddy(tmp_path / "caddy", web, {buffers: ""}) as front:
        assert report(Visitor(front, chunked=True), api.accepted) == 204
        assert Visitor(front, chunked=True).press(way_out(api), ONE_CLICK).text == "Unsubscribed."
        page = Visitor(front, chunked=True)
        hidden("form_time", page.open("/").text)
        assert 'value="eve@readers' in page.press("/", {"email": "eve@readers.example"}).text
    assert _states(embedded) == [["unsubscribed", 1]]


def test_a_proxy_that_passes_on_a_name_of_its_own_keeps_nobody_out_and_the_log_says_so(
    tmp_path: Path,
    embedded: Stage,
    api: StandIn,
    web: int,
):
    embedded.run("subscribers", "add", "ada@readers.example", "--active", "--source", "a test")
    embedded.send(ISSUE)
    around = f"upstream mailer_backend {{ server 127.0.0.1:{web}; }}"
    with plain_nginx(tmp_path / "nginx", [site("mailer_backend", ("X-Forwarded-For",), True)], around) as fronts:
        visitor = Visitor(fronts[0], chunked=True)
        assert report(visitor, api.accepted) == 204
        assert visitor.press(way_out(api), ONE_CLICK).text == "Unsubscribed."
        assert _states(embedded) == [["unsubscribed", 1]]
        led = visitor.open("/subscribe/")
        assert (led.status, led.headers["Location"]) == (302, f"https://{HOST}/subscribe/?led-here=1")
        form = visitor.open("/subscribe/?led-here=1").text
        time.sleep(2.5)  # nobody fills a form in less; a robot does
        fields = {name: hidden(name, form) for name in ("csrfmiddlewaretoken", "form_time")}
        joined = visitor.press("/subscribe/", fields | {"email": "ben@readers.example", "website": ""})
        assert (joined.status, 'name="email"' in joined.text) == (200, False)
    assert "Host is" in embedded.logs()
