"""Compare docs/privacy.md (what is stored about whom, and for how long) with the tables and the code."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client

from mailer.events import outages
from subscribers import applying, auditing, limits, purging, welcomes
from subscribers.mail import claiming
from tests.installed import ROOT

TEXT = (ROOT / "docs" / "privacy.md").read_text()


def section(heading: str) -> str:
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return found


def rows(heading: str) -> dict[str, str]:
    """Return the last cell for each name in the first."""
    cells = [line.strip("| ").split(" | ") for line in section(heading).splitlines() if line.startswith("| `")]
    return {name: row[-1] for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_each_table_is_named_once_with_what_it_holds_or_as_holding_nothing_of_a_person():
    named = [name for name in re.findall(r"`([A-Z]\w+)`", section("In the database")) if not name.isupper()]
    assert sorted(named) == sorted(model.__name__ for model in apps.get_models())


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        ("Subscriber", purging.KEPT),
        ("Subscriber", purging.WAITED),
        ("Letter", claiming.KEPT),
        ("Event", timedelta(days=90)),
        ("HardBounce", outages.KEPT),
        ("AuditEntry", auditing.KEPT),
        ("WelcomeDue", welcomes.KEPT),
    ],
)
def test_the_days_are_those_of_the_code(table, kept):
    assert re.search(rf"\b{kept.days}\b", rows("In the database")[table])


def test_requests_are_kept_as_long_as_limits_look_back():
    assert f"{limits.DAY.total_seconds() / 3600:.0f} hours" in rows("In the database")["MailRequest"]


def test_the_default_days_of_events_and_the_times_of_admin_are_those_of_the_settings():
    assert settings.MAILER_EVENTS_DAYS == 90
    tables = rows("In the database")
    assert f"after {settings.SESSION_COOKIE_AGE // 3600} hours" in tables["Session"]
    assert f"{settings.AXES_COOLOFF_TIME * 60:.0f} minutes" in tables["AccessAttempt"]


def test_the_files_are_named_as_they_are_and_kept_so_long():
    files = rows("In files")
    assert {Path(settings.OPTOUTS).name, "leaving.jsonl", "rehearsals/", "mailer.sqlite3.before-upgrade"} <= set(files)
    assert f"{applying.KEPT.days} days" in files["leaving.jsonl"]


@pytest.mark.django_db
def test_a_visitor_gets_the_cookie_that_is_named_and_no_other():
    cookies = rows("Cookies")
    assert set(cookies) == {settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_NAME, "messages"}
    visitor = Client()
    for path in ("/", "/subscribe/", "/archive/", "/feed.xml"):
        visitor.get(path)
    assert set(visitor.cookies) == {settings.CSRF_COOKIE_NAME}
    assert visitor.cookies["csrftoken"]["max-age"] == 364 * 24 * 3600
