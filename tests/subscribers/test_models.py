"""There is one audience rule, whether the database is asked or a row in memory."""

from itertools import product

import pytest

from subscribers.models import Subscription, Suppression, may_be_mailed
from tests import readers

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("state", "reason"), list(product(Subscription.State, [None, *Suppression.Reason])))
def test_a_row_and_the_database_say_the_same_of_who_may_be_mailed(state, reason):
    subscriber = readers.confirmed()
    Subscription.objects.filter(subscriber=subscriber).update(state=state)
    if reason:
        Suppression.objects.create(hash=subscriber.suppression_hash, reason=reason)
    assert Subscription.objects.deliverable().exists() == may_be_mailed(state, reason)


def test_only_a_confirmed_subscriber_whom_nobody_suppressed_may_be_mailed():
    every = product(Subscription.State, ["", *Suppression.Reason])
    allowed = [(state, reason) for state, reason in every if may_be_mailed(state, reason)]
    assert allowed == [("active", "")]
    assert not may_be_mailed(None, None), "without a subscription to the newsletter"
