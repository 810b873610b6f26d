"""A subscriber under both labels keeps the one that was left, else the confirmed one, and the history of both."""

import pytest

from subscribers import optin, records, renaming
from subscribers.models import Consent, FormerId, Subscription, WelcomeDue
from tests import readers
from tests.readers import ADA

pytestmark = pytest.mark.django_db

OLD, NEW = "weekly", "boards"
MAKERS = {"active": readers.confirmed, "pending": readers.pending, "unsubscribed": readers.unsubscribed}
KEPT = ["unsubscribed", "active", "pending"]


def rename() -> renaming.Carried:
    return renaming.rename(OLD, NEW, "")


@pytest.mark.parametrize("former", MAKERS)
@pytest.mark.parametrize("present", MAKERS)
def test_of_two_subscriptions_the_one_left_is_kept_and_no_stranger_ends_a_confirmed_one(former, present):
    MAKERS[former](OLD, ADA)
    ada = MAKERS[present](NEW, ADA)
    steps = Consent.objects.count()
    rename()
    (kept,) = ada.subscriptions.all()
    assert (kept.newsletter, kept.state) == (NEW, min(former, present, key=KEPT.index))
    assert ada.consents.filter(newsletter=NEW).count() == Consent.objects.count() == steps


def test_no_link_undoes_a_leaving_that_was_kept():
    ada = readers.confirmed(OLD, ADA)
    readers.confirmed(NEW, ADA)
    optin.leave(ada.public_id, OLD, optin.Origin(how="page"))
    assert Subscription.objects.get(newsletter=OLD).undoable
    rename()
    assert Subscription.objects.get().undoable is None


def test_a_suppressed_subscriber_stays_suppressed():
    dora = readers.bounced(OLD)
    Subscription.objects.create(subscriber=dora, newsletter=NEW, state="active")
    rename()
    assert not Subscription.objects.deliverable().filter(newsletter=NEW).exists()
    assert readers.suppression_of(dora) == "bounce"


def test_former_ids_and_notes_that_both_labels_have_are_kept_once():
    ada = readers.confirmed(OLD, ADA)
    readers.confirmed(NEW, ADA)
    readers.move(ada, "ada@new.example")
    assert set(FormerId.objects.values_list("newsletter", flat=True)) == {OLD, NEW}
    for label in (OLD, NEW):
        records.record(ada, label, "changed", readers.LINK, ada.created_at, about="language")
    rename()
    assert list(FormerId.objects.values_list("newsletter", flat=True)) == [NEW]
    assert Consent.objects.filter(about="language", newsletter=NEW).count() == 1


def test_a_welcome_that_is_due_under_both_labels_is_due_once():
    readers.confirmed(OLD, ADA)
    readers.confirmed(NEW, ADA)
    readers.confirmed(OLD, readers.BEN)
    rename()
    due = WelcomeDue.objects.order_by("subscriber__email").values_list("subscriber__email", "newsletter")
    assert list(due) == [(ADA.email, NEW), (readers.BEN.email, NEW)]
