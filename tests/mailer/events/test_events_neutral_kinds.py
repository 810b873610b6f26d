# ruff: noqa: F811 — the fixtures are those of tests/mailer/reports
"""Apply events that an older version stored under the first provider's names."""

import importlib
import json
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.apps import apps
from django.db import connection

from mailer.events import processing, storing
from mailer.models import Event
from mailer.providers.sendgrid.webhook import KINDS, parse
from tests import readers
from tests.mailer.reports import HARD, ada, counters, issue, nameless, post  # noqa: F401 — whom it was mailed to
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db

migration = importlib.import_module("mailer.migrations.0012_events_in_neutral_words")


def store_as_an_older_version_did(*reports) -> list[int]:
    """Store the events without applying them, bounces and complaints under SendGrid's names."""

    with patch.object(storing, "_only_adds_a_fact", lambda event, known: False):
        ids = storing.store(parse(json.dumps(reports).encode())).left
    for pk, report in zip(ids, reports, strict=True):
        Event.objects.filter(pk=pk).update(kind=report["event"])
    return ids


def migrate(words) -> None:
    migration.rewrite(words)(apps, SimpleNamespace(connection=connection))


@pytest.fixture
def old(issue, ada) -> list[int]:
    words = ("processed", "delivered", *KINDS, "a word of its own")
    return store_as_an_older_version_did(*(issue.about(ada, word) for word in words))


def test_stored_kinds_are_rewritten_and_the_rest_stays(old):
    migrate(migration.NEUTRAL)
    assert list(Event.objects.order_by("pk").values_list("kind", flat=True)) == [
        "processed",
        "delivered",
        "bounced",
        "complained",
        "unsubscribed",
        "unsubscribed",
        "resubscribed",
        "opened",
        "clicked",
        "a word of its own",
    ]


def test_rewriting_goes_in_steps_over_gaps_and_may_be_repeated(old, monkeypatch):
    monkeypatch.setattr(migration, "AT_ONCE", 2)
    Event.objects.filter(pk__in=old[1:4]).delete()
    for _ in range(2):
        migrate(migration.NEUTRAL)
        assert not Event.objects.filter(kind__in=migration.NEUTRAL).exists()


def test_a_database_without_events_has_nothing_to_rewrite():
    migrate(migration.NEUTRAL)


def test_on_the_way_back_the_older_version_finds_its_words(old):
    migrate(migration.NEUTRAL)
    migrate(migration.BACK)
    assert not Event.objects.filter(kind__in=migration.BACK).exists()
    assert Event.objects.filter(kind="bounce").count() == 1


@pytest.mark.parametrize("migrated", [True, False], ids=["before the upgrade", "by an older web process after it"])
def test_a_bounce_that_was_stored_and_not_applied_is_not_lost(issue, ada, migrated):
    ids = store_as_an_older_version_did(issue.about(ada, "bounce", **HARD))
    if migrated:
        migrate(migration.NEUTRAL)
    processing.apply(ids)
    assert readers.suppression_of(ada) == "bounce"
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}


def test_a_bounce_of_an_older_web_process_that_names_only_an_address_is_not_lost(issue, ada):
    processing.apply(store_as_an_older_version_did(nameless(ada.email)))
    assert readers.suppression_of(ada) == "bounce"


def test_a_repeat_of_an_event_from_before_the_upgrade_is_known(issue, ada):
    report = issue.about(ada, "bounce", **HARD)
    store_as_an_older_version_did(report)
    migrate(migration.NEUTRAL)
    assert post(report | {"sg_event_id": "another"}) == 0
