"""However a request's length is given, its body is read whole, or nothing changes and the response says so."""

import base64
import itertools
import json
import re
import time
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from mailer.models import Event
from mailer.store.installation import public_id
from mailer.web import bodies
from subscribers.models import Subscriber
from tests import readers
from tests.events import PATH, EventKeys
from tests.readers import ADA
from tests.subscribers.paths import confirm_path, data_path, everything, leave_path, preferences_path
from tests.subscribers.web.test_views import form_time
from tests.wire import FORM, Pieces, ask, environ_of, post, streamed

pytestmark = pytest.mark.django_db

KEYS = EventKeys()
LEAVE_ALL = b"do=leave"
MULTIPART = "multipart/form-data; boundary=b"


@pytest.fixture(autouse=True)
def _our_key(settings):
    settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(KEYS.public),)


def multipart(**fields: str) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    return ("".join(parts) + "--b--\r\n").encode()


def report(**more: str) -> dict[str, object]:
    given = {"event": "delivered", "timestamp": int(time.time()), "sg_event_id": uuid4().hex}
    ids = {"mailer_installation": public_id(), "mailer_attempt": str(uuid4()), "mailer_delivery": "1"}
    return given | ids | more


def events(count: int = 1, **more: str) -> bytes:
    return json.dumps([report(**more) for _ in range(count)]).encode()


def signed(body: bytes, keys: EventKeys = KEYS) -> dict[str, str]:
    return environ_of(keys.headers(body)) | {"CONTENT_TYPE": "application/json"}


def filled_in(path: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    """Return the form that a GET shows, filled in by a browser with our cookie."""
    shown = ask("GET", path)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown.text)[1]
    cookie = shown.headers["Set-Cookie"].split(";")[0]
    return urlencode({"csrfmiddlewaretoken": token} | fields).encode(), {"HTTP_COOKIE": cookie}


# ---------------------------------------------------------------- streamed bodies


def test_the_button_that_unsubscribes_from_everything_does_it():
    reader = readers.confirmed()
    answer = streamed(preferences_path(reader), [LEAVE_ALL])
    assert (answer.status, "You are unsubscribed from everything." in answer.text) == (200, True)
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"List-Unsubscribe=One-Click", FORM), (multipart(**{"List-Unsubscribe": "One-Click"}), MULTIPART)],
)
@pytest.mark.parametrize("send", [streamed, lambda path, body, **more: post(path, b"".join(body), **more)])
def test_one_click_unsubscribes_in_either_form_of_rfc_8058(send, body, kind):
    reader = readers.confirmed()
    answer = send(leave_path(reader), [body[:9], body[9:]], CONTENT_TYPE=kind)
    assert (answer.status, answer.text) == (200, "Unsubscribed.")
    assert readers.history_of(reader)[-1] == ("unsubscribed", "one-click")


@pytest.mark.parametrize(("body", "kind"), [(b"from=page", FORM), (multipart(**{"from": "page"}), MULTIPART)])
def test_our_button_is_told_from_one_click_and_may_be_undone(body, kind):
    reader = readers.confirmed()
    answer = streamed(leave_path(reader), [body], CONTENT_TYPE=kind)
    assert "/unsubscribe/undo/" in answer.text
    assert readers.history_of(reader)[-1] == ("unsubscribed", "page")


def test_a_sign_up_gets_through_at_the_first_press():
    body, cookie = filled_in("/subscribe/", email=ADA.email, website="", form_time=form_time())
    assert "Check your email" in streamed("/subscribe/", [body], **cookie).text
    assert Subscriber.objects.get().email == ADA.email


def test_a_confirmation_and_a_new_name_get_through():
    reader = readers.pending()
    assert streamed(confirm_path(reader), []).status == 200
    assert readers.state_of(reader) == "active"
    assert "Saved." in streamed(data_path(reader), [b"do=rename&", b"name=Grace"]).text
    reader.refresh_from_db()
    assert reader.name == "Grace"


