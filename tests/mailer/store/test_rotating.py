# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""New and retired link keys, in the database and in the emails that go out."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mailer.models import Attempt, Installation, LinkKey
from mailer.sending.delivering import _recipients
from mailer.store import installation, rotating
from mailer.store.rotating import Refused, Signed, State
from mailer.worker.sweeping import sweep
from subscribers import optin, signed_links, tokens
from subscribers.models import Subscriber
from tests import readers
from tests.installing import a_newer_key_signs
from tests.mailer.sending.conftest import _own_home, api, four  # noqa: F401
from tests.mailer.sending.outgoing import (
    batch_of,
    claimed,
    deliver_all,
    deliver_batch,
    in_thread,
    planned,
    resend_all,
    states,
)
from tests.subscribers.conftest import clock  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def first() -> int:
    return LinkKey.objects.get().pk


def states_of_keys() -> list[str]:
    return [one.state.value for one in rotating.listed()]


def keys_of(request) -> set[bytes]:
    """Return the keys that signed the links of a request."""
    found = set()
    for one in request["recipients"]:
        token = one["unsubscribe_url"].rstrip("/").rpartition("/")[2]
        for key in installation.link_keys().verifying():
            with suppress(tokens.TokenError):
                tokens.read(token, tokens.UNSUBSCRIBE, [key], timezone.now)
                found.add(key)
    return found


def test_a_new_key_is_stored_at_once_and_signs_after_ten_minutes(clock, first):
    clock.forward(minutes=1)
    reader = readers.confirmed()
    before = signed_links.unsubscribe_path(reader.public_id, "weekly")
    new = rotating.rotate()
    assert (new.state, new.signs_from) == (State.WAITS, clock.now + timedelta(minutes=10))
    installation.reread()
    assert len(signed_links.keys().links) == 2
    clock.forward(minutes=9, seconds=59)
    assert (states_of_keys(), signed_links.unsubscribe_path(reader.public_id, "weekly")) == (["signs", "waits"], before)
    clock.forward(seconds=1)
    assert states_of_keys() == ["verifies", "signs"]
    assert signed_links.unsubscribe_path(reader.public_id, "weekly") != before
    assert signed_links.read(before.split("/")[2], "unsubscribe").public_id == reader.public_id


def test_a_second_key_is_not_made_while_one_waits(first):
    rotating.rotate()
    with pytest.raises(Refused, match="was just created, and signs from"):
        rotating.rotate()
    assert LinkKey.objects.count() == 2


def test_a_worker_knows_a_new_key_after_its_next_sweep(api, first):
    signed_links.keys()
    rotating.rotate()
    sweep()
    assert len(signed_links.keys().links) == 2


def test_the_version_before_reads_all_keys_and_takes_the_first_for_that_of_the_hashes(first):
    """It runs beside this one during an upgrade, and after going back."""
    suppressions = Installation.objects.get().suppression_key
    second = a_newer_key_signs()
    third = a_newer_key_signs()
    rotating.retire(first)
    rotating.retire(second)
    keys = Installation.objects.get().link_keys
    assert keys == [suppressions, LinkKey.objects.get(pk=third).key]


def test_the_key_that_signs_is_not_retired_nor_one_that_signed_a_moment_ago(clock, first):
    clock.forward(minutes=1)
    for number in (first, first):
        with pytest.raises(Refused, match="is the signing key"):
            rotating.retire(number)
    new = rotating.rotate().number
    clock.forward(minutes=9, seconds=30)
    with pytest.raises(Refused, match="is about to sign"):
        rotating.retire(new)
    clock.forward(minutes=1)
    with pytest.raises(Refused, match="began to sign a moment ago"):
        rotating.retire(first)
    clock.forward(minutes=1)
    assert rotating.retire(first).state is State.RETIRED
    assert LinkKey.objects.get(pk=first).key is None


def test_a_new_key_can_be_taken_back_and_the_next_has_another_number(first):
    new = rotating.rotate().number
    rotating.retire(new)
    assert rotating.signed_by(new) == Signed(0, 0, 0)
    assert rotating.rotate().number > new
    assert states_of_keys() == ["signs", "retired", "waits"]


def test_a_request_is_signed_with_one_key_and_the_links_of_both_its_attempts_open(four, api, client, first):
    """An answer was lost and the editor resends: the first request stays as it was, the second is signed again."""
    old = installation.link_keys().links[0].key
    api.fail("error after accepting")
    deliver_batch(batch_of(four).pk)
    assert states(four) == ["unknown"]
    a_newer_key_signs()
    new = installation.link_keys().links[-1].key
    resend_all(four)
    deliver_all(four)
    before, after = api.accepted
    assert (keys_of(before), keys_of(after)) == ({old}, {new})
    for one in before["recipients"] + after["recipients"]:
        assert client.get(one["unsubscribe_url"].removeprefix("https://news.example.com")).status_code == 200


def test_a_batch_that_was_claimed_under_the_old_key_and_built_under_the_new_one_works(four, api, first):
    taken = claimed(four)
    a_newer_key_signs()
    request = {"recipients": [{"unsubscribe_url": one.unsubscribe_url} for one in _recipients(taken)]}
    assert keys_of(request) == {installation.link_keys().links[-1].key}


def test_what_a_key_signed_is_counted_by_the_time_of_the_requests(four, api, first):
    deliver_all(four)
    Attempt.objects.update(started_at=timezone.now() - timedelta(days=2))
    assert rotating.signed_by(first) == Signed(mails=4, subscribers=4, without_newer=4)
    new = a_newer_key_signs()
    LinkKey.objects.filter(pk=new).update(signs_from=timezone.now() - timedelta(days=1))
    assert rotating.signed_by(new) == Signed(0, 0, 0)
    gone = Subscriber.objects.order_by("pk").first()
    optin.unsubscribe(gone.public_id, "weekly", readers.LINK)
    deliver_all(planned(slug="2026-11-27", source="second source"))
    assert rotating.signed_by(first) == Signed(mails=4, subscribers=4, without_newer=1)
    assert rotating.signed_by(new) == Signed(mails=3, subscribers=3, without_newer=3)


def test_a_rehearsal_signed_nothing_that_anybody_got(db, settings, first):
    settings.PROVIDER = "rehearsal"
    readers.crowd(2)
    send = planned()
    taken = claimed(send)
    Attempt.objects.filter(pk=taken.attempt).update(state="accepted")
    assert rotating.signed_by(first) == Signed(0, 0, 0)


def test_a_process_with_a_wrong_clock_signs_with_a_new_key_when_the_others_do(monkeypatch, first):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=3))
    rotating.rotate()
    installation.reread()
    assert signed_links.signing_key() == signed_links.keys().links[0].key
    LinkKey.objects.exclude(pk=first).update(signs_from=right())
    monkeypatch.setattr(timezone, "now", lambda: right() - timedelta(hours=3))
    installation.reread()
    assert signed_links.signing_key() == signed_links.keys().links[-1].key


@pytest.mark.django_db(transaction=True)
def test_of_two_who_rotate_at_once_one_makes_a_key(first):
    refused = []

    def rotate():
        try:
            rotating.rotate()
        except Refused:
            refused.append(1)

    for thread in [in_thread(rotate) for _ in range(4)]:
        thread.join()
    assert (LinkKey.objects.count(), len(refused)) == (2, 3)
