"""What a real send needs beside the issue: a postal address and a place where readers can leave."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mailer.checks.proofs import Proof
from mailer.findings import Finding


def look(proof: Proof) -> Iterator[Finding]:
    if proof.rehearsal:
        return
    if not proof.newsletter.postal_address.strip():
        yield proof.finding_on_top(
            "postal-address",
            f"newsletter {proof.newsletter.label} has no postal address, which the law wants in each issue",
            "add postal_address to newsletter.toml",
        )
    if urlsplit(proof.base_url).scheme != "https" and not proof.local:
        yield proof.finding_on_top(
            "base-url",
            f"readers' links would go to {proof.base_url}, where they cannot leave",
            "set BASE_URL to the public https address of `mailer serve`",
        )
