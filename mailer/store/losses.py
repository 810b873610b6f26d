"""When this process lost the database last: refused, cut off, or found dead when it was to be used again.

The backends call it; who sends waits after it (`mailer.sending.yielding`).
"""

import time

_lost_at = float("-inf")


def lost() -> None:
    global _lost_at
    _lost_at = time.monotonic()


def seconds_since() -> float:
    return time.monotonic() - _lost_at


def forget() -> None:
    """For tests: nothing was ever lost."""
    global _lost_at
    _lost_at = float("-inf")
