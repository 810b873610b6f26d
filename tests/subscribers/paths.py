"""What tests of subscribers' pages open and compare."""

import re

from django.conf import settings

from subscribers import signed_links, tokens
from subscribers.models import Consent, FormerId, Letter, Notice, Subscriber, Subscription, Suppression


def path_of(url: str) -> str:
    return url.removeprefix(settings.BASE_URL)


def leave_path(reader: Subscriber, newsletter: str = "weekly") -> str:
    return path_of(signed_links.unsubscribe_url(reader.public_id, newsletter))


def confirm_path(reader: Subscriber, newsletter: str = "weekly") -> str:
    return path_of(signed_links.confirm_url(reader.public_id, newsletter))


def preferences_path(reader: Subscriber, newsletter: str = "weekly") -> str:
    return signed_links.preferences_path(reader.public_id, newsletter)


def data_path(reader: Subscriber, newsletter: str = "weekly") -> str:
    return path_of(signed_links.data_url(reader.public_id, newsletter, reader.email_key))


def undo_path(reader: Subscriber, newsletter: str = "weekly") -> str:
    """Return the link that undoes the last unsubscribe, signed even if there was none."""
    leaving = reader.consents.filter(newsletter=newsletter, step="unsubscribed").order_by("-pk").first()
    return signed_links.undo_path(reader.public_id, newsletter, leaving.pk if leaving else 0)


def every_path(reader: Subscriber) -> dict[str, str]:
    """Return one link of each purpose, by purpose."""
    moving = Letter.objects.create(
        subscriber=reader,
        newsletter="weekly",
        purpose="address",
        email=f"new-{reader.email}",
        email_key=f"new-{reader.email_key}",
    )
    return {
        tokens.CONFIRM: confirm_path(reader),
        tokens.UNSUBSCRIBE: leave_path(reader),
        tokens.UNDO: undo_path(reader),
        tokens.PREFERENCES: preferences_path(reader),
        tokens.DATA: data_path(reader),
        tokens.ADDRESS: path_of(signed_links.address_url(moving.public_id, "weekly")),
    }


def undo_in(answer) -> str:
    """Return the path of the undo link in the response; "" if it offers none."""
    found = re.search(r'action="(/unsubscribe/undo/[^"]+)"', answer.content.decode())
    return found[1] if found else ""


def everything() -> list[list[tuple]]:
    models = (Subscriber, Subscription, Consent, Suppression, Letter, FormerId, Notice)
    return [list(model.objects.order_by("pk").values_list()) for model in models]
