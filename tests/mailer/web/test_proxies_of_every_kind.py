"""Behind every kind of proxy: with and without each header, streamed or not."""

import itertools
import re
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.test import override_settings

from mailer.config.environment import origin_of
from mailer.web.bodies import WholeBodies
from subscribers.models import Subscriber
from subscribers.web import forms
from tests import readers
from tests.readers import ADA
from tests.subscribers.paths import preferences_path
from tests.subscribers.web.test_views import form_time
from tests.wire import Answer, ask, environ_of, post, streamed

pytestmark = pytest.mark.django_db

HOME = "https://news.example.com"
PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def _at_home(settings, monkeypatch):
    """Set up an installation with a public address, which the middleware reads when it is created."""
    settings.BASE_URL = settings.ORIGIN = HOME
    settings.ALLOWED_HOSTS = ["127.0.0.1", "::1", "[::1]", "localhost", "news.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = [HOME]
    settings.CSRF_COOKIE_SECURE = settings.SESSION_COOKIE_SECURE = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr("mailer.web.wsgi.application", WholeBodies(get_wsgi_application()))


def behind(proxies: int):
    header = ("HTTP_X_FORWARDED_PROTO", "https") if proxies else None
    return override_settings(MAILER_PROXIES=proxies, SECURE_PROXY_SSL_HEADER=header)


FRONTS = [
    {
        "Host": host,
        **({"X-Forwarded-Proto": proto} if proto else {}),
        **({"X-Forwarded-For": "203.0.113.7"} if forwarded else {}),
    }
    for host, proto, forwarded in itertools.product(
        ["news.example.com", "127.0.0.1:8000", "mailer_backend"], ["https", "http", ""], [True, False]
    )
]


class Browser:
    """A browser at BASE_URL, behind a proxy that adds these headers: it shows a form and posts it."""

    def __init__(self, front: dict[str, str], send=post) -> None:
        self._front, self._send = environ_of(front), send
        self._jar: dict[str, str] = {}

    def get(self, path: str) -> Answer:
        """Return the page, following the redirect that some proxies cause first."""
        answer = self._kept(ask("GET", path, **self._front, **self._cookies()))
        to = answer.headers.get("Location", "")
        if answer.status == 302 and to.startswith(HOME):
            return self._kept(ask("GET", to.removeprefix(HOME), **self._front, **self._cookies()))
        return answer

    def fill_in(self, path: str, **fields: str) -> Answer:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).text)
        given = ({"csrfmiddlewaretoken": token[1]} if token else {}) | fields
        said = environ_of({"Origin": HOME, "Referer": HOME + path})
        body = urlencode(given).encode()
        body = [body] if self._send is streamed else body
        return self._kept(self._send(path, body, **(self._front | said | self._cookies())))

    def _kept(self, answer: Answer) -> Answer:
        self._jar |= dict(cookie.split(";")[0].split("=", 1) for cookie in answer.cookies)
        return answer

    def _cookies(self) -> dict[str, str]:
        return {"HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self._jar.items())} if self._jar else {}


@pytest.mark.parametrize("send", [post, streamed])
@pytest.mark.parametrize("proxies", [0, 1])
def test_a_visitor_signs_up_and_leaves_and_an_operator_logs_in(proxies, send):
    User.objects.create_superuser("operator", "operator@example.org", PASSWORD)
    for number, front in enumerate(FRONTS):
        with behind(proxies):
            readers.a_day_later()
            browser = Browser(front, send)
            email = f"visitor-{number}@readers.example"
            joined = browser.fill_in("/subscribe/", email=email, website="", form_time=form_time())
            assert "Check your email" in joined.text, front
            assert Subscriber.objects.filter(email=email).exists()
            reader = readers.confirmed(who=readers.Named("Ben", f"ben-{number}@readers.example"))
            assert "unsubscribed from everything" in browser.fill_in(preferences_path(reader), do="leave").text, front
            assert readers.state_of(reader) == "unsubscribed"
            entered = browser.fill_in("/admin/login/", username="operator", password=PASSWORD, next="/admin/")
            assert (entered.status, entered.headers["Location"]) == (302, "/admin/"), front
            assert browser.get("/admin/").status == 200


# ---------------------------------------------------------------- a form that is not taken for ours


def refused(caplog) -> list[str]:
    return [record.because for record in caplog.records if record.getMessage() == "form refused"]


def sign_up(*, cookie: bool = True, token: str = "", **environ: str) -> Answer:
    shown = ask("GET", "/subscribe/")
    made = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown.text)[1]
    fields = {"csrfmiddlewaretoken": token or made, "email": ADA.email, "form_time": form_time()}
    jar = {"HTTP_COOKIE": shown.cookies[0].split(";")[0]} if cookie else {}
    return post("/subscribe/", urlencode(fields).encode(), **(jar | environ))


def test_only_a_missing_cookie_is_called_one(caplog):
    missing = sign_up(cookie=False, HTTP_ORIGIN=HOME)
    assert "did not keep the cookie" in missing.text
    assert "cookie did not come" in refused(caplog)[0]


@pytest.mark.parametrize(
    "said", ["https://www.example.com", "null", "http://news.example.com", "https://news.example.com.evil.example"]
)
def test_a_form_of_another_address_names_ours(said, caplog):
    answer = sign_up(HTTP_ORIGIN=said)
    assert "cookie" not in answer.text
    assert f"{HOME}/subscribe/" in answer.text
    assert "Origin or Referer does not match BASE_URL" in refused(caplog)[0]
    assert "www.example.com" not in caplog.text
    assert not Subscriber.objects.exists()


def test_a_stale_form_asks_for_another_press(caplog):
    answer = sign_up(token="a" * 64, HTTP_ORIGIN=HOME)
    assert "press the button once more" in answer.text
    assert "its token" in refused(caplog)[0]


def test_without_origin_the_referer_counts_where_https_came_in():
    with behind(1):
        for referer, words in (
            (f"{HOME}/subscribe/", "Check your email"),
            ("https://evil.example/", HOME),
            ("//[", HOME),
        ):
            assert words in sign_up(HTTP_REFERER=referer, HTTP_X_FORWARDED_PROTO="https").text


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"HTTP_ORIGIN": HOME}, "did not keep the cookie"),
        ({"HTTP_ORIGIN": "https://evil.example"}, f"Please start at {HOME}"),
        ({"HTTP_ORIGIN": HOME, "HTTP_COOKIE": "csrftoken=" + "a" * 32}, "did not come from one of our pages"),
    ],
)
def test_a_login_that_is_refused_says_why(environ, words, caplog):
    answer = post("/admin/login/", b"username=operator&password=x", **environ)
    assert (answer.status, words in answer.text) == (403, True)
    assert len(refused(caplog)) == 1


def test_an_embedded_form_gets_ours_whatever_its_address(caplog):
    body = urlencode({"email": ADA.email}).encode()
    answer = post("/subscribe/", body, HTTP_ORIGIN="https://blog.example")
    assert "press the button once more" in answer.text
    assert forms.made(re.search(r'name="form_time" value="([^"]+)"', answer.text)[1]) is not forms.Made.NOT_HERE
    assert not refused(caplog), "each visitor of that site would be a warning"


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://News.Example.com", "https://news.example.com"),
        ("https://news.example.com:443", "https://news.example.com"),
        ("https://news.example.com:8443/list", "https://news.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address, origin):
    assert origin_of(address) == origin