def test_an_operator_logs_in():
    User.objects.create_superuser("operator", "operator@example.org", "a long password")
    body, cookie = filled_in("/admin/login/", username="operator", password="a long password", next="/admin/")
    answer = streamed("/admin/login/", [body], **cookie)
    assert (answer.status, answer.headers["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("count", [1, 700])
def test_signed_events_are_stored(count):
    body = events(count, filler="x" * 1000)
    assert streamed(PATH, [body[at : at + 8192] for at in range(0, len(body), 8192)], **signed(body)).status == 204
    assert Event.objects.count() == count


# ---------------------------------------------------------------- what did not come whole

LARGE = (413, "Request too large")
PARTIAL = (400, "Incomplete request")
UNREAD = (400, "We could not read your request")
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
BROKEN = {
    "chunks that end early": (CHUNKED, [LEAVE_ALL, OSError("no more data")], PARTIAL),
    "malformed chunks": (CHUNKED, [LEAVE_ALL, ValueError("zz")], PARTIAL),
    "chunks without end": (CHUNKED, [LEAVE_ALL, *[b"&a=" + b"a" * 9000] * 900], LARGE),
    "one chunk too large": (CHUNKED, [LEAVE_ALL + b"&a=" + b"a" * 6_000_000], LARGE),
    "a length that is not reached": ({"CONTENT_LENGTH": "500"}, [LEAVE_ALL], PARTIAL),
    "a length that is too large": ({"CONTENT_LENGTH": "100000000"}, [LEAVE_ALL], LARGE),
    "a length of many digits": ({"CONTENT_LENGTH": "9" * 6000}, [LEAVE_ALL], LARGE),
    "a length below zero": ({"CONTENT_LENGTH": "-8"}, [LEAVE_ALL], UNREAD),
    "a length in words": ({"CONTENT_LENGTH": "eight"}, [LEAVE_ALL], UNREAD),
    "a length in other digits": ({"CONTENT_LENGTH": "٨"}, [LEAVE_ALL], UNREAD),
    "two lengths": ({"CONTENT_LENGTH": "8"} | CHUNKED, [LEAVE_ALL], UNREAD),
    "a compressed body": ({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, [LEAVE_ALL], UNREAD),
    "a server that does not tell the end": ({"wsgi.input_terminated": ""} | CHUNKED, [LEAVE_ALL], UNREAD),
}
DOORS = [preferences_path, data_path, confirm_path, lambda _: "/subscribe/", lambda _: "/admin/login/"]


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_done_and_the_answer_says_so(name, door):
    reader = readers.confirmed()
    before = everything()
    environ, body, (status, words) = BROKEN[name]
    answer = ask("POST", door(reader), body, **environ)
    assert (answer.status, words in answer.text) == (status, True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert everything() == before


@pytest.mark.parametrize("name", BROKEN)
def test_a_signed_link_to_unsubscribe_is_obeyed_whatever_came_with_it(name):
    reader = readers.confirmed()
    environ, body, _ = BROKEN[name]
    assert ask("POST", leave_path(reader), body, **environ).status == 200
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize("name", BROKEN)
def test_sendgrid_is_told_to_post_again(name):
    body = events()
    environ, pieces, (status, _) = BROKEN[name]
    answer = ask("POST", PATH, [body, *pieces], **signed(body) | environ)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/plain")
    assert not Event.objects.exists()


def test_events_are_limited_too_and_a_length_that_says_so_is_not_read():
    body = b"[" + b" " * bodies.EVENTS
    assert post(PATH, body, **signed(body)).status == 413
    never = Pieces([AssertionError("it was read")])
    with pytest.raises(bodies.BodyError) as error:
        bodies._body({"CONTENT_LENGTH": str(len(body)), "PATH_INFO": PATH, "wsgi.input": never})
    assert error.value.fault is bodies.Fault.TOO_LARGE


# ---------------------------------------------------------------- what came whole and says nothing


@pytest.mark.parametrize("body", [b"", b"do=", b"do=nonsense", b"had=weekly"])
@pytest.mark.parametrize("door", [preferences_path, data_path])
def test_a_press_whose_button_did_not_come_is_answered_as_one(door, body):
    reader = readers.confirmed()
    before = everything()
    answer = post(door(reader), body)
    assert (answer.status, "Nothing was changed" in answer.text) == (400, True)
    assert everything() == before
    assert "Nothing was changed" not in ask("GET", door(reader)).text


def test_a_sign_up_that_came_empty_says_so_instead_of_asking_for_another_press():
    answer = post("/subscribe/", b"")
    assert "did not receive" in answer.text
    assert "press the button once more" not in answer.text


# ---------------------------------------------------------------- every body


@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    framed=st.sampled_from(["length", "chunks"]),
    short=st.integers(0, 3),
)
def test_a_body_comes_as_it_was_sent_or_not_at_all(body, cuts, framed, short):
    places = [0, *sorted(cuts), len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(places)]
    environ = {"wsgi.input": Pieces(pieces), "wsgi.input_terminated": True, "PATH_INFO": "/subscribe/"}
    if framed == "chunks":
        environ["HTTP_TRANSFER_ENCODING"] = "Chunked"
    else:
        environ["CONTENT_LENGTH"] = str(len(body) + short)
    below: dict = {}

    def application(environ, start_response):
        below.update(environ)
        return []

    bodies.WholeBodies(application)(environ, lambda *_: None)
    came = below["wsgi.input"].read()
    assert int(below["CONTENT_LENGTH"]) == len(came)
    if framed == "length" and short:
        assert (came, below[bodies.FAULT]) == (b"", bodies.Fault.BROKEN_OFF)
    else:
        assert came == body
        assert bodies.FAULT not in below
