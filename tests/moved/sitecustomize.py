"""Move the clock of a process: Python imports this at its start where a test puts its folder on PYTHONPATH.

TESTS_CLOCK names a file that says by how many seconds. It is read at each look, so that a clock can jump while its
process runs. The product reads its machine's clock by these two functions alone, which the linter sees to
(`banned-api` in pyproject.toml); tests/slow moves it for all code by libfaketime.
"""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

_file = Path(os.environ["TESTS_CLOCK"])
_time, _now = time.time, timezone.now


def _seconds() -> float:
    return float(_file.read_text() or 0)


def moved_time() -> float:
    return _time() + _seconds()


def moved_now() -> datetime:
    return _now() + timedelta(seconds=_seconds())


time.time, timezone.now = moved_time, moved_now
