"""Views of the archive: sent issues, by year and one by one; their feed; and what programs ask for."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control
from django.utils.http import http_date
from django.utils.translation import gettext
from django.views.decorators.http import conditional_page, require_safe
from django.views.decorators.vary import vary_on_headers

from mailer.archive import Page, archive_root, newest
from mailer.archive import page as page_of
from mailer.archive.feeds import LENGTH, Feed, Looks, atom, json_feed
from mailer.archive.finding import changes
from mailer.archive.listing import Years, listed, years_of
from mailer.archive.searching import A_PAGE, search
from mailer.archive.sections import divided
from mailer.archive.sitemaps import LIMIT
from mailer.archive.sitemaps import sitemap as written_sitemap
from mailer.archive.terms import LONGEST_QUERY, readable
from mailer.config.newsletter import Newsletter
from mailer.content.colours import mix, palette
from mailer.store.installation import public_id
from mailer.web import moved
from mailer.web.throttling import TooMany, searches
from subscribers.languages import direction, language_tag, supported
from subscribers.web.forms import new_form_time
from subscribers.web.pages import CONTENT_POLICY, first_newsletter, network_of, newsletter_shown
from subscribers.web.sharing import Picture, Shared, card, card_of_newsletter
from subscribers.web.views import promise

# Images of an issue may stand elsewhere; everything else is ours.
READING_POLICY = CONTENT_POLICY.replace("img-src 'self'", "img-src 'self' https:")
FRESH = 300  # seconds for which a page may be kept
SECURITY_DAYS = 90  # RFC 9116 asks for less than a year
YEAR = re.compile("[0-9]{1,4}")


@require_safe
@conditional_page
def archive(request: HttpRequest, label: str = "") -> HttpResponse:
    """Show the last issues that were sent, by year; with `year`, those of that one; with `q`, those that say this."""
    newsletter = _newsletter(label)
    if query := readable(request.GET.get("q", "")):
        return _search(request, newsletter, query)
    if asked := request.GET.get("year", ""):
        return year_page(newsletter, int(asked) if YEAR.fullmatch(asked) else 0)
    response = list_page(newsletter, request)
    # One form is one visitor's, as on the page to sign up.
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "same-origin"
    return response


def list_page(newsletter: Newsletter, request: HttpRequest | None = None) -> HttpResponse:
    """Render the list of the last issues; with the form to sign up if a visitor asks for it."""
    with speaking(newsletter, newsletter.language):
        form = {"form_time": new_form_time(), "promise": promise(newsletter_shown(newsletter.label))} if request else {}
        years = years_of(newsletter.label)
        return _list(newsletter, years, years.recent, {"shared": _shared_list(newsletter), **form}, request)


def year_page(newsletter: Newsletter, year: int) -> HttpResponse:
    """Render the list of the issues of a year. Raises Http404 if there are none."""
    with speaking(newsletter, newsletter.language):
        years = years_of(newsletter.label)
        if year not in years.slugs:
            raise Http404
        values = {"year": str(year), "shared": _shared_list(newsletter, f"?year={year}")}
        return _list(newsletter, years, [year], values)


def _list(
    newsletter: Newsletter,
    years: Years,
    shown: Sequence[int],
    values: dict[str, object],
    request: HttpRequest | None = None,
) -> HttpResponse:
    found = listed(newsletter.label, [slug for year in shown for slug in years.slugs[year]])
    by_year = groupby(found, lambda one: one.entry.dated.year)
    values |= {"sections": [(str(year), list(issues)) for year, issues in by_year]}
    return _page("archive", newsletter, newsletter.language, values | _ways(newsletter, years, shown), request)


@dataclass(frozen=True)
class YearLink:
    """A year of the archive as its pages link to it."""

    year: str
    address: str
    is_shown: bool  # on the page that has the link


def _ways(newsletter: Newsletter, years: Years, shown: Sequence[int]) -> dict[str, object]:
    """Return the links to all years, and to those next to what is shown."""
    root = f"{newsletter_shown(newsletter.label).root}archive/"
    addresses = {year: f"{root}#y{year}" for year in years.recent}
    addresses |= {year: f"{root}?year={year}" for year in years.earlier}
    addresses |= {year: f"#y{year}" for year in shown}
    links = {year: YearLink(str(year), addresses[year], year in shown) for year in years.slugs}
    return {
        "years": [*links.values()],
        "newer": next((link for year, link in reversed(links.items()) if year > max(shown)), None),
        "older": next((link for year, link in links.items() if year < min(shown)), None),
    }


def frame_page(name: str, newsletter: Newsletter, values: dict[str, object]) -> HttpResponse:
    """Render a page to read that has nothing of an issue."""
    with speaking(newsletter, newsletter.language):
        return _page(name, newsletter, newsletter.language, values)


def _search(request: HttpRequest, newsletter: Newsletter, query: str) -> HttpResponse:
    values: dict[str, object] = {"query": query}
    try:
        with searches.search(network_of(request)):
            found = search(newsletter.label, query, _number(request.GET.get("page", "")))
            values |= {"found": found, "first": (found.number - 1) * A_PAGE + 1 if found else 1}
    except TooMany:
        values["busy"] = True
    with speaking(newsletter, newsletter.language):
        response = _page("archive_search", newsletter, newsletter.language, values)
    if "busy" in values:
        response.status_code = 429
        response["Retry-After"] = "5"
        response["Cache-Control"] = "no-store"
    return response


def _number(typed: str) -> int:
    """Return the number of a page of results."""
    return int(typed) if typed.isdecimal() and len(typed) < 4 else 1


@require_safe
@conditional_page
def archive_issue(request: HttpRequest, slug: str, label: str = "") -> HttpResponse:
    """Show the web page of a sent issue: its content without any subscriber's link, and nothing that could run."""
    newsletter = _newsletter(label)
    page = page_of(newsletter.label, slug)
    return issue_page(newsletter, page) if page else _without_page(request, newsletter, slug)


