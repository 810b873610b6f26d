"""Keep settings of the shell and of any `.env` away from the tests; loaded first (`-p tests.environment`).

A developer's shell may hold a live API key. The tests mail invented people, so they start from nothing.
"""

import os
import sys
from pathlib import Path

from mailer.providers import settings_of_all
from tests import folders

OURS = (
    *settings_of_all(),
    "SENDGRID_",
    "MAILER_",
    "DATABASE_URL",
    "CELERY_",
    "REDIS_URL",
    "BASE_URL",
    "SECRET_KEY",
    "PORT",
    "DJANGO_",
    "SENTRY_DSN",
)
KEPT = ("MAILER_TEST_",)
# Set to nothing, which no `.env` fills.
EMPTY = (
    *settings_of_all(),
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "REDIS_URL",
    "BASE_URL",
    "SENTRY_DSN",
)


def clean(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment without our settings, and with those that a `.env` could set empty."""
    rest = {name: value for name, value in environment.items() if name.startswith(KEPT) or not name.startswith(OURS)}
    return rest | dict.fromkeys(EMPTY, "")


_cleaned = clean(dict(os.environ))
os.environ.clear()
os.environ.update(_cleaned)
os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
os.environ["MAILER_CONFIG"] = str(Path(__file__).parent / "newsletter.toml")
os.environ["MAILER_HOME"] = str(folders.new("home-"))
if os.environ.get("MAILER_TEST_DATABASE") == "postgres":
    from tests.parts import HOW_TO_GET, is_required, postgres_url

    try:
        os.environ["DATABASE_URL"] = postgres_url()
    except ImportError:
        print(f"skipped: the tests on PostgreSQL; no postgres here: {HOW_TO_GET['postgres']}")
        sys.exit(1 if is_required("postgres") else 0)
