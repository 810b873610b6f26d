"""Hint workers at single emails that wait. A hint may be lost or duplicated: the row is the queue."""

from django.conf import settings
from django.utils.module_loading import import_string

# The tasks in `subscribers.tasks`, which only workers load. Messages with these names wait in queues during upgrades.
CONFIRMATION, LETTER = "subscribers.send_confirmation", "subscribers.send_letter"


def hint_confirmation(subscription_id: int) -> bool:
    """Enqueue a hint of a confirmation email. Return False if no broker takes it: the sweep finds the row."""
    return bool(import_string(settings.ENQUEUE)(CONFIRMATION, subscription_id))


def hint_letter(letter_id: int) -> bool:
    """Enqueue a hint of an email with a link, as `hint_confirmation` does."""
    return bool(import_string(settings.ENQUEUE)(LETTER, letter_id))
