"""The page behind the link that newsletters carry.

Newsletters get forwarded, so it opens only what a friend may see and do: newsletters, language, and leaving, with the
address masked. For everything else it mails a fresh link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext

from subscribers import changing, clock, labels, languages, limits, offline, optin, signed_links, tokens
from subscribers.addresses import Address
from subscribers.change_limits import ChangedEnough, spend
from subscribers.hints import hint_confirmation, hint_letter
from subscribers.masking import masked_on_one_line
from subscribers.models import Subscriber, Subscription
from subscribers.optin import Answer, Left
from subscribers.undoing import PREFERENCES
from subscribers.web.pages import (
    Shown,
    away,
    changed_enough,
    link_used,
    newsletter_shown,
    no_button,
    origin,
    page,
    signed_link,
    to_subscriber,
)

State = Subscription.State


@dataclass(frozen=True)
class Choice:
    """A newsletter that the subscriber may tick. One that only awaits confirmation is not ticked: anybody can ask."""

    label: str
    name: str
    active: bool
    pending: bool


@signed_link(tokens.PREFERENCES)
def preferences(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponseBase:
    """Show the page. Its button that unsubscribes from everything works while the database is down, too."""
    try:
        return _preferences(request, ticket, newsletter)
    except offline.AWAY as error:
        if request.method != "POST" or request.POST.get("do") != "leave":
            raise
        return _leave_all_without_database(request, ticket, newsletter, error)


def _leave_all_without_database(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, because: Exception
) -> HttpResponse:
    try:
        offline.keep(ticket.public_id, offline.ALL, PREFERENCES, because)
    except offline.NotKept:
        return away(request, newsletter)
    return page(request, "unsubscribed", newsletter, {"everything": True})


@to_subscriber
def _preferences(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponse:
    """Show what the subscriber gets, and in which language; let them change it, leave, or ask for a link."""
    if subscriber is None:
        return link_used(request, newsletter)
    wish = request.POST.get("do") if request.method == "POST" else None
    if wish == "save":
        return _save(request, subscriber, newsletter)
    if wish == "leave":
        return _leave_all(request, subscriber, newsletter)
    if wish == "link":
        return _mail_link(request, subscriber, newsletter)
    notice = no_button(request)
    return _shown(request, subscriber, newsletter, [notice] if notice else [], status=400 if notice else 200)


def _save(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    language = _language_wanted(request)
    # Compared with what the page showed: a form that was open for long must not undo what changed since.
    had, ticked = _labels(request, "had"), _labels(request, "newsletter")
    offered = [choice.label for choice in _choices(subscriber)]
    # First, because what follows may be refused.
    left = _leave(request, subscriber, [label for label in offered if label in had - ticked])
    joining = [label for label in offered if label in ticked - had]
    try:
        if language or joining:
            spend(subscriber.public_id, len(joining) + bool(language))
        if language:
            changing.speak(subscriber.public_id, language, origin(request, PREFERENCES))
        joined = [(label, _join(request, subscriber, label)) for label in joining]
    except ChangedEnough:
        return changed_enough(request, newsletter, _undo(subscriber, left))
    if language:
        # Only now: what was agreed to is on record in the language of the form. `to_subscriber` restores it.
        translation.activate(language)
    told = [_what_became(subscriber, label, answer) for label, answer in joined if answer is not Answer.ACTIVE]
    notices = [gettext("Saved."), *told, *_no_undo(left)]
    return _shown(request, subscriber, newsletter, notices, left)


def _labels(request: HttpRequest, name: str) -> set[str]:
    """Return these boxes of the form, which may be older than the name of a newsletter in it."""
    renamed = labels.renamed()
    return {labels.as_of_now(label, renamed) for label in request.POST.getlist(name)}


def _language_wanted(request: HttpRequest) -> str:
    """Return the language chosen if it differs from the form's, else "": leaving the menu as it is chooses nothing."""
    language = request.POST.get("language", "")
    return language if language in dict(settings.LANGUAGES) and language != translation.get_language() else ""


def _join(request: HttpRequest, subscriber: Subscriber, label: str) -> Answer:
    """Ask for a fresh double opt-in: the email goes to the subscriber, no matter who has the page open."""
    wording = f"{newsletter_shown(label).name}: {_promise()}"
    asking = origin(request, PREFERENCES, wording)
    asked = optin.subscribe(Address(subscriber.email, subscriber.email_key), label, origin=asking)
    if asked.answer is Answer.MAIL_DUE:
        transaction.on_commit(partial(hint_confirmation, asked.subscription_id))
    return asked.answer


