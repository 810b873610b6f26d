"""Draw and store the cards of issues, and of newsletters with their icons."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailer.archive import entries
from mailer.config.newsletter import Newsletter
from mailer.store import page_images
from mailer.store.page_images import OF_NEWSLETTER, Role


def keep_card(newsletter: Newsletter, slug: str, title: str, language: str) -> bool:
    """Draw and store the card of an issue; return False if none can be drawn, and leave the one there is."""
    from mailer.content.cards import card_of  # what draws is not needed by other commands

    card = card_of(title, newsletter, language)
    if card:
        page_images.keep(newsletter.label, slug, {Role.CARD: card})
    return card is not None


def forget_card(newsletter: Newsletter, slug: str) -> None:
    """Remove the card of an issue, for example because it shows a title that was changed."""
    page_images.keep(newsletter.label, slug, {Role.CARD: None})


def renew_card(newsletter: Newsletter, slug: str, title: str, language: str) -> None:
    """Draw the card of an issue anew if it has one; remove it if that cannot be done here."""
    if page_images.card(newsletter.label, slug) and not keep_card(newsletter, slug, title, language):
        forget_card(newsletter, slug)


def keep_look(newsletter: Newsletter) -> None:
    """Draw and store the newsletter's own card and icons, as its file describes it now."""
    from mailer.content.cards import card_of_newsletter
    from mailer.content.cards.icons import icons_of

    tab, home_screen = icons_of(newsletter) or (None, None)
    images = {Role.ICON: tab, Role.HOME_SCREEN: home_screen}
    if card := card_of_newsletter(newsletter):
        page_images.keep(newsletter.label, OF_NEWSLETTER, {**images, Role.CARD: card})
    else:
        page_images.keep(newsletter.label, OF_NEWSLETTER, images)


@dataclass(frozen=True)
class Drawn:
    """What became of the card of an issue."""

    slug: str
    fault: str = ""  # why there is none


def draw_cards(newsletter: Newsletter, *, again: bool = False) -> Iterator[Drawn]:
    """Draw and store the cards of the newsletter's pages that have none, also imported ones; `again`: of all.

    Yield each issue once it is done.
    """
    from mailer.content.cards import faults_of

    keep_look(newsletter)
    known = frozenset() if again else page_images.with_card(newsletter.label)
    for entry in entries(newsletter.label):
        if entry.slug in known:
            continue
        if keep_card(newsletter, entry.slug, entry.title, entry.language):
            yield Drawn(entry.slug)
        else:
            faults = faults_of(f"{entry.title} {newsletter.name}", newsletter, entry.language)
            yield Drawn(entry.slug, str(faults) or "its title does not fit")
