"""The database's clock, which all workers share, and how far this machine's own is from it."""

from datetime import datetime, timedelta

from django.utils import timezone

from subscribers.clock import estimated as estimated
from subscribers.clock import in_utc as in_utc
from subscribers.clock import now as now
from subscribers.clock import now_or_estimated as now_or_estimated

WORTH_SAYING = timedelta(seconds=5)
WRONG = timedelta(seconds=60)  # a worker whose clock is further off does not claim


def of_this_machine() -> datetime:
    """Return the time by this machine's clock, only ever to be compared with the database's."""
    return timezone.now()  # noqa: TID251


def ahead_by(asked: datetime, told: datetime, heard: datetime) -> timedelta:
    """Return how far this machine's clock is ahead of the database's, negative if it is behind.

    The database said `told` at some moment between `asked` and `heard`, which are this machine's times. What the round
    trip explains is not counted, so a slow database never makes a clock look wrong.
    """
    if told < asked:
        return asked - told
    return min(heard - told, timedelta(0))


def ahead() -> timedelta:
    """Ask the database, and return how far this machine's clock is ahead of its, negative if it is behind."""
    return ahead_by(of_this_machine(), now(), of_this_machine())