def _what_became(subscriber: Subscriber, label: str, answer: Answer) -> str:
    """Say what became of the request. Unlike at the form, the answer may be told: the link was the subscriber's own."""
    return _message(subscriber, answer) % {"name": newsletter_shown(label).name}


def _message(subscriber: Subscriber, answer: Answer) -> str:
    if answer is Answer.MAIL_DUE:
        return gettext("%(name)s: to confirm, press the button in the email we have sent you.")
    if answer is Answer.SUPPRESSED:
        return gettext(
            "%(name)s: we may not email your address, so you cannot confirm. Reply to any issue and we will help you."
        )
    mailbox = limits.mailbox(subscriber.email_key)
    if not limits.are_few(limits.asked(mailbox, limits.Budget.SIGNED, clock.now())):
        return gettext("%(name)s: no email was sent, because we send at most three a day. Tick it again tomorrow.")
    return gettext(
        "%(name)s: no email was sent, because we emailed you a short while ago. Tick it again in ten minutes."
    )


def _leave_all(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    # Also what they left before: saying it again means it, and no link of that leaving undoes it any longer.
    every = subscriber.subscriptions.order_by("newsletter").values_list("newsletter", flat=True)
    left = _leave(request, subscriber, list(every))
    notices = [gettext("You are unsubscribed from everything."), *_no_undo(left)]
    return _shown(request, subscriber, newsletter, notices, left)


def _leave(request: HttpRequest, subscriber: Subscriber, newsletters: Sequence[str]) -> dict[str, Left]:
    """Return those of these newsletters that the subscriber got or had asked for until now."""
    leaving = origin(request, PREFERENCES)
    left = {label: optin.leave(subscriber.public_id, label, leaving) for label in newsletters}
    return {label: one for label, one in left.items() if one}


def _mail_link(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    asking = origin(request, PREFERENCES)
    try:
        spend(subscriber.public_id)
    except ChangedEnough:
        return changed_enough(request, newsletter)
    letter = changing.ask_for_link(subscriber.public_id, newsletter.label, asking)
    if letter is None:
        notice = gettext(
            "No link was sent: we send at most one every ten minutes and three a day. Please ask again later."
        )
        return _shown(request, subscriber, newsletter, [notice])
    transaction.on_commit(partial(hint_letter, letter))
    return page(request, "link_mailed", newsletter, {"address": masked_on_one_line(subscriber.email)})


def _shown(
    request: HttpRequest,
    subscriber: Subscriber,
    newsletter: Shown,
    notices: Sequence[str] = (),
    left: Mapping[str, Left] = MappingProxyType({}),
    status: int = 200,
) -> HttpResponse:
    choices = _choices(subscriber)
    context = {
        "address": masked_on_one_line(subscriber.email),
        "choices": choices,
        "leaving": any(choice.active or choice.pending for choice in choices),
        "languages": [(code, languages.language_tag(code), name) for code, name in settings.LANGUAGES],
        "notices": notices,
        "promise": _promise(),
        "undo": _undo(subscriber, left),
    }
    return page(request, "preferences", newsletter, context, status)


def _undo(subscriber: Subscriber, left: Mapping[str, Left]) -> list[tuple[str, str]]:
    return [
        (newsletter_shown(label).name, signed_links.undo_path(subscriber.public_id, label, one.leaving))
        for label, one in left.items()
        if one.leaving
    ]


def _no_undo(left: Mapping[str, Left]) -> list[str]:
    """Return what subscribers read in place of the undo button once they used it up."""
    again = gettext("%(name)s: to receive it again, tick it and confirm by email.")
    return [again % {"name": newsletter_shown(label).name} for label, one in left.items() if one.undone_often]


def _promise() -> str:
    """Return what a subscriber agrees to by a tick; it is shown below the newsletters and kept with their consent."""
    return gettext(
        "By ticking a newsletter, you agree to receive it by email. You can unsubscribe at any time with one click."
    )


def _choices(subscriber: Subscriber) -> list[Choice]:
    """Return every newsletter, and former ones that the subscriber has not left."""
    states = dict(subscriber.subscriptions.values_list("newsletter", "state"))
    gone = sorted(label for label in states if label not in settings.NEWSLETTERS)
    shown = [*settings.NEWSLETTERS, *(label for label in gone if states[label] != State.UNSUBSCRIBED)]
    return [
        Choice(
            label, newsletter_shown(label).name, states.get(label) == State.ACTIVE, states.get(label) == State.PENDING
        )
        for label in shown
    ]
