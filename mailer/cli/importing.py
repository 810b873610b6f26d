"""`mailer archive import`: bring issues that were published elsewhere into the archive."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem, confirm, counted, one_line, start

if TYPE_CHECKING:
    from mailer.publishing.importing import ImportPlan, Planned

LONGEST = 20  # lines of one kind
# What is said of each kind, in the order of a plan.
SAID = {
    "new": "new",
    "changed": "changed",
    "restored": "put back",
    "unchanged": "unchanged",
    "skipped": "skipped",
    "refused": "refused",
}


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, path_type=Path))
@click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
@click.option("--dry-run", is_flag=True, help="Show what would be imported and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Ignore this finding; repeatable.")
@click.option("--restore", is_flag=True, help="Put back pages that were removed, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(
    files: tuple[Path, ...],
    newsletter: str | None,
    dry_run: bool,
    yes: bool,
    ignored: tuple[str, ...],
    restore: bool,
    as_json: bool,
) -> None:
    """Give issues that were published elsewhere their pages in the archive.

    Each FILE is a Markdown file, or a folder with such files. Nobody is emailed. Run it again after you changed files:
    only what changed is imported anew.
    """
    start()
    from mailer.cli.findings import say_copying
    from mailer.publishing.importing import Terms, plan_import, without_card
    from mailer.publishing.preparing import require_known_rules

    require_known_rules(ignored)
    plan = plan_import(files, Terms(newsletter, frozenset(ignored), restore), say_copying)
    if not as_json:
        _show(plan, err=not dry_run)
    if plan.kept and not dry_run:
        confirm(_question(plan), yes)
        _carry_out(plan)
    lacking = without_card(plan)
    if as_json:
        facts = _facts(plan, imported=bool(plan.kept) and not dry_run)
        click.echo(json.dumps(facts | {"without_card": sum(lacking.values())}, ensure_ascii=False))
    elif not dry_run:
        click.echo(_outcome(plan))
        for label, count in lacking.items():
            click.echo(_cards(label, count), err=True)
    _end(plan)


def _carry_out(plan: "ImportPlan") -> None:
    """Import what the plan keeps. Whatever ends this early, say how far it came: that much is there to stay."""
    from mailer.publishing.importing import carry_out

    done: list[Planned] = []
    try:
        carry_out(plan, done.append)
    except BaseException:
        if len(done) < len(plan.kept):
            click.echo(
                f"mailer: ended early, with {len(done):,} of {counted(len(plan.kept), 'page')} in the archive; run the "
                "command again for the rest.",
                err=True,
            )
        raise


def _show(plan: "ImportPlan", *, err: bool) -> None:
    for line in _lines(plan):
        click.echo(one_line(line), err=err)


def _lines(plan: "ImportPlan") -> Iterator[str]:
    for fate, said in SAID.items():
        found = [one for one in plan.planned if one.fate == fate]
        if found:
            yield f"{said}: {len(found):,}{_span(found)}"
        if fate != "unchanged":
            yield from _cut([line for one in found for line in _details(one)])
    if plan.uncopied:
        yield f"not copied: {counted(len(plan.uncopied), 'remote image')}, which pages load from the image's own site"
        yield from _cut([f"  {address} {failure.reason}" for address, failure in plan.uncopied.items()])


def _span(found: "Sequence[Planned]") -> str:
    days = sorted(one.day for one in found if one.day)
    return f" ({days[0]} to {days[-1]})" if len(days) > 1 else ""


def _details(one: "Planned") -> Iterator[str]:
    if one.reason:
        yield f"  {one.file} {one.reason}"
    elif one.findings:
        first = one.findings[0]
        more = f" (and {counted(len(one.findings) - 1, 'more error')})" if len(one.findings) > 1 else ""
        yield f"  {one.file}:{first.line}:{first.column} {first.rule} {first.message}; {first.fix}{more}"
    else:
        yield f"  {one.day}  {one.slug}  {one.title}"


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= LONGEST:
        return lines
    return [*lines[: LONGEST - 1], f"  and {len(lines) - LONGEST + 1:,} more; --json names all"]


def _question(plan: "ImportPlan") -> str:
    labels = ", ".join(dict.fromkeys(one.newsletter for one in plan.kept))
    return f"Put {counted(len(plan.kept), 'page')} into the archive of {labels}? Nobody is emailed."


def _outcome(plan: "ImportPlan") -> str:
    counts = plan.counts
    told = [f"{counts[fate]:,} {said}" for fate, said in SAID.items() if counts[fate]]
    return f"{', '.join(told)}." if plan.kept else f"Nothing to import: {', '.join(told) or 'no Markdown files'}."


def _cards(label: str, count: int) -> str:
    from django.conf import settings

    named = f" --newsletter {label}" if len(settings.NEWSLETTERS) > 1 else ""
    return (
        f"mailer: {counted(count, 'page')} without the card that other sites show beside a link; "
        f"`mailer archive cards{named}` draws what is missing."
    )


def _facts(plan: "ImportPlan", *, imported: bool) -> dict[str, object]:
    rows = [
        {
            "file": str(one.file),
            "fate": one.fate.value,
            "newsletter": one.newsletter,
            "slug": one.slug,
            "title": one.title,
            "date": one.day.isoformat() if one.day else None,
            "url": one.url,
            "aliases": list(one.aliases),
            "reason": one.reason,
            "findings": [
                {"line": found.line, "column": found.column, "rule": found.rule, "message": found.message}
                for found in one.findings
            ],
        }
        for one in plan.planned
    ]
    uncopied = {address: failure.reason for address, failure in plan.uncopied.items()}
    return {"imported": imported, "counts": plan.counts, "issues": rows, "uncopied": uncopied}


def _end(plan: "ImportPlan") -> None:
    if refused := plan.counts["refused"]:
        raise Problem(
            f"{counted(refused, 'file')} cannot be imported as they are; correct them, or add --ignore RULE, and run "
            "the command again.",
            Exit.FINDINGS,
        )
