"""One gate an account: whether its provider may be asked now.

A 429 closes it until the time that the provider gave. An unknown outcome or a connection that failed closes it for
longer each time, and afterwards one claimant at a time has the way until a request is accepted. So a provider that
fails for ten minutes leaves a handful of batches without an answer, not all of them.
"""

import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q

from mailer.models import Gate
from mailer.sending import statements

LONGEST = 300.0  # seconds, after failures
LONGEST_WAIT = 600.0  # seconds, after a 429


def closed_until(account: int, now: datetime) -> datetime | None:
    """When the gate opens, if it is closed."""
    gate = Gate.objects.filter(account_id=account).only("closed_until", "streak", "trial_until").first()
    if gate is None:
        return None
    if gate.closed_until and gate.closed_until > now:
        return gate.closed_until
    if gate.streak and gate.trial_until and gate.trial_until > now:
        return gate.trial_until
    return None


def enter(account: int, now: datetime) -> bool:
    """Take the way through the gate: free when nothing failed lately, else for one claimant at a time.

    Runs in the claim's transaction, so a claim that is not committed gives the way back.
    """
    gate = Gate.objects.filter(account_id=account).only("streak").first()
    if gate is None or not gate.streak:
        return closed_until(account, now) is None
    free = Q(trial_until__isnull=True) | Q(trial_until__lte=now)
    open_ = Q(closed_until__isnull=True) | Q(closed_until__lte=now)
    lease = now + timedelta(seconds=settings.MAILER_LEASE)
    return bool(Gate.objects.filter(free, open_, account_id=account).update(trial_until=lease))


def accepted(account: int) -> None:
    """The provider took a request: once it is open, everybody may pass. The time of a 429 still stands."""
    statements.forget_failures(account)


def answered(account: int) -> None:
    """The provider refused a request in words: it is there, and the next claimant may try."""
    Gate.objects.filter(account_id=account, trial_until__isnull=False).update(trial_until=None)


def too_many(account: int, now: datetime, wait: float, reason: str) -> None:
    """Closed until the provider's own reset, `wait` seconds from now."""
    until = now + timedelta(seconds=min(LONGEST_WAIT, max(1.0, wait)))
    Gate.objects.get_or_create(account_id=account)
    Gate.objects.filter(account_id=account).update(closed_until=until, trial_until=None, reason=reason[:500])


def failed(account: int, now: datetime, reason: str) -> None:
    """Closed for 2, 4, 8 … 300 s by the number of failures since the last acceptance, with jitter."""
    Gate.objects.get_or_create(account_id=account)
    Gate.objects.filter(account_id=account).update(streak=F("streak") + 1, trial_until=None, reason=reason[:500])
    streak = Gate.objects.values_list("streak", flat=True).get(account_id=account)
    seconds = min(LONGEST, 2.0 ** min(streak, 10)) * random.uniform(0.75, 1.0)  # noqa: S311 — jitter, not a secret
    until = now + timedelta(seconds=seconds)
    later = Q(closed_until__isnull=True) | Q(closed_until__lt=until)
    Gate.objects.filter(later, account_id=account).update(closed_until=until)
