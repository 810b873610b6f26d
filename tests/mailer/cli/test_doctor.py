"""The doctor finds what would keep email from subscribers, and says how to fix it."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mailer.cli.doctor import domains
from mailer.cli.doctor.account import credits, events_address, key
from mailer.cli.doctor.here import broker, languages, worker
from mailer.models import Batch, Installation, Process
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Account, Check
from mailer.sending import high_water_mark
from mailer.store import clock
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.cli import sendgrids_settings as recorded
from tests.mailer.sending import outgoing

WEBHOOKS = "/v3/user/webhooks/event/settings/all"


@pytest.fixture
def account(settings, tmp_path) -> Iterator[dict[str, Any]]:
    """Return what this installation's SendGrid account answers, for tests to change; the home is empty."""
    settings.HOME = tmp_path
    settings.OPTOUTS = tmp_path / "optouts.log"
    answers = recorded.a_good_account()
    with recorded.sendgrid(answers) as url:
        settings.SENDGRID_API_KEY = "SG.recorded"
        settings.SENDGRID_API_URL = url
        settings.PROVIDER, settings.PROVIDER_IS_LOCAL = "127.0.0.1", True
        settings.BASE_URL = url
        settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(recorded.PUBLIC_KEY),)
        yield answers


@pytest.fixture
def examined(run, account) -> Callable[[], dict[str, tuple[str, str]]]:
    """Return name of each check → state and detail."""
    from mailer.store.installation import public_id

    public_id()  # asked once a process; the thread that answers for BASE_URL need not

    def examine() -> dict[str, tuple[str, str]]:
        ran = run("doctor", "--json")
        checks = {check["name"]: (check["state"], check["words"]) for check in json.loads(ran.out)}
        assert ran.code == (1 if any(state == "error" for state, _ in checks.values()) else 0)
        return checks

    return examine


def the_account() -> Account:
    account = configured_provider().account
    assert account is not None
    return account


def webhook() -> Check:
    return the_account().webhook(events_address())


def with_webhook(**changes: Any) -> dict[str, Any]:
    return {"max_allowed": 2, "webhooks": [{**recorded.WEBHOOK, **changes}]}


def test_of_an_account_in_order_there_is_nothing_to_say(examined):
    readers.confirmed()
    found = examined()
    assert {name for name, (state, _) in found.items() if state != "ok"} == set(), found
    assert {"restore guard", "sender editor@news.example.com", "credits", "webhook", "suppressions"} <= set(found)


def test_the_doctor_says_which_of_our_texts_are_english_or_unreviewed(settings):
    weekly = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {code: replace(weekly, language=code) for code in ("en", "de", "pt")}
    (check,) = languages()
    assert check.state == "ok"
    assert check.detail.startswith("de, en, pt; our texts do not exist in pt and are in English; de is unreviewed")
    settings.NEWSLETTERS = {"weekly": weekly}
    assert [check.detail for check in languages()] == ["en"]
    settings.NEWSLETTERS = {}
    assert list(languages()) == []


def test_deliveries_without_a_batch_of_their_send_are_an_error(examined, db):
    readers.crowd(2)
    first, second = outgoing.planned(), outgoing.planned(slug="2026-11-27")
    assert examined()["deliveries"][0] == "ok"
    batch = second.batches.get()
    Batch.objects.filter(pk=batch.pk).update(send=first, number=1)
    state, words = examined()["deliveries"]
    assert (state, f"({batch.pk})" in words) == ("error", True)


def test_a_key_that_may_only_send_is_not_an_error(examined, account):
    scopes = account["/v3/scopes"]
    account.clear()
    account["/v3/scopes"] = scopes
    found = examined()
    for name in ("sender editor@news.example.com", "credits", "webhook", "suppressions"):
        state, words = found[name]
        assert state == "warning"
        assert "cannot be seen with this key" in words
    assert "403" in found["credits"][1]


