"""How pages for subscribers are made: in the newsletter's frame, with private headers, behind signed links."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscribers import labels, languages, limits, signed_links, tokens
from subscribers.models import FormerId, Subscriber, Subscription
from subscribers.networks import client_address, network
from subscribers.offline import AWAY, RETRY_AFTER
from subscribers.records import Origin

log = logging.getLogger(__name__)

# Of the sentences that subscribers agree to, in each language: raise it when one of them changes in that language.
WORDING_VERSIONS = {"en": "3", "ar": "1", "de": "2", "es": "1", "fr": "1", "ja": "2", "zh-hans": "3", "zh-hant": "1"}
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
WITH_A_SCRIPT_OF_OURS = f"{CONTENT_POLICY}; script-src 'self'; worker-src 'self'"
ALLOWED = ("GET", "HEAD", "POST")
PART_OF_ROUTE = re.compile(r"<[^<>]+>")
# By hand: Django took 0.7 ms to write this statement, as long as the rest of the page takes.
_WITH_NAMED_STATE = f"""
    SELECT one.*, (
        SELECT state FROM {Subscription._meta.db_table} WHERE subscriber_id = one.id AND newsletter = %s
    ) AS named_state
    FROM {Subscriber._meta.db_table} AS one WHERE public_id = %s"""  # noqa: S608 — of constants
View = Callable[..., HttpResponseBase]
Answer = TypeVar("Answer", bound=HttpResponseBase)


@dataclass(frozen=True)
class Shown:
    """A newsletter as pages show it."""

    label: str
    name: str
    language: str
    postal_address: str = ""
    accent: str = ""  # six hexadecimal digits
    contact: str = ""  # the address that replies to its emails go to
    about: str = ""
    written_in: str = ""  # the language of its issues, as HTML writes it
    has_logo: bool = False
    root: str = ""  # the path where its pages begin: form, archive and feed stand below it
    colours: str = ""  # the path of the style sheet with its accent
    sender: str = ""  # the address that its emails come from

    @property
    def logo(self) -> str:
        """Return the path of the logo, as it is made for home screens; "" if there is none."""
        return f"{self.root}apple-touch-icon.png" if self.has_logo else ""

    @property
    def form_path(self) -> str:
        return f"{self.root}subscribe/" if self.root else ""


def newsletter_shown(label: str) -> Shown:
    """Return a newsletter for its pages, also one that is no longer configured: its subscribers may still leave."""
    newsletter = settings.NEWSLETTERS.get(label)
    if newsletter is None:
        return Shown(label, label, settings.LANGUAGE_CODE)
    return _shown(newsletter, label == next(iter(settings.NEWSLETTERS)))


@lru_cache  # for all pages of a process, which has read newsletter.toml once
def _shown(newsletter: Any, is_first: bool) -> Shown:
    accent = newsletter.accent_color.removeprefix("#")
    return Shown(
        newsletter.label,
        newsletter.name,
        languages.supported(newsletter.language),
        newsletter.postal_address,
        accent,
        newsletter.reply_to or newsletter.from_email,
        newsletter.about,
        languages.language_tag(newsletter.language),
        bool(newsletter.logo),
        reverse("subscribers:home") if is_first else reverse("subscribers:home_of", args=[newsletter.label]),
        reverse("colours", args=[accent]),
        newsletter.from_email,
    )


def first_newsletter() -> str:
    label = next(iter(settings.NEWSLETTERS), None)
    if label is None:
        raise Http404("no newsletter is configured")
    return str(label)


def page(
    request: HttpRequest,
    name: str,
    newsletter: Shown,
    context: dict[str, Any] | None = None,
    status: int = 200,
    policy: str = CONTENT_POLICY,
) -> HttpResponse:
    """Render a page in the active language that loads only our own files and is not cached."""
    return answered(rendered(name, newsletter, context, request), status, policy)


def rendered(
    name: str, newsletter: Shown, context: dict[str, Any] | None = None, request: HttpRequest | None = None
) -> str:
    """Render the HTML of a page in the active language; with the request, if it has a form that only we may post."""
    language = _language()
    spoken = {"language": language, "direction": languages.direction(language)}
    return render_to_string(f"pages/{name}.html", {"newsletter": newsletter} | spoken | (context or {}), request)


def answered(body: str, status: int = 200, policy: str = CONTENT_POLICY) -> HttpResponse:
    response = HttpResponse(body, status=status)
    response["Content-Security-Policy"] = policy
    response["Cache-Control"] = "no-store"
    # Without any referrer a browser would send `Origin: null` with our own form, and Django would call it forged.
    response["Referrer-Policy"] = "same-origin"
    response["Content-Language"] = _language()
    return response


def _language() -> str:
    return translation.get_language() or settings.LANGUAGE_CODE


def page_in_house_language(
    request: HttpRequest, name: str, status: int, context: dict[str, Any] | None = None, said: str = ""
) -> HttpResponse:
    """Render a page of no known newsletter, in the frame and language of the one that is likely meant.

    That is the one that the path begins with, or that `said` is the label of, or the beginning of one; else the first
    in a language that the browser prefers; else the first, in the browser's language if it is one of ours.
    """
    shown = {label: newsletter_shown(label) for label in settings.NEWSLETTERS}
    named = [shown[label] for label in (request.path.split("/")[1], *_labels_of(said)) if label in shown]
    preferred = languages.preferred(request.headers.get("Accept-Language", ""))
    likely = named or [one for language in preferred for one in shown.values() if one.language == language]
    newsletter = next(iter([*likely, *shown.values()]), Shown("", "", settings.LANGUAGE_CODE))
    language = newsletter.language if likely or not preferred else preferred[0]
    with translation.override(language):
        return page(request, name, newsletter, context, status)


def _labels_of(said: str) -> list[str]:
    """Return the label that a damaged link says, or whose beginning it says; several would not tell which."""
    found = [label for label in settings.NEWSLETTERS if said and (label.startswith(said) or said.startswith(label))]
    return [said] if said in found else found if len(found) == 1 else []


def signed_link(purpose: str, expired: View | None = None) -> Callable[[View], View]:
    """Pass the view the ticket of its token and the newsletter; pass expired tokens to `expired`.

    It speaks the newsletter's language. A token that is not ours ends in the page for damaged links.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def read(request: HttpRequest, token: str) -> HttpResponseBase:
            chosen = view
            try:
                ticket = signed_links.read(token, purpose)
            except tokens.ExpiredToken as over:
                chosen, ticket = expired or _over, over.ticket
            except tokens.TokenError:
                return damaged(request, token)
            newsletter = newsletter_shown(ticket.newsletter)
            with translation.override(newsletter.language):
                try:
                    return kept_private(chosen(request, ticket, newsletter))
                except AWAY:
                    return kept_private(away(request, newsletter, _way_out(ticket, purpose)))

        # The signature says who asks; a cookie would keep out mail providers and people without cookies.
        return at_any_host(csrf_exempt(require_http_methods(ALLOWED)(read)))

    return decorate


