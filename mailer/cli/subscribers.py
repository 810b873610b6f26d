"""`mailer subscribers`: who reads, and how they came and left."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailer.cli.terminal import Exit, Problem, choose_newsletter, confirm, database_address, start

if TYPE_CHECKING:
    from subscribers.addresses import Address
    from subscribers.importing import Report, Stage
    from subscribers.models import Subscriber

newsletter_option = click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def subscribers() -> None:
    """Add, import, list, show, unsubscribe and export readers."""


# ---------------------------------------------------------------- add


@subscribers.command()
@click.argument("address")
@newsletter_option
@click.option("--name", default="", help="How the reader is called.")
@click.option("--language", default="", metavar="CODE", help="The reader's language, such as en or zh-hans.")
@click.option("--active", is_flag=True, help="They gave their consent elsewhere: send no confirmation mail.")
@click.option("--source", default="", metavar="TEXT", help="Where consent came from; needed with --active.")
def add(address: str, newsletter: str | None, name: str, language: str, active: bool, source: str) -> None:
    """Make a reader and mail them a link to confirm; with --active, one whose consent you already have."""
    if active and not source.strip():
        raise Problem('--active needs --source "where and when they agreed".', Exit.USAGE)
    person = _person(address, name, language)
    start()
    label = choose_newsletter(newsletter)
    if active:
        _add_active(person, label, source)
    else:
        _add_pending(person, label, source)


def _person(address: str, name: str, language: str) -> "tuple[Address, str, str]":
    from subscribers.addresses import AddressError, clean_name, is_language_code

    if language and not is_language_code(language):
        raise Problem(f"--language {language!r} is no language code; write one such as en or zh-hans.", Exit.USAGE)
    try:
        return _parse(address), clean_name(name), language
    except AddressError as error:
        raise Problem(f"--name: {error}", Exit.USAGE) from None


def _parse(address: str) -> "Address":
    from subscribers.addresses import AddressError, parse

    try:
        return parse(address)
    except AddressError as error:
        raise Problem(f"{address!r}: {error}", Exit.USAGE) from None


def _add_active(person: "tuple[Address, str, str]", label: str, source: str) -> None:
    from subscribers import optin

    address, name, language = person
    origin = optin.Origin(how="command", source=source)
    try:
        optin.add_active(address, label, name=name, language=language, origin=origin)
    except optin.Refused as refusal:
        raise Problem(
            f"{address.email} was not added to {label}: {refusal}. "
            f"`mailer subscribers show {address.email}` tells more."
        ) from None
    click.echo(f"{address.email} reads {label}.")


def _add_pending(person: "tuple[Address, str, str]", label: str, source: str) -> None:
    from subscribers import optin

    address, name, language = person
    origin = optin.Origin(how="command", source=source)
    request = optin.subscribe(address, label, name=name, language=language, origin=origin)
    if request.answer is optin.Answer.MAIL_DUE:
        _send_confirmation(request.subscription_id, address.email)
    elif request.answer is optin.Answer.ACTIVE:
        click.echo(f"{address.email} reads {label} already; nothing to confirm.")
    elif request.answer is optin.Answer.ASKED_ENOUGH:
        raise Problem(
            f"no mail to {address.email}: one address gets at most one confirmation mail in 10 minutes and three "
            "in a day; try again later."
        )
    else:
        raise Problem(
            f"no mail to {address.email}: the address is suppressed. `mailer subscribers show {address.email}` says "
            "why; `mailer subscribers suppress ADDRESS --lift --reason TEXT` lifts it."
        )


def _send_confirmation(subscription_id: int, email: str) -> None:
    """The mail is sent from here where no broker carries hints, else by a worker; say which."""
    from django.conf import settings

    from mailer.sendgrid.current import rehearsals
    from subscribers import confirmations
    from subscribers.tasks import send_confirmation

    if not settings.EMBEDDED:
        told = send_confirmation.hint(subscription_id)
        how = "a worker sends it now" if told else "a worker sends it as soon as one runs"
        click.echo(f"{email} is pending; {how}.")
        return
    try:
        confirmations.send(subscription_id)
    except confirmations.ConfirmationFailed as failure:
        raise Problem(
            f"{email} is pending, but the confirmation mail did not go out: {failure.__cause__}. A worker "
            "(`mailer worker` or `mailer serve`) tries again in 10 minutes."
        ) from None
    if settings.PROVIDER == "rehearsal":
        where = f"a rehearsal: the mail is in {rehearsals() / 'mail'}. Set SENDGRID_API_KEY to mail for real"
    else:
        where = f"the confirmation mail went to {settings.PROVIDER}"
    click.echo(f"{email} is pending; {where}.")


# ---------------------------------------------------------------- import and export


@subscribers.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--state", type=click.Choice(["active", "pending"]), help="For rows that do not say it themselves.")
@newsletter_option
@click.option("--yes", is_flag=True, help="Import without asking.")
@json_option
def import_(file: Path, state: str | None, newsletter: str | None, yes: bool, as_json: bool) -> None:
    """Take in readers from a CSV file with the columns email and, if you have them, state, name, language.

    Shows first what would change. Nobody who left or bounced comes back by a file, and nobody is mailed.
    """
    start()
    from subscribers.csvfiles import FileError
    from subscribers.importing import apply, plan, read

    label = choose_newsletter(newsletter)
    try:
        with read(file, label, state) as stage:
            _show_plan(stage, plan(stage))
            confirm(f"Import into {label}?", yes)
            report = apply(stage, source=f"file {file.name}")
    except FileError as error:
        raise Problem(str(error), Exit.USAGE) from None
    click.echo(_as_json(report)) if as_json else _show_report(report)
    if report.rejected:
        sys.exit(Exit.OPEN_ENDS)


def _show_plan(stage: "Stage", report: "Report") -> None:
    click.echo(f"{stage.path} into {stage.newsletter}, database {database_address()}:", err=True)
    for line in _lines(report):
        click.echo(f"  {line}", err=True)
    for rejected in report.first_rejected:
        click.echo(f"    {stage.path}:{rejected.line} {rejected.reason}", err=True)
    if report.rejected > len(report.first_rejected):
        click.echo(f"    and {report.rejected - len(report.first_rejected)} more", err=True)
    if report.new_by_state.get("pending"):
        click.echo("  Pending readers get no mail by an import; each gets one when they ask for it.", err=True)


def _show_report(report: "Report") -> None:
    click.echo("Imported: " + ("; ".join(_lines(report)) or "nothing to do") + ".")
    if report.rejected_file:
        click.echo(f"Rejected rows and reasons: {report.rejected_file}", err=True)


def _lines(report: "Report") -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(report.new_by_state.items()))
    counts = (
        (report.new, f"new ({states})" if states else "new"),
        (report.unchanged, "already there, unchanged"),
        (report.left, "unsubscribed by the file"),
        (report.stay_unsubscribed, "left before and stay unsubscribed"),
        (report.suppressed, "suppressed, not taken in"),
        (report.duplicates, "named more than once, counted once"),
        (report.rejected, "rejected"),
    )
    return [f"{count} {what}" for count, what in counts if count or what.startswith("new")]


def _as_json(report: "Report") -> str:
    from dataclasses import asdict

    values = asdict(report) | {"rejected_file": str(report.rejected_file or "") or None}
    return json.dumps(values, ensure_ascii=False)


@subscribers.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@newsletter_option
def export(form: str, output: Path | None, newsletter: str | None) -> None:
    """Write out readers: address, state, newsletter, name, language and when they came and left."""
    start()
    from subscribers.exporting import write_csv, write_jsonl

    label = choose_newsletter(newsletter) if newsletter else None
    write = write_csv if form == "csv" else write_jsonl
    if output is None:
        write(sys.stdout, label)
        return
    try:
        with open(output, "w", encoding="utf-8", newline="", opener=_closed_to_others) as file:
            count = write(file, label)
    except OSError as error:
        raise Problem(f"{output} cannot be written: {error.strerror}.", Exit.USAGE) from None
    click.echo(f"{count} readers written to {output}.", err=True)


def _closed_to_others(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)


# ---------------------------------------------------------------- look


@subscribers.command(name="list")
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


@subscribers.command()
@click.argument("address")
@json_option
def show(address: str, as_json: bool) -> None:
    """Show one reader: newsletters, suppression, and every step of their consent."""
    person = _parse(address)
    start()
    from subscribers.models import Suppression

    reader = _reader(person)
    suppression = Suppression.objects.filter(hash=_hash(person)).first()
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


@subscribers.command()
@click.argument("address")
@newsletter_option
def unsubscribe(address: str, newsletter: str | None) -> None:
    """Unsubscribe one reader from one newsletter."""
    person = _parse(address)
    start()
    from subscribers import optin

    label = choose_newsletter(newsletter)
    reader = _reader(person)
    if reader is None or not reader.subscriptions.filter(newsletter=label).exists():
        raise Problem(f"{person.email} does not read {label}; `mailer subscribers show {person.email}` tells more.")
    changed = optin.unsubscribe(reader.public_id, label, optin.Origin(how="command"))
    click.echo(f"{person.email} {'is' if changed else 'was already'} unsubscribed from {label}.")


@subscribers.command()
@click.argument("address")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@click.option("--lift", is_flag=True, help="The address may be mailed again.")
def suppress(address: str, reason: str, lift: bool) -> None:
    """Let nobody mail an address, in any newsletter, whether or not it is known here; or lift that."""
    if not reason.strip():
        raise Problem('--reason needs words, such as --reason "asked by phone".', Exit.USAGE)
    person = _parse(address)
    start()
    from subscribers import optin

    origin = optin.Origin(how="command", source=reason)
    if not lift:
        optin.suppress(_hash(person), "manual", origin, note=reason)
        click.echo(f"{person.email} is suppressed: nobody may mail it.")
        return
    was = optin.lift(_hash(person), origin)
    if was is None:
        click.echo(f"{person.email} is not suppressed; nothing to lift.")
    else:
        click.echo(f"{person.email} may be mailed again, where they subscribed (it was suppressed: {was}).")


def _hash(person: "Address") -> str:
    from subscribers.links import suppression_hash

    return suppression_hash(person.key)


def _reader(person: "Address") -> "Subscriber | None":
    from subscribers.models import Subscriber

    return Subscriber.objects.filter(email_key=person.key).first()
