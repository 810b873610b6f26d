"""Check that the newsletter's own colour can be read: WCAG 2.2, 1.4.3 asks for 4.5 to 1."""

from collections.abc import Iterator

from mailer.checks.proofs import Proof
from mailer.content.colours import PAPER, contrast, palette
from mailer.content.findings import Finding

ENOUGH = 4.5


def look(proof: Proof) -> Iterator[Finding]:
    accent = proof.newsletter.accent_color
    chosen = palette(accent)
    on_area = contrast(chosen.accent, chosen.on_accent)
    on_paper = contrast(accent, PAPER)
    if on_area < ENOUGH:
        yield proof.finding_on_top(
            "contrast",
            f"text on accent_color {accent} has a contrast of {on_area:.1f} to 1; readable text needs at least 4.5",
            "choose a darker or a lighter accent_color in newsletter.toml",
        )
    elif on_paper < ENOUGH:
        yield proof.finding_on_top(
            "contrast",
            f"accent_color {accent} on white has a contrast of {on_paper:.1f} to 1, so links are {chosen.link} instead",
            "choose a darker accent_color in newsletter.toml to use your own colour for links",
        )
