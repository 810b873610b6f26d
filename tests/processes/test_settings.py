"""A missing or malformed setting prevents startup and is named, without a traceback."""

import hashlib
from pathlib import Path

import pytest

from tests.processes.stage import Stage
from tests.stand_in import StandIn


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"MAILER_LEASE": "5"}, "MAILER_LEASE"),
        ({"MAILER_LANES": "many"}, "MAILER_LANES"),
        ({"MAILER_LANES": "1e400"}, "MAILER_LANES"),
        ({"MAILER_WEB_PROCESSES": "0"}, "MAILER_WEB_PROCESSES is 0; it must be at least 1."),
        ({"MAILER_WEB_THREADS": "65"}, "MAILER_WEB_THREADS is 65; it must be a whole number from 1 to 64."),
        ({"MAILER_HTTP_TIMEOUT": "inf", "MAILER_LEASE": "inf"}, "MAILER_HTTP_TIMEOUT"),
        ({"CELERY_BROKER_URL": "foo://hunter4@127.0.0.1"}, "CELERY_BROKER_URL"),
        ({"BASE_URL": "https://user:hunter4@news.example.com"}, "BASE_URL"),
        ({"DATABASE_URL": "sqlite://:memory:"}, "DATABASE_URL"),
        ({"SENDGRID_API_URL": "http://mail.example.com"}, "SENDGRID_API_URL"),
        ({"BASE_URL": "news.example.com"}, "BASE_URL"),
        ({"DATABASE_URL": "mysql://root@localhost/x"}, "DATABASE_URL"),
        ({"MAILER_CONFIG": "/nowhere/newsletter.toml"}, "MAILER_CONFIG"),
        ({"MAILER_ENV": "prod"}, "MAILER_ENV"),
        ({"MAILER_HOME_EPHEMERAL": "ja"}, "MAILER_HOME_EPHEMERAL is 'ja'; it must be 0 or 1."),
        ({"SENDGRID_WEBHOOK_PUBLIC_KEY": "aHVudGVyNA=="}, "SENDGRID_WEBHOOK_PUBLIC_KEY is not a P-256 public key"),
    ],
)
def test_a_bad_setting_is_named(embedded: Stage, given, words):
    ran = embedded.run("status", expect=2, **given)
    assert words in ran.err
    assert "hunter4" not in ran.err


SAFE = {
    "MAILER_ENV": "production",
    "SENDGRID_API_KEY": "SG.hunter4",
    "SECRET_KEY": "n0t-a-secret-of-anybody-but-long-and-with-many-letters-xyz",
    "BASE_URL": "https://news.example.org",
}


