"""`mailer subscribers list` and `show`: who reads, and the whole history of one of them."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from mailer.cli.subscribers.people import hash_of, json_option, newsletter_option, parse_address, reader_of
from mailer.cli.terminal import Problem, choose_newsletter, start

if TYPE_CHECKING:
    from subscribers.addresses import Address
    from subscribers.models import Subscriber


@click.command(name="list")
@click.option("--state", type=click.Choice(["active", "pending", "unsubscribed", "suppressed"]))
@newsletter_option
@click.option("--limit", type=click.IntRange(1), help="At most so many; 50 on a terminal.")
@json_option
def list_(state: str | None, newsletter: str | None, limit: int | None, as_json: bool) -> None:
    """List readers, newest first."""
    start()
    label = choose_newsletter(newsletter) if newsletter else None
    found = _found(state, label)
    if as_json:
        rows = found[:limit] if limit else found
        click.echo(json.dumps([_row(subscription) for subscription in rows], ensure_ascii=False))
        return
    total = found.count()
    if not total:
        _say_how_readers_come(state)
        return
    limit = limit or 50
    _print_readers([_row(subscription) for subscription in found[:limit]])
    if total > limit:
        click.echo(f"The newest {limit} of {total}; --limit shows more, `export` all.", err=True)


def _found(state: str | None, label: str | None) -> Any:
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


def _row(subscription: Any) -> dict[str, str]:
    return {
        "email": subscription.subscriber.email,
        "state": subscription.state,
        "suppressed": subscription.suppressed or "",
        "newsletter": subscription.newsletter,
        "name": subscription.subscriber.name,
        "since": subscription.changed_at.isoformat(timespec="seconds"),
    }


def _print_readers(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("address", "state", "newsletter", "name", "since (UTC)"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = f"{row['state']}, suppressed: {row['suppressed']}" if row["suppressed"] else row["state"]
        # Text: a name like [red] is a name.
        cells = (row["email"], state, row["newsletter"], row["name"], row["since"][:16].replace("T", " "))
        table.add_row(*map(Text, cells))
    # A program that reads along gets each row on one line.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def _say_how_readers_come(state: str | None) -> None:
    if state:
        click.echo(f"No {state} readers. `mailer subscribers list` shows all.", err=True)
        return
    click.echo(
        "No readers yet. They come by the form on your site (`mailer serve`), by\n"
        "`mailer subscribers add ADDRESS`, or from a file: `mailer subscribers import FILE`.",
        err=True,
    )


@click.command()
@click.argument("address")
@json_option
def show(address: str, as_json: bool) -> None:
    """Show one reader: newsletters, suppression, and every step of their consent."""
    person = parse_address(address)
    start()
    from subscribers.models import Suppression

    reader = reader_of(person)
    suppression = Suppression.objects.filter(hash=hash_of(person)).first()
    if reader is None and suppression is None:
        raise Problem(f"{person.email} is not known here; `mailer subscribers list` shows who is.")
    held = _held(person, reader, suppression)
    if as_json:
        click.echo(json.dumps(held, ensure_ascii=False, indent=2))
    else:
        _print_held(held)


def _held(person: "Address", reader: "Subscriber | None", suppression: Any) -> dict[str, Any]:
    wishes = reader.subscriptions.order_by("newsletter") if reader else []
    steps = reader.consents.order_by("at", "pk") if reader else []
    return {
        "email": reader.email if reader else person.email,
        "name": reader.name if reader else "",
        "language": reader.language if reader else "",
        "suppressed": {"reason": suppression.reason, "at": _time(suppression.at), "note": suppression.note}
        if suppression
        else None,
        "subscriptions": [
            {
                "newsletter": wish.newsletter,
                "state": wish.state,
                "since": _time(wish.changed_at),
                "confirmation_due": _time(wish.confirmation_due) if wish.confirmation_due else None,
            }
            for wish in wishes
        ],
        "history": [
            {
                "at": _time(step.at),
                "newsletter": step.newsletter,
                "step": step.step,
                "how": step.how,
                "source": step.source,
                "wording": step.wording,
                "wording_version": step.wording_version,
                "language": step.language,
                "network": step.ip,
            }
            for step in steps
        ],
    }


def _time(at: Any) -> str:
    return str(at.isoformat(timespec="seconds"))


def _print_held(held: dict[str, Any]) -> None:
    called = ", ".join(filter(None, [held["name"], held["language"]]))
    click.echo(held["email"] + (f" ({called})" if called else ""))
    if held["suppressed"]:
        note = f": {held['suppressed']['note']}" if held["suppressed"]["note"] else ""
        click.echo(f"  nobody may mail them: {held['suppressed']['reason']}, {held['suppressed']['at']}{note}")
    for wish in held["subscriptions"]:
        due = f", confirmation mail due {wish['confirmation_due']}" if wish["confirmation_due"] else ""
        click.echo(f"  {wish['newsletter']}: {wish['state']} since {wish['since']}{due}")
    for step in held["history"]:
        details = " · ".join(filter(None, [step["newsletter"], step["how"], step["source"], step["network"]]))
        click.echo(f"  {step['at']}  {step['step']:<12}  {details}")


# ---------------------------------------------------------------- leave
