"""The sweep: a loop in every worker that finds what a lost hint or a dead worker left lying.

Every write is a compare-and-set, so any number of sweeps at once is harmless. There is no beat process.
"""

import logging
import threading
import time
import traceback
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models import Max, Q

from mailer import clock, events, notifying, presence, schema
from mailer.celery import publish_hint
from mailer.models import Batch, Send
from mailer.sending import clocks, gate, restoring
from mailer.sending.expiring import expire_attempts
from mailer.sending.planning import hint
from mailer.sending.reconciling import resend_what_never_arrived
from mailer.sending.restoring import Restored
from mailer.sending.scheduling import fire_due
from mailer.sending.settling import finish_if_done
from mailer.sending.steering import cancel_leftovers
from subscribers import confirmations, letters
from subscribers.purging import purge_unconfirmed
from subscribers.tasks import send_confirmation, send_letter

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds; every second where no broker carries hints
STALE = timedelta(seconds=10)  # a hint this old is taken for lost; a second one costs one look at the row
TIDIED_EVERY = 3600.0
AT_ONCE = 200  # batches of a send hinted in one sweep


def sweep() -> None:
    """Everything that was due is on its way; nothing is touched in a database of a newer version. Raises Restored."""
    if schema.is_newer():
        return
    now = clock.now()
    restoring.check()
    expire_attempts()
    cancel_leftovers()
    fire_due()
    events.apply_leftovers()
    resend_what_never_arrived()
    _hint_stale_batches()
    for subscription in confirmations.due(now):
        send_confirmation.hint(subscription)
    for letter in letters.due(now):
        send_letter.hint(letter)
    for send in notifying.untold():
        publish_hint("mailer.tell_editor", send)
    for send in Send.objects.filter(state=Send.State.SENDING).values_list("pk", flat=True):
        finish_if_done(send)
    clocks.write_sweep(now)


def tidy() -> None:
    """What need not be kept is gone: events and letters of long ago, addresses that nobody confirmed."""
    now = clock.now()
    events.prune(now)
    letters.forget_old(now)
    purge_unconfirmed(now)
    presence.forget_old(now)


def _hint_stale_batches() -> None:
    now = clock.now()
    if gate.closed_until(settings.PROVIDER, now) is not None:
        return
    running = Send.objects.filter(state=Send.State.SENDING, provider=settings.PROVIDER)
    for send, last_request in running.values_list("pk", "last_request_at"):
        stale = Q(hinted_at__isnull=True) | Q(hinted_at__lt=_lost_before(send, last_request, now))
        batches = Batch.objects.filter(stale, send=send, state=Batch.State.PLANNED, not_before__lte=now)
        hint(list(batches.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]))


def _lost_before(send: int, last_request: datetime | None, now: datetime) -> datetime:
    """Hints given before this moment are taken for lost.

    Hints are heard in the order they were given. So while requests of the send are accepted, those as old as the ones
    that are heard now stand in a queue, however long it is; to tell them again would only make it longer.
    """
    if last_request is None or last_request < now - STALE:
        return now - STALE
    taken = Batch.objects.filter(send=send).exclude(state=Batch.State.PLANNED)
    heard: datetime | None = taken.aggregate(last=Max("hinted_at"))["last"]
    return min(now, heard or now) - STALE


def _place_of(error: Exception) -> str:
    """File and line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class Sweeper(threading.Thread):
    """Sweeps until it is stopped. A database that is away is waited for."""

    def __init__(self) -> None:
        super().__init__(name="sweep", daemon=True)
        self._stopping = threading.Event()
        self._clock = clocks.Watch()
        self._every = 1.0 if settings.EMBEDDED else EVERY
        self._tidied = time.monotonic() - TIDIED_EVERY + 60  # a short command has other things to do

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                close_old_connections()
                self._clock.look()
                sweep()
                if time.monotonic() - self._tidied > TIDIED_EVERY:
                    self._tidied = time.monotonic()
                    tidy()
            except Restored as error:
                log.critical("nothing is sent", extra={"because": str(error)})
            # OSError: a full disk, or a file in MAILER_HOME that another user owns. The loop must outlive it.
            except (DatabaseError, InterfaceError, OSError) as error:
                log.warning("sweep failed, will try again", extra={"error": type(error).__name__})
                connection.close()
            # A mistake of ours. To end here would be a worker that looks alive and finds nothing; to end the process
            # would cut off its requests. As it goes on, `swept_at` stays old where the sweep never comes to its end,
            # which `mailer doctor` tells. Not the error's words: they may hold an address.
            except Exception as error:  # noqa: BLE001
                log.error("sweep failed", extra={"error": type(error).__name__, "at": _place_of(error)})
                connection.close()
            self._stopping.wait(self._every)
        connection.close()
