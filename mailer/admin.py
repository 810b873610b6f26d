"""Sends in `/admin/`: shown, never changed. Only commands change them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.text import Truncator

from mailer.models import Batch, Send
from mailer.sending.accounting import count, receipt
from subscribers.read_only_admin import LookedAt, time_column

_REST = F("size") - F("skipped") - F("rejected")


def _summed(expression: Any, **only: Any) -> Coalesce:
    """Sum up over the batches of a row. Not by a join: the count and the filters of the list would read every batch."""
    batches = Batch.objects.filter(send=OuterRef("pk"), **only).order_by().values("send")
    return Coalesce(Subquery(batches.annotate(sum=Sum(expression)).values("sum")), 0)


def _counted(name: str) -> Callable[[Any, Any], int]:
    """Make a column of a number that the list's query provides."""

    @admin.display(description=name, ordering=name)
    def shown(_: Any, row: Any) -> int:
        return int(getattr(row, name))

    return shown


@admin.register(Send)
class SendAdmin(LookedAt):
    list_display = (
        "slug",
        "in_short",
        "newsletter",
        "state",
        "planned",
        "accepted",
        "waiting",
        "unknown",
        "rejected",
        "provider",
        "created",
    )
    list_filter = ("newsletter", "state", "provider")
    search_fields = ("slug", "subject")
    ordering = ("-created_at",)
    list_per_page = 25
    fields = readonly_fields = (
        "newsletter",
        "slug",
        "subject",
        "state",
        "reason",
        "notice",
        "provider",
        "who_got_it",
        "skipped_because",
        "reported",
        "possibly_twice",
        "requests",
        "due",
        "created",
        "first_request",
        "last_request",
        "finished",
        "content_sha256",
    )
    accepted, waiting, unknown, rejected = map(_counted, ("accepted", "waiting", "unknown", "rejected"))
    created = time_column("created_at", "created")
    due = time_column("due_at", "scheduled for")
    first_request = time_column("first_request_at", "first request")
    last_request = time_column("last_request_at", "last request")
    finished = time_column("finished_at", "finished")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Send]:
        """Add the numbers of the list, as `accounting.count` has them, in one query for the page."""
        sends: QuerySet[Send] = super().get_queryset(request).defer("html", "text", "article")
        counted: QuerySet[Send] = sends.annotate(
            accepted=_summed(_REST, state=Batch.State.ACCEPTED),
            waiting=_summed(_REST, state__in=[Batch.State.PLANNED, Batch.State.POSTING]),
            unknown=_summed(_REST, state=Batch.State.UNKNOWN),
            rejected=_summed("rejected"),
        )
        return counted

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Add the send's receipt, counted once for the page and not once for each of its lines."""
        send: Any = super().get_object(request, object_id, from_field)
        if send is not None:
            send.receipt = receipt(send)
        return send

    def called(self, row: Send) -> str:
        return f"{row.newsletter}/{row.slug}"

    @admin.display(description="subject", ordering="subject")
    def in_short(self, send: Send) -> str:
        return Truncator(send.subject).chars(40)

    @admin.display(description="recipients")
    def who_got_it(self, send: Send) -> str:
        return str(count(send))

    @admin.display(description="skipped, by reason")
    def skipped_because(self, send: Any) -> str:
        return _listed(send.receipt["skipped"])

    @admin.display(description="reported by the provider")
    def reported(self, send: Any) -> str:
        return _listed(send.receipt["events"])

    @admin.display(description="possible duplicates")
    def possibly_twice(self, send: Any) -> int:
        return int(send.receipt["possibly_twice"])

    @admin.display(description="requests")
    def requests(self, send: Any) -> str:
        return _listed(send.receipt["batches"])


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {subscribers}" for name, subscribers in counts.items() if subscribers) or "–"
