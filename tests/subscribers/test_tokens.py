import hmac
import string
import timeit
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import tokens
from subscribers.tokens import (
    CONFIRM,
    UNSUBSCRIBE,
    ExpiredToken,
    Keys,
    LinkKey,
    Ticket,
    TokenError,
    make,
    read,
    suppression_hash,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32
ADA, BEN = uuid4(), uuid4()
LETTERS = string.ascii_letters + string.digits + "-_"


def test_a_token_serves_the_purpose_that_it_was_made_for():
    assert read(make(UNSUBSCRIBE, ADA, "weekly", NEW), UNSUBSCRIBE, [OLD, NEW], lambda: NOW) == Ticket(ADA, "weekly")


def test_a_link_to_leave_never_expires():
    token = make(UNSUBSCRIBE, ADA, "weekly", NEW)
    assert read(token, UNSUBSCRIBE, [NEW], lambda: NOW + timedelta(days=36_500)).public_id == ADA


def test_a_link_to_confirm_lives_a_week_and_still_says_whose_it_was():
    token = make(CONFIRM, ADA, "weekly", NEW, NOW + tokens.CONFIRM_LIFE)
    assert read(token, CONFIRM, [NEW], lambda: NOW + timedelta(days=7, seconds=-1)).public_id == ADA
    with pytest.raises(ExpiredToken) as expired:
        read(token, CONFIRM, [NEW], lambda: NOW + timedelta(days=7))
    assert expired.value.ticket == Ticket(ADA, "weekly")


def test_a_link_under_an_earlier_key_keeps_working():
    token = make(UNSUBSCRIBE, ADA, "weekly", OLD)
    assert read(token, UNSUBSCRIBE, [OLD, NEW], lambda: NOW).public_id == ADA
    with pytest.raises(TokenError):
        read(token, UNSUBSCRIBE, [NEW], lambda: NOW)


def test_a_token_for_one_purpose_does_not_serve_another():
    with pytest.raises(TokenError):
        read(make(UNSUBSCRIBE, ADA, "weekly", NEW), CONFIRM, [NEW], lambda: NOW)


def test_no_part_of_one_token_fits_another():
    ada, ben = make(UNSUBSCRIBE, ADA, "weekly", NEW), make(UNSUBSCRIBE, BEN, "weekly", NEW)
    for mixed in {ada[:cut] + ben[cut:] for cut in range(len(ada))} - {ada, ben}:
        with pytest.raises(TokenError):
            read(mixed, UNSUBSCRIBE, [NEW], lambda: NOW)


@given(st.uuids(), st.sampled_from(["weekly", "jianbao", "a", "x" * 64]), st.data())
def test_a_changed_letter_is_refused_wherever_it_stands(public_id: UUID, newsletter: str, data: st.DataObject):
    token = make(UNSUBSCRIBE, public_id, newsletter, NEW)
    place = data.draw(st.integers(0, len(token) - 1) | st.just(len(token) - 1))
    letter = data.draw(st.sampled_from(LETTERS.replace(token[place], "")))
    with pytest.raises(TokenError):
        read(token[:place] + letter + token[place + 1 :], UNSUBSCRIBE, [NEW], lambda: NOW)


@given(st.integers(0, 60))
def test_a_cut_or_lengthened_token_is_refused(length: int):
    token = make(UNSUBSCRIBE, ADA, "weekly", NEW)
    for wrong in (
        token[:length] if length < len(token) else "",
        token + "A" * (length + 1),
        token + "=" * length + "=",
    ):
        with pytest.raises(TokenError):
            read(wrong, UNSUBSCRIBE, [NEW], lambda: NOW)


@given(st.text(max_size=600))
def test_any_other_text_is_refused(text: str):
    with pytest.raises(TokenError):
        read(text, UNSUBSCRIBE, [NEW], lambda: NOW)


@given(st.binary(max_size=200), st.binary(max_size=100), st.lists(st.binary(max_size=100), max_size=3))
def test_a_mac_is_the_hmac_of_rfc_2104(key: bytes, beginning: bytes, rests: list[bytes]):
    mac = tokens.Mac(key, beginning)
    assert list(mac.of_all(rests)) == [hmac.digest(key, beginning + rest, "sha256") for rest in rests]


LABELS = st.text(string.ascii_lowercase, min_size=1, max_size=64)


@given(st.lists(st.uuids(), max_size=5), LABELS, st.sampled_from([None, NOW]))
def test_the_tokens_of_a_request_are_to_the_letter_those_made_plainly(ids: list[UUID], newsletter: str, expires):
    def plainly(public_id: UUID) -> str:
        until = int(expires.timestamp()) if expires else 0
        payload = public_id.bytes + until.to_bytes(4, "big") + newsletter.encode()
        mac = hmac.digest(NEW, b"unsubscribe\0" + payload, "sha256")[:16]
        return urlsafe_b64encode(mac + payload).decode().rstrip("=")

    signer = tokens.Signer(UNSUBSCRIBE, newsletter, NEW, expires)
    assert signer.tokens([one.bytes for one in ids]) == [plainly(one) for one in ids]
    assert [make(UNSUBSCRIBE, one, newsletter, NEW, expires) for one in ids] == [plainly(one) for one in ids]


def test_the_hash_of_a_suppressed_address_is_that_of_its_key():
    before = suppression_hash("ada@example.com", OLD)
    assert suppression_hash("ada@example.com", NEW) != before
    assert suppression_hash("ben@example.com", OLD) != before
    assert len(before) == 64


def test_a_new_key_signs_once_its_time_has_come():
    later = NOW + timedelta(minutes=10)
    keys = Keys((LinkKey(OLD, NOW - timedelta(days=1)), LinkKey(NEW, later)), OLD)
    assert [keys.signing(at) for at in (NOW, later - timedelta(seconds=1), later)] == [OLD, OLD, NEW]
    assert keys.verifying() == (OLD, NEW)


def test_an_only_key_signs_whatever_the_clock_shows():
    assert Keys((LinkKey(NEW, NOW),), OLD).signing(NOW - timedelta(days=1)) == NEW


def test_a_thousand_tokens_a_request_cost_next_to_nothing():
    best = min(timeit.repeat(lambda: make(UNSUBSCRIBE, ADA, "weekly", NEW), number=2000, repeat=5)) / 2000
    assert best < 50e-6, "about 4 µs on a laptop; ten times that on a busy machine is still no accident"
