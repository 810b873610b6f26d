"""Show rows in `/admin/` that it never writes; and record who looked at subscribers there, for the audit log."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscribers import auditing, clock
from subscribers.auditing import Act, Action, Actor, By
from subscribers.models import Subscriber
from subscribers.networks import client_address, network

if TYPE_CHECKING:
    Inline = admin.TabularInline[Any, Subscriber]
    ModelAdmin = admin.ModelAdmin[Any]
else:  # generic in the stubs alone
    Inline, ModelAdmin = admin.TabularInline, admin.ModelAdmin


class LookedAt(ModelAdmin):
    """Rows that `/admin/` shows and never writes."""

    change_form_template = "admin/shown.html"
    show_full_result_count = False

    def called(self, row: Any) -> str:
        """Return what an operator calls the row. Not its `__str__`, which could carry an address into a log."""
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *given: Any, **named: Any
    ) -> HttpResponse:
        context["subtitle"] = self.called(context["original"])
        return super().render_change_form(request, context, *given, **named)

    def action_checkbox(self, obj: Any) -> SafeString:
        told = {"class": "action-select", "aria-label": f"Select {self.called(obj)}"}
        return forms.CheckboxInput(told, lambda _: False).render(ACTION_CHECKBOX_NAME, str(obj.pk))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RowsShown(Inline):
    template = "admin/rows_shown.html"
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def time_column(field: str, label: str) -> Callable[[Any, Any], str]:
    """Make a column of the time in `field`. It names its zone: operators may be in any."""

    @admin.display(description=label, ordering=field)
    def shown(_: Any, row: Any) -> str:
        at = getattr(row, field)
        return format_html('<span class="nowrap">{}</span>', clock.in_utc(at)) if at else "–"

    return shown


def operator(request: HttpRequest) -> Actor:
    remote, forwarded = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    place = network(client_address(remote, forwarded, settings.MAILER_PROXIES))
    return Actor(By.ADMIN, request.user.get_username(), place)


class LookingIsAudited(LookedAt):
    """Each page with a subscriber, each list and each search of them becomes a row of the audit log."""

    def subject_of(self, row: Any) -> str:
        """Return what `AuditEntry.subject` says of this row."""
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *given: Any, **named: Any
    ) -> HttpResponse:
        auditing.looked(operator(request), Act(Action.SHOWN, self.subject_of(context["original"])))
        return super().render_change_form(request, context, *given, **named)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        answer = super().changelist_view(request, extra_context)
        shown = (getattr(answer, "context_data", None) or {}).get("cl")
        if shown is not None:
            auditing.looked(operator(request), self._look(shown))
        return answer

    def _look(self, shown: Any) -> Act:
        """Return the look to record. A search text may be an address, so the id that it found is kept instead."""
        found = list(shown.result_list)
        subject = self.subject_of(found[0]) if shown.query and len(found) == 1 else ""
        action = Action.SEARCHED if shown.query else Action.LISTED
        return Act(action, subject, count=shown.result_count, detail=f"{self.opts.verbose_name_plural}")
