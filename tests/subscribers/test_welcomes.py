"""Whoever confirms is to get the welcome, once; nobody else is."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from subscribers import clock, erasing, optin, undoing, welcomes
from subscribers.addresses import parse
from subscribers.models import Consent, Subscriber, Suppression, WelcomeDue
from subscribers.optin import Origin
from subscribers.personal_data import held
from tests import readers

pytestmark = pytest.mark.django_db


def due() -> list[str]:
    return sorted(WelcomeDue.objects.values_list("subscriber__email", flat=True))


def leave(reader: Subscriber, days_ago: int = 0) -> None:
    """Leave; then let all that happened until now have happened so many days ago."""
    optin.unsubscribe(reader.public_id, "weekly", Origin(how="one-click"))
    WelcomeDue.objects.all().delete()
    for step in Consent.objects.all():
        Consent.objects.filter(pk=step.pk).update(at=step.at - timedelta(days=days_ago))


def come_back(reader: Subscriber) -> None:
    readers.a_day_later()
    readers.confirmed(who=readers.ADA)


def test_who_confirms_is_welcomed_and_only_once():
    ada = readers.confirmed()
    assert due() == [ada.email]
    optin.confirm(ada.public_id, "weekly", readers.LINK)
    assert WelcomeDue.objects.count() == 1


def test_who_has_not_confirmed_waits_for_nothing():
    readers.pending()
    assert due() == []


def test_a_confirmation_that_is_rolled_back_makes_nothing_due():
    ben = readers.pending()
    with transaction.atomic():
        optin.confirm(ben.public_id, "weekly", readers.LINK)
        transaction.set_rollback(True)
    assert due() == []


def test_who_came_with_a_file_or_by_a_command_is_not_welcomed():
    readers.imported("weekly", (readers.BEN, "active", ""))
    optin.add_active(parse("cleo@readers.example"), "weekly", origin=Origin(how="command"))
    assert due() == []


def test_who_was_invited_and_confirms_is_welcomed():
    ben = readers.imported("weekly", (readers.BEN, "pending", ""))[0]
    optin.confirm(ben.public_id, "weekly", readers.LINK)
    assert due() == [ben.email]


@pytest.mark.parametrize(("days", "expected"), [(0, []), (29, []), (31, ["ada@readers.example"])])
def test_who_comes_back_is_welcomed_only_a_month_after_leaving(days, expected):
    ada = readers.confirmed()
    leave(ada, days)
    come_back(ada)
    assert due() == expected


def test_who_confirms_anew_after_bounces_knows_the_newsletter():
    dora = readers.bounced()
    WelcomeDue.objects.all().delete()
    Suppression.objects.update(at=clock.now() - timedelta(days=8))
    readers.a_day_later()
    readers.confirmed(who=readers.DORA)
    assert (due(), readers.state_of(dora)) == ([], "active")


def test_who_was_imported_and_left_of_late_is_not_welcomed():
    ben = readers.imported("weekly", (readers.BEN, "active", ""))[0]
    leave(ben, days_ago=3)
    readers.a_day_later()
    readers.confirmed(who=readers.BEN)
    assert due() == []


def test_who_was_imported_and_confirms_anew_after_bounces_knows_the_newsletter():
    ben = readers.imported("weekly", (readers.BEN, "active", ""))[0]
    optin.suppress(ben.suppression_hash, Suppression.Reason.BOUNCE, Origin(how="event"))
    Suppression.objects.update(at=clock.now() - timedelta(days=8))
    readers.confirmed(who=readers.BEN)
    assert (due(), readers.state_of(ben)) == ([], "active")


def test_who_was_erased_of_late_is_not_welcomed_again():
    ada = readers.confirmed()
    erasing.forget(ada.email_key, Origin(how="page"))
    assert due() == []
    come_back(ada)
    assert due() == []


def test_an_undo_is_no_confirmation():
    ada = readers.confirmed()
    WelcomeDue.objects.all().delete()
    left = optin.leave(ada.public_id, "weekly", Origin(how="page"))
    assert undoing.undo(ada.public_id, "weekly", str(left.leaving), Origin(how="page"))
    assert due() == []


def test_a_move_takes_the_welcome_along_and_makes_none():
    ada = readers.confirmed()
    readers.move(ada, "ada@elsewhere.example")
    assert due() == ["ada@elsewhere.example"]
    WelcomeDue.objects.all().delete()
    readers.move(ada, "ada@third.example")
    assert due() == []


def test_after_a_week_nobody_waits_any_more():
    readers.confirmed()
    welcomes.forget_old(clock.now() + timedelta(days=6))
    assert due() == ["ada@readers.example"]
    welcomes.forget_old(clock.now() + timedelta(days=8))
    assert due() == []


def test_what_an_older_version_left_of_an_erased_subscriber_is_deleted():
    ada = readers.confirmed()
    WelcomeDue.objects.create(subscriber_id=ada.pk + 1, newsletter="weekly", at=clock.now())
    welcomes.forget_old(clock.now())
    assert due() == [ada.email]


def test_forgetting_looks_subscribers_up_one_by_one():
    """A subquery of all subscribers took 14 seconds on PostgreSQL with 300 due and a million subscribers."""
    with CaptureQueriesContext(connection) as asked:
        welcomes.forget_old(clock.now())
    deleting = [query["sql"] for query in asked if "subscribers_subscriber" in query["sql"]]
    assert deleting
    assert all("NOT EXISTS" in sql.upper().replace("NOT (EXISTS", "NOT EXISTS") for sql in deleting)


def test_what_is_due_is_part_of_a_copy_of_ones_data():
    ada = readers.confirmed()
    (told,) = held(parse(ada.email))["welcomes_due"]
    assert told["newsletter"] == "weekly"
