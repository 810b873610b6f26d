"""Who got the welcome of a newsletter. Reads the ledger alone: a command that reports loads nothing to render."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db.models import Q

from mailer.models import REHEARSAL, Batch, Send, Welcome
from mailer.sending import welcoming
from mailer.sending.accounting import count, receipt
from subscribers.models import WelcomeDue

SUMS = ("planned", "accepted", "skipped", "rejected", "unknown", "waiting", "cancelled")
EVENTS = ("delivered", "bounced", "complained")


def is_known(newsletter: str | None) -> bool:
    """Tell whether this newsletter, or any, ever had a welcome."""
    versions = Send.objects.filter(kind=Send.Kind.WELCOME)
    return (versions.filter(newsletter=newsletter) if newsletter else versions).exists()


def stopped() -> list[Send]:
    """Return the versions that somebody must look at: paused, so that subscribers wait, or with unknown outcomes."""
    versions = Send.objects.filter(kind=Send.Kind.WELCOME).defer("html", "text", "article").order_by("pk")
    batches = {state: Batch.objects.filter(state=state).values("send") for state in Batch.State}
    waits = Q(pk__in=batches[Batch.State.PLANNED]) | Q(pk__in=Welcome.objects.values("send"))
    found = versions.filter(Q(waits, state=Send.State.PAUSED) | Q(pk__in=batches[Batch.State.UNKNOWN]))
    return list(found if settings.PROVIDER == REHEARSAL else found.exclude(provider=REHEARSAL))


def versions_of(newsletter: str) -> list[Send]:
    """Return the versions of the newsletter's welcome, newest first; rehearsals only if there are no others."""
    versions = Send.objects.filter(newsletter=newsletter, kind=Send.Kind.WELCOME).select_related("account")
    found = list(versions.defer("html", "text", "article").order_by("-pk"))
    return [send for send in found if not send.is_rehearsal] or found


def report(newsletter: str) -> dict[str, Any]:
    """Return what `status welcome --json` prints: who got the welcome of a newsletter, in all its versions."""
    sends = versions_of(newsletter)
    now = welcoming.current(newsletter, rehearsal=any(send.is_rehearsal for send in sends))
    in_use = {welcome.send_id for welcome in now.values()}
    versions = [_version(send, in_use) for send in sends]
    return {
        "newsletter": newsletter,
        "on": bool(in_use),
        "due": WelcomeDue.objects.filter(newsletter=newsletter).count() if in_use else 0,
        **{name: sum(version[name] for version in versions) for name in (*SUMS, *EVENTS)},
        "versions": versions,
    }


def _version(send: Send, in_use: set[int]) -> dict[str, Any]:
    whole = receipt(send)
    return {
        "version": send.slug,
        "language": send.language,
        "in_use": send.pk in in_use,
        "frozen_at": send.created_at.isoformat(),
        **{name: whole[name] for name in ("provider", "account", "state", "reason", "subject", "content_sha256")},
        **{name: value for name, value in asdict(count(send)).items() if name in SUMS},
        **{name: whole["events"][name] for name in EVENTS},
    }
