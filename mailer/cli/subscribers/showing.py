"""`mailer subscribers show`: all that is held of one reader, ready to answer a complaint with or to hand out."""

import json
from collections.abc import Iterator
from typing import Any

import click

from mailer.cli.subscribers.people import json_option, parse_address
from mailer.cli.terminal import Problem, start


@click.command()
@click.argument("address")
@json_option
def show(address: str, as_json: bool) -> None:
    """Show one reader: newsletters, suppression, each step of their consent with its wording, and what they were sent.

    --json is everything that is held of them, for readers who ask what that is.
    """
    person = parse_address(address)
    start()
    from subscribers import holding

    held = holding.held(person)
    if held is None:
        raise Problem(f"{person.email} is not known here; `mailer subscribers list` shows who is.")
    if as_json:
        click.echo(json.dumps(held, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(_in_words(held)))


# ---------------------------------------------------------------- in words


def _in_words(held: dict[str, Any]) -> Iterator[str]:
    called = ", ".join(filter(None, [held["name"], held["language"]]))
    yield held["email"] + (f" ({called})" if called else "")
    if held["suppressed"]:
        yield f"  nobody may mail them: {_why(held['suppressed'])}"
    for wish in held["subscriptions"]:
        due = f", confirmation mail due {_utc(wish['confirmation_due'])}" if wish["confirmation_due"] else ""
        yield f"  {wish['newsletter']}: {wish['state']} since {_utc(wish['since'])}{due}"
    for step in held["history"]:
        yield from _step_in_words(step)
    for send in held["sends"]:
        yield _send_in_words(send)


def _why(suppressed: dict[str, Any]) -> str:
    note = f": {suppressed['note']}" if suppressed["note"] else ""
    return f"{suppressed['reason']}, {_utc(suppressed['at'])}{note}"


def _utc(at: str | None) -> str:
    return f"{at[:19].replace('T', ' ')} UTC" if at else "never"


def _step_in_words(step: dict[str, Any]) -> Iterator[str]:
    network = f"network {step['network']}" if step["network"] else ""
    details = " · ".join(filter(None, [step["newsletter"], step["how"], step["source"], network]))
    yield f"  {_utc(step['at'])}  {step['step']:<12}  {details}"
    if step["wording"]:
        which = ", ".join(filter(None, [f"version {step['wording_version']}", step["language"]]))
        yield f"      they were shown ({which}): “{step['wording']}”"
    if step["claimed"]:
        claims = ", ".join(f"{name.replace('_', ' ')} {said}" for name, said in sorted(step["claimed"].items()))
        yield f"      the file said: {claims}"


def _send_in_words(send: dict[str, Any]) -> str:
    what = ", ".join([send["outcome"], *send["facts"]])
    because = f": {send['reason']}" if send["reason"] else ""
    rehearsal = " (a rehearsal, not mailed)" if send["provider"] == "rehearsal" else ""
    if send["held_apart_until"]:
        because += f", in a suspected outage: held apart until {_utc(send['held_apart_until'])}"
    at = _utc(send["at"]) if send["at"] else "not mailed".ljust(23)
    return f"  {at}  {'issue':<12}  {send['newsletter']}/{send['issue']} · {what}{because}{rehearsal}"
