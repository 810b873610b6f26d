"""`mailer send issue`: a Markdown file to each confirmed reader."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from mailer.cli.terminal import Exit, Problem, confirm, database_address, on_terminal, start
from mailer.cli.testing import test

# What a plan shows as `action`, by the value of mailer.sending.existing.Again that --json gives.
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
    from django.conf import settings

    from mailer.cli.findings import stop_at_errors
    from mailer.providers.current import configured_provider
    from mailer.publishing.preparing import prepare, require_known_rules, require_sound
    from mailer.sending.evidence import is_heard
    from mailer.sending.planning import Plan

    require_known_rules(ignored)
    proof = prepare(file, newsletter)
    stop_at_errors(file, lambda: require_sound(proof, ignored), "nothing was sent")
    due_at = _moment(at, proof.newsletter.timezone) if at else None
    if on_unknown == "resend" and not is_heard():
        raise Problem(
            f"--on-unknown resend needs the event webhook: without {configured_provider().names.events} there is "
            "no evidence that an email did not go out.",
            Exit.USAGE,
        )
    plan = Plan(proof.newsletter, proof.rendered, settings.PROVIDER, settings.BASE_URL, on_unknown, bool(at) or detach)
    _Issue(plan, due_at, str(file), yes, detach, as_json).go(dry_run)


def _moment(text: str, zone: str) -> datetime:
    from mailer.config.times import BadMoment, read_moment
    from mailer.store import clock

    try:
        return read_moment(text, zone, clock.now())
    except BadMoment as error:
        raise Problem(f"--at: {error}", Exit.USAGE) from None


class _Issue:
    """One run of `send issue`: looks at what stands, shows the plan, asks, plans, and watches."""

    def __init__(self, plan: Any, due_at: datetime | None, file: str, yes: bool, detach: bool, as_json: bool) -> None:
        self.plan, self.due_at, self.file = plan, due_at, file
        self.yes, self.detach, self.as_json = yes, detach, as_json
        self.slug: str = plan.issue.slug

    def go(self, dry_run: bool) -> None:
        from mailer.sending.existing import Again, standing, what_to_do

        before = standing(self.plan.newsletter.label, self.slug, self.plan.provider)
        action = what_to_do(before, self.plan.issue.source_sha256)
        if before and action is Again.SHOW and before.state == "scheduled":
            # Another time is another plan; the same command again waits on, for its process may have died.
            action = Again.REPLACE if self.due_at else Again.ATTACH
        if dry_run:
            self._end_as_the_send_would(before, action, self._show(action, dry_run))
            return
        if before is None:
            self._refuse_renamed()
        if action in (Again.PLAN, Again.REPLACE):
            self._show(action, dry_run)
        if before is not None:
            self._require_same_provider(before)
        match action:
            case Again.PLAN | Again.REPLACE:
                self._plan_and_send(before)
            case Again.ATTACH:
                self._attach(before)
            case Again.RESUME:
                self._resume(before)
            case Again.SHOW | Again.HELD:
                self._show_result(before)
            case Again.REFUSE:
                self._refuse_changed(before)

    def _end_as_the_send_would(self, before: Any, action: Any, audience: int) -> None:
        """With its error or exit code, as far as they are known without a request."""
        from mailer.cli.watching import exit_code
        from mailer.sending.accounting import receipt
        from mailer.sending.existing import Again

        if before is not None:
            self._require_same_provider(before)
        elif words := self._renamed():
            raise Problem(f"{words} At a terminal, the send would ask whether to send it again to everybody.")
        match action:
            case Again.PLAN | Again.REPLACE:
                self._require_acceptable()
                if not audience and not self.due_at:  # who gets a later one is chosen when it is due
                    raise self._nobody()
            case Again.SHOW | Again.HELD:
                sys.exit(exit_code(before, receipt(before)))
            case Again.REFUSE:
                self._refuse_changed(before)

    def _show(self, action: Any, dry_run: bool) -> int:
        """The plan is printed; how many readers it has."""
        from mailer.sending.existing import Again
        from mailer.sending.planning import audience_size
        from mailer.store.accounts import name_here

        issue, newsletter = self.plan.issue, self.plan.newsletter
        facts: dict[str, Any] = {
            "provider": self.plan.provider,
            "account": name_here(),
            "database": database_address(),
            "newsletter": newsletter.label,
            "slug": issue.slug,
            "subject": issue.subject,
            "from": f"{newsletter.from_name} <{newsletter.from_email}>",
            "audience": audience_size(newsletter.label),
            "content_sha256": issue.content_sha256,
        }
        if self.due_at:
            facts["at"] = self._when()
        if newsletter.max_per_hour:
            facts["max_per_hour"] = newsletter.max_per_hour
        if dry_run:
            facts["action"] = action.value
            if self.as_json:
                click.echo(json.dumps(facts, ensure_ascii=False))
                return int(facts["audience"])
            facts["action"] = DRY_RUN_WOULD[action.value]
        for name, value in facts.items():
            click.echo(f"{name:>14}  {value}", err=not dry_run)
        if self.plan.provider == "rehearsal":
            click.echo("This is a rehearsal: no email will go out.", err=True)
        elif action is Again.REPLACE:
            click.echo("An earlier plan of this issue that was never sent is replaced.", err=True)
        if self.plan.provider != "rehearsal":
            self._say_if_credits_are_short(facts["audience"])
        return int(facts["audience"])

    def _say_if_credits_are_short(self, readers: int) -> None:
        from contextlib import suppress

        from mailer.providers.current import configured_provider
        from mailer.providers.protocol import Unseen

        account = configured_provider().account
        if account is None:
            return
        # Many a key may not read it, and the provider says so itself when they are used up.
        with suppress(Unseen):
            left = account.credits_left()
            if left < readers:
                click.echo(
                    f"The plan at {self.plan.provider} has {left} emails left for {readers} readers: the send will "
                    "pause when they are used up; resume it after an upgrade.",
                    err=True,
                )

    def _when(self) -> str:
        from mailer.config.times import describe
        from mailer.store import clock

        assert self.due_at is not None
        return describe(self.due_at, self.plan.newsletter.timezone, clock.now())

    def _renamed(self) -> str:
        """What to say if the same bytes were sent under another name; else nothing."""
        from mailer.sending.existing import same_source_elsewhere

        if self.plan.provider == "rehearsal":
            return ""
        other = same_source_elsewhere(self.plan.newsletter.label, self.slug, self.plan.issue.source_sha256)
        return f"{self.file} was already sent as {other.slug}; was the file renamed?" if other else ""

    def _refuse_renamed(self) -> None:
        words = self._renamed()
        if not words:
            return
        if not on_terminal():
            raise Problem(f"{words} To send it again, run the command at a terminal and confirm.")
        confirm(f"{words} Send it again to everybody?", yes=False)

    def _require_same_provider(self, before: Any) -> None:
        from mailer.providers.current import configured_provider

        if before.provider != self.plan.provider:
            raise Problem(
                f"{self.slug} was planned for {before.provider}, but {configured_provider().names.url} is "
                f"{self.plan.provider} here; use one provider for the whole send."
            )

    def _require_own(self, before: Any) -> None:
        from mailer.store.elsewhere import why_not_from_here

        if why := why_not_from_here(before):
            raise Problem(f"{self.slug} cannot be sent from here: {why}.")

    def _plan_and_send(self, before: Any) -> NoReturn:
        from mailer.cli.watching import carry_out

        self._require_acceptable()
        self._require_reachable()
        readers = "everybody above" if self.plan.provider != "rehearsal" else "nobody: rehearse it"
        later = f" on {self._when()}" if self.due_at else ""
        confirm(f"Send {self.slug} to {readers}{later}?", self.yes or self.plan.provider == "rehearsal")
        if self.detach:
            self._leave(self._plan(before))
        carry_out(lambda: self._plan(before), self.as_json)

    def _require_acceptable(self) -> None:
        from mailer.sending.planning import why_refused
        from mailer.store.accounts import refuse_unknown_key

        refuse_unknown_key()
        if why := why_refused(self.plan):
            raise Problem(f"{self.file}: the provider would not accept this issue: {why}", Exit.FINDINGS)

    def _nobody(self) -> Problem:
        return Problem(
            f"{self.plan.newsletter.label} has no confirmed subscriber who may be emailed; "
            "see `mailer subscribers list`, `add` or `import`. Nothing was sent."
        )

    def _plan(self, before: Any) -> Any:
        from django.db import IntegrityError

        from mailer.sending.existing import discard_unsent, standing
        from mailer.sending.planning import NobodyToSend, plan_send, schedule_send

        if before is not None and not discard_unsent(before):
            raise Problem(f"{self.slug} changed state in the meantime; run the command again.")
        try:
            return schedule_send(self.plan, self.due_at) if self.due_at else plan_send(self.plan)
        except NobodyToSend:
            raise self._nobody() from None
        except IntegrityError:
            # Another editor was faster with the same issue: one send, and both see it.
            now = standing(self.plan.newsletter.label, self.slug, self.plan.provider)
            if now is None or now.source_sha256 != self.plan.issue.source_sha256:
                raise Problem(
                    f"{self.slug} was planned by another command in the meantime; run the command again."
                ) from None
            return now

    def _require_reachable(self) -> None:
        from django.conf import settings

        from mailer.celery import why_no_broker
        from mailer.cli.watching import worker_swept_lately
        from mailer.publishing.reachability import why_unreachable
        from mailer.store import clock, presence

        somebody_sends = settings.EMBEDDED or worker_swept_lately()
        if why := why_no_broker():
            if not somebody_sends:
                raise Problem(f"{why}, and no worker has checked in for a minute. Nothing was sent.")
            click.echo(f"mailer: {why}; workers will find the send within seconds.", err=True)
        if self.detach and not worker_swept_lately():
            if idle := presence.idle_workers(clock.now()):
                raise Problem(f"nothing would be sent. {idle}")
            raise Problem(
                "no worker that may send has checked in for a minute, so nothing would be sent; start one with "
                "`mailer worker`. If one is running, its log and `mailer doctor` on that machine say what it is "
                "waiting for."
            )
        if settings.PROVIDER_IS_LOCAL:
            return
        why = why_unreachable(settings.BASE_URL)
        if why:
            raise Problem(f"subscribers could not unsubscribe: {why}")

    def _leave(self, send: Any) -> NoReturn:
        """The workers do the rest."""
        from mailer.sending.accounting import receipt

        if self.as_json:
            click.echo(json.dumps(receipt(send), ensure_ascii=False))
        elif send.state == "scheduled":
            from mailer.publishing.reporting import when

            click.echo(f"{self.slug} goes out {when(send)}; mailer status {self.slug} shows its progress.")
        else:
            click.echo(
                f"{self.slug}: planned for {send.planned} readers; mailer status {self.slug} shows its progress."
            )
        raise click.exceptions.Exit(Exit.DONE)

    def _attach(self, before: Any) -> NoReturn:
        from mailer.cli.watching import carry_out
        from mailer.sending import hints

        self._require_own(before)
        if before.state == "scheduled":
            click.echo(f"mailer: {self.slug} is scheduled; waiting for its time.", err=True)
        else:
            click.echo(f"mailer: {self.slug} is being sent; continuing.", err=True)
        if self.detach:
            self._leave(before)

        def go_on() -> Any:
            hints.enqueue(before.pk, hints.MOST)  # the hints of a worker that died in its own memory died with it
            return before

        carry_out(go_on, self.as_json)

    def _resume(self, before: Any) -> NoReturn:
        from mailer.cli.watching import carry_out
        from mailer.sending.steering import resume

        def go_on() -> Any:
            resume(before.pk)
            return before

        self._require_own(before)
        confirm(f"{self.slug} is paused; resume with the content that was planned?", self.yes)
        if self.detach:
            self._leave(go_on())
        carry_out(go_on, self.as_json)

    def _show_result(self, before: Any) -> NoReturn:
        from mailer.cli.watching import finish

        finish(before, self.as_json)

    def _refuse_changed(self, before: Any) -> NoReturn:
        if before.state == "sending":
            ways = f"`mailer cancel {self.slug}` cancels it for those still waiting"
        elif before.state == "paused":
            ways = f"`mailer resume {self.slug}` resumes with the content that was planned, `mailer cancel` ends it"
        else:
            ways = "send a correction as a new issue, under another file name"
        raise Problem(
            f"{self.file} differs from what was planned as {self.slug}, which is {before.state}; readers may already "
            f"have it, so it is not sent again: {ways}."
        )
