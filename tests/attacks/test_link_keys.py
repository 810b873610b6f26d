"""Signatures that somebody made up, or made with a leaked key."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from mailer.models import Installation, LinkKey
from mailer.store import installation, rotating
from subscribers import optin, signed_links, tokens
from subscribers.models import Suppression
from tests import readers
from tests.installing import a_newer_key_signs
from tests.subscribers.paths import every_path, everything, leave_path

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader():
    return readers.confirmed()


def forged(number: int) -> str:
    return f"/unsubscribe/{'A' * 60}{number:04}/"


def test_made_up_signatures_cost_one_look_into_the_database_in_five_seconds(client, reader):
    client.get(forged(0))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for number in range(1, 200):
            assert client.post(forged(number)).status_code == 404
    assert len(asked) == 0


def test_a_link_under_a_key_that_this_process_never_heard_of_opens(client, reader):
    """A worker on another machine signed it."""
    before = installation.link_keys()
    a_newer_key_signs()
    path = leave_path(reader)
    installation._Process.identity = installation._Identity(installation.public_id(), before)
    assert client.post(path).status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


def test_without_the_database_an_unknown_signature_is_asked_to_come_again(client, reader, monkeypatch):
    """Mailbox providers do not retry a one-click request that is refused, so one that may be valid is put off."""
    signed_links.keys()

    def away(**_):
        raise OperationalError("connection refused")

    monkeypatch.setattr(Installation.objects, "get", away)
    for _ in range(2):
        answer = client.post(forged(1))
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_a_key_that_leaked_opens_nothing_once_it_is_retired(client, reader):
    old = LinkKey.objects.get()
    paths = every_path(reader)
    a_newer_key_signs()
    rotating.retire(old.pk)
    installation.reread()
    forged = tokens.make(tokens.UNSUBSCRIBE, reader.public_id, "weekly", bytes.fromhex(old.key))
    before = everything()
    for path in [f"/unsubscribe/{forged}/", *paths.values()]:
        answer = client.post(path)
        assert (answer.status_code, "This link is damaged" in answer.content.decode()) == (404, True)
    assert everything() == before


def test_who_must_not_be_mailed_is_known_under_each_later_key(client, reader):
    optin.suppress(reader.suppression_hash, Suppression.Reason.COMPLAINT, readers.LINK)
    old = LinkKey.objects.get()
    a_newer_key_signs()
    rotating.retire(old.pk)
    installation.refresh()
    installation.forget()
    assert signed_links.suppression_hash(reader.email_key) == reader.suppression_hash
    assert Suppression.objects.filter(hash=signed_links.suppression_hash(reader.email_key)).exists()


def test_a_link_bound_to_a_mailbox_survives_a_new_key(client, reader):
    data = every_path(reader)[tokens.DATA]
    a_newer_key_signs()
    assert client.get(data).status_code == 200
