"""Fire a schedule once: its audience is chosen then, in the transaction that makes it `sending` or `planning`."""

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction

from mailer.models import Send
from mailer.sending.planning import (
    NobodyToSend,
    anew_when_overtaken,
    choose_audience,
    expected_in_ranges,
    same_subscribers_throughout,
)
from mailer.store import accounts, clock

log = logging.getLogger(__name__)

MISSED = timedelta(hours=1)  # a morning email should not arrive at night because a worker was down
NOBODY = "there was nobody to email at the scheduled time"


def fire_due() -> None:
    """Make each due schedule of this worker's own `sending`, or `paused` with the reason."""
    now = clock.now()
    due = accounts.own_sends().filter(state=Send.State.SCHEDULED, due_at__lte=now)
    due.filter(due_at__lt=now - MISSED).update(state=Send.State.PAUSED, reason="schedule missed")
    for send in due.order_by("due_at").values_list("pk", flat=True):
        try:
            fire(send, Send.State.SCHEDULED)
        except DatabaseError as error:  # on PostgreSQL: another worker was faster
            log.info("schedule not fired, will retry", extra={"send": send, "error": type(error).__name__})


@anew_when_overtaken
def fire(send: int, out_of: Send.State) -> bool:
    """Make the send `sending` to those who may be mailed now. Return False if it was not in the state `out_of`."""
    expected = expected_in_ranges(Send.objects.values_list("newsletter", flat=True).filter(pk=send).first() or "")
    try:
        with same_subscribers_throughout():
            if not Send.objects.filter(pk=send, state=out_of).update(state=Send.State.SENDING, reason=""):
                return False
            choose_audience(Send.objects.get(pk=send), expected)
    except NobodyToSend:
        Send.objects.filter(pk=send, state=out_of).update(state=Send.State.PAUSED, reason=NOBODY)
        return False
    log.info("schedule fired", extra={"send": send})
    return True


def wait_for_its_time(send: int) -> bool:
    """Make a paused send that is due later `scheduled` again. Return False if it is not such a send."""
    later = Send.objects.filter(pk=send, state=Send.State.PAUSED, due_at__gt=clock.now(), batches=None)
    with transaction.atomic():
        return bool(later.update(state=Send.State.SCHEDULED, reason=""))
