"""`mailer check`: find what is wrong with an issue before it is sent."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli import terminal

if TYPE_CHECKING:
    from mailer.content.findings import Finding

COLOURS = {"error": "bold red", "warning": "yellow"}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--links", is_flag=True, help="Request each link to see if its page exists.")
@click.option("--ignore", "ignored", metavar="RULE", multiple=True, help="Ignore a rule; repeatable.")
@click.option("--allow-drafts", is_flag=True, help="Do not fail because an issue is a draft.")
@click.option("--newsletter", "name", help="Which newsletter of newsletter.toml.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="github: annotations for GitHub Actions.",
)
def check(
    files: tuple[Path, ...],
    strict: bool,
    links: bool,
    ignored: tuple[str, ...],
    allow_drafts: bool,
    name: str | None,
    form: str,
) -> None:
    """Check issues for mistakes. Errors block `mailer send`.

    Each line is FILE:LINE:COLUMN, severity, rule, what is wrong and how to fix it. With errors, the exit code
    is 3. A line `ignore: [RULE, ...]` in an issue's front matter leaves rules out for good.
    """
    terminal.start_rendering()
    from mailer.checks import blocking
    from mailer.publishing.preparing import require_known_rules

    require_known_rules(ignored)
    found = [(file, finding) for file in files for finding in _check(file, name, links, set(ignored))]
    _PRINT[form](found, len(files))
    failing = [finding for _, finding in found] if strict else blocking(finding for _, finding in found)
    if any(finding.rule != "draft" or not allow_drafts for finding in failing):
        raise SystemExit(terminal.Exit.FINDINGS)


def _check(file: Path, name: str | None, links: bool, ignored: set[str]) -> "list[Finding]":
    from mailer.publishing.preparing import check_file

    asking = partial(_say_asking, file) if links else None
    return check_file(file, name, ignored, asking)


def _say_asking(file: Path, pages: int) -> None:
    click.echo(f"{file}: asking for {pages} pages …", err=True)


# ---------------------------------------------------------------- formats


def _print_text(found: "list[tuple[Path, Finding]]", files: int) -> None:
    write = _coloured() if sys.stdout.isatty() else _plain
    for file, finding in found:
        place, detail = (
            terminal.one_line(f"{file}:{finding.line}:{finding.column}"),
            f"{finding.message}; {finding.fix}",
        )
        write(place, finding.severity, terminal.one_line(f"{finding.rule} {detail}"))
    click.echo(_summary([finding for _, finding in found], files))


def _plain(place: str, severity: str, rest: str) -> None:
    click.echo(f"{place} {severity} {rest}")


def _coloured() -> Callable[[str, str, str], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def write(place: str, severity: str, rest: str) -> None:
        rule, _, detail = rest.partition(" ")
        console.print(
            Text.assemble((place, "cyan"), " ", (severity, COLOURS[severity]), " ", (rule, "bold"), " ", detail)
        )

    return write


def _summary(findings: "list[Finding]", files: int) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    where = terminal.counted(files, "file")
    if not findings:
        return f"No problems in {where}."
    return f"{terminal.counted(errors, 'error')}, {terminal.counted(len(findings) - errors, 'warning')} in {where}."


def _print_json(found: "list[tuple[Path, Finding]]", files: int) -> None:
    listed = [{"file": str(file)} | asdict(finding) for file, finding in found]
    click.echo(json.dumps(listed, ensure_ascii=False, indent=2))


def _print_github(found: "list[tuple[Path, Finding]]", files: int) -> None:
    """Print workflow commands: docs.github.com, "Workflow commands for GitHub Actions"."""
    for file, finding in found:
        place = f"file={_property(str(file))},line={finding.line},col={finding.column},title={_property(finding.rule)}"
        click.echo(f"::{finding.severity} {place}::{_data(terminal.printable(f'{finding.message}; {finding.fix}'))}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_PRINT = {"text": _print_text, "json": _print_json, "github": _print_github}
