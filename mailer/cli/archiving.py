"""`mailer archive`: the issues that were sent, as their pages show them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import confirm, counted, start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.archive.correcting import Change

LONGEST = 40  # lines of a plan
_newsletter = click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def archive() -> None:
    """List sent issues, or correct the web page of one."""


@archive.command("list")
@_newsletter
@_json
def list_(newsletter: str | None, as_json: bool) -> None:
    """Print the sent issues as a Markdown list, newest first, to paste into a text."""
    start()
    from mailer.publishing.archiving import sent_issues
    from mailer.publishing.newsletters import choose_newsletter

    label = choose_newsletter(newsletter).label
    listed = list(sent_issues(label))
    if as_json:
        rows = [
            {
                "slug": sent.entry.slug,
                "title": sent.entry.title,
                "url": sent.url,
                "published": sent.entry.published.isoformat(),
                "corrected": sent.entry.corrected.isoformat() if sent.entry.corrected else None,
            }
            for sent in listed
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    from mailer.content.markdown import as_list_item

    for sent in listed:
        click.echo(as_list_item(sent.entry.title, sent.url))
    if not listed:
        click.echo(f"mailer: no issue of {label} has been sent yet.", err=True)


@archive.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_newsletter
@click.option("--dry-run", is_flag=True, help="Show what would change and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Ignore this finding; repeatable.")
@_json
def update(
    file: Path, newsletter: str | None, dry_run: bool, yes: bool, ignored: tuple[str, ...], as_json: bool
) -> None:
    """Update the web page of a sent issue with the text of FILE.

    The page shows the day of the correction. What was emailed stays on record unchanged.
    """
    start()
    from mailer.cli.findings import count_warnings, stop_at_errors
    from mailer.publishing.correcting import correct, propose, require_sound_page
    from mailer.publishing.preparing import prepare, require_known_rules

    require_known_rules(ignored)
    proof = prepare(file, newsletter)
    count_warnings(file, stop_at_errors(file, lambda: require_sound_page(proof, ignored), "the page was not changed"))
    proposal = propose(proof)
    facts: dict[str, object] = {
        "newsletter": proof.newsletter.label,
        "slug": proposal.send.slug,
        "url": proposal.url,
        "changes": [f"{one.sign} {one.line}" for one in proposal.changes],
    }
    if not proposal.changes:
        _tell(facts, as_json, f"{facts['url']} is already up to date; nothing was changed.")
        return
    _show(facts, proposal.changes, dry_run and not as_json)
    if dry_run:
        if as_json:
            click.echo(json.dumps(facts, ensure_ascii=False))
        return
    confirm(f"Put this on the web page of {proposal.send.slug}?", yes)
    facts["corrected"] = correct(proposal).isoformat()
    _tell(facts, as_json, f"{facts['url']} is corrected; what was emailed stays on record unchanged.")


def _show(facts: dict[str, object], found: "Sequence[Change]", on_stdout: bool) -> None:
    for name in ("newsletter", "slug", "url"):
        click.echo(f"{name:>10}  {facts[name]}", err=not on_stdout)
    for change in found[:LONGEST]:
        click.echo(f"{change.sign} {change.line}", err=not on_stdout)
    if len(found) > LONGEST:
        click.echo(f"and {counted(len(found) - LONGEST, 'more line')}; --json prints all", err=not on_stdout)


def _tell(facts: dict[str, object], as_json: bool, detail: str) -> None:
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else detail)