def issue_page(newsletter: Newsletter, page: Page) -> HttpResponse:
    """Render the page of an issue."""
    language = page.entry.language or newsletter.language
    with speaking(newsletter, language):
        number = gettext("No. {number}").format(number=page.entry.number) if page.entry.number else ""
        values = {
            "page": page,
            "divided": divided(page.article, gettext("Link to this section")),
            "number": number,
            "shared": _shared(page, newsletter, language),
        }
        # No Last-Modified, as a feed has: with its neighbours the page changes although the issue does not.
        return _page("archive_issue", newsletter, language, values)


def _shared_list(newsletter: Newsletter, query: str = "") -> Shared:
    return Shared(
        title=newsletter.name,
        address=f"{_root(newsletter)}{query}",
        description=newsletter.about,
        language=newsletter.language,
        picture=card_of_newsletter(newsletter.label),
    )


def _shared(page: Page, newsletter: Newsletter, language: str) -> Shared:
    entry = page.entry
    return Shared(
        title=entry.title,
        address=f"{_root(newsletter)}{quote(entry.slug, safe='')}/",
        description=entry.preheader,
        language=language,
        kind="article",
        published=entry.published,
        corrected=entry.corrected,
        picture=card(newsletter.label, entry.title, page.card) or (Picture(*page.image) if page.image else None),
    )


def _without_page(request: HttpRequest, newsletter: Newsletter, slug: str) -> HttpResponse:
    """Say that the page was removed, or lead to the issue that was called so before, or say that there is none yet.

    A test, a rehearsal, and an email not known to be accepted link to a page that is not there yet.
    """
    removed, elsewhere = moved.within_archive(newsletter.label, slug, request.path_info)
    if elsewhere and not removed:
        return elsewhere
    with speaking(newsletter, newsletter.language):
        response = _page("archive_removed" if removed else "archive_missing", newsletter, newsletter.language, {})
    response.status_code = 410 if removed else 404
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@conditional_page
@vary_on_headers("Accept")
def feed(request: HttpRequest, label: str = "") -> HttpResponse:
    """Return the last issues as Atom, with their full content; browsers show it as a list."""
    newsletter = _newsletter(label)
    found = _feed(newsletter, "feed.xml")
    styles = [static("feed.css"), reverse("colours", args=[newsletter.accent_color.removeprefix("#")])]
    with speaking(newsletter, newsletter.language):
        hint = gettext("This is a feed. Copy its address into a feed reader, and new issues appear there.")
        body = atom(found, Looks(styles, hint, gettext("All issues")))
    # Firefox would save the feed's own type as a file.
    shown = "text/html" in request.headers.get("Accept", "")
    return _fed(body, "application/xml" if shown else "application/atom+xml", found)


@require_safe
@conditional_page
def feed_json(request: HttpRequest, label: str = "") -> HttpResponse:
    """Return the last issues as JSON Feed, with their full content."""
    found = _feed(_newsletter(label), "feed.json")
    return _fed(json_feed(found), "application/feed+json", found)


def _feed(newsletter: Newsletter, name: str) -> Feed:
    root = _root(newsletter)
    return Feed(
        newsletter, newest(newsletter.label, LENGTH), root, f"{root.removesuffix('archive/')}{name}", public_id()
    )


