# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""Subscribers who may be emailed again are removed from SendGrid's own lists, or it would drop the next email."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailer.cli import cli
from mailer.events import outages
from mailer.models import HardBounce, Send
from mailer.store import accounts, clock
from mailer.worker import releasing
from subscribers import optin
from subscribers.models import Suppression
from subscribers.optin import Origin
from tests import readers
from tests.mailer.cli import sendgrids_settings as recorded
from tests.mailer.reports import DAY, HARD, mailed, post
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db
BOUNCES, INVALID = "/v3/suppression/bounces", "/v3/suppression/invalid_emails"


@pytest.fixture
def sendgrid(settings, monkeypatch) -> Iterator[dict[str, Any]]:
    """Run an account whose key may delete."""
    answers: dict[str, Any] = {"deleted": []}
    with recorded.sendgrid(answers) as url:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = "SG.recorded", url
        settings.MAILER_HTTP_TIMEOUT = 2.0
        monkeypatch.setattr(releasing, "_next_try", 0.0)
        yield answers


@pytest.fixture
def ours(sendgrid, settings) -> None:
    """Bind the sends of these tests to this account."""
    account = accounts.this_account()
    Send.objects.update(provider=settings.PROVIDER, account=account)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["subscribers", "suppress", *words], catch_exceptions=False)


def bounced(days_ago: float = 0, count: int = 20) -> list[Any]:
    crowd = readers.crowd(60, domain="gmail.example")
    issue = mailed(ago=timedelta(days=days_ago + 0.1))
    at = int(time.time() - days_ago * DAY)
    post(*(issue.about(reader, "bounce", **HARD | {"timestamp": at}) for reader in crowd[:count]))
    return crowd


# ---------------------------------------------------------------- one address


def test_a_lift_takes_the_address_off_sendgrids_list_too(api, sendgrid):
    ada = readers.confirmed()
    post(mailed().about(ada, "bounce", **HARD))
    said = run(ada.email, "--lift", "--reason", "typed wrong by us").stdout
    assert "may be emailed again" in said
    assert [path for path, _ in sendgrid["deleted"]] == [f"{BOUNCES}/{ada.email}", f"{INVALID}/{ada.email}"]


def test_a_key_that_may_not_delete_says_what_to_do_at_sendgrid(api, sendgrid):
    ada = readers.confirmed()
    optin.suppress(ada.suppression_hash, "complaint", Origin(how="event"))
    del sendgrid["deleted"]
    ran = run(ada.email, "--lift", "--reason", "a mistake, she wrote")
    assert ran.exit_code == 1
    assert readers.suppression_of(ada) is None
    assert "delete it there under Suppressions, or give the key the suppression.spam_reports.delete scope" in ran.stderr


def test_an_operators_own_decision_stands_in_no_list_of_sendgrid(api, sendgrid):
    ada = readers.confirmed()
    run(ada.email, "--reason", "by phone")
    assert run(ada.email, "--lift", "--reason", "by phone again").exit_code == 0
    assert sendgrid["deleted"] == []


def test_without_a_key_the_operator_reads_where_to_look(db, settings):
    ada = readers.bounced()
    settings.SENDGRID_API_KEY = ""
    ran = run(ada.email, "--lift", "--reason", "a mistake")
    assert (ran.exit_code, "until you delete it there" in ran.stderr) == (0, True)


def test_what_was_lifted_is_not_suppressed_by_the_same_bounces_again(api, sendgrid):
    crowd = bounced(count=19)
    run(crowd[0].email, "--lift", "--reason", "a mistake")
    issue = mailed(slug="later")
    Send.objects.filter(pk=issue.send.pk).update(first_request_at=clock.now() + timedelta(hours=1))
    post(*(issue.about(reader, "bounce", **HARD) for reader in crowd[30:32]))
    assert readers.suppression_of(crowd[0]) is None


# ---------------------------------------------------------------- an incident


def lift_all(*more: str) -> Result:
    now = clock.now()
    between = [(now - timedelta(days=2)).isoformat(), now.isoformat()]
    return run("--lift", "--bounced-between", *between, "--domain", "GMAIL.example", *more)


