"""HTTP's door for who leaves, for mail providers that do it for them, and for who did not mean to.

No limit ever refuses a valid unsubscribe. Mail scanners open every link: GET and HEAD change nothing.
"""

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import redirect
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscribers import links, optin, tokens
from subscribers.models import Subscriber, Subscription
from subscribers.optin import PAGE
from subscribers.pages import (
    ALLOWED,
    CONTENT_POLICY,
    Shown,
    first_newsletter,
    kept_private,
    link_used,
    newsletter_shown,
    origin,
    page,
    signed_link,
    to_reader,
)

ONE_CLICK = "one-click"


@signed_link(tokens.UNSUBSCRIBE)
def unsubscribe(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """One button; pressing it, or a mail provider's one click (RFC 8058), unsubscribes at once."""
    if request.method == "POST" and not _by_our_button(request):
        optin.leave(ticket.public_id, ticket.newsletter, origin(request, ONE_CLICK))
        return _for_programs("Unsubscribed.")  # nobody reads it, and it is nobody's to undo
    # Mails carry one link of their reader's; with this word behind it it leads on to the preferences.
    if request.method != "POST" and "preferences" in request.GET:
        return redirect(links.preferences_path(ticket.public_id, ticket.newsletter))
    return _leaving_page(request, ticket, newsletter)


@to_reader
def _leaving_page(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, reader: Subscriber | None
) -> HttpResponse:
    """The answer is the same for readers who left before and for those who left now; who is erased has no preferences.

    Only the press that unsubscribed is offered to be undone.
    """
    preferences = links.preferences_path(ticket.public_id, ticket.newsletter) if reader else ""
    if request.method != "POST":
        return page(request, "unsubscribe", newsletter, {"preferences": preferences})
    was = optin.leave(ticket.public_id, ticket.newsletter, origin(request, PAGE))
    undo = links.undo_path(ticket.public_id, ticket.newsletter) if was == Subscription.State.ACTIVE else ""
    return page(request, "unsubscribed", newsletter, {"preferences": preferences, "undo": undo})


def _for_programs(words: str) -> HttpResponse:
    """Without a page, which would cost as much as the unsubscribe itself."""
    response = HttpResponse(words, content_type="text/plain; charset=utf-8")
    response["Content-Security-Policy"] = CONTENT_POLICY
    response["Cache-Control"] = "no-store"
    return response


def _by_our_button(request: HttpRequest) -> bool:
    """Mail providers say nothing of a page. A body that cannot be read still came with a signed link: it is obeyed."""
    try:
        return request.POST.get("from") == PAGE
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return False


@signed_link(tokens.UNDO)
@to_reader
def undo(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, reader: Subscriber | None) -> HttpResponse:
    """For half an hour after the press that unsubscribed: one button makes it undone."""
    if reader is None:
        return link_used(request, newsletter)
    if request.method != "POST":
        return page(request, "undo", newsletter)
    if not optin.undo(reader.public_id, newsletter.label, origin(request, "undo")):
        return link_used(request, newsletter)
    return page(request, "undone", newsletter)


@csrf_exempt
@require_http_methods(ALLOWED)
def unsubscribe_test(request: HttpRequest, label: str = "", number: int = 0) -> HttpResponse:
    """The way out of a test mail: button and one click answer as they would, and nobody is unsubscribed.

    Each copy of a test has a number, because each reader of an issue has a link of their own.
    """
    newsletter = newsletter_shown(label if label in settings.NEWSLETTERS else first_newsletter())
    with translation.override(newsletter.language):
        return kept_private(page(request, "unsubscribe_test", newsletter, {"pressed": request.method == "POST"}))
