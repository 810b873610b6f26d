"""What a dead or stalled worker leaves behind."""

import os
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from mailer.models import REHEARSAL, Attempt, Send
from mailer.providers.answers import Accepted, OutcomeUnknown
from mailer.providers.current import current_provider
from mailer.sending import worker_locks
from mailer.sending.accounting import count, receipt
from mailer.sending.delivering import _frozen, _recipients
from mailer.sending.expiring import expire_attempts, settle_rehearsals
from mailer.sending.lifecycle import cancel_leftovers
from mailer.sending.outcomes import plan_unknown_again
from mailer.sending.settling import settle
from mailer.sending.steering import cancel
from tests import readers
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    claim,
    claimed,
    deliver_all,
    deliver_batch,
    planned,
    resend_all,
    states,
)

pytestmark = pytest.mark.django_db

WORKER = """
import django; django.setup()
from mailer.sending.worker_locks import this_worker
print(this_worker(), flush=True)
input()
"""


@pytest.fixture
def worker(settings):
    """Start another worker process on this machine; return its worker id and a way to kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"MAILER_HOME": str(settings.HOME)},
        cwd=Path(__file__).parents[3],
    )
    process.id = uuid.UUID(process.stdout.readline().strip())

    def die():
        process.kill()
        process.wait()

    process.die = die
    yield process
    die()


def claimed_by(send, worker, number=0):
    taken = claimed(send, number)
    Attempt.objects.filter(pk=taken.attempt).update(worker=worker)
    return taken


def end_lease():
    Attempt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_what_a_killed_worker_left_is_unknown_at_once_and_never_planned(four, worker):
    claimed_by(four, worker.id)
    assert expire_attempts() == 0
    assert states(four) == ["posting"]
    worker.die()
    assert expire_attempts() == 1
    balanced(four)
    assert (states(four), attempts(four), count(four).unknown) == (["unknown"], ["unknown"], 4)
    assert "died" in Attempt.objects.get().detail
    assert expire_attempts() == 0


def test_a_dead_owners_file_goes_when_nothing_of_it_is_open(four, worker, settings):
    claimed_by(four, worker.id)
    file = settings.HOME / "run" / f"{worker.id}.owner"
    assert file.exists()
    worker.die()
    expire_attempts()
    assert not file.exists()
    assert not worker_locks.is_dead(worker.id)


def test_a_living_worker_is_left_alone_until_its_lease_ends(four):
    taken = claimed(four)
    assert expire_attempts() == 0
    end_lease()
    assert expire_attempts() == 1
    assert states(four) == ["unknown"]
    settle(taken, Accepted("late"))
    assert states(four) == ["accepted"]


def test_of_a_worker_on_another_machine_only_the_lease_tells(four):
    claimed_by(four, uuid.uuid4())
    assert expire_attempts() == 0
    end_lease()
    assert expire_attempts() == 1


def test_what_was_answered_does_not_expire(two_batches):
    settle(claimed(two_batches, 0), Accepted("1"))
    settle(claimed(two_batches, 1), OutcomeUnknown("timed out", None))
    end_lease()
    assert expire_attempts() == 0
    assert states(two_batches) == ["accepted", "unknown"]


# -------------------------------------------------------------- rehearsals


@pytest.fixture
def rehearsal(db):
    readers.crowd(3)
    return planned(provider=REHEARSAL)


def posted(taken):
    """Let the request be made and accepted, without its answer being recorded."""
    client = current_provider()
    request = client.prepare(_frozen(taken.send).message, _recipients(taken), taken.attempt)
    assert isinstance(client.post(request), Accepted)


def test_a_rehearsal_whose_worker_died_after_the_record_is_accepted(rehearsal, worker):
    posted(claimed_by(rehearsal, worker.id))
    worker.die()
    expire_attempts()
    balanced(rehearsal)
    assert (states(rehearsal), batch_of(rehearsal).settled_by) == (["accepted"], "record")
    assert attempts(rehearsal) == ["accepted"]


def test_a_rehearsal_whose_worker_died_before_the_record_goes_out_once_more(rehearsal, worker):
    claimed_by(rehearsal, worker.id)
    worker.die()
    expire_attempts()
    balanced(rehearsal)
    assert (states(rehearsal), attempts(rehearsal)) == (["planned"], ["unsent"])
    deliver_all(rehearsal)
    balanced(rehearsal)
    assert (rehearsal.state, count(rehearsal).accepted) == (Send.State.FINISHED, 3)
    assert receipt(rehearsal)["possibly_twice"] == 0


def test_a_rehearsal_whose_worker_only_sleeps_is_not_repeated_behind_its_back(rehearsal, worker):
    """It may wake up and write its record."""
    claimed_by(rehearsal, worker.id)
    end_lease()
    expire_attempts()
    settle_rehearsals()
    assert states(rehearsal) == ["unknown"]
    worker.die()
    settle_rehearsals()
    assert states(rehearsal) == ["planned"]


def test_a_rehearsal_that_was_answered_with_an_error_goes_out_once_more(rehearsal):
    settle(claimed(rehearsal), OutcomeUnknown("503 the rehearsal cannot write its record", 503))
    rehearsal.refresh_from_db()
    assert rehearsal.state == Send.State.FINISHED
    settle_rehearsals()
    rehearsal.refresh_from_db()
    assert (states(rehearsal), rehearsal.state) == (["planned"], Send.State.SENDING)


def test_a_cancelled_rehearsal_stays_cancelled(rehearsal, worker):
    taken = claimed_by(rehearsal, worker.id)
    worker.die()
    cancel(rehearsal.pk)
    settle_rehearsals()
    cancel_leftovers()
    balanced(rehearsal)
    assert (rehearsal.state, states(rehearsal)) == (Send.State.CANCELLED, ["cancelled"])
    assert claim(taken.batch) is None


def test_a_real_send_is_never_settled_by_a_record(four, settings):
    settle(claimed(four), OutcomeUnknown("503", 503))
    settle_rehearsals()
    assert states(four) == ["unknown"]


def test_an_unknown_batch_of_a_replaced_rehearsal_is_ignored(rehearsal):
    settle(claimed(rehearsal), OutcomeUnknown("503", 503))
    batch = batch_of(rehearsal).pk
    rehearsal.delete()
    assert not plan_unknown_again(batch)


def test_what_is_accepted_is_not_planned_again(four):
    deliver_batch(batch_of(four).pk)
    assert not plan_unknown_again(batch_of(four).pk)
    assert resend_all(four) == 0
    assert states(four) == ["accepted"]
