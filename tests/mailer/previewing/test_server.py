"""Who may send requests to the preview's server, and what they get."""

import json
from http.client import HTTPConnection

import pytest

from mailer.content.cards import card_of
from mailer.previewing.server import Answered, PreviewServer, Site
from mailer.previewing.watching import Latest
from tests.mailer.previewing.conftest import BASE


@pytest.fixture
def asked():
    """Return the tests that the server was asked to send."""
    return []


@pytest.fixture
def preview(desk, asked):
    def send_test(draft, to):
        asked.append((draft.rendered.subject, to))
        return Answered(True, "Rehearsed.")

    latest = Latest()
    latest.put(desk().draw())
    site = Site(lambda root: f"<p>{root}</p>", latest, f"{BASE}/unsubscribe/test/", send_test)
    server = PreviewServer(site)
    server.start()
    yield server
    server.stop()


def ask(preview, path="", method="GET", body=None, **headers):
    connection = HTTPConnection(preview.netloc, timeout=60)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path if path.startswith("/") else preview.root + path, body, names)
    answer = connection.getresponse()
    return answer.status, dict(answer.headers), answer.read().decode()


def post_test(preview, to=("ada@example.com",), **headers):
    headers = {"Origin": preview.origin, "Content_Type": "application/json", **headers}
    headers = {name: value for name, value in headers.items() if value}
    return ask(preview, "test", "POST", json.dumps({"to": list(to)}), **headers)


def test_the_page_runs_its_own_script_and_nothing_else(preview):
    status, headers, body = ask(preview)
    assert (status, body) == (200, f"<p>{preview.root}</p>")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(preview, "preview.js")[1]["Content-Type"].startswith("text/javascript")
    for sheet in ("preview.css", "panels.css"):
        assert ask(preview, sheet)[1]["Content-Type"].startswith("text/css")


def test_the_card_is_drawn_when_somebody_looks(preview, desk, file):
    connection = HTTPConnection(preview.netloc, timeout=60)
    connection.request("GET", f"{preview.root}card.png?7")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.read() == card_of("Weekly", preview.site.latest.draft.newsletter).content
    file.write_text("# Party 🎉")
    preview.site.latest.put(desk().draw())
    assert ask(preview, "card.png")[0] == 404


def test_the_frame_of_the_mail_never_runs_a_script(preview):
    policy = ask(preview, "frame")[1]["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "sandbox " in policy
    assert "allow-scripts" not in policy


def test_without_the_token_there_is_nothing(preview):
    for path in ("/", "/favicon.ico", "/frame", "/x/events", f"/{preview.token[:-1]}/", f"/{preview.token}x/events"):
        assert ask(preview, path)[0] == 404, path
    assert ask(preview, "nothing")[0] == 404
    assert ask(preview, "../../etc/passwd")[0] == 404
    assert ask(preview, "media/../../preview.js")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost", "127.0.0.1", "127.0.0.1:1"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(preview, host):
    assert ask(preview, Host=host)[0] == 403
    assert post_test(preview, Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_web_page_of_somebody_else_is_refused_even_with_the_token(preview, asked, origin):
    assert ask(preview, Origin=origin)[0] == 403
    assert ask(preview, "events", Origin=origin)[0] == 403
    assert post_test(preview, Origin=origin)[0] == 403
    assert asked == []


def test_a_post_that_does_not_say_where_it_is_from_or_is_a_form_is_refused(preview, asked):
    assert post_test(preview, Origin="")[0] == 403
    assert post_test(preview, Content_Type="text/plain")[0] == 415
    assert post_test(preview, Content_Type="application/x-www-form-urlencoded")[0] == 415
    assert ask(preview, "test", "POST", "x" * 20_000, Origin=preview.origin)[0] == 413
    assert ask(preview, "test")[0] == 404, "GET sends nothing"
    assert asked == []


@pytest.mark.parametrize("body", ["", "x", "[]", "{}", '{"to": "ada@example.com"}', '{"to": [1]}', "[" * 9000])
def test_a_malformed_request_sends_nothing(preview, asked, body):
    status, _, _ = ask(preview, "test", "POST", body, Origin=preview.origin, Content_Type="application/json")
    assert status == 400
    assert asked == []


def test_the_button_sends_the_draft_that_is_shown(preview, asked):
    status, _, body = post_test(preview, ["ada@example.com", "ben@example.com"])
    assert (status, json.loads(body)) == (200, {"accepted": True, "words": "Rehearsed."})
    assert asked == [("Weekly", ["ada@example.com", "ben@example.com"])]


def test_a_broken_issue_cannot_be_tested(preview, desk, file, asked):
    file.write_text("---\ntags: [open\n---\n")
    preview.site.latest.put(desk().draw())
    assert post_test(preview)[0] == 409
    assert asked == []


def test_images_are_those_of_the_draft(preview):
    image = preview.site.latest.draft.rendered.images[0]
    status, headers, _ = ask_bytes(preview, f"media/{image.name}")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert ask(preview, f"media/{'0' * 64}.png")[0] == 404


def ask_bytes(preview, path):
    connection = HTTPConnection(preview.netloc, timeout=60)
    connection.request("GET", preview.root + path)
    answer = connection.getresponse()
    return answer.status, dict(answer.headers), answer.read()


def test_each_draft_reaches_the_page_at_once(preview, desk, file):
    connection = HTTPConnection(preview.netloc, timeout=60)
    connection.request("GET", f"{preview.root}events")
    stream = connection.getresponse()
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    first = json.loads(stream.readline().removeprefix(b"data: "))
    assert (first["version"], first["trouble"]) == (1, None)
    assert stream.readline() == b"\n"

    at = desk()
    at.draw()
    file.write_text("---\ntags: [open\n---\n")
    preview.site.latest.put(at.draw())
    second = json.loads(stream.readline().removeprefix(b"data: "))
    assert second["version"] == 2
    assert "front matter" in second["trouble"]["message"]


def test_it_listens_to_this_machine_only_and_tells_no_token(preview):
    assert preview.netloc.startswith("127.0.0.1:")
    assert preview.token not in repr(preview)
