"""Two things happen to one send at the same time, and nobody waits who need not, nor goes on who must wait."""

import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count as numbers

import pytest
from django.db import connection

from mailer.models import Attempt, Batch, Send
from mailer.providers.answers import Accepted, OutcomeUnknown, RateLimited
from mailer.sending import claiming, expiring, lifecycle
from mailer.sending.claiming import claim_next
from mailer.sending.outcomes import accept_by, leave_unknown, plan_unknown_again
from mailer.sending.settling import settle
from tests import readers
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    claimed,
    close_breaker,
    in_thread,
    planned,
    resend_all,
    states,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer"),
]


UNKNOWN = OutcomeUnknown("timed out", None)
LAST_OF_A_CLAIM = "attempts = attempts + 1"
QUEUED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Halted:
    """Runs `act` in a thread, which halts before the first statement that `where` names, until it may go on."""

    def __init__(self, act: Callable[[], object], where: Callable[[str], bool]) -> None:
        self.result: object = None
        self.error: Exception | None = None
        self._act, self._where = act, where
        self._halts, self._goes_on = threading.Event(), threading.Event()
        self._thread = in_thread(self._run)

    def _run(self) -> None:
        try:
            with connection.execute_wrapper(self._execute):
                self.result = self._act()
        except Exception as error:  # noqa: BLE001 — raised by goes_on
            self.error = error
        finally:
            self._halts.set()

    def _execute(self, execute, sql, params, many, context):
        if not self._halts.is_set() and self._where(sql):
            self._halts.set()
            assert self._goes_on.wait(60)
        return execute(sql, params, many, context)

    def halts(self) -> bool:
        """Wait until it halts. Return False if it came to its end before."""
        assert self._halts.wait(60)
        self._thread.join(0.05)
        return self._thread.is_alive()

    def ends_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def goes_on(self) -> None:
        self._goes_on.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error


def nearly_claimed(send: Send) -> Halted:
    """Return a claim of the send that has all it needs but for its commit."""
    claimant = Halted(lambda: claim_next(send.pk), lambda sql: LAST_OF_A_CLAIM in sql)
    assert claimant.halts()
    return claimant


def queued(sessions: int) -> None:
    """Wait until so many sessions wait for a send."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(QUEUED)
            if cursor.fetchone()[0] == sessions:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_claims_of_one_send_take_different_batches_and_do_not_wait_for_each_other(two_batches):
    settle(claimed(two_batches, 0), RateLimited("429", 1))  # so that the time of a first request is written
    close_breaker()
    first = nearly_claimed(two_batches)
    second = Halted(lambda: claim_next(two_batches.pk), lambda sql: LAST_OF_A_CLAIM in sql)
    assert second.halts(), "it waits for the first or found no batch"
    second.goes_on()
    first.goes_on()
    assert {first.result.batch, second.result.batch} == {batch_of(two_batches, 0).pk, batch_of(two_batches, 1).pk}
    balanced(two_batches)


def test_an_acceptance_does_not_wait_for_a_claim(two_batches):
    taken = claimed(two_batches, 0)
    claimant = nearly_claimed(two_batches)
    accepting = in_thread(lambda: settle(taken, Accepted("1")))
    accepting.join(60)
    assert states(two_batches) == ["accepted", "planned"]
    claimant.goes_on()
    balanced(two_batches)


def test_the_sweep_does_not_wait_for_a_claim_to_say_that_another_request_is_unknown(two_batches):
    """Else one worker that is suspended in a claim would stop the sweeps of all, and the send with them."""
    taken = claimed(two_batches, 0)
    claimant = nearly_claimed(two_batches)
    in_thread(lambda: leave_unknown(taken.attempt, "the lease expired")).join(60)
    assert states(two_batches) == ["unknown", "planned"]
    claimant.goes_on()
    balanced(two_batches)


@pytest.mark.parametrize("end", [lifecycle.pause, lifecycle.cancel])
def test_whoever_waits_to_hold_a_send_alone_is_not_overtaken(two_batches, end):
    """Else an editor's pause would come to nothing while many slots claim."""
    claimant = nearly_claimed(two_batches)
    ending = in_thread(lambda: end(two_batches.pk))
    queued(1)
    got: list[object] = []
    late = in_thread(lambda: got.append(claim_next(two_batches.pk)))
    queued(2)
    claimant.goes_on()
    ending.join(60)
    late.join(60)
    assert got == [None]
    assert attempts(two_batches) == ["open"]


