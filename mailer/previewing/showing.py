"""A draft as the page shows it. The email itself is not touched: what is changed here is a copy."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mailer.content.cards import faults_of
from mailer.content.rendering import LARGEST, RenderedIssue
from mailer.previewing.drafts import Draft
from mailer.previewing.ignoring import ignoring

Scheme = Literal["light", "dark"]

_STYLE = re.compile(r"(<style\b[^>]*>)(.*?)(</style>)", re.DOTALL | re.IGNORECASE)
_MEDIA = re.compile(r"(\smedia=)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_FEATURE = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_META = re.compile(r"(<meta\s+name=\"(?:supported-)?color-schemes?\"\s+content=\")[^\"]*", re.IGNORECASE)
_ROOT = re.compile(r"((?:supported-)?color-schemes?\s*:\s*)(?:light dark|dark light)", re.IGNORECASE)


@dataclass(frozen=True)
class Addresses:
    """Where the page's copy points instead of the address that subscribers will use."""

    media: str  # path on the preview's own server, with a slash at its end
    unsubscribe: str


def shown(rendered: RenderedIssue, scheme: Scheme, addresses: Addresses) -> str:
    """Return the email's HTML as a client in light or dark mode shows it, whatever mode this machine is in."""
    html = _filled(rendered.html, rendered, addresses)
    for image in rendered.images:
        html = html.replace(f"{rendered.media_url}{image.name}", f"{addresses.media}{image.name}")
    html = _STYLE.sub(lambda found: found[1] + _in_scheme(found[2], scheme) + found[3], html)
    html = _MEDIA.sub(lambda found: found[1] + _in_scheme(found[2], scheme), html)
    return _META.sub(rf"\g<1>{scheme}", html)


def _in_scheme(css: str, scheme: Scheme) -> str:
    """Replace the media query for the mode by a fixed answer: a browser would ask its own system."""

    def answer(question: re.Match[str]) -> str:
        return "(min-width:0px)" if question[1].lower() == scheme else "(min-width:999999px)"

    return _ROOT.sub(rf"\g<1>{scheme}", _FEATURE.sub(answer, css))


def _filled(content: str, rendered: RenderedIssue, addresses: Addresses) -> str:
    for token in rendered.placeholders.values():
        content = content.replace(token, addresses.unsubscribe)
    return content


def page_state(draft: Draft, addresses: Addresses) -> dict[str, Any]:
    """Return all that the page's script needs, ready for JSON."""
    return {
        "version": draft.version,
        "source": draft.source,
        "trouble": asdict(draft.trouble) if draft.trouble else None,
        "findings": [asdict(finding) for finding in draft.findings],
        "ignoring": _ignoring(draft),
        "milliseconds": round(draft.milliseconds),
        "mail": _mail(draft, addresses),
    }


def _ignoring(draft: Draft) -> dict[str, Any]:
    if draft.issue is None or draft.newsletter is None:
        return {}
    rules = dict.fromkeys(finding.rule for finding in draft.findings)
    return {rule: asdict(lines) for rule, lines in ignoring(rules, draft.issue, draft.newsletter).items()}


def _mail(draft: Draft, addresses: Addresses) -> dict[str, Any] | None:
    rendered, newsletter = draft.rendered, draft.newsletter
    if rendered is None or newsletter is None:
        return None
    return {
        "newsletter": newsletter.name,
        "sender": newsletter.from_name,
        "from": f"{newsletter.from_name} <{newsletter.from_email}>",
        "subject": rendered.subject,
        "preheader": rendered.preheader,
        "language": rendered.language,
        "light": shown(rendered, "light", addresses),
        "dark": shown(rendered, "dark", addresses),
        "text": _filled(rendered.text, rendered, addresses),
        "bytes": len(rendered.html.encode()),
        "most_bytes": LARGEST,
        "content_sha256": rendered.content_sha256,
        "no_card": str(faults_of(f"{rendered.subject} {newsletter.name}", newsletter, rendered.language)),
    }
