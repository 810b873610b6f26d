"""Record whether events could reach us: when posts of the event webhook were last accepted, and last refused.

All web processes share the record, and a flood of junk posts does not become a flood of writes.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.db.models import Exists, Max, OuterRef, Q

from mailer.models import Installation, WebhookKey
from mailer.store import clock

EVERY = timedelta(seconds=5)  # the same news is written no more often
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def fingerprint(key: bytes) -> str:
    """Return what names a public key in the database."""
    return sha256(key).hexdigest()[:16]


def record_refused() -> None:
    """Record that a post was refused: what it held is unknown, so silence is not evidence."""
    now = clock.now()
    answered = WebhookKey.objects.filter(verified_at__gte=OuterRef("events_refused_at"))
    stale = Q(events_refused_at=None) | Q(events_refused_at__lt=now - EVERY) | Exists(answered)
    news = Installation.objects.filter(stale)
    # Looked at first: on SQLite an UPDATE that finds nothing waits for the write lock too.
    if news.exists():
        news.update(events_refused_at=now)


def record_verified(key: bytes, accounts: Collection[int]) -> None:
    """Record that a post was verified by `key`, and that the key speaks for the accounts of the requests in it."""
    name = fingerprint(key)
    verified = dict(WebhookKey.objects.filter(fingerprint=name).values_list("account", "verified_at"))
    for account in set(accounts) - verified.keys():
        # As if long ago: when it was is written below.
        WebhookKey.objects.get_or_create(fingerprint=name, account_id=account, defaults={"verified_at": LONG_AGO})
        verified[account] = LONG_AGO
    now, refused_at = clock.now(), _refused_at()
    keys = WebhookKey.objects.filter(fingerprint=name)
    if refused_at and any(at <= refused_at for at in verified.values()):
        keys.update(verified_at=now, heard_again_at=now)
    elif any(at < now - EVERY for at in verified.values()):
        keys.update(verified_at=now)


def misses_posts(account: int, repeated_until: datetime) -> bool:
    """Tell whether a post was refused, and none that a key of this account signed was accepted since.

    Once one was accepted after a refusal when the provider no longer repeated, later refusals say nothing of what was
    asked then: so somebody posting junk every minute cannot delay anything indefinitely.
    """
    refused_at = _refused_at()
    if refused_at is None:
        return False
    times = WebhookKey.objects.filter(account=account).aggregate(last=Max("verified_at"), again=Max("heard_again_at"))
    if times["last"] and times["last"] > refused_at:
        return False
    return times["again"] is None or times["again"] < repeated_until


def _refused_at() -> datetime | None:
    return Installation.objects.values_list("events_refused_at", flat=True).first()