def test_a_webhook_key_that_is_not_set_is_said_also_where_sendgrid_shows_nothing(examined, account, settings):
    name = "SENDGRID_WEBHOOK_PUBLIC_KEY"
    assert name not in examined()
    settings.SENDGRID_WEBHOOK_KEYS = ()
    assert name not in examined(), "the check of the webhook says so"
    del account[WEBHOOKS]
    state, words = examined()[name]
    assert state == "warning"
    assert "not set: every event is refused" in words


def test_a_mistyped_setting_is_a_warning(examined, monkeypatch):
    monkeypatch.setenv("MAILER_PROXYS", "1")
    state, words = examined()["settings"]
    assert state == "warning"
    assert "is MAILER_PROXIES meant?" in words


def test_a_key_that_may_not_send_is_an_error(account):
    account["/v3/scopes"] = {"scopes": ["user.credits.read"]}
    assert key().state == "error"


@pytest.mark.parametrize(
    ("domain_list", "single", "state", "words"),
    [
        ([], [], "error", "would refuse its emails"),
        ([{"domain": "news.example.com", "valid": False}], [], "error", "add its DNS records"),
        ([], [{"from_email": "Editor@news.example.com", "verified": True}], "ok", "single sender"),
        ([], [{"from_email": "editor@news.example.com", "verified": False}], "error", "would refuse"),
        (None, [], "warning", "cannot be seen"),
        ("no list", "no list", "error", "would refuse"),
    ],
)
def test_a_sender_that_sendgrid_has_not_verified_is_found(account, domain_list, single, state, words):
    account["/v3/verified_senders"] = {"results": single}
    account["/v3/whitelabel/domains"] = domain_list
    found = next(the_account().senders({"editor@news.example.com"}))
    assert (found.name, found.state) == ("sender editor@news.example.com", state)
    assert words in found.detail


@pytest.mark.django_db
def test_fewer_mails_left_than_readers_is_said(account):
    readers.crowd(3)
    account["/v3/user/credits"] = {"remain": 2}
    found = credits(the_account())
    assert found.state == "warning"
    assert "2 emails left" in found.detail
    assert "3 subscribers" in found.detail


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ({"webhooks": []}, "warning", "/webhooks/sendgrid/: bounces and complaints"),
        (with_webhook(url="https://other.example.com/events"), "warning", "none points to"),
        (with_webhook(url="BASE_URL/webhooks/sendgrid"), "ok", "signed"),
        (with_webhook(enabled=False), "warning", "switched off"),
        (with_webhook(bounce=False, spam_report=False), "warning", "bounce, spam_report"),
        (with_webhook(public_key=""), "error", "not signed"),
        (with_webhook(public_key="AAAA"), "error", "not the key"),
        (with_webhook(public_key="é"), "error", "not the key"),
    ],
)
def test_a_webhook_that_would_not_tell_us_is_found(account, answer, state, words):
    account[WEBHOOKS] = answer
    found = webhook()
    assert found.state == state
    assert words in found.detail


def test_a_webhook_whose_key_we_do_not_have_is_an_error_with_the_key_to_set(account, settings):
    settings.SENDGRID_WEBHOOK_KEYS = ()
    found = webhook()
    assert found.state == "error"
    assert f"SENDGRID_WEBHOOK_PUBLIC_KEY={recorded.PUBLIC_KEY}" in found.detail


def test_where_the_list_holds_no_keys_they_are_asked_for(account):
    keyless = {name: value for name, value in recorded.WEBHOOK.items() if name != "public_key"}
    account[WEBHOOKS] = {"webhooks": [keyless]}
    account["/v3/user/webhooks/event/settings/signed/8b2a0d1c"] = {"public_key": recorded.PUBLIC_KEY}
    assert webhook().state == "ok"


# -------------------------------------------------------------- whom SendGrid would not mail