def _fed(body: str, content_type: str, found: Feed) -> HttpResponse:
    response = HttpResponse(body, content_type=f"{content_type}; charset=utf-8")
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'self'"
    patch_cache_control(response, public=True, max_age=FRESH)
    return _dated(response, max((page.entry.updated for page in found.pages), default=None))


@require_safe
@conditional_page
def sitemap(request: HttpRequest) -> HttpResponse:
    """List every page that search engines may show: forms, archives, issues."""
    labels = list(settings.NEWSLETTERS)
    found: list[tuple[str, datetime | None]] = []
    for label in labels:
        root = archive_root(settings.BASE_URL, label, labels)
        found += [(f"{root.removesuffix('archive/')}subscribe/", None), (root, None)]
        found += [(f"{root}{quote(slug, safe='')}/", changed) for slug, changed in changes(label, LIMIT)]
    return _for_robots(HttpResponse(written_sitemap(found), content_type="application/xml"))


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """Say whom to tell of a vulnerability of this installation (RFC 9116), if its operator has set that."""
    if not settings.MAILER_SECURITY_CONTACT:
        raise Http404
    # Midnight, so that the answer is the same all day.
    expires = datetime.now(UTC).date() + timedelta(days=SECURITY_DAYS)  # noqa: TID251 — needs no database
    spoken = dict.fromkeys(language_tag(newsletter.language) for newsletter in settings.NEWSLETTERS.values())
    lines = [
        f"Contact: {settings.MAILER_SECURITY_CONTACT}",
        f"Expires: {expires}T00:00:00Z",
        *([f"Preferred-Languages: {', '.join(spoken)}"] if spoken else []),
        f"Canonical: {settings.BASE_URL}/.well-known/security.txt",
    ]
    return _for_robots(HttpResponse("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=utf-8"))


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Forbid nothing: a robot that may not look at a subscriber's page would not see that it must not be listed."""
    body = f"User-agent: *\nDisallow:\n\nSitemap: {settings.BASE_URL}/sitemap.xml\n"
    return _for_robots(HttpResponse(body, content_type="text/plain; charset=utf-8"))


def _for_robots(response: HttpResponse) -> HttpResponse:
    patch_cache_control(response, public=True, max_age=3600)
    return response


@require_safe
def colours(request: HttpRequest, accent: str) -> HttpResponse:
    """Return the style sheet with a newsletter's accent colour, which the pages' policy allows in no other place.

    The URL holds the colour, so it may be cached indefinitely.
    """
    shades = palette(f"#{accent}")
    values = {
        "palette": shades,
        "strong": mix(shades.link, "#000000", 0.25),
        "strong_dark": mix(shades.link_dark, "#ffffff", 0.3),
    }
    response = HttpResponse(render_to_string("pages/colours.css", values), content_type="text/css; charset=utf-8")
    patch_cache_control(response, public=True, max_age=31_536_000, immutable=True)
    return response


def _newsletter(label: str) -> Newsletter:
    found: Newsletter = settings.NEWSLETTERS[label or first_newsletter()]
    return found


def _root(newsletter: Newsletter) -> str:
    return archive_root(settings.BASE_URL, newsletter.label, list(settings.NEWSLETTERS))


def speaking(newsletter: Newsletter, language: str) -> ExitStack:
    """Activate the language of ours that suits `language`, and the newsletter's time zone."""
    stack = ExitStack()
    stack.enter_context(translation.override(supported(language)))
    stack.enter_context(timezone.override(ZoneInfo(newsletter.timezone)))
    return stack


def _page(
    name: str, newsletter: Newsletter, language: str, values: dict[str, object], request: HttpRequest | None = None
) -> HttpResponse:
    """Render a page to read; with the request, if it has a form that only our own page may post."""
    spoken, tag = translation.get_language(), language_tag(language)
    context = {
        "newsletter": newsletter_shown(newsletter.label),
        "about": newsletter.about,
        "license": newsletter.license,
        "longest": LONGEST_QUERY,
        "language": language_tag(spoken),
        "content_language": tag,
        "direction": direction(language),
        # The frame is marked if it is in another language than the content.
        "foreign": tag.split("-")[0] != spoken.split("-")[0],
    }
    response = HttpResponse(render_to_string(f"pages/{name}.html", context | values, request))
    response["Content-Security-Policy"] = READING_POLICY
    response["Content-Language"] = tag
    patch_cache_control(response, public=True, max_age=FRESH)
    return response


def _dated(response: HttpResponse, moment: datetime | None) -> HttpResponse:
    if moment is not None:
        response["Last-Modified"] = http_date(moment.timestamp())
    return response
