"""The sweep: a loop in every worker that picks up what a lost hint or a dead worker left behind.

Every write is a compare-and-set, so any number of sweeps at once is harmless. There is no beat process.
"""

import logging
import threading
import time
from datetime import timedelta
from itertools import chain

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, close_old_connections, connection

from mailer import concurrency
from mailer.archive import indexing
from mailer.config.logs import place_of
from mailer.events import outages, processing
from mailer.models import ProviderAccount, Send
from mailer.sending import clocks, orphans, restore_guard
from mailer.sending.expiring import expire_attempts
from mailer.sending.feeding import LONGEST, feed_slots
from mailer.sending.lifecycle import cancel_leftovers, end_formers, finish_if_done
from mailer.sending.reconciling import resend_what_never_arrived
from mailer.sending.restore_guard import Restored
from mailer.sending.scheduling import fire_due
from mailer.store import accounts, clock, counting, elsewhere, installation, interruptions, presence, schema
from mailer.worker import notifying, releasing, welcoming
from subscribers import auditing, queue, welcomes
from subscribers.mail import confirmations, link_mails, notice_mails
from subscribers.mail.failures import backs_off
from subscribers.purging import purge_unconfirmed
from subscribers.tasks import send_confirmation, send_letter

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds; every second where no broker carries hints
TIDIED_EVERY = 3600.0
INDEXED_EVERY, INDEXING = 30.0, 0.3  # seconds; what is left after that long is left to the next sweep


def sweep() -> None:
    """Start everything that is due, in the slots of this process. Raises Restored.

    Straight from the database: a broker only makes it sooner. A database of a newer version is not touched.
    """
    if schema.is_newer():
        return
    now = clock.now()
    installation.reread()  # a new link key is known here long before it signs
    restore_guard.check()
    accounts.this_account()  # the first key is adopted
    accounts.take_in_nobodys()
    expire_attempts()
    cancel_leftovers()
    fire_due()
    processing.apply_leftovers()
    _resend_now_and_then()
    feed_slots()
    concurrency.mails.run_aside(_mail_what_is_due)
    concurrency.welcomes.run_aside(welcoming.welcome_subscribers)
    for send in Send.objects.filter(state=Send.State.SENDING).values_list("pk", flat=True):
        finish_if_done(send)
    # A command that waits for a worker needs one that may send: not one whose key is unknown or whose clock is wrong.
    if (account := accounts.known_account()) and clocks.write_sweep(now):
        ProviderAccount.objects.filter(pk=account.pk).update(swept_at=now)
    counting.count_requests()
    _index_now_and_then()


def why_nothing_is_sent() -> str:
    """Return why this process may not claim, for the operator; empty if it may."""
    if not schema.may_claim():
        return "the database was migrated by a newer version of mailer; upgrade this one."
    if accounts.is_unknown():
        return accounts.unknown_key()
    off = clocks.ahead()
    return clocks.why_wrong(off) if abs(off) > clock.WRONG else ""


class _Evidence:
    looked_at = float("-inf")  # time.monotonic()


def _resend_now_and_then() -> None:
    """Look for evidence for a thousandth of the time at most: finding none can cost 0.1 s a batch.

    Measured with 250,000 events in the quarter of an hour before the request; finding some takes 5 ms.
    """
    if time.monotonic() - _Evidence.looked_at > settings.MAILER_EVIDENCE_WAIT / 1000:
        _Evidence.looked_at = time.monotonic()
        resend_what_never_arrived()


class _Index:
    looked_at = float("-inf")  # time.monotonic()


def _index_now_and_then() -> None:
    """Let issues be found whose page appeared or changed: a search that lags by half a minute misleads nobody."""
    if time.monotonic() - _Index.looked_at > INDEXED_EVERY and indexing.catch_up(INDEXING):
        _Index.looked_at = time.monotonic()


