"""What is unknown gets an end: by long silence, by a second mail, or by the editor's word."""

import logging
from collections.abc import Collection

from django.db import transaction
from django.db.models import QuerySet

from mailer import accounts
from mailer.celery import hint_send
from mailer.models import Batch, Send
from mailer.sending.proving import never_arrived
from mailer.sending.settling import accept_by

log = logging.getLogger(__name__)


def plan_unknown_again(batch: int, out_of: Collection[Send.State] = (Send.State.FINISHED,)) -> bool:
    """An unknown batch goes out once more, because somebody knows or accepts that it may not have arrived.

    A send that was over, in one of the states `out_of`, goes on.
    """
    with transaction.atomic():
        send = Send.objects.select_for_update(of=("self",)).filter(batches=batch).only("pk").first()
        changed = send and Batch.objects.filter(pk=batch, state=Batch.State.UNKNOWN).update(
            state=Batch.State.PLANNED, current_attempt=None, was_unknown=True
        )
        if send and changed:
            Send.objects.filter(pk=send.pk, state__in=out_of).update(state=Send.State.SENDING, finished_at=None)
    return bool(changed)


def resend_unknown(send: int) -> int:
    """Every unknown batch goes out once more; returns how many. Readers who had it get it twice.

    The one way out of `finished`, and of `cancelled` for these batches alone.
    """
    over = (Send.State.FINISHED, Send.State.CANCELLED)
    unknown = list(_unknown(send).values_list("pk", flat=True))
    again = [batch for batch in unknown if plan_unknown_again(batch, over)]
    hint_send(send, len(again))
    return len(again)


def assume_sent(send: int) -> int:
    """Every unknown batch counts as accepted on the editor's word; returns how many."""
    attempts = list(_unknown(send).values_list("current_attempt", flat=True))
    return sum(accept_by(attempt, "editor") for attempt in attempts if attempt)


def resend_what_never_arrived() -> int:
    """Unknown batches of sends with the policy `resend` go out once more when it is clear that nobody has them.

    Returns how many. The sweep asks; a send with the policy `hold` waits for its editor.
    """
    sends = accounts.own_sends().filter(on_unknown=Send.OnUnknown.RESEND)
    policy = Batch.objects.filter(state=Batch.State.UNKNOWN, send__in=sends)
    lost = [batch.pk for batch in policy if never_arrived(batch)]
    again = [batch for batch in lost if plan_unknown_again(batch)]
    for batch in again:
        log.warning("no event came, sent again", extra={"batch": batch})
    return len(again)


def all_never_arrived(send: int) -> bool:
    """Silence says of every unknown batch of this send that nobody has its mail."""
    return all(never_arrived(batch) for batch in _unknown(send))


def _unknown(send: int) -> QuerySet[Batch]:
    return Batch.objects.filter(send=send, state=Batch.State.UNKNOWN)
