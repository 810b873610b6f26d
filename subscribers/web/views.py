"""Views for people who join: the sign-up form, and the link that confirms.

Every page works without JavaScript and without a cookie of ours, except the sign-up form, whose cookie guards against
forged forms. Mail scanners open every link of an email, and some run its scripts: GET and HEAD change nothing here.
"""

import logging
import secrets
from dataclasses import replace
from functools import partial

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from subscribers import clock, limits, optin, tokens
from subscribers.addresses import Address, AddressError, parse
from subscribers.hints import hint_confirmation
from subscribers.masking import masked_on_one_line
from subscribers.models import Subscriber, Subscription
from subscribers.offline import AWAY
from subscribers.optin import Answer, Confirmation
from subscribers.web import challenges, forms, issues, origins, sharing
from subscribers.web.pages import (
    ALLOWED,
    WITH_A_SCRIPT_OF_OURS,
    Shown,
    answered,
    first_newsletter,
    link_used,
    newsletter_shown,
    origin,
    page,
    page_in_house_language,
    pressed,
    rendered,
    signed_link,
    state_of,
    to_subscriber,
    try_later,
)

log = logging.getLogger(__name__)

SHOWN_ISSUES = 3  # on the form
KEPT = 10  # seconds for which a process keeps the form that nobody has filled in
TIME_OF_FORM, CSRF_TOKEN = secrets.token_hex(), secrets.token_hex()  # in the kept form, for each visitor's own


@require_http_methods(ALLOWED)
def subscribe(request: HttpRequest, label: str | None = None) -> HttpResponse:
    """Show the form; answer a POST of it with the same page for every address, known or not."""
    newsletter = newsletter_shown(label or first_newsletter())
    with translation.override(newsletter.language):
        if request.method != "POST":
            return _new_form(request, newsletter)
        return _sign_up(request, newsletter, forms.sign_up_of(request))


def _sign_up(request: HttpRequest, newsletter: Shown, form: forms.SignUp) -> HttpResponse:
    if form.bait:
        return _check_your_mail(request, newsletter, form.email)
    try:
        address = parse(form.email)
    except AddressError as error:
        return _form(request, newsletter, form, error=gettext(str(error)))
    made = forms.made(form.form_time)
    if made is not forms.Made.BY_A_PERSON:
        return _form(request, newsletter, form, notice=_again())
    try:
        return _ask_to_confirm(request, newsletter, address, form)
    except AWAY:
        return _form_while_away(request, newsletter, form)


def _form_while_away(request: HttpRequest, newsletter: Shown, form: forms.SignUp) -> HttpResponse:
    """Show the form again and keep nothing: a sign-up can be repeated, and the address stays in the form."""
    notice = gettext("We cannot process your subscription right now. Please try again in a minute.")
    response = try_later(_form(request, newsletter, form, notice=notice))
    response.status_code = 503
    return response


def _ask_to_confirm(request: HttpRequest, newsletter: Shown, address: Address, form: forms.SignUp) -> HttpResponse:
    asking, token = origin(request, "form", promise(newsletter)), forms.token_of(form)
    effort = challenges.effort(form.answer, form.wait, token, asking.ip, clock.now())
    try:
        # Without a language: until subscribers choose one, each newsletter speaks its own to them.
        asked = optin.subscribe(address, newsletter.label, origin=asking, typed=limits.Typed(token, effort))
    except limits.EffortNeeded as reason:
        return _slow_down(request, newsletter, form, asking.ip, reason)
    except limits.TokenSpent:
        return _form(request, newsletter, replace(form, form_time=""), notice=_again())
    _hint(asked)
    return _check_your_mail(request, newsletter, form.email, asked.queued)


def _slow_down(
    request: HttpRequest, newsletter: Shown, form: forms.SignUp, network: str, reason: limits.EffortNeeded
) -> HttpResponse:
    """Show the form again, with proof of work or, without scripts, a wait. Nothing to see, hear or solve."""
    limits.limited.send(sender=None, reason=str(reason))
    log.info("sign-up asked for proof of work", extra={"reason": str(reason), "newsletter": newsletter.label})
    asked = challenges.ask(forms.token_of(form), network, clock.now(), form.wait)
    context = vars(asked) | {"email": form.email, "form_time": form.form_time, "promise": promise(newsletter)}
    return page(request, "slow_down", newsletter, context, policy=WITH_A_SCRIPT_OF_OURS)


def _hint(asked: optin.Request) -> None:
    if asked.answer is Answer.MAIL_DUE:
        transaction.on_commit(partial(hint_confirmation, asked.subscription_id))


def _again() -> str:
    return gettext("Almost there: press the button once more.")


def _new_form(request: HttpRequest, newsletter: Shown) -> HttpResponse:
    """Show the form, as it was made for the last visitors but for what guards it."""
    key = f"sign-up:{newsletter.label}:{translation.get_language()}"
    guards = {"form_time": TIME_OF_FORM, "csrf_token": CSRF_TOKEN}
    kept = cache.get_or_set(key, lambda: rendered("subscribe", newsletter, _inviting(newsletter) | guards), KEPT)
    return answered(str(kept).replace(TIME_OF_FORM, forms.new_form_time()).replace(CSRF_TOKEN, get_token(request)))


