# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""What receivers did with a whole send: they refuse us, or are broken themselves."""

import json

import pytest

from mailer.cli.doctor import here
from mailer.models import Send
from mailer.publishing.reporting import in_words
from mailer.sending.accounting import receipt
from mailer.sending.domains import refusals_of
from mailer.store import clock
from mailer.worker import notifying
from tests import readers
from tests.mailer.reports import HARD, Mailed, mailed, post
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import everybody
from tests.mailer.worker.test_notifying import EDITOR, notices_now

pytestmark = pytest.mark.django_db

OUTLOOK = {"type": "blocked", "status": "5.7.515", "reason": "550 5.7.515 Access denied, sending domain x.example"}
GMAIL = {"type": "blocked", "status": "5.0.0", "reason": "550-5.7.26 This mail is unauthenticated"}


@pytest.fixture
def refused(api):
    """Let receivers refuse six of ten emails because of us."""
    issue = mailed_to(10)
    post(*(issue.about(reader, "bounce", **OUTLOOK) for reader in everybody()[:4]))
    post(*(issue.about(reader, "bounce", **GMAIL) for reader in everybody()[4:6]))
    return issue.send


def mailed_to(count):
    readers.crowd(count)
    return mailed()


def test_the_receipt_names_each_policy_with_its_meaning_and_what_to_do(refused):
    found = receipt(refused)["refused_by_policy"]
    assert [(one["code"], one["readers"]) for one in found] == [("5.7.515", 4), ("5.7.26", 2)]
    assert "since May 2025" in found[0]["says"]
    assert "Sender Authentication" in found[0]["fix"]
    assert json.loads(json.dumps(receipt(refused)))["suspected_outages"] == []


def test_the_status_says_it_in_sentences(refused):
    said = "\n".join(in_words(refused))
    assert "4 subscribers got nothing (5.7.515): outlook.com rejects bulk email" in said
    assert "To do: run `mailer doctor`" in said


def test_one_delivery_with_two_policies_counts_once(refused):
    reader = everybody()[0]

    attempt = refused.batches.get().current_attempt
    post(Mailed(refused, attempt).about(reader, "bounce", **GMAIL))
    assert sum(one.subscribers for one in refusals_of(refused.pk)) == 6


def test_the_editor_is_told_once_and_also_after_the_end_of_the_send(api, settings):
    settings.EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"
    issue = mailed_to(10)
    Send.objects.update(notify=EDITOR, state="finished")
    assert notices_now(api) == ["[mailer] 2026-11-20 is sent"]
    post(*(issue.about(reader, "bounce", **OUTLOOK) for reader in everybody()[:5]))
    Send.objects.update(finished_at=None)
    assert notifying.unnotified() == []  # long over

    Send.objects.update(finished_at=clock.now())
    assert notices_now(api) == [
        "[mailer] 2026-11-20 is sent",
        "[mailer] 2026-11-20: receivers are rejecting your emails",
    ]
    assert "5.7.515" in api.accepted[-1]["content"]["text/plain"]
    assert notices_now(api)[2:] == []


def test_what_the_mail_about_the_end_says_is_not_told_again(api, settings, refused):
    settings.EMAIL_BACKEND = "mailer.providers.backend.ProviderBackend"

    Send.objects.update(notify=EDITOR, state="finished", finished_at=clock.now())
    assert notices_now(api) == ["[mailer] 2026-11-20 is sent"]
    assert "5.7.26" in api.accepted[-1]["content"]["text/plain"]
    assert notices_now(api) == ["[mailer] 2026-11-20 is sent"]


def test_single_refusals_are_not_reported(api):
    issue = mailed_to(200)
    Send.objects.update(notify=EDITOR, notified="finished", finished_at="2999-01-01T00:00Z")
    post(issue.about(everybody()[0], "bounce", **OUTLOOK))
    assert notifying.unnotified() == []


def test_the_doctor_names_what_receivers_hold_against_us(refused):
    found = {check.name: (check.state, check.detail) for check in here.refusals()}
    assert found["receivers 5.7.515"][0] == "warning"
    assert "4 emails in the last week: outlook.com rejects" in found["receivers 5.7.515"][1]
    assert "receivers 5.7.26" in found


def test_the_doctor_is_content_where_nobody_refused(api):
    mailed_to(2)
    assert [check.state for check in here.refusals()] == ["ok"]


def test_a_suspected_outage_is_shown_with_its_end(api):
    issue = mailed_to(10)
    post(*(issue.about(reader, "bounce", **HARD) for reader in everybody()))
    (outage,) = receipt(issue.send)["suspected_outages"]
    assert (outage["domain"], outage["readers"]) == ("readers.example", 10)
    assert "10 subscribers at readers.example bounced as nonexistent" in "\n".join(in_words(issue.send))