def test_readers_whom_sendgrid_would_not_mail_are_read_in(run, examined, account):
    ada, ben = readers.confirmed(), readers.pending()
    strangers = [{"created": 1700000000, "email": f"stranger{n}@readers.example"} for n in range(500)]
    account["/v3/suppression/bounces"] = [*strangers, {"email": ada.email.upper()}, {"email": "not an address"}]
    account["/v3/suppression/spam_reports"] = [{"email": ben.email, "ip": "192.0.2.1"}]
    state, words = examined()["suppressions"]
    assert state == "warning"
    assert "1 subscriber or more" in words
    assert "--read-suppressions" in words

    asked = run("doctor", "--read-suppressions")
    assert (asked.code, readers.suppression_of(ben)) == (4, None)
    assert "bounce: 1" in asked.err
    assert "complaint: 1" in asked.err

    done = run("doctor", "--read-suppressions", "--yes")
    assert (done.code, "Suppressed: 2 subscribers." in done.out) == (0, True)
    assert (readers.suppression_of(ada), readers.suppression_of(ben)) == ("bounce", "complaint")
    assert "@" not in done.out + done.err
    again = run("doctor", "--read-suppressions", "--yes", "--json")
    assert json.loads(again.out) == {"suppressed": 0}


def test_a_list_that_the_key_may_not_read_changes_nothing(run, account):
    ada = readers.confirmed()
    account["/v3/suppression/bounces"] = [{"email": ada.email}]
    account["/v3/suppression/spam_reports"] = None
    ran = run("doctor", "--read-suppressions", "--yes")
    assert ran.code == 1
    assert "spam_reports" in ran.err
    assert readers.suppression_of(ada) is None


def test_without_a_key_nothing_is_compared_and_the_key_is_named(run, account, settings):
    settings.SENDGRID_API_KEY = ""
    ran = run("doctor", "--read-suppressions", "--yes")
    assert (ran.code, "SENDGRID_API_KEY is not set" in ran.err) == (1, True)


# -------------------------------------------------------------- a restored database


def test_a_restored_database_is_an_error_until_it_is_adopted(run, examined, settings):
    ada = readers.unsubscribed(who=readers.ADA)
    high_water_mark.remember(5)
    assert examined()["restore guard"][0] == "error"
    # As the backup had her.
    ada.consents.filter(step="unsubscribed").delete()
    ada.subscriptions.update(state="active")

    adopted = run("doctor", "--adopt")
    assert adopted.code == 0
    assert "is missing 5 requests" in adopted.out
    assert "Unsubscribed again: 1 subscriber;" in adopted.out
    assert "No welcome goes to 1 subscriber who waited" in adopted.out
    assert readers.state_of(ada) == "unsubscribed"
    assert Installation.objects.get().attempts == 5
    assert examined()["restore guard"][0] == "ok"
    assert json.loads(run("doctor", "--adopt", "--json").out)["forgotten"] == 0


def test_a_log_of_opt_outs_that_cannot_be_read_adopts_nothing(run, settings, tmp_path):
    settings.HOME, settings.OPTOUTS = tmp_path, tmp_path  # a folder is no log
    high_water_mark.remember(5)
    ran = run("doctor", "--adopt")
    assert ran.code == 1
    assert "nothing was adopted" in ran.err
    assert Installation.objects.get().attempts == 0


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (-4, "ok"), (-20, "warning"), (-70, "error")])
def test_a_clock_that_is_off_is_told(examined, monkeypatch, seconds, state):
    """On SQLite, only a clock that is behind can be noticed."""
    readers.confirmed()
    sweep()
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(seconds=seconds))
    found, words = examined()["clock"]
    assert found == state
    assert ("Nothing is sent from here" in words) == (state == "error")


@pytest.mark.parametrize(("seconds", "state"), [(20, "warning"), (70, "error")])
def test_on_postgresql_a_clock_that_is_ahead_is_told_too(examined, monkeypatch, seconds, state):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(seconds=seconds))
    assert examined()["clock"][0] == state


def test_a_clock_that_was_ahead_is_given_up_by_the_operators_word(run, settings, tmp_path):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL has a clock of its own")
    settings.HOME, settings.OPTOUTS = tmp_path, tmp_path / "optouts.log"
    Installation.objects.update(swept_at=timezone.now() + timedelta(hours=25))
    assert "it was 1 day, 0:59:5" in run("doctor", "--adopt").out
    assert json.loads(run("doctor", "--adopt", "--json").out)["clock_was_behind"] == 0


