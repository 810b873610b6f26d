"""`mailer send issue`: send a Markdown file to each confirmed subscriber; `test` and `welcome` are beside it."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mailer.cli.plans import question, show_dry_run, show_dry_run_as_json, show_plan
from mailer.cli.terminal import Exit, Problem, confirm, on_terminal, start
from mailer.cli.testing import test
from mailer.cli.welcoming import welcome

if TYPE_CHECKING:
    from mailer.models import Send
    from mailer.publishing.sending import Proposal, Ready


DOING = {"scheduled": "scheduled; waiting for its time", "planning": "being planned; continuing"}
ADD_OLD_DATE = "If it is the right issue, add --old-date; otherwise correct its date."


class Sending(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a file in its place was meant for `issue`."""
        name = args[0]
        unknown = name not in self.commands and not ctx.resilient_parsing
        if unknown and (name.lower().endswith((".md", ".markdown")) or Path(name).is_file()):
            ctx.fail(f"No such command {name!r}. Did you mean `mailer send issue {shlex.quote(name)}`?")
        return super().resolve_command(ctx, args)


@click.group(cls=Sending)
def send() -> None:
    """Send an issue to its subscribers, a test of it to a few people, or a welcome to those who confirm."""


send.add_command(test)
send.add_command(welcome)


