"""When workers take the batches of a send: hints that wake slots for it, and the times at which its batches are due."""

from datetime import timedelta

from django.db import connection
from django.db.models import F

from mailer import broker
from mailer.models import Batch, Send
from mailer.store import clock

MOST = 64  # for one send; a woken slot takes one batch after the other, so more would only be read and dropped


def enqueue(send: int, batches: int = 1) -> bool:
    """Wake slots for a send with this many waiting batches. Return False if no worker heard: the sweep finds them."""
    return all(broker.enqueue("mailer.deliver_send", send) for _ in range(min(batches, MOST)))


def spread(send: Send) -> None:
    """Make the batches that wait due one after the other from now on, so that `max_per_hour` is kept."""
    if not send.max_per_hour:
        return
    due, spread = clock.now(), []
    waiting = Batch.objects.filter(send=send, state=Batch.State.PLANNED).order_by("number")
    for batch, size in waiting.values_list("pk", F("size") - F("skipped") - F("rejected")):
        spread.append((connection.ops.adapt_datetimefield_value(due), batch))
        due += timedelta(hours=size / send.max_per_hour)
    # In one go: ten thousand updates one after the other kept the send locked for seconds.
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE mailer_batch SET not_before = %s WHERE id = %s", spread)
