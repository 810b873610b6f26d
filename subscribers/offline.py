"""Unsubscribe while the database is down: mailbox providers do not repeat a one-click request, so it is kept.

It goes to the database, else to the journal in MAILER_HOME (`subscribers.journal`), which the web process applies as
soon as it can. Only if neither can be written is the subscriber, or the provider, asked to try again.
"""

import logging
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError

from subscribers import clock, journal, optin
from subscribers.journal import ALL as ALL
from subscribers.journal import Leaving
from subscribers.optin import Left
from subscribers.records import Origin

log = logging.getLogger(__name__)

# What the database can cause, as opposed to a bug of ours. A read-only one raises InternalError.
AWAY = (OperationalError, InterfaceError, InternalError)
RETRY_AFTER = 30  # seconds
KEPT = Left("kept")  # it cannot be undone: what it will end is not known yet


class NotKept(Exception):
    """Neither the database nor the journal could be written: try again later. Nothing was promised."""


def leave(public_id: UUID, newsletter: str, origin: Origin) -> Left | None:
    """Unsubscribe as `optin.leave` does, or return KEPT if that will happen later. Raises NotKept."""
    try:
        return optin.leave(public_id, newsletter, origin)
    # Also a bug of ours, such as a missing column: a subscriber who leaves must not suffer from it.
    except (DatabaseError, InterfaceError) as error:
        keep(public_id, newsletter, origin.how, error)
        return KEPT


def keep(public_id: UUID, newsletter: str, how: str, because: Exception) -> None:
    """Write the leaving to the journal; newsletter may be ALL. Raises NotKept."""
    path = settings.LEAVING_JOURNAL
    if path is None:
        raise NotKept("MAILER_HOME is ephemeral") from because
    try:
        journal.append(path, Leaving(public_id, newsletter, how, clock.estimated()))
    except OSError as error:
        log.error("unsubscribe not stored", extra={"database": type(because).__name__, "journal": error.strerror})
        raise NotKept("the journal cannot be written") from error
    log.warning("unsubscribe stored in the journal", extra={"database": type(because).__name__})
