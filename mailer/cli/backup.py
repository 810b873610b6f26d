"""`mailer backup`: a copy of the database that can be restored."""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import click

from mailer.cli.terminal import Exit, Problem, counted, start, write_no_more
from mailer.store import backups

# Fills an empty file that only its owner reads with a checked copy; how many subscribers it has. Raises Problem.
Copier = Callable[[Path], int]


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
def backup(file: Path) -> None:
    """Write a consistent, checked copy of the database to FILE, which must not exist yet; `-` is stdout.

    Workers may keep sending meanwhile. FILE holds addresses and the key of subscribers' links: keep it as safe as the
    database itself. PostgreSQL is copied by its own pg_dump, in the custom format that pg_restore reads.
    """
    start(check_schema=False)
    from django.conf import settings

    # As Ctrl-C: what was begun is removed, and pg_dump does not go on alone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    to_stdout = file == Path("-")
    said = write_out(_copier(), Path(settings.HOME)) if to_stdout else back_up(_copier(), file)
    click.echo(said, err=to_stdout)
    click.echo(f"To restore it, keep {settings.OPTOUTS} too: it names those who unsubscribed since.", err=True)


def _copier() -> Copier:
    from django.conf import settings

    database = settings.DATABASES["default"]
    if "sqlite" not in database["ENGINE"]:
        from mailer.cli.dumping import dump_postgres

        return dump_postgres
    source = Path(database["NAME"])
    if not source.exists():
        raise Problem(f"there is no database at {source}; run this in the newsletter's folder, or set MAILER_HOME.")
    return partial(copy_sqlite, source)


def back_up(copy: Copier, file: Path) -> str:
    """Make FILE a whole and checked copy, or leave nothing there; return what was written. Raises Problem."""
    if file.exists():
        raise Problem(f"{file} already exists, and backups are never overwritten; choose another name.")
    with _part(file.with_name(f"{file.name}.part")) as part:
        subscribers = copy(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(file)
    return _what(str(file), subscribers, file.stat().st_size)


def write_out(copy: Copier, folder: Path) -> str:
    """Write a whole and checked copy to stdout; return what was written. Raises Problem.

    It is made in `folder` first: a program that encrypts or uploads the output gets no byte of a copy that then fails.
    """
    if sys.stdout is None or sys.stdout.isatty():
        raise Problem(
            "a backup cannot be printed to a terminal; redirect it to a file or a program, or give a file name.",
            Exit.USAGE,
        )
    with _part(folder / f"backup-{os.getpid()}.part") as part:
        subscribers = copy(part)
        with part.open("rb") as file:
            part.unlink()  # if this is killed while the output is read slowly, no copy is left behind
            try:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
                sys.stdout.flush()
            except BrokenPipeError:
                write_no_more()
                raise Problem("the program that read the backup stopped early, so its copy is incomplete.") from None
            return _what("stdout", subscribers, file.tell())


def _what(where: str, subscribers: int, size: int) -> str:
    return f"{where}: {counted(subscribers, 'subscriber')}, {size / 1e6:.1f} MB, checked"


@contextmanager
def _part(part: Path) -> Iterator[Path]:
    """Create an empty file that only its owner may read; remove it at the end unless it was renamed. Raises Problem."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise Problem(
            f"{part} exists: another backup is writing it, or one was killed. In that case, remove it."
        ) from None
    except OSError as error:
        raise Problem(f"{part.with_suffix('')} cannot be written ({error.strerror}); choose another place.") from error
    try:
        yield part
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def copy_sqlite(source: Path, part: Path) -> int:
    """Copy SQLite's file while it is in use."""
    try:
        backups.copy_sqlite(source, part)
        return backups.count_subscribers(part)
    except (sqlite3.Error, OSError) as error:
        raise Problem(f"{source} was not backed up: {error}.") from error
