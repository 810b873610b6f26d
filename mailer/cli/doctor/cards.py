"""Check whether cards can be drawn on this machine: where there is a font, and what it lacks."""

from collections.abc import Iterator

from django.conf import settings

from mailer.config.newsletter import Newsletter
from mailer.providers.protocol import Check

LAST = 20  # issues whose titles are looked at


def checks(database: bool) -> Iterator[Check]:
    """Yield what each newsletter's cards lack; the titles of its last issues are known with a `database`."""
    for label, newsletter in settings.NEWSLETTERS.items():
        yield Check(f"cards {label}", *_state(newsletter, _titles(label) if database else []))


def _titles(label: str) -> list[tuple[str, str, str]]:
    """Return slug, title and language of the last issues that have a page."""
    from mailer.archive import entries

    return [(entry.slug, entry.title, entry.language) for entry in entries(label)[:LAST]]


def _state(newsletter: Newsletter, titles: list[tuple[str, str, str]]) -> tuple[str, str]:
    from mailer.content.cards import faults_of

    own = faults_of(f"{newsletter.name} {newsletter.about}", newsletter)
    if own and not own.missing:
        return ("warning" if newsletter.card_font else "ok"), f"none are drawn here: {own}"
    if own:
        return "warning", f"name or about cannot be drawn: {own}"
    for slug, title, language in titles:
        if faults := faults_of(title, newsletter, language):
            return "warning", f"{slug} has none: {faults}"
    return "ok", "can be drawn"
