"""Check what a send needs besides the issue: an existing sender, a postal address, a working unsubscribe link."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mailer.checks.proofs import Proof, shortened
from mailer.config.rules import names
from mailer.content.findings import Finding

# RFC 2606: no email comes from these or reaches them; an address there means that newsletter.toml was not edited.
RESERVED = names("example test invalid localhost example.com example.net example.org")
# What `mailer init` writes, or wrote.
STARTERS_ADDRESS = "Edge Notes, 1 Harbour Street, Springfield"
STARTERS = {
    "name": ("Edge Notes", "边缘札记"),
    "about": (
        "Every two weeks, for people who run models on small devices.",
        "两周一期，写给在小设备上跑模型的人。",
    ),
}
STARTERS_LIST_IDS = ("edge-notes.edge-notes.example",)
STARTERS_LICENSE = "CC BY 4.0"


def look(proof: Proof) -> Iterator[Finding]:
    yield from _way_out(proof)
    if proof.rehearsal:
        return
    yield from _postal_address(proof)
    if proof.local:
        return
    yield from _sender(proof)
    yield from _sample(proof)
    if urlsplit(proof.base_url).scheme != "https":
        yield proof.finding_on_top(
            "base-url",
            f"subscribers' links would lead to {proof.base_url}, where they cannot unsubscribe",
            "set BASE_URL to the public https address of `mailer serve`",
        )


def _way_out(proof: Proof) -> Iterator[Finding]:
    """Report a missing unsubscribe link, which an editor's own template may have lost."""
    link = proof.rendered.placeholders["unsubscribe"]
    parts = (("HTML", proof.rendered.html, "footer.html"), ("text", proof.rendered.text, "body.txt"))
    for part, content, template in parts:
        if not re.search(rf"{link}(?!\?)", content):  # a link to the preferences is not an unsubscribe link
            yield proof.finding_on_top(
                "unsubscribe-missing",
                f"the email's {part} has no unsubscribe link",
                f"put {{{{ unsubscribe }}}} back into templates/email/issue/{template}",
            )


def _postal_address(proof: Proof) -> Iterator[Finding]:
    address = proof.newsletter.postal_address.strip()
    if not address:
        yield proof.finding_on_top(
            "postal-address",
            f"newsletter {proof.newsletter.label} has no postal address, which the law requires in each issue",
            "add postal_address to newsletter.toml",
        )
    elif address == STARTERS_ADDRESS and not proof.local:
        yield proof.finding_on_top(
            "postal-address",
            f'the postal address is still "{address}", the example from `mailer init`',
            "put yours into newsletter.toml",
        )


def _sample(proof: Proof) -> Iterator[Finding]:
    """Check what subscribers and their filters know a newsletter by: it must not be what `mailer init` invented."""
    newsletter = proof.newsletter
    left = [key for key, invented in STARTERS.items() if getattr(newsletter, key) in invented]
    if newsletter.list_id in STARTERS_LIST_IDS:
        left.append("list_id")
    # Many a newsletter has this very licence; beside another invention it was not chosen.
    if left and newsletter.license == STARTERS_LICENSE:
        left.append("license")
    for key in left:
        yield proof.finding_on_top(
            "sample-left",
            f'{key} is still "{shortened(getattr(newsletter, key))}", the example from `mailer init`',
            "put yours into newsletter.toml" + (", or remove the line" if key in ("about", "license") else ""),
        )


def _sender(proof: Proof) -> Iterator[Finding]:
    """Check the addresses that the email comes from and that replies go to."""
    for key, address in (("from_email", proof.newsletter.from_email), ("reply_to", proof.newsletter.reply_to)):
        parts = address.lower().rpartition("@")[2].rstrip(".").split(".")
        if RESERVED & {parts[-1], ".".join(parts[-2:])}:
            yield proof.finding_on_top(
                "sender-reserved",
                f"{key} is {address}, and that domain exists only for examples: it can neither send nor receive email",
                "put an address of yours into newsletter.toml",
            )
