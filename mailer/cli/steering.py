"""`mailer pause`, `resume`, `cancel`, `reconcile`: the editor's hand on a send."""

import sys
from typing import Any

import click

from mailer.cli.terminal import Exit, Problem, confirm, on_terminal, start

_send = click.argument("send", metavar="SLUG|FILE")
_newsletter = click.option("--newsletter", metavar="NAME", help="Which newsletter, if the slug exists in several.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


def _find(name: str, newsletter: str | None) -> Any:
    start()
    from mailer.cli.status import find_send

    return find_send(name, newsletter)


@click.command()
@_send
@_newsletter
@_json
def pause(send: str, newsletter: str | None, as_json: bool) -> None:
    """Pause a send. When the command returns no request is in flight and none starts."""
    found = _find(send, newsletter)
    from mailer.cli.watching import say_waiting
    from mailer.sending.steering import WrongState
    from mailer.sending.steering import pause as pause_send

    try:
        pause_send(found.pk, waiting=say_waiting)
    except WrongState as state:
        raise Problem(f"{found.slug} is {state}, so there is nothing to pause.") from None
    _print(found, as_json)


@click.command()
@_send
@_newsletter
@_json
@click.option("--detach", is_flag=True, help="Leave the sending to the workers and return at once.")
def resume(send: str, newsletter: str | None, as_json: bool, detach: bool) -> None:
    """Go on with a paused send, with the content that was planned."""
    found = _find(send, newsletter)
    from mailer.cli.watching import carry_out
    from mailer.sending.steering import WrongState
    from mailer.sending.steering import resume as resume_send

    _require_provider(found)
    try:
        if detach:
            resume_send(found.pk)
            _print(found, as_json)
            return

        def go_on() -> Any:
            resume_send(found.pk)
            return found

        carry_out(go_on, as_json)
    except WrongState as state:
        raise Problem(f"{found.slug} is {state}, so there is nothing to resume.") from None


@click.command()
@_send
@_newsletter
@_yes
@_json
def cancel(send: str, newsletter: str | None, yes: bool, as_json: bool) -> None:
    """End a send for those who still wait. What was sent stays sent; this cannot be undone."""
    found = _find(send, newsletter)
    from mailer.cli.watching import say_waiting
    from mailer.sending.accounting import count
    from mailer.sending.steering import WrongState
    from mailer.sending.steering import cancel as cancel_send

    confirm(f"{count(found).waiting} readers of {found.slug} would not get it. Cancel?", yes)
    try:
        cancel_send(found.pk, waiting=say_waiting)
    except WrongState as state:
        raise Problem(f"{found.slug} is {state} already.") from None
    _print(found, as_json)


@click.command()
@_send
@_newsletter
@click.option("--resend", "way", flag_value="resend", help="Send those requests again; who had them gets them twice.")
@click.option("--assume-sent", "way", flag_value="assume", help="Count them as accepted on your word.")
@_yes
@_json
def reconcile(send: str, newsletter: str | None, way: str | None, yes: bool, as_json: bool) -> None:
    """Show the requests of which nobody knows whether they arrived, and settle them."""
    found = _find(send, newsletter)
    from mailer.sending.accounting import count
    from mailer.sending.expiring import expire_attempts

    expire_attempts()
    unknown = count(found).unknown
    if way is None or not unknown:
        _show_unknown(found, unknown)
        sys.exit(Exit.OPEN_ENDS if unknown else Exit.DONE)
    _require_provider(found)
    if way == "assume":
        confirm(f"Count {unknown} readers of {found.slug} as mailed, on your word?", yes)
        _assume(found, as_json)
    else:
        _confirm_resend(found, unknown, yes)
        _resend(found, as_json)


def _show_unknown(send: Any, unknown: int) -> None:
    from mailer.models import Batch

    if not unknown:
        click.echo(f"{send.slug}: nothing is unknown.")
        return
    click.echo(f"{send.slug}: for {unknown} readers it is not known whether the provider took their mail.")
    for batch in Batch.objects.filter(send=send, state=Batch.State.UNKNOWN).order_by("number"):
        attempt = batch.attempts.order_by("-started_at").first()
        readers = batch.size - batch.skipped - batch.rejected
        at = f"{attempt.started_at:%Y-%m-%d %H:%M:%S} UTC" if attempt else "?"
        click.echo(f"  batch {batch.number}: {readers} readers, asked at {at}; {attempt.words if attempt else ''}")
        click.echo(f"    {_evidence(batch)}")
    click.echo("What to do:")
    click.echo(f"  mailer reconcile {send.slug} --resend         sends them again (who had it gets it twice)")
    click.echo(f"  mailer reconcile {send.slug} --assume-sent    counts them as accepted on your word")


def _evidence(batch: Any) -> str:
    """What events say of an unknown request."""
    from django.conf import settings

    from mailer.sending.proving import never_arrived

    if not settings.SENDGRID_WEBHOOK_KEYS:
        return "no event webhook is set up, so only SendGrid's activity feed can tell"
    if never_arrived(batch):
        return "no event of it came although there was time: it was hardly accepted, and may be sent again"
    return "no event of it came yet; one would settle it by itself"


def _confirm_resend(send: Any, unknown: int, yes: bool) -> None:
    from mailer.sending.reconciling import all_never_arrived

    if yes:
        return
    if all_never_arrived(send.pk):
        confirm(f"No event says that any of these {unknown} readers has {send.slug}. Send it to them again?", yes)
        return
    if not on_terminal():
        raise Problem("Nothing was done: there is no terminal to ask at; add --yes to go ahead.", Exit.NOT_CONFIRMED)
    click.echo(f"{unknown} readers get {send.slug} again; those whom it reached have it twice.", err=True)
    if click.prompt(f"Type {send.slug} to send it again", err=True, default="", show_default=False) != send.slug:
        raise Problem("Nothing was done.", Exit.NOT_CONFIRMED)


def _resend(send: Any, as_json: bool) -> None:
    from mailer.cli.watching import carry_out
    from mailer.sending.reconciling import resend_unknown

    def again() -> Any:
        resend_unknown(send.pk)
        return send

    carry_out(again, as_json)


def _assume(send: Any, as_json: bool) -> None:
    from mailer.sending.reconciling import assume_sent

    assume_sent(send.pk)
    _print(send, as_json)


def _require_provider(send: Any) -> None:
    from django.conf import settings

    if send.provider != settings.PROVIDER:
        raise Problem(
            f"{send.slug} was planned for {send.provider}, but this process sends through {settings.PROVIDER}; "
            "set SENDGRID_API_KEY and SENDGRID_API_URL as they were."
        )


def _print(send: Any, as_json: bool) -> None:
    import json

    from mailer.cli.watching import report
    from mailer.sending.accounting import receipt

    send.refresh_from_db(fields=["state", "reason", "finished_at"])
    if as_json:
        click.echo(json.dumps(receipt(send), ensure_ascii=False))
    else:
        report(send)
