"""`mailer subscribers import` and `export`: subscribers from a file and into one."""

import errno
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit, audit_look
from mailer.cli.subscribers.people import json_option, newsletter_option, parse_basis
from mailer.cli.terminal import Exit, Problem, confirm, counted, database_address, on_terminal, start

if TYPE_CHECKING:
    from subscribers.files.importing import Report, Stage, Undecided

A_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("file", type=A_FILE)
@click.option(
    "--state",
    type=click.Choice(["active", "pending", "unsubscribed"]),
    help="For rows without a state.",
)
@newsletter_option
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN", help="Which column holds the email, the name …")
@click.option(
    "--map-state", "mapped_states", multiple=True, metavar="WORD=STATE", help="What a state in the file means."
)
@click.option(
    "--ignore-column", "ignored", multiple=True, metavar="NAME", help="A column that says nothing about who gets email."
)
@click.option("--reject-unknown", is_flag=True, help="Reject rows with an unknown state, and keep them out.")
@click.option("--source", default="", metavar="TEXT", help="How they agreed to get email; stored with each subscriber.")
@click.option("--invite", is_flag=True, help="Email each pending subscriber once, asking them to confirm.")
@click.option("--per-hour", type=click.IntRange(1, 100_000), default=500, show_default=True, help="For --invite.")
@click.option("--rejected", type=A_FILE, help="Where rejected rows go, with reasons; FILE.rejected.csv if not given.")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--yes", is_flag=True, help="Import without asking.")
@json_option
def import_(
    file: Path,
    state: str | None,
    newsletter: str | None,
    mapped: tuple[str, ...],
    mapped_states: tuple[str, ...],
    ignored: tuple[str, ...],
    reject_unknown: bool,
    source: str,
    invite: bool,
    per_hour: int,
    rejected: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import subscribers from a CSV or JSON lines file, as exported by Mailchimp, Substack, Ghost and others.

    Shows first what would change. A file never brings back people who unsubscribed, bounced or were erased, and without
    --invite no email goes out. You can stop it at any time; run the same command again to finish.
    """
    columns, source = _chosen(mapped), parse_basis(source)
    _require_file(file)
    start()
    states = _states(mapped_states)
    from mailer.publishing import labels
    from mailer.publishing.newsletters import choose_newsletter
    from subscribers.auditing import Act, Action
    from subscribers.files.csv_records import FileError
    from subscribers.files.importing import Answers, Undecided, apply, plan, read
    from subscribers.files.inviting import invitations

    label = choose_newsletter(newsletter).label
    labels.require_new(label)
    try:
        with _no_collecting(), _bar("Reading", file.stat().st_size) as watch:
            stage = read(file, label, state, Answers(columns, states, reject_unknown, ignored), watch)
        with stage:
            with _bar("Planning", stage.good) as watch:
                planned = plan(stage, watch)
            _show_plan(stage, planned, per_hour if invite else None)
            if as_json and (dry_run or not (yes or on_terminal())):
                click.echo(_as_json(stage, planned, done=False))
            if dry_run:
                return
            basis = source or _ask_for_basis(planned, yes)
            confirm(f"Import into {label}?", yes)
            queue = invitations(label, per_hour) if invite else None
            audit(Act(Action.IMPORTED, count=stage.distinct, detail=f"{file.name} into {label}", reason=basis))
            with _no_collecting(), _bar("Importing", stage.good) as watch:
                origin = f"file {file.name}"
                report = apply(stage, origin, basis=basis, invitations=queue, rejected=rejected, watch=watch)
    except FileError as error:
        if as_json and isinstance(error, Undecided):
            click.echo(_question_as_json(error))
        raise Problem(str(error), Exit.USAGE) from None
    click.echo(_as_json(stage, report, done=True)) if as_json else _show_report(report)
    if report.rejected:
        sys.exit(Exit.OPEN_ENDS)


def _ask_for_basis(planned: "Report", yes: bool) -> str:
    """Ask how those who will be mailed agreed to it; return "" if nobody can be asked, or nobody new will be mailed."""
    coming = planned.new_by_state.get("active", 0) + planned.new_by_state.get("pending", 0)
    if not coming:
        return ""
    if yes or not on_terminal():
        click.echo(
            "  How they agreed to get email is not recorded, and you may have to prove it: use --source TEXT.",
            err=True,
        )
        return ""
    asked: str = click.prompt(
        f"How did {'this subscriber' if coming == 1 else f'these {coming} subscribers'} agree to get email, where "
        "and when? It is stored with each",
        err=True,
    )
    return parse_basis(asked)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Pause garbage collection: rows hold no cycles, and looking for them took a tenth of the time of a million."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _require_file(file: Path) -> None:
    if not file.exists() and str(file) != "-":
        raise Problem(f"{file} does not exist.", Exit.USAGE)
    # The encoding is detected first and the rows are read after that; rejected rows go into a file beside it.
    if not file.is_file() or file.parent in (Path("/dev"), Path("/dev/fd")):
        raise Problem(
            f"{file} is not a file, and an import reads it more than once; save the list as a file and give its name.",
            Exit.USAGE,
        )


def _chosen(mapped: tuple[str, ...]) -> dict[str, str]:
    chosen = {}
    for text in mapped:
        field, equals, column = text.partition("=")
        if not (field and equals and column):
            raise Problem(f'--map {text!r} is not valid; write --map email="Your column".', Exit.USAGE)
        if field in chosen:
            raise Problem(f"--map {field} is given twice; only one column can be mapped to it.", Exit.USAGE)
        chosen[field] = column
    return chosen


def _states(mapped: tuple[str, ...]) -> dict[str, str]:
    from subscribers.files.words import OUR_STATES

    states = {}
    for text in mapped:
        word, equals, state = text.rpartition("=")
        if not (word and equals and state in OUR_STATES):
            known = ", ".join(OUR_STATES)
            raise Problem(f'--map-state {text!r} is not valid; write --map-state "VIP=active" ({known}).', Exit.USAGE)
        states[word] = state
    return states


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on the terminal that a function moves; nothing if nobody watches."""
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
    for line in [*_reading(stage), *_notes(stage), *_lines(report)]:
        click.echo(f"  {line}", err=True)
    for rejected in report.first_rejected:
        rows = f" ({rejected.rows} rows, this is the first)" if rejected.rows > 1 else ""
        click.echo(f"    {stage.path}:{rejected.line} {rejected.reason}{rows}", err=True)
    if more := report.rejected - sum(rejected.rows for rejected in report.first_rejected):
        click.echo(f"    and {more} more", err=True)
    if report.stay_pending:
        click.echo(
            "  Pending subscribers stay pending, whatever a file says: --invite asks those who were never emailed; "
            "for one whose consent you have, use mailer subscribers add ADDRESS --active --source TEXT.",
            err=True,
        )
    if per_hour:
        click.echo(f"  Pending subscribers who were never emailed are asked to confirm, {per_hour} an hour.", err=True)
    elif report.new_by_state.get("pending"):
        click.echo("  An import sends no email to pending subscribers; --invite asks them to confirm.", err=True)


def _reading(stage: "Stage") -> Iterator[str]:
    """Say which columns are read as what, and which are ignored."""
    columns = stage.columns
    fields: dict[str, list[str]] = {}
    for heading, field in columns.read:
        fields.setdefault(heading, []).append(field)
    yield "Columns read: " + _some([f"{heading} as {' and '.join(said)}" for heading, said in fields.items()])
    if columns.not_read:
        yield "Not read: " + _some(columns.not_read)


def _some(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _notes(stage: "Stage") -> list[str]:
    """Return what somebody should look at before they agree."""
    from subscribers.addresses import LONGEST_NAME
    from subscribers.files.staging import say_counts

    notes, dates = list(stage.guesses), stage.dates
    if doubtful := stage.columns.doubtful:
        notes.append(
            f"These columns are not read but may say who unsubscribed: {_some(doubtful)}. --map state=COLUMN takes "
            "a column of "
            "words such as unsubscribed, --map subscribed=COLUMN or --map unsubscribed=COLUMN one of yes and no."
        )
    if stage.leaving:
        notes.append(
            f"{counted(stage.leaving, 'rejected row')} still {'says' if stage.leaving == 1 else 'say'} that somebody "
            "unsubscribed or may not be emailed, and that counts."
        )
    if long := stage.reading.long_names:
        notes.append(
            f"{counted(long, 'name')} longer than {LONGEST_NAME} characters will be cut, the first in line "
            f"{stage.reading.first_long_name}."
        )
    if unknown := stage.reading.unknown:
        notes.append(f"Rejected and kept out, because the meaning of their state is unknown: {say_counts(unknown)}.")
    if dates.unreadable:
        notes.append(
            f"{counted(dates.unreadable, 'date')} could not be read, the first in line {dates.first_unreadable}: "
            "kept as written, but not counted as proof (write 2026-11-21 or 2026-11-21T10:00:00Z)."
        )
    if dates.future:
        notes.append(
            f"{counted(dates.future, 'date')} in the future, the first in line {dates.first_future}: kept as "
            "written, but proof of nothing."
        )
    return notes


def _show_report(report: "Report") -> None:
    click.echo("Imported: " + ("; ".join(_lines(report)) or "nothing to do") + ".")
    if report.invited:
        click.echo(
            f"{counted(report.invited, 'confirmation email')} will go out; a worker or `mailer serve` sends them."
        )
    if report.rejected_file:
        click.echo(f"Rejected rows and reasons: {report.rejected_file}", err=True)


def _lines(report: "Report") -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in sorted(report.new_by_state.items()))
    counts = (
        (report.unchanged, "already here, unchanged"),
        (report.left, "unsubscribed by the file"),
        (report.stay_unsubscribed, "unsubscribed before and stay unsubscribed"),
        (report.stay_pending, "pending here and active in the file, stay pending"),
        (report.suppressed, "suppressed, not imported"),
        # Those who are new were counted with the new ones.
        (max(report.newly_suppressed - report.new_by_state.get("suppressed", 0), 0), "suppressed by the file"),
        (report.duplicates, "named more than once, counted once"),
        (report.rejected, "rejected"),
        (report.kept_out, f"kept out, named in an unreadable row, the first in line {report.first_kept_out}"),
    )
    new = f"{report.new} new ({states})" if states else f"{report.new} new"
    return [new, *(f"{count} {what}" for count, what in counts if count)]


def _question_as_json(error: "Undecided") -> str:
    values = {
        "done": False,
        "error": str(error),
        "unknown_states": error.unknown_states,
        "unclear_columns": error.columns,
    }
    return json.dumps(values, ensure_ascii=False)


def _as_json(stage: "Stage", report: "Report", done: bool) -> str:
    from dataclasses import asdict

    columns = stage.columns
    values = asdict(report) | {
        "done": done,
        "rejected_file": str(report.rejected_file or "") or None,
        "columns_read": [{"column": heading, "as": field} for heading, field in columns.read],
        "columns_not_read": columns.not_read,
        "notes": _notes(stage),
    }
    return json.dumps(values, ensure_ascii=False)


@click.command()
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@newsletter_option
def export(form: str, output: Path | None, newsletter: str | None) -> None:
    """Export subscribers: address, state, newsletter, name, language, and when they subscribed and unsubscribed."""
    start()
    from mailer.publishing.newsletters import choose_newsletter
    from subscribers.auditing import Act, Action
    from subscribers.files.atomic_files import whole_file
    from subscribers.files.exporting import count_of, write_csv, write_jsonl

    label = choose_newsletter(newsletter).label if newsletter else None
    write = write_csv if form == "csv" else write_jsonl
    where = f"{label or 'all'} to {output.name if output else 'stdout'}"
    audit_look(Act(Action.EXPORTED, count=count_of(label), detail=where))
    if output is None:
        write(sys.stdout, label)
        return
    try:
        # Excel takes a CSV file without the mark for Windows-1252; programs that read standard output want none.
        with whole_file(output, "utf-8-sig" if form == "csv" else "utf-8") as file:
            count = write(file, label)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some space, or choose another disk with -o" if full else "choose another place with -o"
        raise Problem(
            f"{output} cannot be written: {error.strerror}; {advice}. No partial file was left.",
            Exit.FAILED if full else Exit.USAGE,
        ) from None
    click.echo(f"{count} subscribers written to {output}.", err=True)
