"""`mailer pause`, `resume`, `cancel`: control a send that is under way."""

import json
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Problem, confirm, start

if TYPE_CHECKING:
    from mailer.models import Send

send_argument = click.argument("send", metavar="SLUG|FILE")
newsletter_option = click.option("--newsletter", metavar="NAME", help="Which newsletter, if several have the slug.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def find(name: str, newsletter: str | None) -> "Send":
    start()
    from mailer.publishing.sends import find_send

    return find_send(name, newsletter)


@click.command()
@send_argument
@newsletter_option
@json_option
def pause(send: str, newsletter: str | None, as_json: bool) -> None:
    """Pause a send. When the command returns, no request is in flight and none will start.

    "welcome" is the welcome in all its languages: whoever confirms waits until it is resumed, a week at most.
    """
    start()
    from mailer.cli.watching import say_waiting
    from mailer.publishing.sends import find_send, find_welcome, is_welcome

    if is_welcome(send, newsletter):
        _pause_welcome(find_welcome(send, newsletter), as_json)
        return
    found = find_send(send, newsletter)
    from mailer.sending.lifecycle import WrongState
    from mailer.sending.steering import pause as pause_send

    try:
        pause_send(found.pk, waiting=say_waiting)
    except WrongState as state:
        instead = "; `mailer pause welcome` pauses the version in use" if found.kind == "welcome" else ""
        raise Problem(f"{found.slug} is {state}, so there is nothing to pause{instead}.") from None
    print_result(found, as_json)


def _pause_welcome(version: "Send", as_json: bool) -> None:
    from mailer.cli.watching import say_waiting
    from mailer.publishing.welcome_reports import cancelled_in_use, why_stopped
    from mailer.sending.steering import pause_welcome

    paused = pause_welcome(version, waiting=say_waiting)
    if not paused and (cancelled := cancelled_in_use(version)):
        raise Problem(f"there is nothing to pause: {why_stopped(cancelled)}.")
    if not paused:
        raise Problem(f"the welcome of {version.newsletter} is off and nobody waits for it: there is nothing to pause.")
    for send in paused:
        print_result(send, as_json)


@click.command()
@send_argument
@newsletter_option
@json_option
@click.option("--detach", is_flag=True, help="Return at once and let the workers send.")
def resume(send: str, newsletter: str | None, as_json: bool, detach: bool) -> None:
    """Resume a paused send with the content that was planned.

    "welcome" is the welcome in all its languages. A version whose text you replaced is resumed by its own name alone.
    """
    found = _from_here(_paused(send, newsletter))
    from mailer.cli.watching import carry_out_all

    if detach:
        for one in _resumed(found):
            print_result(one, as_json)
        return
    carry_out_all(lambda: _resumed(found), as_json)


def _paused(name: str, newsletter: str | None) -> "list[Send]":
    """Return the send that is meant, or all paused versions of the welcome but those whose text was replaced."""
    start()
    from mailer.publishing.sends import find_send, find_welcome, is_welcome
    from mailer.publishing.welcome_reports import replaced, why_stopped
    from mailer.sending.steering import paused_beside

    if not is_welcome(name, newsletter) or not (paused := list(paused_beside(find_welcome(name, newsletter)))):
        return [find_send(name, newsletter)]
    left = replaced(paused)
    if len(left) == len(paused):
        raise Problem(f"only a text that you replaced is paused: {why_stopped(left[0])}.")
    for send in left:
        click.echo(f"mailer: not resumed, because you replaced its text: {why_stopped(send)}.", err=True)
    return [send for send in paused if send not in left]


def _from_here(sends: "list[Send]") -> "list[Send]":
    """Return those that this process may continue, and say why it may not the others. Raises Refused if it may none."""
    from mailer.publishing.errors import Refused
    from mailer.publishing.sends import require_provider

    own, refused = [], []
    for send in sends:
        try:
            require_provider(send)
            own.append(send)
        except Refused as error:
            refused.append(error)
    if not own:
        raise refused[0]
    for why in refused:
        click.echo(f"mailer: {why}", err=True)
    return own


def _resumed(sends: "list[Send]") -> "list[Send]":
    """Resume them, and return those that were paused still."""
    from mailer.sending.lifecycle import WrongState
    from mailer.sending.steering import resume

    resumed = []
    for send in sends:
        try:
            resume(send.pk)
            resumed.append(send)
        except WrongState as state:
            instead = Problem(f"{send.slug} is {state}, so there is nothing to resume.")
    if not resumed:
        raise instead
    return resumed


@click.command()
@send_argument
@newsletter_option
@yes_option
@json_option
def cancel(send: str, newsletter: str | None, yes: bool, as_json: bool) -> None:
    """Cancel a send for the subscribers still waiting. What was sent stays sent; this cannot be undone."""
    found = find(send, newsletter)
    from mailer.cli.watching import say_waiting
    from mailer.sending.accounting import count
    from mailer.sending.lifecycle import WrongState
    from mailer.sending.steering import cancel as cancel_send

    confirm(f"{count(found).waiting} subscribers of {found.slug} will not get it. Cancel?", yes)
    try:
        cancel_send(found.pk, waiting=say_waiting)
    except WrongState as state:
        raise Problem(f"{found.slug} is already {state}.") from None
    print_result(found, as_json)


def print_result(send: "Send", as_json: bool) -> None:
    from mailer.cli.watching import report
    from mailer.sending.accounting import receipt

    send.refresh_from_db(fields=["state", "reason", "finished_at"])
    if as_json:
        click.echo(json.dumps(receipt(send), ensure_ascii=False))
    else:
        report(send)
