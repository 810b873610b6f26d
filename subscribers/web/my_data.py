"""The page behind a link that was emailed to the subscriber within half an hour: what only they may see and do.

And the page behind the link in the email to their new address.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from subscribers import auditing, changing, erasing, languages, personal_data, signed_links, tokens
from subscribers.addresses import Address, AddressError, clean_name, parse
from subscribers.auditing import Act, Action, Actor, By
from subscribers.change_limits import COPY, ChangedEnough, spend
from subscribers.changing import Moved
from subscribers.hints import hint_letter
from subscribers.mail import link_mails
from subscribers.masking import masked_on_one_line
from subscribers.models import Letter, Subscriber, Subscription
from subscribers.web.forms import sent
from subscribers.web.pages import (
    CONTENT_POLICY,
    Shown,
    away,
    changed_enough,
    link_used,
    no_button,
    origin,
    page,
    pressed,
    signed_link,
    speaking_to,
    to_subscriber,
)

DATA, ADDRESS = "mailed link", "link to new address"  # `Consent.how`

log = logging.getLogger(__name__)

IN_MEMORY = 1_000_000  # bytes of a copy
PIECE = 65_536

Answer = Callable[[HttpRequest, Subscriber, Shown], HttpResponseBase]


@to_subscriber
def _too_late(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponse:
    """Say where to request a new link: somebody with the expired one could open that page before."""
    if subscriber is None:
        return link_used(request, newsletter)
    preferences = signed_links.preferences_path(ticket.public_id, ticket.newsletter)
    return page(request, "too_late", newsletter, {"preferences": preferences}, status=410)


@signed_link(tokens.DATA, expired=_too_late)
@to_subscriber
def data(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponseBase:
    """Show name, address, a copy of the data, and deletion."""
    wish = request.POST.get("do", "") if request.method == "POST" else ""
    if subscriber is None:
        return page(request, "erased", newsletter) if wish == "delete" else link_used(request, newsletter)
    if ticket.only_for != signed_links.mailbox(subscriber.email_key):
        return link_used(request, newsletter)  # their address has changed; the old mailbox may be another's now
    if wish in WISHES:
        try:
            return WISHES[wish](request, subscriber, newsletter)
        except ChangedEnough:
            return changed_enough(request, newsletter)
    notice = no_button(request)
    return _shown(request, subscriber, newsletter, notice=notice, status=400 if notice else 200)


def _shown(
    request: HttpRequest,
    subscriber: Subscriber,
    newsletter: Shown,
    wrong: dict[str, str] | None = None,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    wrong = wrong or {}
    context = {
        "name": sent(request, "name") if "name" in wrong else subscriber.name,
        "email": sent(request, "email") if "email" in wrong else subscriber.email,
        "notice": notice,
        "preferences": signed_links.preferences_path(subscriber.public_id, newsletter.label),
        "wrong": wrong,
    }
    return page(request, "data", newsletter, context, status)


def _rename(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    try:
        name = clean_name(sent(request, "name"))
    except AddressError as error:
        return _shown(request, subscriber, newsletter, {"name": gettext(str(error))})
    if name != subscriber.name:
        spend(subscriber.public_id)
        changing.rename(subscriber.public_id, name, origin(request, DATA))
        subscriber.refresh_from_db()
    return _shown(request, subscriber, newsletter, notice=gettext("Saved."))


def _move(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    try:
        to = parse(sent(request, "email").strip())
    except AddressError as error:
        return _shown(request, subscriber, newsletter, {"email": gettext(str(error))})
    if to.key == subscriber.email_key:
        return _shown(request, subscriber, newsletter, {"email": gettext("This is already your address.")})
    spend(subscriber.public_id)
    letter = changing.ask_to_move(subscriber.public_id, newsletter.label, to, origin(request, DATA))
    if letter is not None:
        transaction.on_commit(partial(hint_letter, letter))
    return page(request, "link_mailed", newsletter, {"address": masked_on_one_line(to.email)})


def _export(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponseBase:
    spend(subscriber.public_id, COPY)
    changing.note_export(subscriber.public_id, origin(request, DATA))
    try:
        copy, length = _copy(subscriber)
    except OSError as error:
        log.error("data export failed, no space in TMPDIR", extra={"error": error.strerror})
        return away(request, newsletter)
    response = StreamingHttpResponse(_in_pieces(copy), content_type="application/json; charset=utf-8")
    response["Content-Length"] = str(length)
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    response["Content-Security-Policy"] = CONTENT_POLICY
    response["Cache-Control"] = "no-store"
    return response


def _copy(subscriber: Subscriber) -> tuple[IO[bytes], int]:
    """Return what is held of the subscriber and its size in bytes: in memory while short, on disk when long.

    It is complete before the answer begins, so that a database that goes away leaves an error and not half a file.
    """
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 — `_in_pieces` closes it
    for piece in personal_data.as_json(personal_data.held(Address(subscriber.email, subscriber.email_key)) or {}):
        file.write(piece.encode())
    length = file.tell()
    file.seek(0)
    return file, length


def _in_pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from iter(partial(file.read, PIECE), b"")


def _delete(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    if request.POST.get("sure") != "yes":
        return _shown(request, subscriber, newsletter, {"sure": gettext("Tick this to delete everything.")})
    asked = origin(request, DATA)
    with transaction.atomic():
        auditing.write(Actor(By.SUBSCRIBER, "", asked.ip), Act(Action.ERASED, str(subscriber.public_id)))
        erasing.forget(subscriber.email_key, asked)
    return page(request, "erased", newsletter)


WISHES: dict[str, Answer] = {"rename": _rename, "move": _move, "export": _export, "delete": _delete}


# ---------------------------------------------------------------- the new address


def _letter(ticket: tokens.Ticket) -> Letter | None:
    return Letter.objects.select_related("subscriber").filter(public_id=ticket.public_id).first()


def _address_too_late(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    letter = _letter(ticket)
    with speaking_to(letter.subscriber if letter else None, newsletter):
        return link_used(request, newsletter)


@signed_link(tokens.ADDRESS, expired=_address_too_late)
def address(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """Show one button that changes the address; pressing it again shows the same page."""
    letter = _letter(ticket)
    if letter is None:
        return link_used(request, newsletter)
    with speaking_to(letter.subscriber, newsletter):
        if not pressed(request):
            return _address_opened(request, letter, newsletter)
        moved = changing.move(ticket.public_id, origin(request, ADDRESS))
        if moved is Moved.TAKEN:
            return page(request, "address", newsletter, {"taken": True}, status=409)
        subscriber = Subscriber.objects.filter(pk=letter.subscriber_id).first()
        if moved is Moved.GONE or subscriber is None:
            return link_used(request, newsletter)
        return page(request, "address", newsletter, _after_move(subscriber, newsletter))


def _address_opened(request: HttpRequest, letter: Letter, newsletter: Shown) -> HttpResponse:
    """Show what the button would do, or did. A link that another letter superseded tells nothing."""
    if changing.is_superseded(letter):
        return link_used(request, newsletter)
    if letter.subscriber.email_key == letter.email_key:
        return page(request, "address", newsletter, _after_move(letter.subscriber, newsletter))
    return page(request, "address", newsletter, {"named": link_mails.named(letter)})


def _after_move(subscriber: Subscriber, newsletter: Shown) -> dict[str, object]:
    """Return what the new address gets now, and the link with the subscriber's new id for getting more."""
    gets = subscriber.subscriptions.filter(state=Subscription.State.ACTIVE).order_by("newsletter")
    return {
        "moved": True,
        "named": [languages.titled(label) for label in gets.values_list("newsletter", flat=True)],
        "preferences": signed_links.preferences_path(subscriber.public_id, newsletter.label),
    }
