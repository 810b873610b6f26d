"""Readers in `/admin/`: found, their history read, and let go by the same functions as everywhere."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from subscribers import optin
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.optin import Origin

if TYPE_CHECKING:
    Inline = admin.TabularInline[Any, Subscriber]
    ModelAdmin = admin.ModelAdmin[Any]
else:  # generic in the stubs alone
    Inline, ModelAdmin = admin.TabularInline, admin.ModelAdmin


class LookedAt(ModelAdmin):
    """Rows that `/admin/` shows and never writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _Shown(Inline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SubscriptionsShown(_Shown):
    model = Subscription
    fields = ("newsletter", "state", "created_at", "changed_at")
    ordering = ("newsletter",)


class HistoryShown(_Shown):
    model = Consent
    verbose_name_plural = "history"
    fields = ("at", "newsletter", "step", "how", "source", "wording", "wording_version", "language", "ip")
    ordering = ("at", "pk")


@admin.register(Subscriber)
class SubscriberAdmin(LookedAt):
    list_display = ("email", "name", "language", "created_at")
    search_fields = ("email", "email_key")
    search_help_text = "Address, or a part of it"
    ordering = ("email_key",)
    list_per_page = 50
    show_full_result_count = False
    fields = readonly_fields = ("email", "name", "language", "created_at", "suppressed")
    inlines = (SubscriptionsShown, HistoryShown)
    actions = ("unsubscribe_one", "suppress_one")

    @admin.display(description="suppressed")
    def suppressed(self, reader: Subscriber) -> str:
        found = Suppression.objects.filter(hash=reader.suppression_hash).first()
        return f"{found.reason} since {found.at:%Y-%m-%d}. {found.note}".strip() if found else "no"

    @admin.action(description="Unsubscribe this reader from everything", permissions=["let_go"])
    def unsubscribe_one(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> None:
        if reader := self._only(request, chosen):
            for newsletter in reader.subscriptions.values_list("newsletter", flat=True):
                optin.unsubscribe(reader.public_id, newsletter, _by(request))
            self.message_user(request, "The reader is unsubscribed.")

    @admin.action(description="Suppress this address: nobody may mail it", permissions=["let_go"])
    def suppress_one(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> None:
        if reader := self._only(request, chosen):
            optin.suppress(reader.suppression_hash, Suppression.Reason.MANUAL, _by(request))
            self.message_user(request, "The address is suppressed.")

    def _only(self, request: HttpRequest, chosen: QuerySet[Subscriber]) -> Subscriber | None:
        """One at a time: a slip of the hand must not let go of a page of readers."""
        readers = list(chosen[:2])
        if len(readers) == 1:
            return readers[0]
        self.message_user(request, "Choose one reader; for more, use the commands.", messages.ERROR)
        return None

    def has_let_go_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("subscribers.change_subscriber"))


def _by(request: HttpRequest) -> Origin:
    return Origin(how="admin", source=request.user.get_username())
