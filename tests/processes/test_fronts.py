"""The files of deploy/ in real nginx and Caddy: visitors can join, leave, report and log in through them."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.events import PATH
from tests.processes.dripping import TlsDrippers
from tests.processes.fronts import FRONTS, HOST, Front, Visitor
from tests.processes.leavers import ways_out
from tests.processes.stage import Stage, wait_until
from tests.processes.walks import ISSUE, ONE_CLICK, join, report, start_web, walk_through, way_out
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow


@pytest.fixture(params=list(FRONTS))
def front(request: pytest.FixtureRequest, tmp_path: Path, web: int):
    with FRONTS[request.param](tmp_path / request.param, web) as started:
        yield started


@pytest.mark.parametrize("chunked", [False, True])
def test_a_subscriber_joins_and_leaves_events_arrive_and_an_operator_logs_in(
    front: Front, embedded: Stage, api: StandIn, chunked: bool
):
    walk_through(front, embedded, api, chunked=chunked)
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


# What is taken out of the shipped Caddyfile makes it the Caddy that people have; test_plain_fronts.py has their nginx.
WITHOUT = {
    "Host": ("\t\tlb_try_interval", "\t\theader_up Host {upstream_hostport}\n\t\tlb_try_interval"),
    "X-Forwarded-For": ("\t\tlb_try_duration", "\t\theader_up -X-Forwarded-For\n\t\tlb_try_duration"),
    "X-Forwarded-Proto": ("lb_try_interval 250ms\n", "lb_try_interval 250ms\n\t\theader_up -X-Forwarded-Proto\n"),
    "a buffer": ("\t\t{$MAILER_CADDY_BUFFERS:request_buffers 5MiB}\n", ""),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
@pytest.mark.parametrize("missing", [*WITHOUT, "all of them"])
def test_everybody_comes_through_a_caddy_that_is_not_set_up_as_ours(
    missing: str, chunked: bool, tmp_path: Path, web: int, embedded: Stage, api: StandIn
):
    changes = dict(WITHOUT.values() if missing == "all of them" else [WITHOUT[missing]])
    with FRONTS["caddy"](tmp_path / "caddy", web, changes) as front:
        walk_through(front, embedded, api, chunked=chunked)


def test_readers_leave_through_a_proxy_while_two_hundred_clients_drip(front: Front, embedded: Stage):
    embedded.import_readers({"active": 20})
    ways = ways_out(embedded)
    with TlsDrippers(front.port, HOST, 200) as drippers:
        for path in ways.values():
            assert Visitor(front).press(path, ONE_CLICK).status == 200
        assert drippers.open() > 100, "they were there meanwhile"
    assert embedded.ask("SELECT DISTINCT state FROM subscribers_subscription") == [["unsubscribed"]]