def obeys_broken_bodies(view: View) -> View:
    """Mark a view that does what its URL says even if the request's body cannot be read."""
    view.obeys_broken_bodies = True  # type: ignore[attr-defined]
    return view


def at_any_host(view: View) -> View:
    """Mark a view that works under any of our host names, also an old one: it needs no cookie."""
    view.at_any_host = True  # type: ignore[attr-defined]
    return view


def to_subscriber(view: View) -> View:
    """Pass the view, below `signed_link`, the ticket's subscriber or None, and speak the language that they chose.

    A link from before its subscriber moved ends here: the old mailbox may be somebody else's by now. Not part of
    `signed_link`, because a mail provider's one-click request reads no page and must not wait for this query.
    """

    @wraps(view)
    def speak(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown) -> HttpResponseBase:
        subscriber = subscriber_of(ticket)
        if subscriber is None and (former := former_of(ticket)):
            return moved(request, ticket, newsletter, former)
        with speaking_to(subscriber, newsletter):
            return view(request, ticket, newsletter, subscriber)

    return speak


def former_of(ticket: tokens.Ticket) -> list[FormerId]:
    """Return what links with the ticket's id still unsubscribe from; empty unless its subscriber has moved."""
    return list(FormerId.objects.select_related("subscriber").filter(public_id=ticket.public_id))


def still_ends(ticket: tokens.Ticket, former: list[FormerId]) -> bool:
    """Tell whether the link unsubscribes from the newsletter that it names, which may have been renamed."""
    held = {one.newsletter for one in former}
    return ticket.newsletter in held or labels.today(ticket.newsletter) in held


def moved(request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, former: list[FormerId]) -> HttpResponse:
    """Say where a link from before a move leads now, and what it can still do."""
    unsubscribe = ""
    if still_ends(ticket, former):
        unsubscribe = signed_links.unsubscribe_path(ticket.public_id, ticket.newsletter)
    with speaking_to(former[0].subscriber, newsletter):
        return page(request, "moved", newsletter, {"unsubscribe": unsubscribe}, status=410)


