"""`mailer subscribers list`: who is subscribed."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, compress, islice
from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit_look
from mailer.cli.subscribers.people import json_option, newsletter_option, parse_day, parse_domain
from mailer.cli.terminal import Exit, Problem, start

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from subscribers.models import Subscription

ON_A_PAGE = 50
AT_ONCE = 2000  # rows that are read, and written to a pipe
HEADINGS = ("address", "state", "suppressed", "newsletter", "name", "since (UTC)")
# Where nothing is longer, the columns of a pipe stand below each other.
LINE = "{:<38}  {:<12}  {:<10}  {:<16}  {:<20}  {:<16}"


@click.command(name="list")
@click.option("--state", type=click.Choice(["active", "pending", "unsubscribed", "suppressed"]))
@newsletter_option
@click.option("--since", metavar="DATE", help="In this state since that day (UTC) or later, such as 2026-11-20.")
@click.option("--domain", metavar="NAME", help="With an address at this domain, such as example.org.")
@click.option("--limit", type=click.IntRange(1), help=f"Show at most this many; {ON_A_PAGE} by default at a terminal.")
@click.option(
    "--page",
    type=click.IntRange(1),
    default=1,
    help="Page to show, such as 2. In a pipe it needs --limit.",
)
@json_option
def list_(
    state: str | None,
    newsletter: str | None,
    since: str | None,
    domain: str | None,
    limit: int | None,
    page: int,
    as_json: bool,
) -> None:
    """List subscribers, newest first."""
    moment = parse_day(since) if since else None
    start()
    from mailer.publishing.newsletters import choose_newsletter
    from subscribers.auditing import Act, Action

    label = choose_newsletter(newsletter).label if newsletter else None
    found = _found(state, label)
    if moment:
        found = found.filter(changed_at__gte=moment)
    if domain:
        found = found.filter(subscriber__email_key__endswith=f"@{parse_domain(domain)}")
    total = found.count()
    filters = {"state": state, "newsletter": label, "since": since, "domain": "given" if domain else None}
    told = ", ".join(f"{name} {value}" for name, value in filters.items() if value)
    audit_look(Act(Action.LISTED, count=total, detail=told))
    size = limit or (None if as_json or not sys.stdout.isatty() else ON_A_PAGE)
    if page > 1 and not size:
        raise Problem("--page needs --limit here: without it all subscribers are listed.", Exit.USAGE)
    first = (page - 1) * (size or 0)
    shown = found[first : first + size] if size else found
    rows = _rows(shown)
    if as_json:
        _print_json(rows)
        return
    if not total:
        _say_how_subscribers_come(filtered=bool(state or label or moment or domain))
        return
    if first >= total:
        raise Problem(f"there is no page {page}: {total} subscribers, {size} on a page.", Exit.USAGE)
    print_subscribers(rows)
    if size and total > size:
        rest = f"; --page {page + 1} shows the next" if first + size < total else ""
        click.echo(f"{first + 1} to {min(first + size, total)} of {total}{rest}, `export` all.", err=True)


def _found(state: str | None, label: str | None) -> "QuerySet[Subscription]":
    from django.db.models import Exists, OuterRef, Subquery

    from subscribers.models import Subscription, Suppression

    reasons = Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash"))
    found = Subscription.objects.select_related("subscriber").order_by("-pk")
    found = found.annotate(suppressed=Subquery(reasons.values("reason")))
    if label:
        found = found.filter(newsletter=label)
    if state == "suppressed":
        found = found.filter(Exists(reasons))
    elif state:
        found = found.filter(state=state)
    return found


# Email, state, reason of suppression or None, newsletter, name, since as the database writes it in UTC: no objects of
# their own, which took most of the time of a million.
Row = tuple[str, str, str | None, str, str, str]


def _rows(found: "QuerySet[Subscription]") -> Iterator[Row]:
    from django.db.models import TextField
    from django.db.models.functions import Cast

    since = Cast("changed_at", TextField())
    fields = ("subscriber__email", "state", "suppressed", "newsletter", "subscriber__name", since)
    return found.values_list(*fields).iterator(chunk_size=AT_ONCE)


def _print_json(rows: Iterable[Row]) -> None:
    """Print one list, a subscriber per line; it may hold a million."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    before = "["
    for written in _at_once(encode(_as_json(row)) for row in rows):
        click.echo(before + ",\n ".join(written), nl=False)
        before = ",\n "
    click.echo("[]" if before == "[" else "]")


def _as_json(row: Row) -> dict[str, str]:
    email, state, suppressed, newsletter, name, since = row
    return {
        "email": email,
        "state": state,
        "suppressed": suppressed or "",
        "newsletter": newsletter,
        "name": name,
        "since": f"{since[:10]}T{since[11:19]}+00:00",
    }


def _at_once(lines: Iterable[str]) -> Iterator[list[str]]:
    """Group lines: to write each by itself took a third of the time of a million."""
    waiting = iter(lines)
    while group := list(islice(waiting, AT_ONCE)):
        yield group


def print_subscribers(rows: Iterable[Row]) -> None:
    """Print a table on a wide terminal; else never break an address, and give a pipe one line per subscriber."""
    found = map(_cells, rows)
    if sys.stdout.isatty():
        _print_table(list(found))
        return
    lines = (LINE.format(*cells).rstrip() for cells in chain([HEADINGS], found))
    for group in _at_once(lines):
        click.echo("\n".join(group))


def _cells(row: Row) -> tuple[str, ...]:
    email, state, suppressed, newsletter, name, since = row
    return email, state, suppressed or "", newsletter, name, since[:16]


def _print_table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    said = [name != "suppressed" or any(cells[number] for cells in rows) for number, name in enumerate(HEADINGS)]
    for heading in compress(HEADINGS, said):
        table.add_column(heading, no_wrap=True)
    for cells in rows:
        table.add_row(*map(Text, compress(cells, said)))  # Text: a name like [red] is a name
    console = Console()
    if Console(width=10_000).measure(table).maximum <= console.width:
        console.print(table)
        return
    # An address that is broken in two cannot be copied: in a narrow terminal each has a line of its own.
    for email, state, suppressed, *rest in rows:
        click.echo(email)
        click.echo("  " + " · ".join(filter(None, [state, suppressed and f"suppressed: {suppressed}", *rest])))


def _say_how_subscribers_come(filtered: bool) -> None:
    if filtered:
        click.echo("No such subscribers. `mailer subscribers list` shows all.", err=True)
        return
    click.echo(
        "No subscribers yet. They come from the form on your site (`mailer serve`), with\n"
        "`mailer subscribers add ADDRESS`, or from a file: `mailer subscribers import FILE`.",
        err=True,
    )
