import hashlib
import io
import json
import logging
import uuid

import pytest
from django.core.handlers.base import BaseHandler
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from mailer.config.logs import KeyValueFormatter
from mailer.models import Installation, Media
from mailer.store.installation import public_id

pytestmark = pytest.mark.django_db

SKETCH = hashlib.sha256(b"a sketch").hexdigest()


@pytest.fixture
def sketch():
    return Media.objects.create(
        sha256=SKETCH, extension="png", content_type="image/png", width=3, height=2, content=b"a sketch"
    )


def test_healthz_says_which_installation_this_is(client):
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"installation": str(Installation.objects.get().public_id)}
    assert uuid.UUID(answer.json()["installation"])
    assert answer["Cache-Control"] == "no-store"


def test_healthz_answers_without_a_database_once_it_knows(client, monkeypatch):
    public_id()
    monkeypatch.setattr(Installation.objects, "get", lambda **_: pytest.fail("asked the database"))
    assert client.get("/healthz").status_code == 200


def test_readyz_is_ready_when_the_tables_are_those_of_this_version(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})
    assert answer["Cache-Control"] == "no-store"


def test_readyz_is_not_ready_before_the_migrations_ran(client):
    MigrationRecorder.Migration.objects.filter(app="mailer").delete()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": "older"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", f"/media/{SKETCH}.png"])
def test_these_pages_change_nothing(client, path, sketch):
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/subscribe/", "/nothing/", "/admin/login/", f"/media/{SKETCH}.png"])
def test_head_is_answered_without_a_body_and_with_the_length_it_would_have(client, rf, path, sketch):
    """This bypasses the test client, which drops bodies itself."""
    server = BaseHandler()
    server.load_middleware()
    got, told = server.get_response(rf.get(path)), server.get_response(rf.head(path))
    assert (told.status_code, told.content) == (got.status_code, b"")
    assert int(told["Content-Length"]) == len(got.content)


def test_an_image_is_served_as_it_is_and_may_be_cached_indefinitely(client, sketch):
    answer = client.get(f"/media/{SKETCH}.png")
    assert (answer.status_code, answer.content) == (200, b"a sketch")
    assert answer["Content-Type"] == "image/png"
    assert set(answer["Cache-Control"].split(", ")) == {"public", "max-age=31536000", "immutable"}


def test_an_image_can_be_nothing_but_an_image(client, sketch):
    answer = client.get(f"/media/{SKETCH}.png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'"
    assert "Set-Cookie" not in answer


@pytest.mark.parametrize("name", [f"{SKETCH}.jpg", f"{SKETCH}", f"{SKETCH[:-1]}0.png", "..png", "x.png"])
def test_there_is_no_image_of_another_name(client, sketch, name):
    assert client.get(f"/media/{name}").status_code == 404


# -------------------------------------------------------------- the access log


@pytest.fixture
def access(caplog):
    """Return the lines of the access log."""
    caplog.set_level(logging.INFO, "mailer")
    return lambda: [record for record in caplog.records if record.name == "mailer.web.views"]


def test_the_access_log_names_the_route_and_never_the_path(client, access):
    client.get("/unsubscribe/a-readers-token/?from=mail")
    (line,) = access()
    assert line.route.endswith("unsubscribe")
    assert (line.method, isinstance(line.ms, int)) == ("GET", True)
    assert "a-readers-token" not in json.dumps({key: str(value) for key, value in vars(line).items()})


def test_the_access_log_says_none_for_an_unknown_path(client, access):
    assert client.get("/wp-login.php").status_code == 404
    (line,) = access()
    assert (line.route, line.status) == ("none", 404)


def test_no_log_holds_a_readers_token_whatever_goes_wrong(monkeypatch):
    """Not even Django's own logs, which print the path of a failed request."""
    log = io.StringIO()
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one.formatter, KeyValueFormatter)]
    monkeypatch.setattr(handler, "stream", log)
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def fail(*_, **__):
        raise RuntimeError("a defect")

    monkeypatch.setattr("subscribers.tokens.read", fail)
    assert browser.get("/unsubscribe/a-readers-token/").status_code == 500
    assert browser.post("/confirm/a-readers-token/").status_code == 500
    assert browser.get("/confirm/a-readers-token/", headers={"Host": "elsewhere.example.com"}).status_code == 500
    assert browser.post("/subscribe/", headers={"Host": "elsewhere.example.com"}).status_code == 400
    logged = log.getvalue()
    assert "a defect" in logged
    assert "unsubscribe" in logged
    assert "a-readers-token" not in logged
