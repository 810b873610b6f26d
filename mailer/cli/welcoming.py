"""`mailer send welcome`: freeze the email that each new subscriber gets; and show how it goes, for `mailer status`."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from mailer.cli.terminal import Exit, Problem, confirm, counted, one_line, start

if TYPE_CHECKING:
    from mailer.config.newsletter import Newsletter
    from mailer.sending.welcoming import Content, Version


@click.command("welcome")
@click.option("--newsletter", "name", metavar="NAME", help="Which newsletter of newsletter.toml, if there are several.")
@click.option("--dry-run", is_flag=True, help="Check the welcome and show what would change; change nothing.")
@click.option("--off", is_flag=True, help="End the welcome: who confirms from now on gets none.")
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Ignore a rule; repeatable.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def welcome(name: str | None, dry_run: bool, off: bool, ignored: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Email welcome.md to each subscriber who confirms from now on.

    The file, beside newsletter.toml, is checked like an issue; welcome.LANGUAGE.md is for subscribers who chose that
    language, and with several newsletters it is welcome.LABEL.md. Workers send what this command last froze: run it
    again after each change. The issues that it lists are renewed by themselves. Subscribers of before get nothing.
    """
    start()
    from mailer.publishing.newsletters import choose_newsletter

    newsletter = choose_newsletter(name)
    if off and dry_run:
        raise Problem("--off and --dry-run exclude each other; choose one.", Exit.USAGE)
    if off:
        _turn_off(newsletter, yes, as_json)
        return
    contents = _checked(newsletter, ignored)
    if dry_run:
        _show_dry_run(newsletter, contents, as_json)
        return
    _freeze(newsletter, contents, yes, as_json)


def _checked(newsletter: "Newsletter", ignored: tuple[str, ...]) -> "list[Content]":
    """Return the welcome in each language, or end with the findings that block."""
    from mailer.cli.findings import count_warnings, say_copying, say_uncopied, stop_at_errors
    from mailer.publishing import welcomes
    from mailer.publishing.preparing import prepare_to_send, require_known_rules, require_sound

    require_known_rules(ignored)
    contents = []
    for path in welcomes.require_files(newsletter):
        proof = prepare_to_send(path, newsletter.label, say_copying)
        warnings = stop_at_errors(path, lambda proof=proof: require_sound(proof, ignored), "nothing was done")  # type: ignore[misc]
        say_uncopied(path, warnings)
        count_warnings(path, warnings)
        contents.append(welcomes.get_ready(proof))
    welcomes.require_one_each(newsletter, contents)
    return contents


def _show_dry_run(newsletter: "Newsletter", contents: "list[Content]", as_json: bool) -> None:
    from django.conf import settings

    rows = [_row(newsletter, content) for content in contents]
    if as_json:
        ended = _ended(newsletter, contents)
        facts = {"newsletter": newsletter.label, "provider": settings.PROVIDER, "versions": rows, "ended": ended}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    _print(newsletter, rows, _ended(newsletter, contents), err=False)


def _row(newsletter: "Newsletter", content: "Content") -> dict[str, Any]:
    from mailer.publishing import welcomes

    former = welcomes.on(newsletter).get(content.language)
    action = "keep" if not welcomes.would_be_new(newsletter, content) else "replace" if former else "add"
    return {
        "language": content.language,
        "file": content.file,
        "subject": content.plan.issue.subject,
        "lists": content.lists,
        "action": action,
    }


def _ended(newsletter: "Newsletter", contents: "list[Content]") -> list[str]:
    """Return the languages whose file is gone."""
    from mailer.publishing import welcomes

    return sorted(set(welcomes.on(newsletter)) - {content.language for content in contents})


WOULD = {"keep": "unchanged", "replace": "replaces the version in use", "add": "new"}


def _print(newsletter: "Newsletter", rows: list[dict[str, Any]], ended: list[str], *, err: bool) -> None:
    from django.conf import settings

    click.echo(one_line(f"    newsletter  {newsletter.name}"), err=err)
    for row in rows:
        lists = f", lists {counted(row['lists'], 'issue')}" if row["lists"] else ""
        line = f'{row["language"]:>14}  "{row["subject"]}" ({row["file"]}{lists}): {WOULD[row["action"]]}'
        click.echo(one_line(line), err=err)
    for language in ended:
        click.echo(f"{language:>14}  ends: its file is gone", err=err)
    click.echo(f"      provider  {settings.PROVIDER}", err=err)
    if settings.PROVIDER == "rehearsal":
        click.echo("This is a rehearsal: no email will go out.", err=True)


