"""A new user's first commands, the README's promises, and that no developer's settings reach the tests."""

import os
import re
import shlex
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.processes.stage import Stage, answers, wait_until
from tests.processes.test_readers_walk import mail_to, post, serve, state_of
from tests.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_ends_with_the_equation_and_the_mails_and_runs_again(embedded: Stage):
    for locale, word in (("en_US.UTF-8", "After quantization"), ("zh_CN.UTF-8", "演习")):
        ran = embedded.run("demo", LC_ALL=locale)
        assert word in ran.err
        assert "planned 20 = accepted 20" in ran.out
        mails = re.findall(r"var/demo/rehearsals/\d+/\d+\.eml", ran.out)
        assert mails
        assert all((embedded.folder / mail).is_file() for mail in mails)
        assert "no email went out" in ran.out


def test_the_demo_takes_any_issue(embedded: Stage):
    ran = embedded.run("demo", "issues/2026-11-20.md")
    assert "weekly/2026-11-20: finished" in ran.out


def test_nobodys_shell_and_no_env_file_may_mail_invented_people(embedded: Stage, api: StandIn):
    live = {
        "SENDGRID_API_KEY": api.key,
        "SENDGRID_API_URL": api.url,
        "BASE_URL": "https://news.example.com",
        "DATABASE_URL": f"sqlite:///{embedded.folder}/precious.sqlite3",
        "CELERY_BROKER_URL": "redis://127.0.0.1:9/0",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "MAILER_ENV": "production",
        "MAILER_CONFIG": "/nowhere/newsletter.toml",
        "MAILER_LANES": "nonsense",
    }
    (embedded.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in live.items()))
    ran = embedded.run("demo", "issues/2026-11-20.md", **live)
    assert "rehearsal" in ran.out
    assert api.requests == []
    assert not (embedded.folder / "precious.sqlite3").exists()


def test_the_tests_themselves_run_without_the_callers_settings():
    """This is what tests/environment.py does, seen from another process."""
    asked = "import tests.environment, os, json; print(json.dumps({k: v for k, v in os.environ.items()}))"
    live = dict(os.environ) | {
        "SENDGRID_API_KEY": "SG.live",
        "DATABASE_URL": "postgres://live",
        "REDIS_URL": "redis://live",
        "CELERY_BROKER_URL": "redis://live",
        "BASE_URL": "https://live.example",
        "MAILER_LEASE": "1",
    }
    from sys import executable

    seen = subprocess.run([executable, "-c", asked], cwd=ROOT, env=live, capture_output=True, text=True, check=True)
    assert "live" not in seen.stdout.replace("deliver", "")
    assert "MAILER_LEASE" not in seen.stdout


def test_init_never_overwrites_and_its_first_issue_can_be_rehearsed(embedded: Stage, tmp_path: Path):
    embedded.folder = tmp_path / "mine"
    embedded.folder.mkdir()
    (embedded.folder / ".gitignore").write_text("mine\n")
    first = embedded.run("init")
    ignored = (embedded.folder / ".gitignore").read_text()
    assert (ignored.splitlines()[0], ignored.splitlines()[-3:]) == ("mine", [".env", "var/", "*.rejected.csv"])
    assert "changed  .gitignore" in first.out
    assert (embedded.folder / ".env.example").is_file()
    assert "written" not in embedded.run("init").out

    embedded.run("subscribers", "add", "ada@readers.example", "--active", "--source", "asked me by mail")
    assert embedded.send("issues/hello.md")["accepted"] == 1


LOADED = """
import sys
from mailer.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended
print("loaded:", *sys.modules)
"""
SENDING = "celery kombu redis psycopg sendgrid python_http_client cryptography requests"
RARELY = "PIL yaml pygments cssselect premailer rich"  # for an image, for front matter of all kinds and so on
ADMIN = "axes django.contrib.admin django.contrib.auth django.contrib.sessions mailer.web.urls"
RENDERING = "lxml markdown_it mjml nh3 tinycss2"
MIGRATIONS = "mailer.migrations.0001_ledger django.db.migrations.executor"


