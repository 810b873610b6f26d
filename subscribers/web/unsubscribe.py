"""Views for people who leave, for mailbox providers that do it for them, and for people who left by mistake.

No limit ever refuses a valid unsubscribe. Mail scanners open every link: GET and HEAD change nothing.
"""

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import redirect
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscribers import offline, signed_links, tokens, undoing
from subscribers.masking import masked_on_one_line
from subscribers.models import Subscriber, Subscription
from subscribers.records import UNDO
from subscribers.undoing import PAGE
from subscribers.web.pages import (
    ALLOWED,
    CONTENT_POLICY,
    Shown,
    at_any_host,
    away,
    first_newsletter,
    former_of,
    kept_private,
    link_used,
    moved,
    newsletter_shown,
    obeys_broken_bodies,
    origin,
    page,
    pressed,
    signed_link,
    speaking_to,
    state_of,
    still_ends,
    subscriber_of,
    to_subscriber,
    try_later,
)

ONE_CLICK = "one-click"


@obeys_broken_bodies
@signed_link(tokens.UNSUBSCRIBE)
def unsubscribe(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """Show one button; pressing it, or a mailbox provider's one-click request (RFC 8058), unsubscribes at once."""
    if request.method == "POST" and not _by_our_button(request):
        return _one_click(request, ticket)
    # An email carries one link of its subscriber; with this word after it, it leads on to the preferences.
    if request.method != "POST" and any(tokens.begun_by(name) == "preferences" for name in request.GET):
        return redirect(signed_links.preferences_path(ticket.public_id, ticket.newsletter))
    return _leaving_page(request, ticket, newsletter)


def _one_click(request: HttpRequest, ticket: tokens.Ticket) -> HttpResponse:
    try:
        offline.leave(ticket.public_id, ticket.newsletter, origin(request, ONE_CLICK))
    except offline.NotKept:
        return try_later(_for_programs("Not unsubscribed: the database is unavailable. Please try again.", 503))
    return _for_programs("Unsubscribed.")  # no person reads it, so it offers no undo


def _leaving_page(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """Unsubscribe if asked to, and show the page, the same for those who left before and those who left now.

    Only the press that unsubscribed offers an undo, because the email may have been forwarded, and erased subscribers
    get no link to preferences; without the database it works too, and offers neither. A link from before a move says so
    if it can end nothing: the subscriber may get the newsletter at the new address.
    """
    try:
        subscriber = subscriber_of(ticket)
        former = [] if subscriber else former_of(ticket)
        ends_nothing = former and not still_ends(ticket, former)
    except offline.AWAY as error:
        return _leaving_page_without_database(request, ticket, newsletter, error)
    if ends_nothing:
        return moved(request, ticket, newsletter, former)
    with speaking_to(subscriber, newsletter):
        preferences = signed_links.preferences_path(ticket.public_id, ticket.newsletter) if subscriber else ""
        if request.method != "POST":
            return _opened(request, newsletter, subscriber, preferences)
        try:
            left = offline.leave(ticket.public_id, ticket.newsletter, origin(request, PAGE))
        except offline.NotKept:
            return away(request, newsletter)
        context: dict[str, object] = {"preferences": "" if left == offline.KEPT else preferences}
        if left and left.leaving:
            context["undo"] = signed_links.undo_path(ticket.public_id, ticket.newsletter, left.leaving)
        context["undone_often"] = bool(left and left.undone_often)
        return page(request, "unsubscribed", newsletter, context)


def _opened(request: HttpRequest, newsletter: Shown, subscriber: Subscriber | None, preferences: str) -> HttpResponse:
    """Ask, or tell those who left before that they did."""
    context = {"preferences": preferences}
    if subscriber is None:
        return page(request, "unsubscribe", newsletter, context)
    if state_of(subscriber, newsletter.label) == Subscription.State.UNSUBSCRIBED:
        return page(request, "unsubscribed", newsletter, context)
    return page(request, "unsubscribe", newsletter, context | {"address": masked_on_one_line(subscriber.email)})


def _leaving_page_without_database(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, because: Exception
) -> HttpResponse:
    if request.method != "POST":
        return page(request, "unsubscribe", newsletter)
    try:
        offline.keep(ticket.public_id, ticket.newsletter, PAGE, because)
    except offline.NotKept:
        return away(request, newsletter)
    return page(request, "unsubscribed", newsletter)


def _for_programs(message: str, status: int = 200) -> HttpResponse:
    """Answer without a page, which would cost as much as the unsubscribe itself."""
    response = HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    response["Content-Security-Policy"] = CONTENT_POLICY
    response["Cache-Control"] = "no-store"
    return response


def _by_our_button(request: HttpRequest) -> bool:
    """Tell whether our page's button was pressed, not a mailbox provider's one-click, which names no page.

    A body that cannot be read still came with a signed link, so it is obeyed.
    """
    try:
        return request.POST.get("from") == PAGE
    except (BadRequest, SuspiciousOperation, MultiPartParserError):
        return False


@signed_link(tokens.UNDO)
@to_subscriber
def undo(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None) -> HttpResponse:
    """Show one button that undoes an unsubscribe, for half an hour after it."""
    if subscriber is None:
        return link_used(request, newsletter)
    if not pressed(request):
        return page(request, "undo", newsletter)
    if not undoing.undo(subscriber.public_id, newsletter.label, ticket.only_for, origin(request, UNDO)):
        return link_used(request, newsletter)
    return page(request, "undone", newsletter)


@at_any_host
@obeys_broken_bodies
@csrf_exempt
@require_http_methods(ALLOWED)
def unsubscribe_test(request: HttpRequest, label: str = "", number: int = 0) -> HttpResponse:
    """Answer the unsubscribe link of a test email, as page and as one-click, without unsubscribing anybody.

    Each copy of a test has a number, because each subscriber of an issue has a link of their own.
    """
    newsletter = newsletter_shown(label if label in settings.NEWSLETTERS else first_newsletter())
    with translation.override(newsletter.language):
        return kept_private(page(request, "unsubscribe_test", newsletter, {"pressed": request.method == "POST"}))
