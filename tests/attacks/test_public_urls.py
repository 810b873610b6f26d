"""Request every URL of Django's resolver with what scanners and attackers send.

Whatever comes: no failure of ours, no token or address in the log, nothing that a browser would run or keep.
"""

import io
import logging
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings as installation
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLResolver, get_resolver
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.config.logs import KeyValueFormatter
from tests import readers
from tests.readers import ADA
from tests.subscribers.paths import every_path

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "get", "X")
BASE_URL = installation.BASE_URL
EXAMPLES = 30  # for each address; 700 found no more


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        yield from routes(one, route) if isinstance(one, URLResolver) else [route]


ROUTES = sorted(set(routes(get_resolver())))
PLACE = re.compile(r"<[^>]+>|\(\?P<[^)]*\)")

HOSTILE = st.sampled_from(
    [
        *("", "x", "weekly", "jianbao", "2026-11-20", "-1", "0", "9" * 30, "a" * 3000, "..", "../../etc/passwd"),
        *("%00", "%ED%A0%80", "%ff%fe", "%0d%0aX: y", "%2e%2e%2f", "%", "%zz", "%u0041", "嵌入式", "\u202e", "💩"),
        *("<script>", "'", '"', "=1+1", "{{7*7}}", "a@readers.example", "' OR 1=1 --", "\\evil.example", ";x=y"),
    ]
)
PARTS = st.one_of(HOSTILE, st.text(max_size=20), st.just("TOKEN"))
QUERY = st.sampled_from(
    [
        "",
        "q=%00",
        "p=-1&o=zz&e=1",
        "next=//evil.example",
        "all=&p=%ED%A0%80",
        "q=" + "a" * 3000,
        "a[]=1&_popup=1&id__gt=",
    ]
)
ODD = st.one_of(
    st.sampled_from(["", "\xff", "x" * 8000, "null", "*/*;q=zz", "a, b,, ,", "multipart/form-data; boundary=", "gzip"]),
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Host", "Origin", "Referer", "X-Forwarded-For", "X-Forwarded-Proto", "Accept-Language", "Cookie"),
            *("Content-Type", "Content-Encoding", "If-None-Match", "If-Modified-Since", "Range"),
            *("User-Agent", "Authorization", "X-Http-Method-Override", "Accept-Encoding"),
        ]
    ),
    ODD,
    max_size=3,
) | st.sampled_from(
    [
        {"Content-Length": "-1"},
        {"Content-Length": "9" * 30},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"},
        {"Content-Type": "application/json", "X-Twilio-Email-Event-Webhook-Signature": "\xff"},
        {"Host": "evil.example"},
        {"Host": "[", "X-Forwarded-Host": "evil.example"},
        {"Cookie": "sessionid=../../x; csrftoken=\xff; messages=["},
    ]
)
BODIES = st.one_of(
    st.binary(max_size=50),
    st.sampled_from(
        [
            *(
                b"email=a%40b.example&form_time=x&wait=%00%3A%ED%A0%80&altcha=%5B%5B%00",
                b"email=%00&form_time=x",
                b"email=%ED%A0%80@readers.example&website=",
                b"do=delete&sure=yes",
            ),
            *(b"do=move&email=a%0d%0ab@readers.example", b"do=save&newsletter=%00&language=%ff&had=", b"do=link"),
            *(b"List-Unsubscribe=One-Click", b"username=%00&password=x", b"username=" + b"u" * 400 + b"&password=x"),
            *(b"&a=" * 2000, b"a=" + b"z" * 70_000, b"[" * 50_000, b"\xff\xfe\x00"),
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="../a"\r\n\r\n'
            + b"z" * 70_000
            + b"\r\n--x--\r\n",
            b'--x\r\nContent-Disposition: form-data; name="do"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--',
        ]
    ),
)


@pytest.fixture
def log(monkeypatch):
    """Return everything that is logged, as the log would show it."""
    written = io.StringIO()
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one.formatter, KeyValueFormatter)]
    monkeypatch.setattr(handler, "stream", written)
    return written


@pytest.fixture
def visitors():
    """Return sessions of a stranger, of one whose browser must solve a challenge, and of an operator."""
    operator = Client(raise_request_exception=False)
    operator.force_login(
        User.objects.create(username="operator", is_staff=True, is_superuser=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    strict = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return [(Client(raise_request_exception=False), ""), (strict, ""), (operator, operator.session.session_key)]


def wrong_with(answer, behind_a_token: bool) -> list[str]:
    """Return what no answer of ours may have, but this one has."""
    found = []
    policy = answer.get("Content-Security-Policy", "")
    if answer.status_code >= 500 and answer.status_code != 503:
        found.append(f"it fails: {answer.status_code}")
    if "default-src 'none'" not in policy or "unsafe" in policy:
        found.append(f"its policy is {policy!r}")
    if answer.get("X-Content-Type-Options") != "nosniff" or "Referrer-Policy" not in answer:
        found.append("its type may be guessed, or its address told")
    if urlsplit(answer.get("Location", "").replace("\\", "/")).netloc not in ("", urlsplit(BASE_URL).netloc):
        found.append(f"it leads to {answer['Location']}")
    # Django replaces or deletes a cookie that it cannot read; who brought none gets none.
    if behind_a_token and answer.cookies and not answer.wsgi_request.META.get("HTTP_COOKIE"):
        found.append("it sets a cookie")
    if behind_a_token and answer.content:
        kept = "no-store" not in answer.get("Cache-Control", "") or "noindex" not in answer.get("X-Robots-Tag", "")
        found += ["it may be kept or listed"] if kept else []
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_no_request_gets_more_than_an_orderly_answer(route, log, visitors):
    tokens = [path.rstrip("/").rpartition("/")[2] for path in every_path(readers.confirmed()).values()]

    @settings(max_examples=EXAMPLES)
    @given(st.data())
    def attack(data):
        filled = PLACE.sub(lambda _: data.draw(PARTS), route)
        path = filled.replace("TOKEN", data.draw(st.sampled_from(tokens))).strip("^$").replace("[.]", ".")
        body, headers = data.draw(BODIES), data.draw(HEADERS)
        client, session = data.draw(st.sampled_from(visitors))
        client.cookies.clear()  # an answer to an earlier attack may have changed them
        if session:
            client.cookies["sessionid"] = session
        answer = client.generic(
            data.draw(st.sampled_from(METHODS)),
            "/" + quote(path, safe="/%"),
            body,
            headers.get("Content-Type", "application/x-www-form-urlencoded"),
            headers={name: value for name, value in headers.items() if name not in ("Content-Type", "Content-Length")},
            QUERY_STRING=data.draw(QUERY),
            CONTENT_LENGTH=headers.get("Content-Length", str(len(body))),
            **{"wsgi.input": io.BytesIO(body)},
        )
        match = answer.wsgi_request.resolver_match
        assert wrong_with(answer, match is not None and "token" in match.kwargs) == []

    attack()
    written = log.getvalue()
    assert "Traceback" not in written
    assert ADA.email not in written
    assert not [token for token in tokens if token in written]
