"""Sends in `/admin/`: looked at, never touched. Commands steer them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mailer.models import Send
from mailer.sending.accounting import count, receipt
from subscribers.admin import LookedAt


@admin.register(Send)
class SendAdmin(LookedAt):
    list_display = ("slug", "newsletter", "state", "planned", "accepted", "open_ends", "provider", "created_at")
    list_filter = ("newsletter", "state", "provider")
    search_fields = ("slug", "subject")
    ordering = ("-created_at",)
    list_per_page = 25
    show_full_result_count = False
    fields = readonly_fields = (
        "newsletter",
        "slug",
        "subject",
        "state",
        "reason",
        "provider",
        "equation",
        "skipped_because",
        "reported",
        "possibly_twice",
        "due_at",
        "created_at",
        "first_request_at",
        "last_request_at",
        "finished_at",
        "content_sha256",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Send]:
        return super().get_queryset(request).defer("html", "text", "article")

    @admin.display(description="accepted")
    def accepted(self, send: Send) -> int:
        return count(send).accepted

    @admin.display(description="waiting, unknown, rejected")
    def open_ends(self, send: Send) -> str:
        now = count(send)
        return f"{now.waiting}, {now.unknown}, {now.rejected}"

    @admin.display(description="who got it")
    def equation(self, send: Send) -> str:
        return str(count(send))

    @admin.display(description="skipped because")
    def skipped_because(self, send: Send) -> str:
        return _words(receipt(send)["skipped"])

    @admin.display(description="reported by the provider")
    def reported(self, send: Send) -> str:
        return _words(receipt(send)["events"])

    @admin.display(description="possibly twice")
    def possibly_twice(self, send: Send) -> int:
        return int(receipt(send)["possibly_twice"])


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {readers}" for name, readers in counts.items() if readers) or "–"
