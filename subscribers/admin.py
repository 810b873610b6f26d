"""Subscribers in `/admin/`: find them, read their history, and unsubscribe or erase them by the usual functions."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscribers import auditing, histories, lookups, optin, signed_links
from subscribers.addresses import AddressError, parse
from subscribers.auditing import Act, Action
from subscribers.models import AuditEntry, Subscriber, Subscription, Suppression
from subscribers.optin import Origin
from subscribers.read_only_admin import LookedAt, LookingIsAudited, RowsShown, operator, time_column


class SubscriptionsShown(RowsShown):
    model = Subscription
    fields = readonly_fields = ("newsletter", "state", "since", "changed")
    ordering = ("newsletter",)
    since = time_column("created_at", "since")
    changed = time_column("changed_at", "changed")


@dataclass(frozen=True)
class LettingGo:
    """What an operator reads before a subscriber is unsubscribed or erased."""

    action: str
    title: str
    means: str
    button: str


UNSUBSCRIBE = LettingGo(
    "unsubscribe_one",
    "Unsubscribe from everything?",
    "This subscriber will not receive any newsletter from now on. They are not notified, and only come back by "
    "confirming again.",
    "Unsubscribe from everything",
)
SUPPRESS = LettingGo(
    "suppress_one",
    "Suppress this address?",
    "This address will not be emailed from now on, whatever its owner or an import asks for. Only “mailer "
    "subscribers suppress ADDRESS --lift” ends it.",
    "Suppress the address",
)


class Why(forms.Form):
    reason = forms.CharField(
        max_length=500,
        help_text="For example “asked by phone”. It is stored in the subscriber's history and with the suppression.",
        error_messages={"required": "Enter a reason: it is the only record of why."},
    )


class SubscriberList(ChangeList):
    """The list of subscribers. Among many, its order is fixed and it ends early: either would mean to read all rows."""

    def __init__(self, request: HttpRequest, *given: Any, **named: Any) -> None:
        self.are_many = _are_many(request)
        super().__init__(request, *given, **named)
        if self.are_many:
            self.search_help_text = AMONG_MANY

    @property
    def is_cut(self) -> bool:
        """Tell whether there may be more subscribers than it shows."""
        return self.are_many and self.result_count >= (lookups.FOUND if self.query else lookups.LISTED)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        ordering: list[Any] = super().get_ordering(request, queryset)
        if not self.are_many:
            return ordering
        if not self.query:
            return ["email_key"]
        # An expression: by the column itself, PostgreSQL may look for what was found along that index, from its start.
        return [Lower("email_key") if field == "email_key" else field for field in ordering]


AMONG_MANY = (
    f"Search for an address, or the beginning of one. With more than {lookups.MANY:,} subscribers, other parts of "
    f"addresses are not searched, a search shows at most {lookups.FOUND:,} subscribers, and the list cannot be sorted "
    f"and ends after {lookups.LISTED:,}."
)


def _are_many(request: Any) -> bool:
    """Ask once for each request."""
    if not hasattr(request, "subscribers_are_many"):
        request.subscribers_are_many = lookups.are_many()
    return bool(request.subscribers_are_many)


@admin.register(Subscriber)
class SubscriberAdmin(LookingIsAudited):
    list_display = ("email", "name", "newsletters", "suppressed_because", "created")
    search_fields = ("email", "email_key")
    search_help_text = "Search for an address, or part of one"
    ordering = ("email_key",)
    list_per_page = 25  # a row takes Django a millisecond
    fields = readonly_fields = ("email", "name", "language", "created", "suppressed")
    inlines = (SubscriptionsShown,)
    change_form_template = "admin/subscriber.html"
    actions = ("unsubscribe_one", "suppress_one")
    created = time_column("created_at", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscriber]:
        suppression = Suppression.objects.filter(hash=OuterRef("suppression_hash"))
        subscriptions = Prefetch("subscriptions", Subscription.objects.order_by("newsletter"))
        subscribers: QuerySet[Subscriber] = super().get_queryset(request).prefetch_related(subscriptions)
        return subscribers.annotate(suppression=Subquery(suppression.values("reason")))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Subscriber], search_term: str
    ) -> tuple[QuerySet[Subscriber], bool]:
        """Find a whole address by its key, at once. Among many, find the beginning of one; else look at every row."""
        if not search_term.strip():
            return queryset, False
        whole = lookups.with_address(queryset, search_term)
        if whole.exists():
            return whole, False
        if _are_many(request):
            return lookups.beginning_with(queryset, search_term), False
        return super().get_search_results(request, queryset, search_term)

    def get_changelist(self, request: HttpRequest, **named: Any) -> type[ChangeList]:
        return SubscriberList

    def get_paginator(self, request: HttpRequest, queryset: Any, *given: Any, **named: Any) -> "Paginator[Any]":
        paginator: Paginator[Any] = super().get_paginator(request, queryset, *given, **named)
        if _are_many(request) and not request.GET.get(SEARCH_VAR, "").strip():
            paginator.count = lookups.LISTED
        return paginator

    def get_sortable_by(self, request: HttpRequest) -> Any:
        return () if _are_many(request) else super().get_sortable_by(request)

    def called(self, row: Subscriber) -> str:
        return row.email

    def subject_of(self, row: Subscriber) -> str:
        return str(row.public_id)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *given: Any, **named: Any
    ) -> HttpResponse:
        context["history"] = histories.page_of(context["original"], request.GET.get("history"))
        return super().render_change_form(request, context, *given, **named)

    @admin.display(description="newsletters")
    def newsletters(self, subscriber: Subscriber) -> str:
        return ", ".join(f"{one.newsletter}: {one.state}" for one in subscriber.subscriptions.all()) or "–"

    @admin.display(description="suppressed")
    def suppressed_because(self, subscriber: Any) -> str:
        return subscriber.suppression or "no"

    @admin.display(description="suppressed")
    def suppressed(self, subscriber: Subscriber) -> str:
        found = Suppression.objects.filter(hash=subscriber.suppression_hash).first()
        return f"{found.reason} since {found.at:%Y-%m-%d}. {found.note}".strip() if found else "no"

    @admin.action(description="Unsubscribe this subscriber from everything", permissions=["let_go"])
    def unsubscribe_one(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> HttpResponse | None:
        subscriber = self._only(request, chosen)
        if subscriber is None:
            return None
        if "sure" not in request.POST:
            return self._ask(request, subscriber, UNSUBSCRIBE)
        labels = subscriber.subscriptions.order_by("newsletter").values_list("newsletter", flat=True)
        with transaction.atomic():
            left = [label for label in labels if optin.unsubscribe(subscriber.public_id, label, _by(request))]
            if left:
                act = Act(Action.UNSUBSCRIBED, self.subject_of(subscriber), detail=", ".join(left))
                auditing.write(operator(request), act)
        what = f"Unsubscribed from {', '.join(left)}" if left else "Already unsubscribed from everything"
        self.message_user(request, f"{what}: {subscriber.email}")
        return None

    @admin.action(description="Suppress this address", permissions=["let_go"])
    def suppress_one(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> HttpResponse | None:
        subscriber = self._only(request, chosen)
        if subscriber is None:
            return None
        why = Why(request.POST if "sure" in request.POST else None)
        if not why.is_valid():
            return self._ask(request, subscriber, SUPPRESS, why)
        reason = why.cleaned_data["reason"]
        origin = _by(request, reason)
        with transaction.atomic():
            auditing.write(operator(request), Act(Action.SUPPRESSED, self.subject_of(subscriber), reason=reason))
            is_new = optin.suppress(subscriber.suppression_hash, Suppression.Reason.MANUAL, origin, optin.Why(reason))
        if is_new:
            self.message_user(request, f"Suppressed: {subscriber.email}")
        else:
            stands = f"Already suppressed for a stronger reason, which is kept: {subscriber.email}"
            self.message_user(request, stands, messages.WARNING)
        return None

    def _ask(
        self, request: HttpRequest, subscriber: Subscriber, step: LettingGo, why: Why | None = None
    ) -> HttpResponse:
        """Show the page that names the subscriber and says what the button does."""
        told = {"title": step.title, "opts": self.opts, "reader": subscriber, "step": step, "why": why}
        told["newsletters"] = self.newsletters(subscriber)
        return TemplateResponse(request, "admin/let_go.html", self.admin_site.each_context(request) | told)

    def _only(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> Subscriber | None:
        """Return the one chosen subscriber: a slip of the hand must not unsubscribe a whole page of them."""
        subscribers = list(chosen[:2])
        if len(subscribers) == 1:
            return subscribers[0]
        self.message_user(request, "Select one subscriber; to change several, use the commands.", messages.ERROR)
        return None

    def has_let_go_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("subscribers.change_subscriber"))


@admin.register(Suppression)
class SuppressionAdmin(LookingIsAudited):
    """Addresses that must not be mailed. Where no subscriber has the address, only its keyed hash is known."""

    list_display = ("address", "reason", "note", "since")
    list_filter = ("reason",)
    search_fields = ("hash",)
    search_help_text = "Enter a whole address to see whether it may be emailed, even if no subscriber has it"
    ordering = ("-at",)
    list_per_page = 50
    fields = readonly_fields = ("address", "reason", "note", "since", "erased", "erased_how")
    since = time_column("at", "since")
    erased = time_column("erased_at", "subscriber erased")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suppression]:
        subscriber = Subscriber.objects.filter(suppression_hash=OuterRef("hash"))
        found: QuerySet[Suppression] = super().get_queryset(request)
        return found.annotate(
            email=Subquery(subscriber.values("email")[:1]), public_id=Subquery(subscriber.values("public_id")[:1])
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if not search_term:
            return queryset, False
        key = lookups.key_of(search_term)
        return queryset.filter(hash=signed_links.suppression_hash(key)) if key else queryset.none(), False

    def called(self, row: Any) -> str:
        return self.address(row)

    def subject_of(self, row: Any) -> str:
        return str(row.public_id or row.hash)

    @admin.display(description="address")
    def address(self, suppression: Any) -> str:
        return suppression.email or f"no subscriber ({suppression.hash[:8]}…)"


@admin.register(AuditEntry)
class AuditEntryAdmin(LookedAt):
    """Who looked at subscribers or changed them. Entries are added and never changed."""

    list_display = ("on", "action", "about", "who", "place", "why")
    list_filter = ("action", "by")
    search_fields = ("who", "subject")
    search_help_text = "Search for a user, or for the whole address of a subscriber"
    ordering = ("-at", "-pk")
    list_per_page = 50
    fields = readonly_fields = ("on", "action", "about", "by", "who", "place", "detail", "reason")
    on = time_column("at", "when")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        try:
            return queryset.filter(subject__in=auditing.subjects_of(parse(search_term))), False
        except AddressError:
            return super().get_search_results(request, queryset, search_term)

    def called(self, row: AuditEntry) -> str:
        return f"{row.at:%Y-%m-%d %H:%M} {row.action}"

    @admin.display(description="about")
    def about(self, row: AuditEntry) -> str:
        return auditing.about(row)

    @admin.display(description="detail, reason")
    def why(self, row: AuditEntry) -> str:
        return " · ".join(filter(None, [row.detail, row.reason])) or "–"


def _by(request: HttpRequest, reason: str = "") -> Origin:
    who = request.user.get_username()
    return Origin(how="admin", source=f"{reason} ({who})" if reason else who)