def test_an_acceptance_does_not_wait_for_another_that_notes_the_time(two_batches):
    first, second = claimed(two_batches, 0), claimed(two_batches, 1)
    one = Halted(lambda: settle(first, Accepted("1")), lambda sql: "mailer_circuit_breaker" in sql)
    assert one.halts()
    in_thread(lambda: settle(second, Accepted("2"))).join(60)
    assert states(two_batches) == ["posting", "accepted"]
    one.goes_on()
    two_batches.refresh_from_db()
    last = Attempt.objects.order_by("-ended_at").values_list("ended_at", flat=True)[0]
    assert (two_batches.state, two_batches.last_request_at) == (Send.State.FINISHED, last)


def test_of_two_sweeps_one_reads_the_record_of_a_rehearsal_while_the_other_repeats_it():
    """Its worker was suspended between its record and its answer. Neither sweep waits for the other for ever."""
    readers.crowd(2)
    for place in numbers():
        send, statements = planned(), numbers()
        lost = claimed(send).attempt
        leave_unknown(lost, "the lease expired")
        repeat = partial(expiring._repeat_rehearsal, lost, batch_of(send).pk, send.pk)
        repeating = Halted(repeat, lambda _, place=place, statements=statements: next(statements) == place)
        if not repeating.halts():
            assert place > 8
            return
        accepting = Halted(partial(accept_by, lost, Batch.SettledBy.RECORD), lambda _: False)
        accepting.ends_within(0.3)
        repeating.goes_on()
        accepting.goes_on()
        assert (states(send), attempts(send)) in [(["accepted"], ["accepted"]), (["planned"], ["unsent"])]
        balanced(send)


# -------------------------------------------------------------- any two at once


class Stage:
    """A send whose first batch was lost and sent again, with both requests still to be answered; its second waits."""

    def __init__(self) -> None:
        Send.objects.all().delete()
        close_breaker()
        self.send = planned()
        self.first = claimed(self.send, 0)
        settle(self.first, UNKNOWN)
        close_breaker()
        self.at_return: int | None = None

    def resent(self) -> None:
        assert resend_all(self.send) == 1
        self.second = claimed(self.send, 0)
        close_breaker()

    def answered_late(self) -> None:
        settle(self.first, Accepted("1"))

    def answered(self) -> None:
        settle(self.second, Accepted("2"))

    def given_back(self) -> None:
        settle(self.second, RateLimited("429", 1))

    def released(self) -> None:
        claiming._release(self.second.attempt, "the database connection was lost during the claim")

    def timed_out(self) -> None:
        leave_unknown(self.second.attempt, "the lease expired")

    def claimed(self) -> None:
        claim_next(self.send.pk)

    def sent_again(self) -> None:
        plan_unknown_again(batch_of(self.send, 0).pk, self.first.attempt)

    def paused(self) -> None:
        lifecycle.pause(self.send.pk)
        self.at_return = Attempt.objects.count()

    def cancelled(self) -> None:
        lifecycle.cancel(self.send.pk)
        self.at_return = Attempt.objects.count()

    def is_right(self) -> None:
        balanced(self.send)
        doubtful = Batch.objects.filter(state__in=["planned", "unknown"])
        assert not doubtful.filter(attempts__state="accepted").exists(), "mailed once more, or as somebody decides"
        for batch in Batch.objects.filter(state="posting"):
            assert batch.attempts.filter(state="open").count() == 1
        assert self.at_return in (None, Attempt.objects.count()), "a request began after that"
        assert self.send.state != "finished" or not Batch.objects.filter(state__in=["planned", "posting"]).exists()


ANSWERS = ("answered", "given_back", "released")
IN_FLIGHT = ("answered_late", *ANSWERS, "timed_out", "claimed", "paused", "cancelled")
LOST = ("answered_late", "sent_again", "claimed", "paused", "cancelled")
PAIRS = [("in flight", one, other) for one in IN_FLIGHT for other in IN_FLIGHT if one != other or one == "claimed"]
PAIRS += [("lost", one, other) for one in LOST for other in LOST if "sent_again" in (one, other) and one != other]
# Two answers of one request cannot come; it may also expire.
PAIRS = [pair for pair in PAIRS if not any(set(pair[1:]) <= set(few) for few in (ANSWERS, ("paused", "cancelled")))]


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "one", "other"), PAIRS)
def test_two_at_once_end_as_one_after_the_other_would(begin, one, other, settings, api):
    """Let the other happen before each statement of the one: then it either ends at once or waits for the one's end."""
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    for place in numbers():
        stage, statements = Stage(), numbers()
        if begin == "in flight":
            stage.resent()
        halted = Halted(getattr(stage, one), lambda _, place=place, statements=statements: next(statements) == place)
        if not halted.halts():
            assert place > 3
            return
        meanwhile = in_thread(getattr(stage, other))
        meanwhile.join(0.3)
        halted.goes_on()
        meanwhile.join(60)
        stage.is_right()
