"""The invariants of sending hold whatever happens in whatever order, against a provider that the test fully sees.

Hypothesis plays workers, provider, readers and editor. A request is accepted or not, answered in any way that this
allows, late or never; workers die, leases end, readers leave, the editor pauses, cancels and sends again. Half of the
sends are planned in ranges, between which all of this happens too.
`MAILER_TEST_EXAMPLES=2000` plays longer.
"""

import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailer.models import Attempt, Batch, CircuitBreaker, Delivery, Send
from mailer.providers.answers import (
    Accepted,
    ConnectFailed,
    DeadlinePassed,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
)
from mailer.sending import delivering, planning, ranges, reconciling, steering
from mailer.sending.accounting import count
from mailer.sending.evidence import record
from mailer.sending.existing import Action, what_to_do
from mailer.sending.settling import settle
from mailer.worker.sweeping import sweep
from subscribers import optin
from subscribers.models import Suppression
from tests import readers
from tests.mailer.sending.outgoing import balanced, claim, close_breaker, planned, resend_all
from tests.mailer.sending.worlds import PlanningInRanges, Request, World

SEVERAL = st.integers(0, 11)
UNKNOWN = OutcomeUnknown("timed out", None)
NOT_ACCEPTED = ("never opened", "too late", "too many", "refused", "readers", "no place", "unknown")


