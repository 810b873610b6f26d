"""All workers agree on the database's clock."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mailer.store import clock


@pytest.mark.django_db
def test_it_is_aware_and_in_utc():
    assert clock.now().utcoffset() == timedelta(0)


@pytest.mark.django_db
def test_it_goes_on_inside_a_transaction():
    with transaction.atomic():
        assert clock.now() < clock.now()


@pytest.mark.django_db
def test_on_postgresql_a_wrong_clock_of_this_machine_does_not_matter(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")
    right = clock.now()
    monkeypatch.setattr(timezone, "now", lambda: right + timedelta(hours=25))
    assert clock.now() - right < timedelta(minutes=1)
