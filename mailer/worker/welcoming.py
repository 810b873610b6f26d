"""Welcome whoever confirmed, in a slot of its own: nobody waits behind an issue."""

import logging
import time
from collections import defaultdict

from django.conf import settings
from django.db import InterfaceError, OperationalError

from mailer import concurrency
from mailer.archive import entries
from mailer.config.logs import place_of
from mailer.content.filling import MOST_LISTED, Listed
from mailer.models import Batch, Send, Welcome
from mailer.sending import circuit_breaker, welcoming
from mailer.sending.delivering import deliver_next
from mailer.sending.feeding import LONGEST
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.planning import largest_batch
from mailer.store import accounts, clock

log = logging.getLogger(__name__)


def welcome_subscribers() -> None:
    """Plan and deliver what is due, for as long as a send holds a slot at most. The next sweep goes on.

    One batch a sweep, unless it is full: who confirms meanwhile waits for the next, and shares its request with others.
    """
    until = time.monotonic() + LONGEST
    others_wait = True
    while others_wait and concurrency.welcomes.is_open and time.monotonic() < until:
        others_wait = _plan_some()
        _deliver_some(until)


def _plan_some() -> bool:
    """Plan at most one batch of each welcome. Tell whether one is full, so that others wait.

    Nothing is planned while the provider is not asked, so that few batches wait.
    """
    account = accounts.known_account()
    if account is None or circuit_breaker.open_until(account.pk, clock.now()) is not None:
        return False
    on = defaultdict(list)
    for welcome in welcoming.on_here():
        on[welcome.newsletter].append(welcome)
    planned = [size for label, welcomes in on.items() for size in _plan_apart(label, welcomes)]
    return max(planned, default=0) >= largest_batch()


def _plan_apart(label: str, welcomes: list[Welcome]) -> list[int]:
    """Plan for one newsletter, so that a bug which shows there keeps no other's subscribers waiting."""
    try:
        return _plan_of(label, welcomes)
    except (OperationalError, InterfaceError):
        raise  # of no newsletter
    except Exception as error:  # noqa: BLE001 — not its message: it may hold an address
        told = {"newsletter": label, "error": type(error).__name__, "at": place_of(error)}
        log.error("welcome not planned", extra=told)
        return []


def _plan_of(label: str, welcomes: list[Welcome]) -> list[int]:
    """Return how many subscribers each batch has that was planned."""
    waiting = welcoming.waiting_languages(settings.NEWSLETTERS[label], welcomes)
    if not waiting:
        return []
    issues = [Listed(entry.slug, entry.title) for entry in entries(label, MOST_LISTED)]
    return [welcoming.plan_due(welcome, spoken, issues) for welcome, spoken in waiting.items()]


def _deliver_some(until: float) -> None:
    """Deliver the batches of welcomes that wait, also of former versions and those that are sent again."""
    for send in _with_batches():
        while concurrency.welcomes.is_open and time.monotonic() < until and deliver_next(send):
            pass
        finish_if_done(send)


def _with_batches() -> list[int]:
    due = Batch.objects.filter(state=Batch.State.PLANNED, not_before__lte=clock.now())
    sending = accounts.own_sends().filter(kind=Send.Kind.WELCOME, state=Send.State.SENDING)
    return list(sending.filter(pk__in=due.values("send")).order_by("pk").values_list("pk", flat=True))
