"""`mailer subscribers show`: all that is held of one subscriber, to answer a complaint with or to hand out."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit_look
from mailer.cli.subscribers.people import json_option, parse_address, subscriber_of
from mailer.cli.terminal import Exit, Problem, start

if TYPE_CHECKING:
    from subscribers.addresses import Address
    from subscribers.personal_data import Held

ON_A_PAGE = 50  # steps


@click.command()
@click.argument("address")
@click.option(
    "--page",
    type=click.IntRange(1),
    help=f"Page of the history, {ON_A_PAGE} steps each; 2 shows the page before the newest.",
)
@json_option
def show(address: str, page: int | None, as_json: bool) -> None:
    """Show one subscriber: newsletters, suppression, every step of consent with its wording, and what they were sent.

    A pipe gets the whole history. --json prints everything stored about them, for subscribers who ask for it.
    """
    person = parse_address(address)
    start()
    from subscribers import auditing, personal_data
    from subscribers.auditing import Act, Action

    paged = not as_json and (page is not None or sys.stdout.isatty())
    skipped = ON_A_PAGE * ((page or 1) - 1)
    held = personal_data.held(person, personal_data.Newest(ON_A_PAGE, skipped) if paged else None)
    if held is None:
        raise Problem(f"{person.email} is not known here; `mailer subscribers list` shows who is.")
    audit_look(Act(Action.SHOWN, auditing.subject_of(person)))
    if as_json:
        for piece in personal_data.as_json(held):
            click.echo(piece, nl=False)
        return
    steps = _steps_of(person) if paged else 0
    if skipped and skipped >= steps:
        raise Problem(f"there is no page {page}: {steps} steps, {ON_A_PAGE} on a page.", Exit.USAGE)
    for line in _in_words(held):
        click.echo(line)
    if steps > skipped + ON_A_PAGE:
        earlier = f"--page {(page or 1) + 1} shows earlier ones, --json all"
        click.echo(f"{ON_A_PAGE} of {steps} steps; {earlier}.", err=True)


def _steps_of(person: "Address") -> int:
    subscriber = subscriber_of(person)
    return subscriber.consents.count() if subscriber else 0


# ---------------------------------------------------------------- in words


def _in_words(held: "Held") -> Iterator[str]:
    called = ", ".join(filter(None, [held["name"], held["language"]]))
    yield held["email"] + (f" ({called})" if called else "")
    if held["suppressed"]:
        yield f"  suppressed: {_why(held['suppressed'])}"
    for wish in held["subscriptions"]:
        due = f", confirmation email due {_utc(wish['confirmation_due'])}" if wish["confirmation_due"] else ""
        yield f"  {wish['newsletter']}: {wish['state']} since {_utc(wish['since'])}{due}"
    for step in held["history"]:
        yield from _step_in_words(step)
    for send in held["sends"]:
        yield _send_in_words(send)


def _why(suppressed: "Held") -> str:
    note = f": {suppressed['note']}" if suppressed["note"] else ""
    return f"{suppressed['reason']}, {_utc(suppressed['at'])}{note}"


def _utc(at: str | None) -> str:
    return f"{at[:19].replace('T', ' ')} UTC" if at else "never"


def _step_in_words(step: "Held") -> Iterator[str]:
    network = f"network {step['network']}" if step["network"] else ""
    details = " · ".join(filter(None, [step["newsletter"], step["how"], step["source"], step["basis"], network]))
    yield f"  {_utc(step['at'])}  {step['step']:<12}  {details}"
    if step["wording"]:
        which = ", ".join(filter(None, [f"version {step['wording_version']}", step["language"]]))
        yield f"      they were shown ({which}): “{step['wording']}”"
    if step["claimed"]:
        claims = ", ".join(f"{name.replace('_', ' ')} {said}" for name, said in sorted(step["claimed"].items()))
        yield f"      the file said: {claims}"


def _send_in_words(send: "Held") -> str:
    what = ", ".join([send["outcome"], *send["facts"]])
    because = f": {send['reason']}" if send["reason"] else ""
    rehearsal = " (a rehearsal, not sent)" if send["provider"] == "rehearsal" else ""
    if send["held_apart_until"]:
        because += f", in a suspected outage: on hold until {_utc(send['held_apart_until'])}"
    at = _utc(send["at"]) if send["at"] else "not mailed".ljust(23)
    return f"  {at}  {'issue':<12}  {send['newsletter']}/{send['issue']} · {what}{because}{rehearsal}"
