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
    """Return the versions that somebody must look at: `status`, the doctor and the metrics tell of them.

    They are paused or cancelled, so that subscribers wait, or have unknown outcomes.
    """
    versions = Send.objects.filter(kind=Send.Kind.WELCOME).select_related("account")
    batches = {state: Batch.objects.filter(state=state).values("send") for state in Batch.State}
    in_use = Q(pk__in=Welcome.objects.values("send"))
    paused = Q(in_use | Q(pk__in=batches[Batch.State.PLANNED]), state=Send.State.PAUSED)
    cancelled = Q(in_use, state=Send.State.CANCELLED)
    found = versions.filter(paused | cancelled | Q(pk__in=batches[Batch.State.UNKNOWN]))
    found = found if settings.PROVIDER == REHEARSAL else found.exclude(provider=REHEARSAL)
    return list(found.defer("html", "text", "article").order_by("pk"))


def replaced(versions: list[Send]) -> list[Send]:
    """Return those of the versions of a welcome whose file says something else since: not what an issue renewed."""
    rows = Welcome.objects.filter(newsletter__in={send.newsletter for send in versions})
    texts = {
        (label, language, rehearsal): source
        for label, language, rehearsal, source in rows.values_list(
            "newsletter", "language", "rehearsal", "send__source_sha256"
        )
    }
    return [
        send
        for send in versions
        if texts.get((send.newsletter, send.language, send.is_rehearsal), send.source_sha256) != send.source_sha256
    ]


def cancelled_in_use(version: Send) -> Send | None:
    """Return a version in use of this one's welcome that was cancelled."""
    rows = Welcome.objects.filter(newsletter=version.newsletter, rehearsal=version.is_rehearsal)
    return Send.objects.filter(pk__in=rows.values("send"), state=Send.State.CANCELLED).first()


def why_stopped(send: Send) -> str:
    """Say what one of these versions stopped at, whom that concerns, and what to do."""
    named = send.slug + (f" --newsletter {send.newsletter}" if len(settings.NEWSLETTERS) > 1 else "")
    sums = count(send)
    why = f" ({send.reason})" if send.reason else ""
    if Welcome.objects.filter(send=send).exists():
        if send.state == Send.State.PAUSED:
            wait, ways = "those who confirm wait for it, a week at most", f"`mailer resume {named}` goes on"
            return f"{send.slug} is paused{why}, so {wait}; {ways}"
        if send.state == Send.State.CANCELLED:
            again = f"mailer send welcome --newsletter {send.newsletter}"
            return f"{send.slug} is cancelled, so those who confirm wait, a week at most; `{again}` goes on"
    if send.state == Send.State.PAUSED and sums.waiting:
        wait = "1 subscriber waits" if sums.waiting == 1 else f"{sums.waiting} subscribers wait"
        ways = f"`mailer resume {named}` sends it to them, `mailer cancel {named}` does not"
        return f"{send.slug} is paused{why}, so {wait} for it; {ways}"
    ways = f"`mailer reconcile {named}` shows and settles the requests"
    return f"{send.slug} is partly unknown: {sums.unknown} of its subscribers may have it or not; {ways}"


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
