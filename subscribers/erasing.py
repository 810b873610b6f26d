"""Erase a subscriber: rows, letters, notices, and what the ledger holds of them. One of the writers of consent."""

import logging
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from subscribers import clock, notices, optin, optouts, signed_links
from subscribers.models import Consent, Letter, Subscriber, Subscription, Suppression
from subscribers.optouts import OptOut
from subscribers.records import Origin

log = logging.getLogger(__name__)

Step, Reason = Consent.Step, Suppression.Reason


def forget(email_key: str, origin: Origin) -> bool:
    """Erase a subscriber except for the keyed hash of the address, so that no file brings it back.

    Return False if unknown. A stronger suppression of the address stays, with its date and without its texts. Only a
    fresh double opt-in brings the subscriber back, and shows this step in the new history. What other apps hold is
    erased too: settings.FORGET. Running it again completes the log of opt-outs after a crash.
    """
    now = clock.now()
    hash = signed_links.suppression_hash(email_key)
    with transaction.atomic():
        subscriber = Subscriber.objects.select_for_update(no_key=True).filter(email_key=email_key).first()
        # Another subscriber may have named this address as their new one.
        named, _ = Letter.objects.filter(email_key=email_key).delete()
        if subscriber is None and not named and not Suppression.objects.filter(hash=hash).exists():
            return False
        # Confirming and leaving lock the subscription first and the suppression after it.
        list(Subscription.objects.select_for_update().filter(subscriber=subscriber).order_by("pk"))
        notices.forget(email_key)
        if subscriber and _hears_of_erasure(subscriber, origin):
            notices.erased(subscriber, now)
        optin.suppress(hash, Reason.ERASED, origin)
        _note_erasure(hash, subscriber, origin, now)
        # Also if a stronger suppression stands: an older backup must forget them again when it is restored.
        optouts.note([OptOut(hash, "", str(Reason.ERASED), now)])
        if subscriber:
            # A send being planned may already hold this subscriber, unseen. Wait for it here, or it would commit
            # between the statement that looks for deliveries and the one that deletes the subscriber, and fail this.
            list(Subscriber.objects.select_for_update().filter(pk=subscriber.pk))
            import_string(settings.FORGET)(subscriber.pk, subscriber.email)
            subscriber.delete()
    log.info("subscriber erased")
    return True


def _hears_of_erasure(subscriber: Subscriber, origin: Origin) -> bool:
    """Return True once, and never if somebody else entered the address and nobody ever confirmed it."""
    known = subscriber.consents.filter(step__in=[Step.CONFIRMED, Step.IMPORTED]).exists()
    return known and origin.how != optin.RESTORE and notices.may_be_told(subscriber)


def _note_erasure(hash: str, subscriber: Subscriber | None, origin: Origin, now: datetime) -> None:
    Suppression.objects.filter(hash=hash).update(**vars(optin.NO_MORE))
    erased = Suppression.objects.filter(hash=hash)
    if subscriber is None:  # erased before: that is the step on record, not this
        erased = erased.filter(erased_at=None)
    erased.update(erased_at=now, erased_how=origin.how)
