"""Read in the provider's own suppressions: it accepts email to these addresses and drops it.

Only our own subscribers are read in. An account may have other senders, whose bounces do not concern us.
"""

import json
from collections import Counter
from itertools import islice

import click

from mailer.cli.operators import audit
from mailer.cli.terminal import Problem, confirm, counted
from mailer.events import outages
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Check, Suppressions, Unseen
from mailer.store import clock
from subscribers import optin, signed_links
from subscribers.addresses import AddressError, parse
from subscribers.auditing import Act, Action
from subscribers.models import Subscriber, Suppression
from subscribers.optin import Origin

CHUNK = 1000  # suppressed in one transaction


def at_a_glance(suppressions: Suppressions) -> Check:
    """Count our subscribers on the lists, by the first page of each. Raises Unseen."""
    found: dict[str, str] = {}
    whole = True
    for name, reason in suppressions.lists.items():
        page, is_last = next(suppressions.pages(name), ([], True))
        whole = whole and is_last
        _add(found, page, reason)
    provider = configured_provider().names.provider
    if not found:
        on_one_page = f"no subscriber of yours on the first page of {provider}'s lists"
        detail = f"{provider} suppresses no subscriber of yours" if whole else on_one_page
        return Check("suppressions", "ok", f"{detail}; `mailer doctor --read-suppressions` compares the whole lists")
    count = counted(len(found), "subscriber") if whole else f"{counted(len(found), 'subscriber')} or more"
    return Check(
        "suppressions",
        "warning",
        f"{provider} suppresses {count} of yours: import them with `mailer doctor --read-suppressions`",
    )


def read_in(as_json: bool, yes: bool) -> None:
    """Suppress subscribers who are on the provider's lists here too, once the user agreed."""
    provider = configured_provider()
    names = provider.names
    if not provider.key():
        raise Problem(f"{names.key} is not set, so {names.provider}'s lists cannot be read; nothing was changed.")
    if provider.suppressions is None:
        raise Problem(f"{names.provider} has no lists that can be read; nothing was changed.")
    found: dict[str, str] = {}
    try:
        for name, reason in provider.suppressions.lists.items():
            for page, _ in provider.suppressions.pages(name):
                _add(found, page, reason)
    except Unseen as why:
        needed = provider.account.scope("suppressions") if provider.account else "another key"
        raise Problem(
            f"{names.provider} does not show its list of {name} to this key ({why}); {needed} shows it. "
            "Nothing was changed."
        ) from None
    _show(found)
    if found:
        confirm("Suppress them here too?", yes)
    done = _suppress(found)
    click.echo(json.dumps({"suppressed": done}) if as_json else f"Suppressed: {counted(done, 'subscriber')}.")


def _show(found: dict[str, str]) -> None:
    provider = configured_provider().names.provider
    click.echo(f"{provider} itself suppresses {counted(len(found), 'subscriber')} of yours.", err=True)
    for reason, count in Counter(found.values()).items():
        click.echo(f"  {reason}: {count}", err=True)


def _suppress(found: dict[str, str]) -> int:
    source = f"{configured_provider().names.provider}'s suppressions"
    audit(Act(Action.SUPPRESSED, count=len(found), detail=source))
    rest, done = iter(found.items()), 0
    while chunk := dict(islice(rest, CHUNK)):
        done += optin.suppress_all(chunk, Origin(how="command", source=source))
    return done


def _add(found: dict[str, str], page: list[str], reason: str) -> None:
    """Add to `found` (hash → strongest reason) the page's subscribers who are not suppressed as strongly here."""
    hashes = {hash for email in page if (hash := _hash(email))}
    ours = set(Subscriber.objects.filter(suppression_hash__in=hashes).values_list("suppression_hash", flat=True))
    ours -= outages.held(ours, clock.now())  # the provider knows nothing of outages
    stands = dict(Suppression.objects.filter(hash__in=ours).values_list("hash", "reason"))
    for hash in ours:
        strongest = max(optin.STRENGTH.get(known, -1) for known in (stands.get(hash, ""), found.get(hash, "")))
        if optin.STRENGTH[reason] > strongest:
            found[hash] = str(reason)


def _hash(email: str) -> str:
    try:
        return signed_links.suppression_hash(parse(email).key)
    except AddressError:
        return ""
