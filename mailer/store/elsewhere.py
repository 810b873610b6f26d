"""What waits for a process of another installation, or for one with another key, and what is missing here."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from mailer.models import REHEARSAL, ProviderAccount, Send
from mailer.providers.current import configured_provider
from mailer.store import accounts, clock
from subscribers.installations import newsletters_here
from subscribers.models import Letter, Notice, Subscription

log = logging.getLogger(__name__)

LATE = timedelta(minutes=1)  # a single email due for longer is not about to be sent by another process


def why_not_from_here(send: Send) -> str:
    """Say for which other process this send waits, and what this one has; empty when it may be sent from here."""
    account = accounts.known_account()
    if send.is_rehearsal and settings.PROVIDER != REHEARSAL:
        return f"it is a rehearsal, which continues only where {configured_provider().names.key} is not set"
    if send.account is None:
        return "" if send.provider == settings.PROVIDER else f"it waits for a worker that sends through {send.provider}"
    if account != send.account:
        return (
            f"it waits for a worker with a key of account `{send.account.name}` ({send.account.host}); "
            f"{_what_this_one_has(account)}"
        )
    if not accounts.has_newsletter(send.newsletter, send.list_id):
        other = settings.NEWSLETTERS.get(send.newsletter)
        return (
            f"it waits for a worker whose newsletter.toml has `{send.newsletter}` with the list_id {send.list_id}; in "
            f"{settings.CONFIG} {f'that is {other.list_id}' if other else 'there is no such newsletter'}"
        )
    return ""


def _what_this_one_has(account: ProviderAccount | None) -> str:
    if settings.PROVIDER == REHEARSAL:
        return f"this process has no {configured_provider().names.key}"
    if account is None:
        return (
            f"this process has a key of {settings.PROVIDER} that is unknown (fingerprint {accounts.fingerprint()}), "
            "and `mailer doctor --adopt-key` assigns it to an account"
        )
    return f"this process has a key of `{account.name}` ({account.host})"


@dataclass(frozen=True)
class Waiting:
    """Something that is due and not sent from here."""

    what: str  # "weekly/2026-11-20"
    why: str
    send: int | None = None


def waiting() -> Iterator[Waiting]:
    """Yield the real sends and the single emails that others must send."""
    for send in _sends_of_others():
        if why := why_not_from_here(send):
            yield Waiting(f"{send.newsletter}/{send.slug}", why, send.pk)
    yield from _mails("confirmation emails", Subscription.objects.filter(confirmation_due__lt=clock.now() - LATE))
    yield from _mails("emails with a link", Letter.objects.filter(due__lt=clock.now() - LATE))
    yield from _mails("notices", Notice.objects.filter(due__lt=clock.now() - LATE))


def _sends_of_others() -> QuerySet[Send]:
    states = (*Send.UNDER_WAY, Send.State.SCHEDULED)
    real = Send.objects.filter(state__in=states).exclude(provider=REHEARSAL)
    theirs = real.exclude(pk__in=accounts.own_sends().values("pk"))
    return theirs.select_related("account").defer("html", "text", "article").order_by("pk")


def _mails(kind: str, due: QuerySet[Any]) -> Iterator[Waiting]:
    """Yield single emails that no worker took for a while, by newsletter."""
    may_mail = accounts.may_mail()
    theirs = due.exclude(newsletters_here()) if may_mail else due
    for newsletter, list_id in theirs.order_by("newsletter", "list_id").values_list("newsletter", "list_id").distinct():
        if not may_mail:
            why = f"they wait for {a_known_key()}"
        else:
            named = f" with the list_id {list_id}" if list_id else ""
            why = (
                f"they wait for a worker whose newsletter.toml has `{newsletter}`{named}; {settings.CONFIG} does "
                "not have it"
            )
        yield Waiting(f"{kind} of {newsletter}", why)


def a_known_key() -> str:
    """Say what single emails need if `accounts.may_mail` says no, and what this process has."""
    return f"a worker with a known key; {_what_this_one_has(accounts.known_account())}"


class Watch:
    """Looks at each sweep at what waits for others, and reports each thing once."""

    def __init__(self) -> None:
        self._said: set[Waiting] = set()

    def look(self) -> None:
        found = set(waiting())
        if accounts.is_unknown():
            found.add(Waiting("everything", accounts.unknown_key()))
        for one in sorted(found - self._said, key=lambda one: one.what):
            about = {"send": one.send} if one.send else {}
            log.warning("not sent by this worker", extra=about | {"what": one.what, "because": one.why})
        self._said = found
