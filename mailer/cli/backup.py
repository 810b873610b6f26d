"""`mailer backup`: a copy of the database that can be put back."""

import os
import shlex
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from mailer.cli.terminal import Exit, Problem, counted, start


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write a consistent copy of the SQLite database to FILE, which must not exist yet.

    Workers may go on sending meanwhile. FILE holds addresses and the key of readers' links: keep it as safe as the
    database itself. On PostgreSQL it names the pg_dump command instead.
    """
    start(check_schema=False)
    from django.conf import settings

    database = settings.DATABASES["default"]
    if "sqlite" not in database["ENGINE"]:
        raise Problem(
            f"the database is PostgreSQL, which has a tool of its own: {_pg_dump(database, file)}", Exit.USAGE
        )
    source = Path(database["NAME"])
    if not source.exists():
        raise Problem(f"there is no database at {source}; run this in the newsletter's folder, or set MAILER_HOME.")
    readers = back_up(source, file)
    click.echo(f"{file}: {counted(readers, 'reader')}, {file.stat().st_size / 1e6:.1f} MB, checked")
    click.echo(f"To put it back one day, keep {settings.OPTOUTS} too: it names those who left since.", err=True)


def back_up(source: Path, file: Path) -> int:
    """FILE is a whole and checked copy, or is not there; how many readers it has. Raises Problem."""
    if file.exists():
        raise Problem(f"{file} exists already, and backups are never overwritten; give another name.")
    part = file.with_name(f"{file.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise Problem(f"{part} exists: another backup is writing it, or one was killed; remove it then.") from None
    except OSError as error:
        raise Problem(f"{file} cannot be written ({error.strerror}); choose another place.") from error
    try:
        readers = _copy(source, part)
        part.rename(file)
    except (sqlite3.Error, OSError) as error:
        raise Problem(f"{source} was not backed up to {file}: {error}.") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return readers


def _copy(source: Path, part: Path) -> int:
    # mode=rw: a source that vanished is not made anew.
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=20)) as reading,
        closing(sqlite3.connect(part)) as writing,
    ):
        # All pages in one step: one snapshot, and whoever writes meanwhile neither waits nor makes it start again.
        reading.backup(writing, pages=-1)
        writing.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        found = [str(row[0]) for row in writing.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(f"the copy is damaged ({found[0]}), and so may be the database")
        return int(writing.execute("SELECT count(*) FROM subscribers_subscriber").fetchone()[0])


def _pg_dump(database: dict[str, Any], file: Path) -> str:
    """The command as it can be pasted. The password is asked for, or stands in ~/.pgpass."""
    options = database.get("OPTIONS", {})
    command = ["pg_dump", "--format=custom", f"--file={file}"]
    for option, value in (
        ("host", database.get("HOST") or options.get("host")),
        ("port", database.get("PORT") or options.get("port")),
        ("username", database.get("USER") or options.get("user")),
    ):
        if value:
            command.append(f"--{option}={value}")
    return shlex.join([*command, str(database["NAME"])])
