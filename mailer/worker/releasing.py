"""Addresses that may be mailed again are taken off the provider's own lists too.

SendGrid keeps every bounced address and drops what comes next, after a 202: without this nobody who was let go, by an
operator, by confirming or because an outage explains their bounce, would get a mail, and the drop would suppress them.
"""

import logging
import time
from collections.abc import Collection
from urllib.parse import quote

from django.conf import settings
from django.db.models import Exists, OuterRef

from mailer.models import HardBounce
from mailer.providers.answers import Unreachable
from mailer.providers.current import current_client
from mailer.store import accounts, clock
from subscribers.models import Subscriber, Suppression

log = logging.getLogger(__name__)

# SendGrid's lists by the reason for which an address stands there.
LISTS = {
    Suppression.Reason.BOUNCE: ("bounces", "invalid_emails"),
    Suppression.Reason.COMPLAINT: ("spam_reports",),
}
PAGE = 500
AGAIN = 3600.0  # seconds until the provider is asked again after it refused
_next_try = 0.0


class NotReleased(Exception):
    """The provider keeps these addresses; the message says why and what to do there."""


def release(emails: Collection[str], reason: str) -> None:
    """Take the addresses off the provider's lists for this reason; a rehearsal has none. Raises NotReleased."""
    if not settings.SENDGRID_API_KEY:
        return
    for name in LISTS.get(Suppression.Reason(reason), ()):
        _delete(name, list(emails))


def _delete(name: str, emails: list[str]) -> None:
    path = f"/v3/suppression/{name}"
    for start in range(0, len(emails), PAGE):
        some = emails[start : start + PAGE]
        try:
            if len(some) == 1:
                status, answer = current_client().delete(f"{path}/{quote(some[0], safe='@')}")
            else:
                status, answer = current_client().delete(path, {"emails": some})
        except Unreachable as error:
            raise NotReleased(f"SendGrid cannot be reached: {error}") from error
        if status not in (200, 204, 404):  # 404: it does not stand there
            raise NotReleased(
                f"SendGrid keeps it on its own list and will drop mail to it ({status}: {_without(some, answer)}); "
                f"delete it there under Suppressions, or give the key the scope suppression.{name}.delete"
            )


def _without(emails: list[str], answer: object) -> str:
    """What the provider says, which may quote an address."""
    said = str(answer)
    for email in emails:
        said = said.replace(email, "…")
    return said[:200]


def let_go() -> int:
    """Release those of our readers whom a hard bounce no longer keeps from being mailed; return how many."""
    global _next_try
    if time.monotonic() < _next_try or not settings.SENDGRID_API_KEY:
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
        log.warning("addresses stay on the provider's own list of bounces", extra={"reason": str(why)})
        return 0
    return HardBounce.objects.filter(pk__in=found).update(released_at=clock.now())
