"""Mark what a dead or stalled worker left as `unknown`; settle a rehearsal by its record."""

from uuid import UUID

from django.db.models import F

from mailer.models import REHEARSAL, Attempt, Batch
from mailer.providers.current import rehearsals
from mailer.providers.rehearsal import accepted_attempts
from mailer.sending import send_lock, worker_locks
from mailer.sending.outcomes import accept_by, leave_unknown, plan_unknown_again
from mailer.store import clock


def expire_attempts() -> int:
    """Mark open attempts as `unknown` if their worker is dead or their lease ran out; return how many.

    A dead worker never makes a batch `planned`: its request may have arrived a moment before it died.
    """
    now = clock.now()
    expired = 0
    for attempt, worker, lease_until in Attempt.objects.filter(state=Attempt.State.OPEN).values_list(
        "pk", "worker", "lease_until"
    ):
        if lease_until < now:
            expired += leave_unknown(attempt, "the worker's lease expired before the answer was stored")
        elif worker_locks.is_dead(worker):
            expired += leave_unknown(attempt, "the worker died before the answer was stored")
    if expired:
        worker_locks.tidy(set(Attempt.objects.filter(state=Attempt.State.OPEN).values_list("worker", flat=True)))
    settle_rehearsals()
    return expired


def settle_rehearsals() -> None:
    """Settle unknown attempts of rehearsals by the local record, which is written before it is answered.

    What is not in it was not accepted, unless its worker is still there without an answer: it may yet write it.
    """
    unknown = Attempt.objects.filter(
        state=Attempt.State.UNKNOWN,
        batch__state=Batch.State.UNKNOWN,
        batch__current_attempt=F("pk"),
        batch__send__provider=REHEARSAL,
    )
    rows = unknown.values_list("pk", "batch", "batch__send", "worker", "status")
    # Before the record is read: a worker may write it and end in between.
    over = [(*row[:3], row[4] is not None or not worker_locks.is_alive(row[3])) for row in rows]
    for attempt, batch, send, is_over in over:
        if str(attempt) in accepted_attempts(rehearsals(), send):
            accept_by(attempt, Batch.SettledBy.RECORD)
        elif is_over:
            _repeat_rehearsal(attempt, batch, send)


def _repeat_rehearsal(attempt: UUID, batch: int, send: int) -> None:
    with send_lock.alone(send):
        # Attempt before batch, as everywhere: else two could wait for each other.
        unknown = Attempt.objects.select_for_update().filter(pk=attempt, state=Attempt.State.UNKNOWN)
        if unknown.values_list("pk").first() and plan_unknown_again(batch, attempt):
            unknown.update(state=Attempt.State.UNSENT)
