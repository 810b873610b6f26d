"""What all commands share: exit codes, errors as sentences, questions, and the start of Django."""

import errno
import gc
import io
import logging
import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from enum import IntEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from mailer.config import exhaustion, logs

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Exit(IntEnum):
    DONE = 0
    FAILED = 1  # or paused
    USAGE = 2
    FINDINGS = 3  # the issue has mistakes that block
    NOT_CONFIRMED = 4
    OPEN_ENDS = 5  # ended with something rejected or unknown


# What `content_sha256` is.
SAME_EMAIL = "of subject, HTML and text: `mailer send issue --verbose` shows the same for the same email"


def printable(text: str) -> str:
    """Make terminal escapes visible, because files and sites influence what is printed.

    Control characters, and those that reverse the direction of text (Unicode TR 36, "bidirectional text spoofing").
    """
    return text if _STEERS.search(text) is None else _STEERS.sub(lambda found: ascii(found[0])[1:-1], text)


_STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return the text on one line, so that no site can write a line that looks like another finding."""
    return printable(text).replace("\n", "\\n")


class Problem(click.ClickException):
    """A message that says what happened, where and what to do, and the command's exit code."""

    def __init__(self, message: str, exit_code: int = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class, and reads the instance

    def show(self, file: object = None) -> None:
        if logs.are_json():
            logging.getLogger("mailer").critical(self.message)
        else:
            click.echo(printable(f"mailer: {self.message}"), err=True)


def explain(error: Exception) -> Problem | None:
    """Return the message for an error that a user, a provider or a network can cause; None for a bug of ours."""
    if isinstance(error, Problem):
        return error
    # Before any import, which takes a descriptor. SQLite does not say what it lacks.
    if lacking := exhaustion.shortage(error) or exhaustion.shortage(exhaustion.no_descriptor()):
        return Problem(f"{lacking}, so the command ended early; free some and run it again.")
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError, InterfaceError

    from mailer.config.newsletter import NewsletterError
    from mailer.content.issues import IssueError
    from mailer.content.overrides import fault_in
    from mailer.publishing.errors import ConfirmOldDate, CorrectIssue, CorrectRequest, CorrectSettings, Refused

    if isinstance(error, IssueError | CorrectIssue):
        return Problem(str(error), Exit.FINDINGS)
    if isinstance(error, ConfirmOldDate):
        return Problem(str(error), Exit.NOT_CONFIRMED)
    if isinstance(error, Refused):
        usage = isinstance(error, CorrectRequest | CorrectSettings)
        return Problem(str(error), Exit.USAGE if usage else Exit.FAILED)
    if isinstance(error, NewsletterError | ImproperlyConfigured):
        return Problem(str(error), Exit.USAGE)
    if "PoolTimeout" in (type(error).__name__, type(error.__cause__).__name__):
        return _why_no_connection(error)
    if isinstance(error, DatabaseError) and is_full(error):
        return Problem(
            f"the disk of the database at {database_address()} is full, so this was not done; free some space and "
            "run the command again."
        )
    if isinstance(error, DatabaseError) and (shut := _shut_file(error)):
        return Problem(shut)
    if isinstance(error, DatabaseError) and "database is locked" in str(error):
        return Problem(
            f"the database at {database_address()} is locked: another process has been writing to it for too long, so "
            "this was not done; run the command again when that is done."
        )
    if isinstance(error, DatabaseError | InterfaceError):
        return Problem(f"the database at {database_address()} reported an error: {_first_line(error)}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        from mailer.config.environment import home  # ends a command whose `.env` cannot be read

        where = error.filename or f"a file, perhaps in MAILER_HOME ({home()}),"
        return Problem(f"{where} cannot be written: {error.strerror}; free some space and run the command again.")
    if isinstance(error, OSError) and error.filename and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Problem(f"{error.filename}: {error.strerror}; let the user who runs this command read and write it.")
    fault = fault_in(error, _own_templates())
    return Problem(fault, Exit.USAGE) if fault else None


def is_full(error: Exception) -> bool:
    """Tell whether the disk is full. SQLite says so only in text, or not at all; PostgreSQL by class 53100."""
    from django.db import connection

    if "disk I/O error" in str(error) and connection.vendor == "sqlite":
        return shutil.disk_usage(Path(connection.settings_dict["NAME"]).parent).free < 1_000_000
    return "disk is full" in str(error) or getattr(error.__cause__, "sqlstate", "") == "53100"


def _shut_file(error: Exception) -> str:
    """Name the file that SQLite may not use, which SQLite does not; return "" if it may use all of them."""
    from django.db import connection

    if connection.vendor != "sqlite" or not re.search("unable to open|readonly database", str(error)):
        return ""
    path = Path(connection.settings_dict["NAME"])
    for one in (path.parent, path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        try:
            os.close(os.open(one, os.O_RDONLY if one == path.parent else os.O_RDWR))
        except OSError as why:
            if one in (path.parent, path) or not isinstance(why, FileNotFoundError):
                return (
                    f"the database at {path} cannot be opened ({one}: {why.strerror}); let the user who runs this "
                    "command read and write it and its folder."
                )
    return ""


def _why_no_connection(error: Exception) -> Problem:
    """Explain why there is no connection: the pool says how long it waited, and not for what."""
    try:
        knock()
    except Problem as problem:
        return problem
    return Problem(f"the database at {database_address()} has no free connection: {_first_line(error)}")


def _own_templates() -> Path:
    from django.conf import settings

    folder: Path = settings.OWN_TEMPLATES
    return folder


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def database_address() -> str:
    """Return where the database is, without user or password."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        return str(database["NAME"])
    host = database.get("HOST") or database.get("OPTIONS", {}).get("host") or "localhost"
    return f"{host}/{database['NAME']}"


class _Stdout(io.FileIO):
    """stdout, whose errors are marked: the system's own do not name a file that was opened before."""

    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = "what the command prints"
            raise


def name_stdout() -> None:
    """Tell errors of writing to stdout from errors of writing to another file, from now on."""
    out = sys.__stdout__
    if out is None or out is not sys.stdout:  # closed, or somebody reads it in this process
        return
    raw = io.BufferedWriter(_Stdout(out.fileno(), "w", closefd=False))
    sys.stdout = io.TextIOWrapper(raw, out.encoding, out.errors, line_buffering=out.line_buffering)


def write_no_more() -> None:
    """Discard what stdout still holds, or Python would try to write it at its end, and complain."""
    with suppress(OSError):  # no descriptor left; then stdout itself is fine
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def start_rendering() -> None:
    """Set Django up for a command that reads files and sent issues: without `/admin/`, a tenth of its time."""
    require_newsletter()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    from django.apps import apps
    from django.conf import settings

    if not apps.ready:
        settings.INSTALLED_APPS = settings.OWN_APPS
    set_up()


def start(check_schema: bool = True) -> None:
    """Set Django up, and require a database with the tables that this version expects."""
    require_newsletter()
    set_up()
    if check_schema:
        from mailer.store import schema

        knock()
        schema.bring_up_to_date()
        schema.require_known()


def set_up() -> None:
    """Set Django up, in any folder."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    import django

    gc.disable()
    try:
        django.setup()
    finally:
        gc.freeze()  # what was loaded until now stays; the collector need not look at it at all
        gc.enable()


def require_newsletter() -> None:
    """End the command in a folder without a newsletter, before the settings create anything.

    A fresh database there would answer each command as if all was well, and the real list would know nothing of it.
    """
    from mailer.config.environment import CONFIG_FOLDER, nowhere

    if nowhere():
        raise Problem(
            f"no newsletter.toml at or above {CONFIG_FOLDER}, and no database in it; go to your newsletter's folder, "
            "start one with `mailer init`, or set MAILER_CONFIG, MAILER_HOME or DATABASE_URL. Nothing was done.",
            Exit.USAGE,
        )


def knock() -> None:
    """Let PostgreSQL open a connection, or end the command immediately with the reason.

    Past the pool, which tries for ten seconds and keeps the reason to itself. It costs some milliseconds.
    """
    from django.db import DatabaseError, connection

    if connection.vendor != "postgresql":
        return
    import psycopg

    try:
        with connection.wrap_database_errors:
            psycopg.connect(**connection.get_connection_params()).close()
    except DatabaseError as error:
        raise Problem(
            f"the database at {database_address()} cannot be reached: {_first_line(error)}; check that it is running "
            "and that DATABASE_URL is right."
        ) from None


def counted(number: int, noun: str) -> str:
    """Return `1 error`, `2 errors`, `2 addresses`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def quoted(file: PurePath | str) -> str:
    """Return a file's path as a shell takes it in a command."""
    return shlex.quote(str(file))


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, yes: bool) -> None:
    """Return if the user agreed, by --yes or at the terminal; else end with exit code 4 and nothing changed."""
    if yes:
        return
    if not on_terminal():
        raise Problem(
            ("Nothing was done: there is no terminal to ask for confirmation; add --yes to go ahead."),
            Exit.NOT_CONFIRMED,
        )
    if not click.confirm(question, err=True):
        raise Problem("Nothing was done.", Exit.NOT_CONFIRMED)
