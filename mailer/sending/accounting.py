"""Count who got what, so that planned = accepted + skipped + rejected + unknown + waiting + cancelled."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Sum

from mailer.models import Attempt, Batch, Delivery, Planning, Send
from mailer.sending.domains import outages_of, refusals_of

_SHARE: dict[str, str] = {
    Batch.State.ACCEPTED: "accepted",
    Batch.State.UNKNOWN: "unknown",
    Batch.State.PLANNED: "waiting",
    Batch.State.POSTING: "waiting",
    Batch.State.CANCELLED: "cancelled",
}


@dataclass(frozen=True)
class Equation:
    """Subscribers of one send by outcome. `assumed` are those of `accepted` for whom only the editor's word stands."""

    planned: int = 0
    accepted: int = 0
    skipped: int = 0
    rejected: int = 0
    unknown: int = 0
    waiting: int = 0
    cancelled: int = 0
    assumed: int = 0

    def __str__(self) -> str:
        return (
            f"planned {self.planned} = accepted {self.accepted} + skipped {self.skipped} + rejected {self.rejected}"
            f" + unknown {self.unknown} + waiting {self.waiting} + cancelled {self.cancelled}"
        )


def count(send: Send) -> Equation:
    """Count from the batches, so that the cost grows with the requests, not with the subscribers."""
    counts = dict.fromkeys(("accepted", "skipped", "rejected", "unknown", "waiting", "cancelled", "assumed"), 0)
    rows = (
        Batch.objects.filter(send=send)
        .values("state", "settled_by")
        .annotate(rest=Sum(F("size") - F("skipped") - F("rejected")), out=Sum("skipped"), refused=Sum("rejected"))
    )
    for row in rows:
        counts["skipped"] += row["out"]
        counts["rejected"] += row["refused"]
        if row["state"] in _SHARE:
            counts[_SHARE[row["state"]]] += row["rest"]
        if row["settled_by"] == Batch.SettledBy.EDITOR and row["state"] == Batch.State.ACCEPTED:
            counts["assumed"] += row["rest"]
    # The plan grows while it is made, also between reading the send and its batches.
    planned = sum(counts.values()) if send.state == Send.State.PLANNING else send.planned
    return Equation(planned=planned, **counts)


def expected(send: Send) -> int | None:
    """Return about how many subscribers a send that is being planned will have, else None."""
    if send.state != Send.State.PLANNING:
        return None
    return Planning.objects.filter(pk=send.pk).values_list("expected", flat=True).first()


def receipt(send: Send) -> dict[str, Any]:
    """Return what `status SLUG --json` prints."""
    equation = asdict(count(send))
    batches = Batch.objects.filter(send=send).values_list("state").annotate(n=Count("pk")).order_by("state")
    return {
        "kind": send.kind,
        "newsletter": send.newsletter,
        "slug": send.slug,
        "provider": send.provider,
        "account": send.account.name if send.account else None,
        "state": send.state,
        "reason": send.reason,
        "subject": send.subject,
        "from": send.from_email,
        "source_sha256": send.source_sha256,
        "content_sha256": send.content_sha256,
        **equation,
        "expected": expected(send),
        "skipped": _skipped_by_reason(send),
        "possibly_twice": possibly_twice(send),
        "batches": dict(batches),
        "refused_by_policy": [
            {"code": one.policy.key, "readers": one.subscribers, "says": one.policy.says, "fix": one.fix}
            for one in refusals_of(send.pk)
        ],
        "suspected_outages": [
            {"domain": one.domain, "readers": one.subscribers, "until": _iso(one.until)} for one in outages_of(send.pk)
        ],
        "events": _events(send),
        "at": _iso(send.due_at),
        "first_request_at": _iso(send.first_request_at),
        "last_request_at": _iso(send.last_request_at),
        "finished_at": _iso(send.finished_at),
    }


def attempted(send: Send) -> bool:
    """Tell whether a request was made, or may have been made."""
    return Attempt.objects.filter(batch__send=send).exclude(state=Attempt.State.UNSENT).exists()


def _skipped_by_reason(send: Send) -> dict[str, int]:
    rows = Delivery.objects.filter(send=send, batch__skipped__gt=0, outcome=Delivery.Outcome.SKIPPED)
    return dict(rows.values_list("reason").annotate(n=Count("pk")).order_by("reason"))


def possibly_twice(send: Send) -> int:
    """Return how many subscribers are in batches that more than one attempt has reached, or may have reached."""
    reached = [Attempt.State.ACCEPTED, Attempt.State.UNKNOWN]
    batches = (
        Batch.objects.filter(send=send, was_unknown=True, attempts__state__in=reached)
        .annotate(reached=Count("attempts"))
        .filter(reached__gt=1)
    )
    return sum(batch.size - batch.skipped - batch.rejected for batch in batches)


def _events(send: Send) -> dict[str, int]:
    """Return of how many subscribers the provider reported each fact. One who got it and complained counts in both."""
    names = ("delivered", "deferred", "bounced", "dropped", "complained")
    totals = Batch.objects.filter(send=send).aggregate(**{f"all_{name}": Sum(name, default=0) for name in names})
    return {name: totals[f"all_{name}"] for name in names}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
