"""`mailer check`: find what is wrong with an issue before it is sent."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli import terminal
from mailer.cli.terminal import Problem

if TYPE_CHECKING:
    from mailer.content.findings import Finding


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--all", "each", is_flag=True, help="List every finding, not one line per rule.")
@click.option("--strict", is_flag=True, help="Fail on warnings too, but not on hints.")
@click.option("--links", is_flag=True, help="Request each link to see if its page exists.")
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Ignore a rule; repeatable.")
@click.option("--allow-drafts", is_flag=True, help="Do not fail because an issue is a draft.")
@click.option("--fix", "to_fix", is_flag=True, help="Correct what has one right answer, after showing it.")
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--newsletter", "name", help="Which newsletter of newsletter.toml.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="github: annotations for GitHub Actions.",
)
def check(
    paths: tuple[Path, ...],
    each: bool,
    strict: bool,
    links: bool,
    ignored: tuple[str, ...],
    allow_drafts: bool,
    to_fix: bool,
    yes: bool,
    name: str | None,
    form: str,
) -> None:
    """Check issues for mistakes. Errors block `mailer send`.

    Each FILE is a Markdown file, or a folder with such files. Each line is FILE:LINE:COLUMN, severity, rule, how often
    it was found, what is wrong and how to fix it. With errors, the exit code is 3. `ignore: [RULE, ...]` in an issue's
    front matter leaves rules out for good, `ignore = ["RULE", ...]` in newsletter.toml does so for all issues.

    --fix writes "##Heading" as "## Heading", removes a title that is repeated, turns further titles into
    sections, and puts missing blank lines before lists, headings and code; with --links also https: for http: where
    the site answers. It shows the changes first.
    """
    terminal.start_rendering()
    from mailer.cli import fixing, reports
    from mailer.publishing.preparing import require_known_rules, require_newsletter

    require_known_rules(ignored)
    if yes and not to_fix:
        raise click.UsageError("--yes is for --fix.")
    files = list(_issues_in(paths))
    for file in files if to_fix else ():
        require_newsletter(file, name)
        fixing.fix(file, partial(_say_asking, file) if links else None, yes)
    found = [(file, finding) for file in files for finding in _check(file, name, links, set(ignored))]
    text = reports.print_all if each else reports.print_grouped
    {"text": text, "json": reports.print_json, "github": reports.print_github}[form](found, len(files))
    severe = {"error", "warning"} if strict else {"error"}
    failing = [finding for _, finding in found if finding.severity in severe]
    if any(finding.rule != "draft" or not allow_drafts for finding in failing):
        raise SystemExit(terminal.Exit.FINDINGS)


def _issues_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the files, and the issues in the folders; README.md and the like are not issues."""
    from mailer.cli.folders import NO_ISSUES
    from mailer.publishing.issue_files import find_files

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [one.path for one in find_files([path]) if not NO_ISSUES.fullmatch(one.path.stem.lower())]
        if not found:
            raise Problem(
                f"{path} has no Markdown files; give the path of an issue, or of the folder with your issues."
            )
        yield from found


def _check(file: Path, name: str | None, links: bool, ignored: set[str]) -> "list[Finding]":
    from mailer.publishing.preparing import check_file

    asking = partial(_say_asking, file) if links else None
    return check_file(file, name, ignored, asking)


def _say_asking(file: Path, pages: int) -> None:
    click.echo(f"{file}: asking for {pages} pages …", err=True)
