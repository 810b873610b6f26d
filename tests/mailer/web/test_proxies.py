"""Proxies that the settings do not know, or that pass on too little: reported at startup, in the log and by doctor."""

import json
import urllib.request

import pytest

from mailer.cli.doctor import here
from mailer.models import Process
from mailer.publishing import reachability
from mailer.store import clock
from mailer.web import proxies
from mailer.web.proxies import Fault
from subscribers import limits
from tests.mailer.web.test_proxies_of_every_kind import HOME, _at_home, behind, sign_up  # noqa: F401 — a fixture for each test
from tests.wire import ask, environ_of, post

pytestmark = pytest.mark.django_db

NAMED, SECURE = {"Host": "news.example.com"}, {"X-Forwarded-Proto": "https"}


def forwarded(*addresses: str) -> dict[str, str]:
    return {"X-Forwarded-For": ", ".join(addresses)} if addresses else {}


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch):
    monkeypatch.setattr(proxies._Seen, "faults", set())


@pytest.fixture
def said(caplog):
    """Return what was logged about proxies, with its level."""
    return lambda: [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "mailer.web.proxies"]


@pytest.fixture
def through(monkeypatch):
    """Let doctor reach this application through a proxy that adds these headers."""

    def reach(front: dict[str, str]) -> None:
        class Opened:
            def __init__(self, request, timeout):
                url = request.full_url if isinstance(request, urllib.request.Request) else request
                self._answer = ask("GET", url.removeprefix(HOME), **environ_of(front))

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def read(self, _size):
                return self._answer.text.encode()

        monkeypatch.setattr(here, "in_time", lambda act: act())  # a thread would have another database
        monkeypatch.setattr(urllib.request, "urlopen", Opened)

    return reach


def running(*faults: Fault) -> None:
    """Register a web process that has seen these faults."""
    state = {"proxy_faults": [fault.name for fault in faults]}
    Process.objects.create(kind="web", host="web", pid=1, started_at=clock.now(), seen_at=clock.now(), state=state)


# ---------------------------------------------------------------- doctor asks through the proxy


@pytest.mark.parametrize(
    ("told", "front", "state", "faults"),
    [
        (0, NAMED, "warning", ["MAILER_PROXIES is 0, but BASE_URL is https"]),
        (0, NAMED | forwarded("203.0.113.7"), "error", ["MAILER_PROXIES is 0, but requests come through a proxy"]),
        (1, NAMED | SECURE | forwarded("203.0.113.7"), "ok", []),
        (1, NAMED | SECURE | forwarded("203.0.113.7", "10.0.0.2"), "error", ["more proxies add"]),
        (2, NAMED | SECURE | forwarded("203.0.113.7"), "error", ["has fewer addresses"]),
        (1, NAMED | SECURE, "error", ["X-Forwarded-For $proxy_add_x_forwarded_for"]),
        (1, NAMED | forwarded("203.0.113.7"), "warning", ["X-Forwarded-Proto $scheme"]),
        (
            1,
            {"Host": "web:8000"} | SECURE | forwarded("203.0.113.7"),
            "warning",
            ["redirected to BASE_URL", "Host $host"],
        ),
        (1, {"Host": "127.0.0.1:8000"} | SECURE | forwarded("203.0.113.7"), "warning", ["Host $host"]),
        (1, {"Host": "127.0.0.1:8000"}, "error", ["Host $host", "X-Forwarded-Proto $scheme", "proxy_add_x_forwarded"]),
    ],
)
def test_doctor_names_the_headers_that_are_missing(through, told, front, state, faults):
    through(front)
    with behind(told):
        check = here.proxies()
    assert (check.state, [part for part in faults if part not in check.detail]) == (state, []), check.detail


def test_doctor_says_what_web_processes_have_met_where_it_reaches_none(monkeypatch):
    monkeypatch.setattr(reachability, "faults_in_front", lambda _: None)
    with behind(1):
        assert here.proxies().state == "ok"
        running(Fault.FEWER)
        assert (here.proxies().state, here.proxies().detail) == ("warning", Fault.FEWER.value)
        running(Fault.UNTOLD)
        assert here.proxies().state == "error"


