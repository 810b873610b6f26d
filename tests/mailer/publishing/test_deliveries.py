"""Who got what of a send, by outcome and by fact."""

import pytest

from mailer.models import Batch, Delivery, Fact
from mailer.publishing.deliveries import with_outcome
from tests import readers
from tests.mailer.sending.outgoing import planned

pytestmark = pytest.mark.django_db


@pytest.fixture
def send():
    readers.crowd(3)
    send = planned()
    first, second, _ = Delivery.objects.filter(send=send).order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(outcome=Delivery.Outcome.SKIPPED, reason="unsubscribed")
    Delivery.objects.filter(pk=second.pk).update(facts=int(Fact.DELIVERED))
    return send


def test_what_waits_is_told_from_what_was_accepted(send):
    assert (len(with_outcome(send, "waiting")), len(with_outcome(send, "accepted"))) == (2, 0)
    Batch.objects.update(state=Batch.State.ACCEPTED)
    assert (len(with_outcome(send, "waiting")), len(with_outcome(send, "accepted"))) == (0, 2)


def test_the_skipped_come_with_the_reason(send):
    assert [reason for _, reason in with_outcome(send, "skipped")] == ["unsubscribed"]


def test_a_fact_is_found_whatever_the_outcome(send):
    assert len(with_outcome(send, "delivered")) == 1
    assert len(with_outcome(send, "bounced")) == 0
