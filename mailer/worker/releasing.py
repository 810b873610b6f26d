"""Remove addresses that may be emailed again from the provider's own lists too.

A provider may keep every bounced address and drop what comes next, after it took it: without this, a subscriber
released by an operator, by confirming or because an outage explains their bounce would get no email, and the drop
would suppress them.
"""

import logging
import time
from collections.abc import Collection

from django.db.models import Exists, OuterRef

from mailer.models import HardBounce
from mailer.providers.current import configured_provider
from mailer.providers.protocol import NotReleased
from mailer.store import accounts, clock
from subscribers.models import Subscriber, Suppression

log = logging.getLogger(__name__)

PAGE = 500
AGAIN = 3600.0  # seconds until the provider is asked again after it refused
_next_try = 0.0


def release(emails: Collection[str], reason: str) -> None:
    """Take the addresses off the provider's lists for this reason; a rehearsal has none. Raises NotReleased."""
    provider = configured_provider()
    if provider.key() and provider.suppressions:
        provider.suppressions.release(emails, reason)


def keeps(reason: str) -> bool:
    """Tell whether the provider has a list of its own for this reason."""
    suppressions = configured_provider().suppressions
    return suppressions is not None and reason in suppressions.lists.values()


def let_go() -> int:
    """Release subscribers whom a hard bounce no longer keeps from being emailed; return how many."""
    global _next_try
    if time.monotonic() < _next_try or not keeps(Suppression.Reason.BOUNCE) or not configured_provider().key():
        return 0
    suppressed = Suppression.objects.filter(hash=OuterRef("hash"))
    rows = HardBounce.objects.filter(released_at=None, send__in=accounts.own_sends()).filter(~Exists(suppressed))
    found = dict(rows.values_list("pk", "hash")[:PAGE])
    emails = Subscriber.objects.filter(suppression_hash__in=found.values()).values_list("email", flat=True)
    _next_try = time.monotonic() + (AGAIN / 60 if len(found) < PAGE else 0)
    try:
        if found:
            release(set(emails), Suppression.Reason.BOUNCE)
    except NotReleased as why:
        _next_try = time.monotonic() + AGAIN
        log.warning("addresses not removed from the provider's suppression list", extra={"reason": str(why)})
        return 0
    return HardBounce.objects.filter(pk__in=found).update(released_at=clock.now())
