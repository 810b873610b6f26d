"""Whom SendGrid would not mail: it takes the mail to them and drops it.

Only our own readers are read in. An account may have other senders, whose bounces are no business of ours.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click
from django.conf import settings

from mailer.cli.doctor.account import Unseen, ask
from mailer.cli.doctor.check import Check
from mailer.cli.operators import audit
from mailer.cli.terminal import Problem, confirm, counted
from mailer.events import outages
from mailer.store import clock
from subscribers import optin, signed_links
from subscribers.addresses import AddressError, parse
from subscribers.auditing import Act, Action
from subscribers.models import Subscriber, Suppression
from subscribers.optin import Origin, Reason

# SendGrid's lists, and what standing in each means here.
LISTS = {"bounces": Reason.BOUNCE, "invalid_emails": Reason.BOUNCE, "spam_reports": Reason.COMPLAINT}
PAGE = 500  # the most that SendGrid gives at once
MOST_PAGES = 10_000
CHUNK = 1000  # suppressed in one transaction


def at_a_glance() -> Check:
    """How many of our readers stand in the lists, by the first page of each. Raises Unseen."""
    found: dict[str, str] = {}
    whole = True
    for name in LISTS:
        page = _page(name, 0)
        whole = whole and len(page) < PAGE
        _add(found, page, LISTS[name])
    if not found:
        words = (
            "SendGrid suppresses no subscriber of yours"
            if whole
            else ("no subscriber of yours on the first page of SendGrid's lists")
        )
        return Check("suppressions", "ok", f"{words}; `mailer doctor --read-suppressions` compares the whole lists")
    count = counted(len(found), "reader") if whole else f"{counted(len(found), 'reader')} or more"
    return Check(
        "suppressions",
        "warning",
        f"SendGrid itself suppresses {count} of yours: import them with `mailer doctor --read-suppressions`",
    )


def read_in(as_json: bool, yes: bool) -> None:
    """Whoever stands in SendGrid's lists and is our reader is suppressed here too, once the user agreed."""
    if not settings.SENDGRID_API_KEY:
        raise Problem("SENDGRID_API_KEY is not set, so SendGrid's lists cannot be read; nothing was changed.")
    found: dict[str, str] = {}
    try:
        for name in LISTS:
            for page in _pages(name):
                _add(found, page, LISTS[name])
    except Unseen as why:
        raise Problem(
            f"SendGrid does not show its list of {name} to this key ({why}); give it the suppression.read scope. "
            "Nothing was changed."
        ) from None
    _show(found)
    if found:
        confirm("Suppress them here too?", yes)
    done = _suppress(found)
    click.echo(json.dumps({"suppressed": done}) if as_json else f"Suppressed: {counted(done, 'reader')}.")


def _show(found: dict[str, str]) -> None:
    click.echo(f"SendGrid itself suppresses {counted(len(found), 'reader')} of yours.", err=True)
    for reason, count in Counter(found.values()).items():
        click.echo(f"  {reason}: {count}", err=True)


def _suppress(found: dict[str, str]) -> int:
    audit(Act(Action.SUPPRESSED, count=len(found), detail="SendGrid's suppressions"))
    rest, done = iter(found.items()), 0
    while chunk := dict(islice(rest, CHUNK)):
        done += optin.suppress_all(chunk, Origin(how="command", source="SendGrid's suppressions"))
    return done


def _pages(name: str) -> Iterator[list[dict[str, Any]]]:
    before: list[dict[str, Any]] = []
    for number in range(MOST_PAGES):
        page = _page(name, number * PAGE)
        if not page or page == before:  # one that knows no offset would give the same for ever
            return
        yield page
        if len(page) < PAGE:
            return
        before = page


def _page(name: str, offset: int) -> list[dict[str, Any]]:
    answer = ask(f"/v3/suppression/{name}?limit={PAGE}&offset={offset}")
    return [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []


def _add(found: dict[str, str], page: list[dict[str, Any]], reason: str) -> None:
    """Readers of this page whom nothing as strong stops yet are in `found`: hash → the strongest reason."""
    hashes = {hash for one in page if (hash := _hash(one.get("email")))}
    ours = set(Subscriber.objects.filter(suppression_hash__in=hashes).values_list("suppression_hash", flat=True))
    ours -= outages.held(ours, clock.now())  # SendGrid knows nothing of outages
    stands = dict(Suppression.objects.filter(hash__in=ours).values_list("hash", "reason"))
    for hash in ours:
        strongest = max(optin.STRENGTH.get(known, -1) for known in (stands.get(hash, ""), found.get(hash, "")))
        if optin.STRENGTH[reason] > strongest:
            found[hash] = str(reason)


def _hash(email: Any) -> str:
    try:
        return signed_links.suppression_hash(parse(str(email)).key)
    except AddressError:
        return ""
