"""The stage of the tests of ranges: few subscribers are many here."""

import pytest
from django.db import connection

from mailer.models import Send
from mailer.sending import planning, ranges
from mailer.sending.ranges import plan_next_range
from tests import readers
from tests.mailer.sending.outgoing import planned


@pytest.fixture(autouse=True)
def _ranges_of_four(settings, monkeypatch):
    settings.MAILER_BATCH_SIZE = 2
    monkeypatch.setattr(planning, "IN_RANGES_ABOVE", {connection.vendor: 5})
    monkeypatch.setattr(ranges, "RANGE", 4)


@pytest.fixture
def ten(api) -> Send:
    """Return a real send to ten subscribers whose planning was begun."""
    readers.crowd(10)
    return planned()


def plan_all(send: Send) -> int:
    """Plan all that is left, and return how many ranges that were."""
    number = 1
    while plan_next_range(send.pk):
        number += 1
    send.refresh_from_db()
    return number
