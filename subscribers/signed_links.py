"""URLs that only one subscriber can open, signed with the installation's link keys."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from subscribers import clock, labels, tokens


def keys() -> tokens.Keys:
    """Return the installation's keys, as this process knows them."""
    found: tokens.Keys = import_string(settings.LINK_KEYS)()
    return found


def signing_key() -> bytes:
    """Return the key to sign with now, by an estimate of the database's clock.

    A page that works without the database must not wait for it.
    """
    return keys().signing(clock.estimated())


def suppression_hash(email_key: str) -> str:
    return tokens.suppression_hash(email_key, keys().suppressions)


def suppression_hashes(email_keys: Iterable[str]) -> dict[str, str]:
    return tokens.suppression_hashes(email_keys, keys().suppressions)


def confirm_url(public_id: UUID, newsletter: str) -> str:
    """Return a URL that is valid for a week from now."""
    expires = clock.now_or_estimated() + tokens.CONFIRM_LIFE
    token = tokens.make(tokens.CONFIRM, public_id, newsletter, signing_key(), expires)
    return f"{settings.BASE_URL}{reverse('subscribers:confirm', args=[token])}"


def unsubscribe_url(public_id: UUID, newsletter: str) -> str:
    """Return a URL that never expires."""
    return f"{settings.BASE_URL}{unsubscribe_path(public_id, newsletter)}"


def unsubscribe_path(public_id: UUID, newsletter: str) -> str:
    """Return a path that never expires."""
    return reverse(
        "subscribers:unsubscribe", args=[tokens.make(tokens.UNSUBSCRIBE, public_id, newsletter, signing_key())]
    )


def preferences_path(public_id: UUID, newsletter: str) -> str:
    """Return a path that never expires."""
    return reverse(
        "subscribers:preferences", args=[tokens.make(tokens.PREFERENCES, public_id, newsletter, signing_key())]
    )


def undo_path(public_id: UUID, newsletter: str, leaving: int) -> str:
    """Return a path valid for half an hour, for this one leaving, unless the subscription changes otherwise."""
    until = clock.now_or_estimated() + tokens.UNDO_LIFE
    token = tokens.make_for(str(leaving), tokens.UNDO, public_id, newsletter, signing_key(), until)
    return reverse("subscribers:undo", args=[token])


def data_url(public_id: UUID, newsletter: str, email_key: str) -> str:
    """Return a URL valid for half an hour, as long as the subscriber has this address, which alone it is sent to."""
    until = clock.now_or_estimated() + tokens.DATA_LIFE
    token = tokens.make_for(mailbox(email_key), tokens.DATA, public_id, newsletter, signing_key(), until)
    return f"{settings.BASE_URL}{reverse('subscribers:data', args=[token])}"


def mailbox(email_key: str) -> str:
    """Return the mark of an address in a token: it does not change with a new link key, and nobody else can make it."""
    return suppression_hash(email_key)[: tokens.MARK_LETTERS]


def address_url(letter: UUID, newsletter: str) -> str:
    """Return a URL that is valid for a day from now. It is sent to the new address alone."""
    path = _for_a_while("address", tokens.ADDRESS, letter, newsletter, tokens.ADDRESS_LIFE)
    return f"{settings.BASE_URL}{path}"


def _for_a_while(name: str, purpose: str, public_id: UUID, newsletter: str, life: timedelta) -> str:
    token = tokens.make(purpose, public_id, newsletter, signing_key(), clock.now_or_estimated() + life)
    return reverse(f"subscribers:{name}", args=[token])


def unsubscribe_url_of_test(newsletter: str, number: int) -> str:
    """Return the unsubscribe URL of the `number`-th copy of a test email. It is not signed: it changes nothing."""
    return f"{settings.BASE_URL}{reverse('subscribers:unsubscribe_test', args=[newsletter, number])}"


def read(token: str, purpose: str) -> tokens.Ticket:
    """Verify a token and return its ticket.

    Raises TokenError, ExpiredToken; DatabaseError if a newer key may have signed it and cannot be asked for.
    """
    try:
        return _as_of_now(_read(token, purpose))
    except tokens.ExpiredToken as expired:
        raise tokens.ExpiredToken(_as_of_now(expired.ticket)) from None


def _as_of_now(ticket: tokens.Ticket) -> tokens.Ticket:
    """Return the ticket with the label that its newsletter has today: links outlive labels."""
    label = labels.current(ticket.newsletter)
    return ticket if label == ticket.newsletter else replace(ticket, newsletter=label)


def _read(token: str, purpose: str) -> tokens.Ticket:
    known = keys()
    try:
        return tokens.read(token, purpose, known.verifying(), clock.now_or_estimated)
    except tokens.UnknownSignature:
        again: tokens.Keys = import_string(settings.LINK_KEYS_AGAIN)()
        if again == known:
            raise
    return tokens.read(token, purpose, again.verifying(), clock.now_or_estimated)
