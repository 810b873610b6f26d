"""Requests for another host name: an old one after a move, or one that a proxy made up."""

import base64
import hashlib
import json
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.models import Event, Media
from mailer.web import proxies
from tests import readers
from tests.events import PATH, EventKeys
from tests.mailer.web.test_bodies import report, signed
from tests.mailer.web.test_proxies_of_every_kind import HOME, PASSWORD, Browser, _at_home, behind, sign_up  # noqa: F401 — a fixture for each test
from tests.readers import ADA
from tests.subscribers.paths import confirm_path, every_path, everything, leave_path, preferences_path
from tests.subscribers.web.test_views import form_time
from tests.wire import ask, post, streamed

pytestmark = pytest.mark.django_db

OLD = "letters.example.org"
FOREIGN = [OLD, "mailer_backend", "web:8000", "10.0.0.7:8000", "news.example.com.evil.example", "", "a b", "[::"]
PAGES = ["/", "/subscribe/", "/jianbao/", "/archive/", "/feed.xml", "/robots.txt", "/admin/login/", "/archive"]
PAGES.append("/.well-known/security.txt")


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch, settings):
    monkeypatch.setattr(proxies._Seen, "faults", set())
    settings.MAILER_SECURITY_CONTACT = "mailto:security@example.com"


# ---------------------------------------------------------------- what its signature vouches for


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("send", [post, lambda path, body, **more: streamed(path, [body], **more)])
def test_one_click_unsubscribes_under_any_name(send, host):
    reader = readers.confirmed()
    answer = send(leave_path(reader).rstrip("/"), b"List-Unsubscribe=One-Click", HTTP_HOST=host)
    assert (answer.status, answer.text) == (200, "Unsubscribed.")
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize("host", FOREIGN)
def test_the_pages_behind_signed_links_work_under_any_name(host):
    reader = readers.confirmed()
    for path in every_path(reader).values():
        shown = ask("GET", path, HTTP_HOST=host)
        assert "Location" not in shown.headers
        assert HOME not in shown.text, "its forms post to where they were opened"
    assert "unsubscribed from everything" in post(preferences_path(reader), b"do=leave", HTTP_HOST=host).text
    waiting = readers.pending(who=readers.Named("Ben", "ben@readers.example"))
    assert post(confirm_path(waiting), b"", HTTP_HOST=host).status == 200
    assert readers.state_of(waiting) == "active"


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
@pytest.mark.parametrize("host", ["127.0.0.1", *FOREIGN])
def test_events_are_taken_under_any_name_with_and_without_the_slash(host, path, settings):
    keys = EventKeys()
    settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(keys.public),)
    body = json.dumps([report()]).encode()
    assert post(path, body, **(signed(body, keys) | {"HTTP_HOST": host})).status == 204
    assert post(path, body + b" ", **(signed(body, keys) | {"HTTP_HOST": host})).status == 403
    assert Event.objects.count() == 1


def test_images_of_old_mails_and_questions_of_a_load_balancer_are_answered():
    sha256 = hashlib.sha256(b"a sketch").hexdigest()
    Media.objects.create(
        sha256=sha256, extension="png", content_type="image/png", width=3, height=2, content=b"a sketch"
    )
    for path in (f"/media/{sha256}.png", "/healthz", "/readyz"):
        assert ask("GET", path, HTTP_HOST="10.0.0.7").status == 200


def test_figures_are_shown_under_another_name_to_who_has_the_token_alone(settings):
    settings.MAILER_METRICS_TOKEN = "a-long-token"
    assert ask("GET", "/metrics", HTTP_HOST="127.0.0.1").status == 200
    assert ask("GET", "/metrics", HTTP_HOST="rebound.evil.example").status == 404
    assert ask("GET", "/metrics", HTTP_HOST="10.0.0.7", HTTP_AUTHORIZATION="Bearer a-long-token").status == 200


# ---------------------------------------------------------------- everything else


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", PAGES)
def test_other_pages_lead_to_the_same_one_at_base_url_and_never_in_a_circle(path, host):
    for method in ("GET", "HEAD"):
        led = ask(method, f"{path}?a=b", HTTP_HOST=host)
        assert (led.status, led.headers["Location"]) == (302, f"{HOME}{path}?a=b&led-here=1")
        assert led.headers["Cache-Control"] == "no-store"
    again = ask("GET", f"{path}?led-here=1", HTTP_HOST=host)
    assert (again.status, again.headers.get("Location")) == (200, None) or path == "/archive"