def _form(
    request: HttpRequest, newsletter: Shown, form: forms.SignUp, error: str = "", notice: str = ""
) -> HttpResponse:
    """Show the form again, as it was filled in."""
    # A form that came back too fast keeps its time, or a fast typist would never get through.
    keep = forms.made(form.form_time) is not forms.Made.NOT_HERE
    typed = {"email": form.email, "form_time": form.form_time if keep else forms.new_form_time()}
    return page(request, "subscribe", newsletter, _inviting(newsletter) | typed | {"error": error, "notice": notice})


def _inviting(newsletter: Shown) -> dict[str, object]:
    """Return what the form shows besides its fields."""
    last = issues.latest(newsletter)
    return {
        "promise": promise(newsletter),
        "shared": sharing.of_form(newsletter),
        "issues": last[:SHOWN_ISSUES],
        "how_often": issues.how_often(last),
    }


def _check_your_mail(request: HttpRequest, newsletter: Shown, address: str, queued: bool = False) -> HttpResponse:
    """Show the same page for every address: those who are subscribed, or must not be emailed, get no email.

    It names the address as it was typed, so that a typing error is seen while it can be corrected.
    """
    return page(request, "check_your_mail", newsletter, {"address": address, "queued": queued})


def promise(newsletter: Shown) -> str:
    """Return what a subscriber agrees to; it is shown on the form and kept with their consent."""
    sentence = gettext(
        "By subscribing, you agree to receive %(newsletter)s by email. You can unsubscribe at any time with one click."
    )
    return sentence % {"newsletter": newsletter.name}


# ---------------------------------------------------------------- confirm


@to_subscriber
def _expired(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponse:
    """Answer a confirmation link older than a week: one button sends a new one."""
    if subscriber is None or not newsletter.form_path:
        return link_used(request, newsletter)
    if not pressed(request):
        return page(request, "expired", newsletter, {"promise": promise(newsletter)}, status=410)
    asking = origin(request, "link", promise(newsletter))
    asked = optin.subscribe(Address(subscriber.email, subscriber.email_key), newsletter.label, origin=asking)
    _hint(asked)
    return _check_your_mail(request, newsletter, masked_on_one_line(subscriber.email))


@signed_link(tokens.CONFIRM, expired=_expired)
@to_subscriber
def confirm(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponse:
    """Show one button; pressing it confirms, and pressing it or opening the link again shows the same page."""
    if subscriber is None:
        return link_used(request, newsletter)
    if not pressed(request):
        return _confirm_opened(request, subscriber, newsletter)
    result = optin.confirm(subscriber.public_id, newsletter.label, origin(request, "link", promise(newsletter)))
    if result in (Confirmation.CONFIRMED, Confirmation.BEFORE):
        return _confirmed(request, newsletter)
    return link_used(request, newsletter)


def _confirmed(request: HttpRequest, newsletter: Shown) -> HttpResponse:
    return page(request, "confirmed", newsletter, {"latest_issues": partial(issues.latest, newsletter, 1)})


def _confirm_opened(request: HttpRequest, subscriber: Subscriber, newsletter: Shown) -> HttpResponse:
    """Show what the button would do, or did; change nothing."""
    state = state_of(subscriber, newsletter.label)
    if state == Subscription.State.ACTIVE:
        return _confirmed(request, newsletter)
    if state == Subscription.State.PENDING:
        context = {"address": masked_on_one_line(subscriber.email), "promise": promise(newsletter)}
        return page(request, "confirm", newsletter, context)
    return link_used(request, newsletter)


# ---------------------------------------------------------------- pages for what went wrong


def without_our_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a POST that no page of ours made. A sign-up gets our form, filled in; nothing is changed.

    Django calls this for a failed CSRF check.
    """
    why = origins.why(request, reason)
    match = request.resolver_match
    if match is None or match.func is not subscribe or request.method != "POST":
        log.warning("form refused", extra={"because": why.value})
        return page_in_house_language(request, "forbidden", 403, {"why": why.name, "address": settings.BASE_URL})
    newsletter = newsletter_shown(match.kwargs.get("label") or first_newsletter())
    form = forms.sign_up_of(request)
    ours = forms.made(form.form_time) is not forms.Made.NOT_HERE
    # A form on another site is answered with ours each time.
    log.log(logging.WARNING if ours else logging.INFO, "form refused", extra={"because": why.value})
    with translation.override(newsletter.language):
        return _form(request, newsletter, form, notice=_once_more(request, newsletter, why, ours))


def _once_more(request: HttpRequest, newsletter: Shown, why: origins.Why, ours: bool) -> str:
    """Say what to do, on the form that is shown again. `ours`: it was our form that was filled in."""
    if not request.POST:
        return gettext("We did not receive what you typed. Please fill in the form again.")
    if ours and why is origins.Why.NO_COOKIE:
        return gettext("Your browser did not keep the cookie that protects this form. Allow cookies and try again.")
    if ours and why is origins.Why.ELSEWHERE:
        said = gettext("Your browser says that this form came from a different site. Please use the form at %s")
        return said % f"{settings.BASE_URL}{newsletter.form_path}"
    return _again()


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return page_in_house_language(request, "not_found", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return page_in_house_language(request, "failed", status=500)


def without_database(request: HttpRequest) -> HttpResponse:
    return try_later(page_in_house_language(request, "away", status=503))