def test_an_incident_is_undone_as_a_whole(api, sendgrid):
    crowd = bounced(days_ago=1, count=19)
    others = readers.crowd(1)
    post(mailed(slug="other").about(others[0], "bounce", **HARD))
    optin.suppress(crowd[3].suppression_hash, "complaint", Origin(how="event"))
    ran = lift_all("--yes")
    assert "18 addresses at gmail.example may be emailed again" in ran.stdout
    assert Suppression.objects.count() == 2
    (path, body) = sendgrid["deleted"][0]
    assert (path, len(body["emails"])) == (BOUNCES, 18)
    assert crowd[3].email not in body["emails"]


def test_those_held_apart_are_mailed_at_once_after_it(api, sendgrid):
    crowd = bounced(days_ago=1)
    assert len(outages.held([reader.suppression_hash for reader in crowd], clock.now())) == 20
    lift_all("--yes")
    assert outages.held([reader.suppression_hash for reader in crowd], clock.now()) == set()


def test_who_bounced_before_bounces_were_kept_is_found_by_the_suppression(api, sendgrid):
    reader = readers.crowd(1, domain="gmail.example")[0]
    optin.suppress(reader.suppression_hash, "bounce", Origin(how="event"))
    assert "1 address at gmail.example" in lift_all("--yes").stdout
    assert readers.suppression_of(reader) is None


def test_nothing_is_lifted_without_a_yes_nor_outside_of_the_time(api, sendgrid):
    bounced(days_ago=1, count=5)
    assert lift_all().exit_code == 4
    assert Suppression.objects.count() == 5
    days = ["2020-12-14", "2020-12-15"]
    assert "Nobody at" in run("--lift", "--bounced-between", *days, "--domain", "gmail.example").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--lift", "--bounced-between", "2020-12-15", "2020-12-14", "--domain", "gmail.com"),
        ("--lift", "--bounced-between", "monday", "2020-12-14", "--domain", "gmail.com"),
        ("--lift", "--bounced-between", "2020-12-14", "2020-12-15", "--domain", "no domain"),
        ("--lift", "--bounced-between", "2020-12-14", "2020-12-15"),
        ("--lift", "--domain", "gmail.com"),
        ("--bounced-between", "2020-12-14", "2020-12-15", "--domain", "gmail.com"),
        ("a@gmail.com", "--lift", "--bounced-between", "2020-12-14", "2020-12-15", "--domain", "gmail.com"),
        ("--lift", "--reason", "x"),
        (),
    ],
)
def test_an_invalid_incident_is_refused_with_an_explanation(db, words):
    ran = run(*words)
    assert ran.exit_code == 2
    assert ran.stderr.strip()


# ---------------------------------------------------------------- by itself


def test_who_is_held_apart_is_released_before_the_next_mail(api, sendgrid, ours):
    bounced()
    Send.objects.update(account=accounts.this_account())
    assert releasing.let_go() == 20
    (path, body) = sendgrid["deleted"][0]
    assert (path, len(body["emails"])) == (BOUNCES, 20)
    assert releasing.let_go() == 0
    assert json.dumps(sendgrid["deleted"]).count("reader0001") == 2


def test_who_is_suppressed_stays_on_the_providers_list(api, sendgrid, ours):
    bounced(count=3)
    Send.objects.update(account=accounts.this_account())
    assert releasing.let_go() == 0
    Suppression.objects.all().delete()  # as by confirming
    releasing._next_try = 0.0
    assert releasing.let_go() == 3


def test_a_key_that_may_not_delete_is_said_once_an_hour_without_an_address(api, sendgrid, ours, caplog):
    bounced()
    Send.objects.update(account=accounts.this_account())
    del sendgrid["deleted"]
    assert (releasing.let_go(), releasing.let_go()) == (0, 0)
    (record,) = [one for one in caplog.records if "provider's suppression list" in one.message]
    assert "suppression.bounces.delete" in record.reason
    assert "reader0001" not in caplog.text
    assert not HardBounce.objects.exclude(released_at=None).exists()
