"""A welcome is renewed while something else happens to it: a pause holds, and nobody gets it twice."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import count as numbers

import pytest
from django.db import connection

from mailer.models import Attempt, Delivery, Send, Welcome
from mailer.providers.answers import Accepted, RateLimited
from mailer.sending import lifecycle, steering, welcoming
from mailer.sending.claiming import claim_next
from mailer.sending.lifecycle import WrongState, finish_if_done
from mailer.sending.settling import settle
from mailer.store import clock
from subscribers import erasing, optin
from subscribers.models import Subscriber, WelcomeDue
from subscribers.optin import Origin
from tests import readers
from tests.mailer.sending.outgoing import balanced, claimed, close_breaker, in_thread, states
from tests.mailer.sending.test_send_lock import Halted
from tests.mailer.sending.test_welcoming import FIRST, SECOND, content, freeze, plan

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer"),
]

RENEWAL = 'INSERT INTO "mailer_send"'


def for_complaints(version):
    lifecycle.pause_welcome(version, "too many complaints", language=version.language)


@pytest.mark.parametrize("pause", [steering.pause_welcome, for_complaints])
def test_a_pause_while_the_welcome_is_renewed_holds_for_the_new_version(api, pause):
    """Else an editor's pause would come to nothing because an issue was just sent."""
    (first,) = freeze(content(lists=1), issues=(FIRST,))
    readers.confirmed()
    renewing = Halted(lambda: plan(SECOND, FIRST), lambda sql: sql.startswith(RENEWAL))
    assert renewing.halts()
    pausing = in_thread(lambda: pause(first))
    pausing.join(0.3)
    renewing.goes_on()
    pausing.join(60)
    now = Welcome.objects.get().send
    assert (now.pk > first.pk, now.state) == (True, "paused")
    readers.confirmed(who=readers.BEN)
    assert plan(SECOND, FIRST) == 0


# -------------------------------------------------------------- any two at once


class Stage:
    """A welcome with a request in flight, and two more subscribers who are due; an issue was sent since."""

    serial = numbers()

    def __init__(self) -> None:
        Send.objects.all().delete()
        WelcomeDue.objects.all().delete()
        close_breaker()
        names = [readers.Named("", f"new{next(self.serial)}@readers.example") for _ in range(4)]
        self.people = readers.imported("weekly", *((who, "active", "") for who in names))
        (self.first,) = freeze(content(lists=1), issues=(FIRST,))
        self._due(self.people[:2])
        assert plan(FIRST) == 2
        self.taken = claimed(self.first)
        self._due(self.people[2:])
        self.at_return: int | None = None
        self.dropped = False

    def _due(self, people: Sequence[Subscriber]) -> None:
        now = clock.now()
        WelcomeDue.objects.bulk_create(WelcomeDue(subscriber=one, newsletter="weekly", at=now) for one in people)

    def planned(self) -> None:
        plan(FIRST)

    def renewed(self) -> None:
        plan(SECOND, FIRST)

    def claimed(self) -> None:
        for send in Send.objects.filter(state="sending").order_by("pk"):
            claim_next(send.pk)

    def answered(self) -> None:
        settle(self.taken, Accepted("1"))

    def given_back(self) -> None:
        settle(self.taken, RateLimited("429", 1))

    def finished(self) -> None:
        finish_if_done(self.first.pk)

    def paused(self) -> None:
        lifecycle.pause_welcome(self.first)
        self.at_return = Attempt.objects.count()

    def cancelled(self) -> None:
        with suppress(WrongState):  # another version is in use already, and this one over
            lifecycle.cancel(self.first.pk)

    def replaced(self) -> None:
        freeze(content(source="Hello!", lists=1), issues=(FIRST,))

    def ended(self) -> None:
        self.dropped = welcoming.turn_off("weekly", rehearsal=False) > 0

    def left(self) -> None:
        optin.unsubscribe(self.people[2].public_id, "weekly", Origin(how="one-click"))

    def erased(self) -> None:
        erasing.forget(self.people[3].email_key, Origin(how="page"))
        self.dropped = True

    def is_right(self) -> None:
        for send in Send.objects.all():
            balanced(send)
            assert send.state != "finished" or not {"planned", "posting"} & set(states(send))
        each = Counter(Delivery.objects.exclude(subscriber=None).values_list("subscriber", flat=True))
        assert max(each.values()) == 1, "planned twice"
        waiting = set(WelcomeDue.objects.values_list("subscriber", flat=True))
        assert not waiting & set(each), "planned and due"
        assert self.dropped or len(waiting) + Delivery.objects.count() == 4, "forgotten"
        if self.at_return is not None:
            assert self.at_return == Attempt.objects.count(), "a request began after the pause"
            assert not Send.objects.filter(state="sending").exists(), "not paused"


OTHERS = ("claimed", "answered", "given_back", "finished", "paused", "cancelled", "replaced", "ended", "left", "erased")
PAIRS = [pair for other in OTHERS for pair in (("renewed", other), (other, "renewed"), ("planned", other))]
PAIRS += [("renewed", "renewed"), ("renewed", "planned"), ("planned", "planned"), ("paused", "claimed")]


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_at_once_end_as_one_after_the_other_would(one, other, api):
    """Let the other happen before each statement of the one: then it either ends at once or waits for the one's end."""
    for place in numbers():
        stage, statements = Stage(), numbers()
        halted = Halted(getattr(stage, one), lambda _, place=place, statements=statements: next(statements) == place)
        if not halted.halts():
            halted.goes_on()
            assert place > 0
            return
        meanwhile = Halted(getattr(stage, other), lambda _: False)
        meanwhile.ends_within(0.3)
        halted.goes_on()
        meanwhile.goes_on()
        stage.is_right()
