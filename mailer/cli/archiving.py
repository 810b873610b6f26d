"""`mailer archive`: the issues that have a page, those that were sent and those that were imported."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.building import build
from mailer.cli.importing import import_
from mailer.cli.searching import search
from mailer.cli.terminal import Exit, confirm, counted, start
from mailer.content.dates import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailer.archive.correcting import Change
    from mailer.publishing.archiving import SentIssue

LONGEST = 40  # lines of a plan
_newsletter = click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def archive() -> None:
    """List, search, import, correct or remove issues with a page, draw their cards, build a static site."""


archive.add_command(build)
archive.add_command(import_)
archive.add_command(search)


@archive.command("list")
@_newsletter
@_json
def list_(newsletter: str | None, as_json: bool) -> None:
    """Print the issues of the archive as a Markdown list, newest first, to paste into a text."""
    start()
    from mailer.publishing.archiving import in_time_zone_of, sent_issues
    from mailer.publishing.newsletters import choose_newsletter

    chosen = choose_newsletter(newsletter)
    label = chosen.label
    listed = list(sent_issues(label))
    if as_json:
        with in_time_zone_of(chosen):
            rows = [_row(sent) for sent in listed]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    from mailer.content.markdown import as_list_item

    for sent in listed:
        click.echo(as_list_item(sent.entry.title, sent.url))
    if not listed:
        click.echo(f"mailer: the archive of {label} has no issue yet.", err=True)


def _row(sent: "SentIssue") -> dict[str, object]:
    entry = sent.entry
    return {
        "slug": entry.slug,
        "title": entry.title,
        "url": sent.url,
        "published": entry.published.isoformat(),
        "date": entry.dated.isoformat(),
        "imported": entry.imported,
        "corrected": entry.corrected.isoformat() if entry.corrected else None,
    }


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
    if not proposal.changes and not proposal.is_removed:
        _tell(facts, as_json, f"{facts['url']} is already up to date; nothing was changed.")
        return
    _show(facts, proposal.changes, dry_run and not as_json)
    if dry_run:
        if as_json:
            click.echo(json.dumps(facts, ensure_ascii=False))
        return
    back = " It was removed, and will be there again." if proposal.is_removed else ""
    confirm(f"Put this on the web page of {proposal.send.slug}?{back}", yes)
    corrected = correct(proposal)
    facts["corrected"] = corrected.isoformat() if corrected else None
    done = "is corrected" if corrected else "is there again"
    _tell(facts, as_json, f"{facts['url']} {done}; what was emailed stays on record unchanged.")


@archive.command()
@click.argument("slug")
@_newsletter
@click.option("--yes", is_flag=True, help="Do not ask.")
@_json
def remove(slug: str, newsletter: str | None, yes: bool, as_json: bool) -> None:
    """Remove the web page of the issue SLUG: its address answers 410 Gone from then on.

    What was emailed or imported stays on record. `mailer archive update FILE` puts the page of a sent issue back,
    `mailer archive import --restore FILE` that of an imported one.
    """
    start()
    from mailer.publishing.archiving import find_page, in_time_zone_of, page_address, remove_page
    from mailer.publishing.newsletters import choose_newsletter

    chosen = choose_newsletter(newsletter)
    label = chosen.label
    found, url = find_page(label, slug), page_address(label, slug)
    facts: dict[str, object] = {"newsletter": label, "slug": slug, "url": url, "removed": True}
    if found is None:
        _tell(facts, as_json, f"{url} was removed before; nothing was changed.")
        return
    with in_time_zone_of(chosen):
        day = in_words(found.dated)
    confirm(f'Remove the page of "{found.title}" ({day}), {url}?', yes)
    remove_page(label, slug)
    _tell(facts, as_json, f"{url} is removed; browsers may show a kept copy for five minutes.")


@archive.command()
@_newsletter
@click.option("--again", is_flag=True, help="Draw those that there are, too: after a new colour, logo or font.")
@_json
def cards(newsletter: str | None, again: bool, as_json: bool) -> None:
    """Draw the cards of issues that have none: sent before there was a font, or imported.

    Other sites show a card where somebody links to the page of an issue. The exit code is 1 if some cannot be drawn.
    """
    start()
    from mailer.publishing.cards import draw_cards
    from mailer.publishing.newsletters import choose_newsletter

    done = []
    for one in draw_cards(choose_newsletter(newsletter), again=again):
        done.append(one)
        if one.fault:
            click.echo(f"mailer: {one.slug} has no card: {one.fault}", err=True)
    failed = sum(bool(one.fault) for one in done)
    if as_json:
        click.echo(json.dumps([vars(one) for one in done], ensure_ascii=False))
    else:
        click.echo(f"{counted(len(done) - failed, 'card')} drawn, {failed} cannot be drawn.")
    if failed:
        raise SystemExit(Exit.FAILED)


def _show(facts: dict[str, object], found: "Sequence[Change]", on_stdout: bool) -> None:
    for name in ("newsletter", "slug", "url"):
        click.echo(f"{name:>10}  {facts[name]}", err=not on_stdout)
    for change in found[:LONGEST]:
        click.echo(f"{change.sign} {change.line}", err=not on_stdout)
    if len(found) > LONGEST:
        click.echo(f"and {counted(len(found) - LONGEST, 'more line')}; --json prints all", err=not on_stdout)


def _tell(facts: dict[str, object], as_json: bool, detail: str) -> None:
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else detail)
