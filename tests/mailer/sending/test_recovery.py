"""After an outage, workers wait for those who left during it to be unsubscribed before they email anybody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Batch, Process
from mailer.sending import recovery
from mailer.store import clock, losses
from subscribers import journal
from subscribers.journal import Leaving
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import claim

pytestmark = pytest.mark.django_db(transaction=True)


def first_batch(send) -> int:
    return Batch.objects.get(send=send, number=0).pk


def test_who_lost_the_database_claims_nothing_for_a_while(settings):
    readers.crowd(2)
    batch = first_batch(outgoing.planned())
    losses.lost()
    assert claim(batch) is None
    settings.MAILER_LEAVING_WAIT = 0
    assert claim(batch) is not None


def test_the_journal_of_its_own_home_is_applied_before_a_claim(settings):
    ada, _ = readers.crowd(2)
    batch = first_batch(outgoing.planned())
    journal.append(settings.LEAVING_JOURNAL, Leaving(ada.public_id, "weekly", "one-click", timezone.now()))
    claimed = claim(batch)
    assert claimed.members.emails == ("reader0002@readers.example",)
    assert not settings.LEAVING_JOURNAL.exists()


def test_nothing_is_claimed_while_another_process_applies_the_journal(settings):
    ada, _ = readers.crowd(2)
    batch = first_batch(outgoing.planned())
    journal.append(settings.LEAVING_JOURNAL, Leaving(ada.public_id, "weekly", "one-click", timezone.now()))
    with journal.alone(settings.LEAVING_JOURNAL):
        assert claim(batch) is None
    assert claim(batch) is not None


def web_process(lines: int, seconds_ago: float = 0.0) -> Process:
    seen = clock.now() - timedelta(seconds=seconds_ago)
    state = {"leaving_lines": lines}
    return Process.objects.create(kind="web", host="web-1", pid=7, started_at=seen, seen_at=seen, state=state)


@pytest.fixture
def waited(monkeypatch):
    """Return a function that sets how many seconds ago the database was lost."""

    def lost(seconds: float) -> None:
        losses.lost()
        monkeypatch.setattr(losses, "_lost_at", losses._lost_at - seconds)

    return lost


def test_after_a_loss_nothing_is_claimed_while_a_web_process_tells_of_a_journal(settings, waited, caplog):
    readers.crowd(2)
    batch = first_batch(outgoing.planned())
    waited(settings.MAILER_LEAVING_WAIT)
    web_process(lines=0)
    telling = web_process(lines=3)
    assert claim(batch) is None
    assert "still applying unsubscribes" in caplog.text
    Process.objects.filter(pk=telling.pk).update(state={"leaving_lines": 0})
    assert claim(batch) is not None


@pytest.mark.parametrize(
    ("lost_ago", "seen_ago"), [(recovery.MOST + 1, 0), (20, 60), (None, 0)], ids=["minutes", "dead", "nothing lost"]
)
def test_a_journal_elsewhere_is_not_awaited_indefinitely_nor_if_its_process_is_dead(lost_ago, seen_ago, waited):
    readers.crowd(2)
    batch = first_batch(outgoing.planned())
    if lost_ago is not None:
        waited(lost_ago)
    web_process(lines=3, seconds_ago=seen_ago)
    assert claim(batch) is not None


def test_nothing_is_claimed_while_the_journal_cannot_be_read(settings, caplog):
    readers.crowd(2)
    batch = first_batch(outgoing.planned())
    settings.LEAVING_JOURNAL.mkdir()
    assert claim(batch) is None
    assert "cannot be read" in caplog.text


def test_a_claim_in_which_the_database_hung_is_not_made_and_the_next_one_is(settings, monkeypatch):
    readers.crowd(2)
    batch = first_batch(outgoing.planned())
    monkeypatch.setattr(recovery, "SLOW", 0.0)
    assert claim(batch) is None
    assert Batch.objects.get(pk=batch).state == Batch.State.PLANNED
    assert claim(batch) is None, "it waits"
    monkeypatch.setattr(losses, "_lost_at", losses._lost_at - settings.MAILER_LEAVING_WAIT)
    assert claim(batch) is not None, "a database that is always slow stops nothing"
