"""When this process last lost the database: refused, cut off, or found dead when it was to be used again.

The backends call it; whatever sends waits after it (`mailer.sending.recovery`).
"""

import time

_lost_at = float("-inf")


def lost() -> None:
    global _lost_at
    _lost_at = time.monotonic()


def seconds_since() -> float:
    return time.monotonic() - _lost_at


def forget() -> None:
    """Reset to nothing lost; for tests."""
    global _lost_at
    _lost_at = float("-inf")
