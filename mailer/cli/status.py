"""`mailer status`: who got what."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mailer.cli.terminal import Exit, Problem, start

OUTCOMES = ("accepted", "skipped", "rejected", "unknown", "waiting", "cancelled")


@click.command()
@click.argument("send", metavar="[SLUG|FILE]", required=False)
@click.option("--newsletter", metavar="NAME", help="Which newsletter, if the slug exists in several.")
@click.option("--list", "outcome", type=click.Choice(OUTCOMES), help="Print the addresses with this outcome.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
def status(send: str | None, newsletter: str | None, outcome: str | None, form: str, as_json: bool) -> None:
    """Show all sends, or who got what of one: by its slug or its file."""
    start()
    from mailer.cli.watching import exit_code, report
    from mailer.sending.accounting import receipt

    if send is None:
        _all_sends(as_json)
        return
    found = find_send(send, newsletter)
    if outcome:
        _list(found, outcome, form)
        return
    result = receipt(found)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        report(found)
        for reason, readers in result["skipped"].items():
            click.echo(f"  skipped, {reason}: {readers}")
    sys.exit(Exit.DONE if found.state == "sending" else exit_code(found, result))


def find_send(name: str, newsletter: str | None) -> Any:
    """The send of a slug or of an issue's file; a real one before a rehearsal."""
    from django.conf import settings

    from mailer.issues import read_issue
    from mailer.models import Send

    slug = read_issue(Path(name), settings.CONFIG).slug if Path(name).is_file() else name
    sends = Send.objects.defer("html", "text", "article").filter(slug=slug).order_by("-pk")
    if newsletter:
        sends = sends.filter(newsletter=newsletter)
    found = list(sends)
    real = [send for send in found if not send.is_rehearsal] or found
    if not real:
        raise Problem(f"there is no send {slug!r}; `mailer status` lists them.", Exit.USAGE)
    if len({send.newsletter for send in real}) > 1:
        names = ", ".join(send.newsletter for send in real)
        raise Problem(f"{slug!r} was sent in several newsletters; choose one with --newsletter: {names}.", Exit.USAGE)
    return real[0]


def _all_sends(as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from mailer.models import Send
    from mailer.sending.accounting import count, receipt

    sends = list(Send.objects.defer("html", "text", "article").order_by("-created_at"))
    if as_json:
        for send in sends:
            click.echo(json.dumps(receipt(send), ensure_ascii=False))
        return
    if not sends:
        click.echo("Nothing was sent yet. mailer send issue FILE rehearses an issue, and sends it once a key is set.")
        return
    table = Table("newsletter", "issue", "state", "planned", "accepted", "open", "provider", box=None, pad_edge=False)
    for send in sends:
        equation = count(send)
        open_ = equation.unknown + equation.waiting + equation.rejected
        numbers = (str(equation.planned), str(equation.accepted), str(open_))
        table.add_row(send.newsletter, send.slug, send.state, *numbers, send.provider)
    Console().print(table)


def _list(send: Any, outcome: str, form: str) -> None:
    from subscribers.exporting import formula_safe

    rows = _deliveries(send, outcome)
    if form == "jsonl":
        for email, reason in rows:
            click.echo(json.dumps({"email": email, "outcome": outcome, "reason": reason}, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(["email", "outcome", "reason"])
    writer.writerows([formula_safe(email), outcome, formula_safe(reason)] for email, reason in rows)


def _deliveries(send: Any, outcome: str) -> Iterator[tuple[str, str]]:
    """Address and reason of each delivery with this outcome; an erased reader has no address any more."""
    from mailer.models import Batch, Delivery

    deliveries = Delivery.objects.filter(send=send).order_by("pk")
    if outcome in (Delivery.Outcome.SKIPPED, Delivery.Outcome.REJECTED):
        deliveries = deliveries.filter(outcome=outcome)
    else:
        waiting = [Batch.State.PLANNED, Batch.State.POSTING]
        states = waiting if outcome == "waiting" else [outcome]
        deliveries = deliveries.filter(outcome=None, batch__state__in=states)
    for email, reason in deliveries.values_list("subscriber__email", "reason").iterator(2000):
        yield email or "(erased)", reason or ""
