"""`mailer subscribers import` and `export`: readers from a file and into one."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.subscribers.people import json_option, newsletter_option
from mailer.cli.terminal import Exit, Problem, choose_newsletter, confirm, database_address, start

if TYPE_CHECKING:
    from subscribers.importing import Report, Stage


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--state", type=click.Choice(["active", "pending"]), help="For rows that do not say it themselves.")
@newsletter_option
@click.option("--yes", is_flag=True, help="Import without asking.")
@json_option
def import_(file: Path, state: str | None, newsletter: str | None, yes: bool, as_json: bool) -> None:
    """Take in readers from a CSV file with the columns email and, if you have them, state, name, language.

    Shows first what would change. Nobody who left or bounced comes back by a file, and nobody is mailed.
    """
    start()
    from subscribers.csvfiles import FileError
    from subscribers.importing import apply, plan, read

    label = choose_newsletter(newsletter)
    try:
        with read(file, label, state) as stage:
            _show_plan(stage, plan(stage))
            confirm(f"Import into {label}?", yes)
            report = apply(stage, source=f"file {file.name}")
    except FileError as error:
        raise Problem(str(error), Exit.USAGE) from None
    click.echo(_as_json(report)) if as_json else _show_report(report)
    if report.rejected:
        sys.exit(Exit.OPEN_ENDS)


def _show_plan(stage: "Stage", report: "Report") -> None:
    click.echo(f"{stage.path} into {stage.newsletter}, database {database_address()}:", err=True)
    for line in _lines(report):
        click.echo(f"  {line}", err=True)
    for rejected in report.first_rejected:
        click.echo(f"    {stage.path}:{rejected.line} {rejected.reason}", err=True)
    if report.rejected > len(report.first_rejected):
        click.echo(f"    and {report.rejected - len(report.first_rejected)} more", err=True)
    if report.new_by_state.get("pending"):
        click.echo("  Pending readers get no mail by an import; each gets one when they ask for it.", err=True)


def _show_report(report: "Report") -> None:
    click.echo("Imported: " + ("; ".join(_lines(report)) or "nothing to do") + ".")
    if report.rejected_file:
        click.echo(f"Rejected rows and reasons: {report.rejected_file}", err=True)


def _lines(report: "Report") -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(report.new_by_state.items()))
    counts = (
        (report.new, f"new ({states})" if states else "new"),
        (report.unchanged, "already there, unchanged"),
        (report.left, "unsubscribed by the file"),
        (report.stay_unsubscribed, "left before and stay unsubscribed"),
        (report.suppressed, "suppressed, not taken in"),
        (report.duplicates, "named more than once, counted once"),
        (report.rejected, "rejected"),
    )
    return [f"{count} {what}" for count, what in counts if count or what.startswith("new")]


def _as_json(report: "Report") -> str:
    from dataclasses import asdict

    values = asdict(report) | {"rejected_file": str(report.rejected_file or "") or None}
    return json.dumps(values, ensure_ascii=False)


@click.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@newsletter_option
def export(form: str, output: Path | None, newsletter: str | None) -> None:
    """Write out readers: address, state, newsletter, name, language and when they came and left."""
    start()
    from subscribers.exporting import write_csv, write_jsonl

    label = choose_newsletter(newsletter) if newsletter else None
    write = write_csv if form == "csv" else write_jsonl
    if output is None:
        write(sys.stdout, label)
        return
    try:
        with open(output, "w", encoding="utf-8", newline="", opener=_closed_to_others) as file:
            count = write(file, label)
    except OSError as error:
        raise Problem(f"{output} cannot be written: {error.strerror}.", Exit.USAGE) from None
    click.echo(f"{count} readers written to {output}.", err=True)


def _closed_to_others(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)