def subscriber_of(ticket: tokens.Ticket) -> Subscriber | None:
    """Return the ticket's subscriber, read together with the state of the subscription that it names."""
    public_id = Subscriber._meta.get_field("public_id").get_db_prep_value(ticket.public_id, connection)
    return next(iter(Subscriber.objects.raw(_WITH_NAMED_STATE, [ticket.newsletter, public_id])), None)


def state_of(subscriber: Subscriber, newsletter: str) -> str:
    """Return the state of the subscription that a ticket names, also if the newsletter was renamed; "" without one.

    The subscriber is that of `subscriber_of`.
    """
    if state := getattr(subscriber, "named_state", None):
        return str(state)
    renamed = subscriber.subscriptions.filter(newsletter=labels.today(newsletter))
    return renamed.values_list("state", flat=True).first() or ""


def speaking_to(subscriber: Subscriber | None, newsletter: Shown) -> translation.override:
    """Activate the language that the subscriber chose, else the newsletter's."""
    return translation.override(languages.chosen(subscriber.language if subscriber else "", newsletter.language))


def kept_private(response: Answer) -> Answer:
    """Forbid the browser to pass on the page's URL, which opens the page to anybody."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def _way_out(ticket: tokens.Ticket, purpose: str) -> str:
    """Return where a subscriber who came to unsubscribe can do so without the database."""
    return signed_links.unsubscribe_path(ticket.public_id, ticket.newsletter) if purpose == tokens.PREFERENCES else ""


def away(request: HttpRequest, newsletter: Shown, unsubscribe: str = "") -> HttpResponse:
    """Say that the database is unavailable and nothing was changed."""
    return try_later(page(request, "away", newsletter, {"unsubscribe": unsubscribe}, status=503))


def try_later(response: HttpResponse) -> HttpResponse:
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def pressed(request: HttpRequest) -> bool:
    """Tell whether the one button of a page was pressed: scanners send a mailbox provider's one-click to every link."""
    return request.method == "POST" and "List-Unsubscribe" not in request.POST


def no_button(request: HttpRequest) -> str:
    """Say that a POST came without the button; return "" if the page was only opened."""
    if request.method != "POST":
        return ""
    return gettext("Nothing was changed: we did not receive which button you pressed. Please press it again.")


def link_used(request: HttpRequest, newsletter: Shown) -> HttpResponse:
    """Say that a link of ours no longer opens anything."""
    return page(request, "link_used", newsletter, status=410)


def damaged(request: HttpRequest, token: str) -> HttpResponse:
    """Say that a link is damaged, and name every newsletter's way out: whose link it was is not certain."""
    shown = [newsletter_shown(label) for label in settings.NEWSLETTERS]
    said = tokens.newsletter_said(token)
    return kept_private(page_in_house_language(request, "damaged", 404, {"newsletters": shown}, said))


def changed_enough(request: HttpRequest, newsletter: Shown, undo: Sequence[tuple[str, str]] = ()) -> HttpResponse:
    """Say that the subscriber's links changed enough for an hour.

    `undo`: names of what the same request unsubscribed from, and paths that undo it.
    """
    log.warning("link changes rate limited", extra={"newsletter": newsletter.label})
    response = page(request, "too_many", newsletter, {"undo": undo}, status=429)
    response["Retry-After"] = str(int(limits.HOUR.total_seconds()))
    return response


@to_subscriber
def _over(
    request: HttpRequest, ticket: tokens.Ticket, newsletter: Shown, subscriber: Subscriber | None
) -> HttpResponse:
    return link_used(request, newsletter)


def origin(request: HttpRequest, how: str, wording: str = "") -> Origin:
    """Return how the step that this request asks for came about. The wording is in the active language."""
    match = request.resolver_match
    # The route, not the path: a token in a consent record would work for anybody who reads the record.
    path = f"/{PART_OF_ROUTE.sub('…/', match.route)}" if match and "token" in match.kwargs else request.path
    return Origin(
        how=how,
        source=f"{settings.BASE_URL}{path}",
        wording=wording,
        wording_version=WORDING_VERSIONS[_language()] if wording else "",
        language=translation.get_language() or "",
        ip=network_of(request),
    )


def network_of(request: HttpRequest) -> str:
    """Return the network that the request came from."""
    remote, forwarded = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    return network(client_address(remote, forwarded, settings.MAILER_PROXIES))
