"""After an outage nobody is mailed before those who left during it are unsubscribed.

Web processes keep such leavings in their journals and apply them within seconds of the database's return. A worker lets
them go first: after it lost the database it waits, and it never claims while a journal waits in its own MAILER_HOME.
"""

import logging

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from mailer import losses
from subscribers import applying, journal

log = logging.getLogger(__name__)


def may_claim() -> bool:
    """Return whether everybody who left has had the time to be unsubscribed; apply the journal of this home."""
    return losses.seconds_since() >= settings.MAILER_LEAVING_WAIT and _journal_is_applied()


def _journal_is_applied() -> bool:
    path = settings.LEAVING_JOURNAL
    if path is None or not journal.waits(path):
        return True
    try:
        applying.apply(path)
    except (DatabaseError, InterfaceError):
        return False
    except OSError as error:
        log.error(
            "nothing is sent while the journal of leavings cannot be read",
            extra={"error": error.strerror, "file": path.name},
        )
        return False
    return not journal.waits(path)  # another process may be at it
