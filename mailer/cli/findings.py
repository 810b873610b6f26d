"""Print findings on the terminal, and end a command that they block."""

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from mailer.cli.terminal import Exit, Problem, counted, one_line, quoted
from mailer.content.findings import Finding
from mailer.publishing.errors import CorrectIssue


def tell(file: Path, findings: Iterable[Finding]) -> None:
    """Print one line per finding on stderr, in the format that editors and terminals understand."""
    for finding in findings:
        place = f"{file}:{finding.line}:{finding.column}"
        click.echo(one_line(f"{place} {finding.severity} {finding.rule} {finding.message}; {finding.fix}"), err=True)


def stop_at_errors(file: Path, require: Callable[[], list[Finding]], outcome: str) -> list[Finding]:
    """Return the warnings that `require` finds; end the command with exit code 3 and `outcome` if it finds errors."""
    try:
        return require()
    except CorrectIssue as refused:
        tell(file, refused.findings)
        raise Problem(f"{counted(len(refused.findings), 'error')} in {file}; {outcome}.", Exit.FINDINGS) from None


def count_warnings(file: Path, warnings: list[Finding]) -> None:
    """Say how many warnings there are, and where they are listed."""
    if warnings:
        found = counted(len(warnings), "warning")
        click.echo(f"mailer: {found} in {file}; `mailer check {quoted(file)}` lists them.", err=True)


def say_copying(images: int) -> None:
    """Say before a command fetches remote images why it takes a while."""
    click.echo(f"mailer: copying {counted(images, 'remote image')} …", err=True)


def say_uncopied(file: Path, findings: Iterable[Finding]) -> None:
    """Say why remote images were not copied: `mailer check`, which never fetches, could not."""
    tell(file, [finding for finding in findings if finding.rule == "image-uncopied"])