def test_another_installation_or_an_older_version_says_nothing_of_the_proxies(monkeypatch):
    class Older:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, _size):
            return json.dumps(self.answer).encode()

    monkeypatch.setattr(urllib.request, "urlopen", Older)
    ours = reachability.public_id()
    for Older.answer in ({"installation": ours}, {"installation": "x", "front": ["HOST"]}, [], None):
        assert reachability.faults_in_front(HOME) is None
    Older.answer = {"installation": ours, "front": ["HOST"]}
    assert reachability.faults_in_front(HOME) == ["HOST"]


def test_only_who_asks_learns_of_the_proxies():
    assert list(json.loads(ask("GET", "/healthz").text)) == ["installation"]
    assert json.loads(ask("GET", "/healthz?front", HTTP_HOST="news.example.com").text)["front"] == []


# ---------------------------------------------------------------- start and log


def test_the_start_says_that_a_proxy_was_forgotten(said, settings):
    with behind(1):
        proxies.warn_at_start()
    settings.BASE_URL = "http://127.0.0.1:8000"
    proxies.warn_at_start()
    assert said() == []
    settings.BASE_URL = HOME
    proxies.warn_at_start()
    assert said() == [("WARNING", proxies.FORGOTTEN)]


@pytest.mark.parametrize(
    ("told", "addresses", "fault"),
    [
        (0, [], None),
        (0, ["203.0.113.7"], Fault.UNTOLD),
        (1, ["203.0.113.7"], None),
        (1, ["6.6.6.6", "203.0.113.7"], None),  # a visitor may write one of their own before it
        (1, [], Fault.FEWER),
        (2, ["203.0.113.7"], Fault.FEWER),
    ],
)
def test_a_process_says_once_what_requests_show(told, addresses, fault, said):
    with behind(told):
        for _ in range(3):
            ask("GET", "/subscribe/", **environ_of(forwarded(*addresses)))
    assert said() == ([("WARNING", fault.value)] if fault else [])
    assert proxies.state() == ({"proxy_faults": [fault.name]} if fault else {})


@pytest.mark.parametrize("path", proxies.BY_MACHINES)
def test_a_machine_beside_us_comes_without_a_proxy(path, said):
    with behind(1):
        ask("GET", path)
    assert said() == []
    with behind(0):
        ask("GET", path, HTTP_X_FORWARDED_FOR="203.0.113.7")
    assert said() == [("WARNING", Fault.UNTOLD.value)]


# ---------------------------------------------------------------- limits


def test_no_limit_holds_for_all_visitors_silently(monkeypatch, said):
    monkeypatch.setattr(limits, "FREE_A_NETWORK_HOUR", 0)
    with behind(0):
        assert sign_up(HTTP_ORIGIN=HOME).status == 200
        assert said() == [], "who comes without a proxy is limited alone"
        assert sign_up(HTTP_ORIGIN=HOME, HTTP_X_FORWARDED_FOR="203.0.113.7").status == 200
    assert said() == [("WARNING", Fault.UNTOLD.value), ("ERROR", proxies.ALL_AS_ONE)]


def test_no_guessing_shuts_all_operators_out_silently(said, settings):
    settings.AXES_FAILURE_LIMIT = 2
    shown = ask("GET", "/admin/login/")
    token = shown.text.partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    environ = {
        "HTTP_COOKIE": shown.cookies[0].split(";")[0],
        "HTTP_ORIGIN": HOME,
        "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    }
    for _ in range(2):
        answer = post("/admin/login/", f"csrfmiddlewaretoken={token}&username=a&password=b".encode(), **environ)
    assert answer.status == 429
    assert said() == [("WARNING", Fault.UNTOLD.value), ("ERROR", proxies.ALL_AS_ONE)]
