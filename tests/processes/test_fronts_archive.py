"""The archive, its search and its feeds through real nginx and Caddy: what proxies and programs ask beside a GET."""

from pathlib import Path
from urllib.parse import quote

import pytest

from mailer.web.throttling import BURST
from tests.processes.fronts import FRONTS, Front, Visitor
from tests.processes.stage import Stage, wait_until

pytestmark = pytest.mark.slow
RAW = ("%00", "a%00b", "%", "%zz", "%ed%a0%80", "%ff%fe", "x" * 3_000, "x" * 12_000, "%20" * 1_000)
TYPED = ("AND", '"', "*", "a* OR b", "(((", "' OR 1=1 --", "%", "NEAR(", "\ud7ff\U0010ffff", "🎉", "\u202e")
ODD = (*RAW, *map(quote, TYPED))
PAGES = ["/archive/", "/archive/2026-11-20/", "/feed.xml", "/feed.json", "/archive/?q=board", "/sitemap.xml"]
NEVER_KEPT = ["/archive/"]  # it has a form of one visitor


@pytest.fixture(params=list(FRONTS))
def front(request: pytest.FixtureRequest, tmp_path: Path, embedded: Stage, web: int):
    embedded.run("archive", "import", "issues", "--yes")
    with FRONTS[request.param](tmp_path / request.param, web) as started:
        yield started


def test_programs_ask_in_every_way(front: Front):
    visitor = Visitor(front)
    for path in PAGES:
        whole = visitor.open(path)
        assert whole.status == 200
        asked = visitor.ask("HEAD", path)
        assert (asked.status, asked.text) == (200, "")
        assert asked.headers["Cache-Control"] == whole.headers["Cache-Control"]
        assert visitor.ask("GET", path, headers={"Range": "bytes=0-9"}).status in (200, 206)
        tag = whole.headers["ETag"]
        assert (tag is None) == (path in NEVER_KEPT)
        if tag:  # a proxy that compresses makes it a weak one
            again = visitor.ask("GET", path, headers={"If-None-Match": f"W/{tag.removeprefix('W/')}"})
            assert (again.status, again.text) == (304, "")


def test_odd_searches_and_addresses_are_answered(front: Front, embedded: Stage):
    visitor = Visitor(front)
    for query in ODD:
        for path in (f"/archive/?q={query}", f"/archive/{query}/", f"/archive/?q=board&page={query}"):
            assert visitor.open(path).status in (200, 400, 404, 414, 431), path[:60]
    assert "Traceback" not in embedded.logs()
    assert " ERROR " not in embedded.logs()


def test_searches_are_counted_by_the_address_that_the_proxy_sees(front: Front):
    liar = Visitor(front, headers={"X-Forwarded-For": "8.8.8.8"})
    assert {liar.open("/archive/?q=board").status for _ in range(2 * BURST)} == {200}


def test_who_searches_without_end_through_nginx_waits_and_nobody_else(tmp_path: Path, web: int):
    with FRONTS["nginx"](tmp_path / "nginx", web) as front:
        eager, other = (Visitor(front, headers={"X-Comes-From": one}) for one in ("8.8.8.8", "9.9.9.9"))
        wait_until(lambda: eager.open("/archive/?q=board").status == 429, "the search is limited")
        limited = eager.open("/archive/?q=board")
        if limited.status == 429:  # a slow machine may have earned another search
            assert (limited.headers["Cache-Control"], limited.headers["Retry-After"]) == ("no-store", "5")
        assert other.open("/archive/?q=board").status == 200
        assert eager.open("/archive/").status == 200
