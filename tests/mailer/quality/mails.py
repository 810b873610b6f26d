"""Finished emails as subscribers get them, for other tools to judge."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.golden import ISSUES, ROOT, STARTER

BASE = "https://news.example.com"
LEAVE = f"{BASE}/unsubscribe/AAEBAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzA/"
ARCHIVE = (ROOT / "../shared/issues").resolve()
REAL = sorted(path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md")
NO_ARCHIVE = "no archive of real issues beside this repository (../shared/issues)"
SEED = ARCHIVE / "awesome-embedded-ai" / "embedded-ai-report" / "2019-06-29.md"


@dataclass(frozen=True)
class Seen:
    """A page or email, and what it loads: address → content and its type."""

    html: str
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)


def named(name: str) -> Path:
    """Return the issue that a test calls `name`: a sample's, "seed" or "largest". Skip if it is missing."""
    samples = {path.stem: path for path in ISSUES}
    if name in samples:
        return samples[name]
    if not REAL:
        pytest.skip(NO_ARCHIVE)
    return SEED if name == "seed" else max(REAL, key=lambda path: path.stat().st_size)


@cache
def rendered(path: Path):
    from mailer.config.newsletter import read_newsletters
    from mailer.content.issues import read_issue
    from mailer.content.rendering import render_issue

    real = path.is_relative_to(ARCHIVE)
    config = (ARCHIVE / "awesome-embedded-ai" if real else STARTER) / "newsletter.toml"
    (newsletter,) = read_newsletters(config).values()
    return newsletter, render_issue(read_issue(path, config), newsletter, base_url=BASE)


def mail(path: Path) -> Seen:
    _, issue = rendered(path)
    html = issue.html.replace(issue.placeholders["unsubscribe"], LEAVE)
    return Seen(html, {f"{BASE}/media/{image.name}": (image.content, image.content_type) for image in issue.images})


def confirmation(newsletter: str) -> Seen:
    """Return the email that asks a new subscriber to confirm. Needs the database."""
    from django.core import mail

    from subscribers.mail import confirmations
    from subscribers.models import Subscription
    from tests import readers

    readers.pending(newsletter)
    confirmations.send(Subscription.objects.get(newsletter=newsletter).pk)
    return Seen(mail.outbox[-1].alternatives[0].content)


def letter(newsletter: str) -> Seen:
    """Return the email with a link and the most in it, for a new address. Needs the database."""
    from django.core import mail

    from subscribers import changing
    from subscribers.addresses import parse
    from subscribers.mail import link_mails
    from tests import readers

    reader = readers.confirmed(newsletter, readers.Named("", f"reader-of-{newsletter}@readers.example"))
    new = parse(f"new-of-{newsletter}@readers.example")
    link_mails.send(changing.ask_to_move(reader.public_id, newsletter, new, readers.LINK))
    return Seen(mail.outbox[-1].alternatives[0].content)


def notice(newsletter: str, kind: str = "undone") -> Seen:
    """Return a notice of a change, one with a button. Needs the database."""
    from django.core import mail

    from subscribers import notices
    from subscribers.mail import notice_mails
    from subscribers.models import Notice
    from tests import readers

    reader = readers.confirmed(newsletter, readers.Named("", f"told-of-{newsletter}@readers.example"))
    tell = {"undone": notices.undone, "moved": notices.moved}[kind]
    tell(reader, newsletter, reader.created_at)
    notice_mails.send(Notice.objects.latest("pk").pk)
    return Seen(mail.outbox[-1].alternatives[0].content)
