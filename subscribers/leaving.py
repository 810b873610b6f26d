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
from subscribers.models import Subscription
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
)

ONE_CLICK = "one-click"


@signed_link(tokens.UNSUBSCRIBE)
def unsubscribe(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """One button; pressing it, or a mail provider's one click (RFC 8058), unsubscribes at once.

    The answer is the same for readers who left before and for those we know no longer. Only the press that
    unsubscribed is offered to be undone.
    """
    preferences = links.preferences_path(ticket.public_id, ticket.newsletter)
    if request.method != "POST":
        # Mails carry one link of their reader's; with this word behind it it leads on to the preferences.
        if "preferences" in request.GET:
            return redirect(preferences)
        return page(request, "unsubscribe", newsletter, {"preferences": preferences})
    how = _way_of_leaving(request)
    was = optin.leave(ticket.public_id, ticket.newsletter, origin(request, how, newsletter.language))
    if how == ONE_CLICK:
        return _for_programs("Unsubscribed.")  # nobody reads it, and it is nobody's to undo
    undo = links.undo_path(ticket.public_id, ticket.newsletter) if was == Subscription.State.ACTIVE else ""
    return page(request, "unsubscribed", newsletter, {"preferences": preferences, "undo": undo})


def _for_programs(words: str) -> HttpResponse:
    """Without a page, which would cost as much as the unsubscribe itself."""
    response = HttpResponse(words, content_type="text/plain; charset=utf-8")
    response["Content-Security-Policy"] = CONTENT_POLICY
    response["Cache-Control"] = "no-store"
    return response


def _way_of_leaving(request: HttpRequest) -> str:
    """Only our button says `page`. A body that cannot be read still comes with a signed link, and is obeyed."""
    try:
        return PAGE if request.POST.get("from") == PAGE else ONE_CLICK
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return ONE_CLICK


@signed_link(tokens.UNDO)
def undo(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """For half an hour after the press that unsubscribed: one button makes it undone."""
    if request.method != "POST":
        return page(request, "undo", newsletter)
    pressed = origin(request, "undo", newsletter.language)
    if not optin.undo(ticket.public_id, ticket.newsletter, pressed):
        return link_used(request, ticket, newsletter)
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
