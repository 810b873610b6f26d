import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.providers.sendgrid.strict import faults_of, is_address, is_issue
from tests.mailer.providers.letters import reader
from tests.mailer.providers.sendgrid.letters import parsed

JSON = {"Content-Type": "application/json"}
CONFIRMATION = {
    "personalizations": [{"to": [{"email": "ada@example.com"}]}],
    "from": {"email": "editor@news.example.com"},
    "subject": "Please confirm",
    "content": [{"type": "text/plain", "value": "https://news.example.org/confirm/x/"}],
    "headers": {"Auto-Submitted": "auto-generated"},
}


def fields(payload):
    return [fault["field"] for fault in faults_of(payload, JSON)]


def test_a_confirmation_needs_no_way_out():
    assert faults_of(CONFIRMATION, JSON) == []
    assert not is_issue(CONFIRMATION)


def test_a_bad_address_is_named_by_its_place():
    payload = parsed(people=[reader(1), reader(2, "not an address"), reader(3)])
    assert faults_of(payload, JSON) == [
        {"message": "Does not contain a valid address.", "field": "personalizations.1.to.0.email", "help": None}
    ]


def _set(path, value):
    def change(payload):
        *way, last = path
        for step in way:
            payload = payload[step]
        payload[last] = value

    return change


def _drop(*path):
    def change(payload):
        *way, last = path
        for step in way:
            payload = payload[step]
        del payload[last]

    return change


