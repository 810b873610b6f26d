"""Report a machine whose clock is wrong, and let it claim nothing; `mailer.sending.claiming` checks at each claim.

PostgreSQL has a clock of its own to compare with. On SQLite the time of the last sweep stands for it: a worker more
than a minute behind it either has a wrong clock, or the clock was ahead when that sweep was made. Looking cannot tell
which, so the worker waits. If nothing sweeps by that other clock for ten minutes, no process uses it any longer, and
the machine's present clock is taken for right.
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from mailer.models import Attempt, Batch, CircuitBreaker, Installation, Send
from mailer.sending.circuit_breaker import LONGEST_WAIT
from mailer.sending.hints import spread
from mailer.store import clock
from subscribers.mail import confirmations, link_mails, notice_mails

log = logging.getLogger(__name__)

ADOPTED_AFTER = 600.0  # seconds; long enough for a machine that has just started to be told the time by its network
NOTEWORTHY = timedelta(seconds=5)  # a change of the difference that is reported anew


def ahead() -> timedelta:
    """Return how far this machine's clock is ahead of the one that counts, negative if it is behind."""
    if connection.vendor == "postgresql":
        return clock.ahead()
    swept = _swept_at()
    return min(clock.now() - swept, timedelta(0)) if swept else timedelta(0)


def why_wrong(off: timedelta) -> str:
    """Return what is wrong with a clock that is this far ahead and what to do; empty if it is close enough."""
    if abs(off) < clock.WORTH_SAYING:
        return ""
    by = timedelta(seconds=round(abs(off).total_seconds()))
    if connection.vendor == "postgresql":
        said = f"the clock of this machine is {by} {'ahead of' if off > timedelta(0) else 'behind'} the database's"
        set_it = "set it (on Linux: timedatectl set-ntp true)"
    else:
        said = f"the clock of this machine is {by} behind the last sweep, so it is wrong now or was then"
        set_it = (
            "set it; if it is right, run `mailer doctor --adopt`; a worker also accepts it after "
            f"{ADOPTED_AFTER / 60:g} minutes without a sweep by a later clock"
        )
    return f"{said}; {set_it}."


def write_sweep(now: datetime) -> bool:
    """Record the sweep of a worker that may send. Return False, and write nothing, if the clock is wrong.

    Planning or watching a send looks for such a worker. On SQLite an earlier clock never takes back what a later wrote.
    """
    if abs(ahead()) > clock.WRONG:
        return False
    rows = Installation.objects.all()
    if connection.vendor != "postgresql":
        rows = rows.filter(Q(swept_at=None) | Q(swept_at__lt=now))
    rows.update(swept_at=now)
    return True


class Watch:
    """Checks the clock at each sweep, and reports what is wrong once, and again when that changes."""

    def __init__(self) -> None:
        self._said, self._said_at = timedelta(0), 0.0  # by time.monotonic()
        self._swept: datetime | None = None
        self._since = 0.0  # time.monotonic() when `_swept` was seen first

    def look(self) -> None:
        off = ahead()
        if connection.vendor != "postgresql" and off < -clock.WRONG and self._nobody_sweeps():
            self._adopt()
            off = ahead()
        worth_saying = abs(off) >= clock.WORTH_SAYING
        if abs(off - self._expected()) < NOTEWORTHY and worth_saying == bool(self._said):
            return
        self._said, self._said_at = off if worth_saying else timedelta(0), time.monotonic()
        self._say(off)

    def _expected(self) -> timedelta:
        """Return how far it is ahead if it is the clock of that report: it comes nearer to a sweep by itself."""
        if connection.vendor == "postgresql" or not self._said:
            return self._said
        return self._said + timedelta(seconds=time.monotonic() - self._said_at)

    def _say(self, off: timedelta) -> None:
        if abs(off) > clock.WRONG:
            log.error("sending stopped, this machine's clock is wrong", extra={"because": why_wrong(off)})
        elif why := why_wrong(off):
            log.warning("clock skew detected", extra={"because": why})
        else:
            log.info("clock is correct again")

    def _nobody_sweeps(self) -> bool:
        swept = _swept_at()
        if swept != self._swept:
            self._swept, self._since = swept, time.monotonic()
        return time.monotonic() - self._since >= ADOPTED_AFTER

    def _adopt(self) -> None:
        if self._swept and adopt(self._swept):
            log.warning("clock of this machine taken as correct, no worker uses the later one any more")


def adopt_if_behind() -> timedelta:
    """Accept this machine's clock as right, on an operator's word; return how far it was behind."""
    off, swept = ahead(), _swept_at()
    if connection.vendor == "postgresql" or off >= -clock.WORTH_SAYING or not swept or not adopt(swept):
        return timedelta(0)
    return -off


def adopt(swept: datetime) -> bool:
    """Go back from a clock that was ahead to this machine's. Return False if a worker swept since `swept`.

    What waits for a time by the other clock is due by this one as if it were written now. Nobody is mailed twice by it:
    no batch changes its state, and a lease only ends sooner, which makes a request `unknown` at worst.
    """
    with transaction.atomic():
        now = clock.now()
        if not Installation.objects.filter(swept_at=swept).update(swept_at=now):
            return False
        _bring_forward(now)
    return True


def _bring_forward(now: datetime) -> None:
    lease = now + timedelta(seconds=settings.MAILER_LEASE)
    planned = Batch.objects.filter(send=OuterRef("pk"), state=Batch.State.PLANNED, not_before__gt=now)
    for send in Send.objects.filter(Exists(planned)).only("pk", "max_per_hour"):
        Batch.objects.filter(send=send, state=Batch.State.PLANNED, not_before__gt=now).update(not_before=now)
        spread(send)
    Attempt.objects.filter(state=Attempt.State.OPEN, lease_until__gt=lease).update(lease_until=lease)
    CircuitBreaker.objects.filter(trial_until__gt=lease).update(trial_until=lease)
    reset = now + timedelta(seconds=LONGEST_WAIT)
    CircuitBreaker.objects.filter(open_until__gt=reset).update(open_until=reset)
    confirmations.bring_forward(now)
    link_mails.bring_forward(now)
    notice_mails.bring_forward(now)


def _swept_at() -> datetime | None:
    return Installation.objects.values_list("swept_at", flat=True).get(pk=1)
