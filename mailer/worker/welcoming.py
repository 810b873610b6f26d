"""Welcome whoever confirmed, in a slot of its own: nobody waits behind an issue."""

import time
from collections import defaultdict

from django.conf import settings

from mailer import concurrency
from mailer.archive import entries
from mailer.content.filling import MOST_LISTED, Listed
from mailer.models import Batch, Send, Welcome
from mailer.sending import circuit_breaker, welcoming
from mailer.sending.delivering import deliver_next
from mailer.sending.feeding import LONGEST
from mailer.sending.lifecycle import finish_if_done
from mailer.store import accounts, clock


def welcome_subscribers() -> None:
    """Plan and deliver what is due, for as long as a send holds a slot at most. The next sweep goes on."""
    until = time.monotonic() + LONGEST
    while _plan_some() + _deliver_some(until):
        if not concurrency.welcomes.is_open or time.monotonic() >= until:
            return


def _plan_some() -> int:
    """Plan at most one batch of each welcome; nothing while the provider is not asked, so that few batches wait."""
    account = accounts.known_account()
    if account is None or circuit_breaker.open_until(account.pk, clock.now()) is not None:
        return 0
    on = defaultdict(list)
    for welcome in welcoming.on_here():
        on[welcome.newsletter].append(welcome)
    return sum(_plan_of(label, welcomes) for label, welcomes in on.items())


def _plan_of(label: str, welcomes: list[Welcome]) -> int:
    waiting = welcoming.waiting_languages(settings.NEWSLETTERS[label], welcomes)
    if not waiting:
        return 0
    issues = [Listed(entry.slug, entry.title) for entry in entries(label)[:MOST_LISTED]]
    return sum(welcoming.plan_due(welcome, spoken, issues) for welcome, spoken in waiting.items())


def _deliver_some(until: float) -> int:
    """Deliver the batches of welcomes that wait, also of former versions and those that are sent again."""
    delivered = 0
    for send in _with_batches():
        while concurrency.welcomes.is_open and time.monotonic() < until and deliver_next(send):
            delivered += 1
        finish_if_done(send)
    return delivered


def _with_batches() -> list[int]:
    due = Batch.objects.filter(state=Batch.State.PLANNED, not_before__lte=clock.now())
    sending = accounts.own_sends().filter(kind=Send.Kind.WELCOME, state=Send.State.SENDING)
    return list(sending.filter(pk__in=due.values("send")).order_by("pk").values_list("pk", flat=True))
