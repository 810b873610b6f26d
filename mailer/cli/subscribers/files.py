"""`mailer subscribers import` and `export`: readers from a file and into one."""

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.subscribers.people import json_option, newsletter_option
from mailer.cli.terminal import Exit, Problem, choose_newsletter, confirm, counted, database_address, start

if TYPE_CHECKING:
    from subscribers.files.importing import Report, Stage

A_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--state", type=click.Choice(["active", "pending"]), help="For rows that do not say it themselves.")
@newsletter_option
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Which column is the email, the name …")
@click.option("--source", default="", metavar="TEXT", help="Where the list comes from; kept with each reader.")
@click.option("--invite", is_flag=True, help="Mail each pending reader once, and ask them to confirm.")
@click.option("--per-hour", type=click.IntRange(1, 100_000), default=500, show_default=True, help="For --invite.")
@click.option("--rejected", type=A_FILE, help="Where rejected rows go, with reasons; FILE.rejected.csv if not given.")
@click.option("--yes", is_flag=True, help="Import without asking.")
@json_option
def import_(
    file: Path,
    state: str | None,
    newsletter: str | None,
    mapped: tuple[str, ...],
    source: str,
    invite: bool,
    per_hour: int,
    rejected: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Take in readers from a CSV or JSON lines file, such as Mailchimp, Substack, Ghost and others export.

    Shows first what would change. Nobody who left, bounced or was erased comes back by a file, and without --invite
    nobody is mailed. It can be stopped at any time; the same command again does the rest.
    """
    chosen = _chosen(mapped)
    start()
    from subscribers.files.csv_records import FileError
    from subscribers.files.importing import apply, plan, read
    from subscribers.files.inviting import invitations

    label = choose_newsletter(newsletter)
    try:
        with _no_collecting(), _bar("Reading", file.stat().st_size) as watch:
            stage = read(file, label, state, chosen, watch)
        with stage:
            with _bar("Planning", stage.good) as watch:
                planned = plan(stage, watch)
            _show_plan(stage, planned, per_hour if invite else None)
            confirm(f"Import into {label}?", yes)
            queue = invitations(label, per_hour) if invite else None
            origin = f"file {file.name}" + (f": {source.strip()}" if source.strip() else "")
            with _no_collecting(), _bar("Importing", stage.good) as watch:
                report = apply(stage, origin, invitations=queue, rejected=rejected, watch=watch)
    except FileError as error:
        raise Problem(str(error), Exit.USAGE) from None
    click.echo(_as_json(report)) if as_json else _show_report(report)
    if report.rejected:
        sys.exit(Exit.OPEN_ENDS)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Rows leave nothing behind that refers to itself; to look for it took a tenth of the time of a million."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _chosen(mapped: tuple[str, ...]) -> dict[str, str]:
    chosen = {}
    for text in mapped:
        field, equals, column = text.partition("=")
        if not (field and equals and column):
            raise Problem(f'--map {text!r} is not understood; write --map email="Your column".', Exit.USAGE)
        chosen[field] = column
    return chosen


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal that a function moves; where nobody looks, none."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=max(total, 1))
        yield lambda done: progress.update(task, completed=done)


def _show_plan(stage: "Stage", report: "Report", per_hour: int | None) -> None:
    click.echo(f"{stage.path} into {stage.newsletter}, database {database_address()}:", err=True)
    for line in [*stage.guesses, *_lines(report)]:
        click.echo(f"  {line}", err=True)
    for rejected in report.first_rejected:
        click.echo(f"    {stage.path}:{rejected.line} {rejected.reason}", err=True)
    if report.rejected > len(report.first_rejected):
        click.echo(f"    and {report.rejected - len(report.first_rejected)} more", err=True)
    if per_hour:
        click.echo(f"  Pending readers who were never mailed are asked to confirm, {per_hour} an hour.", err=True)
    elif report.new_by_state.get("pending"):
        click.echo("  Pending readers get no mail by an import; --invite asks them to confirm.", err=True)


def _show_report(report: "Report") -> None:
    click.echo("Imported: " + ("; ".join(_lines(report)) or "nothing to do") + ".")
    if report.invited:
        click.echo(
            f"{counted(report.invited, 'confirmation mail')} will go out; a worker or `mailer serve` sends them."
        )
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
        (report.newly_suppressed, "suppressed by the file"),
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
    from subscribers.files.exporting import write_csv, write_jsonl

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
