"""`mailer audit`: who viewed or changed subscribers."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mailer.cli.subscribers.people import json_option, parse_address, parse_day
from mailer.cli.terminal import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from subscribers.models import AuditEntry

ON_A_PAGE = 50
ACTIONS = (
    *("shown", "searched", "listed", "exported", "added", "imported"),
    *("unsubscribed", "suppressed", "lifted", "erased"),
)


@click.command()
@click.option("--since", metavar="DATE", help="On or after this day (UTC), such as 2026-11-20.")
@click.option("--who", metavar="NAME", help="By this system user or /admin/ user.")
@click.option("--action", type=click.Choice(ACTIONS))
@click.option("--about", metavar="ADDRESS", help="About the subscriber with this address.")
@click.option("--limit", type=click.IntRange(1), help=f"Show at most this many; {ON_A_PAGE} by default at a terminal.")
@json_option
def audit(
    since: str | None, who: str | None, action: str | None, about: str | None, limit: int | None, as_json: bool
) -> None:
    """Show who looked at, exported, suppressed or erased subscribers, newest first.

    Entries cannot be changed and are kept for two years.
    """
    moment = parse_day(since) if since else None
    start()
    found = _found(moment, who, action, about)
    size = limit or (None if as_json or not sys.stdout.isatty() else ON_A_PAGE)
    shown = (found[: size + 1] if size else found).iterator(chunk_size=2000)
    if as_json:
        _print_json(shown, size)
        return
    count = 0
    for count, entry in enumerate(shown, 1):
        if size and count > size:
            click.echo(f"The newest {size}; --limit and --since show others.", err=True)
            return
        click.echo(_in_words(entry))
    if not count:
        click.echo("Nothing.", err=True)


def _found(moment: datetime | None, who: str | None, action: str | None, about: str | None) -> "QuerySet[AuditEntry]":
    from django.db.models import Q

    from subscribers import auditing
    from subscribers.models import AuditEntry

    found = AuditEntry.objects.order_by("-at", "-pk")
    if moment:
        found = found.filter(at__gte=moment)
    if who:
        found = found.filter(Q(who=who) | Q(who__startswith=f"{who} (") | Q(who__endswith=f" {who})"))
    if action:
        found = found.filter(action=action)
    if about:
        found = found.filter(subject__in=auditing.subjects_of(parse_address(about)))
    return found


def _in_words(entry: "AuditEntry") -> str:
    from subscribers.auditing import about

    by = f"{entry.who}@{entry.place}" if entry.by == "command" else f"{entry.who} in /admin/ from {entry.place}"
    if entry.by == "subscriber":
        by = f"the subscriber from {entry.place}"
    details = " · ".join(filter(None, [about(entry), entry.detail, entry.reason]))
    return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.action:<12}  {by}  {details}"


def _print_json(entries: "Iterator[AuditEntry]", size: int | None) -> None:
    before = "["
    for number, entry in enumerate(entries):
        if number == size:
            break
        click.echo(before + json.dumps(_as_json(entry), ensure_ascii=False), nl=False)
        before = ",\n "
    click.echo("[]" if before == "[" else "]")


def _as_json(entry: "AuditEntry") -> dict[str, object]:
    names = ("by", "who", "place", "action", "subject", "count", "detail", "reason")
    return {"at": entry.at.isoformat(timespec="seconds")} | {name: getattr(entry, name) for name in names}
