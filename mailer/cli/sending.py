"""`mailer send issue`: send a Markdown file to each confirmed subscriber."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mailer.cli.terminal import Exit, Problem, confirm, database_address, on_terminal, start
from mailer.cli.testing import test

if TYPE_CHECKING:
    from mailer.models import Send
    from mailer.publishing.sending import Proposal, Ready

# What a plan shows as `action`, by the value of mailer.sending.existing.Action that --json gives.
DRY_RUN_WOULD = {
    "plan": "would be planned and sent",
    "replace": "would replace an earlier plan that was never sent",
    "attach": "would continue: it was planned before and has not ended",
    "resume": "would ask whether to resume: it is paused",
    "held": "would stay paused: `mailer status` says why, `mailer resume` resumes it",
    "show": "would send nothing: it has ended, and its result would be shown",
    "refuse": "would be refused: the file differs from what was planned",
}


@click.group()
def send() -> None:
    """Send an issue to its subscribers, or a test of it to a few people."""


send.add_command(test)


@send.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--newsletter", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--at", metavar="TIME", help="Send later: 2019-07-02T09:00 in the newsletter's time zone, or +5m.")
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
    as_json: bool,
) -> None:
    """Send the issue in FILE once to each confirmed subscriber.

    Without a provider's key it is a rehearsal: everything happens except the email. Running a finished send again makes
    no request; an interrupted one continues.
    """
    start()
    from mailer.cli.findings import stop_at_errors
    from mailer.publishing.preparing import prepare, require_known_rules, require_sound
    from mailer.publishing.sending import get_ready, propose, read_order

    require_known_rules(ignored)
    proof = prepare(file, newsletter)
    stop_at_errors(file, lambda: require_sound(proof, ignored), "nothing was sent")
    proposal = propose(proof, read_order(proof, at, on_unknown, detached=detach))
    if dry_run:
        _show(proposal, dry_run, as_json)
        _end_as_the_send_would(proposal)
        return
    if proposal.sent_as:
        _confirm_repeat(proposal)
    if proposal.makes_a_plan:
        _show(proposal, dry_run, as_json)
    ready = get_ready(proposal, repeat=True, broker_away=_say_broker_is_away)
    _carry_out(ready, yes, as_json)


def _show(proposal: "Proposal", dry_run: bool, as_json: bool) -> None:
    from mailer.sending.existing import Action

    facts = _facts(proposal)
    if dry_run:
        facts["action"] = proposal.action.value
        if as_json:
            click.echo(json.dumps(facts, ensure_ascii=False))
            return
        facts["action"] = DRY_RUN_WOULD[proposal.action.value]
    for name, value in facts.items():
        click.echo(f"{name:>14}  {value}", err=not dry_run)
    if proposal.is_rehearsal:
        click.echo("This is a rehearsal: no email will go out.", err=True)
        return
    if proposal.action is Action.REPLACE:
        click.echo("An earlier plan of this issue that was never sent is replaced.", err=True)
    _say_if_credits_are_short(proposal)


def _facts(proposal: "Proposal") -> dict[str, object]:
    issue, newsletter = proposal.plan.issue, proposal.plan.newsletter
    facts: dict[str, object] = {
        "provider": proposal.plan.provider,
        "account": proposal.account,
        "database": database_address(),
        "newsletter": newsletter.label,
        "slug": issue.slug,
        "subject": issue.subject,
        "from": f"{newsletter.from_name} <{newsletter.from_email}>",
        "audience": proposal.audience,
        "content_sha256": issue.content_sha256,
    }
    if proposal.when:
        facts["at"] = proposal.when
    if newsletter.max_per_hour:
        facts["max_per_hour"] = newsletter.max_per_hour
    return facts


def _say_if_credits_are_short(proposal: "Proposal") -> None:
    from mailer.publishing.sending import credits_short

    left = credits_short(proposal)
    if left is not None:
        click.echo(
            f"The plan at {proposal.plan.provider} has {left} emails left for {proposal.audience} subscribers: the "
            "send will pause when they are used up; resume it after an upgrade.",
            err=True,
        )


def _end_as_the_send_would(proposal: "Proposal") -> None:
    """End with the send's error or exit code, as far as they are known without a request."""
    from mailer.cli.watching import exit_code
    from mailer.publishing.refusals import ConfirmRepeat
    from mailer.publishing.sending import require_possible
    from mailer.sending.accounting import receipt
    from mailer.sending.existing import Action

    try:
        require_possible(proposal)
    except ConfirmRepeat as error:
        raise Problem(f"{error} At a terminal, the send would ask whether to send it again to everybody.") from None
    if proposal.existing and proposal.action in (Action.SHOW, Action.HELD):
        sys.exit(exit_code(proposal.existing, receipt(proposal.existing)))


def _confirm_repeat(proposal: "Proposal") -> None:
    if not on_terminal():
        raise Problem(f"{proposal.repeats} To send it again, run the command at a terminal and confirm.")
    confirm(f"{proposal.repeats} Send it again to everybody?", yes=False)


def _say_broker_is_away(why: str) -> None:
    click.echo(f"mailer: {why}; workers will find the send within seconds.", err=True)


def _carry_out(ready: "Ready", yes: bool, as_json: bool) -> NoReturn:
    """Ask what must be asked, start the send, and watch it or leave it to the workers."""
    from mailer.cli.watching import carry_out, finish
    from mailer.publishing.sending import start as start_send
    from mailer.sending.existing import Action

    proposal, existing = ready.proposal, ready.proposal.existing
    if proposal.makes_a_plan:
        _confirm_plan(proposal, yes)
    elif existing and proposal.action is Action.RESUME:
        confirm(f"{proposal.slug} is paused; resume with the content that was planned?", yes)
    elif existing and proposal.action is Action.ATTACH:
        doing = "scheduled; waiting for its time" if existing.state == "scheduled" else "being sent; continuing"
        click.echo(f"mailer: {proposal.slug} is {doing}.", err=True)
    elif existing:
        finish(existing, as_json)
    if proposal.order.detached:
        _leave(start_send(ready), as_json)
    carry_out(lambda: start_send(ready), as_json)


def _confirm_plan(proposal: "Proposal", yes: bool) -> None:
    subscribers = "nobody: rehearse it" if proposal.is_rehearsal else "everybody above"
    later = f" on {proposal.when}" if proposal.when else ""
    confirm(f"Send {proposal.slug} to {subscribers}{later}?", yes or proposal.is_rehearsal)


def _leave(send: "Send", as_json: bool) -> NoReturn:
    """Leave the rest to the workers."""
    from mailer.publishing.reporting import when
    from mailer.sending.accounting import receipt

    slug = send.slug
    if as_json:
        click.echo(json.dumps(receipt(send), ensure_ascii=False))
    elif send.state == "scheduled":
        click.echo(f"{slug} goes out {when(send)}; mailer status {slug} shows its progress.")
    else:
        click.echo(f"{slug}: planned for {send.planned} subscribers; mailer status {slug} shows its progress.")
    raise click.exceptions.Exit(Exit.DONE)
