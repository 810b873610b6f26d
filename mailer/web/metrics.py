"""Metrics for an operator's monitoring: what is unfinished, late or closed, and how attempts ended.

It reads a row per request, never a row per subscriber; sums over requests are kept by mailer.store.counting.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from mailer.models import Batch, Event, Installation, Process, ProviderAccount, Send, Welcome
from mailer.publishing.welcome_reports import stopped
from mailer.sending import circuit_breaker
from mailer.sending.accounting import count
from mailer.store import clock, counting, journals, presence
from subscribers.models import Letter, Notice, Subscription, WelcomeDue

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# figure → what a worker calls it, and what it means; see EmbeddedWorker.state
WORKERS = {
    "worker_well": ("well", "1: its sweep and its slots make progress."),
    "worker_may_send": ("may_send", "0: its clock, key or database keeps it from sending; `mailer doctor` says which."),
    "worker_broker_up": ("broker", "1: it is connected to its broker."),
    "worker_seconds_since_sweep": ("swept", "Time since this worker finished a sweep."),
}
LANES = {
    "worker_lanes_busy": ("busy", "Slots of this worker that are busy."),
    "worker_lanes_free": ("free", "Slots of this worker that are idle."),
    "worker_lane_seconds": ("longest", "How long its slowest slot has been busy with one request or email."),
}
# name → meaning, label, and its values, so that a rate can be asked for before the first of them
COUNTERS: dict[str, tuple[str, str, Sequence[str]]] = {
    counting.REQUESTS: (
        "Requests to the provider by outcome; one that later turned out accepted counts twice.",
        "outcome",
        ("accepted", "refused", "unsent", "unknown"),
    ),
    counting.RATE_LIMITED: ("Requests that the provider answered with 429.", "", ("",)),
    counting.POSTS: ("Posts to the event webhook.", "outcome", ("stored", "refused", "not_stored")),
    counting.SIGN_UPS: (
        "Sign-ups that sent no email because of a limit.",
        "reason",
        ("network", "everybody"),
    ),
    counting.LOGINS: ("Failed logins at /admin/.", "", ("",)),
}
HISTOGRAMS = {
    counting.REQUEST_SECONDS: ("Time from a claim until the provider's answer is stored.", counting.LATENCIES),
    counting.LAG: ("Time from an event at the provider until it was stored here.", counting.LAGS),
}
OUTCOMES = ("accepted", "skipped", "rejected", "unknown", "waiting", "cancelled")


def exposition() -> bytes:
    """Return all metrics, as they are now."""
    return generate_latest(_Figures())  # of a registry it only needs `collect`


class _Figures:
    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        yield from _sends(now)
        yield from _mails(now)
        yield from _processes(now)
        yield from _leavings(now)
        yield from _counted()


Labels = tuple[str, ...]


def _gauge(name: str, meaning: str, values: Mapping[Labels, float], labels: Labels = ()) -> Metric:
    gauge = GaugeMetricFamily(f"mailer_{name}", meaning, labels=labels)
    for these, value in values.items():
        gauge.add_metric(these, value)
    return gauge


# ---------------------------------------------------------------- sends


def _sends(now: datetime) -> Iterator[Metric]:
    yield _gauge(
        "readers", "Subscribers of the issues that have not ended, and of the newest.", _subscribers(), ("outcome",)
    )
    yield _gauge("unknown_readers", "Subscribers for whom the outcome is unknown.", {(): _unknown()})
    batches = _by_state(Batch.objects.all(), Batch.State.values)
    yield _gauge("batches", "Requests planned or made.", batches, ("state",))
    sends = _by_state(Send.objects.issues(), Send.State.values)
    yield _gauge("sends", "Issues being sent or sent.", sends, ("state",))
    yield _gauge("gate_open", "1: requests to the provider are allowed now.", _breakers(now), ("provider", "account"))


def _subscribers() -> dict[Labels, float]:
    newest = Send.objects.issues().order_by("-pk").values_list("pk", flat=True)[:1]
    over = (Send.State.FINISHED, Send.State.CANCELLED)
    sums: Counter[str] = Counter()
    counted = Send.objects.issues().filter(~Q(state__in=over) | Q(pk__in=list(newest)))
    for send in counted.only("pk", "planned", "state"):
        equation = count(send)
        sums.update({outcome: getattr(equation, outcome) for outcome in OUTCOMES})
    return {(outcome,): sums[outcome] for outcome in OUTCOMES}


def _unknown() -> int:
    open_ends = Batch.objects.filter(state=Batch.State.UNKNOWN)
    found = open_ends.aggregate(subscribers=Sum(F("size") - F("skipped") - F("rejected")))
    return int(found["subscribers"] or 0)


def _by_state(rows: "QuerySet[Batch] | QuerySet[Send]", states: list[str]) -> dict[Labels, float]:
    counted = dict(rows.order_by().values_list("state").annotate(n=Count("pk")))
    return {(state,): counted.get(state, 0) for state in states}


def _breakers(now: datetime) -> dict[Labels, float]:
    known = {(account.host, account.name): account.pk for account in ProviderAccount.objects.order_by("pk")}
    if settings.PROVIDER not in [host for host, _ in known]:  # until the first worker starts
        known[settings.PROVIDER, ""] = 0
    return {where: int(circuit_breaker.open_until(account, now) is None) for where, account in known.items()}


# ---------------------------------------------------------------- what waits to be done


def _mails(now: datetime) -> Iterator[Metric]:
    unapplied = Event.objects.filter(applied_at=None).count()
    yield _gauge("events_unapplied", "Events stored but not yet applied.", {(): unapplied})
    # What failed waits ten minutes or longer for its next try, and is late all the same.
    awaited = Subscription.objects.filter(confirmation_due__isnull=False)
    confirmations = awaited.filter(Q(confirmation_due__lte=now) | Q(confirmation_tries__gt=0)).count()
    yield _gauge("confirmations_due", "Confirmation emails that are due, or failed.", {(): confirmations})
    late = Q(due__isnull=False) & (Q(due__lte=now) | Q(tries__gt=0))
    letters = Letter.objects.filter(late).count() + Notice.objects.filter(late).count()
    yield _gauge("letters_due", "Emails with a link and notices that are due, or failed.", {(): letters})
    welcomes = WelcomeDue.objects.filter(newsletter__in=Welcome.objects.values("newsletter")).count()
    yield _gauge("welcomes_due", "Subscribers who wait for the welcome.", {(): welcomes})
    meaning = "Versions of a welcome that are paused or cancelled, or whose outcome is partly unknown."
    yield _gauge("welcomes_stopped", meaning, {(): len(stopped())})


def _leavings(now: datetime) -> Iterator[Metric]:
    found = journals.look(now)
    meaning = "Unsubscribes waiting in a journal since the database was unavailable."
    yield _gauge("leavings_waiting", meaning, {(): found.lines})
    age = max(0.0, (now - found.since).total_seconds()) if found.since else 0.0
    yield _gauge("leavings_oldest_seconds", "Age of the oldest waiting unsubscribe.", {(): age})
    meaning = "Web processes that ended unexpectedly; their journals may hold unsubscribes."
    yield _gauge("web_processes_missing", meaning, {(): len(found.missing)})


# ---------------------------------------------------------------- processes


def _processes(now: datetime) -> Iterator[Metric]:
    swept = Installation.objects.values_list("swept_at", flat=True).get(pk=1)
    since = abs(now - swept).total_seconds() if swept else float("inf")
    yield _gauge("seconds_since_sweep", "Time since a worker swept; +Inf if none ever did.", {(): since})
    web = presence.running(Process.Kind.WEB, now)
    yield _gauge("web_processes", "Web processes seen within half a minute.", {(): len(web)})
    seen = presence.running(Process.Kind.WORKER, now)
    workers: dict[Labels, dict[str, Any]] = {(f"{one.host}:{one.pid}",): one.state for one in seen if one.state}
    yield _gauge("workers", "Workers seen within half a minute.", {(): len(workers)})
    for name, (key, meaning) in WORKERS.items():
        told = {who: float(state[key]) for who, state in workers.items() if state.get(key) is not None}
        yield _gauge(name, meaning, told, ("worker",))
    lanes = {(*name, kind): told for name, state in workers.items() for kind, told in state.get("lanes", {}).items()}
    for figure, (key, meaning) in LANES.items():
        yield _gauge(figure, meaning, {where: told[key] for where, told in lanes.items()}, ("worker", "lanes"))


# ---------------------------------------------------------------- what was counted


def _counted() -> Iterator[Metric]:
    totals = counting.totals()
    for name, (meaning, label, kinds) in COUNTERS.items():
        counter = CounterMetricFamily(f"mailer_{name}", meaning, labels=[label] if label else [])
        known = dict.fromkeys(kinds, 0.0) | totals.get(name, {})
        for kind, value in known.items():
            counter.add_metric([kind] if label else [], value)
        yield counter
    for name, (meaning, limits) in HISTOGRAMS.items():
        yield _histogram(name, meaning, limits, totals.get(name, {}))


def _histogram(name: str, meaning: str, limits: tuple[float, ...], told: dict[str, float]) -> Metric:
    below = [(kind, told.get(kind, 0.0)) for kind in (*map(str, limits), "+Inf")]
    sums = accumulate(value for _, value in below)
    buckets = [(kind, value) for (kind, _), value in zip(below, sums, strict=True)]
    return HistogramMetricFamily(f"mailer_{name}", meaning, buckets=buckets, sum_value=told.get("sum", 0.0))
