"""Draw and store the cards of issues, and of newsletters with their icons."""

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
