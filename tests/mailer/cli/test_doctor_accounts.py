"""Which key sends what: `doctor --adopt-key`, and what commands say with an unknown key."""

import io
import json
import sys
from dataclasses import replace
from datetime import date

import pytest

from mailer.models import AccountKey, ProviderAccount, Send
from mailer.sending.planning import schedule_send
from mailer.store import accounts, clock
from subscribers.models import Subscription
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import a_plan, states
from tests.stand_in import StandIn

ISSUE = (
    f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# The Weekly 2026-11-20\n\n"
    "First lines.\n\n## News\n\nA board for everybody.\n"
)


@pytest.fixture(autouse=True)
def _by_the_first_key(run, settings, tmp_path):
    settings.HOME, settings.OPTOUTS = tmp_path, tmp_path / "optouts.log"
    with StandIn() as api:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = api.key, api.url
        settings.PROVIDER, settings.PROVIDER_IS_LOCAL = "127.0.0.1", True
        accounts.this_account()
        readers.confirmed()
        yield


@pytest.fixture
def other_key(settings) -> str:
    """Give this process another key from now on; return its fingerprint."""
    settings.SENDGRID_API_KEY = "SG.another.key"
    return accounts.fingerprint()


@pytest.fixture
def typed(run, monkeypatch):
    """Run a command while somebody types these lines at its terminal: `typed("main")("doctor", …)`."""

    def at_a_terminal(*lines):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        return run

    return at_a_terminal


def key_of(fingerprint):
    return AccountKey.objects.get(fingerprint=fingerprint).account.name


def test_with_an_unknown_key_nothing_is_planned_and_the_command_says_what_to_do(run, issue, other_key):
    for dry in ((), ("--dry-run",)):
        ran = run("send", "issue", issue(ISSUE), "--yes", *dry)
        assert ran.code == 2
        assert f"(fingerprint {other_key}) is unknown here" in ran.err
        assert "`main`" in ran.err
        assert "mailer doctor --adopt-key" in ran.err
    assert not Send.objects.exists()


def test_with_an_unknown_key_no_test_is_mailed(run, issue, other_key):
    ran = run("send", "test", issue(ISSUE), "--to", "ada@readers.example")
    assert ran.code == 1
    assert "--adopt-key" in ran.err


def test_typing_the_accounts_name_adopts_the_key(typed, other_key):
    ran = typed("main")("doctor", "--adopt-key")
    assert ran.code == 0, ran.err
    assert f"The key {other_key} is one of `main`" in ran.out
    assert key_of(other_key) == "main"
    assert AccountKey.objects.count() == 2  # the former key is known still: workers change one by one


def test_a_new_name_makes_an_account_once_that_is_confirmed(typed, other_key):
    assert typed("clients", "n")("doctor", "--adopt-key").code == 4
    assert not ProviderAccount.objects.filter(name="clients").exists()
    assert typed("clients", "y")("doctor", "--adopt-key").code == 0
    assert key_of(other_key) == "clients"


@pytest.mark.parametrize("lines", [("",), ("two words",), ("mian", "n")])
def test_anything_else_adopts_nothing(typed, other_key, lines):
    assert typed(*lines)("doctor", "--adopt-key").code in (2, 4)
    assert AccountKey.objects.count() == 1


def test_a_script_gives_the_account_and_the_fingerprint(run, settings, other_key):
    missing = run("doctor", "--adopt-key", "main")
    assert missing.code == 4
    assert f"--adopt-key ACCOUNT --fingerprint {other_key}" in missing.err
    assert run("doctor", "--adopt-key", "mian", "--fingerprint", other_key).code == 2
    assert run("doctor", "--adopt-key", "main", "--fingerprint", "SG.another.key").code == 2
    assert AccountKey.objects.count() == 1
    ran = run("doctor", "--adopt-key", "main", "--fingerprint", other_key, "--json")
    assert json.loads(ran.out) == {"account": "main", "provider": "127.0.0.1", "fingerprint": other_key}
    assert run("doctor", "--adopt-key", "main", "--fingerprint", other_key).code == 0  # again changes nothing


def test_a_key_is_adopted_before_any_worker_has_it(run):
    new = accounts.fingerprint_of("SG.the.next.one")
    assert run("doctor", "--adopt-key", "main", "--fingerprint", new).code == 0
    assert key_of(new) == "main"


def test_a_key_moves_to_another_account_only_at_a_terminal(run, typed):
    ProviderAccount.objects.create(name="clients", host="127.0.0.1")
    assert run("doctor", "--adopt-key", "clients", "--fingerprint", accounts.fingerprint()).code == 4
    assert key_of(accounts.fingerprint()) == "main"
    ran = typed("clients")("doctor", "--adopt-key", "clients")
    assert ran.code == 0
    assert "It currently belongs to main" in ran.err
    assert key_of(accounts.fingerprint()) == "clients"


def test_an_account_of_another_provider_gets_no_key_of_this_one(typed, other_key):
    ProviderAccount.objects.create(name="europe", host="api.eu.sendgrid.com")
    ran = typed("europe", "y")("doctor", "--adopt-key")
    assert ran.code == 2
    assert "`europe` is an account at api.eu.sendgrid.com" in ran.err


def test_a_rehearsal_has_no_key_to_adopt(run, settings):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "", "rehearsal"
    assert run("doctor", "--adopt-key", "main").code == 2


def test_what_waits_for_another_key_is_named_with_the_account(run, other_key, settings):
    settings.SENDGRID_API_KEY = "SG.stand-in.key"
    outgoing.planned()
    settings.SENDGRID_API_KEY = "SG.another.key"
    why = (
        "it waits for a worker with a key of account `main` (127.0.0.1); this process has a key of 127.0.0.1 that is "
        f"unknown (fingerprint {other_key}), and `mailer doctor --adopt-key` assigns it to an account"
    )
    assert why in run("status", "2026-11-20").out
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").out)}
    assert checks["weekly/2026-11-20"] == {"name": "weekly/2026-11-20", "state": "warning", "words": why}
    assert checks["account"]["state"] == "error"
    Send.objects.update(state="paused")
    assert why in run("resume", "2026-11-20").err


def test_what_waits_for_another_newsletter_toml_is_named_with_the_list_id(run, settings):
    schedule_send(a_plan(), clock.now())
    weekly = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {"weekly": replace(weekly, list_id="weekly.other.example")}
    shown = run("status", "2026-11-20").out
    assert f"whose newsletter.toml has `weekly` with the list_id {weekly.list_id}; in " in shown
    assert "that is weekly.other.example" in shown
    settings.NEWSLETTERS = {"daily": weekly}
    assert "there is no such newsletter" in run("status", "2026-11-20").out


def test_the_plan_the_receipt_and_the_test_name_the_account(run, issue):
    plan = json.loads(run("send", "issue", issue(ISSUE), "--dry-run", "--json").out)
    test = json.loads(run("send", "test", issue(ISSUE), "--to", "ada@readers.example", "--json").out)
    send = outgoing.planned()
    receipt = json.loads(run("status", send.slug, "--json").out)
    assert (plan["account"], test["account"], receipt["account"]) == ("main",) * 3
    assert states(send) == ["planned"]


def test_who_is_added_with_an_unknown_key_is_pending_and_their_mail_waits(run, other_key):
    ran = run("subscribers", "add", "ben@readers.example", "--newsletter", "weekly", "--source", "a letter")
    assert ran.code == 1
    assert "ben@readers.example is pending; the confirmation email waits for a worker with a known key" in ran.err
    assert other_key in ran.err
    assert Subscription.objects.get(subscriber__email="ben@readers.example").confirmation_due
