"""`mailer status`: who got what."""

import csv
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit_look
from mailer.cli.terminal import Exit, Problem, start

if TYPE_CHECKING:
    from mailer.models import Send

OUTCOMES = (
    "accepted",
    "delivered",
    "skipped",
    "rejected",
    "bounced",
    "complained",
    "unknown",
    "waiting",
    "cancelled",
)
# Columns of a table that is piped: as many as it needs.
WHOLE = 10_000


@click.command()
@click.argument("send", metavar="[SLUG|FILE|welcome]", required=False)
@click.option("--newsletter", metavar="NAME", help="Which newsletter, if the slug exists in several.")
@click.option("--list", "outcome", type=click.Choice(OUTCOMES), help="List the addresses with this outcome.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--watch", is_flag=True, help="Follow the send until it ends or pauses.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def status(
    send: str | None, newsletter: str | None, outcome: str | None, form: str, watch: bool, as_json: bool
) -> None:
    """Show all sends, or the result of one, by its slug or file; "welcome" is what those who confirm get."""
    start()
    from mailer.cli.watching import exit_code, report, watch_only
    from mailer.cli.welcoming import show
    from mailer.publishing.sends import find_send, is_welcome
    from mailer.sending.accounting import receipt
    from mailer.sending.reconciling import doubts_of

    if send is None and (watch or outcome):
        raise Problem("name the send to look at; `mailer status` lists them.", Exit.USAGE)

    if send is None:
        _all_sends(as_json)
        return
    if not (watch or outcome) and is_welcome(send, newsletter):
        show(newsletter, as_json)
    found = find_send(send, newsletter)
    if outcome:
        _list(found, outcome, form)
        return
    if watch:
        watch_only(found, as_json)
    result = receipt(found)
    if as_json:
        if result["unknown"]:
            result["unknown_because"] = {doubt or "never-arrived": n for doubt, n in doubts_of(found).items()}
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        report(found)
        for reason, subscribers in result["skipped"].items():
            click.echo(f"  skipped, {reason}: {subscribers}")
        facts = ", ".join(f"{fact} {subscribers}" for fact, subscribers in result["events"].items() if subscribers)
        click.echo(f"of the accepted: {facts}" if facts else "no reports on the accepted ones yet")
    sys.exit(Exit.DONE if found.state in ("planning", "sending") else exit_code(found, result))


def _all_sends(as_json: bool) -> None:
    from mailer.cli.welcoming import say_what_stopped
    from mailer.models import Send
    from mailer.publishing.welcome_reports import stopped
    from mailer.sending.accounting import count, possibly_twice, receipt

    sends = list(
        Send.objects.issues().select_related("account").defer("html", "text", "article").order_by("-created_at")
    )
    if as_json:
        for send in [*sends, *stopped()]:
            click.echo(json.dumps(receipt(send), ensure_ascii=False))
        return
    if not sends:
        click.echo(
            "Nothing has been sent yet. mailer send issue FILE rehearses an issue, and sends it once a key is set."
        )
        say_what_stopped()
        return
    from rich.console import Console
    from rich.table import Column, Table

    twice = {send.pk: possibly_twice(send) for send in sends}
    doubled = ("possibly twice",) if any(twice.values()) else ()  # else the terminal's width is better used otherwise
    # A slug is typed or piped into the next command, so it is never shortened.
    slug = Column("issue", overflow="fold")
    names = ("state", "planned", "accepted", "unfinished", *doubled, "provider")
    table = Table("newsletter", slug, *names, box=None, pad_edge=False)
    for send in sends:
        equation = count(send)
        unfinished = equation.unknown + equation.waiting + equation.rejected
        numbers = (equation.planned, equation.accepted, unfinished, *([twice[send.pk]] if doubled else []))
        table.add_row(send.newsletter, send.slug, send.state, *map(str, numbers), send.provider)
    Console(width=None if sys.stdout.isatty() else WHOLE).print(table)
    _say_when(sends)
    say_what_stopped()


def _say_when(sends: "list[Send]") -> None:
    """Say of each schedule when it starts and to how many, and of a plan how far it is: their rows do not show it."""
    from mailer.publishing.reporting import goes_out, progress_of_planning

    for send in sends:
        if send.state == "scheduled":
            click.echo(f"{send.newsletter}/{send.slug} {goes_out(send)}.")
        elif progress := progress_of_planning(send):
            click.echo(f"{send.newsletter}/{send.slug}: {progress}.")


def _list(send: "Send", outcome: str, form: str) -> None:
    from subscribers.files.csv_records import formula_safe

    rows = _deliveries(send, outcome)
    if form == "jsonl":
        for email, reason in rows:
            click.echo(json.dumps({"email": email, "outcome": outcome, "reason": reason}, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(["email", "outcome", "reason"])
    writer.writerows([formula_safe(email), outcome, formula_safe(reason)] for email, reason in rows)


def _deliveries(send: "Send", outcome: str) -> Iterator[tuple[str, str]]:
    """Return address and reason of each delivery with this outcome; an erased subscriber no longer has an address."""
    from mailer.publishing.deliveries import with_outcome
    from subscribers.auditing import Act, Action

    rows = with_outcome(send, outcome)
    audit_look(Act(Action.LISTED, count=rows.count(), detail=f"{outcome} of {send.newsletter}/{send.slug}"))
    for email, reason in rows.iterator(2000):
        yield email or "(erased)", reason or ""
