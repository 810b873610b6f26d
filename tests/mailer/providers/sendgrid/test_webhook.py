import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.providers.events import NotEvents, NotSigned
from mailer.providers.sendgrid.webhook import parse, verify
from tests.events import SIGNATURE, TIMESTAMP, EventKeys

KEYS, OTHERS = EventKeys(), EventKeys()
KEY, OTHER = (base64.b64decode(keys.public) for keys in (KEYS, OTHERS))
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BODY = b'[{"event":"processed"}]\r\n'
ATTEMPT = "6b1f3a52-2f0e-4c9e-8d0e-0f5a8f0d8a11"


def signed(body=BODY, at=NOW, by=KEYS):
    headers = by.headers(body, int(at.timestamp()))
    return headers[SIGNATURE], headers[TIMESTAMP]


def event(**more):
    given = {
        "event": "delivered",
        "timestamp": 1_795_000_000,
        "email": "ada@readers.example",
        "sg_event_id": "one",
        "mailer_installation": "us",
        "mailer_attempt": ATTEMPT,
        "mailer_delivery": "12",
    }
    return {name: value for name, value in (given | more).items() if value is not None}


def read(*events):
    return parse(json.dumps(events).encode())


# ---------------------------------------------------------------- the signature


def test_a_signature_of_any_of_our_keys_is_good():
    verify(BODY, *signed(), [OTHER, KEY], lambda: NOW)
    verify(BODY, *signed(by=OTHERS), [OTHER, KEY], lambda: NOW)


@pytest.mark.parametrize("age", [timedelta(hours=24, minutes=50), timedelta(0), -timedelta(minutes=4)])
def test_a_day_of_repeats_is_good(age):
    verify(BODY, *signed(at=NOW - age), [KEY], lambda: NOW)


@pytest.mark.parametrize("age", [timedelta(hours=26), timedelta(days=400), -timedelta(minutes=6)])
def test_a_stale_signature_is_refused(age):
    with pytest.raises(NotSigned, match="older than 25 hours"):
        verify(BODY, *signed(at=NOW - age), [KEY], lambda: NOW)


def test_another_key_another_body_or_another_time_is_refused():
    signature, timestamp = signed()
    for body, at, keys in (
        (BODY, timestamp, [OTHER]),
        (BODY + b" ", timestamp, [KEY]),
        (BODY, str(int(timestamp) + 1), [KEY]),
        (BODY, timestamp, []),
    ):
        with pytest.raises(NotSigned, match="none of the keys"):
            verify(body, signature, at, keys, lambda: NOW)


@pytest.mark.parametrize("signature", [None, "", "no base64!", "ключ", "AAAA", base64.b64encode(b"0" * 5000).decode()])
@pytest.mark.parametrize("timestamp", [None, "", "soon", "-1", "١٢٣", "9" * 400, "1795000000.5", "now"])
def test_malformed_headers_are_refused_by_name(signature, timestamp):
    with pytest.raises(NotSigned):
        verify(BODY, signature, timestamp, [KEY], lambda: NOW)
    with pytest.raises(NotSigned):
        verify(BODY, signature, signed()[1], [KEY], lambda: NOW)
    with pytest.raises(NotSigned):
        verify(BODY, signed()[0], timestamp, [KEY], lambda: NOW)


@pytest.mark.parametrize("key", [b"", b"no key", KEY[:-1], b"\x30\x00"], ids=["empty", "words", "cut", "short"])
def test_a_key_that_is_none_opens_nothing_and_spoils_no_other(key):
    with pytest.raises(NotSigned):
        verify(BODY, *signed(), [key], lambda: NOW)
    verify(BODY, *signed(), [key, KEY], lambda: NOW)


# ---------------------------------------------------------------- the events


def test_an_event_says_what_happened_to_which_delivery():
    (one,) = read(event())
    assert one.kind == "delivered"
    assert (one.attempt, one.delivery, one.installation) == (UUID(ATTEMPT), 12, "us")
    assert one.at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert one.details is None


def test_a_bounce_keeps_its_text_and_an_address_only_if_ids_are_missing():
    words = {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user\0", "extra": "no"}
    whole, without = read(event(event="bounce", **words), event(event="bounce", mailer_delivery=None, **words))
    assert whole.details == {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"}
    assert without.details == whole.details | {"email": "ada@readers.example"}


def test_line_breaks_between_events_are_as_good_as_none():
    assert len(parse(b'[{"event":"processed","timestamp":1},\r\n{"event":"delivered","timestamp":2}]\r\n')) == 2
    assert parse(b"[]") == []


@pytest.mark.parametrize("body", [b"", b"{}", b'"x"', b"1", b"[", b"\xff\xfe", b"[" * 5000, b'["\\ud800"]', b"[NaN]"])
def test_a_body_that_is_not_an_array_is_refused_by_name(body):
    with pytest.raises(NotEvents):
        parse(body)


def test_an_event_that_comes_again_is_known_by_its_id_or_by_what_happened():
    first, again, new_id, other = read(
        event(), event(), event(sg_event_id="two"), event(sg_event_id="three", timestamp=1_795_000_009)
    )
    assert (first.id_hash, first.fact_hash) == (again.id_hash, again.fact_hash)
    assert first.id_hash != new_id.id_hash
    assert first.fact_hash == new_id.fact_hash
    assert first.fact_hash != other.fact_hash


def test_events_without_ids_are_told_apart_by_address():
    ada, ben = read(
        event(mailer_delivery=None, sg_event_id=None),
        event(mailer_delivery=None, sg_event_id=None, email="ben@b.example"),
    )
    assert ada.fact_hash != ben.fact_hash
    assert ada.id_hash == ada.fact_hash


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
STRANGE = st.dictionaries(st.sampled_from([*event(), "type", "reason", "url"]), ANYTHING)


@settings(max_examples=60)
@given(st.lists(st.builds(lambda odd: event() | odd, STRANGE) | ANYTHING, max_size=4))
def test_nothing_strange_in_an_array_raises(items):
    """The results fit into their columns, in both databases."""
    try:
        found = parse(json.dumps(items, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except NotEvents:
        return
    assert len(found) <= len(items)
    for one in found:
        assert 0 < len(one.kind) <= 24
        assert one.delivery is None or 0 < one.delivery < 2**63
        assert one.at.year < 2100
        assert "\0" not in one.kind + json.dumps(one.details)
        assert "\\u0000" not in json.dumps(one.details)
        assert all(-(2**63) <= key < 2**63 for key in (one.id_hash, one.fact_hash))
