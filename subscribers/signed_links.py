"""The addresses that only one reader can open, signed with the installation's link keys."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from subscribers import clock, tokens


def keys() -> tokens.Keys:
    """The installation's keys, as this process knows them."""
    found: tokens.Keys = import_string(settings.LINK_KEYS)()
    return found


def signing_key() -> bytes:
    """By an estimate of the database's clock: a page that works without the database is not to wait for it."""
    return keys().signing(clock.estimated())


def suppression_hash(email_key: str) -> str:
    return tokens.suppression_hash(email_key, keys().suppressions)


def suppression_hashes(email_keys: Iterable[str]) -> dict[str, str]:
    return tokens.suppression_hashes(email_keys, keys().suppressions)


def confirm_url(public_id: UUID, newsletter: str) -> str:
    """Good for a week from now."""
    expires = clock.now_or_estimated() + tokens.CONFIRM_LIFE
    token = tokens.make(tokens.CONFIRM, public_id, newsletter, signing_key(), expires)
    return f"{settings.BASE_URL}{reverse('subscribers:confirm', args=[token])}"


def unsubscribe_url(public_id: UUID, newsletter: str) -> str:
    """Good for ever."""
    return f"{settings.BASE_URL}{unsubscribe_path(public_id, newsletter)}"


def unsubscribe_path(public_id: UUID, newsletter: str) -> str:
    """Good for ever."""
    return reverse(
        "subscribers:unsubscribe", args=[tokens.make(tokens.UNSUBSCRIBE, public_id, newsletter, signing_key())]
    )


def preferences_path(public_id: UUID, newsletter: str) -> str:
    """Good for ever."""
    return reverse(
        "subscribers:preferences", args=[tokens.make(tokens.PREFERENCES, public_id, newsletter, signing_key())]
    )


def undo_path(public_id: UUID, newsletter: str, leaving: int) -> str:
    """Good for half an hour from now, for this one leaving, as long as nothing else happens to the subscription."""
    until = clock.now_or_estimated() + tokens.UNDO_LIFE
    token = tokens.make_for(str(leaving), tokens.UNDO, public_id, newsletter, signing_key(), until)
    return reverse("subscribers:undo", args=[token])


def data_url(public_id: UUID, newsletter: str, email_key: str) -> str:
    """Good for half an hour from now, as long as the reader has this address: it goes there and nowhere else."""
    until = clock.now_or_estimated() + tokens.DATA_LIFE
    token = tokens.make_for(mailbox(email_key), tokens.DATA, public_id, newsletter, signing_key(), until)
    return f"{settings.BASE_URL}{reverse('subscribers:data', args=[token])}"


def mailbox(email_key: str) -> str:
    """The mark of an address in a token: it does not change with a new link key, and nobody else can make it."""
    return suppression_hash(email_key)[: tokens.MARK_LETTERS]


def address_url(letter: UUID, newsletter: str) -> str:
    """Good for a day from now. It goes to the new address and nowhere else."""
    path = _for_a_while("address", tokens.ADDRESS, letter, newsletter, tokens.ADDRESS_LIFE)
    return f"{settings.BASE_URL}{path}"


def _for_a_while(name: str, purpose: str, public_id: UUID, newsletter: str, life: timedelta) -> str:
    token = tokens.make(purpose, public_id, newsletter, signing_key(), clock.now_or_estimated() + life)
    return reverse(f"subscribers:{name}", args=[token])


def unsubscribe_url_of_test(newsletter: str, number: int) -> str:
    """The way out of the `number`-th copy of a test mail. Nothing is signed: nothing can be changed there."""
    return f"{settings.BASE_URL}{reverse('subscribers:unsubscribe_test', args=[newsletter, number])}"


def read(token: str, purpose: str) -> tokens.Ticket:
    """Raises TokenError, ExpiredToken; DatabaseError if a newer key may have signed it and cannot be asked for."""
    known = keys()
    try:
        return tokens.read(token, purpose, known.verifying(), clock.now_or_estimated)
    except tokens.UnknownSignature:
        again: tokens.Keys = import_string(settings.LINK_KEYS_AGAIN)()
        if again == known:
            raise
    return tokens.read(token, purpose, again.verifying(), clock.now_or_estimated)