def test_behind_a_proxy_with_a_name_of_its_own_everything_works_and_the_log_says_so(caplog):
    User.objects.create_superuser("operator", "operator@example.org", PASSWORD)
    browser = Browser({"Host": "web:8000", "X-Forwarded-For": "203.0.113.7"})
    with behind(1):
        joined = browser.fill_in("/subscribe/", email=ADA.email, website="", form_time=form_time())
        assert "Check your email" in joined.text
        entered = browser.fill_in("/admin/login/?next=/admin/", username="operator", password=PASSWORD)
        assert (entered.status, entered.headers["Location"]) == (302, "/admin/")
        for page in ("/admin/", "/admin/subscribers/subscriber/", "/admin/subscribers/subscriber/?q=ada"):
            assert browser.get(page).status == 200, "no query of ours confuses it"
    told = [record.levelname for record in caplog.records if record.getMessage() == proxies.Fault.HOST.value]
    assert told == ["WARNING"], "once a process"


def test_from_elsewhere_nobody_is_led_to_their_own_machine(settings):
    settings.BASE_URL = settings.ORIGIN = "http://127.0.0.1:8000"
    answer = ask("GET", "/subscribe/", HTTP_HOST="a-tunnel.example")
    assert (answer.status, "Location" in answer.headers, "set BASE_URL to" in answer.text) == (400, False, True)


@pytest.mark.parametrize("host", FOREIGN)
def test_a_form_is_not_repeated_elsewhere_but_told_its_address(host):
    before = everything()
    for path in ("/subscribe/", "/admin/login/", "/subscribe"):
        answer = post(path, f"email={ADA.email}".encode(), HTTP_HOST=host, HTTP_ORIGIN=f"https://{OLD}")
        assert (answer.status, "not the address of The Weekly" in answer.text) == (400, True)
        assert "Request too large" not in answer.text
    assert ask("GET", "/wp-login.php", HTTP_HOST=host).status == 400
    assert everything() == before


@settings(max_examples=200)
@given(
    path=st.text(st.characters(max_codepoint=255, exclude_categories=["Cs"]), max_size=30).map(lambda text: f"/{text}"),
    query=st.sampled_from(
        ["", "next=//evil.example", "a\r\nLocation: //evil.example", "@evil.example", "a=b&led-here=1"]
    ),
    host=st.sampled_from([*FOREIGN, "evil.example"]),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"]),
)
def test_nobody_is_led_to_another_place_than_base_url(path, query, host, method):
    answer = ask(method, "/", PATH_INFO=path, QUERY_STRING=query, HTTP_HOST=host, HTTP_X_FORWARDED_HOST="evil.example")
    assert answer.status < 500
    target = urlsplit(answer.headers.get("Location", HOME))
    assert f"{target.scheme}://{target.netloc}" in (HOME, "://")
    assert not any("\n" in value or "\r" in value for value in answer.headers.values())
    assert "Location" not in answer.headers or not target.netloc or method in ("GET", "HEAD")


def test_what_apache_says_of_the_name_counts_behind_a_proxy_of_ours():
    apache = {"HTTP_HOST": "web:8000", "HTTP_X_FORWARDED_HOST": "news.example.com"}
    with behind(1):
        assert ask("GET", "/subscribe/", **apache).status == 200
        assert (
            ask("GET", "/subscribe/", **apache | {"HTTP_X_FORWARDED_HOST": "a.example, news.example.com"}).status == 200
        )
        assert (
            ask("GET", "/subscribe/", **apache | {"HTTP_X_FORWARDED_HOST": "news.example.com, a.example"}).status == 302
        )
    with behind(0):
        assert ask("GET", "/subscribe/", **apache).status == 302


# ---------------------------------------------------------------- posts without a slash, forms without an origin


def test_no_post_is_redirected_for_want_of_a_slash():
    """A redirect is repeated as a GET, and the posted data is lost."""
    readers.confirmed()
    paths = [
        *every_path(readers.pending()).values(),
        "/subscribe/",
        "/admin/login/",
        PATH,
        "/unsubscribe/test/weekly/1/",
    ]
    for path in paths:
        answer = post(path.rstrip("/"), b"")
        assert answer.status not in (301, 302, 307, 308, 404), path


def test_a_form_is_ours_also_where_a_proxy_forbids_the_browser_to_say_so():
    assert "Check your email" in sign_up(HTTP_ORIGIN="null", HTTP_SEC_FETCH_SITE="same-origin").text
    for site in ("cross-site", "same-site", "none", ""):
        assert HOME in sign_up(HTTP_ORIGIN="null", HTTP_SEC_FETCH_SITE=site).text
