"""Keep what browsers and other sites show of a newsletter and its issues: cards and icons.

They are drawn where the newsletter's files are, and stored as images of issues are: web processes read no files.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from mailer.models import Media, PageImage
from mailer.store.media import keep_images

if TYPE_CHECKING:  # reading images loads a decoder that a worker never needs
    from mailer.content.assets.images import Image

Role = PageImage.Role
OF_NEWSLETTER = ""  # instead of a slug


def keep(newsletter: str, slug: str, images: "Mapping[Role, Image | None]") -> None:
    """Store the images of an issue's page, or of the newsletter (`OF_NEWSLETTER`), by role; None removes one."""
    kept = {role: image for role, image in images.items() if image}
    with transaction.atomic():
        keep_images(kept.values())
        for role in sorted(images):
            if image := kept.get(role):
                PageImage.objects.update_or_create(
                    newsletter=newsletter, slug=slug, role=role, defaults={"media_id": image.sha256}
                )
            else:
                _of(newsletter, slug, role).delete()


def card(newsletter: str, slug: str = OF_NEWSLETTER) -> str:
    """Return the name of the card's file, such as `ab12….png`; "" if there is none."""
    return file_of(cards(newsletter).filter(slug=slug).values_list("media_id", flat=True).first())


def cards(newsletter: str) -> QuerySet[PageImage]:
    """Return the cards of the newsletter and its issues."""
    return PageImage.objects.filter(newsletter=newsletter, role=Role.CARD)


def file_of(card: str | None) -> str:
    """Return the name of the file of a card, which is known by its hash; "" for none."""
    return f"{card}.png" if card else ""


def with_card(newsletter: str) -> frozenset[str]:
    """Return the slugs of the newsletter's issues that have a card."""
    return frozenset(cards(newsletter).exclude(slug=OF_NEWSLETTER).values_list("slug", flat=True))


def icon(newsletter: str, role: Role) -> Media | None:
    found = _of(newsletter, OF_NEWSLETTER, role).select_related("media").first()
    return found.media if found else None


def rename(old: str, new: str) -> None:
    """Give the images of a newsletter to the one that it is called now, which keeps what it has."""
    taken = PageImage.objects.filter(newsletter=new, slug=OuterRef("slug"), role=OuterRef("role"))
    PageImage.objects.filter(Exists(taken), newsletter=old).delete()
    PageImage.objects.filter(newsletter=old).update(newsletter=new)


def _of(newsletter: str, slug: str, role: Role) -> QuerySet[PageImage]:
    return PageImage.objects.filter(newsletter=newsletter, slug=slug, role=role)
