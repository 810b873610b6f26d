"""`mailer doctor --adopt-key`: a person says to which provider account an API key belongs."""

import json
import re

import click
from django.conf import settings

from mailer.cli.terminal import Exit, Problem, on_terminal
from mailer.models import REHEARSAL, ProviderAccount
from mailer.providers.current import configured_provider
from mailer.store import accounts


def adopt_key(name: str, fingerprint: str, as_json: bool) -> None:
    """Map a key to an account: at a terminal by typing the account's name, else by name and fingerprint.

    A script has to give both. With the name alone, a script copied to a machine with somebody else's key would adopt
    that key, and a send would go on from the wrong account. It cannot make an account: a misspelt name would be one.
    """
    key = _chosen(fingerprint)
    owner = accounts.owner_of(key)
    if owner and name in ("", owner.name):
        _done(owner, key, as_json)
        return
    if on_terminal():
        name = _typed(key, name, owner)
    else:
        _require_both(name, fingerprint, owner)
    try:
        _done(accounts.adopt_key(key, name), key, as_json)
    except accounts.NameTaken as error:
        raise Problem(f"{error} Nothing was adopted.", Exit.USAGE) from None


def _chosen(fingerprint: str) -> str:
    if settings.PROVIDER == REHEARSAL:
        raise Problem(f"{configured_provider().names.key} is not set, so there is no key to adopt.", Exit.USAGE)
    if fingerprint and not re.fullmatch("[0-9a-f]{16}", fingerprint):
        raise Problem(
            f"--fingerprint is {fingerprint!r}; give 16 hex digits, as `printf %s KEY | sha256sum | cut -c1-16` does.",
            Exit.USAGE,
        )
    return fingerprint or accounts.fingerprint()


def _typed(key: str, wanted: str, owner: ProviderAccount | None) -> str:
    known = [account.name for account in accounts.accounts_here()]
    click.echo(f"Key {key} of {settings.PROVIDER}. Accounts there: {', '.join(known) or 'none'}.", err=True)
    if owner:
        click.echo(f"It currently belongs to {owner.name} and would no longer send that account's sends.", err=True)
    click.echo("An account's sends may go out with any of its keys: adopt only a key of that same account.", err=True)
    question = f"Type {wanted} to adopt it" if wanted else "Type the name of its account (a new name creates one)"
    name = str(click.prompt(question, err=True, default="", show_default=False)).strip()
    if not name or (wanted and name != wanted):
        raise Problem("Nothing was adopted.", Exit.NOT_CONFIRMED)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise Problem(f"{name!r} is not a valid name; use letters, digits, dots and dashes.", Exit.USAGE)
    if name not in known and not click.confirm(f"There is no account {name} yet. Create it?", err=True):
        raise Problem("Nothing was adopted.", Exit.NOT_CONFIRMED)
    return name


def _require_both(name: str, fingerprint: str, owner: ProviderAccount | None) -> None:
    if not name or not fingerprint:
        raise Problem(
            "Nothing was adopted: there is no terminal to type the account's name at. In a script, give the account "
            f"and the key's fingerprint: --adopt-key ACCOUNT --fingerprint {accounts.fingerprint()}.",
            Exit.NOT_CONFIRMED,
        )
    if owner:
        raise Problem(
            f"the key is one of `{owner.name}` already; to move it to another account, run this at a terminal.",
            Exit.NOT_CONFIRMED,
        )
    known = [account.name for account in accounts.accounts_here()]
    if name not in known:
        raise Problem(
            f"{settings.PROVIDER} has no account `{name}` here, but {', '.join(known) or 'none'}; create it at a "
            "terminal. Nothing was adopted.",
            Exit.USAGE,
        )


def _done(account: ProviderAccount, key: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"account": account.name, "provider": account.host, "fingerprint": key}))
    else:
        click.echo(f"The key {key} is one of `{account.name}` ({account.host}); its workers now send with it.")
