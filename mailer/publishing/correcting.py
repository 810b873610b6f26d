"""Correct the web page of an issue that was sent: look at what would change, then change it."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from mailer.archive import correcting, indexing, is_removed, removing, sent, shown
from mailer.archive.correcting import Change
from mailer.checks.proofs import Proof
from mailer.config.environment import LOOPBACK
from mailer.content.findings import Finding
from mailer.models import ArchivedIssue, Send
from mailer.publishing import cards
from mailer.publishing.archiving import page_address
from mailer.publishing.errors import CorrectSettings, Refused
from mailer.publishing.preparing import require_sound

# Rules about the email as mail servers see it; a page is neither too long for Gmail nor in need of a sender.
OF_MAIL_ONLY = frozenset(
    {
        "size-limit",
        "size-warning",
        "style-size",
        "client-support",
        "unsubscribe-missing",
        "sender-reserved",
        "postal-address",
        "sample-left",
    }
)


@dataclass(frozen=True)
class Proposal:
    """What `correct` would change on the page of a send; nothing if the page says it already."""

    send: Send
    proof: Proof
    changes: tuple[Change, ...]
    title: str  # that the page has now
    is_removed: bool = False  # the page, which is put back

    @property
    def url(self) -> str:
        return page_address(self.send.newsletter, self.send.slug)


def require_sound_page(proof: Proof, ignored: Iterable[str] = ()) -> list[Finding]:
    """Return the warnings of an issue that may stand on its page. Raises CorrectIssue with the errors of any other."""
    return require_sound(proof, ignored, beside=OF_MAIL_ONLY)


def propose(proof: Proof) -> Proposal:
    """Return what would change on the page of the issue, which was sent. Raises Refused and CorrectSettings."""
    label, slug = proof.newsletter.label, proof.rendered.slug
    send, said = sent(label).filter(slug=slug).first(), shown(label, slug)
    if send is None or said is None:
        raise Refused(_why_no_page(proof))
    require_public_address(send.base_url)
    changes = tuple(correcting.changes(said, proof.rendered))
    return Proposal(send, proof, changes, said.entry.title, is_removed(label, slug))


def correct(proposal: Proposal) -> datetime | None:
    """Put the issue on the page of its send; return since when the page says so, None if it said the same before.

    A page that was removed is put back.
    """
    send, rendered = proposal.send, proposal.proof.rendered
    corrected_at = correcting.correct(send, rendered).corrected_at if proposal.changes else None
    removing.put_back(send.newsletter, send.slug)
    _draw(proposal)
    indexing.renew(send.newsletter, send.slug)
    return corrected_at


def _draw(proposal: Proposal) -> None:
    """Draw the card anew. Where that cannot be done here, the former one stays unless its title is another."""
    newsletter, issue = proposal.proof.newsletter, proposal.proof.rendered
    cards.keep_look(newsletter)
    drawn = cards.keep_card(newsletter, issue.slug, issue.subject, issue.language)
    if not drawn and proposal.title != issue.subject:
        cards.forget_card(newsletter, issue.slug)


def _why_no_page(proof: Proof) -> str:
    file, label, slug = proof.issue.path, proof.newsletter.label, proof.rendered.slug
    if ArchivedIssue.objects.filter(newsletter=label, slug=slug).exists():
        return f"{file}: {slug} was imported; `mailer archive import {shlex.quote(str(file))}` updates its page."
    return f"{file}: no issue {slug} of {label} has been sent, so there is no page to correct."


def require_public_address(sent_from: str) -> None:
    """Raise CorrectSettings for a page whose images stand on the editor's laptop."""
    here, there = (urlsplit(url).hostname in LOOPBACK for url in (settings.BASE_URL, sent_from))
    if here and not there:
        raise CorrectSettings(
            f"BASE_URL is {settings.BASE_URL}, and issues were sent from {sent_from}; set BASE_URL to the public "
            "address, or the page's images and links would point to this machine."
        )
