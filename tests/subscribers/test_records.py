import random
from datetime import timedelta

import pytest
from django.db.models import Max

from subscribers import clock, records
from subscribers.models import Consent
from subscribers.records import Effect, Step
from tests import readers

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", range(5))
def test_the_last_move_and_confirmation_of_each_are_those_that_the_orm_finds(seed):
    chance, people, now = random.Random(seed), readers.crowd(6), clock.now()
    for _ in range(30):
        Consent.objects.create(
            subscriber=chance.choice(people),
            newsletter="weekly",
            step=chance.choice([Step.CONFIRMED, Step.CHANGED]),
            effect=chance.choice([None, Effect.MOVED]),
            at=now - timedelta(microseconds=chance.randrange(10**9)),
        )
    some = people[:4]
    steps = Consent.objects.filter(subscriber__in=some).order_by()
    moved = steps.filter(effect=Effect.MOVED).values_list("subscriber").annotate(last=Max("at"))
    assert records.moved([one.pk for one in some]) == dict(moved)
    confirmed = steps.filter(step=Step.CONFIRMED).values_list("subscriber__suppression_hash")
    assert records.confirmed([one.suppression_hash for one in some]) == dict(confirmed.annotate(last=Max("at")))


def test_of_nobody_nothing_is_read():
    assert (records.moved([]), records.confirmed([])) == ({}, {})
