"""`mailer doctor --security` names what is unprotected, and what it did not check."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from mailer.cli.doctor import security
from mailer.store import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def examined(run, settings, tmp_path):
    """Return name of each check → state and detail, for a correct installation that tests change."""
    settings.HOME = tmp_path / "home"
    settings.HOME.mkdir(mode=0o700)
    settings.CONFIG_FOLDER = tmp_path
    (tmp_path / ".env").touch(mode=0o600)
    settings.PRODUCTION = True
    settings.SECRET_KEY = "of-nobody-but-long-and-with-many-different-letters-xyz"
    settings.SENDGRID_WEBHOOK_KEYS = (b"a key",)
    settings.MAILER_SECURITY_CONTACT = "mailto:security@example.com"

    def examine() -> dict[str, tuple[str, str]]:
        ran = run("doctor", "--security", "--json")
        checks = {check["name"]: (check["state"], check["words"]) for check in json.loads(ran.out)}
        assert ran.code == (1 if any(state == "error" for state, _ in checks.values()) else 0)
        return checks

    return examine


def test_of_an_installation_in_order_it_says_only_what_it_did_not_look_at(examined):
    open_ = {name for name, (state, _) in examined().items() if state != "ok"}
    assert (
        {("packages with known vulnerabilities"), "backups"}
        <= open_
        <= {"packages with known vulnerabilities", "backups", "user"}
    )


@pytest.mark.parametrize(
    ("folder", "mode", "is_open"),
    [(0o755, 0o644, True), (0o755, 0o640, False), (0o755, 0o602, True), (0o700, 0o644, False)],
)
def test_what_everybody_may_open_and_reach_is_found(folder, mode, is_open):
    with tempfile.TemporaryDirectory() as above:  # pytest's own folders are closed
        Path(above).chmod(folder)
        (path := Path(above) / ".env").touch()
        path.chmod(mode)
        assert security._is_open(path) == is_open


def test_a_file_that_is_open_is_named_with_the_command_that_closes_it(examined, monkeypatch, tmp_path):
    monkeypatch.setattr(security, "_is_open", lambda path: path.name == ".env")
    env = tmp_path / ".env"
    words = f"every user of this machine can open {env}; run `chmod o= {env}`"
    assert examined()["files"] == ("error", words)


@pytest.mark.parametrize(
    ("name", "value", "check", "state"),
    [
        ("PRODUCTION", False, "MAILER_ENV", "warning"),
        ("SECRET_KEY", "short", "SECRET_KEY", "error"),
        ("MAILER_METRICS_TOKEN", "short", "/metrics", "warning"),
        ("SENDGRID_WEBHOOK_KEYS", (), "webhook", "warning"),
        ("MAILER_SECURITY_CONTACT", "", "security.txt", "warning"),
        ("DEBUG", True, "debug", "error"),
    ],
)
def test_a_setting_that_stands_open_is_found(examined, settings, name, value, check, state):
    setattr(settings, name, value)
    found = examined()[check]
    assert found[0] == state
    assert "short" not in found[1].split(), "no secret is shown"


def test_accounts_that_nobody_uses_are_counted_and_not_named(examined):
    User.objects.create_superuser("ada", "ada@example.org", last_login=clock.now())
    assert examined()["operators"] == ("ok", "1 account of /admin/, 1 of superusers")
    User.objects.create_superuser("ben", "ben@example.org", last_login=clock.now() - timedelta(days=91))
    User.objects.create_user("chen", "chen@example.org", is_staff=True)
    User.objects.create_superuser("gone", "gone@example.org", is_active=False)
    state, words = examined()["operators"]
    assert (state, words.partition(":")[0]) == (
        "warning",
        "3 accounts of /admin/, 2 of superusers; 2 without a login for 90 days",
    )
    assert "ben" not in words


def test_it_goes_with_no_cure(run):
    assert run("doctor", "--security", "--adopt").code == 2