def test_the_two_cures_are_not_one_command(run):
    assert run("doctor", "--adopt", "--read-suppressions").code == 2


# -------------------------------------------------------------- the DNS

KEY = "k=rsa; t=s; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB"
IN_ORDER = {
    "s1._domainkey.news.example.com": [KEY],
    "s2._domainkey.news.example.com": [KEY],
    "news.example.com": ["google-site-verification=x", "v=spf1 include:sendgrid.net ~all"],
    "_dmarc.example.com": ["v=DMARC1; p=none"],
}


def asked_of(records: dict[str, list[str]], settings, monkeypatch) -> dict[str, tuple[str, str]]:
    settings.PROVIDER_IS_LOCAL = False
    with recorded.name_server(records) as port:
        monkeypatch.setattr(domains, "NAMESERVERS", ["127.0.0.1"])
        monkeypatch.setattr(domains, "PORT", port)
        return {check.name.split()[0]: (check.state, check.detail) for check in domains.checks()}


def test_a_domain_in_order_is_ok_and_the_policy_of_its_parent_counts(settings, monkeypatch):
    found = asked_of(IN_ORDER, settings, monkeypatch)
    assert {state for state, _ in found.values()} == {"ok"}
    assert "_dmarc.example.com" in found["DMARC"][1]
    assert "include:sendgrid.net" in found["SPF"][1]


def test_what_a_domain_lacks_is_said_with_the_record_to_enter(settings, monkeypatch):
    twice = {"news.example.com": ["v=spf1 a ~all", "v=spf1 mx ~all"], "s1._domainkey.news.example.com": [KEY]}
    found = asked_of(twice, settings, monkeypatch)
    assert {state for state, _ in found.values()} == {"warning"}
    assert "no key at s2._domainkey.news.example.com;" in found["DKIM"][1]
    assert "2 SPF records" in found["SPF"][1]
    assert '_dmarc.news.example.com: "v=DMARC1; p=none"' in found["DMARC"][1]


def test_without_a_name_server_nothing_is_claimed(settings, monkeypatch):
    settings.PROVIDER_IS_LOCAL = False
    monkeypatch.setattr(domains, "PATIENCE", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(domains, "NAMESERVERS", ["127.0.0.1"])
        monkeypatch.setattr(domains, "PORT", silent.getsockname()[1])
        (found,) = domains.checks()
    assert (found.state, "no DNS server answers" in found.detail) == ("warning", True)


def test_for_a_provider_on_this_machine_no_name_server_is_asked(settings):
    settings.PROVIDER_IS_LOCAL = True
    assert list(domains.checks()) == []


def test_a_web_process_whose_machine_is_gone_for_good_is_forgotten_on_request(run):
    def web(ago: timedelta, folder: str) -> Process:
        state, seen = {"home": folder, "folder": folder}, clock.now() - ago
        return Process.objects.create(kind="web", host="web-1", pid=7, started_at=seen, seen_at=seen, state=state)

    web(timedelta(minutes=5), "/srv/one")
    alive = web(timedelta(0), "/srv/two")
    assert "web-1:/srv/one" in run("doctor", "--forget-missing").out
    assert list(Process.objects.all()) == [alive]
    assert run("doctor", "--forget-missing").out == "No web process is missing.\n"


@pytest.mark.django_db
def test_where_serve_starts_no_worker_the_doctor_does_not_say_so(settings, monkeypatch):
    settings.EMBEDDED = False
    assert worker().detail == "no worker that may send has checked in for a minute; start one with `mailer worker`"
    settings.EMBEDDED = True
    for vendor, words in (("sqlite", "`mailer serve` starts one"), ("postgresql", "`mailer worker` runs one")):
        monkeypatch.setattr(type(connection), "vendor", vendor, raising=False)
        assert words in broker().detail