ONE = ("personalizations", 0)
BREACHES = {
    "no reader": (_set(("personalizations",), []), "personalizations"),
    "1,001 readers": (
        lambda payload: payload["personalizations"].extend(parsed(1001)["personalizations"][3:]),
        "personalizations",
    ),
    "the same address twice": (_set((*ONE, "to"), [{"email": "READER2@example.com"}]), "personalizations"),
    "no sender": (_drop("from"), "from.email"),
    "sender as text": (_set(("from",), "Ada <ada@example.com>"), "from.email"),
    "no subject": (_set(("subject",), " "), "subject"),
    "a subject of two lines": (_set(("subject",), "a\nb"), "subject"),
    "html before text": (lambda payload: payload["content"].reverse(), "content"),
    "an empty part": (_set(("content", 0, "value"), ""), "content.0.value"),
    "an unknown key": (_set(("tracking",), {}), "tracking"),
    "an unknown key of a reader": (_set((*ONE, "header"), {}), "personalizations.header"),
    "a reserved header": (_set(("headers", "Reply-To"), "x@example.com"), "headers.Reply-To"),
    "a header in Chinese": (_set(("headers", "X-Note"), "简报"), "headers.X-Note"),
    "a header of two lines": (_set(("headers", "X-Note"), "a\r\nBcc: b"), "headers.X-Note"),
    "a header that is a number": (_set(("headers", "X-Note"), 1), "headers"),
    "a number in custom_args": (_set((*ONE, "custom_args", "mailer_delivery"), 1), "personalizations.custom_args"),
    "large custom_args": (_set(("custom_args", "x"), "简" * 3400), "custom_args"),
    "a large substitution": (_set((*ONE, "substitutions", "zqzqzqzq"), "x" * 10_001), "personalizations.substitutions"),
    "a tag with spaces": (_set((*ONE, "substitutions", "a tag here"), "x"), "personalizations.substitutions"),
    "a tag in a value": (
        _set((*ONE, "substitutions", "tag-tag-tag"), "tag-tag-tag!"),
        "personalizations.substitutions",
    ),
    "a placeholder that nothing replaces": (_set((*ONE, "substitutions"), {}), "content"),
    "a placeholder in a header": (_set(("headers", "X-Link"), "zq0123456789abcdef"), "headers"),
    "no link": (_set((*ONE, "headers"), {}), "headers.List-Unsubscribe"),
    "two links": (
        _set((*ONE, "headers", "List-Unsubscribe"), "<https://a.example/1>, <https://a.example/2>"),
        "headers.List-Unsubscribe",
    ),
    "a link without TLS": (
        _set((*ONE, "headers", "List-Unsubscribe"), "<http://a.example/1>"),
        "headers.List-Unsubscribe",
    ),
    "a link with a fragment": (
        _set((*ONE, "headers", "List-Unsubscribe"), "<https://a.example/1#x>"),
        "headers.List-Unsubscribe",
    ),
    "only mailto": (_set((*ONE, "headers", "List-Unsubscribe"), "<mailto:x@a.example>"), "headers.List-Unsubscribe"),
    "another's link": (
        lambda payload: payload["personalizations"][0].update(
            headers=payload["personalizations"][1]["headers"],
            substitutions=payload["personalizations"][1]["substitutions"],
        ),
        "headers.List-Unsubscribe",
    ),
    "a link that nobody sees": (_set(("content", 1, "value"), "<p>nothing</p>"), "content"),
    "no one-click": (_drop("headers", "List-Unsubscribe-Post"), "headers.List-Unsubscribe-Post"),
    "tracking not switched off": (
        _drop("tracking_settings", "open_tracking"),
        "tracking_settings.open_tracking.enable",
    ),
    "tracking": (
        _set(("tracking_settings", "click_tracking", "enable"), True),
        "tracking_settings.click_tracking.enable",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_refused(name):
    change, field = BREACHES[name]
    payload = parsed(3)
    change(payload)
    assert field in fields(payload)


@pytest.mark.parametrize("name", [name for name in BREACHES if "reader" not in name])
def test_our_own_defects_never_look_like_a_readers(name):
    change, _ = BREACHES[name]
    payload = parsed(3)
    change(payload)
    assert not any(str(field).startswith("personalizations.0") for field in fields(payload))


def test_plain_http_is_taken_for_this_machine_and_mailto_beside_it():
    payload = parsed(1)
    link = "http://127.0.0.1:8000/unsubscribe/x/"
    payload["personalizations"][0] |= {
        "headers": {"List-Unsubscribe": f"<{link}>, <mailto:leave@example.com>"},
        "substitutions": {"zq0123456789abcdef": link},
    }
    assert faults_of(payload, JSON) == []


@pytest.mark.parametrize(
    "email", ["ada@example.com", "a.b+c@mail.example.co", "ada@xn--bcher-kva.example", "o'neil@a.example"]
)
def test_usual_addresses_are_valid(email):
    assert is_address(email)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "a b@example.com",
        "a@b@example.com",
        "ada.@example.com",
        None,
        "ada@-x.example",
        "ada@example..com",
        "ada@1.2.3.4",
        "ada@example.com\n",
        "王@example.com",
        f"{'a' * 65}@example.com",
    ],
)
def test_other_addresses_are_not(email):
    assert not is_address(email)


ODD = [
    None,
    True,
    0,
    -1.5,
    "",
    "x",
    "\ud800",
    [],
    [None],
    [[]],
    {},
    {"a": None},
    {"email": 1},
    {"enable": 0},
    ["x", {}],
]


@given(st.data())
def test_any_json_is_answered_with_faults_never_with_a_crash(data):
    payload = parsed(2)
    for _ in range(data.draw(st.integers(1, 3))):
        place = payload
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if data.draw(st.booleans()):
                place[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
                break
            place = place[key]
    assert isinstance(faults_of(payload, JSON), list)


@pytest.mark.parametrize("value", ODD)
def test_a_body_that_is_not_a_mail_is_refused(value):
    assert faults_of(value, JSON)


def test_an_issue_that_bypasses_the_providers_lists_is_refused():
    payload = {**parsed(), "mail_settings": {"bypass_bounce_management": {"enable": True}}}
    assert fields(payload) == ["mail_settings"]
    assert fields({**CONFIRMATION, "mail_settings": payload["mail_settings"]}) == []
