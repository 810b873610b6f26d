import http.server
import json
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from mailer.models import Installation
from mailer.publishing import reachability
from mailer.store.installation import public_id
from tests.certificates import write_certificate
from tests.stand_in import StandIn

pytestmark = pytest.mark.django_db


@contextmanager
def somebody_answers(body=b"", status=200, headers=()):
    """Run a web server on this machine that gives one response to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Print nothing."""

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_an_address_that_leads_to_us_is_reachable():
    with somebody_answers(json.dumps({"installation": public_id()}).encode()) as (url, asked):
        assert reachability.why_unreachable(url) == ""
    assert asked == ["/healthz"]


@pytest.mark.django_db(transaction=True)
def test_an_address_of_the_real_pages_is_reachable(live_server):
    Installation.objects.get_or_create(pk=1)
    assert reachability.why_unreachable(live_server.url) == ""


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (
            b'{"installation": "00000000-0000-4000-8000-000000000000"}',
            200,
            "is an installation with another database",
        ),
        (b"{}", 200, "is an installation with another database"),
        (b'["a list"]', 200, "is an installation with another database"),
        (b"<html>Welcome to nginx!</html>", 200, "is answered by something other than mailer"),
        (b"\xff\xfe\x00", 200, "is answered by something other than mailer"),
        (b"[" * 9_000, 200, "is answered by something other than mailer"),
        (b"{" + b" " * 20_000 + b"}", 200, "is answered by something other than mailer"),
        (b"no", 404, "answers 404"),
        (b"no", 500, "is BASE_URL the address of `mailer serve`?"),
        (b"no", 502, "answers 502: the proxy is running, but `mailer serve` behind it does not answer; start it"),
        (b"no", 503, "answers 503: the proxy is running"),
        (b"no", 504, "answers 504: the proxy is running"),
    ],
)
def test_an_address_that_leads_elsewhere_is_explained(body, status, words):
    with somebody_answers(body, status) as (url, _):
        why = reachability.why_unreachable(url)
    assert why.startswith(f"{url}/healthz ")
    assert words in why


def test_an_address_where_nobody_listens_is_explained():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        why = reachability.why_unreachable(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert "does not answer" in why
    assert "refused" in why
    assert "mailer serve" in why


def test_a_name_that_does_not_exist_is_explained():
    why = reachability.why_unreachable("http://nobody.invalid")
    assert "does not answer" in why
    assert "needs a DNS record" in why
    assert "mailer serve" not in why  # which may well be running


def test_a_certificate_that_is_refused_is_explained(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(tmp_path / "own.pem"))
    with StandIn(tls=context) as server:
        why = reachability.why_unreachable(server.url)
    assert "(its certificate is refused: self-signed certificate); renew or replace it at the proxy." in why


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_a_server_that_hangs_up_or_does_not_speak_http_is_explained(says):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer():
            one, _ = listening.accept()
            one.recv(10_000)
            one.sendall(says)
            one.close()

        threading.Thread(target=answer, daemon=True).start()
        why = reachability.why_unreachable(f"http://127.0.0.1:{listening.getsockname()[1]}")
    assert "does not answer" in why or "something other" in why


def test_somebody_who_never_answers_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(reachability, "TIMEOUT", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        why = reachability.why_unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert "timed out" in why


def test_a_redirect_that_leads_nowhere_is_explained():
    with somebody_answers(status=302, headers=[("Location", "/healthz")]) as (url, _):
        assert "answers 302" in reachability.why_unreachable(url)
