"""Whose mail this process may send: the provider account of its API key, and the newsletters of its newsletter.toml.

Several installations may work at one database, with other keys or other newsletters. A key is known by its fingerprint.
The first one for a provider's host is adopted automatically; any later one sends nothing until a person says to which
account it belongs (`mailer doctor --adopt-key`): a key of somebody else's account looks just like one that was rotated.
"""

import hashlib
import logging
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet

from mailer.config.environment import LOOPBACK
from mailer.models import REHEARSAL, AccountKey, Installation, ProviderAccount, Send
from mailer.providers.current import configured_provider
from subscribers.installations import newsletters_here

log = logging.getLogger(__name__)

FIRST = "main"


class UnknownKey(ImproperlyConfigured):
    """Nothing can be sent with this process's key until a person says whose it is; the message says how."""


class NameTaken(ValueError):
    """The name is that of an account at another provider."""


def fingerprint() -> str:
    """Return the fingerprint of this process's API key; a rehearsal has that of the empty key."""
    return fingerprint_of(configured_provider().key())


@cache
def fingerprint_of(key: str) -> str:
    # An API key holds far more than 64 random bits, so 64 bits of their hash lead nobody back to the key.
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def known_account() -> ProviderAccount | None:
    """Return the account of this process's key, or None when the key is unknown."""
    return owner_of(fingerprint())


def this_account() -> ProviderAccount | None:
    """Return the account of this process's key, adopting the first key of a host; None when the key is unknown."""
    return known_account() or _adopt_the_first()


def is_unknown() -> bool:
    """Tell whether this process's key is unknown, and not the first one either; adopt nothing."""
    return known_account() is None and AccountKey.objects.filter(host=settings.PROVIDER).exists()


def refuse_unknown_key() -> None:
    """Raise UnknownKey if `this_account` would find none; adopt nothing."""
    if is_unknown():
        raise UnknownKey(unknown_key())


def require_account() -> ProviderAccount:
    """Return the account of this process's key as `this_account` does. Raises UnknownKey."""
    account = this_account()
    if account is None:
        raise UnknownKey(unknown_key())
    return account


def name_here() -> str:
    """Return the name of this process's account, or the one that its key will have when it is used first."""
    account = known_account() or accounts_here().first()
    return account.name if account else _free_name()


def unknown_key() -> str:
    """Say that this process's key is unknown, and what to do."""
    names = ", ".join(f"`{account.name}`" for account in accounts_here())
    key = f"{configured_provider().names.key} (fingerprint {fingerprint()})"
    return (
        f"{key} is unknown here: the known keys of {settings.PROVIDER} belong to the account {names}. Nothing is "
        "sent with it until `mailer doctor --adopt-key` assigns it to an account."
    )


def own_sends() -> QuerySet[Send]:
    """Return the sends that a worker of this process may send."""
    key = AccountKey.objects.filter(host=settings.PROVIDER, fingerprint=fingerprint())
    return Send.objects.filter(newsletters_here(), provider=settings.PROVIDER, account__in=key.values("account"))


def may_mail() -> bool:
    """Tell whether confirmations and other single emails may go out from here: not with an unknown key.

    Nor in a rehearsal beside an account that mails: its record would swallow what a subscriber waits for.
    """
    if settings.PROVIDER != REHEARSAL:
        return not is_unknown()
    return not AccountKey.objects.exclude(host__in=(REHEARSAL, *LOOPBACK)).exists()


def has_newsletter(label: str, list_id: str) -> bool:
    """Tell whether newsletter.toml of this process has this newsletter, and not another one of that name.

    An empty `list_id` comes from rows that an older version wrote.
    """
    newsletter = settings.NEWSLETTERS.get(label)
    return newsletter is not None and list_id in ("", newsletter.list_id)


def owner_of(key: str) -> ProviderAccount | None:
    """Return the account that this fingerprint belongs to at this process's provider."""
    return ProviderAccount.objects.filter(keys__host=settings.PROVIDER, keys__fingerprint=key).first()


def adopt_key(key: str, name: str) -> ProviderAccount:
    """Map this fingerprint to the account of that name, which is made if there is none; the host's other keys stay.

    Raises NameTaken for an account of another provider. Only if a person says so: the key could be anybody's.
    """
    with transaction.atomic():
        account, _ = ProviderAccount.objects.get_or_create(name=name, defaults={"host": settings.PROVIDER})
        if account.host != settings.PROVIDER:
            raise NameTaken(f"`{name}` is an account at {account.host}, but this key belongs to {settings.PROVIDER}.")
        AccountKey.objects.update_or_create(host=settings.PROVIDER, fingerprint=key, defaults={"account": account})
    log.warning("key adopted", extra={"account": name, "provider": account.host, "key": key})
    return account


def take_in_nobodys() -> None:
    """Give sends that an older version planned during an upgrade to the account of their host, if there is one."""
    only = list(accounts_here()[:2])
    if len(only) == 1:
        Send.objects.filter(account=None, provider=settings.PROVIDER).update(account=only[0])


def accounts_here() -> QuerySet[ProviderAccount]:
    """Return the accounts at this process's provider, oldest first."""
    return ProviderAccount.objects.filter(host=settings.PROVIDER).order_by("pk")


def _adopt_the_first() -> ProviderAccount | None:
    with transaction.atomic():
        # One at a time: of two processes that start with different keys only one finds that there is none yet.
        Installation.objects.select_for_update().get(pk=1)
        if AccountKey.objects.filter(host=settings.PROVIDER).exists():
            return known_account()
        account = accounts_here().first() or ProviderAccount.objects.create(name=_free_name(), host=settings.PROVIDER)
        AccountKey.objects.create(account=account, host=account.host, fingerprint=fingerprint())
    log.info("first key adopted", extra={"account": account.name, "provider": account.host, "key": fingerprint()})
    return account


def _free_name() -> str:
    """Return `main` for the first account that mails, then the host's name."""
    wanted = [REHEARSAL] if settings.PROVIDER == REHEARSAL else [FIRST, settings.PROVIDER[:60]]
    wanted += [f"{wanted[-1]}-{number}" for number in range(2, 10)]
    taken = set(ProviderAccount.objects.filter(name__in=wanted).values_list("name", flat=True))
    return next(name for name in wanted if name not in taken)