NOT_LOADED_BY = {
    "--help": f"django {SENDING} {RARELY} {RENDERING}",
    "check plain.md": f"{SENDING} {RARELY} {ADMIN} {MIGRATIONS}",
    "render plain.md": f"{SENDING} {RARELY} {ADMIN} {MIGRATIONS}",
    "send issue plain.md --dry-run": f"{SENDING} {RARELY} mailer.web.urls {MIGRATIONS}",
    "status": f"{SENDING} {RARELY} {RENDERING} mailer.web.urls {MIGRATIONS}",
}


def test_a_command_loads_only_what_it_needs(embedded: Stage):
    """The test does not measure time, which a busy machine would distort, but its cause: what is imported."""
    (embedded.folder / "plain.md").write_text("---\ntitle: Plain\n---\nRead [this](https://example.com/this).\n")
    embedded.run("subscribers", "add", "ada@readers.example", "--active", "--source", "asked me by mail")
    embedded.command = [embedded.python, "-c", LOADED]
    needless = {}
    for command, heavy in NOT_LOADED_BY.items():
        loaded = embedded.run(*command.split()).out.split("loaded: ")[1].split()
        needless[command] = sorted(set(heavy.split()) & set(loaded))
    assert not any(needless.values()), (
        f"{needless}: import these in the function that needs them, so that commands which never call it start "
        "without them; `python -X importtime -m mailer ...` shows which module imports them now"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: "-".join(path.relative_to(ROOT / "docs").parts)
)
def test_commands_shown_in_the_documentation_work(page: Path, embedded: Stage):
    """Blocks marked ```console hold lines `$ mailer …`, run in order in one folder; what they print must contain the
    lines shown below them, where `…` stands for anything."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.S)
    for block in blocks:
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.M):
            _try(command, shown, embedded)


def _try(command: str, shown: str, stage: Stage) -> None:
    if command.startswith("mkdir "):
        _, folder = command.split(" ", 1)
        name = folder.split(" && ")[0]
        stage.folder = stage.folder / name
        stage.folder.mkdir()
        return
    program, *arguments = shlex.split(command)
    assert program == "mailer", f"{command}: only mailer is run here"
    ran = stage.run(*arguments, expect=None)
    assert ran.code == 0, f"{command}\n{ran.out}{ran.err}"
    for line in filter(None, map(str.strip, shown.splitlines())):
        pattern = ".*".join(map(re.escape, re.sub(r"\s+", " ", line).split("…")))
        assert re.search(pattern, re.sub(r"[ \t]+", " ", ran.out + ran.err)), f"{command}: not printed: {line}"


@pytest.mark.slow
def test_templates_translations_and_stylesheets_travel_inside_the_wheel(embedded: Stage, api: StandIn, for_real):
    readers = embedded.import_readers({"active": 3, "pending": 1})
    assert embedded.send("issues/2026-11-20.md")["provider"] == "rehearsal"
    embedded.send("issues/2026-11-20.md", **for_real)
    assert sorted(reader["email"] for reader in api.recipients) == readers["active"]
    assert "退订" in api.accepted[0]["content"]["text/html"], "the newsletter's language"
    assert "planned 20 = accepted 20" in embedded.run("demo").out

    base = serve(embedded, home="editor")
    page = urllib.request.urlopen(f"{base}/", timeout=60).read().decode()
    assert "<form" in page
    assert answers(f"{base}{re.search(r'href=.(/[^ ]+[.]css)', page)[1]}", 60), "the stylesheet travels along"
    embedded.run("subscribers", "add", "late@readers.example")
    mail = wait_until(lambda: mail_to(embedded, "late@readers.example"), "the web process or the command mailed it")
    assert post(re.search(rf"{base}/confirm/\S+/", mail)[0], {}) == 200
    assert state_of(embedded, "late@readers.example") == "active"
    leave = api.recipients[0]["unsubscribe_url"].replace("https://news.example.com", base)
    assert post(leave, {"List-Unsubscribe": "One-Click"}) == 200
    assert state_of(embedded, api.recipients[0]["email"]) == "unsubscribed"
