"""Tell who runs a command, for the audit log."""

import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from subscribers.auditing import Act, Actor

UNSET = 2**32 - 1  # the login id of no user: the system started the process


def actor() -> "Actor":
    """Return user and host; beside the user, who logged in and became that user, and MAILER_OPERATOR."""
    from django.conf import settings

    from subscribers.auditing import Actor, By

    user, login = _name(os.geteuid()), _login()
    beside = [f"logged in as {login}"] if login not in ("", user) else []
    if settings.MAILER_OPERATOR:
        beside.append(f"says {settings.MAILER_OPERATOR}")
    who = f"{user} ({', '.join(beside)})" if beside else user
    return Actor(By.COMMAND, who, socket.gethostname())


def _login() -> str:
    """Return who logged in, whatever they became since: the kernel keeps it, sudo reports it."""
    with suppress(OSError, ValueError):
        number = int(Path("/proc/self/loginuid").read_text())
        if number != UNSET:
            return _name(number)
    return os.environ.get("SUDO_USER", "")


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)  # containers run as users without a name


def audit(act: "Act") -> None:
    """Add the act to the audit log, in the caller's transaction."""
    from subscribers import auditing

    auditing.write(actor(), act)


def audit_look(act: "Act") -> None:
    """Record the look in the audit log, or tell the user that it was not recorded."""
    from subscribers import auditing

    if not auditing.looked(actor(), act):
        click.echo("The database is full or read-only: this is missing from the audit log.", err=True)