class Sending(PlanningInRanges):
    @initialize(size=st.integers(1, 3), crowd=st.integers(1, 7), in_ranges=st.booleans())
    def plan(self, size, crowd, in_ranges):
        self.around = transaction.atomic()
        self.around.__enter__()
        delivering._frozen.cache_clear()
        (django_settings.HOME / "attempts.json").unlink(missing_ok=True)  # each play is rolled back
        CircuitBreaker.objects.all().delete()
        django_settings.MAILER_BATCH_SIZE = size
        planning.IN_RANGES_ABOVE[connection.vendor] = 0 if in_ranges else 1000
        ranges.RANGE = size
        self.waverer = readers.pending()
        readers.unsubscribed()
        readers.bounced()
        audience = {reader.pk: reader for reader in readers.crowd(crowd)}
        self.outcomes = {}
        self.world = World(planned(source=f"{size} {crowd}"), audience)
        self.look_at_the_plan()
        assert in_ranges == (self.state() == "planning")

    def teardown(self):
        if not hasattr(self, "world"):
            return
        try:
            self.come_to_rest()
        finally:
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)

    # ---------------------------------------------------------- workers and provider

    def claim(self, batch) -> Request | None:
        close_breaker()
        taken = claim(batch)
        if taken is None:
            return None
        request = Request(taken)
        assert not self.world.stopped  # I8
        assert not self.world.left.intersection(request.readers)  # I4
        assert list(taken.members.emails) == [self.world.people[one].email for one in request.readers]  # I5
        self.world.requests.append(request)
        return request

    def accept(self, request):
        request.accepted = True
        self.world.mailed.update(request.readers)

    def answer_truly(self, request, kind="unknown", which=0):
        if request.accepted:
            answer = Accepted("id") if kind != "unknown" else UNKNOWN
        else:
            answer = self.refusal(request, kind, which)
        request.answered, request.lost = True, answer is UNKNOWN
        settle(request.claim, answer)

    def refusal(self, request, kind, which):
        match kind:
            case "never opened":
                return ConnectFailed("no connection")
            case "too late":
                return DeadlinePassed()
            case "too many":
                return RateLimited("429", 1)
            case "refused":
                return Refused("401 Unauthorized", 401)
            case "no place":
                if len(request.readers) == 1:
                    self.world.refused.update(request.readers)
                return UnlocatedRefusal("400 Bad Request", 400)
            case "readers":
                index = which % len(request.readers)
                self.world.refused.add(request.readers[index])
                return RecipientsRejected({index: "not valid"}, 400)
        return UNKNOWN

    def open_requests(self):
        return [request for request in self.world.requests if not request.answered]

    @precondition(lambda self: Batch.objects.exists())
    @rule(which=SEVERAL)
    def a_worker_claims(self, which):
        batches = list(Batch.objects.order_by("pk").values_list("pk", flat=True))
        self.claim(batches[which % len(batches)])

    @rule()
    def workers_claim_all(self):
        for batch in Batch.objects.order_by("pk").values_list("pk", flat=True):
            self.claim(batch)

    @precondition(lambda self: self.open_requests())
    @rule(which=SEVERAL)
    def the_provider_accepts_and_answers(self, which):
        request = self.open_requests()[which % len(self.open_requests())]
        if not request.accepted:
            self.accept(request)
        self.answer_truly(request, "202")

    @precondition(lambda self: self.open_requests())
    @rule(which=SEVERAL, kind=st.sampled_from(NOT_ACCEPTED))
    def the_provider_answers_somehow(self, which, kind):
        self.answer_truly(self.open_requests()[which % len(self.open_requests())], kind, which)

    @precondition(lambda self: any(not one.accepted and (one.lost or not one.answered) for one in self.world.requests))
    @rule(which=SEVERAL)
    def the_provider_accepts_and_nobody_hears_of_it_yet(self, which):
        possible = [one for one in self.world.requests if not one.accepted and (one.lost or not one.answered)]
        self.accept(possible[which % len(possible)])

    @precondition(lambda self: any(one.accepted for one in self.world.requests))
    @rule(which=SEVERAL, times=st.integers(1, 2))
    def an_event_arrives(self, which, times):
        accepted = [one for one in self.world.requests if one.accepted]
        for _ in range(times):
            record([accepted[which % len(accepted)].claim.attempt])

    @precondition(lambda self: self.open_requests())
    @rule(which=SEVERAL)
    def a_worker_dies(self, which):
        request = self.open_requests()[which % len(self.open_requests())]
        request.answered = request.lost = True
        worker = uuid.uuid4()
        folder = Path(django_settings.HOME) / "run"
        folder.mkdir(exist_ok=True)
        (folder / f"{worker}.owner").touch()  # and nobody holds its lock
        Attempt.objects.filter(pk=request.claim.attempt).update(worker=worker)

    @precondition(lambda self: self.open_requests())
    @rule(which=SEVERAL)
    def a_lease_ends_before_the_answer(self, which):
        request = self.open_requests()[which % len(self.open_requests())]
        past = timezone.now() - timedelta(seconds=1)
        Attempt.objects.filter(pk=request.claim.attempt).update(lease_until=past)
        sweep()

    @rule()
    def a_sweep(self):
        sweep()

    # ---------------------------------------------------------- readers and editor

    @rule(which=SEVERAL, how=st.sampled_from(["unsubscribe", "complain", "bounce", "erase"]))
    def a_reader_leaves(self, which, how):
        reader = list(self.world.audience.values())[which % len(self.world.audience)]
        if reader.pk in self.world.gone:
            return
        pk = reader.pk
        if how == "unsubscribe":
            optin.unsubscribe(reader.public_id, "weekly", readers.LINK)
        elif how == "erase":
            type(reader).objects.filter(pk=reader.pk).delete()
        else:
            reason = Suppression.Reason.COMPLAINT if how == "complain" else Suppression.Reason.BOUNCE
            optin.suppress(reader.suppression_hash, reason, readers.LINK)
        theirs = {delivery for delivery, one in self.world.people.items() if one is reader}
        self.world.left |= theirs
        self.world.gone.add(pk)
        if not theirs:
            self.world.unplanned.add(pk)

    def requests_end(self, in_flight):
        """Give workers an answer while pause or cancel waits."""
        assert in_flight == Batch.objects.filter(state="posting").count()
        for request in self.open_requests():
            self.answer_truly(request, "202" if request.accepted else "never opened")

    @precondition(lambda self: self.state() in ("planning", "sending", "paused"))
    @rule()
    def the_editor_pauses(self):
        steering.pause(self.world.send.pk, self.requests_end)
        self.world.stopped = True

    @precondition(lambda self: self.state() == "paused" or (self.state() == "planning" and self.world.stopped))
    @rule()
    def the_editor_resumes(self):
        steering.resume(self.world.send.pk)
        self.world.stopped = False

    @precondition(lambda self: self.state() in ("planning", "sending", "paused"))
    @rule(sure=st.integers(0, 3))
    def the_editor_cancels(self, sure):
        if sure == 3:  # seldom, as it ends the play
            steering.cancel(self.world.send.pk, self.requests_end)
            self.world.stopped = True

    @rule()
    def the_editor_sends_what_is_unknown_again(self):
        unknown = Delivery.objects.filter(batch__state="unknown", outcome=None).values_list("pk", flat=True)
        self.world.resent.update(list(unknown))
        if resend_all(self.world.send) and self.state() == "sending":
            self.world.stopped = False

    @rule(sure=st.integers(0, 3))
    def the_editor_assumes_the_unknown_was_sent(self, sure):
        if sure == 3:
            reconciling.assume_sent(self.world.send.pk)

    # ---------------------------------------------------------- what is always true

    def rows(self):
        values = ("pk", "outcome", "reason", "batch", "batch__state", "batch__settled_by")
        return list(Delivery.objects.filter(send=self.world.send).values_list(*values))

    @invariant()
    def the_equation_holds(self):
        if hasattr(self, "world"):
            balanced(self.world.send)

    @invariant()
    def nobody_is_mailed_twice(self):
        if hasattr(self, "world"):
            for delivery, times in self.world.mailed.items():
                assert times <= 1 + self.world.resent[delivery]  # I1

    @invariant()
    def what_is_called_accepted_was_and_what_was_is_called_so_or_unknown(self):
        if not hasattr(self, "world"):
            return
        for delivery, outcome, _, _, state, settled_by in self.rows():
            if outcome is None and state == "accepted" and settled_by != "editor":
                assert self.world.mailed[delivery]  # I3
            if self.world.mailed[delivery] and not self.world.resent[delivery]:
                assert outcome is None
                assert state in ("posting", "unknown", "accepted")
            if outcome == "rejected":
                assert delivery in self.world.refused  # I6

    @invariant()
    def outcomes_are_final(self):
        if not hasattr(self, "world"):
            return
        for delivery, outcome, reason, _, state, _ in self.rows():
            before = self.outcomes[delivery]
            now = (outcome, reason) if outcome else "cancelled" if state == "cancelled" else None
            # The one exception: the first two singles of a batch are restored when it is the mail that is refused.
            restored = before == ("rejected", "400 Bad Request") and now in (None, "cancelled")
            assert before in (None, now) or restored  # I9
            self.outcomes[delivery] = now

    @invariant()
    def nothing_waits_in_a_send_that_is_over(self):
        if hasattr(self, "world") and self.state() == "finished":
            assert count(self.world.send).waiting == 0
            assert what_to_do(Send.objects.get(pk=self.world.send.pk), self.world.send.source_sha256) is Action.SHOW
            for batch in Batch.objects.values_list("pk", flat=True):
                assert claim(batch) is None  # I10

    # ---------------------------------------------------------- when nothing moves any more

    def come_to_rest(self):
        """Remove all faults and start the workers: everything is settled or unknown.

        Then deliver all events, which leaves unknown exactly what was never accepted, and resend, which settles that
        too.
        """
        self.drain()
        for delivery, outcome, _, _, state, settled_by in self.rows():  # I2, I3
            assert outcome or state in ("accepted", "unknown", "cancelled")
            if outcome is None and state == "accepted":
                assert self.world.mailed[delivery] or settled_by == "editor"
        record([one.claim.attempt for one in self.world.requests if one.accepted])
        self.the_equation_holds()
        for delivery, outcome, _, _, state, settled_by in self.rows():
            if outcome is None and state == "unknown":
                assert not self.world.mailed[delivery]
            if outcome is None and state == "accepted":
                assert self.world.mailed[delivery] or settled_by == "editor"
        if self.state() == "cancelled":
            return
        self.the_editor_sends_what_is_unknown_again()
        self.drain()
        assert count(self.world.send).unknown == 0
        for delivery, outcome, _, _, state, settled_by in self.rows():
            if outcome is None and state == "accepted" and settled_by != "editor":
                assert self.world.mailed[delivery]
                assert self.world.mailed[delivery] == 1 or self.world.resent[delivery]
        self.nobody_is_mailed_twice()
        self.the_equation_holds()

    def drain(self):
        for request in self.open_requests():
            self.answer_truly(request, "202" if request.accepted else "never opened")
        sweep()
        while self.state() == "planning":
            self.a_worker_plans_a_range()
        for _ in range(50):
            if self.state() in ("finished", "cancelled"):
                return
            if self.state() == "paused":
                self.the_editor_resumes()
            self.workers_claim_all()
            for request in self.open_requests():
                self.accept(request)
                self.answer_truly(request, "202")
            sweep()
        raise AssertionError(f"it does not come to rest: {self.state()}, {count(self.world.send)}")


@pytest.mark.django_db
def test_whatever_happens_nobody_is_lost_or_mailed_twice(settings, monkeypatch):
    settings.PROVIDER = "provider.example"
    settings.SENDGRID_API_KEY = "SG.model"
    monkeypatch.setattr(steering.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(planning, "IN_RANGES_ABOVE", {})
    monkeypatch.setattr(ranges, "RANGE", 1)
    run_state_machine_as_test(Sending, settings=PLAY)


# A play takes three times as long on PostgreSQL.
USUAL = "15" if os.environ.get("MAILER_TEST_DATABASE") == "postgres" else "30"
PLAY = settings(
    max_examples=int(os.environ.get("MAILER_TEST_EXAMPLES", USUAL)),
    stateful_step_count=30,
)
