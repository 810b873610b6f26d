"""After a resend, an older request of a batch turns out to be accepted: nobody is mailed a third time."""

import pytest

from mailer.models import Attempt, Batch
from mailer.providers.answers import Accepted
from mailer.sending import high_water_mark
from mailer.sending.outcomes import leave_unknown, plan_unknown_again
from mailer.sending.settling import settle
from tests.mailer.sending.outgoing import attempts, balanced, batch_of, claim, claimed, resend_all, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def resent(four):
    """Claim a batch whose request gets no answer, and plan it once more."""
    first = claimed(four)
    leave_unknown(first.attempt, "timed out")
    assert resend_all(four) == 1
    return first


@pytest.fixture
def give_back(monkeypatch):
    """Let this happen just after the next claim's commit, which is then given back: `give_back(act)`."""

    def prepare(act):
        def run_out(number):
            act()
            raise MemoryError

        monkeypatch.setattr(high_water_mark, "remember", run_out)

    return prepare


def test_a_claim_given_back_is_not_planned_if_an_older_request_was_accepted(four, resent, give_back):
    give_back(lambda: settle(resent, Accepted("1")))
    assert claim(batch_of(four).pk) is None
    balanced(four)
    assert (states(four), attempts(four)) == (["accepted"], ["accepted", "unsent"])
    assert batch_of(four).current_attempt == resent.attempt


def test_a_claim_given_back_after_its_lease_is_planned_again(four, give_back):
    """Nothing was sent, whatever the sweep had to assume."""
    give_back(lambda: leave_unknown(Attempt.objects.get().pk, "the lease expired"))
    assert claim(batch_of(four).pk) is None
    balanced(four)
    assert (states(four), attempts(four)) == (["planned"], ["unsent"])
    assert batch_of(four).current_attempt is None


def test_an_unknown_batch_is_not_planned_if_a_request_of_it_was_accepted(four):
    """As former versions could leave it behind."""
    first = claimed(four)
    leave_unknown(first.attempt, "timed out")
    Attempt.objects.update(state=Attempt.State.ACCEPTED)
    assert not plan_unknown_again(batch_of(four).pk)
    balanced(four)
    assert (states(four), batch_of(four).settled_by) == (["accepted"], Batch.SettledBy.WORKER)