@pytest.mark.parametrize(
    ("name", "unsafe"),
    [
        ("SECRET_KEY", ["", "hunter4", "x" * 60, "ab" * 30, "django-insecure-hunter4-and-many-more-letters-xyz"]),
        ("SENDGRID_API_KEY", ["", "  ", "SG.hunter4\u200b"]),
        ("SENDGRID_API_URL", ["http://api.sendgrid.com", "ftp://api.sendgrid.com"]),
        (
            "BASE_URL",
            [
                *(
                    "",
                    "http://news.example.org",
                    "http://127.0.0.1:8000",
                    "https://127.0.0.1",
                    "https://localhost:8443",
                ),
                *(
                    "https://[::1]",
                    "https://10.0.0.7",
                    "https://192.168.1.2:8443",
                    "https://app.localhost",
                    "https://0.0.0.0",
                ),
                *("https://169.254.169.254", "//news.example.org", "javascript:alert(1)"),
            ],
        ),
    ],
)
def test_production_refuses_each_unsafe_setting_by_its_name(embedded: Stage, name, unsafe):
    """Each runs in its own process, because the module reads the environment when it is imported."""
    script = (
        "import importlib, os, sys\n"
        "name, *unsafe = sys.argv[1:]\n"
        "for value in unsafe:\n"
        "    os.environ[name] = value\n"
        "    sys.modules.pop('mailer.settings', None)\n"
        "    try:\n"
        "        importlib.import_module('mailer.settings')\n"
        "        print('taken:', value)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    embedded.command = [embedded.python, "-c", script]
    said = embedded.run(name, *unsafe, **SAFE).out.splitlines()
    assert [line for line in said if not line.startswith(f"SettingError {name} ")] == []
    assert len(said) == len(unsafe)
    assert name == "BASE_URL" or "hunter4" not in "".join(said)


def test_a_command_in_production_says_in_a_sentence_what_is_unsafe(embedded: Stage):
    assert "SECRET_KEY must be set" in embedded.run("status", expect=2, **SAFE | {"SECRET_KEY": ""}).err


def test_nothing_in_the_environment_switches_debugging_on(embedded: Stage):
    shown = embedded.run(
        "manage", "diffsettings", "--all", **SAFE, DEBUG="1", DJANGO_DEBUG="True", MAILER_DEBUG="1"
    ).out
    assert "DEBUG = False" in shown


def test_a_home_of_somebody_else_is_refused_by_name(embedded: Stage, tmp_path):
    home = tmp_path / "a file"
    home.touch()
    assert "MAILER_HOME" in embedded.run("status", expect=2, MAILER_HOME=str(home)).err


def test_an_env_file_in_another_encoding_is_named(embedded: Stage):
    (embedded.folder / ".env").write_bytes(b"\xff\xfeB\x00")
    assert ".env is not UTF-8" in embedded.run("status", expect=2).err


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that root cannot read")
def test_an_env_file_that_cannot_be_read_is_named(embedded: Stage):
    (embedded.folder / ".env").symlink_to("/proc/self/mem")
    said = embedded.run("status", expect=2).err
    assert f"{embedded.folder}/.env points to " in said
    assert "which cannot be read (" in said


def test_a_start_that_was_killed_leaves_no_empty_secret_key_behind(embedded: Stage):
    home = embedded.folder.parent / "home-editor"
    home.mkdir(mode=0o700)
    (home / "secret_key").touch(mode=0o600)
    embedded.command = [embedded.python, "-c", "from mailer.settings import SECRET_KEY; print(SECRET_KEY)"]
    first, second = embedded.run().out, embedded.run().out
    assert len(first) > 50
    assert first == second


def test_a_home_that_was_open_to_others_is_closed(embedded: Stage):
    home = embedded.folder.parent / "home-editor"
    home.mkdir(mode=0o755)
    embedded.run("status")
    assert home.stat().st_mode & 0o077 == 0


def test_a_malformed_newsletter_toml_is_named_with_its_line(embedded: Stage):
    config = embedded.folder / "newsletter.toml"
    config.write_text(config.read_text() + 'acent_color = "#000000"\n')
    ran = embedded.run("status", expect=2)
    assert f"newsletter.toml:{len(config.read_text().splitlines())}" in ran.err
    assert "acent_color" in ran.err


def test_an_unreachable_database_is_named_without_its_password(embedded: Stage):
    ran = embedded.run("status", expect=1, DATABASE_URL="postgres://ada:secret@127.0.0.1:9/news")
    assert "127.0.0.1" in ran.err
    assert "secret" not in ran.err


def test_a_database_without_tables_names_the_command_that_makes_them(tmp_path):
    from tests.processes.conftest import editors_folder
    from tests.processes.stage import new_postgres_database

    stage = Stage(editors_folder(tmp_path / "newsletter"), new_postgres_database())
    ran = stage.run("status", expect=2)
    assert "mailer manage migrate" in ran.err


def test_doctor_names_an_unreachable_broker(embedded: Stage):
    ran = embedded.run("doctor", expect=1, CELERY_BROKER_URL="redis://127.0.0.1:9/0")
    assert "CELERY_BROKER_URL: 127.0.0.1:9" in ran.out


def test_without_its_broker_and_without_a_worker_nothing_is_planned(embedded: Stage):
    embedded.import_readers({"active": 3})
    ran = embedded.run(
        "send", "issue", "issues/2026-11-20.md", "--yes", expect=1, CELERY_BROKER_URL="redis://127.0.0.1:9/0"
    )
    assert "CELERY_BROKER_URL: 127.0.0.1:9 cannot be reached" in ran.err
    assert "Nothing was sent" in embedded.run("status").out + ran.err


@pytest.mark.slow
def test_a_wrong_key_pauses_the_send_with_the_providers_message_and_the_right_one_goes_on(
    embedded: Stage, api: StandIn, for_real
):
    embedded.import_readers({"active": 3})
    wrong = for_real | {"SENDGRID_API_KEY": "SG.wrong"}
    assert embedded.run("doctor", expect=1, **wrong).out.count("401") == 1

    receipt = embedded.send("issues/2026-11-20.md", expect=1, **wrong)
    assert receipt["state"] == "paused"
    assert receipt["reason"].startswith("401")
    assert receipt["waiting"] == 3

    held = embedded.run("send", "issue", "issues/2026-11-20.md", "--yes", expect=1, **for_real)
    assert "mailer resume" in held.out
    # The wrong key was the first one here, so that the right one looks like somebody else's until a person says so.
    refused = embedded.run("resume", "2026-11-20", expect=1, **for_real)
    assert "mailer doctor --adopt-key" in refused.err
    right = hashlib.sha256(api.key.encode()).hexdigest()[:16]
    embedded.run("doctor", "--adopt-key", "main", "--fingerprint", right, **for_real)
    embedded.run("resume", "2026-11-20", **for_real)
    assert len(api.recipients) == 3


def test_in_production_djangos_own_deploy_check_finds_nothing(embedded: Stage):
    found = embedded.run("manage", "check", "--deploy", "--fail-level", "WARNING", **SAFE)
    assert "no issues" in found.out
