"""What an operator's monitoring asks: is anything open, late or shut. A row a request is read, never a row a reader.

In Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet, Sum

from mailer import clock
from mailer.models import Batch, Event, Installation, ProviderAccount, Send
from mailer.sending import gate
from mailer.sending.accounting import count
from subscribers.models import Letter, Subscription

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("accepted", "skipped", "rejected", "unknown", "waiting", "cancelled")


def exposition() -> str:
    """All gauges, as they stand now."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    now = clock.now()
    yield from _gauge("mailer_readers", "Readers of the sends that are not over, and of the newest.", _readers())
    yield from _gauge("mailer_unknown_readers", "Readers of whom nobody knows whether they were mailed.", _unknown())
    yield from _gauge(
        "mailer_batches", "Requests, planned or made.", _by_state(Batch.objects.all(), Batch.State.values)
    )
    yield from _gauge("mailer_sends", "Issues on their way or sent.", _by_state(Send.objects.all(), Send.State.values))
    yield from _gauge(
        "mailer_events_unapplied",
        "Events that were stored and not acted on yet.",
        {"": Event.objects.filter(applied_at=None).count()},
    )
    yield from _gauge("mailer_seconds_since_sweep", "Since a worker swept; +Inf: none ever did.", _since_sweep(now))
    yield from _gauge("mailer_gate_open", "1: the provider may be asked now.", _gates(now))
    yield from _gauge("mailer_confirmations_due", "Confirmation mails that should be out.", _confirmations(now))
    yield from _gauge("mailer_letters_due", "Mails with a link that a reader asked for and should have.", _letters(now))


def _gauge(name: str, meaning: str, values: Mapping[str, float]) -> Iterator[str]:
    """`values` by label, such as `state="planned"`; the empty label is none."""
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"
    for label, value in values.items():
        written = "+Inf" if value == float("inf") else f"{value:.15g}"
        yield f"{name}{{{label}}} {written}" if label else f"{name} {written}"


def _readers() -> dict[str, int]:
    newest = Send.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    over = (Send.State.FINISHED, Send.State.CANCELLED)
    sums: Counter[str] = Counter()
    for send in Send.objects.filter(~Q(state__in=over) | Q(pk__in=list(newest))).only("pk", "planned"):
        equation = count(send)
        sums.update({outcome: getattr(equation, outcome) for outcome in OUTCOMES})
    return {f'outcome="{outcome}"': sums[outcome] for outcome in OUTCOMES}


def _unknown() -> dict[str, int]:
    open_ends = Batch.objects.filter(state=Batch.State.UNKNOWN)
    found = open_ends.aggregate(readers=Sum(F("size") - F("skipped") - F("rejected")))
    return {"": found["readers"] or 0}


def _by_state(rows: "QuerySet[Batch] | QuerySet[Send]", states: list[str]) -> dict[str, int]:
    counted = dict(rows.order_by().values_list("state").annotate(n=Count("pk")))
    return {f'state="{state}"': counted.get(state, 0) for state in states}


def _since_sweep(now: datetime) -> dict[str, float]:
    swept = Installation.objects.values_list("swept_at", flat=True).get(pk=1)
    return {"": abs(now - swept).total_seconds() if swept else float("inf")}


def _gates(now: datetime) -> dict[str, int]:
    known = {(account.host, account.name): account.pk for account in ProviderAccount.objects.order_by("pk")}
    if settings.PROVIDER not in [host for host, _ in known]:  # until the first worker starts
        known[settings.PROVIDER, ""] = 0
    return {
        f'provider="{_escaped(host)}",account="{_escaped(name)}"': int(gate.closed_until(account, now) is None)
        for (host, name), account in known.items()
    }


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _confirmations(now: datetime) -> dict[str, int]:
    return {"": Subscription.objects.filter(confirmation_due__lte=now).count()}


def _letters(now: datetime) -> dict[str, int]:
    return {"": Letter.objects.filter(due__lte=now).count()}