@send.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--newsletter", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--at", metavar="TIME", help="Send later: 2036-07-02T09:00 in the newsletter's time zone, or +5m.")
@click.option("--dry-run", is_flag=True, help="Show the plan; send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--detach", is_flag=True, help="Return at once and let the workers send.")
@click.option(
    "--on-unknown",
    type=click.Choice(["hold", "resend"]),
    default="hold",
    show_default=True,
    help="When the outcome of a request is unknown: wait for you, or resend once events show that nobody has it.",
)
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Send despite this finding; repeatable.")
@click.option("--old-date", is_flag=True, help="Send an issue with an old date without asking about it.")
@click.option("--mail-archived", is_flag=True, help="Send an issue that was imported into the archive.")
@click.option("--verbose", is_flag=True, help="Show hashes, account and database in the plan too.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan or the receipt as JSON.")
def issue(
    file: Path,
    newsletter: str | None,
    at: str | None,
    dry_run: bool,
    yes: bool,
    detach: bool,
    on_unknown: str,
    ignored: tuple[str, ...],
    old_date: bool,
    mail_archived: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Send the issue in FILE once to each confirmed subscriber.

    Without a provider's key it is a rehearsal: everything happens except the email. Running a finished send again makes
    no request; an interrupted one continues.
    """
    start()
    from mailer.cli.findings import count_warnings, say_copying, say_uncopied, stop_at_errors
    from mailer.publishing.preparing import prepare_to_send, require_known_rules, require_sound
    from mailer.publishing.sending import get_ready, propose, read_order, require_not_archived

    require_known_rules(ignored)
    _say_if_keys_are_exposed()
    _name_orphans()
    proof = prepare_to_send(file, newsletter, say_copying)
    warnings = stop_at_errors(file, lambda: require_sound(proof, ignored), "nothing was sent")
    say_uncopied(file, warnings)
    proposal = propose(proof, read_order(proof, at, on_unknown, detached=detach))
    if dry_run and as_json:
        count_warnings(file, warnings)
        show_dry_run_as_json(proposal)
    elif dry_run:
        show_dry_run(proposal, warnings, verbose=verbose)
    if dry_run:
        _end_as_the_send_would(proposal, old_date, mail_archived)
        return
    if proposal.sent_as:
        _confirm_repeat(proposal)
    if proposal.makes_a_plan:
        show_plan(proposal, warnings, verbose=verbose)
        _say_what_else_is_known(proposal)
    require_not_archived(proposal, mail_archived)
    if proposal.old_date and not old_date:
        _confirm_old_date(proposal)
    ready = get_ready(proposal, repeat=True, old_date=True, archived=mail_archived, broker_away=_say_broker_is_away)
    _carry_out(ready, yes, as_json)


def _say_if_keys_are_exposed() -> None:
    from django.conf import settings

    from mailer.config.exposure import why_exposed

    if why := why_exposed(settings.CONFIG_FOLDER):
        click.echo(f"mailer: {why}", err=True)


def _name_orphans() -> None:
    from django.conf import settings

    from mailer.publishing.labels import orphans

    for orphan in orphans():
        click.echo(
            f"mailer: the newsletter {orphan} is not in {settings.CONFIG}; if it was renamed there, run `mailer "
            f"newsletters rename {orphan.label} NEW`.",
            err=True,
        )


def _say_what_else_is_known(proposal: "Proposal") -> None:
    from mailer.sending.existing import Action

    if proposal.is_rehearsal:
        return
    if proposal.action is Action.REPLACE:
        click.echo("An earlier plan of this issue that was never sent is replaced.", err=True)
    _say_if_credits_are_short(proposal)


def _say_if_credits_are_short(proposal: "Proposal") -> None:
    from mailer.publishing.sending import credits_short

    left = credits_short(proposal)
    if left is not None:
        click.echo(
            f"The plan at {proposal.plan.provider} has {left} emails left for {proposal.audience} subscribers: the "
            "send will pause when they are used up; resume it after an upgrade.",
            err=True,
        )


def _end_as_the_send_would(proposal: "Proposal", old_date: bool, archived: bool) -> None:
    """End with the send's error or exit code, as far as they are known without a request."""
    from mailer.cli.watching import exit_code
    from mailer.publishing.errors import ConfirmOldDate, ConfirmRepeat
    from mailer.publishing.sending import require_possible
    from mailer.sending.accounting import receipt
    from mailer.sending.existing import Action

    try:
        require_possible(proposal, old_date=old_date, archived=archived)
    except ConfirmOldDate as error:
        raise Problem(f"{error} {ADD_OLD_DATE}", Exit.NOT_CONFIRMED) from None
    except ConfirmRepeat as error:
        raise Problem(f"{error} At a terminal, the send would ask whether to send it again to everybody.") from None
    if proposal.existing and proposal.action in (Action.SHOW, Action.HELD):
        sys.exit(exit_code(proposal.existing, receipt(proposal.existing)))


def _confirm_repeat(proposal: "Proposal") -> None:
    if not on_terminal():
        raise Problem(f"{proposal.repeats} To send it again, run the command at a terminal and confirm.")
    confirm(f"{proposal.repeats} Send it again to everybody?", yes=False)


def _confirm_old_date(proposal: "Proposal") -> None:
    """Ask apart from the send itself: who confirms each send out of habit still reads a question that is rare."""
    if not on_terminal():
        raise Problem(f"{proposal.old_date} Nothing was sent. {ADD_OLD_DATE}", Exit.NOT_CONFIRMED)
    confirm(f"{proposal.old_date} Is it the right issue?", yes=False)


def _say_broker_is_away(why: str) -> None:
    click.echo(f"mailer: {why}; workers will find the send within seconds.", err=True)


def _carry_out(ready: "Ready", yes: bool, as_json: bool) -> NoReturn:
    """Ask what must be asked, start the send, and watch it or leave it to the workers."""
    from mailer.cli.watching import carry_out, finish
    from mailer.publishing.sending import start as start_send
    from mailer.sending.existing import Action

    proposal, existing = ready.proposal, ready.proposal.existing
    if proposal.makes_a_plan:
        confirm(question(proposal), yes or proposal.is_rehearsal)
    elif existing and proposal.action is Action.RESUME:
        confirm(f"{proposal.slug} is paused; resume with the content that was planned?", yes)
    elif existing and proposal.action is Action.ATTACH:
        click.echo(f"mailer: {proposal.slug} is {DOING.get(existing.state, 'being sent; continuing')}.", err=True)
    elif existing:
        finish(existing, as_json)
    if proposal.order.detached:
        _leave(start_send(ready), as_json)
    carry_out(lambda: start_send(ready), as_json)


def _leave(send: "Send", as_json: bool) -> NoReturn:
    """Leave the rest to the workers."""
    from mailer.publishing.reporting import goes_out, progress_of_planning
    from mailer.sending.accounting import receipt

    slug = send.slug
    if as_json:
        click.echo(json.dumps(receipt(send), ensure_ascii=False))
    elif send.state == "scheduled":
        click.echo(f"{slug} {goes_out(send)}; mailer status {slug} shows its progress.")
    elif send.state == "planning":
        click.echo(f"{slug}: {progress_of_planning(send)}; mailer status {slug} shows its progress.")
    else:
        click.echo(f"{slug}: planned for {send.planned} subscribers; mailer status {slug} shows its progress.")
    raise click.exceptions.Exit(Exit.DONE)
