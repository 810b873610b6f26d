"""Keep images of issues in the database: every process and every backup has what an email shows."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mailer.models import Media

if TYPE_CHECKING:  # reading images loads a decoder that a worker never needs
    from mailer.content.assets.images import Image


def keep_images(images: Iterable["Image"]) -> None:
    """Store each image under its own hash; one that was stored before stays as it is."""
    Media.objects.bulk_create(
        [
            Media(
                sha256=image.sha256,
                extension=image.extension,
                content_type=image.content_type,
                width=image.width,
                height=image.height,
                content=image.content,
            )
            # In one order: otherwise two editors with the same two images would wait for each other.
            for image in sorted(images, key=lambda image: image.sha256)
        ],
        ignore_conflicts=True,
    )
