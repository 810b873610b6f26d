"""HTTP's door for readers: join, confirm, leave. Every page works without JavaScript and without a cookie of ours,
but for the sign-up form, whose cookie guards against forged forms.

Mail scanners open every link of a mail, and some run its scripts: GET and HEAD change nothing here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscribers import forms, languages, limits, links, optin, tokens
from subscribers.addresses import Address, AddressError, parse
from subscribers.models import Subscriber
from subscribers.networks import client_address, network
from subscribers.optin import Answer, Confirmation, Origin
from subscribers.tasks import send_confirmation

log = logging.getLogger(__name__)

# Raise it with every change to a sentence that readers agree to.
WORDING_VERSION = "1"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ALLOWED = ("GET", "HEAD", "POST")
View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Shown:
    """A newsletter as pages show it."""

    label: str
    name: str
    language: str
    postal_address: str = ""

    @property
    def form_path(self) -> str:
        if self.label == next(iter(settings.NEWSLETTERS), None):
            return reverse("subscribers:subscribe")
        if self.label in settings.NEWSLETTERS:
            return reverse("subscribers:subscribe_to", args=[self.label])
        return ""


def newsletter_shown(label: str) -> Shown:
    """Also for a newsletter that is configured no longer: its readers may still leave."""
    newsletter = settings.NEWSLETTERS.get(label)
    if newsletter is None:
        return Shown(label, label, settings.LANGUAGE_CODE)
    return Shown(label, newsletter.name, languages.supported(newsletter.language), newsletter.postal_address)


def first_newsletter() -> str:
    label = next(iter(settings.NEWSLETTERS), None)
    if label is None:
        raise Http404("no newsletter is configured")
    return str(label)


# ---------------------------------------------------------------- join


@require_http_methods(ALLOWED)
def subscribe(request: HttpRequest, label: str | None = None) -> HttpResponse:
    """The form; and for a POST of it the same page for every address, whether we know it or not."""
    newsletter = newsletter_shown(label or first_newsletter())
    with translation.override(newsletter.language):
        if request.method != "POST":
            return _form(request, newsletter)
        return _sign_up(request, newsletter, forms.sign_up_of(request))


def _sign_up(request: HttpRequest, newsletter: Shown, form: forms.SignUp) -> HttpResponse:
    if form.bait:
        return _check_your_mail(request, newsletter)
    try:
        address = parse(form.email)
    except AddressError as error:
        return _form(request, newsletter, form, error=gettext(str(error)))
    made = forms.made(form.form_time)
    if made is not forms.Made.BY_A_PERSON:
        return _form(request, newsletter, form, notice=gettext("Almost there: press the button once more."))
    origin = _origin(request, "form", _promise(newsletter), newsletter)
    return _ask_to_confirm(request, newsletter, address, origin)


def _ask_to_confirm(request: HttpRequest, newsletter: Shown, address: Address, origin: Origin) -> HttpResponse:
    try:
        asked = optin.subscribe(address, newsletter.label, language=newsletter.language, origin=origin)
    except limits.TooManyRequests as reason:
        log.warning("sign-ups limited", extra={"reason": str(reason), "newsletter": newsletter.label})
        response = _page(request, "too_many", newsletter, status=429)
        response["Retry-After"] = "3600"
        return response
    if asked.answer is Answer.MAIL_DUE:
        transaction.on_commit(partial(send_confirmation.hint, asked.subscription_id))
    return _check_your_mail(request, newsletter)


def _form(
    request: HttpRequest, newsletter: Shown, form: forms.SignUp | None = None, error: str = "", notice: str = ""
) -> HttpResponse:
    # A form that came back too fast keeps its time, or a quick hand would never get through.
    keep = form is not None and forms.made(form.form_time) is not forms.Made.NOT_HERE
    context = {
        "email": form.email if form else "",
        "form_time": form.form_time if form and keep else forms.new_form_time(),
        "promise": _promise(newsletter),
        "error": error,
        "notice": notice,
    }
    return _page(request, "subscribe", newsletter, context)


def _check_your_mail(request: HttpRequest, newsletter: Shown) -> HttpResponse:
    return _page(request, "check_your_mail", newsletter)


def _promise(newsletter: Shown) -> str:
    """What a reader agrees to; it is shown on the form and kept with their consent."""
    return gettext("I want to get %(newsletter)s by mail. I can leave at any time with one click.") % {
        "newsletter": newsletter.name
    }


# ---------------------------------------------------------------- pages behind a signed link


def _signed_link(purpose: str) -> Callable[[View], View]:
    """The view gets the ticket of its token. A token that is not ours ends in the page for lost links."""

    def decorate(view: View) -> View:
        @wraps(view)
        def read(request: HttpRequest, token: str) -> HttpResponse:
            try:
                ticket = links.read(token, purpose)
            except tokens.ExpiredToken as expired:
                response = _expired(request, expired.ticket)
            except tokens.TokenError:
                response = not_found(request)
            else:
                newsletter = newsletter_shown(ticket.newsletter)
                with translation.override(newsletter.language):
                    response = view(request, ticket, newsletter)
            response["Referrer-Policy"] = "no-referrer"
            response["X-Robots-Tag"] = "noindex"
            return response

        # The signature says who asks; a cookie would keep out mail providers and readers without cookies.
        return csrf_exempt(require_http_methods(ALLOWED)(read))

    return decorate


@_signed_link(tokens.CONFIRM)
def confirm(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """One button; pressing it confirms, and pressing it again shows the same page."""
    if request.method != "POST":
        return _page(request, "confirm", newsletter, {"promise": _promise(newsletter)})
    origin = _origin(request, "link", _promise(newsletter), newsletter)
    result = optin.confirm(ticket.public_id, ticket.newsletter, origin)
    if result in (Confirmation.CONFIRMED, Confirmation.BEFORE):
        return _page(request, "confirmed", newsletter)
    return _page(request, "link_used", newsletter, status=410)


@_signed_link(tokens.UNSUBSCRIBE)
def unsubscribe(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponse:
    """One button; pressing it, or a mail provider's one click (RFC 8058), unsubscribes at once.

    The answer is the same for readers who left before and for those we know no longer.
    """
    if request.method != "POST":
        return _page(request, "unsubscribe", newsletter)
    origin = _origin(request, _way_of_leaving(request), "", newsletter)
    optin.unsubscribe(ticket.public_id, ticket.newsletter, origin)
    return _page(request, "unsubscribed", newsletter)


@csrf_exempt
@require_http_methods(ALLOWED)
def unsubscribe_test(request: HttpRequest, label: str = "", number: int = 0) -> HttpResponse:
    """The way out of a test mail: button and one click answer as they would, and nobody is unsubscribed.

    Each copy of a test has a number, because each reader of an issue has a link of their own.
    """
    newsletter = newsletter_shown(label if label in settings.NEWSLETTERS else first_newsletter())
    with translation.override(newsletter.language):
        response = _page(request, "unsubscribe_test", newsletter, {"pressed": request.method == "POST"})
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def _way_of_leaving(request: HttpRequest) -> str:
    """Only our button says `page`. A body that cannot be read still comes with a signed link, and is obeyed."""
    try:
        return "page" if request.POST.get("from") == "page" else "one-click"
    except (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return "one-click"


def _expired(request: HttpRequest, ticket: tokens.Ticket) -> HttpResponse:
    """A confirmation link older than a week: one button mails a new one."""
    newsletter = newsletter_shown(ticket.newsletter)
    with translation.override(newsletter.language):
        if request.method != "POST":
            return _page(request, "expired", newsletter, status=410)
        reader = Subscriber.objects.filter(public_id=ticket.public_id).first()
        if reader is None or not newsletter.form_path:
            return _page(request, "link_used", newsletter, status=410)
        origin = _origin(request, "link", _promise(newsletter), newsletter)
        return _ask_to_confirm(request, newsletter, Address(reader.email, reader.email_key), origin)


def _origin(request: HttpRequest, how: str, wording: str, newsletter: Shown) -> Origin:
    remote, forwarded = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    match = request.resolver_match
    # The route, not the path: a token in a consent record would open its door for whoever reads it.
    source = f"{settings.BASE_URL}/{match.route}" if match and "token" in match.kwargs else _address(request)
    return Origin(
        how=how,
        source=source,
        wording=wording,
        wording_version=WORDING_VERSION if wording else "",
        language=newsletter.language,
        ip=network(client_address(remote, forwarded, settings.MAILER_PROXIES)),
    )


def _address(request: HttpRequest) -> str:
    return f"{settings.BASE_URL}{request.path}"


# ---------------------------------------------------------------- pages for what went wrong


def without_our_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django calls this for a POST that no page of ours made. A sign-up gets our form, filled in; nothing changed."""
    match = request.resolver_match
    if match is None or match.func is not subscribe or request.method != "POST":
        return _in_house_language(request, "forbidden", status=403)
    newsletter = newsletter_shown(match.kwargs.get("label") or first_newsletter())
    form = forms.sign_up_of(request)
    with translation.override(newsletter.language):
        if forms.made(form.form_time) is forms.Made.NOT_HERE:
            notice = gettext("Almost there: press the button once more.")
        else:
            notice = gettext("Your browser did not keep our cookie, which protects this form. Allow it and try again.")
        return _form(request, newsletter, form, notice=notice)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _in_house_language(request, "not_found", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return _in_house_language(request, "failed", status=500)


def _in_house_language(request: HttpRequest, name: str, status: int) -> HttpResponse:
    label = next(iter(settings.NEWSLETTERS), "")
    newsletter = newsletter_shown(label) if label else Shown("", "", settings.LANGUAGE_CODE)
    with translation.override(newsletter.language):
        return _page(request, name, newsletter, status=status)


def _page(
    request: HttpRequest, name: str, newsletter: Shown, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """A page in the active language, which loads nothing but our own stylesheet and is kept by nobody."""
    values = {"newsletter": newsletter, "language": translation.get_language()} | (context or {})
    body = render_to_string(f"pages/{name}.html", values, request=request)
    response = HttpResponse(body, status=status)
    response["Content-Security-Policy"] = CONTENT_POLICY
    response["Cache-Control"] = "no-store"
    # Without any referrer a browser would send `Origin: null` with our own form, and Django would take it for forged.
    response["Referrer-Policy"] = "same-origin"
    response["Content-Language"] = str(values["language"])
    return response