def _freeze(newsletter: "Newsletter", contents: "list[Content]", yes: bool, as_json: bool) -> None:
    from django.conf import settings

    from mailer.publishing import welcome_reports, welcomes

    rows, ended = [_row(newsletter, content) for content in contents], _ended(newsletter, contents)
    _print(newsletter, rows, ended, err=True)
    changes = ended or any(row["action"] != "keep" for row in rows)
    if changes:
        question = f"Email this to each subscriber of {newsletter.name} who confirms from now on?"
        confirm(one_line(question), yes or settings.PROVIDER == "rehearsal")
    try:
        versions = welcomes.freeze(newsletter, contents) if changes else []
    except KeyboardInterrupt:  # before or after the commit: only the database knows
        told = "interrupted; `mailer status welcome` shows what is in use, and running the command again is safe."
        click.echo(f"mailer: {told}", err=True)
        raise
    if as_json:
        click.echo(json.dumps(welcome_reports.report(newsletter.label), ensure_ascii=False))
        return
    _tell(newsletter, versions)


def _tell(newsletter: "Newsletter", versions: "list[Version]") -> None:
    from mailer.store import presence

    if not any(version.is_new for version in versions):
        click.echo("The welcome is already in use as it is; nothing was changed.")
        say_what_stopped(newsletter.label)
        return
    named = ", ".join(version.send.slug for version in versions if version.is_new)
    click.echo(f"{newsletter.name} welcomes its subscribers with {named}; `mailer status welcome` shows who got it.")
    say_what_stopped(newsletter.label)
    from django.conf import settings

    if not (settings.EMBEDDED or presence.worker_swept_lately()):
        click.echo("mailer: no worker has checked in for a minute; start one with `mailer worker`.", err=True)


def _turn_off(newsletter: "Newsletter", yes: bool, as_json: bool) -> None:
    from mailer.publishing import welcome_reports, welcomes

    if welcomes.on(newsletter):
        confirm(one_line(f"End the welcome of {newsletter.name}?"), yes)
    waiting = welcomes.turn_off(newsletter)
    if as_json:
        click.echo(json.dumps(welcome_reports.report(newsletter.label) | {"dropped": waiting}, ensure_ascii=False))
        return
    dropped = f" {counted(waiting, 'subscriber')} who had just confirmed will not get it." if waiting else ""
    click.echo(f"{newsletter.name} has no welcome any more.{dropped}")


def say_what_stopped(newsletter: str | None = None) -> None:
    """Say which versions somebody must look at, of one newsletter or all: they are in no list of issues."""
    from mailer.publishing import welcome_reports

    for send in welcome_reports.stopped():
        if newsletter not in (None, send.newsletter):
            continue
        click.echo(one_line(f"{send.newsletter}/{welcome_reports.why_stopped(send)}."))


def show(newsletter: str | None, as_json: bool) -> None:
    """Print who got the welcome: of one newsletter, or of each that has one; end with 5 if something is open."""
    from django.conf import settings

    from mailer.publishing import welcome_reports

    labels = (
        [newsletter] if newsletter else [label for label in settings.NEWSLETTERS if welcome_reports.is_known(label)]
    )
    reports = [welcome_reports.report(label) for label in labels]
    for report in reports:
        if as_json:
            click.echo(json.dumps(report, ensure_ascii=False))
        else:
            _show(report)
    open_ends = any(report["unknown"] or report["rejected"] for report in reports)
    sys.exit(Exit.OPEN_ENDS if open_ends else Exit.DONE)


def _show(report: dict[str, Any]) -> None:
    due = counted(report["due"], "subscriber")
    click.echo(f"{report['newsletter']}: the welcome is {_state(report)}; {due} due")
    names = ("accepted", "skipped", "rejected", "unknown", "waiting", "cancelled")
    click.echo(f"planned {report['planned']} = " + " + ".join(f"{name} {report[name]}" for name in names))
    facts = ", ".join(f"{name} {report[name]}" for name in ("delivered", "bounced", "complained") if report[name])
    click.echo(f"of the accepted: {facts}" if facts else "no reports on the accepted ones yet")
    for version in report["versions"]:
        _show_version(version)


def _state(report: dict[str, Any]) -> str:
    if not report["on"]:
        return "off"
    paused = [version["state"] == "paused" for version in report["versions"] if version["in_use"]]
    if not any(paused):
        return "on"
    return "on, but paused" if all(paused) else "on, but paused in part"


def _show_version(version: dict[str, Any]) -> None:
    in_use = "in use" if version["in_use"] else "former"
    sums = ", ".join(f"{name} {version[name]}" for name in ("accepted", "unknown", "waiting") if version[name])
    told = [in_use, f"since {version['frozen_at'][:16].replace('T', ' ')} UTC", version["provider"], sums]
    click.echo(one_line(f"  {version['version']}  {', '.join(filter(None, told))}"))
    if version["state"] in ("paused", "cancelled"):
        why = f" — {version['reason']}" if version["reason"] else ""
        resume = f"; to resume: mailer resume {version['version']}" if version["state"] == "paused" else ""
        click.echo(f"    {version['state']}{why}{resume}")
    if version["unknown"]:
        click.echo(f"    mailer reconcile {version['version']} shows and settles what is unknown.")