def tidy() -> None:
    """Delete what is no longer needed, and check what PostgreSQL does not.

    Old events and letters, addresses that nobody confirmed, wrong passwords that no longer count, logins that ended,
    rows of the audit log older than two years.
    """
    now = clock.now()
    processing.prune(now)
    outages.prune(now)
    link_mails.forget_old(now)
    notice_mails.forget_old(now)
    queue.forget_old(now)
    welcomes.forget_old(now)
    purge_unconfirmed(now)
    end_formers()
    auditing.forget_old(now)
    presence.forget_old(now)
    Session.objects.filter(expire_date__lt=now).delete()
    AccessAttempt.objects.filter(attempt_time__lt=now - timedelta(hours=settings.AXES_COOLOFF_TIME)).delete()
    _look_for_orphans()


def _look_for_orphans() -> None:
    if orphaned := orphans.orphaned_batches():
        log.error("deliveries without a batch of their send; see `mailer doctor`", extra={"batches": orphaned[:5]})


def _mail_what_is_due() -> None:
    """Send single emails one after the other, at most for as long as a send holds a slot."""
    now, until = clock.now(), time.monotonic() + LONGEST
    due = chain(
        ((send_confirmation.run, row) for row in confirmations.due(now)),
        ((send_letter.run, row) for row in link_mails.due(now)),
        ((notice_mails.send, row) for row in notice_mails.due(now)),
        ((notifying.notify_editor, send) for send in notifying.unnotified()),
    )
    for mail, row in due:
        if not concurrency.mails.is_open or time.monotonic() >= until or backs_off():
            return
        mail(row)
    if concurrency.mails.is_open:
        releasing.let_go()


class Sweeper(threading.Thread):
    """Sweeps until it is stopped, and waits for a database that is down."""

    def __init__(self) -> None:
        super().__init__(name="sweep", daemon=True)
        self._stopping = threading.Event()
        self._clock = clocks.Watch()
        self._others = elsewhere.Watch()
        self._every = 1.0 if settings.EMBEDDED else EVERY
        self._tidied = time.monotonic() - TIDIED_EVERY + 60  # a short command has other things to do
        self._turned = time.monotonic()
        self.idle_because = ""  # why it may not claim; of its last sweep

    @property
    def silent_for(self) -> float:
        """Return the seconds since a sweep completed, or met an outage that it waits for."""
        return time.monotonic() - self._turned

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        interruptions.Watch(lambda: self.silent_for, self._stopping).start()
        while not self._stopping.is_set():
            try:
                close_old_connections()
                self._clock.look()
                sweep()
                interruptions.over()
                self.idle_because = why_nothing_is_sent()
                self._others.look()
                if time.monotonic() - self._tidied > TIDIED_EVERY:
                    self._tidied = time.monotonic()
                    tidy()
                self._turned = time.monotonic()
            except Restored as error:
                self._turned = time.monotonic()
                self.idle_because = str(error)
                log.critical("sending stopped", extra={"because": str(error)})
            # OSError: a full disk, or a file in MAILER_HOME that another user owns. The loop must outlive it.
            except (OperationalError, InterfaceError, InternalError, OSError) as error:
                self._turned = time.monotonic()
                interruptions.failed(error)
                connection.close()
            except DatabaseError as error:
                self._turned = time.monotonic()
                log.warning("sweep failed, will retry", extra={"error": type(error).__name__, "at": place_of(error)})
                connection.close()
            # A bug of ours. Ending here would leave a worker that looks alive and finds nothing; ending the process
            # would cut off its requests. As it goes on, `swept_at` stays old if the sweep never completes,
            # which `mailer doctor` reports. Not the error's message: it may hold an address.
            except Exception as error:  # noqa: BLE001
                log.error("sweep failed", extra={"error": type(error).__name__, "at": place_of(error)})
                connection.close()
            self._stopping.wait(self._every)
        self._index_at_the_end()
        connection.close()

    def _index_at_the_end(self) -> None:
        """Let the issue be found that this command sent: without a broker nothing sweeps after it."""
        try:
            if settings.EMBEDDED and not schema.is_newer():
                indexing.catch_up(INDEXING)
        except (DatabaseError, InterfaceError, OSError) as error:
            log.warning("not indexed, the next command will", extra={"error": type(error).__name__})
