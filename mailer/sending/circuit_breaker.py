"""One circuit breaker per account: whether its provider may be asked now.

A 429 opens it until the time that the provider gave. An unknown outcome or a failed connection opens it for longer each
time (backoff), and afterwards one claimant at a time may try until a request is accepted. So a provider that fails for
ten minutes leaves a handful of batches without an answer, not all of them.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q

from mailer.models import CircuitBreaker
from mailer.sending import statements

LONGEST = 300.0  # seconds, after failures
LONGEST_WAIT = 600.0  # seconds, after a 429


def open_until(account: int, now: datetime) -> datetime | None:
    """Return until when no request may be made, or None if one may be made now."""
    breaker = CircuitBreaker.objects.filter(account_id=account).only("open_until", "streak", "trial_until").first()
    if breaker is None:
        return None
    if breaker.open_until and breaker.open_until > now:
        return breaker.open_until
    if breaker.streak and breaker.trial_until and breaker.trial_until > now:
        return breaker.trial_until
    return None


@dataclass(frozen=True)
class HeldUp:
    """What went wrong with the last request, and until when no other is made; None while one is tried."""

    reason: str
    until: datetime | None

    def __str__(self) -> str:
        then = f"the next request is made after {self.until:%H:%M:%S} UTC" if self.until else "one request is tried"
        return f"{self.reason}; {then}"


def held_up(account: int | None, now: datetime) -> HeldUp | None:
    """Return what holds up the requests of an account, if anything does."""
    breaker = CircuitBreaker.objects.filter(account_id=account).first()
    if breaker is None:
        return None
    if breaker.open_until and breaker.open_until > now:
        return HeldUp(breaker.reason, breaker.open_until)
    return HeldUp(breaker.reason, None) if breaker.streak else None


def enter(account: int, now: datetime) -> bool:
    """Tell whether a request may be made: always if nothing failed lately, else by one claimant at a time.

    Runs in the claim's transaction, so a claim that is not committed gives the trial back.
    """
    breaker = CircuitBreaker.objects.filter(account_id=account).only("streak").first()
    if breaker is None or not breaker.streak:
        return open_until(account, now) is None
    free = Q(trial_until__isnull=True) | Q(trial_until__lte=now)
    closed = Q(open_until__isnull=True) | Q(open_until__lte=now)
    lease = now + timedelta(seconds=settings.MAILER_LEASE)
    return bool(CircuitBreaker.objects.filter(free, closed, account_id=account).update(trial_until=lease))


def accepted(account: int) -> None:
    """Forget the failures: the provider took a request. The time of a 429 still stands."""
    statements.forget_failures(account)


def answered(account: int) -> None:
    """End the trial: the provider refused a request, so it is there, and the next claimant may try."""
    CircuitBreaker.objects.filter(account_id=account, trial_until__isnull=False).update(trial_until=None)


def rate_limited(account: int, now: datetime, wait: float, reason: str) -> None:
    """Open until the provider's own reset, `wait` seconds from now (at most LONGEST_WAIT)."""
    until = now + timedelta(seconds=min(LONGEST_WAIT, max(1.0, wait)))
    CircuitBreaker.objects.get_or_create(account_id=account)
    CircuitBreaker.objects.filter(account_id=account).update(open_until=until, trial_until=None, reason=reason[:500])


def failed(account: int, now: datetime, reason: str) -> None:
    """Open for 2, 4, 8 … 300 s by the number of failures since the last acceptance, with jitter."""
    CircuitBreaker.objects.get_or_create(account_id=account)
    failures = {"streak": F("streak") + 1, "trial_until": None, "reason": reason[:500]}
    CircuitBreaker.objects.filter(account_id=account).update(**failures)
    streak = CircuitBreaker.objects.values_list("streak", flat=True).get(account_id=account)
    seconds = min(LONGEST, 2.0 ** min(streak, 10)) * random.uniform(0.75, 1.0)  # noqa: S311 — jitter, not a secret
    until = now + timedelta(seconds=seconds)
    later = Q(open_until__isnull=True) | Q(open_until__lt=until)
    CircuitBreaker.objects.filter(later, account_id=account).update(open_until=until)
