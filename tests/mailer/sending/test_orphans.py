"""Deliveries whose batch is gone or of another send: PostgreSQL keeps no constraint for it, so they are looked for."""

import logging

import pytest

from mailer.models import Batch, Delivery, Send
from mailer.sending.orphans import orphaned_batches
from mailer.worker import sweeping
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


@pytest.fixture
def sends(settings, api):
    """Make two sends with three batches each."""
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(6)
    return outgoing.planned(), outgoing.planned(slug="2026-11-27")


def in_the_wrong_send(first: Send, second: Send) -> Batch:
    """Return a batch of the second send after somebody moved it to the first one, without its deliveries."""
    batch = second.batches.first()
    Batch.objects.filter(pk=batch.pk).update(send=first, number=1000)
    return batch


def test_planned_deliveries_belong_to_batches_of_their_send(sends):
    assert orphaned_batches() == []


def test_deliveries_of_a_missing_batch_are_found(sends):
    moved = Delivery.objects.filter(batch=sends[0].batches.first())
    ids = list(moved.values_list("pk", flat=True))
    missing = 1 + sends[1].batches.last().pk
    batch = moved.first().batch_id
    moved.update(batch_id=missing)
    assert orphaned_batches() == [missing]
    Delivery.objects.filter(pk__in=ids).update(batch_id=batch)  # the tests' own transaction is checked at its end


def test_deliveries_in_a_batch_of_another_send_are_found(sends):
    batch = in_the_wrong_send(*sends)
    assert orphaned_batches() == [batch.pk]


def test_a_worker_reports_them_now_and_then(sends, caplog):
    batch = in_the_wrong_send(*sends)
    with caplog.at_level(logging.ERROR):
        sweeping.tidy()
    (record,) = caplog.records
    assert (record.levelname, record.batches) == ("ERROR", [batch.pk])
