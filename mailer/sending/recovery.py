"""After an outage, email nobody before those who left during it are unsubscribed.

Web processes keep such leavings in their journals and apply them within seconds of the database's return. A worker lets
them go first: after it lost the database it waits, for some minutes also for journals that web processes report, and it
never claims while a journal waits in its own MAILER_HOME.
"""

import logging
import time

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from mailer.models import Process
from mailer.store import clock, losses, presence
from subscribers import applying, journal

log = logging.getLogger(__name__)


MOST = 300.0  # seconds after a loss; what then still waits in other homes needs a person, and a send must go on
SLOW = 1.0  # seconds; web processes give up after 1.4 and keep leavings


class Hung(Exception):
    """Rolls a claim back: the database hung in the middle of it, and web processes keep leavings since."""


def refuse_if_hung(begun: float) -> None:
    """Raise Hung if a claim that began then, by time.monotonic(), was held up so long that somebody may have left.

    A server that wakes goes on with our claim before any web process has applied its journal. Not again soon: a
    database that is always slow must not stop a send.
    """
    if time.monotonic() - begun > SLOW and losses.seconds_since() > 2 * settings.MAILER_LEAVING_WAIT:
        losses.lost()
        log.warning("database hung, applying waiting unsubscribes before sending")
        raise Hung


def may_claim() -> bool:
    """Tell whether everybody who left has had time to be unsubscribed; apply the journal of this home."""
    since = losses.seconds_since()
    if since < settings.MAILER_LEAVING_WAIT or not _journal_is_applied():
        return False
    return since > MOST or not _journal_waits_elsewhere()


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
            "sending stopped, journal of unsubscribes cannot be read",
            extra={"error": error.strerror, "file": path.name},
        )
        return False
    return not journal.waits(path)  # another process may be at it


def _journal_waits_elsewhere() -> bool:
    """Tell whether a running web process has reported lines in its journal, as it does every few seconds."""
    telling = presence.running(Process.Kind.WEB, clock.now()).filter(state__leaving_lines__gt=0)
    if waits := telling.exists():
        log.warning("sending waits, a web process is still applying unsubscribes")
    return waits
